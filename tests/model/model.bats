#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the model says of lib/replica as it is. Histories come from seeds: SEED=N repeats a run.
load ../cli/helper

model() {
	"$BUILD/tests/model/model" "$@"
}

setup() {
	: "${SEED:=$((RANDOM * 32768 + RANDOM))}"
	echo "SEED=$SEED"
}

@test "nothing goes wrong, and several write at once: every promise is kept" {
	expect 0 model --calm --seed "$SEED" --histories 500
	prints "500 histories"
}

@test "whatever goes wrong: every promise is kept" {
	expect 0 model --seed "$SEED" --histories "${HISTORIES:-2000}"
}

@test "whatever goes wrong, and some of it is no key: every promise is kept" {
	expect 0 model --objects --seed "$SEED" --histories "${HISTORIES:-1000}"
}

@test "a seed is a history, told twice in the same words" {
	for seed in "$SEED" $((SEED + 1)) $((SEED + 2)); do
		run model --replay "$(printf '%x' "$seed"):0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" --messages
		first=$output
		[ "${#lines[@]}" -gt 20 ]
		run model --replay "$(printf '%x' "$seed"):0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" --messages
		[ "$output" = "$first" ]
	done
}
