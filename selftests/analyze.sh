#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What programs find that read the code for longer than those of lint.sh, a KTAP line each:
# gcc's analyzer and clang-tidy (.clang-tidy) on the command, cppcheck on the command and
# on the module, the kernel's semantic patches (Coccinelle) on the module, the module built
# by clang with W=1. What passed is looked at again only when it has changed.
#
# analyze.sh [gcc] [tidy] [cppcheck] [coccinelle] [clang]: these only
#
# What they say of code that is right is silenced where that stands, with the reason, or
# below, for what holds everywhere.

set -u
# shellcheck source=selftests/qemu/common.sh
. "$(dirname "$0")/qemu/common.sh"
cd "$TREE" || exit 1
[ -n "${FTQOS_NO_INSTALL-}" ] || need analyze || exit 1
# shellcheck source=selftests/checks.sh
. selftests/checks.sh

# How the command is compiled, and what each of its files depends on
eval "flags=($(make -s -C tools flags))"
flags=("${flags[@]//$TREE/.}")
headers=$(cat tools/*.h include/uapi/linux/*.h)

# It sees more of what is not optimized
gcc_analyzer()
{
	files 'tools/*.c' | grep -v /tests/ |
		each gcc-analyzer "$(gcc-12 --version) ${flags[*]} $headers" 1 \
		gcc-12 "${flags[@]}" -O0 -fanalyzer -Werror -c -o /dev/null
}

# Without a limit to the paths that it follows it takes five times as long, and finds no
# more. Of several files at once it mixes up lists of arguments.
clang_tidy()
{
	# shellcheck disable=SC2016 # for that shell
	files 'tools/*.c' | grep -v /tests/ |
		each clang-tidy "$(clang-tidy --version) ${flags[*]} $headers $(< .clang-tidy)" 1 \
		bash -c 'n=$1; shift; clang-tidy --quiet "${@:n + 1}" -- "${@:1:n}" 2>&1 |
			grep -v -E "^[0-9]+ warnings? generated"
			exit "${PIPESTATUS[0]}"' tidy $((${#flags[@]} + 4)) "${flags[@]}" \
		-Xclang -analyzer-config -Xclang max-nodes=50000
}

# cppcheck_of NAME PATTERN HEADERS OPTION...
cppcheck_of()
{
	local name=$1 options

	options=(--quiet --std=c11 '--enable=warning,performance,portability'
		--inline-suppr --error-exitcode=1 "${@:4}")
	files "$2" | grep -v /tests/ | each "cppcheck-$name" "$(cppcheck --version) ${options[*]} $3" 8 \
		cppcheck "${options[@]}"
}

# Of the kernel's semantic patches those that are about mistakes, not about taste, and
# about what this module has, not drivers' interfaces; badzero wants a compiler of OCaml
semantic_patches()
{
	local dir source what wanted

	source=$("$QEMU_DIR/coccinelle.sh") || return
	wanted=(api/{atomic_as_refcounter,err_cast,kfree_mismatch,kvmalloc,memdup}
		free/{ifnullfree,kfree,kfreeaddr} iterators/{itnull,list_entry_update}
		iterators/use_after_iter locks/{call_kern,double_lock,flags,mini_lock}
		misc/{array_size,badty,cond_no_effect,doubleinit,excluded_middle}
		misc/{ifcol,newline_in_nl_msg,noderef,orplus,struct_size}
		null/{deref_null,eno,kmerr}
		tests/{doublebitand,doubletest,odd_ptr_err,unsigned_lesser_than_zero})
	wanted=("${wanted[@]/#/coccinelle/}")
	dir=$(mktemp -d)
	mkdir -p "$dir/scripts"
	(cd "$source/scripts" && cp --parents "${wanted[@]/%/.cocci}" coccicheck \
		"$dir/scripts") || return
	what="$(spatch --version) $(cat "$dir"/scripts/coccinelle/*/*) $(cat kmod/*.[ch])"
	# It ends with 0 whatever it reports
	once coccicheck "$what" bash -c '
		out=$(srctree=$1 srcroot=$2/kmod KBUILD_EXTMOD=$2/kmod LINUXINCLUDE="" \
			MODE=report J=1 bash "$1/scripts/coccicheck" 2>&1)
		rc=$?
		found=$(grep -E "^$2/[^ ]+:[0-9]+" <<< "$out" | sed "s,^$2/,,")
		[ -z "$found" ] || { echo "$found"; rc=1; }
		[ $rc = 0 ] || grep -v -E "^/.*spatch|^$" <<< "$out"
		exit $rc' cocci "$dir" "$TREE"
	what=$?
	rm -rf "$dir"
	return "$what"
}

clang_build()
{
	local module

	module=$("$QEMU_DIR/module.sh" --clang -b 6.1) && [ -e "$module" ]
}

# check NAME DESCRIPTION COMMAND...: if it is asked for
check()
{
	[[ -n $only && " $only " != *" $1 "* ]] || result "${@:2}"
}

only=$*
check gcc "command: gcc's analyzer" gcc_analyzer
check tidy "command: clang-tidy" clang_tidy
check cppcheck "command: cppcheck" cppcheck_of command 'tools/*.c' "$headers" \
	--library=posix --library=gnu -Itools -Iinclude/uapi
check cppcheck "module: cppcheck" cppcheck_of module 'kmod/*.c' \
	"$(cat kmod/*.h selftests/cppcheck.h)" --include=selftests/cppcheck.h
check coccinelle "module: the kernel's semantic patches" semantic_patches
check clang "module: built by clang with W=1" clang_build
finish
