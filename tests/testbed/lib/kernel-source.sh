# SPDX-License-Identifier: GPL-2.0-only
#
# Kernels built here from Debian's linux-source package: the small one, and the
# one with KASAN and lockdep. A build is keyed by its configuration, the
# package's version and the compiler, so it happens once.

SOURCE_PACKAGE=linux-source-6.1

# kernel_source NAME FRAGMENT...: sets K_DIR.
kernel_source()
{
	local name=$1 version fragments=() f

	shift
	for f; do
		fragments+=("$TESTBED/configs/$f")
	done
	deps_need $DEPS_BASE $DEPS_BUILD || return
	deps_lists
	source_resolve "$name" || return
	[ ! -e "$K_DIR/.complete" ] || return 0

	deps_lists 1
	source_resolve "$name" || return
	[ ! -e "$K_DIR/.complete" ] || return 0
	deps_need $DEPS_KERNEL || return
	source_get || return
	cached "$K_DIR" "building the $name kernel (about 12 minutes on two cores, once)" \
		kernel_build "$SOURCE/linux" "$K_DIR" "${fragments[@]}"
}

# source_resolve NAME: sets version and K_DIR, with fragments set by the caller.
source_resolve()
{
	local key

	version=$(package_version "$SOURCE_PACKAGE")
	[ -n "$version" ] || { say "apt knows no package $SOURCE_PACKAGE"; return 1; }
	key=$( { cat "${fragments[@]}"; echo "$version"; gcc -dumpfullversion; } | content_key)
	K_DIR=$CACHE/kernels/$1-$key
}

# source_get: sets SOURCE to the cache's copy of the package, unpacked in linux/.
source_get()
{
	local version

	version=$(package_version "$SOURCE_PACKAGE")
	SOURCE=$CACHE/sources/${SOURCE_PACKAGE}_$version
	cached "$SOURCE" "downloading and unpacking $SOURCE_PACKAGE $version (1.5 GB, a minute)" \
		source_unpack "$version" "$SOURCE"
}

package_version()
{
	apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: //p' | grep -v none
}

# package_fetch DIR PACKAGE[=VERSION]...: downloads packages, installs nothing.
package_fetch()
{
	local dir=$1

	shift
	mkdir -p "$dir"
	( cd "$dir" && apt-get -o APT::Sandbox::User=root download "$@" )
}

source_unpack()
{
	local version=$1 dir=$2 tarball

	package_fetch "$dir/deb" "$SOURCE_PACKAGE=$version" || return
	dpkg -x "$dir"/deb/*.deb "$dir/deb" || return
	tarball=$(ls "$dir"/deb/usr/src/linux-source-*.tar.xz) || return
	mkdir -p "$dir/linux"
	tar -C "$dir/linux" --strip-components=1 -xf "$tarball" || return
	rm -rf "$dir/deb"
}

kernel_config()
{
	local src=$1 obj=$2

	shift 2
	make -C "$src" O="$obj" tinyconfig || return
	sed -i -E '/CONFIG_(SLOB|KERNEL_XZ|CC_OPTIMIZE_FOR_SIZE|EXPERT|EMBEDDED)[ =]/d' "$obj/.config"
	( cd "$obj" && "$src/scripts/kconfig/merge_config.sh" -m .config "$@" ) || return
	make -C "$src" O="$obj" olddefconfig
}

kernel_build()
{
	local src=$1 dir=$2

	shift 2
	mkdir -p "$dir/build"
	kernel_config "$src" "$dir/build" "$@" || return
	nice make -C "$dir/build" -j"$(nproc)" bzImage modules || return
	kernel_keep "$dir"
}

# kernel_keep DIR: takes the image and the modules out of DIR/build and leaves
# there what out-of-tree modules are built against.
kernel_keep()
{
	local dir=$1 ko

	cp "$dir/build/arch/x86/boot/bzImage" "$dir/vmlinuz" || return
	mkdir -p "$dir/modules"
	sed 's/\.o$/.ko/' "$dir/build/modules.order" | while read -r ko; do
		cp "$dir/build/$ko" "$dir/modules/" || return
	done
	cp "$dir/build/System.map" "$dir/" || return
	find "$dir/build" \( -name scripts -o -path '*/tools/objtool' \) -prune -o \
		-type f \( -name '*.o' -o -name '*.ko' -o -name '*.a' -o -name 'vmlinux*' -size +1M \) \
		-exec rm -f {} +
	echo "$dir/build" >"$dir/build-path"
}
