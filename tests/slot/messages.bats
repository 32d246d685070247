#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Messages (PKCS#11 3.0) on a group whose tokens have them; SoftHSM's have none.
load ../cli/helper
load ../cli/fleet

setup_file() {
	cp "$BUILD/tests/fake/token.so" "$BATS_FILE_TMPDIR/messages.so"
	export HSMCTL_SOFTHSM_LIBRARY=$BATS_FILE_TMPDIR/messages.so
	own_fleet
	own_group
	own_key wrap-1 aes-256
	own_key mac-1 hmac-sha256
	own_application
}

teardown_file() {
	end_fleet
}

@test "a process of messages goes on when the member of the last one is killed" {
	outlives "hsm-east-1 hsm-east-2" half "$BUILD/tests/slot/stranger" messages
}

@test "what the group can do with messages is listed" {
	expect 0 hsmctl -o json ha mechanisms payments
	is_valid
	[ "$(field '.mechanisms[] | select(.mechanism == "CKM_AES_GCM") | .uses | index("message-encrypt") != null')" = true ]
	[ "$(field '.mechanisms[] | select(.mechanism == "CKM_AES_CBC") | .uses | index("message-encrypt")')" = null ]
}
