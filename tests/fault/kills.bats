#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Whoever is killed, whenever: nothing acknowledged is lost, nothing deleted comes back, and one sync converges.
load replicas

@test "four writers, syncs, a recoverer and four members are killed at random, and every promise is kept" {
	seed
	# Ten rounds on each fleet: KILL_ROUNDS=100 for more.
	for ((rounds = ${KILL_ROUNDS:-10}, set = 0; rounds > 0; rounds -= 10, set++)); do
		folder=$BATS_TEST_TMPDIR/$set
		mkdir "$folder"
		"$ROOT/tests/fault/kills.py" $((rounds < 10 ? rounds : 10)) $((SEED + set)) "$folder" >"$folder/said" 2>&1 ||
			fail "$(cat "$folder/said")"
		[ -z "${KILL_ROUNDS-}" ] || echo "# $(tail -1 "$folder/said")" >&3
		renew
	done
}
