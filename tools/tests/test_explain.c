// SPDX-License-Identifier: GPL-2.0
/* Conntrack's entries, and the steps of an explanation, from what is made up. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "explain.h"
#include "unit.h"

/* Dumps of conntrack: the first ones fail so, or are marked as inconsistent (0). */
static struct {
	unsigned int fails;
	int error;
	unsigned int dumps;
} kernel;

ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *nl, void *buf, size_t size)
{
	bool fail = kernel.dumps++ < kernel.fails;
	struct nlmsghdr *nlh;

	CHECK(size >= 4096);
	if (fail && kernel.error) {
		errno = kernel.error;
		return -1;
	}
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = NLMSG_DONE;
	nlh->nlmsg_flags = NLM_F_MULTI | (fail ? NLM_F_DUMP_INTR : 0);
	nlh->nlmsg_seq = 1;
	nlh->nlmsg_pid = mnl_socket_get_portid(nl);
	mnl_nlmsg_put_extra_header(nlh, sizeof(int));
	return (ssize_t)nlh->nlmsg_len;
}

static bool read_after(unsigned int fails, int error, char *err, size_t size)
{
	struct ct_table t;
	bool ret;

	kernel.fails = fails;
	kernel.error = error;
	kernel.dumps = 0;
	err[0] = '\0';
	ret = ct_read(&t, err, size);
	ct_free(&t);
	return ret;
}

static void interrupted(void)
{
	char err[128];

	CHECK(read_after(0, 0, err, sizeof(err)));
	CHECK_INT(kernel.dumps, 1);
	CHECK(read_after(4, 0, err, sizeof(err)));
	CHECK_INT(kernel.dumps, 5);
	CHECK_STR(err, "");
	CHECK(!read_after(9, 0, err, sizeof(err)));
	CHECK_INT(kernel.dumps, 5);
	CHECK(strstr(err, "kept changing while they were read; try again"));
	CHECK(read_after(2, ENOBUFS, err, sizeof(err)));
	CHECK_INT(kernel.dumps, 3);
	CHECK(!read_after(9, ENOBUFS, err, sizeof(err)));
	CHECK_INT(kernel.dumps, 5);
	CHECK(strstr(err, "ran out of room for its answer; try again"));
	/* A signal: the same dump goes on. */
	CHECK(read_after(9, EINTR, err, sizeof(err)));
	CHECK_INT(kernel.dumps, 10);
	CHECK(!read_after(1, EIO, err, sizeof(err)));
	CHECK_INT(kernel.dumps, 1);
}

static struct tuple v4(const char *src, unsigned int sport, const char *dst,
		       unsigned int dport)
{
	struct tuple t = {
		.family = AF_INET, .proto = IPPROTO_UDP,
		.sport = (uint16_t)sport, .dport = (uint16_t)dport,
	};

	CHECK_INT(inet_pton(AF_INET, src, t.src), 1);
	CHECK_INT(inet_pton(AF_INET, dst, t.dst), 1);
	return t;
}

static void put_tuple(struct nlmsghdr *nlh, uint16_t type, const struct tuple *t)
{
	struct nlattr *tuple = mnl_attr_nest_start(nlh, type), *nest;

	nest = mnl_attr_nest_start(nlh, CTA_TUPLE_IP);
	mnl_attr_put(nlh, CTA_IP_V4_SRC, 4, t->src);
	mnl_attr_put(nlh, CTA_IP_V4_DST, 4, t->dst);
	mnl_attr_nest_end(nlh, nest);
	nest = mnl_attr_nest_start(nlh, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(nlh, CTA_PROTO_NUM, (uint8_t)t->proto);
	mnl_attr_put_u16(nlh, CTA_PROTO_SRC_PORT, htons(t->sport));
	mnl_attr_put_u16(nlh, CTA_PROTO_DST_PORT, htons(t->dport));
	mnl_attr_nest_end(nlh, nest);
	mnl_attr_nest_end(nlh, tuple);
}

static void add_entry(struct ct_table *t, uint32_t id, const struct tuple *original,
		      const struct tuple *reply)
{
	char buf[512];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct nfgenmsg));
	put_tuple(nlh, CTA_TUPLE_ORIG, original);
	if (reply)
		put_tuple(nlh, CTA_TUPLE_REPLY, reply);
	mnl_attr_put_u32(nlh, CTA_ID, htonl(id));
	mnl_attr_put_u32(nlh, CTA_MARK, htonl(0x1000 + id));
	mnl_attr_put_u32(nlh, CTA_STATUS, htonl(IPS_ASSURED));
	CHECK_INT(ct_store(nlh, t), MNL_CB_OK);
}

static void conntrack(void)
{
	struct tuple original = v4("192.0.2.2", 4000, "198.51.100.2", 5000);
	struct tuple reply = v4("198.51.100.2", 5000, "198.51.100.1", 20000);
	struct tuple bare = tuple_inverse(&original), nat, other;
	struct ct_table t = { .n = 0 };
	struct ct_match m;
	unsigned int i;

	m = ct_find(&t, &original);
	CHECK(!m.entry && !m.ambiguous);
	add_entry(&t, 1, &original, &reply);
	add_entry(&t, 2, &original, NULL);
	for (i = 0; i < 200; i++) {
		other = v4("192.0.2.3", i, "198.51.100.2", 5000);
		reply.dport = (uint16_t)i;
		add_entry(&t, 10 + i, &other, &reply);
	}
	ct_index(&t);
	CHECK_INT(t.n, 201);
	m = ct_find(&t, &original);
	CHECK(m.entry && m.dir == CT_ORIGINAL && m.entry->mark == 0x1001);
	CHECK(m.entry && m.entry->has_mark && !m.entry->has_timeout);
	nat = ct_after_nat(m.entry, m.dir);
	other = v4("198.51.100.1", 20000, "198.51.100.2", 5000);
	CHECK(tuple_equal(&nat, &other));
	reply.dport = 20000;
	m = ct_find(&t, &reply);
	CHECK(m.entry && m.dir == CT_REPLY && m.entry->mark == 0x1001);
	nat = ct_after_nat(m.entry, m.dir);
	CHECK(tuple_equal(&nat, &bare));
	other = v4("192.0.2.3", 7, "198.51.100.2", 5000);
	m = ct_find(&t, &other);
	CHECK(m.entry && m.entry->id == 17);
	other.proto = IPPROTO_TCP;
	CHECK(!ct_find(&t, &other).entry);

	/* The dump has an entry twice; then another zone has one. */
	reply.dport = 20000;
	add_entry(&t, 1, &original, &reply);
	ct_index(&t);
	m = ct_find(&t, &original);
	CHECK(m.entry && !m.ambiguous);
	add_entry(&t, 3, &original, &bare);
	ct_index(&t);
	m = ct_find(&t, &original);
	CHECK(!m.entry && m.ambiguous);
	CHECK(ct_find(&t, &reply).entry);
	CHECK(ct_find(&t, &bare).entry);
	ct_free(&t);
}

/* wan0.7 and wan0.8 on wan0, ppp0 on wan0.7, br0 on lan0 and lan1; a tunnel. */
enum { LAN0 = 1, LAN1, BR, WAN, WAN7, WAN8, PPP, TUN };

static struct link links[] = {
	{ .ifindex = LAN0, .name = "lan0", .master = BR },
	{ .ifindex = LAN1, .name = "lan1", .master = BR },
	{ .ifindex = BR, .name = "br0", .kind = LINK_BRIDGE },
	{ .ifindex = WAN, .name = "wan0" },
	{ .ifindex = WAN7, .name = "wan0.7", .kind = LINK_VLAN, .lower = WAN, .vid = 7 },
	{ .ifindex = WAN8, .name = "wan0.8", .kind = LINK_VLAN, .lower = WAN, .vid = 8 },
	{ .ifindex = PPP, .name = "ppp0", .kind = LINK_PPP, .lower = WAN7 },
	{ .ifindex = TUN, .name = "tun0", .kind = LINK_TUNNEL, .encaps = true },
};

static struct dev devs[8];

static void begin(struct facts *f)
{
	memset(f, 0, sizeof(*f));
	memset(devs, 0, sizeof(devs));
	f->s.links = (struct links){ links, ARRAY_SIZE(links) };
	f->s.devs.v = devs;
}

static struct dev *bind_dev(struct facts *f, const char *name, uint32_t ifindex)
{
	struct dev *dev = &devs[f->s.devs.n++];

	snprintf(dev->name, sizeof(dev->name), "%s", name);
	snprintf(dev->map, sizeof(dev->map), "default");
	dev->ifindex = ifindex;
	dev->state = NF_FLOW_QOS_DEV_STATE_ACTIVE;
	return dev;
}

static void flow_of(struct facts *f, uint32_t iif, uint32_t vlan, uint32_t pppoe)
{
	f->found = true;
	f->flow = (struct flow){ .iif = iif, .vlan = { vlan }, .nvlan = vlan != 0,
				 .pppoe = pppoe };
}

static const char *in(const struct facts *f)
{
	struct decider d = decider_in(f);

	return d.dev ? d.dev->name : "none";
}

static const char *out(struct facts *f, uint32_t oif)
{
	struct decider d;

	f->flow.oif = oif;
	d = decider_out(f);
	return d.dev ? d.dev->name : "none";
}

static void deciders(void)
{
	struct facts f;

	begin(&f);
	flow_of(&f, WAN, 7, 0);
	CHECK_STR(in(&f), "none");
	bind_dev(&f, "any", 0);
	CHECK_STR(in(&f), "any");
	CHECK_STR(out(&f, LAN0), "any");
	CHECK_STR(out(&f, 0), "none");
	bind_dev(&f, "wan0", WAN);
	CHECK_STR(in(&f), "wan0");
	bind_dev(&f, "wan0.7", WAN7);
	CHECK_STR(in(&f), "wan0.7");
	CHECK_STR(out(&f, WAN7), "wan0.7");
	bind_dev(&f, "ppp0", PPP);
	CHECK_STR(in(&f), "wan0.7");
	flow_of(&f, WAN, 7, 1);
	CHECK_STR(in(&f), "ppp0");
	flow_of(&f, WAN, 8, 1);
	CHECK_STR(in(&f), "wan0");
	flow_of(&f, WAN, 0, 0);
	CHECK_STR(in(&f), "wan0");
	flow_of(&f, LAN1, 0, 0);
	CHECK_STR(in(&f), "any");
	bind_dev(&f, "br0", BR);
	CHECK_STR(in(&f), "br0");

	/* Without a flow: the device that is asked for, and the route's. */
	begin(&f);
	bind_dev(&f, "wan0", WAN);
	f.q.iif = WAN7;
	CHECK_STR(in(&f), "wan0");
	CHECK_INT(network_device(&f), WAN7);
	f.route.oif = WAN8;
	CHECK_STR(out(&f, 0), "wan0");
	f.q.iif = LAN0;
	CHECK_INT(network_device(&f), BR);

	/* One of two ports is bound: it depends. */
	bind_dev(&f, "lan0", LAN0);
	f.route.oif = BR;
	CHECK_STR(out(&f, 0), "lan0");
	bind_dev(&f, "lan1", LAN1);
	CHECK_STR(out(&f, 0), "none");
}

static bool enters(struct facts *f, uint32_t iif)
{
	f->q.iif = iif;
	return enters_through(f, &f->flow);
}

static void entrances(void)
{
	struct facts f;

	begin(&f);
	flow_of(&f, WAN, 7, 0);
	CHECK(enters(&f, WAN));
	CHECK(enters(&f, WAN7));
	CHECK(!enters(&f, WAN8));
	CHECK(!enters(&f, PPP));
	CHECK(!enters(&f, LAN0));
	flow_of(&f, WAN, 7, 1);
	CHECK(enters(&f, PPP));
	flow_of(&f, LAN0, 0, 0);
	CHECK(enters(&f, BR));
	CHECK(!enters(&f, LAN1));
	CHECK(!enters(&f, WAN));
}

static void concerned(void)
{
	struct facts f;

	begin(&f);
	bind_dev(&f, "wan0.7", WAN7);
	bind_dev(&f, "gone0", 0);
	flow_of(&f, LAN0, 0, 0);
	f.q.iif = BR;
	f.flow.oif = WAN7;
	CHECK(warning_concerns(&f, "cake on wan0.7 does nothing"));
	CHECK(warning_concerns(&f, "wan0.7 is down"));
	CHECK(warning_concerns(&f, "put the qdisc on wan0."));
	CHECK(warning_concerns(&f, "flowtable on lan1, br0 has"));
	CHECK(warning_concerns(&f, "the module is version 1"));
	CHECK(!warning_concerns(&f, "wan0.8 is down"));
	CHECK(!warning_concerns(&f, "gone0 is absent"));
	CHECK(!warning_concerns(&f, "ppp0 is down"));
	CHECK(!warning_concerns(&f, "any is active: as it is"));
	bind_dev(&f, "any", 0);
	CHECK(warning_concerns(&f, "any is active: as it is"));
}

static const struct step *step(const struct steps *steps, const char *name)
{
	static const struct step none = { .text = (char *)"none of it" };
	size_t i;

	for (i = 0; i < steps->n; i++)
		if (!strcmp(steps->v[i].name, name))
			return &steps->v[i];
	return &none;
}

/* The words of a step's value, "3" of a number, "null" if it is not set. */
static const char *value(const struct facts *f, const char *name)
{
	static char buf[128];
	struct steps steps = { 0 };
	const struct step *s;

	make_steps(f, &steps);
	s = step(&steps, name);
	if (s->number)
		snprintf(buf, sizeof(buf), "%llu", (unsigned long long)s->v);
	else
		snprintf(buf, sizeof(buf), "%s", s->text ? s->text : "null");
	steps_free(&steps);
	return buf;
}

static const char *reason(const struct facts *f, const char *name)
{
	static char buf[512];
	struct steps steps = { 0 };
	const struct step *s;

	make_steps(f, &steps);
	s = step(&steps, name);
	snprintf(buf, sizeof(buf), "%s", s->from ? s->from : "");
	steps_free(&steps);
	return buf;
}

static void marks(void)
{
	struct ct_entry entry = { .mark = 0x2b8, .has_mark = true, .status = IPS_OFFLOAD };
	struct facts f;
	struct dev *lan;

	begin(&f);
	lan = bind_dev(&f, "lan0", LAN0);
	lan->trust = NF_FLOW_QOS_TRUST_CTMARK;
	lan->ctmark_mask = 0xfc;
	lan->ctmark_statemask = 0x200;
	f.q.iif = LAN0;
	f.ct.entry = &entry;
	CHECK_STR(value(&f, "mark"), "696");
	CHECK_STR(reason(&f, "mark"), "0x2b8 & 0xfc, shifted by 2, is ef");
	CHECK_STR(value(&f, "class"), "46");
	entry.mark = 0xb8;
	CHECK_STR(reason(&f, "mark"), "0xb8 & 0x200 is 0, so the DSCP counts");
	CHECK_STR(value(&f, "class"), "none of it");
	lan->ctmark_statemask = 0;
	CHECK_STR(value(&f, "class"), "46");
	lan->ctmark_mask = 0xfc000000;
	entry.mark = 0x88000000;
	CHECK_STR(value(&f, "class"), "34");
	lan->trust = NF_FLOW_QOS_TRUST_DSCP;
	CHECK_STR(reason(&f, "mark"), "0x88000000; not asked for by trust dscp");
	CHECK_STR(reason(&f, "trust"), "binding of lan0");

	/* The last packet came with another mark, or trust. */
	flow_of(&f, LAN0, 0, 0);
	f.flow.source = (struct maybe){ true, NF_FLOW_QOS_SOURCE_CTMARK };
	f.flow.class = 34;
	CHECK(strstr(reason(&f, "trust"), "came before it was that"));
	lan->trust = NF_FLOW_QOS_TRUST_CTMARK;
	CHECK_STR(reason(&f, "trust"), "binding of lan0: ctmark 0xfc000000");
	CHECK_STR(reason(&f, "mark"), "0x88000000 & 0xfc000000, shifted by 26, is af41");
	f.flow.class = 33;
	CHECK_STR(reason(&f, "mark"), "0x88000000 & 0xfc000000, shifted by 26, is af41; that was another when the last packet came");
	f.flow.class = 34;
	f.flow.source.v = NF_FLOW_QOS_SOURCE_DSCP;
	CHECK(!strstr(reason(&f, "trust"), "before"));
	CHECK(strstr(reason(&f, "mark"), "was another"));
	lan->ctmark_statemask = 1;
	CHECK(!strstr(reason(&f, "mark"), "was another"));
	f.flow.source.v = NF_FLOW_QOS_SOURCE_CTMARK;
	CHECK(strstr(reason(&f, "mark"), "so the DSCP counts; that was another"));
}

static void ended(void)
{
	struct ct_entry entry = { .status = IPS_SEEN_REPLY };
	struct facts f;

	begin(&f);
	bind_dev(&f, "any", 0);
	f.ct.entry = &entry;
	f.limits.flow_limit = 1;
	CHECK(strstr(reason(&f, "flow"), "'flow add' in nft's forward chain has to see it"));
	entry.tcp_state = TCP_CONNTRACK_ESTABLISHED;
	CHECK(strstr(reason(&f, "flow"), "'flow add'"));
	entry.tcp_state = TCP_CONNTRACK_TIME_WAIT;
	CHECK(strstr(reason(&f, "flow"), "the connection has ended"));
	entry.tcp_state = TCP_CONNTRACK_SYN_SENT2;
	CHECK(strstr(reason(&f, "flow"), "'flow add'"));
}

static void tunneled(void)
{
	struct map map = { .name = "default" };
	struct facts f;
	struct dev *wan;

	begin(&f);
	wan = bind_dev(&f, "wan0", WAN);
	map.e[46] = (struct entry){ 5, KEEP, 26 };
	f.s.maps = (struct maps){ &map, 1 };
	flow_of(&f, LAN0, 0, 0);
	f.flow.class = 46;
	f.flow.dscp = 46;
	f.flow.dscp_out = (struct maybe){ true, 46 };
	f.flow.oif = WAN;
	f.route = (struct route){ WAN, RTN_UNICAST, 0, 0 };
	CHECK_STR(reason(&f, "map-entry"), "what default has for ef");
	CHECK(strstr(reason(&f, "dscp"), "another now, which the next packet gets unless IPsec"));
	f.flow.dscp_out.v = 26;
	CHECK(!strstr(reason(&f, "dscp"), "next packet"));
	f.flow.dscp_out.v = 46;

	/* It goes into a tunnel, and the device below that is bound. */
	f.route.oif = TUN;
	CHECK_STR(reason(&f, "map-entry"),
		  "what default has for ef; no DSCP is written behind a tunnel's header");
	CHECK(strstr(reason(&f, "dscp"), "none is written behind a tunnel's header"));
	CHECK(!strstr(reason(&f, "dscp"), "next packet"));
	/* The tunnel's device itself decides. */
	f.flow.oif = TUN;
	wan->ifindex = TUN;
	CHECK(strstr(reason(&f, "dscp"), "which the next packet gets"));
	CHECK_STR(reason(&f, "map-entry"), "what default has for ef");

	/* Not offloaded: does the flowtable bypass that device? */
	f.found = false;
	wan->trust = NF_FLOW_QOS_TRUST_NONE;
	map.e[0].dscp = 26;
	f.q.iif = TUN;
	CHECK_STR(reason(&f, "map-entry"), "what default has for df");
	f.s.xmit_lowest = true;
	CHECK(strstr(reason(&f, "map-entry"), "no DSCP is written"));
	map.e[0].dscp = KEEP;
	CHECK_STR(reason(&f, "map-entry"), "what default has for df");
}

static void learned(void)
{
	struct facts f;
	struct dev *lan;

	begin(&f);
	lan = bind_dev(&f, "lan0", LAN0);
	lan->sticky = NF_FLOW_QOS_STICKY_ON;
	flow_of(&f, LAN0, 0, 0);
	f.flow.oif = LAN0;
	CHECK_STR(value(&f, "learned"), "none of it");
	f.flow.source = (struct maybe){ true, NF_FLOW_QOS_SOURCE_LEARNED };
	f.flow.learned_prio = (struct maybe){ true, 0x10010 };
	f.flow.prio = f.flow.learned_prio;
	CHECK_STR(value(&f, "learned"), "prio 1:10");
	CHECK_STR(value(&f, "source"), "learned");
	CHECK(strstr(reason(&f, "prio"), "learned, not from the map"));

	/* It is there, but nobody uses it, or none has got it. */
	lan->sticky = NF_FLOW_QOS_STICKY_OFF;
	CHECK_STR(value(&f, "learned"), "none of it");
	CHECK(!strstr(reason(&f, "prio"), "learned"));
	f.flow.oif = WAN;
	CHECK_STR(value(&f, "learned"), "none of it");
	f.flow.oif = LAN0;
	lan->sticky = NF_FLOW_QOS_STICKY_ALL;
	f.flow.source.v = NF_FLOW_QOS_SOURCE_DSCP;
	CHECK_STR(value(&f, "learned"), "none of it");
	CHECK(!strstr(reason(&f, "prio"), "learned"));
	f.flow.prio.v = 3;
	CHECK_STR(value(&f, "learned"), "none of it");
	CHECK(strstr(reason(&f, "prio"), "another was learned since, which the next packet gets"));

	f.flow.source.v = NF_FLOW_QOS_SOURCE_LEARNED;
	f.flow.learned_prio.there = false;
	f.flow.learned_pcp = (struct maybe){ true, 5 };
	f.flow.learned_dscp = (struct maybe){ true, 46 };
	CHECK_STR(value(&f, "learned"), "pcp 5 dscp ef");
	f.flow.learned_ambiguous = true;
	CHECK_STR(value(&f, "learned"), "ambiguous");
	CHECK(strstr(reason(&f, "learned"), "another conntrack zone"));
	f.flow.learned_ambiguous = false;
	CHECK_STR(value(&f, "pcp"), "null");
	CHECK_STR(value(&f, "prio"), "3");
	f.found = false;
	f.route = (struct route){ LAN0, RTN_UNICAST, 0, 0 };
	CHECK_STR(value(&f, "learned"), "unknown");
}

static void routes(void)
{
	static const struct {
		uint8_t type;
		int err;
		const char *words;
	} ends[] = {
		{ RTN_LOCAL, 0, "it is for the router itself" },
		{ RTN_MULTICAST, 0, "more than one receiver" },
		{ 0, EHOSTUNREACH, "says unreachable" },
		{ 0, EACCES, "says prohibit" },
		{ 0, EINVAL, "says blackhole" },
		{ 0, ENETUNREACH, "there is no route" },
	};
	struct ct_entry entry = { .status = IPS_CONFIRMED };
	struct facts f;
	size_t i;

	begin(&f);
	bind_dev(&f, "any", 0);
	f.ct.entry = &entry;
	f.limits.flow_limit = 1;
	f.q.iif = LAN0;
	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		/* That the way to the router leads through lo is nobody's business. */
		f.route = (struct route){ WAN, ends[i].type, ends[i].err, 0 };
		CHECK_STR(value(&f, "oif-binding"), "none");
		CHECK(strstr(reason(&f, "oif-binding"), ends[i].words));
		CHECK(strstr(reason(&f, "flow"), ends[i].words));
	}
	f.route.mark = 7;
	CHECK(strstr(reason(&f, "oif-binding"),
		     "its destination (if packets have conntrack's mark 0x7)"));
	CHECK(strstr(reason(&f, "flow"), "its destination (if packets have conntrack's mark 0x7)"));
	f.route = (struct route){ WAN, RTN_UNICAST, 0, 0 };
	CHECK_STR(value(&f, "oif-binding"), "any");
	CHECK(!strstr(reason(&f, "oif-binding"), "mark"));
	CHECK(!strstr(reason(&f, "flow"), "router itself"));
	f.route.mark = 0xb8;
	CHECK(strstr(reason(&f, "oif-binding"), "if packets have conntrack's mark 0xb8"));
	CHECK(!strstr(reason(&f, "iif-binding"), "mark"));
	f.route = (struct route){ .type = RTN_UNSPEC };
	CHECK_STR(reason(&f, "oif-binding"), "the device that it leaves through is not known");
}

static void paths(void)
{
	struct ct_entry entry = { .status = IPS_OFFLOAD };
	struct facts f;

	begin(&f);
	flow_of(&f, LAN0, 0, 0);
	f.flow.idle_ms = 10000;
	CHECK_STR(value(&f, "path"), "fast");
	f.ct.entry = &entry;
	CHECK_STR(value(&f, "path"), "fast");
	CHECK_STR(value(&f, "conntrack"), "offloaded");

	/* Conntrack gave it 120 s with its last packet: when was that? */
	entry = (struct ct_entry){ .timeout = 110, .has_timeout = true };
	f.ct_timeout = 120;
	f.ct_timeout_after = 120;
	f.ft_timeout = 2;
	f.idle_ms = 10000;
	CHECK_STR(value(&f, "conntrack"), "not offloaded");
	CHECK_STR(value(&f, "path"), "fast");
	/* A flowtable that let go of it late, but before it could have: a packet */
	entry.timeout = 114;
	CHECK_STR(value(&f, "path"), "fast");
	entry.timeout = 119;
	CHECK_STR(value(&f, "path"), "unknown");
	f.flow.idle_ms = 16000;
	f.idle_ms = 16000;
	CHECK_STR(value(&f, "path"), "slow");
	CHECK(strstr(reason(&f, "path"), "by conntrack's timeout one came 1.0 s ago"));
	/* In the other direction a flowtable took one later. */
	f.idle_ms = 3000;
	CHECK_STR(value(&f, "path"), "fast");
	CHECK(strstr(reason(&f, "path"), "took it 16.0 s ago"));
	f.idle_ms = 16000;
	f.ct_timeout = 100;
	CHECK_STR(value(&f, "path"), "fast");
	f.ct_timeout = 0;
	CHECK_STR(value(&f, "path"), "fast");
	entry.tcp_state = TCP_CONNTRACK_FIN_WAIT;
	CHECK_STR(value(&f, "path"), "slow");
	entry.tcp_state = TCP_CONNTRACK_ESTABLISHED;
	CHECK_STR(value(&f, "path"), "fast");

	/* A flowtable may let go of one before it is idle so long: routes changed. */
	f.ct_timeout = 120;
	f.ft_timeout = 30;
	f.idle_ms = 20000;
	CHECK_STR(value(&f, "path"), "unknown");
	f.idle_ms = 40000;
	CHECK_STR(value(&f, "path"), "slow");

	/* Not yet a stream: it gets 30 s, and after a flowtable what is left of 120 */
	f.ct_timeout = 30;
	f.idle_ms = 50000;
	entry.timeout = 80;
	CHECK_STR(value(&f, "path"), "fast");
	f.idle_ms = 101000;
	entry.timeout = 29;
	CHECK_STR(value(&f, "path"), "unknown");
	f.idle_ms = 500000;
	CHECK_STR(value(&f, "path"), "slow");
	f.ct_timeout = 120;
	f.ft_timeout = 2;
	f.flow.idle_ms = 1000;
	f.idle_ms = 1000;
	entry.timeout = 120;
	CHECK_STR(value(&f, "path"), "fast");

	f.found = false;
	CHECK_STR(value(&f, "path"), "slow");
	entry.status = IPS_OFFLOAD;
	CHECK_STR(value(&f, "path"), "unknown");
	entry.status = IPS_HW_OFFLOAD | IPS_OFFLOAD;
	CHECK_STR(value(&f, "conntrack"), "hardware");
	CHECK_STR(value(&f, "path"), "unknown");
	f.ct.entry = NULL;
	CHECK_STR(value(&f, "path"), "unknown");
}

const struct test explain_tests[] = {
	{ "entries of conntrack are found by their tuples", conntrack },
	{ "dumps of conntrack are tried again", interrupted },
	{ "which binding decides", deciders },
	{ "which device a flow enters through", entrances },
	{ "which warnings concern a flow", concerned },
	{ "explain: classes from marks", marks },
	{ "explain: connections that have ended", ended },
	{ "explain: DSCPs behind a tunnel's header", tunneled },
	{ "explain: what was learned", learned },
	{ "explain: where the route leads", routes },
	{ "explain: which path the last packet took", paths },
	{ NULL, NULL },
};
