#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tunnels over VLAN 7 between router and server, IPv4 in IPv4 and IPv6 in IPv6; and
# those whose device the kernel never bypasses: IPv6 in IPv4 (SIT), and IPv4 in IPv6
# with its encapsulation limit (as for DS-Lite).
#
# Since 6.19 the flowtable adds and removes the header itself. A packet that
# enters plain has the class of its own DSCP, one that enters in the tunnel that of
# the header outside; the flow is that of the packet inside, its tunnel is shown
# with it. On older kernels packets towards the tunnel are offloaded as far as the
# tunnel device, and have the priority and PCP of their class in the frame outside;
# those out of it stay on the slow path, and are left as they are.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft tc conntrack ethtool python3 jq ftqos
modprobe -a ipip ip6_tunnel sit 2> /dev/null
load_module

both_ways=$((release > 6018))
in4=203.0.113 in6=2001:db8:3: six=2001:db8:4: four=198.18.4
up=$(mktemp)
defer rm -f "$up"

topo_router --vlan7
quiet_neighbours
# A tunnel that takes the DSCP outside from inside is not offloaded. The server's
# has one of its own: AF31
make_tunnels()
{
	ip -batch - -n "$router" <<- END &&
		link add tun4 type ipip local $wan4.1 remote $wan4.2
		link add tun6 type ip6tnl mode ip6ip6 local $wan6:1 remote $wan6:2 encaplimit none
		link add six4 type sit local $wan4.1 remote $wan4.2
		addr add $wan6:11/64 dev $wan nodad
		link add four6 type ip6tnl mode ipip6 local $wan6:11 remote $wan6:12
		link set tun4 up
		link set tun6 up
		link set six4 up
		link set four6 up
		addr add $in4.1/24 dev tun4
		addr add $in6:1/64 dev tun6 nodad
		addr add $six:1/64 dev six4 nodad
		addr add $four.1/24 dev four6
	END
	ip -batch - -n "$server" <<- END &&
		link add tun4 type ipip local $wan4.2 remote $wan4.1 tos 0x68
		link add tun6 type ip6tnl mode ip6ip6 local $wan6:2 remote $wan6:1 encaplimit none tclass 0x68
		link add six4 type sit local $wan4.2 remote $wan4.1
		addr add $wan6:12/64 dev $srv nodad
		link add four6 type ip6tnl mode ipip6 local $wan6:12 remote $wan6:11
		link set tun4 up
		link set tun6 up
		link set six4 up
		link set four6 up
		addr add $in4.2/24 dev tun4
		addr add $in6:2/64 dev tun6 nodad
		addr add $six:2/64 dev six4 nodad
		addr add $four.2/24 dev four6
		route add $lan4.0/24 dev tun4 mtu 1400
		route add $lan6:/64 dev tun6 mtu 1400
	END
	ip -batch - -n "$client" <<- END
		route add $in4.0/24 via $lan4.1 mtu 1400
		route add $in6:/64 via $lan6:1 mtu 1400
		route add $six:/64 via $lan6:1 mtu 1400
		route add $four.0/24 via $lan4.1 mtu 1400
	END
}
make_tunnels || bail "cannot make tunnels"
# A device at the bottom has to be in the flowtable there
topo_nft --devices "lan0, wan0$( ((!both_ways)) || echo ", six4, four6")"
keep_flows
prio_bands lan0 wan0
pkt_bg up_pid "$server" capture srv0 --out "$up" --direction in

# tags: the last phase's packets towards the server, each kind once: protocol
# outside, inside, VLAN ID and PCP
tags()
{
	phase "$up_pid" "$up"
	tac "$up" | awk '/^."phase"/ && n++ { exit } { print }' |
		jq -r 'select(.inner.dport == 5000) |
			"\(.proto) \(.inner.proto) \(.vid):\(.pcp)"' | sort -u
}
# kinds UDP TCP: with these PCPs
kinds()
{
	printf '%s\n' "ipip tcp 7:$2" "ipip udp 7:$1" "ipv6 tcp 7:$2" \
		"ipv6 udp 7:$1"
}
# grown BEFORE AFTER BAND: by how much
grown()
{
	minus "$2" "$1" | cut -d' ' -f$(($3 + 1))
}

talk_serve "$server"
talk_start "$client"
# UDP is EF, TCP is AF41, answers are neither
talk_or_bail "open a udp $in4.2 5000 0xb8 4000" "open b udp $in6:2 5000 0xb8 4001" \
	"open c tcp $in4.2 5000 0x88 4002" "open d tcp $in6:2 5000 0x88 4003" \
	"ping 3 64 *"
for f in ipv4 ipv6; do
	check "UDP of $f is offloaded" busywait 10 offloaded udp 5000 $f
	check "TCP of $f is offloaded" busywait 10 offloaded tcp 5000 $f
done
talk_or_bail "ping 1 64 *"
phase "$up_pid" "$up"
slow=$(slow_packets)
talk_or_bail "ping 4 64 *"
check_eq "unbound: no PCP" "$(kinds 0 0)" "$(tags)"
# Of TCP an acknowledgement may come by itself
slow=$(($(slow_packets) - slow))
if ((both_ways)); then
	check_eq "both directions are taken" 0 "$slow"
else
	check "those out of the tunnel are not taken" test "$slow" -ge 16
fi

ftqos -n "$router" -b - <<- END || bail "cannot bind"
	dev set wan0.7
	dev set lan0
END
phase "$up_pid" "$up"
slow=$(slow_packets)
before=$(bands lan0 wan0)
talk_or_bail "ping 4 64 *"
after=$(bands lan0 wan0)
slow=$(($(slow_packets) - slow))
check_eq "into the tunnel: the frame outside has the PCP of the class" \
	"$(kinds 5 4)" "$(tags)"
{ read -r lan_before; read -r wan_before; } <<< "$before"
{ read -r lan_after; read -r wan_after; } <<< "$after"
note "lan0: $lan_before -> $lan_after, wan0: $wan_before -> $wan_after"
check_eq "into the tunnel: UDP went to its band" 8 \
	"$(grown "$wan_before" "$wan_after" 5)"
check "into the tunnel: TCP went to its band" test \
	"$(grown "$wan_before" "$wan_after" 4)" -ge 8
if ((both_ways)); then
	check_eq "nothing came to the forward chain" 0 "$slow"
	check "out of the tunnel: the class is the outer header's" test \
		"$(grown "$lan_before" "$lan_after" 3)" -ge 16
	check "out of the tunnel: none is of the inner header's class" test \
		"$(grown "$lan_before" "$lan_after" 0)" -lt 8
else
	check "out of the tunnel: still on the slow path" test "$slow" -ge 16
	check "out of the tunnel: the slow path's priority is left alone" test \
		"$(grown "$lan_before" "$lan_after" 0)" -ge 16
fi

# --- what flow show says --------------------------------------------------------

flows()
{
	ftqos -n "$router" -j flow show iif "$1" |
		jq -c "sort_by(.sport, .dport) | .[] | $2"
}
ftqos -n "$router" flow flush
talk_or_bail "ping 4 64 a b"
check_eq "flow show: into the tunnel, plain" \
	"[\"ipv4\",\"udp\",\"$lan4.2\",\"$in4.2\",46,null,null,null,4,368]
[\"ipv6\",\"udp\",\"$lan6:2\",\"$in6:2\",46,null,null,null,4,448]" \
	"$(flows lan0 'select(.proto == "udp") | [.family, .proto, .src, .dst,
		.class, .vlan, .tun_src, .tun_dst, .packets, .bytes]')"
if ((both_ways)); then
	check_eq "flow show: out of the tunnel, which is shown" \
		"[\"$in4.2\",\"$lan4.2\",5000,4000,26,[7],\"$wan4.2\",\"$wan4.1\",4,448]
[\"$in6:2\",\"$lan6:2\",5000,4001,26,[7],\"$wan6:2\",\"$wan6:1\",4,608]" \
		"$(flows wan0 'select(.proto == "udp") | [.src, .dst, .sport,
			.dport, .dscp, .vlan, .tun_src, .tun_dst, .packets,
			.bytes]')"
	text=$(ftqos -n "$router" flow show iif wan0 sport 5000)
	check "flow show: as text" grep -q -E \
		"TUN-SRC +TUN-DST +PROTO" <<< "$text"
	check "flow show: as text, the addresses" grep -q -E \
		" $wan4.2 +$wan4.1 +udp +$in4.2:5000 +$lan4.2:4000 " <<< "$text"
else
	check_eq "flow show: nothing out of the tunnel" "" "$(flows wan0 .)"
fi

# --- DSCPs are set, but none in or of a tunnel -----------------------------------

# dscps: of the last packets towards the server, outside and inside
dscps()
{
	phase "$up_pid" "$up"
	talk_or_bail "ping 2 64 *"
	phase "$up_pid" "$up"
	tac "$up" | awk '/^."phase"/ && n++ { exit } { print }' |
		jq -r 'select(.inner.dport == 5000) |
			"\(.proto) \(.inner.proto) \(.dscp) \(.inner.dscp) \(.inner.ecn)"' |
		sort -u
}
as_ever=$(dscps)
ftqos -n "$router" -b - <<- END || bail "cannot set DSCPs"
	stats reset
	map set default ef dscp cs1
	map set default af41 dscp cs2
END
check_eq "below the tunnel's device: no DSCP is set, outside or inside" \
	"$as_ever 0" "$(dscps) $(ftqos -n "$router" -j stats show | jq .dscp_set)"
# explained: what explain says of the DSCP of flow a
explained()
{
	ftqos -n "$router" flow explain proto udp src "$lan4.2" sport 4000 \
		dst "$in4.2" dport 5000 iif lan0 | grep "^dscp: "
}
check "below the tunnel's device: explain does not promise it" \
	grep "^dscp: 46 (.*; none is written behind a tunnel's header)$" <(explained)
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	dev del wan0.7
	dev set any
END
want=$as_ever
((both_ways)) ||
	want=$(sed 's/ 46 \([0-9]\)$/ 8 \1/; s/ 34 \([0-9]\)$/ 16 \1/' <<< "$as_ever")
check_eq "any: that inside is set if the tunnel's device is crossed, none outside" \
	"$want" "$(dscps)"
if ((both_ways)); then
	check "any: explain does not promise it" grep "^dscp: 46 .*; none is written" \
		<(explained)
else
	check "any: explain says which it was given" grep -x \
		"dscp: 8 (of the last packet; cs1)" <(explained)
fi
if ((both_ways)); then
	ftqos -n "$router" map set default af31 dscp cs5
	talk_or_bail "ping 2 64 a b"
	check_eq "out of the tunnel: it is set inside, by the class of the one outside" \
		"26 40"$'\n'"26 40" "$(flows wan0 'select(.proto == "udp") |
			[.dscp, .dscp_out]' | tr -d '[]' | tr , ' ')"
	ftqos -n "$router" map set default af31 dscp keep
	talk_or_bail "ping 2 64 a b"
	check_eq "out of the tunnel: what is kept inside is not known" \
		"null"$'\n'"null" "$(flows wan0 'select(.proto == "udp") | .dscp_out')"
fi
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	map set default all dscp keep
	dev set wan0.7
	dev del any
END

# --- a tag with a PCP outside of the tunnel -------------------------------------

ip -n "$server" link set srv0.7 type vlan egress-qos-map 0:6
ftqos -n "$router" -b - <<- END
	stats reset
	dev set wan0.7 trust pcp
END
slow=$(slow_packets)
talk_or_bail "ping 4 64 a b"
if ((both_ways)); then
	check_eq "frames with a PCP are taken" "$slow" "$(slow_packets)"
	check "... and counted" test 8 -le \
		"$(ftqos -n "$router" -j stats | jq .ingress_pcp_cleared)"
	check_eq "trust pcp: the class is the tag's" "48 48" \
		"$(flows wan0 'select(.proto == "udp") | .class' | xargs)"
	for family in ipv4 ipv6; do
		in_ns "$router" conntrack -U -f $family -p udp --mark 0x28
	done > /dev/null 2>&1
	ftqos -n "$router" dev set wan0.7 trust ctmark 0xfc
	marked()
	{
		talk "ping 1 64 a b" || return 1
		[ "$(flows wan0 'select(.proto == "udp") | .class' | xargs)" = "10 10" ]
	}
	check "trust ctmark: that of the flow inside" busywait 5 marked
else
	check_eq "frames with a PCP are slow, as all" $((slow + 8)) \
		"$(slow_packets)"
fi
ftqos -n "$router" dev set wan0.7 trust dscp

# --- IPv6 in IPv4, IPv4 in IPv6 -------------------------------------------------

neighbours()
{
	local mac

	mac=$(mac_of "$1" "$2")
	printf "neigh replace %s lladdr $mac dev $4\n" "${@:5}" |
		ip -n "$3" -batch - || bail "no neighbours"
}
# Answers come the same way, or the kernel takes the other one for both
ip -n "$server" rule add from "$four.2" lookup 4
ip -n "$server" route add "$lan4.0/24" dev four6 table 4
ip -n "$server" -6 rule add from "$six:2" lookup 6
ip -n "$server" -6 route add "$lan6:/64" dev six4 table 6
neighbours "$server" srv0 "$router" "$wan" "$wan6:12" "$wan4.9"
neighbours "$router" wan0 "$server" "$srv" "$wan6:11"

# SIT makes a new skb of a packet that has too little room in front for its header.
# Of IPv4 in IPv6 newer kernels offload nothing.
mixed=2 four_udp=5 four_tcp=4
((!both_ways)) || mixed=1 four_udp=0 four_tcp=0
mixed_is_offloaded()
{
	talk "send 1 64 e f" && [ "$(for f in ipv4 ipv6; do
		in_ns "$router" conntrack -L -f "$f" -p udp 2> /dev/null
	done | grep -c -E "^[^=]*src=[^ ]* dst=($six:2|$four.2) .*\[(HW_)?OFFLOAD\]")" = "$mixed" ]
}
# seen FILTER: the last phase's packets in a tunnel, each kind with its number
seen()
{
	tac "$up" | awk '/^."phase"/ && n++ { exit } { print }' |
		jq -r "select(.inner) | select($1) |"'
			"\(.family) \(.inner.family) \(.vid):\(.pcp)"' |
		sort | uniq -c | xargs
}
talk_or_bail "open e udp $six:2 5000 0xb8 4004" "open f udp $four.2 5000 0xb8 4005"
check "mixed tunnels: UDP is offloaded" busywait 10 mixed_is_offloaded
phase "$up_pid" "$up"
before=$(bands wan0)
talk_or_bail "send 4 64 e f"
phase "$up_pid" "$up"
check_eq "mixed tunnels: frames outside have the PCP of the class" \
	"4 ipv4 ipv6 7:5 4 ipv6 ipv4 7:$four_udp" "$(seen '.inner.dport == 5000')"
check_eq "mixed tunnels: ... and went to its band" $((4 * mixed)) \
	"$(grown "$before" "$(bands wan0)" 5)"

# Large packets, segmented on the way down, and by the tunnel's device
talk_or_bail "open g tcp $six:2 5000 0x88 4006" "open h tcp $four.2 5000 0x88 4007" \
	"ping 3 64 g h"
in_ns "$client" ethtool -K cl0 tso on gso on tx on > /dev/null 2>&1
for way in "behind the device" "by the device"; do
	if [ "$way" = "by the device" ]; then
		in_ns "$router" bash -c 'for d in six4 four6; do
			ethtool -K $d tso off gso off tx-udp-segmentation off
		done' > /dev/null 2>&1
	fi
	phase "$up_pid" "$up"
	slow=$(slow_packets)
	talk_or_bail "bulk 60000 g" "bulk 60000 h"
	phase "$up_pid" "$up"
	note "$(($(slow_packets) - slow)) were slow"
	large=$(seen '.inner.dport == 5000 and .inner.len > 1000')
	check "mixed tunnels: large packets, segmented $way: every segment has the PCP" \
		grep -q -E "^[0-9]{2,} ipv4 ipv6 7:4 [0-9]{2,} ipv6 ipv4 7:$four_tcp\$" \
		<<< "$large"
	note "$large"
done
in_ns "$client" ethtool -K cl0 tso off gso off > /dev/null 2>&1

# A copy that goes through another tunnel is not the packet
ip -batch - -n "$router" <<- END || bail "no third tunnel"
	link add six9 type sit local $wan4.1 remote $wan4.9
	link set six9 up
END
tc -batch - -n "$router" <<- END || bail "no copies"
	qdisc add dev six4 clsact
	filter add dev six4 egress matchall action mirred egress mirror dev six9
END
busywait 10 mixed_is_offloaded > /dev/null
phase "$up_pid" "$up"
talk_or_bail "send 2 64 e"
phase "$up_pid" "$up"
check_eq "a copy through another tunnel: the packet has the PCP" \
	"2 ipv4 ipv6 7:5" "$(seen ".dst == \"$wan4.2\" and .inner.sport == 4004")"
check_eq "a copy through another tunnel: the copy has none" \
	"2 ipv4 ipv6 7:0" "$(seen ".dst == \"$wan4.9\" and .inner.sport == 4004")"
tc -n "$router" qdisc del dev six4 clsact

# All fragments of what does not fit leave alike
ip -batch - -n "$router" <<- END || bail "no fragments"
	link set six4 type sit local $wan4.1 remote $wan4.2 ttl inherit nopmtudisc
	link set six4 mtu 1480
	link set $wan mtu 1300
END
busywait 10 mixed_is_offloaded > /dev/null
phase "$up_pid" "$up"
talk_or_bail "send 2 1340 e"
phase "$up_pid" "$up"
fragments=$(tac "$up" | awk '/^."phase"/ && n++ { exit } { print }' |
	jq -r 'select(.proto == "ipv6" and .family == "ipv4") | "\(.vid):\(.pcp)"' |
	sort | uniq -c | xargs)
check_eq "fragments of a packet in a tunnel leave alike" "4 7:0" "$fragments"
ip -n "$router" link set "$wan" mtu 1500
# That ended the flows
all_offloaded()
{
	talk "ping 1 64 c d" && [ "$(for f in ipv4 ipv6; do
		in_ns "$router" conntrack -L -f "$f" -p tcp 2> /dev/null
	done | grep -c -E "^[^=]*src=[^ ]* dst=[^ ]* sport=400[23] .*\[(HW_)?OFFLOAD\]")" = 2 ]
}
check "TCP is offloaded again" busywait 10 all_offloaded

# A packet of AF31, of the slow path, waits in a queue of the device until one of the
# flow comes, in whose window it leaves: untouched.sh tells how
raw="raw --dev cl0 --dst-mac $(mac_of "$router" lan0) --src $lan6:2 --dst $six:2
	--proto udp --dport 9"
went_along()
{
	tac "$up" | awk '/^."phase"/ && n++ { exit } { print }' | tac |
		jq -r 'select(.inner.family == "ipv6" and .family == "ipv4") |
			"\(.inner.dscp) \(.inner.sport)"' | awk '
		held == 1 && $2 == 4004 { along = 1 }
		{ held = $1 == 26 }
		END { exit !along }'
}
waits_in_queue()
{
	tc -n "$router" qdisc replace dev six4 root tbf rate 80bit burst 1600 \
		limit 100000 || bail "no tbf"
	# shellcheck disable=SC2086 # words
	pkt "$client" $raw --sport 4100 --tos 0x28 --size 1300 + \
		$raw --sport 4101 --tos 0x68 --size 600
	tc -n "$router" qdisc change dev six4 root tbf rate 1gbit burst 200k \
		limit 400000 || bail "cannot change tbf"
	talk_or_bail "send 1 64 e"
	phase "$up_pid" "$up"
	went_along
}
# Not offloaded
in_ns "$router" nft insert rule inet ftq forward udp dport 9 accept
phase "$up_pid" "$up"
check "six4 with a queue: a packet waits in it until another comes" \
	busywait 20 waits_in_queue
check_eq "six4 with a queue: what waited in it has no PCP" 7:0 \
	"$(tac "$up" | awk '/^."phase"/ && n++ { exit } { print }' |
		jq -r 'select(.inner.dscp == 26 and .inner.sport == 4101) |
			"\(.vid):\(.pcp)"' | sort -u)"
tc -n "$router" qdisc del dev six4 root

# --- large packets, segmented behind the tunnel ---------------------------------

in_ns "$client" ethtool -K cl0 tso on gso on tx on > /dev/null 2>&1
phase "$up_pid" "$up"
talk_or_bail "bulk 60000 c" "bulk 60000 d"
phase "$up_pid" "$up"
pkt_stop "$up_pid"
# without the pure acknowledgements
large=$(tac "$up" | awk '/^."phase"/ && n++ { exit } { print }' |
	jq -r 'select(.inner.dport == 5000 and .inner.len > 1000) |
		"\(.proto) \(.pcp)"' | sort | uniq -c | xargs)
note "$large"
check "TCP bulk: there are segments of either tunnel" grep -q -E \
	'^[0-9]{2,} ipip .* [0-9]{2,} ipv6 ' <<< "$large"
check_eq "TCP bulk: every segment has the PCP" "ipip 4 ipv6 4" \
	"$(sed -E 's/[0-9]+ (ip[^ ]+ [0-9])/\1/g' <<< "$large")"

# --- large packets that come in the tunnel --------------------------------------

# They count as what the client then gets, each with the header of the tunnel
if ((both_ways)); then
	in_ns "$server" bash -c 'for d in srv0 srv0.7 tun4 tun6; do
		ethtool -K $d tso on gso on tx on
	done' > /dev/null 2>&1
	: > "$up"
	pkt_bg lan_pid "$client" capture cl0 --out "$up" --direction in
	ftqos -n "$router" flow flush
	slow=$(slow_packets)
	talk_or_bail "bulk 60000 c" "bulk 60000 d"
	pkt_stop "$lan_pid"
	check_eq "TCP bulk out of the tunnel: all of it is taken" "$slow" \
		"$(slow_packets)"
	wire=$(jq -s -c 'map(select(.sport == 5000)) | group_by(.family) | .[] |
		[length, (map(.len + if .family == "ipv4" then 20 else 40 end) |
			add)]' "$up")
	check_eq "TCP bulk out of the tunnel: packets and bytes of the segments" \
		"$wire" "$(ftqos -n "$router" -j flow show iif wan0 proto tcp |
			jq -c 'sort_by(.family) | .[] | [.packets, .bytes]')"
fi
finish
