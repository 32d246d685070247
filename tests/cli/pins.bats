#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Where a PIN is kept, and where it must not get to.
load helper

setup() {
	own_fleet 2
	export HSMCTL_PIN=secret-of-a-test
	write_fleet 2 '.devices[].partitions = [{name: "p", pin_source: "env:HSMCTL_PIN"}]'
}
teardown() { end_fleet; }

limit_of() {
	grep "^$2" "/proc/$1/limits" | sed "s/^$2 *//" | cut -d' ' -f1
}

@test "a PIN from the environment does not stay in that of the daemons" {
	cd "$FLEET_FOLDER"
	umask 0
	expect 0 hsmctl provision apply "$FLEET"
	expect 0 hsmctl ha create payments --member hsm-1 --standby hsm-2
	expect 0 hsmctl key generate payments --type ec-p256 --label signing-1
	expect 0 hsmctl device stop hsm-2
	expect 0 hsmctl device start hsm-2
	for device in hsm-1 hsm-2; do
		pid=$(daemon "$device")
		not grep -q secret-of-a-test "/proc/$pid/environ"
		not grep -qz ^HSMCTL_PIN= "/proc/$pid/environ"
		grep -qz ^SOFTHSM2_CONF= "/proc/$pid/environ"
		[ "$(readlink "/proc/$pid/cwd")" = / ]
		[ "$(grep ^Umask: "/proc/$pid/status" | cut -f2)" = 0077 ]
	done
	expect 0 hsmctl verify payments
	HSMCTL_PIN='' expect 6 hsmctl verify payments
	not grep -rq secret-of-a-test "$HSMCTL_STORE"
}

@test "a relative library is found by a daemon that works elsewhere" {
	cp /usr/lib/softhsm/libsofthsm2.so "$FLEET_FOLDER/library.so"
	cd "$FLEET_FOLDER"
	HSMCTL_SOFTHSM_LIBRARY=./library.so expect 0 hsmctl provision apply "$FLEET"
	expect 0 hsmctl status --check
}

@test "commands leave no core files" {
	ulimit -c unlimited 2>/dev/null || :
	coproc SHELL_ { exec hsmctl shell 3>&-; }
	echo version >&"${SHELL_[1]}"
	read -t 20 -r -u "${SHELL_[0]}" _
	[ "$(limit_of "$SHELL__PID" 'Max core file size')" = 0 ]
	kill "$SHELL__PID"
}
