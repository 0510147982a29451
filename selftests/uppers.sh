#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Routers whose LAN and WAN are in a VRF, macvlan devices, or teams. The flows that
# the kernel sends past the forward chain with nothing bound go the same way with any
# bound, and with the WAN device bound by its name; then their packets have the
# priority of their class, as the prio qdisc of wan0 counts it.
#
# Over macvlan devices also what is learned there and on the device below: that of the
# binding that decides, and no other's.

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
on team

# --- learned over macvlan ----------------------------------------------------------

# frames SPORT COUNT [FAMILY]: of one flow, all through when it returns. By which bands
# of wan0 they left ("BAND:PACKETS "), how many the slow path has seen, and how many
# left by what was learned, is in $left
frames()
{
	local a=("$lan4.2" "$wan4.2") before i n slow

	[ "${3-4}" = 4 ] || a=("$lan6:2" "$wan6:2")
	ftqos -n "$router" stats reset
	before=$(bands wan0)
	slow=$(slow_packets)
	pkt "$client" raw --dev cl0 --dst-mac "$mac" --src "${a[0]}" --dst "${a[1]}" \
		--sport "$1" --dport 6000 --count "$2" --tos 0xb8 || bail "no frames"
	left=
	read -r -a n < <(minus "$(bands wan0)" "$before")
	for i in "${!n[@]}"; do
		[ "${n[i]}" = 0 ] || left+="$i:${n[i]} "
	done
	left+=" $(($(slow_packets) - slow)) $(counters learned)"
}

# bound LINES: bind these, and nothing else
bound()
{
	ftqos -n "$router" restore <<- END || bail "cannot bind"
		map add m
		map set m all prio 0
		map set m ef prio 7
		$1
	END
	hooks_placed
}

on macvlan
mac=$(mac_of "$router" mvl)
# No ARP or neighbour discovery among what is counted
quiet_router
s=$(mac_of "$server" srv0) w=$(mac_of "$router" mvw)
ip -n "$router" -batch - <<- END &&
	neigh replace $wan4.2 lladdr $s dev mvw
	neigh replace $wan6:2 lladdr $s dev mvw
END
ip -n "$server" -batch - <<- END || bail "cannot set neighbours"
	neigh replace $wan4.1 lladdr $w dev srv0
	neigh replace $wan6:1 lladdr $w dev srv0
END
in_ns "$server" nft -f - <<- END || bail "nft refuses to drop"
	table inet quiet {
		chain input {
			type filter hook input priority filter
			udp dport 6000 drop
		}
	}
END
in_ns "$router" nft -f - <<- END || bail "nft refuses the rules"
	table inet rules {
		chain post {
			type filter hook postrouting priority 300
			udp sport 4100-4109 meta priority set 0:3
		}
	}
	table netdev below {
		chain egress {
			type filter hook egress device wan0 priority 0
		}
	}
END
sport=4100
for binds in any wan0 mvw; do
	bound "dev set $binds map m sticky on"
	for fam in 4 6; do
		frames $sport 2 $fam
		check_eq "macvlan, $binds, IPv$fam: a rule's priority, slow path" \
			"3:2  2 0" "$left"
		frames $sport 4 $fam
		check_eq "macvlan, $binds, IPv$fam: that is learned" "3:4  0 4" "$left"
		# Of the slow path's packets only, as offloaded ones come through it, too
		in_ns "$router" nft add rule netdev below egress udp dport 6000 \
			meta priority set 0:2
		frames $((sport + 10)) 2 $fam
		check_eq "macvlan, $binds, IPv$fam: a rule's on the device below" \
			"2:2  2 0" "$left"
		in_ns "$router" nft flush chain netdev below egress
		frames $((sport + 10)) 4 $fam
		if [ $binds = mvw ]; then
			check_eq "macvlan, $binds, IPv$fam: that is not learned there" \
				"7:4  0 0" "$left"
		else
			check_eq "macvlan, $binds, IPv$fam: that is learned there" \
				"2:4  0 4" "$left"
		fi
	done
	sport=$((sport + 1))
done

# The device below has a binding of its own, which does not decide
bound "dev set mvw map m sticky on
	dev set wan0 sticky all"
frames 4120 2
check_eq "macvlan is on, below it is all: no rule spoke, slow path" "4:2  2 0" "$left"
frames 4120 4
check_eq "macvlan is on, below it is all: nothing is learned" "7:4  0 0" "$left"
bound "dev set mvw map m sticky all
	dev set wan0 sticky on"
frames 4121 2
check_eq "macvlan is all, below it is on: no rule spoke, slow path" "4:2  2 0" "$left"
frames 4121 4
check_eq "macvlan is all, below it is on: all is learned" "4:4  0 4" "$left"
finish
