#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What is read, when it is not what it should be.
load helper

setup() {
	own_fleet 2
	hsmctl provision apply "$FLEET" >/dev/null
	hsmctl ha create payments --member hsm-1 --standby hsm-2 >/dev/null 2>&1
}
teardown() { end_fleet; }

# pipe PATH: a named pipe in its place, that nobody ever writes to. whole PATH: as it was.
pipe() {
	mv "$1" "$1.was"
	mkfifo "$1"
}

whole() {
	rm "$1"
	mv "$1.was" "$1"
}

# Far more than it takes, and 124 when it is not enough.
soon() {
	timeout 20 hsmctl "$@"
}

@test "a document that is a pipe, a socket, a device or a folder is refused at once" {
	document=$HSMCTL_STORE/fleet.json
	pipe "$document"
	for line in status "device list" "ha list" "key list payments" "verify payments" "sync payments" "audit verify" \
		"device start --all" "provision apply $FLEET" "drill run member-crash --group payments"; do
		# shellcheck disable=SC2086
		expect 2 soon -o json $line
		is_valid
		[ "$(field .error.code)" = invalid ]
		says "is a named pipe, not a file"
	done
	rm "$document"
	/usr/bin/python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$document"
	expect 2 soon status
	says "is a socket"
	rm "$document"
	mkdir "$document"
	expect 2 soon status
	says "is a folder"
	rmdir "$document"
	ln -s /dev/zero "$document"
	expect 5 soon status
	whole "$document"
	expect 0 soon status --check
}

@test "a module that finds a pipe instead of the document answers at once" {
	pipe "$HSMCTL_STORE/fleet.json"
	run timeout 20 pkcs11-tool --module "$BUILD/lib/pkcs11/hsmctl-pkcs11.so" --list-slots
	[ "$status" -ne 124 ]
	[[ $output == *"No slots"* || $output == *CKR_* ]]
}

@test "neither trail, lock, PIN, certificate nor pid file makes a command wait when it is a pipe" {
	store=$HSMCTL_STORE
	for line in "audit.log audit show" "audit.log audit verify" "audit.log device stop hsm-2" "lock device stop hsm-2" \
		"secrets/user.pin verify payments" "secrets/user.pin key list payments" "pki/admin.pem verify payments" \
		"pki/ca.pem verify payments" "appliances/hsm-2/appliance.pid device start hsm-2" \
		"appliances/hsm-2/appliance.log device start hsm-1" "appliances/hsm-2/appliance.pid device list"; do
		file=$store/${line%% *}
		pipe "$file"
		# shellcheck disable=SC2086
		run timeout 20 hsmctl ${line#* }
		[ "$status" -ne 124 ] || fail "$line"
		whole "$file"
	done
	expect 0 hsmctl device start --all
	expect 0 hsmctl status --check
}

@test "a FILE may come from standard input or a substitution, not from a pipe by its name" {
	expect 0 soon provision plan /dev/stdin <"$FLEET"
	run --separate-stderr bash -c 'cat "$1" | timeout 20 hsmctl provision plan /dev/stdin' _ "$FLEET"
	[ "$status" -eq 0 ]
	run --separate-stderr bash -c 'timeout 20 hsmctl provision plan <(cat "$1")' _ "$FLEET"
	[ "$status" -eq 0 ] || fail
	mkfifo "$FLEET_FOLDER/pipe"
	expect 2 soon provision apply "$FLEET_FOLDER/pipe"
	says "not a file"
	# Nobody writes: it ends when it is told to.
	expect 9 bash -c 'timeout 20 hsmctl --timeout 0.2 provision plan /dev/stdin < <(exec sleep 2)'
}
