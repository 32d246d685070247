/* SPDX-License-Identifier: Apache-2.0 */
/* chart - a run over time: throughput above, latency below. Private to lib/drill. */
#ifndef DRILL_CHART_H
#define DRILL_CHART_H

struct buf;
struct drill_report;

/* Append an SVG drawing of the report's samples and faults; its colours are the
 * classes of the page. */
void drill_chart(const struct drill_report *report, struct buf *out);

#endif
