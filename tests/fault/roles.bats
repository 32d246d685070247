#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Certificates of applications: with a bundle an application does all that applications do, and nobody does more with it.
load ../cli/helper
load ../cli/fleet
load faults

setup_file() {
	own_fleet
	own_group
	own_key kept
	own_key gone
	hsmctl -q key delete payments gone --yes >/dev/null
	own_application
	BUNDLE=$HOME/bundle
	hsmctl -q ha export payments --bundle "$BUNDLE" >/dev/null
	export BUNDLE
}

teardown_file() {
	end_fleet
}

setup() {
	all_well
	hsmctl -q ha export payments --bundle "$BUNDLE" >/dev/null
	mark=$(refusals)
}

teardown() {
	local pid
	for pid in "${PID_OF[@]}"; do
		kill -KILL "$pid" 2>/dev/null || true
	done
}

# Of all appliances.
refusals() {
	cat "$HSMCTL_STORE"/appliances/*/appliance.log | grep -c "refused '" || true
}

none_refused() {
	[ "$(refusals)" = "$mark" ] || fail "$(grep -h "refused '" "$HSMCTL_STORE"/appliances/*/appliance.log)"
}

begin_writer() { # NAME
	begin "$1" env HSMCTL_STORE="$BUNDLE" HSMCTL_LOG="$BATS_TEST_TMPDIR/$1.log" "$BUILD/tests/slot/writer" by-line
}

address() { # DEVICE
	jq -r --arg name "$1" '.devices[] | select(.name == $name) | .partitions[0].link.address' "$HSMCTL_STORE/fleet.json"
}

# CERTIFICATE DEED [ID]: what hsm-east-1 says to who goes past the module with it.
outsider() {
	local pki=$HSMCTL_STORE/pki
	[ "$1" != application ] || pki=$BUNDLE/pki
	"$BUILD/tests/fault/outsider" "$pki" "$1" "$(address hsm-east-1)" "${@:2}"
}

@test "with a bundle an application makes, changes, uses and deletes keys while members go and come" {
	begin_writer app
	for device in hsm-east-2 hsm-west-1; do
		tell app 0x0 generate ec "before-$device"
		crash "$device"
		tell app 0x0 generate aes "after-$device"
		tell app 0x0 know "before-$device"
		tell app 0x0 label "renamed-$device"
		tell app 0x0 destroy
		hsmctl -q device start "$device" >/dev/null
	done
	tell app 0x0 pass-by 5
	tell app 0x0 know kept
	end app
	expect 0 hsmctl sync payments
	in_sync
	none_refused
}

@test "with a bundle alone an application brings back a member that missed writes" {
	begin_writer app
	crash hsm-west-2
	tell app 0x0 make 5 missed-
	tell app 0x0 know kept
	hsmctl -q device start hsm-west-2 >/dev/null
	until_true grep -q "member 'hsm-west-2' of 'payments' serves again" "$BATS_TEST_TMPDIR/app.log"
	# What it serves it has of the application: nobody else is left.
	for device in hsm-east-1 hsm-east-2 hsm-west-1; do
		crash "$device"
	done
	tell app 0x0 know missed-5
	tell app "* 0x0" block
	end app
	none_refused
}

@test "below the policy nothing is made with a bundle, and nothing is left behind" {
	begin_writer app
	for device in hsm-east-2 hsm-west-1 hsm-west-2; do
		crash "$device"
	done
	tell app 0xe2 generate ec lonely
	end app
	lacks hsm-east-1 lonely
	none_refused
	all_well
	expect 6 hsmctl key show payments lonely
}

@test "who goes past the module with an application's certificate is refused what is an administrator's" {
	begin_writer app
	id=$(id_of kept)
	for deed in take-domain name-domain destroy-domain forget; do
		[ "$(outsider application $deed)" = CKR_ACTION_PROHIBITED ]
	done
	[ "$(outsider application free-key "$id")" = CKR_ACTION_PROHIBITED ]
	[ "$(outsider application take-key "$id")" = CKR_KEY_UNEXTRACTABLE ]
	[ "$(outsider application rule)" = CKR_USER_TYPE_INVALID ]
	[ "$(refusals)" -eq $((mark + 6)) ]
	grep -q "refused 'payments.application' (application): C_WrapKey: the domain key or a transport key would leave" \
		"$HSMCTL_STORE/appliances/hsm-east-1/appliance.log"
	# The member is up, for the application too.
	tell app 0x0 generate ec "beside"
	end app
	not grep -q "is down" "$BATS_TEST_TMPDIR/app.log"
	in_sync
	# To an administrator it is no secret what can be done.
	[ "$(outsider admin take-domain)" = CKR_OK ]
	[ "$(outsider admin name-domain)" = CKR_OK ]
	[ "$(outsider admin take-key "$id")" = CKR_OK ]
	[ "$(refusals)" -eq $((mark + 6)) ]
}

@test "the certificate of an appliance opens no door of another" {
	run -1 outsider hsm-east-2 take-domain
	[ "$(outsider admin rule)" = CKR_USER_TYPE_INVALID ]
}

@test "a member that lost its domain key waits for an administrator, and the application goes on" {
	begin_writer app
	crash hsm-west-1
	behind hsm-west-1 --delete-object --type secrkey --label "hsmctl domain" >/dev/null 2>&1
	tell app 0x0 generate ec meanwhile
	hsmctl -q device start hsm-west-1 >/dev/null
	until_true grep -q "refused 'payments.application' (application): C_WrapKey: the domain key" \
		"$HSMCTL_STORE"/appliances/*/appliance.log
	until_true grep -q "'hsm-west-1': join .* not done: only an administrator may" "$BATS_TEST_TMPDIR/app.log"
	tell app 0x0 know kept
	tell app 0x0 generate ec still
	expect 0 hsmctl sync payments
	in_sync
	end app
}
