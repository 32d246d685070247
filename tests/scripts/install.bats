#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# make install puts a program where it runs, and make uninstall takes away what install put there.
load ../cli/helper

setup() {
	own_store
	cd "$ROOT" || return
	D=$BATS_TEST_TMPDIR/root
}

@test "what was installed runs from there, and after uninstall nothing of it is left" {
	expect 0 make install DESTDIR="$D" PREFIX=/usr
	for file in bin/hsmctl lib/pkcs11/hsmctl-pkcs11.so share/man/man1/hsmctl.1 \
		share/hsmctl/{examples/two-regions,schemas/verify}.json share/bash-completion/completions/hsmctl; do
		[ -s "$D/usr/$file" ]
	done
	expect 0 "$D/usr/bin/hsmctl" --version
	# The unit starts and stops what is installed here, by words that the program knows.
	grep -E '^Exec(Start|Stop)=' "$D/usr/lib/systemd/system/hsmctl-devices.service" >"$BATS_TEST_TMPDIR/exec"
	[ "$(cut -d= -f2- "$BATS_TEST_TMPDIR/exec")" = "$(printf '/usr/bin/hsmctl -q device %s --all\n' start stop)" ]
	expect 0 make uninstall DESTDIR="$D" PREFIX=/usr
	[ -z "$(find "$D" ! -type d -o -name hsmctl)" ] || fail "$(find "$D" ! -type d -o -name hsmctl)"
	[ -d "$D/usr/bin" ]
}

@test "files of others stay, and their folders, and what an earlier version installed goes" {
	expect 0 make install DESTDIR="$D" PREFIX=/opt/h LIBDIR=/opt/h/lib64
	others=(bin/other lib64/hsmctl/other.so share/hsmctl/schemas/other.json)
	for file in "${others[@]}"; do
		echo theirs >"$D/opt/h/$file"
	done
	touch "$D/opt/h/libexec/hsmctl/hsmctl-old"
	echo /opt/h/libexec/hsmctl/hsmctl-old >>"$D/opt/h/share/hsmctl/installed"
	expect 0 make install DESTDIR="$D" PREFIX=/opt/h LIBDIR=/opt/h/lib64
	expect 0 make uninstall DESTDIR="$D" PREFIX=/opt/h LIBDIR=/opt/h/lib64
	[ "$(cd "$D/opt/h" && find . -type f | sort)" = "$(printf './%s\n' "${others[@]}" | sort)" ]
}

@test "a folder with a space and an ampersand in its name is a folder like others" {
	D="$BATS_TEST_TMPDIR/a & b"
	expect 0 make install DESTDIR="$D" PREFIX=/usr
	expect 0 "$D/usr/bin/hsmctl" --version
	expect 0 make uninstall DESTDIR="$D" PREFIX=/usr
	[ -z "$(find "$D" ! -type d -o -name hsmctl)" ] || fail "$(find "$D" ! -type d -o -name hsmctl)"
}

@test "where nothing was installed, uninstall says so" {
	expect 2 make uninstall DESTDIR="$D"
	says "nothing was installed there"
	[ ! -e "$D" ]
}
