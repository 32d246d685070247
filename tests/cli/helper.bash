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
#	not COMMAND...			it fails; "! COMMAND" ends a test only as its last line
#	until_true COMMAND...		it succeeds in the end; COMMAND is asked again for ten seconds
#	is_valid			stdout is JSON that its schema accepts
#	hold SUBJECT			another process, $holder, has the store's lock on it, until let_go
#
# Tests with devices begin with own_fleet [DEVICES] instead, and end with
# teardown() { end_fleet; }.
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

not() {
	! "$@"
}

# until_true COMMAND...: ask again for ten seconds.
until_true() {
	local end=$((SECONDS + 10))
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		read -rt 0.02 <> <(:) || true
	done
}

field() {
	jq -r "$1" <<<"$output"
}

is_valid() {
	printf '%s' "$output" | /usr/bin/python3 "$ROOT/tests/cli/validate.py" "$SCHEMAS" ||
		fail "not valid"
}

hold() {
	local word
	coproc HOLDER { exec /usr/bin/python3 "$ROOT/tests/cli/hold.py" "$HSMCTL_STORE/locks/$1" 3>&-; }
	holder=$HOLDER_PID
	read -t 60 -r -u "${HOLDER[0]}" word
	[ "$word" = held ]
}

let_go() {
	kill "$holder"
	wait "$holder" 2>/dev/null || true
}

# A store on tmpfs and a document of a fleet with so many devices (hsm-1 in dc-1,
# region east; hsm-2 in dc-2, region west; and so on), named $FLEET.
own_fleet() {
	own_store
	FLEET_FOLDER=$(mktemp -d /dev/shm/hsmctl-test-XXXXXX)
	export HSMCTL_STORE=$FLEET_FOLDER/store
	FLEET=$FLEET_FOLDER/fleet.json
	write_fleet "${1:-2}"
}

# write_fleet DEVICES [FILTER]: the document, changed by a jq filter.
write_fleet() {
	jq -n --argjson n "$1" '[range(1; $n + 1)] as $all | {
		name: "test",
		datacenters: $all | map({name: "dc-\(.)", region: (if . % 2 == 1 then "east" else "west" end),
			provider: "softhsm"}),
		devices: $all | map({name: "hsm-\(.)", datacenter: "dc-\(.)"})
	}' | jq "${2:-.}" >"$FLEET"
}

# daemon DEVICE: its pid.
daemon() {
	cut -d' ' -f1 "$HSMCTL_STORE/appliances/$1/appliance.pid"
}

# break_daemon KILL|STOP DEVICE...: send the signal, and wait until it has worked.
break_daemon() {
	local signal=$1 device pid tries
	shift
	for device; do
		pid=$(daemon "$device")
		kill "-$signal" "$pid"
		for ((tries = 0; tries < 100000; tries++)); do
			case $(grep -s ^State: "/proc/$pid/status") in
			'' | *Z* | *X*) break ;;
			*T*) [ "$signal" = STOP ] && break ;;
			esac
		done
	done
}

# End every daemon below the test's folder, however it is, and remove the folder.
end_fleet() {
	local file pid
	for file in "$FLEET_FOLDER"/*/appliances/*/appliance.pid; do
		[ -f "$file" ] && [ -s "$file" ] || continue
		pid=$(cut -d' ' -f1 "$file")
		[[ $(cat "/proc/$pid/comm") == hsmctl-applianc ]] && kill -KILL "$pid"
	done
	rm -rf "$FLEET_FOLDER"
}
