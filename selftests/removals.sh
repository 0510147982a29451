#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Devices go and come back while streams run through VLANs, stacked VLANs, a PPPoE
# session, a bridge and a bond: to another namespace and back, deleted and made again
# from the top and from the bottom, a session that is cut; and in the end the router
# goes. See events.sh for what each event has to keep.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/events.sh
. "$(dirname "$0")/events.sh"

shapes

# --- away and back -------------------------------------------------------------

away()
{
	batch "$router" <<- END
		link set wan0.7 netns $client
		link set wan0.100.5 netns $client
		link set wan1 netns $client
	END
	is_shown "bond0 active br0 unresolved lan0 active ppp0 active wan0.100.5 absent wan0.7 absent" ||
		return
	[ "$(ftqos -n "$client" -j dev show)" = "[]" ] || return
	step
	batch "$client" <<- END
		link set wan0.7 netns $router
		link set wan0.100.5 netns $router
		link set wan1 netns $router
	END
	{
		addresses 1 1 wan0.7
		addresses 2 1 wan0.100.5
		cat <<- END
			link set wan0.7 up
			link set wan0.100.5 up
			link set wan1 master br0
			link set wan1 up
		END
	} | batch "$router"
	bridge_vlan
	# wan1 was lost by the flowtable
	ruleset ftq inet 0 | rules
}
event "devices move to another namespace and come back" "$router_names" away
check "... where they are bound again" all_active

cut()
{
	ppp_cut
	busywait 5 is_shown "bond0 active br0 active lan0 active ppp0 absent wan0.100.5 active wan0.7 active" ||
		return
	step
	ppp_connect
}
event "a session is cut, another comes" "ppp" cut

upper_gone()
{
	{
		cat <<- END
			link del wan0.7
			link del wan0.100
			link del br0
			link del bond0
		END
		vlan_wan
		qinq_wan
		bridge_wan
		bond_wan
		printf 'link set %s up\n' wan1 wan2 wan3
	} | batch "$router"
	bridge_vlan
	ruleset ftq inet 0 | rules
}
event "upper devices are deleted and made again" "$router_names" upper_gone
cables_cut()
{
	batch "$server" <<- END
		link del s0
		link del s1
	END
	is_shown "bond0 active br0 unresolved lan0 active ppp0 absent wan0.100.5 absent wan0.7 absent" ||
		is_shown "bond0 active br0 unresolved lan0 active ppp0 unresolved wan0.100.5 absent wan0.7 absent" ||
		return
	ppp_cut
	cable0
	cable1
	{
		vlan_wan
		qinq_wan
		echo "link set wan1 master br0"
	} | batch "$router"
	bridge_vlan
	step
	ppp_connect
	ruleset ftq inet 0 | rules
}
event "cables with all devices on them are cut, and others come" \
	"$router_names" cables_cut
check "... the bindings have taken hold" all_active

# --- the end ---------------------------------------------------------------------------

# The session holds its namespaces. The router goes under traffic.
since=$(now_ms)
kill "$session"
ip netns del "$router"
gone()
{
	! ip -n "$server" link show s1 > /dev/null 2>&1
}
check "the router goes with its bindings, under traffic" busywait 20 gone
goes_on()
{
	[ "$(awk -v since="$since" '$1 >= since && $3 ~ /^other/ && $4 == "c"' \
		"$streams_dir/up" | wc -l)" -ge 20 ]
}
check "... the other router's streams go on" busywait 20 goes_on
check_eq "... and all of their packets are classified" "" \
	"$(awk -v since="$since" '$1 >= since && $3 ~ /^other/ && $4 == "u"' \
		"$streams_dir/up")"
finish
