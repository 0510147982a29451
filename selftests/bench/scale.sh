#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Many flows: how long a dump takes beside one of conntrack's, what a new flow costs, a
# full table, and flows that end, how much memory each takes; and what a packet costs
# when there are a million of them. Writes lines "WHAT VALUE UNIT" to $FTQOS_OUT/scale,
# and of the million what bench.sh writes.
#
# ROUNDS, FLOWS (of all but the million), MILLION (0: without).

# shellcheck source=selftests/bench/router.sh
. "$(dirname "$0")/router.sh"
rounds=${ROUNDS:-5} n=${FLOWS:-100000} million=${MILLION:-1000000}
tmp=$(mktemp -d)
defer rm -rf "$tmp"
bench_router 1048576

# result VALUE UNIT WHAT...: if there is a value
result()
{
	if [ -n "$1" ]; then
		printf '%s\t%s\t%s\n' "${*:3}" "$1" "$2" >> "$FTQOS_OUT/scale"
		note "${*:3}: $1 $2"
	else
		fail "${*:3}" "no value"
	fi
}

# median NUMBER...
median()
{
	printf '%s\n' "$@" | sort -n | awk '{ v[NR] = $1 }
		END { printf "%.1f\n", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

# ratio A B
ratio()
{
	awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f\n", a / b }'
}

# took COMMAND...: sets $ms; what it writes goes to $tmp/text
took()
{
	local start=${EPOCHREALTIME/./}

	"$@" > "$tmp/text" 2> /dev/null || bail "failed: $*"
	ms=$(((${EPOCHREALTIME/./} - start) / 100))
	ms=$((ms / 10)).$((ms % 10))
}

# stat KEY: of ftqos stats
stat()
{
	ftqos -n "$router" -j stats show | jq -r ".$1"
}

# ns COUNT: of a packet just sent
ns()
{
	awk -v u="$usec" -v n="$1" 'BEGIN { printf "%.1f\n", u * 1000 / n }'
}

# slab: of the cache of flows: objects, octets of one, and with what a slab has left
slab()
{
	awk '$1 == "ftq_flow" { print $2, $4, $6 * 4096 / $5 }' /proc/slabinfo
}

# --- flows that there are --------------------------------------------------

module on "config set flow-limit 1100000 flow-timeout 86400
$all_on" ""
# Not a power of two of ports: as the million, with fewer addresses
traffic 1000000
flows=$n
how+=("udp_src_max $((1024 + n / 16))" "dst_max 10.9.0.16")
if [ $(((n / 16) % 2)) = 0 ]; then
	# Both go on with each packet, and every pair has to come
	how+=("udp_src_max $((1025 + n / 16))")
	flows=$(((n / 16 + 1) * 16))
fi
for _ in 1 2 3; do
	send "$flows"
done
check_eq "the module has every flow" "$flows" "$(stat flows)"
read -r _ size room <<< "$(slab)"
result "$size" octets "an entry of a flow"
result "$room" octets "... with what is left of its page"
# The module's table has 2^20 heads of lists at most
result "$(awk -v r="$room" 'BEGIN { printf "%.1f\n", r + 8 * 1048576 / 1000000 }')" \
	octets "... and with its share of the table of a million"

ours=() theirs=()
for ((i = 0; i < rounds; i++)); do
	took ftqos -n "$router" -j flow show
	ours+=("$ms")
	[ $i != 0 ] || check_eq "the dump has every flow" "$flows" \
		"$(grep -o '"idle_ms":' "$tmp/text" | wc -l)"
	took in_ns "$router" conntrack -L
	theirs+=("$ms")
	[ $i != 0 ] || check "conntrack's has as many" \
		test "$(wc -l < "$tmp/text")" -ge "$flows"
done
took ftqos -n "$router" flow show
text=$ms
result "$(median "${ours[@]}")" ms "ftqos -j flow show, $flows flows"
result "$text" ms "ftqos flow show, once"
result "$(median "${theirs[@]}")" ms "conntrack -L, as many entries"
result "$(ratio "$(median "${ours[@]}")" "$(median "${theirs[@]}")")" ratio \
	"ftqos -j to conntrack"

# --- flows that come, flows that find no room ------------------------------

new=() known=() full=()
for ((i = 0; i < rounds; i++)); do
	ftqos -n "$router" flow flush
	send "$flows"
	new+=("$(ns "$flows")")
	send "$flows"
	known+=("$(ns "$flows")")
done
check_eq "all flows are there again" "$flows" "$(stat flows)"
ftqos -n "$router" config set flow-limit 1000
ftqos -n "$router" flow flush
dropped=$(stat flows_dropped) set=$(stat prio_set)
for ((i = 0; i < rounds; i++)); do
	send "$flows"
	full+=("$(ns "$flows")")
done
check_eq "a full table stays as it is" 1000 "$(stat flows)"
check "... and tells of those that it has no room for" \
	test $(($(stat flows_dropped) - dropped)) -ge $((rounds * (flows - 1000)))
check_eq "... but their packets are classified" $((rounds * flows)) \
	$(($(stat prio_set) - set))
k=$(median "${known[@]}") c=$(median "${new[@]}")
result "$k" ns "a packet of a known flow, $flows flows in turn"
result "$c" ns "a packet that makes a flow"
result "$(awk -v c="$c" 'BEGIN { printf "%.0f\n", 1e9 / c }')" \
	"flows/s" "flows made, one by each packet"
result "$(median "${full[@]}")" ns "a packet that finds the table full (1000)"

# --- flows that end --------------------------------------------------------

# One flow's packets, while all others end: what these take longer is the time that the
# others' ends take of the one CPU that there is. Of a table of which a timeout's quarter
# passes until all of it was seen some ends each second.
ftqos -n "$router" config set flow-limit 1100000
send "$flows"
many=("${how[@]}") all=$flows one=400000 quiet=() busy=()
traffic one
for ((i = 0; i < 15; i++)); do
	send $one
	quiet+=("$usec")
done
how=("${many[@]}")
send "$all"
before=$(stat flows)
ftqos -n "$router" config set flow-timeout 8
traffic one
start=$(now_ms)
ended=0
while left=$(stat flows) && [ "$left" -gt 10 ] &&
      [ $(($(now_ms) - start)) -lt 60000 ]; do
	for ((i = 0; i < 3; i++)); do
		send $one
		busy+=("$usec")
	done
	# Those that end while none are sent take no packet's time
	ended=$((ended + left - $(stat flows)))
done
check "idle flows end" test "$left" -le 10
check "... but not at once" test ${#busy[@]} -gt 6

# longest MICROSECONDS...: how much longer than usual the longest is
longest()
{
	printf '%s\n' "$@" | sort -n | awk -v q="$(median "${quiet[@]}")" \
		'END { printf "%.1f\n", ($1 - q) / 1000 }'
}

result "$(printf '%s\n' "${busy[@]}" |
	awk -v q="$(median "${quiet[@]}")" -v n=$ended '{ t += $1 - q }
		END { printf "%.0f\n", t * 1000 / n }')" \
	ns "a flow that ends, about"
result "$(longest "${busy[@]}")" ms \
	"most that $one packets took longer while $((before - left)) flows ended"
result "$(longest "${quiet[@]}")" ms "... and while none ended"

# --- a million -------------------------------------------------------------

[ "$million" != 0 ] || finish
module off
traffic 1000000
for _ in 1 2 3; do
	send "$flows"
done
printf '%s\t%s\tpacket\t%s\t%s\n' \
	plain-1000000 - nothing "plain flowtable, $flows flows" \
	all-1000000 plain-1000000 - "ftqos, $flows flows" >> "$FTQOS_OUT/variants"
for ((i = 0; i < rounds; i++)); do
	for v in plain all; do
		case $v in
		plain)	module off ;;
		all)	module on "config set flow-limit 1100000 flow-timeout 86400
$all_on" "" ;;
		esac
		if timed 1000000 "$flows"; then
			printf '%s-1000000\t%d\t%s\n' $v $i "$ns" >> "$FTQOS_OUT/raw"
		else
			note "$v: $why"
		fi
	done
done
held=$(stat flows)
check_eq "the module has all of a million" "$flows" "$held"
result "$held" flows "flows held"
read -r objects _ <<< "$(slab)"
check "they are in the cache of flows" test "$objects" -ge "$flows"
took ftqos -n "$router" -j flow show
check_eq "the dump has all of them" "$flows" \
	"$(grep -o '"idle_ms":' "$tmp/text" | wc -l)"
result "$ms" ms "ftqos -j flow show, $flows flows"
finish
