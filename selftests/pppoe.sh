#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# PPPoE over a VLAN, with pppd and its kernel plugin towards pppoe-server: flows
# of both families, UDP and TCP, are offloaded, leave with the PCP of the PPP
# device's map in the VLAN tag outside the session, and go to the band of the
# priority, whether the kernel's flowtable sends through the PPP device (up to
# 6.18) or pushes the header itself. The binding waits for the session, and takes
# hold again after a reconnection, in which the session gets another number. A queue
# on the PPP device, which it has by default on some kernels, costs segments their PCP
# up to 6.18: status tells of it, and each of its remedies helps.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/ppp.sh
. "$(dirname "$0")/ppp.sh"
need_tools ip nft tc conntrack ethtool python3 jq ftqos pppd pppoe-server
load_module

ppp_setup
up=$tmp/up
: > "$up"

topo_router --vlan7
ip -n "$router" addr flush dev wan0.7
ip -n "$server" addr flush dev srv0.7
in_ns "$router" sysctl -q -w net.ipv6.conf.default.accept_dad=0
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	map add isp preset constant 4
	map add wire preset constant 1
	dev set ppp0 map isp absent
	dev set wan0 map wire
END

state()
{
	ftqos -n "$router" -j dev show ppp0 | jq -r '.[0].state'
}
is_state()
{
	[ "$(state)" = "$1" ]
}
check_eq "before the session the PPP device is absent" absent "$(state)"

ppp_serve srv0.7
ppp_connect wan0.7

topo_nft
keep_flows
check "with the session it is active" busywait 10 is_state active
prio_bands lan0 wan0

talk_serve "$server"
talk_start "$client"
pkt_bg up_pid "$server" capture srv0 --out "$up" --direction in

# tags: of the last phase's packets, "FAMILY PROTO VID:PCP"
tags()
{
	phase "$up_pid" "$up"
	tac "$up" | awk '/^."phase"/ && n++ { exit } { print }' |
		jq -r 'select(.dport == 5000 and .pppoe) |
			"\(.family) \(.proto) \(.vid):\(.pcp)"' | sort -u
}
all_kinds()
{
	printf '%s\n' "ipv4 tcp $1" "ipv4 udp $1" "ipv6 tcp $1" "ipv6 udp $1"
}
band()
{
	bands wan0 | cut -d' ' -f$(($1 + 1))
}

# flows NAME PORT: four flows are offloaded, and have what ppp0's map gives
flows()
{
	local before slow

	[ -z "${opened-}" ] || talk_or_bail "close *"
	opened=1
	talk_or_bail "open a udp $wan4.2 5000 0xb8 $2 0xb8" \
		"open b udp $wan6:2 5000 0xb8 $2 0xb8" \
		"open c tcp $wan4.2 5000 0xb8 $2 0xb8" \
		"open d tcp $wan6:2 5000 0xb8 $2 0xb8" "ping 3 64 *"
	for f in ipv4 ipv6; do
		check "$1: UDP of $f is offloaded" \
			busywait 10 offloaded udp 5000 $f
		check "$1: TCP of $f is offloaded" \
			busywait 10 offloaded tcp 5000 $f
	done
	phase "$up_pid" "$up"
	slow=$(slow_packets)
	before=$(band 4)
	talk_or_bail "ping 4 64 *"
	check_eq "$1: the PCP is in the VLAN tag outside the session" \
		"$(all_kinds 7:4)" "$(tags)"
	check "$1: they went to its band" test $(($(band 4) - before)) -ge 16
	check_eq "$1: nothing came to the forward chain" "$slow" \
		"$(slow_packets)"
	check_eq "$1: it is the PPP device that decided" ppp0 \
		"$(ftqos -n "$router" -j flow show iif lan0 |
			jq -r "map(select(.sport == $2) | .oif) | unique |
				join(\" \")")"
	session=$(ftqos -n "$router" -j flow show iif wan0 |
		jq -r "map(select(.dport == $2) | .pppoe) | unique | join(\" \")")
	check "$1: answers come in a session" test "$session" -gt 0
}
flows "PPPoE over VLAN 7" 4000

# --- learned classes -------------------------------------------------------------

in_ns "$router" nft -f - <<- END || bail "nft refuses the rules"
	table inet rules {
		chain forward {
			type filter hook forward priority -10
			udp sport 4020 meta priority set 0:6
			udp dport 4020 meta priority set 0:5
		}
	}
END
ftqos -n "$router" -b - <<- END || bail "sticky is refused"
	dev set ppp0 sticky on
	dev set lan0 map isp sticky on
END
# learned NAME WANTED COMMAND...: how many packets left with the rule's priority each
# way, and how
learned()
{
	local after before slow

	slow=$(slow_packets)
	mapfile -t before < <(bands wan0 lan0)
	ftqos -n "$router" stats reset
	talk_or_bail "${@:3}"
	mapfile -t after < <(bands wan0 lan0)
	got="$(minus "${after[0]}" "${before[0]}" | cut -d' ' -f7)"
	got+=" $(minus "${after[1]}" "${before[1]}" | cut -d' ' -f6)"
	got+=" $(($(slow_packets) - slow)) slow"
	got+=" $(ftqos -n "$router" -j stats show | jq .learned) learned"
	check_eq "$1" "$2" "$got"
}
learned "sticky: a rule's priority, into the session and out of it" \
	"2 2 4 slow 0 learned" "open l4 udp $wan4.2 5000 0xb8 4020 0xb8" \
	"open l6 udp $wan6:2 5000 0xb8 4020 0xb8" "ping 1 64 l*"
learned "sticky: that is learned" "8 8 0 slow 16 learned" "ping 4 64 l*"
in_ns "$router" nft delete table inet rules
ftqos -n "$router" -b - <<- END
	dev set ppp0 sticky off
	dev del lan0
END

# --- large packets, and what status says of the PPP device's queue ---------------

newer=
((release <= 6018)) || newer=1
warnings()
{
	ftqos -n "$router" -j status | jq -r '.warnings[]'
}
# segments: tags of those of full size that a stream is sent in
segments()
{
	phase "$up_pid" "$up"
	talk_or_bail "bulk 60000 c" "bulk 60000 d"
	phase "$up_pid" "$up"
	tac "$up" | awk '/^."phase"/ && n++ { exit } { print }' |
		jq -r 'select(.dport == 5000 and .frame > 1300) |
			"\(.family) \(.vid):\(.pcp)"' | sort -u
}
both()
{
	printf 'ipv4 %s\nipv6 %s\n' "$1" "$1"
}
in_ns "$client" ethtool -K cl0 tso on gso on tx on > /dev/null 2>&1
queue=$(tc -n "$router" -j qdisc show dev ppp0 | jq -r '.[0].kind')
note "by default ppp0 has $queue"
if [ "$queue" = noqueue ]; then
	check_eq "TCP bulk: every segment has the PCP" "$(both 7:4)" "$(segments)"
	check_eq "no warning" "" "$(warnings)"
fi
if [ -z "$newer" ]; then
	or="or have the VLAN device give that PCP (ip link set wan0.7 type vlan "
	or+="egress-qos-map 4:4), or 'ftqos dev set ppp0 scope all'"
	said="$queue, by default on ppp0, is a queue above the VLAN tag: what was "
	said+="received in one piece (GRO) and is sent in segments keeps its "
	said+="priority, but not the PCP of map isp; take the queue away ('tc qdisc "
	said+="replace dev ppp0 root noqueue', in ip-up.d, since each session's device is new), $or"
	if [ "$queue" = noqueue ]; then
		tc -n "$router" qdisc add dev ppp0 root fq_codel || bail "no queue"
		said="fq_codel on ppp0 is a queue above the VLAN tag: packets that "
		said+="wait in it keep their priority, but not the PCP of map isp; "
		said+="put the qdisc on wan0, $or"
	fi
	check_eq "a queue is warned of, and what helps" "$said" "$(warnings)"
	check "TCP bulk: there are segments without the PCP" \
		grep -x 'ipv4 7:0' <(segments)
	ip -n "$router" link set wan0.7 type vlan egress-qos-map 4:4
	check_eq "the egress-qos-map gives all of them the PCP" "$(both 7:4)" \
		"$(segments)"
	check_eq "... and is not warned of" "" "$(warnings)"
	ip -n "$router" link set wan0.7 type vlan egress-qos-map 4:0
	ftqos -n "$router" dev set ppp0 scope all || bail "no scope all"
	check_eq "scope all gives all of them the PCP" "$(both 7:4)" "$(segments)"
	check_eq "... and is not warned of" "" "$(warnings)"
	ftqos -n "$router" dev set ppp0 scope offloaded || bail "no scope offloaded"
	check_eq "neither: warned of again" "$said" "$(warnings)"
	tc -n "$router" qdisc replace dev ppp0 root noqueue
	check_eq "without a queue all of them have the PCP" "$(both 7:4)" \
		"$(segments)"
	check_eq "... and there is no warning" "" "$(warnings)"
fi
tc -n "$router" qdisc replace dev ppp0 root handle 8: pfifo || bail "no pfifo"
if [ -n "$newer" ]; then
	re='pfifo on ppp0 does nothing .*; put the qdisc on wan0'
else
	re='pfifo on ppp0 is a queue above the VLAN tag: .*; put the qdisc on wan0, '
	re+='.*ip link set wan0\.7 type vlan egress-qos-map 4:4.*ppp0 scope all.*'
fi
check "another queue is warned of, with the device below the session" \
	grep -q -x -E "$re" <(warnings)
check_eq "... alone" 1 "$(warnings | wc -l)"
tc -n "$router" qdisc del dev ppp0 root

# --- the session ends, and comes back ------------------------------------------

old=$session
ppp_end
check "the binding stays, by name" busywait 10 is_state absent
ppp_connect wan0.7
check "after the reconnection it is active" busywait 10 is_state active
flows "after the reconnection" 4010
note "sessions $old and $session"
pkt_stop "$up_pid"
finish
