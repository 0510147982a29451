#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# trust ctmark: the class is a part of the conntrack mark.
#
# Flows without a DSCP worth mentioning, masqueraded, over IPv4 and IPv6, UDP and
# TCP, whose conntrack entries nft gives a mark in the forward chain. Once they are
# offloaded their packets leave with the PCP (captured on the server's wire, VLAN 7)
# and answers in the band of a prio qdisc on lan0 that the mark asks for, though
# neither is in a packet, and uploads are masqueraded before any egress hook
# sees them. The counter `slow` tells that all of them were offloaded.
#
# Then marks are changed while the flows are offloaded, with and without flow
# accounting; two zones have the same tuple; and conntrack entries end when they
# would without the module.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft tc conntrack ethtool python3 jq ftqos

cap=$(mktemp)
defer rm -f "$cap"
topo_router --vlan7
# A second client of the same address
setup_ns other
ip link add cl1 netns "$other" type veth peer name lan1 netns "$router" ||
	bail "cannot make lan1"
topo_side "$other" '' cl1 '' "$lan4.2/24" "$lan6:2/64" \
	"route add default via $lan4.1"
topo_nft --masquerade --devices "lan0, lan1, wan0"
quiet_neighbours
keep_flows
load_module
prio_bands lan0 wan0

# mark CLASS [STATE]: shifted by 18 bits, and 0x80: it counts
mark()
{
	printf '0x%x\n' $(($1 << 18 | ${2-0x80}))
}
in_ns "$router" nft -f - <<- END || bail "nft refuses to mark"
	table inet marks {
		chain forward {
			type filter hook forward priority -10
			ct state new ct mark set iifname . th sport map {
				lan0 . 4001 : $(mark 46), lan0 . 4002 : $(mark 46 0),
				lan0 . 4010 : $(mark 46), lan1 . 4010 : $(mark 26)
			}
		}
	}
END

ftqos -n "$router" -b - <<- END || bail "cannot bind"
	dev set wan0.7 trust ctmark 0xfc0000 0x80
	dev set lan0 trust ctmark 0xfc0000 0x80
END
hooks_placed
talk_serve "$server"
talk_start "$client"
# 4001: marked; 4002: the mark does not count; 4003: there is none
open=()
for port in 4001 4002 4003; do
	for proto in udp tcp; do
		open+=("open $port.$proto.4 $proto $wan4.2 5000 0x20 $port 0x48"
			"open $port.$proto.6 $proto $wan6:2 5000 0x20 $port 0x48")
	done
done
talk_or_bail "${open[@]}" "ping 3 64 *"
have_offload()
{
	[ "$({ offloaded '' 5000; offloaded '' 5000 ipv6; } | wc -l)" = 12 ]
}
check "twelve flows are offloaded" busywait 10 have_offload
pkt_bg cap_pid "$server" capture srv0 --out "$cap" --direction in

# look COMMAND...: talk. What was seen, in $saw: "PORT:PCP" at the server, each
# once; the bands of lan0; how many packets were slow
look()
{
	local bands slow

	phase "$cap_pid" "$cap"
	bands=$(bands lan0)
	slow=$(slow_packets)
	talk_or_bail "$@"
	phase "$cap_pid" "$cap"
	saw=$(tac "$cap" | awk '/^."phase"/ && n++ { exit } { print }' |
		jq -r 'select(.dport == 5000) | "\(.sport):\(.pcp)"' |
		sort -u | xargs)
	saw+=", $(minus "$(bands lan0)" "$bands")"
	saw+=", $(($(slow_packets) - slow)) slow"
}

# classes PORT [FAMILY [PROTO]]: of packets from the client, and of answers
classes()
{
	ftqos -n "$router" -j flow show proto "${3:-udp}" |
		jq -r --argjson port "$1" --arg family "${2:-ipv4}" '
		def of(f): map(select(f).class) | join(",");
		map(select(.family == $family)) |
		of(.iif == "lan0" and .sport == $port) + " " +
		of(.iif == "wan0" and .dport == $port)'
}

# --- the mark is the class ----------------------------------------------------------

look "ping 3 64 4001.udp.*"
check_eq "the mark's PCP on the masqueraded upload, its band for answers" \
	"4001:5, 0 0 0 0 0 6 0 0, 0 slow" "$saw"
look "ping 3 64 4001.tcp.*"
check_eq "the same with TCP: PCP" "4001:5" "${saw%%,*}"
check_eq "the same with TCP: nothing slow" "0 slow" "${saw##*, }"
look "ping 3 64 4002.udp.* 4003.udp.*"
check_eq "no bit of the statemask: the DSCP decides, in either direction" \
	"4002:1 4003:1, 0 0 12 0 0 0 0 0, 0 slow" "$saw"
for family in ipv4 ipv6; do
	for proto in udp tcp; do
		check_eq "classes of a marked and of another flow: $family $proto" \
			"46 46, 8 18" "$(classes 4001 $family $proto), $(
			classes 4002 $family $proto)"
	done
done
ftqos -n "$router" flow flush
look "ping 1 64 4001.udp.*"
check_eq "the first packet of a flow that is not known yet" \
	"4001:5, 0 0 0 0 0 2 0 0, 0 slow" "$saw"

# Tags that are made to match the flowtable's key
pcp_cleared()
{
	ftqos -n "$router" -j stats show | jq .ingress_pcp_cleared
}
ip -n "$server" link set srv0.7 type vlan egress-qos-map 0:3 1:3 2:3 3:3 4:3 5:3 6:3 7:3
before=$(pcp_cleared)
look "ping 3 64 4001.udp.*"
check_eq "answers come with a PCP" \
	"4001:5, 0 0 0 0 0 6 0 0, 0 slow, 6 cleared" \
	"$saw, $(($(pcp_cleared) - before)) cleared"

# A flowtable that knows none of these flows stands before the one that does
in_ns "$router" nft -f - <<- END || bail "nft refuses another flowtable"
	table inet another {
		flowtable ft {
			hook ingress priority filter - 5
			devices = { lan0, wan0 }
		}
	}
END
hooks_placed
ftqos -n "$router" flow flush
look "ping 3 64 4001.udp.*"
check_eq "the second of two flowtables knows the flow" \
	"4001:5, 0 0 0 0 0 6 0 0, 0 slow" "$saw"
in_ns "$router" nft delete table inet another
hooks_placed

# --- it changes ---------------------------------------------------------------------

# set_mark FAMILY MARK: of the UDP flow from port 4001
set_mark()
{
	in_ns "$router" conntrack -U -f "$1" -p udp --orig-port-src 4001 \
		--mark "$2" > /dev/null 2>&1 || bail "cannot change the mark"
}
# becomes FAMILY CLASSES: of that flow
becomes()
{
	talk "ping 1 64 4001.udp.*" || return 1
	[ "$(classes 4001 "$1")" = "$2" ] || { classes 4001 "$1"; return 1; }
}
for family in ipv4 ipv6; do
	set_mark $family "$(mark 16)"
	check "conntrack -U --mark while offloaded takes effect: $family" \
		busywait 5 becomes $family "16 16"
done
look "ping 3 64 4001.udp.*"
check_eq "and is on the wire" "4001:2, 0 0 6 0 0 0 0 0, 0 slow" "$saw"
set_mark ipv4 "$(mark 16 0)"
check "a mark that does not count any more" busywait 5 becomes ipv4 "8 18"
set_mark ipv4 "$(mark 46)"
check "and counts again" busywait 5 becomes ipv4 "46 46"

# A rule, of a later packet that no flowtable takes: it has options
in_ns "$router" nft -f - <<- END || bail "nft refuses to mark later"
	table inet marks {
		chain later {
			type filter hook forward priority -5
			ip dscp 1 ct mark set $(mark 26)
			ip6 dscp 1 ct mark set $(mark 26)
		}
	}
END
lmac=$(mac_of "$router" lan0)
for family in ipv4 ipv6; do
	a=("$lan4.2" "$wan4.2")
	[ $family = ipv4 ] || a=("$lan6:2" "$wan6:2")
	before=$(slow_packets)
	pkt "$client" raw --dev cl0 --dst-mac "$lmac" --src "${a[0]}" \
		--dst "${a[1]}" --sport 4001 --dport 5000 --tos 0x04 --odd options
	check "nft rule on a later packet takes effect: $family" \
		busywait 5 becomes $family "26 26"
	check "... which took the slow path" test "$(slow_packets)" -gt "$before"
done
set_mark ipv4 "$(mark 46)"
check "and conntrack -U once more" busywait 5 becomes ipv4 "46 46"

# Not for each packet: of marks that change one after the other, one is seen late
holds()
{
	local class

	for class in 16 8 16 8 16 8 16 8; do
		set_mark ipv4 "$(mark "$class")"
		becomes ipv4 "$class $class" > /dev/null || return 0
	done
	return 1
}
check "what was read holds for the rest of the second" holds
set_mark ipv4 "$(mark 46)"
check "and then the mark is read again" busywait 5 becomes ipv4 "46 46"

ftqos -n "$router" dev set lan0 trust dscp
look "ping 1 64 4001.udp.4"
check_eq "trust dscp again: the DSCP, at once" \
	"4001:1, 0 0 0 0 0 1 0 0, 0 slow" "$saw"
ftqos -n "$router" dev set lan0 trust ctmark 0xfc00
check "another mask, and no statemask" busywait 5 becomes ipv4 "0 46"
ftqos -n "$router" dev set lan0 trust ctmark 0x1f80000 0x80
check "a mask of other bits of the mark" busywait 5 becomes ipv4 "23 46"

ftqos -n "$router" -b - <<- END || bail "cannot bind any"
	dev del lan0
	dev set any trust ctmark 0xfc0000 0x80
END
hooks_placed
ftqos -n "$router" flow flush
look "ping 1 64 4001.udp.4"
check_eq "trust ctmark of any" "4001:5, 0 0 0 0 0 1 0 0, 0 slow" "$saw"
ftqos -n "$router" -b - <<- END || bail "cannot bind lan0"
	dev set lan0 trust ctmark 0xfc0000 0x80
	dev del any
END
hooks_placed

# --- without a flow of the module's own ---------------------------------------------

ftqos -n "$router" config set flow-limit 0
look "ping 3 64 4001.udp.4"
check_eq "flow-limit 0" "4001:5, 0 0 0 0 0 3 0 0, 0 slow" "$saw"
set_mark ipv4 "$(mark 8)"
look "ping 1 64 4001.udp.4"
check_eq "flow-limit 0: another mark holds from the next packet on" \
	"4001:1, 0 1 0 0 0 0 0 0, 0 slow" "$saw"
set_mark ipv4 "$(mark 46)"
ftqos -n "$router" config set flow-limit 1
talk_or_bail "ping 1 64 4003.udp.6"
look "ping 3 64 4001.udp.4"
check_eq "the table of flows is full" "4001:5, 0 0 0 0 0 3 0 0, 0 slow" "$saw"
check_eq "and this flow is not in it" " " "$(classes 4001)"
ftqos -n "$router" config set flow-limit 65536

# --- zones --------------------------------------------------------------------------

# Uploads only, nobody answers: the same tuple in two zones, from two devices
in_ns "$server" nft -f - <<- END || bail "nft refuses to drop"
	table ip quiet {
		chain input {
			type filter hook input priority filter
			udp dport 5999 drop
		}
	}
END
in_ns "$router" nft -f - <<- END || bail "nft refuses zones"
	table ip zones {
		chain prerouting {
			type filter hook prerouting priority raw
			iifname lan1 ct original zone set 1
			iifname lan1 meta mark set 1
		}
	}
END
ip -batch - -n "$router" <<- END || bail "no way to lan1"
	link set lan1 up
	route add $lan4.0/24 dev lan1 table 100
	rule add fwmark 1 table 100
	neigh replace $lan4.2 lladdr $(mac_of "$other" cl1) dev lan1
END
ip -n "$other" neigh replace "$lan4.1" lladdr "$(mac_of "$router" lan1)" dev cl1
ftqos -n "$router" dev set lan1 trust ctmark 0xfc0000 0x80 || bail "cannot bind lan1"
hooks_placed
zone_classes()
{
	ftqos -n "$router" -j flow show proto udp sport 4010 |
		jq -r 'map("\(.iif):\(.src):\(.class)") | sort | join(" ")'
}
two_zones()
{
	pkt "$client" send "$wan4.2" --sport 4010 --dport 5999 --count 3
	pkt "$other" send "$wan4.2" --sport 4010 --dport 5999 --count 3
	[ "$(zone_classes)" = "lan0:$lan4.2:46 lan1:$lan4.2:26" ] || {
		zone_classes
		in_ns "$router" conntrack -L -p udp --orig-port-src 4010
		return 1
	}
}
check "one tuple in two zones: each has its own mark" busywait 10 two_zones

# --- the end of an entry ------------------------------------------------------------

none_left()
{
	in_ns "$router" grep -x 0 /proc/sys/net/netfilter/nf_conntrack_count
}
offloaded_again()
{
	talk "ping 1 64 4001.udp.* 4002.udp.*" && offloaded udp 5000
}
check "flows are offloaded before they end" busywait 10 offloaded_again
check "and known to the module" busywait 5 becomes ipv4 "46 46"
in_ns "$router" conntrack -F > /dev/null 2>&1
check "conntrack entries that are deleted are given back" busywait 20 none_left
talk_or_bail "ping 3 64 4001.udp.*"
check "a new entry is offloaded" busywait 10 offloaded udp 5000
check "and its mark is the class" busywait 5 becomes ipv4 "46 46"
pkt_stop "$cap_pid"

# --- what is shown ------------------------------------------------------------------

shown()
{
	ftqos -n "$router" -j dev show "$1" |
		jq -c '.[0] | [.trust, .ctmark_mask, .ctmark_statemask]'
}
check_eq "dev show: numbers in JSON" '["ctmark",16515072,128]' "$(shown lan0)"
check_eq "dev show: bits in text" "ctmark 0xfc0000 0x80" \
	"$(ftqos -n "$router" dev show lan0 | awk 'NR == 2 { print $4, $5, $6 }')"
check_eq "save" \
	"dev set lan0 map default trust ctmark 0xfc0000 0x80 scope offloaded sticky off absent" \
	"$(ftqos -n "$router" save | grep 'set lan0')"
ftqos -n "$router" dev set lan0 scope all
check_eq "what else is set leaves the masks" '["ctmark",16515072,128]' \
	"$(shown lan0)"
for words in "" " scope all" " fc" " 0xff"; do
	# shellcheck disable=SC2086 # words
	out=$(ftqos -n "$router" dev set lan0 trust ctmark$words 2>&1)
	check_eq "no mask: 'trust ctmark$words' is bad usage" "1 yes" \
		"$? $(grep -q '^Error: .*MASK is the six bits' <<< "$out" && echo yes ||
			echo "$out")"
done
check_eq "and changes nothing" '["ctmark",16515072,128]' "$(shown lan0)"
ftqos -n "$router" dev set lan0 trust ctmark 63
check_eq "a mask alone forgets the statemask" '["ctmark",63,null]' "$(shown lan0)"
saved=$(ftqos -n "$router" save)
ftqos -n "$router" dev set lan0 trust pcp
check_eq "another trust forgets both" '["pcp",null,null]' "$(shown lan0)"
ftqos -n "$router" restore - <<< "$saved"
check_eq "restore" "$saved" "$(ftqos -n "$router" save)"

# --- the end of the namespace -------------------------------------------------------

# gone MODULE
gone()
{
	[ ! -e "/sys/module/$1" ]
}
# unload MODULE: those that use it before
unload()
{
	local user

	for user in "/sys/module/$1"/holders/*; do
		[ ! -e "$user" ] || unload "${user##*/}" || return
	done
	gone "$1" || rmmod "$1"
}
no_dev()
{
	! ip -n "$1" link show "$2" > /dev/null 2>&1
}
ftqos -n "$router" dev set lan0 trust ctmark 0xfc0000 0x80 || bail "cannot bind lan0"
talk_or_bail "ping 3 64 4001.udp.*"
check "flows are offloaded when the namespace ends" busywait 10 offloaded udp 5000
check "... and their marks are known" busywait 5 becomes ipv4 "46 46"
del_ns "$router"
check "its devices go" busywait 20 no_dev "$client" cl0
# A module that has something in each namespace waits until all have ended that do
busywait 20 rmmod nf_conntrack_netlink > /dev/null &
check "the namespace ends" busywait 20 gone nf_conntrack_netlink
busywait 20 unload nf_conntrack > /dev/null &
check "nf_conntrack can go, with all that use it" busywait 20 gone nf_conntrack
finish
