#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# hsmctl ha export: a group's token for applications, those of other users, too.
load helper
load fleet

setup_file() {
	own_fleet
	own_group
	own_key signing-1
	own_application
	# Others may go in there.
	PLACE=$(mktemp -d /dev/shm/hsmctl-export.XXXXXX)
	chmod 755 "$PLACE"
	export PLACE
}

teardown_file() {
	end_fleet
	rm -rf "$PLACE"
}

setup() {
	all_well
	rm -rf "${PLACE:?}"/*
}

# Whom neither the programs of the tests nor the tree need be open for.
as_www() {
	setpriv --reuid=www-data --regid=www-data --clear-groups /usr/bin/env PATH=/usr/bin:/bin "$@"
}

# FOLDER [COMMAND...]: an application that knows no other store signs.
signs_from() {
	local folder=$1
	shift
	cp "$MODULE" "$PLACE/module.so"
	head -c 32 /dev/zero | "$@" env HSMCTL_STORE="$folder" pkcs11-tool --module "$PLACE/module.so" --login --pin env:PIN --sign -m ECDSA \
		--id "$(id_of signing-1)" 2>/dev/null | wc -c | grep -qx 64
}

@test "the lines for p11-kit, OpenSSL and scripts name the module, the store and the token" {
	expect 0 hsmctl ha export payments
	prints "module: $MODULE"
	prints "x-init-reserved: store=$HSMCTL_STORE"
	expect 0 hsmctl -o json ha export payments --format json
	is_valid
	[ "$(field .uri)" = pkcs11:token=payments ]
	[ "$(field .store)" = "$HSMCTL_STORE" ]
	hsmctl ha export payments --format openssl >"$PLACE/openssl.cnf"
	(
		export OPENSSL_CONF=$PLACE/openssl.cnf
		unset HSMCTL_STORE
		openssl dgst -engine pkcs11 -keyform engine -sha256 -out "$PLACE/signature" \
			-sign "pkcs11:token=payments;object=signing-1;type=private;pin-value=$PIN" "$OPENSSL_CONF"
	)
	[ -s "$PLACE/signature" ]
}

@test "a bundle has what an application needs and no more" {
	expect 0 hsmctl -o json ha export payments --bundle "$PLACE/app"
	is_valid
	[ "$(field .store)" = "$PLACE/app" ]
	(cd "$PLACE/app" && find . -type f | sort) >"$BATS_TEST_TMPDIR/files"
	printf '%s\n' ./fleet.json ./pki/application.key ./pki/application.pem ./pki/ca.pem | cmp - "$BATS_TEST_TMPDIR/files"
	not grep -rq 'PRIVATE KEY' "$PLACE/app/pki/ca.pem"
	not grep -qE 'file:|so_pin' "$PLACE/app/fleet.json"
	[ "$(stat -c %a "$PLACE/app" "$PLACE/app/fleet.json" "$PLACE/app/pki/application.key" | xargs)" = "700 600 600" ]
	openssl x509 -in "$PLACE/app/pki/application.pem" -noout -ext subjectAltName | grep -q urn:hsmctl:role:application
	signs_from "$PLACE/app"
	hsmctl audit verify >/dev/null
	grep -q '"ha export"' "$HSMCTL_STORE/audit.log"
}

@test "a bundle that is written again keeps its certificate, and tells a running application where members are now" {
	hsmctl -q ha export payments --bundle "$PLACE/app" >/dev/null
	before=$(openssl x509 -in "$PLACE/app/pki/application.pem" -noout -serial)
	coproc app { HSMCTL_STORE=$PLACE/app exec "$BUILD/tests/slot/edges" by-line; }
	read -rt 20 line <&"${app[0]}"
	[ "$line" = ready ]
	mapfile -t ports < <(jq -r '.devices[].partitions[].link.address | sub(".*:"; "")' "$HSMCTL_STORE/fleet.json")
	[ "${#ports[@]}" -eq 4 ]
	for device in $DEVICES; do
		crash "$device"
	done
	coproc squatter { exec /usr/bin/python3 -c '
import socket, sys
held = [socket.create_server(("127.0.0.1", int(port))) for port in sys.argv[1:]]
print("squatting", flush=True)
sys.stdin.read()' "${ports[@]}" 3>&-; }
	read -rt 20 line <&"${squatter[0]}"
	hsmctl -q device start --all >/dev/null
	hsmctl -q ha export payments --bundle "$PLACE/app" >/dev/null
	exec {squatter[1]}>&-
	[ "$(openssl x509 -in "$PLACE/app/pki/application.pem" -noout -serial)" = "$before" ]
	echo >&"${app[1]}"
	read -rt 20 line <&"${app[0]}"
	[ "$line" = 0x0 ]
	exec {app[1]}>&-
}

@test "an application of another user reads its bundle, and nobody else does" {
	[ "$(id -u)" -eq 0 ] || skip "only root gives files away"
	expect 0 hsmctl ha export payments --bundle "$PLACE/web" --owner www-data
	[ "$(stat -c '%U %G %a' "$PLACE/web/pki/application.key")" = "root www-data 640" ]
	signs_from "$PLACE/web" as_www
	signs_from "$PLACE/web"
	not setpriv --reuid=nobody --regid=nogroup --clear-groups cat "$PLACE/web/fleet.json"
	not as_www touch "$PLACE/web/new"
	not signs_from "$HSMCTL_STORE" as_www
}

@test "nginx with a master of root's and workers of www-data serves from a bundle" {
	[ "$(id -u)" -eq 0 ] || skip "only root starts such a master"
	hsmctl -q ha export payments --bundle "$PLACE/web" --owner www-data >/dev/null
	cd "$PLACE"
	hsmctl ha export payments --format openssl | sed "s|store=.*|store=$PLACE/web|" >openssl.cnf
	printf 'PIN = %s\n[req]\ndistinguished_name = dn\n[dn]\n' "$PIN" >>openssl.cnf
	chmod 644 openssl.cnf
	export OPENSSL_CONF=$PLACE/openssl.cnf
	openssl req -new -x509 -engine pkcs11 -keyform engine -key "pkcs11:object=signing-1;type=private" -subj /CN=localhost \
		-out web.pem 2>/dev/null
	cat >nginx.conf <<-EOF
		pid $PLACE/nginx.pid;
		error_log $PLACE/error.log;
		user www-data;
		worker_processes 2;
		ssl_engine pkcs11;
		env OPENSSL_CONF;
		events {}
		http {
			access_log off;
			server {
				listen unix:$PLACE/socket ssl;
				ssl_certificate $PLACE/web.pem;
				ssl_certificate_key "engine:pkcs11:pkcs11:object=signing-1;type=private";
				location / { return 200 hello; }
			}
		}
	EOF
	serves() { [ "$(curl -sk --max-time 20 --unix-socket "$PLACE/socket" https://localhost/)" = hello ]; }
	nginx -p "$PLACE" -c "$PLACE/nginx.conf" 2>/dev/null 3>&-
	until_true serves
	for victim in hsm-east-1 hsm-east-2; do
		crash $victim
		for _ in 1 2 3 4; do
			serves
		done
	done
	kill "$(cat nginx.pid)"
}

@test "what cannot be exported is refused, and nothing is written" {
	expect 6 hsmctl ha export nothing
	expect 6 hsmctl ha export payments --bundle "$PLACE/app" --owner no-such-user
	says "no user 'no-such-user'"
	expect 2 hsmctl ha export payments --owner www-data
	says "--owner is for --bundle"
	[ ! -e "$PLACE/app" ]
}
