# SPDX-License-Identifier: GPL-2.0-only
#
# Guests for demonstrations and checks: an initramfs whose /init runs a few
# lines of shell under busybox and powers the machine off.

# guest_initrd SCRIPT: sets GUEST_INITRD to a cached initramfs that runs SCRIPT
# with /proc, /sys and /dev in place.
guest_initrd()
{
	local key dir

	key=$( { cat "$(command -v busybox)" "$TESTBED/lib/guest.sh"; echo "$1"; } | content_key)
	dir=$CACHE/images/guest-$key
	mkdir -p "$CACHE/images"
	cached "$dir" "" guest_initrd_build "$dir" "$1" || return
	GUEST_INITRD=$dir/initrd.gz
}

guest_initrd_build()
{
	local dir=$1 applet

	mkdir -p "$dir"/root/{bin,dev,proc,sys,tmp} || return
	cp "$(command -v busybox)" "$dir/root/bin/busybox" || return
	for applet in sh mount uname grep cat poweroff reboot dmesg echo sleep nproc date; do
		ln -s busybox "$dir/root/bin/$applet" || return
	done
	cat >"$dir/root/init" <<-EOT
	#!/bin/sh
	export PATH=/bin
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	mount -t devtmpfs devtmpfs /dev
	$2
	poweroff -f
	EOT
	chmod 755 "$dir/root/init"
	image_pack "$dir/root" "$dir/initrd.gz" || return
	rm -rf "$dir/root"
}

GUEST_HELLO='echo
echo "Hello from the guest:"
uname -a
echo "Processors: $(nproc)"
grep MemTotal /proc/meminfo'
