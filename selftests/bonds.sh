#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A bond towards the server.
#
#   $client             $router                          $server
#  +-----+      +---------------------+          +---------------------+
#  | cl0 +------+ lan0           wan0 +----------+ srv0                |
#  +-----+      |          bond0      |          |      bond1          |
#               |        (bond0.7)    |          |    (bond1.7)        |
#               |                wan1 +----------+ srv1                |
#               +---------------------+          +---------------------+
#
# The flowtable is on the bond: no kernel offloads both directions if it is on the
# links alone. The binding of the bond, or of a VLAN device on it, covers both links:
# priority in the prio qdisc of the link that sends, PCP on its wire, before and
# after a failover, and where both links are used at once.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/encaps.sh
. "$(dirname "$0")/encaps.sh"
need_tools ip nft tc conntrack ethtool python3 jq ftqos
load_module

topo_router
ip -batch - <<- END || bail "no second link"
	link add wan1 netns $router type veth peer name srv1 netns $server
END
no_offloads "$router" wan1
no_offloads "$server" srv1
# shellcheck disable=SC2034 # encaps.sh's
wires='^srv[01]$'

# bond NS DEV LINK MODE...: of LINK0 and LINK1, with a VLAN device on it
bond()
{
	ip -n "$1" -batch - <<- END || bail "no bond in $1"
		link add $2 type bond miimon 50 mode ${*:4}
		link set ${3}0 down
		link set ${3}1 down
		link set ${3}0 master $2
		link set ${3}1 master $2
		link set $2 up
		link add link $2 name $2.7 type vlan id 7
		link set $2.7 up
	END
}

# active NS BOND LINK: it is the one that is used, and the bond is up
active()
{
	[ "$(ip -n "$1" -d -j link show dev "$2" |
		jq -r '.[0] | "\(.linkinfo.info_data.active_slave) \(.operstate)"')" = \
		"$3 UP" ]
}

state()
{
	ftqos -n "$router" -j dev show "$1" | jq -r '.[0].state'
}
is_state()
{
	[ "$(state "$1")" = "$2" ]
}

ftqos -n "$router" -b - <<- END || bail "cannot bind"
	dev set lan0
	dev set bond0 absent
END
ip -n "$router" link add bond0 up type bond || bail "no bond"
check "a bond without links is not resolved" busywait 10 is_state bond0 unresolved
ip -n "$router" link del bond0
bond "$router" bond0 wan active-backup
bond "$server" bond1 srv active-backup
busywait 10 active "$router" bond0 wan0 || bail "wan0 is not active"
busywait 10 active "$server" bond1 srv0 || bail "srv0 is not active"
lan_on lan0 cl0
wan_on bond0 bond1
topo_nft --devices "lan0, bond0"
keep_flows
prio_bands lan0 wan0 wan1
talk_serve "$server"
talk_start "$client"
captures any cl0

# --- active-backup -------------------------------------------------------------

check "the bond's binding is active" busywait 10 is_state bond0 active
open_kinds "bond"
both_ways "bond" "" wan0 5 "" lan0 4
check_eq "bond: it is the bond that decided" bond0 "$(decided lan0)"
idle=$(band_of wan1 5)

wan_on bond0.7 bond1.7
pcp_from "$server" bond1.7 3
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	map add vlan preset constant 6
	dev set bond0.7 map vlan
END
open_kinds "VLAN on a bond"
before=$(cleared)
both_ways "VLAN on a bond" 0x8100:7:6:0 wan0 6 "" lan0 4
check_eq "VLAN on a bond: answers are sent with PCP 3" \
	"$(all_kinds "0x8100:7:3:0 34")" "$sent"
check "VLAN on a bond: and are taken only because of that" \
	test $(($(cleared) - before)) -ge 12
check_eq "VLAN on a bond: it is the VLAN device that decided" bond0.7 \
	"$(decided lan0)"
ftqos -n "$router" dev del bond0.7
both_ways "VLAN on a bond, only that bound" 0x8100:7:5:0 wan0 5 "" lan0 4
check_eq "VLAN on a bond, only that bound: it is the bond that decided" bond0 \
	"$(decided lan0)"
check_eq "nothing was sent on the other link" "$idle" "$(band_of wan1 5)"

# The link fails; the same flows
ip -n "$server" link set srv0 down
check "the link fails: the router uses the other" \
	busywait 10 active "$router" bond0 wan1
check "the link fails: the server as well" \
	busywait 10 active "$server" bond1 srv1
busywait 10 talk "ping 2 64 *" > /dev/null ||
	bail "no way over the other link"
both_ways "after a failover" 0x8100:7:5:0 wan1 5 "" lan0 4
check_eq "after a failover: the binding is active" active "$(state bond0)"

# A link's own binding is below the bond's
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	dev set wan1 map vlan
END
both_ways "a link is bound as well: the bond decides" 0x8100:7:5:0 wan1 5 "" \
	lan0 4
ftqos -n "$router" dev del bond0
both_ways "only the link is bound" 0x8100:7:6:0 wan1 6 "" lan0 4
check_eq "only the link is bound: it decided" wan1 "$(decided lan0)"
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	dev del wan1
	dev set bond0
END

# --- both links at once ----------------------------------------------------------

in_ns "$router" nft delete table inet ftq
ip -n "$router" link del bond0
check "the bond goes: its binding is absent" busywait 10 is_state bond0 absent
ip -n "$server" link del bond1
bond "$router" bond0 wan balance-xor xmit_hash_policy layer3+4
bond "$server" bond1 srv balance-xor xmit_hash_policy layer3+4
# The addresses went with the devices
wan=wan0 srv=srv0
wan_on bond0.7 bond1.7
pcp_from "$server" bond1.7 3
topo_nft --devices "lan0, bond0"
check "a new bond: its binding is active again" busywait 10 is_state bond0 active
open_kinds "balance-xor"
both_ways "balance-xor" 0x8100:7:5:0 - - "" lan0 4
# More of them, so that either link has some
more=()
for ((i = 0; i < 16; i++)); do
	more+=("open m$i udp $wan4.2 5000 0xb8 $((6000 + i)) 0x88")
done
talk_or_bail "${more[@]}" "ping 3 64 m*"
all_offloaded()
{
	[ "$(offloaded udp 5000 | grep -c 'sport=60[01][0-9] ')" = 16 ] ||
		{ talk "ping 1 64 m*"; return 1; }
}
check "balance-xor: sixteen more flows" busywait 10 all_offloaded
slow=$(slow_packets)
before=$(band_of wan0 5) before1=$(band_of wan1 5)
phase "$up_pid" "$up_cap"
talk_or_bail "ping 4 64 m*"
phase "$up_pid" "$up_cap"
check_eq "balance-xor: nothing comes to the forward chain" "$slow" \
	"$(slow_packets)"
one=$(($(band_of wan0 5) - before)) other=$(($(band_of wan1 5) - before1))
check "balance-xor: one link has some" test "$one" -ge 4
check "balance-xor: the other has some" test "$other" -ge 4
check_eq "balance-xor: all of them have the priority" 64 $((one + other))
check_eq "balance-xor: all of them have the PCP on either wire" \
	"srv0 7:5"$'\n'"srv1 7:5" "$(last_phase "$up_cap" |
		jq -r 'select(.dir == "in" and .dport == 5000 and .sport >= 6000 and
			(.dev | test("^srv[01]$"))) | "\(.dev) \(.vid):\(.pcp)"' |
		sort -u)"
captures_end
finish
