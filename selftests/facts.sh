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

# send SPORT TOS: n packets, each is answered; returns when the answers are
# back. What this adds to the counter slow: $slow; to the bands of the qdisc:
# band0 to band7.
send()
{
	local b i at old rest

	slow=$(counter slow)
	old=$(bands)
	at=$(counter got "$client")
	pkt "$client" send 198.51.100.2 --sport "$1" --tos "$2" --count $n
	busywait 10 arrived "$client" $((at + n)) || bail "packets are lost"
	slow=$(($(counter slow) - slow))
	rest=$(bands)
	for i in {0..7}; do
		read -r b <<< "$old"
		read -r "band$i" <<< "$rest"
		eval "band$i=\$((band$i - b))"
		old=${old#*$'\n'}
		rest=${rest#*$'\n'}
	done
}

bands()
{
	in_ns "$router" tc -s class show dev wan0 | awk '$1 == "Sent" { print $4 }'
}

# offload SPORT: send until conntrack says that the flow is offloaded
offload()
{
	busywait 10 one_more "$1" || bail "the flow from $1 is not offloaded"
}

one_more()
{
	pkt "$client" send 198.51.100.2 --sport "$1"
	sleep 0.1
	in_ns "$router" conntrack -L 2> /dev/null |
		grep -q "sport=$1 .*\[OFFLOAD\]"
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

mac_of()
{
	in_ns "$router" cat "/sys/class/net/$1/address"
}

# marked FILE: how many of the captured packets have EF
marked()
{
	jq -r 'select(.dport == 5000) | .dscp' "$1" | grep -cx 46
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
pkt_bg echo4 "$server" echo 198.51.100.2
pkt_bg echo5 "$server" server 198.51.100.2 --port 5001

# F1: the same packets on both ways
rules ''
send 4001 0xb8
was=$band4
rules 'lan0, wan0'
offload 4001
send 4001 0xb8
fact F1 "EF in band 4 of prio: $was of $n on the slow path, $band4 of $n offloaded" \
	'[ $slow = 0 ] && [ $was = $n ] && [ $band4 = 0 ] && [ $band0 -ge $n ]'

# F4: a priority that they bring along
in_ns "$router" tc qdisc add dev lan0 clsact
in_ns "$router" tc filter add dev lan0 ingress matchall \
	action skbedit priority 6 || bail "no skbedit"
send 4001 0
in_ns "$router" tc qdisc del dev lan0 clsact
fact F4 "priority 6 set at ingress: $band6 of $n offloaded in band 6 of prio" \
	'[ $slow = 0 ] && [ $band6 = $n ]'

# F2: priority 0 is PCP 5. A change of the device ends its flows' routes.
in_ns "$router" ip link set wan0.7 type vlan egress 0:5
offload 4001
pkt_bg sniff "$server" capture srv0 --direction in --out "$tmp/cap"
send 4001 0xb8
pkt_stop "$sniff"
in_ns "$router" ip link set wan0.7 type vlan egress 0:0
offload 4001
was=$(jq -r 'select(.dport == 5000) | .pcp' "$tmp/cap" | grep -cx 5)
fact F2 "egress-qos-map 0:5: PCP 5 on $was of $n offloaded packets" \
	'[ $slow = 0 ] && [ $was = $n ]'

# F3: answers with a tag of our own, requests with a priority tag
reply=(--dst-mac "$(mac_of wan0)" --src 198.51.100.2 --dst 192.0.2.2
	--sport 5000 --dport 4001)
pcp0=$(tagged "$server" srv0 "$client" 7:0 "${reply[@]}")
pcp5=$(tagged "$server" srv0 "$client" 7:5 "${reply[@]}")
dei=$(tagged "$server" srv0 "$client" 7:0:1 "${reply[@]}")
vid0=$(tagged "$client" cl0 "$server" 0:0 --dst-mac "$(mac_of lan0)" \
	--src 192.0.2.2 --dst 198.51.100.2 --sport 4001 --dport 5000)
fact F3 "on the slow path: PCP 0 $pcp0, PCP 5 $pcp5, DEI $dei, VID 0 $vid0 of $n each" \
	'[ $pcp0 = 0 ] && [ $pcp5 = $n ] && [ $dei = $n ] && [ $vid0 = $n ]'

# F5: DSCP from the mark of the connection, at egress
in_ns "$router" tc qdisc add dev wan0.7 clsact
in_ns "$router" tc filter add dev wan0.7 egress matchall \
	action ctinfo dscp 0xfc000000 0x02000000 || bail "no ctinfo"
pkt_bg sniff "$server" capture srv0 --direction in --out "$tmp/cap"
send 4001 0
pkt_stop "$sniff"
plain=$(marked "$tmp/cap") was=$slow
rules 'lan0, wan0' 'oifname "wan0.7" masquerade'
offload 4002
pkt_bg sniff "$server" capture srv0 --direction in --out "$tmp/cap"
send 4002 0
pkt_stop "$sniff"
nat=$(marked "$tmp/cap")
in_ns "$router" tc qdisc del dev wan0.7 clsact
fact F5 "DSCP restored from the ct mark: $plain of $n offloaded packets, with masquerade $nat of $n" \
	'[ $slow = 0 ] && [ $was = 0 ] && [ $plain = $n ] && [ $nat = 0 ]'

# F7
rules 'lan0, wan0.7'
busywait 3 one_more 4003
send 4003 0
fact F7 "flowtable on lan0 and wan0.7: $((2 * n - slow)) of $((2 * n)) packets offloaded" \
	'[ $slow = 0 ]'

# F8: the counters see the FIN of both sides, and little else
rules 'lan0, wan0'
pkt "$client" client 198.51.100.2 --port 5001 --count 20 ||
	bail "TCP does not go through"
slow=$(counter slow) fin=$(counter fin)
gone=$(in_ns "$router" conntrack -L -p tcp 2> /dev/null |
	grep 'dport=5001 ' | grep -vc OFFLOAD)
fact F8 "TCP, 20 segments a side: $slow packets on the slow path, $fin of them FIN; no longer offloaded afterwards: $gone of 1" \
	'[ $fin -ge 1 ] && [ $slow -lt 20 ] && [ $gone = 1 ]'
finish
