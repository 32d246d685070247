#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The census and the proof: what is wrong is found and named, nothing else is.
load helper
load fleet

setup_file() {
	own_fleet
	own_group
	own_key signing-1
	own_key tls-1 rsa-2048
	own_key wrap-1 aes-256
}

teardown_file() {
	end_fleet
}

# What verify found must go away by sync.
repaired() {
	expect 0 hsmctl -o json sync payments
	is_valid
	in_sync
	[ "$(field .keys)" = 3 ]
}

@test "three keys on four members are twelve proofs, and in sync" {
	expect 0 hsmctl -o json verify payments
	is_valid
	[ "$(field .verdict)" = in_sync ]
	[ "$(field .keys)" = 3 ]
	[ "$(field '.proofs | "\(.attempted) \(.passed) \(.failed)"')" = "12 12 0" ]
	[ "$(field '[.members[] | select(.reachable and .keys == 3)] | length')" = 4 ]
	expect 0 hsmctl verify payments
	prints in_sync
}

@test "less than a full proof is never in sync" {
	for mode in none sample; do
		expect 7 hsmctl -o json verify payments --prove $mode
		is_valid
		[ "$(field .verdict)" = unknown ]
		[ "$(field '.findings | length')" = 0 ]
	done
	[ "$(field .proofs.passed)" -lt 12 ]
	expect 2 hsmctl verify payments --prove most
	says "'most' is not one of"
}

@test "a group nobody knows is not found" {
	expect 6 hsmctl verify nope
	says "no group 'nope'"
	says "hsmctl ha list"
}

@test "a member that is down makes the verdict unknown, and is named" {
	crash hsm-west-1
	expect 7 hsmctl -o json verify payments
	is_valid
	[ "$(field .verdict)" = unknown ]
	[ "$(field '[.findings[] | "\(.kind) \(.member)"] | join(",")')" = "unreachable hsm-west-1" ]
	[ "$(field '.members[] | select(.reachable | not) | "\(.name) \(.keys)"')" = "hsm-west-1 null" ]
	[ "$(field .proofs.passed)" = 9 ]
	all_well
}

@test "with a member down and a key missing elsewhere the verdict is diverged" {
	crash hsm-west-1
	behind hsm-east-2 --delete-object --type privkey --id "$(id_of signing-1)"
	found missing hsm-east-2 signing-1
	[ "$(field '[.findings[] | select(.kind == "unreachable")] | length')" = 1 ]
	hsmctl -q device start hsm-west-1 >/dev/null
	repaired
}

@test "a private key deleted behind our back is found on its member and repaired" {
	behind hsm-west-2 --delete-object --type privkey --id "$(id_of signing-1)"
	found missing hsm-west-2 signing-1
	[ "$(field '.findings | length')" = 1 ]
	[ "$(field .proofs.attempted)" = 11 ]
	repaired
}

@test "a public half deleted behind our back is found and repaired" {
	behind hsm-east-2 --delete-object --type pubkey --id "$(id_of tls-1)"
	found missing hsm-east-2 tls-1
	[ "$(field '.findings | length')" = 1 ]
	repaired
}

@test "a secret key deleted behind our back is found and repaired" {
	behind hsm-east-1 --delete-object --type secrkey --id "$(id_of wrap-1)"
	found missing hsm-east-1 wrap-1
	repaired
}

@test "a record deleted behind our back is found and repaired" {
	behind hsm-east-1 --delete-object --type data --label "hsmctl record $(id_of tls-1)"
	found missing hsm-east-1 tls-1
	repaired
}

@test "everything of a key deleted on one member is found and repaired" {
	id=$(id_of tls-1)
	behind hsm-west-1 --delete-object --type privkey --id "$id"
	behind hsm-west-1 --delete-object --type pubkey --id "$id"
	behind hsm-west-1 --delete-object --type data --label "hsmctl record $id"
	found missing hsm-west-1 tls-1
	repaired
}

@test "another secret key under the same CKA_ID is not taken for the replica" {
	id=$(id_of wrap-1)
	behind hsm-east-2 --delete-object --type secrkey --id "$id"
	behind hsm-east-2 --keygen --key-type AES:32 --label wrap-1 --id "$id" --sensitive --extractable >/dev/null 2>&1
	found unusable hsm-east-2 wrap-1
	[ "$(field .proofs.failed)" = 1 ]
	repaired
}

@test "another key pair under the same CKA_ID is not taken for the replica" {
	id=$(id_of signing-1)
	behind hsm-west-1 --delete-object --type privkey --id "$id"
	behind hsm-west-1 --delete-object --type pubkey --id "$id"
	behind hsm-west-1 --keypairgen --key-type EC:prime256v1 --label signing-1 --id "$id" --extractable >/dev/null 2>&1
	found unusable hsm-west-1 signing-1
	repaired
}

@test "a private key that is another than its public half says is not taken for the replica" {
	id=$(id_of signing-1)
	behind hsm-east-1 --delete-object --type privkey --id "$id"
	behind hsm-east-1 --keypairgen --key-type EC:prime256v1 --label signing-1 --id 0909 --extractable >/dev/null 2>&1
	behind hsm-east-1 --delete-object --type pubkey --id 0909
	behind hsm-east-1 --set-id "$id" --type privkey --id 0909 >/dev/null 2>&1
	found unusable hsm-east-1 signing-1
	repaired
}

@test "the same key twice on a member is found and repaired" {
	id=$(id_of wrap-1)
	behind hsm-west-2 --keygen --key-type AES:32 --label wrap-1 --id "$id" --sensitive --extractable >/dev/null 2>&1
	found duplicate hsm-west-2 wrap-1
	repaired
}

@test "a key made directly on a member is extra" {
	behind hsm-east-2 --keygen --key-type AES:32 --label stranger --id 7070 --sensitive >/dev/null 2>&1
	found extra hsm-east-2 stranger
	[ "$(field '.findings | length')" = 1 ]
	behind hsm-east-2 --delete-object --type secrkey --id 7070
	in_sync
}

@test "the manual page explains each kind of finding that the schema has" {
	kinds=$(jq -r '.. | objects | select(.kind?.enum?).kind.enum[]' "$SCHEMAS/verify.json")
	[ "$(wc -w <<<"$kinds")" -ge 17 ]
	for kind in $kinds; do
		grep -qxF ".It Cm $kind" "$ROOT/man/hsmctl-verify.1" || fail "$kind is not explained"
	done
}

@test "a wrong PIN is an error, not a verdict" {
	mv "$HSMCTL_STORE/secrets/user.pin" "$HSMCTL_STORE/secrets/kept"
	install -m 600 /dev/null "$HSMCTL_STORE/secrets/user.pin"
	printf 000000 >"$HSMCTL_STORE/secrets/user.pin"
	before=$(wrong_pins) || true
	run --separate-stderr hsmctl -o json verify payments
	mv "$HSMCTL_STORE/secrets/kept" "$HSMCTL_STORE/secrets/user.pin"
	[ "$status" -eq 5 ]
	is_valid
	[ "$(field .schema)" = hsmctl/error/v1 ]
	[ "$(wrong_pins)" -eq $((before + 1)) ]
	in_sync
}

@test "verify changes nothing" {
	before=$(cd "$HSMCTL_STORE" && find appliances -name '*.object' ! -name token.object -exec sha256sum {} + | sort)
	in_sync
	[ "$(cd "$HSMCTL_STORE" && find appliances -name '*.object' ! -name token.object -exec sha256sum {} + | sort)" = "$before" ]
}
