#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Hosts that call wrongly, requests that kill a token, members with troubles of their own: nobody else's fault hurts.
load ../cli/helper
load ../cli/fleet
load signer

setup_file() {
	# SoftHSM with faults on demand: fault, below.
	export HSMCTL_SOFTHSM_LIBRARY=$BUILD/tests/fake/shim.so
	own_fleet
	own_group
	own_key signing-1
	own_key tls-1 rsa-2048
	own_key wrap-1 aes-256
	PIN=$(cat "$HSMCTL_STORE/secrets/user.pin")
	MODULE=$BUILD/lib/pkcs11/hsmctl-pkcs11.so
	export PIN MODULE
}

setup() {
	hsmctl -q device start --all >/dev/null
	export HSMCTL_LOG=$BATS_TEST_TMPDIR/log
}

teardown() {
	# shellcheck disable=SC2086
	well $DEVICES
}

teardown_file() {
	end_fleet
}

edges() {
	"$BUILD/tests/slot/edges" "$@"
}

passes() {
	expect 0 "$@"
	[ -z "$output$stderr" ] || fail "not silent"
}

# How often the module said such a thing of a member.
said() {
	grep -cE "$1" "$HSMCTL_LOG" 2>/dev/null || true
}

