#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The order of ingress hooks heals itself (rule 6): after the flowtable was made
# again, at the same or another priority, under traffic, offloaded packets are
# classified again, soon; chains before, behind and between flowtables see what
# they saw without us, and drop it; an order that cannot be healed is told, and
# traffic goes on.
#
# A stream of EF packets runs all the time. Its packets have PCP 5 on the wire
# where they were offloaded and classified, else 0. The forward chain gives those
# of the slow path the TTL 99, so that the two kinds of PCP 0 can be told apart:
# how long the kernel takes to offload a flow again is not ours. Times are those
# of the capture. Nothing of ours is asked while something has to heal by itself:
# the module looks at the order when it is asked for its state.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft conntrack jq python3 ftqos

cap=$(mktemp)
defer rm -f "$cap"

# Kernels under emulation come late. The bounds without that: 100 and 2500 ms
slack=${FTQOS_SLACK:-500}

rules()
{
	in_ns "$router" nft -f - || bail "nft refuses the ruleset"
}

# table FAMILY NAME PRIORITY [VERDICT]: a flowtable and what offloads to it, anew
table()
{
	local hops=hoplimit ip=ip6

	[ "$1" = ip6 ] || hops=ttl ip=ip
	cat <<- END
		table $1 $2
		delete table $1 $2
		table $1 $2 {
			flowtable ft {
				hook ingress priority $3
				devices = { lan0, wan0 }
			}
			chain forward {
				type filter hook forward priority filter
				udp dport 5000 $ip $hops set 99
				meta l4proto udp ${4:-flow add @ft}
			}
		}
	END
}

# chain NAME DEV PRIORITY [VERDICT]: counts the stream's packets
chain()
{
	cat <<- END
		table netdev $1
		delete table netdev $1
		table netdev $1 {
			counter c { }
			chain c {
				type filter hook ingress device $2 priority $3
				udp dport 5000 counter name c ${4-}
			}
		}
	END
}

counted()
{
	in_ns "$router" nft list counter netdev "$1" c |
		sed -n 's/.*packets \([0-9]*\).*/\1/p'
}

counts()
{
	[ "$(counted "$1")" -ge "$2" ]
}

# last N: packets of the stream, newest last
last()
{
	tail -n $((4 * $1)) "$cap" | grep '"dport": 5000' | tail -n "$1"
}

# classified [MS], unclassified [MS]: ten packets, all since then
classified()
{
	have_pcp "$cap" 5 "${1:-0}"
}

unclassified()
{
	have_pcp "$cap" 0 "${1:-0}"
}

# gone: no packet of the stream for a second, in which there should be fifty
gone()
{
	! last 1 | jq -e "select(.time > $(now_ms) - 1000)" > /dev/null
}

passed_time()
{
	[ "$(now_ms)" -ge "$1" ]
}

# state DEV, tables STATE: as they are told
state()
{
	ftqos -n "$router" -j dev show "$1" | jq -r '.[0].state'
}

tables()
{
	ftqos -n "$router" -j status | jq -c \
		'.flowtables | map([.dev, .priority, .state]) | sort' | tr -d '"'
}

# heals NAME MS: since $since offloaded packets were not classified for so long at
# most, after the first that is not (or on the slow path)
heals()
{
	local first end slow got=1

	busywait 30 classified "$(now_ms)" > /dev/null || got=
	read -r first end slow <<< "$(awk -v since="$since" '
		/"dport": 5000/ && /"pcp": 0/ {
			match($0, /"time": [0-9]+/)
			t = substr($0, RSTART + 8, RLENGTH - 8) + 0
			if (t < since)
				next
			if (!first)
				first = t
			if (/"ttl": 99,/)
				slow++
			else
				end = t
		}
		END { print first + 0, (end > first ? end : first) + 0, slow + 0 }
		' "$cap")"
	if [ -z "$got" ]; then
		fail "$1: packets are classified" "30 s later they are not:" \
			"$(last 3)" "$(offloaded udp 5000)" \
			"$(ftqos -n "$router" -j status)" \
			"$(ftqos -n "$router" -j stats)"
	elif [ $((end - first)) -gt $(($2 + slack)) ]; then
		fail "$1: packets are classified" \
			"from $((first - since)) to $((end - since)) ms not"
	else
		pass "$1: packets are classified"
		note "$slow on the slow path, the last that was" \
			"offloaded but not classified $((end - first)) ms later"
	fi
	placed=$(now_ms)
}

# long_ago: the last registration was more than a second ago
long_ago()
{
	busywait 5 passed_time $((placed + 1500))
}

# --- the module comes before the flowtable's own -----------------------------

ko=$LIB_DIR/../kmod/nf_flow_qos.ko
busywait 10 modprobe -q -r nf_flow_table_inet
if [ -e "$ko" ] && [ ! -d /sys/module/nf_flow_qos ] &&
   [ ! -d /sys/module/nf_flow_table_inet ]; then
	modprobe -a nf_flow_table nf_tables
	insmod "$ko" || bail "cannot insert $ko"
	defer rmmod nf_flow_qos
	late=1
else
	load_module
	late=
fi
topo_router --vlan7
ftqos -n "$router" dev set wan0 || bail "cannot bind wan0"
pkt_bg echo "$server" echo "$wan4.2"
pkt_bg echo "$server" echo "$wan6:2"
pkt_bg sniff "$server" capture srv0 --out "$cap" --direction in
pkt_bg stream "$client" stream "$wan4.2" --tos 0xb8 --sport 4000 --rate 50
busywait 10 unclassified
check_eq "a device is bound, there is no flowtable" no-flowtable "$(state wan0)"
if [ -n "$late" ]; then
	[ ! -d /sys/module/nf_flow_table_inet ] ||
		bail "nf_flow_table_inet came too early"
	table inet ftq 0 | rules
	since=$(now_ms)
	check "nf_flow_table_inet is loaded after us" \
		test -d /sys/module/nf_flow_table_inet
	heals "a kind of flowtable that came later" 2500
else
	table inet ftq 0 | rules
	since=$(now_ms)
	skip "nf_flow_table_inet is loaded after us" "it is there"
	heals "the first flowtable" 2500
fi
check_eq "the flowtables are hooked" "[[lan0,0,hooked],[wan0,0,hooked]]" \
	"$(tables)"

# --- flowtables made again under traffic -------------------------------------

for priority in 0 10 -5; do
	long_ago
	since=$(now_ms)
	table inet ftq $priority | rules
	heals "flowtable again at $priority" 100
	check_eq "... and is hooked" \
		"[[lan0,$priority,hooked],[wan0,$priority,hooked]]" "$(tables)"
done
since=$(now_ms)
table inet ftq 7 | rules
table inet ftq 0 | rules
heals "flowtable twice in a second" 2500

# --- chains before and behind ------------------------------------------------

since=$(now_ms)
{
	chain before lan0 -10
	chain behind lan0 20
} | rules
check "a chain before the flowtable sees offloaded packets" \
	busywait 10 counts before 20
check_eq "a chain behind does not" 0 "$(counted behind)"
heals "chains before and behind" 100
chain before lan0 -10 drop | rules
check "a chain before the flowtable drops" busywait 10 gone
chain before lan0 -10 | rules
busywait 10 classified "$(now_ms)"
# The first packet of a flow is never taken
firsts=()
for port in {4011..4015}; do
	firsts+=(send "$wan4.2" --sport "$port" --dport 5009 +)
done
chain behind lan0 20 | sed 's/5000/5009/' | rules
pkt "$client" "${firsts[@]::${#firsts[@]}-1}"
check_eq "a chain behind sees packets that were not taken" 5 "$(counted behind)"
chain behind lan0 20 drop | sed 's/5000/5009/' | rules
since=$(now_ms)
pkt "$client" "${firsts[@]//401/402}" send "$wan4.2" --sport 4030 --dport 5010
busywait 10 grep -q '"dport": 5010' "$cap"
check_eq "... and drops them" 0 "$(jq -c \
	"select(.dport == 5009 and .time >= $since)" "$cap" | wc -l)"

# --- chains of the flowtable's own priority ----------------------------------

since=$(now_ms)
chain own lan0 0 | rules
check "a chain of the same priority that comes last sees packets" \
	busywait 10 counts own 20
heals "a chain of the same priority that comes last" 100
check_eq "... and nothing is in the way" active "$(state wan0)"
ftqos -n "$router" dev del wan0
{
	echo "delete table netdev own"
	chain own lan0 0
	chain own2 wan0 0
} | rules
ftqos -n "$router" dev set wan0
check "a chain of the same priority before us and behind the flowtable sees" \
	busywait 10 counts own 20
check "... its packets cannot be classified, but they flow" \
	busywait 10 unclassified "$(now_ms)"
check_eq "... the flowtables are shadowed" \
	"[[lan0,0,shadowed],[wan0,0,shadowed]]" "$(tables)"
check_eq "... the binding says so" order-blocked "$(state wan0)"
check_eq "... and the status warns of it" 3 \
	"$(ftqos -n "$router" -j status | jq '.warnings | length')"
since=$(now_ms)
rules <<< "delete table netdev own; delete table netdev own2"
busywait 10 classified "$since"
check "when the chain goes, packets are classified" \
	test $(($(now_ms) - since)) -lt $((2500 + 2 * slack))
check_eq "... and the binding is active" active "$(state wan0)"

# --- several flowtables ------------------------------------------------------

{
	table inet ftq 0 accept
	chain between lan0 10
	table inet second 20
} | rules
check "a chain between two flowtables sees what the second takes" \
	busywait 10 counts between 30
check "... which is classified" busywait 10 classified "$(now_ms)"
check_eq "... all are hooked" \
	"[[lan0,0,hooked],[lan0,20,hooked],[wan0,0,hooked],[wan0,20,hooked]]" \
	"$(tables)"
chain between lan0 10 drop | rules
check "... and the chain drops" busywait 10 gone

{
	echo "delete table netdev between; delete table inet second"
	echo "delete table inet ftq"
	table ip one 0
	table ip6 two 0
	table inet three 0 accept
} | rules
check "IPv4 in the last of a run of three flowtables" busywait 10 \
	classified "$(now_ms)"
kill "$stream"
pkt_bg stream "$client" stream "$wan6:2" --tos 0xb8 --sport 4000 --rate 50
six()
{
	classified "$1" && last 1 | grep -q '"family": "ipv6"'
}
check "IPv6 in the middle one" busywait 10 six "$(now_ms)"

# --- not twice in a second -------------------------------------------------------

# All of it has to be over before the second is: no traffic beside it, and one process
kill "$stream"

# lan_is STATE: of the flowtable of priority 0 on lan0
lan_is()
{
	local dev='"dev":"lan0","priority":0'

	[[ $(ftqos -n "$router" -j status) = *"$dev,\"state\":\"$1\""* ]]
}

rules <<< "delete table ip one; delete table ip6 two; delete table inet three"
# On lan0, which is not bound, nothing is left of our hook while there is no flowtable
check "hooks of a device are not placed twice in a second, whatever came between" \
	in_ns "$router" python3 -I -S "$LIB_DIR/again.py" 60 lan0 wan0
check "... but then" busywait 10 lan_is hooked
finish
