#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A kernel without CONFIG_NETFILTER_EGRESS (rule 11): the map of the binding any
# gives offloaded packets their priority before the flowtable sees them; nobody
# gives them a PCP, and the binding of a device gives nothing but its trust.
# Packets that the flowtable does not take keep the priority that they had. All
# of that is said by dev show and status.
#
# The priority is what the bands of prio qdiscs counted, the PCP that of frames on
# the server's wire. The bands that are counted exactly are such as no packet of
# others has a priority for: ARP and neighbour discovery have 0 or 7. That packets
# were offloaded is told by conntrack and by the forward chain's counter, which
# stands still.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft tc conntrack ethtool python3 jq ftqos
load_module
[ "$(ftqos -j status | jq '.egress_hook')" = false ] ||
	skip_all "this kernel has egress hooks"

up=$(mktemp)
defer rm -f "$up"
topo_router --vlan7
topo_nft
quiet_neighbours
keep_flows
prio_bands lan0 wan0
# Priority 4 for what enters with these ports, before any flowtable
in_ns "$router" nft -f - <<- END || bail "nft refuses the chain"
	table netdev early {
		chain lan {
			type filter hook ingress device lan0 priority -100
			udp sport { 6001, 6002 } meta priority set 0:4
		}
	}
END

# q FILTER COMMAND...: what jq makes of the router's answer
q()
{
	ftqos -n "$router" -j "${@:2}" | jq -r "$1"
}

# band DEV N: packets in that band since the last call for it
declare -A band_last
band()
{
	local all now

	read -r -a all < <(bands "$1")
	now=${all[$2]}
	band_n=$((now - ${band_last[$1.$2]:-0}))
	band_last[$1.$2]=$now
}

# round NAME BAND...: 10 packets of each of the two EF flows and of the two of
# port 6001 are sent, offloaded; so many of them came through each BAND of wan0
round()
{
	local b name=$1 got='' slow want=''

	shift
	for b; do
		band wan0 "$b"
	done
	slow=$(slow_packets)
	talk_or_bail "ping 10 64 *"
	for b; do
		band wan0 "$b"
		got+="$b:$band_n "
		want+="$b:20 "
	done
	check_eq "$name" "$want" "$got"
	check_eq "... by way of the flowtable" "$slow" "$(slow_packets)"
}

talk_serve "$server"
talk_start "$client"
talk_or_bail "open ef4 udp $wan4.2 5000 0xb8 6000 0xb8" \
	"open ef6 udp $wan6:2 5000 0xb8 6000 0xb8" \
	"open p4 udp $wan4.2 5000 0x20 6001 0x20" \
	"open p6 udp $wan6:2 5000 0x20 6001 0x20" "ping 3 64 *"
both()
{
	[ "$(offloaded udp 5000 "$1" | wc -l)" = 2 ]
}
check "IPv4 flows are offloaded" busywait 10 both ipv4
check "IPv6 flows are offloaded" busywait 10 both ipv6

# --- what is said -------------------------------------------------------------

# says TEXT FILTER COMMAND...: what the filter selects has that in it
says()
{
	q "$2" "${@:3}" | grep -e "$1"
}

check_eq "status: the kernel has no egress hooks" false \
	"$(q .egress_hook status)"
check "... and a warning says what follows from that" \
	says 'CONFIG_NETFILTER_EGRESS.*PCP.*any' '.warnings[]' status
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	map add voice preset constant 0
	map set voice ef prio 5 pcp 5
	map set voice cs1 prio 3 pcp 3
	map add other preset constant 2
	dev set wan0.7 map other
END
check_eq "a device's binding: its state" no-egress-hook \
	"$(q '.[0].state' dev show wan0.7)"
check "... and the reason, which names the remedy" \
	says 'CONFIG_NETFILTER_EGRESS: bind any' '.[0].reason' dev show wan0.7
check "... is warned of" \
	says '^wan0.7 is no-egress-hook: .*bind any' '.warnings[]' status
out=$(ftqos -n "$router" dev set wan0.7 scope all 2>&1)
check_eq "scope all is refused" 2 $?
check "... by the name of what is missing" \
	grep -e CONFIG_NETFILTER_EGRESS <<< "$out"
# It may have no conntrack marks either
if in_ns "$router" grep -q " mark=" /proc/net/nf_conntrack; then
	skip "trust ctmark is refused" "this kernel has conntrack marks"
else
	out=$(ftqos -n "$router" dev set any trust ctmark 0xfc 2>&1)
	check_eq "trust ctmark is refused" 2 $?
	check "... by the name of what is missing" \
		grep -e 'trust ctmark needs .* CONFIG_NF_CONNTRACK_MARK' <<< "$out"
fi

# --- what is done ---------------------------------------------------------------

pkt_bg up_pid "$server" capture srv0 --out "$up" --direction in
round "a device's binding sets nothing, what had a priority keeps it" 4
check_eq "no priority was set" "0 0" "$(q '"\(.prio_set) \(.pcp_set)"' stats)"

ftqos -n "$router" dev set any map voice || bail "cannot bind any"
check_eq "any: its state" no-egress-hook "$(q '.[0].state' dev show any)"
check "... and the reason, that prio is set" \
	says 'CONFIG_NETFILTER_EGRESS: only prio' '.[0].reason' dev show any
check_eq "the flowtables are hooked" "hooked hooked" \
	"$(q '.flowtables | map(.state) | join(" ")' status)"
ftqos -n "$router" stats reset
round "any gives its map's priority" 5 3
check_eq "... and tells it of each flow, without a PCP" \
	'[[46,5,null],[46,5,null],[8,3,null],[8,3,null]]' \
	"$(q '[.[] | select(.sport >= 6000)] | sort_by(-.class) |
		map([.class, .prio, .pcp]) | tojson' flow show)"
# Forth and back
check_eq "... and counts it" "80 0" "$(q '"\(.prio_set) \(.pcp_set)"' stats)"
ftqos -n "$router" map set voice ef dscp cs7
round "a DSCP is not set" 5 3
check_eq "... nor counted, nor told of" '0 [[46,46],[46,46],[8,8],[8,8]]' \
	"$(q .dscp_set stats) $(q '[.[] | select(.sport >= 6000)] |
		sort_by(-.class) | map([.dscp, .dscp_out]) | tojson' flow show)"
ftqos -n "$router" map set voice ef prio 2
round "a change holds for flows that are offloaded" 2 3
ftqos -n "$router" map set voice cs1 prio keep
round "keep: what had a priority keeps it" 2 4
phase "$up_pid" "$up"
pkt_stop "$up_pid"
check_eq "all packets left in VLAN 7, none with a PCP, with the DSCP they came with" \
	'[200,200]' \
	"$(jq -c -n '[inputs | select(.dport == 5000 and .seq)] |
		[length, ([.[] | select(.vid == 7 and .pcp == 0 and
			(.dscp == 46 or .dscp == 8))] | length)]' \
		"$up")"
ftqos -n "$router" map set voice cs1 prio 3

# Not taken. (An IPv4 packet's priority is made from its TOS on the slow path.)
in_ns "$router" nft insert rule inet ftq forward udp dport 7000 accept
band wan0 3
band wan0 4
missed=$(q .missed_packets stats)
pkt "$client" send "$wan6:2" --tos 0x20 --sport 6002 --dport 7000 --count 12
more_missed()
{
	[ $(($(q .missed_packets stats) - missed)) -ge 12 ]
}
check "missed packets are counted" busywait 10 more_missed
# passed DEV BAND COUNT: so many packets since `sum` was 0
passed()
{
	band "$1" "$2"
	sum=$((sum + band_n))
	[ "$sum" -ge "$3" ]
}
sum=0
check "... leave with the priority that they came with" \
	busywait 10 passed wan0 4 12
band wan0 3
check_eq "... not with the map's" 0 "$band_n"

# --- trust, and tags that are cleared ----------------------------------------------

ftqos -n "$router" dev set wan0.7 trust pcp || bail "cannot bind"
slow=$(slow_packets)
band lan0 3
mac=$(mac_of "$router" wan0)
ftqos -n "$router" stats reset
ftqos -n "$router" map set voice cs3 prio 3
pkt "$server" raw --dev srv0 --dst-mac "$mac" --src "$wan4.2" --dst "$lan4.2" \
	--sport 5000 --dport 6000 --tos 0xb8 --tags 7:3:0 --count 10 + \
	raw --dev srv0 --dst-mac "$mac" --src "$wan6:2" --dst "$lan6:2" \
	--sport 5000 --dport 6000 --tos 0xb8 --tags 7:3:0 --count 10
sum=0
check "trust pcp of a device: the class is the tag's" \
	busywait 10 passed lan0 3 20
check_eq "... of frames that are taken only with their PCP cleared" \
	"20 $slow" "$(q .ingress_pcp_cleared stats) $(slow_packets)"

# --- the end ----------------------------------------------------------------------

ftqos -n "$router" dev del any || bail "cannot unbind any"
round "unbound again" 4
finish
