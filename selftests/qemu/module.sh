#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# module.sh [--strict|--clang] [-b] KERNEL: build nf_flow_qos.ko of this tree, as it is,
# for the cached Debian kernel and print where it is. The sources are copied, so
# that builds for several kernels do not meet; what was built of the same sources, be
# it of another tree, is not built again. --strict: W=1 and sparse, a
# complaint about a file of ours is an error. --clang: W=1 and that compiler, likewise; to
# look at, not to load, since the kernels are built with gcc. -b: without what is needed to
# run.
#
# FTQOS_TREE: another tree than the one this script is in.

set -e -u -o pipefail
# shellcheck source=selftests/qemu/common.sh
. "$(dirname "$0")/common.sh"

strict=
case ${1-} in
--strict|--clang)
	strict=${1#-}
	shift ;;
esac
build_only=()
if [ "${1-}" = -b ]; then
	build_only=(-b)
	shift
fi
[ $# = 1 ] || die "usage: module.sh [--strict|--clang] [-b] KERNEL"
tree=${FTQOS_TREE:-$TREE}
need_for "$1"

kernel=$(kernel_dir "${build_only[@]}" "$1")
series=$(basename "$(dirname "$kernel")")
release=$(cat "$kernel/release")
cd "$tree"
sources=()
for f in Kbuild VERSION kmod include; do
	[ -e "$f" ] && sources+=("$f")
done
key=$(find "${sources[@]}" -type f \( -name '*.[chS]' -o -name 'Kbuild' -o \
	-name Makefile -o -name VERSION \) ! -name '*.mod.c' -print0 |
	sort -z | xargs -0 sha256sum |
	{ cat - "$QEMU_DIR/module.sh"; echo "$kernel"; } | sha256sum | cut -c1-16)
of=$series$strict
dir=$CACHE/build/$key-$of
lock "build-$of"

if [ -e "$dir/done" ]; then
	touch "$dir"
else
	rm -rf "$dir"
	mkdir -p "$dir/src"
	# Those that were used last are kept
	find "$CACHE/build" -maxdepth 1 -name "????????????????-$of" -printf '%T@ %p\n' |
		sort -n -r | tail -n +10 | cut -d ' ' -f 2- | xargs -r -d '\n' rm -rf
	cp -a "${sources[@]}" "$dir/src/"
	find "$dir/src" \( -name '*.o' -o -name '*.ko' -o -name '*.cmd' -o \
		-name '*.mod' -o -name '*.mod.c' -o -name modules.order -o \
		-name Module.symvers \) -delete
	# What pahole and newer compilers than that are needed for
	opts=(CC=gcc-12 CONFIG_DEBUG_INFO_BTF_MODULES=
		CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=)
	arch=$(< "$kernel/arch")
	case $arch in
	um)	opts+=(ARCH=um SUBARCH=x86_64) ;;
	arm64)	opts+=(ARCH=arm64) ;;
	armhf)	opts+=(ARCH=arm) ;;
	s390x)	opts+=(ARCH=s390) ;;
	esac
	case $arch in
	arm64|armhf|s390x)
		cross=$(triplet "$arch")
		opts+=(CROSS_COMPILE="$cross-" CC="$cross-gcc-12") ;;
	esac
	# Not C=2, which kernels that want a newer sparse than 0.6.4 ignore.
	# What it lacks: an operator, and the length of a string as a constant
	[ "$strict" != -strict ] || opts+=(W=1 KBUILD_CHECKSRC=2
		CF="-D__CHECK_ENDIAN__ -D__typeof_unqual__=__typeof__ \
			'-D__builtin_strlen(s)=(sizeof(s)-1)'")
	# The configuration is gcc's: without those of its options that clang has not
	[ "$strict" != -clang ] || opts+=(W=1 CC=clang CONFIG_CC_IS_GCC=
		CONFIG_GCC_VERSION=0 CONFIG_CC_IS_CLANG=y
		CONFIG_CLANG_VERSION="$(clang -dumpversion |
			awk -F. '{ printf "%d%02d%02d", $1, $2, $3 }')"
		CONFIG_CC_IMPLICIT_FALLTHROUGH=-Wimplicit-fallthrough
		CONFIG_RETHUNK= CONFIG_SLS= CONFIG_FTRACE_MCOUNT_USE_CC=
		CONFIG_INIT_STACK_ALL_ZERO=)
	make -C "$kernel/build" M="$dir/src" -j"$(nproc)" "${opts[@]}" modules \
		> "$dir/log" 2>&1 || {
		grep -E 'error|warning|\*\*\*|undefined!' "$dir/log" |
			sed "s,$dir/src/,,g" | awk '!seen[$0]++' | head -n 30 >&2
		die "the module does not build for $release; log: $dir/log"
	}
	# Before 6.13 with the whole path
	if [ -n "$strict" ] && sed "s,^$dir/src/,," "$dir/log" |
		grep -E '^(\./)?(kmod|include)/|modpost:' |
		grep -i -E '(warning|error):' |
		awk '!seen[$0]++ { print; n++ } END { exit !n }' >&2; then
		die "the compiler or sparse complains ($release)"
	fi
	touch "$dir/done"
fi
[ -e "$dir/src/kmod/nf_flow_qos.ko" ] ||
	die "the build for $release left no kmod/nf_flow_qos.ko"
echo "$dir/src/kmod/nf_flow_qos.ko"
