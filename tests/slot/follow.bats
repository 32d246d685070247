#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Programs that run while groups, their members, roles and policies change: nothing of it wants them started again.
load ../cli/helper
load ../cli/fleet
load ../fault/faults

setup() {
	own_fleet
	own_application
}

teardown() {
	end_fleet
}

# NAME WITH...: what an application of the group finds to sign with.
group() {
	local name=$1
	shift
	hsmctl -q ha create "$name" "$@" >/dev/null
	hsmctl -q key generate "$name" --type ec-p256 --label signing >/dev/null
}

application() {
	begin application "$BUILD/tests/slot/follow" by-line
	tell application "${1:-0x0}" open payments
}

# JQ-ARGUMENTS...: the document as it is written by hand, in one step.
document() {
	jq "$@" "$HSMCTL_STORE/fleet.json" >"$HOME/fleet.json"
	chmod --reference="$HSMCTL_STORE/fleet.json" "$HOME/fleet.json"
	mv "$HOME/fleet.json" "$HSMCTL_STORE/fleet.json"
}

# What C_GetSlotList gives of a group: "ID PRESENT".
slot_of() {
	order application slots
	hear application
	answer=$(tr ';' '\n' <<<"$answer" | sed -n "s/ HA group $1\$//p")
}

# LABEL: members that have such a key, by name.
holders() {
	local device
	for device in $DEVICES; do
		! hsmctl -o json partition contents "$device" | jq -e --arg is "$1" '.objects[] | select(.label == $is)' >/dev/null ||
			echo "$device"
	done
}

@test "a member that leaves the group is not asked any more, and not missed" {
	group payments --member hsm-east-1 --member hsm-east-2 --standby hsm-west-1
	application
	tell application 0x0 sign signing
	document '(.groups[0].members) |= map(select(.device != "hsm-west-1"))'
	tell application 0x8 event
	crash hsm-west-1
	tell application 0x0 make after
	[ "$(hsmctl -o json ha show payments | jq '.members | length')" = 2 ]
	expect 0 hsmctl -o json verify payments
	[ "$(field .verdict)" = in_sync ]
	# Nobody remembers that it missed anything.
	[ "$(jq '[.groups[0].members[] | select(.stale)] | length' "$HSMCTL_STORE/fleet.json")" = 0 ]
	end application
}

@test "a member that comes is brought up to date before it serves" {
	group payments --member hsm-east-1 --member hsm-east-2 --standby hsm-west-1
	cp "$HSMCTL_STORE/fleet.json" "$HOME/three.json"
	document '(.groups[0].members) |= map(select(.device != "hsm-west-1"))'
	application
	tell application 0x0 make meanwhile
	[ "$(holders meanwhile | wc -l)" = 2 ]
	document --slurpfile three "$HOME/three.json" '.groups[0].members = $three[0].groups[0].members'
	slot_of payments
	until_true has_all meanwhile 3
	# It serves, when nobody else is left.
	lose_the_active_ones
	tell_until application 0x0 sign signing
	end application
}

has_all() {
	[ "$(holders "$1" | wc -l)" = "$2" ]
}

@test "roles and policies that change count at once" {
	group payments --member hsm-east-1 --standby hsm-west-1
	application
	crash hsm-west-1
	# Two members in two datacentres is what the policy wants.
	tell application 0xe2 make refused
	document '.groups[0].policy = {min_members: 1, min_datacenters: 1}'
	slot_of payments
	tell application 0x0 make taken
	end application
}

@test "a group that is deleted leaves its slot empty, and what runs there ends" {
	group payments --member hsm-east-1 --member hsm-east-2
	application
	tell application 0x8 event
	slot_of payments
	local before=$answer
	[[ $before == *' 1' ]]
	hsmctl -q ha delete payments --yes >/dev/null
	tell application "${before% 1}" event
	tell application 0x8 event
	slot_of payments
	[ "$answer" = "${before% 1} 0" ]
	tell application 0xb3 session
	tell application 0xe0 open payments
	end application
}

@test "a group that is made again is another token in the same slot" {
	group payments --member hsm-east-1 --member hsm-east-2
	application
	tell application 0x0 sign signing
	slot_of payments
	local before=$answer
	hsmctl -q ha delete payments --yes >/dev/null
	group payments --member hsm-west-1 --member hsm-west-2
	hsmctl -q device stop hsm-east-1 >/dev/null
	hsmctl -q device stop hsm-east-2 >/dev/null
	order application wait
	hear application "${before% 1}"
	tell application 0xb3 sign signing
	tell application 0x0 open payments
	tell application 0x0 sign signing
	slot_of payments
	[ "$answer" = "$before" ]
	end application
}

@test "slots keep their numbers when other groups come and go, in all processes" {
	group payments --member hsm-east-1
	group archive --member hsm-east-2
	application
	slot_of archive
	local archive=$answer
	slot_of payments
	[ "$answer" != "$archive" ]
	hsmctl -q ha delete payments --yes >/dev/null
	group ledger --member hsm-west-1
	slot_of archive
	[ "$answer" = "$archive" ]
	slot_of ledger
	[[ $answer == *' 1' ]]
	end application
	[ "$(hsmctl -o json ha show archive | jq .slot)" = "${archive% 1}" ]
	begin application "$BUILD/tests/slot/follow" by-line
	slot_of archive
	[ "$answer" = "$archive" ]
	end application
}

@test "who waits for slots is let go by C_Finalize" {
	group payments --member hsm-east-1
	application
	tell application 0x190 end-soon
	end application
}

@test "a document that cannot be read, or is gone, changes nothing" {
	group payments --member hsm-east-1
	application
	cp -p "$HSMCTL_STORE/fleet.json" "$HOME/kept.json"
	echo '{' >"$HSMCTL_STORE/fleet.json"
	tell application 0x0 sign signing
	tell application 0x8 event
	rm "$HSMCTL_STORE/fleet.json"
	tell application 0x8 event
	tell application 0x0 sign signing
	mv "$HOME/kept.json" "$HSMCTL_STORE/fleet.json"
	tell application 0x8 event
	tell application 0x0 sign signing
	end application
}

@test "a program that was started elsewhere finds its store when the folder changes" {
	group payments --member hsm-east-1
	cd "$HOME"
	HSMCTL_STORE=store application
	tell application 0x0 sign signing
	end application
}

@test "members, roles and policies change under a crowd, and none of its calls fails" {
	group payments --member hsm-east-1 --member hsm-east-2 --standby hsm-west-1
	cp "$HSMCTL_STORE/fleet.json" "$HOME/three.json"
	begin application "$BUILD/tests/slot/follow" by-line
	tell application crowded crowd payments
	for change in '.groups[0].members |= map(select(.device != "hsm-east-2"))' \
		'.groups[0].members[0].role = "standby"' '.groups[0].policy = {min_members: 1, min_datacenters: 1}' \
		'.groups[0].members |= map(select(.device != "hsm-west-1"))'; do
		document "$change"
		tell application more signed
		document --slurpfile three "$HOME/three.json" '.groups[0] = $three[0].groups[0]'
		tell application more signed
	done
	tell application '0 failed, 0 ended*' calm
	end application
}

@test "a group that is deleted and made again under a crowd ends what runs there, and nothing else" {
	group payments --member hsm-east-1 --member hsm-east-2
	begin application "$BUILD/tests/slot/follow" by-line
	tell application crowded crowd payments
	tell application more signed
	hsmctl -q ha delete payments --yes >/dev/null
	group payments --member hsm-west-1 --member hsm-west-2
	tell application more signed
	tell application '0 failed*' calm
	end application
}
