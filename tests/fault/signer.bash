# SPDX-License-Identifier: Apache-2.0
# An application that goes on while things happen to its members.
#
#	load signer
#
#	begin_signer		it runs, and has logged in
#	signer [CODE]		it searches and signs with signing-1, which gives CODE (default 0x0)
#	end_signer
load faults

begin_signer() {
	begin signer "$BUILD/tests/slot/edges" by-line
}

signer() {
	tell signer "${1:-0x0}"
}

end_signer() {
	end signer
}
