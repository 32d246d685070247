# SPDX-License-Identifier: Apache-2.0
# What the tests of replication's promises share: four appliances with faults and clocks on demand, and what is asked
# when everybody is well again.
load ../cli/helper
load ../cli/fleet
load faults
# MANY=300 EVERY=1 where time is no matter: how many keys are many, and at which of its looks a sync is stopped.
MANY=${MANY:-24} EVERY=${EVERY:-2}

setup_file() {
	export HSMCTL_SOFTHSM_LIBRARY=$BUILD/tests/fake/shim.so MODULE=$BUILD/lib/pkcs11/hsmctl-pkcs11.so
	# Who fills a member's disk limits the size of its daemon's files: a write fails then, as on a full disk.
	trap '' XFSZ
	by_clock own_fleet
	own_group
}

setup() {
	trap '' XFSZ
	[ ! -e "$HOME/spoilt" ] || renew
	know_pin
	export HSMCTL_LOG=$BATS_TEST_TMPDIR/log
	: >"$HSMCTL_LOG"
}

teardown() {
	local pid
	# The next test does not go on with what a failed one left.
	[ -n "${BATS_TEST_COMPLETED-}" ] || touch "$HOME/spoilt"
	for pid in "${PID_OF[@]}" ${maker-}; do
		kill -KILL "$pid" 2>/dev/null || true
	done
	# shellcheck disable=SC2086
	well $DEVICES
}

teardown_file() {
	end_fleet
}

# The next test gets another fleet: it would prove the many keys of this one with each sync.
leave_many() {
	touch "$HOME/spoilt"
}

know_pin() {
	PIN=$(cat "$HSMCTL_STORE/secrets/user.pin")
	export PIN
}

# Another fleet in the place of this one.
renew() {
	local device
	for device in $DEVICES; do
		crash "$device" 2>/dev/null || true
	done
	rm -rf "$HSMCTL_STORE" "$HOME/spoilt"
	by_clock hsmctl -q provision apply "$ROOT/examples/two-regions.json" --yes >/dev/null
	own_group
	know_pin
}

start_all() {
	by_clock hsmctl -q device start --all >/dev/null
}

# The keys of the application's token.
writer() { # NAME
	begin "$1" "$BUILD/tests/slot/writer" by-line
}

# The lines of stdin told to a process of its own; its answers.
told() {
	"$BUILD/tests/slot/writer" by-line | tail -n +2
}

# A sync looks as verify does, and finds nothing to do.
in_order() {
	expect 0 hsmctl -o json sync payments
	[ "$(field '"\(.verdict) \(.copied + .deleted + .repaired + .adopted)"')" = "in_sync 0" ] || fail "there is work"
}

# COUNT PATTERN: so many keys whose labels are like that, each once and on every member.
are_listed() {
	expect 0 hsmctl -o json key list payments
	[ "$(field "[.keys[] | select(.label | test(\"$2\"))] | \"\(length) \(map(.label) | unique | length)
		\(map(.replicas) | unique | join(\",\"))\"" | xargs)" = "$1 $1 4" ] || fail "not $1 of $2"
}

none_is_listed() { # PATTERN
	expect 0 hsmctl -o json key list payments
	[ "$(field "[.keys[] | select(.label | test(\"$1\"))] | length")" = 0 ] || fail "there are $1"
}

# Everybody is up, and no creation can still be under way; one sync brings all in order, and another finds nothing to do.
settled() {
	# shellcheck disable=SC2086
	well $DEVICES
	start_all
	# While no call is under way: one would count as stuck.
	minutes_pass
	expect 0 hsmctl -o json sync payments
	in_order
}

# LABEL: one key, on every member.
lives() {
	expect 0 hsmctl -o json key show payments "$1"
	[ "$(field .replicas)" = 4 ]
}

is_gone() { # LABEL
	expect 6 hsmctl key show payments "$1"
}

lives_or_is_gone() { # LABEL
	run --separate-stderr hsmctl -o json key show payments "$1"
	[ "$status" -eq 6 ] || lives "$1"
}

# CALL: three of the four members die over it, and stay away.
three_die() {
	local device
	for device in hsm-east-2 hsm-west-1 hsm-west-2; do
		fault $device "$1" "KILL:$(daemon $device)"
	done
}

# SAID LABEL: what was said of the making of a key is so, by a status or a CK_RV.
made_as_said() {
	case $1 in
	0 | 0x0) lives "$2" ;;
	7 | 0xe2) is_gone "$2" ;;
	*) lives_or_is_gone "$2" ;;
	esac || fail "$1 was said of making $2"
}

deleted_as_said() {
	case $1 in
	0 | 0x0) is_gone "$2" ;;
	7 | 0xe2) lives "$2" ;;
	*) lives_or_is_gone "$2" ;;
	esac || fail "$1 was said of deleting $2"
}
