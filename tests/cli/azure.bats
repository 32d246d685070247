#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load helper
load azure

setup() {
	own_azure
	make_azure_fleet
}
teardown() { end_azure; }

# ---- plan ----

@test "plan names every resource, asks with reads only, and ends with status 3" {
	expect 3 hsmctl provision plan "$FLEET" -o json
	is_valid
	[ "$(field '.problems // [] | length')" = 0 ]
	[ "$(field '[.changes[] | select(.subject | startswith("device "))] | length')" = 4 ]
	[ "$(field '[.changes[] | select(.subject | startswith("virtual network "))] | length')" = 2 ]
	[ "$(field '[.changes[] | select(.subject | startswith("connection "))] | length')" = 2 ]
	[ -z "$(writes)" ]
	no_violations
}

@test "plan names everything that is wrong at once: document, subscription, features, quota" {
	make_azure_fleet '.azure.regions[0].gateway_subnet = "10.2.255.0/28" | .devices[0].azure.address = "10.2.1.1"
		| .azure.regions[1].address_space = ["10.2.0.0/16"]'
	azure_config '{"features": {"Microsoft.HardwareSecurityModules/AzureDedicatedHSM": "Pending"},
		"providers": {"Microsoft.Network": "NotRegistered"}}'
	expect 2 hsmctl provision plan "$FLEET" -o json
	is_valid
	prints "GatewaySubnet"
	prints "10.2.1.1"
	prints "overlap"
	prints "AzureDedicatedHSM"
	prints "Microsoft.Network"
	[ "$(field '.problems | length')" -ge 5 ]
	says "problems stand in the way"
	expect 2 hsmctl provision apply "$FLEET"
	says "AzureDedicatedHSM"
	[ -z "$(writes)" ]
}

@test "without a credential the plan says what was looked for" {
	unset AZURE_CLIENT_ID AZURE_CLIENT_SECRET AZURE_TENANT_ID
	# No az, and nobody at the address of the metadata service.
	PATH=$BUILD/bin:/usr/bin:/bin AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:1 \
		expect 5 hsmctl provision plan "$FLEET"
	says "AZURE_CLIENT_SECRET"
}

# ---- apply ----

@test "apply makes all of it, each resource once, and a second apply writes nothing" {
	expect 0 hsmctl provision apply "$FLEET" -o json
	is_valid
	[ "$(field '[.devices[].state] | unique | join(" ")')" = running ]
	[ "$(field '.devices[0].address')" = 10.2.1.5 ]
	made_once
	no_violations
	[ "$(azure_state '.resources | map(select(.state != "Succeeded")) | length')" = 0 ]
	expect 0 hsmctl provision plan "$FLEET" -o json
	[ "$(field '.changes | length')" = 0 ]
	forget_log
	expect 0 hsmctl provision apply "$FLEET"
	says "nothing to change"
	[ -z "$(writes_since)" ]
	expect 0 hsmctl audit verify
}

@test "the store knows where everything is, and no secret" {
	expect 0 hsmctl provision apply "$FLEET"
	jq -e --arg id "$HSM/dedicatedHSMs/hsm-east-1" '.devices[0].azure.id == $id' "$HSMCTL_STORE/fleet.json"
	[ "$(jq -r .azure.subscription "$HSMCTL_STORE/fleet.json")" = "$SUBSCRIPTION" ]
	[ "$(stat -c %a "$HSMCTL_STORE/secrets/azure-connection.key")" = 600 ]
	not grep -rqF "$(cat "$HSMCTL_STORE/secrets/azure-connection.key")" "$HSMCTL_STORE/fleet.json" "$HSMCTL_STORE/audit.log"
}

@test "a connection that is made anew gets the key of the other end, whatever became of the store's" {
	expect 0 hsmctl provision apply "$FLEET"
	key=$(cat "$HSMCTL_STORE/secrets/azure-connection.key")
	rm "$HSMCTL_STORE/secrets/azure-connection.key"
	azure_delete "$NETWORK/connections/two-regions-east-to-west"
	expect 3 hsmctl provision plan "$FLEET" -o json
	[ "$(field '[.changes[].subject] | join(" ")')" = "connection two-regions-east-to-west" ]
	expect 0 hsmctl provision apply "$FLEET"
	[ "$(cat "$HSMCTL_STORE/secrets/azure-connection.key")" = "$key" ]
	no_violations
}

@test "show asks Azure, and lists what the administrators still have to do" {
	expect 0 hsmctl provision apply "$FLEET"
	expect 0 hsmctl provision show -o json
	is_valid
	[ "$(field '.devices[0].message')" = "The Dedicated HSM device is provisioned successfully and ready to use." ]
	[ "$(field '[.steps[] | select(.device == "hsm-east-1" and .state == "unknown")] | length')" -gt 4 ]
	prints "tenantadmin@10.2.1.5"
	expect 0 hsmctl provision show --offline -o json
	[ "$(field '.devices[0].state')" = made ]
	expect 0 hsmctl device list -o json
	[ "$(field '.devices[3].state')" = made ]
}

@test "a changed tag is patched on each resource, and others' tags stay" {
	expect 0 hsmctl provision apply "$FLEET"
	forget_log
	make_azure_fleet '.azure.tags.owner = "security team" | .azure.tags.added = "1"'
	expect 3 hsmctl provision plan "$FLEET" -o json
	prints "tags.added is absent, should be '1'"
	expect 0 hsmctl provision apply "$FLEET"
	[ -z "$(writes_since | grep -v ^PATCH)" ]
	expect 0 hsmctl provision plan "$FLEET"
	[ "$(azure_state ".resources[\"${HSM,,}/dedicatedhsms/hsm-east-1\"].body.tags.added")" = 1 ]
	make_azure_fleet
	expect 0 hsmctl provision apply "$FLEET"
	[ "$(azure_state ".resources[\"${HSM,,}/dedicatedhsms/hsm-east-1\"].body.tags.added")" = null ]
	made_once
	no_violations
}

@test "a fifth device is added, and taken away again" {
	expect 0 hsmctl provision apply "$FLEET"
	make_azure_fleet '.devices += [{name: "hsm-east-3", datacenter: .devices[0].datacenter, azure: {address: "10.2.1.9"}}]'
	expect 3 hsmctl provision plan "$FLEET" -o json
	[ "$(field '[.changes[] | "\(.kind) \(.subject)"] | join(", ")')" = "create device hsm-east-3" ]
	expect 0 hsmctl provision apply "$FLEET"
	made_once
	make_azure_fleet
	expect 3 hsmctl provision plan "$FLEET" -o json
	[ "$(field '[.changes[] | "\(.kind) \(.subject)"] | join(", ")')" = "destroy device hsm-east-3" ]
	expect 2 hsmctl provision apply "$FLEET"
	expect 2 hsmctl provision apply "$FLEET" --yes
	says "--zeroised"
	expect 0 hsmctl provision apply "$FLEET" --yes --zeroised -o json
	[ "$(field '.devices | length')" = 4 ]
	[ "$(azure_state ".resources[\"${HSM,,}/dedicatedhsms/hsm-east-3\"]")" = null ]
	no_violations
}

@test "drift is named per field; what Azure cannot change is refused with the reason" {
	expect 0 hsmctl provision apply "$FLEET"
	make_azure_fleet '.devices[0].azure.address = "10.2.1.77"'
	expect 1 hsmctl provision plan "$FLEET" -o json
	prints "privateIpAddress is '10.2.1.5', should be '10.2.1.77'"
	prints "not changed once it is made"
	forget_log
	expect 1 hsmctl provision apply "$FLEET"
	[ -z "$(writes_since)" ]
}

@test "a fleet does not move to another subscription or resource group" {
	expect 0 hsmctl provision apply "$FLEET"
	make_azure_fleet '.azure.resource_group = "elsewhere"'
	expect 1 hsmctl provision apply "$FLEET"
	says "cannot move"
}

@test "a plan that was kept is refused when Azure is no longer as it was" {
	expect 3 hsmctl provision plan "$FLEET" --out "$AZURE_FOLDER/plan"
	azure_ask POST seed "{\"$RG\": {\"location\": \"eastus\", \"properties\": {}},
		\"$NETWORK/publicIPAddresses/two-regions-east-vpn-ip\": {\"location\": \"eastus\",
		\"sku\": {\"name\": \"Standard\"}, \"properties\": {\"publicIPAllocationMethod\": \"Static\"},
		\"tags\": {\"hsmctl-fleet\": \"two-regions\"}}}" >/dev/null
	expect 8 hsmctl provision apply "$AZURE_FOLDER/plan"
	says "no longer what the plan says"
	expect 3 hsmctl provision plan "$FLEET" --out "$AZURE_FOLDER/plan"
	expect 0 hsmctl provision apply "$AZURE_FOLDER/plan"
	expect 8 hsmctl provision apply "$AZURE_FOLDER/plan"
}

# ---- what is somebody else's ----

@test "what exists already and is not the fleet's is not taken over" {
	azure_ask POST seed "{\"$RG\": {\"location\": \"eastus\"},
		\"$NETWORK/virtualNetworks/two-regions-east\": {\"location\": \"eastus\",
		\"properties\": {\"addressSpace\": {\"addressPrefixes\": [\"10.2.0.0/16\"]}}},
		\"$NETWORK/virtualNetworks/two-regions-west\": {\"location\": \"westus\", \"tags\": {\"hsmctl-fleet\": \"other\"},
		\"properties\": {\"addressSpace\": {\"addressPrefixes\": [\"10.3.0.0/16\"]}}}}" >/dev/null
	expect 6 hsmctl provision plan "$FLEET" -o json
	prints "is not marked as this fleet's"
	prints "belongs to the fleet 'other'"
	expect 6 hsmctl provision apply "$FLEET"
	[ -z "$(writes)" ]
}

@test "a network that exists is never written, and its subnets stay" {
	other=/subscriptions/$SUBSCRIPTION/resourceGroups/landing/providers/Microsoft.Network/virtualNetworks/hub
	azure_ask POST seed "{\"/subscriptions/$SUBSCRIPTION/resourceGroups/landing\": {\"location\": \"eastus\"},
		\"$other\": {\"location\": \"eastus\", \"properties\": {\"addressSpace\": {\"addressPrefixes\": [\"10.2.0.0/16\"]}}},
		\"$other/subnets/people\": {\"properties\": {\"addressPrefix\": \"10.2.200.0/24\"}},
		\"$other/subnets/GatewaySubnet\": {\"properties\": {\"addressPrefix\": \"10.2.255.0/26\"}},
		\"$other/subnets/luna\": {\"properties\": {\"addressPrefix\": \"10.2.1.0/24\", \"delegations\": [{\"name\": \"d\",
		\"properties\": {\"serviceName\": \"Microsoft.HardwareSecurityModules/dedicatedHSMs\"}}]}}}" >/dev/null
	make_azure_fleet ".azure.regions[0].network = \"$other\" | del(.azure.regions[0].address_space)"
	expect 2 hsmctl provision plan "$FLEET"
	prints "no subnet is made in a network that is named by its id"
	make_azure_fleet ".azure.regions[0] |= {name, location, network: \"$other\", hsm_subnet: \"$other/subnets/luna\",
		gateway_subnet: \"$other/subnets/GatewaySubnet\"}"
	expect 0 hsmctl provision apply "$FLEET"
	[ -z "$(writes | grep -i "virtualNetworks/hub")" ]
	[ "$(azure_state ".resources[\"${other,,}/subnets/people\"].state")" = Succeeded ]
	no_violations
	expect 0 hsmctl provision destroy --yes --zeroised
	[ "$(azure_state ".resources[\"${other,,}/subnets/people\"].state")" = Succeeded ]
	[ "$(azure_state ".resources[\"${other,,}\"].deletes")" = 0 ]
	no_violations
}

@test "destroy takes everything away in order, and the resource group that hsmctl made" {
	expect 0 hsmctl provision apply "$FLEET"
	expect 2 hsmctl provision destroy --yes
	says "--zeroised"
	expect 0 hsmctl provision destroy --yes --zeroised -o json
	is_valid
	[ "$(field '.devices | length')" = 0 ]
	[ -z "$(resources)" ]
	no_violations
	[ "$(azure_state '.orphans | length')" = 0 ]
	expect 0 hsmctl provision destroy --yes
}

@test "a resource group of somebody else stays, and what is in it" {
	azure_ask POST seed "{\"$RG\": {\"location\": \"eastus\"},
		\"$NETWORK/publicIPAddresses/theirs\": {\"location\": \"eastus\", \"sku\": {\"name\": \"Standard\"},
		\"properties\": {\"publicIPAllocationMethod\": \"Static\"}}}" >/dev/null
	expect 0 hsmctl provision apply "$FLEET"
	expect 0 hsmctl provision destroy --yes --zeroised
	says "stays"
	[ "$(azure_state '.resources | keys | length')" = 2 ]
	no_violations
}

@test "a device that is not zeroised keeps its place, and the rest of what it needs" {
	azure_config '{"not_zeroised": ["hsm-east-1"]}'
	expect 0 hsmctl provision apply "$FLEET"
	expect 2 hsmctl provision destroy --yes --zeroised
	says "hsm-east-1"
	[ "$(azure_state ".resources[\"${HSM,,}/dedicatedhsms/hsm-east-1\"].state")" = Succeeded ]
	[ "$(azure_state ".resources[\"${NETWORK,,}/virtualnetworks/two-regions-east\"].state")" = Succeeded ]
	azure_config '{"not_zeroised": []}'
	expect 0 hsmctl provision destroy --yes --zeroised
	[ -z "$(resources)" ]
}

@test "a device that serves in a group is not destroyed" {
	expect 0 hsmctl provision apply "$FLEET"
	text=$(jq '.groups = [{name: "payments", members: [{device: "hsm-east-1", partition: "hsm-east-1"}]}]' \
		"$HSMCTL_STORE/fleet.json")
	printf '%s\n' "$text" >"$HSMCTL_STORE/fleet.json"
	forget_log
	expect 1 hsmctl provision destroy --yes --zeroised
	says "payments"
	expect 1 hsmctl device decommission hsm-east-1 --yes --zeroised
	says "payments"
	[ -z "$(writes_since)" ]
}

@test "decommission takes one device away, and apply brings it back" {
	expect 0 hsmctl provision apply "$FLEET"
	expect 2 hsmctl device decommission hsm-west-2 --yes
	says "zeroise"
	expect 0 hsmctl device decommission hsm-west-2 --yes --zeroised
	[ "$(azure_state ".resources[\"${HSM,,}/dedicatedhsms/hsm-west-2\"]")" = null ]
	expect 6 hsmctl device show hsm-west-2
	expect 0 hsmctl provision apply "$FLEET"
	expect 0 hsmctl device show hsm-west-2
	no_violations
}

# ---- what goes wrong ----

@test "when one resource fails the others are made, the reason is told, and apply goes on after it" {
	azure_config '{"faults": [{"kind": "failed", "match": "PUT .*dedicatedHSMs/hsm-west-1", "at": 1}]}'
	expect 1 hsmctl provision apply "$FLEET"
	says "hsm-west-1"
	[ "$(azure_state '[.resources[] | select(.type | test("dedicatedHSMs")) | .state] | sort | join(" ")')" = \
		"Failed Succeeded Succeeded Succeeded" ]
	expect 1 hsmctl provision plan "$FLEET" -o json
	prints "decommission"
	expect 0 hsmctl device decommission hsm-west-1 --yes --zeroised
	expect 0 hsmctl provision apply "$FLEET"
	no_violations
}

@test "a token that ends in the middle is renewed" {
	azure_config '{"token_seconds": 0.3, "time_scale": 0.002}'
	expect 0 hsmctl provision apply "$FLEET"
	[ "$(azure_state '.token_requests | length')" -gt 1 ]
	made_once
	no_violations
}

@test "interrupted, it says that Azure goes on; run again, it continues" {
	azure_config '{"time_scale": 0.01}'
	hsmctl provision apply "$FLEET" >"$AZURE_FOLDER/out" 2>&1 3>&- &
	pid=$!
	for ((tries = 0; tries < 1000; tries++)); do
		[ -n "$(writes | grep virtualNetworkGateways)" ] && break
	done
	kill -INT "$pid"
	wait "$pid" && false || [ $? -eq 130 ]
	grep -q "goes on" "$AZURE_FOLDER/out" || fail "$(cat "$AZURE_FOLDER/out")"
	azure_config '{"time_scale": 0.0005}'
	azure_ask POST finish '{}' >/dev/null
	expect 0 hsmctl provision apply "$FLEET"
	made_once
	no_violations
}

@test "--timeout ends the wait with status 9 and leaves nothing half known" {
	azure_config '{"time_scale": 0.1}'
	expect 9 hsmctl provision apply "$FLEET" --timeout 2
	azure_config '{"time_scale": 0.0005}'
	azure_ask POST finish '{}' >/dev/null
	expect 0 hsmctl provision apply "$FLEET"
	made_once
}

@test "a refused identity is told with the service's code, and never with the secret" {
	AZURE_CLIENT_SECRET=canary-secret expect 5 hsmctl provision apply "$FLEET"
	says "7000215"
	not grep -rq canary-secret "$HSMCTL_STORE"
	[[ $output$stderr != *canary-secret* ]]
}

@test "a role that is missing is told" {
	azure_config '{"denied": ["PUT .*virtualNetworkGateways"]}'
	expect 5 hsmctl provision apply "$FLEET"
	says "AuthorizationFailed"
	azure_config '{"denied": []}'
	expect 0 hsmctl provision apply "$FLEET"
	made_once
}

# ---- Cloud HSM ----

@test "Cloud HSM clusters are made with endpoints, a DNS zone and peered networks" {
	cloud_fleet
	expect 0 hsmctl provision apply "$FLEET" -o json
	is_valid
	[ "$(azure_state '[.resources[].type | split("/")[-1]] | group_by(.) | map("\(.[0])=\(length)") | join(" ")')" = \
		"cloudHsmClusters=2 privateDnsZoneGroups=2 privateDnsZones=1 privateEndpoints=2 resourceGroups=1 subnets=2 virtualNetworkLinks=2 virtualNetworkPeerings=2 virtualNetworks=2" ] ||
		fail "$(azure_state '[.resources[].type | split("/")[-1]] | group_by(.) | map("\(.[0])=\(length)") | join(" ")')"
	made_once
	no_violations
	jq -e '.devices[0].azure.hosts | length == 3' "$HSMCTL_STORE/fleet.json"
	jq -e '.devices[0].azure.address' "$HSMCTL_STORE/fleet.json"
	prints "azcloudhsm_mgmt_util"
	expect 0 hsmctl provision plan "$FLEET"
	expect 0 hsmctl provision destroy --yes
	[ -z "$(resources)" ]
	no_violations
}

@test "a cluster that was activated is seen to be" {
	cloud_fleet
	azure_config '{"activation": {"hsm-east": "Active"}}'
	expect 0 hsmctl provision apply "$FLEET" -o json
	[ "$(field '[.steps[] | select(.device == "hsm-east" and (.text | test("ctivate")))][0].state')" = done ]
	[ "$(field '[.steps[] | select(.device == "hsm-west" and (.text | test("ctivate")))][0].state')" = open ]
}

# ---- templates ----

@test "the same layout comes as an ARM template and as Bicep" {
	expect 0 hsmctl provision export "$FLEET" --format arm
	[ "$(field '[.resources[] | select(.type == "Microsoft.HardwareSecurityModules/dedicatedHSMs")] | length')" = 4 ]
	[ "$(field '.parameters.sharedKey.type')" = securestring ]
	expect 0 hsmctl provision export "$FLEET" --format bicep
	prints "@secure()"
	prints "Microsoft.HardwareSecurityModules/dedicatedHSMs@2021-11-30"
	[ -z "$(writes)" ]
}

# ---- secrets ----

# Watch what others can see of processes while one runs.
watch_processes() { # PID
	while kill -0 "$1" 2>/dev/null; do
		cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | grep -aFf "$AZURE_FOLDER/pattern" >>"$AZURE_FOLDER/seen" || :
	done
}

@test "no secret of a whole life appears in a log, an error, a process list or a file" {
	# Its own: tests that run beside it have canaries too.
	secret=canary-$BASHPID-$RANDOM$RANDOM
	azure_config "{\"clients\": {\"00000000-0000-4000-8000-0000000000c1\": {\"secret\": \"$secret\"}},
		\"token_seconds\": 0.5, \"time_scale\": 0.002,
		\"faults\": [{\"kind\": \"500\", \"every\": 23}, {\"kind\": \"reset-after\", \"every\": 31}]}"
	export AZURE_CLIENT_SECRET=$secret HSMCTL_LOG=$AZURE_FOLDER/log HSMCTL_DEBUG=all
	mkdir "$AZURE_FOLDER/said"
	printf '%s\n' "$secret" >"$AZURE_FOLDER/pattern"
	n=0
	say() { # STATUS COMMAND...
		n=$((n + 1))
		"${@:2}" >"$AZURE_FOLDER/said/$n" 2>&1 3>&- &
		watch_processes $!
		wait $! || [ $? -eq "$1" ] || fail "$(cat "$AZURE_FOLDER/said/$n")"
	}
	say 3 hsmctl -v provision plan "$FLEET" -o json
	say 0 hsmctl -v provision apply "$FLEET" --progress always
	azure_ask GET secrets | jq -r '(.tokens + .shared_keys)[]' >"$AZURE_FOLDER/secrets"
	say 0 hsmctl provision show
	say 0 hsmctl provision apply "$FLEET" -o json
	say 0 hsmctl provision export
	say 0 hsmctl -v provision destroy --yes --zeroised --progress always
	azure_ask GET secrets | jq -r '(.tokens + .shared_keys)[]' >>"$AZURE_FOLDER/secrets"
	printf '%s\n' "$secret" >>"$AZURE_FOLDER/secrets"
	[ "$(wc -l <"$AZURE_FOLDER/secrets")" -ge 4 ]
	[ -s "$AZURE_FOLDER/log" ]
	[ ! -s "$AZURE_FOLDER/seen" ] || fail "$(cat "$AZURE_FOLDER/seen")"
	not grep -rFf "$AZURE_FOLDER/secrets" "$AZURE_FOLDER/said" "$AZURE_FOLDER/log" "$AZURE_FOLDER/store"
}

# ---- these tests ----

apart() {
	("$@")
}

@test "no stand-in outlives a test, whether it failed to start or the test was killed" {
	mkfifo "$BATS_TEST_TMPDIR/silent"
	STANDIN_TRIES=10 not apart own_azure "@$BATS_TEST_TMPDIR/silent"
	not pgrep -f "$BATS_TEST_TMPDIR/silent"
	not apart own_azure '{"unheard-of": 1}' 2>"$BATS_TEST_TMPDIR/told"
	grep -q unheard-of "$BATS_TEST_TMPDIR/told"
	(
		own_azure
		echo "$AZURE_PID $AZURE_FOLDER" >"$BATS_TEST_TMPDIR/left"
		kill -KILL $BASHPID
	) || :
	read -r pid folder <"$BATS_TEST_TMPDIR/left"
	for ((tries = 0; tries < 500; tries++)); do
		kill -0 "$pid" 2>/dev/null || break
		read -rt 0.02 <> <(:) || :
	done
	not kill -0 "$pid" 2>/dev/null
	rm -rf "$folder"
}
