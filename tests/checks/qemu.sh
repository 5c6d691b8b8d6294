# SPDX-License-Identifier: GPL-2.0-only
#
# QEMU as Debian ships it, which takes khv for KVM: the host $CPU has khv at /dev/kvm.
# It starts a guest by its own firmware, through real mode, in ways that khv run has not.

. "$TESTBED/lib/image.sh"
. "$TESTBED/lib/guest.sh"

FIRMWARE="bios-256k.bin bios-microvm.bin kvmvapic.bin linuxboot_dma.bin pvh.bin"

# qemu_build DIR: QEMU with all it loads, in DIR/tree.
qemu_build()
{
	local tree=$1/tree file

	mkdir -p "$tree/lib" "$tree/firmware" || return
	cp -L "$(command -v qemu-system-x86_64)" "$tree/qemu" || return
	for file in $(ldd "$tree/qemu" | grep -o '/[^ ]*'); do
		cp -L "$file" "$tree/lib/" || return
	done
	for file in $FIRMWARE; do
		cp -L "$(find -L /usr/share/qemu /usr/share/seabios -name "$file" -print -quit)" \
			"$tree/firmware/" || return
	done
	cat >"$tree/run" <<-'EOT'
	#!/bin/sh
	cd /qemu
	exec timeout 600 lib/ld-linux-x86-64.so.2 --library-path lib ./qemu -L firmware \
		-accel kvm -nodefaults -no-reboot -display none -serial stdio "$@"
	EOT
	chmod 755 "$tree/run"
}

# qemu_boot NAME QEMU-OPTION...: the guest must come to its userspace with two
# processors and power itself off.
qemu_boot()
{
	local name=$1 status=0 out=$WORK/console

	shift
	"$RUN" --cpu "$CPU" --smp 2 --spare --mem 1536 --timeout 1200 --module-args kvm_device=1 \
		--file "$QEMU:/qemu" --file "$K_IMAGE:/g/vmlinuz" --file "$GUEST_INITRD:/g/initrd" \
		--file "$WORK/cd.iso:/g/cd.iso" -- \
		/qemu/run -m 256 -smp 2 "$@" >"$out" 2>"$WORK/errors" || status=$?
	cat "$out" "$WORK/errors"
	if [ "$status" != 0 ]; then
		fail "$name" "status $status"
	elif ! grep -aqE '^Processors: 2[[:space:]]*$' "$out"; then
		fail "$name" "the guest's userspace did not speak, or has not two processors"
	elif grep -aqE "$SPLAT" "$out"; then
		fail "$name" "the guest's kernel complained"
	else
		pass "$name"
	fi
}

qemu_tree()
{
	local key

	key=$( { sha256sum "$(command -v qemu-system-x86_64)"; cat "$TOP/tests/checks/qemu.sh"; } |
		content_key)
	mkdir -p "$CACHE/images"
	cached "$CACHE/images/qemu-$key" "" qemu_build "$CACHE/images/qemu-$key" || return
	QEMU=$CACHE/images/qemu-$key/tree
}

qemu_tree && kernel_get small && guest_initrd "$GUEST_HELLO" || exit
iso_make "$WORK/cd.iso" "$K_IMAGE" "$GUEST_INITRD" console=ttyS0 || exit
LINUX=(-kernel /g/vmlinuz -initrd /g/initrd -append console=ttyS0)
qemu_boot "q35, 2 processors" -M q35 "${LINUX[@]}"
qemu_boot "i440fx, split irqchip" -M pc,kernel-irqchip=split "${LINUX[@]}"
qemu_boot "microvm" -M microvm "${LINUX[@]}"
# All by real mode: the firmware reads the boot loader, and that the kernel through it.
qemu_boot "i440fx, from a CD" -M pc -boot d -cdrom /g/cd.iso
