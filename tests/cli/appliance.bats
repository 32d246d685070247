#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load helper

setup() {
	own_fleet 1
	hsmctl provision apply "$FLEET" >/dev/null
	device=$HSMCTL_STORE/appliances/hsm-1
	library=${HSMCTL_SOFTHSM_LIBRARY:-/usr/lib/softhsm/libsofthsm2.so}
	export SOFTHSM2_CONF=$device/softhsm2.conf
}
teardown() { end_fleet; }

serve() {
	hsmctl appliance serve --name hsm-1 --library "$library" --pki "$HSMCTL_STORE/pki" \
		--pid-file "$device/appliance.pid" --tokens "$device/tokens" --guard "$device/guard" "$@"
}

@test "a second daemon for a device is refused" {
	expect 8 serve
	expect 0 hsmctl status --check
}

@test "a port that is taken is in use" {
	address=$(jq -r '.devices[0].partitions[0].link.address' "$HSMCTL_STORE/fleet.json")
	device=$FLEET_FOLDER/second
	mkdir "$device" "$device/tokens"
	expect 1 hsmctl appliance serve --name hsm-1 --library "$library" --pki "$HSMCTL_STORE/pki" \
		--pid-file "$device/appliance.pid" --listen "$address"
	says "$address"
}

@test "a library that is not there is missing" {
	expect 0 hsmctl device stop hsm-1
	library=/nonexistent.so expect 1 serve
	says "/nonexistent.so"
}

@test "a token that is not there is not found" {
	expect 0 hsmctl device stop hsm-1
	expect 6 serve --serial 0000000000000000
}

@test "a folder without certificates is refused" {
	expect 0 hsmctl device stop hsm-1
	mv "$HSMCTL_STORE/pki" "$FLEET_FOLDER/pki"
	run --separate-stderr serve
	[ "$status" -ne 0 ]
	[ -n "$stderr" ]
}

@test "what serve needs is required" {
	expect 2 hsmctl appliance serve
	expect 2 hsmctl appliance serve --name hsm-1
}

@test "init makes a token once and tells its serial" {
	printf 'directories.tokendir = %s\n' "$FLEET_FOLDER/tokens" >"$FLEET_FOLDER/conf"
	mkdir "$FLEET_FOLDER/tokens"
	export SOFTHSM2_CONF=$FLEET_FOLDER/conf
	init=(hsmctl appliance init --library "$library" --label new -o json
		--so-pin-source "file:$HSMCTL_STORE/secrets/hsm-1.so.pin"
		--pin-source "file:$HSMCTL_STORE/secrets/user.pin")
	expect 0 "${init[@]}"
	is_valid
	serial=$(field .serial)
	[ -n "$serial" ]
	expect 0 "${init[@]}"
	[ "$(field .serial)" = "$serial" ]
	[ "$(ls "$FLEET_FOLDER/tokens" | wc -l)" = 1 ]
}
