#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A bridge towards the house, VLAN-aware or not, and scope all.
#
#   $client                    $router                        $server
#  +---------+      +-----------------------------+      +--------------+
#  | cl0     +------+ lan0                   wan0 +------+ srv0         |
#  +---------+      |   br0 (br0.10)       wan0.7 |      | srv0.7       |
#  | cl1     +------+ lan1                        |      |              |
#  +---------+      +-----------------------------+      +--------------+
#   $second
#
# The bridge's binding covers its ports: what the flowtable sends on them, whether
# the kernel's flowtable sends on the bridge or on the port, has the priority of
# the bridge's map (a prio qdisc on the port counts) and the PCP where the port
# is tagged. With scope all, routed packets of the slow path and bridged ones leave
# like offloaded ones, and the router's own do not.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip bridge nft tc conntrack ethtool python3 jq ftqos
load_module

up=$(mktemp)
down=$(mktemp)
defer rm -f "$up" "$down"

topo_router --vlan7
setup_ns second
ip -batch - <<- END || bail "no second host"
	link add cl1 netns $second type veth peer name lan1 netns $router
END
no_offloads "$router" lan1
no_offloads "$second" cl1
# No reports of its own to be bridged
in_ns "$second" sysctl -q -w net.ipv6.conf.all.disable_ipv6=1
ip -n "$second" addr add $lan4.3/24 dev cl1
ip -n "$second" link set cl1 up
ip -n "$router" -batch - <<- END || bail "no bridge"
	addr flush dev lan0
	link add br0 type bridge mcast_snooping 0 forward_delay 0
	link set lan0 master br0
	link set lan1 master br0
	link set lan1 up
	link set br0 up
	addr add $lan4.1/24 dev br0
	addr add $lan6:1/64 dev br0 nodad
END
topo_nft
keep_flows
busywait 20 in_ns "$client" ping -q -c 1 -W 1 "$wan4.2" > /dev/null ||
	bail "no way through the bridge (IPv4)"
busywait 20 in_ns "$client" ping -q -c 1 -W 1 "$wan6:2" > /dev/null ||
	bail "no way through the bridge (IPv6)"
prio_bands lan0 wan0

# counted BAND DEV: packets that band counted since the last call
declare -A last_count
counted()
{
	local now

	now=$(bands "$2" | cut -d' ' -f$(($1 + 1)))
	got=$((now - ${last_count[$1$2]:-0}))
	last_count[$1$2]=$now
}

# pcps FILE PORT: "FAMILY VID:PCP" of the packets to or from the port in the
# last phase, each kind once
pcps()
{
	tac "$1" | awk '/^."phase"/ && n++ { exit } { print }' |
		jq -r --argjson p "$2" 'select(.dport == $p or .sport == $p) |
			"\(.family) \(.vid // "-"):\(.pcp // "-")"' | sort -u
}

both()
{
	printf 'ipv4 %s\nipv6 %s\n' "$1" "$1"
}

talk_serve "$server" 5000 9
talk_start "$client"
pkt_bg up_pid "$server" capture srv0 --out "$up" --direction in
pkt_bg down_pid "$client" capture cl0 --out "$down" --direction in

# ping_offloaded: a packet each, some of which may have to wait for a neighbour
ping_offloaded()
{
	talk "ping 1 64 *" && offloaded udp 5000 && offloaded udp 5000 ipv6
}

# open_flows: AF41 both ways
open_flows()
{
	[ -z "${opened-}" ] || talk_or_bail "close *"
	opened=1
	talk_or_bail "open a udp $wan4.2 5000 0x88 $1 0x88" \
		"open b udp $wan6:2 5000 0x88 $1 0x88" "ping 2 64 *"
	busywait 10 ping_offloaded > /dev/null
	check "$2: IPv4 flow is offloaded" busywait 10 offloaded udp 5000
	check "$2: IPv6 flow is offloaded" busywait 10 offloaded udp 5000 ipv6
	slow=$(slow_packets)
}

# --- a plain bridge ------------------------------------------------------------

open_flows 4000 "bridge"
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	map add house preset constant 6
	dev set br0 map house
	dev set wan0.7
END
counted 6 lan0
counted 4 wan0
phase "$up_pid" "$up"
talk_or_bail "ping 4 64 *"
phase "$up_pid" "$up"
counted 6 lan0
check_eq "bridge: its binding gives packets on a port their priority" 8 "$got"
counted 4 wan0
check_eq "bridge: those of the other side have theirs" 8 "$got"
check_eq "bridge: PCP on the other side" "$(both 7:4)" "$(pcps "$up" 5000)"
check_eq "bridge: it is the bridge that decided" br0 \
	"$(ftqos -n "$router" -j flow show iif wan0 |
		jq -r 'map(.oif) | unique | join(" ")')"
check_eq "bridge: nothing came to the forward chain" "$slow" "$(slow_packets)"
check_eq "bridge: active" active \
	"$(ftqos -n "$router" -j dev show br0 | jq -r '.[0].state')"

# --- scope all -------------------------------------------------------------------

# Not offloaded: another port
in_ns "$router" nft insert rule inet ftq forward th dport 9 accept
in_ns "$router" nft insert rule inet ftq forward th sport 9 accept
talk_or_bail "open s4 udp $wan4.2 9 0x88 4009 0x88" \
	"open s6 udp $wan6:2 9 0x88 4009 0x88" "ping 1 64 s*"
own()
{
	pkt "$router" send "$wan4.2" --tos 0x88 --dport 4012 --count 3 + \
		send "$lan4.2" --tos 0x88 --dport 4012 --count 3
}
bridged()
{
	pkt "$second" send "$lan4.2" --tos 0x88 --sport 4010 --dport 4011 \
		--count 5
}
own
bridged
counted 6 lan0
counted 4 wan0
phase "$up_pid" "$up"
talk_or_bail "ping 4 64 s*"
phase "$up_pid" "$up"
counted 6 lan0
check_eq "scope offloaded: routed packets stay alone" 0 "$got"
check_eq "scope offloaded: and have no PCP" "$(both 7:0)" "$(pcps "$up" 9)"
bridged
counted 6 lan0
check_eq "scope offloaded: bridged packets stay alone" 0 "$got"

ftqos -n "$router" -b - <<- END || bail "scope all is refused"
	dev set br0 scope all
	dev set wan0.7 scope all
END
check_eq "scope all is shown" all \
	"$(ftqos -n "$router" -j dev show br0 | jq -r '.[0].scope')"
counted 6 lan0
counted 4 wan0
phase "$up_pid" "$up"
talk_or_bail "ping 4 64 s*"
phase "$up_pid" "$up"
counted 6 lan0
check_eq "scope all: routed packets have the priority of offloaded ones" 8 "$got"
counted 4 wan0
check_eq "scope all: on the other side as well" 8 "$got"
check_eq "scope all: and the PCP" "$(both 7:4)" "$(pcps "$up" 9)"
talk_or_bail "ping 4 64 a" "ping 4 64 b"
counted 6 lan0
check_eq "scope all: offloaded ones are as before" 8 "$got"
check_eq "scope all: which were offloaded" "$slow" "$(slow_packets)"
arrived()
{
	[ "$(grep -c '"dport": 4011' "$down")" = $(($1 + 5)) ]
}
before=$(grep -c '"dport": 4011' "$down")
bridged
busywait 10 arrived "$before"
counted 6 lan0
check_eq "scope all: bridged packets have it too" 5 "$got"
counted 4 wan0
counted 6 lan0
own_arrived()
{
	[ "$(grep -c '"dport": 4012' "$down")" = $(($1 + 3)) ]
}
before=$(grep -c '"dport": 4012' "$down")
own
check "scope all: the router's own packets" busywait 10 own_arrived "$before"
counted 4 wan0
check_eq "scope all: ... stay alone" 0 "$got"
counted 6 lan0
check_eq "scope all: ... on the bridge as well" 0 "$got"
ftqos -n "$router" -b - <<- END
	dev set br0 scope offloaded
	dev set wan0.7 scope offloaded
END

# --- learned classes -------------------------------------------------------------

# What enters through the bridge and what leaves through it: both have another device
# on the slow path, where the rule is, than offloaded
in_ns "$router" nft -f - <<- END || bail "nft refuses the rules"
	table inet rules {
		chain forward {
			type filter hook forward priority -10
			udp sport 4030 meta priority set 0:5
			udp dport 4030 meta priority set 0:3
		}
	}
END
ftqos -n "$router" -b - <<- END || bail "sticky is refused"
	dev set br0 sticky on
	dev set wan0.7 sticky on
END
# bands_of NAME N: so many have the rule's priority each way
bands_of()
{
	counted 5 wan0
	check_eq "$1, from the bridge" "$2" "$got"
	counted 3 lan0
	check_eq "$1, to the bridge" "$2" "$got"
}
counted 5 wan0
counted 3 lan0
slow=$(slow_packets)
talk_or_bail "open l4 udp $wan4.2 5000 0x88 4030 0x88" \
	"open l6 udp $wan6:2 5000 0x88 4030 0x88" "ping 1 64 l*"
check_eq "sticky: a packet of each family, each way, on the slow path" 4 \
	$(($(slow_packets) - slow))
bands_of "sticky: the rule's priority" 2
slow=$(slow_packets)
ftqos -n "$router" stats reset
talk_or_bail "ping 4 64 l*"
bands_of "sticky: that is learned" 8
check_eq "sticky: by offloaded packets" "0 16" "$(($(slow_packets) - slow)) $(
	ftqos -n "$router" -j stats show | jq .learned)"
in_ns "$router" nft delete table inet rules
ftqos -n "$router" -b - <<- END
	dev set br0 sticky off
	dev set wan0.7 sticky off
END

# --- VLANs of the bridge, the client's port tagged -----------------------------

ip -n "$router" -batch - <<- END || bail "no VLAN-aware bridge"
	addr flush dev br0
	link set br0 type bridge vlan_filtering 1
	link add link br0 name br0.10 type vlan id 10
	link set br0.10 up
	addr add $lan4.1/24 dev br0.10
	addr add $lan6:1/64 dev br0.10 nodad
END
in_ns "$router" bash -c 'bridge vlan add dev br0 vid 10 self &&
	bridge vlan add dev lan0 vid 10' || bail "no VLAN on the bridge"
ip -n "$client" -batch - <<- END || bail "no VLAN on the client"
	addr flush dev cl0
	link add link cl0 name cl0.10 type vlan id 10
	link set cl0.10 up
	addr add $lan4.2/24 dev cl0.10
	addr add $lan6:2/64 dev cl0.10 nodad
	route replace default via $lan4.1
	route replace default via $lan6:1
END
busywait 20 in_ns "$client" ping -q -c 1 -W 1 "$wan4.2" > /dev/null ||
	bail "no way through the VLAN of the bridge (IPv4)"
busywait 20 in_ns "$client" ping -q -c 1 -W 1 "$wan6:2" > /dev/null ||
	bail "no way through the VLAN of the bridge (IPv6)"

ftqos -n "$router" -b - <<- END || bail "cannot bind"
	map add vlan10 preset constant 3
	dev set br0.10 map vlan10
END
in_ns "$router" nft delete table inet ftq
topo_nft
keep_flows
open_flows 4020 "VLAN of a bridge, tagged port"
counted 3 lan0
phase "$down_pid" "$down"
talk_or_bail "ping 4 64 *"
phase "$down_pid" "$down"
counted 3 lan0
check_eq "VLAN of a bridge, tagged port: priority of its map" 8 "$got"
check_eq "VLAN of a bridge, tagged port: PCP" "$(both 10:3)" \
	"$(pcps "$down" 5000)"
check_eq "VLAN of a bridge, tagged port: nothing came to the forward chain" \
	"$slow" "$(slow_packets)"
check_eq "VLAN of a bridge: it is its device that decided" br0.10 \
	"$(ftqos -n "$router" -j flow show iif wan0 sport 5000 |
		jq -r 'map(select(.dport == 4020) | .oif) | unique | join(" ")')"
pkt_stop "$up_pid"
pkt_stop "$down_pid"

# --- a bridge without ports ------------------------------------------------------

ip -n "$router" link add br9 type bridge
ip -n "$router" link set br9 up
ftqos -n "$router" dev set br9
check_eq "a bridge without ports is not resolved" unresolved \
	"$(ftqos -n "$router" -j dev show br9 | jq -r '.[0].state')"
ip -n "$router" link add d9 up type dummy
ip -n "$router" link set d9 master br9
check_eq "with a port it is" active \
	"$(ftqos -n "$router" -j dev show br9 | jq -r '.[0].state')"
finish
