#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Members that missed a write: they do not serve before they are brought up to date, and whoever believes one without
# that says so.
load ../cli/helper
load ../cli/fleet
load faults

setup_file() {
	own_fleet
	own_group
	own_key kept aes-128
	MODULE=$BUILD/lib/pkcs11/hsmctl-pkcs11.so
	PIN=$(cat "$HSMCTL_STORE/secrets/user.pin")
	export MODULE PIN
}

teardown_file() {
	end_fleet
}

setup() {
	all_well
}

# LABEL: a key that hsm-west-2 has and the others deleted.
deleted_without_west_2() {
	own_key "$1" aes-128
	hsmctl -q device stop hsm-west-2 >/dev/null
	expect 0 hsmctl -q key delete payments "$1" --yes
	hsmctl -q device start hsm-west-2 >/dev/null
}

only_west_2() {
	for device in hsm-east-1 hsm-east-2 hsm-west-1; do
		hsmctl -q device stop "$device" >/dev/null
	done
}

labels() {
	timeout 40 pkcs11-tool --module "$MODULE" --login --pin env:PIN --list-objects --type secrkey 2>/dev/null |
		sed -n 's/^ *label: *//p' | sort
}

@test "a member that missed a deletion is named by verify, and the next sync takes the key away" {
	deleted_without_west_2 gone-1
	found stale hsm-west-2 "" || found deleted hsm-west-2 gone-1
	jq -e '[.findings[] | select(.kind == "stale" and .member == "hsm-west-2")] | length == 1' <<<"$output"
	expect 0 hsmctl sync payments
	in_sync
}

@test "the store knows that it did: alone it serves nobody, not even a process that never saw the others" {
	deleted_without_west_2 gone-2
	only_west_2
	run labels
	[[ $output != *gone-2* ]]
	expect 7 hsmctl key generate payments --label new-2 --type aes-128
	expect 7 hsmctl ha recover payments
	says "--accept-loss"
}

@test "an administrator who accepts the loss has it serve again" {
	deleted_without_west_2 gone-3
	only_west_2
	expect 2 hsmctl ha recover payments --accept-loss hsm-west-2
	expect 6 hsmctl ha recover payments --accept-loss hsm-west-3 --yes
	expect 7 hsmctl -o json ha recover payments --accept-loss hsm-west-2 --yes
	run labels
	[[ $output == *kept* ]]
	expect 0 hsmctl -o json audit show
	[ "$(field '[.entries[] | select(.action == "ha recover") | .outcome] | last')" = done ]
	# What the others know counts again when they are back.
	all_well
	run labels
	[[ $output != *gone-3* ]]
}

@test "a member that missed a key is stale in the store, and no longer once it was brought up to date" {
	hsmctl -q device stop hsm-west-2 >/dev/null
	own_key late aes-128
	hsmctl -q device start hsm-west-2 >/dev/null
	[ "$(jq -c '.groups[0].members | map(.stale // false)' "$HSMCTL_STORE/fleet.json")" = "[false,false,false,true]" ]
	expect 0 hsmctl ha recover payments
	[ "$(jq -c '.groups[0].members | map(.stale // false)' "$HSMCTL_STORE/fleet.json")" = "[false,false,false,false]" ]
	in_sync
}

@test "where policy lets stale members serve, one that is alone does, and is stale again as soon as others are back" {
	change_document '.groups[0].policy = {min_members: 1, min_datacenters: 1, stale_members: "serve"}'
	deleted_without_west_2 gone-4
	only_west_2
	run labels
	[[ $output == *gone-4* ]]
	expect 0 hsmctl key generate payments --label new-4 --type aes-128
	expect 0 hsmctl -o json ha show payments
	[ "$(field .policy.stale_members)" = serve ]
	for device in hsm-east-1 hsm-east-2 hsm-west-1; do
		hsmctl -q device start "$device" >/dev/null
	done
	# Nobody has everything now; all together do.
	expect 0 hsmctl sync payments
	in_sync
	run labels
	[[ $output != *gone-4* && $output == *new-4* ]]
	change_document 'del(.groups[0].policy)'
}

@test "a process that was served by a stale member is not any more once a member is back that missed nothing" {
	change_document '.groups[0].policy = {min_members: 1, min_datacenters: 1, stale_members: "serve"}'
	deleted_without_west_2 gone-5
	only_west_2
	begin reader "$BUILD/tests/slot/writer" by-line
	tell_until reader "1 0x0" find gone-5
	hsmctl -q device start hsm-east-1 >/dev/null
	tell_until reader "0 0x0" find gone-5
	end reader
	change_document 'del(.groups[0].policy)'
}
