#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Documentation/recipes.rst: the commands of each recipe are taken from that page and
# run on the router, and what they promise is looked for in packets: PCP and DSCP on the
# wires of server and client, the qdisc's bands or CAKE's tins; conntrack says that the
# flows are offloaded, and the counter `slow` that their packets were. What the page
# shows as output is compared with what the commands print here, but for interface
# numbers and how much there was of a flow.
#
#	recipes.sh [NAME...]	only these
#
# With $FTQOS_OUT the output goes there as well, for the page.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/ppp.sh
. "$(dirname "$0")/ppp.sh"
page=$LIB_DIR/../Documentation/recipes.rst
[ -e "$page" ] || skip_all "no Documentation/recipes.rst here"
need_tools ip nft tc conntrack ethtool python3 jq ftqos pppd pppoe-server
modprobe -a sch_cake sch_prio 2> /dev/null
load_module

# block KIND NAME: the literal block behind the page's comment ".. KIND: NAME"
block()
{
	awk -v head=".. $1: $2" '
		$0 == head { found = 1; next }
		!found { next }
		/^    / { print substr($0, 5); inside = 1; next }
		/^$/ { if (inside) print ""; next }
		$0 != "::" { exit }' "$page"
}

# cook NAME: run the recipe on the router
cook()
{
	local commands

	commands=$(block recipe "$1")
	[ -n "$commands" ] || bail "the page has no recipe $1"
	check "$1: the commands are accepted" in_ns "$router" sh -e -c "$commands" ||
		bail "nothing to look at"
}

# comparable: without what differs from run to run
comparable()
{
	awk '
	/^# / { keep = 99; number = 0; print; next }
	NF == 0 { next }
	$1 == "DEV" || $1 == "IN" {
		for (i = 1; i <= NF; i++) {
			if ($i == "PACKETS")
				keep = i - 1
			if ($i == "IFINDEX")
				number = i
		}
	}
	{
		line = ""
		for (i = 1; i <= NF && i <= keep; i++)
			line = line (i == number ? "" : $i " ")
		print line
	}'
}

# shown NAME: the page shows what the commands print
shown()
{
	local line wanted

	wanted=$(block shown "$1")
	[ -n "$wanted" ] || bail "the page shows nothing of $1"
	grep '^# ' <<< "$wanted" | while read -r line; do
		echo "$line"
		in_ns "$router" sh -c "${line#\# }"
	done > "$tmp/shown"
	[ -z "${FTQOS_OUT-}" ] || cp "$tmp/shown" "$FTQOS_OUT/$1.txt"
	check_eq "$1: the page shows what is printed" "$(comparable <<< "$wanted")" \
		"$(comparable < "$tmp/shown")"
}

# kitchen [PORT...]: the ruleset that all recipes have, counting, servers, captures
kitchen()
{
	in_ns "$router" nft -f - <<- END || bail "nft refuses to count"
		table inet ftq {
			counter slow { }
			chain forward {
				type filter hook forward priority filter + 10
				meta l4proto { tcp, udp } counter name slow
			}
		}
	END
	cook base
	quiet_neighbours
	keep_flows
	talk_serve "$server" "$@"
	talk_start "$client"
	up=$tmp/up.$ktap_n
	down=$tmp/down.$ktap_n
	pkt_bg up_pid "$server" capture srv0 --out "$up" --direction in
	pkt_bg down_pid "$client" capture cl0 --out "$down" --direction in
	opened=()
}

# flows PORT TOS [TOS OF ANSWERS]: UDP of both families to that port
flows()
{
	opened+=("open $1.4 udp $wan4.2 $1 $2 $1 ${3-0}"
		"open $1.6 udp $wan6:2 $1 $2 $1 ${3-0}")
}

# offload NAME: they are opened, and offloaded
offload()
{
	local name _

	hooks_placed
	talk_or_bail "${opened[@]}" "ping 3 64 *"
	for flow in "${opened[@]}"; do
		read -r _ name _ <<< "$flow"
		check "$1: flow $name is offloaded" busywait 10 offloaded udp \
			"${name%.*}" "$([ "${name#*.}" = 6 ] && echo ipv6 || echo ipv4)"
	done
	# New devices change routes a moment later, which ends flows once
	busywait 10 all_fast || bail "flows do not stay offloaded"
	# Of each device the queue is as the recipe left it, whatever came first
	phase "$up_pid" "$up"
	phase "$down_pid" "$down"
	before=$(slow_packets)
}

# all_fast: a packet and an answer of each flow, none on the slow path
all_fast()
{
	local slow

	slow=$(slow_packets)
	talk "ping 1 64 *" && [ "$slow" = "$(slow_packets)" ]
}

# last FILE: the last phase's packets
last()
{
	tac "$1" | awk '/^."phase"/ && n++ { exit } { print }'
}

# sent NAME: three packets and answers of each flow, none on the slow path
sent()
{
	talk_or_bail "ping 3 64 *"
	phase "$up_pid" "$up"
	phase "$down_pid" "$down"
	check_eq "$1: no packet took the slow path" "$before" "$(slow_packets)"
}

# uploads, answers: the kinds of packets that `sent` sent, "PORT: VLAN PCP DSCP" of
# the former, "PORT: DSCP" of the latter
uploads()
{
	last "$up" | jq -r 'select(.dport >= 5000 and .family) |
		"\(.dport): \(.vid) \(.pcp) \(.dscp)"' | sort -u
}
answers()
{
	last "$down" | jq -r 'select(.sport >= 5000 and .family) |
		"\(.sport): \(.dscp)"' | sort -u
}

# all_uploads: the same of all packets since the first
all_uploads()
{
	jq -r 'select(.family == "ipv4" or .family == "ipv6") |
		select((.dport // 0) >= 5000 and .proto == "udp") |
		"\(.dport): \(.vid) \(.pcp) \(.dscp)"' "$up" | sort -u
}

lines()
{
	printf '%s\n' "$@"
}

# clean: what the next recipe does not need
clean()
{
	pkt_stop "$up_pid"
	pkt_stop "$down_pid"
}

# --- voice over PPPoE ---------------------------------------------------------------

recipe_pppoe()
{
	local bands

	topo_router --vlan7
	ip -n "$router" addr flush dev wan0.7
	ip -n "$server" addr flush dev srv0.7
	in_ns "$router" sysctl -q -w net.ipv6.conf.default.accept_dad=0
	kitchen 5060 5061 5062 5063
	cook pppoe
	ppp_serve srv0.7
	ppp_connect wan0.7
	check "pppoe: with the session the binding is active" \
		busywait 10 is_active ppp0
	flows 5060 0xb8
	flows 5061 0x88
	flows 5062 0xc0
	flows 5063 0
	offload pppoe
	bands=$(bands wan0)
	sent pppoe
	check_eq "pppoe: voice has PCP 5, all else 0; no DSCP is changed" \
		"$(lines "5060: 7 5 46" "5061: 7 0 34" "5062: 7 0 48" "5063: 7 0 0")" \
		"$(uploads)"
	check_eq "pppoe: voice is in the first band, all else in the second" \
		"6 18 0" "$(minus "$(bands wan0)" "$bands")"
	check_eq "pppoe: from the first packet on" "$(uploads)" "$(all_uploads)"
	shown pppoe
	clean
}

is_active()
{
	[ "$(ftqos -n "$router" -j dev show "$1" | jq -r '.[0].state')" = active ]
}

# --- three VLANs --------------------------------------------------------------------

recipe_triple()
{
	local bands dev

	topo_router --vlan7
	kitchen 5001 5002 5003
	cook triple
	ip -n "$server" -batch - <<- END || bail "no VLANs in the server"
		link add link srv0 name srv0.8 type vlan id 8
		link add link srv0 name srv0.9 type vlan id 9
		link set srv0.8 up
		link set srv0.9 up
		addr add 203.0.113.2/25 dev srv0.8
		addr add 203.0.113.130/25 dev srv0.9
	END
	for dev in 8:203.0.113.2 9:203.0.113.130; do
		ip -n "$router" neigh replace "${dev#*:}" dev "wan0.${dev%:*}" \
			lladdr "$(mac_of "$server" srv0)"
		busywait 10 in_ns "$client" ping -q -c 1 -W 1 "${dev#*:}" > /dev/null ||
			bail "no way to ${dev#*:}"
	done
	for dev in 8:203.0.113.1 9:203.0.113.129; do
		ip -n "$server" neigh replace "${dev#*:}" dev "srv0.${dev%:*}" \
			lladdr "$(mac_of "$router" wan0)"
	done
	flows 5001 0xb8
	opened+=("open 5002.4 udp 203.0.113.2 5002 0 5002"
		"open 5003.4 udp 203.0.113.130 5003 0 5003")
	offload triple
	bands=$(bands wan0)
	sent triple
	check_eq "triple: each VLAN has its PCP, whatever the DSCP" \
		"$(lines "5001: 7 0 46" "5002: 8 4 0" "5003: 9 5 0")" "$(uploads)"
	check_eq "triple: voice first, then television, then the internet" "3 3 6" \
		"$(minus "$(bands wan0)" "$bands")"
	check_eq "triple: from the first packet on" "$(uploads)" "$(all_uploads)"
	shown triple
	clean
}

# --- a bleached download ------------------------------------------------------------

recipe_bleached()
{
	local bands

	topo_router --vlan7
	kitchen 5000 5001 5010
	cook bleached
	flows 5010 0xb8
	flows 5000 0
	flows 5001 0x20
	offload bleached
	bands=$(bands lan0)
	sent bleached
	check_eq "bleached: the client gets the DSCP that its packets have" \
		"$(lines "5000: 0" "5001: 8" "5010: 46")" "$(answers)"
	check_eq "bleached: and voice was in front" "6 6 6" \
		"$(minus "$(bands lan0)" "$bands")"
	shown bleached
	clean
}

# --- what clients mark --------------------------------------------------------------

recipe_wash()
{
	topo_router --vlan7
	kitchen 5000 5001 5002 5003 5004
	cook wash
	flows 5000 0xc0
	flows 5001 0xe0
	flows 5002 0xa0
	flows 5003 0xb8
	flows 5004 0x88
	offload wash
	sent wash
	check_eq "wash: CS6 and CS7 are washed, CS5 is EF, others as they were" \
		"$(lines "5000: 7 0 0" "5001: 7 0 0" "5002: 7 5 46" "5003: 7 5 46" \
			"5004: 7 4 34")" "$(uploads)"
	check_eq "wash: from the first packet on" "$(uploads)" "$(all_uploads)"
	phase "$up_pid" "$up"
	pkt "$router" send "$wan4.2" --tos 0xc0 --sport 4321 --dport 9 --count 2
	talk_or_bail "ping 1 64 *"
	phase "$up_pid" "$up"
	check_eq "wash: the router's own network control stays" 48 \
		"$(last "$up" | jq 'select(.sport == 4321) | .dscp' | sort -u)"
	shown wash
	clean
}

# --- CAKE ---------------------------------------------------------------------------

# tins: packets of CAKE's tins on wan0
tins()
{
	tc -n "$router" -s -j qdisc show dev wan0 root |
		jq -r '.[0].tins | map(.sent_packets) | join(" ")'
}

recipe_cake()
{
	local tins

	topo_router --vlan7
	kitchen 5000 5001 5002 5003 3074
	cook cake
	flows 5000 0
	flows 5001 0x04
	flows 5002 0x88
	flows 5003 0xb8
	flows 3074 0
	offload cake
	tins=$(tins)
	sent cake
	check_eq "cake: bulk, best effort, video, voice (and the console) by tins" \
		"6 6 6 12" "$(minus "$(tins)" "$tins")"
	check_eq "cake: there is nothing to warn of" "" \
		"$(ftqos -n "$router" -j status | jq -r '.warnings[]')"
	shown cake
	clean
}

# --- qosmate's marks ----------------------------------------------------------------

recipe_qosmate()
{
	local bands

	topo_router --vlan7
	kitchen 5000 5001 27015
	cook qosmate
	flows 5000 0
	flows 5001 0x88
	flows 27015 0
	offload qosmate
	bands=$(bands lan0)
	sent qosmate
	check_eq "qosmate: uploads leave with the DSCP in the mark" \
		"$(lines "27015: 7 5 40" "5000: 7 0 0" "5001: 7 4 34")" "$(uploads)"
	check_eq "qosmate: answers as well" \
		"$(lines "27015: 40" "5000: 0" "5001: 34")" "$(answers)"
	check_eq "qosmate: the game in front" "6 6 6" "$(minus "$(bands lan0)" "$bands")"
	check_eq "qosmate: the marks are what they were" \
		"128 128 162 162 168 168" "$(in_ns "$router" conntrack -L -p udp 2> /dev/null |
			sed -n 's/.* mark=\([0-9]*\).*/\1/p' | sort -n | xargs)"
	shown qosmate
	clean
}

ppp_setup
# Each recipe of the page, and no other
known=$(declare -F | sed -n 's/^declare -f recipe_//p' | sort | xargs)
check_eq "all recipes of the page are run here" "$known" \
	"$(sed -n 's/^\.\. recipe: //p' "$page" | grep -v -x base | sort | xargs)"
# shellcheck disable=SC2086 # words
[ $# -gt 0 ] || set -- $known
for name; do
	"recipe_$name"
done
finish
