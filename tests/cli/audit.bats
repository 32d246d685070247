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

@test "verify counts a whole trail, and prints the hash of its newest entry" {
	expect 0 hsmctl audit verify -o json
	is_valid
	[ "$(field '"\(.whole) \(.entries) \(.head)"')" = "true 2 $(tail -n 1 "$HSMCTL_STORE/audit.log" | jq -r .hash)" ]
	head=$(field .head)
	expect 0 hsmctl audit verify
	prints "$head"
}

@test "a head that was noted tells of entries that were cut off" {
	hsmctl device stop hsm-1 >/dev/null
	head=$(hsmctl audit verify -o json | jq -r .head)
	hsmctl device start hsm-1 >/dev/null
	expect 0 hsmctl audit verify --head "$head"
	sed -i '3,$d' "$HSMCTL_STORE/audit.log"
	expect 0 hsmctl audit verify
	expect 3 hsmctl audit verify --head "$head" -o json
	is_valid
	[ "$(field '"\(.whole) \(.head)"')" = "false null" ]
	says "$head"
	expect 2 hsmctl audit verify --head beef
}

@test "a document that was changed by hand is told: by verify, and by whoever comes next" {
	expect 0 hsmctl audit verify
	text=$(jq '.datacenters[0].region = "north"' "$HSMCTL_STORE/fleet.json")
	printf '%s\n' "$text" >"$HSMCTL_STORE/fleet.json"
	digest=$(sha256sum <"$HSMCTL_STORE/fleet.json" | cut -d' ' -f1)
	expect 3 hsmctl audit verify -o json
	is_valid
	[ "$(field .whole)" = false ]
	says "was changed by other means than hsmctl"
	expect 0 hsmctl device stop hsm-1
	says "was changed by other means than hsmctl"
	expect 0 hsmctl audit show -o json
	is_valid
	[ "$(field '[.entries[-2:][].action] | join(", ")')" = "store changed, device stop" ]
	[ "$(field '[.entries[-2:][].document] | unique | join(" ")')" = "$digest" ]
	expect 0 hsmctl audit verify
	# Once: what was written down is known.
	expect 0 hsmctl device start hsm-1
	[ -z "$stderr" ]
}

@test "a document that was changed by hand, and its revision lowered by one, is no unfinished commit" {
	expect 0 hsmctl device stop hsm-1
	text=$(jq '.revision -= 1 | .datacenters[0].region = "north"' "$HSMCTL_STORE/fleet.json")
	printf '%s\n' "$text" >"$HSMCTL_STORE/fleet.json"
	expect 0 hsmctl device start hsm-1
	says "was changed by other means than hsmctl"
	expect 0 hsmctl audit show -o json
	is_valid
	[ "$(field '[.entries[-2:][].action] | join(", ")')" = "store changed, device start" ]
}

@test "entries say what was done, by whom, and who that was before sudo" {
	SUDO_USER=alice expect 0 hsmctl ha create payments --member hsm-1
	expect 0 hsmctl key generate payments --type ec-p256 --label signing-1
	expect 0 hsmctl audit show -o json
	is_valid
	[ "$(field '.entries[] | select(.action == "ha create") | "\(.user) \(.sudo_user) \(.detail)"')" = \
		"$(id -un) alice active hsm-1" ]
	[ "$(field '.entries[-1] | has("sudo_user")')" = false ]
	[ "$(field '[.entries[].revision] | . == sort')" = true ]
	expect 0 hsmctl audit show
	prints "$(id -un) (alice)"
	expect 0 hsmctl audit show -o wide
	prints "$(id -un) (alice)"
	expect 0 hsmctl audit verify
}

@test "what was unmade is named with what it was and where" {
	expect 0 hsmctl device decommission hsm-1 --yes
	expect 0 hsmctl audit show --last 1 -o json
	[ "$(field '.entries[0] | "\(.subject): \(.detail)"')" = "device hsm-1: softhsm appliance in dc-1" ]
	expect 0 hsmctl provision destroy --yes
	expect 0 hsmctl audit show -o json
	[ "$(field '[.entries[] | select(.detail == null).subject] | join(" ")')" = datacenters ]
}

@test "the trail is filtered by time, subject and user" {
	SUDO_USER=alice expect 0 hsmctl device stop hsm-1
	expect 0 hsmctl device start hsm-1
	expect 0 hsmctl audit show --who alice -o json
	is_valid
	[ "$(field '[.entries[].action] | join(", ")')" = "device stop" ]
	expect 0 hsmctl audit show --subject hsm-1 -o json
	[ "$(field '[.entries[].action] | join(", ")')" = "provision apply, device stop, device start" ]
	expect 0 hsmctl audit show --subject hsm-1 --last 1 -o json
	[ "$(field '[.entries[].action] | join(", ")')" = "device start" ]
	expect 0 hsmctl audit show --who nobody-of-that-name -o json
	[ "$(field '.entries | length')" = 0 ]
	expect 0 hsmctl audit show --since 24h -o json
	[ "$(field '.entries | length')" = 4 ]
	expect 0 hsmctl audit show --since "$(field '.entries[2].time' | sed 's/\..*Z/Z/')" -o json
	[ "$(field '[.entries[].action] | index("device stop") != null')" = true ]
	expect 0 hsmctl audit show --since 2999-01-01 -o json
	[ "$(field '.entries | length')" = 0 ]
	for time in yesterday 2026-13-01 2026-11-24x ''; do
		expect 2 hsmctl audit show --since "$time"
	done
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
