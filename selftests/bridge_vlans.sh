#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A VLAN-filtering bridge towards the client: its port untagged (PVID), tagged, the
# address on the bridge itself or on a VLAN device of it, that one bound or the
# bridge; and a VLAN device on the port of a bound bridge, which is no part of it.
#
#   $client                     $router                        $server
#  +------------+      +---------------------------+      +--------------+
#  | cl0        +------+ lan0                 wan0 +------+ srv0         |
#  | (cl0.10,   |      |  br0 (br0.10)      wan0.7 |      | srv0.7       |
#  |  cl0.20)   |      |  lan0.20                  |      |              |
#  +------------+      +---------------------------+      +--------------+
#
# All four kinds of flows, in both directions: towards the client what the bridge's
# binding gives, from there frames that come to the port with a PCP, which the
# flowtable on the port alone does not take.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/encaps.sh
. "$(dirname "$0")/encaps.sh"
need_tools ip bridge nft tc conntrack ethtool python3 jq ftqos
load_module

topo_router --vlan7
ip -n "$router" -batch - <<- END || bail "no bridge"
	link add br0 type bridge vlan_filtering 1 mcast_snooping 0 forward_delay 0
	link set lan0 master br0
	link set br0 up
	link add link br0 name br0.10 type vlan id 10
	link set br0.10 up
	link add link lan0 name lan0.20 type vlan id 20
	link set lan0.20 up
END
ip -n "$client" -batch - <<- END || bail "no VLANs of the client"
	link add link cl0 name cl0.10 type vlan id 10
	link set cl0.10 up
	link add link cl0 name cl0.20 type vlan id 20
	link set cl0.20 up
END
pcp_from "$client" cl0.10 3
pcp_from "$client" cl0.20 4
bridge -n "$router" vlan add dev br0 vid 10 self || bail "no VLAN of the bridge"
topo_nft
keep_flows
prio_bands lan0 wan0
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	map add house preset constant 6
	map add port preset constant 2
	dev set wan0.7
END
lan_on br0.10 cl0
wan_on wan0.7 srv0.7
talk_serve "$server"
talk_start "$client"
captures srv0 cl0

# house NAME TAGS BAND DECIDED: what the client gets, and which binding
# decided
house()
{
	both_ways "$1" 0x8100:7:5:0 wan0 5 "$2" lan0 "$3"
	check_eq "$1: the binding that decided" "$4" "$(decided wan0)"
}
port_vlan()
{
	bridge -n "$router" vlan add dev lan0 "$@" || bail "no VLAN of the port"
	# The kernel does not tell of it: the module looks every 2 s, or if it is asked
	hooks_placed
}

# --- a VLAN device of the bridge -------------------------------------------------

port_vlan vid 10 pvid untagged
ftqos -n "$router" dev set br0.10
open_kinds "untagged port"
house "untagged port" "" 4 br0.10
ftqos -n "$router" dev set br0.10 trust none
talk_or_bail "ping 1 64 *"
check_eq "untagged port: trust none of the bridge's VLAN device" "[0]" \
	"$(ftqos -n "$router" -j flow show iif lan0 |
		jq -c "map(select(.sport == $encaps_port) | .class) | unique")"
ftqos -n "$router" dev set br0.10 trust dscp
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	dev del br0.10
	dev set br0 map house
END
house "untagged port, the bridge is bound" "" 6 br0
ftqos -n "$router" dev set br0.10

port_vlan vid 10
lan_on br0.10 cl0.10
open_kinds "tagged port"
before=$(cleared)
house "tagged port, both are bound" 0x8100:10:4:0 4 br0.10
check "tagged port: frames with PCP 3 are taken" \
	test $(($(cleared) - before)) -ge 12
check_eq "tagged port: flows from there have the VLAN ID" "[[10]]" \
	"$(ftqos -n "$router" -j flow show iif lan0 |
		jq -c "map(select(.sport == $encaps_port) | .vlan) | unique")"
ftqos -n "$router" dev set br0.10 trust pcp
talk_or_bail "ping 1 64 *"
check_eq "tagged port: trust pcp of the bridge's VLAN device" "[24]" \
	"$(ftqos -n "$router" -j flow show iif lan0 |
		jq -c "map(select(.sport == $encaps_port) | .class) | unique")"
ftqos -n "$router" dev del br0.10
house "tagged port, the bridge is bound" 0x8100:10:6:0 6 br0

# --- a VLAN device on the port ---------------------------------------------------

lan_on lan0.20 cl0.20
open_kinds "VLAN on a port"
# Nothing is given: PCP 0, and the priority that a packet of the router's has
before=$(band_of lan0 6)
both_ways "VLAN on a port of a bound bridge" 0x8100:7:5:0 wan0 5 \
	0x8100:20:0:0 lan0 0
check_eq "VLAN on a port of a bound bridge: not the bridge's priority" "$before" \
	"$(band_of lan0 6)"
ftqos -n "$router" dev set lan0.20 map port
house "VLAN on a port, bound" 0x8100:20:2:0 2 lan0.20
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	dev del lan0.20
	dev set any map port
END
both_ways "VLAN on a port, any" 0x8100:7:5:0 wan0 5 0x8100:20:2:0 lan0 2
ftqos -n "$router" dev del any

# --- the bridge's own VLAN -------------------------------------------------------

lan_on br0 cl0
port_vlan vid 1 pvid untagged
ftqos -n "$router" dev set br0 map default
open_kinds "PVID of the bridge, untagged port"
house "PVID of the bridge, untagged port" "" 4 br0
captures_end
finish
