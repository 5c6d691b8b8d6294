# SPDX-License-Identifier: GPL-2.0-only
#
# `make install` into a folder, and DKMS in trees of its own: what they put where, and
# that a second installation of a version is the source as it is then.

kernel_get debian-6.1 || exit
deps_need dkms || exit
RELEASE=$(sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' "$K_BUILD/include/generated/utsrelease.h")
TREE=$WORK/tree
mkdir -p "$TREE" "$WORK/dkms" "$WORK/src" "$WORK/lib/$RELEASE"
cp -r "$TOP"/{Kbuild,Makefile,VERSION,LICENSE,dkms.conf,kmod,uapi,tools} "$TREE/" || exit
VERSION=$(cat "$TREE/VERSION")

# files NAME FILE...: passes when each is there, and not empty.
files()
{
	local name=$1 f

	shift
	for f; do
		[ -s "$f" ] || { fail "$name" "there is no $f"; return; }
	done
	pass "$name"
}

make -C "$TREE" KDIR="$K_BUILD" DESTDIR="$WORK/dest" PREFIX=/usr -j2 install || echo "status $?"
find "$WORK/dest" -type f
files "make install" "$WORK/dest/lib/modules/$RELEASE/updates/khv.ko" "$WORK/dest/usr/bin/khv" \
	"$WORK/dest/usr/share/man/man1/khv.1" "$WORK/dest/usr/lib/udev/rules.d/60-khv.rules" \
	"$WORK/dest/usr/share/bash-completion/completions/khv"

cat >"$WORK/run-dkms" <<EOF
#!/bin/sh
command=\$1
shift
[ "\$command" = status ] || set -- --no-depmod "\$@"
[ "\$command" = install ] && set -- --kernelsourcedir "$K_BUILD" "\$@"
exec dkms \$command --dkmstree "$WORK/dkms" --sourcetree "$WORK/src" --installtree "$WORK/lib" "\$@"
EOF
chmod +x "$WORK/run-dkms"

# dkms_install: sets INSTALLED to the module, or to nothing.
dkms_install()
{
	make -C "$TREE" DKMS="$WORK/run-dkms" DKMS_SRC="$WORK/src/khv-$VERSION" \
		DKMS_KERNEL="$RELEASE" dkms-install || echo "status $?"
	INSTALLED=$(find "$WORK/lib/$RELEASE" -name 'khv.ko*' | head -n 1)
}

dkms_install
files "make dkms-install" "${INSTALLED:-$WORK/lib/$RELEASE/updates/dkms/khv.ko}"
[[ $(modinfo -F vermagic "$INSTALLED") == "$RELEASE "* ]] && pass "for its kernel" ||
	fail "for its kernel" "$(modinfo -F vermagic "$INSTALLED")"
echo 'MODULE_INFO(khv_again, "yes");' >>"$TREE/kmod/main.c"
dkms_install
[ "$(modinfo -F khv_again "$INSTALLED")" = yes ] && pass "again, with other source" ||
	fail "again, with other source" "the module is the old one"
for kernel in 6.0.19-amd64 7.3.0-amd64; do
	out=$("$WORK/run-dkms" install -m khv -v "$VERSION" -k "$kernel" 2>&1)
	echo "$out"
	[[ $out == *BUILD_EXCLUSIVE* ]] && pass "not for $kernel" ||
		fail "not for $kernel" "$(head -n 1 <<<"$out")"
done
