# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the scripts of this directory share: where the cache is, how missing
# Debian packages get there, locks. Sourced, never run.

QEMU_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034 # for those who source this
TREE=$(cd "$QEMU_DIR/../.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/ftqos
mkdir -p "$CACHE"

# Debian packages by purpose
# shellcheck disable=SC2034 # need() looks them up by name
PKGS_tools="libmnl-dev libnl-route-3-dev"
PKGS_build="gcc gcc-12 make libc6-dev $PKGS_tools pkg-config libelf1 xz-utils
	kmod patch"
# shellcheck disable=SC2034
PKGS_vm="$PKGS_build qemu-system-x86 busybox-static bash cpio zstd python3
	python3-yaml iproute2 nftables conntrack iperf3 tcpdump ethtool
	procps jq util-linux ppp pppoe iw socat"
# For a kernel of our own
# shellcheck disable=SC2034
PKGS_own="$PKGS_build flex bison bc libelf-dev xz-utils"
# To measure
# shellcheck disable=SC2034
PKGS_bench="clang gnuplot-nox libc6-dev"
# To fuzz
# shellcheck disable=SC2034
PKGS_fuzz="clang libc6-dev linux-libc-dev $PKGS_tools pkg-config make python3"
# To build for other architectures and to run that
# shellcheck disable=SC2034
{
	PKGS_s390x="qemu-system-misc gcc-12-s390x-linux-gnu libc6-dev-s390x-cross"
	PKGS_arm64="qemu-system-arm gcc-12-aarch64-linux-gnu libc6-dev-arm64-cross"
	PKGS_armhf="gcc-12-arm-linux-gnueabihf libc6-dev-armhf-cross"
}
# For what reads the code
# shellcheck disable=SC2034
PKGS_analyze="$PKGS_build clang clang-tidy cppcheck coccinelle"
# shellcheck disable=SC2034
PKGS_lint="$PKGS_build sparse shellcheck perl xz-utils python3-yaml
	python3-jsonschema"

die()
{
	echo "$(basename "$0"): $*" >&2
	exit 1
}

msg()
{
	echo "# $*" >&2
}

# need PURPOSE...: install what is missing of the packages for PURPOSE, or
# say what to install and stop.
need()
{
	local missing=() p list purpose

	command -v dpkg-query > /dev/null ||
		die "this needs Debian 12 (no dpkg-query here)"
	for purpose; do
		list=PKGS_$purpose
		for p in ${!list}; do
			dpkg-query -W -f '${db:Status-Status}\n' "$p" \
				2> /dev/null | grep -qx installed ||
				missing+=("$p")
		done
	done
	[ ${#missing[@]} = 0 ] && return
	mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
	if [ "$(id -u)" != 0 ]; then
		die "packages are missing:" \
			"apt-get install -y ${missing[*]}"
	fi
	msg "installing ${missing[*]}"
	lock apt
	{
		apt-get -qq update || :
		DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
			--no-install-recommends install "${missing[@]}"
	} > "$CACHE/apt-install.log" 2>&1 < /dev/null || {
		tail -n 20 "$CACHE/apt-install.log" >&2
		die "cannot install:" \
			"apt-get install -y ${missing[*]}"
	}
	unlock apt
}

# lock NAME ... unlock NAME: one process at a time; held until unlock or exit
declare -A lock_fd

lock()
{
	local fd

	exec {fd}> "$CACHE/lock.$1"
	flock "$fd"
	lock_fd[$1]=$fd
}

unlock()
{
	local fd=${lock_fd[$1]}

	exec {fd}>&-
}

# need_for KERNEL...: what other architectures than amd64 need, and our own kernels
need_for()
{
	local k

	for k; do
		case $k in
		own*|debug-*|kcsan-*) need own ;;
		s390x|arm64|armhf) need "$k" ;;
		esac
	done
}

# triplet ARCHITECTURE: what its compiler's name and its libraries' directory begin with
triplet()
{
	case $1 in
	amd64)	echo x86_64-linux-gnu ;;
	arm64)	echo aarch64-linux-gnu ;;
	armhf)	echo arm-linux-gnueabihf ;;
	*)	echo "$1-linux-gnu" ;;
	esac
}

# choose_kernels: those that $KERNELS names; by default all that are tested, and
# in $BUILDS those that the module is only built for
choose_kernels()
{
	by_default=
	if [ -z "${KERNELS-}" ]; then
		# shellcheck disable=SC2034 # for check.sh
		by_default=1
		KERNELS="6.1 6.12 newest 6.18 s390x own own-noegress"
		: "${BUILDS=6.1-rt 6.12-rt 6.18-rt newest-rt armhf}"
	fi
	export KERNELS BUILDS="${BUILDS-}"
}

# kernel_dir [-b] KERNEL: where it is; those to measure on are bench/'s, debug.sh makes
# those that look for mistakes
kernel_dir()
{
	case ${*: -1} in
	own-bench-*) "$TREE/selftests/bench/kernel.sh" "${*: -1}" ;;
	debug-*|kcsan-*) "$QEMU_DIR/debug.sh" "${*: -1}" ;;
	*)	"$QEMU_DIR/kernel.sh" "$@" ;;
	esac
}

# series [-b] KERNEL...: of each the series, by which results are named
# ("newest" is none), once. -b: to build for only.
series()
{
	local dir k opt=()

	if [ "${1-}" = -b ]; then
		opt=(-b)
		shift
	fi
	for k; do
		dir=$(kernel_dir "${opt[@]}" "$k") || return
		basename "$(dirname "$dir")"
	done | awk '!seen[$0]++'
}

# hash_of FILE...: one word that changes with the names or the contents
hash_of()
{
	find "$@" -type f -print0 | sort -z |
		xargs -0 sha256sum | sha256sum | cut -c1-16
}
