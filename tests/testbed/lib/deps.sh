# SPDX-License-Identifier: GPL-2.0-only
#
# The Debian packages that the testbed, the build and the checks need, and
# their installation. Nothing is installed when all of them are there.

DEPS_BASE="busybox-static cpio kmod xz-utils gzip util-linux bsdutils"
# pahole: what kernel headers depend on to build modules.
DEPS_BUILD="gcc make libc6-dev binutils pahole libseccomp-dev"
DEPS_BOCHS="bochs bochsbios vgabios bochs-term isolinux syslinux-common xorriso"
DEPS_QEMU="qemu-system-x86"
DEPS_KERNEL="bc bison flex libelf-dev libssl-dev perl tar"
DEPS_SID="debootstrap debian-archive-keyring"
DEPS_STYLE="sparse clang-format cppcheck perl git patch"

# deps_missing PACKAGE...: prints those that are not installed.
deps_missing()
{
	local pkg

	for pkg; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$pkg" 2>/dev/null | head -c 9)" = installed ] ||
			echo "$pkg"
	done
}

# deps_need PACKAGE...: installs what is missing, or says what to install.
deps_need()
{
	local missing

	missing=$(deps_missing "$@" | tr '\n' ' ')
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" != 0 ]; then
		say "these Debian packages are missing, and only root can install them:"
		say "    apt-get install --no-install-recommends $missing"
		return 1
	fi
	lock apt
	step "installing Debian packages: $missing" "$CACHE/apt.log" deps_install $missing || {
		tail -n 20 "$CACHE/apt.log" >&2
		unlock
		say "apt-get install failed (whole log: $CACHE/apt.log)"
		return 1
	}
	unlock
}

deps_install()
{
	export DEBIAN_FRONTEND=noninteractive
	apt-get install -y --no-install-recommends "$@" ||
		{ apt-get update && apt-get install -y --no-install-recommends "$@"; }
}

# deps_lists_whole: is there a list of every source that apt is configured for? A
# machine just installed may have some, and name a kernel that others supersede.
deps_lists_whole()
{
	local uri file rest

	while read -r uri file rest; do
		[[ $file != *_InRelease ]] || [ -e "/var/lib/apt/lists/$file" ] ||
			[ -e "/var/lib/apt/lists/${file%InRelease}Release" ] || return 1
	done < <(apt-get update --print-uris 2>/dev/null)
}

# deps_lists [DAYS]: package lists to resolve kernel names from. With DAYS, lists
# that are older or not whole are fetched anew where possible: what they name may
# be gone, and what is built from it would be built again.
deps_lists()
{
	local age=${1:+-mtime -$1}

	if [ -n "$(apt-cache pkgnames linux-source-6 2>/dev/null)" ] &&
	   [ -n "$(find /var/lib/apt/lists -maxdepth 1 -name '*Packages*' $age -print -quit)" ] &&
	   { [ -z "${1:-}" ] || deps_lists_whole; }; then
		return 0
	fi
	if [ "$(id -u)" != 0 ]; then
		[ -z "${1:-}" ] || return 0
		die "apt has no package lists: run apt-get update as root first"
	fi
	lock apt
	step "fetching Debian's package lists" "$CACHE/apt.log" apt-get update ||
		die "apt-get update failed (whole log: $CACHE/apt.log)"
	find /var/lib/apt/lists -maxdepth 1 -name '*Packages*' -exec touch {} +
	unlock
}
