#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Tokens that were there before hsmctl: named, adopted, checked, used in groups, let go as they were.
load helper

PIN=12345678

setup() {
	own_store
	FLEET_FOLDER=$(mktemp -d /dev/shm/hsmctl-test-XXXXXX)
	export HSMCTL_STORE=$FLEET_FOLDER/store
	FLEET=$FLEET_FOLDER/fleet.json
	LIBRARY=${HSMCTL_SOFTHSM_LIBRARY:-/usr/lib/softhsm/libsofthsm2.so}
	(umask 077 && printf %s $PIN >"$FLEET_FOLDER/pin")
}
teardown() { end_fleet; }

conf() {
	echo "$FLEET_FOLDER/$1.conf"
}

# make_token PLACE LABEL: one more token in the place's folder.
make_token() {
	mkdir -p "$FLEET_FOLDER/$1"
	[ -f "$(conf "$1")" ] || printf 'directories.tokendir = %s\nobjectstore.backend = file\n' "$FLEET_FOLDER/$1" >"$(conf "$1")"
	SOFTHSM2_CONF=$(conf "$1") softhsm2-util --init-token --free --label "$2" --pin $PIN --so-pin 87654321 >/dev/null
}

# serial PLACE LABEL
serial() {
	SOFTHSM2_CONF=$(conf "$1") softhsm2-util --show-slots |
		awk -v label="$2" '$1 == "Serial" { serial = $3 } $1 == "Label:" && $2 == label { print serial }'
}

# write_existing PLACE... [-- FILTER]: device PLACE with the token PLACE in the folder PLACE.
write_existing() {
	local places=()
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		places+=("$1")
		shift
	done
	jq -n --arg library "$LIBRARY" --arg folder "$FLEET_FOLDER" '{name: "test",
		datacenters: $ARGS.positional | map({name: "dc-\(.)", region: "east", provider: "existing"}),
		devices: $ARGS.positional | map({name: ., datacenter: "dc-\(.)", partitions: [{name: .,
			uri: "pkcs11:token=\(.)", pin_source: "file:\($folder)/pin",
			link: {module: $library, environment: {SOFTHSM2_CONF: "\($folder)/\(.).conf"}}}]})
	}' --args "${places[@]}" | jq "${2:-.}" >"$FLEET"
}

change() {
	local text
	text=$(jq "$1" "$FLEET")
	printf '%s\n' "$text" >"$FLEET"
}

# tool PLACE LABEL ARGUMENTS...: a foreign client on the token itself.
tool() {
	SOFTHSM2_CONF=$(conf "$1") pkcs11-tool --module "$LIBRARY" --token-label "$2" --login --pin $PIN "${@:3}"
}

quietly() {
	hsmctl -q "$@" >/dev/null
}

# What stands on the token, as its files say it.
objects() {
	find "$FLEET_FOLDER/$1" -name '*.object' ! -name token.object -exec sha256sum {} + | sort
}

@test "plan says adopt, apply writes the serial down, and again there is nothing to change" {
	make_token luna luna
	write_existing luna
	expect 3 hsmctl provision plan "$FLEET" -o json
	is_valid
	[ "$(field '.changes[] | select(.kind == "adopt") | .subject')" = "device luna" ]
	before=$(objects luna)
	expect 0 hsmctl provision apply "$FLEET" -o json
	is_valid
	[ "$(field '.devices[0].state')" = adopted ]
	[ "$(jq -r '.devices[0].partitions[0].serial' "$HSMCTL_STORE/fleet.json")" = "$(serial luna luna)" ]
	[ "$(objects luna)" = "$before" ]
	[[ "$(hsmctl audit show -o json)" == *"adopt: existing token in dc-luna (region east), serial $(serial luna luna)"* ]]
	revision=$(jq .revision "$HSMCTL_STORE/fleet.json")
	expect 0 hsmctl provision apply "$FLEET"
	says "nothing to change"
	expect 0 hsmctl provision plan "$FLEET"
	[ "$(jq .revision "$HSMCTL_STORE/fleet.json")" = "$revision" ]
}

@test "device, partition and status speak of it as of any other" {
	make_token luna luna
	write_existing luna
	quietly provision apply "$FLEET"
	tool luna luna --keypairgen --key-type EC:prime256v1 --label theirs --id 01
	expect 0 hsmctl device list
	prints adopted
	expect 0 hsmctl device show luna -o json
	is_valid
	[ "$(field '.state + " " + .partitions[0].uri + " " + .partitions[0].library')" = "adopted pkcs11:token=luna $LIBRARY" ]
	expect 0 hsmctl partition list -o json
	is_valid
	expect 0 hsmctl partition show luna -o json
	is_valid
	[ "$(field .label)" = luna ]
	expect 0 hsmctl partition contents luna
	prints theirs
	expect 0 hsmctl status --check
}

@test "a device with several partitions, chosen by label, serial and slot, in the process and in a worker" {
	make_token box one
	make_token box two
	make_token box three
	slot=$(SOFTHSM2_CONF=$(conf box) softhsm2-util --show-slots | awk '$1 == "Slot" && $2 ~ /^[0-9]+$/ { slot = $2 } $1 == "Label:" && $2 == "three" { print slot }')
	write_existing box -- ".devices[0].partitions = [.devices[0].partitions[0] as \$p |
		(\$p + {name: \"a\", uri: \"pkcs11:token=one;model=SoftHSM%20v2\"}),
		(\$p + {name: \"b\", uri: \"pkcs11:serial=$(serial box two);manufacturer=SoftHSM%20project\"}),
		(\$p + {name: \"c\", uri: \"pkcs11:slot-id=$slot\", link: (\$p.link | .kind = \"module\" | del(.environment))})]"
	SOFTHSM2_CONF=$(conf box) expect 0 hsmctl provision apply "$FLEET"
	[ "$(jq -r '[.devices[0].partitions[].serial] | join(" ")' "$HSMCTL_STORE/fleet.json")" = \
		"$(serial box one) $(serial box two) $(serial box three)" ]
	expect 0 hsmctl partition show box/b -o json
	[ "$(field .label)" = two ]
}

@test "a URI that names no token, or not one alone, is told what there is" {
	make_token box one
	make_token box two
	write_existing box
	expect 1 hsmctl provision apply "$FLEET"
	says "no initialised token is as 'pkcs11:token=box'"
	says "'one' (serial $(serial box one))"
	says "'two' (serial $(serial box two))"
	change '.devices[0].partitions[0].uri = "pkcs11:manufacturer=SoftHSM%20project"'
	expect 1 hsmctl provision apply "$FLEET"
	says "2 tokens"
	says "name one by its serial"
	change 'del(.devices[0].partitions[0].uri)'
	expect 1 hsmctl provision apply "$FLEET"
	says "2 tokens"
	[ "$(jq '.devices | length' "$HSMCTL_STORE/fleet.json")" = 0 ]
	# One token needs no name.
	make_token luna luna
	write_existing luna -- 'del(.devices[0].partitions[0].uri)'
	expect 0 hsmctl provision apply "$FLEET" --yes
}

@test "what a document says wrong of a token is an error with its line and the way out" {
	local line
	while IFS=$'\t' read -r filter text hint; do
		write_existing luna -- "$filter"
		expect 2 hsmctl provision plan "$FLEET"
		says "$text"
		says "$hint"
		not grep -q 12345678 <<<"$stderr"
		[ "${filter#*.uri}" = "$filter" ] || {
			line=$(grep -n '"uri"' "$FLEET" | cut -d: -f1)
			says "$FLEET:$line: "
		}
	done <<'END'
.devices[0].partitions[0].uri = "pkcs11:token=luna;object=key"	no 'object'	token, serial, manufacturer
.devices[0].partitions[0].uri = "pkcs11:token=luna?pin-value=12345678"	a PIN does not belong into a URI	"pin_source": "file:PATH"
.devices[0].partitions[0].uri = "pkcs11:token=luna?pin-source=file:/x"	no 'pin-source'	"pin_source"
.devices[0].partitions[0].uri = "pkcs11:token=luna?module-path=/x.so"	no 'module-path'	into its link
.devices[0].partitions[0].uri = "pkcs11:tokn=luna"	unknown attribute 'tokn'	did you mean 'token'
.devices[0].partitions[0].uri = "luna"	does not begin with 'pkcs11:'	pkcs11:token=LABEL
.devices[0].partitions[0].uri = "pkcs11:slot-id=x"	'slot-id'	pkcs11:token=LABEL
.devices[0].partitions[0] += {uri: "pkcs11:serial=a", serial: "b"}	another serial	leave one of them out
.devices[0].partitions[0] += {uri: "pkcs11:slot-id=1", link: {kind: "tls", address: "127.0.0.1:1"}}	'slot-id'	leave it out
del(.devices[0].partitions[0].link)	has no link	"link": {"module"
del(.devices[0].partitions[0].pin_source)	has no pin_source	"pin_source": "file:/PATH"
.devices[0].partitions[0].so_pin_source = "file:/x"	so_pin_source	leave it out
.devices[0].module = "/x.so"	has a module	in the link
.datacenters[0].provider = "softhsm" | del(.devices[0].partitions[0].link)	has a uri	'existing'
END
}

@test "a wrong PIN is tried once and not told, and what the store has stays when an update fails" {
	make_token luna luna
	write_existing luna
	printf %s 11111111 >"$FLEET_FOLDER/pin"
	expect 1 hsmctl provision apply "$FLEET" -o json
	is_valid
	[ "$(field '.failures[0].code')" = pin ]
	[[ "$(field '.failures[0].message')" == *"which was tried once"* ]]
	not grep -q 11111111 <<<"$output$stderr"
	[ "$(jq '.devices | length' "$HSMCTL_STORE/fleet.json")" = 0 ]
	printf %s $PIN >"$FLEET_FOLDER/pin"
	expect 0 hsmctl provision apply "$FLEET"
	change '.devices[0].partitions[0].pin_source = "file:/nonexistent"'
	expect 1 hsmctl provision apply "$FLEET"
	says /nonexistent
	[ "$(jq -r '.devices[0].partitions[0].pin_source' "$HSMCTL_STORE/fleet.json")" = "file:$FLEET_FOLDER/pin" ]
}

@test "a token that locks itself at the next wrong PIN is shown none, in a worker and in the process" {
	local kind
	LIBRARY=$BUILD/tests/fake/shim.so
	make_token luna luna
	export SOFTHSM2_CONF
	SOFTHSM2_CONF=$(conf luna)
	for kind in worker module; do
		write_existing luna -- ".devices[0].partitions[0].link.kind = \"$kind\" |
			if \"$kind\" == \"module\" then del(.devices[0].partitions[0].link.environment) else . end"
		expect 0 hsmctl provision apply "$FLEET"
		hsmctl -q ha create "of-$kind" --member luna >/dev/null
		printf %s 11111111 >"$FLEET_FOLDER/pin"
		expect 5 hsmctl verify "of-$kind"
		says CKR_PIN_INCORRECT
		echo C_GetTokenInfo last-try >"$FLEET_FOLDER/faults"
		expect 7 hsmctl verify "of-$kind"
		prints CKR_PIN_LOCKED
		rm "$FLEET_FOLDER/faults"
		printf %s $PIN >"$FLEET_FOLDER/pin"
		expect 0 hsmctl verify "of-$kind"
		hsmctl -q ha delete "of-$kind" --yes >/dev/null
		hsmctl -q device decommission luna --yes >/dev/null
	done
}

@test "a token without a user PIN, or without what carries keys, is refused with what is missing" {
	make_token luna luna
	rm -rf "$FLEET_FOLDER/luna"/*
	SOFTHSM2_CONF=$(conf luna) pkcs11-tool --module "$LIBRARY" --slot-index 0 --init-token --label luna --so-pin 87654321
	write_existing luna
	expect 1 hsmctl provision apply "$FLEET"
	says "has no user PIN"
	make_token poor poor
	echo 'slots.mechanisms = -CKM_MD5,CKM_RSA_PKCS_OAEP,CKM_AES_KEY_GEN' >>"$(conf poor)"
	write_existing poor
	expect 1 hsmctl provision apply "$FLEET" --yes
	says "lacks what keys are carried by: CKM_AES_KEY_GEN, CKM_RSA_PKCS_OAEP"
	write_existing poor -- '.devices[0].partitions[0].link.module = "/nonexistent.so"'
	expect 1 hsmctl provision apply "$FLEET" --yes
	says "no PKCS#11 library '/nonexistent.so'"
}

@test "another token in its place is refused and told, also when the document says its serial" {
	make_token luna luna
	write_existing luna
	quietly provision apply "$FLEET"
	old=$(serial luna luna)
	rm -rf "$FLEET_FOLDER/luna"/*
	make_token luna luna
	expect 3 hsmctl provision plan "$FLEET"
	prints "cannot be looked at"
	expect 1 hsmctl provision apply "$FLEET"
	says "is another one now: 'luna' with serial $(serial luna luna), not $old"
	says "device decommission luna"
	[ "$(jq -r '.devices[0].partitions[0].serial' "$HSMCTL_STORE/fleet.json")" = "$old" ]
	change ".devices[0].partitions[0].serial = \"$(serial luna luna)\""
	expect 6 hsmctl provision apply "$FLEET"
	says "was adopted with the serial '$old'"
	quietly device decommission luna --yes
	expect 0 hsmctl provision apply "$FLEET"
}

@test "one token is not adopted twice" {
	make_token luna luna
	write_existing luna other -- '.devices[1].partitions[0] = (.devices[0].partitions[0] | .name = "other")'
	expect 1 hsmctl provision apply "$FLEET"
	says "is partition 'luna/luna' already"
	[ "$(jq -r '[.devices[].name] | join(" ")' "$HSMCTL_STORE/fleet.json")" = luna ]
}

@test "start, stop, and drills are refused, and --all means the others" {
	make_token luna luna
	write_existing luna
	quietly provision apply "$FLEET"
	for verb in start stop; do
		expect 1 hsmctl device $verb luna
		says "is an existing token: it is not ours to start or stop"
		says "partition show luna"
		expect 0 hsmctl device $verb --all
	done
	quietly ha create pay --member luna
	quietly key generate pay --type ec-p256 --label signing
	expect 1 hsmctl drill run member-crash --group pay --target luna --duration 3s
	says "what serves it is not ours to break"
}

@test "whichever way it leaves the fleet, the token keeps what is on it" {
	make_token luna luna
	make_token nshield nshield
	tool luna luna --keypairgen --key-type EC:prime256v1 --label theirs --id 01
	before=$(objects luna)
	write_existing luna nshield
	quietly provision apply "$FLEET"
	cp "$FLEET" "$FLEET_FOLDER/both.json"

	change 'del(.devices[0])'
	expect 3 hsmctl provision plan "$FLEET" -o json
	is_valid
	[ "$(field '.changes[] | select(.kind == "release") | .subject')" = "device luna" ]
	expect 0 hsmctl provision apply "$FLEET"
	says "device luna: left the fleet; its token and what is on it were not touched"
	[ "$(jq -r '[.devices[].name] | join(" ")' "$HSMCTL_STORE/fleet.json")" = nshield ]

	quietly provision apply "$FLEET_FOLDER/both.json"
	expect 2 hsmctl device decommission luna
	says "Its token and keys stay as they are"
	expect 0 hsmctl device decommission luna --yes
	says "its token (serial $(serial luna luna)) and what is on it were not touched"

	quietly provision apply "$FLEET_FOLDER/both.json"
	mkdir -p "$HSMCTL_STORE/secrets"
	cp "$FLEET_FOLDER/pin" "$HSMCTL_STORE/secrets/theirs.pin"
	jq ".devices[].partitions[].pin_source = \"file:$HSMCTL_STORE/secrets/theirs.pin\"" "$FLEET_FOLDER/both.json" >"$FLEET"
	quietly provision apply "$FLEET"
	expect 2 hsmctl provision destroy
	says "release 2 that were there before, whose tokens stay as they are"
	expect 0 hsmctl provision destroy --yes
	says "luna: left the fleet; its token"
	[ "$(jq '.devices | length' "$HSMCTL_STORE/fleet.json")" = 0 ]
	# Nobody else has the PIN.
	[ "$(cat "$HSMCTL_STORE/secrets/theirs.pin")" = $PIN ]
	[ "$(objects luna)" = "$before" ]
	tool luna luna --list-objects | grep -q theirs
}

# Two existing tokens and an appliance.
mixed_group() {
	make_token luna luna
	make_token nshield nshield
	tool luna luna --keypairgen --key-type EC:prime256v1 --label theirs --id 01
	tool luna luna --keygen --key-type AES:32 --label theirs-too --id 02 --extractable
	theirs=$(objects luna)
	write_existing luna nshield -- ".datacenters += [{name: \"dc-3\", region: \"west\", provider: \"softhsm\"}] |
		.devices += [{name: \"hsm-3\", datacenter: \"dc-3\", partitions: [{name: \"hsm-3\", pin_source: \"file:$FLEET_FOLDER/pin\"}]}]"
	quietly provision apply "$FLEET"
	quietly ha create pay --member luna --member nshield --member hsm-3
	quietly key generate pay --type ec-p256 --label signing
	quietly key generate pay --type aes-256 --label wrapping
}

# Everything of the owner's is there, byte by byte.
theirs_stand() {
	[ "$(comm -23 <(echo "$theirs") <(objects luna))" = "" ]
}

@test "existing tokens and an appliance form a group; keys of the tokens' own are left alone" {
	mixed_group
	expect 0 hsmctl verify pay -o json
	is_valid
	[ "$(field '.verdict + " \(.keys) \(.proofs.passed)"')" = "in_sync 2 6" ]
	[ "$(field '[.findings[] | .kind + " " + .member] | unique | join(",")')" = "extra luna" ]
	expect 0 hsmctl sync pay
	expect 0 hsmctl sync pay -o json
	theirs_stand
	not grep -q theirs <<<"$(tool nshield nshield --list-objects)"
	module=$BUILD/lib/pkcs11/hsmctl-pkcs11.so
	head -c 32 /dev/zero >"$FLEET_FOLDER/digest"
	expect 0 pkcs11-tool --module "$module" --token-label pay --login --pin $PIN --list-objects
	prints signing
	not grep -q theirs <<<"$output"
	id=$(hsmctl -o json key show pay signing | jq -r .id)
	expect 0 pkcs11-tool --module "$module" --token-label pay --login --pin $PIN --sign -m ECDSA --id "$id" \
		--input-file "$FLEET_FOLDER/digest" --output-file "$FLEET_FOLDER/signature"
	[ -s "$FLEET_FOLDER/signature" ]
	# What serves in a group does not leave.
	expect 1 hsmctl device decommission luna --yes
	says "serves in group 'pay'"
	quietly ha delete pay --yes
	theirs_stand
}

@test "the example is a document that can be planned" {
	expect 3 hsmctl provision plan "$ROOT/examples/existing.json" -o json
	is_valid
	[ "$(field '[.changes[] | select(.kind == "adopt")] | length')" = 2 ]
}

@test "a token that serves in another fleet's group is not taken over" {
	make_token luna luna
	write_existing luna
	quietly provision apply "$FLEET"
	quietly ha create pay --member luna
	expect 1 hsmctl --store "$FLEET_FOLDER/other" provision apply "$FLEET"
	says "holds the domain key of a group"
	expect 0 hsmctl verify pay
}

@test "an appliance that another host runs is adopted across the network" {
	jq -n '{name: "far", datacenters: [{name: "dc", region: "east", provider: "softhsm"}],
		devices: [{name: "hsm", datacenter: "dc"}]}' >"$FLEET"
	quietly --store "$FLEET_FOLDER/far" provision apply "$FLEET"
	far=$FLEET_FOLDER/far
	write_existing luna -- "$(jq -c '.devices[0].partitions[0].link' "$far/fleet.json") as \$link |
		.devices[0].partitions[0] += {link: \$link, uri: \"pkcs11:token=hsm\", pin_source: \"file:$far/secrets/user.pin\"}"
	expect 1 hsmctl provision apply "$FLEET"
	says "put ca.pem, admin.pem and admin.key of that into $HSMCTL_STORE/pki"
	mkdir -m 700 "$HSMCTL_STORE/pki"
	cp "$far"/pki/ca.pem "$far"/pki/admin.* "$HSMCTL_STORE/pki/"
	expect 0 hsmctl provision apply "$FLEET"
	expect 0 hsmctl status --check
	[ "$(jq -r '.devices[0].partitions[0].serial' "$HSMCTL_STORE/fleet.json")" = \
		"$(jq -r '.devices[0].partitions[0].serial' "$far/fleet.json")" ]
	expect 1 hsmctl device stop luna
	quietly device decommission luna --yes
	change '.devices[0].partitions[0].uri = "pkcs11:token=other"'
	expect 1 hsmctl provision apply "$FLEET"
	says "serves the token 'hsm'"
	expect 0 hsmctl --store "$far" status --check
}
