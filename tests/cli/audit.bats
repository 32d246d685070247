#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load helper

setup() {
	own_fleet 1
	hsmctl provision apply "$FLEET" >/dev/null
}
teardown() { end_fleet; }

@test "show prints every change, oldest first" {
	expect 0 hsmctl audit show -o json
	is_valid
	[ "$(field '[.entries[] | "\(.number) \(.action) \(.subject)"] | join(", ")')" = \
		"1 provision apply datacenter dc-1, 2 provision apply device hsm-1" ]
	expect 0 hsmctl audit show
	prints "device hsm-1"
}

@test "--last prints the newest entries only" {
	expect 0 hsmctl audit show --last 1 -o json
	is_valid
	[ "$(field '[.entries[].number] | join(" ")')" = 2 ]
	expect 0 hsmctl audit show -n 100 -o json
	[ "$(field '.entries | length')" = 2 ]
	expect 2 hsmctl audit show --last 0
	expect 2 hsmctl audit show --last x
}

@test "verify counts a whole trail" {
	expect 0 hsmctl audit verify -o json
	is_valid
	[ "$(field '"\(.whole) \(.entries)"')" = "true 2" ]
}

@test "verify finds a changed entry" {
	sed -i '1s/dc-1/dc-9/' "$HSMCTL_STORE/audit.log"
	expect 3 hsmctl audit verify -o json
	is_valid
	[ "$(field '"\(.whole) \(.entries)"')" = "false null" ]
	[ "$(field .detail)" != null ]
}

@test "verify finds a removed entry" {
	sed -i 1d "$HSMCTL_STORE/audit.log"
	expect 3 hsmctl audit verify
}

@test "a trail that others can write is refused" {
	chmod 666 "$HSMCTL_STORE/audit.log"
	expect 5 hsmctl audit show
	expect 5 hsmctl audit verify
}

@test "without a store there is no trail" {
	HSMCTL_STORE=$FLEET_FOLDER/none expect 6 hsmctl audit show
	HSMCTL_STORE=$FLEET_FOLDER/none expect 6 hsmctl audit verify
}
