#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Learned classes: offloaded packets leave with what rules gave the packets of their
# flow before, on the slow path: priority (nft in the forward chain or behind it, tc on
# the VLAN device), DSCP, PCP (the VLAN device's egress-qos-map, nft on the device
# below); with a map that says otherwise, so that this can be seen. Where no rule spoke
# the map decides, unless sticky is all. Who is not learned from, what is ambiguous,
# forgotten or too much.
#
# Frames of one flow are sent in a row: of UDP the first two take the slow path, as the
# forward chain's counter says, the others do not. On the wire all of them are to look
# the same, and to have left through the same band of a prio qdisc.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft tc conntrack python3 jq ftqos

up=$(mktemp)
down=$(mktemp)
conf=$(mktemp)
defer rm -f "$up" "$down" "$conf"
topo_router --vlan7
# A second way in, with the addresses of the first
ip link add cl1 netns "$client" type veth peer name lan1 netns "$router" ||
	bail "no second LAN"
ip -n "$client" link set cl1 up
ip -n "$router" link set lan1 up
no_offloads "$client" cl1
no_offloads "$router" lan1
topo_nft --devices "lan0, lan1, wan0"
in_ns "$router" nft -f - <<- END || bail "nft refuses the rules"
	table inet rules {
		chain zones {
			type filter hook prerouting priority raw
			iifname lan1 ct zone set 2
		}
		chain before {
			type filter hook forward priority -10
			udp dport 6001 meta priority set 0:5
			iifname lan0 udp dport 6101 meta priority set 0:5
			udp dport 6012 meta priority set 0:3
			udp sport 6012 meta priority set 0:4
			tcp dport 6090 reject with tcp reset
		}
		chain post {
			type filter hook postrouting priority 300
			udp dport 6002 meta priority set 0:6
			udp dport 6003 ip dscp set af41
			udp dport 6003 ip6 dscp set af41
			udp dport 6005 meta priority set 0:2
			udp dport 6007 meta priority set 0:0
			udp dport 6010 meta priority set 0:5
			udp dport 6020-6099 meta priority set 0:5
			udp dport 6013 ip dscp set cs4
			udp dport 6013 ip6 dscp set cs4
		}
	}
	table inet extra {
		chain post {
			type filter hook postrouting priority 310
			udp dport 6011 meta priority set 0:5
		}
	}
	table inet nat {
		chain post {
			type nat hook postrouting priority srcnat
			udp dport 6012 oifname wan0.7 masquerade
		}
	}
	table netdev below {
		chain egress {
			type filter hook egress device wan0 priority 0
			udp dport 6009 meta priority set 0:2
		}
	}
END
ip -n "$router" link set wan0.7 type vlan egress-qos-map 2:6 4:4 5:5 || bail "no PCPs"
tc -n "$router" -batch - <<- END || bail "tc refuses the filters"
	qdisc add dev wan0.7 clsact
	filter add dev wan0.7 egress protocol ip pref 1 flower ip_proto udp dst_port 6004 action skbedit priority 0:3
	filter add dev wan0.7 egress protocol ipv6 pref 2 flower ip_proto udp dst_port 6004 action skbedit priority 0:3
END
for ns in "$server" "$client"; do
	in_ns "$ns" nft -f - <<- END || bail "nft refuses to drop"
		table inet quiet {
			chain input {
				type filter hook input priority filter
				udp dport != 9000 drop
			}
		}
	END
done
quiet_neighbours
keep_flows
prio_bands wan0 lan0
load_module
lmac=$(mac_of "$router" lan0)
l1mac=$(mac_of "$router" lan1)
wmac=$(mac_of "$router" wan0)
pkt_bg up_pid "$server" capture srv0 --out "$up" --direction in
pkt_bg down_pid "$client" capture cl0 --out "$down" --direction in

ftq()
{
	ftqos -n "$router" -b - || bail "refused"
}

stat()
{
	counters "$@"
}

# frames PORT COUNT [TOS [FAMILY [SPORT]]]: arguments for pkt, from the client
frames()
{
	local a=("$lan4.2" "$wan4.2")

	[ "${4-4}" = 4 ] || a=("$lan6:2" "$wan6:2")
	echo "raw --dev cl0 --dst-mac $lmac --src ${a[0]} --dst ${a[1]}" \
		"--sport ${5:-4000} --dport $1 --count $2 --tos ${3:-0}"
}

# sent COMMAND...: what left meanwhile through the bands of wan0 and lan0, as
# "BAND:PACKETS ...", is in $wan_bands and $lan_bands, packets of the slow path in $slow
sent()
{
	local before after

	mapfile -t before < <(bands wan0 lan0)
	slow=$(slow_packets)
	phase "$up_pid" "$up"
	"$@" || bail "$*"
	phase "$up_pid" "$up"
	slow=$(($(slow_packets) - slow))
	mapfile -t after < <(bands wan0 lan0)
	wan_bands=$(counted "${after[0]}" "${before[0]}")
	lan_bands=$(counted "${after[1]}" "${before[1]}")
}

counted()
{
	local i n

	read -r -a n < <(minus "$1" "$2")
	for i in "${!n[@]}"; do
		[ "${n[i]}" = 0 ] || printf '%s' "$i:${n[i]} "
	done
}

# wire PORT: the last phase's frames to that port, "N DSCP PCP" of each kind
wire()
{
	kinds "$up" "$1" dscp pcp sum | sed 's/ null$/ 1/' | paste -s -d,
}

# alike NAME PORT "DSCP PCP BAND" [TOS [FAMILY]]: 6 frames of a new flow, of which 4 are
# offloaded, leave with these
alike()
{
	local dscp pcp band fam

	read -r dscp pcp band <<< "$3"
	for fam in ${5:-4 6}; do
		ftqos -n "$router" stats reset
		# shellcheck disable=SC2046 # words
		sent pkt "$client" $(frames "$2" 6 "${4:-0}" "$fam")
		check_eq "$1, IPv$fam: all leave with DSCP $dscp, PCP $pcp, band $band" \
			"6 $dscp $pcp 1 | $band:6 " "$(wire "$2") | $wan_bands"
		check_eq "$1, IPv$fam: two by the slow path, four by what was learned" \
			"2 4 4 0" "$slow $(stat offloaded_packets learned learned_ambiguous)"
	done
}

# decided NAME PORT "DSCP PCP BAND" "DSCP PCP BAND" [TOS [FAMILY]]: the same of the slow
# path's two, and of the offloaded four, by the map
decided()
{
	local fam s p

	read -r -a s <<< "$3"
	read -r -a p <<< "$4"
	for fam in ${6:-4 6}; do
		ftqos -n "$router" stats reset
		# shellcheck disable=SC2046 # words
		sent pkt "$client" $(frames "$2" 2 "${5:-0}" "$fam")
		check_eq "$1, IPv$fam: the slow path's" "2 ${s[0]} ${s[1]} 1 | ${s[2]}:2  2" \
			"$(wire "$2") | $wan_bands $slow"
		# shellcheck disable=SC2046 # words
		sent pkt "$client" $(frames "$2" 4 "${5:-0}" "$fam")
		check_eq "$1, IPv$fam: the offloaded ones are the map's" \
			"4 ${p[0]} ${p[1]} 1 | ${p[2]}:4  0 0" \
			"$(wire "$2") | $wan_bands $slow $(stat learned)"
	done
}

# --- the command -------------------------------------------------------------------

ftq <<- END
	map add m
	map set m all prio 0 pcp vlan
	map set m ef prio 7
	map set m cs4 prio 4
	dev set wan0.7 map m
END
show()
{
	ftqos -n "$router" -j dev show wan0.7 |
		jq -r '.[0] | "\(.map) \(.trust) \(.scope) \(.sticky)"'
}
check_eq "it is off at first" "m dscp offloaded off" "$(show)"
check_not "... of which text says nothing" grep -q STICKY \
	<(ftqos -n "$router" dev show wan0.7)
off=$(ftqos -n "$router" save | grep '^dev set wan0.7 ')
decided "off, meta priority" 6001 "0 5 5" "0 0 0"
ftqos -n "$router" dev set wan0.7 sticky on || bail "refused"
check_eq "it is on" "m dscp offloaded on" "$(show)"
check "... says text" grep -q STICKY <(ftqos -n "$router" dev show wan0.7)
ftqos -n "$router" save > "$conf"
check "save has it" grep -qx \
	'dev set wan0.7 map m trust dscp scope offloaded sticky on absent' "$conf"
ftqos -n "$router" dev set wan0.7 sticky all
ftqos -n "$router" restore "$conf" || bail "cannot restore"
check_eq "restore brings it back" "$(cat "$conf")" "$(ftqos -n "$router" save)"
ftq <<< "$off"
check_eq "the line that was saved while it was off turns it off" "m dscp offloaded off" \
	"$(show)"
ftqos -n "$router" dev set wan0.7 sticky on
hooks_placed
out=$(ftqos -n "$router" dev set wan0.7 sticky maybe 2>&1)
check_eq "another word is bad usage" 1 $?
ftqos -n "$client" dev set cl0 sticky on
check_eq "it is accepted where there is no flowtable" "no-flowtable on" \
	"$(ftqos -n "$client" -j dev show cl0 | jq -r '.[0] | "\(.state) \(.sticky)"')"
ftqos -n "$client" dev del cl0

# --- on ----------------------------------------------------------------------------

alike "meta priority" 6002 "0 0 6"
alike "ip dscp" 6003 "34 0 0"
alike "tc on the VLAN device" 6004 "0 0 3"
alike "egress-qos-map" 6005 "0 6 2"
alike "priority below the VLAN device, another PCP" 6009 "0 0 2"
alike "priority 0 where the kernel would have given 4" 6007 "46 0 0" 0xb8 4
decided "where no rule spoke" 6006 "46 4 4" "46 0 7" 0xb8 4
decided "where no rule spoke" 6006 "46 0 0" "46 0 7" 0xb8 6
decided "priority 0, as the kernel would have given" 6007 "46 0 0" "46 0 7" 0xb8 6

# What came of it
rule_changed()
{
	local before

	before=$(slow_packets)
	# shellcheck disable=SC2046 # words
	pkt "$client" $(frames "$1" 1 0 4)
	[ "$before" != "$(slow_packets)" ]
}

# again NAME PORT BAND LEARNED: of a flow that comes anew, one frame on the slow path,
# three offloaded
again()
{
	in_ns "$router" conntrack -D -p udp --dport "$2" > /dev/null 2>&1
	check "$1: the flow comes to the slow path once more" busywait 10 \
		rule_changed "$2"
	ftqos -n "$router" stats reset
	# shellcheck disable=SC2046 # words
	sent pkt "$client" $(frames "$2" 4 0 4)
	check_eq "$1: all leave by that" "$3:4  1 $4" \
		"$wan_bands $slow $(stat learned)"
}
alike "before another rule comes" 6010 "0 5 5" 0 4
in_ns "$router" nft add rule inet extra post udp dport 6010 meta priority set 0:6
again "another rule" 6010 6 3
alike "before the rule goes" 6011 "0 5 5" 0 4
in_ns "$router" nft flush chain inet extra post
again "no rule" 6011 0 0

# map_has NAME PORT [LEARNED...]: four more frames of that flow are offloaded, and given
# what the map has
map_has()
{
	ftqos -n "$router" stats reset
	# shellcheck disable=SC2046 # words
	sent pkt "$client" $(frames "$2" 4 0 4)
	check_eq "$1: the map decides" "0:4  0 ${3-0 0}" \
		"$wan_bands $slow $(stat learned "${4-learned_ambiguous}")"
}
alike "before what was learned is forgotten" 6020 "0 5 5" 0 4
ftqos -n "$router" flow flush
map_has "flow flush" 6020
alike "before sticky is off" 6021 "0 5 5" 0 4
ftqos -n "$router" dev set wan0.7 sticky off
map_has "off" 6021
ftqos -n "$router" dev set wan0.7 sticky on
map_has "on again" 6021

# still NAME PORT: four more frames of that flow leave with what was learned, band 5
still()
{
	ftqos -n "$router" stats reset
	# shellcheck disable=SC2046 # words
	sent pkt "$client" $(frames "$2" 4 0 4)
	check_eq "$1: what was learned stays" "5:4  0 4" "$wan_bands $slow $(stat learned)"
}
ftqos -n "$router" dev set any map m sticky on
alike "before any is off" 6032 "0 5 5" 0 4
ftqos -n "$router" dev set any sticky off
still "any is off, a device's own is not" 6032
ftqos -n "$router" save > "$conf"
ftqos -n "$router" restore "$conf" || bail "cannot restore"
still "the same restored" 6032
ftqos -n "$router" dev set any sticky on
ftqos -n "$router" dev del wan0.7
map_has "any's has not learned it" 6032
ftq <<- END
	dev set wan0.7 map m
	dev del any
	dev set wan0.7 sticky on
END
map_has "nor has a new one" 6032
alike "before a configuration without" 6033 "0 5 5" 0 4
ftqos -n "$router" save > "$conf"
sed -i 's/sticky on/sticky off/' "$conf"
ftqos -n "$router" restore "$conf" || bail "cannot restore"
map_has "restored without" 6033
ftqos -n "$router" dev set wan0.7 sticky on
map_has "restored without, on again" 6033

# Both directions of a masqueraded flow, each has had one packet on the slow path
ftqos -n "$router" dev set lan0 map m sticky on
for fam in 4 6; do
	a=("$wan4.2" "$wan4.1")
	[ $fam = 4 ] || a=("$wan6:2" "$wan6:1")
	back="raw --dev srv0 --dst-mac $wmac --tags 7:0:0 --src ${a[0]} --dst ${a[1]}"
	back+=" --sport 6012 --dport 4000"
	there=$(frames 6012 1 0 $fam)
	# shellcheck disable=SC2086 # words
	sent pkt "$client" $there
	bands1=$wan_bands$slow
	# shellcheck disable=SC2086 # words
	sent pkt "$server" $back
	check_eq "masquerade, IPv$fam: slow path, there and back" "3:1 1 4:1 1" \
		"$bands1 $lan_bands$slow"
	ftqos -n "$router" stats reset
	# shellcheck disable=SC2086 # words
	sent pkt "$client" ${there/count 1/count 4}
	bands1=$wan_bands
	# shellcheck disable=SC2086 # words
	sent pkt "$server" ${back} --count 4
	check_eq "masquerade, IPv$fam: offloaded, there and back" "3:4 4:4 0 8" \
		"$bands1$lan_bands$slow $(stat learned)"
done
ftqos -n "$router" dev del lan0

# What a VLAN device gives by its ingress-qos-map is no rule's
ip -n "$router" -batch - <<- END || bail "no VLAN on the LAN"
	link add link lan0 name lan0.9 type vlan id 9 ingress-qos-map 3:6
	link set lan0.9 up
	addr add 2001:db8:9::1/64 dev lan0.9 nodad
	neigh replace 2001:db8:9::2 lladdr $(mac_of "$client" cl0) dev lan0.9
END
links_settle
tagged="raw --dev cl0 --dst-mac $lmac --tags 9:3 --src 2001:db8:9::2 --dst $wan6:2"
tagged+=" --sport 4000 --dport 6130"
# shellcheck disable=SC2086 # words
sent pkt "$client" $tagged --count 2
check_eq "ingress-qos-map: the slow path's" "6:2  2" "$wan_bands $slow"
ftqos -n "$router" stats reset
# shellcheck disable=SC2086 # words
sent pkt "$client" $tagged --count 4
check_eq "ingress-qos-map: the offloaded ones are the map's" "0:4  0 0" \
	"$wan_bands $slow $(stat learned)"

# --- two zones ---------------------------------------------------------------------

# from_lan1 PORT: a frame with the same tuple that is of zone 2
from_lan1()
{
	pkt "$client" raw --dev cl1 --dst-mac "$l1mac" --src "$lan4.2" --dst "$wan4.2" \
		--sport 4000 --dport "$1"
}
for port in 6022 6101; do
	sent from_lan1 $port
	check_eq "zones, port $port: the other comes first" 1 "$slow"
	# shellcheck disable=SC2046 # words
	sent pkt "$client" $(frames $port 2 0 4)
	check_eq "zones, port $port: the slow path's" "5:2  2" "$wan_bands $slow"
	map_has "zones, port $port" $port "0 4"
done
alike "zones, before the other comes" 6023 "0 5 5" 0 4
sent from_lan1 6023
map_has "zones, the other comes later" 6023 "0 4"
check_eq "... which explain says" ambiguous "$(ftqos -n "$router" -j flow explain proto udp \
	src "$lan4.2" sport 4000 dst "$wan4.2" dport 6023 iif lan0 |
	jq -r '.[] | select(.step == "learned").value')"
# other_ends PORT: of that zone's flow nothing is left
other_ends()
{
	in_ns "$router" conntrack -D -p udp --dport "$1" --zone 2 > /dev/null 2>&1 ||
		bail "no flow in zone 2"
}
# uses_learned PORT: a packet of the flow leaves with what was learned
uses_learned()
{
	ftqos -n "$router" stats reset
	# shellcheck disable=SC2046 # words
	pkt "$client" $(frames "$1" 1 0 4)
	[ "$(stat learned)" = 1 ]
}
other_ends 6023
check "zones, the other's flow has ended: what was learned is used again" \
	busywait 30 uses_learned 6023
sent from_lan1 6034
other_ends 6034
alike "zones, the other has ended before" 6034 "0 5 5" 0 4

# --- all ---------------------------------------------------------------------------

ftq <<- END
	map set m all pcp 3
	dev set wan0.7 sticky all
END
alike "all" 6106 "46 4 4" 0xb8 4
alike "all" 6106 "46 0 0" 0xb8 6
alike "all, and a rule" 6024 "0 5 5"
ftq <<- END
	map set m all pcp vlan
	dev set wan0.7 sticky on
END
map_has "all is on, and no more" 6024

# --- scope all ---------------------------------------------------------------------

ftqos -n "$router" dev set wan0.7 scope all
alike "scope all, a rule's priority stays" 6025 "0 5 5"
alike "scope all, the map is that of a rule's DSCP" 6013 "32 4 4"
decided "scope all, where no rule spoke" 6107 "46 0 7" "46 0 7" 0xb8

# In a queue of the VLAN device wait more than are remembered by their address. What the
# map has given them there is no rule's, whatever has come of their flow since.
decided "scope all, before a queue" 6108 "46 0 7" "46 0 7" 0xb8 4
waiting()
{
	# shellcheck disable=SC2046 # words
	pkt "$client" $(frames 6108 "$1" 0xb8 4) --odd options --size "$2"
}
tc -n "$router" qdisc add dev wan0.7 root tbf rate 80bit burst 1600 limit 100000 ||
	bail "no tbf"
sent waiting 1 1400
check_eq "they come by the slow path" 1 "$slow"
sent waiting 200 200
check_eq "they wait" " 200" "$wan_bands $slow"
tc -n "$router" qdisc change dev wan0.7 root tbf rate 1gbit burst 200k limit 400000 ||
	bail "cannot change tbf"
sent waiting 1 200
check_eq "all leave behind the next one" "7:201  1" "$wan_bands $slow"
ftqos -n "$router" stats reset
# shellcheck disable=SC2046 # words
sent pkt "$client" $(frames 6108 4 0xb8 4)
check_eq "nothing was learned of them" "7:4  0 0" "$wan_bands $slow $(stat learned)"

# What was learned of offloaded packets' flow is written before they wait
queue_is()
{
	tc -n "$router" qdisc change dev wan0.7 root tbf rate "$1" burst "$2" \
		limit 400000 || bail "cannot change tbf"
}
queued()
{
	tc -n "$router" -s -j qdisc show dev wan0.7 root | jq '.[0].qlen'
}
frames=$(frames 6013 1 0 4 4013)
# shellcheck disable=SC2086 # words
sent pkt "$client" $frames --count 2
# shellcheck disable=SC2086 # words
sent pkt "$client" $frames
check_eq "scope all, before a queue: offloaded, with what was learned" "1 32 4 1 0" \
	"$(wire 6013) $slow"
queue_is 80bit 1600
offloaded_wait()
{
	# shellcheck disable=SC2086 # words
	pkt "$client" $frames --size 1400 + $frames --count 4 --size 200 || return
	waiting=$(queued)
	queue_is 1gbit 200k
	# shellcheck disable=SC2086 # words
	pkt "$client" $frames
}
sent offloaded_wait
((release > 6018)) || check_eq "... some wait" 4 "$waiting"
check_eq "... and leave with that" "6 32 4 1 0" "$(wire 6013) $slow"
tc -n "$router" qdisc del dev wan0.7 root
ftqos -n "$router" dev set wan0.7 scope offloaded

# --- limits ------------------------------------------------------------------------

# With room for one, who is not learned from leaves it: what ICMP says of a packet, what
# reject sends, what the router sends itself
ftq <<- END
	flow flush
	config set flow-limit 1
	stats reset
END
back="raw --dev srv0 --dst-mac $wmac --tags 7:0:0 --src $wan4.2 --dst $lan4.2"
answers()
{
	# shellcheck disable=SC2086 # words
	pkt "$server" $back --sport 5000 --dport 9000 --count 2 + \
		$back --sport 5000 --dport 6090 --proto tcp --count 2 || return
	pkt "$router" send "$wan4.2" --sport 4321 --dport 6002 --count 2
}
sent answers
check_eq "answers and the router's own leave" "icmp tcp udp" \
	"$(tac "$up" | awk '/^."phase"/ && n++ { exit } { print }' |
		jq -r 'select(.family == "ipv4") | .proto' | sort -u | paste -s -d' ')"
check_eq "... and are not learned from" 0 "$(stat flows_dropped)"
alike "room for one" 6026 "0 5 5" 0 4
check_eq "... which is taken" 1 "$(stat flows)"
# shellcheck disable=SC2046 # words
sent pkt "$client" $(frames 6027 2 0 4)
check_eq "full: the slow path's" "5:2  2" "$wan_bands $slow"
check_eq "full: which is told" 2 "$(stat flows_dropped)"
map_has "full" 6027 "0 4" flows_dropped
# A flow that is not accounted, since one of the other direction is
ftqos -n "$router" flow flush
# shellcheck disable=SC2086 # words
pkt "$server" $back --sport 5001 --dport 9001 --count 3
one_flow()
{
	[ "$(stat flows)" = 1 ]
}
check "a flow takes the only place" one_flow
# shellcheck disable=SC2046 # words
sent pkt "$client" $(frames 6031 2 0 4)
map_has "not accounted" 6031 "0 4" flows_dropped
ftqos -n "$router" config set flow-limit 0
# shellcheck disable=SC2046 # words
sent pkt "$client" $(frames 6028 2 0 4)
map_has "flow-limit 0" 6028 "0 4" flows_dropped
map_has "... of what was learned, too" 6026 "0 4" flows_dropped

# What is not used is forgotten, and makes room. Each time one packet of another flow,
# which then is the one that there is room for.
ftq <<- END
	config set flow-limit 1 flow-timeout 3600
END
alike "before it is too old" 6029 "0 5 5" 0 4
room()
{
	ftqos -n "$router" stats reset
	# A new flow each time: the clock is the port, since this runs in a subshell
	# shellcheck disable=SC2046 # words
	pkt "$client" $(frames 6030 1 0 4 $((10000 + $(now_ms) / 10 % 50000)))
	[ "$(stat flows_dropped)" = 0 ]
}
check_not "there is no room yet" room
ftqos -n "$router" config set flow-timeout 1
check "what was not used for a second makes room" busywait 20 room

# --- who else is not learned from ------------------------------------------------

# One by one, with room for one flow: who is learned from takes it
modprobe -a br_netfilter nf_conntrack_tftp 2> /dev/null
# Bridges of other tests shall not have it
defer rmmod br_netfilter
ip -batch - <<- END || bail "no ports for a bridge"
	link add cl2 netns $client type veth peer name lan2 netns $router
	link add srv2 netns $server type veth peer name wan2 netns $router
END
ip -n "$client" link set cl2 up
ip -n "$server" link set srv2 up
ip -n "$router" -batch - <<- END || bail "no bridge"
	link add br2 type bridge mcast_snooping 0 forward_delay 0
	link set lan2 master br2
	link set wan2 master br2
	link set lan2 up
	link set wan2 up
	link set br2 up
END
in_ns "$router" sysctl -q -w net.bridge.bridge-nf-call-iptables=1 ||
	bail "no br_netfilter"
in_ns "$router" nft -f - <<- END || bail "nft refuses the helper"
	table ip tftp {
		ct helper tftp {
			type "tftp" protocol udp
			l3proto ip
		}
		chain pre {
			type filter hook prerouting priority filter
			udp dport 69 ct helper set "tftp"
		}
		chain forward {
			type filter hook forward priority -10
			ct state related udp sport 5555 counter
		}
	}
END
ftq <<- END
	config set flow-timeout 3600
	dev set lan0 map m sticky on
	dev set wan2 map m sticky on
END

# The client asks for a file, and is answered from another port
in_ns "$client" bash -c 'printf "\0\1file\0octet\0" > /dev/udp/'"$wan4.2/69"
port=$(in_ns "$router" conntrack -L -p udp --orig-port-dst 69 2> /dev/null |
	sed -n 's/.* sport=\([0-9]*\) dport=69 .*/\1/p')
ftqos -n "$router" flow flush
pkt "$server" raw --dev srv0 --dst-mac "$wmac" --tags 7:0:0 --src "$wan4.2" \
	--dst "$lan4.2" --sport 5555 --dport "$port"
check "conntrack calls the first packet of an expected flow related" \
	grep "packets 1 " <(in_ns "$router" nft list chain ip tftp forward)
check "... which is not learned from" room

ftqos -n "$router" flow flush
check "ICMP passes" in_ns "$client" ping -q -c 1 -W 5 "$wan4.2"
check "... and is not learned from" room

ftqos -n "$router" flow flush
bridged()
{
	pkt "$client" raw --dev cl2 --dst-mac "$(mac_of "$server" srv2)" \
		--src 203.0.113.1 --dst 203.0.113.2 --sport 4000 --dport 7000
	in_ns "$router" conntrack -L -p udp --orig-dst 203.0.113.2 2> /dev/null |
		grep dport=7000
}
check "conntrack has an entry of what is bridged" busywait 10 bridged
check "... but that is not learned from" room
ftqos -n "$router" dev del wan2
ftqos -n "$router" dev del lan0

# --- ECN, and what flow show says -------------------------------------------------

ftq <<- END
	config set flow-limit 65536 flow-timeout 60
	flow flush
END
for fam in 4 6; do
	# shellcheck disable=SC2046 # words
	sent pkt "$client" $(frames 6003 6 1 $fam 4101) + \
		$(frames 6003 6 2 $fam 4102) + $(frames 6003 6 3 $fam 4103)
	check_eq "a learned DSCP leaves ECN as it is, IPv$fam" \
		"6 34 1 1,6 34 2 1,6 34 3 1 | 6" \
		"$(tac "$up" | awk '/^."phase"/ && n++ { exit } { print }' |
			jq -r 'select(.seq != null and .dport == 6003) |
				"\(.dscp) \(.ecn) \(.sum // 1)"' |
			sort | uniq -c | sed 's/^ *//' | paste -s -d,) | $slow"
done
check_eq "flow show has learned, the DSCP as it came and as it left" \
	"learned 0 34,learned 0 34" \
	"$(ftqos -n "$router" -j flow show proto udp sport 4101 dport 6003 |
		jq -r 'map("\(.source) \(.dscp) \(.dscp_out)") | join(",")')"
finish
