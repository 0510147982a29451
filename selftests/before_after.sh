#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The same before and after, by methods.sh: rules that set the priority or the DSCP, tc, and
# the VLAN device's egress-qos-map, of which offloaded packets learn.

# shellcheck source=selftests/methods.sh
. "$(dirname "$0")/methods.sh"

# --- nothing bound -----------------------------------------------------------------

plain "nft meta priority" 6001 0 4 "there back"
plain "nft meta priority" 6001 0 6 "there back"
plain "nft ip dscp" 6002 0 4 "there back"
# Up to 6.18 what is offloaded goes through the VLAN devices, and so by their filters
plain "tc skbedit" 6003 0 6 "$([ "$release" -le 6018 ] || echo "there back")"
plain "egress-qos-map" 6004 0xb8 4 "there back"

# --- rules, of which is learned ----------------------------------------------------

# Traffic of no DSCP. The map is the one for who has an egress-qos-map.
ftq <<- END
	map add vlan preset vlan-qos-map
	dev set wan0.7 map vlan sticky on
	dev set lan0.5 map vlan sticky on
END
all=$((count * 2))
for fam in 4 6; do
	same "nft meta priority" 6001 0 $fam $all "0 6 5" "0 4 6"
	same "nft ip dscp" 6002 0 $fam $all "34 1 0" "8 2 0"
	same "tc skbedit" 6003 0 $fam $all "0 2 3" "0 6 2"
done
same_tcp "nft meta priority" 6001 0 4 "0 6 5" "0 4 6"
same_tcp "nft ip dscp" 6002 0 6 "34 1 0" "8 2 0"
same_tcp "tc skbedit" 6003 0 4 "0 2 3" "0 6 2"

# With a DSCP that the map has something else for than the kernel, which gives
# priority 4 to IPv4's: all is to be learned
ftq <<- END
	dev set wan0.7 sticky all
	dev set lan0.5 sticky all
END
same "egress-qos-map, all" 6004 0xb8 4 $all "46 4 4" "46 3 4"
same "egress-qos-map, all" 6004 0xb8 6 $all "46 1 0" "46 2 0"
same "nft meta priority, EF, all" 6011 0xb8 4 $all "46 6 5" "46 4 6"
same "nft meta priority, EF, all" 6011 0xb8 6 $all "46 6 5" "46 4 6"
same "nft ip dscp, EF, all" 6012 0xb8 4 $all "34 4 4" "8 3 4"
same "nft ip dscp, EF, all" 6012 0xb8 6 $all "34 1 0" "8 2 0"
same "tc skbedit, EF, all" 6013 0xb8 4 $all "46 2 3" "46 6 2"
same "tc skbedit, EF, all" 6013 0xb8 6 $all "46 2 3" "46 6 2"
finish
