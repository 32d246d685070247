/* SPDX-License-Identifier: Apache-2.0 */
/* Reaching one partition as an administrator. */
#include "base/err.h"
#include "base/mem.h"
#include "crypto/tls.h"
#include "member/member.h"
#include "partition/partition.h"

void partition_look_release(struct partition_look *look)
{
	member_free(look->member);
	tls_context_free(look->tls);
	fleet_free(look->fleet);
	store_free(look->store);
	*look = (struct partition_look){0};
}

static int open_member(const char *where, struct partition_look *look, struct err *err)
{
	static const struct fleet_policy patience = {.connect_ms = 2000, .answer_ms = 2000, .call_ms = 60000};
	owned(mem) char *pki = store_file(look->store, "pki");
	int rc = pki ? 0 : err_no_memory(err);

	if (rc == 0 && look->partition->link.kind == FLEET_LINK_TLS)
		rc = tls_context_new(pki, "admin", false, &look->tls, err);
	if (rc == 0)
		rc = member_open_partition(look->device, look->partition, where, &patience, look->tls,
					   &look->member, err);
	return rc;
}

int partition_look_open(const struct cli *cli, const char *where, struct partition_look *ret,
			struct err *err)
{
	int rc = store_open(cli_store_url(cli), 0, &ret->store, err);

	if (rc == 0)
		rc = store_read(ret->store, &ret->fleet, err);
	if (rc == 0)
		rc = fleet_locate(ret->fleet, where, &ret->device, &ret->partition, err);
	return rc < 0 ? rc : open_member(where, ret, err);
}
