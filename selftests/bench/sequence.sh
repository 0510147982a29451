#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Does the module lose packets of offloaded flows, or change their order? 32 flows, half of
# them IPv6: the map gives priority and PCP, flows are accounted, what the slow path gives is
# learned. DSCPs stay: what pktgen sends it still holds itself, so that it is not written to.
# pktgen numbers the packets, and sequence.c looks at them on the server's cable. Once while
# the configuration stays, and once while it changes all the time, and the module goes and
# comes back.
#
# PACKETS: of each of both, 10 million by default. In ../files: sequence.

# shellcheck source=selftests/bench/router.sh
. "$(dirname "$0")/router.sh"
# Half of them of each family
packets=$((${PACKETS:-10000000} / 2 * 2))
flows=16
[ -x "$files/sequence" ] || skip_all "no sequence"
tmp=$(mktemp -d)
defer rm -rf "$tmp"
mkfifo "$tmp/ask" "$tmp/tell"
bench_router 1024

config="map set default ef prio 5 pcp 5
dev set wan0.7 sticky on
dev set lan0 sticky on"
module on "$config" ""

# Only what differs. With a delay, be it a nanosecond, pktgen's devices take turns.
out=wan0
how=("dst_mac $lan0_mac" "udp_src_min 1024" "udp_src_max $((1024 + flows))"
	"udp_dst_min 5000" "udp_dst_max 5000" "delay 1")
own=(@cl0@v4 "pkt_size 60" "tos b8" "src_min $lan4.2" "src_max $lan4.2"
	"dst_min $wan4.2" "dst_max $wan4.2"
	@cl0@v6 "pkt_size 80" "traffic_class b8" "dst6 $wan6:2" "src6 $lan6:2")
dev="cl0@v4 cl0@v6"

# numbered COUNT [PCP DSCP]: send as many, no more at a time than are kept for sequence.c;
# sets $arrived to what it has seen, and $slow to those of them that took the slow path
numbered()
{
	local before line now room sent=0

	in_ns "$server" "$files/sequence" srv0 $flows "${@:2}" < "$tmp/ask" > "$tmp/tell" &
	exec {to}> "$tmp/ask" {from}< "$tmp/tell"
	read -r -t 60 line room <&"$from" && [ "$line" = ready ] || bail "nobody reads"
	# Others may come, too: neighbours are looked for
	room=$((room - 1024))
	counted
	before=$way
	while [ $sent -lt "$1" ]; do
		now=$(($1 - sent < room ? $1 - sent : room))
		send $((now / 2))
		sent=$((sent + now / 2 * 2))
		echo $sent >&"$to"
		read -r -t 60 arrived <&"$from" || bail "the receiver says nothing"
	done
	counted
	slow=$((${way#* } - ${before#* }))
	exec {to}>&- {from}<&-
	wait $!
}

# arrived WHAT: its number
arrived()
{
	[[ $arrived =~ (^| )$1\ ([0-9]+) ]] || bail "no $1 in: $arrived"
	echo "${BASH_REMATCH[2]}"
}

# in_order NAME: of the packets that were sent
in_order()
{
	check_eq "$1: all that arrived was looked at" 0 "$(arrived unread)"
	check_eq "$1: flows" $((2 * flows)) "$(arrived flows)"
	check_eq "$1: lost" 0 $((packets - $(arrived packets)))
	check_eq "$1: missing between others" 0 "$(arrived missed)"
	check_eq "$1: late" 0 "$(arrived late)"
	check_eq "$1: on the slow path" 0 "$slow"
}

# The second packet of a flow offloads it
numbered $((8 * flows))
numbered $((8 * flows)) 5 46
check_eq "all flows are offloaded and given what the map says" "0 0 0" \
	"$slow $(arrived pcp) $(arrived dscp)"

before=$(counters offloaded_packets)
numbered "$packets" 5 46
note "the configuration stays: $arrived"
in_order "the configuration stays"
check_eq "... with another PCP than the map's" 0 "$(arrived pcp)"
check_eq "... with another DSCP than was sent" 0 "$(arrived dscp)"
check_eq "... that the module has counted" "$packets" \
	$(($(counters offloaded_packets) - before))

# changes: until it is killed, a line for each that was made
changes()
{
	while :; do
		{
			echo "map set default ef prio 3 pcp 3"
			echo "dev set lan0 trust none sticky off"
			echo "flow flush"
			echo "config set flow-limit 0"
			echo "dev del wan0.7"
		} | ftqos -n "$router" -b - && echo configured
		rmmod nf_flow_qos && echo unloaded
		insmod "$ko" && ftqos -n "$router" restore <<< "$config" && echo loaded
	done
}

changes > "$FTQOS_OUT/changes" &
changer=$!
defer kill "$changer"
busywait 10 grep -q -x loaded "$FTQOS_OUT/changes" || bail "nothing changes"
first=$(grep -c . "$FTQOS_OUT/changes")
numbered "$packets"
tail -n +$((first + 1)) "$FTQOS_OUT/changes" > "$FTQOS_OUT/changed"
changed=$(grep -c . "$FTQOS_OUT/changed")
kill "$changer"
wait "$changer"
note "while it changes, $changed times: $arrived"
in_order "while it changes"
check "it has changed, three times at least" test "$changed" -ge 3
check "... among these the module went" grep -x unloaded "$FTQOS_OUT/changed"
check "... and came back" grep -x loaded "$FTQOS_OUT/changed"
finish
