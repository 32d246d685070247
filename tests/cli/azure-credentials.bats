#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load helper
load azure

setup() {
	own_azure
	make_azure_fleet
	unset AZURE_CLIENT_SECRET "${!AZURE_CLIENT_CERT@}" "${!AZURE_FED@}" "${!ACTIONS_ID@}" "${!SYSTEM_@}" \
		"${!IDENTITY_@}" "${!MSI_@}" IMDS_ENDPOINT
	# Neither somebody's az nor the metadata service of the host the tests run on.
	export AZURE_CONFIG_DIR=$AZURE_FOLDER AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:1
	export HSMCTL_LOG=$AZURE_FOLDER/log HSMCTL_DEBUG=all
}
teardown() {
	local told=0
	tells_no_secret || told=1
	end_azure
	return $told
}

# Nothing that was said, and nothing in the log of debugging.
tells_no_secret() {
	local secret
	for secret in standin-{secret,runner,pipeline,header} 24681357 eyJ 'PRIVATE KEY' pass-phrase; do
		[[ "${output-}${stderr-}" != *"$secret"* ]] || fail "told: $secret"
		! grep -qs -e "$secret" "$HSMCTL_LOG" || fail "logged: $secret"
	done
}

# logs_in WAY [OPTION...]: plan gets a token that way.
logs_in() {
	local way=$1
	shift
	expect 3 hsmctl provision plan "$FLEET" "$@"
	[ "$(azure_state '.token_requests[-1].way')" = "$way" ] || fail "$(azure_state .token_requests)"
	grep -q "azure: credential: " "$HSMCTL_LOG"
	no_violations
}

# refused STATUS [OPTION...]: nothing of Azure's is read.
refused() {
	local status=$1
	shift
	azure_ask POST reset '{}' >/dev/null
	expect "$status" hsmctl provision plan "$FLEET" "$@"
	[ -z "$(azure_log 'select(.path | startswith("/subscriptions")) | .path')" ]
}

make_certificate() {
	openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=fleet \
		-keyout "$AZURE_FOLDER/key" -out "$AZURE_FOLDER/crt" 2>"$AZURE_FOLDER/openssl"
	(umask 077 && cat "$AZURE_FOLDER/key" "$AZURE_FOLDER/crt" >"$AZURE_FOLDER/pem")
	azure_config "{\"clients\": {\"$AZURE_CLIENT_ID\": {\"certificates\": [\"$AZURE_FOLDER/crt\"]}}}"
}

@test "a client secret of the environment is used, and -v says so" {
	export AZURE_CLIENT_SECRET=standin-secret
	logs_in client-secret
	unset HSMCTL_LOG HSMCTL_DEBUG
	expect 3 hsmctl -v provision plan "$FLEET"
	says "azure: credential: client secret (AZURE_CLIENT_SECRET) of client $AZURE_CLIENT_ID"
}

@test "ids and the reference to a secret can be given by hand" {
	local tenant=$AZURE_TENANT_ID client=$AZURE_CLIENT_ID
	export AZURE_TENANT_ID=elsewhere AZURE_CLIENT_ID=somebody
	(umask 077 && echo standin-secret >"$AZURE_FOLDER/secret")
	logs_in client-secret --tenant "$tenant" --client-id "$client" \
		--client-secret-source "file:$AZURE_FOLDER/secret"
}

@test "a secret itself is not taken for a reference, and not repeated" {
	refused 2 --client-secret-source standin-secret
	says 'not a reference to a secret'
}

@test "a wrong secret is told with Entra's code, and what helps" {
	export AZURE_CLIENT_SECRET=wrong-one
	refused 5
	says 'the client secret was refused: AADSTS7000215'
	says ', correlation '
	says 'not its id'
	[[ $stderr != *wrong-one* ]]
}

@test "without anything to log in with, what was looked for is listed" {
	refused 5
	says 'found nothing to log in to Azure with'
	says AZURE_FEDERATED_TOKEN_FILE
	says 'a managed identity'
}

@test "half a source is an error, not skipped" {
	export AZURE_CLIENT_SECRET=standin-secret
	unset AZURE_TENANT_ID
	refused 2
	says "credential 'client-secret': there is a client secret, but no tenant"
	says AZURE_TENANT_ID
}

@test "a kind of credential that is asked for is used, or nothing" {
	export AZURE_CLIENT_SECRET=standin-secret
	refused 2 --credential workload-identity
	says 'it needs AZURE_FEDERATED_TOKEN_FILE'
	refused 2 --credential client-secert
	logs_in client-secret --credential client-secret
}

@test "a certificate signs as PS256, or as RS256 when asked, with its chain or without" {
	make_certificate
	logs_in 'client-certificate-PS256-x5t#S256' --client-certificate "$AZURE_FOLDER/pem"
	logs_in client-certificate-RS256-x5t --client-certificate "$AZURE_FOLDER/pem" --rs256
	logs_in 'client-certificate-PS256-x5t#S256-x5c' --client-certificate "$AZURE_FOLDER/pem" \
		--send-certificate-chain
}

@test "a PKCS#12 file opens with its password" {
	make_certificate
	(umask 077 && openssl pkcs12 -export -in "$AZURE_FOLDER/pem" -passout pass:pass-phrase -out "$AZURE_FOLDER/p12")
	export PASSWORD=pass-phrase
	logs_in 'client-certificate-PS256-x5t#S256' --client-certificate "$AZURE_FOLDER/p12" \
		--certificate-password-source env:PASSWORD
	PASSWORD=wrong refused 2 --client-certificate "$AZURE_FOLDER/p12" --certificate-password-source env:PASSWORD
	says "credential 'client-certificate'"
}

@test "a certificate's key may stay on its token" {
	make_certificate
	local module
	module=$(find /usr/lib /usr/local/lib -name libsofthsm2.so 2>/dev/null | head -1)
	mkdir "$AZURE_FOLDER/tokens"
	echo "directories.tokendir = $AZURE_FOLDER/tokens" >"$AZURE_FOLDER/softhsm2.conf"
	export SOFTHSM2_CONF=$AZURE_FOLDER/softhsm2.conf PIN=24681357
	softhsm2-util --init-token --free --label fleet --so-pin 12345678 --pin $PIN
	openssl pkcs8 -topk8 -nocrypt -in "$AZURE_FOLDER/key" -out "$AZURE_FOLDER/p8"
	softhsm2-util --import "$AZURE_FOLDER/p8" --token fleet --label login --id a1 --pin $PIN
	local uri="pkcs11:token=fleet;object=login?module-path=$module"
	logs_in 'client-certificate-PS256-x5t#S256' --client-certificate "$uri&pin-source=env:PIN" \
		--client-certificate-chain "$AZURE_FOLDER/crt"
	grep -q "certificate with a key on token 'fleet'" "$HSMCTL_LOG"
	refused 2 --client-certificate "$uri&pin-value=$PIN" --client-certificate-chain "$AZURE_FOLDER/crt"
	says "'pin-value'"
}

@test "a federated token is read from its file" {
	azure_ask POST assertion '{}' | jq -j .token >"$AZURE_FOLDER/token"
	logs_in workload-identity --federated-token-file "$AZURE_FOLDER/token"
	AZURE_FEDERATED_TOKEN_FILE=$AZURE_FOLDER/token logs_in workload-identity
	azure_ask POST assertion '{"seconds": -1}' | jq -j .token >"$AZURE_FOLDER/token"
	expect 5 hsmctl provision plan "$FLEET" --federated-token-file "$AZURE_FOLDER/token"
	says AADSTS700024
	says 'has expired'
}

@test "jobs of GitHub and Azure DevOps log in with their own tokens" {
	export ACTIONS_ID_TOKEN_REQUEST_URL="$AZURE_URL/github/token?api-version=2.0"
	export ACTIONS_ID_TOKEN_REQUEST_TOKEN=standin-runner
	logs_in github
	unset ACTIONS_ID_TOKEN_REQUEST_URL
	export SYSTEM_OIDCREQUESTURI=$AZURE_URL/devops/oidc SYSTEM_ACCESSTOKEN=standin-pipeline
	export ARM_ADO_PIPELINE_SERVICE_CONNECTION_ID=1
	logs_in azure-devops
}

@test "a managed identity is found where there is one" {
	unset AZURE_CLIENT_ID
	AZURE_POD_IDENTITY_AUTHORITY_HOST=$AZURE_URL logs_in imds
	AZURE_POD_IDENTITY_AUTHORITY_HOST=$AZURE_URL logs_in imds --client-id 00000000-0000-4000-8000-0000000000d1
	IDENTITY_ENDPOINT=$AZURE_URL/appservice/token IDENTITY_HEADER=standin-header logs_in app-service
}

@test "the login of az is used, and its absence is told with the command that helps" {
	mkdir "$AZURE_FOLDER/bin"
	PATH=$AZURE_FOLDER/bin:$PATH
	printf '#!/bin/sh\necho "ERROR: Please run '"'az login'"' to setup account." >&2\nexit 1\n' \
		>"$AZURE_FOLDER/bin/az"
	chmod +x "$AZURE_FOLDER/bin/az"
	refused 5 --credential cli
	says 'az is not logged in'
	says 'az login'
	# Without being asked for it is passed over where nobody has logged in.
	refused 5
	says 'found nothing'
	echo '{"subscriptions": [{"id": "s"}]}' >"$AZURE_FOLDER/azureProfile.json"
	refused 5
	says 'az is not logged in'
}

@test "a token that ends in the middle of a command is renewed" {
	export AZURE_CLIENT_SECRET=standin-secret
	azure_config '{"token_seconds": 1}'
	logs_in client-secret
	[ "$(azure_state '.token_requests | length')" -gt 1 ]
}

@test "secrets go over https only, but for a stand-in on this host" {
	export AZURE_CLIENT_SECRET=standin-secret
	AZURE_AUTHORITY_HOST=http://login.example.org refused 5
	says 'AZURE_AUTHORITY_HOST is not https'
	HSMCTL_INSECURE_LOOPBACK=0 refused 5
	says 'is not https'
}
