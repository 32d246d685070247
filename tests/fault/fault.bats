#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Members die, hang and come back damaged; what a healthy member can answer is answered.
load ../cli/helper
load ../cli/fleet

setup_file() {
	own_fleet
	own_group
	# The group's own: the domain key and the transport pair by which it comes.
	ls "$HSMCTL_STORE"/appliances/hsm-west-1/tokens/*/*.object >"$HOME/own"
	own_key signing-1
	own_key tls-1 rsa-2048
	own_key wrap-1 aes-256
	PIN=$(cat "$HSMCTL_STORE/secrets/user.pin")
	MODULE=$BUILD/lib/pkcs11/hsmctl-pkcs11.so
	export PIN MODULE
	head -c 32 /dev/urandom >"$HOME/digest"
}

teardown_file() {
	end_fleet
}

signs() {
	# A call may take call_ms, a minute; a member that fails must not cost so much.
	timeout 40 pkcs11-tool --module "$MODULE" --login --pin env:PIN --sign --mechanism ECDSA --id "$(id_of signing-1)" \
		-i "$HOME/digest" -o "$HOME/signature" >/dev/null 2>&1 && [ "$(stat -c %s "$HOME/signature")" -eq 64 ]
}

# DEVICE: the folder of its token.
token_of() {
	echo "$HSMCTL_STORE/appliances/$1/tokens"/*
}

@test "each member in turn is killed, and every signature comes" {
	for device in $DEVICES; do
		crash "$device"
		for _ in 1 2 3; do
			signs
		done
		hsmctl -q device start "$device" >/dev/null
		signs
	done
	all_well
}

@test "all members but one are killed, each being the last in turn, and every signature comes" {
	for last in $DEVICES; do
		for device in $DEVICES; do
			[ "$device" = "$last" ] || crash "$device"
		done
		signs
		hsmctl -q device start --all >/dev/null
	done
	all_well
}

@test "each member in turn hangs, and every signature comes" {
	for device in $DEVICES; do
		pid=$(daemon "$device")
		kill -STOP "$pid"
		signs || { kill -CONT "$pid"; fail "no signature while $device hung"; }
		kill -CONT "$pid"
		signs
	done
	all_well
}

@test "twenty new processes sign while an active member hangs, and none fails or takes it for lost at once" {
	local pid number
	for device in hsm-east-1 hsm-east-2; do
		pid=$(daemon "$device")
		kill -STOP "$pid"
		for ((number = 0; number < 10; number++)); do
			HSMCTL_LOG=$BATS_TEST_TMPDIR/log signs || { kill -CONT "$pid"; fail "no signature while $device hung"; }
		done
		kill -CONT "$pid"
		[ "$(grep -c "'$device' of 'payments' is slow to connect" "$BATS_TEST_TMPDIR/log")" -ge 10 ]
	done
	all_well
}

# DEVICE: another process holds the locks of its token's files, and the library waits in
# its call while the daemon lives. Until the process $holder ends.
hold_token_of() {
	local ready=$BATS_TEST_TMPDIR/held
	mkfifo "$ready"
	/usr/bin/python3 - "$(token_of "$1")" "$ready" 3>&- <<-'PROGRAM' &
		import fcntl, os, signal, sys
		files = [open(entry, "r+") for entry in os.scandir(sys.argv[1]) if entry.is_file()]
		for file in files:
		    fcntl.lockf(file, fcntl.LOCK_EX)
		open(sys.argv[2], "w").close()
		signal.pause()
	PROGRAM
	holder=$!
	cat "$ready"
	rm "$ready"
}

@test "the library of a member hangs while its daemon beats, and every signature comes" {
	for device in hsm-east-1 hsm-west-1; do
		hold_token_of "$device"
		signs || { kill "$holder"; fail "no signature while the library of $device hung"; }
		run --separate-stderr hsmctl -o json verify payments
		kill "$holder"
		[ "$status" -eq 7 ]
		[ "$(field '.findings[0] | "\(.kind) \(.member)"')" = "unreachable $device" ]
		signs
	done
	all_well
}

@test "a member that hangs is unreachable to verify, not in sync" {
	pid=$(daemon hsm-east-2)
	kill -STOP "$pid"
	run --separate-stderr hsmctl -o json verify payments
	kill -CONT "$pid"
	[ "$status" -eq 7 ]
	is_valid
	[ "$(field .verdict)" = unknown ]
	[ "$(field '.findings[0] | "\(.kind) \(.member)"')" = "unreachable hsm-east-2" ]
	all_well
}

@test "a hung daemon can be stopped and started" {
	kill -STOP "$(daemon hsm-west-1)"
	hsmctl -q device stop hsm-west-1 >/dev/null
	gone hsm-west-1
	hsmctl -q device start hsm-west-1 >/dev/null
	all_well
}

@test "a token.object that was torn while its daemon was killed is put back at start" {
	for size in 0 40; do
		crash hsm-east-2
		truncate -s $size "$(token_of hsm-east-2)/token.object"
		hsmctl -q device start hsm-east-2 >/dev/null
		all_well
	done
}

# Every object of a key on a stopped member in turn, cut to a part of its length: PERCENT.
tear_each() {
	local file whole torn=0
	for file in "$(token_of hsm-west-1)"/*.object; do
		if grep -qxF "$file" "$HOME/own"; then
			continue
		fi
		hsmctl -q device stop hsm-west-1 >/dev/null
		[ -e "$file" ] || continue
		whole=$(stat -c %s "$file")
		truncate -s $((whole * $1 / 100)) "$file"
		torn=$((torn + 1))
		hsmctl -q device start hsm-west-1 >/dev/null
		run --separate-stderr hsmctl -o json verify payments
		is_valid
		[ "$status" -eq 0 ] || [ "$(field '[.findings[].member] | unique | join(",")')" = hsm-west-1 ] ||
			fail "blames somebody else"
		signs
		hsmctl -q sync payments >/dev/null 2>&1 || hsmctl sync payments >&2 || fail "$file of $whole"
		in_sync
	done
	[ $torn -gt 0 ]
}

@test "an object that is empty after a crash is named and made anew" {
	tear_each 0
	all_well
}

@test "an object of which half is there after a crash is named and made anew" {
	tear_each 50
	all_well
}

@test "members are killed at random while keys are made and deleted, and no acknowledged key is lost" {
	seed
	made=0
	for i in 1 2 3 4 5 6; do
		victim=$(shuf -n 1 -e hsm-east-1 hsm-east-2 hsm-west-1 hsm-west-2 --random-source=<(yes $RANDOM))
		hsmctl -q key generate payments --type ec-p256 --label "k$i" >/dev/null 2>&1 &
		work=$!
		crash "$victim"
		if wait $work; then
			touch "$BATS_TEST_TMPDIR/k$i"
			made=$((made + 1))
		fi
		hsmctl -q device start "$victim" >/dev/null
	done
	hsmctl -q sync payments >/dev/null
	for file in "$BATS_TEST_TMPDIR"/k*; do
		[ -e "$file" ] || continue
		expect 0 hsmctl -o json key show payments "${file##*/}"
		[ "$(field .replicas)" = 4 ]
	done
	[ $made -gt 0 ]
	all_well
}
