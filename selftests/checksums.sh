#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Packets with CHECKSUM_COMPLETE, as real network cards give it: the sum over all
# their bytes, an inner VLAN tag included. Where the module hides PCP and DEI of that
# tag from the flowtable and puts them back, the sum has to go along; else conntrack
# finds the sum wrong and the kernel complains of the device ("hw csum failure").
#
# A virtual device that gives it: VXLAN with UDP checksums, which GRO of the device
# below has verified, while it did not look into the frame inside, since that has
# IP options. Such packets are not offloaded. What keeps it from looking into IPv6 that
# is offloaded, and given another DSCP, are octets behind the packet.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft tc conntrack ethtool python3 jq ftqos
load_module

down=$(mktemp)
defer rm -f "$down"
topo_router
in_ns "$router" ethtool -K wan0 gro on > /dev/null || bail "no GRO"
# vxlan NS DEV OWN PEER ADDRESS: with QinQ on it
vxlan()
{
	ip -n "$1" -batch - <<- END || bail "no VXLAN in $1"
		link add vx0 type vxlan id 9 local $3 remote $4 dstport 4789 dev $2 udpcsum
		link set vx0 up
		link add link vx0 name vx0.100 type vlan protocol 802.1ad id 100
		link set vx0.100 up
		link add link vx0.100 name vx0.100.5 type vlan id 5
		link set vx0.100.5 up
		addr add $5/24 dev vx0.100.5
	END
}
vxlan "$router" wan0 "$wan4.1" "$wan4.2" 203.0.113.1
vxlan "$server" srv0 "$wan4.2" "$wan4.1" 203.0.113.2
ip -n "$router" addr add 2001:db8:9::1/64 dev vx0 nodad
ip -n "$server" addr add 2001:db8:9::2/64 dev vx0 nodad
# Two things are left out of the sum of an offloaded packet: its hop limit is one less,
# and veth takes away the Ethernet header, which nobody has added. So these are to cancel
# out: the sum of that header is made 1.
IFS=: read -r -a peer < <(mac_of "$client" cl0)
rest=$((0x${peer[0]}${peer[1]} + 0x${peer[2]}${peer[3]} + 0x${peer[4]}${peer[5]}))
rest=$((rest + 0x86dd + 0x0200))
rest=$(((4 * 0xffff + 1 - rest) % 0xffff))
mac=$(printf '02:00:00:00:%02x:%02x' $((rest >> 8)) $((rest & 0xff)))
ip -n "$router" link set lan0 address "$mac" || bail "no MAC address"
topo_nft --devices "lan0, vx0"
ftqos -n "$router" dev set any || bail "cannot bind"
hooked()
{
	ftqos -n "$router" -j status |
		jq -e '[.flowtables[].state] == ["hooked", "hooked"]'
}
check "hooks are in place" busywait 10 hooked
pkt_bg down_pid "$client" capture cl0 --out "$down" --direction in
mac=$(mac_of "$router" vx0)
missed()
{
	ftqos -n "$router" -j stats show | jq .missed_packets
}
before=$(missed)
cmd=()
for t in ad100,5 ad100:3:1,5:6:1 ad100,5:7:0 ad100:0:0,5:0:1; do
	cmd+=(raw --dev vx0 --dst-mac "$mac" --tags "$t" --src 203.0.113.2
		--dst "$lan4.2" --tos 0x2c --count 3 --odd options --sport 5000
		--dport 6001 +)
done
unset "cmd[-1]"
pkt "$server" "${cmd[@]}"
arrived()
{
	phase "$down_pid" "$down"
	[ "$(grep -c '"dport": 6001' "$down")" = 12 ]
}
check "all frames come to the client" busywait 10 arrived
check "they were shown to the flowtable" test $(($(missed) - before)) -ge 12
check_not "the kernel finds no sum wrong" grep "hw csum failure" <(dmesg)

# --- a DSCP in the sum -----------------------------------------------------------

in_ns "$server" ping -q -c 1 -W 5 2001:db8:9::1 > /dev/null ||
	bail "no way through the VXLAN (IPv6)"
ftqos -n "$router" -b - <<- END || bail "no DSCP to rewrite"
	map set default df dscp af41
	stats reset
END
# sent6 COUNT DSCPS: so many packets, with which the client has got these in all. Those
# of one batch all come to the flowtable before it is given their flow.
sent6()
{
	pkt "$server" raw --dev vx0 --dst-mac "$mac" --src 2001:db8:9::2 \
		--dst "$lan6:2" --count "$1" --pad 200 --sport 5000 --dport 6002
	busywait 10 have_come "$2"
}
have_come()
{
	local got

	phase "$down_pid" "$down"
	got=$(jq -r 'select(.dport == 6002) | .dscp' "$down" | xargs)
	[ "$got" = "$1" ] || { echo "$got"; return 1; }
}
check "an IPv6 flow begins" sent6 1 "0"
check "... and goes on" sent6 1 "0 0"
check "offloaded it gets another DSCP" sent6 4 "0 0 34 34 34 34"
check_not "the kernel finds its sum right" grep "hw csum failure" <(dmesg)
pkt_stop "$down_pid"
finish
