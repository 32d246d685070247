#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load helper

setup() {
	own_fleet 2
	hsmctl provision apply "$FLEET" >/dev/null
}
teardown() { end_fleet; }

@test "list names every partition" {
	expect 0 hsmctl partition list -o json
	is_valid
	[ "$(field '[.partitions[] | "\(.device)/\(.partition) \(.link)"] | join(", ")')" = \
		"hsm-1/hsm-1 tls, hsm-2/hsm-2 tls" ]
	expect 0 hsmctl partition list
	prints hsm-2
}

@test "list without a store is not found" {
	HSMCTL_STORE=$FLEET_FOLDER/none expect 6 hsmctl partition list
}

@test "show asks the token about itself" {
	expect 0 hsmctl partition show hsm-1 -o json
	is_valid
	[ "$(field '"\(.state) \(.label) \(.model) \(.pin_set)"')" = "up hsm-1 SoftHSM v2 true" ]
	[ "$(field .serial)" = "$(jq -r '.devices[0].partitions[0].serial' "$HSMCTL_STORE/fleet.json")" ]
	expect 0 hsmctl partition show hsm-1/hsm-1
	prints "up"
}

@test "show of a token that is down says so and ends with status 7" {
	expect 0 hsmctl device stop hsm-1
	expect 7 hsmctl partition show hsm-1 -o json
	is_valid
	[ "$(field .state)" = down ]
	[ "$(field .detail)" != null ]
}

@test "partitions that are not there are not found" {
	expect 6 hsmctl partition show nothing -o json
	is_valid
	expect 6 hsmctl partition show hsm-1/other
	expect 6 hsmctl partition contents hsm-1/other
}

@test "contents is empty for a new token" {
	expect 0 hsmctl partition contents hsm-1 -o json
	is_valid
	[ "$(field '.objects | length')" = 0 ]
}

@test "contents lists objects and marks those of hsmctl" {
	expect 0 hsmctl device stop hsm-1
	SOFTHSM2_CONF=$HSMCTL_STORE/appliances/hsm-1/softhsm2.conf pkcs11-tool \
		--module "${HSMCTL_SOFTHSM_LIBRARY:-/usr/lib/softhsm/libsofthsm2.so}" --token-label hsm-1 \
		--login --pin "$(cat "$HSMCTL_STORE/secrets/user.pin")" \
		--keypairgen --key-type EC:prime256v1 --id 0a0b --label mine >/dev/null 2>&1
	SOFTHSM2_CONF=$HSMCTL_STORE/appliances/hsm-1/softhsm2.conf pkcs11-tool \
		--module "${HSMCTL_SOFTHSM_LIBRARY:-/usr/lib/softhsm/libsofthsm2.so}" --token-label hsm-1 \
		--login --pin "$(cat "$HSMCTL_STORE/secrets/user.pin")" \
		--write-object "$FLEET" --type data --label 'hsmctl record 00' --application-label hsmctl \
		--private >/dev/null 2>&1
	expect 0 hsmctl device start hsm-1
	expect 0 hsmctl partition contents hsm-1 -o json
	is_valid
	[ "$(field '[.objects[] | select(.label == "mine") | "\(.class) \(.type) \(.id) \(.owner)"] | sort | join(", ")')" = \
		"private ec 0a0b application, public ec 0a0b application" ]
	[ "$(field '.objects[] | select(.class == "data") | "\(.owner) \(.private)"')" = "hsmctl true" ]
}

@test "contents may be listed while objects come and go" {
	expect 0 hsmctl ha create payments --member hsm-1 --member hsm-2
	for label in a b c d e f g h; do
		expect 0 hsmctl key generate payments --type ec-p256 --label "$label"
	done
	(for label in b c d e f g h; do
		hsmctl key delete payments "$label" --yes
	done) >/dev/null 2>&1 3>&- &
	busy=$!
	while kill -0 "$busy" 2>/dev/null; do
		expect 0 hsmctl partition contents hsm-1 -o json
	done
	[ "$(field '[.objects[] | select(.label == "a")] | length')" = 2 ]
}

@test "contents of a token that is down is unreachable" {
	expect 0 hsmctl device stop hsm-1
	expect 7 hsmctl partition contents hsm-1 -o json
	is_valid
	[ "$(field .error.code)" = unreachable ]
}

@test "a wrong PIN is told and not repeated" {
	printf 'wrong-pin-12' >"$FLEET_FOLDER/wrong"
	chmod 600 "$FLEET_FOLDER/wrong"
	expect 5 hsmctl partition contents hsm-1 --pin-source "file:$FLEET_FOLDER/wrong" -o json
	is_valid
	[ "$(field .error.code)" = pin ]
	not grep -q wrong-pin-12 <<<"$output$stderr"
	expect 0 hsmctl partition contents hsm-1
}

@test "a PIN file that others can read is refused" {
	chmod 644 "$HSMCTL_STORE/secrets/user.pin"
	expect 5 hsmctl partition contents hsm-1
	says "others can read"
}

@test "a PIN itself is no reference, and is not repeated" {
	expect 2 hsmctl partition contents hsm-1 --pin-source 123456
	[[ $stderr != *123456* ]]
}

@test "wrong use is told with status 2" {
	expect 2 hsmctl partition show
	expect 2 hsmctl partition contents
}
