// SPDX-License-Identifier: GPL-2.0
/* Messages: made, taken apart, and refusals of them in words. */
#include <errno.h>
#include <limits.h>
#include <linux/nf_flow_qos.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "nl.h"

/* Numbers of linux/netlink.h, some of which older headers lack. */
enum {
	ACK_MSG = 1,
	ACK_OFFS = 2,
	ACK_MISS_TYPE = 5,
	ACK_MISS_NEST = 6,
};

/* Requests */

static void msg_room(struct msg *m, size_t n)
{
	if (m->len + n > m->cap) {
		m->cap = 2 * (m->len + n) + 1024;
		m->buf = xrealloc(m->buf, m->cap, 1);
	}
	memset(m->buf + m->len, 0, n);
}

void msg_init(struct msg *m, uint8_t cmd, uint16_t flags, const char *subject, ...)
{
	struct genlmsghdr *gh;
	struct nlmsghdr *nlh;
	va_list ap;

	memset(m, 0, sizeof(*m));
	m->cmd = cmd;
	va_start(ap, subject);
	vsnprintf(m->subject, sizeof(m->subject), subject, ap);
	va_end(ap);
	msg_room(m, NLMSG_HDRLEN + GENL_HDRLEN);
	nlh = (void *)m->buf;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	gh = (void *)(m->buf + NLMSG_HDRLEN);
	gh->cmd = cmd;
	gh->version = NF_FLOW_QOS_FAMILY_VERSION;
	m->len = NLMSG_HDRLEN + GENL_HDRLEN;
}

void msg_free(struct msg *m)
{
	free(m->buf);
	m->buf = NULL;
}

void msg_put(struct msg *m, uint16_t type, const void *data, size_t len)
{
	struct nlattr *a;

	msg_room(m, NLA_HDRLEN + NLA_ALIGN(len));
	a = (void *)(m->buf + m->len);
	a->nla_type = type;
	a->nla_len = (uint16_t)(NLA_HDRLEN + len);
	if (len)
		memcpy(m->buf + m->len + NLA_HDRLEN, data, len);
	m->len += NLA_HDRLEN + NLA_ALIGN(len);
}

void msg_u32(struct msg *m, uint16_t type, uint32_t v)
{
	msg_put(m, type, &v, sizeof(v));
}

void msg_str(struct msg *m, uint16_t type, const char *s)
{
	msg_put(m, type, s, strlen(s) + 1);
}

size_t msg_nest(struct msg *m, uint16_t type)
{
	size_t nest = m->len;

	msg_put(m, type | NLA_F_NESTED, NULL, 0);
	return nest;
}

void msg_nest_end(struct msg *m, size_t nest)
{
	struct nlattr *a = (void *)(m->buf + nest);

	a->nla_len = (uint16_t)(m->len - nest);
}

/* Replies */

struct attr_table {
	const struct nlattr **tb;
	uint16_t max;
};

static int attr_store(const struct nlattr *a, void *data)
{
	struct attr_table *t = data;
	uint16_t type = mnl_attr_get_type(a);

	if (type <= t->max)
		t->tb[type] = a;
	return MNL_CB_OK;
}

void attrs_of(const struct nlmsghdr *nlh, const struct nlattr **tb, uint16_t max)
{
	struct attr_table t = { tb, max };

	memset(tb, 0, (max + 1U) * sizeof(*tb));
	mnl_attr_parse(nlh, GENL_HDRLEN, attr_store, &t);
}

void attrs_nested(const struct nlattr *nest, const struct nlattr **tb, uint16_t max)
{
	struct attr_table t = { tb, max };

	memset(tb, 0, (max + 1U) * sizeof(*tb));
	mnl_attr_parse_nested(nest, attr_store, &t);
}

uint32_t attr_u32(const struct nlattr *a, uint32_t otherwise)
{
	if (!a || mnl_attr_get_payload_len(a) < sizeof(uint32_t))
		return otherwise;
	return mnl_attr_get_u32(a);
}

uint64_t attr_u64(const struct nlattr *a)
{
	if (!a || mnl_attr_get_payload_len(a) < sizeof(uint64_t))
		return attr_u32(a, 0);
	return mnl_attr_get_u64(a);
}

bool attr_str(const struct nlattr *a, char *buf, size_t size)
{
	size_t n;

	buf[0] = '\0';
	if (!a)
		return false;
	n = strnlen(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
	if (n >= size)
		n = size - 1;
	memcpy(buf, mnl_attr_get_payload(a), n);
	buf[n] = '\0';
	return true;
}

uint8_t msg_cmd(const struct nlmsghdr *nlh)
{
	const struct genlmsghdr *gh = mnl_nlmsg_get_payload(nlh);

	return gh->cmd;
}

/* Refusals */

static void decode_tlvs(const char *p, size_t n, struct nl_failure *f)
{
	while (n >= NLA_HDRLEN) {
		const struct nlattr *a = (const void *)p;
		size_t len = a->nla_len, step = NLA_ALIGN(len);

		if (len < NLA_HDRLEN || len > n)
			return;
		switch (a->nla_type & NLA_TYPE_MASK) {
		case ACK_MSG:
			attr_str(a, f->text, sizeof(f->text));
			break;
		case ACK_OFFS:
			f->has_offs = true;
			f->offs = attr_u32(a, 0);
			break;
		case ACK_MISS_TYPE:
			f->has_miss_type = true;
			f->miss_type = attr_u32(a, 0);
			break;
		case ACK_MISS_NEST:
			f->has_miss_nest = true;
			f->miss_nest = attr_u32(a, 0);
			break;
		}
		if (step >= n)
			return;
		p += step;
		n -= step;
	}
}

/* NLMSG_ERROR, or NLMSG_DONE, which carries the error of a dump. */
void nl_decode_ack(const struct nlmsghdr *nlh, struct nl_failure *f)
{
	const char *p = mnl_nlmsg_get_payload(nlh);
	size_t n = mnl_nlmsg_get_payload_len(nlh), skip = sizeof(int);
	int err = 0;

	memset(f, 0, sizeof(*f));
	if (n < sizeof(int))
		return;
	memcpy(&err, p, sizeof(err));
	/* A positive value at the end of a dump is no error. */
	f->err = err < 0 && err != INT_MIN ? -err : 0;
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (nlh->nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *e = (const void *)p;

		if (n < sizeof(*e))
			return;
		skip = sizeof(*e);
		if (!(nlh->nlmsg_flags & NLM_F_CAPPED) &&
		    e->msg.nlmsg_len > NLMSG_HDRLEN)
			skip += NLMSG_ALIGN(e->msg.nlmsg_len - NLMSG_HDRLEN);
	}
	if (skip < n)
		decode_tlvs(p + skip, n - skip, f);
}

/* What to do about it, where that is known. */
static const char *way_out(const struct msg *m, const struct nl_failure *f)
{
	bool said = f->text[0];
	uint8_t cmd = m->cmd;

	switch (f->err) {
	case EINVAL:
		/* The core's words for a number that the module does not know. */
		if (!strcmp(f->text, "Unknown attribute type") ||
		    !strcmp(f->text, "Unsupported attribute"))
			return "versions differ: install module and command from one release";
		break;
	case EPERM:
		if (!said)
			return "this needs CAP_NET_ADMIN in the network namespace (try sudo)";
		break;
	case EOPNOTSUPP:
		if (!said)
			return "the loaded module is older than this command: reload a new one";
		break;
	case EEXIST:
		if (cmd == NF_FLOW_QOS_CMD_MAP_NEW &&
		    !strcmp(m->subject, "map \"default\""))
			return "change it with 'ftqos map set'";
		if (cmd == NF_FLOW_QOS_CMD_MAP_NEW)
			return "change it with 'ftqos map set', or delete it first";
		break;
	case EBUSY:
		if (cmd == NF_FLOW_QOS_CMD_MAP_DEL)
			return "'ftqos dev show' names the devices that use it";
		break;
	case ENODEV:
		if (cmd == NF_FLOW_QOS_CMD_DEV_SET && !said)
			return "the word 'absent' allows a device that is not there yet";
		break;
	case ENOENT:
		switch (cmd) {
		case NF_FLOW_QOS_CMD_MAP_GET:
		case NF_FLOW_QOS_CMD_MAP_NEW:
		case NF_FLOW_QOS_CMD_MAP_SET:
		case NF_FLOW_QOS_CMD_MAP_DEL:
		case NF_FLOW_QOS_CMD_DEV_SET:
			return "'ftqos map show' lists the maps";
		case NF_FLOW_QOS_CMD_DEV_GET:
		case NF_FLOW_QOS_CMD_DEV_DEL:
			return "'ftqos dev show' lists the bound devices";
		}
		break;
	}
	return NULL;
}

/* In a restore: the map or the device that the attribute belongs to. */
static void restore_subject(const struct attr_place *p, char *out, size_t size)
{
	const struct nlattr *tb[NF_FLOW_QOS_A_DEV_NAME + 1];
	uint16_t type = mnl_attr_get_type(p->outer);
	char name[64];

	out[0] = '\0';
	if (type != NF_FLOW_QOS_A_RESTORE_MAP && type != NF_FLOW_QOS_A_RESTORE_DEV)
		return;
	/* Both names have the number 1. */
	attrs_nested(p->outer, tb, NF_FLOW_QOS_A_DEV_NAME);
	if (attr_str(tb[NF_FLOW_QOS_A_DEV_NAME], name, sizeof(name)))
		snprintf(out, size, "%s \"%s\"",
			 type == NF_FLOW_QOS_A_RESTORE_MAP ? "map" : "device", name);
}

/*
 * Subject: what the attribute at fault names, unless that is the subject:
 * text (attribute); way out
 */
void nl_explain(const struct msg *m, const struct nl_failure *f, char *out,
		size_t size)
{
	char name[96], attr[128] = "", value[64], object[96] = "", subject[SUBJECT_MAX];
	const char *hint = way_out(m, f), *thing;
	struct attr_place p = { .attr = NULL };

	snprintf(subject, sizeof(subject), "%s", m->subject);
	if (m->cmd == NF_FLOW_QOS_CMD_RESTORE &&
	    ((f->has_miss_nest && attr_find(m->buf, m->len, m->cmd, f->miss_nest, &p)) ||
	     (f->has_offs && attr_find(m->buf, m->len, m->cmd, f->offs, &p))))
		restore_subject(&p, subject, sizeof(subject));
	if (f->has_miss_type &&
	    attr_missing(m->buf, m->len, m->cmd, f->has_miss_nest ? f->miss_nest : 0,
			 f->miss_type, name, sizeof(name))) {
		snprintf(attr, sizeof(attr), " (missing attribute %s)", name);
	} else if (f->has_offs &&
		   attr_find(m->buf, m->len, m->cmd, f->offs, &p)) {
		thing = attr_names(p.set, mnl_attr_get_type(p.attr));
		if (!thing)
			snprintf(attr, sizeof(attr), " (attribute %s)", p.path);
		else if (mnl_attr_get_type(p.attr) != NF_FLOW_QOS_A_DEV_NAME &&
			 attr_str(p.attr, value, sizeof(value)))
			snprintf(object, sizeof(object), "%s \"%s\": ", thing, value);
	}
	snprintf(out, size, "%s%s%s%s%s%s%s", subject, subject[0] ? ": " : "", object,
		 f->text[0] ? f->text : strerror(f->err), attr,
		 hint ? "; " : "", hint ? hint : "");
}
