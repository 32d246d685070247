/* SPDX-License-Identifier: Apache-2.0 */
/* The report as a page. */
#include <stdio.h>

#include "base/err.h"
#include "base/str.h"
#include "drill/chart.h"
#include "drill/html.h"
#include "drill/report.h"
#include "drill/text.h"

enum { CELL = 200 };

static void cell(struct buf *out, const char *text)
{
	html_element(out, "td", NULL, text);
}

static void number(struct buf *out, const char *text)
{
	html_element(out, "td", "n", text);
}

static void duration(struct buf *out, double ms)
{
	char text[CELL];

	number(out, text_duration(text, sizeof(text), ms));
}

static void count(struct buf *out, int64_t value)
{
	char text[CELL];

	number(out, value < 0 ? "–" : text_count(text, sizeof(text), value));
}

/* The first letter as at the begin of a sentence. */
static const char *sentence(const char *text, char *ret, size_t size)
{
	snprintf(ret, size, "%s", text ? text : "");
	if (*ret >= 'a' && *ret <= 'z')
		*ret = (char)(*ret - 'a' + 'A');
	return ret;
}

static void put_header(const struct drill_report *r, struct buf *out)
{
	char text[400];

	buf_put_str(out, "<header><div>\n<p class=\"eyebrow\">Failover drill of group ");
	html_text(out, r->group);
	buf_put_str(out, "</p>\n");
	html_element(out, "h1", NULL, r->scenario);
	buf_put_str(out, "<p class=\"lead\">");
	html_text(out, sentence(r->summary, text, sizeof(text)));
	buf_put_str(out, ".</p>\n</div>\n<p class=\"stamp\">");
	html_text(out, text_time(text, sizeof(text), r->started_at));
	buf_put_str(out, "<br/>");
	html_text(out, r->id);
	buf_put_str(out, "</p></header>\n");
}

static void put_verdict(const struct drill_report *r, struct buf *out)
{
	static const char *const words[] = {"Passed", "Failed", "Aborted"};

	buf_printf(out, "<div class=\"verdict %s\">", drill_verdict_names[r->verdict]);
	html_element(out, "strong", NULL, words[r->verdict]);
	html_element(out, "span", NULL, r->reason);
	buf_put_str(out, "</div>\n");
	if (r->notice)
		html_element(out, "p", "notice", r->notice);
}

static void tile(struct buf *out, const char *name, const char *value, const char *note)
{
	buf_put_str(out, "<div>");
	html_element(out, "dt", NULL, name);
	html_element(out, "dd", NULL, value);
	html_element(out, "dd", "note", note);
	buf_put_str(out, "</div>\n");
}

static void tile_duration(struct buf *out, const char *name, double ms, const char *note)
{
	char text[CELL];

	tile(out, name, text_duration(text, sizeof(text), ms), note);
}

static void tile_count(struct buf *out, const char *name, int64_t value, const char *note)
{
	char text[CELL];

	tile(out, name, value < 0 ? "–" : text_count(text, sizeof(text), value), note);
}

static void put_tiles(const struct drill_report *r, struct buf *out)
{
	char share[CELL], note[CELL + 16];

	snprintf(note, sizeof(note), "%s succeeded", text_percent(share, sizeof(share), r->availability));
	buf_put_str(out, "<dl class=\"tiles\">\n");
	tile_count(out, "Operations", r->operations.total, note);
	tile_count(out, "Failed", r->operations.failed, "errors and wrong results");
	tile_duration(out, "Longest pause", r->rto_ms, "no operation completed (RTO)");
	tile_duration(out, "Detection", r->detect_ms, "longest an operation was held up");
	tile_duration(out, "Recovery", r->recover_ms, "from heal to serving again");
	tile_count(out, "Keys lost", r->rpo_keys, "live before, not after (RPO)");
	buf_put_str(out, "</dl>\n");
}

static void put_objective(const struct drill_objective *o, struct buf *out)
{
	char text[CELL];

	buf_put_str(out, "<tr><td>");
	html_text(out, o->text);
	html_element(out, "span", "what", o->name);
	buf_put_str(out, "</td>");
	number(out, text_amount(text, sizeof(text), o->limit, o->unit));
	number(out, o->measured < 0 ? "not measured" : text_amount(text, sizeof(text), o->measured, o->unit));
	html_element(out, "td", o->met ? "yes" : "no", o->met ? "✓ met" : "✗ missed");
	buf_put_str(out, "</tr>\n");
}

static void put_objectives(const struct drill_report *r, struct buf *out)
{
	if (!r->n_objectives)
		return;
	html_section_open(out, "Objectives");
	html_table_open(out, "Objective|#Limit|#Measured|Result");
	for (size_t i = 0; i < r->n_objectives; i++)
		put_objective(&r->objectives[i], out);
	html_table_close(out);
	html_section_close(out);
}

static void put_course(const struct drill_report *r, struct buf *out)
{
	char width[CELL];

	html_section_open(out, "Course of the drill");
	buf_put_str(out, "<figure>\n");
	drill_chart(r, out);
	buf_printf(out, "<figcaption>%s application thread%s, one point for every %s. Shaded: from the fault to the heal. "
			"Dashed: the member served again. Red: failed operations.</figcaption></figure>\n",
		   r->threads == 1 ? "One" : text_count((char[CELL]){0}, CELL, r->threads), r->threads == 1 ? "" : "s",
		   text_duration(width, sizeof(width), r->interval_ms));
	html_section_close(out);
}

static void put_phase(const struct drill_phase_facts *p, const struct drill_latency *l, struct buf *out)
{
	char from[CELL], to[CELL], text[2 * CELL + 8], rate[CELL], name[40];

	buf_put_str(out, "<tr>");
	cell(out, sentence(p->name, name, sizeof(name)));
	snprintf(text, sizeof(text), "%s to %s", p->start_ms > 0 ? text_duration(from, sizeof(from), p->start_ms) : "start",
		 text_duration(to, sizeof(to), p->end_ms));
	number(out, p->start_ms < 0 ? "–" : text);
	count(out, p->operations);
	count(out, p->failed);
	number(out, text_count(rate, sizeof(rate), (long long)(p->per_second + 0.5)));
	duration(out, l->p50);
	duration(out, l->p99);
	duration(out, l->max);
	buf_put_str(out, "</tr>\n");
}

static void put_latency(const struct drill_report *r, struct buf *out)
{
	const struct drill_latency *latencies[] = {&r->latency_ms.before, &r->latency_ms.during, &r->latency_ms.after};

	html_section_open(out, "Before, during and after the fault");
	html_table_open(out, "Phase|#Time|#Operations|#Failed|#Per second|#Median|#99th percentile|#Slowest");
	for (size_t i = 0; i < r->n_phases && i < 3; i++)
		put_phase(&r->phases[i], latencies[i], out);
	html_table_close(out);
	html_section_close(out);
}

static void put_fault(const struct drill_fault *f, struct buf *out)
{
	char text[CELL];

	buf_put_str(out, "<tr>");
	cell(out, f->target);
	cell(out, f->kind);
	buf_put_str(out, "<td>");
	html_element(out, "code", NULL, f->command);
	buf_put_str(out, "</td>");
	cell(out, text_time(text, sizeof(text), f->at));
	duration(out, f->at_ms);
	duration(out, f->healed_ms);
	duration(out, f->recovered_ms < 0 ? -1 : f->recovered_ms - f->healed_ms);
	buf_put_str(out, "</tr>\n");
}

static void put_faults(const struct drill_report *r, struct buf *out)
{
	html_section_open(out, "Faults");
	if (!r->n_faults) {
		html_element(out, "p", NULL, "Nothing was broken.");
	} else {
		html_table_open(out, "Member|Fault|Command|Time|#Injected at|#Healed at|#Back after");
		for (size_t i = 0; i < r->n_faults; i++)
			put_fault(&r->faults[i], out);
		html_table_close(out);
	}
	html_section_close(out);
}

/* What was so before and after, in one cell when it did not change. */
static void change(struct buf *out, const char *before, const char *after)
{
	char text[CELL];

	if (str_eq(before, after))
		snprintf(text, sizeof(text), "%s", before);
	else
		snprintf(text, sizeof(text), "%s → %s", before, after);
	number(out, text);
}

static void put_member(const struct drill_member *m, struct buf *out)
{
	char before[48], after[48];

	buf_put_str(out, "<tr>");
	cell(out, m->name);
	cell(out, m->role);
	buf_put_str(out, "<td>");
	html_text(out, m->datacenter);
	html_element(out, "span", "what", m->region);
	buf_put_str(out, "</td><td>");
	html_text(out, m->model);
	if (m->firmware) {
		buf_put_u8(out, ' ');
		html_text(out, m->firmware);
	}
	buf_put_str(out, "<span class=\"what\">serial ");
	html_text(out, m->serial);
	buf_put_str(out, "</span></td>");
	change(out, m->up_before ? "up" : "down", m->up_after ? "up" : "down");
	change(out, m->keys_before < 0 ? "–" : text_count(before, sizeof(before), m->keys_before),
	       m->keys_after < 0 ? "–" : text_count(after, sizeof(after), m->keys_after));
	buf_put_str(out, "</tr>\n");
}

static void put_verification(const char *when, const char *verdict, int64_t keys, int64_t proofs, int64_t findings,
			     struct buf *out)
{
	bool good = str_eq(verdict, "in_sync");

	buf_put_str(out, "<tr>");
	cell(out, when);
	html_element(out, "td", good ? "yes" : "no", good ? "✓ in sync" : verdict);
	count(out, keys);
	count(out, proofs);
	count(out, findings);
	buf_put_str(out, "</tr>\n");
}

static void put_members(const struct drill_report *r, struct buf *out)
{
	const struct drill_verify *v = &r->verify;

	html_section_open(out, "Members");
	html_table_open(out, "Member|Role|Datacentre|Token|#State|#Keys");
	for (size_t i = 0; i < r->n_members; i++)
		put_member(&r->members[i], out);
	html_table_close(out);
	html_section_close(out);
	html_section_open(out, "Proof of the replicas");
	html_element(out, "p", NULL, "Every key was challenged on every member; one proof is one key on one member.");
	html_table_open(out, "Verification|Verdict|#Live keys|#Proofs passed|#Findings");
	put_verification("Before the drill", v->before, v->keys_before, v->proofs_before, v->findings_before, out);
	put_verification("After the drill", v->after, v->keys_after, v->proofs_after, v->findings_after, out);
	html_table_close(out);
	html_section_close(out);
}

static void put_findings(const struct drill_report *r, struct buf *out)
{
	html_section_open(out, "Findings");
	if (!r->n_findings)
		html_element(out, "p", NULL, "No operation failed, and no verification found anything.");
	else
		html_table_open(out, "What|#How often|#First at");
	for (size_t i = 0; i < r->n_findings; i++) {
		buf_put_str(out, "<tr>");
		cell(out, r->findings[i].what);
		count(out, r->findings[i].count);
		duration(out, r->findings[i].first_ms);
		buf_put_str(out, "</tr>\n");
	}
	if (r->n_findings)
		html_table_close(out);
	html_section_close(out);
}

static void put_keys(const struct drill_report *r, struct buf *out)
{
	buf_put_str(out, "<dt>Keys used</dt><dd>");
	for (size_t i = 0; i < r->n_keys; i++) {
		buf_put_str(out, i ? ", " : "");
		html_text(out, r->keys[i]);
	}
	buf_put_str(out, "</dd>\n");
}

static void put_run(const struct drill_report *r, struct buf *out)
{
	char text[CELL], ran[48];

	html_section_open(out, "The run");
	buf_put_str(out, "<dl class=\"facts\">\n");
	html_fact(out, "Expected", r->hypothesis);
	html_fact(out, "Load began", text_time(text, sizeof(text), r->started_at));
	html_fact(out, "Ended", text_time(text, sizeof(text), r->ended_at));
	text_duration(text, sizeof(text), (double)r->planned_ms);
	text_duration(ran, sizeof(ran), r->duration_ms);
	buf_put_str(out, "<dt>Duration</dt><dd>");
	buf_printf(out, "%s of %s planned</dd>\n", ran, text);
	html_fact(out, "Application threads", text_count(text, sizeof(text), r->threads));
	put_keys(r, out);
	snprintf(text, sizeof(text), "%lld", (long long)r->seed);
	html_fact(out, "Seed", text);
	html_fact(out, "Run by", r->operator);
	html_fact(out, "On host", r->host);
	html_fact(out, "With", r->tool);
	snprintf(text, sizeof(text), "revision %lld", (long long)r->fleet_revision);
	html_fact(out, "Fleet document", text);
	html_code_fact(out, "its SHA-256", r->fleet_sha256);
	buf_put_str(out, "</dl>\n");
	html_section_close(out);
}

static void put_evidence(const struct drill_report *r, struct buf *out)
{
	const struct drill_evidence *e = &r->evidence;

	html_section_open(out, "Evidence");
	html_element(out, "p", NULL,
		     "The digest is of the JSON report on one line without its evidence part; the signature is over the "
		     "same bytes, made by a key of the group after the drill and checked outside of it.");
	buf_put_str(out, "<dl class=\"facts\">\n");
	html_code_fact(out, "Drill", r->id);
	html_code_fact(out, "SHA-256", e->sha256);
	if (e->signature) {
		html_code_fact(out, "Signature", e->signature);
		html_fact(out, "Made with", e->mechanism);
		html_fact(out, "By key", e->key);
		html_code_fact(out, "Its public key", e->public_key);
	} else {
		html_fact(out, "Signature", e->note ? e->note : "none");
	}
	if (e->audit_head)
		html_code_fact(out, "Audit entry", e->audit_head);
	buf_put_str(out, "</dl>\n");
	html_section_close(out);
}

static void put_method(struct buf *out)
{
	html_section_open(out, "How it was measured");
	buf_put_str(out, "<dl class=\"facts\">\n");
	html_fact(out, "Operation", "One PKCS#11 operation through the group's virtual slot, as an application calls it: "
				    "sign, encrypt, decrypt, MAC, random. Signatures are verified outside with the public "
				    "key, decryption is compared with the plain text, MACs with the first one.");
	html_fact(out, "Failed", "It returned an error, or its result was wrong.");
	html_fact(out, "Phases", "Before: ended before the fault. After: began after the heal had begun. During: all others.");
	html_fact(out, "Longest pause", "Longest time without any completed operation, over all threads, that ended after "
					"the fault.");
	html_fact(out, "Detection", "Longest time for which the fault held up one operation; after it, everybody had "
				    "turned away from the broken member.");
	html_fact(out, "Recovery", "From the begin of healing until the member answered a probe: token present, login good, "
				   "random bytes returned.");
	html_fact(out, "Keys lost", "Live keys before the drill less live keys after it.");
	html_fact(out, "Percentiles", "Within 0.4 %; the slowest is exact.");
	html_fact(out, "Clocks", "Times are UTC of the host's system clock; durations are of its monotonic clock.");
	buf_put_str(out, "</dl>\n");
	html_section_close(out);
}

static void put_footer(const struct drill_report *r, struct buf *out)
{
	buf_put_str(out, "<footer>");
	html_text(out, r->tool);
	buf_put_str(out, ", drill ");
	html_text(out, r->id);
	buf_put_str(out, ". This page holds everything and loads nothing.</footer>\n");
}

int drill_report_html(const struct drill_report *r, struct buf *ret, struct err *err)
{
	char title[CELL];

	snprintf(title, sizeof(title), "Drill %s of %s: %s", r->scenario, r->group, drill_verdict_names[r->verdict]);
	html_page_open(ret, title);
	put_header(r, ret);
	put_verdict(r, ret);
	put_tiles(r, ret);
	put_objectives(r, ret);
	put_course(r, ret);
	put_latency(r, ret);
	put_faults(r, ret);
	put_findings(r, ret);
	put_members(r, ret);
	put_run(r, ret);
	put_evidence(r, ret);
	put_method(ret);
	put_footer(r, ret);
	html_page_close(ret);
	return buf_check(ret, err);
}
