# SPDX-License-Identifier: Apache-2.0
# What the tests of all commands share. A test file begins:
#
#	load helper
#	setup() { own_store; }
#
# and then uses
#
#	expect STATUS hsmctl ...	$output is stdout, $stderr is stderr
#	says TEXT			stderr holds TEXT
#	prints TEXT			stdout holds TEXT
#	field FILTER			jq -r FILTER of stdout
#	is_valid			stdout is JSON that its schema accepts
bats_require_minimum_version 1.5.0
ROOT=$(cd "${BATS_TEST_DIRNAME:?}/../.." && pwd)
BUILD=${BUILD:-$ROOT/build}
case $BUILD in /*) ;; *) BUILD=$ROOT/$BUILD ;; esac
SCHEMAS=${SCHEMAS:-$BUILD/share/hsmctl/schemas}
PATH=$BUILD/bin:$PATH
export PATH ROOT BUILD SCHEMAS

# A store of this test's own, and nothing of the caller's settings.
own_store() {
	unset HSMCTL_OUTPUT HSMCTL_TIMEOUT HSMCTL_PROGRESS HSMCTL_LOG HSMCTL_DEBUG NO_COLOR
	export HSMCTL_STORE=$BATS_TEST_TMPDIR/store
	export XDG_STATE_HOME=$BATS_TEST_TMPDIR/state
	export HOME=$BATS_TEST_TMPDIR
}

fail() {
	printf '%s\n' "$@" "stdout: ${output-}" "stderr: ${stderr-}" >&2
	return 1
}

expect() {
	local want=$1
	shift
	run --separate-stderr "$@"
	[ "$status" -eq "$want" ] || fail "status $status, expected $want: $*"
}

says() {
	[[ $stderr == *"$1"* ]] || fail "stderr lacks: $1"
}

prints() {
	[[ $output == *"$1"* ]] || fail "stdout lacks: $1"
}

field() {
	jq -r "$1" <<<"$output"
}

is_valid() {
	printf '%s' "$output" | /usr/bin/python3 "$ROOT/tests/cli/validate.py" "$SCHEMAS" ||
		fail "not valid"
}
