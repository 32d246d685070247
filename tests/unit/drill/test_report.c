/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/temp.h"

#include <ctype.h>

#include "drill/verdict.h"
#include "synthetic.h"

static const struct drill_limits limits = {5000, 0};

static void own_report(struct drill_report *r)
{
	json_release(&drill_report_type, r);
}

#define REPORT __attribute__((cleanup(own_report))) struct drill_report

static void numbers_come_from_the_recording(void **state)
{
	REPORT r;

	(void)state;
	assert_int_equal(synthetic_report(true, &r), 0);
	assert_int_equal(r.operations.failed, 1);
	assert_true(r.operations.total > 50000);
	assert_true(r.availability > 0.9999 && r.availability < 1);
	assert_int_equal(r.n_phases, 3);
	assert_true(r.phases[0].operations + r.phases[1].operations + r.phases[2].operations == r.operations.total);
	assert_true(r.phases[1].start_ms == 10000 && r.phases[1].end_ms == 20000);
	assert_true(r.latency_ms.during.max == 1000);
	assert_true(r.latency_ms.before.p50 > 0.5 && r.latency_ms.before.p50 < 1);
	assert_true(r.rto_ms > 900 && r.rto_ms < 1100);
	assert_true(r.detect_ms >= 999 && r.detect_ms <= 1000);
	assert_int_equal(r.n_samples, 300);
	assert_true(r.interval_ms == 100);
}

static void unknown_numbers_are_null(void **state)
{
	REPORT r;
	owned(buf) struct buf text = {.max = 1 << 20};
	const char *json;

	(void)state;
	drill_report_init(&r);
	assert_int_equal(synthetic_texts(&r), 0);
	assert_int_equal(json_write(&drill_report_type, &r, false, &text, NULL), 0);
	json = buf_text(&text);
	assert_non_null(strstr(json, "\"rto_ms\":null"));
	assert_non_null(strstr(json, "\"rpo_keys\":null"));
	assert_non_null(strstr(json, "\"p50\":null"));
}

static void what_is_signed_does_not_hold_the_signature(void **state)
{
	REPORT r;
	owned(buf) struct buf before = {.max = 1 << 22}, after = {.max = 1 << 22};

	(void)state;
	assert_int_equal(synthetic_report(false, &r), 0);
	assert_int_equal(drill_report_canonical(&r, &before, NULL), 0);
	assert_null(strstr(buf_text(&before), "evidence"));
	assert_null(strchr(buf_text(&before), '\n'));
	assert_int_equal(fleet_set(&r.evidence.sha256, "00", NULL), 0);
	assert_int_equal(drill_report_canonical(&r, &after, NULL), 0);
	assert_string_equal(buf_text(&before), buf_text(&after));
	r.operations.failed++;
	buf_clear(&after);
	assert_int_equal(drill_report_canonical(&r, &after, NULL), 0);
	assert_string_not_equal(buf_text(&before), buf_text(&after));
}

/* ---- the page ---- */

enum { DEPTH = 64, TAG = 32 };

struct walk {
	char open[DEPTH][TAG];
	size_t depth, elements;
};

/* One tag, from behind its '<' to its '>'. */
static void walk_tag(struct walk *w, const char *tag, size_t len)
{
	bool closing = *tag == '/', empty = tag[len - 1] == '/';
	const char *name = tag + closing;
	size_t n = 0;
	size_t quotes = 0;

	if (*tag == '!')
		return;
	while (isalnum((unsigned char)name[n]))
		n++;
	assert_true(n > 0 && n < TAG);
	for (size_t i = 0; i < len; i++)
		quotes += tag[i] == '"';
	assert_int_equal(quotes % 2, 0);
	w->elements++;
	if (closing) {
		assert_true(w->depth > 0);
		w->depth--;
		assert_int_equal(strncmp(w->open[w->depth], name, n), 0);
		assert_int_equal(w->open[w->depth][n], 0);
	} else if (!empty) {
		assert_true(w->depth < DEPTH);
		snprintf(w->open[w->depth++], TAG, "%.*s", (int)n, name);
	}
}

/* Every element is closed, in order; every '&' begins an entity. */
static void assert_well_formed(const char *page)
{
	struct walk w = {.depth = 0};

	for (const char *c = page; *c; c++) {
		const char *end;

		if (*c == '&') {
			end = strchr(c, ';');
			assert_true(end && end - c < 8 && end - c > 2);
		} else if (*c == '<') {
			end = strchr(c, '>');
			assert_non_null(end);
			walk_tag(&w, c + 1, (size_t)(end - c - 1));
			c = end;
		} else {
			assert_int_not_equal(*c, '>');
		}
	}
	assert_int_equal(w.depth, 0);
	assert_true(w.elements > 100);
}

static void make_page(struct drill_report *r, struct buf *page)
{
	assert_int_equal(drill_report_html(r, page, NULL), 0);
	assert_well_formed(buf_text(page));
}

static void the_page_is_well_formed(void **state)
{
	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		REPORT r;
		owned(buf) struct buf page = {.max = 1 << 22};
		struct err why = {0};

		assert_int_equal(synthetic_report(kind == 1, &r), 0);
		err_set(&why, ERR_FAILED, "it broke");
		assert_int_equal(kind == 2 ? drill_abort(&r, &why, NULL) : drill_judge(&r, &limits, NULL), 0);
		make_page(&r, &page);
		assert_non_null(strstr(buf_text(&page), kind == 0   ? ">Passed<"
							: kind == 1 ? ">Failed<"
								    : ">Aborted<"));
	}
}

static void an_empty_report_has_a_page(void **state)
{
	REPORT r;
	owned(buf) struct buf page = {.max = 1 << 20};

	(void)state;
	drill_report_init(&r);
	make_page(&r, &page);
}

static void the_page_loads_nothing(void **state)
{
	static const char *const forbidden[] = {"<script", "src=", "href=", "url(", "@import", "http:", "https:", "//"};
	REPORT r;
	owned(buf) struct buf page = {.max = 1 << 22};

	(void)state;
	assert_int_equal(synthetic_report(true, &r), 0);
	assert_int_equal(drill_judge(&r, &limits, NULL), 0);
	make_page(&r, &page);
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(*forbidden); i++)
		assert_null(strstr(buf_text(&page), forbidden[i]));
}

static void foreign_text_is_only_text(void **state)
{
	static char evil[] = "<script>alert(\"x\")</script>&amp;'\xff\x01\x1b[31m";
	REPORT r;
	owned(buf) struct buf page = {.max = 1 << 22};
	char **texts[] = {NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL};
	size_t n = 0;

	(void)state;
	assert_int_equal(synthetic_report(true, &r), 0);
	assert_int_equal(drill_judge(&r, &limits, NULL), 0);
	texts[n++] = &r.group;
	texts[n++] = &r.scenario;
	texts[n++] = &r.summary;
	texts[n++] = &r.reason;
	texts[n++] = &r.notice;
	texts[n++] = &r.host;
	texts[n++] = &r.operator;
	texts[n++] = &r.keys[0];
	texts[n++] = &r.members[0].name;
	texts[n++] = &r.members[0].model;
	texts[n++] = &r.faults[0].target;
	texts[n++] = &r.faults[0].command;
	texts[n++] = &r.findings[0].what;
	texts[n++] = &r.evidence.key;
	for (size_t i = 0; i < n; i++)
		assert_int_equal(fleet_set(texts[i], evil, NULL), 0);
	make_page(&r, &page);
	assert_null(strstr(buf_text(&page), "<script"));
	assert_null(strchr(buf_text(&page), '\x1b'));
	assert_null(strchr(buf_text(&page), '\xff'));
	assert_non_null(strstr(buf_text(&page), "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;amp;&#39;\xef\xbf\xbd"));
}

static void a_page_that_does_not_fit_is_an_error(void **state)
{
	REPORT r;
	owned(buf) struct buf page = {.max = 5000};

	(void)state;
	assert_int_equal(synthetic_report(false, &r), 0);
	assert_int_equal(drill_report_html(&r, &page, NULL), -ERR_NO_MEMORY);
}

static int measure(struct drill_report *r, const struct recorder_summary *s)
{
	struct err err;

	return drill_report_measure(r, s, &err);
}

static void no_memory(void **state)
{
	REPORT r;
	owned(recorder_summary) struct recorder_summary s = {0};

	(void)state;
	drill_report_init(&r);
	assert_int_equal(synthetic_recording(false, &s, NULL), 0);
	assert_survives_no_memory(measure(&r, &s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_come_from_the_recording),
		cmocka_unit_test(unknown_numbers_are_null),
		cmocka_unit_test(what_is_signed_does_not_hold_the_signature),
		cmocka_unit_test(the_page_is_well_formed),
		cmocka_unit_test(an_empty_report_has_a_page),
		cmocka_unit_test(the_page_loads_nothing),
		cmocka_unit_test(foreign_text_is_only_text),
		cmocka_unit_test(a_page_that_does_not_fit_is_an_error),
		cmocka_unit_test(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
