# SPDX-License-Identifier: GPL-2.0-only
#
# KVM's own selftests, built static from Debian's linux-source package into the
# cache, once for each version of it. Nothing of them is kept in the checkout.
# Sourced after the testbed's kernel.sh; which of them are run, with what and
# how they should end is in the table beside this file.

# kselftests_build: sets KSELFTESTS to the folder that holds the programs.
kselftests_build()
{
	local dir

	deps_need $DEPS_BASE $DEPS_BUILD || return
	deps_lists
	kselftests_resolve || return
	if [ ! -e "$dir/.complete" ]; then
		deps_lists 1
		kselftests_resolve || return
	fi
	if [ ! -e "$dir/.complete" ]; then
		deps_need $DEPS_KERNEL || return
		source_get || return
		cached "$dir" "building KVM's selftests from $(basename "$SOURCE") (a minute, once)" \
			kselftests_make "$SOURCE/linux" "$dir" || return
	fi
	KSELFTESTS=$dir/bin
}

# kselftests_resolve: sets dir, which belongs to the caller.
kselftests_resolve()
{
	local version key

	version=$(package_version "$SOURCE_PACKAGE")
	[ -n "$version" ] || { say "apt knows no package $SOURCE_PACKAGE"; return 1; }
	key=$( { echo "$version"; gcc -dumpfullversion; cat "${BASH_SOURCE[0]}"; } | content_key)
	mkdir -p "$CACHE/kselftests"
	dir=$CACHE/kselftests/kvm-$key
}

# kselftests_make SOURCE DIR: the source is only read. Its copy of <linux/stddef.h>
# for the tools lacks what the headers made from it use, and one test calls an
# assertion by the name that it has later.
kselftests_make()
{
	local src=$1 dir=$2 headers=$2/headers/usr/include file

	mkdir -p "$dir"/{headers,build,bin}
	make -C "$src" O="$dir/headers" ARCH=x86 headers || return
	nice make -C "$src/tools/testing/selftests/kvm" -j"$(nproc)" ARCH=x86_64 \
		OUTPUT="$dir/build" KHDR_INCLUDES="-isystem $headers" \
		USERCFLAGS="-include $headers/linux/stddef.h -DTEST_ASSERT_EQ=ASSERT_EQ" \
		USERLDFLAGS=-static || return
	for file in "$dir"/build/* "$dir"/build/x86_64/*; do
		[ ! -f "$file" ] || [ ! -x "$file" ] || strip -o "$dir/bin/$(basename "$file")" "$file" || return
	done
	rm -rf "$dir/headers" "$dir/build"
}
