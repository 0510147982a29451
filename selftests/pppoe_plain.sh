#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# PPPoE without a VLAN, and over one with a PCP in both directions: real pppd and
# pppoe-server, flows of both families, UDP and TCP. The DSCP is read behind the
# session's header on either way. (The binding's life is in pppoe.sh.)

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/encaps.sh
. "$(dirname "$0")/encaps.sh"
# shellcheck source=selftests/ppp.sh
. "$(dirname "$0")/ppp.sh"
need_tools ip nft tc conntrack ethtool python3 jq ftqos pppd pppoe-server
load_module

ppp_setup
topo_router
ip -n "$router" addr flush dev wan0
ip -n "$server" addr flush dev srv0
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	map add wire preset constant 1
	dev set ppp0 absent
	dev set wan0 map wire
	dev set lan0
END
ppp_serve srv0
ppp_connect wan0
topo_nft
keep_flows
prio_bands lan0 wan0
lan_on lan0 cl0
talk_serve "$server"
talk_start "$client"
captures srv0 cl0

is_active()
{
	[ "$(ftqos -n "$router" -j dev show ppp0 | jq -r '.[0].state')" = active ]
}

# answers: class, DSCP, tags and whether there is a session, of packets from the
# server
answers()
{
	ftqos -n "$router" -j flow show iif wan0 |
		jq -c --argjson port "$encaps_port" 'map(select(.dport == $port) |
			[.class, .dscp, .vlan, .pppoe > 0]) | unique'
}

# marked_class ANSWERS: they are that, now or with the next packets
marked_class()
{
	talk_or_bail "ping 1 64 *"
	[ "$(answers)" = "$1" ] || { answers; return 1; }
}
mark_all()
{
	local family proto

	for family in ipv4 ipv6; do
		for proto in udp tcp; do
			in_ns "$router" conntrack -U -f $family -p $proto \
				--orig-port-dst 5000 --mark "$1"
		done
	done > /dev/null 2>&1
}

# --- no VLAN -----------------------------------------------------------------------

check "PPPoE: the binding is active" busywait 10 is_active
open_kinds "PPPoE"
both_ways "PPPoE" pppoe wan0 5 "" lan0 4
check_eq "PPPoE: answers are sent in the session" "$(all_kinds "pppoe 34")" \
	"$sent"
check_eq "PPPoE: answers' class is the DSCP's inside" "[[34,34,null,true]]" \
	"$(answers)"
check_eq "PPPoE: it is the PPP device that decided" ppp0 "$(decided lan0)"
ftqos -n "$router" dev set ppp0 trust none
talk_or_bail "ping 1 64 *"
check_eq "PPPoE: the PPP device's trust holds" "[[0,34,null,true]]" "$(answers)"
mark_all 0xb8
ftqos -n "$router" dev set ppp0 trust ctmark 0xfc
check "PPPoE: the conntrack mark is the class" busywait 5 \
	marked_class "[[46,34,null,true]]"
ftqos -n "$router" dev set ppp0 trust dscp
ftqos -n "$router" dev del ppp0
both_ways "PPPoE, the wire is bound" pppoe wan0 1 "" lan0 4
ftqos -n "$router" dev set ppp0

# --- over a VLAN, with a PCP -------------------------------------------------------

ppp_end
kill "$pppoe_server"
ip -n "$router" -batch - <<- END || bail "no VLAN of the router"
	link add link wan0 name wan0.7 type vlan id 7
	link set wan0.7 up
END
ip -n "$server" -batch - <<- END || bail "no VLAN of the server"
	link add link srv0 name srv0.7 type vlan id 7
	link set srv0.7 up
END
pcp_from "$server" srv0.7 3
ppp_serve srv0.7
ppp_connect wan0.7
check "PPPoE over a VLAN: the binding is active" busywait 10 is_active
open_kinds "PPPoE over a VLAN"
before=$(cleared)
both_ways "PPPoE over a VLAN" "0x8100:7:5:0 pppoe" wan0 5 "" lan0 4
check_eq "PPPoE over a VLAN: answers are sent with PCP 3" \
	"$(all_kinds "0x8100:7:3:0 pppoe 34")" "$sent"
check "PPPoE over a VLAN: and are taken only because of that" \
	test $(($(cleared) - before)) -ge 12
check_eq "PPPoE over a VLAN: answers' class is the DSCP's inside" \
	"[[34,34,[7],true]]" "$(answers)"
ftqos -n "$router" dev set ppp0 trust pcp
talk_or_bail "ping 1 64 *"
check_eq "PPPoE over a VLAN: trust pcp is that of the tag" "[[24,34,[7],true]]" \
	"$(answers)"
mark_all 0xb8
ftqos -n "$router" dev set ppp0 trust ctmark 0xfc
check "PPPoE over a VLAN: the conntrack mark is the class" busywait 5 \
	marked_class "[[46,34,[7],true]]"
captures_end
finish
