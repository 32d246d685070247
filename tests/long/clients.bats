#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Applications that are large to install do on a group's token what they do every day (see tests/slot/clients.bats).
load ../cli/helper
load ../cli/fleet

setup_file() {
	own_fleet
	own_group
	own_application
}

teardown_file() {
	end_fleet
}

setup() {
	all_well
	cd "$BATS_TEST_TMPDIR" || return
}

@test "Java's keytool makes keys and certificates, lists them, signs requests and deletes" {
	printf 'name=payments\nlibrary=%s\n' "$MODULE" >p11.cfg
	tool() {
		keytool -providerclass sun.security.pkcs11.SunPKCS11 -providerarg p11.cfg -keystore NONE -storetype PKCS11 \
			-storepass:env PIN "$@" 2>&1
	}
	tool -genkeypair -alias ec -keyalg EC -groupname secp256r1 -dname CN=ec
	tool -genkeypair -alias rsa -keyalg RSA -keysize 2048 -dname CN=rsa
	lose_the_active_ones
	tool -genseckey -alias aes -keyalg AES -keysize 256
	tool -list | grep -c 'PrivateKeyEntry\|SecretKeyEntry' | grep -qx 3
	for alias in ec rsa; do
		tool -certreq -alias $alias | openssl req -noout -verify
		tool -exportcert -rfc -alias $alias | openssl x509 -noout -subject | grep -qx "subject=CN = $alias"
	done
	for alias in ec rsa aes; do
		tool -delete -alias $alias
	done
	tool -list | not grep Entry
	all_well
}

@test "OpenDNSSEC's tool makes, uses and deletes keys of which it keeps the private half alone" {
	cat >conf.xml <<-EOF
		<?xml version="1.0" encoding="UTF-8"?>
		<Configuration><RepositoryList><Repository name="hsm">
		<Module>$MODULE</Module><TokenLabel>payments</TokenLabel><PIN>$PIN</PIN><SkipPublicKey/>
		</Repository></RepositoryList></Configuration>
	EOF
	tool() { ods-hsmutil -c conf.xml "$@" 2>&1; }
	tool generate hsm rsa 2048 | grep -q 'successful'
	tool generate hsm ecdsa 256 | grep -q 'successful'
	lose_the_active_ones
	tool list hsm | grep -c 'RSA/2048\|ECDSA/256' | grep -qx 2
	# It tries kinds that no token has, and says so.
	tool test hsm >said || true
	grep -A5 '2048-bit RSA' said | grep -q 'Signing (RSA/SHA256) with key... OK'
	grep -A5 '1024-bit DSA' said | grep -q 'Signing (DSA/SHA1) with key... OK'
	tool list hsm | sed -n 's/^hsm *\([0-9a-f]*\) .*/\1/p' >ids
	while read -r id; do
		tool remove "$id" | grep -q 'successful'
	done <ids
	all_well
}

@test "Knot's keymgr makes keys of a zone and signs their DS" {
	cat >knot.conf <<-EOF
		keystore:
		  - id: hsm
		    backend: pkcs11
		    config: "pkcs11:token=payments;pin-value=$PIN $MODULE"
		policy:
		  - id: by-hand
		    keystore: hsm
		    manual: on
		zone:
		  - domain: example.com
		    dnssec-policy: by-hand
		    storage: $PWD
		database:
		  storage: $PWD
	EOF
	keymgr -c knot.conf example.com generate algorithm=ECDSAP256SHA256 ksk=yes
	lose_the_active_ones
	keymgr -c knot.conf example.com generate algorithm=RSASHA256 size=2048
	[ "$(keymgr -c knot.conf example.com list | wc -l)" -eq 2 ]
	keymgr -c knot.conf example.com ds | grep -q '^example.com. DS '
}
