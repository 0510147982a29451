# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The Debian archive beside what the system has of it: package lists of any
# release and architecture, kept in the cache, and packages that are unpacked,
# never installed. Sourced after common.sh, never run.
#
# With the cache filled no network is needed. FTQOS_REFRESH=1 looks for newer
# packages; otherwise those who use this do so once a week.

# use_release NAME [ARCHITECTURE]: of Debian, its package lists are those of
# the following; the architecture is this machine's by default
use_release()
{
	debian=$1
	apt=$CACHE/apt
	[ "$debian" = bookworm ] || apt+=-$debian
	apt_opts=()
	if [ -n "${2-}" ]; then
		apt+=-$2
		# Nothing is installed there
		apt_opts+=(-o APT::Architecture="$2" -o APT::Architectures="$2"
			-o Dir::State::status="$apt/status")
	fi
	apt_opts+=(-o Dir::Etc::SourceList="$apt/sources.list"
		-o Dir::Etc::SourceParts=/dev/null
		-o Dir::State::Lists="$apt/lists"
		-o Dir::Cache="$apt/cache"
		-o APT::Sandbox::User=root
		-o Acquire::Languages=none
		-o Acquire::Retries=3)
}

# fresh FILE DAYS: it is there and not older than that, and nobody wants it newer
fresh()
{
	[ "${FTQOS_REFRESH:-0}" = 0 ] && [ -e "$1" ] &&
		[ -z "$(find "$1" -mtime "+$2")" ]
}

# mirror END: the first archive in the system's own sources whose address ends
# like that, or nothing
mirror()
{
	local uri

	uri=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
		/etc/apt/sources.list.d/*.sources 2> /dev/null |
		sed '/^[[:space:]]*#/d' | tr -s ' \t' '\n' |
		grep -E "^[a-z+]+:.*$1/?\$" | head -n 1 || :)
	echo "${uri%/}"
}

# apt_read: the lists of sources.list
apt_read()
{
	msg "reading the package lists of Debian's $(basename "$apt")"
	apt-get "${apt_opts[@]}" -q update &> "$apt/update.log"
}

apt_update()
{
	local by="[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
	local m s

	mkdir -p "$apt"/lists/partial "$apt"/cache/archives/partial
	: >> "$apt/status"
	m=$(mirror '/debian')
	s=$(mirror '/debian-security')
	[ -n "$m" ] || die "no Debian archive in the sources of apt"
	# Without one of its own, updates come with the next point release
	s=${s:+deb $by $s $debian-security main}
	cat > "$apt/sources.list" <<- END
		deb $by $m $debian main
		deb $by $m $debian-backports main
		$s
	END
	! fresh "$apt/stamp" 1 || return 0
	apt_read || {
		cat "$apt/update.log" >&2
		! grep -q NO_PUBKEY "$apt/update.log" ||
			msg "is debian-archive-keyring up to date?"
		# Mirrors look less after other architectures: the last point release does
		[[ ${apt_opts[*]} == *APT::Architecture=* ]] || return
		msg "trying without updates"
		sed -i '/-security /d' "$apt/sources.list"
		apt_read || return
	}
	touch "$apt/stamp"
}

# version PACKAGE: newest version in the archive, or nothing
version()
{
	apt-cache "${apt_opts[@]}" show --no-all-versions "$1" 2> /dev/null |
		sed -n 's/^Version: //p'
}

# has PACKAGE VERSION: the archive has it, with newer ones perhaps
has()
{
	# Not -q, which would leave apt-cache with a broken pipe
	apt-cache "${apt_opts[@]}" show "$1" 2> /dev/null |
		grep -x -F "Version: $2" > /dev/null
}

# download DIR PACKAGE...
download()
{
	mkdir -p "$1"
	(cd "$1" && apt-get "${apt_opts[@]}" -q download "${@:2}") \
		&> "$apt/download.log"
}

# download_pinned DIR: a line "SHA256 PATH" each of standard input, of files
# that are in the archive's pool, but not in its lists any more
download_pinned()
{
	local m path sum

	m=$(mirror '/debian')
	mkdir -p "$1"
	: > "$apt/download.log"
	while read -r sum path; do
		/usr/lib/apt/apt-helper -o Acquire::Retries=3 download-file \
			"$m/pool/main/l/$path" "$1/$(basename "$path")" \
			"SHA256:$sum" &>> "$apt/download.log" || return
	done
}

# closure PACKAGE...: these and all that they depend on, as NAME=VERSION
closure()
{
	apt-get "${apt_opts[@]}" -qq -y -s --no-install-recommends \
		install "$@" 2> /dev/null |
		sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1=\2/p'
}
