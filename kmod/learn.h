/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FTQ_LEARN_H
#define FTQ_LEARN_H

#include <linux/types.h>

struct ftq_frame;
struct ftq_learn;
struct ftq_net;
struct ftq_target;
struct ftq_tuple;
struct net_device;
struct sk_buff;

/**
 * struct ftq_learned - what offloaded packets of a flow and direction leave with
 * @prio: skb->priority
 * @dscp: DSCP, 0..63
 * @pcp: PCP, 0..7
 * @has: enum nf_flow_qos_action bits of those that were learned
 * @ambiguous: it is not of one flow, and not to be used
 */
struct ftq_learned {
	u32	prio;
	u8	dscp;
	u8	pcp;
	u8	has;
	bool	ambiguous;
};

void ftq_learn_arrived(struct ftq_learn *learn, const struct sk_buff *skb,
		       const struct ftq_tuple *tuple, u8 dscp);
u8 ftq_learn_packet(struct ftq_net *fn, const struct sk_buff *skb, struct net_device *out,
		    const struct ftq_frame *frame, const struct ftq_target *target);
void ftq_learn_left(struct ftq_net *fn, const struct sk_buff *skb,
		    const struct net_device *out, const struct ftq_frame *frame);
bool ftq_learn_find(const struct ftq_net *fn, const struct ftq_tuple *tuple, u32 epoch,
		    bool used, struct ftq_learned *learned);
int ftq_learn_start(struct ftq_net *fn);
void ftq_learn_exit(struct ftq_net *fn);
void ftq_learn_forget(struct ftq_net *fn);
void ftq_learn_want(struct ftq_net *fn, bool wanted);

#endif /* FTQ_LEARN_H */
