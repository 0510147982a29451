// SPDX-License-Identifier: GPL-2.0
/* Flows as the module tells of them, and their parts in words. */
#include <arpa/inet.h>
#include <string.h>

#include "flow.h"

/* Kernel numbers; netinet/in.h of some libcs lacks one or the other. */
static const struct {
	const char *name;
	uint32_t number;
} protos[] = {
	{ "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP }, { "gre", IPPROTO_GRE },
};

int parse_proto(const char *s, uint32_t *proto)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(protos); i++) {
		if (!strcmp(s, protos[i].name)) {
			*proto = protos[i].number;
			return ST_OK;
		}
	}
	return usage_error("unknown proto \"%s\": one of tcp, udp, gre", s);
}

const char *proto_text(uint32_t proto, char *buf, size_t size)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(protos); i++)
		if (protos[i].number == proto)
			return protos[i].name;
	snprintf(buf, size, "%u", proto);
	return buf;
}

static const char *const sources[] = {
	[NF_FLOW_QOS_SOURCE_DSCP] = "dscp",
	[NF_FLOW_QOS_SOURCE_PCP] = "pcp",
	[NF_FLOW_QOS_SOURCE_NONE] = "none",
	[NF_FLOW_QOS_SOURCE_CTMARK] = "ctmark",
	[NF_FLOW_QOS_SOURCE_LEARNED] = "learned",
};

const char *source_name(uint32_t source)
{
	return source < ARRAY_SIZE(sources) ? sources[source] : "unknown";
}

struct vlans {
	uint32_t *id;
	size_t n;
};

static int vlan_store(const struct nlattr *a, void *data)
{
	struct vlans *v = data;

	if (mnl_attr_get_type(a) == NF_FLOW_QOS_A_FLOW_VLAN && v->n < FLOW_VLANS)
		v->id[v->n++] = attr_u32(a, 0);
	return MNL_CB_OK;
}

size_t flow_vlans(const struct nlmsghdr *nlh, uint32_t *id)
{
	struct vlans v = { .id = id };

	mnl_attr_parse(nlh, GENL_HDRLEN, vlan_store, &v);
	return v.n;
}

static void store_address(const struct nlattr *v4, const struct nlattr *v6, uint8_t *addr)
{
	if (v6 && mnl_attr_get_payload_len(v6) >= 16)
		memcpy(addr, mnl_attr_get_payload(v6), 16);
	else if (v4 && mnl_attr_get_payload_len(v4) >= 4)
		memcpy(addr, mnl_attr_get_payload(v4), 4);
}

static void tuple_decode(const struct nlattr **tb, struct tuple *tuple)
{
	memset(tuple, 0, sizeof(*tuple));
	tuple->family = attr_u32(tb[NF_FLOW_QOS_A_FLOW_FAMILY], 0);
	tuple->proto = attr_u32(tb[NF_FLOW_QOS_A_FLOW_PROTO], 0);
	tuple->sport = attr_u32(tb[NF_FLOW_QOS_A_FLOW_SPORT], 0);
	tuple->dport = attr_u32(tb[NF_FLOW_QOS_A_FLOW_DPORT], 0);
	store_address(tb[NF_FLOW_QOS_A_FLOW_SRC_V4], tb[NF_FLOW_QOS_A_FLOW_SRC_V6],
		      tuple->src);
	store_address(tb[NF_FLOW_QOS_A_FLOW_DST_V4], tb[NF_FLOW_QOS_A_FLOW_DST_V6],
		      tuple->dst);
}

struct maybe maybe_u32(const struct nlattr *a)
{
	return (struct maybe){ .there = a, .v = attr_u32(a, 0) };
}

void flow_decode(const struct nlmsghdr *nlh, struct flow *flow)
{
	const struct nlattr *tb[NF_FLOW_QOS_A_FLOW_MAX + 1];

	attrs_of(nlh, tb, NF_FLOW_QOS_A_FLOW_MAX);
	*flow = (struct flow){
		.iif = attr_u32(tb[NF_FLOW_QOS_A_FLOW_IIF], 0),
		.oif = attr_u32(tb[NF_FLOW_QOS_A_FLOW_OIF], 0),
		.pppoe = attr_u32(tb[NF_FLOW_QOS_A_FLOW_PPPOE], 0),
		.tunneled = tb[NF_FLOW_QOS_A_FLOW_TUN_SRC_V4] ||
			    tb[NF_FLOW_QOS_A_FLOW_TUN_SRC_V6],
		.class = attr_u32(tb[NF_FLOW_QOS_A_FLOW_CLASS], 0),
		.dscp = attr_u32(tb[NF_FLOW_QOS_A_FLOW_DSCP], 0),
		.dscp_out = maybe_u32(tb[NF_FLOW_QOS_A_FLOW_DSCP_OUT]),
		.prio = maybe_u32(tb[NF_FLOW_QOS_A_FLOW_PRIO]),
		.pcp = maybe_u32(tb[NF_FLOW_QOS_A_FLOW_PCP]),
		.source = maybe_u32(tb[NF_FLOW_QOS_A_FLOW_SOURCE]),
		.learned_prio = maybe_u32(tb[NF_FLOW_QOS_A_FLOW_LEARNED_PRIO]),
		.learned_dscp = maybe_u32(tb[NF_FLOW_QOS_A_FLOW_LEARNED_DSCP]),
		.learned_pcp = maybe_u32(tb[NF_FLOW_QOS_A_FLOW_LEARNED_PCP]),
		.learned_ambiguous = attr_u32(tb[NF_FLOW_QOS_A_FLOW_LEARNED_AMBIGUOUS], 0),
		.packets = attr_u64(tb[NF_FLOW_QOS_A_FLOW_PACKETS]),
		.bytes = attr_u64(tb[NF_FLOW_QOS_A_FLOW_BYTES]),
		.age_ms = attr_u64(tb[NF_FLOW_QOS_A_FLOW_AGE_MS]),
		.idle_ms = attr_u64(tb[NF_FLOW_QOS_A_FLOW_IDLE_MS]),
	};
	flow->nvlan = flow_vlans(nlh, flow->vlan);
	tuple_decode(tb, &flow->tuple);
}

const char *end_text(const struct tuple *tuple, bool dst, char *buf, size_t size)
{
	const uint8_t *addr = dst ? tuple->dst : tuple->src;
	unsigned int port = dst ? tuple->dport : tuple->sport;
	char text[INET6_ADDRSTRLEN];

	if (!inet_ntop((int)tuple->family, addr, text, sizeof(text)))
		snprintf(text, sizeof(text), "?");
	if (tuple->proto == IPPROTO_GRE)
		snprintf(buf, size, "%s", text);
	else
		snprintf(buf, size, tuple->family == AF_INET6 ? "[%s]:%u" : "%s:%u", text,
			 port);
	return buf;
}
