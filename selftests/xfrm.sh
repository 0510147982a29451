#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ESP in tunnel mode between router and server, over VLAN 7. The flowtable takes
# packets towards the server, and hands them to xfrm; decrypted ones come in anew
# on wan0.7, where a flowtable can take them, too.
#
# With synchronous crypto a packet leaves inside the window and has the priority
# and the PCP of its class, one by one or as segments, and the DSCP that xfrm
# copies. With asynchronous crypto (pcrypt) it leaves later, and is left alone. An
# xfrm interface sees a large packet in one piece. If it, or a tunnel whose packets are
# encrypted, has a queue, that may send others' packets inside the window.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft tc conntrack ethtool python3 jq ftqos
modprobe -a esp4 esp6 xfrm_user xfrm_interface seqiv gcm ctr af_alg algif_aead pcrypt 2> /dev/null
modprobe ghash-generic 2> /dev/null
load_module

in4=203.0.113 in6=2001:db8:3:
# Of the router's, in the second half
if_id=
up=$(mktemp)
defer rm -f "$up"
topo_router --vlan7
quiet_neighbours

# states NS LOCAL4 REMOTE4 LOCAL6 REMOTE6: new security associations
states()
{
	local aead="aead rfc4106(gcm(aes)) 0x0123456789abcdef0123456789abcdef01234567 128"

	[ "$1" = "$server" ] || aead+=" $if_id"
	ip -batch - -n "$1" <<- END
		xfrm state flush
		xfrm state add src $2 dst $3 proto esp spi 0x1001 mode tunnel $aead
		xfrm state add src $3 dst $2 proto esp spi 0x1001 mode tunnel $aead
		xfrm state add src $4 dst $5 proto esp spi 0x1002 mode tunnel $aead
		xfrm state add src $5 dst $4 proto esp spi 0x1002 mode tunnel $aead
	END
}
# policies NS OUT: "fwd" on the router, "in" on the server, for what comes
policies()
{
	local l4=$wan4.1 r4=$wan4.2 l6=$wan6:1 r6=$wan6:2 i=$if_id
	local from4=$lan4.0/24 to4=$in4.0/24 from6=$lan6:/64 to6=$in6:/64

	if [ "$2" = in ]; then
		l4=$wan4.2 r4=$wan4.1 l6=$wan6:2 r6=$wan6:1
		from4=$in4.0/24 to4=$lan4.0/24 from6=$in6:/64 to6=$lan6:/64 i=
	fi
	ip -batch - -n "$1" <<- END
		xfrm policy flush
		xfrm policy add src $from4 dst $to4 dir out $i tmpl src $l4 dst $r4 proto esp mode tunnel
		xfrm policy add src $to4 dst $from4 dir $2 $i tmpl src $r4 dst $l4 proto esp mode tunnel
		xfrm policy add src $from6 dst $to6 dir out $i tmpl src $l6 dst $r6 proto esp mode tunnel
		xfrm policy add src $to6 dst $from6 dir $2 $i tmpl src $r6 dst $l6 proto esp mode tunnel
	END
}
esp()
{
	states "$router" "$wan4.1" "$wan4.2" "$wan6:1" "$wan6:2" &&
		states "$server" "$wan4.2" "$wan4.1" "$wan6:2" "$wan6:1"
}
esp || bail "no states"
policies "$router" fwd || bail "no policies"
policies "$server" in || bail "no policies"
# routes WHERE4 WHERE6: of the router
routes()
{
	ip -batch - -n "$router" <<- END || bail "no routes"
		route replace $in4.0/24 $1
		route replace $in6:/64 $2
	END
}
routes "via $wan4.2" "via $wan6:2"
ip -batch - -n "$server" <<- END || bail "no addresses"
	addr add $in4.2/32 dev lo
	addr add $in6:2/128 dev lo nodad
	route add $lan6:/64 via $wan6:1 src $in6:2
END
ip -batch - -n "$client" <<- END || bail "no routes"
	route add $in4.0/24 via $lan4.1 mtu 1300
	route add $in6:/64 via $lan6:1 mtu 1300
END
topo_nft --devices "lan0, wan0, wan0.7"
keep_flows
# Port 9 stays on the slow path
in_ns "$router" nft insert rule inet ftq forward tcp dport 9 accept ||
	bail "nft refuses the rule"
prio_bands lan0 wan0
pkt_bg up_pid "$server" capture srv0 --out "$up" --direction in

# last_phase: what was captured in it
last_phase()
{
	tac "$up" | awk '/^."phase"/ && n++ { exit } { print }' | tac
}
# tags: ESP of the last phase, each kind once: DSCP as xfrm copied it, VLAN and PCP
tags()
{
	phase "$up_pid" "$up"
	last_phase | jq -r 'select(.proto == "esp") |
			"\(.family) \(.dscp) \(.vid):\(.pcp)"' | sort -u
}
kinds()
{
	printf '%s\n' "ipv4 34 7:$2" "ipv4 46 7:$1" "ipv6 34 7:$2" "ipv6 46 7:$1"
}
grown()
{
	minus "$2" "$1" | cut -d' ' -f$(($3 + 1))
}
# measure COMMAND...: of talk; how far counters and bands moved
measure()
{
	local before after

	phase "$up_pid" "$up"
	slow=$(slow_packets)
	before=$(bands lan0 wan0)
	talk_or_bail "$@"
	after=$(bands lan0 wan0)
	slow=$(($(slow_packets) - slow))
	lan=$(minus "$(sed -n 1p <<< "$after")" "$(sed -n 1p <<< "$before")")
	wan=$(minus "$(sed -n 2p <<< "$after")" "$(sed -n 2p <<< "$before")")
	note "slow $slow, bands of lan0 $lan, of wan0 $wan"
}
at_least()
{
	[ "$(cut -d' ' -f$(($2 + 1)) <<< "$1")" -ge "$3" ]
}

talk_serve "$server"
talk_start "$client"
# open_flows NAME PORT: UDP is EF, TCP is AF41, answers are AF31
open_flows()
{
	talk_or_bail "open a udp $in4.2 5000 0xb8 $2 0x68" \
		"open b udp $in6:2 5000 0xb8 $2 0x68" \
		"open c tcp $in4.2 5000 0x88 $2 0x68" \
		"open d tcp $in6:2 5000 0x88 $2 0x68" "ping 3 64 *"
	for f in ipv4 ipv6; do
		check "$1UDP of $f is offloaded" \
			busywait 10 offloaded udp "5000 .*sport=5000 dport=$2" $f
		check "$1TCP of $f is offloaded" \
			busywait 10 offloaded tcp "5000 .*sport=5000 dport=$2" $f
	done
	talk_or_bail "ping 1 64 *"
}
open_flows "" 4000
measure "ping 4 64 *"
check_eq "unbound: no PCP, the DSCP is copied" "$(kinds 0 0)" "$(tags)"
check_eq "unbound: both directions are taken" 0 "$slow"

ftqos -n "$router" -b - <<- END || bail "cannot bind"
	dev set wan0.7
	dev set lan0
END
measure "ping 4 64 *"
check_eq "ESP has the PCP of the class, and the DSCP as it was" "$(kinds 5 4)" \
	"$(tags)"
check "ESP went to the bands" at_least "$wan" 5 8
check "ESP went to the bands (TCP)" at_least "$wan" 4 8
check "decrypted packets are taken, and went to their band" at_least "$lan" 3 16
check_eq "nothing came to the forward chain" 0 "$slow"
check_eq "flow show: the flow is that of the packet inside" \
	"[\"lan0\",\"$lan4.2\",\"$in4.2\",46,5,5]
[\"lan0\",\"$lan6:2\",\"$in6:2\",46,5,5]
[\"wan0.7\",\"$in4.2\",\"$lan4.2\",26,3,null]
[\"wan0.7\",\"$in6:2\",\"$lan6:2\",26,3,null]" \
	"$(ftqos -n "$router" -j flow show proto udp | jq -c 'sort_by(.iif, .family) |
		.[] | [.iif, .src, .dst, .class, .prio, .pcp]')"

# What xfrm has put before a packet, and has copied from it, is not rewritten
ftqos -n "$router" -b - <<- END || bail "cannot set DSCPs"
	stats reset
	map set default ef dscp cs1
	map set default af41 dscp cs2
END
measure "ping 4 64 *"
check_eq "ESP keeps its DSCP" "$(kinds 5 4)" "$(tags)"
check_eq "ESP: no DSCP is counted as set" 0 \
	"$(ftqos -n "$router" -j stats show | jq .dscp_set)"
ftqos -n "$router" dev set wan0.7 scope all
in_ns "$router" nft insert rule inet ftq forward udp dport 5000 accept
talk_or_bail "open s4 udp $in4.2 5000 0xb8 4001" "open s6 udp $in6:2 5000 0xb8 4001"
measure "ping 4 64 s*"
check_eq "... with scope all, neither: PCP" "ipv4 46 7:5"$'\n'"ipv6 46 7:5" "$(tags)"
talk_or_bail "close s*"
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	dev set wan0.7 scope offloaded
	map set default all dscp keep
END
in_ns "$router" nft delete rule inet ftq forward handle "$(in_ns "$router" \
	nft -a list chain inet ftq forward | sed -n 's/.*udp dport 5000 .*# handle //p')" ||
	bail "the rule stays"

# Large packets: xfrm makes the segments
in_ns "$client" ethtool -K cl0 tso on gso on tx on > /dev/null 2>&1
measure "bulk 60000 c" "bulk 60000 d"
check_eq "TCP bulk: every segment has the PCP" "ipv4 34 7:4"$'\n'"ipv6 34 7:4" \
	"$(tags)"
check "TCP bulk: every segment went to the band" at_least "$wan" 4 90
check_eq "TCP bulk: nothing came to the forward chain" 0 "$slow"

# --- an xfrm interface ----------------------------------------------------------

talk_or_bail "close *"
if_id="if_id 7"
states "$router" "$wan4.1" "$wan4.2" "$wan6:1" "$wan6:2" || bail "no states"
policies "$router" fwd || bail "no policies"
ip -batch - -n "$router" <<- END || bail "no xfrm interface"
	link add xfrm0 type xfrm dev wan0.7 if_id 7
	link set xfrm0 up
END
routes "dev xfrm0" "dev xfrm0"
in_ns "$router" nft add flowtable inet ftq ft \
	'{ hook ingress priority filter; devices = { xfrm0 }; }' ||
	bail "xfrm0 cannot be in the flowtable"
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	dev del wan0.7
	dev del lan0
	dev set any
END
open_flows "xfrm0: " 4010
measure "bulk 60000 c" "bulk 60000 d"
check_eq "xfrm0, any: every segment has the PCP" \
	"ipv4 34 7:4"$'\n'"ipv6 34 7:4" "$(tags)"
check "xfrm0, any: every segment went to the band" at_least "$wan" 4 90
check_eq "xfrm0, any: nothing came to the forward chain" 0 "$slow"
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	dev del any
	dev set wan0.7
END
measure "bulk 60000 c" "bulk 60000 d"
check_eq "xfrm0, wan0.7 is bound: every segment has the PCP" \
	"ipv4 34 7:4"$'\n'"ipv6 34 7:4" "$(tags)"
check "xfrm0, wan0.7 is bound: every segment went to the band" \
	at_least "$wan" 4 90

# A packet of AF31, of the slow path, waits in a queue until a large one comes:
# untouched.sh tells how
raw="raw --dev cl0 --dst-mac $(mac_of "$router" lan0) --src $lan4.2 --dst $in4.2
	--proto tcp --dport 9"
# went_along: it was followed by large ones of AF41 at once
went_along()
{
	last_phase | jq -r 'select(.proto == "esp") | "\(.dscp) \(.frame)"' | awk '
		held == 1 && $1 == 34 && $2 > 1200 { along = 1 }
		{ held = $1 == 26 }
		END { exit !along }'
}
# wait_in_queue DEV
wait_in_queue()
{
	local i

	for i in 1 2 3 4 5; do
		tc -n "$router" qdisc replace dev "$1" root tbf rate 80bit \
			burst 1600 limit 100000 || bail "no tbf"
		# shellcheck disable=SC2086 # words
		pkt "$client" $raw --sport 4100 --tos 0x28 --size 1300 + \
			$raw --sport 4101 --tos 0x68 --size 600
		tc -n "$router" qdisc change dev "$1" root tbf rate 1gbit \
			burst 200k limit 400000 || bail "cannot change tbf"
		talk_or_bail "bulk 60000 c"
		phase "$up_pid" "$up"
		if went_along; then
			return
		fi
	done
	bail "no packet waits in a tbf until another comes"
}
waited()
{
	last_phase | jq -r 'select(.proto == "esp" and .dscp == 26) |
		"\(.vid):\(.pcp)"' | sort -u
}
wait_in_queue xfrm0
check_eq "xfrm0 with a queue: a packet that waited has no PCP" 7:0 "$(waited)"
tc -n "$router" qdisc del dev xfrm0 root

# A tunnel of which we know nothing: Ethernet in GRE, and that encrypted
talk_or_bail "close *"
if_id=
states "$router" "$wan4.1" "$wan4.2" "$wan6:1" "$wan6:2" || bail "no states"
gre="src $wan4.1 dst $wan4.2 proto gre"
ip -batch - -n "$server" <<- END || bail "no gretap"
	xfrm policy delete src $lan4.0/24 dst $in4.0/24 dir in
	xfrm policy add $gre dir in tmpl src $wan4.1 dst $wan4.2 proto esp mode tunnel
	link add gt0 address 02:00:00:00:00:02 type gretap local $wan4.2 remote $wan4.1
	link set gt0 up
END
ip -batch - -n "$router" <<- END || bail "no gretap"
	xfrm policy flush
	xfrm policy add $gre dir out tmpl src $wan4.1 dst $wan4.2 proto esp mode tunnel
	xfrm policy add src $in4.0/24 dst $lan4.0/24 dir fwd tmpl src $wan4.2 dst $wan4.1 proto esp mode tunnel
	link add gt0 type gretap local $wan4.1 remote $wan4.2 tos inherit
	link set gt0 up
	addr add 192.168.99.1/24 dev gt0
	neigh replace 192.168.99.2 lladdr 02:00:00:00:00:02 dev gt0
	route replace $in4.0/24 via 192.168.99.2
END
in_ns "$router" nft add flowtable inet ftq ft \
	'{ hook ingress priority filter; devices = { gt0 }; }' ||
	bail "gt0 cannot be in the flowtable"
talk_or_bail "open c tcp $in4.2 5000 0x88 4015 0x68" "ping 3 64 *"
check "gt0: TCP is offloaded" \
	busywait 10 offloaded tcp "5000 .*sport=5000 dport=4015"
wait_in_queue gt0
check_eq "gt0 with a queue: a packet that waited has no PCP" 7:0 "$(waited)"
in_ns "$client" ethtool -K cl0 tso off gso off tx off > /dev/null 2>&1

# L2TP lets packets keep where they entered, so that its devices have to be watched.
# Older kernels do not tell hooks of egress.
if ((release > 6018)); then
	modprobe -a l2tp_eth l2tp_netlink nfnetlink_hook 2> /dev/null
	{
		ip -n "$router" l2tp add tunnel tunnel_id 1 peer_tunnel_id 1 encap udp \
			local "$wan4.1" remote "$wan4.2" udp_sport 1701 udp_dport 1701 &&
			ip -n "$router" l2tp add session name lt0 tunnel_id 1 session_id 1 \
				peer_session_id 1
	} || bail "no L2TP"
	l2tp_hooked()
	{
		in_ns "$router" python3 -I -S "$LIB_DIR/hooks.py" lt0 |
			grep -q '^lt0 egress .* ftq_path_egress$'
	}
	check "a device of L2TP has a hook" busywait 5 l2tp_hooked
	ip -n "$router" l2tp del tunnel tunnel_id 1
fi

# --- ESP's offload, which makes the segments below the VLAN device ----------------

modprobe -a esp4_offload esp6_offload || bail "no offload of ESP"
esp || bail "no states"
policies "$router" fwd || bail "no policies"
policies "$server" in || bail "no policies"
routes "via $wan4.2" "via $wan6:2"
open_flows "offload of ESP: " 4018
in_ns "$client" ethtool -K cl0 tso on gso on tx on > /dev/null 2>&1
measure "bulk 60000 c" "bulk 60000 d"
check_eq "offload of ESP: every segment has the PCP" "ipv4 34 7:4"$'\n'"ipv6 34 7:4" \
	"$(tags)"
check "offload of ESP: every segment went to the band" at_least "$wan" 4 90
check_eq "offload of ESP: nothing came to the forward chain" 0 "$slow"
in_ns "$client" ethtool -K cl0 tso off gso off tx off > /dev/null 2>&1
talk_or_bail "close *"
for ns in "$router" "$server"; do
	ip -n "$ns" xfrm policy flush
	ip -n "$ns" xfrm state flush
	in_ns "$ns" conntrack -F > /dev/null 2>&1
done
# What was sent holds them until it is forgotten
no_esp_offload()
{
	rmmod esp4_offload esp6_offload
	[ ! -d /sys/module/esp4_offload ] && [ ! -d /sys/module/esp6_offload ]
}

# --- asynchronous crypto --------------------------------------------------------

# An instance of pcrypt is preferred to what it is made of, also by states to come. By
# what drives it: asked for by another name than its own it is made of itself, again
# and again, until the name is too long.
driver=$(awk '$1 == "name" { ours = $3 == "rfc4106(gcm(aes))" }
	ours && $1 == "driver" { print $3; exit }' /proc/crypto)
python3 -I -S -c 'import socket, sys
s = socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)
s.bind(("aead", f"pcrypt({sys.argv[1]})"))' "$driver" 2>&1 |
	sed -n '$s/^/# pcrypt: /p'
if grep -q '^driver *: pcrypt(rfc4106' /proc/crypto; then
	busywait 20 no_esp_offload > /dev/null || bail "offload of ESP stays"
	esp || bail "no states"
	policies "$router" fwd || bail "no policies"
	policies "$server" in || bail "no policies"
	routes "via $wan4.2" "via $wan6:2"
	open_flows "asynchronous: " 4020
	measure "ping 4 64 *"
	check_eq "asynchronous ESP is left alone: no PCP" "$(kinds 0 0)" "$(tags)"
	check "asynchronous ESP is left alone: no priority" at_least "$wan" 0 16
	check_eq "asynchronous ESP: flows are still taken" 0 "$slow"
else
	skip "asynchronous ESP" "no pcrypt"
fi
pkt_stop "$up_pid"
finish
