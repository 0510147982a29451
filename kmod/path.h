/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FTQ_PATH_H
#define FTQ_PATH_H

#include <linux/netfilter.h>

#include "map.h"

struct ftq_dev;
struct ftq_packet;

/**
 * struct ftq_window - the one packet that a flowtable is given now
 *
 * On the stack of the ingress hook, named by the CPU's ftq_window pointer while
 * the flowtable runs; the egress hook on the same CPU fills in what was done.
 *
 * @skb: the packet; compared, never followed, since it may be gone
 * @plain: the same while all is simple, else NULL: it never was of several segments, and
 *	the devices that have seen it are Ethernet's
 * @net: namespace
 * @pkt: what is known of the packet from before the flowtable
 * @first: the highest hooked device that the packet crossed; compared only
 * @seen: the last hooked device that saw the packet itself; of the same RCU
 *	section
 * @queue: device with a queue that the packet crossed; compared only
 * @action: what the packet's class gets by the binding that decided, valid if
 *	@first is set
 * @oif: interface index of the device whose binding decided, 0: none yet
 * @apart: segments came to @first one by one, valid if that and @gso are set
 * @esp: @seen saw it in one piece that ESP will make segments of
 * @gso: the packet entered as one of several segments
 * @outcome: class and DSCP of the packet, and what was done to it
 */
struct ftq_window {
	const struct sk_buff	*skb;
	const struct sk_buff	*plain;
	const struct net	*net;
	const struct ftq_packet	*pkt;
	const struct ftq_dev	*first;
	const struct net_device	*seen;
	const struct net_device	*queue;
	struct ftq_action	action;
	u32			oif;
	bool			apart;
	bool			esp;
	bool			gso;
	union ftq_outcome	outcome;
};

unsigned int ftq_path_ingress(void *priv, struct sk_buff *skb,
			      const struct nf_hook_state *state);
unsigned int ftq_path_egress(void *priv, struct sk_buff *skb,
			     const struct nf_hook_state *state);

#endif /* FTQ_PATH_H */
