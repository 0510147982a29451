#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kernel.sh [-b] NAME: put the newest stock Debian kernel of that name into the
# cache, nothing is installed. Prints the directory, which is in one named like
# the series:
#
#   vmlinux          the kernel, uncompressed: saves an emulated guest seconds
#   release          what uname -r will say
#   arch             amd64, arm64, armhf or s390x
#   packages         the Debian packages and versions it was made of
#   build/           for make KDIR=
#   root/            the modules that the guests want, depmod'ed
#
# NAME is one of:
#
#   6.1, 6.12        Debian 12's
#   7.3 and others   those of the backports to Debian 13
#   newest           the newest series for which these have image and headers
#   6.18             gone from Debian's lists, but not from its pool
#   s390x            6.1 for that architecture, which is big-endian
#   arm64            6.1 for that architecture
#   armhf            6.1 for that architecture, which has 32 bits; -b only
#   6.1-rt ...       the same with PREEMPT_RT, for 6.18 -b only
#   own, own-noegress  those that own.sh builds, with build/ for ARCH=um
#
# -b: only what is needed to build for it, neither kernel nor modules.
#
# kernel.sh source [SERIES]: the same for what the tests take from the kernel's
# source, of 6.12 or of another series for which Debian has it: scripts/checkpatch.pl,
# the YNL Python client with its schemas, and the flowtable's own selftest.
#
# What is Debian 13's wants a newer C library for the programs of kbuild than
# Debian 12 has; it is in build/../host.

set -e -u -o pipefail
# shellcheck source=selftests/qemu/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=selftests/qemu/archive.sh
. "$QEMU_DIR/archive.sh"

# Directories of /lib/modules/*/kernel that guests get, with dependencies
MODULES="net/802 net/8021q net/bridge net/core net/ife net/ipv4 net/ipv6
	net/key net/l2tp net/llc net/mpls net/netfilter net/netlink net/packet
	net/psample net/sched net/unix net/xfrm drivers/net/bonding
	drivers/net/dummy drivers/net/geneve drivers/net/ifb drivers/net/macvlan
	drivers/net/macvtap drivers/net/ipvlan drivers/net/net_failover
	drivers/net/netconsole drivers/net/ppp drivers/net/slip
	drivers/net/team drivers/net/tun drivers/net/tap
	drivers/net/veth drivers/net/virtio_net drivers/net/vrf
	drivers/net/vxlan drivers/net/wireguard drivers/virtio
	drivers/net/wireless/mac80211_hwsim
	drivers/net/wireless/virtual/mac80211_hwsim
	drivers/char/virtio_console drivers/char/hw_random/virtio-rng
	drivers/block/virtio_blk fs/configfs
	crypto/af_alg crypto/algif_aead crypto/authenc crypto/cbc crypto/ctr
	crypto/drbg crypto/echainiv crypto/gcm crypto/ghash-generic
	crypto/jitterentropy_rng crypto/pcrypt crypto/seqiv crypto/sha512_generic
	crypto/crc32c_generic
	arch/x86/crypto/crc32c-intel crypto/sha1_generic crypto/arc4"

# What the host programs of Debian 13's kbuild are linked with
HOST_LIBS="libc6 libelf1t64 libssl3t64 libzstd1 zlib1g"

# What this script makes of a package is kept as long as the script
key=$(cat "$0" "$QEMU_DIR/archive.sh" | sha256sum | cut -c1-8)

# Longterm series that Debian's backports have left behind: what apt's lists
# say no more. The sums are those of the files when this was written, that of
# the image is still in the lists.
pinned_of()
{
	case $1 in
	6.18*)	echo 6.18.15+deb13 "6.18.15-1~bpo13+1" ;;
	esac
}

pinned()
{
	local abi v

	read -r abi v < <(pinned_of "$1")
	cat <<- END
		a54ed9b3be5247fe2e003423e067cb8e8b06e4a44a09459b85cfec0afbcbd5ef linux/linux-headers-$abi-common_${v}_all.deb
		5e64129020cdb5effd6ed3895ca89608ef17bcf643eedfc8013dad89bab70a02 linux/linux-kbuild-${abi}_${v}_amd64.deb
	END
	case $1 in
	*-rt)	cat <<- END
			564519390c57dadb9984818069e1de92907f210fe55942319150777dc1de4add linux/linux-headers-$abi-rt-amd64_${v}_amd64.deb
		END
		;;
	*)	cat <<- END
			1b19c975adf29e89c4cb2680e862db89b787fc5144a638b001854b075b4cc255 linux/linux-headers-$abi-amd64_${v}_amd64.deb
			d38a7af6260782a47cd615ad717347a528b45f076245b4deabb3f1ecf8459186 linux-signed-amd64/linux-image-$abi-amd64_${v}_amd64.deb
		END
	esac
}

# native COMMAND...: with the package lists of this machine's architecture
native()
{
	(use_release "$debian"; "$@")
}

# resolve REGEX: prints the newest release of a series like that of which image,
# headers and kbuild exist in one version, then the packages
resolve()
{
	local abi common headers image kbuild p v

	while read -r abi; do
		image=linux-image-$abi-$flavour
		headers=linux-headers-$abi-$flavour
		common=linux-headers-$abi-common
		v=$(version "$image")
		[ -n "$v" ] && [ "$(version "$headers")" = "$v" ] || continue
		# Where PREEMPT_RT was a patch it has other common headers
		[ "${flavour%-amd64}" != rt ] ||
			[ "$(version "$common-rt")" != "$v" ] || common+=-rt
		[ "$(version "$common")" = "$v" ] || continue
		for kbuild in "linux-kbuild-$abi" \
			      "linux-kbuild-$(cut -d. -f1,2 <<< "$abi")"; do
			native has "$kbuild" "$v" || continue
			echo "$abi-$flavour"
			echo "$image=$v"
			# Newer images are empty and depend on these
			for p in base binary modules; do
				p=linux-$p-$abi-$flavour
				[ "$(version "$p")" != "$v" ] || echo "$p=$v"
			done
			printf '%s\n' "$headers=$v" "$common=$v" "$kbuild=$v"
			return
		done
	done < <(apt-cache "${apt_opts[@]}" search --names-only \
			"^linux-image-$1\\.[0-9].*-$flavour\$" |
		sed "s/^linux-image-//; s/-$flavour .*//" |
		grep -v -E -e '-(rt|cloud)$' | sort -Vr)
	return 1
}

# subset TREE TO: copy the wanted modules and what they depend on
subset()
{
	local rel=$3 from=$1/lib/modules/$3 to=$2/lib/modules/$3

	mkdir -p "$to"
	cp "$from"/modules.builtin* "$from"/modules.order "$to/"
	depmod -b "$1" "$rel" 2> /dev/null
	for m in $MODULES; do
		echo "kernel/$m"
	done | awk -v dep="$from/modules.dep" '
		{ want[$1] = 1 }
		END {
			while ((getline < dep) > 0) {
				sub(":", "", $1)
				for (i = 2; i <= NF; i++)
					needs[$1] = needs[$1] " " $i
				p = $1
				sub(/\.ko.*/, "", p)
				while (p != "") {
					if (p in want) {
						out[$1] = 1
						break
					}
					if (!sub(/\/[^\/]*$/, "", p))
						break
				}
			}
			for (m in out) {
				print m
				n = split(needs[m], d, " ")
				for (i = 1; i <= n; i++)
					print d[i]
			}
		}' | sort -u > "$to/wanted"
	tar -C "$from" -c -T "$to/wanted" | tar -C "$to" -x
	rm "$to/wanted"
	find "$to" -name '*.ko.xz' -exec xz -d {} +
	depmod -b "$2" "$rel"
}

# uncompress VMLINUZ VMLINUX; if that fails, a link to the first has to do
uncompress()
{
	local at how magic

	for how in '\xFD7zXZ\x00:xz -dc --single-stream' \
		   '\x28\xB5\x2F\xFD:zstd -dcq' '\x1F\x8B\x08:gzip -dc'; do
		magic=${how%%:*}
		# What follows the stream makes some of them end in error
		for at in $(LC_ALL=C grep -obUaP "$magic" "$1" |
				cut -d: -f1 | head -n 5); do
			tail -c +$((at + 1)) "$1" | ${how#*:} > "$2" \
				2> /dev/null || :
			if [ "$(head -c 4 "$2" | tr -d '\0')" = $'\x7fELF' ] &&
			   [ "$(stat -c %s "$2")" -gt 20000000 ]; then
				return
			fi
		done
	done
	ln -sf vmlinuz "$2"
}

# host_libs DIR TO: of the packages there, all that a program can be run with
host_libs()
{
	local d

	mkdir -p "$2"
	for d in "$1"/*.deb; do
		dpkg-deb --fsys-tarfile "$d" | tar -C "$2" -x \
			--strip-components=4 --wildcards \
			--no-wildcards-match-slash \
			'./usr/lib/x86_64-linux-gnu/*.so*'
	done
}

# wrap DIR LIBS: the programs in DIR are run with these libraries and their
# dynamic linker instead of the system's, which are older
wrap()
{
	local f

	find "$1" -type f -perm -u+x | while read -r f; do
		[ "$(head -c 4 "$f" | tr -d '\0')" = $'\x7fELF' ] || continue
		mv "$f" "$f.elf"
		cat > "$f" <<- END
			#!/bin/sh
			exec '$2/ld-linux-x86-64.so.2' --library-path '$2' \\
				--argv0 "\$0" "\$0.elf" "\$@"
		END
		chmod 755 "$f"
	done
}

# newest: prints the newest series there is
newest()
{
	local mark=$CACHE/kernels/newest-$flavour-$key found

	mkdir -p "$CACHE/kernels"
	use_release trixie
	lock newest
	if ! fresh "$mark" 7; then
		lock archive
		if apt_update && found=$(resolve '[0-9]+\.[0-9]+'); then
			head -n 1 <<< "$found" | cut -d. -f1,2 > "$mark"
		elif [ -e "$mark" ]; then
			msg "archive out of reach, taking $(< "$mark")"
		else
			die "no newest kernel: archive out of reach, cache empty"
		fi
		unlock archive
	fi
	cat "$mark"
	unlock newest
}

# make_kernel DIR RELEASE PACKAGE...: of what was downloaded to DIR.tmp
make_kernel()
{
	local d dir=$1 f rel=$2 tmp=$1.tmp

	mkdir "$tmp/x"
	for d in "$tmp"/deb/*.deb; do
		dpkg-deb -x "$d" "$tmp/x"
	done
	if [ -d "$tmp/x/usr/lib/modules" ]; then
		mkdir -p "$tmp/x/lib"
		mv "$tmp/x/usr/lib/modules" "$tmp/x/lib/"
	fi
	if [ -z "$build_only" ]; then
		subset "$tmp/x" "$tmp/root" "$rel"
		for f in "$tmp/x/boot/vmlinuz-$rel" \
			 "$tmp/x/lib/modules/$rel/vmlinuz"; do
			[ ! -e "$f" ] || mv "$f" "$tmp/vmlinuz"
		done
		# QEMU boots others as they are, and what they unpack is not ELF
		if [ "$arch" = amd64 ]; then
			uncompress "$tmp/vmlinuz" "$tmp/vmlinux"
		else
			ln -s vmlinuz "$tmp/vmlinux"
		fi
	fi
	# The headers name each other by absolute path
	mkdir "$tmp/kbuild"
	mv "$tmp/x/usr" "$tmp/kbuild/usr"
	find "$tmp/kbuild/usr/src" -maxdepth 2 -name Makefile -type f \
		-size -2k -exec sed -i \
		"s,/usr/src/,$dir/kbuild/usr/src/,g" {} +
	ln -s "kbuild/usr/src/linux-headers-$rel" "$tmp/build"
	if [ -d "$tmp/libs" ]; then
		host_libs "$tmp/libs" "$tmp/host"
		wrap "$tmp/kbuild/usr/lib" "$dir/host"
	fi
	echo "$rel" > "$tmp/release"
	echo "$arch" > "$tmp/arch"
	printf '%s\n' "${@:3}" > "$tmp/packages"
	rm -rf "$tmp/deb" "$tmp/libs" "$tmp/x"
	mv "$tmp" "$dir"
}

# fetch TMP NAME: packages of the kernel ($pkgs, $libs)
fetch()
{
	local kbuild=${pkgs[-1]}

	rm -rf "$1"
	if [ -n "$(pinned_of "$2")" ]; then
		pinned "$2" | download_pinned "$1/deb" || return
	elif [ "$arch" = amd64 ]; then
		download "$1/deb" "${pkgs[@]}" || return
	else
		# Its programs are run here
		native download "$1/deb" "$kbuild" &&
			download "$1/deb" "${pkgs[@]:0:${#pkgs[@]}-1}" || return
	fi
	[ ${#libs[@]} = 0 ] || download "$1/libs" "${libs[@]}"
}

# find_kernel NAME: prints its release, then its packages
find_kernel()
{
	local abi v

	apt_update || return
	[ "$arch" = amd64 ] || native apt_update || return
	case $1 in
	s390x|arm64|armhf) resolve '6\.1' ;;
	*)	read -r abi v < <(pinned_of "$1") || :
		if [ -n "$abi" ]; then
			printf '%s\n' "$abi-$flavour" \
				"linux-image-$abi-$flavour=$v" \
				"linux-headers-$abi-$flavour=$v"
		else
			resolve "$(sed 's/-rt$//; s/\./\\./g' <<< "$1")"
		fi
	esac | if [ -n "$build_only" ]; then
		grep -v -E '^linux-(image|base|binary|modules)-'
	else
		cat
	fi
}

get_kernel()
{
	local top=$CACHE/kernels/$1 current dir found libs=() p pkgs rel try

	[ -n "$build_only" ] || [ "$1" != 6.18-rt ] ||
		die "6.18-rt: Debian's pool is asked for its headers only"
	[ -n "$build_only" ] || [ "$arch" != armhf ] ||
		die "armhf: is built for only"
	case $1 in
	6.1|6.12|6.1-rt|6.12-rt) use_release bookworm ;;
	s390x|arm64|armhf) use_release bookworm "$arch" ;;
	*)	use_release trixie ;;
	esac
	current=$top/current$build_only-$key
	mkdir -p "$top"
	lock "kernel-$1$build_only"
	if fresh "$current" 7; then
		cat "$current"
		return
	fi
	lock archive
	for try in 1 2; do
		if ! mapfile -t pkgs < <(find_kernel "$1") ||
		   [ ${#pkgs[@]} -lt 2 ]; then
			[ -e "$current" ] ||
				die "no kernel $1: archive out of reach, cache empty"
			msg "archive out of reach, taking kernel $1 from the cache"
			cat "$current"
			return
		fi
		rel=${pkgs[0]}
		pkgs=("${pkgs[@]:1}")
		dir=${pkgs[0]##*=}
		dir=$top/${dir//\~/.}$build_only-$key
		[ ! -d "$dir" ] || break
		if [ "$debian" != bookworm ]; then
			libs=()
			for p in $HOST_LIBS; do
				libs+=("$p=$(version "$p")")
			done
		fi
		msg "fetching kernel $1: ${pkgs[*]} ${libs[*]}"
		fetch "$dir.tmp" "$1" && break
		tail -n 20 "$apt/download.log" >&2
		[ "$try" = 1 ] || die "cannot download kernel $1"
		# Gone from the archive since the lists were read?
		rm -f "$apt/stamp"
	done
	unlock archive
	if [ ! -d "$dir" ]; then
		make_kernel "$dir" "$rel" "${pkgs[@]}" "${libs[@]}"
		# Older copies that nobody has used for a month
		find "$top" -mindepth 1 -maxdepth 1 -type d -mtime +30 \
			! -path "$dir" -exec rm -rf {} +
	fi
	echo "$dir" > "$current"
	echo "$dir"
}

# get_source SERIES
get_source()
{
	local package=linux-source-$1 to tmp top=$CACHE/kernels/source

	case $1 in
	6.1|6.12) use_release bookworm ;;
	*)	use_release trixie ;;
	esac
	to=$top/linux
	[ "$1" = 6.12 ] || to+=-$1
	mkdir -p "$top"
	lock source
	# Copies without the selftest were made by older versions of this script
	if [ ! -d "$to/tools/testing" ]; then
		lock archive
		apt_update || die "no $package: archive out of reach"
		msg "fetching $package for checkpatch, YNL and a selftest"
		rm -rf "$top/tmp"
		tmp=$top/tmp
		mkdir -p "$tmp/linux"
		download "$tmp/deb" "$package" || {
			tail -n 20 "$apt/download.log" >&2
			die "cannot download $package"
		}
		unlock archive
		dpkg-deb --fsys-tarfile "$tmp"/deb/*.deb |
			tar -x -O "./usr/src/$package.tar.xz" |
			xz -dc -T0 |
			tar -C "$tmp/linux" -x --strip-components=1 \
			--wildcards \
			'*/scripts/checkpatch.pl' '*/scripts/spelling.txt' \
			'*/scripts/const_structs.checkpatch' \
			'*/tools/net/ynl/*' \
			'*/Documentation/netlink/*.yaml' \
			'*/tools/testing/selftests/net/lib.sh' \
			'*/tools/testing/selftests/net/netfilter/lib.sh' \
			'*/tools/testing/selftests/net/netfilter/nft_flowtable.sh'
		basename "$tmp"/deb/*.deb > "$tmp/linux/package"
		rm -rf "$tmp/deb" "$to"
		mv "$tmp/linux" "$to"
		rm -rf "$tmp"
	fi
	echo "$to"
}

build_only=
if [ "${1-}" = -b ]; then
	build_only=-build
	shift
fi
arch=amd64
case ${1-} in
s390x|arm64) arch=$1 flavour=$1 ;;
armhf)	arch=armhf flavour=armmp ;;
*-rt)	flavour=rt-amd64 ;;
*)	flavour=amd64 ;;
esac
case ${1-} in
source)	get_source "${2-6.12}" ;;
own*)	exec "$QEMU_DIR/own.sh" "$1" ;;
newest*) use_release trixie
	series=$(newest)
	get_kernel "$series${1#newest}" ;;
s390x|arm64|armhf|[0-9]*) get_kernel "$1" ;;
*)	die "usage: kernel.sh [-b] NAME | source [SERIES]" ;;
esac
