#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The guest's part of "make demo" (selftests/qemu/demo is the other): a client
# behind a router with a flowtable and masquerading sends UDP and TCP of six
# classes to a server in VLAN 7, first without a binding, then with one.
#
#      client  192.0.2.2 --- lan0  router  wan0 --- VLAN 7 --- server
#              iperf3 -c           flow add @ft                iperf3 -s
#                                  prio bands 8 on wan0        capture
#
# What happened to the packets is read from the capture on the server's wire
# (PCP), the router's forward chain (packets on the slow path), conntrack
# ([OFFLOAD]) and tc (packets of each band), never from ftqos.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh" > /dev/null
need_tools ip nft tc conntrack iperf3 python3 jq ethtool

# Class, DSCP, and the PCP and priority that the map "default" gives it
classes="df:0:0 le:1:1 af21:18:2 af41:34:4 ef:46:5 cs6:48:6"
# Packets of a class, the better part of which iperf3's own connections never send
enough=200
udp_port=5201
tcp_port=5202
dir=$(mktemp -d)
defer rm -rf "$dir"

step()
{
	printf '[%3d s] %s\n' "$(($(now_ms) / 1000))" "$*"
}

# show COMMAND...: as on a terminal of the router
show()
{
	printf '\nrouter# %s\n' "$*"
	in_ns "$router" "$@" || bail "$* ended with $?"
}

# bands: what each band of the qdisc has sent so far
bands()
{
	in_ns "$router" tc -s class show dev wan0 | awk '
		$1 == "class" { sub(/.*:/, "", $3); band = $3 - 1 }
		$1 == "Sent" { print band, $4 }'
}

# watch PORT: wait until conntrack has said of both flows from PORT that they
# are offloaded. The UDP flow stays so for a while, the TCP flow until its FIN.
watch()
{
	# shellcheck disable=SC2016 # for the inner shell
	in_ns "$router" bash -c '
		until [ -n "$tcp" ] && [ -n "$udp" ]; do
			[ $SECONDS -lt 60 ] || exit 1
			while read -r proto _; do
				eval "$proto=1"
			done < <(conntrack -L 2> /dev/null |
				grep "sport=$0 .*\[OFFLOAD\]")
			sleep 0.1
		done' "$1"
}

# iperf SERVER_PORT SOURCE_PORT DSCP ARGUMENTS...: send until it is ended
iperf()
{
	exec ip netns exec "$client" iperf3 -c "$wan4.2" -p "$1" \
		--cport "$2" -S $(($3 << 2)) -t 120 -b 400k -l 1000 "${@:4}" \
		> "$dir/iperf.$1" 2>&1
}

# sent PACKETS: the qdisc has sent that many
sent()
{
	[ "$(bands | awk '{ n += $2 } END { print n }')" -ge "$1" ]
}

# send NAME PORT: all classes, one after another, so that what the bands gain
# belongs to one class; source ports are PORT + DSCP
send()
{
	local c dscp name new old port state tcp udp

	pkt_bg sniff "$server" capture srv0 --direction in --out "$dir/cap"
	old=$(bands)
	for c in $classes; do
		IFS=: read -r name dscp _ <<< "$c"
		port=$(($2 + dscp))
		iperf $udp_port $port "$dscp" -u &
		udp=$!
		iperf $tcp_port $port "$dscp" -N &
		tcp=$!
		state=0
		if watch $port; then
			state=1
			busywait 60 sent $((enough + $(awk '{ n += $2 }
				END { print n }' <<< "$old"))) ||
				bail "iperf3: $(cat "$dir"/iperf.*)"
		fi
		kill $udp $tcp
		wait $udp $tcp
		new=$(bands)
		echo "flow $dscp $state"
		paste -d' ' - <(echo "$new") <<< "$old" |
			awk -v c="$dscp" '{ print "band", c, $1, $4 - $2 }'
		old=$new
		step "$1: $name, DSCP $dscp, by UDP and TCP" >&2
	done > "$dir/$1"
	pkt_stop "$sniff"
	in_ns "$router" nft -n list set inet demo slow |
		grep -oE '[0-9]+ \. 0x[0-9a-f]+ counter packets [0-9]+' |
		while read -r port _ dscp _ _ n; do
			[ $((port - dscp)) != "$2" ] ||
				echo "slow $((dscp)) $n"
		done >> "$dir/$1"
	# The data, not iperf3's control connections
	jq -r --argjson udp $udp_port --argjson tcp $tcp_port --argjson p "$2" '
		select(.vid == 7 and
		       (.proto == "udp" and .dport == $udp or
			.proto == "tcp" and .dport == $tcp) and
		       .sport >= $p and .sport < $p + 64 and
		       .dscp == .sport - $p) |
		"wire \(.dscp) \(.pcp)"' "$dir/cap" >> "$dir/$1"
}

# summary NAME: a line a class: DSCP, packets on the slow path, offloaded ones,
# their PCP, their band, 1 if both flows were offloaded. Of what a band gained,
# all but the offloaded packets (other) may be somebody else's; the offloaded
# ones went where more came than that. "?" where they were not all alike.
summary()
{
	awk -v classes="$classes" '
	$1 == "flow" { flow[$2] = $3 }
	$1 == "slow" { slow[$2] += $3 }
	$1 == "wire" { wire[$2]++; pcp[$2, $3]++ }
	$1 == "band" { sent[$2] += $4; band[$2, $3] = $4 }
	END {
		n = split(classes, list, " ")
		for (i = 1; i <= n; i++) {
			split(list[i], c, ":")
			d = c[2]
			off = wire[d] - slow[d]
			other = sent[d] - off
			p = b = "?"
			for (k = 0; k < 8; k++) {
				# The slow path leaves PCP 0
				if (pcp[d, k] == off + (k ? 0 : slow[d]))
					p = k
				if (band[d, k] >= off && off > other)
					b = k
			}
			print d, slow[d] + 0, off + 0, p, b, (flow[d] && off > slow[d])
		}
	}' "$dir/$1" > "$dir/$1.sum"
}

# table: both summaries and the map, side by side
table()
{
	cat <<- END

		                      before                      after
		               packets                     packets                  map
		class  DSCP    slow offloaded PCP band     slow offloaded PCP band   PCP prio
	END
	paste -d' ' "$dir/before.sum" "$dir/after.sum" | {
		for c in $classes; do
			IFS=: read -r name _ want <<< "$c"
			read -r d s1 o1 p1 b1 _ _ s2 o2 p2 b2 _
			printf '%-6s %4s    %4s %9s %3s %4s     %4s %9s %3s %4s   %3s %4s\n' \
				"$name" "$d" "$s1" "$o1" "$p1" "$b1" \
				"$s2" "$o2" "$p2" "$b2" "$want" "$want"
		done
	}
	cat <<- END

		slow: packets that the router's forward chain counted. offloaded: the other
		packets of the class on the server's wire. PCP: their VLAN priority there.
		band: where they went in "prio bands 8" on wan0, by tc -s.

	END
}

# column NAME N: of all classes
column()
{
	cut -d' ' -f"$2" "$dir/$1.sum" | paste -s -d' '
}

step "Debian's Linux $(uname -r) is up; client, router, server: three namespaces"
topo_router --vlan7
in_ns "$router" nft -f - << END || bail "nft refuses the ruleset"
table inet demo {
	set slow {
		typeof meta l4proto . th sport . ip dscp
		flags dynamic
		counter
		size 1024
	}
	flowtable ft {
		hook ingress priority filter
		devices = { lan0, wan0 }
	}
	chain forward {
		type filter hook forward priority filter
		# Without iperf3's control connections, which nobody marks
		meta l4proto { tcp, udp } ct original proto-src < 32768 flow add @ft
		iifname lan0 update @slow { meta l4proto . th sport . ip dscp }
	}
	chain post {
		type nat hook postrouting priority srcnat
		oifname "$wan" masquerade
	}
}
END
in_ns "$router" tc qdisc add dev wan0 root handle 1: prio bands 8 \
	priomap 0 1 2 3 4 5 6 7 0 0 0 0 0 0 0 0 || bail "no prio qdisc"
for p in $udp_port $tcp_port; do
	in_ns "$server" iperf3 -s -p "$p" -D > /dev/null
done
listening()
{
	[ "$(in_ns "$server" ss -Hltn | grep -cE ":($udp_port|$tcp_port) ")" = 2 ]
}
busywait 10 listening || bail "iperf3 does not listen"
step "router: flowtable on lan0 and wan0, masquerade, prio bands 8 on wan0, VLAN 7"

send before 10000
summary before
load_module
in_ns "$router" ftqos dev set "$wan" || bail "ftqos dev set: $?"
step "router: modprobe nf_flow_qos; ftqos dev set $wan"
send after 20000
summary after

table
# shellcheck disable=SC2086 # a list
want=$(printf '%s\n' $classes | cut -d: -f3 | paste -s -d' ')
check_eq "before: every flow was offloaded" "${want//[0-9]/1}" "$(column before 6)"
check_eq "before: PCP 0 in every class, the defect" "${want//[0-9]/0}" \
	"$(column before 4)"
check_eq "before: band 0 in every class, the defect" "${want//[0-9]/0}" \
	"$(column before 5)"
check_eq "after: every flow was offloaded" "${want//[0-9]/1}" "$(column after 6)"
check_eq "after: the PCP is the map's in every class" "$want" "$(column after 4)"
check_eq "after: the band is the map's in every class" "$want" "$(column after 5)"
show ftqos map show default
show ftqos flow show
show ftqos status
echo
finish
