#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Members whose library runs in a worker: whatever it does there, the application goes on, and the worker comes back.
load ../cli/helper
load ../cli/fleet
load signer

setup_file() {
	own_fleet
	own_group
	own_key signing-1
	own_key signing-2
	own_key tls-1 rsa-2048
	own_key wrap-1 aes-256
	own_key mac-1 hmac-sha256
	own_application
	become_workers
	in_sync
}

teardown() {
	# shellcheck disable=SC2086
	well $DEVICES
}

teardown_file() {
	end_fleet
}

# The same tokens, without a daemon. The library (SoftHSM with faults) has a name of this file's, by which its processes
# are found.
become_workers() {
	hsmctl -q device stop --all >/dev/null
	ln -s "$BUILD/tests/fake/shim.so" "$HOME/shim.so"
	change_document "(.devices[] | .partitions[0].link) = {module: \"$HOME/shim.so\"} |
		.devices[] |= (.partitions[0].link.environment = {SOFTHSM2_CONF: \"$HSMCTL_STORE/appliances/\(.name)/softhsm2.conf\"})"
}

# DEVICE: the pids of its workers.
workers_of() {
	local file words
	for file in /proc/[0-9]*/cmdline; do
		mapfile -d '' -t words <"$file" || continue
		[ "${words[1]-}" != "$1" ] || [ "${words[2]-}" != "$HOME/shim.so" ] || { file=${file%/*} && echo "${file##*/}"; }
	done 2>/dev/null
}

has_worker() {
	[ -n "$(workers_of "$1")" ]
}

no_workers() {
	local device
	for device in $DEVICES; do
		not has_worker "$device" || return
	done
}

# DEVICE PID: signatures come until its worker has met the fault and is another process, and after that.
signs_past() {
	local tries
	for ((tries = 0; tries < 2000; tries++)); do
		signer
		[ "$(workers_of "$1")" = "$2" ] || break
	done
	[ "$(workers_of "$1")" != "$2" ] || fail "the worker of $1 goes on"
	well "$1"
	for ((tries = 0; tries < 2000; tries++)); do
		signer
		! has_worker "$1" || return 0
	done
	fail "the worker of $1 does not come back"
}

# DEVICE: the only worker of the signer there, once it has one.
worker_of_signer() {
	until_true has_worker "$1"
	workers_of "$1"
}

@test "an application, pkcs11-tool and hsmctl work with members in workers, which end with them" {
	cd "$BATS_TEST_TMPDIR"
	expect 0 "$BUILD/tests/slot/stranger" sessions
	expect 0 "$BUILD/tests/slot/edges" bad-arguments
	head -c 32 /dev/urandom >digest
	expect 0 pkcs11-tool --module "$MODULE" --login --pin env:PIN --sign --mechanism ECDSA --id "$(id_of signing-1)" \
		-i digest -o signature
	[ "$(stat -c %s signature)" -eq 64 ]
	expect 0 hsmctl -o json status
	in_sync
	until_true no_workers
}

@test "a host that waits for its children meets no worker" {
	expect 0 "$BUILD/tests/slot/edges" alone
	[ -z "$output$stderr" ] || fail "not silent"
}

@test "a child of fork has workers of its own, and none of its parent's connections" {
	expect 0 "$BUILD/tests/slot/stranger" forks
	expect 0 "$BUILD/tests/slot/edges" children
	until_true no_workers
}

@test "a library that exits, aborts or crashes costs its process, and no signature" {
	begin_signer
	signer
	for what in die exit abort crash; do
		pid=$(worker_of_signer hsm-east-1)
		fault hsm-east-1 C_Sign "$what"
		signs_past hsm-east-1 "$pid"
	done
	end_signer
	in_sync
}

@test "a library that hangs, alone or with all its locks, costs its process, and no signature" {
	begin_signer
	signer
	for what in hang deadlock; do
		pid=$(worker_of_signer hsm-east-1)
		fault hsm-east-1 C_Sign "$what"
		signs_past hsm-east-1 "$pid"
	done
	end_signer
}

@test "a library that takes all memory costs its process, and no signature" {
	begin signer bash -c 'ulimit -v 700000 && exec "$0" by-line' "$BUILD/tests/slot/edges"
	signer
	pid=$(worker_of_signer hsm-east-1)
	fault hsm-east-1 C_Sign swallow
	signs_past hsm-east-1 "$pid"
	end_signer
}

@test "eight threads sign while workers are killed and stopped, and none fails" {
	"$BUILD/tests/slot/keys" crowd "$BATS_TEST_TMPDIR/enough" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	crowd=$!
	until_true grep -q signing "$BATS_TEST_TMPDIR/out"
	for device in hsm-east-1 hsm-east-2 hsm-east-1 hsm-east-2; do
		for signal in KILL STOP; do
			pid=$(worker_of_signer "$device")
			kill -$signal "$pid"
			until_true replaced "$device" "$pid"
		done
	done
	touch "$BATS_TEST_TMPDIR/enough"
	wait $crowd || fail "$(cat "$BATS_TEST_TMPDIR/out")"
	grep -q ' 0 failed' "$BATS_TEST_TMPDIR/out"
	in_sync
}

# DEVICE PID: another one serves it.
replaced() {
	local now
	now=$(workers_of "$1")
	[ -n "$now" ] && [ "$now" != "$2" ]
}

@test "all workers killed at once come back by themselves" {
	begin_signer
	signer
	for device in $DEVICES; do
		! has_worker "$device" || kill -KILL "$(workers_of "$device")"
	done
	tell_until signer 0x0
	end_signer
	in_sync
}

@test "the end of an application is the end of its workers, in the middle of a call that hangs" {
	begin_signer
	signer
	for device in $DEVICES; do
		fault "$device" C_Sign hang
	done
	order signer
	kill -KILL "${PID_OF[signer]}"
	until_true no_workers
	end signer || true
}
