#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load helper

setup() {
	own_fleet 3
	hsmctl provision apply "$FLEET" >/dev/null
	hsmctl ha create payments --member hsm-1 --member hsm-2 --standby hsm-3 >/dev/null 2>&1
}
teardown() { end_fleet; }

make_keys() {
	hsmctl key generate payments --type ec-p256 --label signing-1 >/dev/null
	hsmctl key generate payments --type aes-256 --label wrap-1 >/dev/null
	hsmctl key generate payments --type hmac-sha256 --label mac-1 >/dev/null
	hsmctl sync payments >/dev/null
}

# drill SCENARIO [OPTIONS]: as short as a drill can be.
drill() {
	hsmctl drill run "$@" --group payments --duration 3s --seed 7
}

# The digest over the document as it stands on one line, without its evidence.
digest() {
	/usr/bin/python3 -c '
import hashlib, json, sys
d = json.load(sys.stdin)
del d["evidence"]
print(hashlib.sha256(json.dumps(d, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest())'
}

all_up() {
	[ "$(hsmctl ha show payments -o json | jq -r '[.members[].state] | unique | join(" ")')" = up ]
}

sees() {
	grep -q -- "$2" "$1"
}

# poll COMMAND: until it succeeds, for 30 s at most.
poll() {
	local end=$((SECONDS + 30))
	until "$@"; do
		[ $SECONDS -lt $end ] || fail "in vain: $*"
		sleep 0.05
	done
}

# is_page FILE: well-formed, and nothing in it is loaded from elsewhere.
is_page() {
	/usr/bin/python3 - "$1" <<-'EOF' || fail "not a page of its own: $1"
		import sys, xml.dom.minidom
		page = xml.dom.minidom.parse(sys.argv[1])
		for e in page.getElementsByTagName("*"):
		    assert e.tagName not in ("script", "link", "img", "iframe"), e.tagName
		    assert not any(a in ("src", "href") for a in e.attributes.keys())
		assert page.getElementsByTagName("svg") and page.getElementsByTagName("h1")
	EOF
}

@test "list names the scenarios" {
	expect 0 hsmctl drill list -o json
	is_valid
	[ "$(field '[.scenarios[] | "\(.name) \(.faults | join(","))"] | join("; ")')" = \
		"member-crash crash; member-hang hang" ]
	expect 0 hsmctl drill list
	prints "member-crash"
}

@test "a member that crashes costs the application nothing" {
	make_keys
	expect 0 drill member-crash -o json
	is_valid
	[ "$(field '.verdict, .scenario, .group, .operations.failed, .rpo_keys, .seed' | xargs)" = \
		"pass member-crash payments 0 0 7" ]
	[ "$(field '.verify.before, .verify.after' | xargs)" = "in_sync in_sync" ]
	[ "$(field '.operations.total > 100 and .availability == 1')" = true ]
	[ "$(field '[.faults[] | "\(.target) \(.kind)"] | join(" ")')" = "hsm-1 crash" ]
	field '.faults[0].command' | grep -Eq '^kill -KILL [0-9]+$'
	[ "$(field '.faults[0].healed_at != null and .recover_ms > 0 and .detect_ms >= 0')" = true ]
	[ "$(field '.latency_ms | [.before.p50, .during.p99, .after.max] | all(. > 0)')" = true ]
	[ "$(field '[.objectives[].name] | join(" ")')" = "failed_operations rto_ms rpo_keys verify_after" ]
	[ "$(field '(.samples | length) == 30 and ([.samples[].operations] | add) == .operations.total')" = true ]
	[ "$(field '[.members[] | "\(.name) \(.role) \(.up_before) \(.up_after)"] | join("; ")')" = \
		"hsm-1 active true true; hsm-2 active true true; hsm-3 standby true true" ]
	[ "$(field '.emulated')" = true ]
	all_up
}

@test "a member that hangs is noticed and left" {
	make_keys
	expect 0 drill member-hang --target hsm-2 -o json
	is_valid
	[ "$(field '.verdict, .operations.failed, .faults[0].target, .faults[0].kind' | xargs)" = "pass 0 hsm-2 hang" ]
	field '.faults[0].command' | grep -Eq '^kill -STOP [0-9]+$'
	all_up
}

@test "the report is kept with its digest and a signature, and the trail names it" {
	make_keys
	expect 0 drill member-crash --report "$BATS_TEST_TMPDIR/drill.html" -o json
	id=$(field .id)
	cmp <(printf '%s\n' "$output") "$HSMCTL_STORE/drills/$id/report.json"
	cmp "$BATS_TEST_TMPDIR/drill.html" "$HSMCTL_STORE/drills/$id/report.html"
	is_page "$BATS_TEST_TMPDIR/drill.html"
	[ "$(printf '%s' "$output" | digest)" = "$(field .evidence.sha256)" ]
	[ "$(field '"\(.evidence.key) \(.evidence.signature | length)"')" = "signing-1 128" ]
	digest=$(field .evidence.sha256)
	head=$(field .evidence.audit_head)
	[ "$(hsmctl audit show --all -o json | jq -r '[.entries[] | select(.action | startswith("drill"))] |
		"\([.[] | "\(.action) \(.outcome)"] | join(", ")): \(.[0].detail): \(.[1].detail) \(.[1].hash)"')" = \
		"drill run begun, drill run done: member-crash $id: member-crash $id: pass, sha256 $digest $head" ]
	expect 0 hsmctl audit verify --head "$head"
}

@test "an objective that is missed has a status of its own, and a report" {
	make_keys
	expect 4 drill member-hang --threads 4 --max-latency 1ms --report "$BATS_TEST_TMPDIR/drill.html" -o json
	is_valid
	[ "$(field '.verdict, (.objectives[] | select(.met | not) | .name)' | xargs)" = "fail max_latency_ms" ]
	says "missed 1 of 5 objectives"
	is_page "$BATS_TEST_TMPDIR/drill.html"
}

@test "a drill heals first, whichever signal ends it" {
	make_keys
	for signal in INT:130 TERM:143 HUP:129 QUIT:131; do
		hsmctl drill run member-hang --group payments --duration 9s -o json >"$BATS_TEST_TMPDIR/out" \
			2>"$BATS_TEST_TMPDIR/err" &
		pid=$!
		victim=$(daemon hsm-1)
		poll grep -q '^State:.T' "/proc/$victim/status"
		kill "-${signal%:*}" "$pid"
		wait "$pid" && status=0 || status=$?
		[ "$status" -eq "${signal#*:}" ] || fail "$signal: $status"
		not grep -q '^State:.T' "/proc/$victim/status"
		output=$(cat "$BATS_TEST_TMPDIR/out")
		is_valid
		[ "$(field '.verdict, (.faults[0].healed_at != null), .verify.after' | xargs)" = \
			"aborted true unknown" ]
		all_up
	done
	expect 0 hsmctl verify payments
}

runs_again() {
	[[ $(daemon "$1") != "$2" && $(cat "$HSMCTL_STORE/appliances/$1/appliance.pid") == *:* ]]
}

@test "a lock on the document keeps no member from being healed, and no drill from its end" {
	make_keys
	was=$(hsmctl device show hsm-1 -o json | jq -r '.partitions[0].address')
	hsmctl drill run member-crash --group payments --duration 9s -o json >"$BATS_TEST_TMPDIR/out" \
		2>"$BATS_TEST_TMPDIR/err" 3>&- &
	pid=$!
	victim=$(daemon hsm-1)
	# Whoever has the lock also takes the member's port, so that its new one must be written down.
	coproc HOLDER { exec /usr/bin/python3 "$ROOT/tests/cli/squat.py" "$was" "$HSMCTL_STORE/lock" 3>&-; }
	holder=$HOLDER_PID
	read -t 60 -r -u "${HOLDER[0]}" word
	[ "$word" = squatting ]
	kill -INT "$pid"
	poll runs_again hsm-1 "$victim"
	# More of them do not end the wait; its own limit does.
	kill -INT "$pid"
	kill -INT "$pid"
	wait "$pid" && status=0 || status=$?
	[ "$status" -eq 1 ]
	output=$(cat "$BATS_TEST_TMPDIR/out")
	stderr=$(cat "$BATS_TEST_TMPDIR/err")
	is_valid
	[ "$(field .verdict)" = aborted ]
	says "lock' is locked by"
	says "'hsmctl device start hsm-1' writes its new address down"
	[ "$(hsmctl device show hsm-1 -o json | jq -r '.partitions[0].address')" = "$was" ]
	kill "$holder"
	expect 0 hsmctl device start hsm-1
	[ "$(hsmctl device show hsm-1 -o json | jq -r '.partitions[0].address')" != "$was" ]
	all_up
	expect 0 hsmctl audit verify
}

@test "members that are named together are broken together" {
	make_keys
	expect 1 drill member-crash --target hsm-1 --target hsm-2
	says "no active member of 'payments' would be left"
	expect 0 drill member-crash --target hsm-1 --target hsm-2 --force -o json
	is_valid
	[ "$(field '[.faults[].target] | sort | join(" ")')" = "hsm-1 hsm-2" ]
	[ "$(field '[.faults[].healed_at != null] | all')" = true ]
	expect 6 drill member-crash --target hsm-1 --target hsm-9
	all_up
}

@test "a drill whose time ran out heals first" {
	make_keys
	expect 9 hsmctl drill run member-crash --group payments --duration 9s --timeout 4s -o json
	is_valid
	[ "$(field '.verdict, (.faults[0].healed_at != null)' | xargs)" = "aborted true" ]
	all_up
}

@test "a group without keys cannot show anything" {
	expect 1 drill member-crash -o json
	is_valid
	[ "$(field .error.code)" = guard ]
	says "key generate"
}

@test "a drill that would leave no active member is refused unless forced" {
	make_keys
	hsmctl device stop hsm-2 >/dev/null
	expect 1 drill member-crash
	says "no active member of 'payments' would be left"
	hsmctl device start hsm-2 >/dev/null
	hsmctl device stop hsm-1 >/dev/null
	expect 1 drill member-crash
	says "'hsm-1' is down already"
	hsmctl device stop hsm-3 >/dev/null
	expect 1 drill member-crash --force
	says "has 1 member up, a drill needs 2"
	[ ! -e "$HSMCTL_STORE/drills/report.json" ]
}

@test "replicas that are not in sync are a reason to refuse" {
	make_keys
	hsmctl device stop hsm-3 >/dev/null
	expect 1 drill member-crash
	says "not known to be in sync"
	expect 4 drill member-crash --force -o json
	is_valid
	[ "$(field '.verdict, .operations.failed, .verify.before' | xargs)" = "fail 0 unknown" ]
}

@test "what is wrong with the command line is told before anything is broken" {
	make_keys
	expect 6 hsmctl drill run member-crush --group payments
	says "did you mean 'member-crash'?"
	expect 6 hsmctl drill run member-crash --group nobody
	expect 6 drill member-crash --target hsm-9
	expect 1 drill member-crash --target hsm-3
	says "standby"
	expect 2 hsmctl drill run member-crash
	expect 2 hsmctl drill run member-crash --group payments --duration 2s
	expect 2 drill member-crash --threads 0
	expect 1 drill member-crash --report "$BATS_TEST_TMPDIR/none/drill.html"
	expect 2 drill member-crash --report "$BATS_TEST_TMPDIR"
	expect 1 drill member-crash --module /nonexistent.so
	says "/nonexistent.so"
	expect 1 drill member-crash --module "$BUILD/lib/hsmctl/libhsmctl.so"
	says "not a PKCS#11 module"
	[ "$(hsmctl audit show -o json | jq '[.entries[] | select(.action == "drill run")] | length')" = 0 ]
}

@test "two drills at once would measure each other" {
	make_keys
	hsmctl drill run member-crash --group payments --duration 60s >/dev/null 2>&1 &
	pid=$!
	poll grep -q '"drill run"' "$HSMCTL_STORE/audit.log"
	expect 8 drill member-crash
	says "drill run member-crash on payments"
	# Nor is its member touched by others meanwhile; those that it leaves alone are.
	expect 8 hsmctl device stop hsm-1
	says "device 'hsm-1' is locked by"
	says "pid $pid "
	expect 0 hsmctl device stop hsm-3
	kill -INT "$pid"
	wait "$pid" && status=0 || status=$?
	[ "$status" -eq 130 ]
}
