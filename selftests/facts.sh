#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What offloading does to packets on this kernel, without our module: the facts
# F1 to F8 of README.md, measured. A line each goes to $FTQOS_OUT/facts: name,
# yes or no, figures. As a test it compares the yes and no with the table of
# README.md. "make facts" makes Documentation/facts.md of it.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft tc conntrack python3 jq ethtool

tmp=$(mktemp -d)
defer rm -rf "$tmp"
readme=$LIB_DIR/../README.md
kernel=$(uname -r | grep -oE '^[0-9]+\.[0-9]+')
out=${FTQOS_OUT:-$tmp}/facts
: > "$out"
n=12

# in_readme FACT: what the table says in this kernel's column
in_readme()
{
	awk -F ' *[|] *' -v fact="$1" -v kernel="$kernel" '
		/^[|]/ && !col {
			for (i = 1; i <= NF; i++)
				if ($i == kernel)
					col = i
		}
		col && $2 == fact { print $col; exit }' "$readme" 2> /dev/null
}

# fact NAME FIGURES CONDITION...
fact()
{
	local answer=no said

	eval "${*:3}" && answer=yes
	printf '%s\t%s\t%s\n' "$1" $answer "$2" | tee -a "$out" |
		sed 's/^/# /'
	said=$(in_readme "$1")
	if [ -z "$said" ]; then
		skip "$1" "not in README.md for Linux $kernel"
	else
		check_eq "$1: $answer, as README.md says of Linux $kernel" \
			"$said" "$answer"
	fi
}

# rules DEVICES [STATEMENT...]: the router's ruleset. DEVICES: those of the
# flowtable, none: no flowtable. STATEMENT: postrouting.
rules()
{
	in_ns "$router" nft -f - <<- END || bail "nft refuses the ruleset"
		flush ruleset
		table inet ftq {
			counter slow { }
			counter fin { }
			${1:+flowtable ft {
				hook ingress priority filter
				devices = { $1 \}
			\}}
			chain forward {
				type filter hook forward priority filter
				ct mark set 0xba000000
				${1:+meta l4proto { tcp, udp \} flow add @ft}
				meta l4proto { tcp, udp } counter name slow
				tcp flags & fin == fin counter name fin
			}
			chain post {
				type nat hook postrouting priority srcnat
				${*:2}
			}
		}
	END
}

# counter NAME [NS]: of the router
counter()
{
	in_ns "${2:-$router}" nft list counter inet ftq "$1" |
		sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

# arrived NS NUMBER: that many packets of the flows at least
arrived()
{
	[ "$(counter got "$1")" -ge "$2" ]
}

# offload NAME TOS SPORT: a new UDP flow, until conntrack says that it is offloaded
offload()
{
	talk_or_bail "open $1 udp 198.51.100.2 5000 $2 $3" "ping 3 64 $1"
	busywait 5 is_offloaded "$3" || bail "the flow $1 is not offloaded"
}

is_offloaded()
{
	in_ns "$router" conntrack -L -p udp 2> /dev/null |
		grep -q "sport=$1 .*\[OFFLOAD\]"
}

# send NAME: n packets, each is answered. What this adds to the counter slow:
# $slow; to each band of the qdisc: $band, an array.
send()
{
	local old

	slow=$(counter slow)
	old=$(bands wan0)
	talk_or_bail "ping $n 64 $1"
	slow=$(($(counter slow) - slow))
	read -r -a band <<< "$(minus "$(bands wan0)" "$old")"
}

# tagged NS DEV PEER_NS TAGS ARGUMENTS...: n frames; what they add to the
# counter slow
tagged()
{
	local at was

	was=$(counter slow)
	at=$(counter got "$3")
	pkt "$1" raw --dev "$2" --tags "$4" --count $n "${@:5}"
	busywait 10 arrived "$3" $((at + n)) || note "lost: $*"
	echo $(($(counter slow) - was))
}

# captured SPORT FIELD VALUE: how many of the last n packets of a flow have it
captured()
{
	jq -r "select(.sport == $1) | .$2" "$tmp/cap" | tail -n $n |
		grep -cx "$3"
}

topo_router --vlan7
in_ns "$router" tc qdisc add dev wan0 root handle 1: prio bands 8 \
	priomap 0 1 2 3 4 5 6 7 0 0 0 0 0 0 0 0 || bail "no prio qdisc"
for ns in "$client" "$server"; do
	in_ns "$ns" nft -f - <<- END || bail "nft refuses the counter"
		table inet ftq {
			counter got { }
			chain input {
				type filter hook input priority filter
				udp sport . udp dport { 5000 . 4000-4099, 4000-4099 . 5000 } counter name got
			}
		}
	END
done
talk_serve "$server" 5000
talk_start "$client"
pkt_bg sniff "$server" capture srv0 --direction in --out "$tmp/cap"

# F1: the same packets on both ways
rules ''
talk_or_bail "open slow udp 198.51.100.2 5000 0xb8 4001"
send slow
was=${band[4]}
rules 'lan0, wan0'
offload f1 0xb8 4011
send f1
fact F1 "EF in band 4 of prio: $was of $n on the slow path, ${band[4]} of $n offloaded" \
	'[ $slow = 0 ] && [ $was = $n ] && [ ${band[4]} = 0 ] && [ ${band[0]} -ge $n ]'

# F4: a priority that they bring along
in_ns "$router" tc qdisc add dev lan0 clsact
in_ns "$router" tc filter add dev lan0 ingress matchall \
	action skbedit priority 6 || bail "no skbedit"
send f1
in_ns "$router" tc qdisc del dev lan0 clsact
fact F4 "priority 6 set at ingress: ${band[6]} of $n offloaded in band 6 of prio" \
	'[ $slow = 0 ] && [ ${band[6]} = $n ]'

# F3: answers with a tag of our own, requests with a priority tag
offload f3 0 4003
reply=(--dst-mac "$(mac_of "$router" wan0)" --src 198.51.100.2
	--dst 192.0.2.2 --sport 5000 --dport 4003)
pcp0=$(tagged "$server" srv0 "$client" 7:0 "${reply[@]}")
pcp5=$(tagged "$server" srv0 "$client" 7:5 "${reply[@]}")
dei=$(tagged "$server" srv0 "$client" 7:0:1 "${reply[@]}")
vid0=$(tagged "$client" cl0 "$server" 0:0 --src 192.0.2.2 \
	--dst-mac "$(mac_of "$router" lan0)" --dst 198.51.100.2 \
	--sport 4003 --dport 5000)
fact F3 "on the slow path: PCP 0 $pcp0, PCP 5 $pcp5, DEI $dei, VID 0 $vid0 of $n each" \
	'[ $pcp0 = 0 ] && [ $pcp5 = $n ] && [ $dei = $n ] && [ $vid0 = $n ]'

# F2: priority 0 is PCP 5. A change of the device ends the routes of its flows,
# so that only a new flow is offloaded from the beginning.
in_ns "$router" ip link set wan0.7 type vlan egress 0:5
offload f2 0xb8 4002
send f2
slow2=$slow
in_ns "$router" ip link set wan0.7 type vlan egress 0:0

# F5: DSCP from the mark of the connection, at egress of the device that the fast
# path transmits on
tx=wan0.7
((release <= 6018)) || tx=wan0
in_ns "$router" tc qdisc add dev $tx clsact
in_ns "$router" tc filter add dev $tx egress matchall \
	action ctinfo dscp 0xfc000000 0x02000000 || bail "no ctinfo"
offload f5 0 4005
send f5
slow5=$slow
rules 'lan0, wan0' 'oifname "wan0.7" masquerade'
offload nat 0 4015
send nat
slow5=$((slow5 + slow))
in_ns "$router" tc qdisc del dev $tx clsact

pkt_stop "$sniff"
was=$(captured 4002 pcp 5)
fact F2 "egress-qos-map 0:5: PCP 5 on $was of $n offloaded packets" \
	'[ $slow2 = 0 ] && [ $was = $n ]'
plain=$(captured 4005 dscp 46) nat=$(captured 4015 dscp 46)
fact F5 "DSCP restored from the ct mark: $plain of $n offloaded packets, with masquerade $nat of $n" \
	'[ $slow5 = 0 ] && [ $plain = $n ] && [ $nat = 0 ]'

# F7
rules 'lan0, wan0.7'
talk_or_bail "open f7 udp 198.51.100.2 5000 0 4007" "ping 3 64 f7"
busywait 3 is_offloaded 4007
send f7
fact F7 "flowtable on lan0 and wan0.7: $((2 * n - slow)) of $((2 * n)) packets offloaded" \
	'[ $slow = 0 ]'

# F8: the forward chain sees the FIN of both sides, and little else
rules 'lan0, wan0'
talk_or_bail "open f8 tcp 198.51.100.2 5000 0 4008" "ping 20 64 f8" "close f8"
fin_seen()
{
	[ "$(counter fin)" -ge 2 ]
}
busywait 5 fin_seen
slow=$(counter slow) fin=$(counter fin)
gone=$(in_ns "$router" conntrack -L -p tcp 2> /dev/null |
	grep 'sport=4008 ' | grep -vc OFFLOAD)
fact F8 "TCP, 20 segments a side: $slow packets on the slow path, $fin of them FIN; no longer offloaded afterwards: $gone of 1" \
	'[ $fin -ge 1 ] && [ $slow -lt 20 ] && [ $gone = 1 ]'
finish
