#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The lists of packages suffice on a machine that has nothing else, and who may not install is told what to do.
load ../cli/helper

setup() {
	own_store
	FAKES=$(mktemp -d /dev/shm/hsmctl-test-XXXXXX)
	touch "$FAKES/called"
	chmod 755 "$FAKES"
	chmod 666 "$FAKES/called"
	cd "$BATS_TEST_TMPDIR" || return
	mkdir programs scripts
	cp "$ROOT"/scripts/{packages,check-packages} scripts
	ln -s "$ROOT"/{lib,cmd,tests,Makefile} .
}

# without PACKAGE: the list lacks it.
without() {
	sed -E "/^(build|tests)=/,/\)/ s/([[:space:](])$1([[:space:])]|$)/\1\2/" "$ROOT/scripts/packages" >scripts/packages
	[ "$(diff <("$ROOT/scripts/packages" list test) <(scripts/packages list test))" != "" ]
}

# somebody COMMAND...: not root, with the programs of listed packages.
somebody() {
	mkdir -p "$FAKES/programs"
	"$ROOT/scripts/check-packages" programs test "$FAKES/programs"
	local PATH=$FAKES:$FAKES/programs
	if [ "$(id -u)" -eq 0 ]; then
		setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
	else
		"$@"
	fi
}

# expect_of STATUS COMMAND...: of the script run by COMMAND, when a package is missing.
expect_of() {
	sed 's/^build=(/&hsmctl-no-such-package /' "$ROOT/scripts/packages" >wanting
	expect "$1" "${@:2}" bash -s build <wanting
}

# fake NAME SCRIPT: a program in front of all others, which notes how it is called first.
fake() {
	printf '#!/bin/sh\necho "%s $*" >>%s\n%s\n' "$1" "$FAKES/called" "$2" >"$FAKES/$1"
	chmod 755 "$FAKES/$1"
}

teardown() {
	rm -rf "$FAKES"
}

@test "what is built and tested needs no package that is not listed" {
	expect 0 scripts/check-packages
}

@test "a header, a library, a module, a file, a recommended package that no list has is named" {
	for package in libcurl4-openssl-dev libcmocka-dev python3-jsonschema libsofthsm2 ca-certificates; do
		without "${package/libsofthsm2/softhsm2}"
		expect 1 scripts/check-packages
		prints "does not list '$package' for "
	done
}

@test "tests find no program of a package that is not listed" {
	scripts/check-packages programs test programs
	for program in mandoc pgrep jq bats gcc; do
		[ -x programs/$program ]
	done
	for row in mandoc:mandoc opensc:pkcs11-tool jq:jq; do
		without "${row%:*}"
		rm -rf programs/*
		scripts/check-packages programs test programs
		[ -x programs/gcc ]
		[ ! -e "programs/${row#*:}" ]
	done
}

@test "without root and sudo nothing is done, and what an administrator can do is said" {
	fake apt-get 'exit 1'
	for reason in "there is no sudo" "sudo refuses"; do
		expect_of 1 somebody
		[ -z "$output" ]
		says "not root, and $reason; an administrator can:"
		says "apt-get update && apt-get install --no-install-recommends hsmctl-no-such-package"
		not grep apt-get "$FAKES/called"
		fake sudo 'exit 1'
	done
}

@test "what is missing is said, and installed by root or through sudo" {
	fake apt-get ''
	fake sudo 'while [ "$1" = -n ]; do shift; done; exec "$@"'
	expect_of 0 somebody
	[ "$output" = "installing: hsmctl-no-such-package" ]
	[ "$(grep -c '^apt-get' "$FAKES/called")" = 2 ]
	grep -qx 'apt-get install -y -qq --no-install-recommends hsmctl-no-such-package' "$FAKES/called"
}

@test "nothing is asked of apt when nothing is missing, nor of an unknown list" {
	fake apt-get 'exit 1'
	PATH=$FAKES:$PATH
	expect 0 "$ROOT/scripts/packages" test
	[ -z "$output$stderr" ]
	expect 2 "$ROOT/scripts/packages" tests
	says usage
	[ ! -s "$FAKES/called" ]
}
