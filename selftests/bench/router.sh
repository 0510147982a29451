# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The router that packets are timed on, the packets, and what may stand in their way.
# Sourced by bench.sh, scale.sh and smp.sh, in a guest that selftests/bench/bench starts.
#
#	pktgen                                          nobody takes it
#	client cl0 --- lan0 (flowtable) wan0.7, wan0 --- srv0 server
#	       cl1 --- lan1  router     wan1.7, wan1 --- srv1
#
# UDP, 64-byte frames, each an skb of its own. One CPU does it all: what happens to a
# packet until the server drops it happens before pktgen makes the next, and pktgen's
# own figure is the time that it took; where two CPUs send, each does so with its own
# packets. All is masqueraded. Packets to port 5000 are offloaded; cl1's way has no
# flowtable.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_tools ip nft tc conntrack jq ftqos python3
files=$LIB_DIR/../files
ko=$LIB_DIR/../kmod/nf_flow_qos.ko
: "${FTQOS_OUT:=$(mktemp -d)}"
modprobe -a nf_flow_table nf_flow_table_inet pktgen 2> /dev/null
[ -d /proc/net/pktgen ] || skip_all "no pktgen"
[ -e "$ko" ] || skip_all "no module"

# helpers: processes that stay in the client's and the router's namespace. Files of
# /proc/PID/net are those of its namespace: they are read and written without a process
# for each, of which starting one in user-mode Linux takes longer than the packets. But
# pktgen starts where who tells it is.
helpers()
{
	local line

	coproc starter {
		exec ip netns exec "$client" bash -c 'echo ready
			while read -r _; do
				echo start > /proc/net/pktgen/pgctrl
				echo $?
			done'
	}
	in_client=$starter_PID
	defer kill "$in_client"
	read -r -t 60 line <&"${starter[0]}" && [ "$line" = ready ] ||
		bail "nobody stays in $client"
	ip netns exec "$router" sleep infinity &
	in_router=$!
	busywait 10 grep -q -x sleep "/proc/$in_router/comm" ||
		bail "nobody stays in $router"
}

# bench_router CONNTRACKS
bench_router()
{
	topo_router --vlan7 --keep-offloads
	quiet_neighbours
	helpers
	ip -batch - <<- END || bail "no second way"
		link add cl1 netns $client type veth peer name lan1 netns $router
		link add wan1 netns $router type veth peer name srv1 netns $server
	END
	# Tags that arrive; devices that no packet comes to; more addresses behind the
	# server, which has no VLAN: its frames are dropped as early as can be
	ip -n "$client" link set cl1 up
	ip -n "$server" link set srv1 up
	server_vlan del
	ip -n "$router" -batch - <<- END || bail "no further devices"
		link add link lan0 name lan0.5 type vlan id 5
		link set lan0.5 up
		addr add 203.0.113.1/24 dev lan0.5
		neigh replace 203.0.113.2 lladdr $(mac_of "$client" cl0) dev lan0.5
		link add dmz0 type dummy
		link set dmz0 up
		link set lan1 up
		addr add 10.1.0.1/24 dev lan1
		neigh replace 10.1.0.2 lladdr $(mac_of "$client" cl1) dev lan1
		link set wan1 up
		link add link wan1 name wan1.7 type vlan id 7 egress-qos-map 1:1 2:2 3:3 4:4 5:5 6:6 7:7
		link set wan1.7 up
		addr add 10.2.0.1/24 dev wan1.7
		neigh replace 10.2.0.2 lladdr $(mac_of "$server" srv1) dev wan1.7
		route add 10.9.0.0/24 via $wan4.2
	END
	in_ns "$router" nft -f - <<- END || bail "nft refuses the ruleset"
		table inet bench {
			flowtable ft {
				hook ingress priority filter
				devices = { lan0, wan0, dmz0 }
			}
			chain forward {
				type filter hook forward priority filter
				meta l4proto { tcp, udp } th dport 5000 flow add @ft
			}
			chain post {
				type nat hook postrouting priority srcnat
				oifname { "wan0.7", "wan1.7" } masquerade
			}
		}
	END
	keep_flows
	# Conntrack's own are longer than a round
	in_ns "$router" bash -c 'cd /proc/sys/net/netfilter
		echo 1200 > nf_conntrack_udp_timeout
		echo 1200 > nf_conntrack_udp_timeout_stream'
	echo $((2 * $1)) > /proc/sys/net/netfilter/nf_conntrack_max
	echo "$1" > /sys/module/nf_conntrack/parameters/hashsize
	lan0_mac=$(mac_of "$router" lan0)
	lan1_mac=$(mac_of "$router" lan1)

	# Somebody else's router
	setup_ns other
	ip -n "$other" link add dmz0 type dummy && ip -n "$other" link set dmz0 up &&
		in_ns "$other" nft -f - <<- END || bail "no second router"
		table inet bench {
			flowtable ft {
				hook ingress priority filter
				devices = { dmz0 }
			}
		}
	END
}

# server_vlan add|del: the server's VLAN device, which somebody listens on
server_vlan()
{
	if [ "$1" = del ]; then
		ip -n "$server" link del srv0.7
		return
	fi
	ip -n "$server" -batch - <<- END || bail "no VLAN at the server"
		link add link srv0 name srv0.7 type vlan id 7
		link set srv0.7 up
		addr add $wan4.2/24 dev srv0.7
		route add default via $wan4.1
		neigh replace $wan4.1 lladdr $(mac_of "$router" wan0) dev srv0.7
	END
}

# --- packets ---------------------------------------------------------------

# traffic NAME: what pktgen sends: $dev (two: one of each CPU), its parameters $how and
# those of one device alone $own, $flows; a way ($slow: the flowtable does not take them);
# and how it is told EF from CS1: $ef, $cs1
traffic()
{
	dev=cl0 flows=1 slow='' own=() ef="tos b8" cs1="tos 20"
	how=("dst_mac $lan0_mac" "pkt_size 60" "tos b8" "src_min $lan4.2"
		"src_max $lan4.2" "dst_min $wan4.2" "dst_max $wan4.2"
		"udp_src_min 1024" "udp_src_max 1024" "udp_dst_min 5000"
		"udp_dst_max 5000")
	case $1 in
	one)	;;
	alone)	dev=cl0@0 ;;
	same)	dev="cl0@0 cl0@1" ;;
	differ)	dev="cl0@0 cl0@1" flows=2
		own=("@cl0@1" "udp_src_min 1025" "udp_src_max 1025") ;;
	1000000) flows=1000016
		# Both go on with each packet: every pair once
		how+=("udp_src_max 63525" "dst_min 10.9.0.1" "dst_max 10.9.0.16") ;;
	[0-9]*)	flows=$1
		how+=("udp_src_max $((1024 + flows))") ;;
	skewed*) flows=${1#skewed}
		how+=("udp_src_max $((1024 + flows))") ;;
	ipv6)	how+=("dst6 $wan6:2" "src6 $lan6:2" "traffic_class b8" "pkt_size 80")
		ef="traffic_class b8" cs1="traffic_class 20" ;;
	tagged)	how+=("src_min 203.0.113.2" "src_max 203.0.113.2" "vlan_id 5"
			"vlan_p 5" "pkt_size 64" "tos 00")
		ef="vlan_p 5" cs1="vlan_p 1" ;;
	tag0)	how+=("src_min 203.0.113.2" "src_max 203.0.113.2" "vlan_id 5"
			"vlan_p 0" "pkt_size 64" "tos 00") ;;
	miss)	slow=1
		how+=("udp_dst_min 6000" "udp_dst_max 6000") ;;
	second|marked)
		slow=1 dev=cl1
		how+=("dst_mac $lan1_mac" "src_min 10.1.0.2" "src_max 10.1.0.2"
			"dst_min 10.2.0.2" "dst_max 10.2.0.2" "udp_dst_min 6000"
			"udp_dst_max 6000")
		[ "$1" = second ] || {
			how+=("tos 00" "udp_dst_min 7000" "udp_dst_max 7000")
			ef="udp_dst_max 7000"
			cs1="udp_dst_min 7001"
		} ;;
	*)	bail "traffic $1?" ;;
	esac
	out=${dev/cl/wan}
	out=${out%%@*}
}

pktgen_devs=

# pktgen DEVICES PARAMETER...: tell these devices of pktgen's, and from a parameter @DEVICE
# on that one alone; send, and set $usec to the time that the slowest has taken, $usecs to
# that of each, and $spans to when each began and ended. DEVICE@0 and DEVICE@1 are one
# device, on which that CPU sends; all others are CPU 0's. They are made anew only if
# others are wanted, since pktgen takes its time for that.
pktgen()
{
	local cpu d devs=$1 dir=/proc/$in_client/net/pktgen i line lines p to=$1

	shift
	if [ "$devs" != "$pktgen_devs" ]; then
		for d in "$dir"/kpktgend_*; do
			echo rem_device_all > "$d"
		done
		for d in $devs; do
			cpu=0
			[[ $d != *@[0-9] ]] || cpu=${d#*@}
			for i in {1..50}; do
				! echo "add_device $d" > "$dir/kpktgend_$cpu" || break
			done 2> /dev/null
			[ -e "$dir/$d" ] || bail "pktgen: no $d"
			# From 6.7 on a packet need not stay pktgen's own
			echo "flag !SHARED" > "$dir/$d" || :
		done 2> /dev/null
		pktgen_devs=$devs
	fi
	for p in "flag !IPV6" "vlan_id 9999" "clone_skb 0" "burst 1" "delay 0" \
		 "${how[@]}" "$@" "${own[@]}"; do
		case $p in
		@*)	to=${p#@} ;;
		*)	for d in $to; do
				echo "$p" > "$dir/$d" || bail "pktgen: $p"
			done ;;
		esac
	done
	echo start >&"${starter[1]}"
	read -r -t 300 line <&"${starter[0]}" && [ "$line" = 0 ] ||
		bail "pktgen does not start"
	usec=0 usecs=() spans=()
	for d in $devs; do
		mapfile -t lines < "$dir/$d"
		# Who starts it waits a moment, then until none sends: if one has not
		# begun by then, not for that one
		[[ ${lines[*]} != *Starting* ]] || {
			busywait 60 eval '! grep -q Starting "$dir/$d"'
			mapfile -t lines < "$dir/$d"
		}
		[[ ${lines[*]} =~ Result:\ OK:\ ([0-9]+)\( ]] ||
			bail "pktgen: ${lines[*]: -1}"
		usecs+=("${BASH_REMATCH[1]}")
		[ "${BASH_REMATCH[1]}" -lt "$usec" ] || usec=${BASH_REMATCH[1]}
		[[ ${lines[*]} =~ started:\ ([0-9]+)us\ +stopped:\ ([0-9]+)us ]] ||
			bail "pktgen does not tell when it sent"
		spans+=("${BASH_REMATCH[*]:1}")
	done
}

# send COUNT [PARAMETER...]: of the traffic
send()
{
	pktgen "$dev" "count $1" "${@:2}"
}

# send_skewed COUNT: nine of ten packets are of 16 flows, which a device of pktgen's
# sends that is due nine times as often
send_skewed()
{
	pktgen "cl0@all cl0@few" "count $(($1 / 10))" "delay 9" \
		@cl0@few "count $(($1 * 9 / 10))" "delay 1" "udp_src_max 1040"
}

# counted: sets $way to the packets that left the router through $out, and those that
# it forwarded, which the flowtable's are not
counted()
{
	local dir=/proc/$in_router/net line lines slow=0 words

	mapfile -t lines < "$dir/dev"
	for line in "${lines[@]}"; do
		read -r -a words <<< "$line"
		# Of what was sent: packets are the second number
		[ "${words[0]}" != "$out:" ] || way=${words[10]}
	done
	mapfile -t lines < "$dir/snmp"
	read -r -a words <<< "${lines[1]}"
	slow=${words[6]}
	mapfile -t lines < "$dir/snmp6"
	for line in "${lines[@]}"; do
		[[ $line != Ip6OutForwDatagrams* ]] || slow=$((slow + ${line##*[[:space:]]}))
	done
	way+=" $slow"
}

# timed TRAFFIC COUNT: as many of each CPU; sets $ns to what one packet has cost, with one
# decimal, once all have gone the way that they should. Else fails, with $why.
timed()
{
	local before count=$2 now total=$2 try want way

	traffic "$1"
	[[ $dev != *" "* ]] || total=$((2 * count))
	why=
	for try in 1 2 3; do
		# All flows are there, and in the caches as far as they go there; of
		# a few the time is not worth the pause that pktgen makes
		[ "$flows" -le 1000 ] || send "$flows"
		counted
		before=$way
		! declare -F handled > /dev/null || queued=$(handled)
		case $1 in
		skewed*) send_skewed "$count" ;;
		*)	send "$count" ;;
		esac
		counted
		now="$((${way% *} - ${before% *})) $((${way#* } - ${before#* }))"
		want="$total ${slow:+$total}"
		[ -n "$slow" ] || want="$total 0"
		if [ "$now" = "$want" ]; then
			ns=$((usec * 10000 / count))
			ns=${ns%?}.${ns: -1}
			return 0
		fi
	done
	why="of $total packets ${now% *} left, ${now#* } on the slow path"
	return 1
}

# --- what stands in their way ----------------------------------------------

# floor DOES DEVICES [PARAMETER...]: floor.ko, at these devices' egress
floor()
{
	in_ns "$router" insmod "$files/floor.ko" ingress=lan0 "does=$1" "egress=$2" \
		"${@:3}"
}

# module off
# module on ROUTER OTHER: loaded, with these lines as the configuration of the router
# and of the other one
module()
{
	# What is built in: a configuration without a command is refused
	local same="map set default be prio 0" text

	if [ "$1" = off ]; then
		[ ! -d /sys/module/nf_flow_qos ] || rmmod nf_flow_qos ||
			bail "the module stays"
		return
	fi
	if [ ! -d /sys/module/nf_flow_qos ]; then
		insmod "$ko" || bail "cannot insert $ko"
		others=
	fi
	ftqos -n "$router" restore <<< "$same"$'\n'"$2" || bail "refused: $2"
	[ "$3" = "$others" ] ||
		ftqos -n "$other" restore <<< "$same"$'\n'"$3" || bail "refused: $3"
	others=$3
	# At once as a rule; without jq, which takes longer than all else
	text=$(ftqos -n "$router" -j status) && [[ $text != *'"unhooked"'* ]] ||
		hooks_placed
}
others=
defer rmmod nf_flow_qos
all_on="dev set wan0.7
dev set lan0"
