// SPDX-License-Identifier: GPL-2.0
/*
 * What hooks cost that do nothing: less than this nobody who stands in the same
 * places can take. With lookup=1 a packet's addresses and ports are read and
 * found in a hash table, as who counts flows has to.
 *
 *	insmod floor.ko ingress=lan0 egress=wan0.7,wan0 lookup=1
 *
 * in the network namespace of these devices, which must stay while it is loaded.
 */
#include <linux/ip.h>
#include <linux/jhash.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/netfilter_netdev.h>
#include <linux/nsproxy.h>
#include <linux/random.h>
#include <linux/rculist.h>
#include <linux/udp.h>
#include <net/net_namespace.h>

#define FLOOR_HOOKS	4
#define FLOOR_BITS	16

/* The addresses and ports of an IPv4 packet, and how many there were. */
struct floor_flow {
	struct hlist_node	node;
	u32			key[3];
	u64			packets;
};

static char *ingress[FLOOR_HOOKS], *egress[FLOOR_HOOKS];
static unsigned int nr_ingress, nr_egress;
module_param_array(ingress, charp, &nr_ingress, 0);
MODULE_PARM_DESC(ingress, "devices to stand on before the flowtable");
module_param_array(egress, charp, &nr_egress, 0);
MODULE_PARM_DESC(egress, "devices to stand on behind all others");
static bool lookup;
module_param(lookup, bool, 0);
MODULE_PARM_DESC(lookup, "look each packet's flow up");

static struct nf_hook_ops floor_hooks[2 * FLOOR_HOOKS];
static unsigned int floor_nr;
static struct net *floor_net;
static struct hlist_head floor_table[1 << FLOOR_BITS];
/* Of one flow: the table is as empty as that of a router with few of them. */
static struct floor_flow floor_one;
static u32 floor_seed;

static unsigned int floor_nothing(void *priv, struct sk_buff *skb,
				  const struct nf_hook_state *state)
{
	return NF_ACCEPT;
}

static unsigned int floor_lookup(void *priv, struct sk_buff *skb,
				 const struct nf_hook_state *state)
{
	struct {
		struct iphdr	ip;
		__be32		ports;
	} _hdr;
	const typeof(_hdr) *hdr;
	struct hlist_head *head;
	struct floor_flow *flow;
	u32 key[3];

	hdr = skb_header_pointer(skb, 0, sizeof(_hdr), &_hdr);
	if (!hdr || skb->protocol != htons(ETH_P_IP) || hdr->ip.ihl != 5)
		return NF_ACCEPT;
	key[0] = (__force u32)hdr->ip.saddr;
	key[1] = (__force u32)hdr->ip.daddr;
	key[2] = (__force u32)hdr->ports;
	head = &floor_table[jhash_3words(key[0], key[1], key[2], floor_seed) >>
			    (32 - FLOOR_BITS)];
	hlist_for_each_entry_rcu(flow, head, node) {
		if (flow->key[0] == key[0] && flow->key[1] == key[1] &&
		    flow->key[2] == key[2]) {
			flow->packets++;
			return NF_ACCEPT;
		}
	}
	/* One CPU: nobody else does the same. */
	if (!floor_one.packets) {
		memcpy(floor_one.key, key, sizeof(key));
		floor_one.packets = 1;
		hlist_add_head_rcu(&floor_one.node, head);
	}
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
	put_net(floor_net);
}

static int __init floor_init(void)
{
	unsigned int i;
	int err = 0;

	floor_net = get_net(current->nsproxy->net_ns);
	floor_seed = get_random_u32();
	for (i = 0; i < nr_ingress && !err; i++)
		err = floor_add(ingress[i], NF_NETDEV_INGRESS, -1,
				lookup ? floor_lookup : floor_nothing);
	for (i = 0; i < nr_egress && !err; i++)
		err = floor_add(egress[i], NF_NETDEV_EGRESS, INT_MAX,
				floor_nothing);
	if (err)
		floor_exit();
	return err;
}

module_init(floor_init);
module_exit(floor_exit);
MODULE_DESCRIPTION("Netdev hooks that do nothing, to be measured");
MODULE_LICENSE("GPL");
