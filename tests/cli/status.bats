#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load helper

setup() {
	own_fleet 3
	hsmctl provision apply "$FLEET" >/dev/null
}
teardown() { end_fleet; }

add_group() {
	local text
	text=$(jq '.groups = [{name: "payments", members: [{device: "hsm-1", partition: "hsm-1"},
		{device: "hsm-2", partition: "hsm-2", role: "standby"}]}]' "$HSMCTL_STORE/fleet.json")
	printf '%s\n' "$text" >"$HSMCTL_STORE/fleet.json"
}

@test "everything up is healthy" {
	expect 0 hsmctl status --check -o json
	is_valid
	[ "$(field .healthy)" = true ]
	[ "$(field '[.devices[] | "\(.name) \(.state) \(.label)"] | join(", ")')" = \
		"hsm-1 up hsm-1, hsm-2 up hsm-2, hsm-3 up hsm-3" ]
	[ "$(field '[.devices[].latency_ms | . > 0] | all')" = true ]
	expect 0 hsmctl status
	prints "hsm-3"
}

@test "a device that is down is shown, and only --check makes it a status" {
	break_daemon KILL hsm-2
	expect 0 hsmctl status -o json
	is_valid
	[ "$(field '.devices[1] | "\(.state) \(.latency_ms)"')" = "down null" ]
	[ "$(field '.devices[1].detail')" != null ]
	[ "$(field .healthy)" = false ]
	expect 3 hsmctl status --check -o json
	is_valid
	says "1 of 3 devices down"
}

@test "hung devices cost the time of one" {
	break_daemon STOP hsm-1 hsm-2 hsm-3
	expect 3 hsmctl --timeout 5 status --check -o json
	is_valid
	[ "$(field '[.devices[].state] | unique | .[]')" = down ]
}

@test "a group is as its members are" {
	add_group
	expect 0 hsmctl status payments --check -o json
	is_valid
	[ "$(field '.devices | length')" = 2 ]
	[ "$(field '.groups[0] | "\(.name) \(.state) \(.up)"')" = "payments healthy 2" ]
	expect 0 hsmctl device stop hsm-3
	expect 0 hsmctl status payments --check
	expect 3 hsmctl status --check
	expect 0 hsmctl device stop hsm-2
	expect 3 hsmctl status payments --check -o json
	is_valid
	[ "$(field '.groups[0] | "\(.state) \(.up) \(.needed)"')" = "below_policy 1 2" ]
	[ "$(field '[.groups[0].members[] | "\(.name) \(.role) \(.state)"] | join(", ")')" = \
		"hsm-1 active up, hsm-2 standby down" ]
	expect 0 hsmctl device stop hsm-1
	expect 0 hsmctl status payments -o json
	[ "$(field '.groups[0].state')" = down ]
}

@test "a group that still satisfies its policy is degraded" {
	add_group
	text=$(jq '.groups[0].policy = {min_members: 1, min_datacenters: 1}' "$HSMCTL_STORE/fleet.json")
	printf '%s\n' "$text" >"$HSMCTL_STORE/fleet.json"
	expect 0 hsmctl device stop hsm-1
	expect 3 hsmctl status payments --check -o json
	[ "$(field '.groups[0].state')" = degraded ]
}

@test "a group that is not there is not found" {
	expect 6 hsmctl status nothing -o json
	is_valid
	[ "$(field .error.code)" = not_found ]
}

@test "without a store there is nothing to ask" {
	HSMCTL_STORE=$FLEET_FOLDER/none expect 6 hsmctl status
}

@test "without certificates everything is down" {
	mv "$HSMCTL_STORE/pki" "$FLEET_FOLDER/pki"
	expect 3 hsmctl status --check -o json
	is_valid
	[ "$(field '[.devices[].state] | unique | .[]')" = down ]
}

@test "a fleet without devices is healthy" {
	expect 0 hsmctl provision destroy --yes
	expect 0 hsmctl status --check -o json
	is_valid
}
