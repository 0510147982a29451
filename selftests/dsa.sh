#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# DSA: the device to which a switch chip is wired (the conduit) is not bound, its
# user ports are. The chip is dsa_loop's, which is none, on the device eth0 of the
# first namespace; its ports are lan1 to lan4, and their frames have a trailer on
# eth0.
#
# Refused by name, with what to do; any covers the user ports and not the conduit;
# a device that was bound before it became a conduit loses its hooks, its binding
# says why, and takes hold again when it is none any more. What hooks there are is
# asked of the kernel; frames of a VLAN on a user port leave through eth0 with the
# PCP of the port's binding or of any, never with that of eth0's. The lowest device,
# which a flowtable has to have, is the user port: it offloads without eth0, not
# without lan1, and status says so.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft tc conntrack ethtool python3 jq ftqos
modprobe -n dsa_loop 2> /dev/null || skip_all "this kernel has no dsa_loop"
load_module

# The first namespace is the router: dsa_loop looks for eth0 there
cap=$(mktemp)
defer rm -f "$cap"
setup_ns client chip
for f in /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding; do
	echo 1 > $f
done
off='gro off gso off tso off tx off rx off'

# hooks DEV: ours on it, "ingress", "egress" or both
hooks()
{
	python3 -I -S "$LIB_DIR/hooks.py" "$1" | awk '$4 ~ /^ftq_/ { print $2 }' |
		paste -sd' '
}

# state DEV: of the binding, and why
state()
{
	ftqos -j dev show "$1" | jq -r '.[0] | "\(.state): \(.reason // "-")"'
}

# is DEV TEXT: the state or its reason has that in it
is()
{
	state "$1" | grep -e "$2"
}

# --- a device that becomes a conduit ----------------------------------------------

ftqos -b - <<- END || bail "cannot bind"
	map add conduit preset constant 6
	map add port preset constant 3
	map add rest preset constant 1
	dev set eth0 map conduit absent
END
defer ftqos dev del eth0
check "bound by name before it is there" is eth0 '^absent: no device'
ip link add eth0 type veth peer name chip0 netns "$chip" ||
	bail "cannot make eth0"
defer ip link del eth0
# shellcheck disable=SC2086 # a list
ethtool -K eth0 $off > /dev/null 2>&1
# shellcheck disable=SC2086 # a list
in_ns "$chip" ethtool -K chip0 $off > /dev/null 2>&1
ip link set eth0 up
ip -n "$chip" link set chip0 up
ip link add lan0 type veth peer name cl0 netns "$client" ||
	bail "cannot make lan0"
defer ip link del lan0
ip -batch - <<- END || bail "cannot set lan0 up"
	link set lan0 up
	addr add 192.0.2.1/24 dev lan0
END
ip -n "$client" -batch - <<- END || bail "cannot set cl0 up"
	link set cl0 up
	addr add 192.0.2.2/24 dev cl0
	route add default via 192.0.2.1
END
in_ns "$client" ethtool -K cl0 tx off > /dev/null 2>&1
check "takes hold of an eth0 that is no conduit" is eth0 '^no-flowtable'
check_eq "... which gets a hook" egress "$(hooks eth0)"

modprobe dsa_loop || bail "cannot load dsa_loop"
defer rmmod dsa_loop
busywait 10 test -e /sys/class/net/eth0/dsa/tagging ||
	bail "eth0 does not become a conduit"
check_eq "eth0 is a conduit" trailer "$(< /sys/class/net/eth0/dsa/tagging)"
# Before anybody asks for its state, which has the module look
no_hooks()
{
	[ -z "$(hooks eth0)" ]
}
check "... it loses its hooks" busywait 10 no_hooks
check "its binding gives it up, and says why" \
	busywait 10 is eth0 '^absent: this is a DSA conduit: bind the user ports'
check "... and status warns of it" \
	grep '^- eth0 is absent: this is a DSA conduit: bind the user ports' \
	<(ftqos status)

out=$(ftqos dev set eth0 map conduit 2>&1)
check_eq "a conduit is refused" 2 $?
check "... with what to do" grep 'DSA conduit: bind the user ports' <<< "$out"
check_eq "... in one line" 1 "$(wc -l <<< "$out")"
out=$(ftqos dev set eth0 absent 2>&1)
check_eq "... with the word absent, too" 2 $?
out=$(ftqos restore /dev/stdin 2>&1 <<< "dev set eth0")
check_eq "... and in a file to restore" 2 $?
check_eq "... of which nothing was done" conduit \
	"$(ftqos -j dev show eth0 | jq -r '.[0].map')"

# --- frames through a user port -----------------------------------------------------

ip link add link lan1 name lan1.7 type vlan id 7 || bail "no VLAN on lan1"
ip -batch - <<- END || bail "cannot set lan1 up"
	link set lan1 up
	link set lan1.7 up
	addr add 198.51.100.1/24 dev lan1.7
	neigh replace 198.51.100.2 lladdr 02:00:00:00:00:02 dev lan1.7
END
nft -f - <<- END || bail "nft refuses the ruleset"
	table inet ftq {
		counter slow { }
		flowtable ft {
			hook ingress priority filter
			devices = { lan0, lan1 }
		}
		chain forward {
			type filter hook forward priority filter
			meta l4proto udp flow add @ft
			meta l4proto udp counter name slow
		}
	}
END
defer nft delete table inet ftq
carrier()
{
	[ "$(cat /sys/class/net/lan1/carrier)" = 1 ]
}
busywait 10 carrier || bail "lan1 has no link"

# Nothing answers behind the chip: what was sent is seen on its side of the wire,
# with the trailer of the port
n=0
send()
{
	n=$((n + 1))
	pkt "$client" send 198.51.100.2 --tos 0xb8 --sport "${1-4000}" --dport 5000 \
		--count 10 > /dev/null
}

arrived()
{
	phase "$cap_pid" "$cap"
	[ "$(grep -c '"dport": 5000' "$cap")" -ge "$((10 * n))" ]
}

# pcps: of the last round's frames, each kind once
pcps()
{
	busywait 10 arrived || return
	grep '"dport": 5000' "$cap" | tail -n 10 |
		jq -r '"\(.vid):\(.pcp)"' | sort -u
}

slow_now()
{
	nft -j list counter inet ftq slow | grep -o '"packets": *[0-9]*' |
		grep -o '[0-9]*$'
}

is_offloaded()
{
	conntrack -L -p udp 2> /dev/null | grep 'dport=5000 .*\[OFFLOAD\]'
}

pkt_bg cap_pid "$chip" capture chip0 --out "$cap" --direction in
send
check "a flow through a user port is offloaded" busywait 10 is_offloaded
slow=$(slow_now)
send
check_eq "the conduit's binding, and no other: nothing is set" 7:0 "$(pcps)"
ftqos dev set any map rest
defer ftqos dev del any
check_eq "any: hooks on the user port" "ingress egress" "$(hooks lan1)"
check_eq "... and none on the conduit" "" "$(hooks eth0)"
send
check_eq "... and its map is what frames get" 7:1 "$(pcps)"
ftqos dev set lan1 map port
defer ftqos dev del lan1
check "a user port is bound" is lan1 '^active'
send
check_eq "... and its binding decides" 7:3 "$(pcps)"
ftqos dev del lan1
ftqos dev set lan1.7 map port
defer ftqos dev del lan1.7
send
check_eq "... as that of a VLAN device on it does" 7:3 "$(pcps)"
check_eq "none of these came to the forward chain" "$slow" "$(slow_now)"

warnings()
{
	ftqos -j status | jq -r '.warnings[]' | grep -v '^eth0 is absent'
}
check_eq "the user port is in the flowtable: no warning" "" "$(warnings)"
nft 'delete flowtable inet ftq ft { hook ingress priority filter; devices = { lan1 }; }' ||
	bail "lan1 stays in the flowtable"
check "it is not: status says that it is what is missing" \
	grep -x 'no flow over lan1\.7 is offloaded: no flowtable has lan1, .*; add lan1 to its devices' \
	<(warnings)
send 4001
busywait 10 arrived
check_eq "... and so it is, each packet is on the slow path" $((slow + 10)) \
	"$(slow_now)"
pkt_stop "$cap_pid"

# --- a conduit that is none any more ---------------------------------------------------

rmmod dsa_loop || bail "cannot unload dsa_loop"
check "no conduit any more: the binding takes hold again" \
	busywait 10 is eth0 '^active'
check "... with its hooks" grep -q egress <<< "$(hooks eth0)"
check "... and may be changed" ftqos dev set eth0 map rest
finish
