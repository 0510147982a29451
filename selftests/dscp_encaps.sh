#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# DSCPs that are rewritten behind other headers: in QinQ, in PPPoE over a VLAN, both
# in single packets and in large ones, and on a bridge, whose frames and those that
# the router sends through it come to the same ports. (Tunnels are in tunnels.sh,
# IPsec in xfrm.sh.)
#
# What leaves is looked at on both wires: tags, session and DSCP. That packets were
# offloaded is told by the forward chain's counter, which stands still; what was
# counted as rewritten is all that was offloaded.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/encaps.sh
. "$(dirname "$0")/encaps.sh"
# shellcheck source=selftests/ppp.sh
. "$(dirname "$0")/ppp.sh"
need_tools ip nft tc conntrack ethtool python3 jq ftqos bridge pppd pppoe-server
load_module
ppp_setup

# maps DEV: EF becomes AF31 on it, AF41 becomes CS2 on lan0
maps()
{
	ftqos -n "$router" -b - <<- END || bail "cannot bind"
		map add wire
		map set wire ef dscp af31
		map add home
		map set home af41 dscp cs2
		dev set $1 map wire
		dev set lan0 map home
	END
}

# counted: what was rewritten, and what was offloaded
counted()
{
	local out

	out=$(counters dscp_set offloaded_packets)
	echo "${out/ / of }"
}

# leaves NAME TAGS: four flows' packets leave with these, and with the maps' DSCPs
leaves()
{
	local n saw slow

	phase "$up_pid" "$up_cap"
	phase "$down_pid" "$down_cap"
	ftqos -n "$router" stats reset
	slow=$(slow_packets)
	talk_or_bail "ping 3 64 *"
	phase "$up_pid" "$up_cap"
	phase "$down_pid" "$down_cap"
	check_eq "$1: nothing comes to the forward chain" "$slow" "$(slow_packets)"
	saw=$(looks)
	check_eq "$1: towards the server" "$(all_kinds "$2 26")" \
		"$(those "up in" "$saw")"
	check_eq "$1: towards the client" "$(all_kinds 16)" "$(those "down in" "$saw")"
	n=$(counters offloaded_packets)
	check "$1: they were many" test "$n" -ge 24
	check_eq "$1: all were counted" "$n of $n" "$(counted)"
}

# large NAME TAGS: the same of segments towards the server, which come in large packets
large()
{
	local n slow

	in_ns "$client" ethtool -K cl0 gso on tso on tx on > /dev/null 2>&1
	talk_or_bail "ping 1 64 *"
	phase "$up_pid" "$up_cap"
	phase "$down_pid" "$down_cap"
	ftqos -n "$router" stats reset
	slow=$(slow_packets)
	talk_or_bail "bulk 60000 t*"
	phase "$up_pid" "$up_cap"
	phase "$down_pid" "$down_cap"
	check_eq "$1: nothing comes to the forward chain" "$slow" "$(slow_packets)"
	check_eq "$1: towards the server" \
		"$(printf '%s\n' "ipv4 tcp $2 26" "ipv6 tcp $2 26")" \
		"$(those "up in" "$(looks)")"
	check "$1: they came in large ones" jq -es --argjson p "$encaps_port" \
		'any(.sport == $p and .dir == "out" and .len > 2000)' \
		<(last_phase "$down_cap")
	n=$(counters offloaded_packets)
	check "$1: they were many" test "$n" -ge 80
	check_eq "$1: all were counted" "$n of $n" "$(counted)"
}

# --- QinQ --------------------------------------------------------------------------

topo_router --vlans "802.1ad:100 802.1Q:5"
topo_nft
quiet_neighbours
keep_flows
maps "$wan"
talk_serve "$server"
talk_start "$client"
captures srv0 cl0
open_kinds "QinQ"
leaves "QinQ" "0x88a8:100:5:0 0x8100:5:5:0"
large "QinQ, large" "0x88a8:100:5:0 0x8100:5:5:0"
captures_end

# --- PPPoE over a VLAN ---------------------------------------------------------------

topo_router --vlan7
ip -n "$router" addr flush dev wan0.7
ip -n "$server" addr flush dev srv0.7
in_ns "$router" sysctl -q -w net.ipv6.conf.default.accept_dad=0
ppp_serve srv0.7
ppp_connect wan0.7
maps ppp0
topo_nft
keep_flows
tc -n "$router" qdisc replace dev ppp0 root noqueue
talk_serve "$server"
talk_start "$client"
captures srv0 cl0
open_kinds "PPPoE"
leaves "PPPoE" "0x8100:7:5:0 pppoe"
large "PPPoE, large" "0x8100:7:5:0 pppoe"

# With scope all: the slow path's packets, each DSCP becomes the other
in_ns "$router" nft insert rule inet ftq forward udp dport 9 accept
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	map set wire ef dscp af41 pcp 5
	map set wire af41 dscp ef pcp 4
	dev set ppp0 scope all
	stats reset
END
lmac=$(mac_of "$router" lan0)
phase "$up_pid" "$up_cap"
raw="raw --dev cl0 --dst-mac $lmac --sport 4000 --dport 9 --src $lan4.2 --dst $wan4.2"
# shellcheck disable=SC2086 # words
pkt "$client" $raw --tos 0xb9 --count 3 + $raw --tos 0x8a --count 4
talk_or_bail
phase "$up_pid" "$up_cap"
# slow: the last phase's packets to port 9, "N SESSION? PCP DSCP ECN SUM"
slow()
{
	last_phase "$1" | jq -r 'select(.dport == 9 and .dir == "in") |
		"\(.pppoe != null) \(.pcp) \(.dscp) \(.ecn) \(.sum)"' |
		sort | uniq -c | sed 's/^ *//'
}
check_eq "PPPoE, scope all: DSCP and PCP by the DSCP that they came with" \
	"4 true 4 46 2 1"$'\n'"3 true 5 34 1 1" "$(slow "$up_cap")"
check_eq "PPPoE, scope all: each was counted once" 7 \
	"$(counters dscp_set)"
# Of two classes with the same DSCP and priority behind it nobody knows which it was
ftqos -n "$router" map set wire cs1 dscp af41 prio 5 pcp 1
phase "$up_pid" "$up_cap"
# shellcheck disable=SC2086 # words
pkt "$client" $raw --tos 0xb9 --count 3 + $raw --tos 0x20 --count 4
talk_or_bail
phase "$up_pid" "$up_cap"
check_eq "PPPoE, scope all: if two classes look alike, the PCP of the new DSCP" \
	"3 true 4 34 1 1"$'\n'"4 true 4 34 0 1" "$(slow "$up_cap" | sort -k5,5r)"
captures_end

# --- VXLAN, whose header is UDP's, as the packet's own --------------------------------

topo_router
# With "dev" it would be a device on wan0, which gets that one's binding
for n in "$router $wan4.1 $wan4.2 203.0.113.1" "$server $wan4.2 $wan4.1 203.0.113.2"; do
	read -r ns own peer address <<< "$n"
	ip -n "$ns" -batch - <<- END || bail "no VXLAN"
		link add vx0 type vxlan id 9 local $own remote $peer dstport 4789
		link set vx0 up
		addr add $address/24 dev vx0
	END
done
# Answers come the same way
ip -n "$server" route add "$lan4.0/24" via 203.0.113.1 || bail "no route"
topo_nft --devices "lan0, wan0, vx0"
keep_flows
maps wan0
talk_serve "$server"
talk_start "$client"
talk_or_bail "open v udp 203.0.113.2 5000 0xb9 4100 0x88" "ping 3 64 v"
check "VXLAN: the flow is offloaded" busywait 10 offloaded udp 5000
pkt_bg up_pid "$server" capture any --out "$up_cap" --direction in
# vxlan NAME INSIDE COUNT: DSCPs and ECN outside and inside, and how many were set
vxlan()
{
	local slow

	ftqos -n "$router" stats reset
	slow=$(slow_packets)
	phase "$up_pid" "$up_cap"
	talk_or_bail "ping 5 64 v"
	phase "$up_pid" "$up_cap"
	check_eq "VXLAN: $1" "5 srv0 4789 0 1:5 vx0 5000 $2 1:$3" \
		"$(last_phase "$up_cap" | jq -r 'select(.dport == 5000 or .len == 142) |
			"\(.dev) \(.dport) \(.dscp) \(.ecn)"' | sort | uniq -c |
			sed 's/^ *//' | paste -s -d:):$(ftqos -n "$router" -j flow show \
			iif lan0 | jq -r '.[0] | "\(.dscp) \(.dscp_out)"') $(
			ftqos -n "$router" -j stats show | jq .dscp_set)"
	check_eq "VXLAN: $1: nothing comes to the forward chain" "$slow" \
		"$(slow_packets)"
}
ftqos -n "$router" dev del lan0
vxlan "below its device neither header is rewritten" 46 "46 46 0"
ftqos -n "$router" dev set vx0 map wire
vxlan "on its device the packet's own is" 26 "46 26 5"
pkt_stop "$up_pid"

# --- a bridge, scope all ---------------------------------------------------------------

# cl1 --- br1 (bridge br0, wan0 a port of it) and lan0 --- routed --- br0
topo_router
smac=$(mac_of "$server" srv0)
ip -batch - <<- END || bail "no bridge"
	link add cl1 netns $client type veth peer name br1 netns $router
END
ip -n "$client" link set cl1 up
ip -n "$router" -batch - <<- END || bail "no bridge"
	link add br0 type bridge mcast_snooping 0 forward_delay 0
	addr flush dev wan0
	link set wan0 master br0
	link set br1 master br0 up
	link set br0 up
	addr add $wan4.1/24 dev br0
	neigh replace $wan4.2 lladdr $smac dev br0
	neigh replace $wan4.9 lladdr 02:00:00:00:00:77 dev br0
END
bridge -n "$router" fdb replace "$smac" dev wan0 master static || bail "no fdb"
forwarding()
{
	[ "$(bridge -n "$router" -j link show |
		jq '[.[] | select(.state == "forwarding")] | length')" = 2 ]
}
busywait 10 forwarding || bail "the bridge does not forward"
topo_nft --devices "lan0, wan0, br1"
in_ns "$router" nft insert rule inet ftq forward udp dport 9 accept
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	map add wire
	map set wire ef dscp af41
	map set wire af41 dscp ef
END
pkt_bg up_pid "$server" capture srv0 --out "$up_cap" --direction in
lmac=$(mac_of "$router" lan0)
raw="raw --sport 4000 --dport 9 --src $lan4.2"
talk_start "$client"
for bound in br0 wan0 any; do
	ftqos -n "$router" -b - <<- END || bail "cannot bind"
		dev set $bound map wire scope all
		stats reset
	END
	phase "$up_pid" "$up_cap"
	# By turns, so that a packet has the memory of one that went the other way
	cmd=()
	for i in 1 2 3 4 5; do
		# shellcheck disable=SC2206 # words
		cmd+=($raw --dst "$wan4.2" --dev cl0 --dst-mac "$lmac" --tos 0xb8 +
			$raw --dst "$wan4.2" --dev cl1 --dst-mac "$smac" --tos 0x88 +
			$raw --dst "$wan4.2" --dev cl0 --dst-mac "$lmac" --tos 0x88 +
			$raw --dst "$wan4.2" --dev cl1 --dst-mac "$smac" --tos 0xb8 +)
	done
	unset "cmd[-1]"
	pkt "$client" "${cmd[@]}"
	talk_or_bail
	phase "$up_pid" "$up_cap"
	check_eq "a bridge, $bound is bound: routed and bridged packets, each once" \
		"10 false null 34 0 1"$'\n'"10 false null 46 0 1 20" \
		"$(slow "$up_cap") $(counters dscp_set)"
	# Nobody has this address: a copy goes to each port
	phase "$up_pid" "$up_cap"
	# shellcheck disable=SC2086 # words
	pkt "$client" $raw --dst "$wan4.9" --dev cl0 --dst-mac "$lmac" --tos 0xb9 \
		--count 3 + $raw --dst "$wan4.9" --dev cl0 --dst-mac "$lmac" \
		--tos 0x8a --count 4
	talk_or_bail
	phase "$up_pid" "$up_cap"
	check_eq "a bridge, $bound is bound: what it floods, once" \
		"3 false null 34 1 1"$'\n'"4 false null 46 2 1" "$(slow "$up_cap")"
	ftqos -n "$router" dev del $bound
done
pkt_stop "$up_pid"

# --- devices that share another, scope all ----------------------------------------------

for kind in macvlan ipvlan; do
	mode=private
	[ $kind = macvlan ] || mode=l2
	topo_router
	ip -n "$router" -batch - <<- END || bail "no $kind"
		link add sh0 link wan0 type $kind mode $mode
		link set sh0 up
		addr add 203.0.113.1/24 dev sh0
		neigh replace 203.0.113.2 lladdr $(mac_of "$server" srv0) dev sh0
	END
	# It is not sent back
	ip -n "$server" route add blackhole 203.0.113.2 || bail "no route"
	topo_nft
	pkt_bg up_pid "$server" capture srv0 --out "$up_cap" --direction in
	raw="raw --sport 4000 --dport 9 --src $lan4.2 --dst 203.0.113.2 --dev cl0"
	raw+=" --dst-mac $(mac_of "$router" lan0)"
	talk_start "$client"
	for bound in any wan0 sh0; do
		ftqos -n "$router" -b - <<- END || bail "cannot bind"
			map add wire
			map set wire ef dscp af41
			map set wire af41 dscp ef
			dev set $bound map wire scope all
			stats reset
		END
		phase "$up_pid" "$up_cap"
		# shellcheck disable=SC2086 # words
		pkt "$client" $raw --tos 0xb9 --count 3 + $raw --tos 0x8a --count 4
		talk_or_bail
		phase "$up_pid" "$up_cap"
		check_eq "$kind, $bound is bound: each DSCP is the other, once" \
			"3 false null 34 1 1"$'\n'"4 false null 46 2 1 7" \
			"$(slow "$up_cap") $(ftqos -n "$router" -j stats show |
				jq .dscp_set)"
		ftqos -n "$router" dev del $bound
		ftqos -n "$router" map del wire
	done
	[ $kind = macvlan ] || continue
	ip -n "$router" -batch - <<- END || bail "no VLAN on $kind"
		link add sh0.9 link sh0 type vlan id 9
		link set sh0.9 up
		addr add 203.0.114.1/24 dev sh0.9
		neigh replace 203.0.114.2 lladdr $(mac_of "$server" srv0) dev sh0.9
	END
	ftqos -n "$router" -b - <<- END || bail "cannot bind"
		map add wire
		map set wire ef dscp af41 pcp 5
		map set wire af41 dscp ef pcp 4
		dev set sh0.9 map wire scope all
	END
	phase "$up_pid" "$up_cap"
	# shellcheck disable=SC2086 # words
	pkt "$client" ${raw/203.0.113.2/203.0.114.2} --tos 0xb9 --count 3
	talk_or_bail
	phase "$up_pid" "$up_cap"
	check_eq "$kind, a VLAN device on it is bound: the DSCP is the other" \
		"3 false 5 34 1 1" "$(slow "$up_cap")"
	pkt_stop "$up_pid"
done
pkt_stop "$up_pid"
finish
