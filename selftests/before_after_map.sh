#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The same before and after, by methods.sh: the conntrack mark, and maps with scope all, with
# rules beside them.

# shellcheck source=selftests/methods.sh
. "$(dirname "$0")/methods.sh"

# --- nothing bound -----------------------------------------------------------------

plain "ct mark and act_ctinfo" 6005 0 4 "there back"
plain "ct mark and act_ctinfo" 6005 0 6 "there back"
plain "nothing" 6006 0xb8 4 "there back"

all=$((count * 2))

# --- the conntrack mark ------------------------------------------------------------

# act_ctinfo sets a DSCP, a rule the priority: so does the map
ftq <<- END
	map add ct
	map set ct all prio 0 pcp vlan
	map set ct ef prio 5 dscp ef
	dev set wan0.7 map ct trust ctmark 0xfc0000 0x80 sticky off
	dev set lan0.5 map ct trust ctmark 0xfc0000 0x80 sticky off
END
for fam in 4 6; do
	same "ct mark and act_ctinfo" 6005 0 $fam 0 "46 6 5" "46 7 5"
done
same_tcp "ct mark and act_ctinfo" 6005 0 4 "46 6 5" "46 7 5"

# --- scope all ---------------------------------------------------------------------

# The map decides before and after; CS6 of clients is washed
ftq <<- END
	map set default cs6 prio 0 pcp 3 dscp 0
	dev set wan0.7 map default trust dscp scope all
	dev set lan0.5 map default trust dscp scope all
END
for fam in 4 6; do
	same "scope all, EF" 6006 0xb8 $fam 0 "46 5 5" "46 5 5"
	same "scope all, CS6" 6006 0xc0 $fam 0 "0 3 0" "0 3 0"
done
# Where a rule spoke, that stays
ftq <<- END
	dev set wan0.7 sticky on
	dev set lan0.5 sticky on
END
for fam in 4 6; do
	same "scope all, nft meta priority" 6001 0 $fam $all "0 0 5" "0 0 6"
	same "scope all, nft ip dscp" 6002 0 $fam $all "34 4 4" "8 1 1"
done
finish
