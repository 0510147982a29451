/* SPDX-License-Identifier: GPL-2.0 */
/* What status knows, and what it warns of. */
#ifndef FTQOS_STATUS_H
#define FTQOS_STATUS_H

#include "links.h"
#include "model.h"

/* A flowtable's hook on one device. */
struct flowtable {
	char dev[IFNAMSIZ];
	uint32_t ifindex;
	int32_t priority;
	uint32_t state;
	uint32_t id;		/* the same for all hooks of one flowtable */
	uint32_t flags;
};

/* A PPPoE device. */
struct session {
	uint32_t ifindex;
	uint32_t lower;
};

struct status {
	char version[64];
	bool egress_hook;
	bool xmit_lowest;	/* the flowtable transmits on the lowest device */
	struct flowtable *ft;
	size_t nft;
	struct session *sessions;
	size_t nsessions;
	struct devs devs;
	struct maps maps;
	struct links links;
	char unread[128];	/* why there are no links, "" if there are */
	char **warnings;
	size_t nwarnings;
};

/* status.c */
/* The module's answers, and the devices if any is bound; reports its error. */
int status_read(struct status *s);
void status_free(struct status *s);

/* warn.c */
void warn(struct status *s, const char *fmt, ...) __printf(2, 3);
/* All warnings, from what the module said and from the devices that were read. */
void make_warnings(struct status *s);
const struct dev *enters_otherwise(const struct status *s, const struct dev *out,
				   size_t *more);

/* warn_stack.c: what devices, their qdiscs and flowtables make of bindings. */
void warn_stack(struct status *s);

#endif
