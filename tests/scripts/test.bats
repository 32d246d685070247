#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The script that runs the tests: what it must notice, and that it leaves nothing behind.
load ../cli/helper

setup() {
	own_store
	cd "$BATS_TEST_TMPDIR" || return
	TEST=$ROOT/scripts/test
	SUITE=$ROOT/scripts/suite
}

# write_suite NAME: a program, from stdin.
write_suite() {
	(echo '#!/bin/bash' && cat) >"$1"
	chmod +x "$1"
}

began() {
	[ -e pid ] && [ "$(wc -l <pid)" -eq 2 ]
}

gone() {
	not kill -0 "$1" 2>/dev/null
}

# runs_alone STATUS LINE: the suite on stdin, with its limit of three seconds, comes to that.
runs_alone() {
	write_suite one
	expect "$1" "$SUITE" 3 log ./one
	[[ $output =~ ^$2\ [0-9.]+\ [0-9.]+$ ]] || fail "$(cat log)"
}

@test "named suites run side by side, and the last line counts their tests" {
	for name in a b; do
		write_suite $name <<-'EOF'
			touch began-$(basename "$0")
			for ((i = 0; i < 500; i++)); do
				[ -e began-a ] && [ -e began-b ] && exit 0
				read -rt 0.02 <> <(:)
			done
			exit 1
		EOF
	done
	sed -i "2i cd '$PWD'" a b
	JOBS=2 expect 0 "$TEST" a b "$ROOT/tests/unit/base/test_err.c" "$BUILD/tests/unit/base/test_str"
	tests=$(cat "$ROOT"/tests/unit/base/test_{err,str}.c | grep -c '_test(')
	[ "$(tail -1 <<<"$output")" = "$((tests + 2)) passed, 0 failed" ]
	grep -q '^ok .*/a: 1 passed, 0 failed, [0-9.]* s$' <<<"$output"
}

@test "what a failed suite printed is shown and kept where the end says, and the status is 1" {
	write_suite good <<<'exit 0'
	write_suite bad <<<'echo 1..2; echo ok 1 this; echo not ok 2 that'
	TMPDIR=$PWD expect 1 "$TEST" good bad
	[ "$(tail -1 <<<"$output")" = "2 passed, 1 failed" ]
	prints "not ok 2 that"
	kept=$(sed -n 's/^what failed printed: //p' <<<"$output")
	grep -q "not ok 2 that" "$kept"
}

@test "a file that is not there is refused before anything runs" {
	write_suite good <<<'touch ran'
	expect 2 "$TEST" good no-such.bats
	says no-such.bats
	[ ! -e ran ]
}

@test "a suite that ends without a word, or counts no test, has failed" {
	runs_alone 1 "2 1" <<<'printf "1..3\nok 1 a\nok 2 b\n"; kill -KILL $$'
	runs_alone 1 "0 1" <<<'echo 1..0'
	runs_alone 1 "5 1" <<<'echo "5 passed, 0 failed"; exit 3'
	runs_alone 1 "1 2" <<<'printf "1..3\nok 1 a\nnot ok 2 b\nnot ok 3 c\n"; exit 1'
	runs_alone 0 "5 0" <<<'echo "5 passed, 0 failed"'
}

@test "a process that outlives its suite is ended, and the suite has failed" {
	runs_alone 1 "1 1" <<<'setsid sleep 1000 & echo $! >pid'
	grep -qx 'suite: left running: sleep' log
	gone "$(cat pid)"
}

@test "a suite that takes too long cleans up, is ended with what it started, and has failed" {
	runs_alone 1 "0 1" <<-'EOF'
		trap 'touch cleaned; exit' INT
		setsid sleep 1000 &
		echo $! >pid
		wait
	EOF
	grep -qx 'suite: not done after 3 s' log
	[ -e cleaned ]
	gone "$(cat pid)"
}

@test "whoever interrupts the tests ends all that they started" {
	write_suite endless <<-EOF
		cd '$PWD'
		setsid sleep 1000 &
		echo \$! >pid
		echo \$\$ >>pid
		wait
	EOF
	for signal in INT TERM HUP; do
		rm -f pid
		env --default-signal=INT setsid "$TEST" endless >out 2>&1 3>&- &
		test=$!
		until_true began
		kill -$signal $test
		wait $test && fail "interrupted, and no failure" || [ $? -eq $((128 + $(kill -l $signal))) ]
		while read -r pid; do
			gone "$pid"
		done <pid
		not grep -q passed out
	done
}
