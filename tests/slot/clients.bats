#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Applications as they are packaged do on a group's token what they do every day, and go on when the members that served
# them are lost.
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

# OpenSSL's engine is configured for the token, as nginx wants it.
use_engine() {
	cat >openssl.cnf <<-EOF
		openssl_conf = init
		[init]
		engines = engines
		[engines]
		pkcs11 = pkcs11
		[pkcs11]
		engine_id = pkcs11
		MODULE_PATH = $MODULE
		PIN = $PIN
		init = 0
		[req]
		distinguished_name = dn
		[dn]
	EOF
	export OPENSSL_CONF=$PWD/openssl.cnf
}

@test "p11tool makes, lists, signs, writes, exports and deletes" {
	p11() { GNUTLS_PIN=$PIN p11tool --provider "$MODULE" --batch --login "$@" 2>/dev/null; }
	url="pkcs11:token=payments"
	p11 --generate-privkey=ecc --curve=secp256r1 --label=gnutls --id=6b31 "$url" | grep -q 'BEGIN PUBLIC KEY'
	p11 --list-all "$url" | grep -q 'object=gnutls;type=private'
	GNUTLS_PIN=$PIN certtool --generate-self-signed --load-privkey "$url;object=gnutls;type=private" \
		--provider "$MODULE" --template <(echo cn=gnutls) --outfile cert.pem 2>/dev/null
	p11 --write --load-certificate=cert.pem --label=gnutls --id=6b31 "$url"
	lose_the_active_ones
	p11 --export "$url;object=gnutls;type=cert" >back.pem
	cmp <(openssl x509 -in cert.pem -outform DER) <(openssl x509 -in back.pem -outform DER)
	p11 --test-sign "$url;object=gnutls;type=private"
	p11 --delete "$url;object=gnutls"
	p11 --list-all "$url" | not grep -q 'object=gnutls'
}

@test "OpenSSH lists public keys without a PIN, and signs in with one of them" {
	tool --keypairgen --key-type EC:prime256v1 --label ssh --id 55 >/dev/null 2>&1
	ssh-keygen -D "$MODULE" 2>/dev/null | grep ' ssh$' >authorized
	ssh-keygen -q -t ed25519 -N '' -f host
	cat >sshd.conf <<-EOF
		HostKey $PWD/host
		AuthorizedKeysFile $PWD/authorized
		StrictModes no
		UsePAM no
		PasswordAuthentication no
	EOF
	printf '#!/bin/sh\necho "$PIN"\n' >askpass
	chmod +x askpass
	mkdir -p /run/sshd
	export SSH_ASKPASS=$PWD/askpass SSH_ASKPASS_REQUIRE=force
	for members in all standbys; do
		expect 0 ssh -F /dev/null -I "$MODULE" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
			-o ProxyCommand="$(command -v sshd) -i -f $PWD/sshd.conf" localhost echo "$members"
		[ "$output" = "$members" ]
		lose_the_active_ones
	done
}

@test "NSS makes a key and its certificate on the token, and deletes them" {
	unset OPENSSL_CONF
	certs() { certutil "$1" -d sql:db -h payments -f pin "${@:2}" 2>/dev/null; }
	mkdir db
	certutil -N -d sql:db --empty-password
	modutil -dbdir sql:db -force -add hsmctl -libfile "$MODULE" >/dev/null 2>&1
	echo "$PIN" >pin
	head -c 100 /dev/urandom >noise
	certs -S -n nss -s CN=nss -x -t u,u,u -z noise -k rsa -g 2048 >/dev/null
	certs -L | grep -q 'payments:nss *u,u,u'
	lose_the_active_ones
	certs -K | grep -q 'rsa .*nss'
	certs -L -n payments:nss -a | openssl x509 -noout -subject | grep -q 'CN = nss'
	all_well
	certs -F -n payments:nss >/dev/null
	certs -K | not grep -q nss
}

# With a key of the token, and its certificate.
nginx_key() {
	OPENSSL_CONF='' tool --keypairgen --key-type EC:prime256v1 --label web --id 77 >/dev/null 2>&1
	openssl req -new -x509 -engine pkcs11 -keyform engine -key "pkcs11:object=web;type=private" -subj /CN=localhost \
		-out web.pem 2>/dev/null
}

serves() {
	[ "$(curl -sk --max-time 20 --unix-socket "$PWD/socket" https://localhost/)" = hello ]
}

begin_nginx() {
	use_engine
	nginx_key
	cat >nginx.conf <<-EOF
		pid $PWD/nginx.pid;
		error_log $PWD/error.log;
		user $(id -un);
		worker_processes 2;
		ssl_engine pkcs11;
		env HSMCTL_STORE;
		env OPENSSL_CONF;
		events {}
		http {
			access_log off;
			server {
				listen unix:$PWD/socket ssl;
				ssl_certificate $PWD/web.pem;
				ssl_certificate_key "engine:pkcs11:pkcs11:object=web;type=private";
				location / { return 200 hello; }
			}
		}
	EOF
	nginx -p "$PWD" -c "$PWD/nginx.conf" 2>/dev/null 3>&-
	until_true serves
}

@test "nginx serves TLS with a key of the token, before and after its members are lost" {
	begin_nginx
	for victim in hsm-east-1 hsm-east-2 hsm-west-1; do
		crash $victim
		for _ in 1 2 3 4; do
			serves
		done
	done
	kill "$(cat nginx.pid)"
}

@test "Python's PyKCS11 wraps, unwraps and derives" {
	unset OPENSSL_CONF
	expect 0 /usr/bin/python3 "$ROOT/tests/slot/pykcs11.py" "$MODULE"
	lose_the_active_ones
	expect 0 /usr/bin/python3 "$ROOT/tests/slot/pykcs11.py" "$MODULE"
}

@test "nginx serves with the key of a group that was made again, once it has read its configuration" {
	begin_nginx
	hsmctl -q ha delete payments --yes >/dev/null
	until_true not serves
	hsmctl -q ha create payments --member hsm-west-1 --member hsm-west-2 >/dev/null
	nginx_key
	kill -HUP "$(cat nginx.pid)"
	until_true serves
	for _ in 1 2 3 4; do
		serves
	done
	kill "$(cat nginx.pid)"
}
