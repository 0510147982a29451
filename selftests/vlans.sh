#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# VLAN devices on top of each other and side by side: C-tag in S-tag, C-tag in
# C-tag. The binding of the uppermost device gives both tags the PCP, that of a
# lower one holds where the upper one has none; VLANs on one wire can have maps
# of their own. Frames whose inner or outer tag has a PCP or a DEI, which the
# flowtable alone never takes, are taken; what is not taken keeps its tags.
#
# Tags are looked at in the server's capture, in the frame's own order. That
# packets were offloaded is told by the forward chain's counter, which stands
# still.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft tc conntrack ethtool python3 jq ftqos
load_module

up=$(mktemp)
mid_cap=$(mktemp)
defer rm -f "$up" "$mid_cap"

# tags: those of the last phase's offloaded packets, "TPID:VID:PCP:DEI ..." and
# how they are classed, each kind once
tags()
{
	phase "$up_pid" "$up"
	tac "$up" | awk '/^."phase"/ && n++ { exit } { print }' |
		jq -r 'select(.dport == 5000 and .family) | [.family, (.tags |
			map("\(.tpid):\(.vid):\(.pcp):\(.dei)") | join(" "))] |
			join(" ")' | sort -u
}

# both TAGS: the lines that tags should give
both()
{
	printf 'ipv4 %s\nipv6 %s\n' "$1" "$1"
}

# stacked NAME "PROTOCOL:VID ..." TPID1:VID1 TPID2:VID2
stacked()
{
	local name=$1 mid=wan0.${3#*:} slow before t1=$3 t2=$4 outer inner
	local wmac got

	topo_router --vlans "$2"
	topo_nft
	quiet_neighbours
	keep_flows
	ftqos -n "$router" -b - <<- END || bail "cannot bind"
		map add upper preset constant 5
		map add middle preset constant 3
		map add lower preset constant 2
	END
	talk_serve "$server"
	talk_start "$client"
	talk_or_bail "open a udp $wan4.2 5000 0xb8 4000 0xb8" \
		"open b udp $wan6:2 5000 0xb8 4001 0xb8" \
		"open c tcp $wan4.2 5000 0xb8 4002 0xb8" \
		"open d tcp $wan6:2 5000 0xb8 4003 0xb8" "ping 3 64 *"
	check "$name: IPv4 flows are offloaded" busywait 10 offloaded udp 5000
	check "$name: IPv6 flows are offloaded" busywait 10 offloaded tcp 5000 ipv6
	pkt_bg up_pid "$server" capture srv0 --out "$up" --direction in
	slow=$(slow_packets)
	talk_or_bail "ping 2 64 *"
	check_eq "$name: unbound, no PCP" "$(both "$t1:0:0 $t2:0:0")" "$(tags)"

	ftqos -n "$router" dev set "$wan" map upper
	talk_or_bail "ping 2 64 *"
	check_eq "$name: the uppermost device is bound: both tags have its PCP" \
		"$(both "$t1:5:0 $t2:5:0")" "$(tags)"
	ftqos -n "$router" -b - <<- END
		dev set $mid map middle
		dev set wan0 map lower
	END
	talk_or_bail "ping 2 64 *"
	check_eq "$name: ... also when those below it are bound as well" \
		"$(both "$t1:5:0 $t2:5:0")" "$(tags)"
	check_eq "$name: it is the device that decided" "$wan" \
		"$(ftqos -n "$router" -j flow show iif lan0 |
			jq -r 'map(.oif) | unique | join(" ")')"
	ftqos -n "$router" dev del "$wan"
	talk_or_bail "ping 2 64 *"
	check_eq "$name: the middle device is bound, and the lowest" \
		"$(both "$t1:3:0 $t2:3:0")" "$(tags)"
	ftqos -n "$router" dev del "$mid"
	talk_or_bail "ping 2 64 *"
	check_eq "$name: the lowest is bound" "$(both "$t1:2:0 $t2:2:0")" "$(tags)"
	check_eq "$name: nothing came to the forward chain" "$slow" \
		"$(slow_packets)"

	# Frames from the server with PCP and DEI in either tag
	outer=${t1#*:} inner=${t2#*:}
	[ "${t1%:*}" = 0x8100 ] || outer=ad$outer
	wmac=$(mac_of "$router" wan0)
	raw()
	{
		pkt "$server" raw --dev srv0 --dst-mac "$wmac" --src "$wan4.2" \
			--dst "$lan4.2" --sport "$2" --dport "$3" --count 4 \
			--tags "$1" --tos 0xb8 + raw --dev srv0 \
			--dst-mac "$wmac" --src "$wan6:2" --dst "$lan6:2" \
			--sport "$2" --dport "$4" --count 4 --tags "$1" \
			--tos 0xb8
	}
	for t in "$outer:5:0,$inner" "$outer,$inner:5:0" \
		 "$outer:3:1,$inner:6:1"; do
		before=$(slow_packets)
		raw "$t" 5000 4000 4001
		talk_or_bail "ping 1 64 *"
		check_eq "$name: frames with $t are taken" "$before" \
			"$(slow_packets)"
	done
	check_eq "$name: and counted" 24 "$(ftqos -n "$router" -j stats |
		jq .ingress_pcp_cleared)"

	# Trust: the outermost tag, whatever the inner one has
	ftqos -n "$router" dev set wan0 trust pcp
	raw "$outer:4:0,$inner:6:0" 5000 4000 4001
	talk_or_bail
	got=$(ftqos -n "$router" -j flow show iif wan0 proto udp |
		jq -c 'map([.class, .vlan]) | unique')
	check_eq "$name: trust pcp is the outer tag's" \
		"[[32,[${t1#*:},${t2#*:}]]]" "$got"
	ftqos -n "$router" dev set wan0 trust dscp

	# Not taken: the inner tag as it came, on the device behind the outer one
	pkt_bg mid_pid "$router" capture "$mid" --out "$mid_cap" --direction in
	in_ns "$router" nft insert rule inet ftq forward udp sport 6000 accept
	raw "$outer:3:1,$inner:6:1" 6000 6001 6001
	talk_or_bail
	check "$name: what is not taken keeps the inner tag" \
		busywait 5 kept "$inner"
	pkt_stop "$mid_pid"
	pkt_stop "$up_pid"
	: > "$up"
}

# kept VID: both families' frames
kept()
{
	[ "$(jq -c "select(.sport == 6000 and .vid == $1 and .pcp == 6 and
		.dei == 1)" "$mid_cap" | wc -l)" = 8 ]
}

stacked "C-tag in S-tag" "802.1ad:100 802.1Q:5" 0x88a8:100 0x8100:5
stacked "C-tag in C-tag" "802.1Q:200 802.1Q:5" 0x8100:200 0x8100:5

# --- one 802.1ad tag, and two VLANs on one wire --------------------------------

topo_router --vlans 802.1Q:10
for n in router server; do
	ip -n "${!n}" link add link "$([ $n = router ] && echo wan0 || echo srv0)" \
		name iptv type vlan protocol 802.1ad id 20
	ip -n "${!n}" link set iptv up
done
ip -n "$router" addr add 203.0.113.1/24 dev iptv
# Answers take the way that the packets came
ip -n "$server" -batch - <<- END || bail "no way back"
	addr add 203.0.113.2/24 dev iptv
	route add default via 203.0.113.1 table 20
	rule add from 203.0.113.2 table 20
END
topo_nft
keep_flows
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	map add isp preset constant 2
	map add iptv preset constant 4
	dev set wan0.10 map isp
	dev set iptv map iptv
END
talk_serve "$server"
talk_start "$client"
talk_or_bail "open a udp $wan4.2 5000 0xb8 4000 0xb8" \
	"open b udp 203.0.113.2 5000 0xb8 4001 0xb8" "ping 3 64 *"
two_offloaded()
{
	[ "$(offloaded udp 5000 | wc -l)" = 2 ]
}
check "two VLANs: both flows are offloaded" busywait 10 two_offloaded
pkt_bg up_pid "$server" capture srv0 --out "$up" --direction in
slow=$(slow_packets)
talk_or_bail "ping 4 64 *"
check_eq "two VLANs on one wire have maps of their own" \
	"ipv4 0x8100:10:2:0"$'\n'"ipv4 0x88a8:20:4:0" "$(tags)"
check_eq "two VLANs: nothing came to the forward chain" "$slow" "$(slow_packets)"
ip -n "$router" link set iptv type vlan egress-qos-map 3:6
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	map set iptv all prio 3 pcp vlan
	map set isp all prio 1 pcp vlan
END
# A change of the device may end its flows
talk_or_bail "ping 4 64 *"
phase "$up_pid" "$up"
slow=$(slow_packets)
talk_or_bail "ping 4 64 *"
check_eq "pcp vlan: what the VLAN device has for the priority, or 0" \
	"ipv4 0x8100:10:0:0"$'\n'"ipv4 0x88a8:20:6:0" "$(tags)"
check_eq "pcp vlan: nothing came to the forward chain" "$slow" "$(slow_packets)"
finish
