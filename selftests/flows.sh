#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `ftqos flow show` says what was on the wire: for each flow and direction, as
# many packets and IP bytes as a capture saw in front of the router, with the
# addresses and ports that they came with, before NAT.
#
# Devices are bound only when all flows are offloaded, so that every packet from
# then on is an offloaded one; the counter `slow` proves it.
#
# With GSO the capture sees big packets and cannot tell how many the module
# should count. So segments are made on the way out of the router, and the
# capture behind it sees each of them.
#
# Then filters, flush, limit, timeout, statistics, and a device that goes.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft conntrack ethtool python3 jq ftqos

cap=$(mktemp)
out=$(mktemp)
defer rm -f "$cap" "$out" "$cap.wire" "$out.show"
topo_router --vlan7 --keep-offloads
# A second way from the client, for a device that can go
ip -batch - <<- END || bail "cannot make cl1"
	link add cl1 netns $client type veth peer name lan1 netns $router
END
ip -batch - -n "$client" <<- END || bail "cannot set up cl1"
	addr add 203.0.113.2/24 dev cl1
	link set cl1 up
	route add 198.51.100.3/32 via 203.0.113.1
END
ip -batch - -n "$router" <<- END || bail "cannot set up lan1"
	addr add 203.0.113.1/24 dev lan1
	link set lan1 up
END
ip -n "$server" addr add 198.51.100.3/24 dev srv0.7
topo_nft --masquerade --devices "lan0, lan1, wan0"
quiet_neighbours
keep_flows
load_module
# Every segment for itself behind the router
in_ns "$router" bash -c 'for dev in lan0 wan0 wan0.7; do
	ethtool -K $dev tso off gso off tx-udp-segmentation off
done' > /dev/null

talk_serve "$server"
talk_start "$client"
talk_or_bail "open ef.udp udp 198.51.100.2 5000 0xb8 4001 0x2c" \
	"open af.udp udp 198.51.100.2 5000 0x88 4002 0x20" \
	"open le.udp udp 2001:db8:2::2 5000 0x04 4003 0xb8" \
	"open ef.tcp tcp 198.51.100.2 5000 0xb8 4004 0x88" \
	"open af.tcp tcp 2001:db8:2::2 5000 0x88 4005 0x88" \
	"open df.lan1 udp 198.51.100.3 5000 0x00 4006 0x00" "ping 3 64 *"
have_offload()
{
	[ "$({ offloaded '' 5000; offloaded '' 5000 ipv6; } | wc -l)" = 6 ]
}
check "six flows are offloaded" busywait 10 have_offload

pkt_bg in_pid "$router" capture any --out "$cap" --direction in
pkt_bg out_pid "$server" capture srv0 --out "$out" --direction in
slow=$(slow_packets)
bound_at=$(now_ms)
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	dev set wan0.7
	dev set lan0
END
hooked()
{
	ftqos -n "$router" -j status |
		jq -e '[.flowtables[].state] | length == 3 and all(. == "hooked")'
}
busywait 10 hooked > /dev/null || bail "hooks are not in place"

# show [FILTER...], stats
show()
{
	ftqos -n "$router" -j flow show "$@"
}
stats()
{
	ftqos -n "$router" -j stats show
}

# Frames with padding: IP bytes are less than what came. What pkt.py sends asks
# for answers of DSCP 11, like that flow.
mac=$(mac_of "$router" lan0)
talk_or_bail "ping 2 100 ef.udp" "ping 3 333 af.udp" "ping 4 50 le.udp" \
	"ping 5 77 *.tcp" "ping 6 64 df.lan1"
pkt "$client" raw --dev cl0 --dst-mac "$mac" --src 192.0.2.2 \
	--dst 198.51.100.2 --sport 4001 --dport 5000 --tos 0xb8 --size 12 \
	--count 7 --pad 60
# Idle times are told in jiffies
sent_at=$(now_ms)
jiffies_pass()
{
	[ "$(now_ms)" -ge $((sent_at + 20)) ]
}
busywait 5 jiffies_pass
talk_or_bail "ping 1 64 le.udp"
phase "$in_pid" "$cap"
phase "$out_pid" "$out"

# wire FILE PHASE [DEV]: what a capture saw of each flow, in the form of as_text
wire()
{
	with_phase "$1" | jq -r --argjson phase "$2" '
		select(.phase == $phase and .dport and
			(.sport == 5000 or .dport == 5000) and
			(.dev // "wan0" | . != "wan0.7")) |
		[.dev, .vid // "", .family, .proto, .src, .sport, .dst, .dport,
		 .dscp, .len] | @tsv' | awk -F '\t' '
		{
			key = $1 " " $2 " " $3 " " $4 " " $5 " " $6 " " $7 \
				" " $8 " " $9
			packets[key]++
			bytes[key] += $10
		}
		END {
			for (key in packets)
				print key, packets[key], bytes[key]
		}' | sort
}
as_text='.[] | [.iif, (.vlan // [] | join(",")), .family, .proto, .src,
	.sport, .dst, .dport, .dscp, .packets, .bytes] | join(" ")'

show > "$out.show"
shown_at=$(now_ms)
wire "$cap" 0 > "$cap.wire"
check_eq "as many packets and bytes as were captured, with the tuples as they came" \
	"$(< "$cap.wire")" "$(jq -r "$as_text" "$out.show" | sort)"
check_eq "twelve of them, two a flow" 12 "$(jq length "$out.show")"
check_eq "nothing of that was slow" "$slow" "$(slow_packets)"
check_eq "NAT: answers have the router's address" 1 \
	"$(jq '[.[] | select(.iif == "wan0" and .sport == 5000 and
		.dport == 4001 and .dst == "198.51.100.1" and .vlan == [7] and
		.oif == "lan0")] | length' "$out.show")"
check_eq "class, DSCP, priority and PCP" \
	"wan0.7 46 46 5 5;lan0 46 46 5 null;wan0.7 1 1 1 1;null 0 0 null null" \
	"$(jq -r '[(.[] | select(.sport == 4001)), (.[] | select(.dport == 4003
		and .iif == "wan0")), (.[] | select(.sport == 4003)), (.[] |
		select(.dport == 4006)) | "\(.oif) \(.class) \(.dscp) \(.prio
		) \(.pcp)"] | join(";")' "$out.show")"
check "age and idle are plausible" jq -e --argjson max $((shown_at - bound_at)) \
	'all(.idle_ms >= 0 and .idle_ms <= .age_ms and .age_ms <= $max + 50)' \
	"$out.show"
check "age is that of the first packet, idle of the last" jq -e '
	(.[] | select(.sport == 4001)) as $old |
	(.[] | select(.sport == 4003)) as $used |
	$old.idle_ms > $used.idle_ms and $old.age_ms >= $used.age_ms' "$out.show"
stats > "$cap.stats"
defer rm -f "$cap.stats"
check_eq "statistics are the sums" \
	"$(jq -c '[map(.packets), map(.bytes) | add]' "$out.show")" \
	"$(jq -c '[.offloaded_packets, .offloaded_bytes]' "$cap.stats")"
check_eq "statistics of classes are the sums" \
	"$(jq -c 'group_by(.class) | map([.[0].class, (map(.packets) | add),
		(map(.bytes) | add)])' "$out.show")" \
	"$(jq -c '.classes | map([.class, .packets, .bytes])' "$cap.stats")"
check_eq "statistics: what was set" \
	"$(jq -c '[map(select(.prio)), map(select(.pcp)) |
		map(.packets) | add]' "$out.show")" \
	"$(jq -c '[.prio_set, .pcp_set]' "$cap.stats")"
check_eq "statistics: flows" 12 "$(jq .flows "$cap.stats")"

# Filters, against the same choice made here
filters=("dev lan0:.iif == \"lan0\" or .oif == \"lan0\"" "dev lan1:.iif == \"lan1\""
	"iif wan0:.iif == \"wan0\"" "oif lan0:.oif == \"lan0\""
	"oif wan0.7:.oif == \"wan0.7\"" "proto tcp:.proto == \"tcp\""
	"proto udp:.proto == \"udp\"" "src 192.0.2.0/24:.src == \"192.0.2.2\""
	"src 198.51.100.2:.src == \"198.51.100.2\""
	"dst 198.51.100.2/31:.dst | test(\"^198.51.100.[23]$\")"
	"dst 2001:db8:2::/48:.dst | test(\"^2001:db8:2::\")"
	"src ::/0:.family == \"ipv6\"" "sport 4001:.sport == 4001"
	"dport 4005:.dport == 4005" "dscp ef:.dscp == 46" "dscp 1:.dscp == 1"
	"dscp cs7:false"
	"iif lan0 proto udp sport 4002 dscp af41:.sport == 4002")
printf 'flow show %s\n' "${filters[@]%%:[.f]*}" |
	ftqos -n "$router" -j -b - |
	jq -c 'map("\(.iif) \(.sport) \(.dport)") | sort' > "$cap.filters"
defer rm -f "$cap.filters"
mapfile -t got < "$cap.filters"
program=
for f in "${filters[@]}"; do
	filter=${f%%:[.f]*}
	program+="${program:+,} (map(select(${f#"$filter":}) |
		\"\\(.iif) \\(.sport) \\(.dport)\") | sort)"
done
mapfile -t want < <(jq -c "$program" "$out.show")
for i in "${!filters[@]}"; do
	check_eq "flow show ${filters[i]%%:[.f]*}" "${want[i]}" "${got[i]-}"
done

# GSO, both ways; counted behind the router
ftqos -n "$router" flow flush || bail "cannot flush"
check_eq "flush: the counters are gone" 0 "$(show | jq length)"
talk_or_bail "bulk 50000 *.tcp" "gso 5 700 ef.udp" "gso 3 500 le.udp"
phase "$in_pid" "$cap"
phase "$out_pid" "$out"
show iif lan0 > "$out.show"
check_eq "GSO: as many packets and bytes as there were segments" \
	"$(wire "$out" 1 | awk '{ print $5, $7, $8, $9, $10 }' | sort)" \
	"$(jq -r '.[] | [.sport, .dport, .dscp, .packets, .bytes] |
		join(" ")' "$out.show" | sort)"
check "GSO: packets came in one piece" grep -q . <(with_phase "$cap" |
	jq -c 'select(.phase == 1 and .dev == "lan0" and .len > 4000)')
check_eq "GSO: all were segmented" 0 \
	"$(jq -c 'select(.frame > 1518)' "$out" | wc -l)"
check_eq "flush: flows stay offloaded" "$slow" "$(slow_packets)"

# A CPU remembers the flow of its last packet: with no answers in between, the same one
# comes again and again, another differs in a port only, and all are forgotten meanwhile
in_ns "$server" nft -f - <<- END || bail "the server cannot be made mute"
	table inet mute {
		chain in {
			type filter hook input priority 0
			udp dport 5000 drop
		}
	}
END
alone()
{
	pkt "$client" raw --dev cl0 --dst-mac "$mac" --src 192.0.2.2 \
		--dst 198.51.100.2 --sport "$1" --dport 5000 --tos 0xb8 \
		--size 12 --count "$2" --pad 60
}
counted()
{
	[ "$(show iif lan0 | jq -c 'map([.sport, .packets]) | sort')" = "$1" ]
}
ftqos -n "$router" flow flush || bail "cannot flush"
alone 4001 3
alone 4002 2
check "flows that differ in a port are told from each other" \
	busywait 5 counted "[[4001,3],[4002,2]]"
ftqos -n "$router" flow flush || bail "cannot flush"
alone 4002 4
alone 4001 1
check "a flow that was forgotten begins anew with its next packet" \
	busywait 5 counted "[[4001,1],[4002,4]]"
in_ns "$server" nft delete table inet mute

# Another limit, then one that is too low, then none
old=$(show | jq -c 'map([.iif, .sport, .dport, .packets, .bytes]) | sort')
ftqos -n "$router" config set flow-limit 4096 || bail "cannot set the limit"
check_eq "another limit: flows keep their counters" "$old" \
	"$(show | jq -c 'map([.iif, .sport, .dport, .packets, .bytes]) | sort')"
ftqos -n "$router" -b - <<- END || bail "cannot set the limit"
	flow flush
	config set flow-limit 3
	stats reset
END
check_eq "statistics are reset" "0 0 0 0 0 0" "$(stats | jq -r '[
	.offloaded_packets, .offloaded_bytes, .prio_set, .pcp_set, .flows,
	(.classes | length)] | join(" ")')"
talk_or_bail "ping 2 64 *.udp"
phase "$out_pid" "$out"
show > "$out.show"
stats > "$cap.stats"
check_eq "table is full: as many flows as the limit" 3 "$(jq length "$out.show")"
check_eq "table is full: what is not accounted is counted" \
	"$(($(jq .offloaded_packets "$cap.stats") -
		$(jq 'map(.packets) | add' "$out.show")))" \
	"$(jq .flows_dropped "$cap.stats")"
check "table is full: that is most of it" jq -e '.flows_dropped >= 6' \
	"$cap.stats"
check_eq "table is full: packets still have the PCP of their class" "1 4 5" \
	"$(with_phase "$out" | jq 'select(.phase == 2 and .dport == 5000 and
		.sport != 4006) | .pcp' | sort -u | xargs)"
ftqos -n "$router" config set flow-limit 0 || bail "cannot set the limit"
dropped=$(jq .flows_dropped "$cap.stats")
talk_or_bail "ping 1 64 *.udp"
check_eq "limit 0: no flows, and none missed" "0 $dropped" \
	"$(show | jq length) $(stats | jq .flows_dropped)"

ftqos -n "$router" config set flow-limit 100 flow-timeout 1 ||
	bail "cannot set limit and timeout"
talk_or_bail "ping 1 64 *.udp"
check "there are flows again" test "$(stats | jq .flows)" -gt 0
empty()
{
	[ "$(show | jq length), $(stats | jq .flows)" = "0, 0" ]
}
check "flows end after the timeout" busywait 10 empty
ftqos -n "$router" config set flow-timeout 60 || bail "cannot set the timeout"
talk_or_bail "ping 1 64 ef.udp"
check_eq "and come again" 2 "$(show | jq length)"

# A device that goes takes its flows along, at once
talk_or_bail "ping 1 64 *.udp" "ping 1 64 df.lan1"
kept=$(show | jq -c 'map(select(.iif != "lan1")) | map([.iif, .sport, .dport,
	.packets]) | sort')
check_eq "lan1 has a flow" 1 "$(show iif lan1 | jq length)"
ip -n "$router" link del lan1
check_eq "a device is removed: its flows are gone, others not" "$kept" \
	"$(show | jq -c 'map([.iif // "gone", .sport, .dport, .packets]) | sort')"

finish
