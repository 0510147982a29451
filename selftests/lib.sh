# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Library of the selftests: KTAP, clean-up stack, namespaces, waiting for
# conditions, the router that most tests use. Sourced by them, as root.
#
# A test script:
#
#	. "$(dirname "$0")/lib.sh"
#	need_tools nft tc
#	topo_router --vlan7
#	topo_nft
#	check "flow is offloaded" busywait 10 offloaded udp 5000
#	finish

set -u

LIB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
ksft_pass=0
ksft_fail=1
ksft_skip=4

# --- KTAP ------------------------------------------------------------------

ktap_n=0
ktap_failed=0
ktap_ended=
echo "TAP version 13"

# note TEXT...: a comment
note()
{
	echo "# $*"
}

# pass NAME, fail NAME [WHY...], skip NAME [WHY...]: one result
pass()
{
	ktap_n=$((ktap_n + 1))
	echo "ok $ktap_n $1"
}

fail()
{
	ktap_n=$((ktap_n + 1))
	ktap_failed=$((ktap_failed + 1))
	echo "not ok $ktap_n $1"
	shift
	[ $# = 0 ] || sed 's/^/#   /' <<< "$*"
	return 1
}

skip()
{
	ktap_n=$((ktap_n + 1))
	echo "ok $ktap_n $1 # SKIP ${*:2}"
}

# check NAME COMMAND...: passes if COMMAND ends with 0; what it printed is shown
# if not
check()
{
	local name=$1 out

	shift
	if out=$("$@" 2>&1); then
		pass "$name"
	else
		fail "$name" "failed: $*${out:+$'\n'}$out"
	fi
}

# check_not NAME COMMAND...: passes if COMMAND fails
check_not()
{
	local name=$1 out

	shift
	if out=$("$@" 2>&1); then
		fail "$name" "should have failed: $*${out:+$'\n'}$out"
	else
		pass "$name"
	fi
}

# check_eq NAME WANTED GOT: passes if the two are the same text
check_eq()
{
	if [ "$2" = "$3" ]; then
		pass "$1"
	else
		fail "$1" "wanted: $2"$'\n'"got:    $3"
	fi
}

# skip_all WHY...: the script cannot run here
skip_all()
{
	ktap_ended=1
	echo "1..0 # SKIP $*"
	exit $ksft_skip
}

# bail WHY...: what the test stands on is not there; a failure
bail()
{
	fail "set-up" "$*"
	exit $ksft_fail
}

# finish: print the plan, clean up, exit 0 (passed) or 1
finish()
{
	ktap_ended=1
	echo "1..$ktap_n"
	[ "$ktap_failed" = 0 ] || exit $ksft_fail
	exit $ksft_pass
}

# --- clean-up --------------------------------------------------------------

defer_stack=()

# defer COMMAND...: run at the end, the last one first
defer()
{
	defer_stack+=("$(printf '%q ' "$@")")
}

run_deferred()
{
	local i rc=$?

	trap '' INT TERM
	for ((i = ${#defer_stack[@]} - 1; i >= 0; i--)); do
		eval "${defer_stack[i]}" > /dev/null 2>&1
	done
	defer_stack=()
	if [ -z "$ktap_ended" ]; then
		# No plan: whoever reads this knows that the end was missed
		echo "# the script ended early, status $rc"
		[ "$rc" != 0 ] || rc=$ksft_fail
	fi
	exit "$rc"
}
trap run_deferred EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# --- waiting ---------------------------------------------------------------

# now_ms: a clock that only moves forward
now_ms()
{
	local up

	read -r up _ < /proc/uptime
	# Decimal also in the first second, when it begins with a 0
	echo $((10#${up/./} * 10))
}

# busywait SECONDS COMMAND...: until COMMAND succeeds; prints its last output
busywait()
{
	local end out rc

	end=$(($(now_ms) + $1 * 1000))
	shift
	while :; do
		rc=0
		out=$("$@" 2>&1) || rc=$?
		[ $rc != 0 ] && [ "$(now_ms)" -lt "$end" ] || break
		sleep 0.05
	done
	[ -z "$out" ] || echo "$out"
	return $rc
}

# need_tools TOOL...: else the script is skipped
need_tools()
{
	local t

	[ "$(id -u)" = 0 ] || skip_all "needs root"
	for t; do
		command -v "$t" > /dev/null || skip_all "needs $t"
	done
}

# load_module: insert our module, from the tree or by name; unloaded at the end
load_module()
{
	local ko=$LIB_DIR/../kmod/nf_flow_qos.ko

	[ -d /sys/module/nf_flow_qos ] && return
	modprobe -a nf_flow_table nf_flow_table_inet 2> /dev/null
	if modprobe nf_flow_qos 2> /dev/null; then
		:
	elif [ -e "$ko" ]; then
		insmod "$ko" || bail "cannot insert $ko"
	else
		skip_all "no nf_flow_qos module"
	fi
	defer rmmod nf_flow_qos
}

# What the kernel takes for lost of what the module allocated, which has no name any more
# once it is unloaded. A look may miss it.
leaks()
{
	local file=/sys/kernel/debug/kmemleak found

	echo scan > $file && echo scan > $file && found=$(cat $file) || return 1
	! grep -B 12 -A 12 -m 1 -E 'ftq_|nf_flow_qos|^ +(\[<[0-9a-f]+>\] )?0x[0-9a-f]+$' \
		<<< "$found"
}

# check_leaks NAME: no memory is lost, where the kernel can tell, of what it has not had for
# more than 5 s
check_leaks()
{
	[ -e /sys/kernel/debug/kmemleak ] || return 0
	sleep 6
	check "$1: no memory is lost" leaks
}

# The series of the kernel that runs, as a number: 6.18 is 6018
# shellcheck disable=SC2034 # for those who source this
IFS=.- read -r release minor _ <<< "$(uname -r)"
release=$((release * 1000 + minor))

# --- namespaces ------------------------------------------------------------

ns_n=0

# setup_ns VAR...: make namespaces of random names and put these into the
# variables; removed at the end with every process in them
setup_ns()
{
	local name var

	for var; do
		name=$var-$$-$((++ns_n))
		ip netns add "$name" || bail "cannot make a namespace"
		defer del_ns "$name"
		ip -n "$name" link set lo up
		eval "$var=\$name"
	done
}

# setup_container VAR...: the same, each of a user namespace of its own
setup_container()
{
	local name pid var

	for var; do
		name=$var-$$-$((++ns_n))
		unshare -rn sleep 100 &
		pid=$!
		busywait 10 has_own_net "$pid" && ip netns attach "$name" "$pid" ||
			skip_all "no user namespaces"
		defer del_ns "$name"
		kill "$pid"
		ip -n "$name" link set lo up
		eval "$var=\$name"
	done
}

has_own_net()
{
	[ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ] &&
		[ "$(cat "/proc/$1/comm")" = sleep ]
}

del_ns()
{
	local pids

	pids=$(ip netns pids "$1")
	# shellcheck disable=SC2086 # a list
	[ -z "$pids" ] || kill -9 $pids
	ip netns del "$1"
}

# in_ns NS COMMAND...: run COMMAND in the namespace
in_ns()
{
	ip netns exec "$@"
}

# --- the router ------------------------------------------------------------
#
#      $client                 $router                       $server
#  +-------------+     +----------------------+     +----------------------+
#  |         cl0 +-----+ lan0            wan0 +-----+ srv0                 |
#  | 192.0.2.2   |     | 192.0.2.1            |     |                      |
#  | 2001:db8:1::2     | 2001:db8:1::1        |     |                      |
#  |             |     |          198.51.100.1|     | 198.51.100.2         |
#  |             |     |        2001:db8:2::1 |     | 2001:db8:2::2        |
#  +-------------+     +----------------------+     +----------------------+
#
# With --vlan7 the addresses on the right are on wan0.7 and srv0.7 (VLAN 7), with
# --vlans "802.1ad:100 802.1Q:5" on wan0.100.5 and srv0.100.5, and so on.
# The addresses can be changed before the call. $wan is the router's device
# that has the address towards the server, $srv the server's; $lan_dev and $cl_dev are
# those between router and client.

# shellcheck disable=SC2034 # for the tests
{
	client='' router='' server='' wan='' srv='' lan_dev='' cl_dev=''
	lan4=192.0.2 lan6=2001:db8:1: wan4=198.51.100 wan6=2001:db8:2:
}

# no_offloads NS DEV: every packet by itself, checksums real
no_offloads()
{
	in_ns "$1" ethtool -K "$2" gro off gso off tso off tx off rx off \
		> /dev/null 2>&1 || :
}

# topo_side NS KEEP DEV VLANS ADDR4 ADDR6 [IP COMMAND...]: one end of a cable. In
# one process, because under emulation each costs a tenth of a second.
topo_side()
{
	in_ns "$1" bash -c '
		keep=$1 dev=$2 top=$2 vlans=$3 addr4=$4 addr6=$5
		shift 5
		for p in /proc/sys/net/ipv4/ip_forward \
			 /proc/sys/net/ipv6/conf/all/forwarding; do
			echo 1 > $p
		done
		# An address that is found to be unique changes the routes,
		# which ends flows of IPv6
		for p in default $dev; do
			echo 0 > /proc/sys/net/ipv6/conf/$p/accept_dad
		done
		[ -n "$keep" ] || ethtool -K $dev gro off gso off tso off \
			tx off rx off > /dev/null 2>&1
		{
			echo "link set $dev up"
			for v in $vlans; do
				echo "link add link $top name $top.${v#*:}" \
					"type vlan protocol ${v%:*} id ${v#*:}"
				top=$top.${v#*:}
				echo "link set $top up"
			done
			echo "addr add $addr4 dev $top"
			echo "addr add $addr6 dev $top nodad"
			for l; do
				echo "$l"
			done
		} | ip -batch -' bash "${@:2}" || bail "cannot set up $3 in $1"
}

# topo_router [--vlan7 | --vlans "PROTOCOL:VID ..."] [--keep-offloads] [--container]
# With the last the router's namespace is of a user namespace of its own.
topo_router()
{
	local keep='' setup_router=setup_ns v vlans=''

	while [ $# -gt 0 ]; do
		case $1 in
		--vlan7)	vlans=802.1Q:7 ;;
		--vlans)	vlans=$2; shift ;;
		--keep-offloads) keep=1 ;;
		--container)	setup_router=setup_container ;;
		*)		bail "topo_router: $1?" ;;
		esac
		shift
	done
	setup_ns client server
	$setup_router router
	wan=wan0 srv=srv0 lan_dev=lan0 cl_dev=cl0
	for v in $vlans; do
		wan+=.${v#*:} srv+=.${v#*:}
	done
	ip -batch - <<- END || bail "cannot make veth devices"
		link add cl0 netns $client type veth peer name lan0 netns $router
		link add wan0 netns $router type veth peer name srv0 netns $server
	END
	topo_side "$client" "$keep" cl0 '' "$lan4.2/24" "$lan6:2/64" \
		"route add default via $lan4.1" "route add default via $lan6:1"
	topo_side "$router" "$keep" lan0 '' "$lan4.1/24" "$lan6:1/64"
	topo_side "$router" "$keep" wan0 "$vlans" "$wan4.1/24" "$wan6:1/64"
	topo_side "$server" "$keep" srv0 "$vlans" "$wan4.2/24" "$wan6:2/64" \
		"route add default via $wan4.1" "route add default via $wan6:1"
	busywait 10 in_ns "$client" ping -q -c 1 -W 1 "$wan4.2" > /dev/null ||
		bail "no way from the client to the server (IPv4)"
	busywait 10 in_ns "$client" ping -q -c 1 -W 1 "$wan6:2" > /dev/null ||
		bail "no way from the client to the server (IPv6)"
}

# links_settle: what the kernel has still to do about links that came up is done. It
# makes all routes stale, which ends flows, and waits up to a second with a device whose
# carrier nobody waits for (linkwatch_urgent_event). As it takes one after the other, a
# device whose turn comes last tells.
marked=''
links_settle()
{
	local state=DOWN

	if [ "$marked" != "$client" ]; then
		ip -n "$client" link add mark0 up type dummy || bail "no dummy device"
		marked=$client carrier=on
	fi
	[ "$carrier" = off ] && carrier=on state=UP || carrier=off
	ip -n "$client" link set mark0 carrier "$carrier" || bail "no carrier to set"
	busywait 10 mark_is $state || bail "nobody looks at links"
}

mark_is()
{
	[[ $(ip -n "$client" -br link show dev mark0) == *" $1 "* ]]
}

# topo_nft [--masquerade] [--devices "DEV, DEV"] [--counter]: the flowtable of
# the router. The counter `slow` behind `flow add` counts what is forwarded on
# the slow path and is UDP or TCP.
topo_nft()
{
	local counter='' devices="lan0, wan0" nat=

	while [ $# -gt 0 ]; do
		case $1 in
		--masquerade)	nat=1 ;;
		--devices)	devices=$2; shift ;;
		--counter)	counter=counter ;;
		*)		bail "topo_nft: $1?" ;;
		esac
		shift
	done
	links_settle
	in_ns "$router" nft -f - <<- END || bail "nft refuses the ruleset"
		table inet ftq {
			counter slow { }
			flowtable ft {
				hook ingress priority filter
				devices = { $devices }
				$counter
			}
			chain forward {
				type filter hook forward priority filter
				meta l4proto { tcp, udp } flow add @ft
				meta l4proto { tcp, udp } counter name slow
			}
			${nat:+chain post {
				type nat hook postrouting priority srcnat
				oifname "$wan" masquerade
			\}}
		}
	END
	hooks_placed
}

# hooks_placed: if something is bound the module's hooks stand before the flowtables
# of $router, where a new one may have to wait for a second (rule 6)
hooks_placed()
{
	[ ! -d /sys/module/nf_flow_qos ] || busywait 10 hooks_are_placed
}

hooks_are_placed()
{
	local out

	out=$(ftqos -n "$router" -j status) || return
	out=${out//[[:space:]]/}
	[[ $out == *'"devices":[]'* || $out != *'"state":"unhooked"'* ]]
}

# slow_packets: how many packets the router forwarded on the slow path
slow_packets()
{
	local out

	out=$(in_ns "$router" nft list counter inet ftq slow)
	out=${out#*packets }
	echo "${out%% *}"
}

# counters KEY...: of the router, as "ftqos stats show" names them
counters()
{
	local key out=() text

	text=$(ftqos -n "$router" -j stats show)
	for key; do
		[[ $text =~ \"$key\":\ *([0-9]+) ]] || bail "no counter $key"
		out+=("${BASH_REMATCH[1]}")
	done
	echo "${out[*]}"
}

# offloaded [PROTO [PORT [FAMILY]]]: the router has an offloaded flow of that
# kind (as conntrack says); FAMILY is ipv4 (default) or ipv6
offloaded()
{
	in_ns "$router" conntrack -L -f "${3:-ipv4}" ${1:+-p "$1"} \
		2> /dev/null | grep -E "dport=${2:-[0-9]+} " |
		grep -E '\[(HW_)?OFFLOAD\]'
}

# --- packets ---------------------------------------------------------------

pkt_bg_n=0
# By namespace: to and from a process of pkt.py that stays
declare -A pkt_in=() pkt_out=()

# pkt NS ARGUMENTS...: pkt.py does that there; "+" separates several jobs. What only
# sends is for one process, because each start of Python costs more than all the rest.
# It belongs to this shell: those that it forks may be several at a time.
pkt()
{
	local fifo in line='' out

	if [ "$BASHPID" != $$ ] || [[ ${2-} != @(raw|send) ]]; then
		in_ns "$1" python3 -I -S "$LIB_DIR/pkt.py" "${@:2}"
		return
	fi
	if [ -z "${pkt_in[$1]-}" ]; then
		fifo=${TMPDIR:-/tmp}/pkt.$$.$((++pkt_bg_n))
		mkfifo "$fifo.in" "$fifo.out" || bail "cannot make $fifo"
		ip netns exec "$1" python3 -I -S "$LIB_DIR/pkt.py" - \
			< "$fifo.in" > "$fifo.out" &
		defer kill $!
		exec {in}> "$fifo.in" {out}< "$fifo.out"
		rm -f "$fifo.in" "$fifo.out"
		pkt_in[$1]=$in pkt_out[$1]=$out
	fi
	echo "${*:2}" >&"${pkt_in[$1]}"
	read -r -t 60 line <&"${pkt_out[$1]}"
	[ "$line" = ok ] || { echo "${line:-pkt.py is gone or hangs}"; false; }
}

# By process id: where it says that it is ready, and that a phase is complete
pkt_says=()

# pkt_bg VAR NS ARGUMENTS...: in the background; returns as soon as it is ready
# (capturing, listening), its process id in VAR. Ended at the end at the latest.
pkt_bg()
{
	local fd fifo line='' pid var=$1 ns=$2

	shift 2
	fifo=${TMPDIR:-/tmp}/ready.$$.$((++pkt_bg_n))
	mkfifo "$fifo" || bail "cannot make $fifo"
	exec {fd}<> "$fifo"
	ip netns exec "$ns" python3 -I -S "$LIB_DIR/pkt.py" --ready "$fifo" "$@" &
	pid=$!
	defer kill "$pid"
	read -r -t 30 -u "$fd" line
	rm -f "$fifo"
	pkt_says[pid]=$fd
	[ "$line" = ready ] || bail "pkt.py $*: not ready"
	eval "$var=\$pid"
}

# pkt_stop PID: end it and wait until what it wrote is complete
pkt_stop()
{
	kill -TERM "$1" 2> /dev/null
	wait "$1" 2> /dev/null
}

# phase PID FILE: what the capture got so far is in the file, behind it a line
# {"phase": N} with the number of the call
phase()
{
	local line=''

	kill -USR1 "$1"
	read -r -t 30 -u "${pkt_says[$1]}" line
	[ "$line" = phase ] || bail "the capture in $2 does not answer"
}

# kinds FILE PORT KEY...: of the frames to that port in the last phase that raw, send or
# client sent, a line for each kind: how many, and what these keys have, or "null"
kinds()
{
	tac "$1" | awk -v port="\"dport\": $2," -v keys="${*:3}" '
		BEGIN { m = split(keys, key, " ") }
		/^."phase"/ && phases++ { exit }
		/"seq"/ && index($0, port) {
			kind = ""
			for (i = 1; i <= m; i++) {
				start = "\"" key[i] "\": \"?"
				value = "null"
				if (match($0, start "[^\",}]+")) {
					value = substr($0, RSTART, RLENGTH)
					sub(start, "", value)
				}
				kind = kind " " value
			}
			n[kind]++
		}
		END { for (kind in n) print n[kind] kind }' | sort -k 2
}

# have_pcp FILE PCP [MS]: the last ten packets to port 5000 in the file of a capture have
# that PCP, and all came after that time
have_pcp()
{
	tail -n 40 "$1" | grep '"dport": 5000' | tail -n 10 |
		awk -v pcp="\"pcp\": $2" -v since="${3:-0}" '
		match($0, /"time": [0-9]+/) && index($0, pcp) &&
			substr($0, RSTART + 8, RLENGTH - 8) + 0 >= since { n++ }
		END { exit n != 10 }'
}

# with_phase: to every packet of a capture its phase, 0 at first
with_phase()
{
	jq -c -n 'foreach inputs as $p (0; if $p.phase then $p.phase else . end;
		if $p.phase then empty else {phase: .} + $p end)' "$@"
}

# --- flows -----------------------------------------------------------------

# talk_serve NS [PORT...]: answer what talk sends
talk_serve()
{
	local fifo line='' ns=$1

	shift
	fifo=${TMPDIR:-/tmp}/ready.$$.$((++pkt_bg_n))
	mkfifo "$fifo" || bail "cannot make $fifo"
	ip netns exec "$ns" python3 -I -S "$LIB_DIR/talk.py" --ready "$fifo" \
		serve "$@" &
	defer kill $!
	read -r -t 30 line <> "$fifo"
	rm -f "$fifo"
	[ "$line" = ready ] || bail "talk.py serve: not ready"
}

talk_in='' talk_out=''

# talk_start NS: a process that sends what talk says
talk_start()
{
	local fifo

	fifo=${TMPDIR:-/tmp}/talk.$$.$((++pkt_bg_n))
	mkfifo "$fifo.in" "$fifo.out" || bail "cannot make $fifo"
	ip netns exec "$1" python3 -I -S "$LIB_DIR/talk.py" talk \
		< "$fifo.in" > "$fifo.out" 2>&1 &
	defer kill $!
	exec {talk_in}> "$fifo.in" {talk_out}< "$fifo.out"
	rm -f "$fifo.in" "$fifo.out"
}

# talk [COMMAND...]: commands of talk.py, one an argument. Everything that they
# send, and what was sent before, is through when this returns. Fails, and says why,
# if one failed.
talk()
{
	local line rc=0

	printf '%s\n' "$@" sync >&"$talk_in"
	while read -r -t 60 line <&"$talk_out"; do
		[ "$line" != ok ] || return $rc
		echo "$line"
		rc=1
	done
	echo "talk.py is gone or hangs"
	return 1
}

# talk_or_bail COMMAND...: for what a test only stands on
talk_or_bail()
{
	local out

	out=$(talk "$@") || bail "$out"
}

# prio_bands DEV...: a prio qdisc on each of the router's, with a band for each priority
# from 0 to 7
prio_bands()
{
	local dev

	for dev; do
		echo "qdisc replace dev $dev root handle 1: prio bands 8" \
			"priomap 0 1 2 3 4 5 6 7 0 0 0 0 0 0 0 0"
	done | tc -n "$router" -batch - || bail "no prio qdisc"
}

# bands DEV...: packets of each class of the router's prio qdiscs there, by
# rising number, a line for each device
bands()
{
	printf 'class show dev %s\n' "$@" | tc -n "$router" -s -batch - | awk '
		$1 == "class" && $3 ~ /:1$/ && n++ { print "" }
		$1 == "class" { printf "%s", $3 ~ /:1$/ ? "" : " " }
		$1 == "Sent" { printf "%s", $4 }
		END { print "" }'
}

# minus A B: two such lines, number by number
minus()
{
	local a b i

	read -r -a a <<< "$1"
	read -r -a b <<< "$2"
	for i in "${!a[@]}"; do
		a[i]=$((a[i] - b[i]))
	done
	echo "${a[*]}"
}

# bond_below_vlan7: wan0 becomes a bond of one port, port0, with wan0.7 on it; after
# topo_router --vlan7
bond_below_vlan7()
{
	ip -batch - -n "$router" <<- END || bail "no bond"
		link del wan0.7
		link set wan0 down
		link set wan0 name port0
		link add wan0 type bond mode active-backup
		link set port0 master wan0
		link set wan0 up
		link add link wan0 name wan0.7 type vlan id 7
		link set wan0.7 up
		addr add $wan4.1/24 dev wan0.7
		addr add $wan6:1/64 dev wan0.7 nodad
	END
}

# quiet_router: no reports of multicast groups of the router among what is counted, and no
# answers to who asks for its link-local addresses, some seconds after it was heard of
quiet_router()
{
	in_ns "$router" nft -f - <<- END || bail "nft refuses to keep quiet"
		table inet quiet {
			chain output {
				type filter hook output priority filter
				icmpv6 type { mld-listener-report, mld2-listener-report,
					mld-listener-done, nd-router-solicit } drop
				ip6 daddr fe80::/10 icmpv6 type nd-neighbor-advert drop
				ip protocol igmp drop
			}
		}
	END
}

# quiet_neighbours: nor any ARP or neighbour discovery
quiet_neighbours()
{
	local c s l w

	quiet_router
	in_ns "$router" nft add rule inet quiet output \
		icmpv6 type nd-neighbor-solicit drop || bail "nft refuses to keep quiet"
	c=$(mac_of "$client" cl0) s=$(mac_of "$server" srv0)
	l=$(mac_of "$router" lan0) w=$(mac_of "$router" wan0)
	ip -batch - -n "$router" <<- END &&
		neigh replace $lan4.2 lladdr $c dev $lan_dev
		neigh replace $lan6:2 lladdr $c dev $lan_dev
		neigh replace $wan4.2 lladdr $s dev $wan
		neigh replace $wan6:2 lladdr $s dev $wan
	END
	ip -batch - -n "$client" <<- END &&
		neigh replace $lan4.1 lladdr $l dev $cl_dev
		neigh replace $lan6:1 lladdr $l dev $cl_dev
	END
	ip -batch - -n "$server" <<- END || bail "cannot set neighbours"
		neigh replace $wan4.1 lladdr $w dev $srv
		neigh replace $wan6:1 lladdr $w dev $srv
	END
}

# keep_flows: the flowtable does not give a flow up after 30 s without a packet,
# which pass quickly under emulation. After topo_nft.
keep_flows()
{
	in_ns "$router" bash -c 'for proto in tcp udp; do
		echo 600 > /proc/sys/net/netfilter/nf_flowtable_${proto}_timeout
	done' || bail "no timeout of flows to set"
}

# mac_of NS DEV
mac_of()
{
	local out

	out=$(ip -n "$1" link show dev "$2")
	out=${out#*link/* }
	echo "${out%% *}"
}
