#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A flowtable with "flags offload" is warned of by status, once, with all of its
# devices, and another one beside it is not. Flows that the hardware does not take
# stay with the software, and with their map.
#
# netdevsim takes the flag, and then no flow. Where it is not (Debian's kernels),
# nft refuses the flag: it needs a driver that knows it.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft tc conntrack ethtool python3 jq ftqos
load_module

warnings()
{
	ftqos -n "$router" -j status | jq -r '.warnings[]'
}

# hw_table: as topo_nft, with the flag
hw_table()
{
	in_ns "$router" nft -f - <<- END
		table inet ftq {
			counter slow { }
			flowtable ft {
				hook ingress priority 5
				flags offload
				devices = { lan0, wan0 }
			}
			chain forward {
				type filter hook forward priority filter
				udp dport 5000 flow add @ft
				udp sport 5000 flow add @ft
				meta l4proto { tcp, udp } counter name slow
			}
		}
	END
}

if ! modprobe netdevsim 2> /dev/null; then
	topo_router
	ftqos -n "$router" dev set wan0
	check_not "without a driver for it the flag is refused" hw_table
	topo_nft
	check_eq "a flowtable without the flag: no warning" "" "$(warnings)"
	finish
fi

# nsim ID NAME NS: a device of netdevsim
nsim()
{
	local dev

	echo "$1 1" > /sys/bus/netdevsim/new_device || bail "no netdevsim"
	defer bash -c "echo $1 > /sys/bus/netdevsim/del_device"
	busywait 10 test -d "/sys/bus/netdevsim/devices/netdevsim$1/net" ||
		bail "no device of netdevsim$1"
	dev=$(ls "/sys/bus/netdevsim/devices/netdevsim$1/net")
	ip link set "$dev" netns "$3" name "$2" || bail "cannot move $dev"
}

# cable NS DEV NS DEV
cable()
{
	local a b fa fb

	a=$(ip -n "$1" -j link show dev "$2" | jq '.[0].ifindex')
	b=$(ip -n "$3" -j link show dev "$4" | jq '.[0].ifindex')
	exec {fa}< "/run/netns/$1" {fb}< "/run/netns/$3"
	echo "$fa:$a $fb:$b" > /sys/bus/netdevsim/link_device ||
		bail "cannot link $2 and $4"
	exec {fa}<&- {fb}<&-
}

setup_ns client router server
wan=wan0 srv=srv0
nsim 1 cl0 "$client"
nsim 2 lan0 "$router"
nsim 3 wan0 "$router"
nsim 4 srv0 "$server"
cable "$client" cl0 "$router" lan0
cable "$router" wan0 "$server" srv0
topo_side "$client" '' cl0 '' "$lan4.2/24" "$lan6:2/64" \
	"route add default via $lan4.1"
topo_side "$router" '' lan0 '' "$lan4.1/24" "$lan6:1/64"
topo_side "$router" '' wan0 '' "$wan4.1/24" "$wan6:1/64"
topo_side "$server" '' srv0 '' "$wan4.2/24" "$wan6:2/64" \
	"route add default via $wan4.1"
busywait 10 in_ns "$client" ping -q -c 1 -W 1 "$wan4.2" > /dev/null ||
	bail "no way from the client to the server"

hw_table || bail "netdevsim does not take the flag"
check_eq "nothing is bound: no warning" "" "$(warnings)"
ftqos -n "$router" dev set wan0
check "hardware offload is warned of, once" grep -q -x -E \
	"flowtable on (lan0, wan0|wan0, lan0) \(priority 5\) has hardware offload on: .*" \
	<(warnings)
in_ns "$router" nft "table inet second { flowtable soft {
	hook ingress priority 6; devices = { lan0, wan0 }; }; }" ||
	bail "no second flowtable"
check_eq "... a second flowtable without it is not" 1 "$(warnings | wc -l)"
in_ns "$router" nft delete table inet second

prio_bands wan0
talk_serve "$server"
talk_start "$client"
talk_or_bail "open a udp $wan4.2 5000 0xb8 4000 0xb8"
ping_offloaded()
{
	talk "ping 1 64 a" && offloaded udp 5000
}
check "a flow is offloaded" busywait 10 ping_offloaded
slow=$(slow_packets)
before=$(bands wan0)
talk_or_bail "ping 4 64 a"
check_eq "... by the software, since netdevsim takes none" "$slow" "$(slow_packets)"
check_eq "... and has its priority" 4 \
	"$(minus "$(bands wan0)" "$before" | cut -d' ' -f6)"

in_ns "$router" nft delete table inet ftq
topo_nft
check_eq "the flag is gone: no warning" "" "$(warnings)"
finish
