// SPDX-License-Identifier: GPL-2.0
/*
 * The same without a module: a program of tc's that gives packets which leave
 * the priority and the PCP of their DSCP. Its map is constant, so that it costs
 * no lookup:
 *
 *	tc filter add dev wan0 egress bpf direct-action object-file rival.bpf
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define HTONS(x) __builtin_bswap16(x)
#else
#define HTONS(x) (x)
#endif
#define SEC(name) __attribute__((section(name), used))
#define TC_ACT_OK 0
#define VLAN_PCP_SHIFT 13

static long (*vlan_push)(struct __sk_buff *skb, __be16 proto, __u16 tci) =
	(void *)BPF_FUNC_skb_vlan_push;
static long (*vlan_pop)(struct __sk_buff *skb) =
	(void *)BPF_FUNC_skb_vlan_pop;

/* The module's built-in map, prio and PCP alike */
static const volatile __u8 map[64] = {
	[1] = 1, [8] = 1, [16] = 2, [18] = 2, [20] = 2, [22] = 2, [24] = 3,
	[26] = 3, [28] = 3, [30] = 3, [32] = 4, [34] = 4, [36] = 4, [38] = 4,
	[40] = 5, [44] = 5, [45] = 5, [46] = 5, [48] = 6, [56] = 7,
};

SEC("tc") int classify(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ethhdr *eth = data;
	__u8 dscp, value;
	__u16 tci;

	if (data + sizeof(*eth) + sizeof(struct iphdr) > end)
		return TC_ACT_OK;
	if (eth->h_proto == HTONS(ETH_P_IP)) {
		dscp = ((struct iphdr *)(eth + 1))->tos >> 2;
	} else if (eth->h_proto == HTONS(ETH_P_IPV6)) {
		__u8 *ip6 = (void *)(eth + 1);

		dscp = ((ip6[0] & 0xf) << 4 | ip6[1] >> 4) >> 2;
	} else {
		return TC_ACT_OK;
	}

	value = map[dscp & 63];
	skb->priority = value;
	if (skb->vlan_present) {
		__be16 proto = skb->vlan_proto;

		tci = (skb->vlan_tci & 0x1fff) | value << VLAN_PCP_SHIFT;
		vlan_pop(skb);
		vlan_push(skb, proto, tci);
	}
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
