// SPDX-License-Identifier: GPL-2.0
/*
 * The class from the conntrack mark.
 *
 * A packet that a flowtable takes never meets conntrack, but what the flowtable knows
 * of its flow has the conntrack entry: the right one, whatever the zone and NAT. So the
 * flowtable is asked before it gets the packet, as a packet that it took is gone.
 *
 * That is a lookup more, like the flowtable's own. It is done when a flow is new, and
 * then once a second while packets come: our own flow keeps what was found. Neither
 * the conntrack entry nor the flowtable's is held meanwhile, so that both end when they
 * would without us.
 */
#include <linux/bitfield.h>
#include <linux/bitops.h>
#include <linux/jiffies.h>
#include <linux/string.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_flow_table.h>

#include "ctmark.h"
#include "hook.h"
#include "ident.h"
#include "net.h"

/*
 * What a flow keeps, as one word that is never seen half written; 0: nothing yet. The
 * time, in jiffies, comes round after hours: then a flow that was silent that long
 * may go by an old mark for one second more.
 */
#define FTQ_CTMARK_READ		BIT(31)
#define FTQ_CTMARK_COUNTS	BIT(30)
#define FTQ_CTMARK_CLASS	GENMASK(29, 24)
#define FTQ_CTMARK_TIME		GENMASK(23, 0)

/**
 * ftq_ctmark_mask_valid() - can these bits of a mark be a class
 * @mask: mask
 *
 * Return: true for six bits side by side.
 */
bool ftq_ctmark_mask_valid(u32 mask)
{
	return mask && mask >> __ffs(mask) == NF_FLOW_QOS_CLASSES - 1;
}

static bool ftq_ctmark_fresh(u32 word)
{
	return word & FTQ_CTMARK_READ &&
	       (((u32)jiffies - word) & FTQ_CTMARK_TIME) < HZ;
}

/*
 * The key that flowtables look a packet up by: see flow_offload_hash(). False: it has
 * more encapsulation than they know.
 */
static bool ftq_ctmark_tuple(const struct ftq_packet *pkt, struct flow_offload_tuple *to)
{
	const struct ftq_tuple *from = &pkt->tuple;
	unsigned int nr = 0;
	u64 key = pkt->key;

	static_assert(FTQ_TAGS <= NF_FLOW_TABLE_ENCAP_MAX);
	/* Padding is compared, too. */
	memset(to, 0, offsetof(struct flow_offload_tuple, __hash));
	/* What an IPv4 address leaves of these is zero in both. */
	memcpy(&to->src_v6, from->src, sizeof(to->src_v6));
	memcpy(&to->dst_v6, from->dst, sizeof(to->dst_v6));
	to->src_port = from->sport;
	to->dst_port = from->dport;
	to->iifidx = from->iif;
	/* NFPROTO_IPV4 is AF_INET, and so on. */
	to->l3proto = from->family;
	to->l4proto = from->proto;

	for (; key & FTQ_KEY_OUTER; key = ftq_key_untagged(key)) {
		to->encap[nr].id = ftq_key_vid(key);
		to->encap[nr++].proto = ftq_key_proto(key);
	}
	if (key & FTQ_KEY_SESSION) {
		if (nr == NF_FLOW_TABLE_ENCAP_MAX)
			return false;
		to->encap[nr].id = key & FTQ_KEY_SESSION;
		to->encap[nr].proto = htons(ETH_P_PPP_SES);
	}

	if (!from->tunneled)
		return true;
#ifdef FTQ_FLOW_TUN_PROTO
	memcpy(&to->tun.src_v6, pkt->tunnel.src, sizeof(to->tun.src_v6));
	memcpy(&to->tun.dst_v6, pkt->tunnel.dst, sizeof(to->tun.dst_v6));
	to->tun.FTQ_FLOW_TUN_PROTO = ftq_key_tunnel(from->family);
	return true;
#else
	/* Before 6.19 they take nothing that is in a tunnel. */
	return false;
#endif
}

/*
 * The mark of the conntrack entry that a flowtable has for a packet. False: it does
 * not know the packet's flow.
 */
static bool ftq_ctmark_lookup(struct nf_flowtable *flowtable,
			      struct flow_offload_tuple *tuple, u32 *mark)
{
	struct flow_offload_tuple_rhash *found;
	const struct flow_offload *flow;

	found = flow_offload_lookup(flowtable, tuple);
	if (!found)
		return false;

	flow = container_of(found, struct flow_offload, tuplehash[found->tuple.dir]);
#ifdef CONFIG_NF_CONNTRACK_MARK
	*mark = READ_ONCE(flow->ct->mark);
#else
	/* No binding trusts marks then. */
	*mark = 0;
#endif
	/*
	 * The flowtable's entry stays for this RCU section, but the memory of its
	 * conntrack entry may by now be another one's, in kernels that give that up at
	 * once. The flag was set before: pairs with the release in nf_ct_put().
	 */
	smp_rmb();
	return !test_bit(NF_FLOW_TEARDOWN, &flow->flags);
}

/* What the first of the flowtables that knows the flow says; 0: none does. */
static u32 ftq_ctmark_ask(const struct ftq_target *target,
			  const struct nf_hook_entries *entries,
			  const struct nf_hook_entry *entry,
			  struct flow_offload_tuple *tuple)
{
	const struct nf_hook_entry *end = &entries->hooks[entries->num_hook_entries];
	u32 mark, word;

	for (; entry < end && ftq_ident_known(READ_ONCE(entry->hook)); entry++) {
		if (!ftq_ctmark_lookup(READ_ONCE(entry->priv), tuple, &mark))
			continue;

		word = FTQ_CTMARK_READ | ((u32)jiffies & FTQ_CTMARK_TIME);
		if (!target->ctmark_statemask || mark & target->ctmark_statemask)
			word |= FTQ_CTMARK_COUNTS |
				FIELD_PREP(FTQ_CTMARK_CLASS,
					   (mark & target->ctmark_mask) >>
					   __ffs(target->ctmark_mask));
		return word;
	}
	return 0;
}

/**
 * ftq_ctmark_class() - take a packet's class from the conntrack mark
 * @win: its window, whose outcome is what the DSCP says until now; changed if the mark
 *	counts
 * @target: of the device that it came from; trust ctmark
 * @pkt: the packet
 * @entries: hooks of the device
 * @flowtable: the first flowtable that will be called
 *
 * What no flowtable knows is not kept, as it becomes known in a moment. Nor is anything
 * where no flow is kept, the table being full or the limit 0: then each packet costs
 * the lookup.
 *
 * Context: RCU, BH.
 * Return: the packet's flow, which stays until the end of the RCU section, or NULL: it
 * has none yet.
 */
noinline struct ftq_flow *
ftq_ctmark_class(struct ftq_window *win, const struct ftq_target *target,
		 const struct ftq_packet *pkt,
		 const struct nf_hook_entries *entries,
		 const struct nf_hook_entry *flowtable)
{
	struct flow_offload_tuple tuple __uninitialized;
	struct ftq_flow *flow = ftq_flow_lookup(&win->fn->flows, pkt);
	u32 word = flow ? READ_ONCE(flow->ctmark) : 0;

	if (!ftq_ctmark_fresh(word)) {
		word = 0;
		if (ftq_ctmark_tuple(pkt, &tuple))
			word = ftq_ctmark_ask(target, entries, flowtable, &tuple);
		if (word && flow)
			WRITE_ONCE(flow->ctmark, word);
	}

	if (word & FTQ_CTMARK_COUNTS) {
		win->outcome.class = FIELD_GET(FTQ_CTMARK_CLASS, word);
		win->outcome.source = NF_FLOW_QOS_SOURCE_CTMARK;
	}
	return flow;
}
