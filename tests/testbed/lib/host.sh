# SPDX-License-Identifier: GPL-2.0-only
#
# --cpu host: the command on this machine's own VT-x or SVM. It sees this
# machine's files through an overlay, so that --file, /tests and whatever it
# writes leave nothing behind.

host_run()
{
	local status=0

	host_check
	K_NAME=host
	K_DIR=$CACHE/kernels/host-$(uname -r)
	K_BUILD=/lib/modules/$(uname -r)/build
	K_ROOT=
	MODULE=
	deps_need $DEPS_BASE $DEPS_BUILD || exit 125
	if [ -z "$OPT_NO_MODULE" ]; then
		[ -e "$K_BUILD" ] || die "the running kernel's headers are missing: $K_BUILD"
		module_build || exit 125
	fi
	programs_build
	host_image || exit 125
	host_load
	echo "testbed-$TOKEN" >/dev/kmsg
	step "" - timeout -k 5 "$OPT_TIMEOUT" unshare --mount sh -c "$HOST_SCRIPT" sh "$TMP" || status=$?
	[ -z "$MODULE" ] || rmmod khv || die "khv.ko could not be unloaded"
	dmesg | sed -n "/testbed-$TOKEN/,\$p" >"$TMP/console"
	SPLAT_LINE=$(grep -m 1 -E "$SPLAT" "$TMP/console")
	VERDICT="status $status"
	[ "$status" != 124 ] || VERDICT=timeout
	conclude
}

HOST_SCRIPT='
	cd "$1" && mkdir layer && mount -t tmpfs tmpfs layer && mkdir layer/up layer/work root &&
	mount -t overlay overlay -o lowerdir=/,upperdir=layer/up,workdir=layer/work root &&
	for d in dev proc sys tmp run; do mount --rbind /$d root/$d || exit 125; done &&
	cp -a image/. root/ || exit 125
	export PATH=/khv-bin:$PATH:/tests
	exec chroot root sh /testbed/command
'

host_check()
{
	[ "$(id -u)" = 0 ] || die "--cpu host loads a module and needs root"
	[ -n "$OPT_NO_MODULE" ] || grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo ||
		die "this machine has neither VT-x nor SVM, or its firmware switched it off"
	[ "$OPT_KERNEL" = small ] && [ "$OPT_SMP" = 1 ] && [ -z "$OPT_APPEND" ] ||
		die "--kernel, --smp and --append do not apply to --cpu host"
	[ ! -d /sys/module/khv ] || [ -n "$OPT_NO_MODULE" ] ||
		die "khv is loaded already; unload it first (rmmod khv)"
}

# host_image: what an emulated host would have in its initramfs. Programs have
# a folder of their own, as /bin may be a link.
host_image()
{
	local dir spec

	IMG=$TMP/image
	mkdir -p "$IMG/testbed" "$IMG/khv-bin" "$IMG/tests" || return
	for dir in "${PROGRAMS[@]}"; do
		cp -r "$dir/bin/." "$IMG/khv-bin/" 2>/dev/null
		cp -r "$dir/tests/." "$IMG/tests/" 2>/dev/null
	done
	for spec in "${OPT_FILES[@]}"; do
		image_file "$spec"
	done
	echo "cd / && exec $(quote "${COMMAND[@]}")" >"$IMG/testbed/command"
}

host_load()
{
	local dep

	if [ -n "$OPT_KVM" ]; then
		modprobe kvm_intel 2>/dev/null || modprobe kvm_amd || die "cannot load KVM's modules"
	fi
	[ -n "$MODULE" ] || return 0
	for dep in $(modinfo -F depends "$MODULE" | tr ',' ' '); do
		modprobe "$dep" || die "cannot load $dep"
	done
	insmod "$MODULE" $OPT_MODULE_ARGS || {
		dmesg | grep khv | tail -n 5 >&2
		die "this machine's kernel refused khv.ko"
	}
}
