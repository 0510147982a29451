# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# A kernel that is built of Debian's source. Sourced after common.sh and archive.sh by
# those who say how, and set make_opts, of make; never run. For them are
#
#	work, log	a directory to build in, and where make's words go
#	src		the source, in $work
#	package, version	of the source

package=
version=
work=
log=

# find_source SERIES: $package, and the newest $version of it, empty if there is none or
# the archive is out of reach
find_source()
{
	package=linux-source-$1
	version=
	case $1 in
	6.1|6.12) use_release bookworm ;;
	*)	use_release trixie ;;
	esac
	lock archive
	! apt_update || version=$(version "$package")
	unlock archive
}

# fetch DIR [OPTION...]: what find_source found, into a new directory; options of tar that
# tell which of it
fetch()
{
	rm -rf "$1"
	mkdir -p "$1"
	lock archive
	msg "fetching $package=$version"
	download "$1.deb" "$package=$version" || {
		tail -n 20 "$apt/download.log" >&2
		die "cannot download $package"
	}
	unlock archive
	dpkg-deb --fsys-tarfile "$1.deb"/*.deb |
		tar -x -O "./usr/src/$package.tar.xz" | xz -dc -T0 |
		tar -C "$1" -x --strip-components=1 "${@:2}"
	rm -rf "$1.deb"
}

# unpack: all of it, into $src, which is made with $work
unpack()
{
	src=$work/linux
	rm -rf "$work"
	mkdir -p "$work"
	: > "$log"
	fetch "$src"
}

# uml_ignores_initrd: the source of user-mode Linux, so that kmemleak can see leaks. Its initrd
# is a block that kmemleak would look for addresses in for ever, also when it is freed and has
# others: then it finds its own list of all that there is.
uml_ignores_initrd()
{
	sed -i -e 's/^	initrd_start = (unsigned long) area;$/	kmemleak_ignore_phys(__pa(area));\n&/' \
		-e 's/^#include <linux.initrd.h>$/&\n#include <linux\/kmemleak.h>/' \
		"$src/arch/um/kernel/initrd.c"
	[ "$(grep -c kmemleak "$src/arch/um/kernel/initrd.c")" = 2 ] ||
		die "initrd.c is not what it was"
}

# kmake ARGUMENTS...: make in the source; what it says goes to the log
kmake()
{
	echo "+ make ${make_opts[*]} $*" >> "$log"
	make -C "$src" "${make_opts[@]}" "$@" < /dev/null >> "$log" 2>&1 || {
		grep -E 'error|warning|\*\*\*|undefined' "$log" |
			tail -n 20 >&2
		tail -n 5 "$log" >&2
		die "the kernel does not build; log: $log"
	}
}

# fragments PART...: the lines of PART.config for $series. "CONFIG_X=y # PATTERN" is for
# those that the pattern matches.
fragments()
{
	local line part

	for part; do
		grep '^CONFIG_' "$QEMU_DIR/$part.config"
	done | while read -r line; do
		# shellcheck disable=SC2053 # a pattern
		[[ $line != *' # '* ]] || [[ $series == ${line##* # } ]] || continue
		echo "${line%% # *}"
	done
}

# configure FRAGMENT: on top of allnoconfig; every line of it has to come true
configure()
{
	local line missing

	kmake KCONFIG_ALLCONFIG="$1" allnoconfig
	missing=$(grep '^CONFIG_' "$1" | while read -r line; do
		case $line in
		*=n)	! grep -q "^${line%n}" "$src/.config" ;;
		*)	grep -q -x -F "$line" "$src/.config" ;;
		esac || echo "$line"
	done)
	[ -z "$missing" ] || die "not in $package=$version: $missing"
}

# collect DIR ARCH FILE...: what guests and builds of modules want of a kernel that was
# built, but for the kernel itself: files of the source, and all that are named
collect()
{
	local rel

	kmake modules_install INSTALL_MOD_PATH="$1/root" DEPMOD=true
	rel=$(< "$src/include/config/kernel.release")
	rm -f "$1/root/lib/modules/$rel"/{build,source}
	depmod -b "$1/root" "$rel"
	echo "$rel" > "$1/release"
	echo "$2" > "$1/arch"
	echo "$package=$version" > "$1/packages"
	mkdir "$1/build"
	tar -C "$src" -c --exclude='arch/*.[coSa]' --exclude='*.o' \
		--exclude='*.cmd' Makefile .config Module.symvers include \
		scripts "${@:3}" | tar -C "$1/build" -x
}

# built NAME KEY SERIES BUILD [WITH]: prints the directory of that kernel, of which there is
# one for each version of the source of SERIES and KEY. It is looked for once a week, as the
# rest of the cache; if there is none, BUILD makes it in the directory that it is given. WITH
# is the kernel that is built at the same go.
built()
{
	local top=$CACHE/kernels/$1 with=$CACHE/kernels/${5-$1} current dir

	current=$top/current-$2
	lock "kernel-${5-$1}"
	if fresh "$current" 7; then
		cat "$current"
		return
	fi
	need own
	find_source "$3"
	mkdir -p "$top" "$with"
	work=$with/building log=$with/log
	dir=$top/${version//\~/.}-$2
	if [ -z "$version" ]; then
		[ -e "$current" ] ||
			die "no $package: Debian has none, or is out of reach"
		msg "taking $1 from the cache"
	elif [ ! -d "$dir" ]; then
		rm -rf "$dir.tmp"
		mkdir "$dir.tmp"
		"$4" "$dir.tmp"
		mv "$dir.tmp" "$dir"
		# Older ones that nobody has used for a month
		find "$top" -mindepth 1 -maxdepth 1 -type d -mtime +30 \
			! -path "$dir" -exec rm -rf {} +
	fi
	[ -z "$version" ] || echo "$dir" > "$current"
	cat "$current"
}
