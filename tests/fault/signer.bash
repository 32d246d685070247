# SPDX-License-Identifier: Apache-2.0
# An application that goes on while things happen to its members.
#
#	load signer
#
#	begin_signer		it runs, and has logged in
#	signer [CODE]		it searches and signs with signing-1, which gives CODE (default 0x0)
#	end_signer
begin_signer() {
	mkfifo "$BATS_TEST_TMPDIR/to.$((++SIGNERS))" "$BATS_TEST_TMPDIR/from.$SIGNERS"
	"$BUILD/tests/slot/edges" by-line <"$BATS_TEST_TMPDIR/to.$SIGNERS" >"$BATS_TEST_TMPDIR/from.$SIGNERS" 2>&1 3>&- &
	signer_PID=$!
	exec {to}>"$BATS_TEST_TMPDIR/to.$SIGNERS" {from}<"$BATS_TEST_TMPDIR/from.$SIGNERS"
	read -rt 20 answer <&"$from"
	[ "$answer" = ready ] || fail "$answer"
}

signer() {
	echo >&"$to"
	read -rt 60 answer <&"$from"
	[ "$answer" = "${1:-0x0}" ] || fail "answered $answer"
}

end_signer() {
	exec {to}>&-
	wait "$signer_PID"
	exec {from}<&-
}
