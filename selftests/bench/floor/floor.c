// SPDX-License-Identifier: GPL-2.0
/*
 * What hooks cost that do nothing: less than this nobody who stands in the same
 * places can take.
 *
 *	insmod floor.ko ingress=lan0 egress=wan0.7,wan0 does=1
 *
 * in the network namespace of these devices, which must stay while it is loaded.
 *
 * does=0	nothing
 * does=1	the packet's addresses and ports are read and found in a hash table
 * does=2	priority and PCP by the DSCP, for packets that the flowtable takes, as the
 *		module knows them: by calling the flowtable. Packets of each class are
 *		counted
 * does=3	both, and the packets and bytes of the flow are counted
 * does=4	the same, and what was learned of the flow is looked up in a table of its own
 *
 * It does so for TCP and UDP in IPv4 without options, tags or segments that come in, by
 * one map on all devices, and for what is easily told from it: no more than what is
 * measured. None of this could be used on a router.
 */
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/jhash.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/netfilter_netdev.h>
#include <linux/nsproxy.h>
#include <linux/percpu.h>
#include <linux/random.h>
#include <linux/rculist.h>
#include <linux/spinlock.h>
#include <linux/udp.h>
#include <net/net_namespace.h>

#define FLOOR_HOOKS	4
#define FLOOR_BITS	16

/* The addresses and ports of an IPv4 packet, and how many there were. */
struct floor_flow {
	struct hlist_node	node;
	u32			key[3];
	atomic64_t		packets;
	atomic64_t		bytes;
	unsigned long		last;
} ____cacheline_aligned;

/* What the flowtable is given now on this CPU, and what that is to get. */
struct floor_window {
	const struct sk_buff	*skb;
	const struct net	*net;
	u8			value;
};

struct floor_cpu {
	struct floor_window	*win;
	u64			packets[64];
	u64			bytes[64];
};

static char *ingress[FLOOR_HOOKS], *egress[FLOOR_HOOKS];
static unsigned int nr_ingress, nr_egress;
module_param_array(ingress, charp, &nr_ingress, 0);
MODULE_PARM_DESC(ingress, "devices to stand on before the flowtable");
module_param_array(egress, charp, &nr_egress, 0);
MODULE_PARM_DESC(egress, "devices to stand on behind all others");
static unsigned int does;
module_param(does, uint, 0);
MODULE_PARM_DESC(does, "0: nothing, 1: look flows up, 2: classify, 3: both, 4: by what was learned");

static unsigned int flows = 2;
module_param(flows, uint, 0);
MODULE_PARM_DESC(flows, "most flows that there are");

static struct nf_hook_ops floor_hooks[2 * FLOOR_HOOKS];
static unsigned int floor_nr;
static struct net *floor_net;
/* Flows, and what was learned of each. */
static struct floor_table {
	struct hlist_head	head[1 << FLOOR_BITS];
	struct floor_flow	*flows;
	unsigned int		used;
} floor_known, floor_learned;
/* Protects the linking of flows, and how many are used. */
static DEFINE_SPINLOCK(floor_lock);
static u32 floor_seed;
static u8 floor_map[64];
static DEFINE_PER_CPU(struct floor_cpu, floor_cpu);

static unsigned int floor_nothing(void *priv, struct sk_buff *skb,
				  const struct nf_hook_state *state)
{
	return NF_ACCEPT;
}

struct floor_headers {
	struct iphdr	ip;
	__be32		ports;
};

static const struct floor_headers *floor_read(const struct sk_buff *skb,
					      struct floor_headers *copy)
{
	const struct floor_headers *hdr;

	hdr = skb_header_pointer(skb, 0, sizeof(*copy), copy);
	if (!hdr || skb->protocol != htons(ETH_P_IP) || hdr->ip.ihl != 5)
		return NULL;
	return hdr;
}

/* Another CPU may have been faster: it is looked for again. */
static noinline void floor_new(struct floor_table *table, struct hlist_head *head,
			       const u32 *key)
{
	struct floor_flow *flow;

	spin_lock(&floor_lock);
	hlist_for_each_entry(flow, head, node) {
		if (!memcmp(flow->key, key, sizeof(flow->key)))
			goto out;
	}
	if (table->used < flows) {
		flow = &table->flows[table->used];
		memcpy(flow->key, key, sizeof(flow->key));
		hlist_add_head_rcu(&flow->node, head);
		WRITE_ONCE(table->used, table->used + 1);
	}
out:
	spin_unlock(&floor_lock);
}

static __always_inline struct floor_flow *
floor_find(struct floor_table *table, const struct floor_headers *hdr)
{
	struct hlist_head *head;
	struct floor_flow *flow;
	u32 key[3];

	key[0] = (__force u32)hdr->ip.saddr;
	key[1] = (__force u32)hdr->ip.daddr;
	key[2] = (__force u32)hdr->ports;
	head = &table->head[jhash_3words(key[0], key[1], key[2], floor_seed) >>
			    (32 - FLOOR_BITS)];
	hlist_for_each_entry_rcu(flow, head, node) {
		if (flow->key[0] == key[0] && flow->key[1] == key[1] &&
		    flow->key[2] == key[2])
			return flow;
	}
	if (READ_ONCE(table->used) < flows)
		floor_new(table, head, key);
	return NULL;
}

static unsigned int floor_lookup(void *priv, struct sk_buff *skb,
				 const struct nf_hook_state *state)
{
	const struct floor_headers *hdr;
	struct floor_headers _hdr;
	struct floor_flow *flow;

	hdr = floor_read(skb, &_hdr);
	if (!hdr)
		return NF_ACCEPT;
	flow = floor_find(&floor_known, hdr);
	if (flow)
		atomic64_inc(&flow->packets);
	return NF_ACCEPT;
}

/*
 * The flowtable's hook is the next one, on the device that this is measured on. @what is
 * known when this is compiled: none of them does what another one needs.
 */
static __always_inline unsigned int
floor_classify(unsigned int what, nf_hookfn *self, struct sk_buff *skb,
	       const struct nf_hook_state *state)
{
	const struct nf_hook_entries *entries;
	const struct floor_headers *hdr;
	struct floor_headers _hdr;
	struct floor_flow *flow = NULL;
	struct floor_window win;
	struct floor_cpu *cpu;
	unsigned int i, verdict;
	u32 bytes;
	u8 dscp;

	hdr = floor_read(skb, &_hdr);
	if (!hdr)
		return NF_ACCEPT;
	dscp = hdr->ip.tos >> 2;
	bytes = ntohs(hdr->ip.tot_len);
	if (what >= 3)
		flow = floor_find(&floor_known, hdr);
	entries = rcu_dereference(state->in->nf_hooks_ingress);
	for (i = 0; i < entries->num_hook_entries; i++)
		if (entries->hooks[i].hook == self)
			break;
	if (++i >= entries->num_hook_entries)
		return NF_ACCEPT;

	win.skb = skb;
	win.net = state->net;
	win.value = floor_map[dscp];
	/* It is the same: that it was found is seen by it. */
	if (what == 4 && !floor_find(&floor_learned, hdr))
		win.value = 0;
	cpu = this_cpu_ptr(&floor_cpu);
	cpu->win = &win;
	verdict = entries->hooks[i].hook(entries->hooks[i].priv, skb, state);
	cpu->win = NULL;
	if (verdict != NF_STOLEN)
		return verdict;
	if (flow) {
		atomic64_inc(&flow->packets);
		atomic64_add(bytes, &flow->bytes);
		flow->last = jiffies;
	}
	cpu->packets[dscp]++;
	cpu->bytes[dscp] += bytes;
	return verdict;
}

static unsigned int floor_prio_pcp(void *priv, struct sk_buff *skb,
				   const struct nf_hook_state *state)
{
	return floor_classify(2, floor_prio_pcp, skb, state);
}

static unsigned int floor_all(void *priv, struct sk_buff *skb,
			      const struct nf_hook_state *state)
{
	return floor_classify(3, floor_all, skb, state);
}

static unsigned int floor_sticky(void *priv, struct sk_buff *skb,
				 const struct nf_hook_state *state)
{
	return floor_classify(4, floor_sticky, skb, state);
}

static unsigned int floor_give(void *priv, struct sk_buff *skb,
			       const struct nf_hook_state *state)
{
	const struct floor_window *win = __this_cpu_read(floor_cpu.win);

	if (!win || win->skb != skb || win->net != state->net)
		return NF_ACCEPT;
	skb->priority = win->value;
	if (skb_vlan_tag_present(skb))
		skb->vlan_tci = (skb->vlan_tci & ~VLAN_PRIO_MASK) |
				(u16)win->value << VLAN_PRIO_SHIFT;
	return NF_ACCEPT;
}

static int floor_add(const char *name, unsigned int hooknum, int priority,
		     nf_hookfn *hook)
{
	struct nf_hook_ops *ops = &floor_hooks[floor_nr];
	int err;

	ops->dev = dev_get_by_name(floor_net, name);
	if (!ops->dev)
		return -ENODEV;
	ops->pf = NFPROTO_NETDEV;
	ops->hooknum = hooknum;
	ops->priority = priority;
	ops->hook = hook;
	err = nf_register_net_hook(floor_net, ops);
	if (err)
		dev_put(ops->dev);
	else
		floor_nr++;
	return err;
}

static void floor_exit(void)
{
	while (floor_nr--) {
		nf_unregister_net_hook(floor_net, &floor_hooks[floor_nr]);
		dev_put(floor_hooks[floor_nr].dev);
	}
	/* Packets may still run in the hooks. */
	synchronize_net();
	put_net(floor_net);
	kvfree(floor_known.flows);
	kvfree(floor_learned.flows);
}

static int __init floor_init(void)
{
	nf_hookfn *const in[] = {
		floor_nothing, floor_lookup, floor_prio_pcp, floor_all, floor_sticky
	};
	unsigned int i;
	int err = 0;

	if (does >= ARRAY_SIZE(in))
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(floor_map); i++)
		floor_map[i] = i / 8;
	floor_known.flows = kvcalloc(flows, sizeof(*floor_known.flows), GFP_KERNEL);
	floor_learned.flows = kvcalloc(flows, sizeof(*floor_learned.flows), GFP_KERNEL);
	if (!floor_known.flows || !floor_learned.flows) {
		kvfree(floor_known.flows);
		kvfree(floor_learned.flows);
		return -ENOMEM;
	}

	floor_net = get_net(current->nsproxy->net_ns);
	floor_seed = get_random_u32();
	for (i = 0; i < nr_ingress && !err; i++)
		err = floor_add(ingress[i], NF_NETDEV_INGRESS, -1,
				in[does]);
	for (i = 0; i < nr_egress && !err; i++)
		err = floor_add(egress[i], NF_NETDEV_EGRESS, INT_MAX,
				does < 2 ? floor_nothing : floor_give);
	if (err)
		floor_exit();
	return err;
}

module_init(floor_init);
module_exit(floor_exit);
MODULE_DESCRIPTION("Netdev hooks that do nothing, to be measured");
MODULE_LICENSE("GPL");
