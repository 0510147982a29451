/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FTQ_DSCP_H
#define FTQ_DSCP_H

#include <linux/types.h>

struct ftq_frame;
struct ftq_window;
struct net_device;
struct sk_buff;

bool ftq_dscp_own(const struct sk_buff *skb, const struct ftq_frame *frame,
		  const struct ftq_window *win);
bool ftq_dscp_write(struct sk_buff *skb, const struct ftq_frame *frame, u8 dscp);
bool ftq_dscp_given(const struct sk_buff *skb, const struct net_device *dev,
		    u8 dscp, u8 *class);
void ftq_dscp_note(const struct sk_buff *skb, const struct net_device *dev,
		   u8 dscp, u8 class);

#endif /* FTQ_DSCP_H */
