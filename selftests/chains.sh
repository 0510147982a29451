#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Chains before, at and behind a flowtable, and tc on both sides of it, come and go
# while streams run through VLANs, stacked VLANs, a PPPoE session, a bridge and a
# bond: they see what they see without us, what drops does drop, and tc at egress has
# the last word. See events.sh for what each event has to keep.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/events.sh
. "$(dirname "$0")/events.sh"
need_tools tc

shapes

# --- chains ----------------------------------------------------------------------------

# chain NAME PRIORITY [VERDICT]: on lan0, counts what comes in for the streams
chain()
{
	rules <<- END
		table netdev $1
		delete table netdev $1
		table netdev $1 {
			counter c { }
			chain c {
				type filter hook ingress device lan0 priority $2
				udp dport 5000 counter name c ${3-}
			}
		}
	END
}
counts()
{
	[ "$(in_ns "$router" nft list counter netdev "$1" c |
		sed -n 's/.*packets \([0-9]*\).*/\1/p')" -ge "$2" ]
}
# Those that went through before it are in the file when it has dropped some
stops()
{
	local n

	busywait 5 counts "$1" "$(($2 + 20))" || return
	n=$(grep -c -v other "$streams_dir/up")
	busywait 5 counts "$1" "$(($2 + 40))" &&
		[ "$(grep -c -v other "$streams_dir/up")" -le $((n + 3)) ]
}
# dropped NAME PRIORITY: a chain that drops does drop, all of them, until it goes
dropped()
{
	chain "$1" "$2" drop
	busywait 5 counts "$1" 3 && stops "$1" 3 || return
	rules <<< "delete table netdev $1"
}
event "a chain before the flowtable" "" chain before -10
check "... sees packets" busywait 10 counts before 20
event "a chain behind it" "" chain behind 20
event "a chain of its priority, newer than our hook" "$router_names" chain at 0
check "... sees packets" busywait 10 counts at 20
event "a chain before that drops" "$router_names" dropped before -10
event "a chain of its priority that drops" "$router_names" dropped at 0
# Registered while we have no hook, so that ours then stands before it
between()
{
	ftqos -n "$router" save "$streams_dir/saved" || return
	ftqos -n "$router" restore <<< "config set flow-limit 1000" || return
	chain between 0 drop
	ftqos -n "$router" restore "$streams_dir/saved" || return
	busywait 5 counts between 3 && stops between 3 || return
	ftqos -n "$router" -j dev show wan0.7 |
		jq -e '.[0].state == "order-blocked"' > /dev/null || return
	step
	rules <<< "delete table netdev between"
}
late event "a chain between our hook and the flowtable drops" "$router_names" between
event "the last chain goes" "" rules <<< "delete table netdev behind"

# --- tc ----------------------------------------------------------------------------------

tc_batch()
{
	tc -n "$router" -batch - || bail "tc refuses"
}
tc_batch <<- END
	qdisc add dev wan0 root handle 1: prio bands 8 priomap 0 1 2 3 4 5 6 7 0 0 0 0 0 0 0 0
	qdisc add dev lan0 clsact
	qdisc add dev wan0 clsact
END
banded()
{
	last_bands=$(bands wan0)
}
# bands_now: since banded; bands 1 to 3 are the map's of three streams, 4 is tc's
bands_now()
{
	read -r -a now <<< "$(minus "$(bands wan0)" "$last_bands")"
	echo "${now[*]}"
}
own_bands()
{
	bands_now
	((now[1] >= 5 && now[2] >= 5 && now[3] >= 5 && now[4] == 0))
}
tc_bands()
{
	bands_now
	((now[1] == 0 && now[2] == 0 && now[3] == 0 && now[4] >= 30))
}
ingress_marks()
{
	tc_batch <<- END
		filter add dev lan0 ingress matchall action skbedit mark 7 priority 4
	END
}
event "tc ingress sets mark and priority" "" ingress_marks
banded
check "... the map's priority is later" busywait 10 own_bands
egress_decides()
{
	tc_batch <<- END
		filter add dev wan0 egress handle 7 fw action skbedit priority 4
	END
}
event "tc egress sets the priority of what has the mark" "" egress_decides
# What was on its way with the old one is through when others are
through=$(grep -c . "$streams_dir/up")
more()
{
	[ "$(grep -c . "$streams_dir/up")" -ge $((through + 24)) ]
}
busywait 10 more
banded
check "... tc's priority is later than the map's, the PCP is the map's" \
	busywait 10 tc_bands
ingress_drops()
{
	local n

	tc_batch <<- END
		filter del dev wan0 egress
		filter del dev lan0 ingress
		filter add dev lan0 ingress matchall action drop
	END
	tc_dropped()
	{
		[ "$(tc -n "$router" -s filter show dev lan0 ingress |
			sed -n 's/.*Sent .* \([0-9]*\) pkt.*/\1/p' |
			head -n 1)" -ge "$1" ]
	}
	busywait 10 tc_dropped 20 || return
	n=$(grep -c -v other "$streams_dir/up")
	busywait 10 tc_dropped 40 || return
	[ "$(grep -c -v other "$streams_dir/up")" -le $((n + 3)) ] || return
	tc_batch <<< "filter del dev lan0 ingress"
}
event "tc ingress drops for a while" "$router_names" ingress_drops
finish
