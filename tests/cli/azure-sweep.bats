#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load helper

@test "whatever goes wrong at whichever request: the fleet comes out the same, each resource made once" {
	own_store
	run "$ROOT/tests/azure/sweep"
	[ "$status" -eq 0 ] || fail "$output"
}
