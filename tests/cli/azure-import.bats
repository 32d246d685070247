#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load helper
load azure

setup() {
	own_azure
	make_azure_fleet
}
teardown() { end_azure; }

SUB=/subscriptions/$SUBSCRIPTION
LUNA="SafeNet Luna Network HSM A790"

seed() {
	azure_ask POST seed "$(jq -n --arg sub "$SUB" --arg luna "$LUNA" "$1")" | grep -q seeded
}

# What a person made with other tools: a network with its gateway, and HSMs in two stamps.
THEIRS='($sub + "/resourceGroups/Old.Group") as $rg | ($rg + "/providers/Microsoft.Network") as $net |
	($net + "/virtualNetworks/hub") as $hub | ($rg + "/providers/Microsoft.HardwareSecurityModules") as $hsm |
	def hsm($stamp; $address; $tags): {location: "eastus", sku: {name: $luna}, tags: $tags, properties: {stampId: $stamp,
		networkProfile: {subnet: {id: "\($hub)/subnets/luna"}, networkInterfaces: [{privateIpAddress: $address}]}}};
	{
		($rg): {location: "westus"},
		($hub): {location: "eastus", properties: {addressSpace: {addressPrefixes: ["10.9.0.0/16"]}, subnets: [
			{name: "luna", properties: {addressPrefix: "10.9.1.0/24", delegations: [{name: "0", properties:
				{serviceName: "Microsoft.HardwareSecurityModules/dedicatedHSMs"}}]}},
			{name: "GatewaySubnet", properties: {addressPrefix: "10.9.255.0/26"}},
			{name: "people", properties: {addressPrefix: "10.9.2.0/24"}}]}},
		"\($net)/virtualNetworkGateways/er1": {location: "eastus", properties: {gatewayType: "ExpressRoute",
			vpnType: "RouteBased", sku: {name: "Standard", tier: "Standard"}, ipConfigurations: [{name: "c",
			properties: {privateIPAllocationMethod: "Dynamic", subnet: {id: "\($hub)/subnets/GatewaySubnet"}}}]}},
		"\($hsm)/dedicatedHSMs/Luna-A": hsm("stamp1"; "10.9.1.4"; {team: "pay", rack: "1"}),
		"\($hsm)/dedicatedHSMs/luna-b": hsm("stamp2"; "10.9.1.5"; {team: "pay", rack: "2"})
	}'

# Apply what was imported in a store of its own: nothing of Azure changes but what the filter of plan's changes lets
# through, and then nothing is left to do.
changes_only() { # FILE FILTER WRITES
	export HSMCTL_STORE=$AZURE_FOLDER/other
	forget_log
	expect 3 hsmctl provision plan "$1" -o json
	[ "$(field '.problems // [] | length')" = 0 ] || fail problems
	[ "$(field "[.changes[] | select($2 | not)] | length")" = 0 ] || fail "other changes"
	expect 0 hsmctl provision apply "$1" -o json
	is_valid
	[ -z "$(writes_since | grep -vE "$3")" ] || fail "$(writes_since)"
	expect 0 hsmctl provision plan "$1"
	no_violations
}

RECORDS='(.subject | test("^(azure section|datacenter .*)$")) or (.kind == "create" and (.subject | startswith("device ")))'

@test "what hsmctl made comes back as it was described, and applying it changes nothing" {
	make_azure_fleet '.azure.tags = {zebra: "1", alpha: "2"}'
	expect 0 hsmctl provision apply "$FLEET"
	forget_log
	expect 0 hsmctl provision import -o json
	is_valid
	[ -z "$(writes_since)" ]
	printf '%s\n' "$output" >"$AZURE_FOLDER/imported.json"
	[ "$(field .name)" = two-regions ]
	[ "$(field '.azure.tags | keys_unsorted | join(" ")')" = "zebra alpha" ]
	diff <(jq -S '[.azure.regions[] | {name, location, network, address_space, hsm_subnet, gateway_subnet, client_subnet}]
		| sort_by(.name)' "$FLEET") <(field '.' | jq -S '[.azure.regions[] | {name, location, network, address_space,
		hsm_subnet, gateway_subnet, client_subnet}] | sort_by(.name)')
	[ "$(field '.azure.connection // "auto"')" = auto ]
	[ "$(field '[.datacenters[] | .stamp // .zone] | unique | length')" = 2 ]
	[ "$(field '[.devices[].name] | sort | join(" ")')" = "hsm-east-1 hsm-east-2 hsm-west-1 hsm-west-2" ]
	[ "$(field '[.devices[].azure | .name, .sku, .endpoint] | unique | .[]')" = null ]
	changes_only "$AZURE_FOLDER/imported.json" "$RECORDS" '^$'
}

@test "names that differ from the usual ones are found again" {
	make_azure_fleet '.azure.resource_group = "Elsewhere" | .azure.regions[0].network = "net-1"
		| .azure.regions[1].name = "occident" | (.datacenters[] | select(.region == "west") | .region) = "occident"
		| .azure.regions[0].express_route_gateway = "HighPerformance" | .azure.regions[0].express_route_public_ip = true
		| .devices[0].azure.name = "Some-Luna"'
	expect 0 hsmctl provision apply "$FLEET"
	expect 0 hsmctl provision import --out "$AZURE_FOLDER/imported.json"
	output=$(cat "$AZURE_FOLDER/imported.json")
	[ "$(field .name)" = two-regions ]
	[ "$(field .azure.resource_group)" = Elsewhere ]
	[ "$(field '[.azure.regions[] | "\(.name) \(.network)"] | sort | join(", ")')" = "east net-1, occident null" ]
	[ "$(field '.azure.regions[] | select(.name == "east") | "\(.express_route_gateway) \(.express_route_public_ip)"')" = \
		"HighPerformance true" ]
	[ "$(field '.devices[] | select(.name == "some-luna") | .azure.name')" = Some-Luna ]
	changes_only "$AZURE_FOLDER/imported.json" "$RECORDS" '^$'
}

@test "clusters that hsmctl made come back too" {
	make_azure_fleet '.datacenters = [{name: "east", region: "east", provider: "azure-cloud-hsm"},
		{name: "west", region: "west", provider: "azure-cloud-hsm"}]
		| .devices = [{name: "hsm-east", datacenter: "east", azure: {name_scope: "NoReuse"}},
			{name: "hsm-west", datacenter: "west"}] | del(.azure.regions[] | .hsm_subnet, .gateway_subnet)
		| .azure.regions[0].network = "net-1"'
	expect 0 hsmctl provision apply "$FLEET"
	expect 0 hsmctl provision import --out "$AZURE_FOLDER/imported.json"
	output=$(cat "$AZURE_FOLDER/imported.json")
	[ "$(field '[.devices[].azure | .endpoint, .name, .sku] | unique | .[]')" = null ]
	[ "$(field '[.devices[].azure.address] | unique | map(select(.)) | length')" = 2 ]
	[ "$(field '.devices[] | select(.name == "hsm-east") | .azure.name_scope')" = NoReuse ]
	[ "$(field '.azure.connection // "auto"')" = auto ]
	[ "$(field '[.azure.regions[] | "\(.name) \(.network)"] | sort | join(", ")')" = "east net-1, west null" ]
	changes_only "$AZURE_FOLDER/imported.json" "$RECORDS" '^$'
}

@test "tags that somebody else put on all HSMs are not taken for the fleet's" {
	expect 0 hsmctl provision apply "$FLEET"
	azure_ask POST seed "$(azure_ask GET state | jq '[.resources[] | select(.type | endswith("/dedicatedHSMs"))
		| {(.id): {location: .body.location, sku: .body.sku, tags: (.body.tags + {auditor: "x"}), properties: {
			stampId: .body.properties.stampId, networkProfile: .body.properties.networkProfile}}}] | add')" | grep -q seeded
	expect 0 hsmctl provision import --out "$AZURE_FOLDER/imported.json"
	[ "$(jq '.azure.tags | has("auditor")' "$AZURE_FOLDER/imported.json")" = false ]
	changes_only "$AZURE_FOLDER/imported.json" "$RECORDS" '^$'
}

@test "of other HSMs everything they stand on is named by its id, and only their tags change" {
	seed "$THEIRS"
	expect 0 hsmctl provision import --name taken -o json
	is_valid
	printf '%s\n' "$output" >"$AZURE_FOLDER/imported.json"
	hub=$SUB/resourceGroups/Old.Group/providers/Microsoft.Network/virtualNetworks/hub
	[ "$(field '.azure | "\(.resource_group) \(.location) \(.connection)"')" = "Old.Group westus none" ]
	[ "$(field '.azure.tags | tojson')" = '{"team":"pay"}' ]
	[ "$(field '.azure.regions | length')" = 1 ]
	[ "$(field '.azure.regions[0] | "\(.name) \(.location) \(.network)"')" = "eastus eastus $hub" ]
	[ "$(field '.azure.regions[0].hsm_subnet')" = "$hub/subnets/luna" ]
	[ "$(field '.azure.regions[0].gateway_subnet')" = "$hub/subnets/GatewaySubnet" ]
	[[ $(field '.azure.regions[0].express_route_gateway') == */virtualNetworkGateways/er1 ]]
	[ "$(field '.azure.regions[0].client_subnet')" = null ]
	[ "$(field '[.datacenters[] | "\(.name) \(.stamp)"] | sort | join(", ")')" = \
		"eastus-stamp1 stamp1, eastus-stamp2 stamp2" ]
	[ "$(field '.devices[0] | "\(.name) \(.azure.name) \(.azure.address) \(.azure.sku)"')" = "luna-a Luna-A 10.9.1.4 null" ]
	changes_only "$AZURE_FOLDER/imported.json" "$RECORDS or (.detail | startswith(\"tags.\"))" '^PATCH .*/dedicatedHSMs/'
	[ "$(azure_state '.resources[] | select(.id | endswith("/luna-b")) | .body.tags | "\(.rack) \(.["hsmctl-fleet"])"')" = \
		"2 taken" ]
}

@test "the resource group and the subscription have to be clear" {
	expect 6 hsmctl provision import
	says "holds no dedicated HSM"
	seed "$THEIRS"
	seed '{"\($sub)/resourceGroups/second/providers/Microsoft.HardwareSecurityModules/cloudHsmClusters/one":
		{location: "ukwest", sku: {family: "B", name: "Standard_B1"}, properties: {}}}'
	expect 2 hsmctl provision import -o json
	is_valid
	[ "$(field .error.code)" = ambiguous ]
	says "'Old.Group'"
	says "'second'"
	expect 6 hsmctl provision import -g third
	says "'Old.Group'"
	expect 0 hsmctl provision import -g old.group
	[ "$(field .name)" = old.group ]
	expect 2 hsmctl provision import -g old.group --name 'No Name'
	AZURE_SUBSCRIPTION_ID='' expect 2 hsmctl provision import
	says "--subscription"
	[ -z "$(writes)" ]
	no_violations
}

@test "a cluster keeps the endpoint that others made for it; one without says what it lacks" {
	seed "$THEIRS | {(\$hub): .[\$hub]} + {
		\"\(\$hsm)/cloudHsmClusters/One\": {location: \"eastus\", sku: {family: \"B\", name: \"Standard B10\"}, identity: {
			type: \"UserAssigned\", userAssignedIdentities: {\"\(\$rg)/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i\": {}}},
			properties: {}},
		\"\(\$rg)/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i\": {location: \"eastus\", properties: {}},
		\"\(\$net)/privateEndpoints/door\": {location: \"eastus\", properties: {subnet: {id: \"\(\$hub)/subnets/people\"},
			privateLinkServiceConnections: [{name: \"c\", properties: {privateLinkServiceId: \"\(\$hsm)/cloudHsmClusters/One\",
			groupIds: [\"cloudhsm\"]}}]}},
		\"\(\$hsm)/cloudHsmClusters/lonely\": {location: \"westus\", sku: {family: \"B\", name: \"Standard_B1\"}, properties: {}}}"
	expect 0 hsmctl provision import -o json
	is_valid
	says "lonely has no private endpoint"
	[ "$(field '.devices[0] | "\(.name) \(.azure.name) \(.azure.sku)"')" = "one One Standard B10" ]
	[[ $(field '.devices[0].azure.endpoint') == */privateEndpoints/door ]]
	[[ $(field '.devices[0].azure.identity') == */userAssignedIdentities/i ]]
	[ "$(field '.devices[0].azure.address')" = 10.9.2.4 ]
	[[ $(field '.azure.regions[0].client_subnet') == */subnets/people ]]
	[ "$(field '[.azure.regions[].name] | join(" ")')" = "eastus westus" ]
	[ "$(field '.azure.regions[1].network')" = null ]
	jq 'del(.azure.regions[1], .datacenters[1], .devices[1])' <<<"$output" >"$AZURE_FOLDER/imported.json"
	changes_only "$AZURE_FOLDER/imported.json" "$RECORDS or (.detail | startswith(\"tags.\"))" '^PATCH .*/cloudHsmClusters/'
}

@test "payment HSMs and HSMs of another fleet are left out, and that is said" {
	seed "$THEIRS | .[\"\(\$hsm)/dedicatedHSMs/luna-b\"].tags = {\"hsmctl-fleet\": \"others\"}
		| .[\"\(\$hsm)/dedicatedHSMs/pay\"] = (.[\"\(\$hsm)/dedicatedHSMs/Luna-A\"]
			| .sku.name = \"payShield10K_LMK1_CPS60\"
			| .properties.networkProfile.networkInterfaces = [{privateIpAddress: \"10.9.1.9\"}])"
	expect 0 hsmctl provision import --name mine
	says "pay is left out: it is a payment HSM"
	says "luna-b is left out: it belongs to the fleet 'others'"
	[ "$(field '[.devices[].name] | join(" ")')" = luna-a ]
	expect 0 hsmctl provision import
	[ "$(field .name)" = others ]
	[ "$(field '[.devices[].name] | join(" ")')" = "luna-a luna-b" ]
}

@test "what may not be read is named by its id" {
	seed "$THEIRS"
	azure_config '{"denied": ["GET .*virtualNetworks/hub", "GET .*virtualNetworkGateways"]}'
	expect 0 hsmctl provision import
	says "may not be read"
	[[ $(field '.azure.regions[0].network') == */virtualNetworks/hub ]]
	[[ $(field '.azure.regions[0].hsm_subnet') == */subnets/luna ]]
	[ "$(field '.azure.regions[0].express_route_gateway')" = null ]
	azure_config '{"denied": ["GET .*dedicatedHSMs"]}'
	expect 5 hsmctl provision import
	says "AuthorizationFailed"
}
