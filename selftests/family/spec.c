// SPDX-License-Identifier: GPL-2.0
/*
 * The tables that were made of the specification.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spec.h"
#define TABLE
#include "table.h"

uint8_t op_number(const char *name)
{
	unsigned int i;

	for (i = 1; i < nr_ops; i++)
		if (!strcmp(ops[i].name, name))
			return i;
	fprintf(stderr, "the specification has no operation %s\n", name);
	exit(2);
}

unsigned int attr_number(const struct set *set, const char *name)
{
	unsigned int i;

	for (i = 1; i <= set->last; i++)
		if (set->has & BIT64(i) && !strcmp(set->attr[i].name, name))
			return i;
	fprintf(stderr, "the specification has no attribute %s.%s\n", set->name, name);
	exit(2);
}
