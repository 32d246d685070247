#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What may stand next on a command line, in each shell that asks.
load helper
load fleet

setup_file() {
	own_fleet
	hsmctl -q ha create payments --member hsm-east-1 --standby hsm-west-1 >/dev/null
	hsmctl -q key generate payments --label signing-1 --type ec-p256 >/dev/null
	hsmctl -q key generate payments --label "two words" --type aes-128 >/dev/null
}

teardown_file() {
	end_fleet
}

setup() {
	mkdir -p "$BATS_TEST_TMPDIR/files/folder"
	touch "$BATS_TEST_TMPDIR/files/fleet.json"
	cd "$BATS_TEST_TMPDIR/files"
}

# WORDS... -> candidates on one line, with "FILES" where a path may stand.
candidates() {
	local found status=0
	found=$(hsmctl __complete "$@") || status=$?
	[ $status -ne 3 ] || found+=${found:+$'\n'}FILES
	[ $status -eq 0 ] || [ $status -eq 3 ]
	sort <<<"$found" | paste -sd, -
}

# CANDIDATES WORDS...
offers() {
	local want=$1 got
	shift
	got=$(candidates "$@")
	[ "$got" = "$want" ] || fail "$* offers $got, not $want"
}

# The same of what members are asked, which is given up after 200 ms: a busy machine is asked again.
offers_live() {
	until_true answers "$@" || offers "$@"
}

answers() {
	[ "$(candidates "${@:2}")" = "$1" ]
}

@test "each place is offered what would be accepted there, and no more" {
	offers "create,delete,export,list,mechanisms,policy,recover,show" help ha ''
	offers "list" help key l
	offers "" help nothing ''
	offers_live "signing-1,two words" key show payments ''
	offers_live "signing-1" key delete payments s
	offers "" key show nope ''
	offers "" key generate payments ''
	offers "hsm-east-1,hsm-east-2,hsm-west-1,hsm-west-2" partition show ''
	offers "hsm-east-2/hsm-east-2" partition contents hsm-east-2/
	offers "hsm-east-2,hsm-west-2" ha create other --member ''
	offers "hsm-west-2" ha create other --member hsm-east-2 --standby ''
	offers "hsm-west-2" ha create other -m hsm-east-2/hsm-east-2 -s ''
	offers "--member=hsm-east-2,--member=hsm-west-2" ha create other --member=
	offers "hsm-east-1" drill run member-crash --group payments --target ''
	offers "cli,client-certificate,client-secret" provision plan x --credential c
	offers "bash,fish,zsh" completion ''
}

@test "files are offered where a path may stand, and nowhere else" {
	offers FILES provision apply ''
	offers FILES --store ''
	offers FILES drill run member-crash --report ''
	offers FILES shell f
	for line in "ha show payments" "ha create" "key list payments" "audit show" "nothing"; do
		# shellcheck disable=SC2086
		offers "" $line ''
	done
}

@test "labels are not asked for with a PIN that would have to be asked for, or run" {
	cp "$HSMCTL_STORE/fleet.json" "$BATS_TEST_TMPDIR/kept"
	printf '#!/bin/sh\ntouch %s\n' "$BATS_TEST_TMPDIR/ran" >"$BATS_TEST_TMPDIR/pin"
	chmod +x "$BATS_TEST_TMPDIR/pin"
	for source in prompt: "exec:$BATS_TEST_TMPDIR/pin"; do
		jq --arg source "$source" '.groups[].pin_source = $source' "$BATS_TEST_TMPDIR/kept" >"$HSMCTL_STORE/fleet.json"
		offers "" key show payments ''
	done
	cp "$BATS_TEST_TMPDIR/kept" "$HSMCTL_STORE/fleet.json"
	[ ! -e "$BATS_TEST_TMPDIR/ran" ]
	offers_live "signing-1" key show payments s
}

@test "the credentials offered are those that are taken" {
	run hsmctl provision import --subscription 01234567-89ab-cdef-0123-456789abcdef -g x --credential nonsense
	[ "$status" -ne 0 ]
	kinds=$(sed -n "s/.*'nonsense' (\(.*\))$/\1/p" <<<"$output" | tr -d ' ' | tr , '\n' | sort)
	[ "$(candidates provision import --credential '')" = "$(paste -sd, - <<<"$kinds")" ]
}

# The script that a shell sources, and the words.
in_bash() {
	bash -c 'source <(hsmctl completion bash)
		compopt() { echo FILES; }
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_hsmctl hsmctl
		printf "%s\n" "${COMPREPLY[@]}"' bash "$@"
}

in_fish() {
	fish --no-config -c 'source (hsmctl completion fish | psub); complete -C "$argv"' "$@"
}

bash_says() {
	[ "$(in_bash hsmctl "${@:2}")" = "$1" ]
}

fish_says() {
	[ "$(in_fish "$2")" = "$1" ]
}

@test "bash asks and offers" {
	[ "$(in_bash hsmctl vers)" = version ]
	until_true bash_says 'two\ words' key show payments t
	[ "$(in_bash hsmctl provision plan f | head -1)" = FILES ]
	[ -z "$(in_bash hsmctl ha show payments '')" ]
}

@test "fish asks and offers" {
	[ "$(in_fish "hsmctl vers")" = version ]
	[ "$(in_fish "hsmctl version --outp")" = --output ]
	[ "$(in_fish "hsmctl version --output ")" = "$(printf 'json\ntable\nwide')" ]
	until_true fish_says 'two words' "hsmctl --store '$HSMCTL_STORE' key show payments t"
	[ "$(in_fish "hsmctl provision plan f" | cut -f1 | sort)" = "$(printf 'fleet.json\nfolder/')" ]
	[ -z "$(in_fish "hsmctl ha show payments ")" ]
}

@test "zsh asks and offers, sourced and as a function of its folder" {
	mkdir "$BATS_TEST_TMPDIR/zsh"
	hsmctl completion zsh >"$BATS_TEST_TMPDIR/zsh/_hsmctl"
	for way in "compinit -u -D; source <(hsmctl completion zsh)" "fpath=('$BATS_TEST_TMPDIR/zsh' \$fpath); compinit -u -D"; do
		run --separate-stderr /usr/bin/python3 "$ROOT/tests/cli/prompt.py" -- zsh -f -i -- \
			'[%#] ' "PS1='ready> '; autoload -Uz compinit; $way"$'\n' 'Jready> ' \
			$'hsmctl vers\t' 'version' $'--outp\t' '--output' $'js\t' 'json' $'\n' '"schema": "hsmctl/version/v1".*ready> ' \
			$'hsmctl provision plan fl\t' 'fleet.json' $'\x15exit\n' EXIT:0
		[ "$status" -eq 0 ] || fail "$way"
	done
}

@test "make install puts each where its shell looks" {
	make -s -C "$ROOT" BUILD="$BUILD" install PREFIX=/usr/local DESTDIR="$BATS_TEST_TMPDIR/root" >/dev/null
	share=$BATS_TEST_TMPDIR/root/usr/local/share
	cmp "$share/zsh/site-functions/_hsmctl" "$ROOT/completions/hsmctl.zsh"
	cmp "$share/fish/vendor_completions.d/hsmctl.fish" "$ROOT/completions/hsmctl.fish"
	cmp "$share/bash-completion/completions/hsmctl" "$ROOT/completions/hsmctl.bash"
	for shell in bash zsh fish; do
		[ "$(hsmctl completion $shell)" = "$(cat "$ROOT/completions/hsmctl.$shell")" ]
	done
}
