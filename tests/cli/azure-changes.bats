#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What becomes of a fleet in Azure when its document, Azure or its owner changes.
load helper
load azure

setup() {
	own_azure
	cloud_fleet
}
teardown() {
	FLEET_FOLDER=$AZURE_FOLDER end_fleet
	end_azure
}

# Change the document by a jq filter.
edit() {
	jq "$1" "$FLEET" >"$FLEET.new"
	mv "$FLEET.new" "$FLEET"
}

made() {
	expect 0 hsmctl provision apply "$FLEET" --yes
}

# What the last plan in JSON would do, and what stands in its way, one line each, sorted.
changes() {
	field '.changes[] | "\(.kind) \(.subject)"' | sort
}

problems() {
	field '.problems // [] | .[] | "\(.subject): \(.text) (\(.hint))"'
}

nothing_to_do() {
	expect 0 hsmctl provision plan "$FLEET" -o json
	[ "$(field '.changes | length')" = 0 ]
}

# A plan and an apply with that status, and nothing is written. What the plan says is in $told.
refused() { # STATUS
	expect "$1" hsmctl provision plan "$FLEET" -o json
	told=$(problems 2>/dev/null)
	forget_log
	expect "$1" hsmctl provision apply "$FLEET" --yes --zeroised
	[ -z "$(writes_since)" ] || fail "$(writes_since)"
}

stored() {
	jq -r "$1" "$HSMCTL_STORE/fleet.json"
}

# A policy of the subscription, or a person: anything of that name, with these tags.
seed_address() { # NAME TAGS
	azure_seed "{\"\\(\$net)/publicIPAddresses/$1\": {location: \"eastus\", sku: {name: \"Standard\"}, tags: $2,
		properties: {publicIPAllocationMethod: \"Static\"}}}"
}

seed_subnet() { # NETWORK NAME RANGE
	azure_seed "{\"\\(\$net)/virtualNetworks/$1/subnets/$2\": {properties: {addressPrefix: \"$3\"}}}"
}

retag() { # ID TAGS
	azure_ask POST seed "$(azure_state ".resources[\"${1,,}\"] | {(.id): (.body
		| {location, sku, properties, tags: $2} | del(.properties.provisioningState))}")" | grep -q seeded
}

with_lab() {
	edit '.datacenters += [{name: "lab", region: "lab", provider: "softhsm"}]
		| .devices += [{name: "soft-1", datacenter: "lab"}]'
}

runs() { # PID
	kill -0 "$1" 2>/dev/null && [[ $(readlink "/proc/$1/exe") == */hsmctl-appliance* ]]
}

# ---- clusters ----

@test "a cluster whose HSM has no name yet is recorded without gaps, and gets it later" {
	azure_config '{"cluster_hsms": {"hsm-west": [1, null, 3]}}'
	made
	[ "$(stored '.devices[1].azure.hosts | map(split(".")[0]) | join(" ")')" = "hsm1 hsm3" ]
	nothing_to_do
	expect 0 hsmctl provision show -o json
	is_valid
	azure_config '{"cluster_hsms": {"hsm-west": [1, 2, 3]}}'
	edit '.azure.tags.added = "1"'
	made
	[ "$(stored '.devices[1].azure.hosts | map(split(".")[0]) | join(" ")')" = "hsm1 hsm2 hsm3" ]
	no_violations
}

@test "a cluster without a single name is made too" {
	azure_config '{"cluster_hsms": {"hsm-west": [null, null, null]}}'
	made
	[ "$(stored '.devices[1].azure.hosts // [] | length')" = 0 ]
	nothing_to_do
}

@test "a cluster that loses HSMs loses their names" {
	made
	[ "$(stored '.devices[1].azure.hosts | length')" = 3 ]
	azure_config '{"cluster_hsms": {"hsm-west": [2]}}'
	edit '.azure.tags.added = "1"'
	made
	[ "$(stored '.devices[1].azure.hosts | map(split(".")[0]) | join(" ")')" = hsm2 ]
	[ "$(stored '.devices[0].azure.hosts | length')" = 3 ]
}

# ---- one device, another provider ----

@test "a local device does not become one in Azure, and is told how it could" {
	with_lab
	made
	pid=$(daemon soft-1)
	edit '.devices[2].datacenter = "east"'
	refused 1
	says "device 'soft-1' is a softhsm appliance and cannot become a Cloud HSM cluster"
	says "hsmctl device decommission soft-1"
	runs "$pid"
	[ "$(stored '.devices[2].datacenter')" = lab ]
	expect 0 hsmctl device decommission soft-1 --yes
	made
	not runs "$pid"
	[ "$(stored '.devices[2].azure.id')" = "$HSM/cloudHsmClusters/soft-1" ]
	no_violations
}

@test "a device in Azure does not become a local one, and is told how it could" {
	made
	edit '.datacenters += [{name: "lab", region: "lab", provider: "softhsm"}] | .devices[1].datacenter = "lab"'
	refused 1
	says "device 'hsm-west' is a Cloud HSM cluster and cannot become a softhsm appliance"
	says "hsmctl device decommission hsm-west"
	[ ! -e "$HSMCTL_STORE/appliances/hsm-west" ]
	[ -n "$(resources cloudHsmClusters/hsm-west)" ]
	expect 0 hsmctl device decommission hsm-west --yes
	made
	[ -z "$(resources cloudHsmClusters/hsm-west)" ]
	runs "$(daemon hsm-west)"
	[ "$(stored '.devices[] | select(.name == "hsm-west") | .azure.id')" = null ]
	nothing_to_do
}

@test "another provider of the whole datacenter is another provider of its devices" {
	made
	edit '.datacenters[1].provider = "softhsm"'
	refused 1
	says "device 'hsm-west' is a Cloud HSM cluster and cannot become a softhsm appliance"
	edit '.datacenters[1] += {provider: "azure-dedicated-hsm", stamp: "stamp1"}'
	refused 1
	says "cannot become a dedicated HSM"
}

@test "a local member of a group stays where it is" {
	edit '.datacenters += [{name: "lab-1", region: "lab", provider: "softhsm"},
		{name: "lab-2", region: "lab", provider: "softhsm"}]
		| .devices += [{name: "soft-1", datacenter: "lab-1"}, {name: "soft-2", datacenter: "lab-2"}]'
	made
	expect 0 hsmctl ha create payments --member soft-1 --member soft-2
	edit '.devices[3].datacenter = "east"'
	refused 1
	says "cannot become"
	expect 0 hsmctl status payments --check
	[ "$(stored '.devices[3].datacenter')" = lab-2 ]
}

@test "local devices and devices in Azure stand in one document, are left alone, and go together" {
	with_lab
	made
	runs "$(daemon soft-1)"
	[ "$(stored '[.devices[] | .azure.id != null] | map(tostring) | join(" ")')" = "true true false" ]
	nothing_to_do
	forget_log
	expect 0 hsmctl provision apply "$FLEET"
	says "nothing to change"
	[ -z "$(writes_since)" ]
	expect 0 hsmctl provision show -o json
	is_valid
	[ "$(field '[.devices[].state] | join(" ")')" = "running running running" ]
	pid=$(daemon soft-1)
	expect 0 hsmctl provision destroy --yes
	not runs "$pid"
	[ -z "$(resources)" ]
	[ ! -e "$HSMCTL_STORE/appliances" ]
	[ "$(stored '[.devices, .datacenters, .azure.regions // []] | map(length) | add')" = 0 ]
	no_violations
}

@test "a fleet that leaves Azure leaves nothing there, and keeps its local devices" {
	with_lab
	made
	pid=$(daemon soft-1)
	edit 'del(.azure) | .datacenters |= map(select(.name == "lab")) | .devices |= map(select(.name == "soft-1"))'
	expect 3 hsmctl provision plan "$FLEET" -o json
	is_valid
	[[ $(changes) == *"destroy device hsm-east"*"destroy device hsm-west"* ]] || fail "$(changes)"
	[[ $(changes) == *"destroy virtual network two-regions-east"* ]] || fail "$(changes)"
	made
	[ -z "$(resources)" ] || fail "$(resources)"
	runs "$pid"
	[ "$(stored '.azure')" = null ]
	nothing_to_do
	no_violations
	expect 0 hsmctl provision destroy --yes
	not runs "$pid"
}

@test "dedicated HSMs of a fleet that leaves Azure must be zeroised, and nothing goes before" {
	make_azure_fleet
	with_lab
	made
	edit 'del(.azure) | .datacenters |= map(select(.name == "lab")) | .devices |= map(select(.name == "soft-1"))'
	forget_log
	expect 2 hsmctl provision apply "$FLEET" --yes
	says "--zeroised"
	[ -z "$(writes_since)" ]
	expect 0 hsmctl provision apply "$FLEET" --yes --zeroised
	[ -z "$(resources)" ] || fail "$(resources)"
	[ "$(azure_state '.orphans | length')" = 0 ]
	no_violations
}

# ---- what connects regions ----

peered() {
	local states
	states=$(azure_state '.resources[] | select(.type | test("Peerings")) | .body.properties.peeringState')
	[ "$(paste -sd' ' <<<"$states")" = "Connected Connected" ] || fail "$states"
}

@test "regions that are no longer connected lose their peerings, and nothing else" {
	made
	edit '.azure.connection = "none"'
	expect 3 hsmctl provision plan "$FLEET" -o json
	[ "$(changes | paste -sd,)" = \
		"destroy peering to-east,destroy peering to-west,update azure section" ] || fail "$(changes)"
	before=$(resources | grep -v Peerings)
	made
	[ "$(resources)" = "$before" ]
	nothing_to_do
	edit '.azure.connection = "peering"'
	made
	peered
	no_violations
}

@test "regions that are no longer connected lose their connections and VPN gateways, and keep their HSMs" {
	make_azure_fleet
	made
	edit '.azure.connection = "none"'
	forget_log
	made
	[ -z "$(resources 'connections/|-vpn')" ] || fail "$(resources)"
	[ "$(resources dedicatedHSMs | wc -l)" = 4 ]
	[ "$(resources 'virtualNetworkGateways/.*-er$' | wc -l)" = 2 ]
	[ -z "$(writes_since | grep -v ^DELETE)" ] || fail "$(writes_since)"
	nothing_to_do
	no_violations
}

@test "a region that goes takes the other network's peering along, and can come back" {
	made
	cp "$FLEET" "$AZURE_FOLDER/both.json"
	edit 'del(.azure.regions[1], .datacenters[1], .devices[1])'
	expect 3 hsmctl provision plan "$FLEET" -o json
	[[ $(changes) == *"destroy peering to-west"* ]] || fail "$(changes)"
	made
	[ -z "$(resources 'west|Peerings')" ] || fail "$(resources)"
	[ "$(stored '.azure.regions | length')" = 1 ]
	nothing_to_do
	FLEET=$AZURE_FOLDER/both.json
	made
	peered
	nothing_to_do
	no_violations
}

@test "a peering whose other end somebody removed is planned, and made again" {
	made
	azure_delete "$NETWORK/virtualNetworks/two-regions-east/virtualNetworkPeerings/to-west"
	expect 3 hsmctl provision plan "$FLEET" -o json
	[ "$(changes | paste -sd,)" = \
		"create peering two-regions-east/to-west,update peering two-regions-west/to-east" ] || fail "$(changes)"
	prints "its other end is gone"
	made
	peered
	nothing_to_do
	no_violations
}

@test "a network that somebody removed with its peering is made again, and so is the peering to it" {
	made
	expect 0 hsmctl device decommission hsm-west --yes
	zone=$NETWORK/privateDnsZones/privatelink.cloudhsm.azure.net
	azure_delete "$zone/virtualNetworkLinks/two-regions-west" 2020-06-01
	azure_delete "$NETWORK/virtualNetworks/two-regions-west"
	[ -z "$(resources two-regions-west)" ] || fail "$(resources)"
	made
	peered
	nothing_to_do
	no_violations
}

# ---- whose it is ----

@test "decommission deletes no HSM that belongs to another fleet, or to nobody that is known" {
	azure_config '{"denied": ["PUT .*/cloudHsmClusters/hsm-west"]}'
	expect 5 hsmctl provision apply "$FLEET"
	azure_config '{"denied": []}'
	[ "$(stored '.devices[1].azure.id')" = null ]
	theirs() { # TAGS
		azure_seed "{\"\\(\$hsm)/cloudHsmClusters/hsm-west\": {location: \"westus\", tags: $1,
			sku: {family: \"B\", name: \"Standard_B1\"}, properties: {}}}"
	}
	theirs '{}'
	expect 6 hsmctl device decommission hsm-west --yes
	says "is not marked as this fleet's"
	[ "$(stored '.devices | length')" = 2 ]
	theirs '{"hsmctl-fleet": "other"}'
	expect 0 hsmctl device decommission hsm-west --yes
	says "stays: it belongs to the fleet 'other'"
	[ -n "$(resources cloudHsmClusters/hsm-west)" ]
	[ "$(stored '.devices | length')" = 1 ]
	expect 0 hsmctl provision destroy --yes
	[ "$(resources)" = "$(printf '%s\n' "$RG" cloudHsmClusters/hsm-west | sort)" ] || fail "$(resources)"
	[ "$(azure_state '.foreign | length')" = 0 ] || fail "$(azure_state .foreign)"
	no_violations
}

@test "an HSM that the store knows by its id goes without a tag, but not with another fleet's" {
	make_azure_fleet '.devices |= .[:1] | .datacenters |= .[:1] | .azure.regions |= .[:1]'
	made
	id=$HSM/dedicatedHSMs/hsm-east-1
	retag "$id" '{"hsmctl-fleet": "other"}'
	expect 0 hsmctl device decommission hsm-east-1 --yes --zeroised
	says "stays: it belongs to the fleet 'other'"
	[ -n "$(resources dedicatedHSMs)" ]
	retag "$id" '{"hsmctl-fleet": "two-regions"}'
	made
	retag "$id" '{}'
	expect 0 hsmctl provision destroy --yes --zeroised
	[ -z "$(resources)" ] || fail "$(resources)"
}

@test "an endpoint of another fleet stays when the cluster of that name goes" {
	azure_config '{"denied": ["PUT .*/privateEndpoints/hsm-west-endpoint"]}'
	expect 5 hsmctl provision apply "$FLEET"
	azure_config '{"denied": []}'
	azure_seed '{"\($net)/privateEndpoints/hsm-west-endpoint": {location: "westus", tags: {"hsmctl-fleet": "other"},
		properties: {subnet: {id: "\($net)/virtualNetworks/two-regions-west/subnets/clients"},
		privateLinkServiceConnections: [{name: "c", properties: {groupIds: ["cloudhsm"],
		privateLinkServiceId: "\($hsm)/cloudHsmClusters/hsm-east"}}]}}}'
	expect 0 hsmctl device decommission hsm-west --yes
	says "hsm-west-endpoint stays"
	says "other"
	[ -n "$(resources privateEndpoints/hsm-west-endpoint)" ]
}

@test "the resource group carries a tag of its own, so that what inherits it stays its owner's" {
	made
	[ "$(azure_state ".resources[\"${RG,,}\"].body.tags | \"\(.[\"hsmctl-group\"]) \(.[\"hsmctl-fleet\"])\"")" = \
		"two-regions null" ]
	seed_address theirs '{"hsmctl-group": "two-regions"}'
	nothing_to_do
	expect 0 hsmctl provision destroy --yes
	says "stays"
	[ "$(resources)" = "$(printf '%s\n' "$RG" publicIPAddresses/theirs | sort)" ] || fail "$(resources)"
	[ "$(azure_state '.foreign | length')" = 0 ]
	no_violations
}

# ---- kept plans, and what was confirmed ----

@test "a plan that was kept goes to the subscription that it was made for" {
	expect 3 hsmctl provision plan "$FLEET" --out "$AZURE_FOLDER/plan"
	AZURE_SUBSCRIPTION_ID=00000000-0000-4000-8000-000000000002 expect 0 hsmctl provision apply "$AZURE_FOLDER/plan"
	[ "$(azure_state '.resources[].id | split("/")[2]' | sort -u)" = "$SUBSCRIPTION" ]
	[ "$(stored .azure.subscription)" = "$SUBSCRIPTION" ]
}

@test "a plan with problems leaves no old plan behind" {
	expect 3 hsmctl provision plan "$FLEET" --out "$AZURE_FOLDER/plan"
	[ -s "$AZURE_FOLDER/plan" ]
	edit '.azure.regions[0].address_space = ["10.3.0.0/16"]'
	expect 2 hsmctl provision plan "$FLEET" --out "$AZURE_FOLDER/plan"
	[ ! -e "$AZURE_FOLDER/plan" ]
	expect 2 hsmctl provision plan "$FLEET" --out "$AZURE_FOLDER/plan"
}

# Hold a conversation with a command on a terminal; what it printed is $output.
talk() {
	run --separate-stderr /usr/bin/python3 "$ROOT/tests/cli/prompt.py" "$@"
	[ "$status" -eq 0 ] || fail "conversation"
}

# The resources that a terminal has to seed are in this file.
late() {
	printf '%s\n' "$1" >"$AZURE_FOLDER/late"
	echo "RUN:/usr/bin/curl -sS --noproxy '*' --data-binary @$AZURE_FOLDER/late $AZURE_URL/_standin/seed"
}

@test "what nobody was asked about is not destroyed" {
	made
	edit 'del(.azure.regions[1], .datacenters[1], .devices[1])'
	seed=$(late "$(jq -n --arg net "$NETWORK" '{"\($net)/publicIPAddresses/late": {location: "eastus",
		sku: {name: "Standard"}, tags: {"hsmctl-fleet": "two-regions"},
		properties: {publicIPAllocationMethod: "Static"}}}')")
	forget_log
	talk -- hsmctl provision apply "$FLEET" -- 'y/N' "$seed" '' $'y\n' \
		'public address late would be destroyed too, which it would not a moment ago' '' EXIT:8
	[ -z "$(writes_since)" ] || fail "$(writes_since)"
	talk -- hsmctl provision apply "$FLEET" -- 'destroy public address late.*y/N' $'y\n' 'hsm-east' '' EXIT:0
	[ -z "$(resources 'west|late')" ] || fail "$(resources)"
	no_violations
}

@test "what goes is listed before the question, and a no keeps it" {
	made
	edit 'del(.azure.regions[1], .datacenters[1], .devices[1])'
	forget_log
	talk -- hsmctl provision apply "$FLEET" -- \
		'destroy device hsm-west.*destroy virtual network two-regions-west.*more\? \[y/N\]' $'n\n' \
		'not confirmed' '' EXIT:1
	[ -z "$(writes_since)" ]
}

@test "--zeroised is asked for before the name of the fleet or the device is" {
	make_azure_fleet '.devices |= .[:1] | .datacenters |= .[:1] | .azure.regions |= .[:1]'
	made
	expect 2 hsmctl provision destroy
	says "--zeroised"
	[[ $stderr != *"nobody to ask"* ]]
	expect 2 hsmctl device decommission hsm-east-1
	says "--zeroised"
	[[ $stderr != *"nobody to ask"* ]]
	talk -- hsmctl provision destroy -- 'give --zeroised' '' EXIT:2
	talk -- hsmctl provision destroy --zeroised -- "Type 'two-regions' to go on" $'two-regions\n' '' '' EXIT:0
	[ -z "$(resources)" ] || fail "$(resources)"
	no_violations
}

# ---- what FILE leaves out ----

@test "what FILE leaves out of a device's part for Azure goes from the store, but not what was found out" {
	identity=/subscriptions/$SUBSCRIPTION/resourceGroups/ids
	identity+=/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i
	azure_ask POST seed "{\"$identity\": {\"location\": \"eastus\", \"properties\": {}}}" >/dev/null
	edit ".devices[0].azure = {identity: \"$identity\", name_scope: \"TenantReuse\"}"
	made
	[ "$(stored '.devices[0].azure.name_scope')" = TenantReuse ]
	found=$(stored '.devices[0].azure | "\(.id) \(.address) \(.hosts)"')
	edit 'del(.devices[0].azure)'
	expect 3 hsmctl provision plan "$FLEET" -o json
	[ "$(changes)" = "update device hsm-east" ] || fail "$(changes)"
	prints "name_scope"
	made
	[ "$(stored '.devices[0].azure | has("identity") or has("name_scope")')" = false ]
	[ "$(stored '.devices[0].azure | "\(.id) \(.address) \(.hosts)"')" = "$found" ]
	nothing_to_do
	[ -z "$(azure_state '.resources[] | select(.rewrites > 0 or .creates > 1) | .id')" ]
}

@test "a device keeps its name in Azure until it is decommissioned" {
	edit '.devices[0].azure.name = "first"'
	made
	edit 'del(.devices[0].azure)'
	refused 1
	says "device 'hsm-east' is $HSM/cloudHsmClusters/first, and cannot become"
	says "hsmctl device decommission hsm-east"
	[ "$(stored '.devices[0].azure.name')" = first ]
	edit '.devices[0].azure.name = "second"'
	refused 1
	expect 0 hsmctl device decommission hsm-east --yes
	[ -z "$(resources 'first')" ] || fail "$(resources)"
	made
	[ "$(resources cloudHsmClusters | paste -sd' ')" = "cloudHsmClusters/hsm-west cloudHsmClusters/second" ]
	nothing_to_do
	no_violations
}

@test "drift of ids is told by their ends" {
	made
	edit '.devices[1].datacenter = "east"'
	expect 1 hsmctl provision plan "$FLEET" -o json
	is="properties.subnet.id is '…[^']*/two-regions-west/subnets/clients'"
	should="should be '…[^']*/two-regions-east/subnets/clients'"
	problems | grep -q "$is, $should" || fail "$(problems)"
}

# ---- what exists already ----

@test "in a network that is named by its id no subnet is made, and no peering" {
	hub=/subscriptions/$SUBSCRIPTION/resourceGroups/corp/providers/Microsoft.Network/virtualNetworks/hub
	azure_ask POST seed "{\"$hub\": {\"location\": \"eastus\", \"properties\": {
		\"addressSpace\": {\"addressPrefixes\": [\"10.2.0.0/16\"]}}},
		\"$hub/subnets/people\": {\"properties\": {\"addressPrefix\": \"10.2.0.0/24\"}}}" >/dev/null
	edit ".azure.regions[0].network = \"$hub\" | del(.azure.regions[0].address_space)"
	refused 2
	[[ $told == *"region east: 'client_subnet': no subnet is made"* ]] || fail "$told"
	[[ $told == *"region east: no peering is written"* ]] || fail "$told"
	edit ".azure.regions[0].client_subnet = \"$hub/subnets/people\""
	refused 2
	[[ $told == "region east: no peering is written"* ]] || fail "$told"
	edit '.azure.connection = "none"'
	made
	[ -z "$(resources Peerings)" ]
	[ -z "$(writes | grep -i /hub)" ]
	expect 0 hsmctl provision destroy --yes
	[ "$(resources hub | paste -sd' ')" = "virtualNetworks/hub virtualNetworks/hub/subnets/people" ]
	[ "$(azure_state '.foreign | length')" = 0 ]
	no_violations
}

# ---- names ----

@test "a fleet in Azure is not renamed, not even one without devices" {
	edit '.datacenters = [] | .devices = [] | .azure.resource_group = "two-regions"'
	made
	[ -n "$(resources virtualNetworks)" ]
	edit '.name = "other"'
	refused 6
	says "the store holds the fleet 'two-regions', not 'other'"
	says "destroy that fleet first"
	[ "$(stored .name)" = two-regions ]
	expect 0 hsmctl provision destroy --yes
	[ -z "$(resources)" ] || fail "$(resources)"
	made
	[ "$(stored .name)" = other ]
	no_violations
}

@test "a region whose network stays is not renamed, with devices or without" {
	make_azure_fleet '.azure.connection = "vpn" | .azure.regions[0].network = "net-e"
		| .azure.regions[1].network = "net-w"'
	made
	cp "$FLEET" "$AZURE_FOLDER/before.json"
	edit '.azure.regions[0].name = "useast" | .datacenters[0].region = "useast" | .datacenters[1].region = "useast"'
	refused 1
	says "region 'east' cannot be renamed to 'useast'"
	says "keep the name"
	cp "$AZURE_FOLDER/before.json" "$FLEET"
	edit '.devices = [] | .datacenters = []'
	expect 0 hsmctl provision apply "$FLEET" --yes --zeroised
	edit '.azure.regions[0].name = "useast"'
	refused 1
	says "region 'east' cannot be renamed to 'useast'"
	[ "$(stored '[.azure.regions[].name] | join(" ")')" = "east west" ]
	no_violations
}

# ---- subnets ----

@test "a subnet that somebody put into our network stays, and keeps the network" {
	made
	seed_subnet two-regions-east people 10.2.9.0/24
	nothing_to_do
	edit '.azure.tags.added = "1"'
	made
	[ -n "$(resources subnets/people)" ]
	expect 1 hsmctl provision destroy --yes
	says "it holds the subnet 'people', which hsmctl did not make"
	[ -n "$(resources subnets/people)" ]
	[ -z "$(resources 'two-regions-west|cloudHsmClusters')" ] || fail "$(resources)"
	azure_delete "$NETWORK/virtualNetworks/two-regions-east/subnets/people"
	expect 0 hsmctl provision destroy --yes
	[ -z "$(resources)" ] || fail "$(resources)"
	no_violations
}

@test "a subnet with one of hsmctl's names stays on apply, and goes with its network" {
	made
	seed_subnet two-regions-east GatewaySubnet 10.2.9.0/24
	nothing_to_do
	edit '.azure.tags.added = "1"'
	made
	[ -n "$(resources subnets/GatewaySubnet)" ]
	expect 0 hsmctl provision destroy --yes
	[ -z "$(resources)" ] || fail "$(resources)"
	no_violations
}

@test "a subnet that left the document goes, delegated or not" {
	edit '.azure.regions[0] += {hsm_subnet: "10.2.1.0/24", gateway_subnet: "10.2.255.0/26"}'
	made
	[ "$(resources two-regions-east/subnets | wc -l)" = 3 ]
	edit 'del(.azure.regions[0].hsm_subnet, .azure.regions[0].gateway_subnet)'
	expect 3 hsmctl provision plan "$FLEET" -o json
	[ "$(changes | paste -sd,)" = \
		"destroy subnet GatewaySubnet,destroy subnet hsms,update azure section" ] || fail "$(changes)"
	made
	[ "$(resources two-regions-east/subnets)" = virtualNetworks/two-regions-east/subnets/clients ]
	nothing_to_do
	no_violations
}

@test "a subnet that left the document goes also when the first run was killed" {
	edit '.azure.regions[0].gateway_subnet = "10.2.255.0/26"'
	made
	edit 'del(.azure.regions[0].gateway_subnet)'
	azure_config "{\"client_pid_file\": \"$AZURE_FOLDER/pid\",
		\"faults\": [{\"kind\": \"kill-before\", \"match\": \"DELETE .*GatewaySubnet\", \"at\": 1}]}"
	run sh -c 'echo $$ >"$0" && exec hsmctl provision apply "$1" --yes' "$AZURE_FOLDER/pid" "$FLEET"
	[ "$status" -eq 137 ]
	azure_config '{"faults": []}'
	made
	[ -z "$(resources GatewaySubnet)" ] || fail "$(resources)"
	nothing_to_do
}

# ---- who does it, and when ----

@test "a second administrator needs no subscription: the store knows it" {
	made
	unset AZURE_SUBSCRIPTION_ID
	nothing_to_do
	expect 0 hsmctl provision show -o json
	[ "$(field '[.devices[].state] | join(" ")')" = "running running" ]
	edit '.azure.tags.added = "1"'
	expect 3 hsmctl provision plan "$FLEET" --out "$AZURE_FOLDER/plan"
	expect 0 hsmctl provision apply "$AZURE_FOLDER/plan"
	[ "$(stored .azure.subscription)" = "$SUBSCRIPTION" ]
	expect 0 hsmctl provision destroy --yes
	[ -z "$(resources)" ] || fail "$(resources)"
	no_violations
}

@test "what was made just now, and is not known everywhere yet, is waited for" {
	azure_config '{"grace_404": 2, "grace_404_resource": 3, "grace_404_parent": 2}'
	made
	[ "$(azure_state '.refusals | map(.code | select(endswith("NotFound"))) | unique | join(" ")')" = \
		"ParentResourceNotFound ResourceGroupNotFound" ]
	made_once
	nothing_to_do
	expect 0 hsmctl provision destroy --yes
	[ -z "$(resources)" ] || fail "$(resources)"
	no_violations
	azure_ask POST reset '{}' >/dev/null
	make_azure_fleet
	made
	made_once
	nothing_to_do
	no_violations
}

# ---- what went wrong outside ----

@test "destroy forgets nothing that lost its mark: it says so, and goes on once the mark is back" {
	made
	network=$NETWORK/virtualNetworks/two-regions-east
	retag "$network" '{"owner": "key-management"}'
	expect 6 hsmctl provision destroy --yes
	says "is not marked as this fleet's"
	[ -n "$(resources virtualNetworks/two-regions-east)" ]
	[ "$(stored '.devices | length')" = 2 ]
	retag "$network" '{"hsmctl-fleet": "two-regions"}'
	expect 0 hsmctl provision destroy --yes
	[ -z "$(resources)" ] || fail "$(resources)"
}

@test "a gateway that failed is made again by the next apply" {
	make_azure_fleet
	azure_config '{"faults": [{"kind": "failed", "match": "PUT .*virtualNetworkGateways/two-regions-east-er", "every": 1}]}'
	expect 1 hsmctl provision apply "$FLEET"
	azure_config '{"faults": []}'
	says "two-regions-east-er"
	expect 3 hsmctl provision plan "$FLEET" -o json
	prints "it failed: it is made again"
	expect 0 hsmctl provision apply "$FLEET"
	expect 0 hsmctl provision plan "$FLEET"
	no_violations
}

@test "what stands for the key of connections is no tag" {
	make_azure_fleet '.azure.tags.probe = "@@hsmctl:shared-key@@"'
	expect 2 hsmctl provision plan "$FLEET" -o json
	prints "probe"
}

@test "a key that a connection does not really tell is not kept" {
	make_azure_fleet
	made
	rm "$HSMCTL_STORE/secrets/azure-connection.key"
	printf x >"$HSMCTL_STORE/secrets/azure-connection.key"
	chmod 600 "$HSMCTL_STORE/secrets/azure-connection.key"
	make_azure_fleet '.azure.tags.more = "1"'
	expect 2 hsmctl provision apply "$FLEET"
	says "holds no key of connections"
}

@test "an empty option is no identity" {
	expect 2 hsmctl provision plan "$FLEET" --tenant ""
	says "it is empty"
	made
	expect 2 hsmctl provision plan "$FLEET" --subscription 00000000-0000-4000-8000-0000000000ff
	says "is not that of the fleet"
}
