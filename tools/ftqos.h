/* SPDX-License-Identifier: GPL-2.0 */
/* What every file of the command needs: options, errors, the command table. */
#ifndef FTQOS_H
#define FTQOS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifndef FTQOS_VERSION
#define FTQOS_VERSION "unknown"
#endif

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT64(n) (1ULL << (n))
#define __printf(a, b) __attribute__((format(printf, a, b)))

/* Exit status; part of the interface. */
enum {
	ST_OK,
	ST_USAGE,		/* bad usage, or a value out of range */
	ST_REFUSED,		/* the kernel or the system refused */
};

struct options {
	bool json;
	bool pretty;
	bool stats;
	const char *netns;
	const char *batch;
};

extern struct options opts;
/* -json, --json and unambiguous beginnings of two letters or more. */
bool is_long(const char *arg, const char *name);

/* Where the command being run was read; file is NULL on the command line. */
struct where {
	const char *file;
	unsigned int line;
};

extern struct where where;

/* error.c: one line on stderr; the last one is kept for the unit tests. */
#define ERROR_MAX 512
extern char last_error[ERROR_MAX];
extern bool error_mute;

/* Print the error and return ST_USAGE; the caller's usage follows it. */
int usage_error(const char *fmt, ...) __printf(1, 2);
/* Print the error and return ST_REFUSED. */
int refuse(const char *fmt, ...) __printf(1, 2);
/* Print the last error once more, where a long help may have hidden it. */
void error_again(void);
void warning(const char *fmt, ...) __printf(1, 2);
void *xrealloc(void *p, size_t n, size_t size);
char *xstrdup(const char *s);

/*
 * out.c: text from outside must not reach a terminal as something that it obeys. Puts ? in
 * the place of control characters and of what is no UTF-8, but for lines' ends if wanted.
 */
void text_clean(char *text, bool lines);

/* module.c: the module's file. */
/* The kernel release of vermagic; false: it cannot be told. */
bool module_release(const char *path, char *release, size_t size);
/* Whether a modules.dep has the module. */
bool module_listed(const char *dep);
/* Report that the module is not loaded, and what to do: ST_REFUSED. */
int module_absent(void);

/* command.c: the table that dispatches and prints the help. */
struct plan;

struct command {
	const char *object;
	const char *name;	/* NULL: the object is the command */
	int (*run)(int argc, char **argv);
	/* Same words, applied to a configuration in memory (restore). */
	int (*plan)(struct plan *p, int argc, char **argv);
	const char *args;
	const char *help;
	const char *notes;	/* further lines of help, or NULL */
	bool no_batch;
};

extern const struct command commands[];
extern const size_t ncommands;

/*
 * Run one command. With a plan it changes the plan and not the kernel, and
 * only commands that change the configuration are known.
 */
int dispatch(struct plan *p, int argc, char **argv);
void print_help(FILE *f, const char *object);
void print_usage(FILE *f, const struct command *c);
/* After a usage error without a command: the help, and the error again. */
int misuse(const char *object);
/* The words are help, or ask for an object's. */
bool wants_help(int argc, char **argv);
/* Refuse words that are left over. */
int no_more(int argc, char **argv);

/* Handlers, in the order of the table. */
int map_show(int argc, char **argv);
int map_add(int argc, char **argv);
int map_set(int argc, char **argv);
int map_del(int argc, char **argv);
int map_presets(int argc, char **argv);
int dev_show(int argc, char **argv);
int dev_set(int argc, char **argv);
int dev_del(int argc, char **argv);
int flow_show(int argc, char **argv);
int flow_explain(int argc, char **argv);
int flow_flush(int argc, char **argv);
int stats_show(int argc, char **argv);
int stats_reset(int argc, char **argv);
int config_show(int argc, char **argv);
int config_set(int argc, char **argv);
int status_show(int argc, char **argv);
int monitor(int argc, char **argv);
int save(int argc, char **argv);
int restore(int argc, char **argv);
int complete(int argc, char **argv);

int batch(const char *file);

#endif
