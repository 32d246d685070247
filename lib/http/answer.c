/* SPDX-License-Identifier: Apache-2.0 */
/* What came back: status, headers, body. */
#include "http/answer.h"

#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"

static void free_fields(struct http_answer *answer)
{
	for (size_t i = 0; i < answer->n_fields; i++) {
		free(answer->fields[i].name);
		free(answer->fields[i].value);
	}
	free(answer->fields);
	answer->fields = NULL;
	answer->n_fields = 0;
}

void answer_clear(struct http_answer *answer)
{
	answer->status = 0;
	buf_clear(&answer->body);
	free_fields(answer);
}

void http_answer_release(struct http_answer *answer)
{
	free_fields(answer);
	buf_release(&answer->body);
}

int answer_add(struct http_answer *answer, const char *name, const char *value, struct err *err)
{
	/* libcurl 7.88 leaves the end of the line in a value that is empty. */
	owned(mem) char *own_name = mem_strdup(name), *own_value = mem_strndup(value, strcspn(value, "\r\n"));
	size_t n = answer->n_fields;
	struct http_field *fields;

	if (n == ANSWER_FIELDS)
		return err_set(err, ERR_PROTOCOL, "more than %d headers", ANSWER_FIELDS);
	fields = mem_grow(answer->fields, n, n + 1, sizeof(*fields));
	if (!fields)
		return err_no_memory(err);
	answer->fields = fields;
	if (!own_name || !own_value)
		return err_no_memory(err);
	fields[n] = (struct http_field){own_take(own_name), own_take(own_value)};
	answer->n_fields++;
	return 0;
}

const char *http_answer_header(const struct http_answer *answer, const char *name)
{
	for (size_t i = answer->n_fields; i-- > 0;)
		if (strcasecmp(answer->fields[i].name, name) == 0)
			return answer->fields[i].value;
	return NULL;
}
