#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Restrictions of keys: on every member alike, enforced whoever answers, and kept by every sync.
load ../cli/helper
load ../cli/fleet

setup_file() {
	own_fleet
	own_group
	PIN=$(cat "$HSMCTL_STORE/secrets/user.pin")
	MODULE=$BUILD/lib/pkcs11/hsmctl-pkcs11.so
	export PIN MODULE
	restrict make
}

teardown_file() {
	end_fleet
}

restrict() {
	"$BUILD/tests/slot/restrict" "$@"
}

# It does what it should, and the module says nothing on its host's stdout and stderr.
passes() {
	expect 0 "$@"
	[ -z "$output$stderr" ] || fail "not silent"
}

# A sync finds nothing to do.
nothing_to_do() {
	in_sync
	expect 0 hsmctl -o json sync payments
	[ "$(field '.copied + .repaired + .adopted + .deleted')" = 0 ]
	in_sync
}

# DEVICE LABEL MECHANISM: its token signs so.
signs_behind() {
	head -c 32 /dev/zero >"$BATS_TEST_TMPDIR/data"
	behind "$1" --sign --mechanism "$3" --id "$(id_of "$2")" --input-file "$BATS_TEST_TMPDIR/data" \
		--output-file "$BATS_TEST_TMPDIR/signature" 2>"$BATS_TEST_TMPDIR/said"
}

refuses_behind() {
	not signs_behind "$@"
	grep -q CKR_MECHANISM_INVALID "$BATS_TEST_TMPDIR/said" || fail "$(cat "$BATS_TEST_TMPDIR/said")"
}

@test "a key may be asked for with restrictions, and shows them" {
	passes restrict shown
	passes restrict refused
}

@test "verify finds every member alike, and sync has nothing to do" {
	nothing_to_do
}

@test "each member, alone, keeps to the restrictions" {
	for device in $DEVICES; do
		for other in $DEVICES; do
			[ "$other" = "$device" ] || hsmctl -q device stop "$other" >/dev/null
		done
		passes restrict obeyed
		passes restrict asks
		hsmctl -q device start --all >/dev/null
	done
	nothing_to_do
}

@test "the tokens themselves hold what they can, each of them" {
	for device in $DEVICES; do
		signs_behind "$device" only-rsa SHA256-RSA-PKCS
		refuses_behind "$device" only-rsa RSA-PKCS
		signs_behind "$device" only-ecdsa ECDSA
		refuses_behind "$device" only-hashed ECDSA
		# Of this one the module asks the PIN: a proof must not need it.
		signs_behind "$device" asks ECDSA
	done
}

@test "a key that wants the PIN each time gets it once for each use, and nobody is asked about a wrong one" {
	before=$(wrong_pins) || true
	passes restrict asks
	passes restrict guesses
	[ "$(wrong_pins || true)" = "$before" ]
}

@test "a use that the PIN was given for goes on when its member is gone" {
	outlives "hsm-east-1 hsm-east-2" shown restrict paused
	all_well
}

# COMMAND...: what it tells of the private key "outside".
outside_of() {
	expect 0 "$@" --list-objects --type privkey
	outside=$(grep -A8 'label: *outside' <<<"$output")
}

@test "a key from outside keeps its restrictions when sync takes it in" {
	behind hsm-west-1 --keypairgen --key-type rsa:2048 --label outside --id 0815 --usage-sign --extractable \
		--allowed-mechanisms SHA256-RSA-PKCS --always-auth >/dev/null 2>&1
	expect 0 hsmctl -o json sync payments
	[ "$(field .adopted)" = 1 ]
	nothing_to_do
	for device in $DEVICES; do
		outside_of behind "$device"
		[[ $outside == *Allowed*SHA256-RSA-PKCS* ]] || fail "$outside"
	done
	outside_of pkcs11-tool --module "$MODULE" --login --pin env:PIN
	[[ $outside == *Allowed*SHA256-RSA-PKCS* && $outside == *"always authenticate"* ]] || fail "$outside"
	expect 0 hsmctl -q key delete payments outside --yes
	nothing_to_do
}

@test "a copy that is made anew is restricted again" {
	id=$(id_of only-rsa)
	behind hsm-east-2 --delete-object --type privkey --id "$id" >/dev/null 2>&1
	found missing hsm-east-2 only-rsa
	all_well
	refuses_behind hsm-east-2 only-rsa RSA-PKCS
}

@test "a key that is not to be destroyed is deleted by command only with --force" {
	expect 5 hsmctl key delete payments asks --yes
	says "CKA_DESTROYABLE"
	says "--force"
	expect 0 hsmctl -q key delete payments asks --force --yes
	nothing_to_do
}
