#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A saturated CAKE above a bound device, two CPUs, if there are: an offloaded flow (EF) that is
# sent on one, a flow of the slow path (AF41) and one of the router's own on the
# other. Whoever puts a packet into CAKE takes others' out of it, so that these
# leave in the window of an offloaded packet: none of them may be taken for it.
# Every packet of the flow has its priority, however long it waited.
#
# Up to 6.18 CAKE is on wan0.7, above the tag: what waited has no PCP (status warns
# of it) unless the scope is all. Since 6.19 it would see no offloaded packet there,
# and is on wan0, which for that is made a bond. $tx is the device with CAKE, $below
# that below it, where a prio qdisc counts priorities.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft tc conntrack ethtool python3 jq ftqos taskset
modprobe sch_cake 2> /dev/null
load_module

# The other senders' CPU; some kernels that look for mistakes have but one
other=$(($(nproc) > 1))

up=$(mktemp)
defer rm -f "$up"
topo_router --vlan7
tx=wan0.7 below=wan0
if ((release > 6018)); then
	tx=wan0 below=port0
	bond_below_vlan7
fi
topo_nft
quiet_neighbours
keep_flows
in_ns "$router" nft insert rule inet ftq forward udp dport 6000 accept
# Answers would only be load
in_ns "$server" nft "table inet quiet { chain input {
	type filter hook input priority 0; udp dport 5000-7000 drop; }; }" ||
	bail "nft refuses to keep the server quiet"
ftqos -n "$router" dev set wan0

send_some()
{
	pkt "$client" send "$wan4.2" --sport 4000 --tos 0xb8 --count 3
	offloaded udp 5000
}
check "the flow is offloaded" busywait 10 send_some
tc -n "$router" qdisc add dev $tx root handle 9: cake bandwidth 1mbit besteffort ||
	bail "no CAKE"
prio_bands $below
pkt_bg up_pid "$server" capture srv0 --out "$up" --direction in

# cake WORD: the number that tc -s says of it: dropped, or the packets in it
cake()
{
	tc -n "$router" -s qdisc show dev $tx root | case $1 in
	dropped) sed -n 's/.*(dropped \([0-9]*\),.*/\1/p' ;;
	inside)	sed -n 's/^ backlog [^ ]* \([0-9]*\)p.*/\1/p' ;;
	esac | head -n 1
}

empty()
{
	[ "$(cake inside)" = 0 ]
}

# enough BANDS: 300 packets of the flow have left since, and some of the others
enough()
{
	local b

	read -r -a b <<< "$(minus "$(bands "$below")" "$1")"
	[ "${b[5]}" -ge 300 ] && [ $((b[0] + b[2] + b[4])) -ge 200 ]
}

# of PORT: the last phase's packets to it, "PCP ..." each once
of()
{
	jq -r "select(.dport == $1) | .pcp" <<< "$seen" | sort -u | paste -s -d' '
}

count()
{
	jq -r "select(.dport == $1) | .pcp" <<< "$seen" | wc -l
}

# saturate WHAT: three senders until enough is through; $seen and $got (bands)
saturate()
{
	local before drops p pids=() what=$1

	phase "$up_pid" "$up"
	before=$(bands "$below")
	slow=$(slow_packets)
	drops=$(cake dropped)
	# ONE PROCESS CPU: flow, slow path, own
	for p in "$client 0 --dport 5000 --sport 4000 --tos 0xb8" \
		 "$client $other --dport 6000 --sport 4001 --tos 0x88" \
		 "$router $other --dport 7000 --sport 4002"; do
		# shellcheck disable=SC2086 # words
		set -- $p
		ip netns exec "$1" taskset -c "$2" python3 -I -S "$LIB_DIR/pkt.py" \
			stream "$wan4.2" --rate 2000 --size 300 "${@:3}" &
		pids+=($!)
		defer kill $!
	done
	busywait 60 enough "$before" || note "not enough: $(bands "$below")"
	kill "${pids[@]}"
	wait "${pids[@]}" 2> /dev/null
	busywait 30 empty
	got=$(minus "$(bands "$below")" "$before")
	drops=$(($(cake dropped) - drops))
	phase "$up_pid" "$up"
	seen=$(tac "$up" | awk '/^."phase"/ && n++ { exit } { print }')
	note "bands $got; EF $(count 5000), AF41 $(count 6000)," \
		"own $(count 7000); CAKE dropped $drops"
	check "$what: CAKE is saturated" test "$drops" -gt 100
	check_eq "$what: every packet of the flow was offloaded" "$slow" \
		"$(slow_packets)"
	check_eq "$what: the flow's packets, and no others, have its priority" \
		"$(count 5000)" "$(cut -d' ' -f6 <<< "$got")"
}

saturate "scope offloaded"
check_eq "scope offloaded: PCP of the slow path" 0 "$(of 6000)"
check_eq "scope offloaded: PCP of the router's own" 0 "$(of 7000)"
check_eq "scope offloaded: priority of others" 0 "$(cut -d' ' -f5 <<< "$got")"
if [ $tx = wan0.7 ]; then
	check "scope offloaded: PCP of the flow, where it did not wait" \
		test "$(of 5000)" = "0 5" -o "$(of 5000)" = 0
	check "scope offloaded: which status warns of" grep -q \
		"cake on wan0.7 is a queue above the VLAN tag" \
		<(ftqos -n "$router" status)
else
	check_eq "scope offloaded: PCP of the flow" 5 "$(of 5000)"
fi

ftqos -n "$router" dev set wan0 scope all
saturate "scope all"
check_eq "scope all: PCP of the flow" 5 "$(of 5000)"
check_eq "scope all: PCP of the slow path" 4 "$(of 6000)"
check_eq "scope all: priority of the slow path" "$(count 6000)" \
	"$(cut -d' ' -f5 <<< "$got")"
check_eq "scope all: PCP of the router's own" 0 "$(of 7000)"
check_eq "scope all: no warning" "" \
	"$(ftqos -n "$router" -j status | jq -r '.warnings[]')"
pkt_stop "$up_pid"
finish
