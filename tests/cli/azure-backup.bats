#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load helper
load azure

CONTAINER=https://example.blob.core.windows.net/backups
IDENTITY=/subscriptions/$SUBSCRIPTION/resourceGroups/ids/providers/Microsoft.ManagedIdentity/userAssignedIdentities/keeper

setup() {
	own_azure
	azure_ask POST seed "{\"$IDENTITY\": {\"location\": \"eastus\", \"properties\": {}}}" >/dev/null
	make_azure_fleet ".azure.regions |= .[:1] | .azure.regions[0].name = \"east\"
		| .datacenters = [{name: \"east\", region: \"east\", provider: \"azure-cloud-hsm\"}]
		| .devices = [{name: \"chsm-1\", datacenter: \"east\", azure: {identity: \"$IDENTITY\"}},
			{name: \"chsm-2\", datacenter: \"east\", azure: {identity: \"$IDENTITY\"}},
			{name: \"chsm-3\", datacenter: \"east\"}]"
	expect 0 hsmctl provision apply "$FLEET"
}
teardown() { end_azure; }

jobs_sent() {
	azure_log 'select(.method == "POST" and (.path | test("cloudHsmClusters"))) | .path | sub(".*/";"") | sub("\\?.*";"")' |
		paste -sd' '
}

trail() {
	hsmctl audit show -o json | jq -r ".entries[] | select(.action == \"$1\") | \"\(.subject): \(.detail)\""
}

@test "a backup is validated, made, printed and noted, and restored into another cluster" {
	expect 0 hsmctl device backup chsm-1 --container "$CONTAINER" -o json
	is_valid
	[ "$(field '"\(.device) \(.container) \(.state)"')" = "chsm-1 $CONTAINER Succeeded" ]
	[[ $(field .id) == cloudhsm-* ]]
	[ "$(field '.started != null and .ended != null')" = true ]
	id=$(field .id)
	[ "$(jobs_sent)" = "validateBackupProperties backup" ]
	[[ $(trail "device backup") == "chsm-1: $id into $CONTAINER: Succeeded" ]]
	expect 0 hsmctl device restore chsm-2 --container "$CONTAINER" --backup-id "$id" --yes -o json
	is_valid
	[ "$(field '"\(.device) \(.id) \(.state)"')" = "chsm-2 $id Succeeded" ]
	[ "$(jobs_sent)" = "validateBackupProperties backup validateRestoreProperties restore" ]
	[[ $(trail "device restore") == "chsm-2: $id from $CONTAINER: Succeeded" ]]
	expect 0 hsmctl audit verify
	no_violations
}

@test "people see the same" {
	expect 0 hsmctl device backup chsm-1 --container "$CONTAINER"
	prints "Succeeded"
	prints "cloudhsm-"
}

@test "nothing is restored into a cluster that is activated, or may be, unless that is meant" {
	expect 0 hsmctl device backup chsm-1 --container "$CONTAINER" -o json
	id=$(field .id)
	for state in Active NotDefined null Unknown; do
		azure_config "{\"activation\": {\"chsm-2\": \"$state\"}}"
		expect 5 hsmctl device restore chsm-2 --container "$CONTAINER" --backup-id "$id" --yes
		says "damage"
		says "--activated"
	done
	[ "$(jobs_sent)" = "validateBackupProperties backup" ]
	azure_config '{"activation": {"chsm-2": "Unknown"}}'
	expect 0 hsmctl device restore chsm-2 --container "$CONTAINER" --backup-id "$id" --yes --activated
	[[ $(jobs_sent) == *" restore" ]]
	no_violations
}

@test "restore asks, and needs to know which backup" {
	expect 2 hsmctl device restore chsm-2 --container "$CONTAINER" --backup-id x
	says "--yes"
	expect 2 hsmctl device restore chsm-2 --container "$CONTAINER" --yes
	expect 2 hsmctl device backup chsm-1
	[ -z "$(jobs_sent)" ]
}

@test "without an identity nothing is sent" {
	expect 2 hsmctl device backup chsm-3 --container "$CONTAINER"
	says "no user-assigned identity"
	[ -z "$(jobs_sent)" ]
}

@test "a container with a signature is refused and not repeated" {
	expect 2 hsmctl device backup chsm-1 --container "$CONTAINER?sv=1&sig=canary"
	says "may be a secret"
	[[ $output$stderr != *canary* ]]
	expect 2 hsmctl device backup chsm-1 --container http://example.net/backups
	says "https://"
	expect 2 hsmctl device backup chsm-1 --container backups
	expect 2 hsmctl device backup chsm-1 --container https://example.blob.core.windows.net/
	[ -z "$(jobs_sent)" ]
	expect 0 hsmctl device backup chsm-1 --container "$AZURE_URL/backups"
}

@test "a job that ends badly is told with the reason, though the answer is fine" {
	azure_config '{"job_status": {"backup": "Failed"}}'
	expect 1 hsmctl device backup chsm-1 --container "$CONTAINER"
	says "StorageAccessDenied"
	[[ $(trail "device backup") == *InProgress ]]
	azure_config '{"job_status": {"validate": "Failed"}}'
	expect 1 hsmctl device backup chsm-1 --container "$CONTAINER"
	says "is not possible"
	[ "$(jobs_sent)" = "validateBackupProperties backup validateBackupProperties" ]
	azure_config '{"job_status": {"backup": "Succeeded", "validate": "Succeeded"}, "job_in_progress": 2}'
	expect 0 hsmctl device backup chsm-1 --container "$CONTAINER"
}

@test "a backup of another name is not found" {
	expect 1 hsmctl device restore chsm-2 --container "$CONTAINER" --backup-id nothing --yes
	says "BackupNotFound"
}

@test "a request of which nobody knows whether it arrived is sent once" {
	azure_config '{"faults": [{"kind": "reset-after", "match": "POST .*/backup$", "at": 1}]}'
	expect 7 hsmctl device backup chsm-1 --container "$CONTAINER"
	says "may have begun"
	[ "$(jobs_sent)" = "validateBackupProperties backup" ]
	[[ $(trail "device backup") == *InProgress ]]
}

@test "a device that serves is not restored into" {
	text=$(jq '.groups = [{name: "payments", members: [{device: "chsm-2", partition: "chsm-2"}]}]' "$HSMCTL_STORE/fleet.json")
	printf '%s\n' "$text" >"$HSMCTL_STORE/fleet.json"
	expect 1 hsmctl device restore chsm-2 --container "$CONTAINER" --backup-id x --yes
	says "payments"
	[ -z "$(jobs_sent)" ]
}

@test "only Cloud HSM clusters have backups" {
	make_azure_fleet '.name = "dedicated"'
	export HSMCTL_STORE=$AZURE_FOLDER/dedicated
	expect 0 hsmctl provision apply "$FLEET"
	expect 1 hsmctl device backup hsm-east-1 --container "$CONTAINER"
	says "is none"
}
