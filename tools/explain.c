// SPDX-License-Identifier: GPL-2.0
/*
 * ftqos flow explain: one flow, step by step. This gathers what the module,
 * conntrack, the devices and the routes say; explain_steps.c makes steps of it.
 */
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "explain.h"
#include "out.h"
#include "parse.h"

static const char *const words[] = { "proto", "src", "sport", "dst", "dport", "iif" };

enum { W_PROTO, W_SRC, W_SPORT, W_DST, W_DPORT, W_IIF };

static int parse_address(const char *what, const char *s, struct tuple *tuple,
			 uint8_t *addr)
{
	struct prefix p;
	int err;

	err = parse_prefix(what, s, &p);
	if (err)
		return err;
	if (p.len != (p.family == AF_INET ? 32 : 128))
		return usage_error("%s \"%s\" is not one address", what, s);
	if (tuple->family && tuple->family != (uint32_t)p.family)
		return usage_error("src and dst are of different address families");
	tuple->family = (uint32_t)p.family;
	memcpy(addr, p.addr, sizeof(p.addr));
	return ST_OK;
}

static int parse_port(const char *what, const char *s, uint16_t *port, bool *has)
{
	uint32_t v;
	int err = parse_u32(what, s, 0, 65535, &v);

	if (err)
		return err;
	*port = (uint16_t)v;
	*has = true;
	return ST_OK;
}

static int parse_part(struct question *q, uint32_t what, const char *s)
{
	switch (what) {
	case W_PROTO:
		return parse_proto(s, &q->tuple.proto);
	case W_SRC:
		return parse_address("src", s, &q->tuple, q->tuple.src);
	case W_DST:
		return parse_address("dst", s, &q->tuple, q->tuple.dst);
	case W_SPORT:
		return parse_port("sport", s, &q->tuple.sport, &q->has_sport);
	case W_DPORT:
		return parse_port("dport", s, &q->tuple.dport, &q->has_dport);
	default:
		return parse_dev_name(s, q->dev);
	}
}

static int parse_question(int argc, char **argv, struct question *q)
{
	static const int needed[] = { W_PROTO, W_SRC, W_DST, W_IIF };
	uint32_t named = 0, what;
	size_t i;
	int err;

	memset(q, 0, sizeof(*q));
	for (; argc > 0; argc -= 2, argv += 2) {
		err = parse_word("word", argv[0], words, ARRAY_SIZE(words), &what);
		if (err)
			return err;
		if (named >> what & 1)
			return usage_error("%s is given twice", argv[0]);
		if (argc < 2)
			return usage_error("%s needs a value", argv[0]);
		named |= 1U << what;
		err = parse_part(q, what, argv[1]);
		if (err)
			return err;
	}
	for (i = 0; i < ARRAY_SIZE(needed); i++)
		if (!(named >> needed[i] & 1))
			return usage_error("%s is missing", words[needed[i]]);
	if (q->tuple.proto == IPPROTO_GRE) {
		if (q->has_sport || q->has_dport)
			return usage_error("gre has no ports");
		/* So there is no other flow of these addresses. */
		q->has_sport = true;
		q->has_dport = true;
	}
	return ST_OK;
}

/* The module */

static int store_flow(const struct nlmsghdr *nlh, void *data)
{
	struct facts *f = data;
	struct flow flow;

	flow_decode(nlh, &flow);
	if (!enters_through(f, &flow)) {
		f->elsewhere = flow.iif;
		return ST_OK;
	}
	if (!f->nfound++ || flow.idle_ms < f->flow.idle_ms)
		f->flow = flow;
	f->found = true;
	return ST_OK;
}

/* Of the other direction, by which device it enters does not matter. */
static int store_other(const struct nlmsghdr *nlh, void *data)
{
	struct facts *f = data;
	struct flow flow;

	flow_decode(nlh, &flow);
	if (flow.idle_ms < f->idle_ms)
		f->idle_ms = flow.idle_ms;
	return ST_OK;
}

static int read_flows(struct facts *f, const struct tuple *tuple, bool sport, bool dport,
		      nl_cb cb)
{
	bool is_v4 = tuple->family == AF_INET;
	size_t size = is_v4 ? 4 : 16;
	struct msg m;

	msg_init(&m, NF_FLOW_QOS_CMD_FLOW_GET, NLM_F_DUMP, "%s", "");
	msg_u32(&m, NF_FLOW_QOS_A_FLOW_PROTO, tuple->proto);
	msg_put(&m, is_v4 ? NF_FLOW_QOS_A_FLOW_SRC_V4 : NF_FLOW_QOS_A_FLOW_SRC_V6,
		tuple->src, size);
	msg_u32(&m, NF_FLOW_QOS_A_FLOW_SRC_LEN, 8 * (uint32_t)size);
	msg_put(&m, is_v4 ? NF_FLOW_QOS_A_FLOW_DST_V4 : NF_FLOW_QOS_A_FLOW_DST_V6,
		tuple->dst, size);
	msg_u32(&m, NF_FLOW_QOS_A_FLOW_DST_LEN, 8 * (uint32_t)size);
	if (tuple->proto != IPPROTO_GRE && sport)
		msg_u32(&m, NF_FLOW_QOS_A_FLOW_SPORT, tuple->sport);
	if (tuple->proto != IPPROTO_GRE && dport)
		msg_u32(&m, NF_FLOW_QOS_A_FLOW_DPORT, tuple->dport);
	return nl_run(&m, cb, f);
}

static int store_dropped(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[NF_FLOW_QOS_A_STATS_MAX + 1];
	struct facts *f = data;

	attrs_of(nlh, tb, NF_FLOW_QOS_A_STATS_MAX);
	f->dropped = attr_u64(tb[NF_FLOW_QOS_A_STATS_FLOWS_DROPPED]);
	return ST_OK;
}

static int read_module(struct facts *f)
{
	struct msg m;
	size_t i;
	int ret;

	ret = status_read(&f->s);
	if (ret)
		return ret;
	if (!f->s.links.n && !f->s.unread[0])
		links_read(&f->s.links, f->s.unread, sizeof(f->s.unread));
	for (i = 0; i < f->s.nsessions; i++)
		links_session(&f->s.links, f->s.sessions[i].ifindex,
			      f->s.sessions[i].lower);
	make_warnings(&f->s);
	ret = read_flows(f, &f->q.tuple, f->q.has_sport, f->q.has_dport, store_flow);
	if (!ret) {
		msg_init(&m, NF_FLOW_QOS_CMD_CONFIG_GET, 0, "%s", "");
		ret = nl_run(&m, limits_decode, &f->limits);
	}
	if (!ret) {
		msg_init(&m, NF_FLOW_QOS_CMD_STATS_GET, 0, "%s", "");
		ret = nl_run(&m, store_dropped, f);
	}
	return ret;
}

/* Conntrack */

/* Seconds; 0: not known. */
static uint32_t setting(const char *name)
{
	char path[128];
	unsigned int v;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/sys/net/netfilter/%s", name);
	file = fopen(path, "re");
	if (!file)
		return 0;
	/* The kernel writes a number that fits. NOLINTNEXTLINE(cert-err34-c) */
	if (fscanf(file, "%u", &v) != 1)
		v = 0;
	fclose(file);
	return v;
}

static void read_timeouts(struct facts *f)
{
	const struct ct_entry *entry = f->ct.entry;
	uint32_t udp, stream;

	switch (entry->tuple[0].proto) {
	case IPPROTO_UDP:
		udp = setting("nf_conntrack_udp_timeout");
		stream = setting("nf_conntrack_udp_timeout_stream");
		/* Conntrack sees but the first packets, which are no stream yet. */
		f->ct_timeout = entry->status & IPS_ASSURED ? stream : udp;
		f->ct_timeout_after = entry->status & IPS_SEEN_REPLY ? stream : udp;
		f->ft_timeout = setting("nf_flowtable_udp_timeout");
		break;
	case IPPROTO_TCP:
		if (entry->tcp_state == TCP_CONNTRACK_ESTABLISHED)
			f->ct_timeout = setting("nf_conntrack_tcp_timeout_established");
		f->ct_timeout_after = f->ct_timeout;
		f->ft_timeout = setting("nf_flowtable_tcp_timeout");
		break;
	}
}

/* Without a port that is given: the first entry that matches. */
static void find_any_port(struct facts *f)
{
	const struct tuple *want = &f->q.tuple;
	size_t i;

	for (i = 0; i < 2 * f->conntrack.n; i++) {
		const struct tuple *have = &f->conntrack.v[i / 2].tuple[i % 2];
		struct tuple tuple = *want;

		if (!f->q.has_sport)
			tuple.sport = have->sport;
		if (!f->q.has_dport)
			tuple.dport = have->dport;
		if (tuple_equal(have, &tuple)) {
			f->tuple = tuple;
			return;
		}
	}
}

static int read_conntrack(struct facts *f)
{
	const struct tuple *other;

	if (!ct_read(&f->conntrack, f->ct_unread, sizeof(f->ct_unread)))
		return ST_OK;
	if (!f->found && (!f->q.has_sport || !f->q.has_dport))
		find_any_port(f);
	f->ct = ct_find(&f->conntrack, &f->tuple);
	if (!f->ct.entry)
		return ST_OK;
	read_timeouts(f);
	/* Conntrack's timeout is that of both directions. */
	other = &f->ct.entry->tuple[!f->ct.dir];
	return read_flows(f, other, true, true, store_other);
}

/* The answer */

/* Nobody knows it: say so, and where it may be a mistake, which. */
static int unknown(const struct facts *f)
{
	char src[END_TEXT_MAX], dst[END_TEXT_MAX];
	struct tuple inverse = tuple_inverse(&f->q.tuple);
	struct ct_match m = ct_find(&f->conntrack, &inverse);

	if (m.entry) {
		const struct tuple *tuple = &m.entry->tuple[!m.dir];

		return refuse("conntrack has this flow only as it leaves, after NAT; ask for it as it enters: from %s to %s",
			      end_text(tuple, false, src, sizeof(src)),
			      end_text(tuple, true, dst, sizeof(dst)));
	}
	return refuse("neither the module nor conntrack knows this flow; addresses and ports are those of the packet as it enters through %s: see 'conntrack -L', and whether its packets come through this router and network namespace",
		      f->q.dev);
}

static void print_steps(const struct steps *steps)
{
	size_t i;

	out_list(NULL, NULL);
	for (i = 0; opts.json && i < steps->n; i++) {
		const struct step *s = &steps->v[i];

		out_item();
		out_str("step", NULL, s->name);
		if (s->number)
			out_u64("value", NULL, s->v, NULL);
		else if (s->text)
			out_str("value", NULL, s->text);
		else
			out_null("value", NULL, NULL);
		if (s->from)
			out_str("from", NULL, s->from);
		out_item_end();
	}
	out_list_end();
	for (i = 0; i < steps->n; i++) {
		const struct step *s = &steps->v[i];

		if (s->number)
			out_text("%s: %llu", s->name, (unsigned long long)s->v);
		else
			out_text("%s: %s", s->name, s->text ? s->text : "not set");
		if (s->from)
			out_text(" (%s)", s->from);
		out_text("\n");
	}
}

static int explain(struct facts *f)
{
	struct steps steps = { 0 };
	int ret;

	ret = read_module(f);
	if (ret)
		return ret;
	f->tuple = f->found ? f->flow.tuple : f->q.tuple;
	f->idle_ms = f->found ? f->flow.idle_ms : UINT64_MAX;
	ret = read_conntrack(f);
	if (ret)
		return ret;
	if (!f->found && !f->elsewhere && !f->ct.entry && !f->ct.ambiguous &&
	    !f->ct_unread[0])
		return unknown(f);
	ask_route(f);
	make_steps(f, &steps);
	out_begin();
	print_steps(&steps);
	steps_free(&steps);
	return out_end();
}

int flow_explain(int argc, char **argv)
{
	struct facts f = { .found = false };
	int ret;

	ret = parse_question(argc, argv, &f.q);
	if (ret)
		return ret;
	/* Without the module that is what is wrong, not a name. */
	ret = nl_open();
	if (ret)
		return ret;
	f.q.iif = if_nametoindex(f.q.dev);
	if (!f.q.iif)
		return refuse("device \"%s\": no device of this name; see 'ip link'",
			      f.q.dev);
	ret = explain(&f);
	status_free(&f.s);
	ct_free(&f.conntrack);
	return ret;
}
