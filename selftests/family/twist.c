// SPDX-License-Identifier: GPL-2.0
/*
 * Messages that are nearly as the specification has them: one thing, or a few, is
 * changed, and noted where the specification does not let it pass.
 */
#include <string.h>

#include "twist.h"

static struct nlattr head_of(const struct message *msg, const struct part *part)
{
	struct nlattr head;

	memcpy(&head, msg->data + part->at, sizeof(head));
	return head;
}

static void set_head(struct message *msg, const struct part *part, struct nlattr head)
{
	memcpy(msg->data + part->at, &head, sizeof(head));
}

static uint32_t padded(const struct part *part)
{
	return NLA_ALIGN(part->len);
}

/*
 * Make room for @add octets at @at, or, less than 0, take them away; a multiple of 4.
 * What is behind moves, nests around grow or shrink: with @inside those that it is in,
 * and itself. False: it does not fit.
 */
static bool move(struct message *msg, uint32_t at, int add, const struct part *inside)
{
	uint32_t begin = inside ? inside->at : at, end = inside ? at : at + 1;
	struct nlattr head;
	struct part *part;

	if (msg->len + add > MESSAGE_MAX - 64)
		return false;
	for (part = msg->part; part < msg->part + msg->nr; part++)
		if (part->at <= begin && end <= part->at + padded(part) &&
		    part->len + add > UINT16_MAX)
			return false;

	if (add > 0)
		memmove(msg->data + at + add, msg->data + at, msg->len - at);
	else
		memmove(msg->data + at, msg->data + at - add, msg->len - at + add);
	msg->len += add;
	for (part = msg->part; part < msg->part + msg->nr; part++) {
		if (part == inside ||
		    (part->at < begin && end <= part->at + padded(part))) {
			part->len += add;
			head = head_of(msg, part);
			head.nla_len = part->len;
			set_head(msg, part, head);
		} else if (part->at >= at) {
			part->at += add;
		}
	}
	return true;
}

/* A number that is out of its range, or any where there is none. */
static void twist_value(struct source *source, struct message *msg, struct part *part)
{
	const struct attr *attr = part->attr;
	uint32_t value = below(source, UINT32_MAX);

	if (attr->kind != KIND_U32)
		return;
	if (attr->bounded) {
		value = attr->max + 1;
		if (one_in(source, 2))
			value += below(source, UINT32_MAX - attr->max);
		msg->wrong = true;
	}
	memcpy(msg->data + part->at + NLA_HDRLEN, &value, sizeof(value));
}

/* Another length, and the octets that go with it. */
static void twist_length(struct source *source, struct message *msg, struct part *part)
{
	uint32_t old = part->len - NLA_HDRLEN, want = below(source, 24);
	const struct attr *attr = part->attr;
	struct nlattr head = head_of(msg, part);
	uint32_t i;

	if (attr->kind == KIND_NEST)
		return;
	if (attr->kind == KIND_STRING && one_in(source, 2))
		want = attr->max + 2 + below(source, 200);
	if (want == old)
		want++;
	if (!move(msg, part->at + NLA_HDRLEN, (int)NLA_ALIGN(want) - (int)NLA_ALIGN(old),
		  part))
		return;

	part->len = NLA_HDRLEN + want;
	head.nla_len = part->len;
	set_head(msg, part, head);
	for (i = 0; i < want; i++)
		msg->data[part->at + NLA_HDRLEN + i] = 'a' + below(source, 26);
	/* A string ends, and no more than one longer than allowed is made to end. */
	if (attr->kind == KIND_STRING && want && one_in(source, 2)) {
		msg->data[part->at + NLA_HDRLEN + want - 1] = '\0';
		if (want <= attr->max + 1)
			return;
	}
	msg->wrong = true;
}

/* The same again, directly before itself. */
static void twist_twice(struct message *msg, struct part *part)
{
	uint32_t at = part->at, len = padded(part);
	bool nest = part->attr->kind == KIND_NEST;
	static uint8_t copy[UINT16_MAX + 8];

	/* A nest with none in it is one that nobody minds. */
	if (nest && part->len == NLA_HDRLEN)
		return;
	memcpy(copy, msg->data + at, len);
	if (!move(msg, at, len, NULL))
		return;
	memcpy(msg->data + at, copy, len);
	/* The last of what may be there once counts; the same class, map or device is two. */
	msg->wrong |= nest;
}

static void twist_away(struct message *msg, struct part *part)
{
	uint32_t at = part->at, len = padded(part);
	struct part *next = part;

	/* With all that is in it; parts are in their order. */
	while (next < msg->part + msg->nr && next->at < at + len)
		next++;
	memmove(part, next, (msg->part + msg->nr - next) * sizeof(*part));
	msg->nr -= next - part;
	move(msg, at, -(int)len, NULL);
}

/* A number that the specification does not have there. */
static void twist_unknown(struct source *source, struct message *msg, struct part *part)
{
	struct nlattr head = { .nla_len = NLA_HDRLEN + 4 };
	uint32_t at = part->at, value = below(source, 8);
	uint16_t type;

	do {
		switch (below(source, 4)) {
		case 0:
			type = part->set->last + 1 + below(source, 4);
			break;
		case 1:
			type = below(source, UINT16_MAX + 1) & NLA_TYPE_MASK;
			break;
		case 2:
			type = 0;
			break;
		default:
			type = 1 + below(source, part->set->last);
		}
	} while (type <= part->set->last && part->allowed & BIT64(type));
	head.nla_type = type | (one_in(source, 4) ? NLA_F_NESTED : 0);
	if (!move(msg, at, NLA_HDRLEN + 4, NULL))
		return;
	memcpy(msg->data + at, &head, sizeof(head));
	memcpy(msg->data + at + NLA_HDRLEN, &value, sizeof(value));
	msg->wrong = true;
}

static void twist_flags(struct source *source, struct message *msg, struct part *part)
{
	struct nlattr head = head_of(msg, part);

	if (one_in(source, 3)) {
		head.nla_type ^= NLA_F_NET_BYTEORDER;
	} else {
		head.nla_type ^= NLA_F_NESTED;
		msg->wrong = true;
	}
	set_head(msg, part, head);
}

/* A length that is not that of the octets. The last: parts are not found any more. */
static void twist_cut(struct source *source, struct message *msg, struct part *part)
{
	struct nlattr head = head_of(msg, part);

	switch (below(source, 4)) {
	case 0:
		head.nla_len = below(source, NLA_HDRLEN);
		msg->wrong = true;
		break;
	case 1:
		head.nla_len = UINT16_MAX - below(source, 4);
		msg->wrong |= msg->len - part->at < head.nla_len;
		break;
	case 2:
		head.nla_len = below(source, 64);
		break;
	default:
		head.nla_len += one_in(source, 2) ? 4 : -4;
	}
	set_head(msg, part, head);
	msg->nr = 0;
}

/* Octets that are not what they were. */
static void twist_octets(struct source *source, struct message *msg, struct part *part)
{
	uint32_t i, n = 1 + below(source, 4), len = padded(part);

	for (i = 0; i < n; i++)
		msg->data[part->at + below(source, len)] ^= 1 << below(source, 8);
	msg->nr = 0;
}

/* A nest full of noise. */
static void twist_noise(struct source *source, struct message *msg, struct part *part)
{
	uint32_t i;

	if (part->attr->kind != KIND_NEST)
		return;
	for (i = NLA_HDRLEN; i < part->len; i++)
		msg->data[part->at + i] = one_in(source, 3) ? 0 : below(source, 256);
	msg->nr = 0;
}

/* Nests in nests, deeper than anything that is known. */
static void twist_deep(struct source *source, struct message *msg, struct part *part)
{
	uint32_t i, depth = 2 + below(source, 40), at = part->at + NLA_HDRLEN;
	struct nlattr head;

	if (part->attr->kind != KIND_NEST ||
	    !move(msg, at, depth * NLA_HDRLEN, part))
		return;
	for (i = 0; i < depth; i++) {
		head.nla_len = (depth - i) * NLA_HDRLEN;
		head.nla_type = NLA_F_NESTED | (1 + below(source, 5));
		memcpy(msg->data + at + i * NLA_HDRLEN, &head, sizeof(head));
	}
}

/* Any part, and one in four times one that is in no nest, if drawing finds it: they are few. */
static struct part *draw_part(struct source *source, struct message *msg)
{
	struct part *part = &msg->part[below(source, msg->nr)];
	unsigned int i;

	if (!one_in(source, 4))
		return part;
	for (i = 0; i < msg->nr && part->set != msg->part[0].set; i++)
		part = &msg->part[below(source, msg->nr)];
	return part;
}

void twist(struct source *source, struct message *msg)
{
	unsigned int i, n = one_in(source, 4) ? 1 + below(source, 3) : 1;
	uint32_t value = below(source, 8);
	struct part *part;

	/* One that takes nothing gets something. */
	if (!(msg->dump ? msg->op->dump_request : msg->op->do_request)) {
		message_put(msg, NULL, 0, 1 + below(source, 4), &value, sizeof(value));
		msg->wrong = true;
		return;
	}
	/* What is wrong stays: nothing is taken away again. */
	for (i = 0; i < n && msg->nr && !msg->wrong; i++) {
		part = draw_part(source, msg);
		if (!part->attr)
			continue;
		switch (below(source, 12)) {
		case 0:
		case 1:
			twist_value(source, msg, part);
			break;
		case 2:
			twist_length(source, msg, part);
			break;
		case 3:
			twist_twice(msg, part);
			break;
		case 4:
			twist_away(msg, part);
			break;
		case 5:
		case 6:
			twist_unknown(source, msg, part);
			break;
		case 7:
			twist_flags(source, msg, part);
			break;
		case 8:
			twist_cut(source, msg, part);
			break;
		case 9:
			twist_octets(source, msg, part);
			break;
		case 10:
			twist_noise(source, msg, part);
			break;
		default:
			twist_deep(source, msg, part);
		}
	}
}

void twist_head(struct source *source, struct message *msg)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)msg->data;
	struct genlmsghdr *genl = NLMSG_DATA(nlh);
	uint32_t add;

	if (!one_in(source, 24))
		return;
	switch (below(source, 7)) {
	case 0:
		/* Whether that takes what there is nobody knows. */
		genl->cmd = below(source, one_in(source, 2) ? 256 : nr_ops);
		msg->op = genl->cmd && genl->cmd < nr_ops ? &ops[genl->cmd] : NULL;
		msg->odd = true;
		break;
	case 1:
		genl->version = below(source, 256);
		break;
	case 2:
		genl->reserved = 1 + below(source, UINT16_MAX);
		msg->core = true;
		break;
	case 3:
		nlh->nlmsg_flags = below(source, UINT16_MAX + 1);
		msg->odd = true;
		break;
	case 4:
		/* What is left of it is read as another message. */
		nlh->nlmsg_len = below(source, msg->len);
		msg->odd = true;
		break;
	case 5:
		nlh->nlmsg_len += 1 + below(source, 1000);
		msg->odd = true;
		break;
	default:
		/* An attribute that is not all there. */
		add = 1 + below(source, NLA_HDRLEN - 1);
		memset(msg->data + msg->len, below(source, 256), add);
		msg->len += add;
		nlh->nlmsg_len += add;
		msg->wrong |= msg->nr && !((msg->len - add) % NLMSG_ALIGNTO);
	}
}
