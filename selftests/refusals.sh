#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Everything that the command or the module refuses: exit status 1 with the
# usage on standard error, or 2 with one line there that names the thing and,
# where there is one, the way out; nothing on standard output, nothing changed.
# Batch files stop at the line they name, restore does all of a file or nothing.
#
# Every case is one run of the command, compared with a regular expression.
# "Nothing changed" is the text of `ftqos save` before and after.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip jq ftqos setpriv cmp

tmp=$(mktemp -d)
chmod 755 "$tmp"
defer rm -rf "$tmp"
setup_ns ns
ip -n "$ns" link add d0 type dummy
ip -n "$ns" link add d1 type dummy
ip -n "$ns" link property add dev d1 altname other

# Where the command runs: a namespace of its own, as root
as=(ftqos -n "$ns")

# refused STATUS REGEX WORD...: what standard error has to look like, in full.
# Of bad usage it is followed by the usage, of a refusal by nothing.
refused()
{
	local status=$1 re=$2 rc=0 err name

	shift 2
	name="refused with $status: ftqos ${*//#/no. }"
	err=$("${as[@]}" "$@" 2>&1 > "$tmp/out") || rc=$?
	[ ! -s "$tmp/out" ] || err="standard output: $(< "$tmp/out")"$'\n'"$err"
	re="^(Error: )?$re"
	if [ "$status" = 1 ]; then
		re+=$'\n'"Usage: ftqos .*$"
	else
		re+='$'
		[[ $err != *$'\n'* ]] || rc="$rc, several lines"
	fi
	if [ "$rc" = "$status" ] && [[ $err =~ $re ]]; then
		pass "${name:0:110}"
	else
		fail "${name:0:110}" "status $rc: $err"$'\n'"wanted: $re"
	fi
}

save()
{
	ftqos -n "$ns" save
}

# unchanged NAME: the configuration is what it was when this was called last
unchanged()
{
	save > "$tmp/now"
	check "$1" cmp "$tmp/now" "$tmp/before"
}

lines()
{
	printf '%s\n' "$@" > "$tmp/file"
}

# --- no module ---------------------------------------------------------------

modprobe=$(< /proc/sys/kernel/modprobe)
defer eval "echo $modprobe > /proc/sys/kernel/modprobe"
if [ -d /sys/module/nf_flow_qos ]; then
	skip "without the module" "it is loaded"
else
	echo /bin/false > /proc/sys/kernel/modprobe
	absent='the module nf_flow_qos is not loaded: modprobe nf_flow_qos.*'
	refused 2 "$absent" status
	refused 2 "$absent" dev set d0
	refused 2 "$absent" monitor
	refused 2 "$absent" flow show dev d9
	lines "config set flow-limit 5"
	refused 2 "$absent" restore "$tmp/file"
	refused 2 "$tmp/file:1: $absent" -b "$tmp/file"
	echo "$modprobe" > /proc/sys/kernel/modprobe
	if modprobe -n -q nf_flow_qos; then
		check "the module loads itself when it is asked for" \
			"${as[@]}" status
		rmmod nf_flow_qos
	fi
fi
load_module

# --- bad usage ---------------------------------------------------------------

save > "$tmp/before"
check_eq "a new namespace has the built-in configuration" \
	"config set flow-limit 65536 flow-timeout 60" \
	"$(grep -v '^#' "$tmp/before")"
names='one of prio, pcp, dscp'
class='a name .df, ef, af41, in lower case. or 0..63'
refused 1 'unknown object "foo"' foo
refused 1 'ambiguous object "m": map, monitor' m
refused 1 'ambiguous object "st": stats, status' st
refused 1 'ambiguous command "s": show, set' map s
refused 1 'unknown command "frob"' map frob
refused 1 'unknown option "-q"' -q
refused 1 'option "-n" needs a value' -n
refused 1 'the name of a network namespace is empty' -n '' status
refused 1 'option "-j": options come before the object.*' status -j
refused 1 'unknown word ""' status ''
refused 1 'unknown word "x"' status x
refused 1 'unknown word "x"' map show default x
refused 1 'the name of the map is missing' map add
refused 1 'map name "" is not 1..31 characters long' map add ''
refused 1 'map name "a{32}" is not 1..31 characters long' \
	map add aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
refused 1 'map name "Voip" has other characters than a-z 0-9 _ . -' map add Voip
refused 1 'map name "a b" has other characters .*' map add 'a b'
refused 1 'unknown word "frm"' map add x frm default
refused 1 'preset needs a name' map add x preset
refused 1 'preset constant needs a value \(0..7\)' map add x preset constant
refused 1 'value 8 is out of range \(0..7\)' map add x preset constant 8
refused 1 "unknown class \"af1x\": $class" map set default af1x prio 1
refused 1 "unknown class \"EF\": $class" map set default EF prio 1
refused 1 'class 64 is out of range \(0..63\)' map set default 64 prio 1
refused 1 'class 46 \(ef\) is named twice' map set default ef,46 prio 1
refused 1 'class 41 is named twice' map set default 40-42,41 prio 1
refused 1 'range "47-40" is reversed' map set default 47-40 prio 1
refused 1 'range "cs1-cs2" is not made of two numbers' \
	map set default cs1-cs2 prio 1
refused 1 'empty element in the list of classes' map set default ef, prio 1
refused 1 'the list of classes is missing' map set default
refused 1 'no action: at least one of prio, pcp, dscp' map set default ef
refused 1 "unknown action \"tos\": $names" map set default ef tos 1
refused 1 'pcp 8 is out of range \(0..7\)' map set default ef pcp 8
refused 1 'pcp "-1" is not a number' map set default ef pcp -1
refused 1 'prio 4294967296 is out of range .*' map set default ef prio 4294967296
refused 1 'prio 10000:1 is out of range .*' map set default ef prio 10000:1
refused 1 'prio "1:g" is not a handle .*' map set default ef prio 1:g
refused 1 'prio is given twice' map set default ef prio 1 prio 2
refused 1 'prio needs a value' map set default ef pcp 1 prio
refused 1 'the name of the device is missing .*' dev set
refused 1 'device name "abcdefghijklmnop" is not 1..15 characters long' \
	dev set abcdefghijklmnop
refused 1 'device name "a/b" has .*' dev set a/b
refused 1 'unknown trust "vlan": one of dscp, pcp, none, ctmark' dev set d0 trust vlan
for mask in 0 1 0x1f 0x7f 0x5f 0xfd 0xffffffff 0xf8000000; do
	refused 1 "mask $mask is not six bits side by side: .*, as 0xfc or 0xfc0000" \
		dev set d0 trust ctmark $mask
done
refused 1 'mask "0xfg" is not a number' dev set d0 trust ctmark 0xfg
refused 1 'mask 4294967296 is out of range .*' dev set d0 trust ctmark 4294967296
refused 1 'statemask 0 never counts: .*' dev set d0 trust ctmark 0xfc 0
refused 1 'statemask 0x104 has bits of the mask 0xfc: it has to be apart from these' \
	dev set d0 trust ctmark 0xfc 0x104
refused 1 'statemask "1x" is not a number' dev set d0 trust ctmark 0xfc 1x
refused 1 'mask "mask" is not a number .*, as 0xfc or 0xfc0000' dev set d0 trust ctmark mask
refused 1 'trust ctmark needs a MASK: .*, as 0xfc or 0xfc0000' dev set d0 trust ctmark
refused 1 'unknown scope "some": one of offloaded, all' dev set d0 scope some
refused 1 'unknown word "prio"' dev set d0 prio 1
refused 1 'gre has no ports' flow show proto gre dport 1
refused 1 'src and dst are of different address families' \
	flow show src 192.0.2.0/24 dst 2001:db8::/32
refused 1 'src "192.0.2.0/33": prefix length is out of range \(0..32\)' \
	flow show src 192.0.2.0/33
refused 1 'src "192.0.2": *is not an .*|src "192.0.2" is not an .*' \
	flow show src 192.0.2
refused 1 'dport 65536 is out of range \(0..65535\)' flow show dport 65536
refused 1 'unknown proto "sctp": one of tcp, udp, gre' flow show proto sctp
refused 1 'unknown filter "port": one of .*' flow show port 1
refused 1 'nothing to set: at least one of flow-limit, flow-timeout' config set
refused 1 'flow-timeout 0 is out of range \(1..86400\)' config set flow-timeout 0
refused 1 'flow-timeout 86401 is out of range .*' config set flow-timeout 86401
refused 1 'flow-limit 4194305 is out of range .*' config set flow-limit 4194305
refused 1 'flow-limit "many" is not a number' config set flow-limit many

# --- the module's refusals ---------------------------------------------------

lists="; 'ftqos map show' lists the maps"
refused 2 "map \"x\": no map of this name$lists" map show x
refused 2 "map \"x\": no map of this name$lists" map del x
refused 2 "map \"x\": no map of this name$lists" \
	map set x ef prio 1
refused 2 "map \"y\": map \"x\": no map of this name$lists" \
	map add y from x
refused 2 "unknown preset \"x\"; 'ftqos map presets' lists them" \
	map add y preset x
refused 2 "unknown preset \"../presets/dot1q\"; .*" \
	map add y preset ../presets/dot1q
refused 2 'map "default": a map of this name exists; change it with .ftqos map set.' \
	map add default
refused 2 'map "default": the map default always exists: .*' map del default
bound="; 'ftqos dev show' lists the bound devices"
refused 2 "device \"d0\": the device is not bound: bind it with dev set$bound" \
	dev show d0
refused 2 "device \"d0\": the device is not bound: .*$bound" dev del d0
refused 2 "device \"any\": the device is not bound: .*$bound" dev show any
refused 2 'device "d9": no device of this name: the word absent allows .*' \
	dev set d9
refused 2 'device "other": this is an alternative name: .*' dev set other
refused 2 "device \"d0\": map \"x\": no map of this name$lists" \
	dev set d0 map x
refused 2 "device \"d9\": no device of this name; see 'ip link'" flow show dev d9
refused 2 'cannot open "/nowhere": No such file or directory' restore /nowhere
unchanged "no refusal changed anything"
as=(ftqos)
refused 2 'cannot open network namespace "nowhere": .*' -n nowhere status
as=(ftqos -n "$ns")

"${as[@]}" -b - <<- END || fail "set-up" "cannot configure"
	map add voice
	map set voice all prio 1:1 pcp keep
	dev set d0 map voice
END
refused 2 'map "voice": the map is bound to a device: .*names the devices.*' \
	map del voice
{
	for i in {3..64}; do
		echo "map add m$i"
	done
} > "$tmp/file"
check "64 maps can be there" "${as[@]}" -b "$tmp/file"
refused 2 'map "m65": 64 maps is the most there can be: delete one' \
	map add m65

# --- batch and restore -------------------------------------------------------

lines '# comment' 'config set flow-limit 7' '' $'map set default ef prio 9 \\' \
	'	pcp 9' 'config set flow-limit 8'
err=$("${as[@]}" -b "$tmp/file" 2>&1)
check_eq "a batch ends with the status of the bad line" 1 $?
check_eq "a batch names the line" "$tmp/file:4: pcp 9 is out of range (0..7)" \
	"${err%%$'\n'*}"
check_eq "a batch has done what came before and nothing after" 7 \
	"$("${as[@]}" -j config show | jq .flow_limit)"
lines 'map set default ef prio 3' 'dev set d9'
refused 2 "$tmp/file:2: device \"d9\": no device of this name: .*" -b "$tmp/file"

save > "$tmp/before"
# restore_refused STATUS LINE REGEX LINES...: and nothing is changed
restore_refused()
{
	local status=$1 at=$2 re=$3 err rc=0

	shift 3
	lines "$@"
	err=$("${as[@]}" restore "$tmp/file" 2>&1) || rc=$?
	check_eq "restore ends with $status: $re" "$status" "$rc"
	[[ ${err%%$'\n'*} =~ ^$tmp/file:$at:.*$re ]]
	check_eq "restore names line $at: $re" 0 $?
	save > "$tmp/now"
	check "restore changes nothing: $re" cmp "$tmp/now" "$tmp/before"
}
restore_refused 1 3 'unknown command "sett"' \
	'map add new' 'dev set d1 map new' 'map sett new ef prio 1'
restore_refused 2 3 'device "d9": no device of this name' \
	'map add new' 'map set default all prio 1' 'dev set d9 map new' \
	'config set flow-limit 9'
restore_refused 1 2 'flow-limit 4194305 is out of range' \
	'dev set d1' 'config set flow-limit 4194305'
restore_refused 2 3 'has not added a map of this name' \
	'map add a' '' 'dev set d1 map voice'
restore_refused 2 1 'device "d9": no device of this name' \
	'dev set d9' 'dev set d9 trust none'
restore_refused 1 2 'trust ctmark needs a MASK' \
	'dev set d1 trust ctmark 0xfc 1 scope all' 'dev set d0 scope all trust ctmark'
restore_refused 1 2 'mask 0xff is not six bits' \
	'dev set d1 trust ctmark 0xfc' 'dev set d0 trust ctmark 0xff'
restore_refused 1 2 'a quote is not closed' 'map add a' 'map add "b'
restore_refused 1 2 'does not change the configuration' 'map add a' 'flow flush'

lines '# nothing'
refused 2 "no commands in $tmp/file: nothing was changed" restore "$tmp/file"
unchanged "a file without commands changes nothing"

check "what save wrote can be restored" "${as[@]}" restore "$tmp/before"
unchanged "save, restore, save: the same"
lines 'map add only' 'dev set any map only trust none'
check "another configuration can be restored" "${as[@]}" restore "$tmp/file"
check_eq "it replaces all of the old one" \
	"config set flow-limit 65536 flow-timeout 60|map add only|dev set any map only trust none scope offloaded sticky off|" \
	"$(save | grep -v '^#' | tr '\n' '|')"
setup_ns fresh
ftqos -n "$fresh" -b "$tmp/before" 2> "$tmp/err"
check_eq "what save wrote is a batch file for a new namespace" \
	"$(< "$tmp/before")" "$(ftqos -n "$fresh" save)$(< "$tmp/err")"

# --- presets, abbreviations, JSON --------------------------------------------

for p in $("${as[@]}" -j map presets | jq -r '.[].name'); do
	value=
	[ "$p" != constant ] || value=6
	# shellcheck disable=SC2086 # nothing, or a word
	check "preset $p makes a map" "${as[@]}" map add "p-$p" preset "$p" $value
done
for words in 'map sh' 'map ls' 'ma list default' 'd' 'dev lst' 'f s' 'stats' \
	'sta' 'c' 'config sh' 'statu' 'map h' 'map presets'; do
	# shellcheck disable=SC2086 # words
	case $words in
	sta)	refused 1 'ambiguous object "sta": stats, status' $words ;;
	*)	check "abbreviated: $words" "${as[@]}" $words ;;
	esac
done
"${as[@]}" dev set d0 map p-rfc8325
for words in 'map show' 'map show default' 'map presets' 'dev show' \
	'dev show d0' 'flow show' 'stats show' 'config show' 'status'; do
	case $words in
	st*|config*) type=object ;;
	*)	type=array ;;
	esac
	# shellcheck disable=SC2086 # words
	"${as[@]}" -j $words > "$tmp/json"
	check "JSON of: $words" jq -e "type == \"$type\"" "$tmp/json"
	# shellcheck disable=SC2086 # words
	check_eq "the same indented: $words" "$(< "$tmp/json")" \
		"$("${as[@]}" -j -p $words | jq -c .)"
done
check_eq "a preset for Wi-Fi sets prio 256 + UP and keeps the PCP" \
	'{"dscp":46,"name":"ef","prio":262,"pcp":null,"set_dscp":null}' \
	"$("${as[@]}" -j map show p-rfc8325 | jq -c '.[0].entries[46]')"

# --- not permitted -----------------------------------------------------------

as=(ip netns exec "$ns" setpriv --reuid 65534 --regid 65534 --clear-groups
	ftqos)
for words in 'map show' 'dev show d0' stats status 'config show' save; do
	# shellcheck disable=SC2086 # words
	check "anybody may: $words" "${as[@]}" $words
done
save > "$tmp/before"
perm='this needs CAP_NET_ADMIN in the network namespace \(try sudo\)'
refused 2 ".*; $perm" flow show
refused 2 ".*; $perm" flow flush
refused 2 'cannot join the group flows: .*; this needs CAP_NET_ADMIN .*' \
	monitor flows
refused 2 ".*; $perm" stats reset
refused 2 ".*; $perm" config set flow-limit 1
refused 2 ".*; $perm" map add mine
refused 2 ".*; $perm" map set default ef prio 1
refused 2 ".*; $perm" map del only
refused 2 ".*; $perm" dev set d1
refused 2 ".*; $perm" dev del d0
refused 2 ".*$perm" restore "$tmp/before"
unchanged "nobody changed anything"
finish
