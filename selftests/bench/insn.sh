#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How many instructions a packet costs, offloaded and classified in several ways.
# For a guest whose clock counts instructions, a nanosecond each; selftests/bench/insn
# runs one, and compares the figures.
#
#	pktgen       flowtable, masquerade              drop
#	client cl0 --- lan0 router wan0.7/wan0 --- srv0 server
#
# pktgen sends 64-byte UDP from the client, and its own figure is the meter: all
# that happens to a packet until the server drops it happens before it sends the
# next. What is to classify is looked at on the wire first, by the bands of a prio
# qdisc and by the PCPs that arrive, and measured only if it does.
#
# In ../files: floor.ko, rival.bpf (or not), and base.ko, an older module to measure
# as well (or not). MAIN=1: only the variants that decide. Writes lines "VARIANT REFERENCE MODULE INSTRUCTIONS" to
# $FTQOS_OUT/insn; without a module the third word is -.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_tools ip nft tc jq ftqos tcpdump ethtool python3
files=$LIB_DIR/../files
: "${FTQOS_OUT:=$(mktemp -d)}"
modprobe -a nf_flow_table nf_flow_table_inet pktgen sch_prio sch_ingress \
	cls_matchall act_skbedit cls_bpf 2> /dev/null
[ -d /proc/net/pktgen ] || skip_all "no pktgen"

tmp=$(mktemp -d)
defer rm -rf "$tmp"

# --- the router ------------------------------------------------------------

topo_router --vlan7
quiet_neighbours
lan_mac=$(mac_of "$router" lan0)
# For tags that arrive, and for bindings of devices that no packet comes to. The
# server has no VLAN 7: its frames are dropped as early as can be
ip -n "$router" -batch - <<- END && ip -n "$server" link del srv0.7 ||
	link add link lan0 name lan0.9 type vlan id 9
	link set lan0.9 up
	addr add 203.0.113.1/24 dev lan0.9
	neigh replace 203.0.113.2 lladdr $(mac_of "$client" cl0) dev lan0.9
	link add dmz0 type dummy
	link set dmz0 up
END
	bail "cannot add devices"
in_ns "$router" nft -f - <<- END || bail "nft refuses the ruleset"
	table inet bench {
		counter slow { }
		flowtable ft {
			hook ingress priority filter
			devices = { lan0, wan0, dmz0 }
		}
		chain forward {
			type filter hook forward priority filter
			udp dport 5000 flow add @ft
			counter name slow
		}
		chain post {
			type nat hook postrouting priority srcnat
			oifname "wan0.7" masquerade
		}
	}
END
keep_flows
echo 200000 > /proc/sys/net/netfilter/nf_conntrack_max
echo 131072 > /sys/module/nf_conntrack/parameters/hashsize

setup_ns other
ip -n "$other" link add dmz0 type dummy && ip -n "$other" link set dmz0 up &&
	in_ns "$other" nft -f - <<- END || bail "no second router"
	table inet bench {
		flowtable ft {
			hook ingress priority filter
			devices = { dmz0 }
		}
	}
END

# counted: packets that left the router, and those that took the slow path
counted()
{
	in_ns "$router" bash -c 'echo $(< /sys/class/net/wan0/statistics/tx_packets) \
		$(nft -j list counter inet bench slow |
		jq ".nftables[1].counter.packets")'
}

# --- packets ---------------------------------------------------------------

# pktgen COUNT [PARAMETER...]: send; sets $insn to what one has cost
pktgen()
{
	local count=$1 out

	shift
	out=$(in_ns "$client" bash -c '
		set -e
		cd /proc/net/pktgen
		echo rem_device_all > kpktgend_0
		echo add_device cl0 > kpktgend_0
		# From 6.7 on a packet need not stay pktgen'\''s own
		echo "flag !SHARED" > cl0 2> /dev/null || :
		for p; do
			echo "$p" > cl0
		done
		echo start > pgctrl
		sed -n "s/^Result: //p" cl0' bash "count $count" "clone_skb 0" \
		"burst 1" "pkt_size 60" "delay 0" "dst_mac $lan_mac" \
		"tos b8" "src_min 192.0.2.2" "src_max 192.0.2.2" \
		"dst $wan4.2" "udp_src_min 1024" "udp_src_max 1024" \
		"udp_dst_min 5000" "udp_dst_max 5000" "$@" 2>&1)
	[[ $out =~ ^OK:\ ([0-9]+)\(.*\ $count\  ]] ||
		bail "pktgen: $out"
	# In hundredths
	insn=$((BASH_REMATCH[1] * 100000 / count))
	insn=${insn%??}.${insn: -2}
}

# What some variants send
ipv6=("dst6 $wan6:2" "src6 $lan6:2" "traffic_class b8" "pkt_size 80")
# Of many flows: how long it takes the flowtable to find none is a matter of chance
miss=("udp_dst_min 6000" "udp_dst_max 6000" "udp_src_max 2024")
tagged=("src_min 203.0.113.2" "src_max 203.0.113.2" "vlan_id 9" "pkt_size 64")

# sent: how many packets have left the router
sent()
{
	in_ns "$router" cat /sys/class/net/wan0/statistics/tx_packets
}

# wanted VARIANT
wanted()
{
	[ -n "${MAIN-}" ] || return 0
	case $1 in
	plain|slow|floor-hooks|floor-devices|floor-all|skbedit|nft-map|ebpf|unbound|prio-pcp|all|miss) ;;
	*)	return 1 ;;
	esac
}

# measure VARIANT REFERENCE MODULE COUNT [PARAMETER...]: the least of several runs,
# which is one that no work of the kernel's own came into
measure()
{
	local best count=$4 i name="$1 ($3)" now try want way

	wanted "$1" || return 0
	want="$((5 * count)) leave, 0 slow"
	case $1 in
	slow|miss|floor-miss*)
		want="$((5 * count)) leave, $((5 * count)) slow" ;;
	esac
	# Again if a route changed, which ends flows, or if the kernel left packets to
	# ksoftirqd, where they pile up
	for try in 1 2 3; do
		best=''
		pktgen 2 "${@:5}"
		way=$(counted)
		for i in 1 2 3 4 5; do
			pktgen "$count" "${@:5}"
			if [ -z "$best" ] || [ "${insn/./}" -lt "${best/./}" ]; then
				best=$insn
			fi
		done
		now=$(minus "$(counted)" "$way")
		now="${now% *} leave, ${now#* } slow"
		[ "$now" != "$want" ] || break
	done
	check_eq "$name: all packets go the one way" "$want" "$now" || return 0
	printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$best" >> "$FTQOS_OUT/insn"
	note "$name: $best instructions, attempt $try"
}

# on_wire NAME PCPS EF CS1 [PARAMETER...]: three packets of EF and two of CS1 leave with
# priorities 5 and 1, and with these PCPs; EF and CS1: how pktgen is told of them
on_wire()
{
	local after before ef=$3 got i name=$1 pcps=$2 cs1=$4 pid rc=0

	shift 4
	# Also of who sets the DSCP itself
	tc -n "$router" qdisc replace dev wan0 root handle 1: prio bands 8 \
		priomap 0 1 2 3 4 5 6 7 1 0 0 0 0 0 5 0 ||
		bail "no prio qdisc"
	pktgen 1 "$@" "$ef"
	before=$(bands wan0)
	ip netns exec "$server" tcpdump -Z root -i srv0 -n -e -l -c 5 vlan \
		> "$tmp/wire" 2> "$tmp/err" &
	pid=$!
	busywait 10 grep -q '^listening' "$tmp/err" || bail "no tcpdump"
	pktgen 3 "$@" "$ef"
	pktgen 2 "$@" "$cs1"
	busywait 10 eval '[ "$(wc -l < "$tmp/wire")" = 5 ]' || :
	kill "$pid" 2> /dev/null
	wait "$pid" 2> /dev/null
	after=$(bands wan0)
	tc -n "$router" qdisc del dev wan0 root
	got=$(sed -n 's/.* vlan 7, p \([0-7]\),.*/\1/p' "$tmp/wire" | tr '\n' ' ')
	check_eq "$name: priority" "0 2 0 0 0 3 0 0" "$(minus "$after" "$before")" ||
		rc=1
	check_eq "$name: PCP" "$pcps" "$got" || rc=1
	return $rc
}

# classifies VARIANT REFERENCE MODULE COUNT PCPS EF CS1 [PARAMETER...]: looked at, then
# measured
classifies()
{
	wanted "$1" || return 0
	on_wire "$1 ($3)" "$5" "$6" "$7" "${@:8}" || return 0
	measure "$1" "$2" "$3" "$4" "${@:8}" "$6"
}
with_pcp="5 5 5 1 1 "
without_pcp="0 0 0 0 0 "

# --- without the module ----------------------------------------------------

# All flows first: how long a lookup of the flowtable takes depends on what else is
# there, by chance. The second packet of a flow begins its offload.
n=8000
pktgen 10
pktgen 10 "${tagged[@]}" "vlan_p 0"
pktgen 10 "${ipv6[@]}"
pktgen 128000 "udp_src_max 65024"
pktgen 2000 "${miss[@]}"

measure plain - - $n
measure plain-tagged - - $n "${tagged[@]}" "vlan_p 0"
measure plain-ipv6 - - $n "${ipv6[@]}"
measure slow - - $n "${miss[@]}"
measure plain-1000 - - $n "udp_src_max 2024"
measure plain-64000 - - $n "udp_src_max 65024"

# floor NS DOES WORD...: hooks that do little, with these parameters
floor()
{
	in_ns "$1" insmod "$files/floor.ko" "does=$2" "${@:3}" || bail "no floor.ko"
}
floor "$other" 0 ingress=dmz0 egress=dmz0
measure floor-other plain - $n
rmmod floor
floor "$router" 0 ingress=lan0
measure floor-ingress plain - $n
rmmod floor
floor "$router" 0 ingress=lan0 egress=wan0.7,wan0
measure floor-hooks plain - $n
measure floor-miss slow - $n "${miss[@]}"
rmmod floor
floor "$router" 1 ingress=lan0 egress=wan0.7,wan0
measure floor-lookup plain - $n
rmmod floor
floor "$router" 2 ingress=lan0 egress=wan0.7,wan0
classifies floor-prio-pcp plain - $n "$with_pcp" "tos b8" "tos 20"
measure floor-miss-call slow - $n "${miss[@]}"
rmmod floor
floor "$router" 3 ingress=lan0 egress=wan0.7,wan0
classifies floor-all plain - $n "$with_pcp" "tos b8" "tos 20"
measure floor-miss-all slow - $n "${miss[@]}"
rmmod floor
# Packets are counted, but leave through devices where nobody gives them anything
floor "$router" 3 ingress=lan0 egress=dmz0
measure floor-devices plain - $n
rmmod floor

# --- rivals ----------------------------------------------------------------

tc -n "$router" -batch - <<- END || bail "no skbedit"
	qdisc add dev lan0 clsact
	filter add dev lan0 ingress matchall action skbedit inheritdsfield
END
classifies skbedit plain - $n "$without_pcp" "tos b8" "tos 20"
tc -n "$router" qdisc del dev lan0 clsact

in_ns "$router" nft -f - <<- END || bail "no map of nft"
	table netdev rival {
		chain lan0 {
			type filter hook ingress device lan0 priority -10
			meta priority set ip dscp map {
				1: 0:1, 8: 0:1, 16: 0:2, 18: 0:2, 20: 0:2,
				22: 0:2, 24: 0:3, 26: 0:3, 28: 0:3, 30: 0:3,
				32: 0:4, 34: 0:4, 36: 0:4, 38: 0:4, 40: 0:5,
				44: 0:5, 46: 0:5, 48: 0:6, 56: 0:7
			}
		}
	}
END
classifies nft-map plain - $n "$without_pcp" "tos b8" "tos 20"
in_ns "$router" nft delete table netdev rival

if [ -e "$files/rival.bpf" ]; then
	tc -n "$router" -batch - <<- END || bail "no program of BPF"
		qdisc add dev wan0 clsact
		filter add dev wan0 egress bpf direct-action object-file $files/rival.bpf section tc
	END
	classifies ebpf plain - $n "$with_pcp" "tos b8" "tos 20"
	tc -n "$router" qdisc del dev wan0 clsact
else
	skip "ebpf" "no clang"
fi

# --- with it ---------------------------------------------------------------

defer rmmod nf_flow_qos
measure plain-again plain - $n

# with NS LINE...: the module anew, with this configuration of a namespace
with()
{
	local ns=$1

	shift
	[ ! -d /sys/module/nf_flow_qos ] || rmmod nf_flow_qos
	insmod "$ko" || bail "cannot insert $ko"
	[ $# = 0 ] || printf '%s\n' "$@" | ftqos -n "$ns" -b - ||
		bail "refused: $*"
	hooks_placed
}

for module in head base; do
	case $module in
	head)	ko=$LIB_DIR/../kmod/nf_flow_qos.ko ;;
	base)	ko=$files/base.ko ;;
	esac
	[ -e "$ko" ] || continue

	with "$router"
	measure unbound plain $module $n
	with "$other" "dev set dmz0"
	measure other-netns plain $module $n
	with "$router" "dev set dmz0"
	measure other-devices plain $module $n
	with "$router" "config set flow-limit 0" "map set default all pcp keep" \
		"dev set wan0.7" "dev set lan0"
	classifies prio plain $module $n "$without_pcp" "tos b8" "tos 20"
	with "$router" "config set flow-limit 0" "dev set wan0.7" "dev set lan0"
	classifies prio-pcp plain $module $n "$with_pcp" "tos b8" "tos 20"
	with "$router" "dev set any"
	classifies any plain $module $n "$with_pcp" "tos b8" "tos 20"

	with "$router" "dev set wan0.7 sticky on" "dev set lan0 sticky on"
	# It is learned of packets that no flowtable takes, also that there is nothing. Let
	# the flow begin anew, and the flowtable would have another way to it.
	pkt "$client" raw --dev cl0 --dst-mac "$lan_mac" --src "$lan4.2" --dst "$wan4.2" \
		--sport 1024 --dport 5000 --tos 0xb8 --count 3 --odd options ||
		bail "nothing to learn of"
	classifies all-sticky plain $module $n "$with_pcp" "tos b8" "tos 20"
	with "$router" "dev set wan0.7" "dev set lan0" "dev set lan0.9 trust pcp"
	classifies all plain $module $n "$with_pcp" "tos b8" "tos 20"
	classifies all-ipv6 plain-ipv6 $module $n "$with_pcp" \
		"traffic_class b8" "traffic_class 20" "${ipv6[@]}"
	classifies trust-pcp plain-tagged $module $n "$with_pcp" \
		"vlan_p 5" "vlan_p 1" "${tagged[@]}"
	measure miss slow $module $n "${miss[@]}"
	measure all-1000 plain-1000 $module $n "udp_src_max 2024"
	pktgen 64000 "udp_src_max 65024"
	measure all-64000 plain-64000 $module $n "udp_src_max 65024"
done
finish
