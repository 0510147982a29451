#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What Documentation/security.rst says that others can do: users without rights, who see
# no addresses of packets and none of the kernel, and may have the module loaded, not more;
# senders of packets, who can fill the table of flows, not more, and cannot choose where in
# it their flows are; containers, which together keep no more flows than the initial
# namespace may, and pay for what they configure.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft python3 jq ftqos setpriv unshare

tmp=$(mktemp -d)
chmod 755 "$tmp"
defer rm -rf "$tmp"
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)

# tuples FIRST LAST COUNT [OPTION...]: so many frames of the client from each of these
# ports, through the router
tuples()
{
	local jobs='' mac port

	mac=$(mac_of "$router" lan0)
	for ((port = $1; port <= $2; port++)); do
		jobs+="${jobs:+ + }raw --dev cl0 --dst-mac $mac --src $lan4.2 --dst $wan4.2"
		jobs+=" --sport $port --count $3 ${*:4}"
	done
	# shellcheck disable=SC2086 # words
	pkt "$client" $jobs || bail "packets were not sent"
}

taken()
{
	[ "$(counters offloaded_packets)" -ge "$1" ]
}

# flows EXPRESSION: of the router's, as an array
flows()
{
	ftqos -n "$router" -j flow show | jq -c "$1"
}

mute()
{
	in_ns "$1" nft -f - <<- END || bail "nft refuses to drop"
		table inet mute {
			chain input {
				type filter hook input priority filter
				meta l4proto { tcp, udp } drop
			}
		}
	END
}

# --- users -------------------------------------------------------------------

# By name a family has its module loaded, by anybody: so what is loaded does nothing
load_module
rmmod nf_flow_qos || bail "the module cannot be removed"
check "a user without rights has the module loaded" "${nobody[@]}" ftqos status
check "... which is there then" test -d /sys/module/nf_flow_qos

topo_router
topo_nft
mute "$server"
# Some flowtables more, whose addresses can be compared
ip -batch - -n "$router" <<< "$(printf 'link add d%d type dummy\n' {1..12})" ||
	bail "no dummy devices"
in_ns "$router" nft -f - <<< "$(printf 'table inet t%d {
	flowtable ft {
		hook ingress priority filter
		devices = { d%d }
	}
}\n' 1 1 2 2 3 3 4 4 5 5 6 6 7 7 8 8 9 9 10 10 11 11 12 12)" || bail "no flowtables"
check_eq "... and has placed no hook" '["unhooked"]' \
	"$(ftqos -n "$router" -j status | jq -c '.flowtables | map(.state) | unique')"
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	map add voice
	map set voice ef prio 6
	dev set wan0 map voice
END
hooks_placed

# told_to UID: what that user is told while flows come and go, in $told
told_to()
{
	local fifo=$tmp/fifo line='' pid

	prio=$((prio + 1))
	[ -p "$fifo" ] || mkfifo -m 666 "$fifo"
	in_ns "$router" python3 -I -S "$LIB_DIR/leaks.py" --as "$1" "$fifo" \
		"$lan4.2" "$wan4.2" > "$tmp/told" 2>&1 &
	pid=$!
	read -r -t 60 line < "$fifo"
	[ "$line" = ready ] || bail "leaks.py: not ready"
	ftqos -n "$router" -b - <<- END || bail "refused"
		flow flush
		map set voice ef prio $prio
		dev set wan0 trust $([ "$1" = 0 ] && echo dscp || echo none)
	END
	tuples 4001 4004 5 --tos 0xb8
	[ "$1" != 0 ] || busywait 10 four_flows > /dev/null
	echo go > "$fifo"
	wait "$pid" || bail "leaks.py: $(< "$tmp/told")"
	told=$(< "$tmp/told")
}

four_flows()
{
	[ "$(flows length)" = 4 ]
}

# line KEY: of $told
line()
{
	sed -n "s/^$1 *//p" <<< "$told"
}

# no_pointers: in $told; nobody finds them where memory begins at 0
no_pointers()
{
	local name="... and no address in the kernel"

	if [ "$(line looked)" = yes ]; then
		check_eq "$name" "" "$(line pointers)"
	else
		skip "$name" "they look like numbers on $(uname -m)"
	fi
}

prio=6
told_to 0
check_eq "root is told all: the addresses of flows among it" "$lan4.2 $wan4.2" \
	"$(line addresses)"
check_eq "... nothing is refused" "" "$(line refused)"
check "... in answers and events" test "$(line answers)" -ge 28
no_pointers
[ "$(line looked)" = no ] ||
	check_eq "... which the module's own are known for" "" "$(line missed)"
check_eq "flowtables have an id each" 13 "$(line ids)"
check "... which is not their address" test "$(line low)" -gt 1
told_to 65534
check_eq "a user without rights is refused flows and their events" "flows flow-get" \
	"$(line refused)"
check "... is told the rest" test "$(line answers)" -ge 20
check_eq "... no address of a packet in it" "" "$(line addresses)"
no_pointers

# --- senders -----------------------------------------------------------------

ip netns exec "$router" ftqos -j monitor flows > "$tmp/events" 2> /dev/null &
defer kill $!

# told: what has happened up to now is in the file of events
told_since()
{
	ftqos -n "$router" config set flow-timeout $((600 + $(now_ms) / 100))
	jq "select(.flow_timeout > $1)" "$tmp/events" | grep -q .
}
told()
{
	busywait 20 told_since $((600 + $(now_ms) / 100)) ||
		bail "the monitor does not tell of changes"
}

# events FIRST LAST: of new flows from these ports
events()
{
	jq -c "select(.event == \"flow-new\" and .sport >= $1 and .sport <= $2) | .sport" \
		"$tmp/events" | wc -l
}

told
ftqos -n "$router" -b - <<- END || bail "refused"
	flow flush
	config set flow-limit 16
	stats reset
END
pkt_bg cap_pid "$server" capture srv0 --out "$tmp/cap" --direction in
tuples 10000 10099 5 --tos 0xb8
# The first packets of a flow are the slow path's
busywait 20 taken 300 || bail "nothing is offloaded"
phase "$cap_pid" "$tmp/cap"
told
read -r offloaded dropped accounted set <<< \
	"$(counters offloaded_packets flows_dropped flows prio_set)"
check_eq "a flood of flows: as many are accounted as the limit says" 16 "$accounted"
check_eq "... packets of the others are counted as that" \
	$((offloaded - $(flows 'map(.packets) | add'))) "$dropped"
check_eq "... and classified" "$offloaded" "$set"
check_eq "... with one event for a flow, none for a packet" 16 "$(events 10000 10099)"
check_eq "... and as many packets leave as have come" 500 \
	"$(grep -c '"seq"' "$tmp/cap")"

ftqos -n "$router" -b - <<- END || bail "refused"
	flow flush
	config set flow-limit 1000
	dev set wan0 sticky all
END
tuples 20000 20099 1 --proto tcp --odd syn
tuples 4001 4001 5
told
check_eq "a flood of SYNs makes no flow" "[4001]" "$(flows 'map(.sport)')"
check_eq "... and no event" "0 1" "$(events 20000 20099) $(events 4001 4001)"

# The same flows in another namespace, where the key of the hash is another. A dump goes
# through the table: flows are where their hash has put them.
ftqos -n "$router" flow flush
tuples 4001 4040 4
same='map([.iif, .src, .dst, .sport, .dport]) | sort'
there=$(flows "$same")
order=$(flows 'map(.sport)')
index=$(in_ns "$router" cat /sys/class/net/lan0/ifindex)
topo_router
topo_nft
mute "$server"
ftqos -n "$router" dev set wan0 || bail "cannot bind"
hooks_placed
tuples 4001 4040 4
check_eq "the same flows are in two namespaces" "$index $there" \
	"$(in_ns "$router" cat /sys/class/net/lan0/ifindex) $(flows "$same")"
check "... and elsewhere in their tables" test "$order" != "$(flows 'map(.sport)')"

# --- memory ------------------------------------------------------------------

# It is charged to the control group of who configures, and stays so when that is gone
cg=$tmp/cg
mkdir "$cg"
if mount -t cgroup2 none "$cg" 2> /dev/null && defer umount "$cg" &&
   grep -qw memory "$cg/cgroup.controllers"; then
	echo +memory > "$cg/cgroup.subtree_control"
	mkdir "$cg/ftqos"
	defer rmdir "$cg/ftqos"
	(
		echo "$BASHPID" > "$cg/ftqos/cgroup.procs"
		exec ftqos -n "$router" config set flow-limit 4194304
	)
	charged=$(< "$cg/ftqos/memory.current")
	# A pointer for each of 2^20 buckets
	check "memory is charged to who configures" test "$charged" -ge $((8 << 20))
	ftqos -n "$router" config set flow-limit 65536
	given_back()
	{
		[ "$(< "$cg/ftqos/memory.current")" -lt $((charged - (7 << 20))) ]
	}
	check "... until it is given back" busywait 10 given_back
else
	skip "memory" "no control group for it"
fi

# --- containers --------------------------------------------------------------

if ! "${nobody[@]}" unshare -rn true 2> /dev/null; then
	skip "containers" "no user namespaces for users"
	finish
fi
# What follows changes the initial namespace
old=$(ftqos -j config show | jq .flow_limit)
defer ftqos config set flow-limit "$old"
ftqos config set flow-limit 12
"${nobody[@]}" unshare -rn bash -c '
	ip link add d0 type dummy
	ftqos dev set d0 && ftqos dev show d0
	ftqos flow show > /dev/null && echo flows
	ftqos config set flow-limit 13' > "$tmp/out" 2>&1
check "a user configures a namespace of their own" grep -q '^d0 ' "$tmp/out"
check "... and sees its flows" grep -x flows "$tmp/out"
check "... with no more of them than the initial namespace" \
	grep 'above the limit of the initial network namespace' "$tmp/out"
check_eq "... where nothing has changed" '[] {"flow_limit":12,"flow_timeout":60}' \
	"$(ftqos -j dev show | jq -c .) $(ftqos -j config show | jq -c .)"

for i in 1 2; do
	topo_router --container
	topo_nft
	mute "$server"
	ftqos -n "$router" dev set wan0 || bail "cannot bind"
	hooks_placed
	declare "r$i=$router" "c$i=$client"
done
# container N: it is the one that is meant
container()
{
	router=r$1 client=c$1
	router=${!router} client=${!client}
}

container 1
tuples 4001 4008 4
check_eq "a container has flows" 8 "$(flows length)"
container 2
tuples 4001 4008 4
check_eq "another has what is left of the initial namespace's limit" 4 "$(flows length)"
check_eq "... and what it cannot account is counted, and classified" "8 16" \
	"$(counters flows_dropped prio_set)"
ftqos -n "$r1" flow flush
tuples 4001 4008 1
check_eq "what one gives back the other can have" 8 "$(flows length)"
container 1
tuples 4001 4008 1
check_eq "... and it what is left then" 4 "$(flows length)"
container 2
del_ns "$r1"
tuples 5001 5004 4
filled()
{
	tuples 5001 5004 1
	[ "$(flows length)" = 12 ]
}
check "a container that goes gives all back" busywait 10 filled
ftqos -n "$router" flow flush
ftqos -n "$router" dev set wan0 sticky all
tuples 6001 6012 4
check_eq "what is learned takes the room of flows" 6 "$(flows length)"
ftqos -n "$router" flow flush
ftqos -n "$router" dev set wan0 sticky off
tuples 6001 6012 1
check_eq "... and gives it back" 12 "$(flows length)"

printf 'dev set x%d absent\n' {1..1024} > "$tmp/full"
check "1024 bindings can be there" ftqos -n "$router" restore "$tmp/full"
most='1024 bindings is the most there can be'
check_eq "... one more is refused" 1 \
	"$(ftqos -n "$router" dev set x0 absent 2>&1 | grep -c "$most")"
echo "dev set x0 absent" >> "$tmp/full"
check_eq "... and with restore" 1 \
	"$(ftqos -n "$router" restore "$tmp/full" 2>&1 | grep -c "$most")"
finish
