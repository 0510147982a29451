# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The same before and after: whatever classifies on the slow path, no packet of a flow
# leaves otherwise once the flow is offloaded.
#
# For each method a new flow, UDP, over IPv4 and over IPv6, masqueraded, with packets in
# both directions: first on the slow path, then those with which the flowtable gets the
# flow, then offloaded ones: conntrack says [OFFLOAD], the forward chain's counter
# stands still. The DSCP and the PCP of every frame, as the receiver has captured them,
# and the band of the router's prio qdiscs are compared with what the method is known to
# give, and so with one another.
#
# What is bound, with which map, is what a user of that method needs. With nothing bound
# the same flow is to look different, or the test would show nothing.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft tc conntrack ethtool python3 ftqos jq

count=6
up=$(mktemp)
down=$(mktemp)
defer rm -f "$up" "$down"
topo_router --vlan7
# The client is in a VLAN, too
lan_dev=lan0.5 cl_dev=cl0.5
# into_vlan5 NS DEV ADDR4 ADDR6 [IP COMMAND]...
into_vlan5()
{
	ip -n "$1" -batch - <<- END || bail "no VLAN 5 in $1"
		addr flush dev $2
		link add link $2 name $2.5 type vlan id 5
		link set $2.5 up
		addr add $3/24 dev $2.5
		addr add $4/64 dev $2.5 nodad
		$(printf '%s\n' "${@:5}")
	END
}
into_vlan5 "$router" lan0 "$lan4.1" "$lan6:1"
into_vlan5 "$client" cl0 "$lan4.2" "$lan6:2" "route replace default via $lan4.1" \
	"route replace default via $lan6:1"
# That of topo_nft, but the flowtable gets a flow when it is told so
in_ns "$router" nft -f - <<- END || bail "nft refuses the ruleset"
	table inet ftq {
		counter slow { }
		set now {
			type inet_service
		}
		flowtable ft {
			hook ingress priority filter
			devices = { lan0, wan0 }
		}
		chain forward {
			type filter hook forward priority filter
			meta l4proto { tcp, udp } counter name slow
			meta l4proto { tcp, udp } ct original proto-src @now flow add @ft
		}
		chain post {
			type nat hook postrouting priority srcnat
			oifname wan0.7 masquerade
		}
	}
	table inet rules {
		chain forward {
			type filter hook forward priority -10
			meta l4proto != { tcp, udp } accept
			th dport { 6001, 6011 } meta priority set 0:5
			th sport { 6001, 6011 } meta priority set 0:6
			th dport 6005 ct mark set 0xb80080
			ct mark 0xb80080 meta priority set 0:5
		}
		chain post {
			type filter hook postrouting priority 300
			meta l4proto != { tcp, udp } accept
			th dport { 6002, 6012 } ip dscp set af41
			th dport { 6002, 6012 } ip6 dscp set af41
			th sport { 6002, 6012 } ip dscp set cs1
			th sport { 6002, 6012 } ip6 dscp set cs1
		}
	}
END
# No priority is like another's PCP, and none has the same PCP on both sides
ip -n "$router" -batch - <<- END || bail "no egress-qos-map"
	link set wan0.7 type vlan egress-qos-map 0:1 2:7 3:2 4:4 5:6
	link set lan0.5 type vlan egress-qos-map 0:2 2:6 4:3 5:7 6:4
END
# filters DEV MATCH PRIORITY: on that device, to or from the ports of tc's methods
filters()
{
	local add="filter add dev $1 egress protocol" family pref=0 port proto

	echo "qdisc add dev $1 clsact"
	for family in ip\ {tcp,udp} ipv6\ {tcp,udp}; do
		proto=${family#* } family=${family% *}
		for port in 6003 6013; do
			echo "$add $family pref $((++pref)) flower ip_proto $proto" \
				"$2 $port action skbedit priority 0:$3"
		done
		echo "$add $family pref $((++pref)) flower ip_proto $proto" \
			"$2 6005 action ctinfo dscp 0xfc0000 0x80"
	done
}
{
	filters wan0.7 dst_port 3
	filters lan0.5 src_port 2
} | tc -n "$router" -batch - || bail "tc refuses the filters"
for ns in "$server" "$client"; do
	in_ns "$ns" nft -f - <<- END || bail "nft refuses to drop"
		table inet quiet {
			chain input {
				type filter hook input priority filter
				iifname != "lo" meta l4proto udp drop
			}
		}
	END
done
quiet_neighbours
keep_flows
prio_bands wan0 lan0
load_module
# Nor does the module forget
ftqos -n "$router" config set flow-timeout 600 || bail "no timeout of flows to set"
lmac=$(mac_of "$router" lan0)
wmac=$(mac_of "$router" wan0)
pkt_bg up_pid "$server" capture srv0 --out "$up" --direction in
pkt_bg down_pid "$client" capture cl0 --out "$down" --direction in

ftq()
{
	ftqos -n "$router" -b - || bail "refused"
	hooks_placed
}

# seen FILE "sport|dport" PORT SENT BANDS: the frames of the last phase that have that
# port, "DSCP PCP BAND" if all are alike. More than that if they are not, or if not all
# that were sent came, or went through the bands.
seen()
{
	tac "$1" | awk -v port="\"$2\": $3," -v sent="$4" -v bands="$5" '
		function value(key) {
			if (!match($0, "\"" key "\": [0-9a-z]+"))
				return "-"
			return substr($0, RSTART + length(key) + 4,
				RLENGTH - length(key) - 4)
		}
		/^."phase"/ && n++ { exit }
		/"seq"/ && index($0, port) {
			frames++
			kind = value("dscp") " " value("pcp")
			if (value("sum") == "0")
				kind = kind " of a wrong checksum"
			if (!seen[kind]++)
				kinds = kinds (kinds == "" ? "" : ", ") kind
		}
		END {
			m = split(bands, band, " ")
			for (i = 1; i <= m; i++) {
				queued += band[i]
				if (band[i] != 0)
					kinds = kinds " " i - 1
			}
			if (frames != sent || queued != sent)
				kinds = kinds " (of " sent " came " frames + 0 \
					", queued were " queued ")"
			print kinds
		}'
}

# exchange PORT SPORT TOS FAMILY COUNT: frames there, then back. How they left in $there
# and $back, in $slow how many the forward chain has seen.
exchange()
{
	local a=("$lan4.2" "$wan4.2" "$wan4.1") after before

	[ "$4" = 4 ] || a=("$lan6:2" "$wan6:2" "$wan6:1")
	slow=$(slow_packets)
	mapfile -t before < <(bands wan0 lan0)
	pkt "$client" raw --dev cl0 --dst-mac "$lmac" --tags 5:0:0 --src "${a[0]}" \
		--dst "${a[1]}" --sport "$2" --dport "$1" --tos "$3" --count "$5" ||
		bail "nothing sent"
	pkt "$server" raw --dev srv0 --dst-mac "$wmac" --tags 7:0:0 --src "${a[1]}" \
		--dst "${a[2]}" --sport "$1" --dport "$2" --tos "$3" --count "$5" ||
		bail "nothing sent back"
	phase "$up_pid" "$up"
	phase "$down_pid" "$down"
	mapfile -t after < <(bands wan0 lan0)
	slow=$(($(slow_packets) - slow))
	there=$(seen "$up" dport "$1" "$5" "$(minus "${after[0]}" "${before[0]}")")
	back=$(seen "$down" sport "$1" "$5" "$(minus "${after[1]}" "${before[1]}")")
}

# same NAME PORT TOS FAMILY LEARNED THERE BACK: a flow of that method. Each way every
# packet leaves with "DSCP PCP BAND". How many of the offloaded ones do so since that
# was learned, not by the map.
sport=4000
same()
{
	local name="$1, IPv$4" wanted="there $6, back $7"

	sport=$((sport + 1))
	exchange "$2" $sport "$3" "$4" $count
	check_eq "$name: before" "$wanted, $((count * 2)) slow" \
		"there $there, back $back, $slow slow"
	in_ns "$router" nft add element inet ftq now "{ $sport }" ||
		bail "the flowtable is not told"
	exchange "$2" $sport "$3" "$4" 1
	check_eq "$name: the flowtable gets it" "$wanted" "there $there, back $back"
	check "$name: conntrack says so" flow_offloaded "$2" $sport "$4"
	ftqos -n "$router" stats reset
	exchange "$2" $sport "$3" "$4" $count
	check_eq "$name: after" "$wanted, 0 slow" \
		"there $there, back $back, $slow slow"
	check_eq "$name: offloaded, and learned" "$((count * 2)) $5" \
		"$(counters offloaded_packets learned)"
	check "$name: conntrack says so still" flow_offloaded "$2" $sport "$4"
}

# flow_offloaded PORT SPORT FAMILY [PROTO]: as conntrack says
flow_offloaded()
{
	offloaded "${4-udp}" "$1" "ipv$3" | grep "sport=$2 "
}

# kinds FILE "sport|dport" PORT BANDS: of the last phase's packets with that port all
# "DSCP PCP", and the bands
kinds()
{
	local band bands i

	tac "$1" | awk '/^."phase"/ && n++ { exit } { print }' |
		jq -r --arg key "$2" --argjson port "$3" 'select(.[$key] == $port) |
			"\(.dscp) \(.pcp)"' | sort -u | paste -s -d,
	read -r -a bands <<< "$4"
	for i in "${!bands[@]}"; do
		[ "${bands[i]}" = 0 ] || echo "$i"
	done
}

# tcp_sent NAME THERE BACK PORT SLOW COMMAND...: what talk sends of a TCP flow leaves with
# "DSCP PCP BAND" each way, acknowledgements and all; by the slow path: yes, no, "yes or no"
tcp_sent()
{
	local after back before slow there was_slow=no

	slow=$(slow_packets)
	mapfile -t before < <(bands wan0 lan0)
	talk_or_bail "${@:6}"
	phase "$up_pid" "$up"
	phase "$down_pid" "$down"
	mapfile -t after < <(bands wan0 lan0)
	[ "$slow" = "$(slow_packets)" ] || was_slow=yes
	[ "$5" != "yes or no" ] || was_slow=$5
	there=$(kinds "$up" dport "$4" "$(minus "${after[0]}" "${before[0]}")" | xargs)
	back=$(kinds "$down" sport "$4" "$(minus "${after[1]}" "${before[1]}")" | xargs)
	check_eq "$1" "there $2, back $3, slow: $5" \
		"there $there, back $back, slow: $was_slow"
}

# same_tcp NAME PORT TOS FAMILY THERE BACK: `same` of a TCP flow, from its SYN to its FIN,
# which newer kernels forward by the fast path, too
same_tcp()
{
	local name="$1, TCP, IPv$4" to=$wan4.2

	[ "$4" = 4 ] || to=$wan6:2
	[ -n "$talk_in" ] || {
		talk_serve "$server" 6001 6002 6003 6005
		talk_start "$client"
	}
	sport=$((sport + 1))
	tcp_sent "$name: before" "$5" "$6" "$2" yes "open t tcp $to $2 $3 $sport $3" \
		"ping 3 64 t"
	in_ns "$router" nft add element inet ftq now "{ $sport }" ||
		bail "the flowtable is not told"
	tcp_sent "$name: the flowtable gets it" "$5" "$6" "$2" yes "ping 1 64 t"
	tcp_sent "$name: after" "$5" "$6" "$2" no "ping 3 64 t"
	check "$name: conntrack says so" flow_offloaded "$2" $sport "$4" tcp
	tcp_sent "$name: its end" "$5" "$6" "$2" "yes or no" "close t"
}

# plain NAME PORT TOS FAMILY WHERE: without the module's help offloaded packets look
# otherwise than those before, there, back or both, which WHERE says
plain()
{
	local was_back was_there where=

	sport=$((sport + 1))
	exchange "$2" $sport "$3" "$4" $count
	was_there=$there was_back=$back
	in_ns "$router" nft add element inet ftq now "{ $sport }" ||
		bail "the flowtable is not told"
	exchange "$2" $sport "$3" "$4" 1
	exchange "$2" $sport "$3" "$4" $count
	[ "$was_there" = "$there" ] || where+=" there"
	[ "$was_back" = "$back" ] || where+=" back"
	check_eq "$1, IPv$4, nothing bound: it differs, 0 slow" "${5:+ $5}, 0 slow" \
		"$where, $slow slow" ||
		note "before: $was_there, $was_back; after: $there, $back"
}
