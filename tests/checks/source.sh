# SPDX-License-Identifier: GPL-2.0-only
#
# Rules about the source that need no build: licence lines, file lengths,
# forbidden shortcuts, scripts that parse.

cd "$TOP" || exit

sources()
{
	find kmod uapi tools tests -type f \( -name '*.[chS]' -o -name '*.sh' -o -name Makefile \
		-o -name Kbuild \) ! -path '*/build/*' ! -path '*/obj/*' ! -name '*.mod.c'
}

# none MESSAGE: passes when standard input is empty.
none()
{
	local lines

	lines=$(cat)
	[ -z "$lines" ] && { pass "$1"; return; }
	echo "$lines"
	fail "$1" "$(head -n 1 <<<"$lines")"
}

sources | while read -r f; do
	head -n 3 "$f" | grep -q 'SPDX-License-Identifier: GPL-2.0-only' || echo "$f"
done | none "every file names its licence"
sources | xargs wc -l | awk '$2 != "total" && $1 > 800' | none "no file is longer than 800 lines"
grep -rnE '\b(TODO|FIXME|XXX)\b' kmod uapi tools tests --include='*.[chS]' --include='*.sh' |
	grep -v checks/source.sh | none "nothing is left to be done"
grep -rlE 'LINUX_VERSION_CODE|KERNEL_VERSION' kmod uapi | grep -vx kmod/host/compat.h |
	none "only compat.h tests the kernel's version"
# Where compat.h asks for them these are ordinary exports: kvm_init tells whether KVM
# is there, the emergency callback is not in every 6.1.
grep -rnE '\b(kallsyms_[a-z_]*lookup|__symbol_get|symbol_get)\b' kmod |
	grep -vE '^kmod/host/compat.h:.*__symbol_get\(("kvm_init"|function)\)' |
	cat - <(grep -rn 'khv_set_emergency("' kmod | grep -v '"cpu_emergency_') |
	none "no symbol is looked up behind the linker's back"
grep -rnE '\bBUG(_ON)?\(' kmod | none "nothing calls BUG()"
grep -rnE '[[:space:]]+$' kmod uapi tools tests --include='*.[chS]' --include='*.sh' |
	none "no white space at the ends of lines"
grep -rlE '^#!/bin/(ba)?sh' tests .ci tools 2>/dev/null | while read -r f; do
	bash -n "$f" 2>&1
done | none "every script parses"
