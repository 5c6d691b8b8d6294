# SPDX-License-Identifier: GPL-2.0-only
#
# Debian's own kernels, unpacked into the cache and never installed. Names and
# versions are resolved from apt's lists when they are needed, as they move on.
# The one from sid wants sid's compiler, so it lives with a root of sid.

DEBIAN_MIRROR=${KHV_DEBIAN_MIRROR:-http://deb.debian.org/debian}

# debian_release SERIES: the newest release of a series, as in uname -r.
debian_release()
{
	local series=${1//./[.]} pkg

	apt-cache pkgnames "linux-image-$1." |
		grep -E "^linux-image-$series[.][0-9.]+([-+][0-9a-z.]+)?-cloud-amd64$" |
		sort -rV | while read -r pkg; do
		[ -z "$(package_version "$pkg")" ] || { echo "${pkg#linux-image-}"; break; }
	done
}

# kernel_debian SERIES: sets K_DIR.
kernel_debian()
{
	local release

	deps_need $DEPS_BASE $DEPS_BUILD libelf1 || return
	deps_lists
	release=$(debian_release "$1")
	if [ ! -e "$CACHE/kernels/debian-$release/.complete" ]; then
		deps_lists 1
		release=$(debian_release "$1")
	fi
	if [ -z "$release" ]; then
		# The lists are new, but not of every source: a machine just set up.
		deps_lists 0
		release=$(debian_release "$1")
	fi
	[ -n "$release" ] || { say "apt knows no cloud kernel of series $1"; return 1; }
	K_DIR=$CACHE/kernels/debian-$release
	cached "$K_DIR" "downloading Debian's kernel $release and its headers" \
		debian_unpack "$release" "$K_DIR"
}

debian_unpack()
{
	local release=$1 dir=$2 pkg

	package_fetch "$dir/deb" "linux-image-$release" \
		$(debian_header_packages "linux-headers-$release") || return
	for pkg in "$dir"/deb/*.deb; do
		dpkg -x "$pkg" "$dir/root" || return
	done
	rm -rf "$dir/deb"
	ln -f "$dir/root/boot/vmlinuz-$release" "$dir/vmlinuz" || return
	ln -s "$(echo root/lib/modules/"$release"/kernel)" "$dir/modules" || return
	debian_relocate "$dir/root" || return
	echo "$dir/root/usr/src/linux-headers-$release" >"$dir/build-path"
}

# debian_header_packages PACKAGE: it, and what of the kernel it depends on.
debian_header_packages()
{
	echo "$1"
	apt-cache depends "$1" |
		sed -nE 's/.*Depends: (linux-(headers|kbuild)-[^ ]*)$/\1/p'
}

# debian_relocate ROOT: the packages expect to be installed in /.
debian_relocate()
{
	grep -rlIE --include=Makefile --include=.kernelvariables '/usr/(src|lib)/linux-' \
		"$1"/usr/src/linux-headers-* |
		xargs -r sed -i -E "s,(^|[ =])/usr/(src|lib)/linux-,\1$1/usr/\2/linux-,g"
}

# kernel_sid: sets K_DIR and K_ROOT. What sid has on the day the root is made is
# kept until the root is removed from the cache.
kernel_sid()
{
	K_ROOT=$CACHE/roots/sid
	if [ ! -e "$K_ROOT/.complete" ]; then
		[ "$(id -u)" = 0 ] || { say "a root of Debian sid can be made by root only"; return 1; }
		deps_need $DEPS_BASE $DEPS_SID || return
		mkdir -p "$CACHE/roots"
		cached "$K_ROOT" "making a root of Debian sid for its kernel and compiler (a minute)" \
			sid_root "$K_ROOT" || return
	fi
	K_DIR=$CACHE/kernels/debian-$(cat "$K_ROOT/release") || return
	cached "$K_DIR" "unpacking sid's kernel" sid_unpack "$K_ROOT" "$K_DIR"
}

sid_root()
{
	local root=$1 release

	debootstrap --variant=minbase --include=gcc,make,libc6-dev,kmod,xz-utils \
		sid "$root" "$DEBIAN_MIRROR" || return
	sid_chroot "$root" apt-get install -y --no-install-recommends linux-headers-cloud-amd64 || return
	release=$(ls "$root/usr/src" | sed -n 's/^linux-headers-\(.*-cloud-amd64\)$/\1/p' |
		sort -V | tail -n 1)
	[ -n "$release" ] || return
	sid_fetch "$root" "$release" || return
	sid_chroot "$root" apt-get clean
	echo "$release" >"$root/release"
}

# sid_chroot ROOT COMMAND...: with its own /proc, which goes when it ends, and,
# when SID_TREE is set, with that folder as /khv.
sid_chroot()
{
	local root=$1

	shift
	mkdir -p "$root/khv"
	unshare --mount --pid --fork sh -c '
		mount -t proc proc "$1/proc" || exit
		[ -z "$2" ] || mount --bind "$2" "$1/khv" || exit
		root=$1
		shift 2
		exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive \
			${KHV_TESTS:+KHV_TESTS=$KHV_TESTS} chroot "$root" "$@"
	' sh "$root" "${SID_TREE:-}" "$@"
}

# sid_fetch ROOT RELEASE: the packages that together hold the image.
sid_fetch()
{
	local root=$1 release=$2

	sid_chroot "$root" sh -c '
		mkdir -p /image && cd /image || exit
		apt-get -o APT::Sandbox::User=root download $(
			apt-cache depends --recurse --no-recommends --no-suggests \
				--no-conflicts --no-breaks --no-replaces --no-enhances \
				"linux-image-$1" |
			grep -Fx -e "linux-image-$1" -e "linux-image-$1-unsigned" \
				-e "linux-binary-$1" -e "linux-modules-$1" | sort -u)
	' sh "$release"
}

sid_unpack()
{
	local root=$1 dir=$2 release pkg

	release=$(cat "$root/release")
	for pkg in "$root"/image/*.deb; do
		dpkg -x "$pkg" "$dir/root" || return
	done
	ln "$(find "$dir/root" -name "vmlinuz-$release" -o -name vmlinuz -type f | head -n 1)" \
		"$dir/vmlinuz" || return
	ln -s "$(cd "$dir" && find root -type d -path "*/modules/$release/kernel" | head -n 1)" \
		"$dir/modules" || return
	echo "/usr/src/linux-headers-$release" >"$dir/build-path"
}

# sid_make ROOT TREE: builds the module in TREE with sid's compiler.
sid_make()
{
	SID_TREE=$2 sid_chroot "$1" make -C "$K_BUILD" M=/khv KHV_WERROR=1 -j"$(nproc)" modules
}
