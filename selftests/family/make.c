// SPDX-License-Identifier: GPL-2.0
/*
 * Messages as the specification has them, with what it leaves open drawn by lot.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "make.h"
#include "table.h"
#include "twist.h"

#define DEVICES 32

static char devices[DEVICES][IF_NAMESIZE];
static unsigned int nr_devices;

/* splitmix64: the same numbers everywhere, from any seed. */
static uint64_t draw(struct source *source)
{
	uint64_t z = source->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint32_t below(struct source *source, uint32_t n)
{
	return (draw(source) >> 32) * n >> 32;
}

bool one_in(struct source *source, uint32_t n)
{
	return !below(source, n);
}

void make_devices(void)
{
	struct if_nameindex *list = if_nameindex(), *one;

	nr_devices = 0;
	for (one = list; one && one->if_index && nr_devices < DEVICES; one++)
		snprintf(devices[nr_devices++], IF_NAMESIZE, "%s", one->if_name);
	if_freenameindex(list);
}

void message_begin(struct message *msg, uint16_t family, uint8_t cmd, uint16_t flags)
{
	struct nlmsghdr head = { .nlmsg_type = family, .nlmsg_flags = flags };
	struct genlmsghdr genl = { .cmd = cmd, .version = 1 };

	msg->len = MESSAGE_HEAD;
	msg->nr = 0;
	msg->op = cmd < nr_ops && ops[cmd].name ? &ops[cmd] : NULL;
	msg->dump = (flags & NLM_F_DUMP) == NLM_F_DUMP;
	msg->wrong = false;
	msg->core = !msg->op || msg->op->notify ||
		    !(msg->dump ? msg->op->can_dump : msg->op->can_do);
	msg->odd = false;
	memcpy(msg->data, &head, sizeof(head));
	memcpy(msg->data + NLMSG_HDRLEN, &genl, sizeof(genl));
}

struct part *message_put(struct message *msg, const struct set *set, uint64_t allowed,
			 unsigned int number, const void *data, size_t len)
{
	struct nlattr head = { .nla_len = NLA_HDRLEN + len, .nla_type = number };
	struct part *part = &msg->part[msg->nr];
	unsigned int type = number & NLA_TYPE_MASK;
	size_t pad = NLA_ALIGN(len) - len;

	/* One too large to be told is a fault of this program. */
	if (msg->nr == MESSAGE_PARTS ||
	    msg->len + NLA_HDRLEN + len + pad > MESSAGE_MAX)
		abort();
	msg->nr++;
	part->at = msg->len;
	part->len = NLA_HDRLEN + len;
	part->set = set;
	part->allowed = allowed;
	part->attr = set && type <= set->last && set->has & BIT64(type) ?
		     &set->attr[type] : NULL;
	memcpy(msg->data + msg->len, &head, sizeof(head));
	if (len)
		memcpy(msg->data + msg->len + NLA_HDRLEN, data, len);
	memset(msg->data + msg->len + NLA_HDRLEN + len, 0, pad);
	msg->len += NLA_HDRLEN + len + pad;
	return part;
}

struct part *message_nest(struct message *msg, const struct set *set, uint64_t allowed,
			  unsigned int number)
{
	return message_put(msg, set, allowed, number | NLA_F_NESTED, NULL, 0);
}

void message_nest_end(struct message *msg, struct part *nest)
{
	struct nlattr head;

	memcpy(&head, msg->data + nest->at, sizeof(head));
	nest->len = msg->len - nest->at;
	head.nla_len = nest->len;
	memcpy(msg->data + nest->at, &head, sizeof(head));
}

void message_end(struct message *msg)
{
	uint32_t len = msg->len;

	memcpy(msg->data + offsetof(struct nlmsghdr, nlmsg_len), &len, sizeof(len));
}

/* Values at which something ends, by the specification or by the type. */
static uint32_t make_edge(struct source *source)
{
	switch (below(source, 8)) {
	case 0:
	case 1:
		return consts[below(source, nr_consts)] + below(source, 3) - 1;
	case 2:
		return 0;
	case 3:
		return 1;
	case 4:
		return UINT32_MAX - below(source, 2);
	case 5:
		return 1U << below(source, 32);
	case 6:
		return below(source, 70000);
	default:
		return draw(source);
	}
}

/* Those of trust ctmark are the numbers without bounds that a device has. */
static bool is_ctmark(const struct set *set, const struct attr *attr)
{
	return (set == &set_dev || set == &set_restore_dev) && attr->kind == KIND_U32 &&
	       !attr->bounded;
}

static uint32_t make_number(struct source *source, const struct set *set,
			    const struct attr *attr)
{
	if (attr->bounded)
		return one_in(source, 4) ? attr->max : below(source, attr->max + 1);
	/* Six bits side by side: what a mask of the conntrack mark has to be. */
	if (!one_in(source, is_ctmark(set, attr) ? 8 : 2))
		return 0x3fU << below(source, 27);
	return make_edge(source);
}

/* Characters that a file of commands has to quote, and some that nobody can read. */
static const char *const strange[] = {
	"\"", "'", "#", "\\", "-j", "--", "from", "all", "absent", "map", "\x01",
	"\xff\xfe", "\xc3\xbc", "$(x)", "a\"b", "*", ",", "0x10", "7", "Upper",
};

static size_t make_map_name(struct source *source, char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_.-";
	size_t len, i;

	switch (below(source, 16)) {
	case 0 ... 3:
		return sprintf(name, "default");
	case 4 ... 10:
		return sprintf(name, "%c", 'a' + below(source, 3));
	case 11 ... 12:
		return sprintf(name, "m%u", below(source, 80));
	case 13:
		return sprintf(name, "%s", strange[below(source, 20)]);
	case 14:
		return sprintf(name, "%s", one_in(source, 4) ? "" : "m0");
	default:
		len = one_in(source, 4) ? SPEC_NAME_MAX : 1 + below(source, SPEC_NAME_MAX);
		for (i = 0; i < len; i++)
			name[i] = letters[below(source, sizeof(letters) - 1)];
		name[i] = '\0';
		return len;
	}
}

static size_t make_device_name(struct source *source, char *name)
{
	static const char *const bad[] = {
		"", ".", "..", "a/b", "a b", "a:b", "other0", "d%d",
	};

	if (nr_devices && one_in(source, 2))
		return sprintf(name, "%s", devices[below(source, nr_devices)]);
	switch (below(source, 8)) {
	case 0 ... 2:
		return sprintf(name, "x%u", below(source, 8));
	case 3 ... 4:
		return sprintf(name, "any");
	case 5:
		return sprintf(name, "%s", strange[below(source, 20)]);
	case 6:
		return sprintf(name, "%s", bad[below(source, 8)]);
	default:
		return sprintf(name, "y%u", below(source, 2000));
	}
}

static void make_attrs(struct source *source, struct message *msg,
		       const struct set *set, uint64_t allowed);

static void make_attr(struct source *source, struct message *msg, const struct set *set,
		      uint64_t allowed, unsigned int number, int class)
{
	const struct attr *attr = &set->attr[number];
	uint8_t octets[64];
	struct part *nest;
	uint32_t value;
	uint64_t large;
	size_t len, i;
	char name[64];

	switch (attr->kind) {
	case KIND_U32:
		value = class >= 0 ? class : (int)make_number(source, set, attr);
		message_put(msg, set, allowed, number, &value, sizeof(value));
		break;
	case KIND_U64:
		large = draw(source);
		message_put(msg, set, allowed, number, &large, sizeof(large));
		break;
	case KIND_STRING:
		len = attr->bounded && attr->max < SPEC_NAME_MAX ?
		      make_device_name(source, name) : make_map_name(source, name);
		message_put(msg, set, allowed, number, name, len + 1);
		break;
	case KIND_BINARY:
		len = attr->bounded && attr->max < sizeof(octets) ? attr->max : 16;
		for (i = 0; i < len; i++)
			octets[i] = draw(source);
		message_put(msg, set, allowed, number, octets, len);
		break;
	case KIND_NEST:
		nest = message_nest(msg, set, allowed, number);
		make_attrs(source, msg, attr->nest, attr->nest->has);
		message_nest_end(msg, nest);
		break;
	default:
		message_put(msg, set, allowed, number, NULL, 0);
	}
}

/* How many of a kind: mostly few. */
static unsigned int make_count(struct source *source, const struct attr *attr)
{
	if (!attr->multi)
		return 1;
	if (attr->nest == &set_entry)
		return one_in(source, 16) ? SPEC_CLASSES : below(source, 5);
	return below(source, 5);
}

/* About as many maps or bindings as there can be, of which nothing is told but names. */
static void make_many(struct source *source, struct message *msg, const struct set *set,
		      uint64_t allowed, unsigned int number)
{
	const struct set *inner = set->attr[number].nest;
	unsigned int i, n = inner == &set_restore_dev ? SPEC_DEVS_MAX : SPEC_MAPS_MAX;
	struct part *nest;
	char name[16];

	n = n - 2 + below(source, 5);
	for (i = 0; i < n; i++) {
		nest = message_nest(msg, set, allowed, number);
		snprintf(name, sizeof(name), "z%u", i);
		message_put(msg, inner, inner->has, attr_number(inner, "name"), name,
			    strlen(name) + 1);
		if (inner == &set_restore_dev)
			message_put(msg, inner, inner->has, attr_number(inner, "absent"),
				    NULL, 0);
		message_nest_end(msg, nest);
	}
}

/* A class each, so that none is there twice, but for some. */
static void make_entry(struct source *source, struct message *msg, const struct set *set,
		       uint64_t allowed, unsigned int number, unsigned int class)
{
	const struct set *entry = set->attr[number].nest;
	struct part *nest = message_nest(msg, set, allowed, number);
	unsigned int i;

	make_attr(source, msg, entry, entry->has, 1,
		  one_in(source, 40) ? below(source, SPEC_CLASSES) : class);
	for (i = 2; i <= entry->last; i++)
		if (!one_in(source, 4) == !entry->attr[i].mask)
			make_attr(source, msg, entry, entry->has, i, -1);
	message_nest_end(msg, nest);
}

/* @last: the value before was the last of an enum. */
static bool make_wanted(struct source *source, const struct set *set, unsigned int number,
			bool last)
{
	const struct attr *attr = &set->attr[number];

	/* What most requests are refused without. */
	if (number == 1 && attr->kind == KIND_STRING)
		return !one_in(source, 32);
	/* Of filters few go together. */
	if (set == &set_flow)
		return one_in(source, 6);
	/* Masks go with the last trust only. */
	if (is_ctmark(set, attr))
		return last ? !one_in(source, 4) : one_in(source, 10);
	return one_in(source, 2);
}

static void make_attrs(struct source *source, struct message *msg,
		       const struct set *set, uint64_t allowed)
{
	unsigned int class = below(source, SPEC_CLASSES), count, number;
	bool last = false;
	uint32_t value;

	for (number = 1; number <= set->last; number++) {
		if (!(allowed & set->has & BIT64(number)) ||
		    !make_wanted(source, set, number, last))
			continue;
		if (set == &set_restore && set->attr[number].multi && one_in(source, 60)) {
			make_many(source, msg, set, allowed, number);
			continue;
		}
		for (count = make_count(source, &set->attr[number]); count; count--) {
			if (set->attr[number].nest == &set_entry)
				make_entry(source, msg, set, allowed, number,
					   class++ % SPEC_CLASSES);
			else
				make_attr(source, msg, set, allowed, number, -1);
		}
		if (!strcmp(set->attr[number].name, "trust")) {
			memcpy(&value, msg->data + msg->len - sizeof(value), sizeof(value));
			last = value == set->attr[number].max;
		}
	}
}

/* Random octets behind a header that may be right. */
static void make_noise(struct source *source, struct message *msg)
{
	size_t i, len = below(source, one_in(source, 8) ? 2000 : 64);

	for (i = 0; i < len; i++)
		msg->data[msg->len + i] = one_in(source, 2) ? draw(source) :
							      below(source, 20);
	msg->len += len;
}

void make_message(struct source *source, uint16_t family, struct message *msg)
{
	uint16_t flags = NLM_F_REQUEST | NLM_F_ACK;
	const struct op *op;
	uint8_t cmd;

	do {
		cmd = 1 + below(source, nr_ops - 1);
		op = &ops[cmd];
	} while (op->notify ||
		 /* Those that take nothing are asked for often enough so. */
		 (!op->do_request && !op->dump_request && !one_in(source, 4)) ||
		 /* One begins with little again, and little is soon told. */
		 (op->set == &set_restore && one_in(source, 2)));
	if (op->can_dump && (!op->can_do || one_in(source, 2)))
		flags |= NLM_F_DUMP;

	message_begin(msg, family, cmd, flags);
	if (one_in(source, 16)) {
		make_noise(source, msg);
	} else {
		make_attrs(source, msg, op->set,
			   flags & NLM_F_DUMP && op->can_dump ? op->dump_request :
								op->do_request);
		if (one_in(source, 2))
			twist(source, msg);
	}
	message_end(msg);
	twist_head(source, msg);
}
