#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# scripts/quickstart, with nothing but what its packages bring, in a folder that looks like the checkout.
load ../cli/helper
load ../cli/fleet

setup() {
	HOME=$(mktemp -d /dev/shm/hsmctl-test.XXXXXX)
	export HOME
	unset "${!HSMCTL_@}"
	mkdir "$HOME/checkout" "$HOME/programs"
	cd "$HOME/checkout" || return
	cp -r "$ROOT/scripts" .
	ln -s "$ROOT"/{Makefile,lib,cmd,completions,examples,man,tests} .
	ln -s "$BUILD" build
}

teardown() {
	HSMCTL_STORE=$HOME/checkout/quickstart/store end_fleet
}

@test "quickstart ends with a drill that passed, and says how to look at it and how to end it" {
	scripts/check-packages programs build "$HOME/programs"
	expect 0 env -u BUILD PATH="$HOME/programs" scripts/quickstart
	prints "Verdict:                pass"
	[ -s "$(sed -n 's/^Drill report: //p' <<<"$output")" ]
	eval "$(sed -n 's/^  export /export /p' <<<"$output")"
	end=$(sed -n 's/^To end them: //p' <<<"$output")
	in_sync
	expect 0 bash -c "$end"
	not compgen -G "$HSMCTL_STORE/appliances/*/appliance.pid"
}
