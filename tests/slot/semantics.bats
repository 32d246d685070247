#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The slot of a group behaves as one token. The same probes are put to SoftHSM and to it; where they answer otherwise is
# listed in semantics.permitted, with the reason; each line of it is true.
load ../cli/helper
load ../cli/fleet

setup_file() {
	own_fleet
	own_group
	cd "$BATS_FILE_TMPDIR" || return
	mkdir tokens
	echo "directories.tokendir = $PWD/tokens" >plain.conf
	export SOFTHSM2_CONF=$PWD/plain.conf
	softhsm2-util --init-token --free --label plain --pin 12345678 --so-pin 12345678 >/dev/null
	PIN=12345678 semantics "$SOFTHSM" >plain
	PIN=$(cat "$HSMCTL_STORE/secrets/user.pin") semantics "$BUILD/lib/pkcs11/hsmctl-pkcs11.so" >slot
}

teardown_file() {
	end_fleet
}

setup() {
	cd "$BATS_FILE_TMPDIR" || return
}

semantics() {
	"$BUILD/tests/slot/semantics/semantics" "$@"
}

# unlisted|gone: nothing is.
nothing_is() {
	local here=$ROOT/tests/slot
	expect 0 /usr/bin/python3 "$here/semantics.py" "$1" plain slot "$here/semantics.permitted"
	[ -z "$output" ] || fail "$1"
}

@test "both are asked the same, several hundred times, and nothing twice" {
	[ "$(wc -l <slot)" -gt 1000 ]
	cut -f 1 plain | diff - <(cut -f 1 slot)
	[ -z "$(cut -f 1 slot | sort | uniq -d)" ]
}

@test "no difference is unlisted" {
	nothing_is unlisted
}

@test "what is listed still differs" {
	nothing_is gone
}

@test "the probes leave nothing behind, and every member is as before" {
	in_sync
	expect 0 hsmctl -o json key list payments
	[ "$(field '.keys | length')" = 0 ]
}
