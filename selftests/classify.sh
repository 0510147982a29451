#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Offloaded packets leave with the priority and the PCP that the map has for
# their DSCP.
#
# Flows of ten classes, over IPv4 and IPv6, UDP and TCP, masqueraded, all taken
# over by a flowtable: the counter `slow` of the forward chain stands still from
# then on. Their packets are captured on the server's wire, where the PCP is in
# the frame, and on the client's. The priority is seen by a prio qdisc with a
# band for each of 0..7 on either side of the router: what a band counted has to
# be what the capture saw of the classes that belong there, a different number
# of packets for each. Before a device is bound, all of them have PCP 0 and go
# to band 0; so it is the module that is tested.
#
# Then, packet by packet of flows that are offloaded: a map that changes, values
# that are kept, an HTB class as the priority, and which of several bindings
# decides.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft tc conntrack ethtool python3 jq ftqos

# DSCP, what the built-in map has for it, the number of packets to send
classes=("0 0 2" "1 1 3" "8 1 4" "18 2 5" "26 3 6" "34 4 7" "46 5 8" "48 6 9"
	"56 7 10" "13 0 11")
up=$(mktemp)
down=$(mktemp)
defer rm -f "$up" "$down"
topo_router --vlan7
topo_nft --masquerade
quiet_neighbours
keep_flows
load_module
prio_bands lan0 wan0

# For "pcp keep" below. A change of the device would end the flows.
ip -n "$router" link set wan0.7 type vlan egress-qos-map 2:1 ||
	bail "no egress-qos-map"

# The flows. UDP ones are ECT(1) or ECT(0), the answers have the same DSCP.
open=() each=()
port=4000
for c in "${classes[@]}"; do
	read -r dscp _ n <<< "$c"
	for address in 198.51.100.2 2001:db8:2::2; do
		for proto in udp tcp; do
			port=$((port + 1))
			tos=$((dscp << 2))
			[ $proto = tcp ] || tos=$((tos | 1 + port / 2 % 2))
			open+=("open $dscp.$proto.$port $proto $address 5000 $tos
				$port $tos")
		done
	done
	each+=("ping $n 100 $dscp.*")
done
talk_serve "$server"
talk_start "$client"
talk_or_bail "${open[@]//[$'\n\t']/ }" "ping 3 64 *"
have_offload()
{
	[ "$(offloaded '' 5000 "$1" | wc -l)" = 20 ]
}
check "20 IPv4 flows are offloaded" busywait 10 have_offload ipv4
check "20 IPv6 flows are offloaded" busywait 10 have_offload ipv6

pkt_bg up_pid "$server" capture srv0 --out "$up" --direction in
pkt_bg down_pid "$client" capture cl0 --out "$down" --direction in
slow=$(slow_packets)

# round COMMAND...: talk; what the bands counted meanwhile is the next line of
# $wan_bands and $lan_bands, what was captured the next phase
wan_bands=() lan_bands=()
round()
{
	talk_or_bail "$@"
	{
		read -r wan_now
		read -r lan_now
	} < <(bands wan0 lan0)
	wan_bands+=("$(minus "$wan_now" "$wan_last")")
	lan_bands+=("$(minus "$lan_now" "$lan_last")")
	wan_last=$wan_now lan_last=$lan_now
	phase "$up_pid" "$up"
}
{
	read -r wan_last
	read -r lan_last
} < <(bands wan0 lan0)

round "ping 1 100 *"
phase "$down_pid" "$down"
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	dev set wan0.7
	dev set lan0
END
round "${each[@]}"
phase "$down_pid" "$down"
check_eq "none of these packets came to the forward chain" "$slow" \
	"$(slow_packets)"

# The packets of the captures: phase, DSCP, and what else is wanted. Those that
# are not of the flows (multicast listeners' reports) have no DSCP.
ours='[.phase, if .sport == 5000 or .dport == 5000 then .dscp else "-" end,
	.pcp // "-", .vid // "-", .dei // "-", .ecn, .family, .proto,
	if .seq then 1 else 0 end, .sport] | @tsv'
with_phase "$up" | jq -r "$ours" > "$up.tsv"
with_phase "$down" | jq -r "$ours" > "$down.tsv"
defer rm -f "$up.tsv" "$down.tsv"

# check_bands NAME COUNTED FILE PHASE: the bands counted what was captured; in
# phase 0 all are of band 0. Packets of others may be in any band, no more than
# were captured; also before, as a capture's phase ends after the bands are read.
check_bands()
{
	local out

	out=$(printf '%s\n' "${classes[@]}" | awk -v phase="$4" -v counted="$2" '
		NR == FNR { band[$1] = phase ? $2 : 0; next }
		$2 == "-" && ($1 == phase || $1 == phase - 1) { others++ }
		$1 != phase || $2 == "-" { next }
		{ n[band[$2]]++ }
		END {
			bad = split(counted, got, " ") != 8
			for (i = 0; i < 8; i++) {
				printf "%d ", n[i]
				bad += n[i] > got[i + 1]
				others -= got[i + 1] - n[i]
			}
			exit bad || others < 0
		}' - "$3.tsv") || {
		fail "$1" "captured: $out"$'\n'"counted:  $2"
		return
	}
	pass "$1"
}

# wrong_tags PHASE: packets that have not VLAN 7 and the PCP of their class
wrong_tags()
{
	printf '%s\n' "${classes[@]}" | awk -v phase="$1" '
		NR == FNR { pcp[$1] = phase ? $2 : 0; next }
		$1 == phase && $2 != "-" && ($3 != pcp[$2] || $4 != 7 || $5 != 0)' - "$up.tsv"
}

# missing FILE PHASE: kinds of packets that did not come as often as they were
# sent (TCP may send one twice)
missing()
{
	printf '%s\n' "${classes[@]}" | awk -v phase="$2" '
		NR == FNR { wanted[$1] = $3; next }
		$1 == phase && $9 { n[$7 " " $8 " " $2]++ }
		END {
			split("ipv4 udp:ipv4 tcp:ipv6 udp:ipv6 tcp", kinds, ":")
			for (k in kinds)
				for (d in wanted)
					if (n[kinds[k] " " d] < wanted[d])
						print kinds[k], "dscp", d
		}' - "$1.tsv"
}

check_eq "unbound: offloaded packets have PCP 0" "" "$(wrong_tags 0)"
check_bands "unbound: offloaded packets go to band 0 of wan0" \
	"${wan_bands[0]}" "$up" 0
check_bands "unbound: offloaded packets go to band 0 of lan0" \
	"${lan_bands[0]}" "$down" 0
check_eq "bound: every class of IPv4, IPv6, UDP, TCP reaches the server" "" \
	"$(missing "$up" 1)"
check_eq "bound: every packet has the PCP of its class" "" "$(wrong_tags 1)"
check_bands "bound: the bands of wan0 count what was captured of each class" \
	"${wan_bands[1]}" "$up" 1
check_eq "bound: every class of the answers reaches the client" "" \
	"$(missing "$down" 1)"
check_bands "bound: the bands of lan0 count what was captured of each class" \
	"${lan_bands[1]}" "$down" 1
check_eq "bound: untagged packets stay untagged" "" \
	"$(awk '$2 != "-" && $4 != "-"' "$down.tsv")"
# The payload was compared by talk.py, DSCPs by the counts above
check_eq "bound: ECN is as it was sent" "" "$(awk '$1 == 1 && $8 == "udp" &&
	$6 != 1 + int($10 / 2) % 2' "$up.tsv")"


# A packet of every EF flow after each change. Looked at in the end: PCP and
# band that all of them should have had.
steps=() wanted=()

# step WHAT PCP BAND [COMMANDS]
step()
{
	[ -z "${4-}" ] || ftqos -n "$router" -b - <<< "$4" || bail "refused: $4"
	steps+=("$1")
	wanted+=("PCP $2, band $3")
	round "ping 1 100 46.*"
}

step "before the map changes" 5 5
step "the map changes" 3 6 "map set default ef prio 6 pcp 3"
# What is kept: a priority that a chain gave on ingress, a PCP that the VLAN
# device gave by the priority (since 6.19 nobody asks it)
in_ns "$router" nft -f - <<- END || bail "nft refuses the chain"
	table netdev early {
		chain lan0 {
			type filter hook ingress device lan0 priority -10
			meta priority set 0:4
		}
	}
END
step "prio keep" 7 4 "map set default ef prio keep pcp 7"
step "pcp keep" $((release <= 6018)) 2 "map set default ef prio 2 pcp keep"
in_ns "$router" nft delete table netdev early
# The most upper binding decides, a device's own before any's
step "bound are the VLAN device, wan0 and any" 3 3 "
	map add any preset constant 1
	map add lower preset constant 2
	map add upper preset constant 3
	dev set any map any
	dev set wan0 map lower
	dev set wan0.7 map upper"
step "bound are wan0 and any" 2 2 "dev del wan0.7"
step "bound is any" 1 1 "dev del wan0"
step "bound are the VLAN device and any" 3 3 "dev set wan0.7 map upper"
step "bound are the VLAN device and wan0" 3 3 "
	dev set wan0 map lower
	dev del any"
step "bound is wan0" 2 2 "dev del wan0.7"
check_eq "none of these packets came to the forward chain either" "$slow" \
	"$(slow_packets)"

# Up to 6.18 a flowtable can sit on the VLAN device instead
if ((release <= 6018)); then
	in_ns "$router" nft delete table inet ftq
	topo_nft --masquerade --devices "lan0, wan0.7"
	# Flows of its own; the others' were torn down with the first flowtable
	talk_or_bail "close *" \
		"open 46.a udp 198.51.100.2 5000 0xb8 4900 0x88" \
		"open 46.b udp 2001:db8:2::2 5000 0xb8 4901 0x88"
	round "ping 3 64 *"
	steps+=("")
	wanted+=("")
	check "flowtable on the VLAN device: IPv4 flow is offloaded" \
		busywait 10 offloaded udp 4900
	ftqos -n "$router" -b - <<- END || bail "cannot bind"
		map set default all prio 6 pcp 4
		dev del wan0
		dev set wan0.7
		dev set lan0
	END
	hooked()
	{
		ftqos -n "$router" -j status |
			jq -e '[.flowtables[].state] == ["hooked", "hooked"]'
	}
	check "flowtable on the VLAN device: hooks are in place" \
		busywait 10 hooked
	slow=$(slow_packets)
	step "flowtable on the VLAN device" 4 6
	check_eq "flowtable on the VLAN device: answers go to band 6" \
		"0 0 0 0 0 0 2 0" "${lan_bands[-1]}"
	check_eq "flowtable on the VLAN device: nothing is slow" "$slow" \
		"$(slow_packets)"
fi

# For each phase, how many packets of others came in it and the one before (see
# check_bands), and the PCPs that ours had
mapfile -t pcps < <(with_phase "$up" | jq -r "$ours" | awk '
	{ last = $1 }
	$2 == "-" { others[$1]++; next }
	!seen[$1, $3]++ { pcp[$1] = pcp[$1] "," $3 }
	END {
		for (i = 0; i <= last; i++)
			print others[i] + others[i - 1], substr(pcp[i], 2)
	}')
for i in "${!steps[@]}"; do
	[ -n "${steps[i]}" ] || continue
	n=$((i + 2)) band=()
	read -r others pcp <<< "${pcps[n]}"
	read -r -a count <<< "${wan_bands[n]}"
	# The kernel's own, like multicast listeners' reports, are in any band, no
	# more of them than were captured
	for b in "${!count[@]}"; do
		[ "${count[b]}" != 0 ] || continue
		if [ "$b" != "${wanted[i]##* }" ] &&
		   ((count[b] <= others)); then
			((others -= count[b]))
		else
			band+=("$b")
		fi
	done
	check_eq "${steps[i]}: ${wanted[i]}" "${wanted[i]}" \
		"PCP $pcp, band ${band[*]}" || note "bands: ${wan_bands[n]}"
done

# An HTB class by its handle. In hexadecimal, as tc has it.
tc -n "$router" -batch - <<- END || bail "no htb qdisc"
	qdisc replace dev wan0 root handle 2: htb default 10
	class add dev wan0 parent 2: classid 2:10 htb rate 1gbit quantum 1514
	class add dev wan0 parent 2: classid 2:2a htb rate 1gbit quantum 1514
END
ftqos -n "$router" -b - <<- END || bail "cannot set MAJ:MIN"
	dev set wan0.7 map default
	map set default ef prio 2:2a
END
htb()
{
	tc -n "$router" -s class show dev wan0 | awk '
		$1 == "class" { handle = $3 }
		$1 == "Sent" { n[handle] = $4 }
		END { print n["2:10"], n["2:2a"] }'
}
# Flows of its own, whichever there are of the above
talk_or_bail "open 8.htb udp 198.51.100.2 5000 0x20 4902" \
	"open 46.htb4 udp 198.51.100.2 5000 0xb8 4903 0x88" \
	"open 46.htb6 udp 2001:db8:2::2 5000 0xb8 4904 0x88" "ping 3 64 *.htb*"
slow=$(slow_packets)
before=$(htb)
talk_or_bail "ping 3 64 8.htb" "ping 5 100 46.htb*"
check_eq "prio MAJ:MIN reaches that class of an HTB" "3 10, 0 slow" \
	"$(minus "$(htb)" "$before"), $(($(slow_packets) - slow)) slow"
finish
