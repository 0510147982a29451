# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Something happens to a router while streams run through all kinds of devices;
# sourced by tests, after lib.sh.
#
#	shapes			the router below, bound, with streams that run
#	event NAME "STREAM..." COMMAND...
#	late event NAME "STREAM..." COMMAND...
#
# event runs the command and waits until every packet of every stream is offloaded
# and classified again, both ways. It fails if packets of one of the named streams
# that were offloaded were not classified for longer than rule 6 allows (100 ms
# after the first packet that was on the slow path or not classified; 2.5 s if the
# module registered hooks just before, or has none that packets could come to on a
# device, which is when "late" is said), or if one packet of another stream was
# offloaded and not classified.
#
#   $client               $router                              $server
#  +-------+     +-------------------------+              +--------------+
#  | cl0.3 +-----+ lan0.3       wan0.7     +-- wan0 - s0 --+ s0.7         |  vlan
#  |       |     |              wan0.100.5 |              | s0.100.5     |  qinq
#  |       |     |              ppp0       |  (wan0.8)    | ppp0         |  ppp
#  |       |     |              br0.10     +-- wan1 - s1 --+ s1.10        |  bridge
#  |       |     |              bond0.9    +-- wan2 - s2 --+ br1.9        |  bond
#  |       |     |                         +-- wan3 - s3 --+              |
#  |       |     +-------------------------+              |              |
#  | cl1   +-----+ lan0   $other    wan0.7 +-------- s4 ---+ s4.7         |  other
#  +-------+     +-------------------------+              +--------------+
#
# Each stream is one of IPv4 and one of IPv6. The router's binding of the device (of
# br0, bond0 and lan0 where these are upper devices' lower ones) gives stream N
# PCP N, and all packets to the client PCP 7. $other is a router that nothing
# happens to.

need_tools ip bridge nft conntrack jq python3 ftqos

# Kernels under emulation come late, and packets that waited until a neighbour was asked
# a second time, after 1 s, leave outside the window
slack=${FTQOS_SLACK:-1200}
shape_names="vlan qinq ppp bridge bond other"
router_names="vlan qinq ppp bridge bond"
all_devices="lan0, wan0, wan1, bond0"
other='' session='' streams_dir='' placed=0
# shellcheck disable=SC2034 # for the tests
sender=''

# stream_words [/]: a word for each stream and family: NAME=ADDRESS, or with the PCP
stream_words()
{
	local i=0 n

	for n in $shape_names; do
		i=$((i + 1))
		echo "${n}4=198.18.$i.2${1:+/$i}" "${n}6=2001:db8:1$i::2${1:+/$i}"
	done
}

# bg PYTHON-SCRIPT VAR NS ARGUMENTS...: in the background, as pkt_bg; NS - is none
bg()
{
	local fifo in=(ip netns exec "$3") line='' pid script=$1 var=$2

	[ "$3" != - ] || in=()
	shift 3
	fifo=${TMPDIR:-/tmp}/ready.$$.$((++pkt_bg_n))
	mkfifo "$fifo" || bail "cannot make $fifo"
	"${in[@]}" python3 -I -S "$LIB_DIR/$script" --ready "$fifo" "$@" &
	pid=$!
	defer kill "$pid"
	read -r -t 30 line <> "$fifo"
	rm -f "$fifo"
	[ "$line" = ready ] || bail "$script $*: not ready"
	eval "$var=\$pid"
}

# ruleset NAME FAMILY PRIORITY [DEVICES [VERDICT]]: a flowtable and what offloads
# to it, made anew in one transaction
ruleset()
{
	local four=1 six=1 devices=${4:-$all_devices}

	[ "$2" != ip ] || six=
	[ "$2" != ip6 ] || four=
	cat <<- END
		table $2 $1
		delete table $2 $1
		table $2 $1 {
			flowtable ft {
				hook ingress priority $3
				devices = { $devices }
			}
			chain forward {
				type filter hook forward priority filter
				${four:+meta l4proto udp ip ttl set 99}
				${six:+meta l4proto udp ip6 hoplimit set 99}
				meta l4proto udp ${5:-flow add @ft}
			}
		}
	END
}

# rules: of the router, from standard input
rules()
{
	in_ns "$router" nft -f - || bail "nft refuses the ruleset"
}

masquerade()
{
	cat <<- END
		table inet nat {
			chain post {
				type nat hook postrouting priority srcnat
				oifname != { "lan0", "lan0.3" } masquerade
			}
		}
	END
}

# settings NS: routers and the server alike
settings()
{
	in_ns "$1" bash -c 'cd /proc/sys/net
		echo 1 > ipv4/ip_forward
		echo 1 > ipv6/conf/all/forwarding
		for d in all default; do
			echo 0 > ipv6/conf/$d/accept_dad
			echo 1 > ipv6/conf/$d/keep_addr_on_down
		done
		for p in netfilter/nf_flowtable_*_timeout; do
			[ ! -e $p ] || echo 600 > $p
		done'
}

# addresses N HOST DEV: ip commands for one side of stream N
addresses()
{
	echo "addr add 198.18.$1.$2/24 dev $3"
	echo "addr add 2001:db8:1$1::$2/64 dev $3 nodad"
}

# vlan_wan, ...: ip commands that make a stream's device in the router
vlan_wan()
{
	echo "link add link wan0 name wan0.7 type vlan id 7"
	echo "link set wan0.7 up"
	addresses 1 1 wan0.7
}

qinq_wan()
{
	echo "link add link wan0 name wan0.100 type vlan proto 802.1ad id 100"
	echo "link set wan0.100 up"
	qinq_wan_inner
}

qinq_wan_inner()
{
	echo "link add link wan0.100 name wan0.100.5 type vlan id 5"
	echo "link set wan0.100.5 up"
	addresses 2 1 wan0.100.5
}

bridge_wan()
{
	cat <<- END
		link add br0 type bridge vlan_filtering 1 mcast_snooping 0 forward_delay 0
		link add link br0 name br0.10 type vlan id 10
		link set wan1 master br0
		link set br0 up
		link set br0.10 up
	END
	addresses 4 1 br0.10
}

bridge_vlan()
{
	in_ns "$router" bash -c 'bridge vlan add dev br0 vid 10 self &&
		bridge vlan add dev wan1 vid 10' || bail "no VLAN on the bridge"
}

bond_wan()
{
	cat <<- END
		link add bond0 type bond mode active-backup miimon 50
		link set wan2 down
		link set wan3 down
		link set wan2 master bond0
		link set wan3 master bond0
		link add link bond0 name bond0.9 type vlan id 9
		link set bond0 up
		link set bond0.9 up
	END
	addresses 5 1 bond0.9
}

# cable0, cable1: wan0 and wan1 with all that the server has there
cable0()
{
	ip -batch - <<- END || bail "no cable"
		link add wan0 netns $router type veth peer name s0 netns $server
	END
	{
		cat <<- END
			link add link s0 name s0.7 type vlan id 7
			link add link s0 name s0.8 type vlan id 8
			link add link s0 name s0.100 type vlan proto 802.1ad id 100
			link add link s0.100 name s0.100.5 type vlan id 5
		END
		printf 'link set %s up\n' s0 s0.7 s0.8 s0.100 s0.100.5
		addresses 1 2 s0.7
		addresses 2 2 s0.100.5
	} | ip -n "$server" -batch - || bail "no server"
	ip -n "$router" -batch - <<- END || bail "no wan0"
		link add link wan0 name wan0.8 type vlan id 8
		link set wan0 up
		link set wan0.8 up
	END
}

cable1()
{
	ip -batch - <<- END || bail "no cable"
		link add wan1 netns $router type veth peer name s1 netns $server
	END
	ip -n "$router" link set wan1 up
	{
		cat <<- END
			link add link s1 name s1.10 type vlan id 10
			link set s1 up
			link set s1.10 up
		END
		addresses 4 2 s1.10
	} | ip -n "$server" -batch - || bail "no server"
}

# ppp_connect: a session over VLAN 8, with another number each time
session_nr=0
ppp_connect()
{
	session_nr=$((session_nr + 1))
	bg session.py session - $session_nr ppp0 "$router" wan0.8 "$server" s0.8
	ip -n "$server" -batch - <<- END || bail "no addresses for the session"
		link set ppp0 up
		addr add 198.18.3.2 peer 198.18.3.1 dev ppp0
		addr add 2001:db8:13::2/64 dev ppp0 nodad
	END
	ip -n "$router" -batch - <<- END || bail "no addresses for the session"
		link set ppp0 up
		addr add 198.18.3.1 peer 198.18.3.2 dev ppp0
		addr add 2001:db8:13::1/64 dev ppp0 nodad
	END
}

# ppp_cut: as if the line were cut
ppp_cut()
{
	kill "$session"
	wait "$session" 2> /dev/null
}

# shapes: make it all, and wait until all streams are classified
shapes()
{
	modprobe -a pppoe ppp_generic bonding bridge 8021q 2> /dev/null
	[ -c /dev/ppp ] || mknod /dev/ppp c 108 0 || bail "no /dev/ppp"
	streams_dir=$(mktemp -d)
	defer rm -rf "$streams_dir"
	load_module
	setup_ns client router other server
	for n in "$client" "$router" "$other" "$server"; do
		settings "$n"
	done
	cable0
	cable1
	ip -batch - <<- END || bail "no cables"
		link add cl0 netns $client type veth peer name lan0 netns $router
		link add cl1 netns $client type veth peer name lan0 netns $other
		link add wan2 netns $router type veth peer name s2 netns $server
		link add wan3 netns $router type veth peer name s3 netns $server
		link add wan0 netns $other type veth peer name s4 netns $server
	END
	ip -n "$client" -batch - <<- END || bail "no client"
		link add link cl0 name cl0.3 type vlan id 3
		link set cl0 up
		link set cl0.3 up
		link set cl1 up
		addr add 192.0.2.2/24 dev cl0.3
		addr add 2001:db8:1::2/64 dev cl0.3 nodad
		addr add 203.0.113.2/24 dev cl1
		addr add 2001:db8:3::2/64 dev cl1 nodad
		route add default via 192.0.2.1
		route add default via 2001:db8:1::1
		route add 198.18.6.0/24 via 203.0.113.1
		route add 2001:db8:16::/64 via 2001:db8:3::1
	END
	{
		cat <<- END
			link add link lan0 name lan0.3 type vlan id 3
			link set lan0 up
			link set lan0.3 up
			addr add 192.0.2.1/24 dev lan0.3
			addr add 2001:db8:1::1/64 dev lan0.3 nodad
		END
		vlan_wan
		qinq_wan
		bridge_wan
		bond_wan
	} | ip -n "$router" -batch - || bail "no router"
	bridge_vlan
	{
		cat <<- END
			link add br1 type bridge mcast_snooping 0 forward_delay 0
			link set s2 master br1
			link set s3 master br1
			link add link br1 name br1.9 type vlan id 9
			link add link s4 name s4.7 type vlan id 7
		END
		printf 'link set %s up\n' s2 s3 br1 br1.9 s4 s4.7
		addresses 5 2 br1.9
		addresses 6 2 s4.7
	} | ip -n "$server" -batch - || bail "no server"
	{
		echo "link add link wan0 name wan0.7 type vlan id 7"
		printf 'link set %s up\n' lan0 wan0 wan0.7
		echo "addr add 203.0.113.1/24 dev lan0"
		echo "addr add 2001:db8:3::1/64 dev lan0 nodad"
		addresses 6 1 wan0.7
	} | ip -n "$other" -batch - || bail "no other router"
	ppp_connect
	{ ruleset ftq inet 0; masquerade; } | rules
	{ ruleset ftq inet 0 "lan0, wan0"; masquerade; } |
		in_ns "$other" nft -f - || bail "nft refuses the ruleset"
	ftqos -n "$router" -b - <<- END || bail "cannot bind"
		map add vlan preset constant 1
		map add qinq preset constant 2
		map add ppp preset constant 3
		map add bridge preset constant 4
		map add bond preset constant 5
		map add client preset constant 7
		dev set wan0.7 map vlan
		dev set wan0.100.5 map qinq
		dev set ppp0 map ppp
		dev set br0 map bridge
		dev set bond0 map bond
		dev set lan0 map client
	END
	ftqos -n "$other" -b - <<- END || bail "cannot bind"
		map add other preset constant 6
		dev set wan0.7 map other
	END
	# shellcheck disable=SC2046 # words
	bg streams.py server_pid "$server" serve "$streams_dir/up" \
		s0,s1,s2,s3,s4 $(stream_words /)
	# shellcheck disable=SC2046 # words
	bg streams.py sender "$client" send "$streams_dir/down" cl0 "${1:-10}" 7 \
		$(stream_words)
	busywait 30 settled 0 || {
		note "$(settled 0)"
		bail "not all streams are classified"
	}
	placed=$(now_ms)
	note "all streams are classified after $placed ms"
}

# settled MS: after that time three packets of every stream came each way, and the
# last three were classified. The other router's come one way with a tag.
settled()
{
	tail -q -n 1500 "$streams_dir/up" "$streams_dir/down" |
		awk -v since="$1" -v names="$shape_names" '
		$1 >= since {
			k = $2 " " $3
			n[k]++
			run[k] = $4 == "c" ? run[k] + 1 : 0
			last[k] = $4
		}
		END {
			m = split(names, name, " ")
			for (i = 1; i <= m; i++)
				for (f = 4; f <= 6; f += 2)
					for (w = 0; w < 2; w++) {
						if (w && name[i] == "other")
							continue
						k = (w ? "down " : "up ") name[i] f
						if (run[k] < 3) {
							print k ": " n[k] + 0 " packets, last " last[k]
							bad = 1
						}
					}
			exit bad
		}'
}

# misclassified BEGAN SINCE LIMIT "STREAM..." FILE: complaints, and in FILE the figures
misclassified()
{
	awk -v began="$1" -v since="$2" -v limit="$3" -v touched="$4" \
		-v figures="$5" '
		BEGIN {
			m = split(touched, name, " ")
			for (i = 1; i <= m; i++)
				is[name[i] 4] = is[name[i] 6] = 1
		}
		$1 < (is[$3] ? since : began) {
			next
		}
		$4 == "c" {
			c++
			next
		}
		{
			k = $2 " " $3
			if (!(k in first))
				first[k] = $1
		}
		$4 == "s" {
			s++
		}
		$4 == "u" {
			u++
			unclassified[k]++
			gap[k] = $1 - first[k]
			at[k] = $1
			who[k] = $3
			if (!(k in from))
				from[k] = $1
		}
		END {
			max = 0
			for (k in gap) {
				if (gap[k] > max)
					max = gap[k]
				if (!is[who[k]])
					printf "%s: %d not classified, nothing happened to it\n", k, unclassified[k]
				else if (gap[k] > limit)
					printf "%s: %d not classified, from %d to %d ms, first packet %d\n", k, unclassified[k], from[k] - since, at[k] - since, first[k] - since
			}
			printf "%d slow, %d offloaded and classified, %d not, the last %d ms after the first\n", s, c, u, max > figures
		}' "$streams_dir/up" "$streams_dir/down"
}

# forget_flows: what the kernel offloads while it does not know a neighbour stays on
# the slow path one way, for ever
forget_flows()
{
	in_ns "$router" bash -c 'conntrack -D -p udp; conntrack -D -f ipv6 -p udp' \
		> /dev/null 2>&1
}

# step: an event of several steps begins its last one; what was before is not measured
# for the streams that it is meant for
step()
{
	since=$(now_ms)
}

late()
{
	placed=$(now_ms)
	"$@"
}

event()
{
	local after began limit=100 n name=$1 now since touched=$2 why

	shift 2
	began=$(now_ms)
	since=$began
	# Hooks were registered just before: not again so soon
	[ "$began" -gt $((placed + 1500)) ] || limit=2500
	"$@" || fail "$name" "failed: $*" || return
	after=$(now_ms)
	# The kernel may keep a flow on the slow path one way, for ever; that all flows are
	# forgotten is then one more event, so what was before is looked at by itself
	for n in 1 2 3 4; do
		why=$(busywait $((limit / 1000 + 3)) settled "$after") && break
		# Longer than that is not for lack of time
		[ "$n" -lt 4 ] || break
		now=$(now_ms)
		misclassified "$began" "$since" $((limit + slack)) "$touched" \
			"$streams_dir/figures" > "$streams_dir/why"
		[ ! -s "$streams_dir/why" ] || break
		# Some are still on their way to be classified
		! grep -q -v ' s$' <<< "$why" || continue
		note "flows are forgotten, since" "$why"
		since=$now
		forget_flows
	done
	if [ -n "$why" ]; then
		fail "$name" "$(($(now_ms) - after)) ms later:" "$why" \
			"$(cat "$streams_dir/why")" "$(ftqos -n "$router" -j status)"
		return
	fi
	why=$(misclassified "$began" "$since" $((limit + slack)) "$touched" \
		"$streams_dir/figures")
	if [ -n "$why" ]; then
		fail "$name" "$why"
	else
		pass "$name"
	fi
	placed=$(now_ms)
	note "$(cat "$streams_dir/figures"), at most $limit;" \
		"$((after - began)) + $((placed - after)) ms"
}

# calm: the next event's limit is 100 ms
calm()
{
	busywait 5 passed_time $((placed + 1600))
}

passed_time()
{
	[ "$(now_ms)" -ge "$1" ]
}

# batch NS: ip commands from standard input
batch()
{
	ip -n "$1" -batch - || bail "ip refuses"
}

# shown: "DEV STATE" of all bindings of the router
shown()
{
	ftqos -n "$router" -j dev show | jq -r '.[] | "\(.dev) \(.state)"' | xargs
}
is_shown()
{
	[ "$(shown)" = "$1" ] || { note "$(shown)"; return 1; }
}
all_active()
{
	is_shown "bond0 active br0 active lan0 active ppp0 active wan0.100.5 active wan0.7 active"
}
