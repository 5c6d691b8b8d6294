# SPDX-License-Identifier: GPL-2.0-only
#
# What the checkout contributes to a run: khv.ko for the host's kernel, and the
# statically linked tool, benchmark and tests. Built in copies kept in the
# cache, so the checkout stays clean and unchanged sources are not built again.

# sync_tree DEST NAME...: makes DEST hold the same files as TOP for NAME...,
# without touching those that are equal, so that make rebuilds only changes.
sync_tree()
{
	local dest=$1 list=$TMP/sync-list file

	shift
	mkdir -p "$dest"
	( cd "$TOP" && find "$@" -type f ! -name '*.o' ! -name '*.ko' ! -name '*.cmd' \
		! -name '*.mod' ! -name '*.mod.c' ! -name '.*.swp' 2>/dev/null ) |
		LC_ALL=C sort >"$list"
	if [ -e "$dest/.files" ]; then
		LC_ALL=C comm -23 "$dest/.files" "$list" | while read -r file; do
			rm -f "$dest/$file"
		done
	fi
	while read -r file; do
		cmp -s "$TOP/$file" "$dest/$file" && continue
		mkdir -p "$dest/$(dirname "$file")"
		cp "$TOP/$file" "$dest/$file.new" && mv "$dest/$file.new" "$dest/$file" || return
	done <"$list"
	cp "$list" "$dest/.files"
}

# files_key DEST: names the content of the files last copied there.
files_key()
{
	( cd "$1" && xargs -r sha256sum <.files ) | content_key
}

# module_build: sets MODULE to a khv.ko for the current kernel.
module_build()
{
	local tree out name

	[ -e "$TOP/Kbuild" ] || { say "there is no $TOP/Kbuild; use --no-module"; return 1; }
	name=module-$(basename "$K_DIR")-$(echo "$TOP" | content_key)
	tree=$CACHE/builds/$name
	mkdir -p "$CACHE/builds"
	lock "$name"
	sync_tree "$tree" Kbuild VERSION kmod uapi tests/kunit || return
	out=$CACHE/builds/out/$(basename "$K_DIR")-$( { files_key "$tree"; echo "$K_BUILD"; } | content_key)
	if [ ! -e "$out/khv.ko" ]; then
		step "building khv.ko for $K_NAME" module_make "$tree" >"$tree.log" 2>&1 || {
			grep -E -A5 'error|Error|undefined' "$tree.log" | head -n 40 >&2
			unlock
			say "khv.ko does not build for $K_NAME (whole log: $tree.log)"
			return 1
		}
		mkdir -p "$out" && cp "$tree/khv.ko" "$out/khv.ko.new" &&
			mv "$out/khv.ko.new" "$out/khv.ko" || return
	fi
	unlock
	MODULE=$out/khv.ko
}

module_make()
{
	if [ -n "$K_ROOT" ]; then
		sid_make "$K_ROOT" "$1"
	else
		make -C "$K_BUILD" M="$1" -j"$(nproc)" modules
	fi
}

# tools_build: sets TOOLS to a folder with bin/ and tests/, or to nothing when
# the checkout has neither tool nor tests.
tools_build()
{
	local tree out name

	TOOLS=
	name=tools-$(echo "$TOP" | content_key)
	tree=$CACHE/builds/$name
	mkdir -p "$CACHE/builds"
	lock "$name"
	sync_tree "$tree" tools uapi tests/selftests tests/guests tests/bench tests/lib || return
	out=$CACHE/builds/out/tools-$( { files_key "$tree"; gcc -dumpfullversion; } | content_key)
	if [ ! -e "$out/.complete" ]; then
		step "building the tool and the tests" tools_make "$tree" "$out" >"$tree.log" 2>&1 || {
			grep -E -A5 'error|Error|undefined' "$tree.log" | head -n 40 >&2
			unlock
			say "the tool or the tests do not build (whole log: $tree.log)"
			return 1
		}
		touch "$out/.complete"
	fi
	unlock
	TOOLS=$out
}

tools_make()
{
	local tree=$1 out=$2

	rm -rf "$out"
	mkdir -p "$out/bin" "$out/tests"
	if [ -e "$tree/tools/Makefile" ]; then
		make -C "$tree/tools" -j"$(nproc)" STATIC=1 O="$tree/obj-tools" || return
		cp "$tree/obj-tools/khv" "$out/bin/" || return
	fi
	if [ -e "$tree/tests/bench/Makefile" ]; then
		make -C "$tree/tests/bench" -j"$(nproc)" O="$out/bin" || return
	fi
	if [ -e "$tree/tests/selftests/Makefile" ]; then
		make -C "$tree/tests/selftests" -j"$(nproc)" O="$out/tests" || return
	fi
	if [ -e "$tree/tests/guests/Makefile" ]; then
		make -C "$tree/tests/guests" -j"$(nproc)" O="$out/tests" || return
	fi
	find "$out" -name '*.o' -delete -o -name '*.d' -delete
}
