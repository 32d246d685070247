#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Tables on a terminal: cut to its width, whole everywhere else.
load helper

group=payments-and-settlements-of-the-emea-region

setup_file() {
	own_fleet 3
	export FLEET_FOLDER FLEET
	write_fleet 3 '(.datacenters[], .devices[]) |= (.name = "\(.name)-in-frankfurt-row-12-rack-3-unit-7") |
		.devices[].datacenter += "-in-frankfurt-row-12-rack-3-unit-7"'
	hsmctl -q provision apply "$FLEET" --yes >/dev/null
	for n in 1 2 3; do
		members+=(--member "hsm-$n-in-frankfurt-row-12-rack-3-unit-7")
	done
	hsmctl -q ha create $group "${members[@]}" >/dev/null
	hsmctl -q key generate $group --label "signing key of the billing service, 2026, 漢字, made for the auditors" -t ec-p256 >/dev/null
	hsmctl -q key generate $group --label short -t aes-128 >/dev/null
	hsmctl -q device stop hsm-3-in-frankfurt-row-12-rack-3-unit-7 >/dev/null
	# An application that was killed: what it counted stays.
	printf 'kill\n' | HSMCTL_STORE=$HSMCTL_STORE MODULE=$BUILD/lib/pkcs11/hsmctl-pkcs11.so PIN=$(cat "$HSMCTL_STORE/secrets/user.pin") \
		"$BUILD/tests/slot/counted" by-line >/dev/null 2>&1 || true
	hsmctl -q key generate $group --label "the third member lacks this one, and it is named at length too" -t aes-128 >/dev/null
}

teardown_file() {
	end_fleet
}

setup() {
	export LANG=C.UTF-8
	unset COLUMNS LC_ALL LC_CTYPE
	tables=("status" "status --applications" "key list $group" "partition list" "device list" "audit show" "drill list"
		"ha list" "ha show $group" "ha mechanisms $group" "provision show" "verify $group" "sync -n $group"
		"device show hsm-1-in-frankfurt-row-12-rack-3-unit-7" "partition contents hsm-1-in-frankfurt-row-12-rack-3-unit-7")
}

# WIDTH COMMAND...: as on such a terminal. Wider lines fail with 99.
on_terminal() {
	run --separate-stderr /usr/bin/python3 "$ROOT/tests/cli/terminal.py" "$@"
	[ "$status" -ne 99 ] || fail "too wide: ${*:2}"
}

@test "no table of any command is wider than a terminal of 80 columns" {
	for table in "${tables[@]}"; do
		# shellcheck disable=SC2086
		on_terminal 80 hsmctl $table
		[[ $output == *[A-Z]* ]]
	done
	on_terminal 80 hsmctl status --applications
	prints "counted"
	prints "Ended:"
	jq '.devices += [.devices[0] | .name |= "new-\(.)"]' "$FLEET" >"$BATS_TEST_TMPDIR/more.json"
	on_terminal 80 hsmctl provision plan "$BATS_TEST_TMPDIR/more.json"
	prints "device new-"
	on_terminal 80 hsmctl key list $group
	prints "…"
	prints "short"
}

@test "-o wide, a pipe and JSON show everything" {
	for table in "${tables[@]}"; do
		# shellcheck disable=SC2086
		run --separate-stderr hsmctl $table
		[[ $output != *…* ]] || fail "cut: $table"
		piped=$(sed 's/[0-9.]*//g' <<<"$output")
		# shellcheck disable=SC2086
		run --separate-stderr /usr/bin/python3 "$ROOT/tests/cli/terminal.py" 80 hsmctl -o wide $table
		[[ $output != *…* ]] || fail "cut: $table"
		[ "$(sed 's/[0-9.]*//g' <<<"$output" | tr -s ' ')" = "$(tr -s ' ' <<<"$piped")" ]
	done
	expect 0 hsmctl -o wide ha list
	prints "$group"
	HSMCTL_OUTPUT=wide expect 0 hsmctl ha list
	prints "$group"
}

@test "a wider terminal shows more, COLUMNS decides where it is set, and another charset has other dots" {
	on_terminal 400 hsmctl key list $group
	[[ $output != *…* && $output == *MEMBERS* ]]
	on_terminal 80 hsmctl key list $group
	[[ $output == *…* && $output != *MEMBERS* ]]
	COLUMNS=400 run /usr/bin/python3 "$ROOT/tests/cli/terminal.py" 80 hsmctl key list $group
	[[ $output != *…* ]]
	LC_ALL=C on_terminal 80 hsmctl key list $group
	[[ $output == *...* && $output != *…* ]]
}
