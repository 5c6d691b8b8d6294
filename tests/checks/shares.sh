# SPDX-License-Identifier: GPL-2.0-only
#
# What VMs get of two CPUs, judged as docs/scheduler.md says: shares, caps and idle time; what
# gangs do for spin locks, against KVM as well where KVM leaves SVM to others until it has VMs,
# which is up to 6.11; in which order batch VMs end. On hosts with the
# kernels of SHARES_HOSTS. Runs only when named: it takes a machine that does nothing else.

# shares HOST LIMIT PROGRAM [ARG]...
shares()
{
	local host=$1 limit=$2 status tries kvm=

	shift 2
	case $host in
	small|debian-6.1)	kvm=--kvm ;;
	esac
	run_anew "$WORK/out" --cpu amd --smp 2 --kernel "$host" $kvm --timeout "$limit" -- "$@"
	if [ "$status" = 0 ]; then
		pass "$* on $host$tries"
	else
		fail "$* on $host$tries" "status $status: $(grep -c '^FAILED' "$WORK/out") of its cases failed"
	fi
}

for host in ${SHARES_HOSTS:-debian-6.1}; do
	shares "$host" 450 bench-sched all
	shares "$host" 150 bench-locks
	shares "$host" 150 bench-batch
done
