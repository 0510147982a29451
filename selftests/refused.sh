#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a flowtable refuses leaves our hook as it came: every octet, and what the
# kernel knows of the packet. A chain of nft stands behind the flowtables, and a
# probe on its function looks at every packet that comes there: once with the
# module loaded and nothing bound, once with any bound. The two have to be the same.
#
# All frames are of flows that are offloaded, so that what is wrong with them is
# the only reason: fragments, IP options and extension headers, TTL 1, too large
# for the flow, FIN and RST (which 6.19 and later take), no route any more; without
# a tag, as priority frames, with one tag and with two, PCP and DEI set, where F3's
# cure changes them before the flowtable looks. Good frames with the same tags show
# that it does: bound, they do not come to the chain. tc sets a priority and a mark
# at ingress, so that there is something to lose. Frames that come out of a VXLAN
# tunnel have a checksum over all of them (CHECKSUM_COMPLETE).

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft tc conntrack ethtool python3 jq ftqos
[ -e /sys/kernel/btf/vmlinux ] || skip_all "no BTF, which tells what is where in a packet"
load_module

seen=$(mktemp -d)
defer rm -rf "$seen"
topo_router --vlans "802.1ad:100 802.1Q:5" --keep-offloads
sizes()
{
	# Into the VLANs goes less, out of them comes more than through lan0
	ip -n "$server" link set srv0 mtu 2000 &&
	ip -n "$router" -batch - <<- END
		link set wan0 mtu 2000
		link add link wan0 name wan0.7 type vlan id 7
		link set wan0.7 up mtu 1400
		link set $wan mtu 1400
		addr add 203.0.113.1/24 dev wan0.7
	END
}
server_vlan7()
{
	ip -n "$server" -batch - <<- END
		link add link srv0 name srv0.7 type vlan id 7
		link set srv0.7 up
		addr add 203.0.113.2/24 dev srv0.7
		route add default via 203.0.113.1 table 20
		rule add from 203.0.113.2 table 20
	END
}
vxlan()
{
	ip -n "$router" -batch - <<- END &&
		link add vx0 type vxlan id 7 local $wan4.1 remote $wan4.2 dstport 4789
		link set vx0 up
	END
	ip -n "$server" -batch - <<- END
		link add vx0 type vxlan id 7 local $wan4.2 remote $wan4.1 dstport 4789 udpcsum
		link set vx0 up
	END
}
sizes && server_vlan7 && vxlan || bail "no devices"
topo_nft --devices "lan0, wan0, vx0"
keep_flows
quiet_neighbours
in_ns "$router" nft -f - <<- END || bail "nft refuses the chain behind"
	table netdev behind {
		chain seen {
			type filter hook ingress devices = { lan0, wan0, vx0 } priority filter + 1
			ether saddr and ff:ff:ff:00:00:00 == 02:66:71:00:00:00 drop
		}
	}
END
for dev in lan0 wan0; do
	tc -n "$router" qdisc add dev $dev clsact &&
	tc -n "$router" filter add dev $dev ingress matchall \
		action skbedit priority 6 mark 119 || bail "no skbedit"
done

probe()
{
	python3 -I -S "$LIB_DIR/probe.py" "$@"
}
without=$(probe start nf_tables:nft_do_chain_netdev si) || bail "no probe"
defer python3 -I -S "$LIB_DIR/probe.py" stop
note "not fields of this kernel's sk_buff: $without"

talk_serve "$server"
talk_start "$client"
talk_or_bail "open a4 udp $wan4.2 5000 0xb8 4000" \
	"open a6 udp $wan6:2 5000 0xb8 4001" "open b4 udp 203.0.113.2 5000 0xb8 4002" \
	"open t4 tcp $wan4.2 5000 0xb8 4003" "open t6 tcp $wan6:2 5000 0xb8 4004" \
	"open r4 tcp $wan4.2 5000 0xb8 4005" "open r6 tcp $wan6:2 5000 0xb8 4006"

# all_offloaded: after the packets that this takes
all_offloaded()
{
	talk "ping 1 64 *" > /dev/null
	[ "$({ offloaded '' 5000; offloaded '' 5000 ipv6; } | wc -l)" = 7 ]
}

lan=$(mac_of "$router" lan0)
wan_mac=$(mac_of "$router" wan0)
vx=$(mac_of "$router" vx0)

# send NS JOB [+ JOB]...
send()
{
	in_ns "$1" python3 -I -S "$LIB_DIR/frames.py" "${@:2}" ||
		bail "frames.py ${*:2}"
}
qinq='ad100,5;ad100:3:1,5:6:1;ad100:0:1,5;ad100,5:5:0'
two='ad100:3:1,5:6:1'
one='7;7:3:1;7:5:0'
prio=';0:5:1;0:0:1'
kinds4=good,partial,ttl1,frag,fraglast,options,big
kinds6=$kinds4,dstopts
lan="refused cl0 $lan"
vx="refused vx0 $vx"
wan="refused srv0 $wan_mac"
down4="$wan4.2 $lan4.2 5000"
down6="$wan6:2 $lan6:2 5000"

# all_kinds NAME TAGS: all frames, what the probe saw of them is in $seen/NAME. The
# flows notice with the next packet, which has TAGS, that routes have changed.
all_kinds()
{
	check "$1: all flows are offloaded" busywait 20 all_offloaded
	probe clear
	# shellcheck disable=SC2086 # words
	send "$client" $lan "$lan4.2" "$wan4.2" 4000 5000 --mark 1 --big 1400 \
		--tags "$prio" --kinds $kinds4 + $lan "$lan6:2" "$wan6:2" 4001 \
		5000 --mark 2 --big 1400 --tags "$prio" --kinds $kinds6
	# shellcheck disable=SC2086 # words
	send "$server" $wan $down4 4000 --mark 3 --tags "$qinq" --kinds $kinds4 + \
		$wan $down6 4001 --mark 4 --tags "$qinq" --kinds $kinds6 + \
		$wan 203.0.113.2 "$lan4.2" 5000 4002 --mark 5 --tags "$one" \
		--kinds $kinds4
	# Each ends its flow up to 6.18
	# shellcheck disable=SC2086 # words
	send "$server" $wan $down4 4003 --kinds fin --mark 6 --tags "$two" + \
		$wan $down6 4004 --kinds fin --mark 7 --tags "$two" + \
		$wan $down4 4005 --kinds rst --mark 6 --tags "$two" + \
		$wan $down6 4006 --kinds rst --mark 7 --tags "$two"
	ip -n "$router" -batch - <<- END || bail "no routes"
		route add $lan4.2/32 dev lan0
		route add $lan6:2/128 dev lan0
	END
	# shellcheck disable=SC2086 # words
	send "$server" $wan $down4 4000 --mark 8 --tags "$2" + \
		$wan $down6 4001 --mark 9 --tags "$2"
	ip -n "$router" -batch - <<- END || bail "no routes"
		route del $lan4.2/32 dev lan0
		route del $lan6:2/128 dev lan0
	END
	in_ns "$server" ethtool -K srv0 tx off > /dev/null 2>&1
	# shellcheck disable=SC2086 # words
	send "$server" $vx $down4 4000 --mark 10 --tags "$qinq" + \
		$vx $down6 4001 --mark 10 --tags "$qinq"
	in_ns "$server" ethtool -K srv0 tx on > /dev/null 2>&1
	talk_or_bail
	probe read 026671 > "$seen/$1" || bail "no trace"
}

all_kinds unbound "ad100,5"
ftqos -n "$router" dev set any || bail "cannot bind"
hooked()
{
	ftqos -n "$router" -j status |
		jq -e '[.flowtables[].state] == ["hooked", "hooked", "hooked"]'
}
check "any is bound, hooks are in place" busywait 10 hooked
ftqos -n "$router" stats reset
all_kinds bound "$two"
stats=$(ftqos -n "$router" -j stats show)

# of NAME MARKS [KINDS]: the lines of these: the last two octets but one and the last
# one of the source
of()
{
	awk -v marks=" $2 " -v kinds=" ${3-} " '
		index(marks, " " substr($NF, 19, 2) " ") &&
		(kinds == "  " || index(kinds, " " substr($NF, 23, 2) " "))' \
		"$seen/$1"
}
count()
{
	of "$@" | wc -l
}

udp="01 02 03 04 05"
bad="01 02 03 04 05 06 07"
# lan0: 3 lists of tags, 6 and 7 kinds; wan0: 4 of 6 and 7; VLAN 7: 3 of 6
check_eq "refused by this kernel: every frame that should be" 109 \
	"$(count unbound "$udp" "$bad")"
check_eq "as it came: fragments, options, TTL 1, too big, with and without tags" \
	"$(of unbound "$udp" "$bad")" "$(of bound "$udp" "$bad")"
check_eq "good frames with PCP or DEI are refused without us" 12 \
	"$(count unbound "$udp" 00)"
check_eq "good frames are taken, which shows that theirs are changed" 0 \
	"$(count bound "$udp" 00)"
# FIN and RST where the fast path has them are taken by that cure as well
cured=12
((release <= 6018)) || cured=16
check_eq "and counted" $cured "$(jq .ingress_pcp_cleared <<< "$stats")"
check "what was refused is counted" \
	test "$(jq .missed_packets <<< "$stats")" -ge 109
# Without us these frames are no flow's, by F3
for kind in "FIN 08" "RST 09"; do
	check_eq "${kind% *}: comes to the chain without us" 2 \
		"$(count unbound "06 07" "${kind#* }")"
	if ((release <= 6018)); then
		check_eq "as it came: ${kind% *}" \
			"$(of unbound "06 07" "${kind#* }")" \
			"$(of bound "06 07" "${kind#* }")"
	else
		check_eq "${kind% *}: this kernel takes it" 0 \
			"$(count bound "06 07" "${kind#* }")"
	fi
done
# The tags differ, so that it is not F3 that refuses the frames with nothing bound
plain()
{
	of "$1" "08 09" | sed -E 's/vlan_(tci|all)=[^ ]* //g; s/8100....(0800|86dd)/\1/'
}
check_eq "no route: refused by this kernel" 2 "$(count unbound "08 09")"
check_eq "as it came: no route" "$(plain unbound)" "$(plain bound)"
check_eq "no route: both tags as they came" 2 "$(of bound "08 09" |
	grep -c 'vlan_tci=0x7064 .*8100d005')"
check_eq "out of a tunnel: every frame comes to the chain" 8 \
	"$(count unbound 0a)"
check_eq "out of a tunnel: with a checksum over all of it" 8 \
	"$(of unbound 0a | grep -c 'ip_summed=2 ')"
check_eq "as it came: out of a tunnel, with checksum" "$(of unbound 0a)" \
	"$(of bound 0a)"
check_eq "partial checksums stay so" 17 "$(of bound "$udp" 01 |
	grep -c 'ip_summed=3 ')"
check_eq "priority and mark stay" 109 "$(of bound "$udp" "$bad" |
	grep -c 'priority=0x6 mark=0x77 ')"
finish
