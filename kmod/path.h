/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FTQ_PATH_H
#define FTQ_PATH_H

#include <linux/netfilter.h>

#include "map.h"

struct ftq_dev;
struct ftq_net;
struct ftq_tuple;

/**
 * struct ftq_window - the one packet that a flowtable is given now
 *
 * On the stack of the ingress hook, named by the CPU's ftq_window pointer while
 * the flowtable runs; the egress hook on the same CPU fills in what was done.
 *
 * @skb: the packet; compared, never followed, since it may be gone
 * @fn: namespace
 * @tuple: the packet as it entered, without addresses; NULL if no flows are accounted,
 *	unless @gso is set
 * @len: IP bytes of the packet in one piece, without the header of a tunnel that it
 *	entered in
 * @first: the highest hooked device that the packet crossed, valid if @decided is set;
 *	compared only
 * @seen: the last hooked device that saw the packet itself; of the same RCU
 *	section
 * @bare: where the frame began when it was found to have neither tag nor session in its
 *	bytes, on an Ethernet device; compared only, and valid only if @decided is set and
 *	@odd is not
 * @queue: device with a queue that the packet crossed, valid if @gso is set; compared only
 * @action: what the packet's class gets by the binding that decided, valid if @decided is
 *	set
 * @given: by the binding that decided; 0 before, if flows are accounted
 * @decided: it crossed a device whose binding has a map
 * @apart: segments came to @first one by one, valid if @decided and @gso are set
 * @esp: @seen saw it in one piece that ESP will make segments of
 * @gso: the packet entered as one of several segments
 * @late: its DSCP is written where a device hands it on to none below, not on @first
 * @expect: its flow is yet to be looked up
 * @odd: it is or was of several segments, or a device that has seen it is not Ethernet's
 * @flags: the seven before; 0: a usual packet that no hook of ours has seen on its way out
 * @family: NFPROTO_IPV4 or NFPROTO_IPV6, of the packet inside a tunnel that it entered in
 * @proto: likewise its IP protocol
 * @outcome: class and DSCP of the packet, and what was done to it
 */
struct ftq_window {
	const struct sk_buff	*skb;
	struct ftq_net		*fn;
	const struct ftq_tuple	*tuple;
	const struct ftq_dev	*first;
	const struct net_device	*seen;
	const u8		*bare;
	const struct net_device	*queue;
	u32			len;
	u8			family;
	u8			proto;
	struct ftq_action	action;
	union ftq_given		given;
	union {
		struct {
			bool	decided;
			bool	apart;
			bool	esp;
			bool	gso;
			bool	late;
			bool	expect;
			bool	odd;
		};
		u64		flags;
	};
	union ftq_outcome	outcome;
};

unsigned int ftq_path_ingress(void *priv, struct sk_buff *skb,
			      const struct nf_hook_state *state);
unsigned int ftq_path_egress(void *priv, struct sk_buff *skb,
			     const struct nf_hook_state *state);

#endif /* FTQ_PATH_H */
