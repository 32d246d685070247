#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The module as a stranger meets it: one token for a group, whatever happens to its members.
load ../cli/helper
load ../cli/fleet

setup_file() {
	own_fleet
	own_group
	own_key signing-1
	own_key signing-2
	own_key tls-1 rsa-2048
	own_key wrap-1 aes-256
	own_key mac-1 hmac-sha256
	own_application
}

teardown_file() {
	end_fleet
}

stranger() {
	"$BUILD/tests/slot/stranger" "$@"
}

keys() {
	"$BUILD/tests/slot/keys" "$@"
}

# It does what it should, and the module says nothing on its host's stdout and stderr.
passes() {
	expect 0 "$@"
	[ -z "$output$stderr" ] || fail "not silent"
}

@test "function lists of 2.40 and 3.0 are complete, and asked for by name and version" {
	passes stranger lists
}

@test "initialising twice, with half the mutexes, after finalising" {
	passes stranger initialize
}

@test "the store may be named at C_Initialize" {
	store=$HSMCTL_STORE
	HSMCTL_STORE=$BATS_TEST_TMPDIR/nothing passes stranger reserved "$store"
}

@test "the token has the group's name and serial, and cannot be initialised" {
	passes stranger token payments "$(hsmctl -o json ha show payments | jq -r .serial)"
}

@test "sessions share one login, and what is private needs it" {
	passes stranger sessions
}

@test "a child begins anew after a fork and its parent goes on" {
	passes stranger forks
}

@test "lengths are told, small buffers refused, operations end as they should" {
	passes stranger buffers
}

@test "in parts or at once, results are the same" {
	passes stranger parts
}

@test "objects are found by label, class and id, secrets stay, our own are hidden" {
	passes keys objects
}

@test "a wrong PIN is tried on one member once, and the right one works afterwards" {
	before=$(wrong_pins) || true
	passes stranger wrong-pin
	[ "$(wrong_pins)" -eq $((before + 1)) ]
}

@test "without members, calls fail and nothing hangs" {
	hsmctl -q device stop --all >/dev/null
	expect 1 stranger sessions
	passes stranger lists
	all_well
	passes stranger sessions
}

@test "a label that an application changes is seen by everybody, on every member" {
	passes keys relabel signing-2 signing-two
	expect 0 hsmctl -o json key show payments signing-two
	[ "$(field .replicas)" = 4 ]
	expect 6 hsmctl key show payments signing-2
	in_sync
	passes keys relabel signing-two signing-2
	in_sync
}

@test "a key that an application destroys is gone on every member" {
	own_key short-lived
	id=$(id_of short-lived)
	passes keys destroy short-lived
	expect 6 hsmctl key show payments short-lived
	for device in $DEVICES; do
		lacks "$device" "ID: *$id"
	done
	in_sync
}

# The crowd signs until the test says so; what it did is in the file "out".
begin_crowd() {
	keys crowd "$BATS_TEST_TMPDIR/enough" >"$BATS_TEST_TMPDIR/out" 2>&1 &
	crowd=$!
	until_true grep -q signing "$BATS_TEST_TMPDIR/out"
}

end_crowd() {
	touch "$BATS_TEST_TMPDIR/enough"
	wait $crowd || fail "$(cat "$BATS_TEST_TMPDIR/out")"
	grep -q ' 0 failed' "$BATS_TEST_TMPDIR/out"
}

@test "eight threads sign with four keys while members are killed and stopped, and none fails" {
	seed
	begin_crowd
	for _ in 1 2; do
		for device in $DEVICES; do
			if ((RANDOM % 2)); then
				crash "$device"
			else
				hsmctl -q device stop "$device" >/dev/null
			fi
			hsmctl -q device start "$device" >/dev/null
			hsmctl -q ha show payments >/dev/null
		done
	done
	crash hsm-east-1
	crash hsm-east-2
	crash hsm-west-1
	hsmctl -q device start --all >/dev/null
	end_crowd
	all_well
}

@test "eight threads sign with four keys while each member hangs in turn, and none fails" {
	begin_crowd
	each_member_hangs
	end_crowd
	all_well
}

@test "an encryption in parts goes on when its member is killed in between" {
	for victims in "hsm-east-1 hsm-east-2" "hsm-east-1 hsm-east-2 hsm-west-1"; do
		outlives "$victims" half stranger paused
		all_well
	done
}

@test "tokens without messages make a group without messages" {
	passes stranger no-messages
}

@test "pkcs11-tool lists, signs, verifies, encrypts, decrypts and hashes" {
	cd "$BATS_TEST_TMPDIR"
	head -c 1000 /dev/urandom >data
	openssl dgst -sha256 -binary data >digest
	tool --list-objects 2>/dev/null | grep -q 'label: *signing-1'
	tool --sign --mechanism ECDSA --id "$(id_of signing-1)" --signature-format openssl -i digest -o signature 2>/dev/null
	tool --read-object --type pubkey --id "$(id_of signing-1)" -o key.der >/dev/null 2>&1
	openssl pkeyutl -verify -pubin -keyform DER -inkey key.der -in digest -sigfile signature
	tool --sign --mechanism SHA256-RSA-PKCS --id "$(id_of tls-1)" -i data -o signature 2>/dev/null
	tool --read-object --type pubkey --id "$(id_of tls-1)" -o key.der >/dev/null 2>&1
	openssl dgst -sha256 -verify key.der -keyform DER -signature signature data
	tool --verify --mechanism SHA256-RSA-PKCS --id "$(id_of tls-1)" -i data --signature-file signature 2>/dev/null
	iv=000102030405060708090a0b0c0d0e0f
	tool --encrypt --mechanism AES-CBC-PAD --iv $iv --id "$(id_of wrap-1)" -i data -o secret 2>/dev/null
	tool --decrypt --mechanism AES-CBC-PAD --iv $iv --id "$(id_of wrap-1)" -i secret -o plain 2>/dev/null
	cmp data plain
	if cmp -s data secret; then false; fi
	tool --hash --mechanism SHA256 -i data -o hash 2>/dev/null
	cmp digest hash
}

@test "a pair that pkcs11-tool makes is on every member, and gone from all when it deletes it" {
	tool --keypairgen --key-type EC:prime256v1 --label made --id abcd >/dev/null 2>&1
	expect 0 hsmctl -o json key show payments made
	[ "$(field '"\(.id) \(.type) \(.replicas)"')" = "abcd ec-p256 4" ]
	in_sync
	tool --delete-object --type privkey --id abcd >/dev/null 2>&1
	tool --delete-object --type pubkey --id abcd >/dev/null 2>&1 || true
	expect 6 hsmctl key show payments made
	in_sync
}

@test "a mechanism that a standby lacks is not offered, unless that is away" {
	echo "slots.mechanisms = -,CKM_MD5" >>"$HSMCTL_STORE/appliances/hsm-west-2/softhsm2.conf"
	hsmctl -q device stop hsm-west-2 >/dev/null
	expect 0 tool --list-mechanisms
	grep -qE '^  MD5, digest$' <<<"$output"
	hsmctl -q device start hsm-west-2 >/dev/null
	expect 0 tool --list-mechanisms
	grep -qE '^  SHA256, digest$' <<<"$output"
	if grep -qE '^  MD5, digest$' <<<"$output"; then false; fi
	sed -i /mechanisms/d "$HSMCTL_STORE/appliances/hsm-west-2/softhsm2.conf"
	hsmctl -q device stop hsm-west-2 >/dev/null
	all_well
}
