/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting a line into words. */
#include "shell/words.h"

#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Copy a quoted part from behind its quote; NULL when it does not end. */
static const char *take_quoted(const char *from, char quote, char **to)
{
	for (; *from && *from != quote; from++) {
		if (quote == '"' && *from == '\\' && (from[1] == '"' || from[1] == '\\'))
			from++;
		*(*to)++ = *from;
	}
	return *from ? from + 1 : NULL;
}

/* Copy one word, whose first character is not blank; NULL when it does not end. */
static const char *take_word(const char *from, char **to)
{
	while (from && *from && !is_blank(*from)) {
		if (*from == '\'' || *from == '"') {
			from = take_quoted(from + 1, *from, to);
			continue;
		}
		if (*from == '\\' && !*++from)
			return NULL;
		*(*to)++ = *from++;
	}
	*(*to)++ = 0;
	return from;
}

int words_split(const char *line, struct words *ret, struct err *err)
{
	owned(words) struct words words = {.count = 0};
	char *to = words.text = mem_zalloc(strlen(line) + 2);

	if (!to)
		return err_no_memory(err);
	for (;;) {
		while (is_blank(*line))
			line++;
		if (!*line || *line == '#')
			break;
		if (words.count == WORDS_MAX)
			return err_set(err, ERR_INVALID, "more than %d words", WORDS_MAX);
		words.items[words.count++] = to;
		line = take_word(line, &to);
		if (!line)
			return err_set(err, ERR_INVALID, "a quote or backslash has no end");
	}
	*ret = words;
	words.text = NULL;
	return 0;
}

void words_release(struct words *words)
{
	free(words->text);
	words->text = NULL;
}
