#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Network namespaces are kept apart: two routers with devices, maps and flows of
# the same names, bound at once, each classifies by its own map and sees its own
# flows only. A container's root configures its own namespace, within the limits
# of the initial one. And the module costs nothing where nothing is bound: it
# has no hook before the first binding and none after the last.
#
# Whether packets run in a hook of ours is told by kprobes on its functions,
# counted by the namespace that the kernel calls them for.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft conntrack jq ftqos unshare
trace=/sys/kernel/tracing
[ -e $trace/kprobe_events ] || mount -t tracefs tracefs $trace 2> /dev/null
[ -e $trace/kprobe_events ] || skip_all "no kprobe events"

# packets CLIENT COUNT: of the offloaded flow
packets()
{
	pkt "$1" send 198.51.100.2 --tos 0xb8 --sport 4000 --count "$2"
}

# forget_trace: what is counted begins here
forget_trace()
{
	echo > $trace/trace
	since=$(now_ms)
}

send()
{
	forget_trace
	packets "$@"
}

# hooked NAMESPACES: in so many, hooks of ours were called for what was sent
hooked()
{
	local n

	n=$(grep -o 'net=[0-9a-fx]*' "$trace/trace" | sort | uniq -c |
		awk '$1 >= 20 { n++ } END { print n + 0 }')
	[ "$n" = "$1" ] || { echo "$n"; return 1; }
}

q()
{
	ftqos -n "$@"
}

# field ROUTER KEY OBJECT...: of the JSON object that is shown
field()
{
	ftqos -n "$1" -j "${@:3}" | jq -c "$2"
}

# pcps FILE: "DSCP:PCP xN" of what was captured since $since
pcps()
{
	jq -r "select(.dport == 5000 and .time >= $since) |
		\"\\(.dscp):\\(.pcp)\"" "$1" | sort |
		uniq -c | awk '{ print $2 " x" $1 }' | tr '\n' ' '
}

# passed FILE N: so many packets were captured since $since
passed()
{
	[ "$(jq "select(.dport == 5000 and .time >= $since) | .seq" "$1" |
		wc -l)" -ge "$2" ]
}

# answered ROUTER N: so many packets of the other direction were taken
answered()
{
	[ "$(field "$1" '.[] | select(.sport == 5000).packets' flow show)" \
		-ge "$2" ]
}

load_module
{
	echo 'p:ftqos/in nf_flow_qos:ftq_path_ingress net=+32($arg3):x64'
	echo 'p:ftqos/out nf_flow_qos:ftq_path_egress net=+32($arg3):x64'
} > $trace/kprobe_events || skip_all "no kprobes on functions' arguments"
defer eval "echo > $trace/kprobe_events"
defer eval "echo 0 > $trace/events/ftqos/enable"
echo 1 > $trace/events/ftqos/enable

tmp=$(mktemp -d)
defer rm -rf "$tmp"
for i in 1 2; do
	topo_router --vlan7
	topo_nft
	declare c$i="$client" r$i="$router"
	# shellcheck disable=SC2034 # its process id
	pkt_bg echo "$server" echo 198.51.100.2
	pkt_bg sniff "$server" capture srv0 --out "$tmp/cap$i" --direction in
	for _ in 1 2 3; do
		send "$client" 1
	done
	check "flow is offloaded in router $i" busywait 10 offloaded udp 5000
done

send "$c1" 20
busywait 10 passed "$tmp/cap1" 20
check_eq "the loaded module is not called" "" "$(grep -v '^#' $trace/trace)"

# --- one bound ---------------------------------------------------------------

q "$r1" -b - <<- END || fail "set-up" "cannot configure"
	map add voice
	map set voice ef prio 6 pcp 6
	dev set wan0 map voice
END
check_eq "another namespace does not see the binding" "[]" \
	"$(field "$r2" . dev show)"
check_eq "another namespace does not see the map" '["default"]' \
	"$(field "$r2" 'map(.name)' map show)"
check_eq "another namespace has its own flowtables in its status" \
	'[["lan0","unhooked"],["wan0","unhooked"]]' \
	"$(field "$r2" '.flowtables | map([.dev, .state]) | sort' status)"
check_eq "... which the first calls through its hooks" \
	'[["lan0","hooked"],["wan0","hooked"]]' \
	"$(field "$r1" '.flowtables | map([.dev, .state]) | sort' status)"
send "$c1" 20
check "hooks are called where something is bound" busywait 10 hooked 1
send "$c2" 20
busywait 10 passed "$tmp/cap2" 20
check "hooks are not called in another namespace" hooked 0
check_eq "packets of the other namespace are as they were" "46:0 x20 " \
	"$(pcps "$tmp/cap2")"

# --- both bound, traffic in both ---------------------------------------------

q "$r2" -b - <<- END || fail "set-up" "cannot configure"
	map add voice
	map set voice ef prio 3 pcp 3
	dev set wan0 map voice
	config set flow-timeout 600
END
forget_trace
packets "$c2" 50 &
packets "$c1" 50
wait $!
busywait 10 passed "$tmp/cap1" 50
busywait 10 passed "$tmp/cap2" 50
# The answers to the last are on their way
busywait 10 answered "$r1" 70
busywait 10 answered "$r2" 50
check "hooks are called in both" hooked 2
check_eq "the first router classifies by its map" "46:6 x50 " \
	"$(pcps "$tmp/cap1")"
check_eq "the second router classifies by its own" "46:3 x50 " \
	"$(pcps "$tmp/cap2")"
check_eq "flows of the first: packets of both bindings" "70" \
	"$(field "$r1" '.[] | select(.dport == 5000).packets' flow show)"
check_eq "flows of the second: its own only" "50" \
	"$(field "$r2" '.[] | select(.dport == 5000).packets' flow show)"

# Neighbour discovery is not ours to count
before=$(field "$r2" "del(.missed_packets)" stats show)
send "$c1" 10
q "$r1" -b - <<- END
	map set voice all prio 1 pcp 1
	flow flush
	stats reset
	config set flow-limit 100 flow-timeout 5
END
check_eq "traffic and changes in one do not touch counters of the other" \
	"$before" "$(field "$r2" "del(.missed_packets)" stats show)"
check_eq "... nor limits" '{"flow_limit":65536,"flow_timeout":600}' \
	"$(field "$r2" . config show)"
check_eq "... nor flows" 2 "$(field "$r2" length flow show)"
check_eq "... nor maps" 3 \
	"$(field "$r2" '.[0].entries[46].pcp' map show voice)"

q "$r1" dev del wan0
send "$c1" 20
busywait 10 passed "$tmp/cap1" 20
check "hooks are not called behind the last binding" hooked 0
check_eq "... and packets are as they were" "46:0 x20 " "$(pcps "$tmp/cap1")"
send "$c2" 20
busywait 10 passed "$tmp/cap2" 20
check_eq "... but in the other namespace still" "46:3 x20 " \
	"$(pcps "$tmp/cap2")"
q "$r2" dev del wan0
send "$c2" 20
busywait 10 passed "$tmp/cap2" 20
check_eq "the module is not called when nothing is bound any more" "" \
	"$(grep -v '^#' $trace/trace)"

# --- containers --------------------------------------------------------------

# What follows changes the initial namespace
old=$(ftqos -j config show | jq .flow_limit)
defer ftqos config set flow-limit "$old"
ftqos config set flow-limit 1000
if unshare -rn true 2> /dev/null; then
	# shellcheck disable=SC2016 # not here
	unshare -rn bash -c '
		ip link add d0 type dummy
		ftqos config show
		ftqos -b - <<- END && echo configured
			map add own
			map set own ef prio 9
			dev set d0 map own
			config set flow-limit 10
		END
		ftqos config set flow-limit 1000 && echo up to the limit
		ftqos config set flow-limit 1001
		echo "status $?"
		echo config set flow-limit 1001 | ftqos restore
		echo "status $?"
		ftqos config show
		ftqos save | grep "^dev set"
		ftqos flow show > /dev/null && echo flows
		' > "$tmp/out" 2>&1
	above='above the limit of the initial network namespace: raise that first'
	check_eq "a container begins with the limit of the initial namespace" \
		"1000" "$(sed -n 's/^flow.limit *//p' "$tmp/out" | head -n 1)"
	check "a container's root configures its own namespace" \
		grep -x configured "$tmp/out"
	check "... up to that limit" grep -x 'up to the limit' "$tmp/out"
	check_eq "... and not beyond, with set and with restore" 2 \
		"$(grep -c "$above" "$tmp/out")"
	check_eq "... with status 2" 2 "$(grep -c -x 'status 2' "$tmp/out")"
	check "... so that nothing was changed" \
		grep -x 'dev set d0 map own trust dscp scope offloaded sticky off absent' \
		"$tmp/out"
	check "a container's root sees its flows" grep -x flows "$tmp/out"
	check_eq "a container's root cannot change the namespace it came from" 2 \
		"$(unshare -r ftqos map add mine > /dev/null 2>&1; echo $?)"
	check_eq "... nor see its flows" 2 \
		"$(unshare -r ftqos flow show > /dev/null 2>&1; echo $?)"
else
	skip "containers" "no user namespaces"
fi
check_eq "the initial namespace has no hook and no binding" "[]" \
	"$(ftqos -j dev show)"
finish
