#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `ftqos -s flow show`: what conntrack has of a flow, its mark and the addresses and
# ports after NAT, each direction by its own tuple.
#
# That is compared with `conntrack -L`, entry by entry, and with what a capture
# behind the router saw. Masquerading with and without another port, DNAT, IPv6
# without NAT, UDP and TCP. Then a tuple that is in two zones, and a kernel that
# does not tell of conntrack.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft conntrack ethtool python3 jq ftqos

out=$(mktemp)
shown=$(mktemp)
err=$(mktemp)
defer rm -f "$out" "$shown" "$err"
topo_router --vlan7
topo_nft --masquerade
in_ns "$router" nft -f - <<- END || bail "nft refuses NAT and marks"
	insert rule inet ftq post meta nfproto ipv6 accept
	table inet more {
		chain pre {
			type nat hook prerouting priority dstnat
			ip daddr $lan4.1 udp dport 6000 dnat ip to $wan4.2:5000
		}
		chain post {
			type nat hook postrouting priority srcnat - 1
			meta nfproto ipv4 udp sport 4002 masquerade to :20000-20009
		}
		chain marks {
			type filter hook forward priority mangle
			udp sport 4001 ct mark set 0xb8
			udp sport 4003 ct mark set 0x80000001
			udp sport 4004 ct mark set 0xffffffff
		}
	}
END
quiet_neighbours
keep_flows
load_module
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	dev set wan0.7
	dev set lan0
END
hooks_placed

talk_serve "$server"
talk_start "$client"
pkt_bg out_pid "$server" capture srv0 --out "$out" --direction in
talk_or_bail "open masq.udp udp $wan4.2 5000 0xb8 4001" \
	"open port.udp udp $wan4.2 5000 0x88 4002" \
	"open dnat.udp udp $lan4.1 6000 0x88 4003" \
	"open v6.udp udp $wan6:2 5000 0xb8 4004" \
	"open masq.tcp tcp $wan4.2 5000 0xb8 4005" "ping 4 64 *"
have_offload()
{
	[ "$({ offloaded '' '(5000|6000)'; offloaded '' 5000 ipv6; } | wc -l)" = 5 ]
}
check "five flows are offloaded" busywait 10 have_offload
phase "$out_pid" "$out"
talk_or_bail "ping 2 64 *"
phase "$out_pid" "$out"
ftqos -n "$router" -j -s flow show > "$shown"
check_eq "there are ten of them, two a flow" 10 "$(jq length "$shown")"

# Each direction of conntrack's entries: as it enters, mark, as it leaves
entries()
{
	{
		in_ns "$router" conntrack -L -f ipv4 2> /dev/null
		in_ns "$router" conntrack -L -f ipv6 2> /dev/null
	} | grep -E '\[OFFLOAD\]' | awk '
		{
			n = 0
			mark = "none"
			for (i = 1; i <= NF; i++) {
				if ($i ~ /^(src|dst|sport|dport)=/) {
					sub(/.*=/, "", $i)
					v[n++] = $i
				} else if (sub(/^mark=/, "", $i)) {
					mark = $i
				}
			}
			print $1, v[0], v[2], v[1], v[3], mark, v[5], v[7], v[4], v[6]
			print $1, v[4], v[6], v[5], v[7], mark, v[1], v[3], v[0], v[2]
		}' | sort
}
check_eq "marks and addresses after NAT are those of conntrack -L" "$(entries)" \
	"$(jq -r '.[] | [.proto, .src, .sport, .dst, .dport, .mark, .nat_src // .src,
		.nat_sport // .sport, .nat_dst // .dst, .nat_dport // .dport] |
		join(" ")' "$shown" | sort)"
check_eq "upwards, they are those on the wire" \
	"$(with_phase "$out" | jq -r 'select(.phase == 1 and .dport == 5000) |
		[.proto, .src, .sport, .dst, .dport] | join(" ")' | sort -u)" \
	"$(jq -r '.[] | select(.iif == "lan0") | [.proto, .nat_src // .src,
		.nat_sport // .sport, .nat_dst // .dst, .nat_dport // .dport] |
		join(" ")' "$shown" | sort)"
check_eq "what NAT leaves alone has no key" \
	"4001 nat_src;4002 nat_sport,nat_src;4003 nat_dport,nat_dst,nat_src;4004 ;4005 nat_src" \
	"$(jq -r 'map(select(.iif == "lan0")) | sort_by(.sport) | map("\(.sport) \(keys |
		map(select(startswith("nat_"))) | join(","))") | join(";")' "$shown")"
check_eq "marks as numbers, 0 too" "184 0 2147483649 4294967295 0" \
	"$(jq -r 'map(select(.iif == "lan0")) | sort_by(.sport) | map(.mark) | join(" ")' \
		"$shown")"
check_eq "the source of the class, both directions" dscp \
	"$(jq -r 'map(.source) | unique | join(" ")' "$shown")"
check_eq "behind the command, and in full" \
	"$(jq -c 'map([.iif, .sport, .mark, .nat_src]) | sort' "$shown")" \
	"$(ftqos -n "$router" -j flow show -s |
		jq -c 'map([.iif, .sport, .mark, .nat_src]) | sort')"
check "-statistics, with a filter" jq -e 'length == 1 and .[0].mark == 184' \
	<(ftqos -statistics -n "$router" -j flow show sport 4001)
check "in a file of commands" jq -e '.[0].mark == 184' \
	<(ftqos -n "$router" -j -b - <<< "flow show sport 4001 -s")
check_not "without it there is none of that" jq -e \
	'any(has("mark") or has("nat_src") or has("nat_dst"))' \
	<(ftqos -n "$router" -j flow show)
check "as text" grep -Eq "0xb8 +$wan4.1:4001 .*" \
	<(ftqos -n "$router" flow show -s sport 4001)

# The same tuple in another zone: which one is it?
in_ns "$router" conntrack -I -p udp -s "$lan4.2" -d "$wan4.2" --sport 4001 --dport 5000 \
	-t 600 --zone 5 --mark 7 > /dev/null 2> "$err" || bail "$(< "$err")"
check_eq "a tuple that is in two zones has neither mark nor NAT, the other direction has" \
	"null null,184 $lan4.2" "$(ftqos -n "$router" -j -s flow show | jq -r '
	[(.[] | select(.iif == "lan0" and .sport == 4001) | "\(.mark) \(.nat_src)"),
	 (.[] | select(.iif == "wan0" and .dport == 4001) | "\(.mark) \(.nat_dst)")] |
	join(",")')"
in_ns "$router" conntrack -D --zone 5 > /dev/null 2>&1

# Nobody answers for conntrack
if rmmod nf_conntrack_netlink 2> "$err"; then
	modprobe=$(< /proc/sys/kernel/modprobe)
	# shellcheck disable=SC2016 # for the shell at the end
	defer sh -c 'echo "$1" > /proc/sys/kernel/modprobe' sh "$modprobe"
	echo /bin/false > /proc/sys/kernel/modprobe
	rc=0
	ftqos -n "$router" -j -s flow show > "$shown" 2> "$err" || rc=$?
	echo "$modprobe" > /proc/sys/kernel/modprobe
	check_eq "without ctnetlink: flows are shown" "0 10 false" "$rc $(jq -r '
		"\(length) \(any(has("mark")))"' "$shown")"
	check_eq "... and one line says what is missing" "1 1" \
		"$(wc -l < "$err") $(grep -c 'Warning: .*nf_conntrack_netlink' "$err")"
else
	skip "without ctnetlink: flows are shown" "it cannot be unloaded: $(< "$err")"
fi

finish
