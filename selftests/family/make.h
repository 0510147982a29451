/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FAMILY_MAKE_H
#define FAMILY_MAKE_H

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stddef.h>

#include "spec.h"

#define MESSAGE_MAX	(256 * 1024)
#define MESSAGE_PARTS	40000
#define MESSAGE_HEAD	(NLMSG_HDRLEN + GENL_HDRLEN)

/**
 * struct part - an attribute of a message
 * @at: where it begins
 * @len: its octets, those that it is padded with left out
 * @attr: what it is, NULL: nothing that the specification knows
 * @set: the attribute set that it is of
 * @allowed: attributes that may be beside it
 */
struct part {
	uint32_t		at;
	uint32_t		len;
	const struct attr	*attr;
	const struct set	*set;
	uint64_t		allowed;
};

/**
 * struct message - a request, and what is known of it
 * @data: the message, headers included
 * @len: its octets
 * @part: attributes in it, in their order; of no use once something is wrong with lengths
 * @nr: number of these
 * @op: operation, NULL: there is none of that number
 * @dump: asks for a dump
 * @wrong: breaks the specification, so that it has to be refused
 * @core: generic netlink itself has to refuse it, before it knows what to say of it
 * @odd: nobody says whether there is an answer
 */
struct message {
	uint8_t			data[MESSAGE_MAX];
	size_t			len;
	struct part		part[MESSAGE_PARTS];
	unsigned int		nr;
	const struct op		*op;
	bool			dump;
	bool			wrong;
	bool			core;
	bool			odd;
};

struct source {
	uint64_t	state;
};

/* A number below @n, which is not 0. */
uint32_t below(struct source *source, uint32_t n);
/* True once in @n times. */
bool one_in(struct source *source, uint32_t n);

/* Begin a message: of that operation, or what is not one. */
void message_begin(struct message *msg, uint16_t family, uint8_t cmd, uint16_t flags);
/* Append an attribute, return where it is. */
struct part *message_put(struct message *msg, const struct set *set, uint64_t allowed,
			 unsigned int number, const void *data, size_t len);
struct part *message_nest(struct message *msg, const struct set *set, uint64_t allowed,
			  unsigned int number);
void message_nest_end(struct message *msg, struct part *nest);
void message_end(struct message *msg);

/* Make a message up. */
void make_message(struct source *source, uint16_t family, struct message *msg);
/* Name the devices that there are. */
void make_devices(void);

#endif
