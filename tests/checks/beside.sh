# SPDX-License-Identifier: GPL-2.0-only
#
# Guests of KVM and of khv at the same time on host $CPU with two processors, while
# further VMs come and go and a CPU goes offline and returns (tests/host/beside); the
# modules loaded in either order.
#
# BESIDE_SECONDS is how long, of the host's time, BESIDE_KERNELS on which kernels. The
# whole of it is
#     BESIDE_SECONDS=600 BESIDE_KERNELS="small debian-6.12 debian-7.2" \
#     make check SUITES=beside-intel

# beside KERNEL FIRST
beside()
{
	local status=0

	"$RUN" --cpu "$CPU" --kernel "$1" --smp 2 --mem 1024 --kvm \
		--timeout $((1500 + 20 * ${BESIDE_SECONDS:-10})) \
		--file "$TOP/tests/host/beside:/bin/beside" -- \
		beside "${BESIDE_SECONDS:-10}" "$2" >"$WORK/$1-$2" || status=$?
	cat "$WORK/$1-$2"
	if [ "$status" = 0 ] && grep -q '^beside: passed' "$WORK/$1-$2"; then
		pass "guests of KVM and khv, $1, $2 first"
	else
		fail "guests of KVM and khv, $1, $2 first" "status $status"
	fi
}

for kernel in ${BESIDE_KERNELS:-small}; do
	beside "$kernel" kvm
	beside "$kernel" khv
done
