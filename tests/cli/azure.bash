# SPDX-License-Identifier: Apache-2.0
# A stand-in of Azure for each test (tests/azure/README.md), and the environment that leads to it.
#
#	setup() { own_azure; }
#	teardown() { end_azure; }
#
#	azure_config JSON	more configuration, while it runs
#	azure_state FILTER	jq -r FILTER of what it knows
#	azure_log FILTER	jq -r FILTER of each request it was sent, oldest first
#	no_violations		nothing was asked that a careful client does not ask
#	make_azure_fleet [FILTER]	the example's document, changed by a jq filter, as $FLEET

SUBSCRIPTION=00000000-0000-4000-8000-000000000001

own_azure() {
	own_store
	unset "${!AZURE_@}" "${!ARM_@}" "${!ACTIONS_@}" "${!SYSTEM_@}" "${!IDENTITY_@}" "${!MSI_@}" HTTPS_PROXY HTTP_PROXY https_proxy http_proxy
	AZURE_FOLDER=$(mktemp -d /dev/shm/hsmctl-azure-XXXXXX)
	export HSMCTL_STORE=$AZURE_FOLDER/store
	FLEET=$AZURE_FOLDER/fleet.json
	/usr/bin/python3 "$ROOT/tests/azure/standin.py" --port-file "$AZURE_FOLDER/port" \
		--config "${1:-"{}"}" >"$AZURE_FOLDER/standin.log" 2>&1 3>&- &
	AZURE_PID=$!
	local tries
	for ((tries = 0; tries < 500; tries++)); do
		[ -s "$AZURE_FOLDER/port" ] && break
		read -rt 0.02 <> <(:) || :
	done
	[ -s "$AZURE_FOLDER/port" ] || fail "$(cat "$AZURE_FOLDER/standin.log")"
	AZURE_URL=http://127.0.0.1:$(cat "$AZURE_FOLDER/port")
	export HSMCTL_ARM_ENDPOINT=$AZURE_URL AZURE_AUTHORITY_HOST=$AZURE_URL
	export HSMCTL_INSECURE_LOOPBACK=1 HSMCTL_PAUSE_SCALE=0.001
	export AZURE_TENANT_ID=00000000-0000-4000-8000-0000000000aa
	export AZURE_CLIENT_ID=00000000-0000-4000-8000-0000000000c1
	export AZURE_CLIENT_SECRET=standin-secret
	export AZURE_SUBSCRIPTION_ID=$SUBSCRIPTION
}

end_azure() {
	kill "$AZURE_PID" 2>/dev/null
	wait "$AZURE_PID" 2>/dev/null
	rm -rf "$AZURE_FOLDER"
}

azure_ask() { # METHOD PATH [BODY]
	local -a body=()
	[ $# -lt 3 ] || body=(--data-binary "$3")
	/usr/bin/curl -sS --noproxy '*' -X "$1" "${body[@]}" "$AZURE_URL/_standin/$2"
}

azure_config() {
	[ -n "$(azure_ask POST config "$1")" ]
}

azure_state() {
	azure_ask GET state | jq -r "$1"
}

azure_log() {
	azure_ask GET log | jq -r "(if type == \"array\" then . else .log end) | .[] | $1"
}

no_violations() {
	local found
	found=$(azure_state '.violations[] | "\(.request): \(.field): \(.why)"')
	[ -z "$found" ] || fail "$found"
}

make_azure_fleet() {
	sed 's,^ *//.*,,' "$ROOT/examples/azure-two-regions.json" | sed 's,\t//.*,,' >"$AZURE_FOLDER/plain.json"
	jq "${1:-.}" "$AZURE_FOLDER/plain.json" >"$FLEET"
}
