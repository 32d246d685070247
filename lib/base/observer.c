/* SPDX-License-Identifier: Apache-2.0 */
/* Progress reports that may have no listener. */
#include "base/observer.h"

#include <stdarg.h>
#include <stdio.h>

void observer_step(struct observer *o, const char *subject, const char *what,
		   size_t done, size_t total)
{
	if (o && o->step)
		o->step(o, subject, what, done, total);
}

void observer_board(struct observer *o, const struct observer_item *items, size_t n)
{
	if (o && o->board)
		o->board(o, items, n);
}

void observer_note(struct observer *o, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	if (!o || !o->note)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	o->note(o, text);
}
