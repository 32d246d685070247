#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A library that ends its daemon: the device is back by itself, and nobody but its log knows why. Who kills or stops the
# device has lost it.
load ../cli/helper
load ../cli/fleet
load signer

setup_file() {
	export HSMCTL_SOFTHSM_LIBRARY=$BUILD/tests/fake/shim.so
	own_fleet
	own_group
	own_key signing-1
	own_application
}

setup() {
	# None has fallen yet.
	hsmctl -q device stop hsm-east-1 >/dev/null
	hsmctl -q device start --all >/dev/null
	: >"$(log_of hsm-east-1)"
}

teardown() {
	# shellcheck disable=SC2086
	well $DEVICES
}

teardown_file() {
	end_fleet
}

log_of() {
	echo "$HSMCTL_STORE/appliances/$1/appliance.log"
}

address_of() {
	local rest
	read -r _ _ rest <"$HSMCTL_STORE/appliances/$1/appliance.pid"
	echo "$rest"
}

# DEVICE: it serves, in another process than $was.
is_back() {
	local now
	now=$(daemon "$1") && [ "$now" != "$was" ] && [[ $(address_of "$1") == *:* ]]
}

# DEVICE TEXT: its log says so once.
is_logged() {
	[ "$(grep -c "$2" "$(log_of "$1")")" = 1 ]
}

# DEVICE: the process that started its daemon.
watcher_of() {
	cut -d' ' -f4 "/proc/$(daemon "$1")/stat"
}

is_over() { # PID
	case $(state_of "$1") in Z | '') ;; *) return 1 ;; esac
}

# An application signs until the first member's library has done WHAT at a signature; that member is then back where it
# was, says HOW in its log, and serves.
comes_back_after() {
	local what=$1 how=$2 was where
	was=$(daemon hsm-east-1) where=$(address_of hsm-east-1)
	fault hsm-east-1 C_Sign "$what"
	begin_signer
	for _ in {1..100}; do
		signer
		[ "$(daemon hsm-east-1)" = "$was" ] || break
	done
	signer
	end_signer
	well hsm-east-1
	until_true is_back hsm-east-1 || fail "$(cat "$(log_of hsm-east-1)")"
	[ "$(address_of hsm-east-1)" = "$where" ]
	grep -q "the library ended the daemon $how; it is started again" "$(log_of hsm-east-1)" ||
		fail "$(cat "$(log_of hsm-east-1)")"
	in_sync
}

# DEVICE: its library ends at the next call, and then whenever it is started.
begin_to_fall() {
	fault "$1" C_FindObjectsInit exit C_GetTokenInfo exit
	hsmctl partition contents "$1" >/dev/null 2>&1 || true
}

@test "a library that calls exit costs an application nothing, and its device is back" {
	comes_back_after exit "with exit status 0"
}

@test "so does one that ends its process without a word" {
	comes_back_after die "with exit status 5"
}

@test "one that crashes" {
	comes_back_after crash "by signal 11"
}

@test "and one that aborts" {
	comes_back_after abort "by signal 6"
}

@test "one that ends it at every call is started again more and more seldom, and can be stopped" {
	begin_to_fall hsm-east-1
	until_true is_logged hsm-east-1 "again in 800 ms"
	for ms in 100 200 400; do
		is_logged hsm-east-1 "again in $ms ms"
	done
	expect 0 hsmctl -o json device show hsm-east-1
	[ "$(field .state)" = stopped ]
	was=$(daemon hsm-east-1)
	expect 0 hsmctl device stop hsm-east-1
	until_true is_over "$was"
	gone hsm-east-1
	well hsm-east-1
	expect 0 hsmctl device start hsm-east-1
	in_sync
}

@test "a device that is killed stays away, also while it is about to come back" {
	watcher=$(watcher_of hsm-east-1)
	crash hsm-east-1
	until_true is_over "$watcher"
	gone hsm-east-1
	is_logged hsm-east-1 "killed by signal 9"
	hsmctl -q device start hsm-east-1 >/dev/null
	begin_to_fall hsm-east-1
	until_true is_logged hsm-east-1 "again in 3200 ms"
	crash hsm-east-1
	gone hsm-east-1
	well hsm-east-1
	expect 0 hsmctl device start hsm-east-1
	in_sync
}

@test "a device whose watcher is killed ends" {
	was=$(daemon hsm-east-1)
	kill -KILL "$(watcher_of hsm-east-1)"
	until_true is_over "$was"
	hsmctl -q device start hsm-east-1 >/dev/null
	in_sync
}

@test "a device that came back is nobody's but its daemon's: who killed it can start it at once" {
	was=$(daemon hsm-east-1)
	begin_to_fall hsm-east-1
	well hsm-east-1
	until_true is_back hsm-east-1
	watcher=$(watcher_of hsm-east-1) where=$(address_of hsm-east-1)
	kill -STOP "$watcher"
	crash hsm-east-1
	expect 0 hsmctl device start hsm-east-1
	[ "$(address_of hsm-east-1)" = "$where" ]
	kill -CONT "$watcher"
	until_true is_over "$watcher"
	in_sync
}

@test "a device that is stopped leaves no watcher" {
	watcher=$(watcher_of hsm-east-1)
	expect 0 hsmctl device stop hsm-east-1
	until_true is_over "$watcher"
	not grep -q "started again" "$(log_of hsm-east-1)"
}

@test "one that is suspended is not taken for one that ended" {
	was=$(daemon hsm-east-1)
	kill -STOP "$was"
	begin_signer
	signer
	end_signer
	kill -CONT "$was"
	[ "$(daemon hsm-east-1)" = "$was" ]
	not grep -q "started again" "$(log_of hsm-east-1)"
}

@test "a watcher loads no library" {
	not grep -q "shim.so\|softhsm" "/proc/$(watcher_of hsm-east-1)/maps"
	grep -q shim.so "/proc/$(daemon hsm-east-1)/maps"
}
