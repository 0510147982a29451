#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# base.sh: make the part of the guests' initramfs that is the same for all of
# them: busybox, bash and the tools of this machine's Debian packages with the
# libraries they need, Python with PyYAML. Prints the cpio archive.

set -e -u -o pipefail
# shellcheck source=selftests/qemu/common.sh
. "$(dirname "$0")/common.sh"

# Packages that are taken whole, but for documentation and the like
packages=(bash coreutils diffutils findutils grep gawk mawk sed jq kmod procps
	util-linux util-linux-extra iproute2 nftables conntrack iperf3 tcpdump
	ethtool python3.11-minimal libpython3.11-minimal libpython3.11-stdlib
	python3-yaml python3-minimal ppp)

mapfile -t have < <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' \
	"${packages[@]}" 2> /dev/null | sed -n 's/^installed //p')
key=$({ dpkg-query -W "${have[@]}" busybox-static libc6 2> /dev/null
	cat "$0"; } | sha256sum | cut -c1-16)
out=$CACHE/initramfs/base-$key.cpio
lock initramfs
if [ -e "$out" ]; then
	echo "$out"
	exit
fi
msg "making the guests' file system"
mkdir -p "$CACHE/initramfs"
root=$(mktemp -d "$CACHE/initramfs/tmp.XXXXXX")
trap 'rm -rf "$root"' EXIT

mkdir -p "$root"/usr/{bin,sbin,lib,lib64} "$root"/{dev,proc,sys,run,tmp,root} \
	"$root"/etc "$root"/var/{lib,tmp} "$root"/mnt
for d in bin sbin lib lib64; do
	ln -s usr/$d "$root/$d"
done
ln -s /run "$root/var/run"

dpkg -L "${have[@]}" | sort -u |
	grep -E '^(/usr)?/(s?bin|lib|etc)/|^/etc/iproute2/' |
	grep -v -E -e '/(__pycache__|lib2to3|pydoc_data|idlelib|tkinter|test)/' \
		-e '/(turtledemo|ensurepip|distutils|python3/debian)/' \
		-e '/systemd/|/(sysctl|modprobe)\.d/' |
	while read -r f; do
		if [ ! -d "$f" ] || [ -L "$f" ]; then
			echo "$f"
		fi
	done > "$root/list"
echo /etc/services >> "$root/list"
echo /etc/protocols >> "$root/list"
# Libraries: what the dynamic linker would load, by the name it asks for and
# by the name of the file
while read -r f; do
	case $(head -c 4 "$f" 2> /dev/null | tr -d '\0') in
	?ELF)	ldd "$f" 2> /dev/null | grep -o '/[^ ]*' || : ;;
	esac
done < "$root/list" | sort -u | while read -r f; do
	echo "$f"
	readlink -f "$f"
done >> "$root/list"
# All to /usr: the guests have merged directories, like Debian 12
sed -E 's,^/(usr/)?(bin|sbin|lib|lib64)/,/usr/\2/,; s,^/,,' "$root/list" |
	sort -u | while read -r f; do
		if [ -e "/$f" ] || [ -L "/$f" ]; then
			echo "$f"
		fi
	done | tar -C / -c --no-recursion -T - | tar -C "$root" -x
rm "$root/list"

# busybox fills the gaps only
cp "$(command -v busybox)" "$root/usr/bin/busybox"
busybox --list | while read -r a; do
	for d in bin sbin; do
		[ -e "$root/usr/$d/$a" ] || [ -L "$root/usr/$d/$a" ] &&
			continue 2
	done
	ln -s busybox "$root/usr/bin/$a"
done
ln -sf bash "$root/usr/bin/sh"
[ -e "$root/usr/bin/awk" ] || ln -s mawk "$root/usr/bin/awk"
ln -sf python3.11 "$root/usr/bin/python3"

echo 'root:x:0:0:root:/root:/bin/bash' > "$root/etc/passwd"
printf 'nobody:x:65534:65534:nobody:/:/bin/false\n' >> "$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' > "$root/etc/group"
echo '127.0.0.1 localhost' > "$root/etc/hosts"
echo 'passwd: files' > "$root/etc/nsswitch.conf"
/usr/bin/python3 -m compileall -q -s "$root" -j 0 "$root/usr/lib/python3.11" \
	"$root/usr/lib/python3" --invalidation-mode unchecked-hash || :

(cd "$root" && find . -print0 | cpio -0 -o -H newc --quiet) > "$out.tmp"
mv "$out.tmp" "$out"
find "$CACHE/initramfs" -name 'base-*.cpio' ! -newer "$0" -mtime +30 -delete
echo "$out"
