#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What only a person, a later version or nobody can mend is named and left alone; what a tear leaves is mended.
load ../cli/helper
load ../cli/fleet
load signer

setup_file() {
	own_fleet
	own_group
	# The group's own: the domain key and the transport pair by which it comes.
	ls "$HSMCTL_STORE"/appliances/hsm-west-1/tokens/*/*.object >"$HOME/own"
	own_key signing-1
	own_key tls-1 rsa-2048
	own_key wrap-1 aes-256
	own_key mac-1 hmac-sha256
	PIN=$(cat "$HSMCTL_STORE/secrets/user.pin")
	MODULE=$BUILD/lib/pkcs11/hsmctl-pkcs11.so
	export PIN MODULE
}

teardown_file() {
	end_fleet
}

# All that the members hold, by digest; the name of an object's file says nothing.
contents() {
	find "$HSMCTL_STORE"/appliances/*/tokens -name '*.object' ! -name token.object -exec sha256sum {} + |
		sed -E 's,(/tokens/.*/).*,\1,' | sort
}

# What a sync says of a member, as JSON.
member() {
	field ".members[] | select(.name == \"$1\") | $2"
}

@test "a member with another domain key is named, and neither gives nor takes" {
	domain=$(jq -r '.groups[0].domain' "$HSMCTL_STORE/fleet.json")
	behind hsm-east-1 --delete-object --type secrkey --id "$domain"
	behind hsm-east-1 --keygen --key-type AES:32 --label "hsmctl domain" --id "$domain" --sensitive --extractable \
		--usage-wrap >/dev/null 2>&1
	expect 3 hsmctl -o json verify payments
	is_valid
	[ "$(field '[.findings[] | "\(.kind) \(.member)"] | join(",")')" = "domain_other hsm-east-1" ]
	expect 3 hsmctl -o json sync payments
	is_valid
	[ "$(field '.conflicts[0] | "\(.kind) \(.member)"')" = "domain_other hsm-east-1" ]
	[[ $(field '.conflicts[0].reason') == *"hsmctl ha create"* ]]
	[ "$(field '.skipped | length')" = 0 ]
	[ "$(member hsm-east-1 .behind)" = false ]
	# What the others lack they get from each other, what it lacks it does not get.
	id=$(id_of wrap-1)
	behind hsm-west-2 --delete-object --type secrkey --id "$id"
	behind hsm-east-1 --delete-object --type secrkey --id "$id"
	expect 3 hsmctl -o json sync payments
	[ "$(field .copied)" = 1 ]
	[ "$(field '[.skipped[] | "\(.kind) \(.member)"] | join(",")')" = "missing hsm-east-1" ]
	[ "$(member hsm-east-1 .behind) $(member hsm-west-2 .behind)" = "true false" ]
	lists hsm-west-2 "ID: *$id"
	lacks hsm-east-1 "ID: *$id"
	# A person decides that it goes.
	behind hsm-east-1 --delete-object --type secrkey --id "$domain"
	expect 0 hsmctl sync payments
	in_sync
}

# DEVICE UID: a record as a later version would write it, in place of the one that is there.
write_later() {
	local record=$BATS_TEST_TMPDIR/record
	behind "$1" --read-object --type data --label "hsmctl record $2" --application-label hsmctl -o "$record" >/dev/null 2>&1
	/usr/bin/python3 - "$record" <<-'PROGRAM'
		import hashlib, sys
		with open(sys.argv[1], "r+b") as file:
		    value = bytearray(file.read()[:-32])
		    assert value[:13] == b"hsmctl-record" and value[13] == 1
		    value[13] = 2
		    value += b"and more"
		    file.seek(0)
		    file.write(value + hashlib.sha256(value).digest())
	PROGRAM
	behind "$1" --delete-object --type data --label "hsmctl record $2" >/dev/null 2>&1
	behind "$1" --write-object "$record" --type data --label "hsmctl record $2" --application-label hsmctl --private \
		>/dev/null 2>&1
}

@test "a key whose record a later version wrote is neither adopted nor destroyed" {
	own_key theirs aes-256
	id=$(id_of theirs)
	mkdir "$BATS_TEST_TMPDIR/before"
	for device in $DEVICES; do
		behind "$device" --read-object --type data --label "hsmctl record $id" --application-label hsmctl \
			-o "$BATS_TEST_TMPDIR/before/$device" >/dev/null 2>&1
		write_later "$device" "$id"
	done
	before=$(contents)
	expect 7 hsmctl -o json verify payments
	is_valid
	[ "$(field .verdict)" = unknown ]
	[ "$(field '[.findings[].kind] | unique | join(",")')" = not_understood ]
	expect 7 hsmctl -o json sync payments
	is_valid
	[ "$(field '[.left[].kind] | join(",")')" = not_understood,not_understood,not_understood,not_understood ]
	[ "$(field '.copied + .deleted + .repaired + .adopted')" = 0 ]
	[ "$(contents)" = "$before" ]
	# Where one alone has it the others' is no help to write it.
	for device in hsm-east-1 hsm-east-2 hsm-west-1; do
		behind "$device" --delete-object --type data --label "hsmctl record $id" >/dev/null 2>&1
		behind "$device" --write-object "$BATS_TEST_TMPDIR/before/$device" --type data --label "hsmctl record $id" \
			--application-label hsmctl --private >/dev/null 2>&1
	done
	expect 0 hsmctl -q key delete payments theirs --yes
	run --separate-stderr hsmctl sync payments
	lists hsm-west-2 "ID: *$id"
	behind hsm-west-2 --delete-object --type data --label "hsmctl record $id" >/dev/null 2>&1
	expect 0 hsmctl sync payments
	lacks hsm-west-2 "ID: *$id"
	in_sync
}

# Objects of keys and records on hsm-west-1: "SIZE PLACE FILE", the largest first; where CKA_EXTRACTABLE begins, or 0.
# What earlier cuts left, and the token does not list, is no object.
objects() {
	/usr/bin/python3 - "$HOME/own" "$HSMCTL_STORE"/appliances/hsm-west-1/tokens/*/*.object <<-'PROGRAM' | sort -rn
		import struct, sys
		own = open(sys.argv[1]).read().split("\n")
		for name in sys.argv[2:]:
		    data, at, place = open(name, "rb").read(), 8, 0
		    if name in own or name.endswith("token.object"):
		        continue
		    try:
		        while at < len(data):
		            attribute, kind = struct.unpack_from(">QQ", data, at)
		            place = at if attribute == 0x162 else place
		            size = struct.unpack_from(">Q", data, at + 16)[0] if kind != 1 else 0
		            at += 16 + {1: 1, 2: 8, 3: 8 + size, 4: 8 + size, 5: 8 + 8 * size}[kind]
		    except (struct.error, KeyError):
		        continue
		    if at == len(data):
		        print(len(data), place, name)
	PROGRAM
}

# LENGTH FILE: hsm-west-1 stops, comes back with that much of the file, and is put right by one sync.
heals() {
	hsmctl -q device stop hsm-west-1 >/dev/null
	truncate -s "$1" "$2"
	hsmctl -q device start hsm-west-1 >/dev/null
	run --separate-stderr hsmctl -o json verify payments
	is_valid
	[ "$status" -eq 0 ] || [ "$(field '[.findings[].member] | unique | join(",")')" = hsm-west-1 ] ||
		fail "blames somebody else"
	hsmctl -q sync payments >/dev/null 2>&1 || hsmctl sync payments >&2 || fail "cut at $1: $2"
	in_sync
}

@test "an object that lost that it can be given away is replaced from another member" {
	[ "$(objects | awk '$2' | wc -l)" -eq 4 ]
	for n in 1 2 3 4; do
		read -r size place file < <(objects | awk '$2' | sed -n ${n}p)
		echo "$file: $place of $size"
		heals "$place" "$file"
		# As far as the whole of the attribute, less a byte.
		read -r size place file < <(objects | awk '$2' | sed -n ${n}p)
		heals $((place + 16)) "$file"
	done
}

@test "an object that is cut at any length is put right by one sync" {
	seed
	for turn in $(seq 24); do
		count=$(objects | wc -l)
		read -r size _ file < <(objects | sed -n $((turn % count + 1))p)
		cut=$(((RANDOM * 32768 + RANDOM) % size))
		echo "$turn. $file: $cut of $size"
		heals $cut "$file"
	done
}

@test "where policy lets keys stay, one that stays keeps no member from serving again" {
	change_document '.groups[0].policy = {min_members: 1, min_datacenters: 1, allow_unreplicated: true}'
	expect 0 hsmctl key generate payments --type ed25519 --label stays
	expect 0 hsmctl -o json verify payments
	is_valid
	[ "$(field .verdict)" = in_sync ]
	[ "$(field '[.findings[].kind] | unique | join(",")')" = not_replicable ]
	[ "$(field '.findings | length')" = 3 ]
	[[ $(field '.findings[0].detail') == *"policy allows"* ]]
	expect 0 hsmctl -o json sync payments
	is_valid
	[ "$(field '.left | length')" = 3 ]
	[ "$(field '[.members[].behind] | any')" = false ]
	export HSMCTL_LOG=$BATS_TEST_TMPDIR/log
	begin_signer
	signer
	for device in hsm-east-1 hsm-west-1; do
		crash "$device"
		signer
		until_true grep -q "member '$device' of 'payments' is down" "$HSMCTL_LOG"
		hsmctl -q device start "$device" >/dev/null
		until_true grep -q "member '$device' of 'payments' serves again" "$HSMCTL_LOG"
	done
	end_signer
	unset HSMCTL_LOG
	# The policy changes its mind: then it is what is wrong.
	change_document '.groups[0].policy.allow_unreplicated = false'
	expect 3 hsmctl -o json verify payments
	[[ $(field '.findings[0].detail') == *"policy wants"* ]]
	expect 0 hsmctl -q key delete payments stays --yes
	change_document 'del(.groups[0].policy)'
	expect 0 hsmctl -q sync payments
	in_sync
}

@test "a member that lost its transport key gets another, and the store pins it" {
	own_key carried aes-128
	before=$(jq -r '.groups[0].members[1].transport' "$HSMCTL_STORE/fleet.json")
	behind hsm-east-2 --delete-object --type privkey --label "hsmctl transport" >/dev/null 2>&1
	expect 3 hsmctl -o json verify payments
	[ "$(field '[.findings[] | "\(.kind) \(.member)"] | join(",")')" = "transport hsm-east-2" ]
	expect 0 hsmctl sync payments
	in_sync
	after=$(jq -r '.groups[0].members[1].transport' "$HSMCTL_STORE/fleet.json")
	[[ $after =~ ^[0-9a-f]{64}$ && $after != "$before" ]]
	expect 0 hsmctl audit show
	[[ $output == *"hsm-east-2 has another transport key"* ]]
	# By which the domain key comes, should that be lost.
	behind hsm-east-2 --delete-object --type secrkey --label "hsmctl domain" >/dev/null 2>&1
	expect 0 hsmctl sync payments
	in_sync
}
