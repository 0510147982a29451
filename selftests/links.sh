#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Devices change while streams run through VLANs, stacked VLANs, a PPPoE session, a
# bridge and a bond: other names, other MTUs, down and up, ports that take over, leave
# and come back. See events.sh for what each event has to keep.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/events.sh
. "$(dirname "$0")/events.sh"

shapes

# --- names -----------------------------------------------------------------------

# rename OLD NEW...: each down, renamed, up
rename()
{
	while [ $# -gt 0 ]; do
		cat <<- END
			link set $1 down
			link set $1 name $2
			link set $2 up
		END
		shift 2
	done | batch "$router"
}
calm
event "bound upper devices get other names" "vlan qinq ppp bridge" \
	rename wan0.7 isp wan0.100.5 iptv ppp0 dsl br0 house
check "... which the bindings follow" is_shown \
	"bond0 active dsl active house active iptv active isp active lan0 active"
event "... and their own again" "vlan qinq ppp bridge" \
	rename isp wan0.7 iptv wan0.100.5 dsl ppp0 house br0
check "... which the bindings follow" all_active
# The kernel ends a session when the Ethernet device that it is on goes down
new_session()
{
	ppp_cut
	batch "$router" <<- END
		link set lan0.3 up
		link set wan0.7 up
		link set wan0.8 up
		link set wan0.100 up
		link set wan0.100.5 up
		link set bond0.9 up
	END
	ppp_connect
}
# Up to 6.15 a flowtable has devices, since then names
lowest()
{
	rename lan0 inside wan0 outside bond0 trunk
	new_session
	step
	ruleset ftq inet 0 "inside, outside, wan1, trunk" | rules
}
lowest_back()
{
	rename inside lan0 outside wan0 trunk bond0
	new_session
	step
	ruleset ftq inet 0 | rules
}
event "devices of the flowtable get other names" "$router_names" lowest
event "... and their own again" "$router_names" lowest_back
check "... which the bindings follow" all_active

# --- MTU, down and up ---------------------------------------------------------------

event "other MTUs" "$router_names" batch "$router" <<- END
	link set wan0.7 mtu 1400
	link set wan0.100.5 mtu 1300
	link set ppp0 mtu 1400
	link set br0 mtu 1450
	link set bond0 mtu 1350
	link set lan0.3 mtu 1480
END
# down_up DEV...: down, and as soon as that is told up again
down_up()
{
	printf 'link set %s down\n' "$@" | batch "$router"
	down_shown "$@" || return
	step
	printf 'link set %s up\n' "$@" | batch "$router"
}
down_shown()
{
	local d

	for d; do
		ftqos -n "$router" -j dev show "$d" |
			jq -e '.[0].state == "down"' > /dev/null || return
	done
}
event "bound devices go down and up" "$router_names" \
	down_up wan0.7 wan0.100.5 ppp0 br0 bond0
lowest_down_up()
{
	batch "$router" <<- END
		link set wan0 down
		link set wan1 down
		link set lan0 down
	END
	step
	batch "$router" <<- END
		link set lan0 up
		link set wan0 up
		link set wan1 up
	END
	new_session
}
event "the lowest devices go down and up" "$router_names" lowest_down_up

# --- ports ---------------------------------------------------------------------------

active_port()
{
	in_ns "$router" cat /sys/class/net/bond0/bonding/active_slave
}
failover()
{
	local old

	old=$(active_port)
	ip -n "$router" link set "$old" down
	another()
	{
		local now

		now=$(active_port)
		[ -n "$now" ] && [ "$now" != "$old" ]
	}
	busywait 5 another || return
	ip -n "$router" link set "$old" up
}
event "the bond's other port takes over" "bond" failover
port_leaves()
{
	local old

	old=$(active_port)
	ip -n "$router" link set "$old" nomaster
	batch "$router" <<- END
		link set $old down
		link set $old master bond0
		link set wan1 nomaster
		link set wan1 master br0
	END
	bridge_vlan
}
event "ports leave bond and bridge and come back" "bond bridge" port_leaves

finish
