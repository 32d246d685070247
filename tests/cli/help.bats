#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The dispatcher, help, version and completion.
load helper

setup() {
	own_store
}

@test "hsmctl, hsmctl --help and hsmctl help list the commands" {
	expect 0 hsmctl
	prints "usage: hsmctl"
	prints "  version"
	all=$output
	expect 0 hsmctl --help
	[ "$output" = "$all" ]
	expect 0 hsmctl help
	[ "$output" = "$all" ]
	expect 0 hsmctl -q
	[ "$output" = "$all" ]
}

@test "a command nobody knows is refused, with the nearest one" {
	expect 2 hsmctl verson
	[ -z "$output" ]
	[ "$stderr" = "hsmctl: no command 'verson' (did you mean 'version'? see 'hsmctl --help')" ]
	expect 2 hsmctl ../bin/hsmctl
	says "no command '../bin/hsmctl'"
	expect 2 hsmctl ''
	says "no command ''"
	expect 2 hsmctl help verson
	says "did you mean 'version'?"
	expect 2 hsmctl help completion bahs
	says "did you mean 'bash'?"
	expect 2 hsmctl help version bash
	says "no verb 'bash'"
}

@test "the refusal is a document with -o json before or behind the word" {
	for line in "-o json verson" "verson -o json" "-ojson verson x" "verson --output=json"; do
		# shellcheck disable=SC2086
		expect 2 hsmctl $line
		is_valid
		[ "$(field .error.message)" = "no command 'verson'" ]
	done
	HSMCTL_OUTPUT=json expect 2 hsmctl verson
	is_valid
}

@test "an option nobody knows in front of the command is refused" {
	expect 2 hsmctl --bogus version
	says "unknown option '--bogus' (see 'hsmctl --help')"
	expect 2 hsmctl -Z
	says "unknown option '-Z'"
}

@test "a program hsmctl-NAME in PATH is a command" {
	mkdir "$BATS_TEST_TMPDIR/bin"
	printf '#!/bin/sh\necho "$#:$*"\nexit 7\n' >"$BATS_TEST_TMPDIR/bin/hsmctl-hello"
	chmod +x "$BATS_TEST_TMPDIR/bin/hsmctl-hello"
	PATH=$PATH:$BATS_TEST_TMPDIR/bin expect 7 hsmctl -q --store s hello 'a b' --help
	[ "$output" = "5:-q --store s a b --help" ]
}

@test "version says the same in each way to ask" {
	expect 0 hsmctl --version
	[[ $output =~ ^hsmctl\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
	version=$output
	for line in version "--version version" "version --version" "help --version" "-q --version"; do
		# shellcheck disable=SC2086
		expect 0 hsmctl $line
		[ "$output" = "$version" ]
	done
	for line in "version -o json" "-o json --version" "--version -o json"; do
		# shellcheck disable=SC2086
		expect 0 hsmctl $line
		is_valid
		[ "hsmctl $(field .version)" = "$version" ]
	done
}

@test "a result that cannot be written is a failure" {
	for line in --version version help "version -o json" "completion bash" "version --help"; do
		# shellcheck disable=SC2086
		expect 1 bash -c "hsmctl $line >/dev/full"
		says "cannot write to stdout"
		# shellcheck disable=SC2086
		expect 1 bash -c "hsmctl $line >&-"
		says "cannot write to stdout"
	done
}

@test "bash completes commands, verbs, options and their values" {
	cat >"$BATS_TEST_TMPDIR/ask" <<-'EOF'
		source <(hsmctl completion bash)
		COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1))
		_hsmctl hsmctl
		printf '%s\n' "${COMPREPLY[@]}"
	EOF
	ask() { bash "$BATS_TEST_TMPDIR/ask" "$@"; }
	[ "$(ask hsmctl vers)" = version ]
	[ "$(ask hsmctl completion ba)" = bash ]
	[ "$(ask hsmctl version --outp)" = --output ]
	[ "$(ask hsmctl version --output js)" = json ]
	[ "$(ask hsmctl version --output = js)" = json ]
	[ "$(ask hsmctl version -o '')" = "$(printf 'table\nwide\njson')" ]
	[ "$(ask hsmctl help shel)" = shell ]
	[ "$(hsmctl completion bash)" = "$(cat "$ROOT/completions/hsmctl.bash")" ]
}

@test "options may not be abbreviated" {
	expect 2 hsmctl version --outpu json
	says "did you mean '--output'?"
	expect 2 hsmctl version --quie
	says "unknown option '--quie'"
}
