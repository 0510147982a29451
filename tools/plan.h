/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A configuration in memory: what restore builds from a file before the
 * kernel sees any of it.
 */
#ifndef FTQOS_PLAN_H
#define FTQOS_PLAN_H

#include "model.h"

struct plan_map {
	char name[NF_FLOW_QOS_NAME_MAX + 1];
	unsigned int line;
	struct entry e[NF_FLOW_QOS_CLASSES];
	/* Actions that differ from what the kernel begins with, for each class. */
	uint8_t acts[NF_FLOW_QOS_CLASSES];
	unsigned int entry_line[NF_FLOW_QOS_CLASSES];
};

struct plan_dev {
	struct dev_change c;
	unsigned int line;	/* the first that names it */
	unsigned int map_line, trust_line, ctmark_line, scope_line, sticky_line;
};

struct plan {
	size_t commands;	/* that were read */
	struct plan_map *maps;
	size_t nmaps;
	struct plan_dev *devs;
	size_t ndevs;
	struct limits_change limits;
	unsigned int limits_line;
};

/* The line of the file that a part of the message comes from. */
struct span {
	size_t begin;
	size_t end;
	unsigned int line;
};

struct spans {
	struct span *v;
	size_t n;
};

void plan_init(struct plan *p);
void plan_free(struct plan *p);
int plan_map_add(struct plan *p, int argc, char **argv);
int plan_map_set(struct plan *p, int argc, char **argv);
int plan_map_del(struct plan *p, int argc, char **argv);
int plan_dev_set(struct plan *p, int argc, char **argv);
int plan_dev_del(struct plan *p, int argc, char **argv);
int plan_config_set(struct plan *p, int argc, char **argv);

/* Read a file of commands into a plan, or (p NULL) run them one by one. */
int read_commands(FILE *f, const char *name, struct plan *p);

/* The restore message, and where its parts come from. */
void plan_message(const struct plan *p, struct msg *m, struct spans *s);
/* Line of the innermost part that encloses an offset, 0 if none does. */
unsigned int spans_line(const struct spans *s, uint32_t offs);

#endif
