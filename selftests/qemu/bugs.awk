# SPDX-License-Identifier: GPL-2.0
#
# Read what a kernel said, print the lines that name a bug. Of two CPUs at the same octets
# (KCSAN) only what one of our functions takes part in: the kernel races with itself in
# places that are known.

BEGIN {
	bug = "BUG:|kernel BUG at|WARNING:|KASAN|UBSAN|Oops|[Cc]all [Tt]race|INFO: " \
		"|general protection|ODEBUG|refcount_t|ref_tracker:" \
		"|unreferenced object|kmemleak: [0-9]+ new|unregister_netdevice" \
		"|Kernel panic"
}

# The end of a report, or one that its end is missing of
function close_race()
{
	if (race != "" && ours)
		print race
	race = ""
}

/BUG: KCSAN: / {
	close_race()
	race = $0
	ours = /[^a-z]ftq_/
	next
}

race != "" && /nf_flow_qos/ { ours = 1 }
# mawk knows no {20}
race != "" && /====================/ { close_race() }

$0 ~ bug { print; fflush() }

END { close_race() }
