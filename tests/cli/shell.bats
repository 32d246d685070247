#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Many commands in one process.
load helper

setup() {
	own_store
	script=$BATS_TEST_TMPDIR/script
}

@test "-c runs one line and has its status" {
	expect 0 hsmctl shell -c version
	[ "$output" = "$(hsmctl version)" ]
	expect 2 hsmctl shell -c 'nothing here'
	says "no command 'nothing'"
	expect 0 hsmctl shell -c ''
	[ -z "$output$stderr" ]
}

@test "a script ends at the first line that fails, with its status" {
	printf 'version\nnothing\nversion\n' >"$script"
	expect 2 hsmctl shell "$script"
	[ "$output" = "$(hsmctl version)" ]
	says "$script:2: ended here with status 2"
	expect 2 hsmctl shell <"$script"
	says "stdin:2: ended here with status 2"
	[ "${#lines[@]}" -eq 1 ]
}

@test "--keep-going runs the others and keeps the first status" {
	printf 'version\nshell nothing\nnothing\nversion\n' >"$script"
	expect 2 hsmctl shell --keep-going "$script"
	[ "${#lines[@]}" -eq 2 ]
}

@test "exit and quit end a script" {
	for word in exit quit; do
		printf 'version\n%s\nnothing\n' "$word" >"$script"
		expect 0 hsmctl shell "$script"
		[ "${#lines[@]}" -eq 1 ]
		[ -z "$stderr" ]
	done
}

@test "words are cut as a shell cuts them" {
	cases=(
		"help 'no such'|no such" 'help "no such"|no such' 'help no\ such|no such'
		'help "a\"b"|a"b' "help 'a\\b'|a\\b" "help a'b'\"c\"d|abcd" 'help a#b|a#b'
		"help ''|" 'help "" # not this|'
	)
	for case in "${cases[@]}"; do
		printf '%s\n' "${case%|*}" >"$script"
		expect 2 hsmctl shell "$script"
		says "no command '${case##*|}'"
	done
	printf '# only a comment\n\n   \n\tversion   # and one behind\r\n' >"$script"
	expect 0 hsmctl shell "$script"
	[ "$output" = "$(hsmctl version)" ]
}

@test "a quote without an end is an error of its line" {
	for line in "help 'a" 'help "a' 'help a\'; do
		printf '%s' "$line" >"$script"
		expect 2 hsmctl shell "$script"
		says "a quote or backslash has no end"
	done
	expect 2 hsmctl -o json shell "$script"
	is_valid
}

@test "with -o json each document is one line" {
	printf 'version\nversion\nnothing\n' >"$script"
	expect 2 hsmctl -o json shell "$script"
	[ "${#lines[@]}" -eq 3 ]
	for line in "${lines[@]}"; do
		output=$line is_valid
	done
	[ "$(jq -r .schema <<<"${lines[2]}")" = hsmctl/error/v1 ]
	printf 'version\n-o table version\n' >"$script"
	expect 0 hsmctl -o json shell "$script"
	[ "${lines[1]}" = "$(hsmctl version)" ]
}

@test "a file that is not there, two sources of lines, a shell in the shell" {
	expect 6 hsmctl shell "$BATS_TEST_TMPDIR/nothing"
	says "no file"
	expect 2 hsmctl shell -c version "$script"
	says "not both"
	expect 2 hsmctl shell -c 'shell -c version'
	says "this is a shell already"
}

@test "a line longer than any command is refused" {
	head -c 70000 /dev/zero | tr '\0' x >"$script"
	expect 2 hsmctl shell "$script"
	says "a line is longer than"
}

@test "the time given to the shell is for all its lines" {
	printf 'version\n' >"$script"
	expect 0 hsmctl --timeout 60 shell "$script"
	(while :; do echo version; done) 2>/dev/null | {
		expect 9 hsmctl -q --timeout 50ms shell
		says "ran out"
	}
}

# LINE: what is told of it, by the command line and by the shell.
both_say() {
	# shellcheck disable=SC2086
	expect 2 hsmctl $1
	outside=$stderr
	expect 2 hsmctl shell -c "$1"
	inside=$stderr
}

# TEXT: each command it names, which takes 'hsmctl' in front or not, exists.
names_commands() {
	local found
	found=$(grep -oE "'(hsmctl )?(ha|sync|partition|provision|device|shell|status|help|key)( [a-z-]+)?" <<<"${1#*Luna\'s * is}" |
		sed "s/'\(hsmctl \)\?//; s/ --help//; s/^help//")
	[ -n "$found" ]
	while read -r words; do
		# shellcheck disable=SC2086
		hsmctl help $words >/dev/null
	done <<<"$found"
}

@test "the words of lunacm are answered with ours" {
	for line in "hagroup listgroups" "hagroup creategroup -label x" "HAGROUP addMember" "hagroup addstandby" \
		"hagroup deletegroup" "hagroup synchronize" "hagroup recover" "hagroup haonly" "ha listgroups" "slot list" \
		"partition init" "partition clone" "par con" "partition showinfo" "role login -name co" "ro login" "hsm show" \
		"clientconfig deploy" "vtl verify" lunacm; do
		both_say "$line"
		[[ $outside == *"Luna's '"* && $outside == *"'hsmctl "* ]] || fail "$line: $outside"
		names_commands "$outside"
		[[ $inside == *"Luna's '"* && ${inside#hsmctl: } != *"hsmctl "* ]] || fail "$line: $inside"
		names_commands "$inside"
	done
	both_say "hagroup listgroups"
	[[ $outside == *"'hsmctl ha list'"* && $inside == *"'ha list'"* ]]
	expect 2 hsmctl -o json hagroup listgroups
	is_valid
	[[ $(field .error.hint) == *"'hsmctl ha list'"* ]]
}

@test "hints in the shell name what may be typed there, and the word hsmctl may stand in front" {
	both_say "key lst"
	[[ $outside == *"see 'hsmctl key --help'"* && $inside == *"see 'key --help'"* ]]
	both_say "verson"
	[[ $outside == *"see 'hsmctl --help'"* && $inside == *"see 'help'"* ]]
	expect 0 hsmctl shell -c "hsmctl key --help"
	[ "$output" = "$(hsmctl key --help)" ]
	expect 2 hsmctl shell -c "hsmctl"
	says "see 'help'"
	expect 0 hsmctl shell -c help
}

# $1 is what is typed; what the prompt printed is $output.
type_at_prompt() {
	run --separate-stderr /usr/bin/python3 "$ROOT/tests/cli/prompt.py" "$@"
	[ "$status" -eq 0 ] || fail "prompt"
}

@test "the prompt runs lines, drops them at Ctrl-C, completes, remembers" {
	type_at_prompt 'hsmctl> ' $'version\n' 'hsmctl [0-9.]+\r\n.*hsmctl> ' \
		'garbage' 'garbage' $'\x03' 'hsmctl> ' \
		$'hsmctl vers\t' 'version ' $'--outp\t' '--output ' $'js\t\n' '"schema":"hsmctl/version/v1".*hsmctl> ' \
		$' version -q\n' 'hsmctl [0-9.]+\r\n.*hsmctl> ' \
		$'\x04' EXIT:0
	[ "$(cat "$XDG_STATE_HOME/hsmctl-history")" = "$(printf 'version\nhsmctl version --output json ')" ]
	[ "$(stat -c %a "$XDG_STATE_HOME/hsmctl-history")" = 600 ]
}

@test "SIGTERM ends the prompt with status 143" {
	type_at_prompt 'hsmctl> ' TERM EXIT:143
}

@test "the prompt completes files where a path may stand, and nowhere else" {
	mkdir "$BATS_TEST_TMPDIR/files"
	cd "$BATS_TEST_TMPDIR/files"
	echo 'no document' >the-only-one
	type_at_prompt 'hsmctl> ' $'ha list the-\t\n' "unexpected word 'the-'.*hsmctl> " \
		$'provision plan the-\t\n' "the-only-one:1.*hsmctl> " $'\x04' EXIT:0
}
