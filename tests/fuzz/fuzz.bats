#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What reads foreign bytes, given bytes that nobody meant (tests/fuzz/README.md): SEED=N repeats a run.
load ../cli/helper

setup() {
	: "${SEED:=$((RANDOM * 32768 + RANDOM))}"
	echo "SEED=$SEED"
	programs=$BUILD/fuzz/tests/fuzz
}

fuzz() { # TARGET [OPTION...]
	local target=$1
	shift
	"$programs/$target" --seed "$SEED" --inputs "${INPUTS:-20000}" --keep "$BUILD/fuzz" "$@" "$ROOT/tests/fuzz/corpus/$target"
}

@test "frames, of either side" {
	fuzz frame
}

@test "requests, as hosts read them" {
	fuzz request
}

@test "calls, as applications make them: what is let through travels" {
	fuzz call
}

@test "replies, as members read them: nothing is written past its room" {
	fuzz reply
}

@test "a host and a client that says anything" {
	INPUTS=${INPUTS:-8000} fuzz guest
}

@test "a member and a peer that says anything" {
	fuzz link
}

@test "what members hold: records, deleted keys, marks" {
	fuzz memo
}

@test "URIs and references to secrets" {
	fuzz uri
}

@test "fleet documents" {
	INPUTS=${INPUTS:-10000} fuzz fleet
}

@test "a fault that was put there is found, kept, and found again" {
	cd "$BATS_TEST_TMPDIR" || return
	for word in read lose add much lie; do
		printf 'x%s' "$word" >input
		run "$programs/planted" --seed 1 --inputs 20000 --keep . input
		echo "$output"
		[ "$status" -eq 1 ]
		[[ $output == *"of seed 1 fails"* ]]
		kept=(planted-1-*.input)
		run "$programs/planted" --inputs 0 "${kept[0]}"
		[ "$status" -eq 1 ]
		number=${kept[0]#planted-1-}
		run "$programs/planted" --seed 1 --one "${number%.input}" --keep . input
		[ "$status" -eq 1 ]
		rm "${kept[@]}"
	done
}
