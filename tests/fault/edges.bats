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
	own_key mac-1 hmac-sha256
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

@test "a reserved pointer that leads to no text is refused" {
	passes edges reserved
}

@test "of eight threads that initialise at once one does" {
	passes edges initialize-race
}

@test "finalising while eight threads sign ends their calls and nothing else" {
	passes edges finalize-under-load
}

# CHECK: while no member answers.
passes_hung() {
	for device in $DEVICES; do
		kill -STOP "$(daemon "$device")"
	done
	run edges "$1"
	for device in $DEVICES; do
		kill -CONT "$(daemon "$device")"
	done
	[ "$status" -eq 0 ] || fail "$output"
}

@test "finalising while every member hangs waits for one of them at most" {
	passes_hung finalize-hung
}

@test "closing the last session while a login hangs holds nobody up" {
	passes_hung close-hung
}

@test "a child of fork has none of its parent's connections" {
	passes edges children
}

@test "what is wrong with a call itself is told, and leaves nothing behind" {
	passes edges bad-arguments
	in_sync
}

@test "input that cannot be taken is refused, and no result is made of the rest" {
	passes edges lost-input
}

@test "what a token holds back until the tag is checked comes whole at the end" {
	passes edges held-back
}

@test "a signature longer than any link carries is refused, and no member is down for it" {
	passes edges no-signature
	not grep -q "is down" "$HSMCTL_LOG"
}

@test "a key that no member can prove is refused with the reason" {
	passes edges reasons
	in_sync
}

@test "raw RSA is refused when it does not fit the modulus, and every member lives" {
	before=$(for device in $DEVICES; do daemon "$device"; done)
	passes edges raw-rsa
	[ "$(for device in $DEVICES; do daemon "$device"; done)" = "$before" ]
}

two_live() {
	local device alive=0
	for device in $DEVICES; do
		gone "$device" || alive=$((alive + 1))
	done
	[ "$alive" -eq 2 ]
}

@test "a request that ends two members goes to no third, then or later, and its caller gets an error" {
	# They stay away: whom its library ends comes back.
	for device in $DEVICES; do
		fault "$device" C_Sign "KILL:$(daemon "$device")"
	done
	expect 0 edges sign 0x6 0x6
	# The same request twice: it is not sent again. Whoever ended its connections may take a while to end.
	until_true two_live
	for device in $DEVICES; do
		well "$device"
	done
	hsmctl -q device start --all >/dev/null
	all_well
}

@test "a request like one that was answered before outlives two members" {
	begin_signer
	signer
	for device in hsm-east-1 hsm-east-2 hsm-west-1; do
		fault "$device" C_Sign die
	done
	signer
	end_signer
}

@test "a request that ends one member is answered by the next" {
	fault hsm-east-1 C_Sign die
	fault hsm-west-1 C_Sign die
	begin_signer
	signer
	signer
	end_signer
	well hsm-east-1
	well hsm-west-1
	hsmctl -q device start --all >/dev/null
	all_well
}

@test "damaged ciphertexts and bad signatures take nobody down and cost no connection" {
	passes edges damaged 40
	kill -STOP "$(daemon hsm-west-1)"
	HUNG=1 passes edges damaged 40
	kill -CONT "$(daemon hsm-west-1)"
	# The one that hung, when it was first met; it is down once it was waited for.
	[ "$(said "'hsm-west-1'.* is slow to connect")" -eq 1 ] || fail "$(cat "$HSMCTL_LOG")"
	[ "$(said 'is down')" -eq "$(said "'hsm-west-1'.* is down")" ] || fail "$(cat "$HSMCTL_LOG")"
	all_well
}

@test "a member whose token answers nonsense is passed over, then probed and left alone" {
	begin_signer
	signer
	# The only active one that is left.
	crash hsm-east-2
	fault hsm-east-1 C_Sign 0x5 C_GenerateRandom 0x5
	for _ in 1 2 3; do
		signer
	done
	until_true grep -q "member 'hsm-east-1' of 'payments' is down" "$HSMCTL_LOG"
	well hsm-east-1
	until_true grep -q "member 'hsm-east-1' of 'payments' serves again" "$HSMCTL_LOG"
	end_signer
}

@test "when every token answers the same the code is the caller's and nobody is down" {
	for device in $DEVICES; do
		fault "$device" C_Sign 0x5
	done
	expect 0 edges sign 0x5 0x5
	[ "$(said 'is down')" -eq 0 ] || fail "$(cat "$HSMCTL_LOG")"
	for device in $DEVICES; do
		well "$device"
	done
	all_well
}

@test "a member whose PIN is locked keeps nobody from the others" {
	for device in hsm-east-1 hsm-west-2; do
		crash "$device"
		fault "$device" C_Login 0xa4
		hsmctl -q device start "$device" >/dev/null 2>&1 || true
		begin_signer
		signer
		signer
		end_signer
		crash "$device"
		well "$device"
		hsmctl -q device start "$device" >/dev/null
	done
	all_well
}

@test "a token that was locked takes the PIN once it is open again" {
	crash hsm-west-2
	fault hsm-west-2 C_Login 0xa4
	hsmctl -q device start hsm-west-2 >/dev/null 2>&1 || true
	expect 5 hsmctl partition contents hsm-west-2
	well hsm-west-2
	expect 0 hsmctl partition contents hsm-west-2
}

@test "a member that refuses the PIN others accepted is its own trouble" {
	crash hsm-east-2
	fault hsm-east-2 C_Login 0xa0
	hsmctl -q device start hsm-east-2 >/dev/null 2>&1 || true
	begin_signer
	for _ in 1 2 3 4; do
		signer
	done
	end_signer
	crash hsm-east-2
	well hsm-east-2
	hsmctl -q device start hsm-east-2 >/dev/null
	all_well
}

@test "members that come back on other ports are found by a running application" {
	begin_signer
	signer
	for device in $DEVICES; do
		address=$(hsmctl -o json device show "$device" | jq -r '.address // .partitions[0].address')
		crash "$device"
		# Somebody else has its port now.
		coproc squatter { exec python3 -c "
import socket, sys
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('127.0.0.1', ${address##*:})); s.listen(); print('there', flush=True); sys.stdin.read()"; }
		# shellcheck disable=SC2154
		read -rt 10 line <&"${squatter[0]}"
		[ "$line" = there ]
		hsmctl -q device start "$device" >/dev/null
		[ "$(hsmctl -o json device show "$device" | jq -r '.address // .partitions[0].address')" != "$address" ]
		kill "$squatter_PID"
		wait "$squatter_PID" || true
	done
	signer
	grep -q "'hsm-west-2' is at" "$HSMCTL_LOG"
	crash hsm-west-1
	crash hsm-west-2
	signer
	end_signer
	hsmctl -q device start --all >/dev/null
	all_well
}
