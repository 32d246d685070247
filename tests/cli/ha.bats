#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Groups: made, looked at, ended.
load helper
load fleet

setup_file() {
	own_fleet
}

teardown_file() {
	end_fleet
}

no_group() {
	expect 0 hsmctl -o json ha list
	is_valid
	[ "$(field '.groups | length')" = 0 ]
}

@test "a group of devices nobody knows is refused, with the nearest one" {
	expect 6 hsmctl ha create payments --member hsm-east-9
	says "no device 'hsm-east-9'"
	says "hsm-east-1"
	says "hsmctl device list"
	no_group
}

@test "a group needs a name, an active member, and each member once" {
	expect 2 hsmctl ha create 'Pay Ments' --member hsm-east-1
	says "not a name"
	expect 2 hsmctl ha create payments --standby hsm-east-1
	says "at least one active member"
	expect 2 hsmctl ha create payments --member hsm-east-1 --member hsm-east-1
	says "given twice"
	expect 2 hsmctl ha create payments --member hsm-east-1 --standby hsm-east-1
	says "given twice"
	no_group
}

@test "a member that is down when the group is made is an error, and no group" {
	hsmctl -q device stop hsm-west-2 >/dev/null
	expect 7 hsmctl ha create payments --member hsm-east-1 --standby hsm-west-2
	says "every member must be up"
	says "hsm-west-2"
	expect 7 hsmctl -o json ha create payments --member hsm-east-1 --standby hsm-west-2
	is_valid
	hsmctl -q device start hsm-west-2 >/dev/null
	no_group
}

@test "a creation that is killed at any moment leaves nothing that hinders the next" {
	seed
	killed=0
	within=600
	for _ in 1 2 3 4 5 6 7 8; do
		if kill_midway hsmctl ha create payments --member hsm-east-1 --member hsm-east-2 --standby hsm-west-1; then
			killed=$((killed + 1))
			# Killed behind its last step, it has done its work.
			run --separate-stderr hsmctl ha create payments --member hsm-east-1 --member hsm-east-2 --standby hsm-west-1
			[ "$status" -eq 0 ] || says "there is a group 'payments' already"
		fi
		own_key probe
		expect 0 hsmctl verify payments
		hsmctl -q key delete payments probe --yes >/dev/null
		expect 0 hsmctl ha delete payments --yes
	done
	[ $killed -gt 0 ]
	no_group
}

@test "a group of four members in two regions is made and shown" {
	expect 0 hsmctl -o json ha create payments --member hsm-east-1 --member hsm-east-2 \
		--standby hsm-west-1 --standby hsm-west-2
	is_valid
	serial=$(field .serial)
	[[ $serial =~ ^[0-9a-f]{16}$ ]]
	expect 0 hsmctl -o json ha show payments
	is_valid
	[ "$(field .name)" = payments ]
	[ "$(field .serial)" = "$serial" ]
	[ "$(field .pin_source)" = "file:$HSMCTL_STORE/secrets/user.pin" ]
	[ "$(field '[.members[] | .name + " " + .role + " " + .state + " " + .datacenter + " " + .region] | join(",")')" = \
		"hsm-east-1 active up east-1 east,hsm-east-2 active up east-2 east,hsm-west-1 standby up west-1 west,hsm-west-2 standby up west-2 west" ]
	expect 0 hsmctl ha show payments
	prints hsm-west-2
	expect 0 hsmctl -o json ha list
	is_valid
	[ "$(field '.groups | map("\(.name) \(.members) \(.active) \(.standbys)") | join(",")')" = "payments 4 2 2" ]
	expect 0 hsmctl ha list
	[[ ${lines[0]} == NAME*ACTIVE*STANDBYS && ${lines[0]} != *MEMBERS* ]]
}

@test "a policy is shown with its defaults, and changed field by field" {
	expect 0 hsmctl -o json ha policy payments
	is_valid
	[ "$(field '"\(.group) \(.min_members) \(.routing) \(.connections)"')" = "payments 2 own-datacenter 32" ]
	expect 0 hsmctl -o json ha policy payments --set routing=least-work --set connections=64 --set allow_unreplicated=true
	is_valid
	[ "$(field '"\(.routing) \(.connections) \(.allow_unreplicated)"')" = "least-work 64 true" ]
	expect 0 hsmctl -o json ha show payments
	is_valid
	[ "$(field '.policy | "\(.routing) \(.connections) \(.min_datacenters)"')" = "least-work 64 2" ]
	expect 0 hsmctl audit show
	[[ $output == *"routing=least-work, connections=64, allow_unreplicated=true"* ]]
	expect 0 hsmctl ha policy payments --set connections=0 --set routing=own-datacenter --set allow_unreplicated=false
	[[ $output == *own-datacenter* ]]
	jq -e '.groups[0].policy // {} | has("connections") or has("routing") | not' "$HSMCTL_STORE/fleet.json"
}

@test "what no policy can be is refused, and nothing is changed" {
	local before
	before=$(cat "$HSMCTL_STORE/fleet.json")
	expect 2 hsmctl ha policy payments --set routing
	says "'routing' is not FIELD=VALUE"
	expect 2 hsmctl ha policy payments --set routin=least-work
	says "a policy has no field 'routin'"
	says "did you mean 'routing'?"
	expect 2 hsmctl ha policy payments --set connections=64 --set routing=nearest
	says "'routing' must be one of own-datacenter, least-work, not 'nearest'"
	expect 2 hsmctl ha policy payments --set allow_unreplicated=yes
	says "'allow_unreplicated' must be one of false, true, not 'yes'"
	expect 2 hsmctl ha policy payments --set connections=many
	says "'connections' must be from 0 to 512, not 'many'"
	expect 2 hsmctl ha policy payments --set connections=2
	says "it needs 4"
	for limit in connect_ms=99 answer_ms=249 call_ms=1; do
		expect 2 hsmctl ha policy payments --set $limit
		says "'${limit%=*}' is at least"
	done
	expect 2 hsmctl ha policy payments --set min_members=5
	says "group 'payments' has 4 members, its policy wants 5"
	expect 6 hsmctl ha policy paymens
	says "did you mean 'payments'?"
	[ "$(cat "$HSMCTL_STORE/fleet.json")" = "$before" ]
}

@test "each member gets the domain key by a transport key of its own" {
	seen=$(jq -r '.groups[0].members[].transport' "$HSMCTL_STORE/fleet.json")
	[ "$(sort -u <<<"$seen" | grep -cE '^[0-9a-f]{64}$')" -eq 4 ]
}

@test "a second group of this name, or with its members, is refused" {
	expect 6 hsmctl ha create payments --member hsm-east-1
	says "there is a group 'payments' already"
	says "hsmctl ha show payments"
	expect 1 hsmctl ha create other --member hsm-west-2
	says "member of group 'payments' already"
	expect 1 hsmctl -o json ha create other --member hsm-west-2
	is_valid
}

@test "a group nobody knows is not found, with the nearest one" {
	expect 6 hsmctl ha show paymens
	says "no group 'paymens'"
	says "did you mean 'payments'?"
	says "hsmctl ha list"
	expect 6 hsmctl ha delete paymens --yes
	says "no group 'paymens'"
	expect 6 hsmctl -o json ha show paymens
	is_valid
	[ "$(field .error.code)" = not_found ]
}

@test "a member that is down is shown down, with the reason" {
	crash hsm-east-2
	expect 0 hsmctl -o json ha show payments
	is_valid
	[ "$(field '.members[] | select(.state == "down") | .name')" = hsm-east-2 ]
	[ -n "$(field '.members[1].detail // ""')" ]
	[ "$(field '.members[1].keys')" = null ]
	hsmctl -q device start hsm-east-2 >/dev/null
}

# MEMBER: its token has no MD5 from now on.
takes_md5_from() {
	echo "slots.mechanisms = -,CKM_MD5" >>"$HSMCTL_STORE/appliances/$1/softhsm2.conf"
	hsmctl -q device stop "$1" >/dev/null
	hsmctl -q device start "$1" >/dev/null
}

@test "what the members can do is shown, with who lacks what and who could not be asked" {
	expect 0 hsmctl -o json ha mechanisms payments
	is_valid
	[ "$(field '.asked | length')" = 4 ]
	[ "$(field '.away | length')" = 0 ]
	[ "$(field 'all(.mechanisms[]; .offered and .lacking == [])')" = true ]
	[ "$(field '.mechanisms[] | select(.mechanism == "CKM_AES_GCM") | "\(.number) \(.uses) \(.min_key_size) \(.max_key_size)"')" = \
		'0x00001087 ["encrypt","decrypt"] 16 32' ]
	takes_md5_from hsm-west-2
	crash hsm-west-1
	expect 0 hsmctl -o json ha mechanisms payments
	is_valid
	[ "$(field '.away | join(" ")')" = hsm-west-1 ]
	[ "$(field '[.mechanisms[] | select(.offered | not) | "\(.mechanism) \(.lacking)"] | join(" ")')" = 'CKM_MD5 ["hsm-west-2"]' ]
	expect 0 hsmctl ha mechanisms payments
	prints hsm-west-1
	grep -qE '^CKM_MD5 .* hsm-west-2$' <<<"$output"
	hsmctl -q device start hsm-west-1 >/dev/null
	expect 6 hsmctl ha mechanisms paymens
	says "did you mean 'payments'?"
}

@test "with no member to ask nothing is known of mechanisms" {
	for device in $DEVICES; do
		crash "$device"
	done
	expect 7 hsmctl -o json ha mechanisms payments
	is_valid
	hsmctl -q device start --all >/dev/null
}

@test "ending a group needs --yes where nobody can be asked, and leaves the keys" {
	own_key stays
	expect 2 hsmctl ha delete payments </dev/null
	says "--yes"
	expect 0 hsmctl ha show payments
	expect 0 hsmctl -o json ha delete payments --yes
	is_valid
	[ "$(field .members)" = 4 ]
	expect 6 hsmctl ha show payments
	lists hsm-west-1 'label: *stays'
	lacks hsm-west-1 'hsmctl domain'
}
