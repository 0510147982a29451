// SPDX-License-Identifier: GPL-2.0
/* unit DIR: run all unit tests, print TAP. DIR is the directory of the sources. */
#include <stdlib.h>

#include "unit.h"

const char *tools_dir;
unsigned int failures;

static const struct test *const suites[] = {
	parse_tests, config_tests, nl_tests, out_tests, command_tests,
	warn_tests, explain_tests,
};

int split(const char *words, char **argv)
{
	static char buf[256];
	char *save = NULL, *w;
	int argc = 0;

	snprintf(buf, sizeof(buf), "%s", words);
	for (w = strtok_r(buf, " ", &save); w && argc < UNIT_WORDS - 1;
	     w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	argv[argc] = NULL;
	return argc;
}

int main(int argc, char **argv)
{
	unsigned int n = 0, bad = 0;
	const struct test *t;
	char dir[4096];
	size_t i;

	if (argc != 2) {
		fprintf(stderr, "Usage: %s DIR\n", argv[0]);
		return 1;
	}
	tools_dir = argv[1];
	snprintf(dir, sizeof(dir), "%s/presets", tools_dir);
	setenv("FTQOS_PRESETS", dir, 1);
	error_mute = true;
	for (i = 0; i < ARRAY_SIZE(suites); i++)
		for (t = suites[i]; t->name; t++)
			n++;
	printf("TAP version 13\n1..%u\n", n);
	n = 0;
	for (i = 0; i < ARRAY_SIZE(suites); i++) {
		for (t = suites[i]; t->name; t++) {
			failures = 0;
			t->run();
			bad += failures != 0;
			printf("%s %u %s\n", failures ? "not ok" : "ok", ++n, t->name);
			fflush(stdout);
		}
	}
	return bad != 0;
}
