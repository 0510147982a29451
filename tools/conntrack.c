// SPDX-License-Identifier: GPL-2.0
/*
 * Conntrack's entries, read through ctnetlink. All of them in one dump, which is
 * joined with flows by a hash: with many flows that is much less than a question
 * for each.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conntrack.h"

#define DUMP_TRIES 5
#define RECV_SIZE 65536

/* Attributes of a nest, by type. */
struct nest {
	const struct nlattr **tb;
	uint16_t max;
};

static int nest_store(const struct nlattr *a, void *data)
{
	struct nest *nest = data;

	if (mnl_attr_get_type(a) <= nest->max)
		nest->tb[mnl_attr_get_type(a)] = a;
	return MNL_CB_OK;
}

static void nested(const struct nlattr *a, const struct nlattr **tb, uint16_t max)
{
	struct nest nest = { tb, max };

	memset(tb, 0, (max + 1U) * sizeof(*tb));
	if (a)
		mnl_attr_parse_nested(a, nest_store, &nest);
}

static uint32_t be32(const struct nlattr *a)
{
	return a && mnl_attr_get_payload_len(a) >= sizeof(uint32_t) ?
	       ntohl(mnl_attr_get_u32(a)) : 0;
}

static uint16_t be16(const struct nlattr *a)
{
	return a && mnl_attr_get_payload_len(a) >= sizeof(uint16_t) ?
	       ntohs(mnl_attr_get_u16(a)) : 0;
}

static uint8_t u8(const struct nlattr *a)
{
	return a && mnl_attr_get_payload_len(a) ? mnl_attr_get_u8(a) : 0;
}

static bool store_address(const struct nlattr *a, uint8_t *addr, size_t size)
{
	if (!a || mnl_attr_get_payload_len(a) < size)
		return false;
	memcpy(addr, mnl_attr_get_payload(a), size);
	return true;
}

static bool store_tuple(const struct nlattr *a, struct tuple *tuple)
{
	const struct nlattr *tb[CTA_TUPLE_MAX + 1], *ip[CTA_IP_MAX + 1];
	const struct nlattr *proto[CTA_PROTO_MAX + 1];

	nested(a, tb, CTA_TUPLE_MAX);
	nested(tb[CTA_TUPLE_IP], ip, CTA_IP_MAX);
	nested(tb[CTA_TUPLE_PROTO], proto, CTA_PROTO_MAX);
	tuple->proto = u8(proto[CTA_PROTO_NUM]);
	/* Of GRE these are keys, which are 0 where flows of it are offloaded. */
	tuple->sport = be16(proto[CTA_PROTO_SRC_PORT]);
	tuple->dport = be16(proto[CTA_PROTO_DST_PORT]);
	tuple->family = ip[CTA_IP_V6_SRC] ? AF_INET6 : AF_INET;
	if (tuple->family == AF_INET6)
		return store_address(ip[CTA_IP_V6_SRC], tuple->src, 16) &&
		       store_address(ip[CTA_IP_V6_DST], tuple->dst, 16);
	return store_address(ip[CTA_IP_V4_SRC], tuple->src, 4) &&
	       store_address(ip[CTA_IP_V4_DST], tuple->dst, 4);
}

static void store_state(const struct nlattr *a, struct ct_entry *entry)
{
	const struct nlattr *tb[CTA_PROTOINFO_MAX + 1];
	const struct nlattr *tcp[CTA_PROTOINFO_TCP_MAX + 1];

	nested(a, tb, CTA_PROTOINFO_MAX);
	nested(tb[CTA_PROTOINFO_TCP], tcp, CTA_PROTOINFO_TCP_MAX);
	entry->tcp_state = u8(tcp[CTA_PROTOINFO_TCP_STATE]);
}

int ct_store(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[CTA_MAX + 1];
	struct nest nest = { tb, CTA_MAX };
	struct ct_table *t = data;
	struct ct_entry *entry;

	memset(tb, 0, sizeof(tb));
	mnl_attr_parse(nlh, sizeof(struct nfgenmsg), nest_store, &nest);
	if (t->n == t->room) {
		t->room = t->room ? 2 * t->room : 64;
		t->v = xrealloc(t->v, t->room, sizeof(*t->v));
	}
	entry = &t->v[t->n];
	memset(entry, 0, sizeof(*entry));
	if (!store_tuple(tb[CTA_TUPLE_ORIG], &entry->tuple[CT_ORIGINAL]) ||
	    !store_tuple(tb[CTA_TUPLE_REPLY], &entry->tuple[CT_REPLY]))
		return MNL_CB_OK;
	t->n++;
	entry->id = be32(tb[CTA_ID]);
	entry->status = be32(tb[CTA_STATUS]);
	entry->mark = be32(tb[CTA_MARK]);
	entry->has_mark = tb[CTA_MARK];
	entry->timeout = be32(tb[CTA_TIMEOUT]);
	entry->has_timeout = tb[CTA_TIMEOUT];
	entry->zone = be16(tb[CTA_ZONE]);
	store_state(tb[CTA_PROTOINFO], entry);
	return MNL_CB_OK;
}

static size_t hash(const struct tuple *tuple)
{
	const uint8_t *p = (const void *)tuple;
	uint64_t h = 0xcbf29ce484222325ULL;
	size_t i;

	/* FNV-1a */
	for (i = 0; i < sizeof(*tuple); i++)
		h = (h ^ p[i]) * 0x100000001b3ULL;
	return h ^ h >> 32;
}

void ct_index(struct ct_table *t)
{
	size_t i, b;

	for (t->mask = 63; t->mask < 2 * t->n; t->mask = 2 * t->mask + 1)
		;
	t->bucket = xrealloc(t->bucket, t->mask + 1, sizeof(*t->bucket));
	memset(t->bucket, 0, (t->mask + 1) * sizeof(*t->bucket));
	t->next = xrealloc(t->next, 2 * t->n + 1, sizeof(*t->next));
	for (i = 0; i < 2 * t->n; i++) {
		b = hash(&t->v[i / 2].tuple[i % 2]) & t->mask;
		t->next[i] = t->bucket[b];
		t->bucket[b] = (uint32_t)i + 1;
	}
}

struct ct_match ct_find(const struct ct_table *t, const struct tuple *tuple)
{
	struct ct_match m = { .entry = NULL };
	uint32_t i;

	if (!t->bucket)
		return m;
	for (i = t->bucket[hash(tuple) & t->mask]; i; i = t->next[i - 1]) {
		const struct ct_entry *entry = &t->v[(i - 1) / 2];

		if (!tuple_equal(&entry->tuple[(i - 1) % 2], tuple))
			continue;
		/* A dump may have an entry twice. */
		if (m.entry && m.entry->id != entry->id)
			return (struct ct_match){ .ambiguous = true };
		m.entry = entry;
		m.dir = (i - 1) % 2;
	}
	return m;
}

struct tuple ct_after_nat(const struct ct_entry *entry, enum ct_dir dir)
{
	return tuple_inverse(&entry->tuple[!dir]);
}

struct tuple tuple_inverse(const struct tuple *tuple)
{
	struct tuple inverse = *tuple;

	memcpy(inverse.src, tuple->dst, sizeof(inverse.src));
	memcpy(inverse.dst, tuple->src, sizeof(inverse.dst));
	inverse.sport = tuple->dport;
	inverse.dport = tuple->sport;
	return inverse;
}

bool tuple_equal(const struct tuple *a, const struct tuple *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* 0 or an errno */
static int dump(struct mnl_socket *sock, struct ct_table *t)
{
	char request[MNL_ALIGN(sizeof(struct nlmsghdr)) + sizeof(struct nfgenmsg)];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(request);
	struct nfgenmsg *nfg;
	ssize_t n;
	char *buf;
	int ret;

	nlh->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = 1;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = AF_UNSPEC;
	nfg->version = NFNETLINK_V0;
	if (mnl_socket_sendto(sock, nlh, nlh->nlmsg_len) < 0)
		return errno;
	buf = xrealloc(NULL, RECV_SIZE, 1);
	do {
		do {
			n = mnl_socket_recvfrom(sock, buf, RECV_SIZE);
		} while (n < 0 && errno == EINTR);
		/* A dump that the kernel marks as inconsistent is EINTR, too. */
		ret = n < 0 ? -1 : mnl_cb_run(buf, (size_t)n, 1,
					      mnl_socket_get_portid(sock), ct_store, t);
	} while (ret > MNL_CB_STOP);
	ret = ret < 0 ? errno : 0;
	free(buf);
	return ret;
}

static const char *reason(int err)
{
	switch (err) {
	case EPERM:
		return "this needs CAP_NET_ADMIN in the network namespace";
	case EINVAL:		/* nfnetlink: nobody is registered for this */
	case EOPNOTSUPP:
	case EPROTONOSUPPORT:
		return "the kernel module nf_conntrack_netlink is not there";
	case EINTR:
		return "its entries kept changing while they were read; try again";
	case ENOBUFS:
		return "the kernel ran out of room for its answer; try again";
	default:
		return strerror(err);
	}
}

/* On a socket of its own, so that nothing is left of a try before. 0 or an errno */
static int read_once(struct ct_table *t)
{
	struct mnl_socket *sock = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	int ret;

	t->n = 0;
	ret = sock && !mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) ? dump(sock, t) : errno;
	if (sock)
		mnl_socket_close(sock);
	return ret;
}

bool ct_read(struct ct_table *t, char *err, size_t size)
{
	int tries = 0, ret;

	memset(t, 0, sizeof(*t));
	do {
		ret = read_once(t);
	} while ((ret == EINTR || ret == ENOBUFS) && ++tries < DUMP_TRIES);
	if (!ret) {
		ct_index(t);
		return true;
	}
	snprintf(err, size, "%s", reason(ret));
	ct_free(t);
	return false;
}

void ct_free(struct ct_table *t)
{
	free(t->v);
	free(t->bucket);
	free(t->next);
	memset(t, 0, sizeof(*t));
}
