#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Packets that others hold copies of: a capture on every device of the router, and
# nft's dup and fwd on every way in, while the tags of frames with PCP and DEI are
# cleared for the flowtable and those that leave get theirs. The copies have the
# octets and tags that the frame came with, and every packet is offloaded all the
# same. Then dup in prerouting, and frames that a bridge floods: only what leaves
# through the bound port is changed.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft conntrack ethtool python3 jq ftqos
load_module

got=$(mktemp -d)
defer rm -rf "$got"
topo_router --vlans "802.1ad:100 802.1Q:5"
topo_nft
keep_flows
quiet_neighbours
ip -n "$router" -batch - <<- END || bail "no devices for copies"
	link add mon0 up type dummy
	link add mon1 up type dummy
END
ftqos -n "$router" dev set any || bail "cannot bind"
# Copies are made before the flowtable; mon1 is for those of the slow path
in_ns "$router" nft -f - <<- END || bail "nft refuses to copy"
	table netdev copy {
		chain in {
			type filter hook ingress devices = { lan0, wan0 } priority -10
			ether daddr 02:00:00:00:00:55 fwd to mon1
			dup to mon0
		}
	}
	table ip copy {
		chain prerouting {
			type filter hook prerouting priority raw
			meta l4proto udp dup to 10.9.9.9 device mon1
		}
	}
END
ip -n "$router" addr add 10.9.9.1/24 dev mon1 || bail "no address"
ip -n "$router" neigh add 10.9.9.9 lladdr 02:00:00:00:00:09 dev mon1

talk_serve "$server"
talk_start "$client"
talk_or_bail "open u4 udp $wan4.2 5000 0xb8 4000" \
	"open u6 udp $wan6:2 5000 0xb8 4001" "ping 3 64 *"
both_offloaded()
{
	[ "$({ offloaded udp 5000; offloaded udp 5000 ipv6; } | wc -l)" = 2 ]
}
check "both flows are offloaded" busywait 10 both_offloaded
lan_mac=$(mac_of "$router" lan0)
wan_mac=$(mac_of "$router" wan0)

# sent NS JOB [+ JOB]...: on the processor of talk, so that what talk sends after it
# says that it is through
sent()
{
	in_ns "$1" taskset -c 0 python3 -I -S "$LIB_DIR/pkt.py" "${@:2}" ||
		bail "cannot send"
}

pkt_bg all_pid "$router" capture any --out "$got/all"
pkt_bg up_pid "$server" capture srv0 --out "$got/up" --direction in
pkt_bg down_pid "$client" capture cl0 --out "$got/down" --direction in
ftqos -n "$router" stats reset
slow=$(slow_packets)
down="raw --dev srv0 --dst-mac $wan_mac --sport 5000 --count 4 --tos 0xb8"
up="raw --dev cl0 --dst-mac $lan_mac --dport 5000 --count 4 --tos 0xb8"
# shellcheck disable=SC2086 # words
{
	sent "$server" $down --tags ad100:3:1,5:6:1 --src "$wan4.2" \
		--dst "$lan4.2" --dport 4000 + $down --tags ad100:3:1,5:6:1 \
		--src "$wan6:2" --dst "$lan6:2" --dport 4001 + \
		$down --dst-mac 02:00:00:00:00:55 --tags ad100:2:1,5:6:1 \
		--src "$wan4.2" --dst "$lan4.2" --dport 4000
	sent "$client" $up --tags 0:5:1 --src "$lan4.2" --dst "$wan4.2" \
		--sport 4000 + $up --tags 0:5:1 --src "$lan6:2" \
		--dst "$wan6:2" --sport 4001
}
talk_or_bail
pkt_stop "$all_pid"
pkt_stop "$up_pid"
pkt_stop "$down_pid"
check_eq "every frame was offloaded" "$slow" "$(slow_packets)"
check "16 of them only because of their cleared tags" \
	jq -e '.ingress_pcp_cleared == 16' \
	<<< "$(ftqos -n "$router" -j stats show)"

# tags FILE CONDITION: how many packets of ours have which tags (TPID:VID:PCP:DEI),
# "N TAG TAG"
tags()
{
	jq -r "select((.seq != null) and ($2)) | [.tags[] |
		\"\\(.tpid[2:]):\\(.vid):\\(.pcp):\\(.dei)\"] | join(\" \")" "$1" |
		sort | uniq -c | sed 's/^ *//; s/ *$//'
}
came="8 88a8:100:3:1 8100:5:6:1"
check_eq "downwards: a capture on wan0 has the tags as they came" "$came" \
	"$(tags "$got/all" '.dev == "wan0" and .dir == "in" and .sport == 5000 and
		.tags[0].pcp == 3')"
check_eq "downwards: and so has nft's copy" "$came" \
	"$(tags "$got/all" '.dev == "mon0" and .sport == 5000 and
		.tags[0].pcp == 3')"
check_eq "downwards: nft's fwd sends them on with the tags as they came" \
	"4 88a8:100:2:1 8100:5:6:1" \
	"$(tags "$got/all" '.dev == "mon1" and .sport == 5000')"
check "downwards: all arrive" test \
	"$(tags "$got/down" '.sport == 5000' | cut -d' ' -f1)" -ge 8

came="8 8100:0:5:1"
check_eq "upwards: a capture on lan0 has the tags as they came" "$came" \
	"$(tags "$got/all" '.dev == "lan0" and .dir == "in" and .tags != []')"
check_eq "upwards: and so has nft's copy" "$came" \
	"$(tags "$got/all" '.dev == "mon0" and .dport == 5000 and .tags != []')"
check_eq "upwards: on the wire all have the PCP of their class" \
	"8 88a8:100:5:0 8100:5:5:0" "$(tags "$got/up" '.dport == 5000')"

# Of the slow path: dup in prerouting
in_ns "$router" nft -f - <<- END || bail "nft refuses the rules"
	insert rule inet ftq forward udp sport 6000 accept
	insert rule inet ftq forward udp dport 6000 accept
END
ftqos -n "$router" dev set any scope all || bail "cannot bind"
pkt_bg all_pid "$router" capture mon1 --out "$got/all"
# shellcheck disable=SC2086 # words
sent "$client" $up --src "$lan4.2" --dst "$wan4.2" --sport 6000 --size 100
talk_or_bail
pkt_stop "$all_pid"
check_eq "prerouting: the copies are made, DSCP and octets as they came" \
	"46 128 4" "$(jq -r 'select(.sport == 6000) | "\(.dscp) \(.len)"' \
		"$got/all" | uniq -c | awk '{ print $2, $3, $1 }')"

# --- a bridge floods -----------------------------------------------------------

setup_ns hosts
ip -batch - <<- END || bail "no cables"
	link add p1 netns $router type veth peer name h1 netns $hosts
	link add p2 netns $router type veth peer name h2 netns $hosts
	link add p3 netns $router type veth peer name h3 netns $hosts
END
for n in 1 2 3; do
	no_offloads "$hosts" h$n
	ip -n "$hosts" link set h$n up
done
ip -n "$router" -batch - <<- END || bail "no bridge"
	link add br0 type bridge mcast_snooping 0
	link set p1 master br0 up
	link set p2 master br0 up
	link set p3 master br0 up
	link set br0 up
END
forwarding()
{
	[ "$(bridge -n "$router" -j link show |
		jq '[.[] | select(.state == "forwarding")] | length')" -ge 3 ]
}
busywait 10 forwarding || bail "the bridge does not forward"
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	dev del any
	map add seven preset constant 7
END
pkt_bg all_pid "$hosts" capture any --out "$got/hosts" --direction in
for bound in p1 p2 p3 br0; do
	ftqos -n "$router" dev set $bound map seven scope all ||
		bail "cannot bind"
	# Nobody has this address; the inner tag is in the octets of all copies
	sent "$hosts" raw --dev h3 --dst-mac 02:00:00:00:00:77 --count 4 \
		--tags 9:2:1,8:3:0 --src "$lan4.77" --dst "$wan4.77" \
		--tos 0xb8 --sport 7 --dport 7
	talk_or_bail
	phase "$all_pid" "$got/hosts"
	ftqos -n "$router" dev del $bound || bail "cannot unbind"
done
pkt_stop "$all_pid"
with_phase "$got/hosts" > "$got/flooded"
n=0
for bound in p1 p2 p3 br0; do
	for port in 1 2; do
		pcp=2
		[ $bound != p$port ] && [ $bound != br0 ] || pcp=7
		check_eq "flooded, $bound is bound: what leaves p$port" \
			"4 8100:9:$pcp:1 8100:8:3:0" "$(tags "$got/flooded" \
			".phase == $n and .dev == \"h$port\" and .sport == 7")"
	done
	n=$((n + 1))
done
finish
