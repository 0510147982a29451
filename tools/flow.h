/* SPDX-License-Identifier: GPL-2.0 */
/* One flow of the module's, as it is shown and explained. */
#ifndef FTQOS_FLOW_H
#define FTQOS_FLOW_H

#include <linux/nf_flow_qos.h>
#include <net/if.h>

#include "conntrack.h"
#include "nl.h"

#define FLOW_VLANS 8

/* A number that may be absent. */
struct maybe {
	bool there;
	uint32_t v;
};

struct flow {
	struct tuple tuple;	/* inside a tunnel, if there is one */
	uint32_t iif;
	uint32_t oif;		/* the device whose binding decided; 0: none */
	uint32_t vlan[FLOW_VLANS];	/* outermost first */
	size_t nvlan;
	uint32_t pppoe;		/* 0: none */
	bool tunneled;
	uint32_t class;
	uint32_t dscp;		/* as it came */
	struct maybe dscp_out;
	struct maybe prio;
	struct maybe pcp;
	struct maybe source;
	struct maybe learned_prio;
	struct maybe learned_dscp;
	struct maybe learned_pcp;
	bool learned_ambiguous;
	uint64_t packets;
	uint64_t bytes;
	uint64_t age_ms;
	uint64_t idle_ms;
};

/* flow_decode.c */
struct maybe maybe_u32(const struct nlattr *a);
void flow_decode(const struct nlmsghdr *nlh, struct flow *flow);
/* Its VLAN IDs, outermost first; id has room for FLOW_VLANS. Returns how many. */
size_t flow_vlans(const struct nlmsghdr *nlh, uint32_t *id);
/* tcp, udp, gre, or the number. */
const char *proto_text(uint32_t proto, char *buf, size_t size);
int parse_proto(const char *s, uint32_t *proto);
const char *source_name(uint32_t source);
/* 192.0.2.2:5000, [2001:db8::2]:5000; without ports the address alone. */
#define END_TEXT_MAX 64
const char *end_text(const struct tuple *tuple, bool dst, char *buf, size_t size);

#endif
