#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Every command of the table, as the program itself lists them.
load helper

setup() {
	own_store
}

commands() {
	hsmctl __complete ''
}

# "ha create", "verify": each thing a user can run, one a line.
runnable() {
	local command verbs verb
	for command in $(commands); do
		verbs=$(hsmctl help "$command" | sed -n '/^Verbs:/,/^$/s/^  \([a-z][a-z0-9-]*\).*/\1/p')
		[ -n "$verbs" ] || echo "$command"
		for verb in $verbs; do
			echo "$command $verb"
		done
	done
}

each_runnable() {
	local line
	while read -r line; do
		# shellcheck disable=SC2086
		"$1" $line || fail "$1: hsmctl $line"
	done < <(runnable)
}

# The long options that --help shows.
shown_options() {
	hsmctl "$@" --help | sed "1,/^\$/d" | grep -oE '^ +(-[a-z], )?--[a-z0-9-]+' | grep -oE -- '--[a-z0-9-]+'
}

@test "the table is not empty and holds this project's commands" {
	[ "$(commands | wc -l)" -ge 4 ]
	[ "$(runnable | wc -l)" -ge "$(commands | wc -l)" ]
	[ -z "$(commands | sort | uniq -d)" ]
}

prints_help() {
	expect 0 hsmctl "$@" --help
	[ -z "$stderr" ]
	[[ ${lines[0]} == "usage: hsmctl $*"* ]]
	[ "$output" = "$(hsmctl help "$@")" ]
	[ "$output" = "$(hsmctl --help "$@")" ]
}

@test "each command prints its help on stdout, in each way to ask for it" {
	each_runnable prints_help
	for command in $(commands); do
		prints_help "$command"
	done
}

refuses_options() {
	expect 2 hsmctl "$@" --no-such-option
	[ -z "$output" ]
	says "unknown option '--no-such-option'"
	says "see 'hsmctl $* --help'"
}

refuses_options_in_json() {
	expect 2 hsmctl "$@" --no-such-option -o json
	[ "$(field .schema)" = hsmctl/error/v1 ]
	[ "$(field .error.code)" = usage ]
	is_valid
}

@test "each command refuses an option nobody knows, on stderr, with status 2" {
	each_runnable refuses_options
}

@test "with -o json the refusal is a document on stdout" {
	each_runnable refuses_options_in_json
}

completes_options() {
	[ "$(hsmctl __complete "$@" -- | sort)" = "$(shown_options "$@" | sort)" ]
}

@test "completion offers the options that help shows, no more and no less" {
	each_runnable completes_options
}

has_clear_letters() {
	[ -z "$(hsmctl "$@" --help | grep -oE '^ +-[a-zA-Z],' | sort | uniq -d)" ]
}

@test "no letter means two options of one command" {
	each_runnable has_clear_letters
}

completes_verbs() {
	local command=$1 verb=${2-}
	[ -z "$verb" ] || hsmctl __complete "$command" '' | grep -qx -- "$verb"
}

@test "completion offers each verb" {
	each_runnable completes_verbs
}

@test "each option stands in its command's manual page" {
	has_page() {
		local option
		for option in $(hsmctl "$@" --help | sed '/^Global options:/,$d' |
			grep -oE '^ +(-[a-z], )?--[a-z0-9-]+' | grep -oE -- '--[a-z0-9-]+'); do
			grep -q -- "Fl -${option#--}" "$ROOT/man/hsmctl-$1.1" || return 1
		done
	}
	each_runnable has_page
}

@test "the manual pages are those the program would write now" {
	"$ROOT/scripts/gen-man" "$BATS_TEST_TMPDIR/man"
	for page in "$BATS_TEST_TMPDIR"/man/*.1; do
		cmp "$page" "$ROOT/man/${page##*/}"
	done
	[ "$(ls "$BATS_TEST_TMPDIR/man")" = "$(cd "$ROOT/man" && ls -- *.1)" ]
}

@test "mandoc finds nothing to warn about in the manual pages" {
	run mandoc -T lint -W warning "$ROOT"/man/*.1
	[ "$status" -eq 0 ] && [ -z "$output" ] || fail "$output"
}

# Of the pages given: lines with quotes within quotes, or with what is left of an escape or a macro.
stray_signs() {
	local page
	for page; do
		mandoc -T utf8 "$page" | sed 's/.\x08//g' |
			LC_ALL=C.UTF-8 grep -HE --label="${page##*/}" '“[^”]*“|”[^“]*”|(^| )(Ns|Dq|Sq|Pq|Ql)( |$)|\\[&([*ef]' || true
	done
}

@test "no page shows quotes within quotes, or what is left of an escape or a macro" {
	[ -z "$(stray_signs "$ROOT"/man/*.1)" ] || fail "$(stray_signs "$ROOT"/man/*.1)"
	printf '.Dd 1\n.Dt X 1\n.Os\n.Sh NAME\n.Nm x\n.Nd y\n.Sh X\n.Dq a , Dq b\n' >"$BATS_TEST_TMPDIR/x.1"
	[ -n "$(stray_signs "$BATS_TEST_TMPDIR/x.1")" ]
}

@test "prose in man/ belongs to a page" {
	for prose in "$ROOT"/man/*.in; do
		page=${prose##*/}
		[ -f "$ROOT/man/${page%.in}.1" ] || fail "$prose"
	done
}

has_schema() {
	local schema
	schema=$(hsmctl "$@" --help | sed -n 's,^Output with -o json: hsmctl/\(.*\)/v1$,\1,p')
	[ -z "$schema" ] || jq -e --arg id "hsmctl/$schema/v1" \
		'.properties.schema.const == $id' "$BATS_TEST_TMPDIR/schemas/$schema.json" >/dev/null
}

@test "each command with a result has a schema" {
	hsmctl help --schemas "$BATS_TEST_TMPDIR/schemas"
	each_runnable has_schema
}

@test "every text fits a terminal of 80 columns" {
	fits() {
		! hsmctl "$@" --help | grep -E '^.{80}'
	}
	each_runnable fits
	! hsmctl | grep -E '^.{80}'
}
