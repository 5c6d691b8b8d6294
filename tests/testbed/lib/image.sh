# SPDX-License-Identifier: GPL-2.0-only
#
# The host's initramfs: a cached part with busybox, and a part made for each
# run with the modules, the tool, the tests, the files asked for and the
# command. The kernel unpacks one after the other.

# What the kernel prints when something went wrong without a panic.
SPLAT='BUG:|(^|] )WARNING:|Oops|general protection fault|KASAN|UBSAN:|KCSAN|INFO: (possible|suspicious|task|rcu)|unchecked MSR access|inconsistent lock state|bad unlock balance|held lock freed|blocked for more than|soft lockup|detected stall|scheduling while atomic|refcount_t:'

# image_base: sets BASE_CPIO, the busybox part.
image_base()
{
	local key dir

	key=$( { cat "$(command -v busybox)" "$TESTBED/lib/image.sh"; } | content_key)
	dir=$CACHE/images/busybox-$key
	mkdir -p "$CACHE/images"
	cached "$dir" "" image_base_build "$dir" || return
	BASE_CPIO=$dir/base.cpio.gz
}

image_base_build()
{
	local dir=$1 applet

	mkdir -p "$dir"/root/{bin,dev,proc,sys,tmp,run,root,etc,lib,testbed,tests,usr} || return
	cp "$(command -v busybox)" "$dir/root/bin/busybox" || return
	for applet in $(busybox --list); do
		[ "$applet" = busybox ] || ln -s busybox "$dir/root/bin/$applet" || return
	done
	for d in sbin usr/bin usr/sbin; do
		ln -s /bin "$dir/root/$d" || return
	done
	echo root:x:0:0:root:/root:/bin/sh >"$dir/root/etc/passwd"
	printf 'root:x:0:\nkvm:x:104:\n' >"$dir/root/etc/group"
	image_pack "$dir/root" "$dir/base.cpio.gz" || return
	rm -rf "$dir/root"
}

# image_pack DIR FILE: DIR as a compressed cpio archive, owned by root.
image_pack()
{
	( cd "$1" && find . -mindepth 1 | LC_ALL=C sort |
		cpio --quiet -o -H newc -R 0:0 | gzip -n -5 ) >"$2"
}

# quote WORD...: as a shell command line that any POSIX shell reads back.
quote()
{
	local word

	for word; do
		printf "'%s' " "${word//\'/\'\\\'\'}"
	done
	echo
}

# image_file SPEC: puts one --file SRC[:DEST] into the tree at IMG.
image_file()
{
	local src=$1 dest=

	if [ ! -e "$src" ] && [[ $src == *:/* ]]; then
		dest=/${src##*:/}
		src=${src%:/*}
	fi
	[ -e "$src" ] || die "--file: there is no $src"
	[ -n "$dest" ] || dest=/$(basename "$src")
	[[ $dest != */ ]] || dest=$dest$(basename "$src")
	mkdir -p "$IMG$(dirname "$dest")"
	cp -rLT --preserve=mode "$src" "$IMG$dest" || die "--file: cannot copy $src"
}

# image_modules: the modules to load and their order, with arguments.
image_modules()
{
	local m=$IMG/testbed/modules name

	mkdir -p "$m"
	: >"$m/order"
	modules_collect "$m" msr || return
	[ -z "$OPT_KVM" ] || modules_collect "$m" kvm "$KVM_MODULE" || return
	if [ -n "$MODULE" ]; then
		cp "$MODULE" "$m/khv.ko" || return
		modules_collect "$m" khv || return
	fi
	while read -r name; do
		case $name in
		khv) echo "$name $OPT_MODULE_ARGS" ;;
		*)   echo "$name" ;;
		esac
	done <"$m/order" >"$m/load"
}

# image_make FILE: the whole initramfs for this run.
image_make()
{
	local spec dir

	IMG=$TMP/image
	image_base || return
	mkdir -p "$IMG/testbed" "$IMG/bin" "$IMG/tests"
	cp "$TESTBED/init" "$IMG/init" || return
	chmod 755 "$IMG/init"
	image_modules || return
	for dir in "${PROGRAMS[@]}"; do
		cp -r "$dir"/bin "$dir"/tests "$IMG/" 2>/dev/null
	done
	for spec in "${OPT_FILES[@]}"; do
		image_file "$spec"
	done
	{
		echo "TOKEN=$TOKEN SPARE=$OPT_SPARE"
		quote "$SPLAT" | sed 's/^/SPLAT=/; s/ $//'
	} >"$IMG/testbed/env"
	echo "exec $(quote "${COMMAND[@]}")" >"$IMG/testbed/command"
	image_pack "$IMG" "$TMP/run.cpio.gz" || return
	cat "$BASE_CPIO" "$TMP/run.cpio.gz" >"$1" || return
	rm -rf "$IMG" "$TMP/run.cpio.gz"
}

# iso_make FILE KERNEL INITRD CMDLINE: a CD that boots them by ISOLINUX.
iso_make()
{
	local iso=$1.d

	mkdir -p "$iso" || return
	ln "$2" "$iso/vmlinuz" 2>/dev/null || cp "$2" "$iso/vmlinuz" || return
	ln "$3" "$iso/initrd" 2>/dev/null || cp "$3" "$iso/initrd" || return
	cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$iso/" || return
	cat >"$iso/isolinux.cfg" <<-EOT
	default linux
	timeout 1
	label linux
	 kernel /vmlinuz
	 append initrd=/initrd $4
	EOT
	xorriso -as mkisofs -quiet -o "$1" -b isolinux.bin -c boot.cat \
		-no-emul-boot -boot-load-size 4 -boot-info-table "$iso" \
		>"$1.log" 2>&1 || { cat "$1.log" >&2; return 1; }
	rm -rf "$iso" "$1.log"
}
