/* SPDX-License-Identifier: Apache-2.0 */
/* Two panels over one time axis. */
#include "drill/chart.h"

#include <math.h>
#include <stdio.h>

#include "drill/html.h"
#include "drill/report.h"
#include "drill/text.h"

/* In the drawing's own units, which are pixels at full width. */
enum { WIDTH = 976, HEIGHT = 452, LEFT = 62, RIGHT = 10 };
enum { RATE_TOP = 52, RATE_BOTTOM = 196, LATENCY_TOP = 254, LATENCY_BOTTOM = 410 };
enum { LABEL_ROOM = 190 };

struct chart {
	const struct drill_report *report;
	struct buf *out;
	double end_ms;
	double rate_top;	/* operations per second at RATE_TOP */
	double low, high;	/* decades of milliseconds at the ends of the latency axis; high may be a half */
};

static double x_of(const struct chart *c, double ms)
{
	double share = c->end_ms > 0 ? ms / c->end_ms : 0;

	return LEFT + (share > 1 ? 1 : share) * (WIDTH - LEFT - RIGHT);
}

static double rate_y(const struct chart *c, double rate)
{
	return RATE_BOTTOM - rate / c->rate_top * (RATE_BOTTOM - RATE_TOP);
}

static double latency_y(const struct chart *c, double ms)
{
	double share = ms > 0 ? (log10(ms) - c->low) / (c->high - c->low) : 0;

	return LATENCY_BOTTOM - fmin(1, fmax(0, share)) * (LATENCY_BOTTOM - LATENCY_TOP);
}

static double rate_of(const struct chart *c, size_t i)
{
	const struct drill_sample *s = &c->report->samples[i];
	double width = fmin(c->report->interval_ms, fmax(c->end_ms - s->at_ms, 1));

	return (double)s->operations * 1000 / width;
}

/* 1, 2 or 5 times a power of ten, so that about count of them make up range. */
static double nice_step(double range, double count)
{
	double raw = range / count, unit = pow(10, floor(log10(raw)));

	return raw <= unit ? unit : raw <= 2 * unit ? 2 * unit : raw <= 5 * unit ? 5 * unit : 10 * unit;
}

static double time_step(double end_ms)
{
	static const double steps[] = {500, 1000, 2000, 5000, 10000, 15000, 30000, 60000, 120000, 300000, 600000};
	size_t i = 0;

	while (i + 1 < sizeof(steps) / sizeof(*steps) && end_ms / steps[i] > 10.5)
		i++;
	return end_ms / steps[i] > 10.5 ? nice_step(end_ms, 8) : steps[i];
}

static void line(const struct chart *c, const char *class, double x1, double y1, double x2, double y2)
{
	buf_printf(c->out, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class, x1, y1, x2, y2);
}

static void text(const struct chart *c, const char *class, const char *anchor, double x, double y, const char *what)
{
	buf_printf(c->out, "<text class=\"%s\" text-anchor=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, anchor, x, y);
	html_text(c->out, what);
	buf_put_str(c->out, "</text>\n");
}

/* A whole multiple of the axis' step, so that the topmost line has a label. */
static void scale_rate(struct chart *c)
{
	double most = 1, step;

	for (size_t i = 0; i < c->report->n_samples; i++)
		most = fmax(most, rate_of(c, i));
	step = nice_step(most, 4);
	c->rate_top = ceil(most / step) * step;
}

static void scale_latency(struct chart *c)
{
	double least = INFINITY, most = 0;

	for (size_t i = 0; i < c->report->n_samples; i++) {
		const struct drill_sample *s = &c->report->samples[i];

		if (s->p50_ms <= 0)
			continue;
		least = fmin(least, s->p50_ms);
		most = fmax(most, s->max_ms);
	}
	c->low = isfinite(least) ? floor(log10(least)) : 0;
	c->high = most > 0 ? ceil(2 * log10(most) - 1e-9) / 2 : 1;
	c->high = fmax(c->high, c->low + 1);
}

static void draw_windows(const struct chart *c)
{
	for (size_t i = 0; i < c->report->n_faults; i++) {
		const struct drill_fault *f = &c->report->faults[i];
		double from = x_of(c, f->at_ms), to = x_of(c, f->healed_ms < 0 ? c->end_ms : f->healed_ms);

		buf_printf(c->out, "<rect class=\"window\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>\n", from,
			   RATE_TOP, to - from, RATE_BOTTOM - RATE_TOP);
		buf_printf(c->out, "<rect class=\"window\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>\n", from,
			   LATENCY_TOP, to - from, LATENCY_BOTTOM - LATENCY_TOP);
	}
}

static void draw_rate_axis(const struct chart *c)
{
	double step = nice_step(c->rate_top, 4);
	char label[48];

	text(c, "title", "start", LEFT, 15, "Completed operations per second");
	for (double rate = 0; rate <= c->rate_top * 1.001; rate += step) {
		double y = rate_y(c, rate);

		line(c, rate > 0 ? "grid" : "axis", LEFT, y, WIDTH - RIGHT, y);
		text(c, "tick", "end", LEFT - 8, y + 4, text_count(label, sizeof(label), llround(rate)));
	}
}

static void draw_latency_axis(const struct chart *c)
{
	char label[48];

	text(c, "title", "start", LEFT, LATENCY_TOP - 16, "Latency of an operation: median, and up to the slowest (logarithmic)");
	for (double decade = c->low; decade <= c->high + 0.001; decade++) {
		double y = latency_y(c, pow(10, decade)), ms = pow(10, decade);

		line(c, decade > c->low ? "grid" : "axis", LEFT, y, WIDTH - RIGHT, y);
		if (ms < 1)
			snprintf(label, sizeof(label), "%g µs", round(ms * 1000));
		else
			snprintf(label, sizeof(label), ms < 1000 ? "%g ms" : "%g s", ms < 1000 ? ms : ms / 1000);
		text(c, "tick", "end", LEFT - 8, y + 4, label);
	}
}

static void draw_time_axis(const struct chart *c)
{
	double step = time_step(c->end_ms);
	bool minutes = step >= 60000;
	char label[48];

	for (double ms = 0; ms <= c->end_ms * 1.001; ms += step) {
		double x = x_of(c, ms);

		line(c, "axis", x, LATENCY_BOTTOM, x, LATENCY_BOTTOM + 5);
		line(c, "axis", x, RATE_BOTTOM, x, RATE_BOTTOM + 5);
		snprintf(label, sizeof(label), minutes ? "%g min" : "%g s", ms / (minutes ? 60000 : 1000));
		text(c, "tick", ms <= 0 ? "start" : x > WIDTH - RIGHT - 12 ? "end" : "middle", x, LATENCY_BOTTOM + 20, label);
	}
	text(c, "tick", "end", WIDTH - RIGHT, LATENCY_BOTTOM + 38, "time since the start of the load");
}

/* Steps, not slopes: a sample is a count over an interval. */
static void rate_outline(const struct chart *c)
{
	for (size_t i = 0; i < c->report->n_samples; i++) {
		double y = rate_y(c, rate_of(c, i)), at = c->report->samples[i].at_ms;

		buf_printf(c->out, "%s%.1f,%.1f %.1f,%.1f", i ? " " : "", x_of(c, at), y,
			   x_of(c, at + c->report->interval_ms), y);
	}
}

static void draw_rate(const struct chart *c)
{
	if (!c->report->n_samples)
		return;
	buf_printf(c->out, "<polygon class=\"area\" points=\"%d,%d ", LEFT, RATE_BOTTOM);
	rate_outline(c);
	buf_printf(c->out, " %d,%d\"/>\n<polyline class=\"rate\" points=\"", WIDTH - RIGHT, RATE_BOTTOM);
	rate_outline(c);
	buf_put_str(c->out, "\"/>\n");
}

/* At least a visible speck, however few of many failed. */
static void draw_failures(const struct chart *c)
{
	double width = x_of(c, c->report->interval_ms) - x_of(c, 0);

	for (size_t i = 0; i < c->report->n_samples; i++) {
		const struct drill_sample *s = &c->report->samples[i];
		double height = RATE_BOTTOM - rate_y(c, (double)s->failed * 1000 / c->report->interval_ms);

		if (s->failed > 0)
			buf_printf(c->out,
				   "<rect class=\"failed\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
				   x_of(c, s->at_ms), RATE_BOTTOM - fmax(height, 4), fmax(width, 2), fmax(height, 4));
	}
}

static void draw_ranges(const struct chart *c)
{
	double width = x_of(c, c->report->interval_ms) - x_of(c, 0);

	buf_printf(c->out, "<g stroke-width=\"%.1f\">\n", fmax(1, width - (width > 3 ? 1 : 0)));
	for (size_t i = 0; i < c->report->n_samples; i++) {
		const struct drill_sample *s = &c->report->samples[i];
		double x = x_of(c, s->at_ms + c->report->interval_ms / 2);

		if (s->max_ms > 0)
			line(c, "range", x, fmin(latency_y(c, s->max_ms), latency_y(c, s->p50_ms) - 1), x,
			     latency_y(c, s->p50_ms));
	}
	buf_put_str(c->out, "</g>\n");
}

/* The line breaks where nothing was completed. */
static void draw_median(const struct chart *c)
{
	bool down = false;

	buf_put_str(c->out, "<path class=\"median\" d=\"");
	for (size_t i = 0; i < c->report->n_samples; i++) {
		const struct drill_sample *s = &c->report->samples[i];

		if (s->p50_ms > 0)
			buf_printf(c->out, "%s%.1f,%.1f", down ? " L" : " M",
				   x_of(c, s->at_ms + c->report->interval_ms / 2), latency_y(c, s->p50_ms));
		down = s->p50_ms > 0;
	}
	buf_put_str(c->out, "\"/>\n");
}

static void cut(const struct chart *c, const char *class, double x)
{
	line(c, class, x, RATE_TOP - 6, x, RATE_BOTTOM);
	line(c, class, x, LATENCY_TOP, x, LATENCY_BOTTOM);
}

static void label_fault(const struct chart *c, const struct drill_fault *f, double x)
{
	char at[48], what[160];

	snprintf(what, sizeof(what), "%.20s %.60s, %s", f->kind, f->target, text_duration(at, sizeof(at), f->at_ms));
	text(c, "mark halo", x > WIDTH - LABEL_ROOM ? "end" : "start", x + (x > WIDTH - LABEL_ROOM ? -4 : 4), RATE_TOP - 10,
	     what);
}

static void label_heal(const struct chart *c, const struct drill_fault *f, double x)
{
	char took[48], what[160];

	if (f->recovered_ms < 0)
		snprintf(what, sizeof(what), "heal");
	else
		snprintf(what, sizeof(what), "heal, back after %s",
			 text_duration(took, sizeof(took), f->recovered_ms - f->healed_ms));
	text(c, "mark halo", x > WIDTH - LABEL_ROOM ? "end" : "start", x + (x > WIDTH - LABEL_ROOM ? -4 : 4), RATE_TOP - 10,
	     what);
}

/* A label that would run into the one before is left out; the table has all. */
static void draw_faults(const struct chart *c)
{
	double free_from = 0;

	for (size_t i = 0; i < c->report->n_faults; i++) {
		const struct drill_fault *f = &c->report->faults[i];
		double from = x_of(c, f->at_ms), to = x_of(c, f->healed_ms);

		cut(c, "cut", from);
		if (from >= free_from)
			label_fault(c, f, from);
		free_from = from >= free_from ? from + LABEL_ROOM : free_from;
		if (f->healed_ms < 0)
			continue;
		cut(c, "cut", to);
		if (f->recovered_ms >= 0)
			cut(c, "back", x_of(c, f->recovered_ms));
		if (to >= free_from)
			label_heal(c, f, to);
		free_from = to >= free_from ? to + LABEL_ROOM : free_from;
	}
}

void drill_chart(const struct drill_report *report, struct buf *out)
{
	struct chart c = {.report = report, .out = out};

	c.end_ms = fmax(report->duration_ms, (double)report->planned_ms);
	scale_rate(&c);
	scale_latency(&c);
	buf_printf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"Throughput and latency over time\">\n", WIDTH,
		   HEIGHT);
	draw_windows(&c);
	draw_rate_axis(&c);
	draw_latency_axis(&c);
	draw_time_axis(&c);
	draw_rate(&c);
	draw_failures(&c);
	draw_ranges(&c);
	draw_median(&c);
	draw_faults(&c);
	buf_put_str(out, "</svg>\n");
}
