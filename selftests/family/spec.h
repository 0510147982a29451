/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FAMILY_SPEC_H
#define FAMILY_SPEC_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What the specification says of the family; table.py fills these in. Masks of
 * attributes have bit N for the number N.
 */

#define BIT64(n) (1ULL << (n))

enum kind {
	KIND_NONE,
	KIND_U32,
	KIND_U64,
	KIND_STRING,
	KIND_BINARY,
	KIND_FLAG,
	KIND_NEST,
	KIND_PAD,
};

struct set;

/**
 * struct attr - an attribute
 * @name: as the specification has it
 * @kind: its type
 * @bounded: @max counts
 * @multi: there may be several
 * @address: only for those who have CAP_NET_ADMIN
 * @max: largest value; longest string; length of what is binary
 * @mask: bits that a value may have, 0: it is no set of flags
 * @nest: what is in a nest
 */
struct attr {
	const char		*name;
	enum kind		kind;
	bool			bounded;
	bool			multi;
	bool			address;
	uint32_t		max;
	uint32_t		mask;
	const struct set	*nest;
};

/**
 * struct set - an attribute set
 * @name: as the specification has it
 * @attr: by number; those of @has
 * @last: highest number
 * @has: numbers there are
 */
struct set {
	const char		*name;
	const struct attr	*attr;
	unsigned int		last;
	uint64_t		has;
};

/**
 * struct op - an operation, or a notification
 * @name: as the specification has it; NULL: the number is not in use
 * @set: of its attributes
 * @admin: needs CAP_NET_ADMIN
 * @notify: nobody can ask for it
 * @can_do: it can be asked for
 * @can_dump: it can be asked for with NLM_F_DUMP
 * @group: of a notification, index of its multicast group
 * @do_request: attributes that a request may have
 * @dump_request: ... that of a dump
 * @reply: attributes of answers
 */
struct op {
	const char		*name;
	const struct set	*set;
	bool			admin;
	bool			notify;
	bool			can_do;
	bool			can_dump;
	unsigned int		group;
	uint64_t		do_request;
	uint64_t		dump_request;
	uint64_t		reply;
};

extern const struct op ops[];
extern const unsigned int nr_ops;
extern const uint32_t consts[];
extern const unsigned int nr_consts;
extern const char *const groups[];
extern const unsigned int nr_groups;

/* The operation of that name; the program ends if there is none. */
uint8_t op_number(const char *name);
/* Likewise the number of an attribute. */
unsigned int attr_number(const struct set *set, const char *name);

#endif
