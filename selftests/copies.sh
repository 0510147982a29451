#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Copies of offloaded packets: what nft's dup in an egress chain sends to another
# device, and what a capture on every device holds. The packets themselves, single
# ones and large ones (GSO), go to the band of their priority all the same, and the
# device of the copies is not taken for theirs.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft tc conntrack ethtool python3 jq ftqos
load_module

up=$(mktemp)
all=$(mktemp)
defer rm -f "$up" "$all"
topo_router --keep-offloads
topo_nft
quiet_neighbours
keep_flows
ip -n "$router" link add mon0 up type dummy
prio_bands wan0 mon0
in_ns "$router" nft -f - <<- END || skip_all "no dup in an egress chain"
	table netdev copy {
		chain wan0 {
			type filter hook egress device wan0 priority 0
			dup to mon0
		}
	}
END
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	map add copies preset constant 2
	dev set any
	dev set mon0 map copies
END
talk_serve "$server"
talk_start "$client"
talk_or_bail "open u udp $wan4.2 5000 0xb8 4000 0xb8" \
	"open t tcp $wan4.2 5000 0xb8 4001 0xb8" "ping 3 64 *"
check "UDP is offloaded" busywait 10 offloaded udp 5000
check "TCP is offloaded" busywait 10 offloaded tcp 5000
pkt_bg all_pid "$router" capture any --out "$all"
pkt_bg up_pid "$server" capture srv0 --out "$up" --direction in

band()
{
	bands "$1" | cut -d' ' -f$(($2 + 1))
}
# sum DEV: packets of all bands
sum()
{
	bands "$1" | awk '{ for (i = 1; i <= NF; i++) n += $i; print n + 0 }'
}

# foreign: packets of others (the kernel's own) in the last phase of the capture
foreign()
{
	tac "$up" | awk '/^."phase"/ && n++ { exit } { print }' |
		jq -c 'select(.dir and .dport != 5000)' | wc -l
}

# round NAME COMMAND...: all of wan0 in band 5. What the capture saw is more than
# what the bands counted, so that others can be told from ours in band 0.
round()
{
	local before copies none slow

	phase "$up_pid" "$up"
	before=$(band wan0 5)
	none=$(band wan0 0)
	copies=$(sum mon0)
	slow=$(slow_packets)
	talk_or_bail "${@:2}"
	none=$(($(band wan0 0) - none))
	phase "$up_pid" "$up"
	check "$1: none of ours in band 0" test "$none" -le "$(foreign)"
	check "$1: band 5" test $(($(band wan0 5) - before)) -ge "$least"
	check_eq "$1: nothing came to the forward chain" "$slow" "$(slow_packets)"
	check "$1: copies were made" test "$(sum mon0)" -gt "$copies"
	check_eq "$1: the device of the copies did not decide" "0" \
		"$(ftqos -n "$router" -j flow show oif mon0 | jq length)"
}
least=8
round "single packets" "ping 8 100 u"
least=2
round "large packets" "bulk 200000 t"
check "there were large ones" jq -es 'any(.dport == 5000 and .frame > 2000)' "$up"
pkt_stop "$up_pid"
pkt_stop "$all_pid"
finish
