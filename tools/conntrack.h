/* SPDX-License-Identifier: GPL-2.0 */
/* Conntrack's entries, read through ctnetlink and found by their tuples. */
#ifndef FTQOS_CONNTRACK_H
#define FTQOS_CONNTRACK_H

#include <libmnl/libmnl.h>

#include "ftqos.h"

/* Unused octets are 0, so that two of them are compared as a whole. */
struct tuple {
	uint8_t src[16];	/* network order */
	uint8_t dst[16];
	uint32_t family;	/* AF_INET or AF_INET6 */
	uint16_t sport;
	uint16_t dport;
	uint32_t proto;
};

enum ct_dir { CT_ORIGINAL, CT_REPLY };

struct ct_entry {
	struct tuple tuple[2];	/* by enum ct_dir, each as packets enter */
	uint32_t id;
	uint32_t status;	/* IPS_* */
	uint32_t mark;
	uint32_t timeout;	/* seconds that are left; not of offloaded ones */
	uint16_t zone;
	bool has_mark;		/* a kernel with marks */
	bool has_timeout;
	uint8_t tcp_state;	/* TCP_CONNTRACK_*, 0: not known */
};

struct ct_table {
	struct ct_entry *v;
	size_t n;
	size_t room;
	/* Chains of 2 * index + direction + 1; 0 ends one. */
	uint32_t *bucket;
	uint32_t *next;
	size_t mask;
};

struct ct_match {
	const struct ct_entry *entry;	/* NULL: none, or not one alone */
	enum ct_dir dir;
	bool ambiguous;			/* in more than one zone */
};

/*
 * Read all entries of this network namespace. False: they cannot be read, the table
 * is empty, and why is in err.
 */
bool ct_read(struct ct_table *t, char *err, size_t size);
void ct_free(struct ct_table *t);
/* A message of ctnetlink into the table; data is the table. A callback of libmnl's. */
int ct_store(const struct nlmsghdr *nlh, void *data);
/* After the last entry; before this nothing is found. */
void ct_index(struct ct_table *t);
/* The entry whose packets enter with this tuple. */
struct ct_match ct_find(const struct ct_table *t, const struct tuple *tuple);
/* What packets of that direction leave with. */
struct tuple ct_after_nat(const struct ct_entry *entry, enum ct_dir dir);
struct tuple tuple_inverse(const struct tuple *tuple);
bool tuple_equal(const struct tuple *a, const struct tuple *b);

#endif
