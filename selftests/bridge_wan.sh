#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A bridge towards the server, VLAN-filtering or not: its port tagged, or untagged
# with a PVID, the address on the bridge or on its VLAN device.
#
#   $client              $router                        $server
#  +-----+      +------------------------+      +-------------------+
#  | cl0 +------+ lan0              wan0 +------+ srv0 (srv0.7)     |
#  +-----+      |          brw (brw.7)   |      |                   |
#               +------------------------+      +-------------------+
#
# All four kinds of flows in both directions. The binding is the bridge's or its
# VLAN device's; PCP is looked at on the wire and priority in the prio qdisc of
# the port. Answers have a PCP where there is a tag.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/encaps.sh
. "$(dirname "$0")/encaps.sh"
need_tools ip bridge nft tc conntrack ethtool python3 jq ftqos
load_module

topo_router
ip -n "$router" -batch - <<- END || bail "no bridge"
	link add brw type bridge mcast_snooping 0 forward_delay 0
	link set wan0 master brw
	link set brw up
	link add link brw name brw.7 type vlan id 7
	link set brw.7 up
END
ip -n "$server" -batch - <<- END || bail "no VLAN of the server"
	link add link srv0 name srv0.7 type vlan id 7
	link set srv0.7 up
END
pcp_from "$server" srv0.7 3
topo_nft
keep_flows
prio_bands lan0 wan0
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	map add net preset constant 6
	dev set lan0
	dev set brw
END
lan_on lan0 cl0
wan_on brw srv0
talk_serve "$server"
talk_start "$client"
captures srv0 cl0

# isp NAME TAGS BAND DECIDED: what the server gets, and which binding decided
isp()
{
	both_ways "$1" "$2" wan0 "$3" "" lan0 4
	check_eq "$1: the binding that decided" "$4" "$(decided lan0)"
}
port_vlan()
{
	bridge -n "$router" vlan add dev wan0 "$@" || bail "no VLAN of the port"
	# The kernel does not tell of it: the module looks every 2 s, or if it is asked
	hooks_placed
}

open_kinds "plain bridge"
isp "plain bridge" "" 5 brw

# A bridge that does not look at tags, and a VLAN device on it
wan_on brw.7 srv0.7
open_kinds "plain bridge, VLAN device"
before=$(cleared)
isp "plain bridge, VLAN device, the bridge is bound" 0x8100:7:5:0 5 brw
check_eq "plain bridge, VLAN device: answers are sent with PCP 3" \
	"$(all_kinds "0x8100:7:3:0 34")" "$sent"
check "plain bridge, VLAN device: and are taken" \
	test $(($(cleared) - before)) -ge 12
ftqos -n "$router" dev set brw.7 map net
isp "plain bridge, VLAN device, that is bound" 0x8100:7:6:0 6 brw.7

# The bridge looks at tags
ip -n "$router" link set brw type bridge vlan_filtering 1
bridge -n "$router" vlan add dev brw vid 7 self || bail "no VLAN of the bridge"
port_vlan vid 7
open_kinds "tagged port"
before=$(cleared)
isp "tagged port" 0x8100:7:6:0 6 brw.7
check_eq "tagged port: answers are sent with PCP 3" \
	"$(all_kinds "0x8100:7:3:0 34")" "$sent"
check "tagged port: and are taken" test $(($(cleared) - before)) -ge 12

port_vlan vid 7 pvid untagged
wan_on brw.7 srv0
open_kinds "untagged port with PVID"
isp "untagged port with PVID" "" 6 brw.7
ftqos -n "$router" dev del brw.7
isp "untagged port with PVID, the bridge is bound" "" 5 brw

# The bridge's own VLAN leaves tagged: up to 6.18 the flowtable forgets the tag,
# whether anything is bound or not
tags=0x8100:7:5:0
((release > 6018)) || tags=
bridge -n "$router" vlan add dev brw vid 7 pvid untagged self || bail "no PVID"
port_vlan vid 7
wan_on brw srv0.7
open_kinds "PVID of the bridge, tagged port"
isp "PVID of the bridge, tagged port" "$tags" 5 brw
check_eq "PVID of the bridge, tagged port: answers are sent with PCP 3" \
	"$(all_kinds "0x8100:7:3:0 34")" "$sent"
captures_end
finish
