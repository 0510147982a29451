# SPDX-License-Identifier: GPL-2.0
#
# Read what a guest wrote, print a line per result: verdict, kernel, script,
# test, separated by tabs. The verdict is "ok", "not ok" or "skip". Whatever is
# not as it should be (a plan that does not match, no verdict of the guest, a
# status that contradicts the results) is a "not ok" as well.
#
# With progress=1 print a line per script instead.

function result(verdict, test)
{
	n_of[verdict]++
	if (!progress)
		printf "%s\t%s\t%s\t%s\n", verdict, k, script, test
	else if (verdict == "not ok")
		bad[++n_bad] = test
}

function close_script(rc, secs,    i)
{
	if (plan == "")
		result("not ok", "no plan: the script did not reach its end")
	else if (plan != seen)
		result("not ok", "planned " plan " tests, saw " seen)
	if (rc == 124 || rc == 137)
		result("not ok", "stopped after " secs " s")
	else if (rc != 0 && rc != 4 && !n_of["not ok"])
		result("not ok", "exit status " rc)
	if (progress) {
		printf "[%s] %-28s %s (%d passed, %d failed, %d skipped, %s s)\n",
			k, script, n_of["not ok"] ? "FAIL" : "ok",
			n_of["ok"], n_of["not ok"], n_of["skip"], secs
		for (i = 1; i <= n_bad; i++)
			print "[" k "]     not ok: " bad[i]
		fflush()
	}
	script = ""
}

/^# ftqos: begin / {
	script = $4
	sub(/^.*\//, "", script)
	plan = ""
	seen = 0
	n_bad = 0
	delete n_of
	n_of["ok"] = n_of["not ok"] = n_of["skip"] = 0
	next
}

/^# ftqos: end / {
	close_script($5, $6)
	ended++
	next
}

/^# ftqos: kernel / {
	sub(/^# ftqos: kernel /, "")
	result("not ok", "kernel log: " $0)
	next
}

/^# ftqos: up / {
	if (progress) {
		print "[" k "] " substr($0, 10)
		fflush()
	}
	next
}

/^# ftqos: done / {
	done = 1
	next
}

/^1\.\.[0-9]+/ && script != "" {
	# Several plans in one log add up
	plan += substr($1, 4)
	if ($1 == "1..0") {
		sub(/^1\.\.0 *(# *)?(SKIP)? */, "")
		result("skip", "all: " $0)
	}
	next
}

/^(not )?ok( |$)/ && script != "" {
	verdict = "ok"
	if ($0 ~ /^not/)
		verdict = "not ok"
	sub(/^(not )?ok *[0-9]* *(- )?/, "")
	if (verdict == "ok" && toupper($0) ~ /# *SKIP/)
		verdict = "skip"
	seen++
	result(verdict, $0)
	next
}

END {
	if (script != "")
		close_script("?", "?")
	script = "run"
	if (!progress && (!done || ended != n))
		result("not ok", "no verdict: the guest died after " \
			ended + 0 " of " n " scripts")
}
