// SPDX-License-Identifier: GPL-2.0
/*
 * Sockets: what is sent, what comes back. Nothing waits, since the kernel has answered
 * when a message is sent, and goes on with a dump when a part of it is read.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel.h"
#include "report.h"
#include "table.h"

/* No list is as long. */
#define REPLIES_MAX 100000

struct family family;

static void set_option(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)))
		give_up("setsockopt: %s", strerror(errno));
}

void link_open(struct link *link, int buffer)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK };

	memset(link, 0, sizeof(*link));
	link->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (link->fd < 0 || bind(link->fd, (struct sockaddr *)&addr, sizeof(addr)))
		give_up("no netlink socket: %s", strerror(errno));
	set_option(link->fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
	set_option(link->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
	set_option(link->fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
	set_option(link->fd, SOL_SOCKET, SO_RCVBUF, buffer ?: 1);
	set_option(link->fd, SOL_SOCKET, SO_SNDBUF, MESSAGE_MAX);
	link->small = !buffer;
}

void link_close(struct link *link)
{
	close(link->fd);
}

int link_join(struct link *link, unsigned int group)
{
	int number = family.group[group];

	return setsockopt(link->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &number,
			  sizeof(number)) ? errno : 0;
}

bool link_send(struct link *link, struct message *msg)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK };

	link->seq++;
	memcpy(msg->data + offsetof(struct nlmsghdr, nlmsg_seq), &link->seq,
	       sizeof(link->seq));
	return sendto(link->fd, msg->data, msg->len, 0, (struct sockaddr *)&addr,
		      sizeof(addr)) == (ssize_t)msg->len;
}

/* What is behind an error: the request's header, then what there is to say. */
static void read_words(const struct nlmsghdr *nlh, size_t skip, struct answer *answer)
{
	const uint8_t *data = (const uint8_t *)NLMSG_DATA(nlh) + skip;
	const uint8_t *end = (const uint8_t *)nlh + nlh->nlmsg_len;
	const struct nlattr *attr;
	size_t len;

	while (end - data >= NLA_HDRLEN) {
		attr = (const struct nlattr *)data;
		if (attr->nla_len < NLA_HDRLEN || attr->nla_len > end - data)
			break;
		len = attr->nla_len - NLA_HDRLEN;
		switch (attr->nla_type & NLA_TYPE_MASK) {
		case NLMSGERR_ATTR_MSG:
			snprintf(answer->text, sizeof(answer->text), "%.*s", (int)len,
				 (const char *)(attr + 1));
			break;
		case NLMSGERR_ATTR_OFFS:
			memcpy(&answer->where, attr + 1, sizeof(answer->where));
			break;
		case NLMSGERR_ATTR_MISS_TYPE:
			answer->missing = true;
			break;
		}
		data += NLA_ALIGN(attr->nla_len);
	}
}

/* One message of a part. */
static void read_one(struct link *link, const struct nlmsghdr *nlh, uint32_t seq,
		     const struct op *asked, struct answer *answer, reply_fn reply,
		     void *arg)
{
	bool of_dump = link->dump && nlh->nlmsg_seq == link->dump_seq;
	bool mine = nlh->nlmsg_seq == seq;
	int error = 0;

	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR && mine)
		answer->interrupted = true;
	if (nlh->nlmsg_type == NLMSG_DONE || nlh->nlmsg_type == NLMSG_ERROR) {
		if (nlh->nlmsg_len < NLMSG_LENGTH(sizeof(error))) {
			fault("an end of %u octets", nlh->nlmsg_len);
			return;
		}
		memcpy(&error, NLMSG_DATA(nlh), sizeof(error));
		/* Without room for its first part a dump has begun all the same. */
		if (of_dump && (nlh->nlmsg_type == NLMSG_DONE || error != -ENOBUFS))
			link->dump = false;
		if (!mine)
			return;
		answer->over = true;
		answer->error = error;
		if (nlh->nlmsg_type == NLMSG_DONE)
			read_words(nlh, sizeof(error), answer);
		else if (nlh->nlmsg_flags & NLM_F_ACK_TLVS)
			read_words(nlh, sizeof(struct nlmsgerr), answer);
	} else if (nlh->nlmsg_type == family.id || !family.id) {
		answer->replies += mine;
		if (reply)
			reply(nlh, of_dump ? link->dump_op : mine ? asked : NULL, arg);
	} else {
		fault("an answer of type %u", nlh->nlmsg_type);
	}
}

bool link_receive(struct link *link, size_t max, uint32_t seq, const struct op *asked,
		  struct answer *answer, reply_fn reply, void *arg)
{
	static uint8_t data[RECEIVE_MAX] __attribute__((aligned(8)));
	ssize_t got, left;
	const struct nlmsghdr *nlh;

	got = recv(link->fd, data, max, MSG_DONTWAIT | MSG_TRUNC);
	if (got < 0) {
		if (errno == ENOBUFS) {
			link->lost = true;
			link->dump_lost = true;
			return true;
		}
		if (errno != EAGAIN)
			fault("recv: %s", strerror(errno));
		return false;
	}
	/* The rest of a part that was not wanted is gone. */
	if ((size_t)got > max) {
		got = max;
		link->lost = true;
		link->dump_lost = true;
	}
	left = got;
	for (nlh = (const struct nlmsghdr *)data; NLMSG_OK(nlh, left);
	     nlh = NLMSG_NEXT(nlh, left))
		read_one(link, nlh, seq, asked, answer, reply, arg);
	if (left > 0 && !link->lost)
		fault("%zd octets behind the last message", left);
	return true;
}

void link_ask(struct link *link, struct message *msg, struct answer *answer,
	      reply_fn reply, void *arg)
{
	memset(answer, 0, sizeof(*answer));
	if (!link_send(link, msg)) {
		answer->over = true;
		answer->error = -errno;
		snprintf(answer->text, sizeof(answer->text), "not sent");
		return;
	}
	while (!answer->over && answer->replies < REPLIES_MAX &&
	       link_receive(link, RECEIVE_MAX, link->seq, msg->op, answer, reply, arg))
		;
	if (answer->replies >= REPLIES_MAX)
		fault("an answer without end");
}

static const struct nlattr *find_attr(const void *data, size_t len, unsigned int type)
{
	const struct nlattr *attr = data;
	size_t step;

	while (len >= NLA_HDRLEN && attr->nla_len >= NLA_HDRLEN && attr->nla_len <= len) {
		if ((attr->nla_type & NLA_TYPE_MASK) == type)
			return attr;
		step = NLA_ALIGN(attr->nla_len);
		len -= step < len ? step : len;
		attr = (const struct nlattr *)((const uint8_t *)attr + step);
	}
	return NULL;
}

static void found_group(const struct nlattr *one)
{
	const struct nlattr *name, *id;
	unsigned int i;

	name = find_attr(one + 1, one->nla_len - NLA_HDRLEN, CTRL_ATTR_MCAST_GRP_NAME);
	id = find_attr(one + 1, one->nla_len - NLA_HDRLEN, CTRL_ATTR_MCAST_GRP_ID);
	for (i = 0; name && id && i < nr_groups; i++)
		if (!strcmp((const char *)(name + 1), groups[i]))
			memcpy(&family.group[i], id + 1, sizeof(family.group[i]));
}

static void found_family(const struct nlmsghdr *nlh, const struct op *asked, void *arg)
{
	const uint8_t *data = (const uint8_t *)NLMSG_DATA(nlh) + GENL_HDRLEN;
	size_t len = nlh->nlmsg_len - MESSAGE_HEAD;
	const struct nlattr *attr, *one;
	uint16_t *id = arg;
	size_t at = 0;

	(void)asked;
	attr = find_attr(data, len, CTRL_ATTR_FAMILY_ID);
	if (attr)
		memcpy(id, attr + 1, sizeof(*id));
	attr = find_attr(data, len, CTRL_ATTR_MCAST_GROUPS);
	while (attr && at + 2 * NLA_HDRLEN < attr->nla_len) {
		one = (const struct nlattr *)((const uint8_t *)(attr + 1) + at);
		found_group(one);
		at += NLA_ALIGN(one->nla_len);
	}
}

bool family_find(void)
{
	static struct message msg;
	struct answer answer;
	struct link link;
	uint16_t id = 0;

	link_open(&link, 1 << 16);
	message_begin(&msg, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_REQUEST | NLM_F_ACK);
	message_put(&msg, NULL, 0, CTRL_ATTR_FAMILY_NAME, FAMILY, sizeof(FAMILY));
	message_end(&msg);
	/* While it is not known, the controller's messages are ours. */
	family.id = 0;
	link_ask(&link, &msg, &answer, found_family, &id);
	link_close(&link);
	family.id = id;
	return id;
}
