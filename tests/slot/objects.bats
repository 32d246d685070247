#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Objects of every class on real appliances: those that a session has for itself, whoever is lost, and those that the group
# keeps, by a client that is not ours.
load ../cli/helper
load ../cli/fleet

setup_file() {
	own_fleet
	own_group
	own_application
}

teardown_file() {
	end_fleet
}

objects() {
	"$BUILD/tests/slot/objects" "$@"
}

passes() {
	expect 0 "$@"
	[ -z "$output$stderr" ] || fail "not silent"
}

# The crowd uses keys of its sessions until the test says so; what it did is in the file "out".
begin_crowd() {
	objects crowd "$BATS_TEST_TMPDIR/enough" >"$BATS_TEST_TMPDIR/out" 2>&1 &
	crowd=$!
	until_true grep -q serving "$BATS_TEST_TMPDIR/out"
}

end_crowd() {
	touch "$BATS_TEST_TMPDIR/enough"
	wait $crowd || fail "$(cat "$BATS_TEST_TMPDIR/out")"
	grep -q ' 0 failed' "$BATS_TEST_TMPDIR/out"
}

@test "keys of sessions serve while each member in turn is killed, and none fails" {
	begin_crowd
	for device in $DEVICES; do
		crash "$device"
		hsmctl -q ha show payments >/dev/null || true
		hsmctl -q device start "$device" >/dev/null
		hsmctl -q ha show payments >/dev/null
	done
	end_crowd
	all_well
}

@test "keys of sessions serve while each member in turn hangs, and none fails" {
	begin_crowd
	each_member_hangs
	end_crowd
	all_well
}

@test "keys of sessions go on when all members were killed and started again" {
	coproc app { objects paused 2>&1; }
	read -rt 30 line <&"${app[0]}"
	[ "$line" = made ] || fail "$line"
	# shellcheck disable=SC2154
	exec {to}>&"${app[1]}" {from}<&"${app[0]}"
	for device in $DEVICES; do
		crash "$device"
	done
	hsmctl -q device start --all >/dev/null
	echo >&"$to"
	exec {to}>&-
	wait "$app_PID" || fail "$(cat <&"$from")"
	exec {from}<&-
	all_well
}

@test "a session with many keys ends though a member hangs" {
	coproc app { timeout 60 "$BUILD/tests/slot/objects" closed 2>&1; }
	read -rt 30 line <&"${app[0]}"
	[ "$line" = made ] || fail "$line"
	exec {to}>&"${app[1]}" {from}<&"${app[0]}"
	stopped=()
	for device in hsm-east-1 hsm-east-2; do
		stopped+=("$(daemon "$device")")
	done
	kill -STOP "${stopped[@]}"
	echo >&"$to"
	exec {to}>&-
	wait "$app_PID" || { kill -CONT "${stopped[@]}"; fail "$(cat <&"$from")"; }
	kill -CONT "${stopped[@]}"
	exec {from}<&-
	all_well
}

@test "what was unwrapped is as the template of the key says that unwrapped it" {
	passes objects templates
	in_sync
}

@test "a certificate, data and a key are read byte for byte by another process, from any member" {
	passes objects make
	passes objects read
	in_sync
	for device in $DEVICES; do
		for other in $DEVICES; do
			[ "$other" = "$device" ] || hsmctl -q device stop "$other" >/dev/null
		done
		passes objects read
		hsmctl -q device start --all >/dev/null
	done
	all_well
}

# FILE TYPE: read back it is the same.
is_read_back() {
	tool --read-object --type "$2" --label tool --output-file "$1.back" ${3+"$3" "$4"} >/dev/null 2>&1
	cmp "$1" "$1.back"
}

@test "pkcs11-tool writes, reads and deletes objects of every type" {
	cd "$BATS_TEST_TMPDIR"
	openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -subj /CN=tool -days 2 -outform DER -out cert 2>/dev/null
	openssl pkey -in key.pem -outform DER -out privkey 2>/dev/null
	openssl pkey -in key.pem -pubout -outform DER -out pubkey
	head -c 1000 /dev/urandom >data
	head -c 32 /dev/urandom >secrkey
	for type in cert privkey pubkey; do
		tool --write-object $type --type $type --label tool --id 0a0b >/dev/null 2>&1 || fail "write $type"
	done
	tool --write-object data --type data --label tool --application-label tool >/dev/null 2>&1
	tool --write-object secrkey --type secrkey --key-type AES:32 --label tool --id 0c0d --extractable >/dev/null 2>&1
	in_sync
	is_read_back cert cert
	is_read_back data data --application-label tool
	tool --read-object --type pubkey --label tool --output-file pubkey.back >/dev/null 2>&1
	cmp pubkey pubkey.back
	# What the private key signs the public one verifies.
	tool --sign --mechanism SHA256-RSA-PKCS --id 0a0b -i data -o signature 2>/dev/null
	openssl dgst -sha256 -verify pubkey -keyform DER -signature signature data
	for type in cert privkey pubkey secrkey; do
		id=0a0b
		[ $type = secrkey ] && id=0c0d
		tool --delete-object --type $type --id $id >/dev/null 2>&1 || fail "delete $type"
	done
	tool --delete-object --type data --label tool --application-label tool >/dev/null 2>&1
	expect 0 tool --list-objects
	[[ $output != *tool* ]] || fail "left behind"
	in_sync
}
