#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a packet costs, offloaded and classified in several ways, in nanoseconds. Times
# drift, so that every variant is measured once a round, or in each fifth one, in each
# second round in reverse order, and compared with what its own round has.
#
# Whatever classifies is looked at first, by the bands of a prio qdisc and by the PCPs
# that arrive; what does not is not measured. Writes to $FTQOS_OUT:
#
#	variants	NAME REFERENCE UNIT GIVES TITLE
#	raw		NAME ROUND NANOSECONDS
#	absent		NAME WHY
#
# ROUNDS, PACKETS (of a round and variant), ONLY (these variants). In ../files: floor.ko, rival.bpf (or not).

# shellcheck source=selftests/bench/router.sh
. "$(dirname "$0")/router.sh"
rounds=${ROUNDS:-30} packets=${PACKETS:-200000}
many=${MANY:-64000}

# --- variants --------------------------------------------------------------

names=()
declare -A state_of traffic_of gives_of

# variant NAME REFERENCE STATE TRAFFIC GIVES TITLE...: GIVES is what is looked at:
# nothing, prio, prio+pcp, learned (a priority; the PCP by the map), tin (of CAKE), or - for
# what differs anyway
variant()
{
	[ -z "${ONLY-}" ] || [[ " $ONLY " = *" $1 "* ]] || return 0
	names+=("$1")
	state_of[$1]=$3 traffic_of[$1]=$4 gives_of[$1]=$5
	printf '%s\t%s\tpacket\t%s\t%s\n' "$1" "$2" "$5" "${*:6}" \
		>> "$FTQOS_OUT/variants"
}

variant plain - off one nothing "plain flowtable"
variant plain-again plain off one nothing "the same again"
variant floor-hooks plain floor0 one nothing "hooks that do nothing"
variant floor-lookup plain floor1 one nothing "... and look a flow up"
variant floor-prio-pcp plain floor2 one prio+pcp "the least for priority and PCP"
variant floor-all plain floor3 one prio+pcp "... and to count flows"
variant floor-sticky plain floor4 one prio+pcp "... and to look up what was learned"
variant floor-device plain floor3-dmz one nothing "counted, but nothing is given"
variant floor-all-many plain-many floor3 "$many" prio+pcp "the least for all, $many flows"
variant floor-miss plain-miss floor0 miss - "hooks that do nothing, flow is not known"
variant floor-miss-call plain-miss floor2 miss - "the least for priority and PCP, not known"
variant floor-miss-all plain-miss floor3 miss - "... and to count flows, not known"
variant skbedit plain skbedit one prio "tc skbedit inheritdsfield"
variant skbedit-vlan plain skbedit-vlan one prio+pcp \
	"... and act_vlan modify priority"
variant flower plain flower one prio "eight tc flower ip_tos"
variant nft-map plain nft one prio "nft netdev map"
variant ebpf plain ebpf one prio+pcp "eBPF at tc egress (no JIT)"
variant plain-1000 - off 1000 nothing "plain flowtable, 1000 flows"
variant plain-many - off "$many" nothing "plain flowtable, $many flows"
variant plain-skewed - off "skewed$many" nothing "... nine of ten packets of 16"
variant plain-ipv6 - off ipv6 nothing "plain flowtable, IPv6"
variant plain-tagged - off tag0 - "plain flowtable, tags arrive"
variant plain-miss - off miss - "flowtable does not know the flow"
variant slow - off second - "no flowtable"
variant slow-nft plain slow-nft second prio+pcp "no flowtable, nft classifies"
variant slow-cake plain slow-cake marked tin "no flowtable, act_ctinfo and CAKE"
variant unbound plain unbound one nothing "module loaded"
variant other-netns plain other one nothing "another namespace bound"
variant other-device plain dmz one nothing "another device bound"
variant prio plain prio one prio "ftqos: priority"
variant prio-pcp plain pcp one prio+pcp "ftqos: priority and PCP"
variant all plain all one prio+pcp "ftqos: everything on"
variant all-sticky plain sticky one prio+pcp "ftqos: ... and sticky, nothing was learned"
variant all-learned plain learned one learned "ftqos: ... and sticky, a priority was learned"
variant all-1000 plain-1000 all 1000 prio+pcp "ftqos, 1000 flows"
variant all-many plain-many all "$many" prio+pcp "ftqos, $many flows"
variant all-skewed plain-skewed all "skewed$many" prio+pcp \
	"... nine of ten packets of 16"
variant all-ipv6 plain-ipv6 all ipv6 prio+pcp "ftqos, IPv6"
variant all-miss plain-miss all miss - "ftqos, flowtable does not know"
variant trust-pcp plain-tagged trust tagged prio+pcp "ftqos, trust pcp"

# --- states ----------------------------------------------------------------

dscps="1 8 16 18 20 22 24 26 28 30 32 34 36 38 40 44 45 46 48 56"

# value DSCP: what the module's built-in map has
value()
{
	case $1 in
	1)	echo 1 ;;
	44|45|46) echo 5 ;;
	*)	echo $(($1 / 8)) ;;
	esac
}

# nft_map: the same as a map of nft
nft_map()
{
	local d

	for d in $dscps; do
		printf '%s : 0:%s, ' "$d" "$(value "$d")"
	done
}

# flowers HEAD KEYS ACTION: eight filters, of the most usual classes, in one hash table
flowers()
{
	local d

	for d in 8 16 24 32 40 46 48 56; do
		printf "filter add %s pref 1 flower %s ip_tos 0x%x/0xfc action %s\n" \
			"$1" "$2" $((d << 2)) "${3//VALUE/$(value $d)}"
	done
}

# rules_of STATE, filters_of STATE: what nft and tc are told of it
rules_of()
{
	case $1 in
	nft)	echo "table netdev rival { chain lan0 {
			type filter hook ingress device lan0 priority -10
			meta priority set ip dscp map { $(nft_map) }
		}
		}" ;;
	slow-nft) echo "table inet rival { chain post {
			type filter hook postrouting priority mangle
			meta priority set ip dscp map { $(nft_map) }
		}
		}" ;;
	learned) echo "table inet rival { chain post {
			type filter hook postrouting priority mangle
			udp dport 5000 meta priority set 0:3
		}
		}" ;;
	slow-cake) echo "table inet rival { chain forward {
			type filter hook forward priority mangle
			ct state new udp dport 7000 ct mark set 0xb9000000
			ct state new udp dport 7001 ct mark set 0x21000000
		}
		}" ;;
	esac
}

filters_of()
{
	local inherit='filter add dev lan0 ingress matchall action skbedit inheritdsfield'

	case $1 in
	skbedit) printf '%s\n' "qdisc add dev lan0 clsact" "$inherit" ;;
	skbedit-vlan)
		printf '%s\n' "qdisc add dev lan0 clsact" "$inherit" \
			"qdisc add dev wan0 clsact"
		flowers "dev wan0 egress protocol 802.1Q" "vlan_ethtype ip" \
			"vlan modify id 7 priority VALUE" ;;
	flower)	echo "qdisc add dev lan0 clsact"
		flowers "dev lan0 ingress protocol ip" "" "skbedit priority VALUE" ;;
	ebpf)	printf '%s\n' "qdisc add dev wan0 clsact" \
			"filter add dev wan0 egress bpf direct-action object-file $files/rival.bpf section tc" ;;
	slow-cake)
		printf '%s\n' "qdisc add dev wan1.7 clsact" \
			"filter add dev wan1.7 egress matchall action ctinfo dscp 0xfc000000 0x01000000" \
			"qdisc add dev wan1.7 root cake diffserv4 nat" ;;
	esac
}

# enter STATE, from off
enter()
{
	local text

	case $1 in
	unbound) module on "" "" ;;
	other)	module on "" "dev set dmz0" ;;
	dmz)	module on "dev set dmz0" "" ;;
	prio)	module on "config set flow-limit 0
map set default all pcp keep
$all_on" "" ;;
	pcp)	module on "config set flow-limit 0
$all_on" "" ;;
	all)	module on "$all_on" "" ;;
	trust)	module on "$all_on
dev set lan0.5 trust pcp" "" ;;
	sticky|learned)	module on "dev set wan0.7 sticky on
dev set lan0 sticky on" "" ;;
	*)	module off ;;
	esac
	case $1 in
	floor3-dmz) floor 3 dmz0 || return ;;
	floor?)	floor "${1#floor}" wan0.7,wan0 "flows=$many" || return ;;
	esac
	# No process to find out that there is nothing to say
	case $1 in
	off|unbound|other|dmz|prio|pcp|all|trust|floor*) return ;;
	esac
	text=$(filters_of "$1")
	[ -z "$text" ] || tc -n "$router" -batch - <<< "$text" || return
	text=$(rules_of "$1")
	[ -z "$text" ] || in_ns "$router" nft -f - <<< "$text" || return
	case $1 in
	sticky|learned) ;;
	*)	return 0 ;;
	esac
	# The flow has to come to the slow path once more, of whose packets it is learned, also
	# that there is nothing
	in_ns "$router" conntrack -D -p udp --sport 1024 --dport 5000 > /dev/null 2>&1
	traffic one
	send 10
}

# leave STATE, however much of it there is
leave()
{
	case $1 in
	floor*)	rmmod floor ;;
	skbedit|skbedit-vlan|flower|ebpf|slow-cake)
		filters_of "$1" | sed -n 's/^qdisc add dev \([^ ]* [^ ]*\).*/qdisc del dev \1/p' |
			tc -n "$router" -force -batch - ;;
	esac
	case $1 in
	nft|slow-nft|slow-cake|learned)
		rules_of "$1" | sed -n 's/^table \([a-z]* [a-z]*\) .*/delete table \1/p' |
			in_ns "$router" nft -f - ;;
	esac
}

state=off

# to STATE
to()
{
	[ "$1" != "$state" ] || return 0
	leave "$state" || bail "$state does not go"
	state=off
	enter "$1" 2> "$tmp/why" || {
		leave "$1" > /dev/null 2>&1
		return 1
	}
	state=$1
}

# --- on the wire -----------------------------------------------------------

tmp=$(mktemp -d)
defer rm -rf "$tmp"
bench_router 262144

# tins: packets of CAKE's tins
tins()
{
	tc -n "$router" -j -s qdisc show dev wan1.7 root |
		jq -r '[.[0].tins[].sent_packets] | map(tostring) | join(" ")'
}

# looked NAME: three packets of EF and two of CS1 get what they should; else fails,
# with $why
looked()
{
	local after before bands=bands got pcps wanted

	traffic "${traffic_of[$1]}"
	case ${gives_of[$1]} in
	-)	return 0 ;;
	nothing) wanted="5 0 0 0 0 0 0 0" pcps="0 0 0 0 0" ;;
	prio)	wanted="0 2 0 0 0 3 0 0" pcps="0 0 0 0 0" ;;
	prio+pcp) wanted="0 2 0 0 0 3 0 0" pcps="5 5 5 1 1" ;;
	learned) wanted="0 0 0 5 0 0 0 0" pcps="5 5 5 1 1" ;;
	tin)	wanted="2 0 0 3" pcps="0 0 0 0 0" bands=tins ;;
	esac
	# A DSCP as priority: those of 46 and 8 are in the same place as those of 14, 8
	[ $bands = tins ] || tc -n "$router" qdisc add dev "$out" root handle 1: \
		prio bands 8 priomap 0 1 2 3 4 5 6 7 1 0 0 0 0 0 5 0 ||
		bail "no prio qdisc"
	# The second of a flow's packets offloads it
	send 3 "$cs1"
	send 3 "$ef"
	before=$($bands "$out")
	phase "$tap" "$tmp/wire"
	send 3 "$ef"
	send 2 "$cs1"
	phase "$tap" "$tmp/wire"
	after=$($bands "$out")
	[ $bands = tins ] || tc -n "$router" qdisc del dev "$out" root
	# Between the last two lines of phases
	got=$(awk 'index($0, "{\"phase\"") == 1 { last = pcps; pcps = "" }
		/"proto": "udp"/ && match($0, /"pcp": [0-9]/) {
			pcps = pcps (pcps ? " " : "") substr($0, RSTART + 7, 1)
		}
		END { print last }' "$tmp/wire")
	why="bands $(minus "$after" "$before"), PCPs $got"
	[ "$why" = "bands $wanted, PCPs $pcps" ]
}

# Flows first: how long the flowtable looks for one depends on what else it has
for t in one ipv6 tag0 tagged 1000 "$many"; do
	traffic "$t"
	for _ in 1 2 3; do
		send $((flows > 10 ? flows : 10))
	done
done

# One process sees it all, since to start one for each takes long
pkt_bg tap "$server" capture any --out "$tmp/wire"
measured=()
for n in "${names[@]}"; do
	if ! to "${state_of[$n]}"; then
		why=$(paste -s -d' ' "$tmp/why")
	elif looked "$n"; then
		measured+=("$n")
		pass "$n: gives ${gives_of[$n]}"
		continue
	fi
	printf '%s\t%s\n' "$n" "$why" >> "$FTQOS_OUT/absent"
	# A kernel may lack what a rival needs, but nothing that we do
	case ${state_of[$n]} in
	off|unbound|other|dmz|prio|pcp|all|trust|sticky|learned) fail "$n" "$why" ;;
	*)	skip "$n" "$why" ;;
	esac
done
pkt_stop "$tap"

# --- time ------------------------------------------------------------------

# What a goal is for needs every round; for all others each fifth one does
often=" plain plain-again floor-hooks floor-lookup floor-prio-pcp floor-all floor-device unbound other-netns other-device "
often+="prio prio-pcp all floor-sticky all-sticky all-learned plain-many floor-all-many all-many plain-miss floor-miss floor-miss-call floor-miss-all all-miss "
often+="skbedit nft-map slow-nft "
[ -z "${ONLY-}" ] || often+="$ONLY "

declare -A lost
for ((round = 0; round < rounds; round++)); do
	for ((i = 0; i < ${#measured[@]}; i++)); do
		n=${measured[round % 2 ? ${#measured[@]} - 1 - i : i]}
		[ $((round % 5)) = 0 ] || [[ $often = *" $n "* ]] || continue
		to "${state_of[$n]}" || bail "$n: $(< "$tmp/why")"
		if timed "${traffic_of[$n]}" "$packets"; then
			printf '%s\t%d\t%s\n' "$n" $round "$ns" >> "$FTQOS_OUT/raw"
		else
			lost[$n]=$((${lost[$n]-0} + 1))
			note "$n: $why"
		fi
	done
	note "round $((round + 1)) of $rounds, $(cut -d. -f1 /proc/uptime) s"
done
for n in "${measured[@]}"; do
	tried=$rounds
	[[ $often = *" $n "* ]] || tried=$(((rounds + 4) / 5))
	check "$n: its packets went one way in most rounds" \
		test $((${lost[$n]-0} * 4)) -lt "$tried"
done

# --- large segments --------------------------------------------------------

to off
[ -z "${ONLY-}" ] || finish
server_vlan add
in_ns "$server" python3 -I -S "$LIB_DIR/bench/tcp.py" serve 5000 &
defer kill $!
mkfifo "$tmp/ask" "$tmp/tell"
in_ns "$client" python3 -I -S "$LIB_DIR/bench/tcp.py" send "$wan4.2" 5000 \
	< "$tmp/ask" > "$tmp/tell" &
defer kill $!
exec {ask}> "$tmp/ask" {tell}< "$tmp/tell"

# tcp OCTETS: sets $ns to what 1000 of them have cost
tcp()
{
	echo "$1" >&$ask
	read -r -t 60 ns <&$tell || bail "tcp.py is gone or hangs"
	[[ $ns =~ ^[0-9]+$ ]] || bail "tcp.py: $ns"
	ns=$((ns * 10000 / $1))
	ns=${ns%?}.${ns: -1}
}

octets=$((packets * 1000)) dev=cl0 out=wan0
tcp 10000000
printf 'plain-tcp\t-\tkB\tnothing\tplain flowtable, TCP\n' >> "$FTQOS_OUT/variants"
printf 'all-tcp\tplain-tcp\tkB\tprio+pcp\tftqos, TCP\n' >> "$FTQOS_OUT/variants"
rounds=$(((rounds + 2) / 3))
for ((round = 0; round < rounds; round++)); do
	for i in 0 1; do
		if [ $(((round + i) % 2)) = 0 ]; then
			n=plain-tcp
			to off
		else
			n=all-tcp
			to all
		fi
		counted
		before=$way
		tcp "$octets"
		counted
		way=$(minus "$way" "$before")
		large=0
		[ "${way% *}" -le 0 ] || large=$((octets / ${way% *}))
		if [ "${way#* }" = 0 ] && [ $large -gt 10000 ]; then
			printf '%s\t%d\t%s\n' $n $round "$ns" >> "$FTQOS_OUT/raw"
		else
			note "$n: ${way#* } packets on the slow path, each $large octets"
		fi
	done
done
check "TCP: its packets were large, and offloaded, in most rounds" \
	test $(($(grep -c -- -tcp "$FTQOS_OUT/raw") * 4)) -gt $((rounds * 6))
to off
finish
