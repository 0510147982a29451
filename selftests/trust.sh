#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Where the class comes from: trust dscp, pcp, none, by the device that a packet
# enters through. And frames whose tag has more than a VLAN ID: PCP, DEI, or the
# VLAN ID 0, which the flowtable alone never takes.
#
# Frames with tags are sent as they are on the server's side (VLAN 7 towards the
# router, whose flowtable is on the untagged wan0) and on the client's (VLAN ID
# 0, a priority tag). Which class one got is told by the band of a prio qdisc on
# the side where it leaves and by `ftqos flow show`. Whether the flowtable took it
# is told by the counter `slow` of the forward chain, and by counters in ingress
# chains behind the flowtable, which match VLAN, PCP and DEI: what the flowtable
# takes does not come there, and what it does not take must come there as it was
# sent.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft tc conntrack ethtool python3 jq ftqos

up=$(mktemp)
down=$(mktemp)
defer rm -f "$up" "$down"
topo_router --vlan7
topo_nft
quiet_neighbours
keep_flows
load_module
prio_bands lan0 wan0
# Tags as they are behind the flowtable's hook
in_ns "$router" nft -f - <<- END || bail "nft refuses the chains"
	insert rule inet ftq forward udp dport 6000-6003 counter name slow accept
	table netdev behind {
		chain wan0 {
			type filter hook ingress device wan0 priority 10
			meta l4proto != udp accept
			vlan id 7 vlan pcp 5 vlan dei 0 counter comment "7:5:0"
			vlan id 7 vlan pcp 0 vlan dei 1 counter comment "7:0:1"
			vlan id 7 vlan pcp 3 vlan dei 1 counter comment "7:3:1"
			vlan id 7 vlan pcp 0 vlan dei 0 counter comment "7:0:0"
		}
		chain lan0 {
			type filter hook ingress device lan0 priority 10
			meta l4proto != udp accept
			vlan id 0 vlan pcp 3 vlan dei 0 counter comment "0:3:0"
			vlan id 0 vlan pcp 0 vlan dei 0 counter comment "0:0:0"
			vlan id 0 vlan pcp 6 vlan dei 1 counter comment "0:6:1"
		}
	}
END
# Nobody answers to the frames that are of no flow
for ns in "$client" "$server"; do
	in_ns "$ns" nft -f - <<- END || bail "nft refuses to drop"
		table inet quiet {
			chain input {
				type filter hook input priority filter
				udp dport 6000-6003 drop
			}
		}
	END
done
tags=(7:5:0 7:0:1 7:3:1 7:0:0 0:3:0 0:0:0 0:6:1)

# behind: what the counters say, a number for each of $tags
behind()
{
	in_ns "$router" nft list table netdev behind | awk -v tags="${tags[*]}" '
		match($0, /packets [0-9]+/) {
			n = substr($0, RSTART + 8, RLENGTH - 8)
			gsub(/.*comment "|"/, "")
			count[$0] = n
		}
		END {
			n = split(tags, tag, " ")
			for (i = 1; i <= n; i++)
				printf "%d%s", count[tag[i]], i < n ? " " : "\n"
		}'
}

talk_serve "$server"
talk_start "$client"
warm=("ping 3 64 *")
talk_or_bail "open a4 udp 198.51.100.2 5000 0x88 4000 0x88" \
	"open a6 udp 2001:db8:2::2 5000 0x88 4000 0x88" "${warm[@]}"
check "IPv4 flow is offloaded" busywait 10 offloaded udp 5000
check "IPv6 flow is offloaded" busywait 10 offloaded udp 5000 ipv6

# Frames of these flows, or (port 6000) of none
wmac=$(mac_of "$router" wan0)
lmac=$(mac_of "$router" lan0)
# frames NS TAG COUNT PORT TOS: the arguments of pkt.py for both families
frames()
{
	local dev=srv0 from=198.51.100.2 from6=2001:db8:2::2
	local mac=$wmac sport=5000 dport=4000 to=192.0.2.2 to6=2001:db8:1::2

	# The forward chain does not offload these
	[ "$4" = 4000 ] || sport=6000 dport=6001
	if [ "$1" = client ]; then
		dev=cl0 mac=$lmac from=192.0.2.2 from6=2001:db8:1::2
		to=198.51.100.2 to6=2001:db8:2::2
		sport=4000 dport=5000
		[ "$4" = 4000 ] || sport=6002 dport=6003
	fi
	echo "raw --dev $dev --dst-mac $mac --tags $2 --count $3 --tos $5" \
		"--sport $sport --dport $dport --src $from --dst $to +" \
		"raw --dev $dev --dst-mac $mac --tags $2 --count $3 --tos $5" \
		"--sport $sport --dport $dport --src $from6 --dst $to6"
}

# send_all PORT: frames of each kind; a different number, for the counters.
# $sent: how many of them in all.
send_all()
{
	# shellcheck disable=SC2046 # words
	pkt "$server" $(frames server 7:5:0 2 "$1" 0x88) + \
		$(frames server 7:0:1 3 "$1" 0x88) + \
		$(frames server 7:3:1 4 "$1" 0x88) + \
		$(frames server 7:0:0 5 "$1" 0x88)
	# shellcheck disable=SC2046 # words
	pkt "$client" $(frames client 0:3:0 6 "$1" 0x88) + \
		$(frames client 0:0:0 7 "$1" 0x88) + \
		$(frames client 0:6:1 8 "$1" 0x88)
	talk_or_bail "${warm[@]}"
}
all="4 6 8 10 12 14 16"

# counted: what the counters behind got since the last call, in $got, and the
# counter slow, in $slow
counted()
{
	local now

	now=$(behind)
	got=$(minus "$now" "$last")
	last=$now
	now=$(slow_packets)
	slow=$((now - last_slow))
	last_slow=$now
}
last=$(behind)
last_slow=$(slow_packets)

send_all 4000
counted
check_eq "unbound: tagged frames of offloaded flows stay on the slow path" \
	"4 6 8 0 12 14 16" "$got"
check_eq "unbound: but those with nothing but the VLAN ID" 60 "$slow"
send_all 6000
counted
check_eq "unbound: frames of no flow come behind the flowtable" "$all" "$got"
check_eq "unbound: and to the forward chain" 70 "$slow"

ftqos -n "$router" dev set any || bail "cannot bind"
hooked()
{
	ftqos -n "$router" -j status |
		jq -e '[.flowtables[].state] == ["hooked", "hooked"]'
}
check "bound: hooks are in place" busywait 10 hooked
talk_or_bail "${warm[@]}"
counted
pkt_bg up_pid "$server" capture srv0 --out "$up" --direction in
pkt_bg down_pid "$client" capture cl0 --out "$down" --direction in
send_all 4000
counted
check_eq "bound: the flowtable takes frames of its flows, whatever the tag" \
	"0 0 0 0 0 0 0" "$got"
check_eq "bound: none of them comes to the forward chain" 0 "$slow"
check_eq "bound: ingress_pcp_cleared counts those with more than a VLAN ID" 60 \
	"$(ftqos -n "$router" -j stats show | jq .ingress_pcp_cleared)"
pkt_stop "$up_pid"
pkt_stop "$down_pid"
arrived()
{
	jq -r 'select(.dscp == 34 and .proto == "udp") |
		"\(.pcp) \(.dscp)"' "$1" | sort | uniq -c | xargs
}
check_eq "bound: all arrive at the client, untagged" "34 null 34" \
	"$(arrived "$down")"
check_eq "bound: all arrive at the server, with the PCP of their DSCP" \
	"48 4 34" "$(arrived "$up")"

send_all 6000
counted
check_eq "bound: what is not taken keeps VLAN, PCP and DEI" "$all" "$got"
check_eq "bound: and comes to the forward chain" 70 "$slow"

# Trust. Frames of DSCP 34 (AF41, 4) that come with PCP 5 or none; the band of
# lan0 that they go to, and what flow show says of them.
show_class()
{
	ftqos -n "$router" -j flow show iif "$1" proto udp |
		jq -r 'map("\(.source) \(.class)/\(.dscp)/\(.prio)") | unique | join(" ")'
}
band_of()
{
	awk -v counted="$(minus "$1" "$2")" -v n="$3" 'BEGIN {
		for (i = split(counted, got, " "); i > 0; i--)
			if (got[i] >= n)
				print i - 1
	}' | xargs
}

# trusts NAME COMMANDS SOURCE CLASS PRIO [TAG]: replies with PCP 5, after the commands
trusts()
{
	local before

	[ -z "$2" ] || ftqos -n "$router" -b - <<< "$2" || bail "refused: $2"
	before=$(bands lan0)
	# shellcheck disable=SC2046 # words
	pkt "$server" $(frames server "${6-7:5:0}" 10 4000 0x88)
	talk_or_bail "${fence[@]}"
	check_eq "$1: class $4 of $3, priority $5" "$3 $4/34/$5, band $5" \
		"$(show_class wan0), band $(band_of "$(bands lan0)" "$before" 20)"
}
fence=("sync")
trusts "trust dscp of any" "" dscp 34 4
trusts "trust pcp of any" "dev set any trust pcp" pcp 40 5
trusts "trust none of any" "dev set any trust none" none 0 0
trusts "any's trust pcp, DEI set" "dev set any trust pcp" pcp 24 3 7:3:1
trusts "any's trust pcp, PCP 0" "" pcp 0 0 7:0:0
trusts "wan0's own trust dscp, any's pcp" "dev set wan0 trust dscp" dscp 34 4
trusts "wan0.7's trust pcp, wan0's dscp" "dev set wan0.7 trust pcp" pcp 40 5
trusts "wan0.7's trust none" "dev set wan0.7 trust none" none 0 0
trusts "wan0.7's trust dscp, any's none" "
	dev del wan0
	dev set any trust none
	dev set wan0.7 trust dscp" dscp 34 4
trusts "no binding of any, lan0's trust is not for wan0" "
	dev del any
	dev set lan0 trust none
	dev del wan0.7" dscp 34 4

# The other direction: untagged, and with a priority tag
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	dev set lan0 trust pcp
	dev set wan0.7
END
talk_or_bail "ping 1 64 *"
check_eq "trust pcp of a device without tags: class 0" "pcp 0/34/0" \
	"$(show_class lan0)"
# shellcheck disable=SC2046 # words
pkt "$client" $(frames client 0:6:1 2 4000 0x88)
check_eq "trust pcp and a priority tag: class 48" "pcp 48/34/6" "$(show_class lan0)"
finish
