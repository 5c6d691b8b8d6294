# SPDX-License-Identifier: GPL-2.0-only
#
# The module compiles on each supported kernel, warnings being errors, and
# imports nothing that the newest kernel reserves for KVM.

. "$TESTBED/lib/artifacts.sh"
TMP=$WORK

# Plain exports up to 6.18, used there to keep VMX on and for split locks; later kernels reserve
# them and khv does without.
ONCE_PLAIN="cr4_update_irqsoff cr4_read_shadow handle_guest_split_lock"

# reserved: the symbols that a kernel exports to KVM alone.
reserved()
{
	awk -F '\t' '$5 ~ /module:kvm/ { print $2 }' "$1" | sort -u
}

imports()
{
	local symvers=$K_ROOT$K_BUILD/Module.symvers

	nm -u "$1" | awk '{ print $2 }' | sort -u >"$WORK/$K_NAME.imports"
	{
		reserved "$symvers"
		reserved "$NEWEST" | grep -vxF "${ONCE_PLAIN// /$'\n'}"
	} | sort -u >"$WORK/$K_NAME.reserved"
	comm -12 "$WORK/$K_NAME.imports" "$WORK/$K_NAME.reserved"
}

first_error()
{
	local line

	line=$(grep -m 1 ' error: ' "$MODULE_TREE.log")
	echo "${line#"$MODULE_TREE/"}"
}

kernel_get debian-7.2 || exit
NEWEST=$K_ROOT$K_BUILD/Module.symvers
[ "$(reserved "$NEWEST" | wc -l)" -gt 50 ] ||
	fail "list of reserved symbols" "cannot be read from $NEWEST"
for k in debian-6.1 debian-6.12 debian-7.2; do
	kernel_get "$k" || exit
	if ! module_build; then
		fail "builds on $k" "$(first_error)"
		continue
	fi
	pass "builds on $k"
	bad=$(imports "$MODULE" | tr '\n' ' ')
	if [ -z "$bad" ]; then
		pass "imports on $k"
	else
		fail "imports on $k" "reserved for KVM: $bad"
	fi
done
