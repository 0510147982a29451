#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Nothing is changed for packets that are not offloaded, for packets that leave
# through devices that are not bound, and for foreign packets that are sent
# while the flowtable has an offloaded one.
#
# Slow path, locally generated and bridged packets are sent once before a device
# is bound and once with all of them bound: VLAN, PCP, DEI and DSCP on the wire
# and the bands of a prio qdisc have to be the same. wan0.7 has an
# egress-qos-map and the map gives other values, so that there is something to
# lose.
#
# Foreign packets, sent inside the window of an offloaded packet:
# - neighbour discovery: the router forgets the server's address, the next
#   offloaded packet makes it ask (up to 6.18: then it is sent to whatever address
#   the neighbour has, if any, and nobody is asked);
# - a packet that waits in a qdisc: a tbf on $tx without tokens holds a packet of
#   the slow path back, gets tokens, and sends it when an offloaded packet is put
#   behind it;
# and segments of the offloaded packet itself, which are not foreign.
#
# $tx is the device that the fast path transmits on, $below the one below it,
# whose hook sees what $tx sends: wan0.7 and wan0, since 6.19 wan0 and its port,
# for which wan0 is made a bond.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft tc conntrack ethtool python3 jq ftqos bridge

up=$(mktemp)
defer rm -f "$up" "$up.txt"
topo_router --vlan7 --keep-offloads
tx=wan0.7 below=wan0
if ((release > 6018)); then
	tx=wan0 below=port0
	bond_below_vlan7
fi
quiet_neighbours
load_module
setup_bridge()
{
	ip -batch - <<- END &&
		link add cl1 netns $client type veth peer name br1 netns $router
		link add sv1 netns $server type veth peer name br2 netns $router
	END
	ip -n "$client" link set cl1 up &&
	ip -n "$server" link set sv1 up &&
	ip -batch - -n "$router" <<- END
		link add br0 type bridge mcast_snooping 0
		link set br1 master br0 up
		link set br2 master br0 up
		link set br0 up
		link set wan0.7 type vlan egress-qos-map 1:1 2:2 3:3 4:4 6:6 7:7
	END
}
setup_bridge || bail "no bridge"
topo_nft --devices "lan0, wan0, br1"
keep_flows
# Port 9 stays on the slow path
in_ns "$router" nft -f - <<- END || bail "nft refuses the rules"
	insert rule inet ftq forward meta l4proto { tcp, udp } th dport 9 accept
	insert rule inet ftq forward meta l4proto { tcp, udp } th sport 9 accept
END
prio_bands lan0 $below
ftqos -n "$router" map set default all prio 5 pcp 5 || bail "cannot set a map"

talk_serve "$server" 9 5000
talk_start "$client"
open=()
port=4000
for address in 198.51.100.2 2001:db8:2::2; do
	family=${address//[!:]/}
	family=${family:+6}
	family=${family:-4}
	for tos in 0xb8 0x88 0x20 0x34; do
		port=$((port + 1))
		open+=("open slow$family.$tos udp $address 9 $tos $port $tos")
	done
	for proto in udp tcp; do
		port=$((port + 1))
		open+=("open off$family.$proto $proto $address 5000 0xb8 $port 0xb8")
		open+=("open slow$family.$proto $proto $address 9 0xb8 $port 0xb8")
	done
done
talk_or_bail "${open[@]}" "ping 3 64 *"
have_offload()
{
	[ "$({ offloaded '' 5000; offloaded '' 5000 ipv6; } | wc -l)" = 4 ]
}
check "four flows are offloaded" busywait 10 have_offload
check_not "those to port 9 are not" offloaded '' 9

# What is not offloaded, in a phase of the capture
pkt_bg up_pid "$server" capture any --out "$up" --direction in
to=$(mac_of "$server" sv1)
raw="raw --dev cl1 --dst-mac $to --tos 0xb9 --dport 9 --sport 9"
raw4="$raw --src 192.0.2.77 --dst 198.51.100.77"
raw6="$raw --src 2001:db8:1::77 --dst 2001:db8:2::77"
# TCP that nobody sends again: not of a socket
tcp="raw --dev cl0 --dst-mac $(mac_of "$router" lan0) --src 192.0.2.2
	--dst 198.51.100.2 --proto tcp --sport 4100 --dport 9 --tos 0xb8"
others()
{
	talk_or_bail "send 2 100 slow*.0x*" "ping 2 100 slow*.tcp"
	pkt "$router" send 198.51.100.2 --tos 0xb8 --sport 7 --dport 9 + \
		send 2001:db8:2::2 --tos 0xb8 --sport 7 --dport 9 || :
	# shellcheck disable=SC2086 # words
	pkt "$client" $raw4 --tags 9:2:1 + $raw4 --tags 0:3:1 + $raw4 + \
		$raw6 --tags 9:2:1 + $raw6 --tags 0:3:0 + $raw4 --proto tcp \
		--tags 9:6:0 + $tcp
	# The first packet of the slow path has to wait for the neighbour
	forget_neighbours
	talk_or_bail "ping 1 100 slow*.tcp" "ping 1 64 off*"
	phase "$up_pid" "$up"
}

# They have to be asked for, which quiet_neighbours forbids
forget_neighbours()
{
	in_ns "$router" nft -f - <<- END || bail "nft refuses to let the router ask"
		table inet quiet
		delete table inet quiet
	END
	ip -batch - -n "$router" <<- END || bail "cannot forget neighbours"
		neigh del 198.51.100.2 dev wan0.7
		neigh del 2001:db8:2::2 dev wan0.7
	END
}

others
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	dev set any
	dev set wan0.7
	dev set br2
END
hooked()
{
	ftqos -n "$router" -j status |
		jq -e '[.flowtables[].state] == ["hooked", "hooked", "hooked"]'
}
check "all are bound, hooks are in place" busywait 10 hooked
quiet_neighbours
others
missed=$(ftqos -n "$router" -j stats show | jq .missed_packets)

# Devices that are not bound
quiet_neighbours
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	dev del any
	dev del br2
END
# ping_off: offloaded packets, and what bands 5 of lan0 and $below counted
ping_off()
{
	local lan wan

	{ read -r lan; read -r wan; } < <(bands lan0 $below | cut -d' ' -f6)
	talk_or_bail "$@"
	phase "$up_pid" "$up"
	{ read -r lan5; read -r wan5; } < <(bands lan0 $below | cut -d' ' -f6)
	lan5=$((lan5 - lan)) wan5=$((wan5 - wan))
}
ping_off "ping 4 100 off*"
check_eq "only wan0.7 is bound: nothing in band 5 of lan0" 0 "$lan5"
check "only wan0.7 is bound: its packets are in band 5" test "$wan5" -ge 16
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	dev del wan0.7
	dev set lan0
END
ping_off "ping 4 100 off*"
check_eq "only lan0 is bound: nothing in band 5 of wan0" 0 "$wan5"
check "only lan0 is bound: its packets are in band 5" test "$lan5" -ge 16

# Inside the window: neighbour discovery. The offloaded packet itself waits and
# leaves later, which is a known limit.
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	dev del lan0
	dev set wan0.7
END
if ((release <= 6018)); then
	forget_neighbours
	talk_or_bail "ping 1 100 off4.udp" "ping 1 100 off6.udp"
	forget_neighbours
	talk_or_bail "bulk 20000 off4.tcp" "bulk 20000 off6.tcp"
fi
phase "$up_pid" "$up"
quiet_neighbours

# hold_back: what is sent from now on waits on $tx, after a first packet that
# takes the tokens
hold_back()
{
	tc -n "$router" qdisc replace dev $tx root tbf rate 80bit \
		burst 1600 limit 100000 || bail "no tbf"
	talk_or_bail "send 1 1400 slow4.0x34"
}

# went_along PORT SIZE: in the last phase the packet from PORT was followed by an
# offloaded one of at least SIZE, so it was that one which took it along
went_along()
{
	awk -v port="\"sport\": $1, \"dport\": 9," -v size="$2" '
		/^."phase"/ { last = along; along = held = 0; next }
		!/"dev": "srv0"/ { next }
		held && /"dport": 5000,/ && match($0, /"frame": [0-9]+/) &&
			substr($0, RSTART + 9, RLENGTH - 9) + 0 >= size {
			along = 1
		}
		{ held = index($0, port) }
		END { exit !last }' "$up"
}

# in_window PORT SIZE COMMAND OFFLOADED: a packet that COMMAND sends from PORT
# waits until talk sends OFFLOADED. Any packet of the router's own (multicast
# listeners' reports) sends it too early: then once more. In $window the phase.
in_window()
{
	local i

	for i in 1 2 3 4 5; do
		hold_back
		$3
		# Tokens are here now, but nobody looks until a packet comes
		tc -n "$router" qdisc change dev $tx root tbf rate 1gbit \
			burst 200k limit 400000 || bail "cannot change tbf"
		talk_or_bail "$4"
		phase "$up_pid" "$up"
		window=$(($(grep -c '^{"phase"' "$up") - 1))
		if went_along "$1" "$2"; then
			return
		fi
	done
	bail "no packet waits in a tbf until another comes"
}
udp_sender()
{
	talk_or_bail "send 1 600 slow4.0xb8"
}
tcp_sender()
{
	# shellcheck disable=SC2086 # words
	pkt "$client" $tcp --size 600
}
in_window 4001 0 udp_sender "ping 1 100 off4.udp"
udp_window=$window
in_window 4100 1600 tcp_sender "bulk 60000 off4.tcp"
tcp_window=$window

# Segments that are made in the window, above a queue
tc -n "$router" qdisc del dev $tx root
in_ns "$router" ethtool -K $tx tso off gso off > /dev/null
ping_off "bulk 60000 off4.tcp" "bulk 60000 off6.tcp"
pkt_stop "$up_pid"

# What was captured: phase, device, VLAN, PCP, DEI, DSCP, ECN, family or
# ethertype, protocol, addresses, ports, length of the frame
with_phase "$up" | jq -r 'select(.dev == "srv0" or .dev == "sv1") |
	[.phase, .dev, .vid, .pcp, .dei, .dscp, .ecn, .family // .ethertype,
	.proto, .src, .dst, .sport, .dport, .frame] |
	map(. // "-" | tostring) | join(" ")' > "$up.txt"

# seen PHASE CONDITION [FIELDS]: kinds of packets, each once: TCP may send a
# packet twice
seen()
{
	awk -v phase="$1" "\$1 == phase && ($2)" "$up.txt" |
		cut -d' ' -f"${3-2-13}" | sort -u
}

# same NAME PHASE CONDITION [FIELDS]: as in phase 0, and there are some
same()
{
	local kinds

	kinds=$(seen 0 "${@:3}")
	[ -n "$kinds" ] || bail "$1: no such packets in phase 0"
	check_eq "$1" "$kinds" "$(seen "$2" "${@:3}")"
}

same "slow path: as before devices were bound" 1 '$13 == 9 && $12 > 4000'
same "locally generated: as before devices were bound" 1 '$13 == 9 && $12 == 7'
same "bridged: as before devices were bound" 1 '$2 == "sv1" && $13 == 9'
check "bridged packets went through the flowtable's hook" test "$missed" -ge 12

off='$2 == "srv0" && $13 == 5000'
check_eq "offloaded: PCP 5" 5 "$(seen 1 "$off" 4 | xargs)"
check_eq "only wan0.7 is bound: PCP 5 there" 5 "$(seen 2 "$off" 4 | xargs)"
check_eq "only lan0 is bound: PCP 0 on the other side" 0 \
	"$(seen 3 "$off" 4 | xargs)"

asks='$2 == "srv0" && ($8 == "0x0806" ||
	$9 == "icmpv6" && $11 ~ /^2001:db8:2::2$|^ff02::1:ff/)'
for family in 0x0806 ipv6; do
	((release <= 6018)) || continue
	same "in the window: $family neighbour discovery as for the slow path" \
		4 "$asks && \$8 == \"$family\"" 2-4,8
done

held='$2 == "srv0" && $13 == 9 && $12'
same "in the window: a packet that waited is as it would have been" \
	"$udp_window" "$held == 4001"
check_eq "in the window: the offloaded packet has its PCP" 5 \
	"$(seen "$udp_window" "$off" 4 | xargs)"
same "in the window of a GSO packet: one that waited is as it would have been" \
	"$tcp_window" "$held == 4100"
check_eq "in the window of a GSO packet: its own PCP" 5 \
	"$(seen "$tcp_window" "$off" 4 | xargs)"

last=$((tcp_window + 1))
segments=$(awk "\$1 == $last && $off" "$up.txt" | wc -l)
check "segments were made on $tx" test "$segments" -gt 80
check_eq "no packet was left in one piece" "" "$(seen "$last" "$off && \$14 > 1518")"
check_eq "every segment has the PCP" 5 "$(seen "$last" "$off" 4 | xargs)"
check_eq "every segment has the priority" "$segments" "$wan5"
finish
