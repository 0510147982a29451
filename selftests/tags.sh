# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Raw frames with VLAN tags, for the tests of encapsulations: those that the module
# makes the flowtable take, and those that no flowtable takes. Sourced after
# encaps.sh.

mirror_cap='' mirror_pid='' sent_cap='' sent_pid=''

# tags_start NAME "PROTOCOL:VID ...": a router with these VLANs, both sides bound, the
# four flows offloaded, and a mirror behind the flowtable
tags_start()
{
	topo_router --vlans "$2"
	topo_nft
	quiet_neighbours
	keep_flows
	in_ns "$router" nft insert rule inet ftq forward th dport 6001 accept
	ftqos -n "$router" -b - <<- END || bail "cannot bind"
		dev set $wan
		dev set lan0
	END
	prio_bands lan0 wan0
	talk_serve "$server"
	talk_start "$client"
	captures srv0 cl0
	mirror wan0
	open_kinds "$1"
}

# from_server TAGS..., from_client TAGS...: raw frames of the four flows, two of
# each with each of the tags
from_server()
{
	raw_flows "$server" "srv0 $(mac_of "$router" wan0) $wan4.2 $lan4.2 5000
		$wan6:2 $lan6:2 $encaps_port 0x88" "$@"
}

from_client()
{
	raw_flows "$client" "cl0 $(mac_of "$router" lan0) $lan4.2 $wan4.2
		$encaps_port $lan6:2 $wan6:2 5000 0xb8" "$@"
}

# raw_flows NS "DEV MAC SRC4 DST4 SPORT SRC6 DST6 DPORT TOS" TAGS...
raw_flows()
{
	local a cmd=() proto raw tags

	# shellcheck disable=SC2206 # words
	a=($2)
	for tags in "${@:3}"; do
		for proto in udp tcp; do
			raw=(raw --dev "${a[0]}" --dst-mac "${a[1]}" --count 2
				--tags "$tags" --proto "$proto" --sport "${a[4]}"
				--dport "${a[7]}" --tos "${a[8]}")
			cmd+=("${raw[@]}" --src "${a[2]}" --dst "${a[3]}" +
				"${raw[@]}" --src "${a[5]}" --dst "${a[6]}" +)
		done
	done
	unset "cmd[-1]"
	pkt "$1" "${cmd[@]}"
}

# taken NAME from_server|from_client TAGS...: such frames are, and arrive without
# what made them not match
taken()
{
	local before cap=$down_cap n=$(($# - 2)) pid=$down_pid slow

	[ "$2" = from_server ] || cap=$up_cap pid=$up_pid
	before=$(cleared)
	slow=$(slow_packets)
	phase "$pid" "$cap"
	"${@:2}"
	talk_or_bail
	phase "$pid" "$cap"
	check_eq "$1: nothing comes to the forward chain" "$slow" "$(slow_packets)"
	check_eq "$1: they are taken only because of the cure" $((8 * n)) \
		$(($(cleared) - before))
	# With the payload of raw frames; TCP may say something itself
	check_eq "$1: all arrive" "$(all_kinds '' | sed "s/^/$((2 * n)) /; s/ $//")" \
		"$(last_phase "$cap" | jq -r --argjson port "$encaps_port" '
			select(.dir == "in" and .seq != null and .len > 80 and
				(.sport == $port or .dport == $port)) |
			"\(.family) \(.proto)"' | sort | uniq -c |
			sed 's/^ *//')"
}

# mirror DEV: what passes DEV's flowtable is shown on the device mirror0, as it
# is then, if it has the mark and the priority that it was given before. Before
# flows are opened: a device that comes up ends them.
mirror()
{
	ip -n "$router" link add mirror0 mtu 9000 up type dummy ||
		bail "no mirror0"
	tc -n "$router" -batch - <<- END || bail "no mark before the hook"
		qdisc add dev $1 clsact
		filter add dev $1 ingress matchall action skbedit mark 0x55 priority 9:5
	END
	in_ns "$router" nft -f - <<- END || bail "nft refuses the mirror"
		table netdev mirror {
			chain $1 {
				type filter hook ingress device "$1" priority 10
				meta mark 0x55 meta priority 9:5 dup to "mirror0"
			}
		}
	END
	mirror_cap=$(mktemp)
	sent_cap=$(mktemp)
	defer rm -f "$mirror_cap" "$sent_cap"
	pkt_bg mirror_pid "$router" capture mirror0 --out "$mirror_cap" \
		--hex 1 --direction out
	pkt_bg sent_pid "$server" capture srv0 --out "$sent_cap" --hex 1 \
		--direction out
}

# marked FILE: the frames with DSCP 11 of the last phase
marked()
{
	last_phase "$1" | jq -r 'select(.dscp == 11) | .hex' | sort
}

# as_sent NAME TAGS...: what no flowtable takes comes behind it byte for byte as it
# was sent
as_sent()
{
	local sent

	phase "$mirror_pid" "$mirror_cap"
	phase "$sent_pid" "$sent_cap"
	not_taken "${@:2}"
	talk_or_bail
	phase "$mirror_pid" "$mirror_cap"
	phase "$sent_pid" "$sent_cap"
	sent=$(marked "$sent_cap")
	check_eq "$1: so many are sent" $((16 * ($# - 1))) "$(wc -l <<< "$sent")"
	check_eq "$1: they leave the hook as they came" "$sent" \
		"$(marked "$mirror_cap")"
}

# not_taken TAGS...: frames from the server, with each of the tags, that no flowtable
# takes: of no flow, or of the four flows but with a TTL of 1, fragments, with
# options. 16 for each.
not_taken()
{
	local a cmd=() family mac odd proto raw tags

	mac=$(mac_of "$router" wan0)
	for tags; do
		for family in 4 6; do
			a="--src $wan4.2 --dst $lan4.2"
			[ $family = 4 ] || a="--src $wan6:2 --dst $lan6:2"
			for proto in udp tcp; do
				raw="raw --dev srv0 --dst-mac $mac --tags $tags $a
					--proto $proto --tos 0x2c --sport 5000"
				for odd in "--dport 6001" \
					   "--dport $encaps_port --ttl 1" \
					   "--dport $encaps_port --odd fragment" \
					   "--dport $encaps_port --odd options"; do
					# shellcheck disable=SC2206 # words
					cmd+=($raw $odd +)
				done
			done
		done
	done
	unset "cmd[-1]"
	pkt "$server" "${cmd[@]}"
}
