#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# DSCPs that are rewritten: of offloaded packets by their class, and with scope all
# of those on the slow path by their own. ECN, whichever of its four values, stays,
# the IPv4 header's checksum goes along, the PCP is that of the class, not of the
# new DSCP; copies that others hold have the old DSCP or the new one, whole; of
# several bindings one decides, and a packet is counted once.
#
# With scope all queues on upper devices do not matter.
#
# Raw frames of flows that are offloaded are sent and looked at one by one on the
# server's wire: DSCP, ECN, PCP, and whether the checksum is right; what the server
# found wrong with checksums is counted as well. That packets were offloaded is told
# by conntrack, and by the forward chain's counter, which stands still. Before a
# device is bound the same frames leave as they came.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft tc conntrack ethtool python3 jq ftqos

up=$(mktemp)
down=$(mktemp)
all=$(mktemp)
conf=$(mktemp)
defer rm -f "$up" "$down" "$all" "$conf"
topo_router --vlan7
# Before flows are offloaded: a change makes them begin anew
ip -n "$router" link set wan0.7 type vlan egress-qos-map 3:6 || bail "no egress-qos-map"
tx=wan0.7
((release <= 6018)) || tx=wan0
ip -n "$router" link add mon0 up type dummy || bail "no mon0"
ip -n "$router" link add mon1 up type dummy || bail "no mon1"
topo_nft
# Port 9 stays on the slow path
in_ns "$router" nft insert rule inet ftq forward udp dport 9 counter name slow accept ||
	bail "nft refuses the rule"
quiet_neighbours
keep_flows
load_module
# Nobody answers to those
in_ns "$server" nft -f - <<- END || bail "nft refuses to drop"
	table inet quiet {
		chain input {
			type filter hook input priority filter
			udp dport 9 drop
		}
	}
END
lmac=$(mac_of "$router" lan0)
wmac=$(mac_of "$router" wan0)

talk_serve "$server"
talk_start "$client"
talk_or_bail "open u4 udp $wan4.2 5000 0xb8 4000 0x88" \
	"open u6 udp $wan6:2 5000 0xb8 4000 0x88" \
	"open t4 tcp $wan4.2 5000 0xb8 4000 0x88" \
	"open t6 tcp $wan6:2 5000 0xb8 4000 0x88" "ping 3 64 *"
for f in ipv4 ipv6; do
	check "UDP of $f is offloaded" busywait 10 offloaded udp 5000 $f
	check "TCP of $f is offloaded" busywait 10 offloaded tcp 5000 $f
done
pkt_bg up_pid "$server" capture srv0 --out "$up" --direction in
pkt_bg down_pid "$client" capture cl0 --out "$down" --direction in

ftq()
{
	ftqos -n "$router" -b - || bail "refused"
}

# wrong_sums: packets whose checksum the server found wrong
wrong_sums()
{
	in_ns "$server" cat /proc/net/snmp /proc/net/snmp6 | awk '
		$1 == "Ip:" || $1 == "Udp:" || $1 == "Tcp:" {
			if ($2 !~ /^[0-9]/) {
				for (i = 2; i <= NF; i++)
					name[i] = $i
				next
			}
			for (i = 2; i <= NF; i++)
				if (name[i] ~ /InHdrErrors|InCsumErrors/)
					n += $i
		}
		$1 ~ /InCsumErrors|Ip6InHdrErrors/ { n += $2 }
		END { print n + 0 }'
}

# upward TOS [PORT PROTO...]: two frames of each of the four flows, or to another
# port, with each ECN, $sent in all
upward()
{
	local cmd=() ecn port=${2:-5000} proto raw tos=$1

	[ $# -gt 2 ] || set -- "" "" udp tcp
	sent=0
	for ecn in 0 1 2 3; do
		for proto in "${@:3}"; do
			raw=(raw --dev cl0 --dst-mac "$lmac" --proto "$proto"
				--sport 4000 --dport "$port" --count 2
				--tos $((tos | ecn)))
			cmd+=("${raw[@]}" --src "$lan4.2" --dst "$wan4.2" +
				"${raw[@]}" --src "$lan6:2" --dst "$wan6:2" +)
			sent=$((sent + 4))
		done
	done
	unset "cmd[-1]"
	pkt "$client" "${cmd[@]}"
	[ -z "$queue" ] || busywait 20 drained || bail "$queue still has packets"
	talk_or_bail
}

# queue DEV: packets wait on this device of the router, outside of the window
queue=
queue()
{
	tc -n "$router" qdisc replace dev "$1" root tbf rate 16kbit burst 500 \
		latency 5s || bail "no queue on $1"
	queue=$1
}

# drained: none waits there any more
drained()
{
	tc -n "$router" -s qdisc show dev "$queue" root | grep -q "backlog 0b 0p"
}

# waited: but some did
waited()
{
	tc -n "$router" -s -j qdisc show dev "$queue" root | jq -e '.[0].overlimits > 0'
}

no_queue()
{
	tc -n "$router" qdisc del dev "$queue" root
	queue=
}

# last_phase FILE
last_phase()
{
	tac "$1" | awk '/^."phase"/ && n++ { exit } { print }'
}

# looks FILE PORT: the last phase's raw frames to that port, how many of each kind:
# "N FAMILY PROTO DSCP ECN PCP SUM"
looks()
{
	kinds "$1" "$2" family proto dscp ecn pcp sum
}

# all_ecn DSCP PCP [PROTO...]: what looks gives of upward
all_ecn()
{
	local ecn family proto sum

	[ $# -gt 2 ] || set -- "$@" tcp udp
	for family in ipv4 ipv6; do
		sum=null
		[ $family = ipv6 ] || sum=1
		for proto in "${@:3}"; do
			for ecn in 0 1 2 3; do
				echo "2 $family $proto $1 $ecn $2 $sum"
			done
		done
	done
}

# round NAME DSCP PCP [SET]: EF frames of the four flows leave with these, and
# DSCPs were set so often, all of them or none
round()
{
	local slow wrong

	phase "$up_pid" "$up"
	ftqos -n "$router" stats reset
	slow=$(slow_packets)
	wrong=$(wrong_sums)
	upward 0xb8
	phase "$up_pid" "$up"
	check_eq "$1: DSCP $2, PCP $3, ECN as it was, sums right" \
		"$(all_ecn "$2" "$3")" "$(looks "$up" 5000)"
	check_eq "$1: none came to the forward chain, the server found no sum wrong" \
		"0 0" "$(($(slow_packets) - slow)) $(($(wrong_sums) - wrong))"
	[ -z "${4-}" ] ||
		check_eq "$1: dscp_set" "${4/all/$sent}" "$(counters dscp_set)"
}

# --- what a class gets -------------------------------------------------------------

shows()
{
	ftqos -n "$router" -j flow show iif lan0 | jq -r '
		map("\(.class)/\(.dscp)/\(.dscp_out)/\(.pcp)") | unique | join(" ")'
}
round "unbound" 46 0
ftq <<- END
	map add wire
	map set wire ef dscp af41
	dev set wan0.7 map wire
END
check_eq "map show has it" 34 "$(ftqos -n "$router" -j map show wire |
	jq '.[0].entries[46].set_dscp')"
round "dscp af41" 34 5 all
check_eq "flow show: as it came and as it left" "46/46/34/5" "$(shows)"
check "... in text, too" grep -q " af41 " \
	<(ftqos -n "$router" flow show iif lan0 proto udp)
ftqos -n "$router" map set wire ef dscp ef
round "the DSCP that it has" 46 5 all
# The checksum's carries
for dscp in 0 63 1 46 62; do
	ftqos -n "$router" map set wire ef dscp $dscp
	round "dscp $dscp" $dscp 5 all
done
ftqos -n "$router" map set wire ef prio keep pcp keep dscp cs5
round "nothing but dscp" 40 0 all
ftqos -n "$router" map set wire ef prio 3 pcp vlan dscp af42
round "pcp vlan and dscp" 36 6 all
ftqos -n "$router" map set wire ef dscp keep pcp 5
round "dscp keep" 46 5 0
check_eq "flow show: it left as it came" "46/46/46/5" "$(shows)"

# What else the map has for the new DSCP does not matter
ftq <<- END
	map set wire ef dscp cs1 pcp 5
	map set wire cs1 dscp cs2 pcp 1
	map add lower
	map set lower ef dscp cs3
	map set lower cs1 dscp cs4
	dev set wan0 map lower
END
round "two bindings in a row" 8 5 all
ftqos -n "$router" dev del wan0.7
round "that of the device below" 24 5 all
ftq <<- END
	dev del wan0
	dev set any map wire
END
round "that of any" 8 5 all

# Save and restore
ftqos -n "$router" save > "$conf"
ftqos -n "$router" map set wire all dscp 7
ftqos -n "$router" restore "$conf" || bail "cannot restore"
check_eq "restore brings back what was saved" "$(cat "$conf")" \
	"$(ftqos -n "$router" save)"
hooks_placed
round "... and so it is done" 8 5 all
{
	sed 's/dscp cs1/dscp 7/' "$conf"
	echo "map set wire ef dscp 64"
} > "$all"
check "... in what follows EF has another DSCP" grep -q "dscp 7" "$all"
check_not "a file with a bad line is not restored" ftqos -n "$router" restore "$all"
check_eq "... nothing of it" "$(cat "$conf")" "$(ftqos -n "$router" save)"
round "... and EF gets what it got" 8 5 all

# --- trust -------------------------------------------------------------------------

ftq <<- END
	dev del any
	map set wire 0 dscp le pcp 2
	dev set wan0.7 map wire
	dev set lan0 trust none
END
round "trust none: the DSCP of class 0" 1 2 all
ftq <<- END
	map add home
	map set home cs3 dscp cs6
	dev set lan0 map home trust dscp
	dev set wan0.7 trust pcp
END
phase "$down_pid" "$down"
slow=$(slow_packets)
ftqos -n "$router" stats reset
frame="raw --dev srv0 --dst-mac $wmac --tags 7:3:0 --tos 0x8a --sport 5000 --dport 4000"
# shellcheck disable=SC2086 # words
pkt "$server" $frame --src "$wan4.2" --dst "$lan4.2" --count 3 + \
	$frame --src "$wan6:2" --dst "$lan6:2" --count 3
talk_or_bail
phase "$down_pid" "$down"
check_eq "trust pcp: the DSCP of the class, ECN as it was" \
	"3 ipv4 udp 48 2 null 1"$'\n'"3 ipv6 udp 48 2 null null" "$(looks "$down" 4000)"
check_eq "trust pcp: none came to the forward chain" "6 $slow" \
	"$(counters dscp_set) $(slow_packets)"
ftq <<- END
	dev del lan0
	dev set wan0.7 trust dscp
	map set wire ef dscp af41 pcp 5
END

# --- copies ------------------------------------------------------------------------

# One that shares the octets, from before the DSCP is set, one from after that, and
# what captures on the router's devices hold
in_ns "$router" nft -f - <<- END || bail "nft refuses to copy"
	table netdev copy {
		chain tx {
			type filter hook egress device $tx priority 0
			dup to mon0
		}
	}
END
tc -n "$router" -batch - <<- END || bail "tc refuses to copy"
	qdisc add dev $tx clsact
	filter add dev $tx egress matchall action mirred egress mirror dev mon1
END
pkt_bg all_pid "$router" capture any --out "$all" --direction out
pkt_bg in_pid "$router" capture lan0 --out "$conf" --direction in
round "copies are made" 34 5 all
pkt_stop "$all_pid"
pkt_stop "$in_pid"
# copies DEV FILE: of the raw frames
copies()
{
	jq -r --arg dev "$1" 'select(.seq != null and .dport == 5000 and
		(.dev // $dev) == $dev) | "\(.family) \(.proto) \(.dscp) \(.ecn) \(.sum)"' \
		"$2" | sort | uniq -c | sed 's/^ *//'
}
old=$(all_ecn 46 x | sed 's/ x / /')
new=$(all_ecn 34 x | sed 's/ x / /')
check_eq "a capture on lan0 has the DSCP as it came" "$old" "$(copies lan0 "$conf")"
check_eq "a copy made before it is set has the old one" "$old" "$(copies mon0 "$all")"
check_eq "a copy made afterwards has the new one" "$new" "$(copies mon1 "$all")"
check_eq "a capture on wan0 has the new one" "$new" "$(copies wan0 "$all")"
in_ns "$router" nft delete table netdev copy
tc -n "$router" qdisc del dev $tx clsact

# --- large packets -----------------------------------------------------------------

for n in "$client cl0" "$router lan0" "$router wan0" "$server srv0"; do
	# shellcheck disable=SC2086 # words
	in_ns ${n% *} ethtool -K ${n#* } gso on tso on tx on sg on \
		tx-udp-segmentation on gro off > /dev/null 2>&1
done

# large NAME: in bulk; all that leaves has the DSCP, and as many were counted as the
# flows have packets
large()
{
	local slow

	talk_or_bail "ping 1 64 *"
	phase "$up_pid" "$up"
	ftqos -n "$router" -b - <<- END
		flow flush
		stats reset
	END
	slow=$(slow_packets)
	talk_or_bail "bulk 100000 t*" "gso 10 1200 u*"
	phase "$up_pid" "$up"
	check_eq "$1: nothing comes to the forward chain" "$slow" "$(slow_packets)"
	check_eq "$1: all have DSCP 34 and PCP 5" \
		"ipv4 tcp 34 5 1:ipv4 udp 34 5 1:ipv6 tcp 34 5 null:ipv6 udp 34 5 null" \
		"$(last_phase "$up" | jq -r 'select(.dport == 5000) |
			"\(.family) \(.proto) \(.dscp) \(.pcp) \(.sum)"' | sort -u |
			paste -s -d:)"
	check_eq "$1: as many were counted as the flows have packets" \
		"$(ftqos -n "$router" -j flow show iif lan0 | jq 'map(.packets) | add')" \
		"$(counters dscp_set)"
	[ "$1" = "in one piece" ] ||
		check_eq "$1: as many as were seen on the wire" "$(last_phase "$up" |
			jq 'select(.dport == 5000) | 1' | wc -l)" "$(counters dscp_set)"
}
large "in one piece"
check "... some are" jq -es 'any(.dport == 5000 and .frame > 3000)' <(last_phase "$up")
in_ns "$router" ethtool -K wan0 gso off tso off tx-udp-segmentation off > /dev/null 2>&1
large "segmented below wan0"
in_ns "$router" ethtool -K wan0.7 gso off tso off tx-udp-segmentation off > /dev/null 2>&1
large "segmented on the VLAN device"
check "... none is large" jq -es 'all(.frame < 1600 or .dport != 5000)' <(last_phase "$up")

# What GRO makes a list of keeps its DSCP, all of it
in_ns "$client" ethtool -K cl0 gso off tso off tx-udp-segmentation off > /dev/null 2>&1
in_ns "$router" ethtool -K lan0 gro on rx-gro-list on > /dev/null || bail "no lists"
pkt_bg in_pid "$router" capture lan0 --out "$conf" --direction in
phase "$up_pid" "$up"
ftqos -n "$router" stats reset
slow=$(slow_packets)
talk_or_bail "gso 30 1200 u*"
phase "$up_pid" "$up"
pkt_stop "$in_pid"
check_eq "lists: nothing comes to the forward chain" "$slow" "$(slow_packets)"
check "lists: there were some" jq -es 'any(.dport == 5000 and .frame > 2000)' "$conf"
check_eq "lists: on the wire as many are rewritten as were counted" "$(counters dscp_set)" \
	"$(last_phase "$up" | jq 'select(.dport == 5000 and .dscp == 34) | 1' | wc -l)"
in_ns "$router" ethtool -K lan0 gro off rx-gro-list off > /dev/null

# --- scope all ---------------------------------------------------------------------

# Those of port 9: each DSCP becomes the other
ftq <<- END
	map set wire ef dscp af41 prio 5 pcp 5
	map set wire af41 dscp ef prio 4 pcp 4
	dev set wan0.7 map wire scope all
END

# slow NAME SET [PCP PCP]: packets of the slow path with EF and AF41
slow()
{
	local slow

	phase "$up_pid" "$up"
	slow=$(slow_packets)
	ftqos -n "$router" stats reset
	upward 0xb8 9 udp
	upward 0x88 9 udp
	phase "$up_pid" "$up"
	check_eq "$1: DSCP and PCP by the DSCP that they came with" \
		"$({ all_ecn 34 "${3-5}" udp; all_ecn 46 "${4-4}" udp; } | sort)" \
		"$(looks "$up" 9)"
	check_eq "$1: dscp_set, all by the forward chain" "$2 32" \
		"$(counters dscp_set) $(($(slow_packets) - slow))"
}
slow "scope all" 32
round "scope all, offloaded packets" 34 5 all
queue wan0.7
slow "scope all, behind a queue on the VLAN device" 32
check "... some have waited" waited
round "scope all, offloaded packets behind the queue" 34 5 all
check_eq "... flow show has it as it left" "46/34" \
	"$(ftqos -n "$router" -j flow show iif lan0 sport 4000 dport 5000 |
		jq -r 'map("\(.dscp)/\(.dscp_out)") | unique | join(" ")')"
no_queue
phase "$up_pid" "$up"
frame="raw --dev cl0 --dst-mac $lmac --dport 9 --tos 0xb8"
# shellcheck disable=SC2086 # words
pkt "$client" $frame --src "$lan4.2" --dst "$wan4.2" --sport 4500 --count 3 + \
	$frame --src "$lan6:2" --dst "$wan6:2" --sport 4500 --count 3 + \
	$frame --src "$lan4.2" --dst "$wan4.2" --sport 4501
talk_or_bail
phase "$up_pid" "$up"
check_eq "scope all: what may be IPsec's keeps its DSCP" "3 ipv4 4500 46 5:1 ipv4 4501 34 5:3 ipv6 4500 46 5" \
	"$(last_phase "$up" | jq -r 'select(.dport == 9) |
		"\(.family) \(.sport) \(.dscp) \(.pcp)"' | sort | uniq -c |
		sed 's/^ *//' | paste -s -d:)"
phase "$up_pid" "$up"
pkt "$router" send "$wan4.2" --tos 0xb8 --sport 4321 --dport 9 --count 2
talk_or_bail
phase "$up_pid" "$up"
check_eq "scope all: the router's own packets keep theirs" "46" \
	"$(last_phase "$up" | jq 'select(.sport == 4321) | .dscp' | sort -u)"
ftqos -n "$router" dev set wan0.7 scope offloaded
phase "$up_pid" "$up"
upward 0xb8 9 udp
phase "$up_pid" "$up"
check_eq "scope offloaded: the slow path's packets keep theirs" \
	"$(all_ecn 46 0 udp)" "$(looks "$up" 9)"

# A bond below: its hook, and that of its port, see the packet once more
pkt_stop "$up_pid"
ftqos -n "$router" dev del wan0.7
bond_below_vlan7
ip -n "$router" addr add 198.18.9.1/24 dev wan0
ip -n "$server" -batch - <<- END || bail "no untagged way"
	addr add 198.18.9.2/24 dev srv0
END
quiet_neighbours
ip -n "$router" neigh replace 198.18.9.2 lladdr "$(mac_of "$server" srv0)" dev wan0
pkt_bg up_pid "$server" capture srv0 --out "$up" --direction in
ftqos -n "$router" dev set any map wire scope all
slow "any, over a bond" 32
queue wan0
slow "any, over a bond, behind a queue on it" 32
check "... some have waited on the bond" waited
no_queue
phase "$up_pid" "$up"
frame="raw --dev cl0 --dst-mac $lmac --src $lan4.2 --dst 198.18.9.2 --sport 4000 --dport 9"
# shellcheck disable=SC2086 # words
pkt "$client" $frame --tos 0xb8 --count 3 + $frame --tos 0x88 --count 4
talk_or_bail
phase "$up_pid" "$up"
check_eq "any, untagged over a bond: each DSCP is the other, once" \
	"3 ipv4 udp 34 0 null 1"$'\n'"4 ipv4 udp 46 0 null 1" "$(looks "$up" 9)"
finish
