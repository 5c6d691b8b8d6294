# SPDX-License-Identifier: GPL-2.0-only
#
# A host kernel by its name on the command line. After kernel_get NAME:
#   K_NAME     the name
#   K_DIR      its cache entry, whose base name is unique to its content
#   K_IMAGE    the bootable image
#   K_MODULES  the folder below which its modules lie
#   K_BUILD    what to give to make as KDIR
#   K_ROOT     the root file system to build modules in, or empty for this one
# The kernels themselves are made by kernel-source.sh and kernel-debian.sh.

. "$TESTBED/lib/kernel-source.sh"
. "$TESTBED/lib/kernel-debian.sh"

KERNELS="small debug debian-6.1 debian-6.12 debian-7.2"

kernel_get()
{
	K_NAME=$1
	K_ROOT=
	mkdir -p "$CACHE/kernels"
	case $1 in
	small)       kernel_source small small.config ;;
	debug)       kernel_source debug small.config debug.config ;;
	debian-6.1)  kernel_debian 6.1 ;;
	debian-6.12) kernel_debian 6.12 ;;
	debian-7.2)  kernel_sid ;;
	*)           say "no kernel named $1 (there are: $KERNELS)"; return 1 ;;
	esac || return
	K_IMAGE=$K_DIR/vmlinuz
	K_MODULES=$K_DIR/modules
	K_BUILD=$(cat "$K_DIR/build-path")
}

# modules_find NAME: the file of a module in K_MODULES; - and _ are the same.
modules_find()
{
	local pattern=${1//[-_]/[-_]}

	find "$K_MODULES/" -name "$pattern.ko" -o -name "$pattern.ko.xz" \
		-o -name "$pattern.ko.zst" | head -n 1
}

# module_extract FILE DEST: copies a module, uncompressed.
module_extract()
{
	case $1 in
	*.xz)  xz -dc "$1" >"$2" ;;
	*.zst) zstd -dcq "$1" >"$2" ;;
	*)     cp "$1" "$2" ;;
	esac
}

# modules_collect DEST NAME...: copies the modules and all that they depend on
# to DEST and appends their names to DEST/order, dependencies first. What the
# kernel has built in is skipped.
modules_collect()
{
	local dest=$1 name file deps

	shift
	for name; do
		name=${name//-/_}
		! grep -qsx "$name" "$dest/order" || continue
		if [ ! -e "$dest/$name.ko" ]; then
			file=$(modules_find "$name")
			[ -n "$file" ] || continue
			module_extract "$file" "$dest/$name.ko" || return
		fi
		deps=$(modinfo -F depends "$dest/$name.ko" | tr ',' ' ') || return
		modules_collect "$dest" $deps || return
		echo "$name" >>"$dest/order"
	done
}
