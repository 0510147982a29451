#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a packet costs where two CPUs take packets at the same time, of one flow and of
# different ones: pktgen sends on both, and each does all that becomes of its packets.
# Each CPU's time is its own, all variants are measured once a round, in every second one
# in reverse order, and compared with the plain flowtable under the same traffic.
#
# While both count, nothing may be lost: the flow's counters and the statistics are
# compared with what was sent.
#
# Writes to $FTQOS_OUT/smp what bench.sh writes to $FTQOS_OUT, but in raw one figure for
# each CPU. ROUNDS, EACH (packets of each CPU, in a round and variant; alone a third).
# These are many, since one of pktgen's threads begins late.

# shellcheck source=selftests/bench/router.sh
. "$(dirname "$0")/router.sh"
[ "$(< /sys/devices/system/cpu/online)" = 0-1 ] || skip_all "the kernel has one CPU"
rounds=${ROUNDS:-10} packets=${EACH:-4000000}
mkdir -p "$FTQOS_OUT/smp"
bench_router 1024

# --- variants --------------------------------------------------------------

kinds=(alone differ same) states=(plain floor-all all) names=()

# variants KIND TITLE: this traffic in all states
variants()
{
	local s

	for s in "${states[@]}"; do
		names+=("$s-$1")
	done
	printf '%s\t%s\tpacket\t-\t%s\n' \
		"plain-$1" - "$2: plain flowtable" \
		"floor-all-$1" "plain-$1" "... the least for all of it" \
		"all-$1" "plain-$1" "... ftqos: everything on" \
		>> "$FTQOS_OUT/smp/variants"
}

variants alone "one CPU alone"
variants differ "both, a flow each"
variants same "both, the same flow"

# to STATE
state=plain
to()
{
	[ "$1" != "$state" ] || return 0
	[ "$state" != floor-all ] || rmmod floor || bail "floor.ko stays"
	case $1 in
	all)	module on "$all_on" "" ;;
	*)	module off ;;
	esac
	[ "$1" != floor-all ] || floor 3 wan0.7,wan0 || bail "no floor.ko"
	state=$1
}

# --- two at the same time --------------------------------------------------

# handled: what each CPU has taken from its queue; timed() puts what it is before the last
# try into $queued
handled()
{
	local line lines

	mapfile -t lines < /proc/net/softnet_stat
	for line in "${lines[@]}"; do
		printf '%d ' "0x${line%% *}"
	done
}

# together COUNT: in timed()'s last try the CPUs sent at the same time, half of it (pktgen's
# second thread gets to begin late here, the later the more packets there are), and each
# has itself taken its packets from both cables, or fails, with $why.
together()
{
	local before first=0 i last='' longest=0 now span

	read -r -a before <<< "$queued"
	read -r -a now <<< "$(handled)"
	for i in "${!spans[@]}"; do
		read -r -a span <<< "${spans[i]}"
		[ "${span[0]}" -lt "$first" ] || first=${span[0]}
		[ -n "$last" ] && [ "${span[1]}" -gt "$last" ] || last=${span[1]}
		[ "${usecs[i]}" -lt "$longest" ] || longest=${usecs[i]}
		why="CPU $i handled $((now[i] - before[i])) of $((2 * $1))"
		[ $((now[i] - before[i])) -ge $((2 * $1)) ] || return
	done
	why="$((last - first)) of $longest us were together"
	[ $(((last - first) * 2)) -ge "$longest" ]
}

# ours: sets $left to the packets that have left by the flowtable, $said to those that
# the module says were offloaded
ours()
{
	local way

	counted
	left=$((${way% *} - ${way#* }))
	said=$(ftqos -n "$router" -j stats show | jq .offloaded_packets)
}

# exact TRAFFIC LEFT SAID: what the module has counted since ours() and flow flush
# is what was sent, or fails, with $why. Of IP they have 46 octets.
exact()
{
	local flows=1 got want

	[ "$1" != differ ] || flows=2
	ours
	left=$((left - $2))
	got="$((said - $3)) offloaded, $(ftqos -n "$router" -j flow show |
		jq -r '"\(length) flows, \(map(.packets) | add) packets, \(map(.bytes) | add) octets"')"
	want="$left offloaded, $flows flows, $left packets, $((left * 46)) octets"
	why="$got instead of $want"
	[ "$left" -gt 0 ] && [ "$got" = "$want" ]
}

# --- time ------------------------------------------------------------------

# Flows first, as in bench.sh
for t in "${kinds[@]}"; do
	traffic "$t"
	for _ in 1 2 3; do
		send 10
	done
done

declare -A lost
exact=0 wrong=0
for ((round = 0; round < rounds; round++)); do
	for ((i = 0; i < ${#names[@]}; i++)); do
		n=${names[round % 2 ? ${#names[@]} - 1 - i : i]}
		s=${n%-*} t=${n##*-}
		to "$s"
		if [ "$s" = all ]; then
			# Then both CPUs' first packets want to make the flow
			ftqos -n "$router" flow flush || bail "no flow flush"
			ours
			since=("$left" "$said")
		fi
		count=$packets
		[ "$t" != alone ] || count=$((packets / 3))
		if timed "$t" "$count" && together "$count"; then
			line=$n$'\t'$round
			for us in "${usecs[@]}"; do
				us=$((us * 10000 / count))
				line+=$'\t'${us%?}.${us: -1}
			done
			echo "$line" >> "$FTQOS_OUT/smp/raw"
		else
			lost[$n]=$((${lost[$n]-0} + 1))
			note "$n: $why"
		fi
		[ "$s" = all ] || continue
		if exact "$t" "${since[@]}"; then
			exact=$((exact + 1))
		else
			wrong=$((wrong + 1))
			note "$n: $why"
		fi
	done
	note "round $((round + 1)) of $rounds, $(cut -d. -f1 /proc/uptime) s"
done
to plain
for n in "${names[@]}"; do
	check "$n: in most rounds its packets went one way, on their CPU, at one time" \
		test $((${lost[$n]-0} * 4)) -lt "$rounds"
done
check_eq "the module has counted each packet once" \
	"$((rounds * 3)) times, 0 wrong" "$exact times, $wrong wrong"
finish
