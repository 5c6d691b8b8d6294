# SPDX-License-Identifier: GPL-2.0-only
#
# The control law of weights against a model of the host's scheduler: random scenarios, on
# this machine and without a hypervisor. One by its seed: tests/sched/model.c says how.

if gcc -O2 -std=gnu2x -Wall -Wextra -Werror -I"$TOP/tests/sched/shim" -I"$TOP/kmod" \
		-o "$WORK/model" "$TOP"/tests/sched/{model,host}.c "$TOP/kmod/sched/law.c" -lm \
		>"$WORK/out" 2>&1; then
	"$WORK/model" -n 1000 -s "$KHV_SEED" >"$WORK/out" 2>&1
	status=$?
	cat "$WORK/out"
	if [ "$status" = 0 ]; then
		pass "$(grep -m 1 '^busy' "$WORK/out")"
	else
		fail "model" "status $status: $(grep -m 1 '^seed' "$WORK/out")"
	fi
else
	cat "$WORK/out"
	fail "model" "does not build"
fi
