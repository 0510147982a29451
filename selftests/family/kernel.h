/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FAMILY_KERNEL_H
#define FAMILY_KERNEL_H

#include "make.h"

/* What is received at a time, at most; parts of dumps are shorter. */
#define RECEIVE_MAX (256 * 1024)

/**
 * struct link - a socket
 * @fd: descriptor
 * @seq: of the last request
 * @small: the receive buffer is as small as can be: answers may be lost
 * @lost: some were, since the last request
 * @dump: a dump goes on
 * @dump_lost: parts of it were lost, its end may be among them
 * @dump_seq: its sequence number
 * @dump_op: what is dumped
 */
struct link {
	int			fd;
	uint32_t		seq;
	bool			small;
	bool			lost;
	bool			dump;
	bool			dump_lost;
	uint32_t		dump_seq;
	const struct op		*dump_op;
};

/**
 * struct answer - what came back for a request
 * @over: it is complete
 * @error: 0 or a negative error
 * @text: of the extended ack, or ""
 * @where: offset of the attribute at fault, 0: none
 * @missing: an attribute is named that is missing
 * @replies: messages with data
 * @interrupted: a dump was, by a change
 */
struct answer {
	bool		over;
	int		error;
	char		text[128];
	uint32_t	where;
	bool		missing;
	unsigned int	replies;
	bool		interrupted;
};

/* Called for each message with data. */
typedef void (*reply_fn)(const struct nlmsghdr *nlh, const struct op *asked, void *arg);

/* What the family has here; main.c fills it in. */
struct family {
	uint16_t	id;
	uint32_t	group[8];
};

extern struct family family;

/* Look for the family; false: it is not there. */
bool family_find(void);
void link_open(struct link *link, int buffer);
void link_close(struct link *link);
/* Send it, with a new sequence number; false: the system does not take it. */
bool link_send(struct link *link, struct message *msg);
/*
 * Read one part, of which no more than @max octets are wanted. False: there is none. What
 * is for the request @seq goes to @answer.
 */
bool link_receive(struct link *link, size_t max, uint32_t seq, const struct op *asked,
		  struct answer *answer, reply_fn reply, void *arg);
/* Send and read all of the answer. */
void link_ask(struct link *link, struct message *msg, struct answer *answer,
	      reply_fn reply, void *arg);
/* Join a group: 0 or an error number. */
int link_join(struct link *link, unsigned int group);

#endif
