# SPDX-License-Identifier: GPL-2.0
#
# Read results as results.awk prints them, print the "KERNEL SCRIPT" that may be run
# once more: scripts of which tests failed, if there are no more than -v max=N of them,
# they came to an end of their own, and neither the kernel nor the guest had anything to
# complain about meanwhile. What fails because the machine was busy just then passes by
# itself; what is broken fails again.

BEGIN {
	FS = "\t"
}

$1 != "not ok" {
	next
}

$3 == "run" {
	whole[$2] = 1
}

$4 ~ /^(kernel log|stopped after|exit status|planned [0-9]+ tests)/ {
	never[$2 " " $3] = 1
}

# By itself the one has nothing to find; the other, where it is run for long (-v long=1),
# finds what seldom happens
$3 == "leaks.sh" || long && $3 == "stress.sh" {
	never[$2 " " $3] = 1
}

# Without a plan, because what the test stands on was not there, or it broke off
$4 == "set-up" {
	bailed[$2 " " $3] = 1
}

$4 ~ /^no plan: / {
	cut[$2 " " $3] = 1
}

$3 ~ /\.sh$/ && $2 != "here" && !(($2 " " $3) in failed) {
	failed[$2 " " $3] = $2
	order[++n] = $2 " " $3
}

END {
	for (i = 1; i <= n; i++)
		if (!(failed[order[i]] in whole) && !(order[i] in never) &&
		    (!(order[i] in cut) || order[i] in bailed))
			again[++m] = order[i]
	if (m > max)
		exit
	for (i = 1; i <= m; i++)
		print again[i]
}
