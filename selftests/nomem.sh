#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Memory runs out, by order of the kernel's fault injection, one allocation at a time
# until none is left to fail (nomem.py).
#
# Of what the module does when it is loaded, when a namespace or a device comes, and of
# each command: it does all or nothing, leaks no memory and no hook, and who listens
# learns that it missed something. Of packets: the flow is not accounted, or not learned
# from, which is counted, and the packet goes on, with what its class gets. Hooks that
# could not be placed are placed when there is memory.
#
# Without the argument "all" ("make nomem", half an hour), of commands that is one of each
# kind, and neither devices, namespaces nor the module.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft tc conntrack ethtool python3 jq ftqos
which=${1-}
debug=/sys/kernel/debug
[ -d $debug/failslab ] || skip_all "this kernel has no failslab"
[ -e /proc/self/fail-nth ] || skip_all "this kernel has no fail-nth"
[ ! -d /sys/module/nf_flow_qos ] || skip_all "the module is loaded"

for d in failslab fail_page_alloc; do
	# Nobody wants to read where it failed
	echo 0 > $debug/$d/verbose
	echo -1 > $debug/$d/times
done

# fail_slab PERCENT CACHE_FILTER IGNORE_SLEEPING. While that changes nothing fails:
# between the two of them, everything would.
fail_slab()
{
	echo 0 > $debug/failslab/probability
	echo "$2" > $debug/failslab/cache-filter
	echo "$3" > $debug/failslab/ignore-gfp-wait
	echo "$1" > $debug/failslab/probability
}
defer fail_slab 0 N Y

# nomem NS ARGUMENTS...: nomem.py there, a result for each line
nomem()
{
	local line ns=$1 rc=0

	shift
	if [ "$which" != all ]; then
		case $1 in
		begin|change) set -- "${@:1:3}" ;;
		look)	set -- "${@:1:2}" ;;
		esac
	fi
	in_ns "$ns" python3 -I -S "$LIB_DIR/nomem.py" "$@" > "$lines" 2>&1 || rc=$?
	while IFS= read -r line; do
		check "all or nothing: $line" grep -E ': ok [0-9]+ \+ [0-9]+$' <<< "$line"
	done < "$lines"
	check_eq "nomem.py $1 comes to its end" 0 "$rc"
}

# all_fail: those who would wait for memory, too, and single pages are enough
all_fail()
{
	local d

	for d in failslab fail_page_alloc; do
		echo N > $debug/$d/ignore-gfp-wait
	done
	echo 0 > $debug/fail_page_alloc/min-order
}

out=$(mktemp) lines=$(mktemp)
defer rm -f "$out" "$lines"
load_module
setup_ns one
all_fail
# What own-noegress, without egress hook and marks, refuses
first=() more=()
if [ "$(ftqos -j status | jq .egress_hook)" = true ]; then
	first=("dev set d0 sticky on" "dev set later absent trust ctmark 0x3f")
	more=("dev set lan0 trust ctmark 0xfc 0x100" "dev set wan0 sticky all scope all")
fi
nomem "$one" begin d0 "${first[@]}" "dev set any trust none" "dev set later absent" \
	"config set flow-limit 1000 flow-timeout 9"

# --- packets -------------------------------------------------------------------

topo_router --vlan7
topo_nft
quiet_neighbours
keep_flows
prio_bands wan0
# Counted without a capture, which would have to copy packets
in_ns "$server" nft -f - <<- END || bail "nft refuses the counter"
	table netdev wire {
		counter pcp { }
		chain srv {
			type filter hook ingress device srv0 priority 0
			vlan id 7 vlan pcp 5 counter name pcp
		}
	}
END
ftqos -n "$router" dev set wan0.7 || bail "cannot bind"
egress=$(ftqos -n "$router" -j status | jq .egress_hook)
[ "$egress" = true ] || ftqos -n "$router" dev set any || bail "cannot bind"

talk_serve "$server"
talk_start "$client"
talk_or_bail "open u4 udp $wan4.2 5000 0xb8 4000 0xb8" \
	"open u6 udp $wan6:2 5000 0xb8 4001 0xb8" \
	"open t4 tcp $wan4.2 5000 0xb8 4002 0xb8" \
	"open t6 tcp $wan6:2 5000 0xb8 4003 0xb8" "ping 3 64 *"
all_offloaded()
{
	[ "$(offloaded '' 5000 ipv4 | wc -l)" = 2 ] &&
		[ "$(offloaded '' 5000 ipv6 | wc -l)" = 2 ]
}
check "the flows are offloaded" busywait 10 all_offloaded

stat()
{
	ftqos -n "$router" -j stats | jq -r "$1"
}

# marked: packets with PCP 5 on the wire, and in band 5, since the last call
marked_pcp=0 marked_band=0
marked()
{
	local all pcp

	pcp=$(in_ns "$server" nft -j list counter netdev wire pcp |
		grep -o '"packets": *[0-9]*' | grep -o '[0-9]*$')
	read -r -a all < <(bands wan0)
	marked_n="$((pcp - marked_pcp)) $((all[5] - marked_band))"
	marked_pcp=$pcp marked_band=${all[5]}
}

# round NAME: packets of UDP flows, as many as wanted, all marked, none forwarded
round()
{
	local slow want

	slow=$(slow_packets)
	marked
	talk "ping 20 64 u*" > "$out" || { fail "$1: all arrive" "$(< "$out")"
		return; }
	fail_slab 0 N Y
	pass "$1: all arrive"
	marked
	want="40 40"
	[ "$egress" = true ] || want="0 40"
	check_eq "... with what their class gets" "$want" "$marked_n"
	check_eq "... by way of the flowtable" "$slow" "$(slow_packets)"
}
flows()
{
	ftqos -n "$router" -j flow show | jq length
}

# Up to 6.1 that is said when the kernel is booted (qemu/run)
may_fail=/sys/kernel/slab/ftq_flow/failslab
[ "$(cat $may_fail 2>&1)" = 1 ] || echo 1 > $may_fail || bail "no cache of flows that fails"
ftqos -n "$router" flow flush
ftqos -n "$router" stats reset
fail_slab 100 Y N
round "no memory for flows"
check_eq "... and none is accounted" "0 0" "$(stat .flows) $(flows)"
check_eq "... which is counted" "80 80" \
	"$(stat '"\(.offloaded_packets) \(.flows_dropped)"')"

ftqos -n "$router" stats reset
round "with memory"
check_eq "... and all are accounted" "4 80 0" \
	"$(flows) $(stat '"\(.offloaded_packets) \(.flows_dropped)"')"
check "... TCP goes on" talk "ping 5 64 t*"

# The same, one at a time. They fail for the task that has "fail-nth": what comes in
# through lan0 is done by one of its own.
napi_of()
{
	local p

	for p in /proc/[0-9]*; do
		[[ $(< "$p/comm") != "napi/$1-"* ]] || { echo "$p"; return; }
	done 2> /dev/null
	return 1
}

# packet NAME FLOW PREPARE JUDGE: a packet of the flow, until no allocation fails. JUDGE
# says something if it was counted as not accounted. Where the kernel forwards it, without
# a flowtable, it wants memory itself, for more headroom, and drops the packet.
packet()
{
	local counted=0 failed=0 left=0 dropped=0 n rc said

	for ((n = 1; n < 100 && left == 0; n++)); do
		$3 > /dev/null || { fail "$1" "$3 failed"; return; }
		echo $n > "$napi/fail-nth"
		rc=0
		said=$(talk "ping 1 64 $2") || rc=$?
		left=$(< "$napi/fail-nth")
		echo 0 > "$napi/fail-nth"
		if [ $rc != 0 ]; then
			[ "$left" = 0 ] && [ "$2" = s4 ] && [ $dropped -lt 2 ] ||
				{ fail "$1" "$n: $said"; return; }
			dropped=$((dropped + 1))
			continue
		fi
		said=$($4) || { fail "$1" "$n: $said"; return; }
		[ -z "$said" ] || counted=$((counted + 1))
		[ "$left" != 0 ] || failed=$((failed + 1))
	done
	packets=$((n - 1 - dropped))
	if [ "$left" != 0 ] && [ $counted -gt 0 ] && [ $counted -le $failed ]; then
		pass "$1: $failed failed, $counted were counted, $dropped the kernel dropped"
	else
		fail "$1" "$failed failed, $counted were counted, $left left"
	fi
}

# forget: the flows, and what was learned
forget()
{
	news=$(grep -c -E 'flow-new.*"sport": ?4000,' "$told")
	lost=$(grep -c lost "$told.err")
	ftqos -n "$router" -b - <<- END
		flow flush
		stats reset
	END
}

# heard: who listens was told of the flow, or that something was lost
heard()
{
	[ "$(grep -c -E 'flow-new.*"sport": ?4000,' "$told")" -gt "$news" ] ||
		[ "$(grep -c lost "$told.err")" -gt "$lost" ]
}

accounted()
{
	local has

	has="$(ftqos -n "$router" -j flow show sport 4000 | jq length) $(stat .flows_dropped)"
	case $has in
	'1 0')	busywait 5 heard || { echo "accounted, and not told"; return 1; } ;;
	'0 1')	echo counted ;;
	*)	echo "accounted, not accounted: $has"; return 1 ;;
	esac
}

# What a packet of the slow path is learned for is not asked for, only if it was not
learned()
{
	case $(stat .flows_dropped) in
	0)	;;
	1)	echo counted ;;
	*)	return 1 ;;
	esac
}

# kick: a change of the configuration, and whether it was told
kick()
{
	ftqos -n "$router" config set flow-timeout $((600 + $(now_ms) / 10 % 1000))
	grep -q config-set "$told"
}

band6()
{
	local all

	read -r -a all < <(bands wan0)
	echo "${all[6]}"
}

told=$(mktemp)
defer rm -f "$told" "$told.err"
ip netns exec "$router" ftqos -j monitor flows > "$told" 2> "$told.err" &
monitor=$!
defer kill $monitor
busywait 10 kick || bail "the monitor tells nothing"
in_ns "$router" bash -c 'ethtool -K lan0 gro on
	echo 1 > /sys/class/net/lan0/threaded' || bail "no task of its own for lan0"
napi=$(busywait 5 napi_of lan0) || bail "no task of lan0"
all_fail
marked
packet "packets of a new flow" u4 forget accounted
marked
check_eq "... all leave with what their class gets" "$packets" "${marked_n#* }"
if [ "$egress" = true ]; then
	# Never offloaded
	in_ns "$router" nft -f - <<- END || bail "nft refuses the rules"
		insert rule inet ftq forward udp dport 4100 accept
		insert rule inet ftq forward udp sport 4100 meta priority set 0:6 accept
	END
	talk_or_bail "open s4 udp $wan4.2 5000 0xb8 4100 0xb8" "ping 2 64 s4"
	ftqos -n "$router" dev set wan0.7 sticky on
	six=$(band6)
	packet "packets that are learned from" s4 forget learned
	check_eq "... all leave as they would" "$packets" $(($(band6) - six))
	ftqos -n "$router" dev set wan0.7 sticky off
	talk_or_bail "close s4"
fi
in_ns "$router" bash -c 'echo 0 > /sys/class/net/lan0/threaded; ethtool -K lan0 gro off'
{ kill $monitor; wait $monitor; } 2> /dev/null

# --- configuration -------------------------------------------------------------

ftqos -n "$router" -b - <<- END || bail "cannot configure"
	map add m1 preset constant 2
	map add m2
	dev set wan0 map m1
END
other=$(mktemp)
defer rm -f "$other"
cat > "$other" <<- END
	map add m3 preset constant 3
	dev set any map m3
	dev set wan0.7 map m3 trust none
	config set flow-limit 1000 flow-timeout 60
END
all_fail
nomem "$router" change lan0,wan0,wan0.7 "dev set any map m1" \
	"map add m4 preset dot1q-no-bk" "map set m1 all prio 7 pcp 7" \
	"map del m2" "dev set lan0 map m1" "restore $other" \
	"dev set wan0.7 map m1 trust none" "${more[@]}" "dev set later absent" "dev del wan0.7" \
	"config set flow-limit 200000 flow-timeout 60"
# They may have ended meanwhile
talk_or_bail "ping 1 64 *"
nomem "$router" look "flow show" "map show" "map show m1" "dev show" "dev show wan0" \
	"flow show proto udp dst $wan4.0/24" "stats show" "config show" "status"

fail_slab 0 N Y
round "after all that"

if [ "$which" != all ]; then
	check_leaks "at the end"
	finish
fi

all_fail
# Of a flow that nobody answers
again="ip netns exec $client python3 -I -S $LIB_DIR/pkt.py send $wan4.2 --count 4 \
	--sport 7000 --dport 5999"
ftqos -n "$router" flow flush
nomem "$router" reset "ftqos -j flow show | jq -c 'map([.src, .dst, .sport, .dport]) | sort'" \
	"$again" "flow flush"
nomem "$router" reset "ftqos -j stats show | jq '.offloaded_packets > 0'" \
	"$again" "stats reset"

# Its hooks cannot be placed when it comes, but soon
ftqos -n "$router" dev set later absent
nomem "$router" ip "ip -br link show dev later | cut -c 1-5
	ftqos -j dev show later | jq -c 'map(.state)'
	python3 -I -S $LIB_DIR/hooks.py later" "ip link del later" \
	"link add later type dummy"
ftqos -n "$router" dev del later

# --- namespaces, the module ------------------------------------------------------

all_fail
nomem "$one" ip "ip netns list | grep nomem-new; ip netns exec nomem-new ftqos -j map show" \
	"ip netns del nomem-new" "netns add nomem-new"

# The kernel shows where it was that it had no memory for a cache or for code, which is no
# bug
check_leaks "before the module goes"
check "the module can be unloaded" rmmod nf_flow_qos
dmesg -n 1
nomem "$one" load "$LIB_DIR/../kmod/nf_flow_qos.ko" "$one"
dmesg > "$out"
dmesg -C
dmesg -n 5
check_eq "the kernel shows a stack only where it had no memory itself" \
	"$(grep -c -E 'vmalloc error|kmem_cache_create.* error -12' "$out")" \
	"$(grep -c 'Call Trace' "$out")"
check_eq "... and complains of nothing else" "" \
	"$(grep -v 'Call Trace' "$out" | awk -f /bugs.awk)"
check_leaks "at the end"
finish
