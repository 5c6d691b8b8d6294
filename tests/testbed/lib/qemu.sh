# SPDX-License-Identifier: GPL-2.0-only
#
# An AMD host: QEMU's software emulation with SVM. Processors run truly in
# parallel unless --turns is given; with --spare there is one more than asked for.
# Machine power-off and reset both end it.

qemu_start()
{
	local cpu=max thread=multi

	[ "$OPT_CPU" != amd-nonpt ] || cpu=max,npt=off
	[ -z "$OPT_TURNS" ] || thread=single
	exec qemu-system-x86_64 -machine pc -accel tcg,thread=$thread \
		-cpu "$cpu" -smp $((OPT_SMP + ${OPT_SPARE:-0})) -m "$OPT_MEM" \
		-display none -vga none -monitor none -nodefaults -no-reboot \
		-chardev "file,id=console,path=$TMP/console" -serial chardev:console \
		-chardev "file,id=output,path=$TMP/output" -serial chardev:output \
		-kernel "$K_IMAGE" -initrd "$TMP/initrd" -append "$CMDLINE" \
		</dev/null >"$TMP/emulator.log" 2>&1
}
