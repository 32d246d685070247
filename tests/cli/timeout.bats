#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load helper
load fleet

setup_file() {
	own_fleet
	own_group
	own_key signing-1
	own_key wrap-1 aes-256
}
teardown_file() { end_fleet; }
teardown() {
	# Whoever is stopped here goes on.
	for device in $DEVICES; do
		kill -CONT "$(daemon "$device")"
	done
}

hang() {
	local device
	for device; do
		kill -STOP "$(daemon "$device")"
		until_true stopped "$device"
	done
}

stopped() {
	[ "$(cut -d' ' -f3 "/proc/$(daemon "$1")/stat")" = T ]
}

# Every command that talks to members of a group; none of them has time to change anything.
COMMANDS='status
status --check
status payments
verify payments
verify payments --prove none
sync payments
sync payments --dry-run
key list payments
key show payments signing-1
key generate payments --type ec-p256 --label late-1
key delete payments signing-1 --yes
ha show payments
drill run member-crash --group payments --duration 3s'

runs_out() {
	local line
	while read -r line; do
		# shellcheck disable=SC2086
		expect 9 hsmctl --timeout 0.2 -o json $line
		is_valid
		[ "$(field .error.code)" = timeout ] || fail "$line"
		says "the time given with --timeout ran out"
	done
}

@test "time that runs out is no outage: all members hang" {
	# shellcheck disable=SC2086
	hang $DEVICES
	runs_out <<<"$COMMANDS"
	for line in "partition show hsm-east-1" "partition contents hsm-east-1"; do
		runs_out <<<"$line"
	done
}

@test "time that runs out is no outage: one member hangs, whichever it is" {
	for device in hsm-east-1 hsm-west-2; do
		hang "$device"
		grep -v '^drill' <<<"$COMMANDS" | runs_out
		kill -CONT "$(daemon "$device")"
	done
	all_well
}

@test "whenever the time runs out, an answer is whole or is none" {
	expect 0 hsmctl -o json key list payments
	whole=$(field '[.keys[] | "\(.label) \(.replicas)"] | sort | join(", ")')
	for ms in 10 20 30 40 50 60 80 100; do
		run --separate-stderr hsmctl --timeout "${ms}ms" -o json key list payments
		[ "$status" -eq 9 ] || [ "$status" -eq 0 ] || fail "key list in $ms ms: $status"
		[ "$status" -eq 9 ] || [ "$(field '[.keys[] | "\(.label) \(.replicas)"] | sort | join(", ")')" = "$whole" ]
		run --separate-stderr hsmctl --timeout "${ms}ms" -o json verify payments
		[ "$status" -eq 9 ] || [ "$status" -eq 0 ] || fail "verify in $ms ms: $status"
		run --separate-stderr hsmctl --timeout "${ms}ms" -o json status
		[ "$status" -eq 9 ] || [ "$(field .healthy)" = true ] || fail "status in $ms ms: $status"
	done
}

@test "without --timeout a member that hangs is away, and that is no timeout" {
	hang hsm-west-2
	expect 7 hsmctl -o json verify payments
	is_valid
	[ "$(field .verdict)" = unknown ]
	expect 0 hsmctl -o json status
	[ "$(field .healthy)" = false ]
}
