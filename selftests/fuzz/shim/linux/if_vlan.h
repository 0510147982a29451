/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FUZZ_IF_VLAN_H
#define FUZZ_IF_VLAN_H

#include_next <linux/if_vlan.h>
#include <linux/if_ether.h>
#include <linux/skbuff.h>

#define VLAN_HLEN	4
#define VLAN_VID_MASK	0x0fff

struct vlan_hdr {
	__be16	h_vlan_TCI;
	__be16	h_vlan_encapsulated_proto;
};

/* As in compat.h: there is a flag of its own. */
#define FTQ_VLAN_HAS_FLAG		1
#define skb_vlan_tag_present(skb)	((skb)->vlan_present)
#define skb_vlan_tag_get_id(skb)	((skb)->vlan_tci & VLAN_VID_MASK)

static inline bool eth_type_vlan(__be16 type)
{
	return type == htons(ETH_P_8021Q) || type == htons(ETH_P_8021AD);
}

static inline struct net_device *__vlan_find_dev_deep_rcu(struct net_device *dev,
							  __be16 proto, u16 vid)
{
	return vid ? NULL : dev->vlan0;
}

#endif
