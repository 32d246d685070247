# SPDX-License-Identifier: Apache-2.0
# A stand-in of Azure for each test (tests/azure/README.md), and the environment that leads to it.
#
#	setup() { own_azure; }
#	teardown() { end_azure; }
#
#	azure_config JSON	more configuration, while it runs
#	azure_state FILTER	jq -r FILTER of what it knows
#	azure_log FILTER	jq -r FILTER of each request it was sent, oldest first
#	azure_seed FILTER	resources of somebody else: an object that may use $rg, $net and $hsm
#	azure_delete ID		somebody else deletes that
#	no_violations		nothing was asked that a careful client does not ask
#	make_azure_fleet [FILTER]	the example's document, changed by a jq filter, as $FLEET
#	cloud_fleet [FILTER]	the same with a Cloud HSM cluster in each region
#	writes, writes_since	METHOD and path of each write, of those after forget_log
#	made_once		each resource was made once, and not written again
#	resources [PATTERN]	names of those there are, below their provider, that match
SUBSCRIPTION=00000000-0000-4000-8000-000000000001
RG=/subscriptions/$SUBSCRIPTION/resourceGroups/two-regions
NETWORK=$RG/providers/Microsoft.Network
HSM=$RG/providers/Microsoft.HardwareSecurityModules

# What takes half an hour there takes longest here too, but not half of the time of the tests.
STANDIN_TIMES='{"durations": {"virtualNetworkGateways.create": 200, "virtualNetworkGateways.delete": 100,
	"dedicatedHSMs.create": 100, "dedicatedHSMs.delete": 50, "cloudHsmClusters.create": 100,
	"cloudHsmClusters.delete": 50, "resourceGroups.delete-full": 60}}'

own_azure() {
	own_store
	unset "${!AZURE_@}" "${!ARM_@}" "${!ACTIONS_@}" "${!SYSTEM_@}" "${!IDENTITY_@}" "${!MSI_@}"
	unset HTTPS_PROXY HTTP_PROXY https_proxy http_proxy
	AZURE_FOLDER=$(mktemp -d /dev/shm/hsmctl-azure-XXXXXX)
	export HSMCTL_STORE=$AZURE_FOLDER/store
	FLEET=$AZURE_FOLDER/fleet.json
	/usr/bin/python3 "$ROOT/tests/azure/standin.py" --port-file "$AZURE_FOLDER/port" --with-parent \
		--config "${1:-$STANDIN_TIMES}" >"$AZURE_FOLDER/standin.log" 2>&1 3>&- &
	AZURE_PID=$!
	if ! azure_port; then
		cat "$AZURE_FOLDER/standin.log" >&2
		end_azure
		return 1
	fi
	export HSMCTL_ARM_ENDPOINT=$AZURE_URL AZURE_AUTHORITY_HOST=$AZURE_URL
	export HSMCTL_INSECURE_LOOPBACK=1 HSMCTL_PAUSE_SCALE=0.001
	export AZURE_TENANT_ID=00000000-0000-4000-8000-0000000000aa
	export AZURE_CLIENT_ID=00000000-0000-4000-8000-0000000000c1
	export AZURE_CLIENT_SECRET=standin-secret
	export AZURE_SUBSCRIPTION_ID=$SUBSCRIPTION
}

# Wait until it listens, or has ended.
azure_port() {
	local tries
	for ((tries = 0; tries < ${STANDIN_TRIES:-500}; tries++)); do
		if [ -s "$AZURE_FOLDER/port" ]; then
			AZURE_URL=http://127.0.0.1:$(cat "$AZURE_FOLDER/port")
			return 0
		fi
		kill -0 "$AZURE_PID" 2>/dev/null || return 1
		read -rt 0.02 <> <(:) || :
	done
	return 1
}

end_azure() {
	[ -n "${AZURE_PID-}" ] || return 0
	kill "$AZURE_PID" 2>/dev/null || :
	wait "$AZURE_PID" 2>/dev/null || :
	rm -rf "$AZURE_FOLDER"
	AZURE_PID=
}

azure_ask() { # METHOD PATH [BODY]
	local -a body=()
	[ $# -lt 3 ] || body=(--data-binary "$3")
	/usr/bin/curl -sS --noproxy '*' -X "$1" "${body[@]}" "$AZURE_URL/_standin/$2"
}

azure_config() {
	[ "$(azure_ask POST config "$1")" = "{}" ]
}

# An answer that did not come is no empty one.
azure_state() {
	local all
	all=$(azure_ask GET state) || { echo "the stand-in does not answer"; return 1; }
	jq -r "$1" <<<"$all" 2>&1
}

azure_log() {
	local all
	all=$(azure_ask GET log) || { echo "the stand-in does not answer"; return 1; }
	jq -r ".[] | $1" <<<"$all" 2>&1
}

azure_seed() {
	azure_ask POST seed "$(jq -n --arg rg "$RG" --arg net "$NETWORK" --arg hsm "$HSM" "$1")" | grep -q seeded
}

azure_delete() {
	/usr/bin/curl -sS --noproxy '*' -o "$AZURE_FOLDER/answer" "$AZURE_URL/$AZURE_TENANT_ID/oauth2/v2.0/token" \
		-d "grant_type=client_credentials&client_id=$AZURE_CLIENT_ID&client_secret=$AZURE_CLIENT_SECRET" \
		-d scope=https%3A%2F%2Fmanagement.azure.com%2F.default
	/usr/bin/curl -sS --noproxy '*' -X DELETE "$AZURE_URL$1?api-version=${2:-2024-01-01}" -A hsmctl/test \
		-H "Authorization: Bearer $(jq -r .access_token "$AZURE_FOLDER/answer")" -H 'Accept: application/json' \
		-H 'x-ms-client-request-id: 00000000-0000-4000-8000-00000000000f'
	azure_ask POST finish '{}' >/dev/null
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

cloud_fleet() {
	make_azure_fleet ".datacenters = [{name: \"east\", region: \"east\", provider: \"azure-cloud-hsm\"},
		{name: \"west\", region: \"west\", provider: \"azure-cloud-hsm\"}]
		| .devices = [{name: \"hsm-east\", datacenter: \"east\"}, {name: \"hsm-west\", datacenter: \"west\"}]
		| .azure.regions |= map(del(.hsm_subnet, .gateway_subnet)) | ${1:-.}"
}

ONLY_WRITES='select(.method != "GET" and .method != "HEAD" and (.path | test("oauth2") | not)) | "\(.method) \(.path)"'

writes() {
	azure_log "$ONLY_WRITES"
}

forget_log() {
	azure_ask POST count_reset '{}' >/dev/null
	LOGGED=$(azure_log .n | tail -1)
}

writes_since() {
	azure_log "select(.n > ${LOGGED:-0}) | $ONLY_WRITES"
}

made_once() {
	local found
	found=$(azure_state '.resources[] | select(.creates != 1 or .rewrites != 0)
		| "\(.id) \(.creates) \(.rewrites)"')
	[ -z "$found" ] || fail "$found"
}

resources() {
	azure_state ".resources[].id | sub(\".*/providers/[^/]+/\"; \"\") | select(test(\"${1-}\"))" | sort
}
