# SPDX-License-Identifier: GPL-2.0-only
#
# Debian's kernel as a guest with several processors, under load for SMP_SECONDS of its own
# time (60), with SMP_CPUS processors each, on the host $CPU with each kernel of SMP_HOSTS.
# No lockup or stall, in guest or host. Runs only when named.
. "$TOP/tests/checks/guest-lib.sh"

guest_with_load "${SMP_SECONDS:-60}" || exit
case $CPU in
amd*)	limit=3600 cpus=${SMP_CPUS:-2 4} ;;
*)	limit=18000 cpus=${SMP_CPUS:-2} ;;
esac
for host in ${SMP_HOSTS:-small}; do
	for GUEST_CPUS in $cpus; do
		guest_boot "$GUEST_CPUS processors on $host" "${SMP_GUEST:-debian-6.1}" \
			--cpu "$CPU" --kernel "$host" --smp 2 --spare --mem 1024 --timeout "$limit"
	done
done
