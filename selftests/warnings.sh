#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Warnings of ftqos status: each one appears when what it says is true, which is
# shown by packets where packets can show it, names the device, is alone, and goes
# when its remedy is applied, which then is shown to help:
#
# - a queue above the VLAN tag (up to 6.18): what waited in it has the priority of
#   its map, but not the PCP. The remedies are the commands that the warning has.
# - a qdisc above the lowest device (since 6.19), or on a bridge: it never counts
#   what is offloaded
# - a flowtable without the lowest device (since 6.19): all packets are slow
# - a map with a PCP that no frame can carry
# - scope all where packets enter by another trust than their DSCP
#
# The qdisc is netem with a delay, in which every packet waits: longer than a virtual CPU
# has to while the other one runs, as what can leave at once was not behind a queue.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip bridge nft tc conntrack ethtool python3 jq ftqos
load_module

up=$(mktemp)
defer rm -f "$up"
lowest=
((release <= 6018)) || lowest=1

# says NAME [REGEX]: this warning and no other, or none
says()
{
	local got name=$1 re=${2-}

	got=$(ftqos -n "$router" -j status | jq -r '.warnings[]')
	if [ -z "$re" ]; then
		check_eq "$name: no warning" "" "$got"
	elif [ "$(wc -l <<< "$got")" = 1 ] && [[ $got =~ $re ]]; then
		pass "$name"
	else
		fail "$name" "wanted: $re"$'\n'"got:    $got"
	fi
}

# remedy REGEX: run the first such command that a warning has
remedy()
{
	local cmd

	cmd=$(ftqos -n "$router" -j status | jq -r '.warnings[]' | grep -o -E -m 1 "$1" |
		head -n 1)
	case $cmd in
	"ip link "*)	cmd="ip -n $router ${cmd#ip }" ;;
	"ftqos "*)	cmd="ftqos -n $router ${cmd#ftqos }" ;;
	esac
	note "${cmd:-no such remedy: $1}"
	# shellcheck disable=SC2086 # words
	$cmd
}

# offload: the flow is offloaded, again where a change of devices has ended it
offload()
{
	talk "ping 1 64 *" && offloaded udp 5000
}

# pcps: those of the last phase's packets of the flow, each once
pcps()
{
	phase "$up_pid" "$up"
	tac "$up" | awk '/^."phase"/ && n++ { exit } { print }' |
		jq -r 'select(.dport == 5000) | .pcp' | sort -u | paste -s -d' '
}

# sends DEV: four packets, what they had is told by pcps, $slow and $through (those that
# the qdisc of the device counted). Again if the flow was ended meanwhile: a change of
# devices makes its route stale, and the kernel notices up to a second later.
sends()
{
	local out try

	for try in 1 2 3; do
		out=$(busywait 10 offload) || bail "not offloaded: $out"
		phase "$up_pid" "$up"
		slow=$(slow_packets)
		through=$(counted "$1")
		# Each is answered, so that none waits any more
		talk_or_bail "ping 4 64 a"
		slow=$(($(slow_packets) - slow))
		through=$(($(counted "$1") - through))
		[ "$slow" != 0 ] || return
		note "try $try: $slow packets were slow"
	done
}

counted()
{
	tc -n "$router" -s qdisc show dev "$1" root |
		sed -n 's/^ Sent [0-9]* bytes \([0-9]*\) pkt.*/\1/p' | head -n 1
}

# waiting DEV|none: netem there and nowhere else
waiting()
{
	local dev

	for dev in wan0.7 wan0; do
		tc -n "$router" qdisc del dev $dev root > /dev/null 2>&1
	done
	[ "$1" = none ] || tc -n "$router" qdisc add dev "$1" root handle 8: \
		netem delay 200ms || bail "no netem"
}

topo_router --vlan7
topo_nft
quiet_neighbours
keep_flows
talk_serve "$server"
talk_start "$client"
talk_or_bail "open a udp $wan4.2 5000 0xb8 4000 0xb8"
pkt_bg up_pid "$server" capture srv0 --out "$up" --direction in

tc -n "$router" qdisc add dev wan0.7 root handle 8: netem delay 200ms ||
	bail "no netem"
says "nothing is bound"
waiting none
ftqos -n "$router" dev set wan0.7
says "a router as it should be"

# --- a queue on the VLAN device ------------------------------------------------

waiting wan0.7
if [ -z "$lowest" ]; then
	for how in "ip link set [^)]*" "ftqos dev set [^']*"; do
		says "a queue above the tag" \
			"^netem on wan0\.7 is a queue above the VLAN tag: .* put the qdisc on wan0, "
		sends wan0.7
		check_eq "... what waited in it has no PCP" 0 "$(pcps)"
		remedy "$how"
		says "a queue above the tag, but: ${how%% [^a-z]*}"
		sends wan0.7
		check "... the packets waited, and were offloaded" \
			test "$slow" = 0 -a "$through" -ge 4
		check_eq "... and have the PCP" 5 "$(pcps)"
		ip -n "$router" link set wan0.7 type vlan egress-qos-map \
			1:0 2:0 3:0 4:0 5:0 6:0 7:0
		ftqos -n "$router" dev set wan0.7 scope offloaded
	done
	ftqos -n "$router" dev set wan0.7 scope all
	says "a queue above the tag, and scope all"
	ftqos -n "$router" dev set wan0.7 sticky on
	says "... which does not know what was learned" \
		"^netem on wan0\.7 is .*; scope all of wan0\.7 knows nothing but their DSCP there$"
	ftqos -n "$router" dev set wan0.7 scope offloaded
	check_not "... and is then no remedy" grep "scope all" \
		<(ftqos -n "$router" status)
	ftqos -n "$router" dev set wan0.7 sticky off
	check "... the text has it as well" grep -q '^- netem on wan0\.7 is a' \
		<(ftqos -n "$router" status)

	# The tag is written before the queue
	ip -n "$router" link set wan0.7 type vlan reorder_hdr off
	says "a queue on a VLAN device without REORDER_HDR"
	sends wan0.7
	check_eq "... whose packets have the PCP" 5 "$(pcps)"
	ip -n "$router" link set wan0.7 type vlan reorder_hdr on
	ftqos -n "$router" map add none from default
	ftqos -n "$router" map set none all pcp keep
	ftqos -n "$router" dev set wan0.7 map none
	says "a queue above the tag, but no PCP in the map"
	ftqos -n "$router" dev set wan0.7 map default
else
	says "a qdisc above the lowest device" \
		"^netem on wan0\.7 does nothing for offloaded packets: .* put the qdisc on wan0$"
	sends wan0.7
	check "... does not see the packets" test "$slow$through" = 00
	check_eq "... which have the PCP nevertheless" 5 "$(pcps)"
fi
waiting wan0
says "the queue on the lowest device"
sends wan0
check "... the packets are in it" test "$through" -ge 4
check_eq "... and have the PCP" 5 "$(pcps)"
check_eq "... none was slow" 0 "$slow"
waiting none

# --- flowtables without the lowest device --------------------------------------

# tables DEVICES: a flowtable on these
tables()
{
	in_ns "$router" nft delete table inet ftq
	topo_nft --devices "$1"
	keep_flows
	talk_or_bail "ping 2 64 *"
	slow=$(slow_packets)
	talk_or_bail "ping 4 64 a"
	slow=$(($(slow_packets) - slow))
}
tables "lan0, wan0.7"
if [ -z "$lowest" ]; then
	says "a flowtable on the VLAN device"
	check_eq "... which offloads" 0 "$slow"
	tables lan0
	says "a flowtable on one side"
	check_eq "... which offloads one direction" 4 "$slow"
else
	says "a flowtable on the VLAN device" \
		"^flowtable on wan0\.7 \(priority 0\) offloads nothing that goes over wan0: .* add wan0 to its devices$"
	check_eq "... indeed" 8 "$slow"
	in_ns "$router" nft "add flowtable inet ftq ft {
		hook ingress priority filter; devices = { wan0 }; }"
	says "a flowtable that wan0 was added to"
	sends wan0
	check_eq "... which offloads" 0 "$slow"
	tables lan0
	says "a flowtable on one side" \
		"^no flow over wan0\.7 is offloaded: no flowtable has wan0, .* add wan0 to its devices$"
	check_eq "... indeed" 8 "$slow"
fi
tables "lan0, wan0"
says "a flowtable on both sides"

# --- two ways to a class -----------------------------------------------------------

# anew: the PCPs of a flow's packets, of which the first are slow
anew()
{
	# Slow because it is a flow that nobody knows
	in_ns "$router" conntrack -D -p udp --dport 5000 > /dev/null 2>&1
	phase "$up_pid" "$up"
	busywait 10 offload > /dev/null || bail "not offloaded"
	talk_or_bail "ping 2 64 a"
	pcps
}
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	dev set lan0 trust none
	dev set wan0.7 scope all
END
says "scope all and another trust" \
	"^packets that enter through lan0 \(trust none\) and leave through wan0\.7 \(scope all\) "
check_eq "... the first packets have another PCP" "0 5" "$(anew)"
remedy "ftqos dev set lan0 [^']*"
says "scope all and trust dscp"
check_eq "... all have the same PCP" 5 "$(anew)"
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	dev del lan0
	dev set wan0.7 scope offloaded
END

# --- PCPs without a tag ----------------------------------------------------------

ftqos -n "$router" dev set lan0
says "the built-in map where no tag is"
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	map add voice preset constant 6
	dev set lan0 map voice
END
says "a map with a PCP where no tag is" \
	"^map voice gives a PCP that never reaches a wire: no frame that leaves through lan0 has a VLAN tag; .*"
sends wan0
check_eq "... indeed" "[6,null]" "$(ftqos -n "$router" -j flow show iif wan0 |
	jq -c 'map(select(.dport == 4000))[0] | [.prio, .pcp]')"
ftqos -n "$router" dev set wan0.7 map voice
says "a map with a PCP that is bound where a tag is as well"
ftqos -n "$router" dev set wan0.7 map default
remedy "ftqos map set voice [^']*"
says "a map without a PCP"
ftqos -n "$router" map set voice all pcp 6

# --- a bridge --------------------------------------------------------------------

ip -n "$router" -batch - <<- END || bail "no bridge"
	addr flush dev lan0
	link add br0 type bridge mcast_snooping 0 forward_delay 0 vlan_filtering 1
	link set lan0 master br0
	link set br0 up
	addr add $lan4.1/24 dev br0
	neigh replace $lan4.2 lladdr $(mac_of "$client" cl0) dev br0
END
mac=$(mac_of "$router" br0)
ip -n "$client" neigh replace $lan4.1 lladdr "$mac" dev cl0
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	dev del lan0
	dev set br0 map voice
END
says "a map with a PCP on a bridge" \
	"^map voice gives a PCP .* leaves through br0 has a VLAN tag"
in_ns "$router" bridge vlan add dev lan0 vid 10
says "a bridge with a VLAN that leaves tagged"
tc -n "$router" qdisc add dev br0 root handle 8: pfifo || bail "no pfifo"
says "a qdisc on a bridge" \
	"^pfifo on br0 does nothing for offloaded packets: .* put the qdisc on lan0$"
sends br0
check "... does not see the packets" test "$slow$through" = 00
tc -n "$router" qdisc del dev br0 root
tc -n "$router" qdisc add dev lan0 root handle 8: pfifo || bail "no pfifo"
says "a qdisc on the bridge's port"
sends lan0
check "... sees the packets" test "$through" -ge 4
pkt_stop "$up_pid"

# --- reading -----------------------------------------------------------------------

for i in {100..400}; do
	echo "link add link wan0 name wan0.$i type vlan id $i"
done | ip -n "$router" -batch - || bail "no VLAN devices"
tc -n "$router" qdisc add dev wan0.400 root handle 8: pfifo || bail "no pfifo"
ftqos -n "$router" dev set wan0
says "300 VLANs and a queue on the last" "^pfifo on wan0\.400 (is a queue|does nothing)"
# The third file is the socket to the module, there is none for libnl
got=$(ulimit -n 4; ftqos -n "$router" -j status) ||
	bail "status fails where devices cannot be read"
check "devices that cannot be read are a warning" \
	jq -e '(.devices | length) == 3 and (.warnings | length) == 1 and
		(.warnings[0] | test("^devices and qdiscs cannot be read"))' <<< "$got"
finish
