#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `ftqos flow explain`: the steps of a flow that is offloaded, of one that is not, and of
# one that nobody knows. What they say is compared with conntrack, with what a capture
# behind the router saw, and with the counter of the forward chain, which tells the
# slow path from the fast one.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft tc conntrack ethtool python3 jq ftqos

out=$(mktemp)
steps=$(mktemp)
err=$(mktemp)
defer rm -f "$out" "$steps" "$err"
topo_router --vlan7
# What the server sends has PCP 3
ip -n "$server" link set srv0.7 type vlan egress-qos-map 0:3 1:3 2:3 3:3 4:3 5:3 6:3 7:3
ip -n "$router" link add other0 up type dummy || bail "no other0"
topo_nft --masquerade
in_ns "$router" nft -f - <<- END || bail "nft refuses more rules"
	insert rule inet ftq post meta nfproto ipv6 accept
	insert rule inet ftq forward udp dport 5001 accept
	insert rule inet ftq forward udp sport 5001 accept
	table inet marks {
		chain marks {
			type filter hook forward priority mangle
			udp sport { 4001, 4003 } ct mark set 0xb8
			udp sport 4006 meta priority set 0:6
		}
	}
END
quiet_neighbours
keep_flows
# Conntrack's entries stay as well. Packets on the slow path, as answers with a PCP
# before anything is bound, set their timeout back to 30 s; up to 6.12 it may be a
# minute until somebody prolongs it again, and what is older ctnetlink leaves out.
in_ns "$router" bash -c 'for name in udp_timeout udp_timeout_stream; do
	echo 3600 > /proc/sys/net/netfilter/nf_conntrack_$name
done' || bail "no timeouts of conntrack to set"
load_module

talk_serve "$server" 5000 5001
talk_start "$client"
talk_or_bail "open ef.udp udp $wan4.2 5000 0xb8 4001 0xb8" \
	"open v6.udp udp $wan6:2 5000 0x88 4002 0x88" \
	"open slow.udp udp $wan4.2 5001 0xb8 4003 0xb8" \
	"open end.tcp tcp $wan4.2 5000 0xb8 4004 0xb8" \
	"open late.udp udp $wan4.2 5000 0x28 4005 0x28" "ping 4 64 *"
have_offload()
{
	[ "$({ offloaded '' 5000; offloaded '' 5000 ipv6; } | wc -l)" = 4 ]
}
check "four flows are offloaded" busywait 10 have_offload
pkt_bg out_pid "$server" capture srv0 --out "$out" --direction in

up=(proto udp src "$lan4.2" sport 4001 dst "$wan4.2" dport 5000 iif lan0)
up6=(proto udp src "$lan6:2" sport 4002 dst "$wan6:2" dport 5000 iif lan0)
down=(proto udp src "$wan4.2" sport 5000 dst "$wan4.1" dport 4001 iif wan0)
slow=(proto udp src "$lan4.2" sport 4003 dst "$wan4.2" dport 5001 iif lan0)

# explain WORD...: the steps go to $steps
explain()
{
	ftqos -n "$router" -j flow explain "$@" > "$steps" 2> "$err" || bail "$(< "$err")"
}

# val STEP...: their values, "-" where there is no such step
val()
{
	jq -r --arg names "$*" '. as $steps | [$names | split(" ") | .[] as $n |
		[$steps[] | select(.step == $n) | .value] |
		if length == 0 then "-" else map("\(.)") | join("+") end] |
		join(" ")' "$steps"
}

# from STEP: where it comes from
from()
{
	jq -r --arg n "$1" '.[] | select(.step == $n) | .from' "$steps"
}

# fresh: packets of all flows, after a change; then a phase of the capture
fresh()
{
	phase "$out_pid" "$out"
	talk_or_bail "ping 2 64 *"
	phase "$out_pid" "$out"
}

# wire SPORT KEY: of the last phase's packets, each value once
wire()
{
	tac "$out" | awk '/^."phase"/ && n++ { exit } { print }' |
		jq -r --argjson sport "$1" "select(.sport == \$sport and .dport) | .$2" |
		sort -u | xargs
}

ftq()
{
	ftqos -n "$router" -b - || bail "refused"
}

# --- nothing is bound --------------------------------------------------------------

explain "${up[@]}"
check_eq "nothing is bound: what is known is told" \
	"not found offloaded none none unknown" \
	"$(val flow conntrack iif-binding oif-binding path)"
check "... and why there is nothing else" grep -q "no device is bound" <(from flow)

# --- a flow that is offloaded ------------------------------------------------------

ftq <<- END
	dev set wan0.7
	dev set lan0
END
hooks_placed
fresh
explain "${up[@]}"
check_eq "every step is an object of step, value, from" "from,step,value" \
	"$(jq -r 'map(keys) | add | unique | join(",")' "$steps")"
check_eq "the order of the steps" \
	"flow conntrack nat iif-binding trust mark dscp-in source class oif-binding map map-entry prio pcp dscp path" \
	"$(jq -r 'map(.step) | join(" ")' "$steps")"
check_eq "an offloaded flow, from binding to binding" \
	"found offloaded lan0 dscp 46 dscp 46 wan0.7 default fast" \
	"$(val flow conntrack iif-binding trust dscp-in source class oif-binding map path)"
check_eq "what it got: prio, PCP, DSCP" "5 5 46" "$(val prio pcp dscp)"
check_eq "... is on the wire" "5 46" "$(wire 4001 pcp) $(wire 4001 dscp)"
check_eq "... is what the map has" "prio 5 pcp 5 dscp keep" "$(val map-entry)"
check_eq "the mark is that of conntrack -L" \
	"$(in_ns "$router" conntrack -L -p udp --sport 4001 2> /dev/null |
		grep -o 'mark=[0-9]*' | grep -o '[0-9]*')" "$(val mark)"
check_eq "NAT is what is on the wire" "$(wire 4001 src):4001 to $wan4.2:5000" "$(val nat)"
check_eq "packets are those of flow show" "$(ftqos -n "$router" -j flow show iif lan0 \
	sport 4001 | jq '.[0].packets')" "$(from flow | grep -o '[0-9]* packets' |
	grep -o '[0-9]*')"
check_eq "numbers are numbers" "number number number number number number" \
	"$(jq -r 'map(select(.step | IN("mark", "dscp-in", "class", "prio", "pcp", "dscp"))) |
		map(.value | type) | join(" ")' "$steps")"

explain "${down[@]}"
check_eq "the other direction" \
	"found offloaded wan0.7 dscp 46 lan0 5 null 46 fast" \
	"$(val flow conntrack iif-binding trust class oif-binding prio pcp dscp path)"
check_eq "... NAT the other way" "$wan4.2:5000 to $lan4.2:4001" "$(val nat)"
check_eq "... in conntrack" "reply direction" "$(from conntrack)"
explain "${down[@]/wan0/wan0.7}"
check_eq "... by its VLAN device" "found wan0.7 46" "$(val flow iif-binding class)"

explain "${up6[@]}"
check_eq "IPv6" "found offloaded - 34 34 4 4 34 fast" \
	"$(val flow conntrack nat dscp-in class prio pcp dscp path)"
check_eq "... is on the wire" "4 34" "$(wire 4002 pcp) $(wire 4002 dscp)"

ftqos -n "$router" flow explain "${up[@]}" > "$steps"
check_eq "as text: a line a step" 16 "$(grep -c '^[a-z-]*: ' "$steps")"
check "as text: step, value, from" grep -q '^class: 46 (ef, of the last packet)$' "$steps"

# Without a source port: the one with the last packet
talk_or_bail "ping 1 64 late.udp"
explain proto udp src "$lan4.2" dst "$wan4.2" dport 5000 iif lan0
check_eq "without a port: the flow with the last packet" "10" "$(val class)"
check "... of how many" grep -q "the latest of 2, .*:4005" <(from flow)

# --- trust, maps -------------------------------------------------------------------

ftq <<- END
	map add keep
	map set keep all prio keep pcp keep dscp keep
	map add wire
	map set wire df prio 1:10 pcp 2 dscp le
	dev set lan0 trust none
	dev set wan0.7 map wire
END
fresh
explain "${up[@]}"
check_eq "trust none: class 0, the DSCP as it came" "none none 0 46 65552 2 1" \
	"$(val trust source class dscp-in prio pcp dscp)"
check_eq "... is on the wire" "2 1" "$(wire 4001 pcp) $(wire 4001 dscp)"
check "... a priority that is a handle is told as one" grep -q "class 1:10 " <(from prio)
ftqos -n "$router" map set wire df prio 3
explain "${up[@]}"
check_eq "a map that was changed since the last packet" "65552 prio 3 pcp 2 dscp le" \
	"$(val prio map-entry)"
check "... is told" grep -q "the map has another now" <(from prio)
fresh
explain "${up[@]}"
check_eq "... until there is a packet" "3 0" "$(val prio) $(from prio | grep -c 'another now')"

ftq <<- END
	dev set lan0 trust dscp
	dev set wan0.7 map keep trust pcp
END
fresh
explain "${up[@]}"
check_eq "a map that keeps: nothing was set" "prio keep pcp keep dscp keep null null 46" \
	"$(val map-entry prio pcp dscp)"
explain "${down[@]}"
check_eq "trust pcp: the class is that of the tag" "pcp pcp 24 46" \
	"$(val trust source class dscp-in)"

ftq <<- END
	dev del lan0
	dev del wan0.7
	dev set any
END
hooks_placed
fresh
explain "${up[@]}"
check_eq "any" "found any any default 5" "$(val flow iif-binding oif-binding map prio)"
ftq <<- END
	dev del any
	dev set wan0 trust none
END
hooks_placed
fresh
explain "${down[@]/wan0/wan0.7}"
check_eq "the device below decides, nothing where it leaves" "found wan0 none 0 none null" \
	"$(val flow iif-binding trust class oif-binding prio)"
ftq <<- END
	dev del wan0
	dev set wan0.7
END
hooks_placed
fresh

# --- trust ctmark ------------------------------------------------------------------

late=(proto udp src "$lan4.2" sport 4005 dst "$wan4.2" dport 5000 iif lan0)
set_mark()
{
	in_ns "$router" conntrack -U -f ipv4 -p udp --orig-port-src 4005 --mark "$1" \
		> "$out.mark" 2>&1 || bail "cannot change the mark: $(< "$out.mark")"
}
defer rm -f "$out.mark"
ftqos -n "$router" dev set lan0 trust ctmark 0xfc 0x1000 || bail "cannot bind"
hooks_placed
fresh
explain "${late[@]}"
check_eq "ctmark: a mark that does not count" "ctmark 0 dscp 10 0" \
	"$(val trust mark source class prio)"
check_eq "... by which masks" "binding of lan0: ctmark 0xfc 0x1000" "$(from trust)"
check_eq "... and what that makes of it" "0x0 & 0x1000 is 0, so the DSCP counts" \
	"$(from mark)"
set_mark 0x1088
explain "${late[@]}"
check_eq "ctmark: it has changed since the last packet" "4232 dscp 10" \
	"$(val mark source class)"
check_eq "... which is told" \
	"0x1088 & 0xfc, shifted by 2, is af41; that was another when the last packet came" \
	"$(from mark)"
has_class()
{
	talk "ping 1 64 late.udp" || return 1
	explain "${late[@]}"
	[ "$(val class)" = "$1" ]
}
check "ctmark: the mark is the class" busywait 10 has_class 34
check_eq "... by its own words" "ctmark 4232 ctmark 34 4 10" \
	"$(val trust mark source class prio dscp-in)"
check_eq "... with nothing to add" "0x1088 & 0xfc, shifted by 2, is af41" "$(from mark)"
ftqos -n "$router" dev set lan0 trust dscp || bail "cannot bind"
explain "${late[@]}"
check_eq "another trust than the last packet had" "dscp ctmark 34" \
	"$(val trust source class)"
check "... is told" grep -q "came before it was that" <(from trust)
ftqos -n "$router" dev del lan0 || bail "cannot unbind"

# --- learned -----------------------------------------------------------------------

learn=(proto udp src "$lan4.2" sport 4006 dst "$wan4.2" dport 5000 iif lan0)
ftq <<- END
	dev del wan0.7
	dev set any sticky on
END
hooks_placed
talk_or_bail "open learn.udp udp $wan4.2 5000 0xb8 4006 0xb8"
is_learned()
{
	talk "ping 1 64 learn.udp" || return 1
	[ "$(ftqos -n "$router" -j flow show iif lan0 sport 4006 |
		jq -r '.[0].source')" = learned ]
}
check "a flow that a rule gave a priority is offloaded" busywait 10 is_learned
explain "${learn[@]}"
check_eq "learned: what, and that it was used" "any learned prio 6 6" \
	"$(val oif-binding source learned prio)"
check "... instead of the map's" grep -q "learned, not from the map" <(from prio)
check_not "... which only that is" grep -q learned <(from pcp)

# Its own binding does not learn, and what that of any has let be learned is not its
ftqos -n "$router" dev set wan0.7 || bail "cannot bind"
hooks_placed
talk_or_bail "ping 1 64 learn.udp"
explain "${learn[@]}"
check_eq "a binding that is not sticky: nothing learned" "wan0.7 dscp - 5" \
	"$(val oif-binding source learned prio)"
check_not "... in no step" grep -q learned "$steps"
# A packet of that flow that no flowtable takes
ftqos -n "$router" dev set wan0.7 sticky on || bail "cannot bind"
pkt "$client" raw --dev cl0 --dst-mac "$(mac_of "$router" lan0)" --src "$lan4.2" \
	--dst "$wan4.2" --sport 4006 --dport 5000 --tos 0xb8 --odd options --size 64 ||
	bail "nothing sent"
was_learned()
{
	explain "${learn[@]}"
	grep -q "was learned since" <(from prio)
}
busywait 10 was_learned || :
check_eq "sticky since the last packet: that had nothing of it" "dscp - 5" \
	"$(val source learned prio)"
check "... the next one will" grep -q "was learned since, which the next packet gets" \
	<(from prio)
talk_or_bail "ping 1 64 learn.udp"
explain "${learn[@]}"
check_eq "... and has it" "learned prio 6 6" "$(val source learned prio)"
talk_or_bail "close learn.udp"
ftq <<- END
	dev del any
	dev set wan0.7 sticky off
END
hooks_placed
fresh

# --- a flow that is not offloaded --------------------------------------------------

before=$(slow_packets)
explain "${slow[@]}"
check_eq "not offloaded: what configuration would do" \
	"not found|not offloaded|none|dscp|wan0.7|default|slow" \
	"$(for s in flow conntrack iif-binding trust oif-binding map path; do val $s; done |
		paste -s -d'|')"
check "... and why it does not" grep -q "it is not offloaded: 'flow add'" <(from flow)
check_eq "... what is not known is left out" "- - - -" "$(val class prio pcp map-entry)"
check_eq "... the mark is known" 184 "$(val mark)"
ftqos -n "$router" dev set lan0 trust none || bail "cannot bind"
explain "${slow[@]}"
check_eq "... with trust none the class is known as well" \
	"0 prio 0 pcp 0 dscp keep" "$(val class map-entry)"
ftqos -n "$router" dev del lan0 || bail "cannot unbind"
check_eq "asking sends nothing through the router" "$before" "$(slow_packets)"

explain "${up[@]/lan0/wan0.7}"
check_eq "another device than the one it enters through" "not found" "$(val flow)"
check "... which one it is" grep -q "iif lan0" <(from flow)
explain "${up[@]/lan0/other0}"
check "a device without a flowtable is none it enters through" grep -q "iif lan0" <(from flow)
explain "${slow[@]/lan0/other0}"
check "... and nothing is offloaded there" grep -q "no flowtable on other0" <(from flow)
ftqos -n "$router" config set flow-limit 0
explain "${up[@]}"
check_eq "no accounting" "not found offloaded" "$(val flow conntrack)"
check "... is told" grep -q "config set flow-limit" <(from flow)
ftqos -n "$router" config set flow-limit 65536
ftqos -n "$router" flow flush
explain "${up[@]}"
check_eq "no packet yet" "not found offloaded unknown" "$(val flow conntrack path)"
fresh

# --- which path the last packet took -----------------------------------------------

# A TCP connection that ends
talk_or_bail "ping 2 64 end.tcp"
explain proto tcp src "$lan4.2" sport 4004 dst "$wan4.2" dport 5000 iif lan0
check_eq "TCP: fast" "offloaded fast" "$(val conntrack path)"
talk_or_bail "close end.tcp"
tcp_ended()
{
	in_ns "$router" conntrack -L -p tcp --sport 4004 2> /dev/null |
		grep -q 'TIME_WAIT\|CLOSE\|LAST_ACK\|FIN_WAIT'
}
# Since 6.19 the flowtable forwards that as well, and conntrack does not see it
if [ "$release" -lt 6019 ]; then
	check "its end is seen" busywait 10 tcp_ended
	explain proto tcp src "$lan4.2" sport 4004 dst "$wan4.2" dport 5000 iif lan0
	check_eq "TCP: after its end, slow" "not offloaded slow" "$(val conntrack path)"
	ftqos -n "$router" flow flush
	explain proto tcp src "$lan4.2" sport 4004 dst "$wan4.2" dport 5000 iif lan0
	check_eq "TCP: ... of which nobody knows a packet" "not found" "$(val flow)"
	check "TCP: ... is told as what it is" grep -q "the connection has ended" \
		<(from flow)
fi

# The flowtable lets go of a flow that is idle; then its packets are not offloaded again
in_ns "$router" sh -c 'echo 2 > /proc/sys/net/netfilter/nf_flowtable_udp_timeout'
talk_or_bail "ping 2 64 ef.udp"
let_go()
{
	! offloaded udp 5000 | grep -q sport=4001
}
check "the flowtable lets go of it" busywait 30 let_go
explain "${up[@]}"
check_eq "the last packet was fast, the next one will not be" "not offloaded fast" \
	"$(val conntrack path)"
in_ns "$router" nft insert rule inet ftq forward udp dport 5000 counter name slow accept ||
	bail "nft refuses the rule"
in_ns "$router" nft insert rule inet ftq forward udp sport 5000 counter name slow accept ||
	bail "nft refuses the rule"
idle_for()
{
	[ "$(ftqos -n "$router" -j flow show iif lan0 sport 4001 |
		jq '.[0].idle_ms')" -gt "$1" ]
}
# Longer than a flowtable lets go of a flow late
busywait 60 idle_for 16000 || bail "the clock stands still"
explain "${up[@]}"
check_eq "... still so, seconds later" "not offloaded fast" "$(val conntrack path)"
before=$(slow_packets)
talk_or_bail "ping 1 64 ef.udp"
check_eq "packets come to the forward chain" 2 "$(($(slow_packets) - before))"
explain "${up[@]}"
check_eq "the last packet was slow" "found not offloaded slow" "$(val flow conntrack path)"
check "... conntrack's timeout says so" grep -q "conntrack's timeout" <(from path)

# --- where the route leads ---------------------------------------------------------

# leads WHAT REGEX: the reason of oif-binding; then no rule of ours is left
leads()
{
	explain "${slow[@]}"
	check "route: $1" grep -q "$2" <(from oif-binding)
	ip -n "$router" rule flush priority 100 2> /dev/null
}
ip -n "$router" route add default dev other0 table 101 || bail "no other route"
leads "the usual one" "it leaves through it;"
ip -n "$router" rule add priority 100 ipproto udp dport 5001 table 101 ||
	bail "no rule by ports"
leads "a rule by protocol and port" "through other0, which no binding covers"
ip -n "$router" rule add priority 100 fwmark 0xb8 table 101 || bail "no rule by mark"
leads "a rule by mark" "through other0 (if packets have conntrack's mark 0xb8), which no"
for type in unreachable prohibit blackhole; do
	ip -n "$router" route add $type "$wan4.2" || bail "no route $type"
	leads $type "not forwarded: the route says $type"
	check "... so that nothing is offloaded" grep -q "route says $type" <(from flow)
	ip -n "$router" route del $type "$wan4.2"
done
pkt "$client" send "$lan4.1" --sport 4009 --dport 9 + \
	send "$lan6:1" --sport 4009 --dport 9
for at in "$lan4." "$lan6:"; do
	explain proto udp src "${at}2" sport 4009 dst "${at}1" dport 9 iif lan0
	check_eq "for the router itself: ${at}1" "not found none" "$(val flow oif-binding)"
	check "... is told" grep -q "for the router itself" <(from flow)
	check "... instead of a device" grep -q "for the router itself" <(from oif-binding)
done

# --- warnings ----------------------------------------------------------------------

ftq <<- END
	dev set gone0 absent
	dev set other0
END
ip -n "$router" link set lan0 down
ftqos -n "$router" dev set lan0
explain "${up[@]}"
check_eq "warnings of the flow's devices, not of others" "1 0" \
	"$(jq -r 'map(select(.step == "warning").value) |
		"\(map(select(test("^lan0 is down"))) | length) \(
		map(select(test("gone0|other0"))) | length)"' "$steps")"
check "... status has more of them" jq -e 'any(.warnings[]; test("^gone0 is absent"))' \
	<(ftqos -n "$router" -j status)

# --- what is refused ---------------------------------------------------------------

# refused STATUS REGEX WORD...: one line, or the usage behind it
refused()
{
	local rc=0 text

	text=$(ftqos -n "$router" flow explain "${@:3}" 2>&1 > "$steps") || rc=$?
	check_eq "refused with $1: ${*:3}" "$1 yes 0" \
		"$rc $(grep -E -q "^Error: .*$2" <<< "$text" && echo yes || echo "$text") $(
			wc -c < "$steps")"
}
refused 2 "neither the module nor conntrack knows this flow; .* enters through lan0" \
	"${up[@]/4001/4999}"
refused 2 "only as it leaves, after NAT; .* from $lan4.2:4001 to $wan4.2:5000" \
	proto udp src "$wan4.1" sport 4001 dst "$wan4.2" dport 5000 iif wan0
refused 2 'device "nowhere": no device of this name' "${up[@]/lan0/nowhere}"
refused 1 "iif is missing" "${up[@]:0:10}"
refused 1 "unknown word \"dev\"" "${up[@]/iif/dev}"
refused 1 "is not one address" "${up[@]/$lan4.2/$lan4.0/24}"

check_eq "completion: the words in their order" "proto|tcp udp gre|src|sport dst dport iif" \
	"$(for w in "" "proto" "proto udp" "proto udp src 1"; do
		# shellcheck disable=SC2086 # words
		ftqos __complete flow explain $w | xargs
	done | paste -s -d'|')"
check "completion: -s" grep -qx -e -s <(ftqos __complete flow show)

finish
