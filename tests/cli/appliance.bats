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

# Started by hand, in the folder of the device and with paths as they are there.
serve_by_hand() {
	expect 0 hsmctl device stop hsm-1
	: >"$device/appliance.pid"
	(
		cd "$device" || exit
		umask 0
		SOFTHSM2_CONF=softhsm2.conf USER_PIN=hush-hush-4711 HSMCTL_STORE=store-4711 \
			exec hsmctl appliance serve --name hsm-1 --library "$library" --pki ../../pki \
			--pid-file appliance.pid --tokens tokens --guard guard >by-hand.log 2>&1 3>&- \
			<softhsm2.conf 9<softhsm2.conf
	) &
	until_started
}

until_started() {
	local tries
	for ((tries = 0; tries < 1000; tries++)); do
		grep -q : "$device/appliance.pid" 2>/dev/null && return
		read -rt 0.01 <> <(:) || true
	done
	fail "$(cat "$device/by-hand.log")"
}

@test "a daemon started by hand keeps nothing of the shell that started it" {
	serve_by_hand
	pid=$(daemon hsm-1)
	[ "$(readlink "/proc/$pid/cwd")" = / ]
	[ "$(grep -c 4711 "/proc/$pid/environ")" = 0 ]
	tr '\0' '\n' <"/proc/$pid/environ" | grep -q ^PATH=
	[ "$(grep ^Umask: "/proc/$pid/status" | cut -f2)" = 0077 ]
	grep -qE '^Max core file size +0 ' "/proc/$pid/limits"
	for pid in "$pid" "$(cut -d' ' -f4 "/proc/$pid/stat")"; do
		[ "$(readlink "/proc/$pid/fd/0")" = /dev/null ]
		not grep -q softhsm2.conf <(readlink "/proc/$pid/fd"/*)
	done
}

@test "a daemon started by hand serves with paths relative to where that was" {
	serve_by_hand
	read -r _ _ now <"$device/appliance.pid"
	jq --arg at "$now" '.devices[0].partitions[0].link.address = $at' "$HSMCTL_STORE/fleet.json" >"$FLEET_FOLDER/now"
	cat "$FLEET_FOLDER/now" >"$HSMCTL_STORE/fleet.json"
	expect 0 hsmctl partition contents hsm-1
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
