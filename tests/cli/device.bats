#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load helper

setup() {
	own_fleet 2
	hsmctl provision apply "$FLEET" >/dev/null
}
teardown() { end_fleet; }

@test "list names every device with its state" {
	expect 0 hsmctl device stop hsm-2
	expect 0 hsmctl device list -o json
	is_valid
	[ "$(field '[.devices[] | "\(.name) \(.state)"] | join(", ")')" = "hsm-1 running, hsm-2 stopped" ]
	expect 0 hsmctl device list
	prints "hsm-1"
}

@test "list without a store is not found" {
	HSMCTL_STORE=$FLEET_FOLDER/none expect 6 hsmctl device list
}

@test "show prints the device and its partitions" {
	expect 0 hsmctl device show hsm-1 -o json
	is_valid
	[ "$(field '.partitions[0] | "\(.name) \(.link) \(.group)"')" = "hsm-1 tls null" ]
	[ "$(field '.partitions[0].pin_source')" = "file:$HSMCTL_STORE/secrets/user.pin" ]
	[ "$(field .state)" = running ]
	expect 0 hsmctl device show hsm-1
	prints "dc-1"
}

@test "a device that is not there is not found, with the nearest name" {
	for verb in show start stop; do
		expect 6 hsmctl device "$verb" hsm-3 -o json
		is_valid
		[ "$(field .error.code)" = not_found ]
		says "did you mean"
	done
}

@test "stop ends the process, start brings it back at its address" {
	address=$(hsmctl device show hsm-1 -o json | jq -r '.partitions[0].address')
	pid=$(daemon hsm-1)
	expect 0 hsmctl device stop hsm-1 -o json
	is_valid
	[ "$(field '.devices[0].state')" = stopped ]
	[ ! -e "/proc/$pid/exe" ]
	expect 3 hsmctl status --check
	expect 0 hsmctl device start hsm-1 -o json
	is_valid
	[ "$(field '.devices[0] | "\(.state) \(.address)"')" = "running $address" ]
	expect 0 hsmctl status --check
}

@test "stop and start may be repeated and then change nothing" {
	expect 0 hsmctl device start hsm-1
	expect 0 hsmctl device stop hsm-1
	entries=$(wc -l <"$HSMCTL_STORE/audit.log")
	expect 0 hsmctl device stop hsm-1
	[ "$(wc -l <"$HSMCTL_STORE/audit.log")" = "$entries" ]
	expect 0 hsmctl device start hsm-1
	expect 0 hsmctl audit show --last 1 -o json
	[ "$(field '.entries[0] | "\(.action) \(.subject)"')" = "device start hsm-1" ]
	entries=$(wc -l <"$HSMCTL_STORE/audit.log")
	expect 0 hsmctl device start hsm-1
	[ "$(wc -l <"$HSMCTL_STORE/audit.log")" = "$entries" ]
}

@test "-v tells what is done to a process, and what was written down" {
	pid=$(daemon hsm-1)
	expect 0 hsmctl -v device stop hsm-1
	says "process $pid is asked to end"
	says "device stop hsm-1"
	expect 0 hsmctl -v device start hsm-1
	address=$(hsmctl device show hsm-1 -o json | jq -r '.partitions[0].address')
	says "'hsm-1': process $(daemon hsm-1) serves at $address"
	says "device start hsm-1: $address"
	expect 0 hsmctl -v device decommission hsm-2 --yes
	says "device decommission device hsm-2: softhsm appliance in dc-2"
	expect 0 hsmctl -v provision apply "$FLEET"
	says "provision apply device hsm-2: create: softhsm appliance in dc-2"
	expect 0 hsmctl device stop --all
	[ -z "$stderr" ]
}

@test "start --all brings killed and suspended devices back" {
	break_daemon KILL hsm-1
	break_daemon STOP hsm-2
	expect 0 hsmctl device list -o json
	[ "$(field '[.devices[].state] | unique | .[]')" = stopped ]
	expect 0 hsmctl device start --all -o json
	is_valid
	[ "$(field '[.devices[].state] | unique | .[]')" = running ]
	expect 0 hsmctl status --check
}

@test "stop --all ends suspended devices too" {
	pid=$(daemon hsm-2)
	break_daemon STOP hsm-2
	expect 0 hsmctl device stop --all
	[ ! -e "/proc/$pid/exe" ]
}

@test "what must not be destroyed is refused before anybody is asked" {
	expect 0 hsmctl ha create payments --member hsm-1
	for line in "device decommission hsm-1" "provision destroy"; do
		# shellcheck disable=SC2086
		expect 1 hsmctl $line -o json
		is_valid
		[ "$(field .error.code)" = in_use ]
		says "payments"
		# shellcheck disable=SC2086
		expect 0 /usr/bin/python3 "$ROOT/tests/cli/prompt.py" -- hsmctl $line -- 'group .payments' '' EXIT:1
		[[ $output != *Type* ]] || fail
	done
	expect 2 hsmctl device decommission hsm-2
	expect 6 hsmctl device decommission hsm-9
	expect 0 hsmctl status --check
}

@test "one device that cannot start does not keep the others down" {
	expect 0 hsmctl device stop --all
	rm "$HSMCTL_STORE/pki/hsm-1.key"
	expect 1 hsmctl device start --all -o json
	is_valid
	[ "$(field '[.devices[] | "\(.name) \(.state)"] | join(", ")')" = "hsm-1 partial, hsm-2 running" ]
	[ "$(field '[.failures[] | "\(.device) \(.code)"] | join(", ")')" = "hsm-1 failed" ]
	says "cannot start 'hsm-1'"
	expect 0 hsmctl device list -o json
	[ "$(field '.devices[1].state')" = running ]
}

@test "a port that is taken meanwhile is given up, and the new one recorded" {
	address=$(hsmctl device show hsm-1 -o json | jq -r '.partitions[0].address')
	expect 0 hsmctl device stop hsm-1
	before=$(jq .revision "$HSMCTL_STORE/fleet.json")
	coproc HOLDER { exec /usr/bin/python3 -c 'import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen()
print("listening", flush=True)
sys.stdin.read()' "${address##*:}" 3>&-; }
	read -r -u "${HOLDER[0]}" _
	run --separate-stderr hsmctl device start hsm-1 -o json
	kill "$HOLDER_PID"
	[ "$status" -eq 0 ]
	[ "$(field '.devices[0].address')" != "$address" ]
	[ "$(jq .revision "$HSMCTL_STORE/fleet.json")" = $((before + 1)) ]
	expect 0 hsmctl status --check
}

@test "a torn token.object is restored at the next start" {
	expect 0 hsmctl partition contents hsm-1
	object=$(echo "$HSMCTL_STORE"/appliances/hsm-1/tokens/*/token.object)
	break_daemon KILL hsm-1
	: >"$object"
	expect 0 hsmctl device start hsm-1
	[ -s "$object" ]
	expect 0 hsmctl partition contents hsm-1
}

@test "a daemon that cannot find its token ends the wait early and says why" {
	expect 0 hsmctl device stop hsm-1
	mv "$HSMCTL_STORE/appliances/hsm-1/tokens" "$FLEET_FOLDER/tokens"
	mkdir "$HSMCTL_STORE/appliances/hsm-1/tokens"
	expect 1 hsmctl device start hsm-1
	says "no initialised token"
	says "appliance.log"
	rmdir "$HSMCTL_STORE/appliances/hsm-1/tokens"
	mv "$FLEET_FOLDER/tokens" "$HSMCTL_STORE/appliances/hsm-1/tokens"
	expect 0 hsmctl device start hsm-1
}

@test "start without SoftHSM says what to install" {
	expect 0 hsmctl device stop hsm-1
	HSMCTL_SOFTHSM_LIBRARY=/nonexistent expect 1 hsmctl device start hsm-1
	says "apt-get install softhsm2"
}

@test "a device whose files are gone is not provisioned" {
	expect 0 hsmctl device stop hsm-1
	rm -r "$HSMCTL_STORE/appliances/hsm-1"
	expect 6 hsmctl device start hsm-1
	says "hsmctl provision apply"
	expect 0 hsmctl device list -o json
	[ "$(field '.devices[0].state')" = absent ]
}

@test "a device or --all, not both and not neither" {
	expect 2 hsmctl device start
	expect 2 hsmctl device stop hsm-1 --all
	expect 2 hsmctl device show
}

@test "device names are completed" {
	expect 0 hsmctl __complete device show ''
	prints hsm-1
	prints hsm-2
	expect 0 hsmctl __complete partition show hsm
	prints hsm-2
}
