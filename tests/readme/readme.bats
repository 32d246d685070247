#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What README.md tells people to type is typed here, word for word, in a folder that looks like the checkout.
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
	STORE=$HOME/demo
}

teardown() {
	HSMCTL_STORE=$STORE end_fleet
}

# typed SECTION LANGUAGE: what its code blocks of that language say to type; of a console, what stands behind "$".
typed() {
	awk -v section="## $1" -v fence='```'"$2" '
		/^```/ { open = !open && here && $0 == fence; next }
		!open && /^## / { here = $0 == section }
		!open { next }
		fence ~ /console$/ && !more && !sub(/^\$ /, "") { next }
		{ print; more = /\\$/ }' "$ROOT/README.md"
}

# in_store COMMAND...: as an application of the session's group.
in_store() {
	local -x HSMCTL_STORE=$STORE PIN
	PIN=$(cat "$STORE/secrets/user.pin")
	"$@"
}

tool() {
	pkcs11-tool --module "$BUILD/lib/pkcs11/hsmctl-pkcs11.so" --login --pin env:PIN "$@" 2>/dev/null
}

# A search finds another key before the one of the examples, so that these show which they take.
hide_signing_1() {
	local n
	for ((n = 0; n < 20; n++)); do
		[ "$(tool --list-objects --type privkey | sed -n 's/^ *label: *//p' | head -1)" = signing-1 ] || return 0
		own_key "other-$n"
		hsmctl -q key delete payments signing-1 --yes >/dev/null
		own_key signing-1
	done
	return 1
}

signed_by() {
	tool --read-object --type pubkey --id "$(id_of "$1")" -o "$1.der"
	openssl dgst -sha256 -verify "$1.der" -keyform DER -signature signature document
}

@test "the reference session and the examples for applications do what README.md says" {
	typed "The reference session" console >session
	[ "$(grep -c '^hsmctl' session)" -ge 8 ]
	expect 0 bash -euo pipefail session
	prints "Verdict:                pass"
	[ -s drill.html ]
	in_store hide_signing_1
	echo text >document
	typed Applications sh >applications
	grep -q 'openssl dgst -engine pkcs11' applications
	expect 0 bash -euo pipefail applications
	prints "Verified OK"
	in_store signed_by tls-1
	typed "The reference session" sh >end
	[ -s end ]
	in_store expect 0 bash -euo pipefail end
	not compgen -G "$STORE/appliances/*/appliance.pid"
}

@test "quickstart, with nothing but what it installs, ends with a drill that passed and says what to do next" {
	STORE=$PWD/quickstart/store
	scripts/check-packages programs build "$HOME/programs"
	expect 0 env -u BUILD PATH="$HOME/programs" scripts/quickstart
	prints "Verdict:                pass"
	[ -s "$(sed -n 's/^Drill report: //p' <<<"$output")" ]
	end=$(sed -n 's/^To end them: //p' <<<"$output")
	eval "$(sed -n 's/^  export /export /p' <<<"$output")"
	in_sync
	expect 0 bash -c "$end"
	not compgen -G "$STORE/appliances/*/appliance.pid"
}
