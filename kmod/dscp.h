/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FTQ_DSCP_H
#define FTQ_DSCP_H

#include <linux/types.h>

struct ftq_frame;
struct ftq_map_table;
struct ftq_window;
struct sk_buff;

bool ftq_dscp_own(const struct sk_buff *skb, const struct ftq_frame *frame,
		  const struct ftq_window *win);
bool ftq_dscp_ipsec(const struct sk_buff *skb, const struct ftq_frame *frame, u8 proto);
u8 ftq_dscp_class(const struct ftq_map_table *table, u8 dscp, u32 prio);
bool ftq_dscp_write(struct sk_buff *skb, const struct ftq_frame *frame, u8 dscp);

#endif /* FTQ_DSCP_H */
