// SPDX-License-Identifier: GPL-2.0
/* Flows: what was offloaded, and what it was given. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "flow.h"
#include "model.h"
#include "out.h"
#include "parse.h"

static const char *const filters[] = {
	"dev", "iif", "oif", "proto", "src", "dst", "sport", "dport", "dscp",
};

enum { F_DEV, F_IIF, F_OIF, F_PROTO, F_SRC, F_DST, F_SPORT, F_DPORT, F_DSCP };

struct filter {
	uint32_t named;		/* 1 << F_* */
	bool stats;
	char dev[3][IFNAMSIZ];	/* F_DEV, F_IIF, F_OIF */
	uint32_t proto;
	struct prefix src;
	struct prefix dst;
	uint32_t sport;
	uint32_t dport;
	uint32_t dscp;
};

static bool has(const struct filter *f, int what)
{
	return f->named >> what & 1;
}

static int parse_value(struct filter *f, uint32_t what, const char *s)
{
	switch (what) {
	case F_DEV:
	case F_IIF:
	case F_OIF:
		return parse_dev_name(s, f->dev[what]);
	case F_PROTO:
		return parse_proto(s, &f->proto);
	case F_SRC:
		return parse_prefix("src", s, &f->src);
	case F_DST:
		return parse_prefix("dst", s, &f->dst);
	case F_SPORT:
		return parse_u32("sport", s, 0, 65535, &f->sport);
	case F_DPORT:
		return parse_u32("dport", s, 0, 65535, &f->dport);
	default:
		return parse_class(s, &f->dscp);
	}
}

/* As ip(8) has it before the object; here it may stand behind, too. */
static bool is_stats_option(const char *s)
{
	return !strcmp(s, "-s") || is_long(s, "stats") || is_long(s, "statistics");
}

static int parse_filter(int argc, char **argv, struct filter *f)
{
	memset(f, 0, sizeof(*f));
	f->stats = opts.stats;
	while (argc > 0) {
		uint32_t what;
		int err;

		if (is_stats_option(argv[0])) {
			f->stats = true;
			argc--;
			argv++;
			continue;
		}
		err = parse_word("filter", argv[0], filters, ARRAY_SIZE(filters), &what);
		if (err)
			return err;
		if (has(f, (int)what))
			return usage_error("%s is given twice", argv[0]);
		if (argc < 2)
			return usage_error("%s needs a value", argv[0]);
		f->named |= 1U << what;
		err = parse_value(f, what, argv[1]);
		if (err)
			return err;
		argc -= 2;
		argv += 2;
	}
	if (has(f, F_PROTO) && f->proto == IPPROTO_GRE &&
	    (has(f, F_SPORT) || has(f, F_DPORT)))
		return usage_error("gre has no ports");
	if (has(f, F_SRC) && has(f, F_DST) && f->src.family != f->dst.family)
		return usage_error("src and dst are of different address families");
	return ST_OK;
}

static int put_dev(struct msg *m, const struct filter *f, int what, uint16_t type)
{
	unsigned int ifindex;

	if (!has(f, what))
		return ST_OK;
	ifindex = if_nametoindex(f->dev[what]);
	if (!ifindex)
		return refuse("device \"%s\": no device of this name; see 'ip link'",
			      f->dev[what]);
	msg_u32(m, type, ifindex);
	return ST_OK;
}

static void put_prefix(struct msg *m, const struct prefix *p, uint16_t v4,
		       uint16_t v6, uint16_t len)
{
	bool is_v4 = p->family == AF_INET;

	msg_put(m, is_v4 ? v4 : v6, p->addr, is_v4 ? 4 : 16);
	msg_u32(m, len, p->len);
}

static int put_filter(struct msg *m, const struct filter *f)
{
	int ret;

	ret = put_dev(m, f, F_IIF, NF_FLOW_QOS_A_FLOW_IIF);
	if (!ret)
		ret = put_dev(m, f, F_OIF, NF_FLOW_QOS_A_FLOW_OIF);
	if (!ret)
		ret = put_dev(m, f, F_DEV, NF_FLOW_QOS_A_FLOW_DEV);
	if (ret)
		return ret;
	if (has(f, F_PROTO))
		msg_u32(m, NF_FLOW_QOS_A_FLOW_PROTO, f->proto);
	if (has(f, F_SRC))
		put_prefix(m, &f->src, NF_FLOW_QOS_A_FLOW_SRC_V4,
			   NF_FLOW_QOS_A_FLOW_SRC_V6, NF_FLOW_QOS_A_FLOW_SRC_LEN);
	if (has(f, F_DST))
		put_prefix(m, &f->dst, NF_FLOW_QOS_A_FLOW_DST_V4,
			   NF_FLOW_QOS_A_FLOW_DST_V6, NF_FLOW_QOS_A_FLOW_DST_LEN);
	if (has(f, F_SPORT))
		msg_u32(m, NF_FLOW_QOS_A_FLOW_SPORT, f->sport);
	if (has(f, F_DPORT))
		msg_u32(m, NF_FLOW_QOS_A_FLOW_DPORT, f->dport);
	if (has(f, F_DSCP))
		msg_u32(m, NF_FLOW_QOS_A_FLOW_DSCP, f->dscp);
	return ST_OK;
}

/* Output */

/* Counted up, all names are asked for again. */
static uint32_t device_names;

void flow_devices_changed(void)
{
	device_names++;
}

/* Flows are many and devices few: the last names are kept. */
static const char *device_name(uint32_t ifindex)
{
	static struct {
		uint32_t ifindex;
		uint32_t asked;
		char name[IFNAMSIZ];
	} cache[16];
	size_t i = ifindex % ARRAY_SIZE(cache);
	bool known = cache[i].ifindex == ifindex && cache[i].name[0];

	if (!known || cache[i].asked != device_names) {
		cache[i].ifindex = ifindex;
		cache[i].asked = device_names;
		/* It may be gone: the name that it had, if that is known. */
		if (!if_indextoname(ifindex, cache[i].name) && !known)
			snprintf(cache[i].name, sizeof(cache[i].name), "if%u", ifindex);
	}
	return cache[i].name;
}

static void print_device(const char *key, const char *head, const struct nlattr *a)
{
	uint32_t ifindex = attr_u32(a, 0);

	if (ifindex)
		out_str(key, head, device_name(ifindex));
}

static bool address_text(const struct nlattr *v4, const struct nlattr *v6,
			 char *text, socklen_t size)
{
	if (v6 && mnl_attr_get_payload_len(v6) >= 16)
		return inet_ntop(AF_INET6, mnl_attr_get_payload(v6), text, size);
	if (v4 && mnl_attr_get_payload_len(v4) >= 4)
		return inet_ntop(AF_INET, mnl_attr_get_payload(v4), text, size);
	return false;
}

/* The address in JSON; in text with its port. */
static void print_address(const char *key, const char *head, const struct nlattr *v4,
			  const struct nlattr *v6, const struct nlattr *port)
{
	char addr[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 16];
	bool is_v6 = v6 && mnl_attr_get_payload_len(v6) >= 16;

	if (!address_text(v4, v6, addr, sizeof(addr)))
		return;
	if (opts.json) {
		out_str(key, NULL, addr);
		return;
	}
	if (port)
		snprintf(text, sizeof(text), is_v6 ? "[%s]:%u" : "%s:%u", addr,
			 attr_u32(port, 0));
	else
		snprintf(text, sizeof(text), "%s", addr);
	out_str(NULL, head, text);
}

static void print_proto(const struct nlattr *a)
{
	char buf[12];

	if (a)
		out_str("proto", "PROTO", proto_text(attr_u32(a, 0), buf, sizeof(buf)));
}

static void print_vlans(const struct nlmsghdr *nlh)
{
	uint32_t vlan[FLOW_VLANS];
	char text[FLOW_VLANS * 11] = "";
	size_t i, len = 0, n = flow_vlans(nlh, vlan);

	if (!n)
		return;
	if (!opts.json) {
		for (i = 0; i < n; i++)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u",
						i ? "." : "", vlan[i]);
		out_str(NULL, "VLAN", text);
		return;
	}
	out_array("vlan");
	for (i = 0; i < n; i++)
		out_u64(NULL, NULL, vlan[i], NULL);
	out_array_end();
}

static void print_number(const char *key, const char *head, const struct nlattr *a)
{
	if (a)
		out_u64(key, head, attr_u32(a, 0), NULL);
}

static void print_class(const char *key, const char *head, const struct nlattr *a)
{
	char buf[12];

	if (!a)
		return;
	if (opts.json)
		out_u64(key, NULL, attr_u32(a, 0), NULL);
	else
		out_str(NULL, head, class_text(attr_u32(a, 0), buf, sizeof(buf)));
}

static bool dscp_changed(const struct nlattr **tb)
{
	return attr_u32(tb[NF_FLOW_QOS_A_FLOW_DSCP_OUT], 0) !=
	       attr_u32(tb[NF_FLOW_QOS_A_FLOW_DSCP], 0);
}

/* In text only where it is not the usual one. */
static bool source_unusual(const struct nlattr **tb)
{
	return attr_u32(tb[NF_FLOW_QOS_A_FLOW_SOURCE], NF_FLOW_QOS_SOURCE_DSCP) !=
	       NF_FLOW_QOS_SOURCE_DSCP;
}

/* Inside an item or a record. */
void flow_print_keys(const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NF_FLOW_QOS_A_FLOW_MAX + 1];
	uint32_t family;
	char buf[32];

	attrs_of(nlh, tb, NF_FLOW_QOS_A_FLOW_MAX);
	family = attr_u32(tb[NF_FLOW_QOS_A_FLOW_FAMILY], 0);
	print_device("iif", "IN", tb[NF_FLOW_QOS_A_FLOW_IIF]);
	print_device("oif", "OUT", tb[NF_FLOW_QOS_A_FLOW_OIF]);
	if (family == AF_INET || family == AF_INET6)
		out_str("family", NULL, family == AF_INET ? "ipv4" : "ipv6");
	print_proto(tb[NF_FLOW_QOS_A_FLOW_PROTO]);
	print_address("src", "SOURCE", tb[NF_FLOW_QOS_A_FLOW_SRC_V4],
		      tb[NF_FLOW_QOS_A_FLOW_SRC_V6], tb[NF_FLOW_QOS_A_FLOW_SPORT]);
	print_address("dst", "DESTINATION", tb[NF_FLOW_QOS_A_FLOW_DST_V4],
		      tb[NF_FLOW_QOS_A_FLOW_DST_V6], tb[NF_FLOW_QOS_A_FLOW_DPORT]);
	print_number("sport", NULL, tb[NF_FLOW_QOS_A_FLOW_SPORT]);
	print_number("dport", NULL, tb[NF_FLOW_QOS_A_FLOW_DPORT]);
	print_vlans(nlh);
	print_number("pppoe", "PPPOE", tb[NF_FLOW_QOS_A_FLOW_PPPOE]);
	print_address("tun_src", "TUN-SRC", tb[NF_FLOW_QOS_A_FLOW_TUN_SRC_V4],
		      tb[NF_FLOW_QOS_A_FLOW_TUN_SRC_V6], NULL);
	print_address("tun_dst", "TUN-DST", tb[NF_FLOW_QOS_A_FLOW_TUN_DST_V4],
		      tb[NF_FLOW_QOS_A_FLOW_TUN_DST_V6], NULL);
	print_class("class", "CLASS", tb[NF_FLOW_QOS_A_FLOW_CLASS]);
	if (tb[NF_FLOW_QOS_A_FLOW_SOURCE] && (opts.json || source_unusual(tb)))
		out_str("source", "FROM",
			source_name(attr_u32(tb[NF_FLOW_QOS_A_FLOW_SOURCE], 0)));
	print_class("dscp", "DSCP", tb[NF_FLOW_QOS_A_FLOW_DSCP]);
	/* In text only where it says something new. */
	if (opts.json || dscp_changed(tb))
		print_class("dscp_out", "DSCP-OUT", tb[NF_FLOW_QOS_A_FLOW_DSCP_OUT]);
	if (tb[NF_FLOW_QOS_A_FLOW_PRIO]) {
		uint32_t prio = attr_u32(tb[NF_FLOW_QOS_A_FLOW_PRIO], 0);

		out_u64("prio", "PRIO", prio, prio_text(prio, buf, sizeof(buf)));
	}
	print_number("pcp", "PCP", tb[NF_FLOW_QOS_A_FLOW_PCP]);
	if (tb[NF_FLOW_QOS_A_FLOW_PACKETS])
		out_u64("packets", "PACKETS", attr_u64(tb[NF_FLOW_QOS_A_FLOW_PACKETS]),
			NULL);
	if (tb[NF_FLOW_QOS_A_FLOW_BYTES]) {
		uint64_t v = attr_u64(tb[NF_FLOW_QOS_A_FLOW_BYTES]);

		out_u64("bytes", "BYTES", v, bytes_text(v, buf, sizeof(buf)));
	}
	if (tb[NF_FLOW_QOS_A_FLOW_AGE_MS]) {
		uint64_t v = attr_u64(tb[NF_FLOW_QOS_A_FLOW_AGE_MS]);

		out_u64("age_ms", "AGE", v, ms_text(v, buf, sizeof(buf)));
	}
	if (tb[NF_FLOW_QOS_A_FLOW_IDLE_MS]) {
		uint64_t v = attr_u64(tb[NF_FLOW_QOS_A_FLOW_IDLE_MS]);

		out_u64("idle_ms", "IDLE", v, ms_text(v, buf, sizeof(buf)));
	}
}

static void print_nat_end(const struct tuple *from, const struct tuple *to, bool dst)
{
	const uint8_t *old = dst ? from->dst : from->src, *new = dst ? to->dst : to->src;
	unsigned int port = dst ? to->dport : to->sport;
	bool moved = memcmp(old, new, sizeof(to->dst));
	bool renumbered = port != (dst ? from->dport : from->sport);
	char text[END_TEXT_MAX];

	if (!opts.json) {
		if (moved || renumbered)
			out_str(NULL, dst ? "NAT-DESTINATION" : "NAT-SOURCE",
				end_text(to, dst, text, sizeof(text)));
		return;
	}
	if (moved && inet_ntop((int)to->family, new, text, sizeof(text)))
		out_str(dst ? "nat_dst" : "nat_src", NULL, text);
	if (renumbered)
		out_u64(dst ? "nat_dport" : "nat_sport", NULL, port, NULL);
}

/* What conntrack has of the flow: its mark, and what NAT makes of its tuple. */
static void print_conntrack(const struct nlmsghdr *nlh, const struct ct_table *conntrack)
{
	char text[16];
	struct ct_match m;
	struct flow flow;
	struct tuple nat;

	flow_decode(nlh, &flow);
	m = ct_find(conntrack, &flow.tuple);
	if (!m.entry)
		return;
	snprintf(text, sizeof(text), "0x%x", m.entry->mark);
	if (m.entry->has_mark && (opts.json || m.entry->mark))
		out_u64("mark", "MARK", m.entry->mark, text);
	nat = ct_after_nat(m.entry, m.dir);
	print_nat_end(&flow.tuple, &nat, false);
	print_nat_end(&flow.tuple, &nat, true);
}

/* data: conntrack's entries */
static int print_flow(const struct nlmsghdr *nlh, void *data)
{
	out_item();
	flow_print_keys(nlh);
	print_conntrack(nlh, data);
	out_item_end();
	return out_part();
}

static void line_device(const char *word, const struct nlattr *a)
{
	if (attr_u32(a, 0))
		out_text(" %s %s", word, device_name(attr_u32(a, 0)));
}

static void line_number(const char *word, const struct nlattr *a)
{
	if (a)
		out_text(" %s %" PRIu64, word, attr_u64(a));
}

static void line_address(const char *word, const struct nlattr *v4,
			 const struct nlattr *v6)
{
	char text[INET6_ADDRSTRLEN];

	if (address_text(v4, v6, text, sizeof(text)))
		out_text(" %s %s", word, text);
}

static void line_class(const char *word, const struct nlattr *a)
{
	char buf[12];

	if (a)
		out_text(" %s %s", word, class_text(attr_u32(a, 0), buf, sizeof(buf)));
}

/* The words that flow show would find it by, then what it got. */
void flow_print_line(const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NF_FLOW_QOS_A_FLOW_MAX + 1], *a;
	uint32_t vlan[FLOW_VLANS];
	char buf[32];
	size_t i, n;

	attrs_of(nlh, tb, NF_FLOW_QOS_A_FLOW_MAX);
	line_device("iif", tb[NF_FLOW_QOS_A_FLOW_IIF]);
	line_device("oif", tb[NF_FLOW_QOS_A_FLOW_OIF]);
	if (tb[NF_FLOW_QOS_A_FLOW_PROTO])
		out_text(" proto %s",
			 proto_text(attr_u32(tb[NF_FLOW_QOS_A_FLOW_PROTO], 0), buf,
				    sizeof(buf)));
	line_address("src", tb[NF_FLOW_QOS_A_FLOW_SRC_V4], tb[NF_FLOW_QOS_A_FLOW_SRC_V6]);
	line_number("sport", tb[NF_FLOW_QOS_A_FLOW_SPORT]);
	line_address("dst", tb[NF_FLOW_QOS_A_FLOW_DST_V4], tb[NF_FLOW_QOS_A_FLOW_DST_V6]);
	line_number("dport", tb[NF_FLOW_QOS_A_FLOW_DPORT]);
	n = flow_vlans(nlh, vlan);
	for (i = 0; i < n; i++)
		out_text(" vlan %u", vlan[i]);
	line_number("pppoe", tb[NF_FLOW_QOS_A_FLOW_PPPOE]);
	line_address("tun_src", tb[NF_FLOW_QOS_A_FLOW_TUN_SRC_V4],
		     tb[NF_FLOW_QOS_A_FLOW_TUN_SRC_V6]);
	line_address("tun_dst", tb[NF_FLOW_QOS_A_FLOW_TUN_DST_V4],
		     tb[NF_FLOW_QOS_A_FLOW_TUN_DST_V6]);
	line_class("dscp", tb[NF_FLOW_QOS_A_FLOW_DSCP]);
	if (dscp_changed(tb))
		line_class("dscp_out", tb[NF_FLOW_QOS_A_FLOW_DSCP_OUT]);
	line_class("class", tb[NF_FLOW_QOS_A_FLOW_CLASS]);
	if (source_unusual(tb))
		out_text(" source %s",
			 source_name(attr_u32(tb[NF_FLOW_QOS_A_FLOW_SOURCE], 0)));
	a = tb[NF_FLOW_QOS_A_FLOW_PRIO];
	if (a)
		out_text(" prio %s", prio_text(attr_u32(a, 0), buf, sizeof(buf)));
	line_number("pcp", tb[NF_FLOW_QOS_A_FLOW_PCP]);
	line_number("packets", tb[NF_FLOW_QOS_A_FLOW_PACKETS]);
	line_number("bytes", tb[NF_FLOW_QOS_A_FLOW_BYTES]);
	a = tb[NF_FLOW_QOS_A_FLOW_AGE_MS];
	if (a)
		out_text(" age %s", ms_text(attr_u64(a), buf, sizeof(buf)));
	out_text("\n");
}

static void begin_flows(void *data)
{
	static const char *const columns[] = {
		"IN", "VLAN", "PPPOE", "TUN-SRC", "TUN-DST", "PROTO", "SOURCE",
		"DESTINATION", "OUT", "DSCP", "CLASS", "FROM", "PRIO", "PCP", "DSCP-OUT",
		"MARK", "NAT-SOURCE", "NAT-DESTINATION", "PACKETS", "BYTES", "AGE", "IDLE", NULL,
	};

	(void)data;
	out_begin();
	out_list(NULL, NULL);
	out_columns(columns);
}

int flow_show(int argc, char **argv)
{
	struct ct_table conntrack = { .n = 0 };
	char why[128];
	struct filter f;
	struct msg m;
	int ret;

	ret = parse_filter(argc, argv, &f);
	if (ret)
		return ret;
	/* Without the module that is what is wrong, not a name. */
	ret = nl_open();
	if (ret)
		return ret;
	msg_init(&m, NF_FLOW_QOS_CMD_FLOW_GET, NLM_F_DUMP, "%s", "");
	ret = put_filter(&m, &f);
	if (ret) {
		msg_free(&m);
		return ret;
	}
	if (f.stats && !ct_read(&conntrack, why, sizeof(why)))
		warning("conntrack cannot be read, so there are no marks and no addresses after NAT: %s",
			why);
	begin_flows(NULL);
	ret = nl_run_parts(&m, print_flow, begin_flows, &conntrack);
	ct_free(&conntrack);
	if (ret) {
		out_drop();
		return ret;
	}
	out_list_end();
	return out_end();
}

int flow_flush(int argc, char **argv)
{
	struct msg m;
	int ret;

	ret = no_more(argc, argv);
	if (ret)
		return ret;
	msg_init(&m, NF_FLOW_QOS_CMD_FLOW_FLUSH, 0, "%s", "");
	return nl_run(&m, NULL, NULL);
}
