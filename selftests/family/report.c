// SPDX-License-Identifier: GPL-2.0
/*
 * What is found, and what the kernel had to say.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report.h"

#define FAULTS_SHOWN	8
#define FAULTS_MAX	100
#define TEXTS_MAX	256

static const struct message *about;
static uint64_t about_number;
static unsigned int nr_faults;

static struct {
	char		text[128];
	unsigned int	count;
} texts[TEXTS_MAX];
static unsigned int nr_texts;

void report_about(const struct message *msg, uint64_t number)
{
	about = msg;
	about_number = number;
}

static void show_message(void)
{
	size_t i;

	printf("# message %llu of process %d, %s%s, %zu octets:",
	       (unsigned long long)about_number, (int)getpid(),
	       about->op ? about->op->name : "of no operation", about->dump ? " (dump)" : "",
	       about->len);
	for (i = 0; i < about->len && i < 400; i++)
		printf("%s%02x", i % 4 ? "" : i % 40 ? " " : "\n#   ", about->data[i]);
	printf("%s\n", i < about->len ? " ..." : "");
}

void fault(const char *format, ...)
{
	va_list args;

	if (++nr_faults > FAULTS_MAX)
		give_up("too much is wrong");
	if (nr_faults > FAULTS_SHOWN)
		return;
	printf("# FAULT: ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	if (about)
		show_message();
	fflush(stdout);
}

unsigned int faults(void)
{
	return nr_faults;
}

void give_up(const char *format, ...)
{
	va_list args;

	printf("# gave up: ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	exit(1);
}

void report_refusal(const char *text)
{
	unsigned int i;

	for (i = 0; i < nr_texts && strcmp(texts[i].text, text); i++)
		;
	if (i == TEXTS_MAX)
		return;
	if (i == nr_texts) {
		snprintf(texts[i].text, sizeof(texts[i].text), "%s", text);
		nr_texts++;
	}
	texts[i].count++;
}

void report_refusals(const char *path)
{
	FILE *file = fopen(path, "a");
	unsigned int i;

	if (!file)
		give_up("cannot write %s", path);
	for (i = 0; i < nr_texts; i++)
		fprintf(file, "%u\t%s\n", texts[i].count, texts[i].text);
	fclose(file);
}
