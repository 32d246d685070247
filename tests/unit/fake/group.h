/* SPDX-License-Identifier: Apache-2.0 */
/* group - a replica set of three fake tokens, which stand in the library; setup and teardown of a test. */
#ifndef TESTS_FAKE_GROUP_H
#define TESTS_FAKE_GROUP_H

#include "beside.h"

#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"
#include "json/type.h"
#include "member/member.h"
#include "p11/rv.h"
#include "replica/domain.h"
#include "replica/sites.h"
#include "replica/verify.h"
#include "replica/view.h"
#include "replica/write.h"

enum { MEMBERS = 3 };

static struct replica_set set;
static char serials[MEMBERS][17], faults[2 * PATH_MAX];

static int open_set(void **state)
{
	owned(secret) struct secret *pin = NULL;
	struct err err = {0};

	assert_int_equal(temp_setup(state), 0);
	snprintf(faults, sizeof(faults), "%s", in(*state, "faults"));
	setenv("FAKE_TOKENS", "3", 1);
	setenv("FAKE_FAULTS", faults, 1);
	set = (struct replica_set){.name = "unit", .domain_id = "0123456789abcde", .n_members = MEMBERS};
	set.policy.min_members = MEMBERS;
	pthread_mutex_init(&set.lock, NULL);
	pthread_mutex_init(&set.change_lock, NULL);
	set.view = mem_new(struct view);
	for (size_t i = 0; i < MEMBERS; i++) {
		const struct member_config config = {
		    .name = "member", .link = FLEET_LINK_MODULE, .module = library(), .serial = serials[i]};

		snprintf(serials[i], sizeof(serials[i]), "fa4e%012zx", i);
		snprintf(set.members[i].name, sizeof(set.members[i].name), "member-%zu", i);
		set.members[i].index = i;
		assert_int_equal(member_open(&config, &set.members[i].member, &err), 0);
	}
	assert_int_equal(secret_new("1234", 4, &pin, &err), 0);
	return replica_set_login(&set, pin, &err);
}

static int close_set(void **state)
{
	for (size_t i = 0; i < MEMBERS; i++)
		member_free(set.members[i].member);
	free(set.view);
	return temp_teardown(state);
}

static void make_domain(struct err *err)
{
	owned(replica_sites) struct replica_sites sites = {0};
	char fingerprint[DOMAIN_FINGERPRINT];

	assert_int_equal(replica_sites_open(&set, UINT32_MAX, &sites, err), 0);
	for (size_t i = 0; i < MEMBERS; i++)
		assert_non_null(sites.sites[i].channel);
	assert_int_equal(domain_create(sites.sites[0].channel, set.domain_id, &sites.sites[0].domain, err), 0);
	for (size_t i = 1; i < MEMBERS; i++)
		if (domain_join(&sites.sites[0], &sites.sites[i], set.domain_id, NULL, fingerprint, err) < 0)
			fail_msg("%s", err->message);
}

static unsigned verdict(struct err *err)
{
	struct replica_report report = {0};
	unsigned result;

	assert_int_equal(replica_verify(&set, VERIFY_ALL, NULL, &report, err), 0);
	result = report.verdict;
	for (size_t i = 0; i < report.n_findings; i++)
		print_message("%s: %s\n", report.findings[i].member, report.findings[i].detail);
	json_release(&replica_report_type, &report);
	return result;
}

#endif
