#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Life and removal under traffic in both directions: devices are renamed, moved,
# deleted and come back, with and without a binding; flowtables go and come;
# bindings change at random; the module is unloaded and loaded; namespaces go
# with bindings in them. All the time the stream goes on where there is a way
# for it, what is bound is what the listing says, and when all is over nothing
# of the module is left.
#
# The stream counts its answers in a file; "flows" is that they grow in number.
# PCP 5 on the wire tells packets that were offloaded and classified. The kernel
# log is looked at by whoever runs the tests.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft conntrack jq ftqos
[ ! -d /sys/module/nf_flow_qos ] || skip_all "the module is loaded"

tmp=$(mktemp -d)
defer rm -rf "$tmp"

answers()
{
	local got=0

	read -r _ got < "$tmp/stat"
	echo "$got"
}

more_than()
{
	[ "$(answers)" -gt "$1" ]
}

# flows NAME: the stream goes on
flows()
{
	check "$1: traffic flows" busywait 20 more_than $(($(answers) + 10))
}

# pcp N MS: the last ten packets of the stream have it, and came after that time
pcp()
{
	have_pcp "$tmp/cap" "$1" "$2"
}

# shown: "DEV STATE" of all bindings
shown()
{
	ftqos -n "$router" -j dev show | jq -r '.[] | "\(.dev) \(.state)"' |
		tr '\n' ' '
}

is_shown()
{
	[ "$(shown)" = "$1" ] || { shown; return 1; }
}

module_gone()
{
	[ ! -d /sys/module/nf_flow_qos ]
}

# unload NAME. A cache that the kernel merged with another is a link, which it
# leaves behind.
unload()
{
	local cache=/sys/kernel/slab/ftq_flow

	check "$1: the module can be unloaded" rmmod nf_flow_qos
	check "$1: it is gone" module_gone
	if [ -L $cache ]; then
		note "the cache of flows is merged with another"
	else
		check_not "$1: its memory is gone" test -e $cache
	fi
}

bind_both()
{
	ftqos -n "$router" -b - <<- END || fail "bind" "$*"
		dev set wan0.7
		dev set lan0
	END
}

wan_up()
{
	ip -batch - -n "$router" <<- END
		link add link wan0 name wan0.7 type vlan id 7
		link set wan0.7 up
		addr add $wan4.1/24 dev wan0.7
	END
}

load_module
topo_router --vlan7
topo_nft
pkt_bg echo "$server" echo "$wan4.2"
pkt_bg sniff "$server" capture srv0 --out "$tmp/cap" --direction in
pkt_bg stream "$client" stream "$wan4.2" --tos 0xb8 --sport 4000 --rate 50 \
	--stat "$tmp/stat"

# --- the module comes and goes -----------------------------------------------

flows "module loaded"
bind_both
check "bound: packets are classified" busywait 20 pcp 5 "$(now_ms)"
links=$(ip -n "$router" -d -j link show | jq -c 'map(del(.stats64))')
unload "bound, under traffic"
check "... packets are as they were before" busywait 20 pcp 0 "$(now_ms)"
flows "... unloaded"
check_eq "... devices are as they were" "$links" \
	"$(ip -n "$router" -d -j link show | jq -c 'map(del(.stats64))')"
check "... flows are still offloaded" offloaded udp 5000
load_module
check_eq "a module that is loaded again has no bindings" "" "$(shown)"
bind_both
check "... and classifies when bound" busywait 20 pcp 5 "$(now_ms)"
ftqos -n "$router" dev del wan0.7
check "unbound: packets are as they were" busywait 20 pcp 0 "$(now_ms)"
bind_both
check "bound again" busywait 20 pcp 5 "$(now_ms)"

# --- devices -----------------------------------------------------------------

ip -n "$router" link set wan0.7 down
check "a device that is down" is_shown "lan0 active wan0.7 down "
ip -batch - -n "$router" <<- END
	link set wan0.7 name upl
	link set upl up
END
check "a binding follows its device to another name" \
	is_shown "lan0 active upl active "
check "... and holds there" busywait 20 pcp 5 "$(now_ms)"
ip -batch - -n "$router" <<- END
	link set upl down
	link set upl name wan0.7
	link set wan0.7 up
END
check "... and back" is_shown "lan0 active wan0.7 active "

ip -n "$router" link del wan0.7
check "a bound device is deleted, its binding stays" \
	is_shown "lan0 active wan0.7 absent "
wan_up
check "... and takes hold when one of that name comes" busywait 20 pcp 5 "$(now_ms)"
check "... as the listing says" is_shown "lan0 active wan0.7 active "
check_eq "... with its number" \
	"$(ip -n "$router" -j link show wan0.7 | jq '.[0].ifindex')" \
	"$(ftqos -n "$router" -j dev show wan0.7 | jq '.[0].ifindex')"

setup_ns other
ip -batch - -n "$router" <<- END
	link add d0 type dummy
	link set d0 up
	link add d1 type veth peer name d2
END
ftqos -n "$router" -b - <<- END
	dev set d0
	dev set ppp7 absent
	dev set any
END
check "several bindings, one of them of no device" is_shown \
	"any active d0 active lan0 active ppp7 absent wan0.7 active "
ip -n "$router" link set d0 netns "$other"
check "a device leaves the namespace" is_shown \
	"any active d0 absent lan0 active ppp7 absent wan0.7 active "
check_eq "... and is not bound where it goes" "[]" \
	"$(ftqos -n "$other" -j dev show)"
ip -n "$other" link set d0 netns "$router"
ip -batch - -n "$router" <<- END
	link set d0 up
	link add ppp7 type dummy
	link del d1
END
check "... comes back, and an absent one comes" is_shown \
	"any active d0 active lan0 active ppp7 down wan0.7 active "
# Two bindings cannot have one name: the absent one's gives way
ip -n "$router" link del ppp7
ip -batch - -n "$router" <<- END
	link set d0 down
	link set d0 name ppp7
END
check "a bound device takes the name of an absent one" is_shown \
	"any active lan0 active ppp7 down wan0.7 active "
ip -n "$router" link del ppp7
ftqos -n "$router" -b - <<- END
	dev del ppp7
	dev del any
END
flows "after all that"

# --- flowtables --------------------------------------------------------------

in_ns "$router" nft delete table inet ftq
check "the flowtable is deleted" is_shown \
	"lan0 no-flowtable wan0.7 no-flowtable "
flows "... no flowtable"
topo_nft
check "... and comes back" busywait 20 pcp 5 "$(now_ms)"
# A device of the flowtable, not bound; all hooks on it go with it
ftqos -n "$router" dev del lan0
ip -n "$router" link del lan0
check "an unbound device of the flowtable is deleted" is_shown "wan0.7 active "
ip -batch - <<- END
	link add cl0 netns $client type veth peer name lan0 netns $router
END
topo_side "$client" "" cl0 '' "$lan4.2/24" "$lan6:2/64" \
	"route add default via $lan4.1"
topo_side "$router" "" lan0 '' "$lan4.1/24" "$lan6:1/64"
in_ns "$router" nft delete table inet ftq
topo_nft
check "... and another takes its place" busywait 20 pcp 5 "$(now_ms)"

# --- at random ---------------------------------------------------------------

seed=${FTQOS_SEED:-$RANDOM}
note "FTQOS_SEED=$seed"
{
	echo "map add other"
	awk -v seed="$seed" 'BEGIN {
		srand(seed)
		n = split("wan0 wan0.7 lan0 any gone", dev, " ")
		for (i = 0; i < 100; i++) {
			d = dev[int(rand() * n) + 1]
			r = int(rand() * 6)
			if (r < 2 || r == 2 && !bound[d]) {
				print "dev set", d, "absent map",
					rand() < 0.5 ? "other" : "default",
					"trust", rand() < 0.5 ? "dscp" : "none"
				bound[d] = 1
			} else if (r == 2) {
				print "dev del", d
				bound[d] = 0
			} else if (r == 3) {
				print "map set other all prio",
					int(rand() * 9), "pcp", int(rand() * 8)
			} else if (r == 4) {
				print "flow flush"
			} else {
				print "config set flow-limit",
					int(rand() * 3) * int(rand() * 3000)
			}
		}
	}'
} > "$tmp/batch"
sed -i '1i dev del wan0.7' "$tmp/batch"
check "100 changes at random" ftqos -n "$router" -b "$tmp/batch"
flows "100 changes"
echo "dev set wan0.7" | ftqos -n "$router" restore
check "one binding is left" is_shown "wan0.7 active "
check "... which classifies" busywait 20 pcp 5 "$(now_ms)"

# --- namespaces, and the end -------------------------------------------------

setup_ns second
ip -n "$router" link add v0 type veth peer name v1 netns "$second"
ftqos -n "$router" dev set v0
ftqos -n "$second" -b - <<- END
	dev set v1
	dev set any
END
ftqos -n "$router" dev set v0
ip netns del "$second"
check "a namespace with bindings goes, with one end of a cable" busywait 20 \
	is_shown "v0 absent wan0.7 active "
flows "... elsewhere"
# The router goes first, the other ends after it; then all is unloaded while
# a third namespace has a binding
pkt_stop "$sniff"
ftqos -n "$client" dev set cl0
ip netns pids "$router" | xargs -r kill
ip netns del "$router"
gone()
{
	! ip -n "$client" link show cl0 > /dev/null 2>&1
}
check "the router goes with its bindings, under traffic" busywait 20 gone
check_eq "the module is held by nobody" 0 \
	"$(awk '$1 == "nf_flow_qos" { print $3 }' /proc/modules)"
unload "at the end"
finish
