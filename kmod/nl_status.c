// SPDX-License-Identifier: GPL-2.0
/*
 * Generic netlink: limits, statistics and status.
 */
#include <linux/jhash.h>
#include <linux/rtnetlink.h>

#include "cover.h"
#include "hook.h"
#include "net.h"
#include "netlink.h"

const struct nla_policy
ftq_nl_config_policy[NF_FLOW_QOS_A_CONFIG_FLOW_TIMEOUT + 1] = {
	/* Ranges of a policy end at 32767 on 6.1: ftq_nl_config_parse(). */
	[NF_FLOW_QOS_A_CONFIG_FLOW_LIMIT] = { .type = NLA_U32 },
	[NF_FLOW_QOS_A_CONFIG_FLOW_TIMEOUT] = { .type = NLA_U32 },
};

static int ftq_nl_config_fill(struct sk_buff *skb, const struct ftq_net *fn,
			      const struct ftq_nl_head *head)
{
	void *msg = ftq_nl_put(skb, head);

	if (!msg)
		return -EMSGSIZE;
	if (nla_put_u32(skb, NF_FLOW_QOS_A_CONFIG_FLOW_LIMIT, fn->flows.limit) ||
	    nla_put_u32(skb, NF_FLOW_QOS_A_CONFIG_FLOW_TIMEOUT, fn->flows.timeout))
		return -EMSGSIZE;
	genlmsg_end(skb, msg);
	return 0;
}

static struct sk_buff *ftq_nl_config_msg(const struct ftq_net *fn,
					 const struct ftq_nl_head *head)
{
	struct sk_buff *msg = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);

	if (msg && ftq_nl_config_fill(msg, fn, head)) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

/**
 * ftq_nl_notify_config() - tell listeners of the limits
 * @fn: namespace
 *
 * Context: RTNL.
 */
void ftq_nl_notify_config(struct ftq_net *fn)
{
	struct ftq_nl_head head = { .cmd = NF_FLOW_QOS_CMD_CONFIG_SET_NTF };

	if (ftq_nl_heard(fn, FTQ_NL_GROUP_CONFIG))
		ftq_nl_send(fn, ftq_nl_config_msg(fn, &head), FTQ_NL_GROUP_CONFIG);
}

/**
 * ftq_nl_config_parse() - what a request wants the limits to be
 * @fn: namespace
 * @tb: attributes of the request
 * @limit: set where named
 * @timeout: set where named
 * @extack: filled on error
 *
 * Context: RTNL.
 * Return: 0 or a negative error.
 */
int ftq_nl_config_parse(const struct ftq_net *fn, struct nlattr **tb,
			u32 *limit, u32 *timeout,
			struct netlink_ext_ack *extack)
{
	struct nlattr *attr = tb[NF_FLOW_QOS_A_CONFIG_FLOW_LIMIT];

	if (attr) {
		*limit = nla_get_u32(attr);
		if (*limit > NF_FLOW_QOS_FLOW_LIMIT_MAX) {
			NL_SET_ERR_MSG_ATTR(extack, attr,
					    "flow-limit is 0 to 4194304");
			return -ERANGE;
		}
		if (*limit > ftq_net_flow_limit_max(fn)) {
			NL_SET_ERR_MSG_ATTR(extack, attr,
					    "above the limit of the initial network namespace: raise that first");
			return -EPERM;
		}
	}

	attr = tb[NF_FLOW_QOS_A_CONFIG_FLOW_TIMEOUT];
	if (attr) {
		*timeout = nla_get_u32(attr);
		if (!*timeout || *timeout > NF_FLOW_QOS_FLOW_TIMEOUT_MAX) {
			NL_SET_ERR_MSG_ATTR(extack, attr,
					    "flow-timeout is 1 to 86400 seconds");
			return -ERANGE;
		}
	}
	return 0;
}

/**
 * ftq_nl_config_get() - config-get: the limits
 * @skb: request
 * @info: request, parsed
 *
 * Context: genl_mutex is held; takes RTNL.
 * Return: 0 or -ENOMEM.
 */
int ftq_nl_config_get(struct sk_buff *skb, struct genl_info *info)
{
	struct ftq_nl_head head = ftq_nl_reply(info, NF_FLOW_QOS_CMD_CONFIG_GET);
	struct ftq_net *fn = ftq_net(genl_info_net(info));
	struct sk_buff *msg;

	rtnl_lock();
	msg = ftq_nl_config_msg(fn, &head);
	rtnl_unlock();
	return msg ? genlmsg_reply(msg, info) :
		     ftq_nl_end(info->extack, -ENOMEM);
}

/**
 * ftq_nl_config_set() - config-set: change limits
 * @skb: request
 * @info: request, parsed
 *
 * Context: genl_mutex is held; takes RTNL.
 * Return: 0, -EINVAL (none named), -ERANGE, -EPERM (above the initial namespace's),
 * -ENOMEM.
 */
int ftq_nl_config_set(struct sk_buff *skb, struct genl_info *info)
{
	struct ftq_net *fn = ftq_net(genl_info_net(info));
	struct ftq_flow_table *next;
	u32 limit, timeout;
	int err;

	if (!info->attrs[NF_FLOW_QOS_A_CONFIG_FLOW_LIMIT] &&
	    !info->attrs[NF_FLOW_QOS_A_CONFIG_FLOW_TIMEOUT]) {
		GENL_SET_ERR_MSG(info, "nothing to set");
		NL_SET_ERR_ATTR_MISS(info->extack, NULL,
				     NF_FLOW_QOS_A_CONFIG_FLOW_LIMIT);
		return -EINVAL;
	}

	rtnl_lock();
	limit = fn->flows.limit;
	timeout = fn->flows.timeout;
	err = ftq_nl_config_parse(fn, info->attrs, &limit, &timeout,
				  info->extack);
	if (err || (limit == fn->flows.limit && timeout == fn->flows.timeout))
		goto out;

	err = ftq_flows_resize_prepare(&fn->flows, limit, &next);
	if (err)
		goto out;
	ftq_net_resize_flows(fn, limit, next);
	WRITE_ONCE(fn->flows.timeout, timeout);
	ftq_net_changed(fn);
	ftq_nl_notify_config(fn);
out:
	rtnl_unlock();
	return ftq_nl_end(info->extack, err);
}

static int ftq_nl_stats_fill(struct sk_buff *skb, struct ftq_net *fn,
			     const struct ftq_counts *counts,
			     const struct ftq_nl_head *head)
{
	static const struct {
		enum ftq_stat	stat;
		int		attr;
	} plain[] = {
		{ FTQ_STAT_MISSED, NF_FLOW_QOS_A_STATS_MISSED_PACKETS },
		{ FTQ_STAT_PRIO_SET, NF_FLOW_QOS_A_STATS_PRIO_SET },
		{ FTQ_STAT_PCP_SET, NF_FLOW_QOS_A_STATS_PCP_SET },
		{ FTQ_STAT_DSCP_SET, NF_FLOW_QOS_A_STATS_DSCP_SET },
		{ FTQ_STAT_PCP_CLEARED, NF_FLOW_QOS_A_STATS_INGRESS_PCP_CLEARED },
		{ FTQ_STAT_FLOWS_DROPPED, NF_FLOW_QOS_A_STATS_FLOWS_DROPPED },
		{ FTQ_STAT_NOT_PARSED, NF_FLOW_QOS_A_STATS_NOT_PARSED },
		{ FTQ_STAT_LEARNED, NF_FLOW_QOS_A_STATS_LEARNED },
		{ FTQ_STAT_LEARNED_AMBIGUOUS, NF_FLOW_QOS_A_STATS_LEARNED_AMBIGUOUS },
	};
	void *msg = ftq_nl_put(skb, head);
	u64 packets = 0, bytes = 0;
	struct nlattr *nest;
	unsigned int i;

	if (!msg)
		return -EMSGSIZE;

	for (i = 0; i < NF_FLOW_QOS_CLASSES; i++) {
		packets += counts->packets[i];
		bytes += counts->bytes[i];
	}
	if (nla_put_u64_64bit(skb, NF_FLOW_QOS_A_STATS_OFFLOADED_PACKETS,
			      packets, NF_FLOW_QOS_A_STATS_PAD) ||
	    nla_put_u64_64bit(skb, NF_FLOW_QOS_A_STATS_OFFLOADED_BYTES,
			      bytes, NF_FLOW_QOS_A_STATS_PAD) ||
	    nla_put_u32(skb, NF_FLOW_QOS_A_STATS_FLOWS,
			atomic_read(&fn->flows.count)))
		return -EMSGSIZE;

	for (i = 0; i < ARRAY_SIZE(plain); i++)
		if (nla_put_u64_64bit(skb, plain[i].attr,
				      counts->stat[plain[i].stat],
				      NF_FLOW_QOS_A_STATS_PAD))
			return -EMSGSIZE;

	for (i = 0; i < NF_FLOW_QOS_CLASSES; i++) {
		if (!counts->packets[i])
			continue;
		nest = nla_nest_start(skb, NF_FLOW_QOS_A_STATS_CLASS);
		if (!nest ||
		    nla_put_u32(skb, NF_FLOW_QOS_A_CLASS_STATS_CLASS, i) ||
		    nla_put_u64_64bit(skb, NF_FLOW_QOS_A_CLASS_STATS_PACKETS,
				      counts->packets[i],
				      NF_FLOW_QOS_A_CLASS_STATS_PAD) ||
		    nla_put_u64_64bit(skb, NF_FLOW_QOS_A_CLASS_STATS_BYTES,
				      counts->bytes[i],
				      NF_FLOW_QOS_A_CLASS_STATS_PAD))
			return -EMSGSIZE;
		nla_nest_end(skb, nest);
	}
	genlmsg_end(skb, msg);
	return 0;
}

/**
 * ftq_nl_stats_get() - stats-get: the statistics
 * @skb: request
 * @info: request, parsed
 *
 * Context: genl_mutex is held.
 * Return: 0 or -ENOMEM.
 */
int ftq_nl_stats_get(struct sk_buff *skb, struct genl_info *info)
{
	struct ftq_nl_head head = ftq_nl_reply(info, NF_FLOW_QOS_CMD_STATS_GET);
	struct ftq_net *fn = ftq_net(genl_info_net(info));
	struct ftq_counts *counts;
	struct sk_buff *msg;

	counts = kmalloc(sizeof(*counts), GFP_KERNEL);
	/* 64 classes of up to 44 bytes, and the rest. */
	msg = genlmsg_new(64 * 48 + 512, GFP_KERNEL);
	if (!counts || !msg)
		goto nomem;

	ftq_stats_read(&fn->stats, counts);
	if (ftq_nl_stats_fill(msg, fn, counts, &head))
		goto nomem;
	kfree(counts);
	return genlmsg_reply(msg, info);

nomem:
	kfree(counts);
	nlmsg_free(msg);
	return ftq_nl_end(info->extack, -ENOMEM);
}

/**
 * ftq_nl_stats_reset() - stats-reset: count from 0 again
 * @skb: request
 * @info: request, parsed
 *
 * Context: genl_mutex is held.
 * Return: 0.
 */
int ftq_nl_stats_reset(struct sk_buff *skb, struct genl_info *info)
{
	struct ftq_net *fn = ftq_net(genl_info_net(info));

	ftq_stats_reset(&fn->stats);
	return 0;
}

/* Where a dump of the status goes on. */
struct ftq_nl_status_cursor {
	bool		head_done;
	unsigned int	skip;
};

static void *ftq_nl_status_begin(struct sk_buff *skb,
				 const struct ftq_nl_head *head,
				 struct netlink_callback *cb)
{
	void *msg = ftq_nl_put(skb, head);

	if (msg)
		genl_dump_check_consistent(cb, msg);
	return msg;
}

/* @full: an attribute did not fit. */
static int ftq_nl_status_end(struct sk_buff *skb, const struct ftq_net *fn,
			     void *msg, bool full)
{
	if (full ||
	    nla_put_u32(skb, NF_FLOW_QOS_A_STATUS_GENERATION, fn->generation)) {
		genlmsg_cancel(skb, msg);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, msg);
	return 0;
}

static int ftq_nl_status_head(struct sk_buff *skb, struct ftq_net *fn,
			      const struct ftq_nl_head *head,
			      struct netlink_callback *cb)
{
	void *msg = ftq_nl_status_begin(skb, head, cb);
	bool full;

	if (!msg)
		return -EMSGSIZE;
	full = nla_put_string(skb, NF_FLOW_QOS_A_STATUS_VERSION, FTQ_VERSION) ||
	       nla_put_u32(skb, NF_FLOW_QOS_A_STATUS_EGRESS_HOOK,
			   IS_ENABLED(CONFIG_NETFILTER_EGRESS)) ||
	       nla_put_u32(skb, NF_FLOW_QOS_A_STATUS_XMIT_LOWEST, FTQ_XMIT_LOWEST);
	return ftq_nl_status_end(skb, fn, msg, full);
}

static int ftq_nl_status_flowtable(struct sk_buff *skb, struct ftq_net *fn,
				   const struct net_device *dev,
				   const struct ftq_flowtable *found,
				   const struct ftq_nl_head *head,
				   struct netlink_callback *cb)
{
	void *msg = ftq_nl_status_begin(skb, head, cb);
	struct nlattr *nest;
	bool full;

	if (!msg)
		return -EMSGSIZE;
	nest = nla_nest_start(skb, NF_FLOW_QOS_A_STATUS_FLOWTABLE);
	full = !nest ||
	       nla_put_u32(skb, NF_FLOW_QOS_A_FLOWTABLE_IFINDEX, dev->ifindex) ||
	       nla_put_string(skb, NF_FLOW_QOS_A_FLOWTABLE_NAME, dev->name) ||
	       nla_put_u32(skb, NF_FLOW_QOS_A_FLOWTABLE_PRIORITY, found->priority) ||
	       nla_put_u32(skb, NF_FLOW_QOS_A_FLOWTABLE_STATE, found->state) ||
	       nla_put_u32(skb, NF_FLOW_QOS_A_FLOWTABLE_ID, found->id) ||
	       nla_put_u32(skb, NF_FLOW_QOS_A_FLOWTABLE_FLAGS, found->flags);
	if (!full)
		nla_nest_end(skb, nest);
	return ftq_nl_status_end(skb, fn, msg, full);
}

static int ftq_nl_status_session(struct sk_buff *skb, struct ftq_net *fn,
				 const struct net_device *dev, u32 lower,
				 const struct ftq_nl_head *head,
				 struct netlink_callback *cb)
{
	void *msg = ftq_nl_status_begin(skb, head, cb);
	struct nlattr *nest;
	bool full;

	if (!msg)
		return -EMSGSIZE;
	nest = nla_nest_start(skb, NF_FLOW_QOS_A_STATUS_SESSION);
	full = !nest ||
	       nla_put_u32(skb, NF_FLOW_QOS_A_SESSION_IFINDEX, dev->ifindex) ||
	       nla_put_u32(skb, NF_FLOW_QOS_A_SESSION_LOWER, lower);
	if (!full)
		nla_nest_end(skb, nest);
	return ftq_nl_status_end(skb, fn, msg, full);
}

/* Which PPPoE devices have which device below them, as a number. Context: RTNL. */
static u32 ftq_nl_status_sessions(struct ftq_net *fn)
{
	struct net_device *dev;
	u32 print = 0, lower;

	for_each_netdev(fn->net, dev) {
		lower = ftq_cover_session(dev);
		if (lower)
			print = jhash_3words(print, dev->ifindex, lower, 0);
	}
	return print;
}

/**
 * ftq_nl_status_dump() - status-get: version, flowtables' hooks, PPPoE devices
 * @skb: part of the answer, filled
 * @cb: the dump
 *
 * Context: genl_mutex is held; takes RTNL.
 * Return: bytes filled, 0 at the end, or a negative error.
 */
int ftq_nl_status_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct ftq_nl_head head = ftq_nl_dump(skb, cb, NF_FLOW_QOS_CMD_STATUS_GET);
	struct ftq_nl_status_cursor *cursor = (void *)cb->ctx;
	struct ftq_net *fn = ftq_net(sock_net(cb->skb->sk));
	struct ftq_flowtable found;
	struct net_device *dev;
	unsigned int i = 0, nth;
	u32 lower;

	rtnl_lock();
	if (!cursor->head_done)
		ftq_hook_refresh(fn);
	/* Devices, flowtables, sessions are no configuration, but a list as well. */
	cb->seq = (fn->generation + fn->moves + ftq_hook_fingerprint(fn) +
		   ftq_nl_status_sessions(fn)) ?: 1;
	if (!cursor->head_done) {
		if (ftq_nl_status_head(skb, fn, &head, cb))
			goto out;
		cursor->head_done = true;
	}
	for_each_netdev(fn->net, dev) {
		for (nth = 0; ftq_hook_flowtable(dev, nth, &found); nth++) {
			if (i++ < cursor->skip)
				continue;
			if (ftq_nl_status_flowtable(skb, fn, dev, &found, &head, cb))
				goto out;
			cursor->skip++;
		}
	}
	for_each_netdev(fn->net, dev) {
		lower = ftq_cover_session(dev);
		if (!lower || i++ < cursor->skip)
			continue;
		if (ftq_nl_status_session(skb, fn, dev, lower, &head, cb))
			goto out;
		cursor->skip++;
	}
out:
	rtnl_unlock();
	return skb->len;
}
