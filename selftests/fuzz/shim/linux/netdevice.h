/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FUZZ_NETDEVICE_H
#define FUZZ_NETDEVICE_H

struct sk_buff;
struct net_device;

struct header_ops {
	int (*create)(struct sk_buff *skb, struct net_device *dev);
};

/* @vlan0: the VLAN device of ID 0 on it, NULL: there is none */
struct net_device {
	int				ifindex;
	unsigned short			type;
	const struct header_ops		*header_ops;
	struct net_device		*vlan0;
};

#endif
