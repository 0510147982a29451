#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Static checks, a KTAP line each: shellcheck, checkpatch --strict, man page,
# Python, the module with W=1 and sparse for each of $KERNELS, the command's
# own. A tool that is not there: SKIP.

set -u
# shellcheck source=selftests/qemu/common.sh
. "$(dirname "$0")/qemu/common.sh"
cd "$TREE" || exit 1
[ -n "${FTQOS_NO_INSTALL-}" ] || need lint || exit 1

n=0
bad=0
out=$(mktemp)
trap 'rm -f "$out" .checkpatch-camelcase.*' EXIT

# result NAME COMMAND...
result()
{
	local name=$1

	shift
	n=$((n + 1))
	if "$@" > "$out" 2>&1; then
		echo "ok $n $name"
	else
		echo "not ok $n $name"
		sed 's/^/#   /' "$out"
		bad=1
	fi
}

skip()
{
	n=$((n + 1))
	echo "ok $n $1 # SKIP $2"
}

# files PATTERN...: committed or new, not ignored and not deleted
files()
{
	local f

	{
		git ls-files -co --exclude-standard -- "$@" 2> /dev/null ||
			{
				for f; do
					find . -path "./$f"
				done
			}
	} | sort -u | while read -r f; do
		[ -f "$f" ] && [[ $f != *.mod.c ]] && echo "${f#./}"
	done
}

scripts()
{
	files '*.sh' .ci/run 'selftests/qemu/*'
}

check_shell()
{
	local list f

	mapfile -t list < <(scripts | sort -u | while read -r f; do
		case $(head -n 2 "$f" | tr '\n' ' ') in
		'#!/bin/bash'*|'#!/bin/sh'*|'# shellcheck shell='*) echo "$f" ;;
		esac
	done)
	shellcheck -x -P "$TREE" "${list[@]}"
}

# What does not hold for an out-of-tree module: versions, camel case of names
# that are not ours (struct Qdisc), arguments reused in initializers
ignore=LINUX_VERSION_CODE,FILE_PATH_CHANGES,CONST_STRUCT,CAMELCASE
ignore+=,MACRO_ARG_REUSE
# ... and for programs: what only the kernel's libraries have, negative errors
ignore_user=$ignore,PREFER_DEFINED_ATTRIBUTE_MACRO,USE_NEGATIVE_ERRNO,BIT_MACRO
ignore_user+=,STRCPY,STRNCPY,SSCANF_TO_KSTRTO,LONG_LINE_STRING
ignore_user+=,EMBEDDED_FUNCTION_NAME,PREFER_KERNEL_TYPES,CONSIDER_KSTRTO

# checkpatch IGNORE PATTERN...
checkpatch()
{
	local linux list

	linux=$("$QEMU_DIR/kernel.sh" source) || return
	mapfile -t list < <(files "${@:2}")
	[ ${#list[@]} -gt 0 ] || return 0
	"$linux/scripts/checkpatch.pl" --no-tree --root="$TREE" --strict \
		--terse --show-types --quiet --file --no-summary \
		--ignore "$1" "${list[@]}"
}

compile_python()
{
	local f

	for f in $(files '*.py'); do
		/usr/bin/python3 -c 'import ast, sys
ast.parse(open(sys.argv[1]).read(), sys.argv[1])' "$f" || return
	done
}

# The builds take longest: begin now, ask for the result below
if command -v sparse > /dev/null; then
	for k in ${KERNELS:-6.1 6.12}; do
		"$QEMU_DIR/module.sh" --strict "$k" > /dev/null 2>&1 &
	done
fi
if command -v shellcheck > /dev/null; then
	result "shellcheck" check_shell
else
	skip "shellcheck" "not installed"
fi
if command -v perl > /dev/null; then
	result "checkpatch of the module" \
		checkpatch "$ignore" 'kmod/*.[ch]' 'include/*.h'
	result "checkpatch of the command" \
		checkpatch "$ignore_user" 'tools/*.[ch]'
else
	skip "checkpatch" "no perl"
fi
if [ -x /usr/bin/python3 ]; then
	result "Python syntax" compile_python
else
	skip "Python syntax" "no python3"
fi
if /usr/bin/python3 -c 'import jsonschema, yaml' 2> /dev/null; then
	result "the uapi header is what its specification gives" \
		selftests/spec.sh
else
	skip "uapi header and specification" "no python3-jsonschema"
fi
for k in ${KERNELS:-6.1 6.12}; do
	if command -v sparse > /dev/null; then
		result "module builds for $k without complaints of W=1 and sparse" \
			"$QEMU_DIR/module.sh" --strict "$k"
	else
		skip "module with sparse for $k" "no sparse"
	fi
done
if grep -q '^lint:' tools/Makefile 2> /dev/null; then
	result "command: lint" make -s -C tools lint
fi
echo "1..$n"
exit $bad
