#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Rulesets that are loaded while streams run through VLANs, stacked VLANs, a PPPoE
# session, a bridge and a bond: a flowtable is made again at its priority or
# another, several are on one device, devices join and leave one, wildcards. See events.sh for what each event has to keep.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/events.sh
. "$(dirname "$0")/events.sh"

shapes

load()
{
	ruleset "$@" | rules
}

# last STREAM WAY N: kinds of the last N packets
last()
{
	tail -n 1000 "$streams_dir/$2" | awk -v s="$1" '$3 == s { print $4 }' |
		tail -n "$3" | tr -d '\n'
}

# --- the flowtable is made again -----------------------------------------------

calm
event "reload at the same priority" "$router_names" load ftq inet 0
calm
event "reload at another priority" "$router_names" load ftq inet 10
event "reload at once again" "$router_names" load ftq inet -5
from_nothing()
{
	{
		echo "flush ruleset"
		ruleset ftq inet 0
		masquerade
	} | rules
}
calm
event "all is flushed and loaded" "$router_names" from_nothing

# --- families, several flowtables on one device ------------------------------------

families()
{
	{
		ruleset four ip 0
		ruleset six ip6 0
		# Holds what the others offload
		ruleset both inet 0 "$all_devices" accept
		echo "delete table inet ftq"
	} | rules
}
tables()
{
	ftqos -n "$router" -j status | jq -c '.flowtables |
		map(select(.dev == "wan0").state)'
}
event "flowtables of ip, ip6 and inet on the same devices" "$router_names" families
check_eq "... all three are hooked" '["hooked","hooked","hooked"]' "$(tables)"
event "... that of ip is made again behind" "$router_names" load four ip 5
event "... that of ip6 before" "$router_names" load six ip6 -5
check_eq "... all three are hooked" '["hooked","hooked","hooked"]' "$(tables)"
one_family()
{
	{
		ruleset ftq inet 0
		echo "delete table ip four"
		echo "delete table ip6 six"
		echo "delete table inet both"
	} | rules
}
event "one flowtable again" "$router_names" one_family

# --- devices join and leave ----------------------------------------------------------

slow_down()
{
	[ "$(last "$1" down 3)" = sss ]
}
leave_and_join()
{
	rules <<- END
		delete flowtable inet ftq ft { hook ingress priority 0; devices = { wan1, bond0 }; }
	END
	busywait 10 slow_down bridge4 && busywait 10 slow_down bond6 || return
	step
	rules <<- END
		add flowtable inet ftq ft { hook ingress priority 0; devices = { wan1, bond0 }; }
	END
	# Flows that were offloaded the other way stay on the slow path this way
	forget_flows
}
late event "two devices leave the flowtable and join it again" "$router_names" \
	leave_and_join

# --- wildcards -------------------------------------------------------------------------

wildcard()
{
	rules <<- END
		table inet ftq
		delete table inet ftq
		table inet ftq { }
	END
	in_ns "$router" python3 -I -S "$LIB_DIR/wildcard.py" ftq ft lan wan bond \
		2> "$streams_dir/why" || return
	# The chain without the flowtable, which is there
	step
	ruleset ftq inet 0 | sed '/^delete/d; /^flowtable/,/^}/d' | rules
}
rename_port()
{
	batch "$router" <<- END
		link set $1 down
		link set $1 name $2
		link set $2 up
	END
}
if ((release >= 6016)); then
	late event "a flowtable on lan*, wan* and bond*" "$router_names" wildcard
	event "... a device gets another name of that kind" "bridge" \
		rename_port wan1 wan99
	event "... and its own again" "bridge" rename_port wan99 wan1
	event "devices by name again" "$router_names" load ftq inet 0
else
	wildcard
	refused=$?
	check_eq "this kernel knows no wildcards: $(cat "$streams_dir/why")" 3 \
		$refused
	late event "... a flowtable that was away is there again" "$router_names" \
		load ftq inet 0
fi

finish
