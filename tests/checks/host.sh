# SPDX-License-Identifier: GPL-2.0-only
#
# What guests must survive of their host $CPU, with two processors: CPUs that go
# offline and come back, suspend, NMIs; and what the host must survive with guests
# running: a restart, and where a kernel can, the start of another one and a crash.
#
# HOST_CYCLES says how often each CPU goes, HOST_KERNELS which of Debian's kernels are
# started and crash; the whole count is
#     HOST_CYCLES=200 HOST_KERNELS="debian-6.1 debian-6.12 debian-7.2" \
#     make check SUITES="host-amd host-intel host-debug"
# HOST_CPU0=1 takes CPU 0 offline, too, which kernels up to 6.4 can on Intel.

KERNEL=${KERNEL:-small}
KERNELS=${HOST_KERNELS-debian-6.1}
OPTIONS=(--cpu "$CPU" --kernel "$KERNEL" --smp 2 --timeout $((2400 + ${HOST_CYCLES:-0} * 60))
	 --append "hpet=disable suspend.pm_test_delay=1 ${HOST_CPU0:+cpu0_hotplug}")
# Guests on both processors for minutes are more than QEMU's SVM stands otherwise (docs/testbed.md).
TURNS=()
[ "$CPU" != amd ] || TURNS=(--turns)
OPTIONS+=("${TURNS[@]}")

# tests NAME...: those of host-test.
tests()
{
	local status=0

	"$RUN" "${OPTIONS[@]}" -- sh -c 'export HOST_CYCLES=$1; shift; exec host-test -t 10 "$@"' \
		sh "$CYCLES" "$@" >"$WORK/$1.tap" || status=$?
	cat "$WORK/$1.tap"
	tap_results host-test "$status" "$WORK/$1.tap"
}

# What wakes an AMD host from suspend-to-idle comes within 2.3 seconds of our time. On
# a machine so busy that the host is not asleep by then it would sleep forever: that
# says nothing of guests, and it may try again.
freeze()
{
	local status tries

	run_anew "$WORK/freeze.tap" "${OPTIONS[@]}" --timeout $([ "$CPU" = amd ] && echo 200 || echo 600) \
		-- host-test -t 10 suspend.freeze
	tap_results host-test "$status" "$WORK/freeze.tap"
}

# restart NAME HOW: with guests running. QEMU ends there; Bochs comes up again, which ends
# the run, too. Either way nothing may have been said but that.
restart()
{
	local status=0

	"$RUN" "${OPTIONS[@]}" --console "$WORK/console" -- sh -c '
		host-test load >/tmp/load 2>&1 &
		until grep -q "guests run" /tmp/load; do sleep 1; done
		cat /tmp/load
		dmesg -n 7
		'"$2" || status=$?
	if ! grep -aq 'reboot: Restarting system\|sysrq: Resetting' "$WORK/console"; then
		fail "$1" "status $status, and the host did not restart"
	elif grep -aE "$SPLAT" "$WORK/console"; then
		fail "$1" "the host's kernel complained"
	else
		pass "$1"
	fi
}

# next HOW KERNEL: the kernel that comes after must find all processors and run guests.
next()
{
	local status=0

	kernel_get "$2" || { fail "$1 $2" "no kernel"; return; }
	"$RUN" --cpu "$CPU" --kernel "$2" --smp 2 "${TURNS[@]}" --mem 1536 --timeout 3000 \
		--append "crashkernel=512M next_cpus=2" \
		--file "$K_IMAGE:/next/vmlinuz" --file "$TOP/tests/host/next-init:/next/init" \
		--file "$TOP/tests/host/next:/bin/next" -- next "$1" >"$WORK/$1-$2" || status=$?
	cat "$WORK/$1-$2"
	if [ "$status" = 0 ] && grep -q '^the next kernel runs on 2 CPUs' "$WORK/$1-$2"; then
		pass "$1, $2"
	else
		fail "$1, $2" "status $status"
	fi
}

. "$TESTBED/lib/image.sh"
case $CPU in
amd)
	CYCLES=${HOST_CYCLES:-10}
	tests hotplug nmi suspend.mem suspend.rehearsal
	freeze ;;
*)
	CYCLES=${HOST_CYCLES:-2}
	tests hotplug nmi suspend.rehearsal
	# With one processor: in Bochs the others come back from S3 with a TSC of 0, with khv or
	# without, which nothing that takes TSCs for one clock survives.
	OPTIONS+=(--smp 1)
	tests suspend.mem
	OPTIONS+=(--smp 2)
	freeze ;;
esac
restart reboot "reboot -f"
restart sysrq-b "echo b >/proc/sysrq-trigger; sleep 60"
# Bochs takes 13 minutes for a kexec of one of Debian's kernels, 30 for a crash, most of them in SHA-256.
if [ "$KERNEL" = small ] && [ "$CPU${HOST_KERNELS+ asked}" != intel ]; then
	for kernel in $KERNELS; do
		next kexec "$kernel"
		next crash "$kernel"
	done
fi
