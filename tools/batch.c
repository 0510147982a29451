// SPDX-License-Identifier: GPL-2.0
/* Files of commands: -b runs them one by one, restore all of them or none. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "parse.h"
#include "plan.h"

static FILE *open_file(const char *name)
{
	FILE *f = strcmp(name, "-") ? fopen(name, "re") : stdin;
	struct stat st;

	/* A directory can be opened, and not be read. */
	if (f && f != stdin && !fstat(fileno(f), &st) && S_ISDIR(st.st_mode)) {
		fclose(f);
		f = NULL;
		errno = EISDIR;
	}
	if (!f)
		refuse("cannot open \"%s\": %s", name, strerror(errno));
	return f;
}

static void close_file(FILE *f)
{
	if (f != stdin)
		fclose(f);
}

int read_commands(FILE *f, const char *name, struct plan *p)
{
	unsigned int line = 1;
	struct words w;
	int got, ret = ST_OK;

	where.file = name;
	while (!ret) {
		got = words_read(f, &line, &where.line, &w);
		if (got < 0 && !errno) {
			char text[ERROR_MAX];

			memcpy(text, last_error, sizeof(text));
			usage_error("%s", text);
			ret = misuse(NULL);
		} else if (got < 0) {
			ret = refuse("cannot read: %s", strerror(errno));
		}
		if (got <= 0)
			break;
		ret = dispatch(p, w.n, w.v);
		words_free(&w);
	}
	where = (struct where){ 0 };
	return ret;
}

int batch(const char *name)
{
	FILE *f = open_file(name);
	int ret;

	if (!f)
		return ST_REFUSED;
	ret = read_commands(f, name, NULL);
	close_file(f);
	return ret;
}

/* The kernel's refusal, at the line that caused it. */
static void explain(const struct msg *m, const struct nl_failure *f,
		    const struct spans *s, const char *name)
{
	char text[ERROR_MAX];

	if (f->has_miss_nest)
		where.line = spans_line(s, f->miss_nest);
	else if (f->has_offs)
		where.line = spans_line(s, f->offs);
	nl_explain(m, f, text, sizeof(text));
	if (where.line) {
		where.file = name;
		refuse("%s", text);
	} else {
		refuse("%s: %s", name, text);
	}
	where = (struct where){ 0 };
}

int restore(int argc, char **argv)
{
	const char *name = argc ? argv[0] : "-";
	struct spans spans = { 0 };
	struct nl_failure f;
	struct plan plan;
	struct msg m;
	FILE *file;
	int ret;

	if (argc) {
		ret = no_more(argc - 1, argv + 1);
		if (ret)
			return ret;
	}
	file = open_file(name);
	if (!file)
		return ST_REFUSED;
	plan_init(&plan);
	ret = read_commands(file, name, &plan);
	close_file(file);
	/* A file that came out empty by accident must not wipe everything. */
	if (!ret && !plan.commands)
		ret = refuse("no commands in %s: nothing was changed",
			     strcmp(name, "-") ? name : "standard input");
	if (!ret) {
		msg_init(&m, NF_FLOW_QOS_CMD_RESTORE, 0, "%s", "");
		plan_message(&plan, &m, &spans);
		ret = nl_run_failure(&m, NULL, NULL, &f);
		if (f.err)
			explain(&m, &f, &spans, name);
		msg_free(&m);
		free(spans.v);
	}
	plan_free(&plan);
	return ret;
}
