/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FAMILY_CONFIG_H
#define FAMILY_CONFIG_H

#include "kernel.h"
#include "table.h"

struct config_entry {
	uint32_t	class;
	uint32_t	prio;
	uint32_t	pcp;
	uint32_t	dscp;
	uint32_t	keep;
	uint32_t	given;
};

struct config_map {
	char			name[SPEC_NAME_MAX + 1];
	uint32_t		bound;
	unsigned int		nr;
	struct config_entry	entry[SPEC_CLASSES];
};

struct config_dev {
	char		name[16];
	char		map[SPEC_NAME_MAX + 1];
	uint32_t	trust;
	uint32_t	scope;
	uint32_t	sticky;
	uint32_t	mask;
	uint32_t	statemask;
	uint32_t	ifindex;
	uint32_t	state;
};

/**
 * struct config - the configuration of a namespace, as the family tells it
 * @generation: its generation
 * @limit: flow-limit
 * @timeout: flow-timeout
 * @nr_maps: maps
 * @nr_devs: bindings
 * @map: in the order in which they are told
 * @dev: likewise
 */
struct config {
	uint32_t		generation;
	uint32_t		limit;
	uint32_t		timeout;
	unsigned int		nr_maps;
	unsigned int		nr_devs;
	struct config_map	map[SPEC_MAPS_MAX + 1];
	struct config_dev	dev[SPEC_DEVS_MAX + 1];
};

/* The highest flow-limit that may be set here. */
extern uint32_t config_limit;

/* Read it in one piece; false: others change it all the time. */
bool config_read(struct link *link, struct config *config);
/* Is it one that a client could have set? */
void config_check(const struct config *config);
/* Are they the same, states aside? Of what differs it is told. */
bool config_same(const struct config *a, const struct config *b, char *what, size_t size);
/* Make a request of it that restores it. */
void config_restore(const struct config *config, struct message *msg);

#endif
