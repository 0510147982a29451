#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Large packets (GSO, GRO): TCP and UDP in bulk, both ways and both families, through
# a VLAN, through PPPoE over a VLAN, where the packets are cut within the window since
# 6.19, and through virtio NICs, where the router's GRO may make large ones. What the
# module counts are the packets and octets that the other end got, and none of them is
# lost or comes out of order.
#
#    cl0 --- lan0  $router  wan0.7, ppp0 (wan0.8) --- s0.7, ppp0 (s0.8)  $server
#                           wan1 (virtio) ----------- s1 (virtio)

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/events.sh
. "$(dirname "$0")/events.sh"
need_tools ethtool

# The virtio NICs that selftests/qemu/run gives a guest
modprobe virtio_net 2> /dev/null
defer modprobe -r virtio_net
nics=()
for n in /sys/bus/virtio/drivers/virtio_net/virtio*/net/*; do
	[ ! -e "$n" ] || nics+=("${n##*/}")
done
[ ${#nics[@]} = 2 ] || skip_all "needs two virtio NICs that are connected"
modprobe -a pppoe ppp_generic 8021q 2> /dev/null
[ -c /dev/ppp ] || mknod /dev/ppp c 108 0 || bail "no /dev/ppp"
load_module

setup_ns client router server
for n in "$client" "$router" "$server"; do
	settings "$n"
done
ip -batch - <<- END || bail "no cables"
	link add cl0 netns $client type veth peer name lan0 netns $router
	link set ${nics[0]} netns $router name wan1
	link set ${nics[1]} netns $server name s1
END
ip -n "$client" -batch - <<- END || bail "no client"
	link set cl0 up
	addr add 192.0.2.2/24 dev cl0
	addr add 2001:db8:1::2/64 dev cl0 nodad
	route add default via 192.0.2.1
	route add default via 2001:db8:1::1
END
cable0
{
	echo "link set lan0 up"
	echo "link set wan1 up"
	echo "addr add 192.0.2.1/24 dev lan0"
	echo "addr add 2001:db8:1::1/64 dev lan0 nodad"
	vlan_wan
	addresses 4 1 wan1
} | batch "$router" || bail "no router"
{
	echo "link set s1 up"
	addresses 4 2 s1
} | batch "$server" || bail "no server"
ppp_connect
ip -n "$router" link set ppp0 mtu 1492
ip -n "$server" link set ppp0 mtu 1492
# veth: large packets as they are, and GRO of small ones
in_ns "$router" bash -c 'ethtool -K lan0 gro on; ethtool -K wan0 gro on'

in_ns "$router" nft -f - <<- END || bail "nft refuses the ruleset"
	table inet ftq {
		counter slow { }
		flowtable ft {
			hook ingress priority filter
			devices = { lan0, wan0, wan1 }
		}
		chain forward {
			type filter hook forward priority filter
			tcp flags syn tcp option maxseg size set rt mtu
			meta l4proto { tcp, udp } th dport 5300 flow add @ft
			meta l4proto { tcp, udp } th sport 5300 flow add @ft
			meta l4proto { tcp, udp } th dport 5300 counter name slow
			meta l4proto { tcp, udp } th sport 5300 counter name slow
		}
	}
	table netdev large {
		counter lan0 { }
		counter wan1 { }
		chain lan0 {
			type filter hook ingress device lan0 priority -100
			th dport 5300 counter name lan0
		}
		chain wan1 {
			type filter hook ingress device wan1 priority -100
			th sport 5300 counter name wan1
		}
	}
END
masquerade | sed 's/lan0.3/lo/' | rules

bg bulk.py serve_pid "$server" serve
bulk_in='' bulk_out=''
up_packets=0 up_bytes=0 down_packets=0 down_bytes=0 lost=0 reordered=0
start_bulk()
{
	local fifo=${TMPDIR:-/tmp}/bulk.$$

	mkfifo "$fifo.in" "$fifo.out" || bail "cannot make $fifo"
	ip netns exec "$client" python3 -I -S "$LIB_DIR/bulk.py" talk \
		< "$fifo.in" > "$fifo.out" 2>&1 &
	defer kill $!
	exec {bulk_in}> "$fifo.in" {bulk_out}< "$fifo.out"
	rm -f "$fifo.in" "$fifo.out"
}
start_bulk

# bulk COMMAND...: the figures into variables
bulk()
{
	local line

	echo "$*" >&"$bulk_in"
	read -r -t 60 line <&"$bulk_out" || bail "bulk.py is gone or hangs"
	case $line in
	ok)	;;
	up_*)	eval "$line" ;;
	*)	bail "$line" "$(timeout 1 cat <&"$bulk_out")" ;;
	esac
}

names='vlan4 vlan6 ppp4 ppp6 virtio4 virtio6'
declare -A address=(
	[vlan4]=198.18.1.2 [vlan6]=2001:db8:11::2
	[ppp4]=198.18.3.2 [ppp6]=2001:db8:13::2
	[virtio4]=198.18.4.2 [virtio6]=2001:db8:14::2
) port=()
i=6000
for n in $names; do
	i=$((i + 1))
	port[$n]=$i
	bulk open "$n" "${address[$n]}" $i
	bulk ping "$n" 2
done
all_offloaded()
{
	for n in $names; do
		bulk ping "$n" 1
	done
	[ "$({ offloaded '' 5300; offloaded '' 5300 ipv6; } | wc -l)" = 12 ]
}
check "all flows are offloaded" busywait 20 all_offloaded

# pieces DEV: large packets or small ones that came in there
pieces()
{
	in_ns "$router" nft list counter netdev large "$1" |
		sed -n 's/.*packets \([0-9]*\).*/\1/p'
}

# transfer NAME tcp|udp up|down
transfer()
{
	if [ "$2" = tcp ]; then
		bulk tcp "$1" "$3" 400000
	else
		bulk udp "$1" "$3" 12 16 1200
	fi
}

# On a busy machine TCP sends again what was only late, and UDP that came to both CPUs is
# late, with and without us. So they have tries to get through without.
tries_of()
{
	[ "$1" = tcp ] && echo 1 2 3 || echo 1 2
}

# What the kernel does without the module
unbound=()
before=$(slow_packets)
for n in $names; do
	for proto in tcp udp; do
		for way in up down; do
			for try in $(tries_of $proto); do
				transfer "$n" $proto $way
				[ "$lost $reordered" != "0 0" ] || break
				note "$n $proto $way: $lost lost, $reordered late"
			done
			unbound+=("$lost $reordered")
		done
	done
done
check_eq "unbound: nothing came to the forward chain" "$before" "$(slow_packets)"
check_eq "unbound: nothing is lost or out of order" "0 0" \
	"$(printf '%s\n' "${unbound[@]}" | sort -u | xargs)"

ftqos -n "$router" dev set any || bail "cannot bind"
hooked()
{
	ftqos -n "$router" -j status |
		jq -e '.flowtables | all(.state == "hooked") and length == 3'
}
check "any is bound" busywait 10 hooked

# counted NAME PROTO: of the module, as the figures of transfer
counted()
{
	ftqos -n "$router" -j flow show proto "$2" | jq -r --argjson p "${port[$1]}" '
		def sum(f): map(select(f)) |
			"\(map(.packets) | add) \(map(.bytes) | add)";
		"up \(sum(.sport == $p)) down \(sum(.dport == $p))"'
	ftqos -n "$router" -j stats show |
		jq -r '"all \(.offloaded_packets) \(.offloaded_bytes) \(.prio_set)"'
}
before=$(slow_packets)
lan0=$(pieces lan0) wan1=$(pieces wan1)
packets=0 virtio_packets=0
for n in $names; do
	for proto in tcp udp; do
		for way in up down; do
			for try in $(tries_of $proto); do
				ftqos -n "$router" -b - <<- END
					flow flush
					stats reset
				END
				transfer "$n" $proto $way
				packets=$((packets + up_packets))
				[[ $n != virtio* ]] ||
					virtio_packets=$((virtio_packets + down_packets))
				[ "$lost $reordered" != "0 0" ] || break
				note "$n $proto $way: $lost lost, $reordered late"
			done
			all=$((up_packets + down_packets))
			check_eq "$n: $proto $way: packets and octets are those that came" \
				"up $up_packets $up_bytes down $down_packets $down_bytes all $all $((up_bytes + down_bytes)) $all" \
				"$(counted "$n" $proto | xargs)"
			check_eq "$n: $proto $way: nothing is lost or out of order" "0 0" \
				"$lost $reordered"
		done
	done
done
check_eq "nothing came to the forward chain" "$before" "$(slow_packets)"
lan0=$(($(pieces lan0) - lan0)) wan1=$(($(pieces wan1) - wan1))
note "$packets packets came in through lan0 in $lan0 pieces"
check "they came in large ones" test $((lan0 * 3)) -lt $packets
note "$virtio_packets packets came in through wan1 in $wan1 pieces"
finish
