#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load helper

setup() { own_fleet 2; }
teardown() { end_fleet; }

revision() {
	jq .revision "$HSMCTL_STORE/fleet.json"
}

serials() {
	jq -c '[.devices[].partitions[].serial]' "$HSMCTL_STORE/fleet.json"
}

# Point the fleet at groups without the work of making one.
add_group() {
	local text
	text=$(jq '.groups = [{name: "payments", members: [{device: "hsm-1", partition: "hsm-1"},
		{device: "hsm-2", partition: "hsm-2", role: "standby"}]}]' "$HSMCTL_STORE/fleet.json")
	printf '%s\n' "$text" >"$HSMCTL_STORE/fleet.json"
}

@test "plan shows every step and ends with status 3" {
	expect 3 hsmctl provision plan "$FLEET" -o json
	is_valid
	[ "$(field '[.changes[] | select(.kind == "create")] | length')" = 4 ]
	[ "$(field .revision)" = 0 ]
	says "4 changes to make"
	[ ! -e "$HSMCTL_STORE/fleet.json" ]
}

@test "apply makes the devices, and they answer" {
	expect 0 hsmctl provision apply "$FLEET" -o json
	is_valid
	[ "$(field '[.devices[].state] | unique | .[]')" = running ]
	expect 0 hsmctl status --check
	expect 0 hsmctl provision plan "$FLEET" -o json
	is_valid
	[ "$(field '.changes | length')" = 0 ]
}

@test "apply a second time changes nothing" {
	expect 0 hsmctl provision apply "$FLEET"
	before=$(cat "$HSMCTL_STORE"/fleet.json "$HSMCTL_STORE"/audit.log | sha256sum)
	pids="$(daemon hsm-1) $(daemon hsm-2)"
	expect 0 hsmctl provision apply "$FLEET"
	says "nothing to change"
	[ "$(cat "$HSMCTL_STORE"/fleet.json "$HSMCTL_STORE"/audit.log | sha256sum)" = "$before" ]
	[ "$(daemon hsm-1) $(daemon hsm-2)" = "$pids" ]
}

@test "what apply leaves on disk is private" {
	expect 0 hsmctl provision apply "$FLEET"
	[ "$(stat -c %a "$HSMCTL_STORE/secrets")" = 700 ]
	[ "$(stat -c %a "$HSMCTL_STORE/secrets/user.pin")" = 600 ]
	[ "$(stat -c %a "$HSMCTL_STORE/secrets/hsm-1.so.pin")" = 600 ]
	[ "$(stat -c %a "$HSMCTL_STORE/pki/ca.key")" = 600 ]
	[ "$(wc -c <"$HSMCTL_STORE/secrets/user.pin")" = 16 ]
	not cmp -s "$HSMCTL_STORE/secrets/hsm-1.so.pin" "$HSMCTL_STORE/secrets/hsm-2.so.pin"
	not grep -rqF "$(cat "$HSMCTL_STORE/secrets/user.pin")" "$HSMCTL_STORE/fleet.json" \
		"$HSMCTL_STORE/audit.log" "$HSMCTL_STORE/appliances"
}

@test "show prints the devices of the store" {
	expect 0 hsmctl provision apply "$FLEET"
	expect 0 hsmctl provision show -o json
	is_valid
	[ "$(field .fleet)" = test ]
	[ "$(field '.devices[1] | "\(.name) \(.datacenter) \(.region) \(.state)"')" = "hsm-2 dc-2 west running" ]
}

@test "show without a store is not found" {
	expect 6 hsmctl provision show -o json
	is_valid
	[ "$(field .error.code)" = not_found ]
}

@test "a plan that was kept can be applied, once" {
	expect 3 hsmctl provision plan "$FLEET" --out "$FLEET_FOLDER/plan"
	expect 0 hsmctl provision apply "$FLEET_FOLDER/plan"
	expect 8 hsmctl provision apply "$FLEET_FOLDER/plan" -o json
	is_valid
	[ "$(field .error.code)" = changed ]
}

@test "a plan made before another change is refused" {
	expect 0 hsmctl provision apply "$FLEET"
	write_fleet 3
	expect 3 hsmctl provision plan "$FLEET" --out "$FLEET_FOLDER/plan"
	write_fleet 2 '.datacenters[0].region = "north"'
	expect 0 hsmctl provision apply "$FLEET"
	expect 8 hsmctl provision apply "$FLEET_FOLDER/plan"
	says "revision"
	expect 6 hsmctl device show hsm-3
}

@test "a damaged plan names its line" {
	expect 3 hsmctl provision plan "$FLEET" --out "$FLEET_FOLDER/plan"
	sed -i 's/"datacenter": "dc-1"/"datacenter": 7/' "$FLEET_FOLDER/plan"
	expect 2 hsmctl provision apply "$FLEET_FOLDER/plan"
	says "$FLEET_FOLDER/plan:"
}

@test "unknown and duplicate keys and names are refused with their line" {
	printf '{"name":"t",\n"datacenters":[],\n"devics":[]}' >"$FLEET"
	expect 2 hsmctl provision apply "$FLEET"
	says "$FLEET:3:"
	printf '{"name":"t",\n"name":"u","datacenters":[],"devices":[]}' >"$FLEET"
	expect 2 hsmctl provision plan "$FLEET" -o json
	is_valid
	says "$FLEET:2:"
	write_fleet 2 '.devices[1].name = "hsm-1"'
	expect 2 hsmctl provision apply "$FLEET"
	says "hsm-1"
	[ ! -e "$HSMCTL_STORE" ]
}

@test "a file that is not there is not found" {
	expect 6 hsmctl provision apply "$FLEET_FOLDER/none.json"
	says "no file"
	expect 6 hsmctl provision plan "$FLEET_FOLDER/none.json"
}

@test "all problems of a document are named before anything is made" {
	write_fleet 2 '.devices[0].partitions = [{name: "a"}, {name: "b"}] | .devices[1].name = "admin"'
	expect 2 hsmctl provision apply "$FLEET"
	says "2 partitions"
	says "'admin'"
	[ ! -e "$HSMCTL_STORE/appliances" ]
}

@test "without SoftHSM the hint says what to install" {
	HSMCTL_SOFTHSM_LIBRARY=/nonexistent expect 1 hsmctl provision apply "$FLEET" -o json
	is_valid
	[ "$(field .error.code)" = missing_software ]
	says "apt-get install softhsm2"
	[ ! -e "$HSMCTL_STORE/appliances" ]
}

@test "a store whose path SoftHSM cannot express is refused before anything is made" {
	deep=$FLEET_FOLDER
	while [ ${#deep} -lt 940 ]; do
		deep=$deep/$(printf 'd%.0s' {1..80})
	done
	mkdir "$FLEET_FOLDER/real="
	ln -s real= "$FLEET_FOLDER/link"
	for store in a#b a=b $'a\nb' $'a\rb' real= link "${deep#"$FLEET_FOLDER/"}"; do
		for verb in plan apply; do
			HSMCTL_STORE=$FLEET_FOLDER/$store expect 2 hsmctl provision "$verb" "$FLEET" -o json
			is_valid
			[ "$(field .error.code)" = invalid ]
			says "SoftHSM"
			[ -z "$(ls "$FLEET_FOLDER/$store" 2>/dev/null)" ]
		done
	done
	[ ! -e "$FLEET_FOLDER/${deep#"$FLEET_FOLDER/"}" ]
	HSMCTL_STORE="$FLEET_FOLDER/plain %\$;\"\\" expect 0 hsmctl provision apply "$FLEET"
}

@test "a store whose path is no text is refused before anything is made" {
	for verb in plan apply; do
		HSMCTL_STORE=$FLEET_FOLDER/$'a\x80b' expect 2 hsmctl provision "$verb" "$FLEET" -o json
		is_valid
		[ "$(field .error.code)" = invalid ]
		says "0x80, which is no text"
		[ ! -e "$FLEET_FOLDER/"$'a\x80b' ]
	done
}

@test "the longest path that is not refused works" {
	deep=$FLEET_FOLDER
	while [ ${#deep} -lt 850 ]; do
		deep=$deep/$(printf 'd%.0s' {1..80})
	done
	room=$((1000 - ${#deep} - 1 - $(printf /appliances/hsm-1/making/XXXXXX/tokens | wc -c)))
	name=$(printf 'e%.0s' $(seq "$room"))
	HSMCTL_STORE=$deep/${name}f expect 2 hsmctl provision apply "$FLEET"
	export HSMCTL_STORE=$deep/$name
	expect 0 hsmctl provision apply "$FLEET"
	expect 0 hsmctl status --check
	expect 0 hsmctl device stop --all
	expect 0 hsmctl device start --all
	expect 0 hsmctl device stop --all
}

@test "a store that is not ours is refused" {
	mkdir "$HSMCTL_STORE"
	echo hello >"$HSMCTL_STORE/diary"
	expect 5 hsmctl provision apply "$FLEET"
	says "not an hsmctl store"
	[ "$(ls "$HSMCTL_STORE")" = diary ]
}

@test "a store that others can write is refused" {
	mkdir -m 777 "$HSMCTL_STORE"
	expect 5 hsmctl provision apply "$FLEET" -o json
	is_valid
	[ "$(field .error.code)" = not_ours ]
}

@test "a port that was asked for and is taken is in use" {
	expect 0 hsmctl provision apply "$FLEET"
	taken=$(jq -r '.devices[0].partitions[0].link.address' "$HSMCTL_STORE/fleet.json")
	write_fleet 3 ".devices[2].partitions = [{name: \"p\", link: {kind: \"tls\", address: \"$taken\"}}]"
	expect 1 hsmctl provision apply "$FLEET" -o json
	is_valid
	[ "$(field '.failures[0] | "\(.device) \(.code)"')" = "hsm-3 in_use" ]
	[ "$(field '[.devices[].name] | join(" ")')" = "hsm-1 hsm-2" ]
	says "$taken"
	# Another port is all it takes.
	write_fleet 3
	expect 0 hsmctl provision apply "$FLEET"
	expect 0 hsmctl status --check
}

@test "a port that was asked for is the one that is used" {
	expect 0 hsmctl provision apply "$FLEET"
	free=$(jq -r '.devices[0].partitions[0].link.address' "$HSMCTL_STORE/fleet.json")
	expect 0 hsmctl provision destroy --yes
	write_fleet 2 ".devices[1].partitions = [{name: \"p\", link: {kind: \"tls\", address: \"$free\"}}]"
	expect 0 hsmctl provision apply "$FLEET" -o json
	[ "$(field '.devices[1].address')" = "$free" ]
	expect 0 hsmctl provision plan "$FLEET"
}

@test "an address that is none is refused" {
	write_fleet 1 '.devices[0].partitions = [{name: "p", link: {kind: "tls", address: "example.org:7"}}]'
	expect 2 hsmctl provision apply "$FLEET"
	says "example.org:7"
}

@test "links to libraries, foreign serials and other fleets are refused" {
	write_fleet 1 '.devices[0].partitions = [{name: "p", link: {kind: "module", module: "/x.so"}}]'
	expect 1 hsmctl provision apply "$FLEET"
	says "link of kind module"
	write_fleet 1 '.devices[0].partitions = [{name: "p", link: {module: "/x.so"}}]'
	expect 1 hsmctl provision apply "$FLEET"
	says "link of kind worker"
	write_fleet 1 '.devices[0].partitions = [{name: "p", serial: "0123456789abcdef"}]'
	expect 2 hsmctl provision apply "$FLEET"
	says "leave the serial out"
	write_fleet 1
	expect 0 hsmctl provision apply "$FLEET"
	write_fleet 1 '.name = "other"'
	expect 6 hsmctl provision apply "$FLEET"
	says "the store holds the fleet 'test'"
}

@test "a changed document is applied: regions, new devices, removed ones" {
	expect 0 hsmctl provision apply "$FLEET"
	write_fleet 3 '.datacenters[0].region = "north" | del(.devices[1], .datacenters[1])'
	expect 3 hsmctl provision plan "$FLEET" -o json
	is_valid
	[ "$(field '[.changes[] | "\(.kind) \(.subject)"] | join(", ")')" = \
		"update datacenter dc-1, create datacenter dc-3, create device hsm-3, destroy device hsm-2, destroy datacenter dc-2" ]
	expect 2 hsmctl provision apply "$FLEET"
	says "--yes"
	gone=$(daemon hsm-2)
	expect 0 hsmctl provision apply "$FLEET" --yes -o json
	[ "$(field '[.devices[].name] | join(" ")')" = "hsm-1 hsm-3" ]
	[ "$(field '.devices[0].region')" = north ]
	[ ! -e "$HSMCTL_STORE/appliances/hsm-2" ]
	[ ! -e "$HSMCTL_STORE/secrets/hsm-2.so.pin" ]
	[ ! -e "$HSMCTL_STORE/pki/hsm-2.key" ]
	[ ! -e "/proc/$gone/exe" ]
}

@test "a document copied from the store can be applied to it" {
	expect 0 hsmctl provision apply "$FLEET"
	cp "$HSMCTL_STORE/fleet.json" "$FLEET"
	expect 0 hsmctl provision apply "$FLEET"
	expect 0 hsmctl provision apply "$FLEET"
	expect 0 hsmctl provision plan "$FLEET"
}

@test "a device that serves in a group is not removed" {
	expect 0 hsmctl provision apply "$FLEET"
	add_group
	write_fleet 1
	expect 1 hsmctl provision apply "$FLEET" --yes -o json
	is_valid
	[ "$(field .error.code)" = in_use ]
	says "payments"
	expect 0 hsmctl status --check
	expect 1 hsmctl provision destroy --yes
	says "hsmctl ha delete payments"
	expect 0 hsmctl status --check
}

@test "groups of a document are compared, never made and never ignored" {
	expect 0 hsmctl provision apply "$FLEET"
	write_fleet 2 '.groups = [{name: "payments", members: [{device: "hsm-1"}]}]'
	expect 1 hsmctl provision apply "$FLEET"
	says "hsmctl ha create payments"
	add_group
	expect 1 hsmctl provision plan "$FLEET"
	says "is not what the document says"
	write_fleet 2 '.groups = [{name: "payments", members: [{device: "hsm-1"}, {device: "hsm-2"}]}]'
	expect 1 hsmctl provision plan "$FLEET"
	write_fleet 2 '.groups = [{name: "payments", policy: {min_members: 1},
		members: [{device: "hsm-1"}, {device: "hsm-2", role: "standby"}]}]'
	expect 1 hsmctl provision plan "$FLEET"
	write_fleet 2 '.groups = []'
	expect 1 hsmctl provision plan "$FLEET"
	says "hsmctl ha delete payments"
	write_fleet 2 '.groups = [{name: "payments",
		members: [{device: "hsm-2", role: "standby"}, {device: "hsm-1"}]}]'
	expect 0 hsmctl provision plan "$FLEET"
	expect 0 hsmctl provision apply "$FLEET"
}

@test "destroy asks, and then leaves nothing of the devices" {
	expect 0 hsmctl provision apply "$FLEET"
	pids="$(daemon hsm-1) $(daemon hsm-2)"
	expect 2 hsmctl provision destroy -o json
	is_valid
	[ "$(field .error.code)" = confirmation_needed ]
	expect 0 hsmctl provision destroy --yes -o json
	is_valid
	[ "$(field '.devices | length')" = 0 ]
	for pid in $pids; do [ ! -e "/proc/$pid/exe" ]; done
	[ ! -e "$HSMCTL_STORE/secrets" ] && [ ! -e "$HSMCTL_STORE/pki" ] && [ ! -e "$HSMCTL_STORE/appliances" ]
	expect 0 hsmctl audit verify
	expect 0 hsmctl provision destroy --yes
	expect 0 hsmctl provision apply "$FLEET"
}

@test "destroy without a store is not found" {
	expect 6 hsmctl provision destroy --yes
}

@test "apply starts what was killed or stopped, where it listened before" {
	expect 0 hsmctl provision apply "$FLEET"
	address=$(jq -r '.devices[0].partitions[0].link.address' "$HSMCTL_STORE/fleet.json")
	break_daemon KILL hsm-1
	break_daemon STOP hsm-2
	expect 3 hsmctl provision plan "$FLEET" -o json
	[ "$(field '[.changes[].kind] | join(" ")')" = "start start" ]
	expect 0 hsmctl provision apply "$FLEET" -o json
	[ "$(field '.devices[0].address')" = "$address" ]
	expect 0 hsmctl status --check
	expect 0 hsmctl provision plan "$FLEET"
}

@test "apply repairs certificates of another authority" {
	expect 0 hsmctl provision apply "$FLEET"
	before=$(serials)
	HSMCTL_STORE=$FLEET_FOLDER/other expect 0 hsmctl provision apply "$FLEET"
	cp "$FLEET_FOLDER"/other/pki/hsm-1.* "$HSMCTL_STORE/pki/"
	expect 0 hsmctl device stop hsm-1
	expect 5 hsmctl device start hsm-1 -o json
	is_valid
	[ "$(field .error.code)" = denied ]
	expect 3 hsmctl provision plan "$FLEET" -o json
	[ "$(field '[.changes[] | "\(.kind) \(.subject)"] | join(", ")')" = "update device hsm-1" ]
	expect 0 hsmctl provision apply "$FLEET"
	expect 0 hsmctl status --check
	[ "$(serials)" = "$before" ]
}

@test "a certificate that does not fit its key is told" {
	expect 0 hsmctl provision apply "$FLEET"
	HSMCTL_STORE=$FLEET_FOLDER/other expect 0 hsmctl provision apply "$FLEET"
	cp "$FLEET_FOLDER/other/pki/hsm-1.pem" "$HSMCTL_STORE/pki/"
	expect 0 hsmctl device stop hsm-1
	expect 1 hsmctl device start hsm-1
	says "the appliance ended"
	expect 0 hsmctl provision apply "$FLEET"
	expect 0 hsmctl status --check
}

@test "a lost user PIN is told, not replaced" {
	expect 0 hsmctl provision apply "$FLEET"
	rm "$HSMCTL_STORE/secrets/user.pin" "$HSMCTL_STORE/appliances/hsm-1/softhsm2.conf"
	expect 1 hsmctl provision apply "$FLEET"
	says "the user PIN of 'hsm-1' is lost"
	[ ! -e "$HSMCTL_STORE/secrets/user.pin" ]
}

@test "a lost token is made again, unless its device serves in a group" {
	expect 0 hsmctl provision apply "$FLEET"
	before=$(serials)
	rm -r "$HSMCTL_STORE/appliances/hsm-1/tokens"
	expect 0 hsmctl provision apply "$FLEET"
	[ "$(serials)" != "$before" ]
	expect 0 hsmctl status --check
	add_group
	rm -r "$HSMCTL_STORE/appliances/hsm-1/tokens"
	expect 1 hsmctl provision apply "$FLEET"
	says "serves in group 'payments'"
}

@test "a torn token without a copy is made again only when no object can be on it" {
	expect 0 hsmctl provision apply "$FLEET"
	folder=$HSMCTL_STORE/appliances/hsm-1
	expect 0 hsmctl device stop hsm-1
	: >"$(echo "$folder"/tokens/*/token.object)"
	rm -r "$folder/guard"
	echo x >"$(dirname "$folder"/tokens/*/token.object)/00.object"
	expect 1 hsmctl provision apply "$FLEET"
	says "nothing was changed"
	[ "$(cat "$folder"/tokens/*/00.object)" = x ]
	rm "$folder"/tokens/*/00.object
	expect 0 hsmctl provision apply "$FLEET"
	expect 0 hsmctl status --check
}

@test "one dead device keeps no other from being made, started, or told of" {
	write_fleet 4
	mkdir -p "$HSMCTL_STORE/appliances" "$HSMCTL_STORE/pki"
	touch "$HSMCTL_STORE/lock" "$HSMCTL_STORE/audit.log"
	# hsm-2 has no folder, hsm-3 no certificate.
	touch "$HSMCTL_STORE/appliances/hsm-2"
	mkdir -p "$HSMCTL_STORE/pki/hsm-3.pem/x"
	expect 1 hsmctl provision apply "$FLEET" -o json
	is_valid
	[ "$(field '[.devices[] | "\(.name) \(.state)"] | join(", ")')" = "hsm-1 running, hsm-4 running" ]
	[ "$(field '[.failures[].device] | join(" ")')" = "hsm-2 hsm-3" ]
	says "2 devices failed, the first: device 'hsm-2': "
	expect 1 hsmctl -q provision apply "$FLEET"
	prints hsm-4
	prints hsm-3.pem
	expect 3 hsmctl provision plan "$FLEET" -o json
	[ "$(field '[.changes[].subject] | join(", ")')" = "device hsm-2, device hsm-3" ]
	rm -r "$HSMCTL_STORE/appliances/hsm-2" "$HSMCTL_STORE/pki/hsm-3.pem"
	expect 0 hsmctl provision apply "$FLEET" -o json
	[ "$(field '[.devices[].state] | unique | .[]')" = running ]
	expect 0 hsmctl provision plan "$FLEET"
	expect 0 hsmctl status --check
	expect 0 hsmctl audit verify
}

@test "a device that is dead later on is as it was, a spare is made, and nothing is destroyed meanwhile" {
	write_fleet 3
	expect 0 hsmctl provision apply "$FLEET"
	expect 0 hsmctl device stop hsm-1
	rm "$HSMCTL_STORE/appliances/hsm-1/appliance.pid"
	mkdir "$HSMCTL_STORE/appliances/hsm-1/appliance.pid"
	was=$(jq -c '.devices[0]' "$HSMCTL_STORE/fleet.json")
	write_fleet 4 'del(.devices[2])'
	expect 3 hsmctl provision plan "$FLEET" -o json
	is_valid
	[ "$(field '[.changes[] | "\(.kind) \(.subject)"] | join(", ")')" = \
		"create datacenter dc-4, update device hsm-1, create device hsm-4, destroy device hsm-3" ]
	expect 1 hsmctl provision apply "$FLEET" --yes -o json
	is_valid
	[ "$(field '[.devices[] | "\(.name) \(.state)"] | join(", ")')" = \
		"hsm-1 unknown, hsm-2 running, hsm-3 running, hsm-4 running" ]
	[ "$(field '[.failures[].device] | join(" ")')" = hsm-1 ]
	[ "$(jq -c '.devices[0]' "$HSMCTL_STORE/fleet.json")" = "$was" ]
	expect 0 hsmctl device list -o json
	is_valid
	expect 1 hsmctl device start --all -o json
	is_valid
	[ "$(field '.failures[0].device, .devices[1].state' | xargs)" = "hsm-1 running" ]
	rmdir "$HSMCTL_STORE/appliances/hsm-1/appliance.pid"
	expect 0 hsmctl provision apply "$FLEET" --yes -o json
	[ "$(field '[.devices[].name] | join(" ")')" = "hsm-1 hsm-2 hsm-4" ]
	expect 0 hsmctl status --check
}

@test "two applies at once: one works, the other waits or names it" {
	hsmctl provision apply "$FLEET" >/dev/null 2>&1 3>&- &
	first=$!
	run hsmctl provision apply "$FLEET"
	[ "$status" -eq 0 ]
	wait "$first"
	expect 0 hsmctl status --check
}

@test "an apply that takes long keeps nobody from what is not its own" {
	expect 0 hsmctl provision apply "$FLEET"
	write_fleet 3
	hold device-hsm-3
	hsmctl provision apply "$FLEET" >"$FLEET_FOLDER/out" 2>"$FLEET_FOLDER/err" 3>&- &
	apply=$!
	until_true grep -q "waiting: device 'hsm-3' is locked by uid 0, pid $holder " "$FLEET_FOLDER/err"
	# However long it takes.
	kill -STOP "$apply"
	expect 0 hsmctl device stop hsm-1
	expect 0 hsmctl device start hsm-1
	expect 0 hsmctl ha create payments --member hsm-1 --member hsm-2
	expect 0 hsmctl key generate payments k --type aes-128
	for line in "provision apply $FLEET" "provision destroy --yes" "device decommission hsm-2 --yes"; do
		# shellcheck disable=SC2086
		run --separate-stderr hsmctl $line
		[ "$status" -ne 0 ]
		[[ $stderr == *"the fleet is locked by"*"pid $apply "* || $stderr == *"payments"* ]] || fail "$line"
	done
	let_go
	kill -CONT "$apply"
	wait "$apply"
	expect 0 hsmctl ha show payments
	expect 0 hsmctl device list -o json
	[ "$(field '[.devices[] | "\(.name) \(.state)"] | join(", ")')" = "hsm-1 running, hsm-2 running, hsm-3 running" ]
	expect 0 hsmctl audit verify
}

@test "a device that joined a group meanwhile is not destroyed" {
	write_fleet 3
	expect 0 hsmctl provision apply "$FLEET"
	write_fleet 2
	hold device-hsm-3
	hsmctl provision apply "$FLEET" --yes >"$FLEET_FOLDER/out" 2>"$FLEET_FOLDER/err" 3>&- &
	apply=$!
	until_true grep -q "waiting: device 'hsm-3' is locked" "$FLEET_FOLDER/err"
	kill -STOP "$apply"
	let_go
	expect 0 hsmctl ha create payments --member hsm-3
	kill -CONT "$apply"
	wait "$apply" && status=0 || status=$?
	[ "$status" -ne 0 ]
	grep -q "'hsm-3' serves in group 'payments'" "$FLEET_FOLDER/err"
	expect 0 hsmctl ha show payments -o json
	[ "$(field '.members[0].state')" = up ]
}

@test "apply can be killed anywhere and run again" {
	for delay in 001 003 005 008 011 015 019 023 027 032 037 042 048 055 065 080; do
		export HSMCTL_STORE=$FLEET_FOLDER/store-$delay
		timeout --foreground -s KILL "0.$delay" hsmctl provision apply "$FLEET" >/dev/null 2>&1 3>&- || true
		expect 0 hsmctl provision apply "$FLEET"
		expect 0 hsmctl status --check
		expect 0 hsmctl provision apply "$FLEET"
		says "nothing to change"
		expect 0 hsmctl audit verify
		for name in hsm-1 hsm-2; do
			[ "$(ls "$HSMCTL_STORE/appliances/$name/tokens" | wc -l)" = 1 ]
			[ ! -e "$HSMCTL_STORE/appliances/$name/making" ]
		done
		expect 0 hsmctl provision destroy --yes
	done
}

@test "apply can be interrupted anywhere and run again" {
	for delay in 004 010 020 030 045; do
		export HSMCTL_STORE=$FLEET_FOLDER/store-$delay
		run timeout --foreground -s INT "0.$delay" hsmctl provision apply "$FLEET"
		# timeout says 124 when it had to send the signal.
		[ "$status" -eq 124 ] || [ "$status" -eq 0 ]
		expect 0 hsmctl provision apply "$FLEET"
		expect 0 hsmctl status --check
		expect 0 hsmctl provision destroy --yes
	done
}

@test "destroy can be killed anywhere and run again" {
	for delay in 002 005 010 020 030; do
		export HSMCTL_STORE=$FLEET_FOLDER/store-$delay
		expect 0 hsmctl provision apply "$FLEET"
		timeout --foreground -s KILL "0.$delay" hsmctl provision destroy --yes >/dev/null 2>&1 3>&- || true
		expect 0 hsmctl provision destroy --yes
		[ ! -e "$HSMCTL_STORE/appliances" ] && [ ! -e "$HSMCTL_STORE/secrets" ]
		expect 0 hsmctl provision apply "$FLEET"
		expect 0 hsmctl provision destroy --yes
	done
}

@test "wrong use is told with status 2" {
	expect 2 hsmctl provision
	expect 2 hsmctl provision apply
	expect 2 hsmctl provision apply "$FLEET" extra
	expect 2 hsmctl provision plan --bogus "$FLEET"
}
