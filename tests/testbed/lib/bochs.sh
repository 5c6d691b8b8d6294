# SPDX-License-Identifier: GPL-2.0-only
#
# An Intel host: Bochs with VMX. It boots from an ISO, needs a terminal of some
# kind, and one instruction is one tick of its clock, so figures repeat.

# Instructions that make a second of its time.
BOCHS_IPS=50000000

bochs_model()
{
	case $OPT_CPU,$K_NAME in
	intel-noept,*)	   echo core2_penryn_t9600 ;;
	intel-avx,*)	   echo corei7_haswell_4770 ;;
	*,debian-7.2)	   echo corei7_haswell_4770 ;;
	*)		   echo corei7_skylake_x ;;
	esac
}

bochs_iso()
{
	local clock=

	# By its CPUID the processor is up to 70 times as fast, and so long the kernel would
	# take a second to be. One idle processor skips that; of several, none does.
	[ "$OPT_SMP" = 1 ] || clock="tsc_early_khz=$((BOCHS_IPS / 1000)) "
	iso_make "$TMP/host.iso" "$K_IMAGE" "$TMP/initrd" "$clock$CMDLINE" &&
		rm -f "$TMP/initrd"
}

bochs_config()
{
	cat >"$TMP/bochsrc" <<-EOT
	megs: $OPT_MEM
	romimage: file=/usr/share/bochs/BIOS-bochs-latest
	vgaromimage: file=/usr/share/vgabios/vgabios.bin
	cpu: model=$(bochs_model), count=$OPT_SMP, ips=$BOCHS_IPS, reset_on_triple_fault=0
	clock: sync=none, time0=local, rtc_sync=0
	ata0-master: type=cdrom, path=$TMP/host.iso, status=inserted
	boot: cdrom
	com1: enabled=1, mode=file, dev=$TMP/console
	com2: enabled=1, mode=file, dev=$TMP/output
	display_library: term
	log: $TMP/bochs.log
	panic: action=fatal
	error: action=report
	info: action=report
	debug: action=ignore
	speaker: enabled=0
	sound: driver=dummy
	plugin_ctrl: unmapped=true, biosdev=true, speaker=false, extfpuirq=true, parallel=true, serial=true, gameport=false, iodebug=true
	EOT
	echo c >"$TMP/bochs.cmd"
}

bochs_start()
{
	export TERM=vt100
	exec script -qfc "echo \$\$ >$TMP/emulator.pid
		exec bochs -q -rc $TMP/bochs.cmd -f $TMP/bochsrc" /dev/null \
		</dev/null >"$TMP/emulator.log" 2>&1
}
