# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the workers of stress.sh do to its router; sourced by it. work_NAME is one
# operation, drawn from $RANDOM, which the worker has seeded.
#
# An operation may be refused because of what another worker does meanwhile. What it
# may then say is named at each; everything else is a complaint, which fails the test.

# The module is not there, is going, or went while something was asked of it
away='nf_flow_qos (is not loaded|is being unloaded|was unloaded)|family nf_flow_qos'
away+='|netlink: No such file|netlink: Operation not supported'
# What is read changes all the time
busy='kept changing while it was read|ran out of room for its answer; try again'
# A device is in another namespace, or nowhere
nodev='Cannot find device|No such device|does not exist'

# complain TEXT...: this must not happen
complain()
{
	echo "$worker: $*" >> "$tmp/complaints"
}

# try PERMITTED COMMAND...: what it says if it fails has to be that, each line
try()
{
	local out permitted=$1 rc=0

	shift
	out=$("$@" 2>&1 > "$tmp/$worker.out") || rc=$?
	ops=$((ops + 1))
	[ $rc != 0 ] || return 0
	refused=$((refused + 1))
	# A signal, or bad usage
	if [ $rc -gt 2 ] || [ -z "$permitted" ] || [ -z "$out" ] ||
	   grep -q -v -E "$permitted" <<< "$out"; then
		complain "$* ended with $rc:" "$out"
	fi
	return $rc
}

# insert: the module, from where it is
insert()
{
	modprobe nf_flow_qos 2> /dev/null || insmod "$LIB_DIR/../kmod/nf_flow_qos.ko"
}

# load_rules NS: from standard input; what nft has to say against them in a line each
load_rules()
{
	local out rc=0

	out=$(in_ns "$1" nft -f - 2>&1) || rc=$?
	[ $rc = 0 ] || grep -o 'Error:.*' <<< "$out" >&2 || echo "$out" >&2
	return $rc
}

# draw WORD...: one of them into $drawn
draw()
{
	local n=$((RANDOM % $# + 1))

	drawn=${!n}
}

# --- configuration -----------------------------------------------------------

random_trust()
{
	draw dscp dscp pcp none 'ctmark 0x3f' 'ctmark 0xfc00 0x10000'
}

# random_dev: a line that binds or unbinds
random_dev()
{
	local dev map scope sticky

	draw wan0 wan0.7 wan0.7 lan0 any gone
	dev=$drawn
	if [ $((RANDOM % 4)) = 0 ]; then
		line="dev del $dev"
		return
	fi
	draw default m1 m2
	map=$drawn
	draw offloaded all
	scope=$drawn
	draw off on all
	sticky=$drawn
	random_trust
	line="dev set $dev absent map $map trust $drawn scope $scope sticky $sticky"
}

random_map()
{
	local action

	draw m1 m2 m3
	line=$drawn
	case $((RANDOM % 4)) in
	0)	line="map add $line preset constant $((RANDOM % 8))" ;;
	1)	line="map del $line" ;;
	*)	draw "prio $((RANDOM % 8))" 'prio keep' "pcp $((RANDOM % 8))" \
			'pcp vlan' "dscp $((RANDOM % 64))" 'dscp keep'
		action=$drawn
		draw all ef 0-31 cs1,af41
		line="map set $line $drawn $action" ;;
	esac
}

work_config()
{
	local line

	case $((RANDOM % 8)) in
	0 | 1 | 2) random_dev ;;
	3 | 4)	random_map ;;
	5)	line="flow flush" ;;
	6)	draw 0 10 1000 65536 200000
		line="config set flow-limit $drawn flow-timeout $((1 + RANDOM % 30))" ;;
	7)	draw "stats reset" "dev set lan0 sticky on" "dev set wan0 sticky off"
		line=$drawn ;;
	esac
	try "$away|is not bound|no map of this name|a map of this name|map is bound|no device of this name" \
		ftqos -n "$router" -b - <<< "$line"
}

# The whole of it, as it was saved or as it is to be
work_restore()
{
	if [ $((RANDOM % 2)) = 0 ]; then
		try "$away|$busy" ftqos -n "$router" save "$tmp/saved" &&
			try "$away" ftqos -n "$router" restore "$tmp/saved"
	else
		try "$away" ftqos -n "$router" restore "$tmp/wanted"
	fi
}

# --- what only looks -----------------------------------------------------------

work_look()
{
	local monitor rc

	case $((RANDOM % 8)) in
	0)	ip netns exec "$router" ftqos -j monitor flows > "$tmp/events" \
			2> "$tmp/monitor" &
		monitor=$!
		for _ in 1 2 3; do
			work_look_at
		done
		{ kill $monitor; wait $monitor; } 2> /dev/null
		rc=$?
		# It was there to be ended, or to be killed before it was ready for that
		[ $rc = 0 ] || [ $rc = 143 ] || grep -q -E "$away" "$tmp/monitor" ||
			complain "monitor: status $rc"
		! grep -q -v -E "$away|events were lost" "$tmp/monitor" ||
			complain "monitor:" "$(< "$tmp/monitor")"
		# The last line may be half written
		sed '$d' "$tmp/events" | jq . > "$tmp/parsed" 2>&1 ||
			complain "monitor:" "$(tail -n 1 "$tmp/parsed")" ;;
	*)	work_look_at ;;
	esac
}

work_look_at()
{
	draw "flow show" "flow show dev wan0.7" "-s flow show" "dev show" "map show" \
		"stats show" "status" "config show"
	# shellcheck disable=SC2086 # words
	try "$away|$busy|no device of this name" ftqos -n "$router" -j $drawn || return
	jq -e . "$tmp/$worker.out" > /dev/null || complain "$drawn: no JSON"
}

# --- the module ----------------------------------------------------------------

# In use: by who talks with it in this moment
work_module()
{
	if try 'is in use|not currently loaded|temporarily unavailable' \
	   rmmod nf_flow_qos; then
		unloads=$((unloads + 1))
		echo "$unloads" > "$tmp/unloaded"
	fi
	try '' insert && try "$away" ftqos -n "$router" restore "$tmp/wanted"
}

# The module stays for a while
work_rest()
{
	ops=$((ops + 1))
	read -r -t 0.5 <> "$tmp/nothing"
}

# --- rules and flows -----------------------------------------------------------

# stress_rules FAMILY PRIORITY DEVICES: all of the router's, in one transaction
stress_rules()
{
	cat <<- END
		flush ruleset
		table $1 ftq {
			counter slow { }
			flowtable ft {
				hook ingress priority $2
				devices = { $3 }
			}
			chain forward {
				type filter hook forward priority filter
				udp dport 5600 ct mark set 0x1000a
				tcp dport 5600 meta priority set 1:6
				meta l4proto { tcp, udp } flow add @ft
				meta l4proto { tcp, udp } counter name slow
			}
		}
		table inet nat {
			chain post {
				type nat hook postrouting priority srcnat
				oifname "wan0.7" masquerade
			}
		}
	END
}

# A chain of our own priority on the device, which may stand before or behind our hook
stress_chain()
{
	cat <<- END
		table netdev early
		delete table netdev early
		table netdev early {
			chain lan {
				type filter hook ingress device lan0 priority $1
				ip dscp cs7 accept
			}
		}
	END
}

work_rules()
{
	local devices family gone='Error: (.*: )?No such (file or directory|device)'

	case $((RANDOM % 6)) in
	0 | 1)	draw "lan0, wan0" "lan0, wan0" "lan0, wan0, wan0.7" lan0
		devices=$drawn
		draw inet inet inet ip ip6
		family=$drawn
		draw 0 0 10 -5
		try "$gone" load_rules "$router" \
			< <(stress_rules "$family" "$drawn" "$devices") ;;
	2)	draw 0 10
		try "$gone" load_rules "$router" < <(stress_chain "$drawn") ;;
	3)	try "$gone" load_rules "$router" <<< "delete table inet ftq"
		try "$gone" load_rules "$router" \
			< <(stress_rules inet 0 "lan0, wan0") ;;
	4)	try '' in_ns "$router" conntrack -F ;;
	5)	# Entries go meanwhile, and of offloaded ones not all can be changed
		try 'entries have been updated|expired|No such file|not supported' in_ns "$router" \
			conntrack -U -p udp --dport 5600 --mark $((RANDOM % 64)) ;;
	esac
}

# --- devices -------------------------------------------------------------------

# vlan: wan0.7 with all that it has
vlan()
{
	cat <<- END
		link add link wan0 name wan0.7 type vlan id 7
		link set wan0.7 up
		addr add $wan4.1/24 dev wan0.7
		addr add $wan6:1/64 dev wan0.7 nodad
	END
}

lan()
{
	cat <<- END
		link set lan0 up
		addr add $lan4.1/24 dev lan0
		addr add $lan6:1/64 dev lan0 nodad
	END
}

# Only this worker changes these devices: nothing may be refused
work_links()
{
	case $((RANDOM % 8)) in
	0 | 1)	draw lan0 wan0 wan0.7
		try '' ip -n "$router" -batch - <<- END ;;
			link set $drawn down
			link set $drawn up
		END
	2 | 3)	try '' ip -n "$router" -batch - < <(
			echo "link del wan0.7"
			vlan) ;;
	4)	try '' ip -n "$router" link set lan0 netns "$other"
		try '' ip -n "$other" link set lan0 netns "$router"
		try '' ip -n "$router" -batch - < <(lan) ;;
	5)	try '' ip -n "$router" link set wan0.7 netns "$other"
		try '' ip -n "$other" link set wan0.7 up
		try '' ip -n "$other" link del wan0.7
		try '' ip -n "$router" -batch - < <(vlan) ;;
	6)	try '' ip -n "$router" -batch - <<- END ;;
			link set wan0.7 down
			link set wan0.7 name upl
			link set upl up
			link set upl down
			link set upl name wan0.7
			link set wan0.7 up
		END
	7)	# To a bridge and back, below which it has no address
		try '' ip -n "$router" -batch - <<- END ;;
			link add br0 type bridge
			link set lan0 master br0
			link set br0 up
			link set lan0 nomaster
			link del br0
		END
	esac
}

# --- namespaces ----------------------------------------------------------------

end_is_gone()
{
	! ip -n "$router" link show dev t0 > /dev/null 2>&1
}

# A container's root binds what it has, and is gone with it
work_container()
{
	# shellcheck disable=SC2016 # there
	try "$away" unshare -rn bash -c '
		ip link add d0 type dummy && ip link set d0 up &&
		ftqos -b - <<- END && ftqos -j status
			dev set d0 sticky all
			dev set any scope all
		END
	'
}

# A namespace with bound devices, connected to the router, comes and goes. That a cable to
# it goes tells that it has ended.
work_namespaces()
{
	local ns=$router-t

	try '' ip netns add "$ns"
	try '' ip -batch - <<- END
		link add t0 netns $router type veth peer name t1 netns $ns
	END
	try '' ip -n "$ns" -batch - <<- END
		link set lo up
		link set t1 up
		addr add 203.0.113.2/24 dev t1
		link add t2 type dummy
		link set t2 up
	END
	try '' ip -n "$router" link set t0 up
	try "$away" ftqos -n "$ns" -b - <<- END
		map add m9 preset constant 3
		dev set t1 map m9 sticky on
		dev set any trust pcp
	END
	try "$away|no device of this name" ftqos -n "$router" dev set t0
	[ $((RANDOM % 2)) = 0 ] ||
		try '' load_rules "$ns" <<- END
			table inet ftq {
				flowtable ft {
					hook ingress priority 0
					devices = { t1, t2 }
				}
			}
		END
	case $((RANDOM % 3)) in
	0)	try "$away|$busy" ftqos -n "$ns" -j status ;;
	1)	try '' ip -n "$ns" link set t2 netns "$other"
		try '' ip -n "$other" link del t2 ;;
	esac
	try '' ip netns del "$ns"
	busywait 20 end_is_gone || complain "the namespace does not end"
	try "$away|is not bound" ftqos -n "$router" dev del t0
}
