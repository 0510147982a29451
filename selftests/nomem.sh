#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Memory runs out, by order of the kernel's fault injection.
#
# In the packet path the flow is not accounted and the packet goes on, with what
# its class gets: the entries of flows cannot be allocated. In configuration, each
# allocation of a command fails once (nomem.py): it does all or nothing, leaks no
# memory and no hook.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft tc conntrack ethtool python3 jq ftqos
debug=/sys/kernel/debug
[ -d $debug/failslab ] || skip_all "this kernel has no failslab"
[ -e /proc/self/fail-nth ] || skip_all "this kernel has no fail-nth"
load_module

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
out=$(mktemp)
defer rm -f "$out"

flows()
{
	ftqos -n "$router" -j flow show | jq length
}

echo 1 > /sys/kernel/slab/ftq_flow/failslab || bail "no cache of flows"
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
for d in failslab fail_page_alloc; do
	echo N > $debug/$d/ignore-gfp-wait
done
echo 0 > $debug/fail_page_alloc/min-order
while IFS= read -r line; do
	check "all or nothing: $line" grep ': ok ' <<< "$line"
done < <(in_ns "$router" python3 -I -S "$LIB_DIR/nomem.py" lan0,wan0,wan0.7 \
	"map add m4 preset dot1q-no-bk" "map set m1 all prio 7 pcp 7" \
	"map del m2" "dev set lan0 map m1" "dev set any map m1" \
	"dev set wan0.7 map m1 trust none" "dev del wan0.7" \
	"config set flow-limit 200000 flow-timeout 60" "restore $other")
fail_slab 0 N Y
round "after all that"

# What is lost for more than 5 s is a leak; a look may miss it
leaks()
{
	echo scan > "$debug/kmemleak" && echo scan > "$debug/kmemleak" &&
		! grep -B 12 -A 12 -m 1 -E 'ftq_|nf_flow_qos' "$debug/kmemleak"
}
if [ -e $debug/kmemleak ]; then
	sleep 6
	check "no memory is lost" leaks
fi
finish
