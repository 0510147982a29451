#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kernel.sh 6.1|6.12: put the newest stock Debian kernel of that series into
# the cache, nothing is installed. Prints the directory:
#
#   vmlinux          the kernel, uncompressed: saves an emulated guest seconds
#   release          what uname -r will say
#   packages         the Debian packages and versions it was made of
#   build/           for make KDIR=
#   root/            the modules that the guests want, depmod'ed
#
# kernel.sh source: the same for what the tests take from linux-source-6.12:
# scripts/checkpatch.pl and the YNL Python client with its schemas.
#
# With the cache filled no network is needed. FTQOS_REFRESH=1 looks for newer
# kernels; otherwise that happens once a week.

set -e -u -o pipefail
# shellcheck source=selftests/qemu/common.sh
. "$(dirname "$0")/common.sh"

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
	drivers/char/virtio_console drivers/char/hw_random/virtio-rng
	drivers/block/virtio_blk fs/configfs crypto/crc32c_generic
	arch/x86/crypto/crc32c-intel crypto/sha1_generic crypto/arc4"

apt_opts=(-o Dir::Etc::SourceList="$CACHE/apt/sources.list"
	-o Dir::Etc::SourceParts=/dev/null
	-o Dir::State::Lists="$CACHE/apt/lists"
	-o Dir::Cache="$CACHE/apt/cache"
	-o APT::Sandbox::User=root
	-o Acquire::Languages=none
	-o Acquire::Retries=3)

# mirror END: the first archive in the system's own sources whose address ends
# like that, or nothing
mirror()
{
	local uri

	uri=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
		/etc/apt/sources.list.d/*.sources 2> /dev/null |
		sed '/^[[:space:]]*#/d' | tr -s ' \t' '\n' |
		grep -E "^[a-z+]+:.*$1/?\$" | head -n 1 || :)
	echo "$uri"
}

apt_update()
{
	local by="[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
	local m s

	mkdir -p "$CACHE"/apt/{lists,cache}/partial
	m=$(mirror '/debian')
	s=$(mirror '/debian-security')
	[ -n "$m" ] || die "no Debian archive in the sources of apt"
	# Without one of its own, updates come with the next point release
	s=${s:+deb $by $s bookworm-security main}
	cat > "$CACHE/apt/sources.list" <<- END
		deb $by $m bookworm main
		deb $by $m bookworm-backports main
		$s
	END
	[ "${FTQOS_REFRESH:-0}" = 0 ] && [ -e "$CACHE/apt/stamp" ] &&
		[ -z "$(find "$CACHE/apt/stamp" -mtime +1)" ] && return
	msg "reading Debian's package lists"
	apt-get "${apt_opts[@]}" -q update &> "$CACHE/apt/update.log" || {
		cat "$CACHE/apt/update.log" >&2
		return 1
	}
	touch "$CACHE/apt/stamp"
}

# version PACKAGE: newest version in the archive, or nothing
version()
{
	apt-cache "${apt_opts[@]}" show --no-all-versions "$1" 2> /dev/null |
		sed -n 's/^Version: //p'
}

# resolve SERIES: prints the newest ABI of which image, headers and kbuild
# exist in one version, then the packages
resolve()
{
	local abi common image kbuild v

	while read -r abi; do
		image=linux-image-$abi-amd64
		common=linux-headers-$abi-common
		v=$(version "$image")
		for kbuild in "linux-kbuild-$abi" "linux-kbuild-$1"; do
			if [ -n "$v" ] &&
			   [ "$(version "linux-headers-$abi-amd64")" = "$v" ] &&
			   [ "$(version "$common")" = "$v" ] &&
			   [ "$(version "$kbuild")" = "$v" ]; then
				echo "$abi-amd64" "$image=$v" \
					"linux-headers-$abi-amd64=$v" \
					"$common=$v" "$kbuild=$v"
				return
			fi
		done
	done < <(apt-cache "${apt_opts[@]}" search --names-only \
			"^linux-image-${1//./\\.}\\.[0-9].*-amd64\$" |
		sed 's/^linux-image-//; s/-amd64 .*//' |
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

get_kernel()
{
	local top=$CACHE/kernels/$1 dir found pkgs rel tmp

	mkdir -p "$top"
	lock "kernel-$1"
	# What this script makes of a package is kept as long as the script
	key=$(sha256sum < "$0" | cut -c1-8)
	if [ "${FTQOS_REFRESH:-0}" = 0 ] && [ -e "$top/current-$key" ] &&
	   [ -z "$(find "$top/current-$key" -mtime +7)" ]; then
		cat "$top/current-$key"
		return
	fi
	lock archive
	if ! apt_update || ! found=$(resolve "$1"); then
		[ -e "$top/current-$key" ] ||
			die "no kernel $1: archive out of reach, cache empty"
		msg "archive out of reach, taking kernel $1 from the cache"
		cat "$top/current-$key"
		return
	fi
	read -r rel pkgs <<< "$found"
	dir=${pkgs##*=}
	dir=$top/${dir//\~/.}-$key
	if [ ! -d "$dir" ]; then
		msg "fetching kernel $1: $pkgs"
		rm -rf "$top/tmp"
		tmp=$top/tmp
		mkdir -p "$tmp/deb" "$tmp/x"
		# shellcheck disable=SC2086 # a list
		(cd "$tmp/deb" &&
		 apt-get "${apt_opts[@]}" -q download $pkgs) \
			&> "$CACHE/apt/download.log" || {
			tail -n 20 "$CACHE/apt/download.log" >&2
			die "cannot download $pkgs"
		}
		unlock archive
		for d in "$tmp"/deb/*.deb; do
			dpkg-deb -x "$d" "$tmp/x"
		done
		subset "$tmp/x" "$tmp/root" "$rel"
		mv "$tmp/x/boot/vmlinuz-$rel" "$tmp/vmlinuz"
		uncompress "$tmp/vmlinuz" "$tmp/vmlinux"
		# The headers name each other by absolute path
		mkdir "$tmp/kbuild"
		mv "$tmp/x/usr" "$tmp/kbuild/usr"
		find "$tmp/kbuild/usr/src" -maxdepth 2 -name Makefile -type f \
			-size -2k -exec sed -i \
			"s,/usr/src/,$dir/kbuild/usr/src/,g" {} +
		ln -s "kbuild/usr/src/linux-headers-$rel" "$tmp/build"
		echo "$rel" > "$tmp/release"
		tr ' ' '\n' <<< "$pkgs" > "$tmp/packages"
		rm -rf "$tmp/deb" "$tmp/x"
		mv "$tmp" "$dir"
		# Older copies that nobody has used for a month
		find "$top" -mindepth 1 -maxdepth 1 -type d -mtime +30 \
			! -path "$dir" -exec rm -rf {} +
	fi
	echo "$dir" > "$top/current-$key"
	echo "$dir"
}

get_source()
{
	local top=$CACHE/kernels/source tmp

	mkdir -p "$top"
	lock source
	if [ ! -d "$top/linux" ]; then
		lock archive
		apt_update || die "no linux-source-6.12: archive out of reach"
		msg "fetching linux-source-6.12 for checkpatch and YNL"
		rm -rf "$top/tmp"
		tmp=$top/tmp
		mkdir -p "$tmp/deb" "$tmp/linux"
		(cd "$tmp/deb" &&
		 apt-get "${apt_opts[@]}" -q download linux-source-6.12) \
			&> "$CACHE/apt/download.log" || {
			tail -n 20 "$CACHE/apt/download.log" >&2
			die "cannot download linux-source-6.12"
		}
		unlock archive
		dpkg-deb --fsys-tarfile "$tmp"/deb/*.deb |
			tar -x -O ./usr/src/linux-source-6.12.tar.xz |
			xz -dc -T0 |
			tar -C "$tmp/linux" -x --strip-components=1 \
			--wildcards \
			'*/scripts/checkpatch.pl' '*/scripts/spelling.txt' \
			'*/scripts/const_structs.checkpatch' \
			'*/tools/net/ynl/*' \
			'*/Documentation/netlink/*.yaml'
		basename "$tmp"/deb/*.deb > "$tmp/linux/package"
		rm -rf "$tmp/deb"
		mv "$tmp/linux" "$top/linux"
		rm -rf "$tmp"
	fi
	echo "$top/linux"
}

case ${1-} in
source)	get_source ;;
[0-9]*)	get_kernel "$1" ;;
*)	die "usage: kernel.sh 6.1|6.12|source" ;;
esac
