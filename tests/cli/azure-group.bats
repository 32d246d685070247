#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Devices in Azure as members of a group: their tokens are stood for by two of SoftHSM, reached through its
# library as a vendor's would be.
load helper
load azure

setup() {
	own_azure
	export SOFTHSM2_CONF=$AZURE_FOLDER/softhsm2.conf
	mkdir "$AZURE_FOLDER/tokens"
	printf 'directories.tokendir = %s\nobjectstore.backend = file\n' "$AZURE_FOLDER/tokens" >"$SOFTHSM2_CONF"
	printf 12345678 >"$AZURE_FOLDER/pin"
	chmod 600 "$AZURE_FOLDER/pin"
}
teardown() { end_azure; }

token() { # NAME: make it, print its serial number
	softhsm2-util --init-token --free --label "$1" --pin 12345678 --so-pin 87654321 >/dev/null
	softhsm2-util --show-slots | awk -v label="$1" '$1 == "Serial" { serial = $3 } $1 == "Label:" && $2 == label { print serial }'
}

fleet() { # [FILTER]
	sed 's,^[ \t]*//.*,,' "$ROOT/examples/azure-cloud-hsm.json" | jq "${1:-.}" >"$FLEET"
}

@test "a fleet in Azure alone forms a group through its vendor's library, in a worker and in the process" {
	fleet
	expect 0 hsmctl provision apply "$FLEET"
	expect 7 hsmctl partition show chsm-east
	says "has no link yet"
	says "provision show"
	east=$(token chsm-east) west=$(token chsm-west)
	fleet ".devices |= map(. + {partitions: [{name, serial: (if .name == \"chsm-east\" then \"$east\" else \"$west\" end),
		link: ({module: \"/usr/lib/softhsm/libsofthsm2.so\"} + if .name == \"chsm-east\" then {environment: {OPENSSL_CONF: \"/dev/null\"}}
			else {kind: \"module\"} end), pin_source: \"file:$AZURE_FOLDER/pin\"}]})"
	expect 3 hsmctl provision plan "$FLEET" -o json
	[ "$(field '[.changes[].subject] | join(" ")')" = "device chsm-east device chsm-west" ]
	expect 0 hsmctl provision apply "$FLEET"
	expect 0 hsmctl provision plan "$FLEET"
	[ "$(jq -r '[.devices[].partitions[].link.kind] | join(" ")' "$HSMCTL_STORE/fleet.json")" = "worker module" ]
	expect 0 hsmctl ha create pay --member chsm-east --member chsm-west
	expect 0 hsmctl key generate pay --type ec-p256 --label signing
	expect 0 hsmctl verify pay -o json
	[ "$(field .verdict)" = in_sync ]
	[ "$(field .proofs.passed)" = 2 ]
	expect 0 pkcs11-tool --module "$BUILD/lib/pkcs11/hsmctl-pkcs11.so" --token-label pay --login --pin 12345678 \
		--list-objects --type privkey
	prints signing
	expect 1 hsmctl provision destroy --yes
	says "hsmctl ha delete pay"
}
