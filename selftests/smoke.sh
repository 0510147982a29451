#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The harness itself, without our module: the router forwards, a plain
# flowtable takes the flows over, tags are sent and captured as they are.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft conntrack python3 ethtool

cap=$(mktemp)
defer rm -f "$cap"
topo_router --vlan7
topo_nft
note "topology is up after $(($(now_ms) / 1000)) s"

check_not "nothing is offloaded yet" offloaded
pkt_bg echo4 "$server" echo 198.51.100.2 --tos 0x20
pkt_bg echo6 "$server" echo 2001:db8:2::2
pkt_bg sniff "$server" capture srv0 --out "$cap" --direction in

# The reply makes the flow established, the next packet offloads it
for _ in 1 2 3; do
	pkt "$client" send 198.51.100.2 --tos 0xb8 --sport 4000 --dport 5000 + \
		send 2001:db8:2::2 --tos 0xb8 --sport 4000 --dport 5000
done
check "IPv4 UDP flow is offloaded" busywait 10 offloaded udp 5000
check "IPv6 UDP flow is offloaded" busywait 10 offloaded udp 5000 ipv6

before=$(slow_packets)
pkt "$client" send 198.51.100.2 --tos 0xb8 --sport 4000 --dport 5000 \
	--count 50 + send 2001:db8:2::2 --tos 0xb8 --sport 4000 --dport 5000 \
	--count 50
got()
{
	[ "$(grep -c '"dport": 5000' "$cap")" -ge 106 ]
}
busywait 2 got
check_eq "offloaded packets do not reach the forward chain" "$before" \
	"$(slow_packets)"
pkt_stop "$sniff"
check_eq "all 106 packets arrive with VLAN 7, PCP 0 and their DSCP" 106 \
	"$(jq -c 'select(.dport == 5000 and .vid == 7 and .pcp == 0 and
		.dscp == 46)' "$cap" | wc -l)"

# Frames with tags of our own, the reply direction of the same flow
pkt_bg sniff "$router" capture wan0 --out "$cap" --direction in
mac=$(ip -n "$router" -j link show wan0 | jq -r '.[0].address')
pkt "$server" raw --dev srv0 --dst-mac "$mac" --src 198.51.100.2 \
	--dst 192.0.2.2 --sport 5000 --dport 4000 --tos 0x20 \
	--tags 7:5:1 --count 3
pkt_stop "$sniff"
check_eq "PCP and DEI that were sent are captured" 3 \
	"$(jq -c 'select(.dport == 4000 and .vid == 7 and .pcp == 5 and
		.dei == 1 and .dscp == 8)' "$cap" | wc -l)"

pkt_bg tcp "$server" server 198.51.100.2 --port 5001
check "TCP goes through" pkt "$client" client 198.51.100.2 --port 5001 \
	--tos 0x88 --count 10
finish
