/* SPDX-License-Identifier: Apache-2.0 */
/* The page around a report: escapes, tables, style. */
#include "drill/html.h"

#include <string.h>

#include "json/utf8.h"

static const char style[] =
	":root{color-scheme:light dark;"
	"--paper:#fff;--ink:#18202b;--soft:#566173;--rule:#dfe4ea;--tile:#f6f8fa;"
	"--accent:#2a6194;--range:#a8c4de;--area:#d6e4f0;--fault:#b4532a;--window:#fbeee6;"
	"--good:#1b7148;--good-bg:#e9f5ee;--bad:#b3261e;--bad-bg:#fcecea;--warn:#86590a;--warn-bg:#fbf3e0}\n"
	"@media screen and (prefers-color-scheme:dark){:root{"
	"--paper:#11161d;--ink:#e4e8ee;--soft:#98a4b4;--rule:#2a333e;--tile:#19202a;"
	"--accent:#7fb2e0;--range:#365a7b;--area:#1f3447;--fault:#e08a5e;--window:#2c211c;"
	"--good:#6fcf9c;--good-bg:#14291f;--bad:#f2857c;--bad-bg:#331a19;--warn:#e3b354;--warn-bg:#2e2612}}\n"
	"@media print{:root{color-scheme:light}body{font-size:9.5pt}main{padding:0}"
	"section,figure,.tiles,.verdict{break-inside:avoid}h2{break-after:avoid}"
	"*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}\n"
	"@page{margin:16mm}\n"
	"*{box-sizing:border-box}"
	"body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,'Segoe UI',"
	"Roboto,'Helvetica Neue','Noto Sans','Liberation Sans',Arial,sans-serif;font-variant-numeric:tabular-nums}"
	"main{max-width:1040px;margin:0 auto;padding:48px 32px 64px}"
	"header{display:flex;justify-content:space-between;align-items:flex-end;gap:32px;margin-bottom:24px}"
	".eyebrow{color:var(--soft);font-size:13px;margin:0 0 4px}"
	"h1{font-size:34px;line-height:1.15;font-weight:650;letter-spacing:-.015em;margin:0}"
	".lead{margin:8px 0 0;color:var(--soft);max-width:46em}"
	".stamp{margin:0;text-align:right;color:var(--soft);font-size:13px;white-space:nowrap}"
	"h2{font-size:19px;font-weight:650;letter-spacing:-.005em;margin:0 0 12px}"
	"section{margin-top:44px}p{margin:0 0 12px;max-width:62em}"
	".verdict{border-left:5px solid;padding:16px 20px;border-radius:3px}"
	".verdict strong{display:block;font-size:25px;line-height:1.25;font-weight:680}"
	".verdict span{color:var(--ink)}"
	".pass{color:var(--good);background:var(--good-bg)}.fail{color:var(--bad);background:var(--bad-bg)}"
	".aborted{color:var(--warn);background:var(--warn-bg)}"
	".notice{margin:12px 0 0;color:var(--soft);font-size:13.5px;max-width:none}"
	".tiles{display:grid;grid-template-columns:repeat(6,1fr);gap:1px;background:var(--rule);"
	"border:1px solid var(--rule);border-radius:4px;overflow:hidden;margin:24px 0 0}"
	".tiles div{background:var(--paper);padding:14px 16px 13px}"
	".tiles dt{color:var(--soft);font-size:13px;line-height:1.35}"
	".tiles dd{margin:2px 0 0;font-size:22px;font-weight:620;letter-spacing:-.01em;white-space:nowrap}"
	".tiles .note{font-size:12.5px;font-weight:400;color:var(--soft);letter-spacing:0;white-space:normal;line-height:1.35}"
	"table{border-collapse:collapse;width:100%;font-size:14px}"
	"th,td{text-align:left;vertical-align:baseline;padding:8px 16px 8px 0;border-bottom:1px solid var(--rule)}"
	"th{font-weight:550;color:var(--soft);font-size:13px;border-bottom-color:var(--soft)}"
	"td:last-child,th:last-child{padding-right:0}"
	".n{text-align:right;white-space:nowrap}"
	".yes{color:var(--good);font-weight:600;white-space:nowrap}.no{color:var(--bad);font-weight:600;white-space:nowrap}"
	".what{color:var(--soft);font-size:13px;display:block}"
	"code{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,'Liberation Mono',monospace;overflow-wrap:anywhere}"
	"figure{margin:0}figcaption{color:var(--soft);font-size:13px;margin-top:8px;max-width:62em}"
	"svg{display:block;width:100%;height:auto}svg text{font-size:12px;fill:var(--soft);font-family:inherit}"
	"svg .title{fill:var(--ink);font-weight:600;font-size:13px}svg .mark{fill:var(--fault);font-weight:600}"
	"svg .halo{paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}"
	".grid{stroke:var(--rule)}.axis{stroke:var(--soft)}.window{fill:var(--window)}"
	".cut{stroke:var(--fault);stroke-width:1.5}.back{stroke:var(--fault);stroke-dasharray:3 3}"
	".area{fill:var(--area)}.rate{fill:none;stroke:var(--accent);stroke-width:1.5}"
	".range{stroke:var(--range)}.median{fill:none;stroke:var(--accent);stroke-width:1.75;stroke-linejoin:round}"
	".failed{fill:var(--bad)}"
	".facts{display:grid;grid-template-columns:max-content 1fr;gap:5px 24px;margin:0;font-size:14px}"
	".facts dt{color:var(--soft)}.facts dd{margin:0;overflow-wrap:anywhere}"
	"footer{margin-top:48px;padding-top:12px;border-top:1px solid var(--rule);color:var(--soft);font-size:13px}\n"
	"@media screen and (max-width:760px){main{padding:28px 18px}header{display:block}.stamp{text-align:left;margin-top:12px}"
	".tiles{grid-template-columns:repeat(2,1fr)}section{overflow-x:auto}figure svg{min-width:640px}}";

/* NULL when the character needs no escape. */
static const char *escape(uint32_t c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	case 0xfffe:
	case 0xffff:
		return "\xef\xbf\xbd";
	}
	return c < 0x20 || (c >= 0x7f && c < 0xa0) ? " " : NULL;
}

void html_text(struct buf *out, const char *text)
{
	size_t left = text ? strlen(text) : 0;

	if (!text)
		buf_put_str(out, "–");
	while (left > 0) {
		uint32_t c = 0xfffe;
		size_t len = json_utf8(text, left, &c);
		const char *escaped = escape(c);

		if (escaped)
			buf_put_str(out, escaped);
		else
			buf_put(out, text, len);
		len = len ? len : 1;
		text += len;
		left -= len;
	}
}

void html_element(struct buf *out, const char *tag, const char *class, const char *text)
{
	buf_printf(out, class ? "<%s class=\"%s\">" : "<%s>", tag, class);
	html_text(out, text);
	buf_printf(out, "</%s>\n", tag);
}

void html_fact(struct buf *out, const char *name, const char *text)
{
	html_element(out, "dt", NULL, name);
	html_element(out, "dd", NULL, text);
}

void html_code_fact(struct buf *out, const char *name, const char *text)
{
	html_element(out, "dt", NULL, name);
	buf_put_str(out, "<dd>");
	html_element(out, "code", NULL, text);
	buf_put_str(out, "</dd>\n");
}

void html_table_open(struct buf *out, const char *captions)
{
	buf_put_str(out, "<table><thead><tr>");
	while (*captions) {
		size_t len = strcspn(captions, "|"), skip = *captions == '#';

		buf_printf(out, "<th scope=\"col\"%s>%.*s</th>", skip ? " class=\"n\"" : "", (int)(len - skip),
			   captions + skip);
		captions += len + (captions[len] == '|');
	}
	buf_put_str(out, "</tr></thead><tbody>\n");
}

void html_table_close(struct buf *out)
{
	buf_put_str(out, "</tbody></table>\n");
}

void html_section_open(struct buf *out, const char *heading)
{
	buf_put_str(out, "<section>\n");
	html_element(out, "h2", NULL, heading);
}

void html_section_close(struct buf *out)
{
	buf_put_str(out, "</section>\n");
}

/* The policy makes sure that the page never asks anybody for anything. */
void html_page_open(struct buf *out, const char *title)
{
	buf_put_str(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\n"
			 "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
			 "style-src 'unsafe-inline'\"/>\n"
			 "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n");
	html_element(out, "title", NULL, title);
	buf_printf(out, "<style>\n%s\n</style>\n</head><body><main>\n", style);
}

void html_page_close(struct buf *out)
{
	buf_put_str(out, "</main></body></html>\n");
}
