// SPDX-License-Identifier: GPL-2.0
/*
 * Generic netlink: flows.
 */
#include <linux/rtnetlink.h>
#include <net/ipv6.h>

#include "binding.h"
#include "flow.h"
#include "hook.h"
#include "learn.h"
#include "net.h"
#include "netlink.h"

const struct nla_policy ftq_nl_flow_policy[NF_FLOW_QOS_A_FLOW_DSCP + 1] = {
	[NF_FLOW_QOS_A_FLOW_IIF] = { .type = NLA_U32 },
	[NF_FLOW_QOS_A_FLOW_OIF] = { .type = NLA_U32 },
	[NF_FLOW_QOS_A_FLOW_DEV] = { .type = NLA_U32 },
	[NF_FLOW_QOS_A_FLOW_PROTO] = NLA_POLICY_MAX(NLA_U32, 255),
	[NF_FLOW_QOS_A_FLOW_SRC_V4] = { .type = NLA_U32 },
	[NF_FLOW_QOS_A_FLOW_SRC_V6] = NLA_POLICY_EXACT_LEN(sizeof(struct in6_addr)),
	[NF_FLOW_QOS_A_FLOW_SRC_LEN] = NLA_POLICY_MAX(NLA_U32, 128),
	[NF_FLOW_QOS_A_FLOW_DST_V4] = { .type = NLA_U32 },
	[NF_FLOW_QOS_A_FLOW_DST_V6] = NLA_POLICY_EXACT_LEN(sizeof(struct in6_addr)),
	[NF_FLOW_QOS_A_FLOW_DST_LEN] = NLA_POLICY_MAX(NLA_U32, 128),
	[NF_FLOW_QOS_A_FLOW_SPORT] = { .type = NLA_U32 },
	[NF_FLOW_QOS_A_FLOW_DPORT] = { .type = NLA_U32 },
	[NF_FLOW_QOS_A_FLOW_DSCP] = NLA_POLICY_MAX(NLA_U32, 63),
};

/* An address prefix; family 0: any address. */
struct ftq_nl_prefix {
	struct in6_addr	addr;
	u8		family;
	u8		len;
};

/* A filter; has: BIT(number of the attribute) of those that were given. */
struct ftq_nl_filter {
	u32			has;
	u32			iif;
	u32			oif;
	u32			dev;
	u8			proto;
	u8			dscp;
	u16			sport;
	u16			dport;
	struct ftq_nl_prefix	src;
	struct ftq_nl_prefix	dst;
};

/* Room for the attributes of a flow: 33, the addresses the largest. */
#define FTQ_NL_FLOW_SIZE	512

/* State of a dump: allocated by its start, freed by its end. */
struct ftq_nl_flow_dump {
	struct ftq_flow_cursor	cursor;
	struct ftq_nl_filter	filter;
	bool			parsed;
	/* Only while ftq_nl_flow_dump() runs: */
	struct ftq_net		*fn;
	struct sk_buff		*skb;
	struct ftq_nl_head	head;
};

struct ftq_nl_flow_ctx {
	struct ftq_nl_flow_dump	*dump;
};

static int ftq_nl_flow_prefix(struct nlattr **tb, int v4, int v6, int len,
			      struct ftq_nl_prefix *prefix,
			      struct netlink_ext_ack *extack)
{
	u8 max;

	if (tb[v4] && tb[v6]) {
		NL_SET_ERR_MSG_ATTR(extack, tb[v6],
				    "an address is of one family");
		return -EINVAL;
	}
	if (!tb[v4] && !tb[v6]) {
		if (!tb[len])
			return 0;
		NL_SET_ERR_MSG_ATTR(extack, tb[len],
				    "a prefix length needs an address");
		return -EINVAL;
	}

	if (tb[v4]) {
		prefix->family = NFPROTO_IPV4;
		prefix->addr.s6_addr32[0] = nla_get_be32(tb[v4]);
		max = 32;
	} else {
		prefix->family = NFPROTO_IPV6;
		prefix->addr = nla_get_in6_addr(tb[v6]);
		max = 128;
	}
	prefix->len = max;
	if (!tb[len])
		return 0;
	if (nla_get_u32(tb[len]) > max) {
		NL_SET_ERR_MSG_ATTR(extack, tb[len],
				    "longer than an address of this family");
		return -EINVAL;
	}
	prefix->len = nla_get_u32(tb[len]);
	return 0;
}

static int ftq_nl_flow_port(const struct ftq_nl_filter *filter,
			    const struct nlattr *attr, u16 *port,
			    struct netlink_ext_ack *extack)
{
	if (!attr)
		return 0;
	if (nla_get_u32(attr) > U16_MAX) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "a port is 0 to 65535");
		return -ERANGE;
	}
	if (filter->has & BIT(NF_FLOW_QOS_A_FLOW_PROTO) &&
	    filter->proto != IPPROTO_TCP && filter->proto != IPPROTO_UDP) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "only TCP and UDP have ports");
		return -EINVAL;
	}
	*port = nla_get_u32(attr);
	return 0;
}

static int ftq_nl_flow_filter(struct nlattr **tb, struct ftq_nl_filter *filter,
			      struct netlink_ext_ack *extack)
{
	int i, err;

	for (i = 1; i <= NF_FLOW_QOS_A_FLOW_DSCP; i++)
		if (tb[i])
			filter->has |= BIT(i);

	if (tb[NF_FLOW_QOS_A_FLOW_IIF])
		filter->iif = nla_get_u32(tb[NF_FLOW_QOS_A_FLOW_IIF]);
	if (tb[NF_FLOW_QOS_A_FLOW_OIF])
		filter->oif = nla_get_u32(tb[NF_FLOW_QOS_A_FLOW_OIF]);
	if (tb[NF_FLOW_QOS_A_FLOW_DEV])
		filter->dev = nla_get_u32(tb[NF_FLOW_QOS_A_FLOW_DEV]);
	if (tb[NF_FLOW_QOS_A_FLOW_PROTO])
		filter->proto = nla_get_u32(tb[NF_FLOW_QOS_A_FLOW_PROTO]);
	if (tb[NF_FLOW_QOS_A_FLOW_DSCP])
		filter->dscp = nla_get_u32(tb[NF_FLOW_QOS_A_FLOW_DSCP]);

	err = ftq_nl_flow_port(filter, tb[NF_FLOW_QOS_A_FLOW_SPORT],
			       &filter->sport, extack);
	if (err)
		return err;
	err = ftq_nl_flow_port(filter, tb[NF_FLOW_QOS_A_FLOW_DPORT],
			       &filter->dport, extack);
	if (err)
		return err;

	err = ftq_nl_flow_prefix(tb, NF_FLOW_QOS_A_FLOW_SRC_V4,
				 NF_FLOW_QOS_A_FLOW_SRC_V6,
				 NF_FLOW_QOS_A_FLOW_SRC_LEN,
				 &filter->src, extack);
	if (err)
		return err;
	err = ftq_nl_flow_prefix(tb, NF_FLOW_QOS_A_FLOW_DST_V4,
				 NF_FLOW_QOS_A_FLOW_DST_V6,
				 NF_FLOW_QOS_A_FLOW_DST_LEN,
				 &filter->dst, extack);
	if (err)
		return err;

	if (filter->src.family && filter->dst.family &&
	    filter->src.family != filter->dst.family) {
		NL_SET_ERR_MSG_ATTR(extack, tb[NF_FLOW_QOS_A_FLOW_DST_V4] ?:
					    tb[NF_FLOW_QOS_A_FLOW_DST_V6],
				    "source and destination are of different families");
		return -EINVAL;
	}
	return 0;
}

static bool ftq_nl_flow_in(const struct ftq_nl_prefix *prefix,
			   const struct ftq_tuple *tuple, const __be32 *addr)
{
	if (!prefix->family)
		return true;
	return prefix->family == tuple->family &&
	       ipv6_prefix_equal((const struct in6_addr *)addr, &prefix->addr,
				 prefix->len);
}

static bool ftq_nl_flow_matches(const struct ftq_nl_filter *filter,
				const struct ftq_flow *flow)
{
	const struct ftq_tuple *tuple = &flow->tuple;
	u32 has = filter->has, oif = READ_ONCE(flow->given.oif);

	if (!has)
		return true;
	if (has & BIT(NF_FLOW_QOS_A_FLOW_IIF) && tuple->iif != filter->iif)
		return false;
	if (has & BIT(NF_FLOW_QOS_A_FLOW_OIF) && oif != filter->oif)
		return false;
	if (has & BIT(NF_FLOW_QOS_A_FLOW_DEV) && tuple->iif != filter->dev &&
	    oif != filter->dev)
		return false;
	if (has & BIT(NF_FLOW_QOS_A_FLOW_PROTO) && tuple->proto != filter->proto)
		return false;
	if (has & BIT(NF_FLOW_QOS_A_FLOW_SPORT) &&
	    ntohs(tuple->sport) != filter->sport)
		return false;
	if (has & BIT(NF_FLOW_QOS_A_FLOW_DPORT) &&
	    ntohs(tuple->dport) != filter->dport)
		return false;
	if (has & BIT(NF_FLOW_QOS_A_FLOW_DSCP) &&
	    READ_ONCE(flow->outcome.dscp) != filter->dscp)
		return false;
	return ftq_nl_flow_in(&filter->src, tuple, tuple->src) &&
	       ftq_nl_flow_in(&filter->dst, tuple, tuple->dst);
}

static int ftq_nl_flow_addrs(struct sk_buff *skb, const struct ftq_tuple *tuple)
{
	if (tuple->family == NFPROTO_IPV4)
		return nla_put_u32(skb, NF_FLOW_QOS_A_FLOW_FAMILY, AF_INET) ||
		       nla_put_be32(skb, NF_FLOW_QOS_A_FLOW_SRC_V4, tuple->src[0]) ||
		       nla_put_be32(skb, NF_FLOW_QOS_A_FLOW_DST_V4, tuple->dst[0]);

	return nla_put_u32(skb, NF_FLOW_QOS_A_FLOW_FAMILY, AF_INET6) ||
	       nla_put(skb, NF_FLOW_QOS_A_FLOW_SRC_V6, sizeof(tuple->src), tuple->src) ||
	       nla_put(skb, NF_FLOW_QOS_A_FLOW_DST_V6, sizeof(tuple->dst), tuple->dst);
}

static int ftq_nl_flow_put_tunnel(struct sk_buff *skb,
				  const struct ftq_flow *flow)
{
	const struct ftq_tunnel *tunnel = ftq_flow_tunnel(flow);

	if (!tunnel)
		return 0;
	if (flow->tuple.family == NFPROTO_IPV4)
		return nla_put_be32(skb, NF_FLOW_QOS_A_FLOW_TUN_SRC_V4, tunnel->src[0]) ||
		       nla_put_be32(skb, NF_FLOW_QOS_A_FLOW_TUN_DST_V4, tunnel->dst[0]);

	return nla_put(skb, NF_FLOW_QOS_A_FLOW_TUN_SRC_V6, sizeof(tunnel->src), tunnel->src) ||
	       nla_put(skb, NF_FLOW_QOS_A_FLOW_TUN_DST_V6, sizeof(tunnel->dst), tunnel->dst);
}

/* Out of a tunnel a packet has a DSCP that nobody has looked at. */
static int ftq_nl_flow_put_dscp_out(struct sk_buff *skb,
				    const struct ftq_flow *flow,
				    union ftq_outcome outcome)
{
	if (outcome.done & NF_FLOW_QOS_ACTION_DSCP || outcome.dscp_out & FTQ_DSCP_LATE)
		return nla_put_u32(skb, NF_FLOW_QOS_A_FLOW_DSCP_OUT,
				   outcome.dscp_out & ~FTQ_DSCP_LATE);
	if (flow->tuple.tunneled)
		return 0;
	return nla_put_u32(skb, NF_FLOW_QOS_A_FLOW_DSCP_OUT, outcome.dscp);
}

/* By the binding that decided last, if it still is. Context: RCU. */
static bool ftq_nl_flow_learned(struct ftq_net *fn, const struct ftq_tuple *tuple, u32 oif,
				struct ftq_learned *learned)
{
	struct ftq_dev *fd = xa_load(&fn->devs, oif);
	const struct ftq_policy *policy;

	policy = fd ? rcu_dereference(fd->policy) : NULL;
	return policy && policy->self.sticky &&
	       ftq_learn_find(fn, tuple, policy->self.epoch, false, learned);
}

/* What is not of one flow is not given to any. */
static int ftq_nl_flow_put_learned(struct sk_buff *skb, struct ftq_net *fn,
				   const struct ftq_tuple *tuple, u32 oif)
{
	struct ftq_learned learned;
	bool found;

	rcu_read_lock();
	found = ftq_nl_flow_learned(fn, tuple, oif, &learned);
	rcu_read_unlock();
	if (!found)
		return 0;
	if (learned.ambiguous)
		return nla_put_u32(skb, NF_FLOW_QOS_A_FLOW_LEARNED_AMBIGUOUS, 1);
	if (learned.has & NF_FLOW_QOS_ACTION_PRIO &&
	    nla_put_u32(skb, NF_FLOW_QOS_A_FLOW_LEARNED_PRIO, learned.prio))
		return -EMSGSIZE;
	if (learned.has & NF_FLOW_QOS_ACTION_DSCP &&
	    nla_put_u32(skb, NF_FLOW_QOS_A_FLOW_LEARNED_DSCP, learned.dscp))
		return -EMSGSIZE;
	if (learned.has & NF_FLOW_QOS_ACTION_PCP &&
	    nla_put_u32(skb, NF_FLOW_QOS_A_FLOW_LEARNED_PCP, learned.pcp))
		return -EMSGSIZE;
	return 0;
}

static int ftq_nl_flow_tags(struct sk_buff *skb, const struct ftq_tuple *tuple)
{
	int i;

	for (i = 0; i < FTQ_TAGS && tuple->vid[i]; i++)
		if (nla_put_u32(skb, NF_FLOW_QOS_A_FLOW_VLAN, tuple->vid[i]))
			return -EMSGSIZE;
	return tuple->pppoe ? nla_put_u32(skb, NF_FLOW_QOS_A_FLOW_PPPOE,
					  ntohs(tuple->pppoe)) : 0;
}

/* A message of a flow whose first packet was at @first (jiffies64). */
static int ftq_nl_flow_fill(struct sk_buff *skb, struct ftq_net *fn,
			    const struct ftq_nl_head *head,
			    const struct ftq_flow *flow, u64 first)
{
	const union ftq_outcome outcome = { .word = READ_ONCE(flow->outcome.word) };
	const union ftq_given given = { .word = READ_ONCE(flow->given.word) };
	const struct ftq_tuple *tuple = &flow->tuple;
	u32 oif = given.oif;
	unsigned long now = jiffies;
	unsigned long last = READ_ONCE(flow->last);
	void *msg;

	msg = ftq_nl_put(skb, head);
	if (!msg)
		return -EMSGSIZE;

	if (nla_put_u32(skb, NF_FLOW_QOS_A_FLOW_IIF, tuple->iif) ||
	    (oif && nla_put_u32(skb, NF_FLOW_QOS_A_FLOW_OIF, oif)) ||
	    nla_put_u32(skb, NF_FLOW_QOS_A_FLOW_PROTO, tuple->proto) ||
	    ftq_nl_flow_addrs(skb, tuple) ||
	    ((tuple->proto == IPPROTO_TCP || tuple->proto == IPPROTO_UDP) &&
	     (nla_put_u32(skb, NF_FLOW_QOS_A_FLOW_SPORT, ntohs(tuple->sport)) ||
	      nla_put_u32(skb, NF_FLOW_QOS_A_FLOW_DPORT, ntohs(tuple->dport)))) ||
	    ftq_nl_flow_tags(skb, tuple) ||
	    ftq_nl_flow_put_tunnel(skb, flow) ||
	    nla_put_u32(skb, NF_FLOW_QOS_A_FLOW_CLASS, outcome.class) ||
	    nla_put_u32(skb, NF_FLOW_QOS_A_FLOW_DSCP, outcome.dscp) ||
	    ftq_nl_flow_put_dscp_out(skb, flow, outcome) ||
	    nla_put_u32(skb, NF_FLOW_QOS_A_FLOW_SOURCE, outcome.source) ||
	    ftq_nl_flow_put_learned(skb, fn, tuple, oif) ||
	    (outcome.done & NF_FLOW_QOS_ACTION_PRIO &&
	     nla_put_u32(skb, NF_FLOW_QOS_A_FLOW_PRIO, given.prio)) ||
	    (outcome.done & NF_FLOW_QOS_ACTION_PCP &&
	     nla_put_u32(skb, NF_FLOW_QOS_A_FLOW_PCP, outcome.pcp)) ||
	    nla_put_u64_64bit(skb, NF_FLOW_QOS_A_FLOW_PACKETS,
			      atomic64_read(&flow->packets),
			      NF_FLOW_QOS_A_FLOW_PAD) ||
	    nla_put_u64_64bit(skb, NF_FLOW_QOS_A_FLOW_BYTES,
			      atomic64_read(&flow->bytes),
			      NF_FLOW_QOS_A_FLOW_PAD) ||
	    nla_put_u64_64bit(skb, NF_FLOW_QOS_A_FLOW_AGE_MS,
			      jiffies64_to_msecs(get_jiffies_64() - first),
			      NF_FLOW_QOS_A_FLOW_PAD) ||
	    nla_put_u64_64bit(skb, NF_FLOW_QOS_A_FLOW_IDLE_MS,
			      time_after(now, last) ? jiffies_to_msecs(now - last) : 0,
			      NF_FLOW_QOS_A_FLOW_PAD)) {
		genlmsg_cancel(skb, msg);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, msg);
	return 0;
}

/* Called by ftq_flows_walk(), under a spinlock. */
static int ftq_nl_flow_show(const struct ftq_flow *flow, void *arg)
{
	struct ftq_nl_flow_dump *dump = arg;

	if (!ftq_nl_flow_matches(&dump->filter, flow))
		return 0;
	return ftq_nl_flow_fill(dump->skb, dump->fn, &dump->head, flow, flow->first);
}

/**
 * ftq_nl_flows_heard() - does anybody listen to events of flows
 * @flows: flows of a namespace
 */
bool ftq_nl_flows_heard(const struct ftq_flows *flows)
{
	struct ftq_net *fn = container_of(flows, struct ftq_net, flows);
	bool heard;

	rcu_read_lock();
	heard = ftq_nl_heard(fn, FTQ_NL_GROUP_FLOWS);
	rcu_read_unlock();
	return heard;
}

/**
 * ftq_nl_notify_flow() - tell of a flow, if anybody listens
 * @flows: flows of a namespace
 * @flow: the flow
 * @first: when its first packet came, in jiffies64
 * @cmd: NF_FLOW_QOS_CMD_FLOW_NEW_NTF or NF_FLOW_QOS_CMD_FLOW_END_NTF
 *
 * Context: any but hard interrupts, @flow is not freed meanwhile.
 */
void ftq_nl_notify_flow(const struct ftq_flows *flows,
			const struct ftq_flow *flow, u64 first, u8 cmd)
{
	struct ftq_net *fn = container_of(flows, struct ftq_net, flows);
	const struct ftq_nl_head head = { .cmd = cmd };
	struct sk_buff *skb;

	rcu_read_lock();
	if (!ftq_nl_heard(fn, FTQ_NL_GROUP_FLOWS))
		goto unlock;

	skb = genlmsg_new(FTQ_NL_FLOW_SIZE, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb || ftq_nl_flow_fill(skb, fn, &head, flow, first)) {
		nlmsg_free(skb);
		/* Listeners learn that they missed something. */
		genl_set_err(&ftq_nl_family, fn->net, 0, FTQ_NL_GROUP_FLOWS,
			     -ENOBUFS);
		goto unlock;
	}
	genlmsg_multicast_netns(&ftq_nl_family, fn->net, skb, 0,
				FTQ_NL_GROUP_FLOWS, GFP_ATOMIC);
unlock:
	rcu_read_unlock();
}

/**
 * ftq_nl_flow_start() - flow-get: have memory for the dump
 * @cb: the dump
 *
 * Context: genl_mutex is held.
 * Return: 0 or a negative error.
 */
int ftq_nl_flow_start(struct netlink_callback *cb)
{
	struct ftq_nl_flow_ctx *ctx = (void *)cb->ctx;

	ctx->dump = kzalloc(sizeof(*ctx->dump), GFP_KERNEL_ACCOUNT);
	return ctx->dump ? 0 : ftq_nl_end(cb->extack, -ENOMEM);
}

/**
 * ftq_nl_flow_dump() - flow-get: show flows
 * @skb: part of the answer, filled
 * @cb: the dump
 *
 * Context: genl_mutex is held; takes RTNL.
 * Return: bytes filled, 0 at the end, or a negative error.
 */
int ftq_nl_flow_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct ftq_nl_flow_ctx *ctx = (void *)cb->ctx;
	struct ftq_net *fn = ftq_net(sock_net(cb->skb->sk));
	struct ftq_nl_flow_dump *dump = ctx->dump;
	int err;

	/* Not in the start, from where 6.1 takes no extended ack. */
	if (!dump->parsed) {
		err = ftq_nl_flow_filter(genl_info_dump(cb)->attrs,
					 &dump->filter, cb->extack);
		if (err)
			return err;
		dump->parsed = true;
	}

	dump->fn = fn;
	dump->skb = skb;
	dump->head = ftq_nl_dump(skb, cb, NF_FLOW_QOS_CMD_FLOW_GET);

	rtnl_lock();
	ftq_flows_walk(&fn->flows, &dump->cursor, ftq_nl_flow_show, dump);
	rtnl_unlock();
	return skb->len;
}

/**
 * ftq_nl_flow_done() - flow-get: the dump is over
 * @cb: the dump
 *
 * Context: genl_mutex is held.
 * Return: 0 or a negative error.
 */
int ftq_nl_flow_done(struct netlink_callback *cb)
{
	struct ftq_nl_flow_ctx *ctx = (void *)cb->ctx;

	kfree(ctx->dump);
	return 0;
}

/**
 * ftq_nl_flow_flush() - flow-flush: forget all flows, and what was learned
 * @skb: request
 * @info: request, parsed
 *
 * Context: genl_mutex is held; takes RTNL.
 * Return: 0.
 */
int ftq_nl_flow_flush(struct sk_buff *skb, struct genl_info *info)
{
	struct ftq_net *fn = ftq_net(genl_info_net(info));

	rtnl_lock();
	ftq_flows_flush(&fn->flows);
	ftq_learn_forget(fn);
	rtnl_unlock();
	return 0;
}
