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
	( cd "$TOP" && find "$@" \( -name build -o -name obj -o -name .obj \) -prune -o \
		-type f ! -name '*.o' ! -name '*.ko' ! -name '*.cmd' ! -name '*.mod' \
		! -name '*.mod.c' ! -name '.*.sw?' ! -name '*~' -print 2>/dev/null ) |
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

# module_build: sets MODULE to a khv.ko for the current kernel, and MODULE_TREE
# to where it is built, beside MODULE_TREE.log.
module_build()
{
	local tree out name

	[ -e "$TOP/Kbuild" ] || { say "there is no $TOP/Kbuild; use --no-module"; return 1; }
	name=module-$(basename "$K_DIR")-$(echo "$TOP" | content_key)
	tree=$CACHE/builds/$name
	MODULE_TREE=$tree
	mkdir -p "$CACHE/builds"
	lock "$name"
	sync_tree "$tree" Kbuild VERSION kmod uapi tests/kunit || return
	out=$CACHE/builds/out/$(basename "$K_DIR")-$( { files_key "$tree"; echo "$K_BUILD"; } | content_key)
	if [ ! -e "$out/khv.ko" ]; then
		step "building khv.ko for $K_NAME" "$tree.log" module_make "$tree" || {
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
		make -C "$K_BUILD" M="$1" KHV_WERROR=1 -j"$(nproc)" modules
	fi
}

# programs_build: sets PROGRAMS to the folders whose bin/ and tests/ go into the
# host. A part that does not build is left out with a message, so that work on
# one does not stop the use of the others.
programs_build()
{
	local part

	PROGRAMS=()
	for part in tools tests/bench tests/fuzz tests/host tests/sched tests/selftests tests/guests; do
		[ ! -e "$TOP/$part/Makefile" ] || program_build "$part"
	done
}

program_build()
{
	local part=$1 tree out name kind=tests sources

	case $part in
	tools)	sources="tools uapi" kind=bin ;;
	*bench|*fuzz|*host|*sched)
		sources="$part tests/lib uapi" kind=bin ;;
	*)	sources="$part tests/lib uapi" ;;
	esac
	name=$(basename "$part")-$(echo "$TOP" | content_key)
	tree=$CACHE/builds/$name
	mkdir -p "$CACHE/builds"
	lock "$name"
	sync_tree "$tree" VERSION $sources || return
	out=$CACHE/builds/out/$(basename "$part")-$( { files_key "$tree"; gcc -dumpfullversion; } | content_key)
	if [ ! -e "$out/.complete" ]; then
		if ! step "building $part" "$tree.log" program_make "$tree" "$part" "$out/$kind"; then
			grep -E -A3 'error:|Error|undefined' "$tree.log" | head -n 12 >&2
			say "$part does not build and is left out (whole log: $tree.log)"
			unlock
			return 1
		fi
		touch "$out/.complete"
	fi
	unlock
	PROGRAMS+=("$out")
}

# program_make TREE PART DEST
program_make()
{
	local obj=$1/obj-$(basename "$2")

	mkdir -p "$obj" "$3"
	find "$obj" -maxdepth 1 -type f -perm -u+x -delete
	make -C "$1/$2" -j"$(nproc)" STATIC=1 O="$obj" || return
	find "$obj" -maxdepth 1 -type f -perm -u+x -exec cp {} "$3/" \;
}
