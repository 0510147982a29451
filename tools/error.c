// SPDX-License-Identifier: GPL-2.0
/* Errors: one line on stderr, after the place they come from. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ftqos.h"

char last_error[ERROR_MAX];
bool error_mute;
struct where where;
struct options opts;

static void print_line(const char *word)
{
	fflush(stdout);
	if (where.file)
		fprintf(stderr, "%s:%u: ", where.file, where.line);
	if (word)
		fprintf(stderr, "%s: ", word);
	fprintf(stderr, "%s\n", last_error);
}

static void __printf(2, 0) report(const char *word, const char *fmt, va_list ap)
{
	vsnprintf(last_error, sizeof(last_error), fmt, ap);
	/* Names come from outside: an error stays one line whatever they hold. */
	text_clean(last_error, false);
	if (!error_mute)
		print_line(word);
}

void error_again(void)
{
	if (!error_mute)
		print_line(where.file ? NULL : "Error");
}

int usage_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(where.file ? NULL : "Error", fmt, ap);
	va_end(ap);
	return ST_USAGE;
}

int refuse(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(where.file ? NULL : "Error", fmt, ap);
	va_end(ap);
	return ST_REFUSED;
}

void warning(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report("Warning", fmt, ap);
	va_end(ap);
}

static void __attribute__((noreturn)) no_memory(void)
{
	refuse("out of memory");
	exit(ST_REFUSED);
}

void *xrealloc(void *p, size_t n, size_t size)
{
	/* What nothing gives differs between C libraries. */
	void *q = size && n > SIZE_MAX / size ? NULL : realloc(p, n * size ?: 1);

	if (!q)
		no_memory();
	return q;
}

char *xstrdup(const char *s)
{
	char *copy = strdup(s);

	if (!copy)
		no_memory();
	return copy;
}
