#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The netlink family as its specification has it: the kernel's own YNL client
# does, dumps, decodes refusals to the attribute at fault and hears
# notifications; a bare socket reads dumps in small parts, changes something in
# the middle of one, and sends what strict validation has to refuse.
#
# What is done is in ynl.py; this makes the router and 150 flows a direction.
# YNL_DIR: tools/net/ynl of a kernel tree.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft python3
YNL_DIR=${YNL_DIR:-$LIB_DIR/../../../../net/ynl}
spec=
for f in "$LIB_DIR/../Documentation/netlink/specs/nf_flow_qos.yaml" \
	"$LIB_DIR/../../../../../Documentation/netlink/specs/nf_flow_qos.yaml"; do
	[ ! -e "$f" ] || spec=$(readlink -f "$f")
done
[ -e "$YNL_DIR/lib/ynl.py" ] || skip_all "no YNL client in $YNL_DIR"
# It has unaligned numbers of 64 bits padded, which the client of Linux 6.12 cannot read
if grep -q 'User Mode Linux' /proc/cpuinfo && ! grep -r -q "attr_spec.*'pad'" "$YNL_DIR/lib"; then
	skip_all "this client does not know padding"
fi
[ -n "$spec" ] || skip_all "no specification"
python3 -c 'import yaml' 2> /dev/null || skip_all "Python without PyYAML"

flows=150
load_module
topo_router
topo_nft
pkt_bg echo "$server" echo 198.51.100.2 --tos 0x20
pkt_bg stream "$client" stream 198.51.100.2 --tos 0xb8 --sport 20000 \
	--ports $flows --rate 200

end=
while IFS='|' read -r what name why; do
	case $what in
	end)	end=1 ;;
	pass)	pass "$name" ;;
	fail)	fail "$name" "$why" ;;
	*)	note "$what $name $why" ;;
	esac
done < <(in_ns "$router" python3 "$LIB_DIR/ynl.py" "$YNL_DIR" "$spec" $flows \
	2>&1; echo end)
check_eq "the client came to its end" 1 "$end"
finish
