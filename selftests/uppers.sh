#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Routers whose LAN and WAN are in a VRF, macvlan devices, or teams. The flows that
# the kernel sends past the forward chain with nothing bound go the same way with any
# bound, and with the WAN device bound by its name; then their packets have the
# priority of their class, as the prio qdisc of wan0 counts it.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft tc conntrack ethtool python3 jq ftqos
load_module

# set_mode NS TEAM: roundrobin, which nobody but a daemon would say otherwise
set_mode()
{
	in_ns "$1" python3 -I -S - "$2" <<- 'END'
		import socket
		import struct
		import sys

		def attr(kind, data):
		    head = struct.pack("=HH", 4 + len(data), kind)
		    return (head + data).ljust(-(-(4 + len(data)) // 4) * 4, b"\0")

		def ask(family, command, version, attrs):
		    message = struct.pack("=IHHIIBBH", 20 + len(attrs), family, 5,
		                          1, 0, command, version, 0) + attrs
		    sock.send(message)
		    answer = sock.recv(65536)
		    kind, = struct.unpack_from("=4xH", answer)
		    # ESRCH is only: the event that tells of it has no listener
		    if kind == 2 and -struct.unpack_from("=16xi",
		                                         answer)[0] not in (0, 3):
		        sys.exit("team: refused")
		    return answer

		sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
		answer = ask(16, 3, 1, attr(2, b"team\0"))
		at, family = 20, None
		while family is None:
		    length, kind = struct.unpack_from("=HH", answer, at)
		    if kind == 1:
		        family, = struct.unpack_from("=H", answer, at + 4)
		    at += -(-length // 4) * 4
		sock.close()
		sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
		option = (attr(1, b"mode\0") + attr(3, b"\5") +
		          attr(4, b"roundrobin\0"))
		ask(family, 1, 1, attr(1, struct.pack("=I", socket.if_nametoindex(
		    sys.argv[1]))) + attr(0x8002, attr(0x8001, option)))
	END
}

# Each makes $lan_dev and $wan_dev of lan0 and wan0; addresses come after it
vrf()
{
	lan_dev=lan0 wan_dev=wan0
	ip -n "$router" -batch - <<- END
		link add vrf0 type vrf table 10
		link set vrf0 up
		link set lan0 master vrf0
		link set wan0 master vrf0
	END
}
macvlan()
{
	lan_dev=mvl wan_dev=mvw
	ip -n "$router" -batch - <<- END
		link add link lan0 name mvl type macvlan mode private
		link add link wan0 name mvw type macvlan mode private
	END
}
team()
{
	lan_dev=tml wan_dev=tmw
	ip -n "$router" -batch - <<- END &&
		link add tml type team
		link add tmw type team
	END
	set_mode "$router" tml && set_mode "$router" tmw &&
	ip -n "$router" -batch - <<- END
		link set lan0 down
		link set wan0 down
		link set lan0 master tml
		link set wan0 master tmw
		link set lan0 up
		link set wan0 up
	END
}
addresses()
{
	ip -n "$router" -batch - <<- END &&
		addr flush dev lan0 scope global
		addr flush dev wan0 scope global
		link set $lan_dev up
		link set $wan_dev up
		addr add $lan4.1/24 dev $lan_dev
		addr add $lan6:1/64 dev $lan_dev nodad
		addr add $wan4.1/24 dev $wan_dev
		addr add $wan6:1/64 dev $wan_dev nodad
	END
	# Else lan0 answers for the address of the macvlan device above it, too
	in_ns "$router" sysctl -q net.ipv4.conf.all.arp_ignore=1 &&
	ip -n "$client" neigh flush all &&
	ip -n "$server" neigh flush all
}

# measure: sends four packets of each flow; in $slow how many of them, and of their
# answers, came to the forward chain, in $band how many to band 5 of wan0
measure()
{
	local packets

	packets=$(slow_packets)
	band=$(bands wan0 | cut -d' ' -f6)
	talk_or_bail "ping 4 64 *"
	slow=$(($(slow_packets) - packets))
	band=$(($(bands wan0 | cut -d' ' -f6) - band))
}
# offloads: all of them, and the last of five measurements counts. The kernel ends
# flows when routes change, which it may notice some time after devices came.
offloads()
{
	local i

	for i in 1 2 3 4 5; do
		measure
		[ "$slow" != 0 ] || break
	done
}

# on STACK
on()
{
	local band slow

	topo_router
	$1 && addresses || bail "$1: no devices"
	busywait 10 in_ns "$client" ping -q -c 1 -W 1 "$wan4.2" > /dev/null ||
		bail "$1: no way from the client to the server (IPv4)"
	busywait 10 in_ns "$client" ping -q -c 1 -W 1 "$wan6:2" > /dev/null ||
		bail "$1: no way from the client to the server (IPv6)"
	topo_nft --devices "$lan_dev, $wan_dev"
	keep_flows
	prio_bands wan0
	talk_serve "$server"
	talk_start "$client"
	talk_or_bail "open u4 udp $wan4.2 5000 0xb8 4000" \
		"open u6 udp $wan6:2 5000 0xb8 4001" \
		"open t4 tcp $wan4.2 5000 0xb8 4002" \
		"open t6 tcp $wan6:2 5000 0xb8 4003" "ping 4 64 *"
	offloads
	check_eq "$1: the kernel offloads all flows" 0 "$slow"
	check_eq "$1: their priority is lost" 0 "$band"

	ftqos -n "$router" dev set any || bail "cannot bind"
	offloads
	check_eq "$1, any: all flows are offloaded" 0 "$slow"
	check "$1, any: every packet has its priority" test "$band" -ge 16
	ftqos -n "$router" -b - <<- END || bail "cannot bind"
		dev del any
		map add one preset constant 5
		dev set $wan_dev map one
	END
	offloads
	check_eq "$1, $wan_dev: all flows are offloaded" 0 "$slow"
	check "$1, $wan_dev: every packet has its priority" test "$band" -ge 16
	check_eq "$1, $wan_dev: active" active \
		"$(ftqos -n "$router" -j dev show "$wan_dev" | jq -r '.[0].state')"
	ftqos -n "$router" dev del "$wan_dev" || bail "cannot unbind"
	offloads
	check_eq "$1, unbound: all flows are offloaded" 0 "$slow"
}

on vrf
on macvlan
on team
finish
