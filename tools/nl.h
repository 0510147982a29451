/* SPDX-License-Identifier: GPL-2.0 */
/* The generic netlink family: messages, the socket, refusals in words. */
#ifndef FTQOS_NL_H
#define FTQOS_NL_H

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>

#include "ftqos.h"

#define SUBJECT_MAX 96

/* A request. The buffer grows, so attributes are known by their offset. */
struct msg {
	char *buf;
	size_t len;
	size_t cap;
	uint8_t cmd;
	char subject[SUBJECT_MAX];	/* what it is about, for the error */
};

/* The subject is a format, "" for none: map "x". */
void msg_init(struct msg *m, uint8_t cmd, uint16_t flags, const char *subject, ...)
	__printf(4, 5);
void msg_free(struct msg *m);
void msg_put(struct msg *m, uint16_t type, const void *data, size_t len);
void msg_u32(struct msg *m, uint16_t type, uint32_t v);
void msg_str(struct msg *m, uint16_t type, const char *s);
size_t msg_nest(struct msg *m, uint16_t type);
void msg_nest_end(struct msg *m, size_t nest);

/* What an ack says. */
struct nl_failure {
	int err;			/* errno; 0: none */
	char text[256];			/* extended ack, "" without */
	bool has_offs;
	uint32_t offs;
	bool has_miss_type;
	uint32_t miss_type;
	bool has_miss_nest;
	uint32_t miss_nest;
};

void nl_decode_ack(const struct nlmsghdr *nlh, struct nl_failure *f);
/* The refusal as one line. */
void nl_explain(const struct msg *m, const struct nl_failure *f, char *out,
		size_t size);

typedef int (*nl_cb)(const struct nlmsghdr *nlh, void *data);

/* Find the family; reports its error, ST_OK or ST_REFUSED. */
int nl_open(void);
/*
 * Send, receive all of the answer, then call cb for each message of it.
 * Reports refusals unless f is given. Frees the message.
 */
int nl_run(struct msg *m, nl_cb cb, void *data);
int nl_run_failure(struct msg *m, nl_cb cb, void *data, struct nl_failure *f);
/*
 * The same for a dump that can be long: cb is called as messages come, and again
 * before the dump is repeated from its start, if cb was called. What cb has made of
 * them may be less than all if this fails; it may end the dump by itself.
 */
int nl_run_parts(struct msg *m, nl_cb cb, void (*again)(void *data), void *data);
/* Multicast: join, and receive until a signal (ST_OK) or an error. */
int nl_join(const char *group);
int nl_listen(nl_cb cb, void *data);

/* Attributes of a reply; unknown ones are ignored, short ones count as absent. */
void attrs_of(const struct nlmsghdr *nlh, const struct nlattr **tb, uint16_t max);
void attrs_nested(const struct nlattr *nest, const struct nlattr **tb, uint16_t max);
uint32_t attr_u32(const struct nlattr *a, uint32_t otherwise);
uint64_t attr_u64(const struct nlattr *a);
bool attr_str(const struct nlattr *a, char *buf, size_t size);
uint8_t msg_cmd(const struct nlmsghdr *nlh);

/* attrs.c: names of the specification. */
struct attr_set;

struct attr_desc {
	const char *name;
	const struct attr_set *nested;
};

struct attr_set {
	const char *name;
	unsigned int max;
	const struct attr_desc *attrs;	/* max + 1 of them */
};

extern const struct attr_set *const attr_sets[];
extern const size_t nattr_sets;
const struct attr_set *attr_set_of(uint8_t cmd);
/* An attribute of a request, by its offset. */
struct attr_place {
	char path[96];			/* "entry.pcp" */
	const struct attr_set *set;
	const struct nlattr *attr;
	const struct nlattr *outer;	/* the outermost one around it, or itself */
};

/* False if there is none. */
bool attr_find(const void *msg, size_t len, uint8_t cmd, uint32_t offs,
	       struct attr_place *p);
/* What a string is the name of, "map" or "device"; NULL: of nothing. */
const char *attr_names(const struct attr_set *set, uint32_t type);
/* Its path alone. */
bool attr_path(const void *msg, size_t len, uint8_t cmd, uint32_t offs,
	       char *out, size_t size);
/* Name of an attribute that is missing in a nest (0: the message itself). */
bool attr_missing(const void *msg, size_t len, uint8_t cmd, uint32_t nest,
		  uint32_t type, char *out, size_t size);

#endif
