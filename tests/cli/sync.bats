#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Members are brought up to date, from any state, and stay so.
load helper
load fleet

setup_file() {
	own_fleet
	own_group
	own_key signing-1
	own_key tls-1 rsa-2048
	own_key wrap-1 aes-256
}

teardown_file() {
	end_fleet
}

did() {
	[ "$(field '"\(.copied) \(.deleted) \(.repaired) \(.adopted)"')" = "$1" ] || fail "did something else than $1"
}

@test "a sync of what is in sync does nothing" {
	expect 0 hsmctl -o json sync payments
	is_valid
	did "0 0 0 0"
	[ "$(field .verdict)" = in_sync ]
	[ "$(field '.skipped + .conflicts | length')" = 0 ]
	expect 0 hsmctl sync payments --dry-run
}

@test "a group nobody knows is not found" {
	expect 6 hsmctl sync nope
	says "no group 'nope'"
	says "hsmctl ha list"
}

@test "a dry run says what there is to do with status 3, and does not do it" {
	behind hsm-east-2 --delete-object --type secrkey --id "$(id_of wrap-1)"
	for _ in 1 2; do
		expect 3 hsmctl -o json sync payments --dry-run
		is_valid
		did "1 0 0 0"
	done
	expect 0 hsmctl -o json sync payments
	did "1 0 0 0"
	[ "$(hsmctl -o json audit show --last 1 | jq -r '.entries[0] | "\(.action): \(.detail)"')" = \
		"sync: copied 1, deleted 0, repaired 0, adopted 0: in_sync" ]
	in_sync
}

planned() {
	field '.planned | map("\(.action) \(.key) \(.member)") | sort[]'
}

@test "a dry run lists each step, with its key and member, as what would be done" {
	own_key gone
	hsmctl -q device stop hsm-west-2 >/dev/null
	expect 0 hsmctl -q key delete payments gone --yes
	hsmctl -q device start hsm-west-2 >/dev/null
	behind hsm-east-2 --delete-object --type secrkey --id "$(id_of wrap-1)"
	behind hsm-east-1 --delete-object --type pubkey --id "$(id_of tls-1)"
	behind hsm-east-1 --keygen --key-type AES:32 --label foundling --id 5151 --sensitive --extractable >/dev/null 2>&1
	behind hsm-west-1 --delete-object --type secrkey --id "$(jq -r '.groups[0].domain' "$HSMCTL_STORE/fleet.json")"
	expect 3 hsmctl -o json sync payments --dry-run
	is_valid
	did "1 1 1 1"
	[ "$(field .dry_run)" = true ]
	steps=$(planned)
	[ "$steps" = "$(printf '%s\n' 'adopt foundling hsm-east-1' 'copy wrap-1 hsm-east-2' 'delete gone hsm-west-2' \
		'join domain key hsm-west-1' 'repair tls-1 hsm-east-1')" ]
	expect 3 hsmctl sync payments -n
	prints "Would do:"
	[[ $output != *Copied* ]]
	while read -r action key; do
		grep -qE "^$action +${key% *} +${key##* }\$" <<<"$output"
	done <<<"$steps"
	says "hsmctl sync payments"
	expect 0 hsmctl -o json sync payments
	is_valid
	[ "$(field '.dry_run, (.planned | length)' | xargs)" = "false 0" ]
	expect 0 hsmctl -o json sync payments -n
	[ -z "$(planned)" ]
	in_sync
	hsmctl -q key delete payments foundling --yes >/dev/null
}

@test "members that a sync could not reach are named, with the reason" {
	crash hsm-west-2
	for line in "was not looked at: -n" "was not brought up to date:"; do
		# shellcheck disable=SC2086
		expect 7 hsmctl sync payments ${line#*:}
		says "'hsm-west-2' ${line%%:*}: cannot reach"
		# shellcheck disable=SC2086
		expect 7 hsmctl -o json sync payments ${line#*:}
		is_valid
		[[ $(field '.members[] | select(.reachable | not) | .detail') == *"cannot reach 'hsm-west-2'"* ]]
	done
	all_well
}

@test "a key of every type is copied again" {
	behind hsm-west-1 --delete-object --type secrkey --id "$(id_of wrap-1)"
	behind hsm-west-1 --delete-object --type privkey --id "$(id_of tls-1)"
	behind hsm-west-1 --delete-object --type privkey --id "$(id_of signing-1)"
	expect 0 hsmctl -o json sync payments
	did "3 0 0 0"
	in_sync
}

@test "a key deleted and one made while a member was stopped reach it by the next sync" {
	own_key short-lived
	id=$(id_of short-lived)
	hsmctl -q device stop hsm-east-2 >/dev/null
	hsmctl -q key delete payments short-lived --yes >/dev/null
	own_key newcomer
	expect 7 hsmctl sync payments
	hsmctl -q device start hsm-east-2 >/dev/null
	found deleted hsm-east-2 short-lived
	found missing hsm-east-2 newcomer
	expect 0 hsmctl -o json sync payments
	did "1 1 0 0"
	in_sync
	lacks hsm-east-2 "ID: *$id"
	lists hsm-east-2 'label: *newcomer'
}

@test "a deleted key is not brought back by the only member that still has it" {
	own_key zombie
	id=$(id_of zombie)
	hsmctl -q device stop hsm-west-2 >/dev/null
	hsmctl -q key delete payments zombie --yes >/dev/null
	hsmctl -q device start hsm-west-2 >/dev/null
	hsmctl -q device stop hsm-east-1 >/dev/null
	hsmctl -q device stop hsm-east-2 >/dev/null
	run hsmctl -q sync payments
	expect 6 hsmctl key show payments zombie
	all_well
	expect 6 hsmctl key show payments zombie
	for device in $DEVICES; do
		lacks "$device" "ID: *$id"
	done
}

@test "an extractable key made directly on a member is adopted" {
	behind hsm-west-1 --keygen --key-type AES:32 --label foundling --id 5151 --sensitive --extractable >/dev/null 2>&1
	behind hsm-east-1 --keypairgen --key-type EC:prime256v1 --label pair --id 5252 --extractable >/dev/null 2>&1
	expect 0 hsmctl -o json sync payments
	is_valid
	[ "$(field .adopted)" = 2 ]
	expect 0 hsmctl -o json key show payments foundling
	[ "$(field '"\(.id) \(.type) \(.replicas)"')" = "5151 aes-256 4" ]
	expect 0 hsmctl -o json key show payments pair
	[ "$(field '"\(.id) \(.type) \(.replicas)"')" = "5252 ec-p256 4" ]
	in_sync
}

@test "a key that cannot be extracted is left where it is, and named" {
	behind hsm-east-2 --keygen --key-type AES:32 --label stuck --id 6161 --sensitive >/dev/null 2>&1
	expect 3 hsmctl -o json sync payments
	is_valid
	[ "$(field '.skipped[0].key')" = "stuck on hsm-east-2" ]
	[[ $(field '.skipped[0].reason') == *"not extractable"* ]]
	says "hsmctl verify payments"
	found extra hsm-east-2 stuck
	behind hsm-east-2 --delete-object --type secrkey --id 6161
	in_sync
}

@test "a strange key that has the label of a live one is a conflict for a person" {
	behind hsm-east-2 --keygen --key-type AES:32 --label wrap-1 --id 6262 --sensitive --extractable >/dev/null 2>&1
	expect 3 hsmctl -o json sync payments
	is_valid
	[ "$(field '.conflicts | length')" = 1 ]
	found conflict hsm-east-2 wrap-1
	behind hsm-east-2 --delete-object --type secrkey --id 6262
	in_sync
}

@test "a member that lost its domain key gets it again" {
	domain=$(jq -r '.groups[0].domain' "$HSMCTL_STORE/fleet.json")
	behind hsm-west-1 --delete-object --type secrkey --id "$domain"
	behind hsm-west-1 --delete-object --type secrkey --id "$(id_of wrap-1)"
	expect 0 hsmctl sync payments
	in_sync
	lists hsm-west-1 "ID: *$domain"
}

@test "a second sync of the group waits for the first, says for whom, and ends with 8" {
	hold group-payments
	expect 8 hsmctl -o json sync payments
	is_valid
	[ "$(field .error.code)" = locked ]
	says "waiting: group 'payments' is locked by uid 0, pid $holder "
	says "since long ago, doing 'something else'"
	# Who only looks needs no lock.
	expect 0 hsmctl sync payments --dry-run
	in_sync
	hsmctl sync payments >/dev/null 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	second=$!
	until_true grep -q "^hsmctl: waiting: group 'payments'" "$BATS_TEST_TMPDIR/err"
	let_go
	wait "$second"
	# What a killed one leaves is no lock.
	[ -e "$HSMCTL_STORE/locks/group-payments" ] || touch "$HSMCTL_STORE/locks/group-payments"
	expect 0 hsmctl sync payments
	[ -z "$stderr" ]
	[ ! -e "$HSMCTL_STORE/locks/group-payments" ]
}

@test "sync that is killed at any moment can be run again" {
	seed
	killed=0
	within=60
	for _ in 1 2 3 4 5 6 7 8; do
		for device in hsm-east-2 hsm-west-1; do
			behind $device --delete-object --type privkey --id "$(id_of tls-1)" >/dev/null
			behind $device --delete-object --type secrkey --id "$(id_of wrap-1)" >/dev/null
		done
		if kill_midway hsmctl sync payments; then
			killed=$((killed + 1))
			expect 0 hsmctl sync payments
		fi
		in_sync
	done
	[ $killed -gt 0 ]
}
