# SPDX-License-Identifier: GPL-2.0
#
# Read results as results.awk prints them, print them once more: a skip that the
# file of -v list=FILE (selftests/expected-skips) does not expect is a "not ok".

BEGIN {
	FS = OFS = "\t"
	while ((getline line < list) > 0) {
		if (line ~ /^ *(#|$)/)
			continue
		sub(/ +# .*/, "", line)
		n++
		kernel[n] = word()
		script[n] = word()
		re[n] = line
		if (re[n] == "") {
			print "not ok", "here", "skips", \
				"no KERNEL SCRIPT REGEX: " kernel[n] " " script[n]
			n--
		}
	}
	if (!n)
		print "not ok", "here", "skips", "nothing in " list
}

# Take the first word off the line
function word(    w)
{
	w = line
	sub(/ .*/, "", w)
	sub(/^[^ ]+ */, "", line)
	return w
}

# 6.12 as a number that can be compared; 0: no series
function series(name,    part)
{
	if (name !~ /^[0-9]+\.[0-9]+$/)
		return 0
	split(name, part, ".")
	return part[1] * 1000 + part[2]
}

# Is a kernel the one that the list has, or one of those?
function is_one(name, wanted)
{
	if (wanted == "debug")
		return name ~ /^(debug|kcsan)-/
	if (wanted == "um")
		return name ~ /^debug-.*-um$/
	sub(/-(rt|um)$/, "", name)
	sub(/^(debug|kcsan)-/, "", name)
	if (!sub(/\+$/, "", wanted))
		return name == wanted
	return series(name) && series(name) >= series(wanted)
}

$1 == "skip" {
	for (i = 1; i <= n; i++)
		if (is_one($2, kernel[i]) && $3 == script[i] && $4 ~ re[i])
			break
	if (i > n) {
		$1 = "not ok"
		$4 = "unexpected skip: " $4
	}
}

{ print }
