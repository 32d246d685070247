#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Operations in parts whose members are killed between two of them: all of them finish, with the bytes that they would have
# given anyway. STREAMS_AT=all: before every part, of all sizes (make check-long); else of each family and size one.
load ../cli/helper
load ../cli/fleet
load faults

setup_file() {
	own_fleet
	own_group
	own_key stream-aes aes-256
	own_key stream-mac hmac-sha256
	own_key stream-rsa rsa-2048
	own_application
	SEED=${SEED:-$RANDOM}
	export SEED
}

teardown_file() {
	end_fleet
}

# FAMILY SIZE PARTS AT
survives() {
	order streams "$@"
	hear streams paused
	lose_the_active_ones
	order streams
	hear streams
	[[ $answer == same || $answer == verified ]] || fail "$*: $answer"
	hsmctl -q device start --all >/dev/null
}

# SIZE PARTS
all_survive() {
	local family at
	echo "SEED=$SEED"
	RANDOM=$SEED
	begin streams "$BUILD/tests/slot/streams" by-line
	for family in $("$BUILD/tests/slot/streams" families "$1"); do
		if [ "${STREAMS_AT-}" = all ]; then
			for ((at = 0; at <= $2; at++)); do
				survives "$family" "$1" "$2" "$at"
			done
		else
			survives "$family" "$1" "$2" $((RANDOM % ($2 + 1)))
		fi
	done
	end streams
}

@test "of one byte" {
	all_survive 1 1
}

@test "of 1000 bytes in parts that are no blocks" {
	all_survive 1000 13
}

@test "of 1 MiB" {
	all_survive 1048576 9
}

@test "of 10 MiB" {
	all_survive 10485760 10
}

@test "of 16 MiB, as much as is kept" {
	all_survive 16777216 16
}
