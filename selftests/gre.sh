#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# GRE between client and server, through the router, which offloads it as one flow
# without ports: by IPv4 and by IPv6, both directions. The class is the DSCP of
# the header that GRE is in. A large packet counts as its segments, each with all
# of its headers, those inside GRE as well.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft tc conntrack ethtool python3 jq ftqos
modprobe -a ip_gre ip6_gre 2> /dev/null
load_module

in4=203.0.113 in6=2001:db8:3:
up=$(mktemp)
defer rm -f "$up"
topo_router --vlan7
quiet_neighbours

# gre NS NUMBER LOCAL4 REMOTE4 LOCAL6 REMOTE6 TOS4 TOS6: IPv4 in IPv4, IPv6 in
# IPv6
gre()
{
	ip -batch - -n "$1" <<- END || bail "cannot make GRE devices"
		link add gre4 type gre local $3 remote $4 tos $7
		link add gre6 type ip6gre local $5 remote $6 encaplimit none tclass $8
		link set gre4 mtu 1400 up
		link set gre6 mtu 1400 up
		addr add $in4.$2/24 dev gre4
		addr add $in6:$2/64 dev gre6 nodad
	END
}
# EF and AF41 up, AF31 and AF21 down
gre "$client" 1 "$lan4.2" "$wan4.2" "$lan6:2" "$wan6:2" 0xb8 0x88
gre "$server" 2 "$wan4.2" "$lan4.2" "$wan6:2" "$lan6:2" 0x68 0x48
topo_nft
in_ns "$router" nft -f - <<- END || bail "nft refuses the ruleset"
	table inet ftq {
		counter gre { }
		chain gre {
			type filter hook forward priority filter + 1
			meta l4proto gre flow add @ft
			meta l4proto gre counter name gre
		}
	}
END
prio_bands lan0 wan0
pkt_bg up_pid "$server" capture srv0 --out "$up" --direction in

slow_gre()
{
	in_ns "$router" nft -j list counter inet ftq gre |
		jq '.nftables[] | .counter.packets // empty'
}
gre_offloaded()
{
	in_ns "$router" conntrack -L -f "$1" -p gre 2> /dev/null |
		grep -F '[OFFLOAD]'
}
# last: the packets of the last phase
last()
{
	tac "$up" | awk '/^."phase"/ && n++ { exit } { print }'
}
tags()
{
	phase "$up_pid" "$up"
	last | jq -r 'select(.proto == "gre") |
		"\(.family) \(.dscp) \(.vid):\(.pcp)"' | sort -u
}
grown()
{
	minus "$2" "$1" | cut -d' ' -f$(($3 + 1))
}

# wake: the kernel gives such a flow up after 30 s without a packet
wake()
{
	talk_or_bail "ping 3 64 *"
	phase "$up_pid" "$up"
	slow=$(slow_gre)
}

talk_serve "$server"
talk_start "$client"
talk_or_bail "open a udp $in4.2 5000 0 4000" "open b udp $in6:2 5000 0 4001" \
	"open c tcp $in4.2 5000 0 4002" "open d tcp $in6:2 5000 0 4003" \
	"ping 3 64 *"
check "GRE by IPv4 is offloaded" busywait 10 gre_offloaded ipv4
check "GRE by IPv6 is offloaded" busywait 10 gre_offloaded ipv6
wake
talk_or_bail "ping 4 64 *"
check_eq "unbound: no PCP" "ipv4 46 7:0"$'\n'"ipv6 34 7:0" "$(tags)"

ftqos -n "$router" -b - <<- END || bail "cannot bind"
	dev set wan0.7
	dev set lan0
END
wake
before=$(bands lan0 wan0)
talk_or_bail "ping 4 64 a b"
after=$(bands lan0 wan0)
check_eq "the PCP is that of the outer header's class" \
	"ipv4 46 7:5"$'\n'"ipv6 34 7:4" "$(tags)"
{ read -r lan_before; read -r wan_before; } <<< "$before"
{ read -r lan_after; read -r wan_after; } <<< "$after"
note "lan0: $lan_before -> $lan_after, wan0: $wan_before -> $wan_after"
# A late acknowledgement may be among them
check "up: they went to their bands" test "$(grown "$wan_before" "$wan_after" 5)" \
	-ge 4 -a "$(grown "$wan_before" "$wan_after" 4)" -ge 4
check "down: they went to their bands" test "$(grown "$lan_before" "$lan_after" 3)" \
	-ge 4 -a "$(grown "$lan_before" "$lan_after" 2)" -ge 4
check_eq "nothing came to the forward chain" "$slow" "$(slow_gre)"

shown=$(ftqos -n "$router" -j flow show proto gre)
check_eq "flow show: a flow for each family and direction, without ports" \
	"[\"lan0\",\"ipv4\",\"gre\",\"$lan4.2\",\"$wan4.2\",46,false,false]
[\"lan0\",\"ipv6\",\"gre\",\"$lan6:2\",\"$wan6:2\",34,false,false]
[\"wan0\",\"ipv4\",\"gre\",\"$wan4.2\",\"$lan4.2\",26,false,false]
[\"wan0\",\"ipv6\",\"gre\",\"$wan6:2\",\"$lan6:2\",18,false,false]" \
	"$(jq -c 'sort_by(.iif, .family) | .[] | [.iif, .family, .proto, .src,
		.dst, .class, has("sport"), has("dport")]' <<< "$shown")"
check_eq "flow show: nothing else was offloaded" \
	"$(jq length <<< "$shown")" "$(ftqos -n "$router" -j flow show | jq length)"
check "flow show: as text, without a colon behind the address" \
	grep -q -E " gre +$lan4.2 +$wan4.2 " <<< "$(ftqos -n "$router" flow show)"

# --- large packets --------------------------------------------------------------

in_ns "$client" bash -c 'for d in cl0 gre4 gre6; do
	ethtool -K $d tso on gso on tx on
done' > /dev/null 2>&1
wake
ftqos -n "$router" flow flush
talk_or_bail "bulk 60000 c" "bulk 60000 d"
phase "$up_pid" "$up"
pkt_stop "$up_pid"
check_eq "TCP bulk: nothing came to the forward chain" "$slow" "$(slow_gre)"
wire=$(last | jq -s -c 'map(select(.proto == "gre")) | group_by(.family) | .[] |
	[.[0].family, length, (map(.len) | add), (map(.pcp) | unique)]')
counted=$(ftqos -n "$router" -j flow show iif lan0 | jq -c 'sort_by(.family) |
	.[] | [.family, .packets, .bytes, [.pcp]]')
check "TCP bulk: it was segmented in the router" test \
	"$(last | jq 'select(.proto == "gre" and .len > 1300)' -c | wc -l)" -ge 80
check_eq "TCP bulk: packets and bytes are those of the wire, and the PCP" "$wire" \
	"$counted"
finish
