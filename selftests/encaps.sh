# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the tests of encapsulations share: four flows (UDP and TCP, IPv4 and IPv6),
# and a look at them in both directions. Sourced after lib.sh.
#
# The default map gives packets from the client, DSCP 46 (EF), the value 5, and
# answers, DSCP 34 (AF41), the value 4, as priority and as PCP: so what is seen
# on the wire tells that the DSCP was read in the header inside.

up_cap='' up_pid='' down_cap='' down_pid='' encaps_port=4000
# The server's devices that are a wire, where all are captured
wires=.

# moves NS FROM TO ADDR4 ADDR6 [GATEWAY4 GATEWAY6]: the addresses of one end of a
# cable to another device
moves()
{
	{
		echo "addr flush dev $2"
		echo "addr add $4/24 dev $3"
		echo "addr add $5/64 dev $3 nodad"
		[ $# = 5 ] || printf 'route replace default via %s\n' "$6" "$7"
	} | ip -n "$1" -batch - || bail "cannot move addresses from $2 to $3"
}

# lan_on ROUTER_DEV CLIENT_DEV, wan_on ROUTER_DEV SERVER_DEV: the addresses are
# on these from now on, and both sides know each other's
lan_cl=cl0 lan_dev=lan0
lan_on()
{
	[ "$1" = "$lan_dev" ] || moves "$router" "$lan_dev" "$1" "$lan4.1" "$lan6:1"
	[ "$2" = "$lan_cl" ] || moves "$client" "$lan_cl" "$2" "$lan4.2" \
		"$lan6:2" "$lan4.1" "$lan6:1"
	lan_dev=$1 lan_cl=$2
	neighbours "$router" "$1" "$lan4.2" "$lan6:2" "$client" "$2"
	neighbours "$client" "$2" "$lan4.1" "$lan6:1" "$router" "$1"
}

wan_on()
{
	[ "$1" = "$wan" ] || moves "$router" "$wan" "$1" "$wan4.1" "$wan6:1"
	[ "$2" = "$srv" ] || moves "$server" "$srv" "$2" "$wan4.2" "$wan6:2" \
		"$wan4.1" "$wan6:1"
	wan=$1 srv=$2
	neighbours "$router" "$1" "$wan4.2" "$wan6:2" "$server" "$2"
	neighbours "$server" "$2" "$wan4.1" "$wan6:1" "$router" "$1"
}

# neighbours NS DEV ADDR4 ADDR6 OF_NS OF_DEV
neighbours()
{
	local mac

	mac=$(mac_of "$5" "$6")
	printf 'neigh replace %s lladdr %s dev %s\n' "$3" "$mac" "$2" \
		"$4" "$mac" "$2" | ip -n "$1" -batch - || bail "no neighbours"
}

# captures SERVER_DEV CLIENT_DEV: see what comes to either, and what leaves there
captures()
{
	up_cap=$(mktemp)
	down_cap=$(mktemp)
	defer rm -f "$up_cap" "$down_cap"
	pkt_bg up_pid "$server" capture "$1" --out "$up_cap"
	pkt_bg down_pid "$client" capture "$2" --out "$down_cap"
}

# captures_end: before the devices go
captures_end()
{
	pkt_stop "$up_pid"
	pkt_stop "$down_pid"
}

# pcp_from NS DEV PCP: what the VLAN device gives to frames of any priority
pcp_from()
{
	ip -n "$1" link set "$2" type vlan egress-qos-map 0:"$3" 1:"$3" \
		2:"$3" 3:"$3" 4:"$3" 5:"$3" 6:"$3" 7:"$3" || bail "no map"
}

# cleared: how many packets were taken only because their tag was made to match
cleared()
{
	counters ingress_pcp_cleared
}

# open_kinds NAME: four new flows, which are then offloaded. The first packets
# may have to wait for a neighbour.
open_kinds()
{
	local family proto

	encaps_port=$((encaps_port + 10))
	talk_or_bail "open u4 udp $wan4.2 5000 0xb8 $encaps_port 0x88" \
		"open u6 udp $wan6:2 5000 0xb8 $encaps_port 0x88" \
		"open t4 tcp $wan4.2 5000 0xb8 $encaps_port 0x88" \
		"open t6 tcp $wan6:2 5000 0xb8 $encaps_port 0x88" "ping 2 64 *"
	for family in ipv4 ipv6; do
		for proto in udp tcp; do
			check "$1: $proto of $family is offloaded" \
				busywait 10 ping_offloaded $proto $family
		done
	done
}

ping_offloaded()
{
	in_ns "$router" conntrack -L -f "$2" -p "$1" 2> /dev/null |
		grep "sport=$encaps_port dport=5000 " |
		grep -q -E '\[(HW_)?OFFLOAD\]' || {
		talk "ping 1 64 *"
		return 1
	}
}

# last_phase FILE
last_phase()
{
	tac "$1" | awk '/^."phase"/ && n++ { exit } { print }'
}

# looks: how packets of the four flows looked in the last phase, each kind once:
# "up|down in|out FAMILY PROTO TAGS PPPOE DSCP"
looks()
{
	{
		last_phase "$up_cap"
		echo '{"turn": 1}'
		last_phase "$down_cap"
	} | jq -n -r --argjson port "$encaps_port" --arg wires "$wires" '
		foreach inputs as $p ({at: "up"};
			if $p.turn then {at: "down"} else {at, p: $p} end;
			if .p then .at as $at | .p + {at: $at} else empty end) |
		select((.sport == $port or .dport == $port) and
			(.dev == null or (.dev | test($wires)))) |
		[.at, .dir, .family, .proto,
			(.tags | map("\(.tpid):\(.vid):\(.pcp):\(.dei)") | join(" ")),
			(if .pppoe then "pppoe" else "" end), .dscp] |
		map(select(. != "")) | join(" ")' | sort -u
}

# those WHERE LINES: of what looks gave
those()
{
	local line

	while read -r line; do
		[[ $line != "$1 "* ]] || echo "${line#"$1 "}"
	done <<< "$2"
}

# all_kinds TAGS: what looks should give
all_kinds()
{
	printf '%s\n' "ipv4 tcp $1" "ipv4 udp $1" "ipv6 tcp $1" "ipv6 udp $1"
}

# band_of DEV NUMBER: packets of one band
band_of()
{
	bands "$1" | cut -d' ' -f$(($2 + 1))
}

# both_ways NAME UP DEV BAND DOWN DEV BAND: four flows' packets leave with the
# tags (and session) of UP and come to the band of DEV, answers likewise; all are
# offloaded. $sent has what the server sent. "-" for both DEV: no bands are looked at.
both_ways()
{
	local name=$1 new=() old=() saw slow

	phase "$up_pid" "$up_cap"
	phase "$down_pid" "$down_cap"
	[ "$3" = - ] || mapfile -t old < <(bands "$3" "$6")
	slow=$(slow_packets)
	talk_or_bail "ping 3 64 *"
	phase "$up_pid" "$up_cap"
	phase "$down_pid" "$down_cap"
	check_eq "$name: nothing comes to the forward chain" "$slow" \
		"$(slow_packets)"
	saw=$(looks)
	check_eq "$name: frames towards the server" \
		"$(all_kinds "${2:+$2 }46")" "$(those "up in" "$saw")"
	check_eq "$name: frames towards the client" \
		"$(all_kinds "${5:+$5 }34")" "$(those "down in" "$saw")"
	# shellcheck disable=SC2034 # for the tests
	sent=$(those "up out" "$saw")
	[ "$3" != - ] || return
	# Three pings of four flows; TCP may add what it likes
	mapfile -t new < <(bands "$3" "$6")
	new=("$(minus "${new[0]}" "${old[0]}")"
		"$(minus "${new[1]}" "${old[1]}")")
	check "$name: band $4 of $3 gets them" at_least 12 "$4" "${new[0]}"
	check "$name: band $7 of $6 gets answers" at_least 12 "$7" "${new[1]}"
}

# at_least COUNT BAND COUNTS
at_least()
{
	local counts

	read -r -a counts <<< "$3"
	[ "${counts[$2]}" -ge "$1" ] || { echo "bands: $3"; false; }
}

# decided IIF: the devices whose bindings decided for the four flows' packets from
# there
decided()
{
	ftqos -n "$router" -j flow show iif "$1" |
		jq -r --argjson port "$encaps_port" 'map(select(.sport == $port or
			.dport == $port) | .oif) | unique | join(" ")'
}
