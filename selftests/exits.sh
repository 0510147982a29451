#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What ends under us: the module of the flowtables is unloaded and loaded while ours
# is there, and namespaces with bindings go, the client's, the router's and the
# server's in different orders, with a VLAN device in another namespace than the device
# below it, all of it while packets are sent.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft conntrack jq ftqos
[ ! -d /sys/module/nf_flow_qos ] || skip_all "the module is loaded"

tmp=$(mktemp -d)
defer rm -rf "$tmp"

# traffic: answers, a capture, a stream; of it the process ids
traffic()
{
	pkt_bg echo "$server" echo "$wan4.2"
	: > "$tmp/cap"
	# It complains when srv0 goes
	pkt_bg sniff "$server" capture srv0 --out "$tmp/cap" --direction in \
		2> /dev/null
	pkt_bg stream "$client" stream "$wan4.2" --tos 0xb8 --sport 4000 --rate 50
}
# classified MS, as_it_was MS: ten packets since then
classified()
{
	have_pcp "$tmp/cap" 5 "$1"
}
as_it_was()
{
	have_pcp "$tmp/cap" 0 "$1"
}
refs()
{
	awk -v m="$1" '$1 == m { print $3 }' /proc/modules
}
is_held()
{
	[ "$(refs "$1")" -ge 1 ]
}

# --- the flowtables' module ------------------------------------------------------

load_module
topo_router --vlan7
topo_nft
ftqos -n "$router" dev set wan0.7 || bail "cannot bind"
traffic
check "packets are classified" busywait 20 classified "$(now_ms)"
check_not "the flowtables' module cannot go while there is a flowtable" \
	rmmod nf_flow_table_inet
check "... packets are classified still" busywait 20 classified "$(now_ms)"
in_ns "$router" nft delete table inet ftq
check "the flowtable is deleted" busywait 20 as_it_was "$(now_ms)"
# Their function is known by its address, which has to stay theirs
check "their module is held by ours, without a flowtable" is_held nf_flow_table_inet
check_not "... and cannot go" rmmod nf_flow_table_inet
topo_nft
check "with a flowtable again they are classified" \
	busywait 20 classified "$(now_ms)"
in_ns "$router" nft delete table inet ftq
rmmod nf_flow_qos || fail "our module can go"
check "without our module theirs can go" busywait 10 rmmod nf_flow_table_inet
load_module
ftqos -n "$router" dev set wan0.7 || bail "cannot bind"
topo_nft
check "both again" busywait 20 classified "$(now_ms)"

# --- namespaces ----------------------------------------------------------------------

# goes NAME: the namespace goes, its processes before it
goes()
{
	local pids

	pids=$(ip netns pids "${!1}")
	# shellcheck disable=SC2086 # a list
	[ -z "$pids" ] || kill $pids
	ip netns del "${!1}"
}
# no_dev NS DEV: the device is not there any more
no_dev()
{
	! ip -n "$1" link show "$2" > /dev/null 2>&1
}

# orders NAME...: of client, router, server and far, in this order they go
orders()
{
	local what="$*"

	setup_ns far
	# Bound where it is, while the device below is elsewhere
	ip -n "$router" -batch - <<- END || bail "no VLAN device for elsewhere"
		link add link wan0 name far9 type vlan id 9
		link set far9 netns $far
	END
	ip -n "$far" link set far9 up
	ftqos -n "$far" -b - <<- END || bail "cannot bind"
		dev set far9
		dev set any
	END
	ftqos -n "$client" -b - <<- END || bail "cannot bind"
		dev set cl0
		dev set any
	END
	ftqos -n "$server" dev set srv0.7 || bail "cannot bind"
	check_eq "$what: a VLAN device is bound apart from the one below" \
		"any far9" "$(ftqos -n "$far" -j dev show |
			jq -r 'map(.dev) | sort | join(" ")')"
	check "$what: packets are classified" busywait 20 classified "$(now_ms)"
	while [ $# -gt 0 ]; do
		goes "$1"
		# What goes takes the other ends of its cables with it
		case $1 in
		client)	[[ " $* " != *" router "* ]] ||
				check "$what: lan0 goes with the client" \
					busywait 20 no_dev "$router" lan0 ;;
		router)	[[ " $* " != *" server "* ]] ||
				check "$what: srv0 goes with the router" \
					busywait 20 no_dev "$server" srv0
			[[ " $* " != *" far "* ]] ||
				check "$what: far9 goes with the router" \
					busywait 20 no_dev "$far" far9 ;;
		server)	[[ " $* " != *" router "* ]] ||
				check "$what: wan0 goes with the server" \
					busywait 20 no_dev "$router" wan0 ;;
		far)	[[ " $* " != *" router "* ]] ||
				check "$what: wan0 is still there without far" \
					ip -n "$router" link show wan0 ;;
		esac
		shift
	done
}
again()
{
	topo_router --vlan7
	topo_nft
	ftqos -n "$router" dev set wan0.7 || bail "cannot bind"
	traffic
}
orders router server client far
again
orders far server router client
again
orders client router far server
check_eq "nobody holds the module" 0 "$(refs nf_flow_qos)"
check "it can be unloaded" rmmod nf_flow_qos
if [ -L /sys/kernel/slab/ftq_flow ]; then
	note "the cache of flows is merged with another"
else
	check_not "its memory is gone" test -e /sys/kernel/slab/ftq_flow
fi
finish
