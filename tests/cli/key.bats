#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Keys of a group: made on all members or not at all, deleted for good.
load helper
load fleet

setup_file() {
	own_fleet
	own_group
}

teardown_file() {
	end_fleet
}

keys() {
	hsmctl -o json key list payments | jq -r '.keys | length'
}

# Objects of any kind on a member, records included.
objects() {
	behind "$1" --list-objects 2>/dev/null | grep -c -E '^[A-Z].*(Key Object|Data object)'
}

@test "each type that members can carry is made on every member and proven" {
	for type in ec-p256 ec-p384 rsa-2048 aes-128 aes-256 hmac-sha256; do
		expect 0 hsmctl -o json key generate payments --type $type --label "a-$type"
		is_valid
		[ "$(field '"\(.label) \(.type) \(.replicas) \(.members)"')" = "a-$type $type 4 4" ]
	done
	expect 0 hsmctl -o json key list payments
	is_valid
	[ "$(field '.keys | length')" = 6 ]
	[ "$(field '[.keys[].class] | sort | unique | join(",")')" = private,secret ]
	in_sync
	[ "$(field .proofs.passed)" = 24 ]
	for type in ec-p384 rsa-2048 aes-128 hmac-sha256; do
		hsmctl -q key delete payments "a-$type" --yes >/dev/null
	done
	[ "$(keys)" = 2 ]
}

@test "a key is shown by its label" {
	expect 0 hsmctl -o json key show payments a-ec-p256
	is_valid
	[ "$(field .id)" = "$(id_of a-ec-p256)" ]
	[ "$(field .class)" = private ]
	expect 6 hsmctl key show payments a-nothing
	says "no key 'a-nothing' in group 'payments'"
	says "hsmctl key list payments"
}

@test "a type that cannot be replicated is refused with the reason, and nothing is left" {
	before=$(objects hsm-east-1)
	expect 1 hsmctl key generate payments --type ed25519 --label ed
	says "ed25519"
	says "cannot be replicated"
	[ "$(objects hsm-east-1)" = "$before" ]
	expect 1 hsmctl -o json key generate payments --type ed25519 --label ed
	is_valid
	[ "$(field .error.code)" = not_replicable ]
}

@test "wrong use of generate is refused" {
	expect 2 hsmctl key generate payments --type dsa --label x
	says "'dsa' is not one of"
	expect 2 hsmctl key generate payments --type ec-p256
	says "--label"
	expect 2 hsmctl key generate payments --type ec-p256 --label ''
	says "needs a label"
	expect 6 hsmctl key generate payments --type ec-p256 --label a-ec-p256
	says "has a key 'a-ec-p256' already"
	[ "$(keys)" = 2 ]
}

@test "a label that is taken is refused, unless that is meant" {
	expect 6 hsmctl -o json key generate payments a-ec-p256 --type aes-128
	is_valid
	[ "$(field .error.code)" = exists ]
	says "--allow-duplicate"
	expect 0 hsmctl key generate payments a-ec-p256 --type aes-128 --allow-duplicate
	[ "$(keys)" = 3 ]
	hsmctl -q key delete payments a-ec-p256 --yes --id "$(hsmctl -o json key list payments |
		jq -r '.keys[] | select(.label == "a-ec-p256" and .type == "aes-128") | .id')" >/dev/null
	# A key that is deleted has no label any more.
	own_key once aes-128
	hsmctl -q key delete payments once --yes >/dev/null
	own_key once aes-128
	hsmctl -q key delete payments once --yes >/dev/null
	[ "$(keys)" = 2 ]
}

@test "of commands that make one label at the same time exactly one does, the others say so" {
	for n in 1 2 3 4 5 6 7 8; do
		for side in a b; do
			(
				status=0
				hsmctl -o json key generate payments "race-$n" --type aes-128 \
					>"$BATS_TEST_TMPDIR/$n$side" 2>"$BATS_TEST_TMPDIR/$n$side.err" 3>&- || status=$?
				echo $status >"$BATS_TEST_TMPDIR/$n$side.status"
			) &
		done
	done
	wait
	for n in 1 2 3 4 5 6 7 8; do
		output="$(cat "$BATS_TEST_TMPDIR/$n"{a,b}.err)"
		case "$(sort -n "$BATS_TEST_TMPDIR/$n"{a,b}.status | xargs)" in
		"0 6") [[ $output == *"has a key 'race-$n' already"* ]] || fail ;;
		"0 8") [[ $output == *"key 'race-$n' of group 'payments' is locked by"* ]] || fail ;;
		*) fail "race-$n: $(cat "$BATS_TEST_TMPDIR/$n"{a,b}.status)" ;;
		esac
	done
	expect 0 hsmctl -o json key list payments
	[ "$(field '[.keys[].label | select(startswith("race-"))] | length')" = 8 ]
	in_sync
	for n in 1 2 3 4 5 6 7 8; do
		hsmctl -q key delete payments "race-$n" --yes >/dev/null
	done
}

@test "a label is taken exactly, or refused with the limit or the character" {
	long=$(printf 'x%.0s' {1..255})
	for label in "$long" 'two words, ä' "it's \"quoted\""; do
		expect 0 hsmctl -o json key generate payments --type aes-128 --label "$label"
		[ "$(field .label)" = "$label" ]
		expect 0 hsmctl -o json key show payments "$label"
		[ "$(field .label)" = "$label" ]
		expect 0 hsmctl -q key delete payments "$label" --yes
	done
	expect 2 hsmctl key generate payments --type aes-128 --label "${long}y"
	says "at most 255 bytes, this one has 256"
	for label in $'a\tb' $'a\x7f' $'a\xff' $'a\n'; do
		expect 2 hsmctl key generate payments --type aes-128 --label "$label"
		says "byte 2 of the label"
	done
	expect 2 hsmctl key generate payments --type aes-128 --label $'a\tb'
	says "0x09"
	[ "$(keys)" = 2 ]
}

@test "keys that others made are found by whatever label they have" {
	long=$(printf 'y%.0s' {1..300})
	behind hsm-west-1 --keygen --key-type AES:16 --label $'tab\there' --id 5353 --sensitive --extractable >/dev/null 2>&1
	behind hsm-west-1 --keygen --key-type AES:16 --label "$long" --id 5454 --sensitive --extractable >/dev/null 2>&1
	expect 3 hsmctl -o json verify payments
	[ "$(field '[.findings[].key.label] | sort | .[1]')" = "$long" ]
	expect 0 hsmctl sync payments
	for label in $'tab\there' "$long"; do
		expect 0 hsmctl -o json key show payments "$label"
		[ "$(field .label)" = "$label" ]
		expect 0 hsmctl -o json partition contents hsm-east-1
		field '.objects[].label' | grep -qxF "$label"
		expect 0 hsmctl key delete payments "$label" --yes
	done
	expect 6 hsmctl key show payments 'tab?here'
	[ "$(keys)" = 2 ]
}

@test "an id is read in either case, named when nothing has it, and refused when it is none" {
	id=$(id_of a-ec-p256)
	expect 0 hsmctl key show payments a-ec-p256 --id "${id^^}"
	expect 6 hsmctl key show payments a-ec-p256 --id 0C0C
	says "no key 'a-ec-p256' with id '0C0C' in group 'payments'"
	for id in xy 123 ''; do
		expect 2 hsmctl key show payments a-ec-p256 --id "$id"
		says "'$id' is no id"
	done
}

@test "generate takes the label as a word too, once" {
	expect 0 hsmctl -o json key generate payments by-word --type aes-128
	[ "$(field .label)" = by-word ]
	expect 2 hsmctl key generate payments by-word --label by-word --type aes-128
	says "not both"
	hsmctl -q key delete payments by-word --yes >/dev/null
}

@test "keys are listed by label, with the members that lack each and those not asked" {
	behind hsm-west-1 --delete-object --type secrkey --id "$(id_of a-aes-256)"
	crash hsm-east-2
	expect 0 hsmctl -o json key list payments
	is_valid
	[ "$(field '.keys[] | "\(.label) \(.replicas) \(.missing_on | join(","))"')" = \
		"$(printf 'a-aes-256 2 hsm-west-1\na-ec-p256 3 ')" ]
	[ "$(field '.not_asked | join(",")')" = hsm-east-2 ]
	expect 0 hsmctl key list payments
	[[ ${lines[0]} == *'MISSING ON' && ${lines[1]} == a-aes-256*hsm-west-1 && ${lines[2]} == a-ec-p256*- ]]
	says "away, so not asked: 'hsm-east-2'"
	for label in z m-1 m; do
		own_key $label aes-128
	done
	expect 0 hsmctl -o json key list payments
	[ "$(field '[.keys[].label] | join(" ")')" = "a-aes-256 a-ec-p256 m m-1 z" ]
	for label in z m-1 m; do
		hsmctl -q key delete payments $label --yes >/dev/null
	done
	all_well
}

@test "-v tells the store, its revision and each member's part; HSMCTL_DEBUG each call, without a PIN" {
	revision=$(jq .revision "$HSMCTL_STORE/fleet.json")
	expect 0 hsmctl -v key generate payments --label told --type aes-128
	says "$HSMCTL_STORE/fleet.json: revision $revision of fleet 'two-regions'"
	for device in $DEVICES; do
		says "'$device' is connected"
		grep -qE "'$device' (made the key|has a replica)" <<<"$stderr"
	done
	crash hsm-west-2
	expect 0 hsmctl -v key delete payments told --yes
	says "cannot reach 'hsm-west-2'"
	says "'hsm-west-1' took the write"
	hsmctl -q device start --all >/dev/null
	expect 0 hsmctl -v sync payments
	says "'hsm-west-2': delete 'told'"
	HSMCTL_DEBUG=member expect 0 hsmctl key list payments
	says "hsm-west-2: C_Login: 0x0"
	[[ $stderr != *"$(cat "$HSMCTL_STORE/secrets/user.pin")"* ]]
	HSMCTL_DEBUG=member HSMCTL_LOG=$BATS_TEST_TMPDIR/log expect 0 hsmctl key list payments
	[ -z "$stderr" ]
	grep -q C_Login "$BATS_TEST_TMPDIR/log"
}

@test "a group nobody knows is not found, by any verb" {
	for line in "generate nope --type ec-p256 --label x" "list nope" "show nope x" "delete nope x --yes"; do
		# shellcheck disable=SC2086
		expect 6 hsmctl key $line
		says "no group 'nope'"
		says "hsmctl ha list"
	done
}

@test "deleting needs --yes where nobody can be asked, and a key" {
	expect 2 hsmctl key delete payments a-ec-p256 </dev/null
	says "--yes"
	[ "$(keys)" = 2 ]
	expect 6 hsmctl key delete payments nothing --yes
	says "no key 'nothing'"
}

@test "a deleted key is gone from every member, with its public half" {
	own_key short rsa-2048
	id=$(id_of short)
	expect 0 hsmctl -o json key delete payments short --yes
	is_valid
	[ "$(field .label)" = short ]
	for device in $DEVICES; do
		lacks "$device" "ID: *$id"
	done
	expect 6 hsmctl key show payments short
	in_sync
	own_key short
	[ "$(id_of short)" != "$id" ]
	hsmctl -q key delete payments short --yes >/dev/null
}

@test "two keys of one label are told apart with --id" {
	own_key twin
	own_key other
	first=$(id_of twin)
	second=$(id_of other)
	PIN=$(cat "$HSMCTL_STORE/secrets/user.pin") \
		MODULE=$BUILD/lib/pkcs11/hsmctl-pkcs11.so "$BUILD/tests/slot/keys" relabel other twin
	expect 2 hsmctl key delete payments twin --yes
	says "2 keys are called 'twin'"
	says "--id"
	expect 2 hsmctl key show payments twin
	expect 6 hsmctl key delete payments twin --id 0c0c --yes
	expect 0 hsmctl key delete payments twin --id "$first" --yes
	[ "$(id_of twin)" = "$second" ]
	expect 0 hsmctl key delete payments twin --yes
	in_sync
}

@test "with too few members up a key is neither made nor deleted, and nothing is left behind" {
	before=$(objects hsm-east-1)
	for device in hsm-east-2 hsm-west-1 hsm-west-2; do
		crash $device
	done
	expect 7 hsmctl key generate payments --type ec-p256 --label few
	says "the policy needs 2"
	says "hsmctl status payments"
	expect 7 hsmctl -o json key delete payments a-ec-p256 --yes
	is_valid
	expect 0 hsmctl -o json key list payments
	[ "$(field '[.keys[].replicas] | unique | join(",")')" = 1 ]
	[ "$(objects hsm-east-1)" = "$before" ]
	all_well
	[ "$(keys)" = 2 ]
}

@test "with no member up nothing is listed" {
	hsmctl -q device stop --all >/dev/null
	expect 7 hsmctl key list payments
	says "no member of 'payments' can be reached"
	all_well
}

@test "a key is made and deleted while a minority is down" {
	crash hsm-west-2
	expect 0 hsmctl -o json key generate payments --type ec-p256 --label three
	is_valid
	[ "$(field '"\(.replicas) \(.missing_on | join(","))"')" = "3 hsm-west-2" ]
	says "the key is not yet on 'hsm-west-2'"
	expect 0 hsmctl -o json key delete payments a-aes-256 --yes
	is_valid
	[ "$(field '"\(.replicas) \(.still_on | join(","))"')" = "3 hsm-west-2" ]
	says "the key is still on 'hsm-west-2'"
	expect 0 hsmctl -q key delete payments a-ec-p256 --yes
	[ -z "$stderr" ]
	own_key a-ec-p256
	all_well
	[ "$(keys)" = 2 ]
	expect 6 hsmctl key show payments a-aes-256
	[ "$(hsmctl -o json key show payments three | jq .replicas)" = 4 ]
}

@test "a wrong PIN is tried on one member, once a command" {
	mv "$HSMCTL_STORE/secrets/user.pin" "$HSMCTL_STORE/secrets/kept"
	install -m 600 /dev/null "$HSMCTL_STORE/secrets/user.pin"
	printf 000000 >"$HSMCTL_STORE/secrets/user.pin"
	before=$(wrong_pins) || true
	for line in "list payments" "generate payments --type ec-p256 --label x" "delete payments three --yes"; do
		# shellcheck disable=SC2086
		expect 5 hsmctl key $line
		says PIN_INCORRECT
	done
	after=$(wrong_pins)
	mv "$HSMCTL_STORE/secrets/kept" "$HSMCTL_STORE/secrets/user.pin"
	[ "$after" -eq $((before + 3)) ]
	[ "$(grep -l 'wrong PIN' "$HSMCTL_STORE"/appliances/*/appliance.log | wc -l)" -eq 1 ]
	in_sync
}

@test "generate that is killed at any moment can be run again, and looks well meanwhile" {
	seed
	killed=0
	within=40
	for n in 1 2 3 4 5 6 7 8; do
		if kill_midway hsmctl key generate payments --type ec-p256 --label "g$n"; then
			killed=$((killed + 1))
			if hsmctl -q key show payments "g$n" >/dev/null 2>&1; then
				expect 0 hsmctl sync payments
			else
				# Its lease runs: it may be at work still.
				in_sync
				own_key "g$n"
			fi
		fi
		expect 0 hsmctl key show payments "g$n"
	done
	[ $killed -gt 0 ]
	all_well
}

@test "delete that is killed at any moment can be run again" {
	seed
	killed=0
	within=40
	for n in 1 2 3 4 5 6 7 8; do
		if kill_midway hsmctl key delete payments "g$n" --yes; then
			killed=$((killed + 1))
			hsmctl -q key delete payments "g$n" --yes >/dev/null 2>&1 || [ $? -eq 6 ]
		fi
		expect 6 hsmctl key show payments "g$n"
	done
	[ $killed -gt 0 ]
	all_well
	for n in 1 2 3 4 5 6 7 8; do
		expect 6 hsmctl key show payments "g$n"
	done
}
