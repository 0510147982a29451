#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Priority tags: VLAN ID 0, which is no VLAN but has a PCP. Before IP, and before
# the tag of a VLAN, as C-tag and as S-tag. Such frames are taken, their DSCP is
# read in the header inside; what is not taken leaves the hook as it came. And a
# VLAN device of the ID 0, by which routers send priority tags themselves.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/encaps.sh
. "$(dirname "$0")/encaps.sh"
# shellcheck source=selftests/tags.sh
. "$(dirname "$0")/tags.sh"
need_tools ip nft tc conntrack ethtool python3 jq ftqos
load_module

tags_start "priority tags" 802.1Q:7

# --- before a VLAN's tag, from the server ------------------------------------------

taken "C-tag before a VLAN's" from_server 0:3:0,7 0:0:0,7 0:5:1,7:6:1
taken "S-tag before a VLAN's" from_server ad0:4:0,7:0:0 ad0:0:1,7:2:0
ftqos -n "$router" dev set wan0.7 trust pcp
from_server 0:5:1,7:6:1
talk_or_bail
check_eq "trust pcp is the priority tag's" "[[40,34,[7]]]" \
	"$(ftqos -n "$router" -j flow show iif wan0 |
		jq -c 'map([.class, .dscp, .vlan]) | unique')"
ftqos -n "$router" dev set wan0.7 trust dscp
as_sent "before a VLAN's, not taken" 0:3:1,7:6:1 ad0:5:0,7

# --- before IP, from the client ----------------------------------------------------

taken "before IP" from_client 0:6:1 ad0:0:0 ad0:3:1
check_eq "frames from the client: class by the DSCP inside" "[[46,46,null]]" \
	"$(ftqos -n "$router" -j flow show iif lan0 |
		jq -c 'map([.class, .dscp, .vlan]) | unique')"

# --- a VLAN device of the ID 0 -----------------------------------------------------

ip -n "$router" -batch - <<- END || bail "no VLAN 0 of the router"
	link add link wan0 name wan0.0 type vlan id 0
	link set wan0.0 up
END
ip -n "$server" -batch - <<- END || bail "no VLAN 0 of the server"
	link add link srv0 name srv0.0 type vlan id 0
	link set srv0.0 up
END
wan_on wan0.0 srv0.0
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	map add zero preset constant 6
	dev set wan0.0 map zero
END
open_kinds "VLAN 0"
both_ways "VLAN 0" 0x8100:0:6:0 wan0 6 "" lan0 4
check_eq "VLAN 0: answers are sent with PCP 0" \
	"$(all_kinds "0x8100:0:0:0 34")" "$sent"
check_eq "VLAN 0: it is its device that decided" wan0.0 "$(decided lan0)"
pcp_from "$server" srv0.0 3
both_ways "VLAN 0, answers with PCP 3" 0x8100:0:6:0 wan0 6 "" lan0 4
check_eq "VLAN 0: answers are sent with PCP 3" \
	"$(all_kinds "0x8100:0:3:0 34")" "$sent"
ftqos -n "$router" dev set wan0.0 trust pcp
talk_or_bail "ping 1 64 *"
check_eq "VLAN 0: trust pcp of its device" "[24]" \
	"$(ftqos -n "$router" -j flow show iif wan0 |
		jq -c "map(select(.dport == $encaps_port) | .class) | unique")"
captures_end
finish
