# SPDX-License-Identifier: Apache-2.0
"""hsm - how Microsoft.HardwareSecurityModules behaves: devices and their states, clusters, backup and restore."""
import base64
import hashlib
import ipaddress
import time
import uuid

from network import HSM_DELEGATION, delegated, gateways, prefixes, reference_of
from schema import CLUSTER, CLUSTER_CONNECTION, DEVICE
from world import Answer, Failure, Operation, Refusal, Violation, group_id, hash16, lower, parent_id, stamp

CREATING = "Resource creation in progress. "
# (share of the duration, state, statusMessage)
PHASES = (
    (0.07, "CheckingQuota", CREATING + "Validating subscription device quota..."),
    (0.27, "Connecting", CREATING + "Connecting the device to the virtual network..."),
    (1.00, "Provisioning", CREATING + "Configuring the device..."),
)
READY = "The Dedicated HSM device is provisioned successfully and ready to use."
ZONES_HERE = "Availability zone is supported, please dont enter stampId value"


def refuse(message):
    raise Refusal(400, "BadRequest", message)


def payshield(device):
    return device.body["sku"]["name"].startswith("payShield")


# ---- dedicated HSMs ----

def check_device(world, request, new, old):
    if old:
        return
    p, region = new.properties, world.config["regions"][new.location]
    for feature in ("Microsoft.HardwareSecurityModules/AzureDedicatedHSM", "Microsoft.Network/AllowBaremetalServers"):
        if lower(world.feature_state(feature)) != "registered":
            raise Refusal(409, "SubscriptionNotRegisteredForFeature",
                          f"Subscription is not registered for the feature {feature} required to carry out the "
                          "requested operation.")
    check_placement(p.get("stampId"), new.body.get("zones"), region[1])
    if not payshield(new) and "managementNetworkProfile" in p:
        refuse("managementNetworkProfile is not supported for the SKU SafeNet Luna Network HSM A790.")
    if not payshield(new) and len(p["networkProfile"].get("networkInterfaces") or [{}]) > 1:
        refuse("The SKU SafeNet Luna Network HSM A790 has one network interface.")
    check_addresses(world, new)
    if quota_left(world, new) < 1 and world.config["quota_answer"] == "refused":
        raise Refusal(400, "QuotaExceeded", quota_message(new))


def check_placement(stamp_id, zones, region_zones):
    if region_zones and stamp_id is not None:
        refuse(ZONES_HERE)
    if region_zones and not zones:
        refuse("The availability zone of the device is missing.")
    if region_zones and zones[0] not in region_zones:
        refuse(f"The availability zone '{zones[0]}' is not valid.")
    if not region_zones and zones:
        refuse("Availability zone is not supported in this region.")
    if not region_zones and stamp_id not in ("stamp1", "stamp2"):
        refuse(f"The stampId '{stamp_id}' is not valid.")


def profiles(device):
    p = device.properties
    return [(name, p[name]) for name in ("networkProfile", "managementNetworkProfile") if name in p]


def addresses(device):
    """(subnet id, address) of all interfaces that have one."""
    found = [(lower(reference_of(profile["subnet"])), i.get("privateIpAddress"))
             for _name, profile in profiles(device) for i in profile.get("networkInterfaces") or []]
    found += device.facts.get("assigned", [])
    return [(subnet, a) for subnet, a in found if a]


def check_addresses(world, new):
    taken = {pair for d in world.of_type(DEVICE) if lower(d.id) != lower(new.id) for pair in addresses(d)}
    mine = set()
    for _name, profile in profiles(new):
        subnet_id = reference_of(profile["subnet"])
        subnet = world.find(subnet_id)
        if not subnet:
            refuse(f"The subnet '{subnet_id}' was not found.")
        if world.find(parent_id(subnet.id)).location != new.location:
            refuse(f"The subnet '{subnet_id}' is not in the location '{new.body['location']}'.")
        network = prefixes(subnet.properties)[0]
        for interface in profile.get("networkInterfaces") or []:
            text = interface.get("privateIpAddress")
            if text is None:
                continue
            a = ipaddress.ip_address(text)
            if a not in network:
                refuse(f"The private IP address {text} is not in the address range {network} of the subnet "
                       f"{subnet.name}.")
            if a in (*[network[i] for i in range(4)], network[-1]):
                refuse(f"The private IP address {text} is reserved in the subnet {subnet.name}.")
            if (lower(subnet_id), text) in taken | mine:
                refuse(f"The private IP address {text} is already in use in the subnet {subnet.name}.")
            mine.add((lower(subnet_id), text))


def assign_addresses(world, device):
    """The service picks addresses where the body names none."""
    taken = {pair for d in world.of_type(DEVICE) for pair in addresses(d)}
    device.facts["assigned"] = []
    for _name, profile in profiles(device):
        named = [i for i in profile.get("networkInterfaces") or [] if i.get("privateIpAddress")]
        if named:
            continue
        subnet = world.find(reference_of(profile["subnet"]))
        if not subnet:
            continue
        network = prefixes(subnet.properties)[0]
        free = next(str(a) for a in list(network)[4:-1] if (lower(subnet.id), str(a)) not in taken)
        device.facts["assigned"].append((lower(subnet.id), free))


def quota_left(world, new):
    """Devices that still fit, by stamp or zone and by region; failed ones hold none."""
    def place(d):
        return d.properties.get("stampId") or (d.body.get("zones") or [""])[0]
    subscription = new.id.split("/")[2]
    others = [d for d in world.of_type(DEVICE) if lower(d.id) != lower(new.id) and d.location == new.location
              and d.id.split("/")[2] == subscription and d.state != "Failed" and d.fate != "Failed"]
    there = [d for d in others if place(d) == place(new)]
    return min(world.config["quota_stamp"] - len(there), world.config["quota_region"] - len(others))


def quota_message(device):
    place = device.properties.get("stampId") or f"zone {device.body['zones'][0]}"
    return f"The subscription device quota is exceeded for {place} in {device.location}."


def device_failure(world, device):
    """(share of the duration, statusMessage) with which provisioning ends, or None."""
    if quota_left(world, device) < 1:
        return PHASES[0][0], f"Resource creation failed. {quota_message(device)}"
    subnet = world.find(reference_of(device.properties["networkProfile"]["subnet"]))
    if not delegated(subnet.properties, HSM_DELEGATION):
        return PHASES[1][0], (f"Resource creation failed. The subnet {subnet.name} is not delegated to "
                              f"{HSM_DELEGATION}.")
    if not gateways(world, parent_id(subnet.id), "ExpressRoute", succeeded=True):
        return PHASES[1][0], (f"Resource creation failed. The virtual network {world.find(parent_id(subnet.id)).name} "
                              "has no ExpressRoute gateway in state Succeeded.")
    return None


def placed_device(world, request, device, old):
    assign_addresses(world, device)
    seconds = world.seconds("payShield.create" if payshield(device) else "dedicatedHSMs.create")
    device.facts["nominal"] = seconds
    failure = device_failure(world, device)
    error = request.doom
    if failure:
        error = Failure(code="ProvisioningFailed", message=failure[1])
        seconds *= failure[0]
    device.facts["reason"] = error and error["message"]
    world.begin(device, "Creating", seconds, error)
    device.busy_until = 0


def device_state(device):
    if device.doing == "Deleting":
        return "Deleting", "Resource deletion in progress."
    if device.doing:
        share = (time.time() - device.begun) / max(device.facts.get("nominal", 1), 1e-9)
        return next(((s, m) for end, s, m in PHASES if share < end), PHASES[-1][1:])
    if device.state == "Succeeded":
        return "Succeeded", READY
    return device.state, device.facts.get("reason") or "Resource creation failed."


def nic_id(device, suffix):
    return f"{group_id(device.id)}/providers/Microsoft.Network/networkInterfaces/{device.name}_{suffix}"


def render_profile(device, name, profile, wired, new_name):
    subnet = reference_of(profile["subnet"])
    interfaces = [dict(i) for i in profile.get("networkInterfaces") or [{}]]
    assigned = dict(device.facts.get("assigned", []))
    for i, interface in enumerate(interfaces):
        interface.setdefault("privateIpAddress", assigned.get(lower(subnet)))
        suffix = "HSMMgmtNic" if name != "networkProfile" else f"HSMHost{i + 1}Nic" if payshield(device) else "HSMnic"
        if wired:
            interface["resourceId" if new_name else "id"] = nic_id(device, suffix)
    return {"subnet": {"resourceId" if new_name else "id": subnet}, "networkInterfaces": interfaces}


def render_device(world, device, request):
    state, message = device_state(device)
    wired = state in ("Provisioning", "Succeeded", "Deleting")
    version = request.version if request else "2021-11-30"
    p = {name: render_profile(device, name, profile, wired, version >= "2024-06-30-preview")
         for name, profile in profiles(device)}
    if "stampId" in device.properties:
        p["stampId"] = device.properties["stampId"]
    p.update(statusMessage=message, provisioningState=state)
    if device.error and state == "Failed" and device.error.get("details"):
        p["error"] = device.error
    return p


def gone_device(world, request, device):
    if device.doing:
        refuse("The dedicatedhsms resource delete is only allowed if ProvisioningState is Succeeded/Failed.")
    held = world.config["not_zeroised"]
    if "*" in held or device.name in held:
        refuse("The dedicatedhsms resource delete is only allowed if the device is zeroized. The device "
               f"{device.name} holds partitions.")


def operation_key(resource):
    """Unpadded base64 of SUBSCRIPTION/GROUP/NAME in upper case."""
    parts = resource.id.split("/")
    return base64.b64encode(f"{parts[2]}/{parts[4]}/{resource.name}".upper().encode()).decode().rstrip("=")


def delete(world, request, resource):
    """202 with a Location; nothing else says how it goes."""
    subscription = resource.id.split("/")[2]
    noun = "payShield" if resource.type == DEVICE and payshield(resource) else resource.noun
    world.begin(resource, "Deleting", world.seconds(f"{noun}.delete"), request.doom)
    resource.busy_until = 0
    key = operation_key(resource)
    location = resource.location or world.find(parent_id(resource.id)).location
    old_style = resource.type == DEVICE and request.version == "2021-11-30"
    world.operations[f"hsm/{key}"] = Operation(key, lower(resource.id), "DELETE", resource.until, resource.error,
                                               status=200 if old_style else 204, grace=world.config["grace_404"],
                                               version=request.version)
    url = (f"{request.base}/subscriptions/{subscription}/providers/Microsoft.HardwareSecurityModules/locations/"
           f"{location}/operationResults/{key}?api-version={request.version}")
    return Answer(202, headers={"Location": url, "Retry-After": "5"})


# ---- Cloud HSM ----

SCOPES = {"TenantReuse": 0, "SubscriptionReuse": 3, "ResourceGroupReuse": 5}


def check_cluster(world, request, new, old):
    check_identity(world, new.body.get("identity"))


def check_identity(world, identity):
    if not identity:
        return
    named = list(identity.get("userAssignedIdentities") or {})
    if (identity["type"] == "UserAssigned") != bool(named):
        raise Violation("identity.userAssignedIdentities", f"do not go with the type {identity['type']}")
    for one in named:
        if not world.find(one):
            raise Refusal(400, "FailedIdentityOperation",
                          f"Identity operation for the resource failed with error 'The identity {one} was not found.'.")


def placed_cluster(world, request, cluster, old):
    scope = cluster.properties.get("autoGeneratedDomainNameLabelScope", "TenantReuse")
    depth = SCOPES.get(scope)
    where = "/".join(cluster.id.split("/")[:depth]) if depth is not None else str(uuid.uuid4())
    cluster.facts["label"] = f"{where}/{cluster.name}".lower()
    world.begin(cluster, "Creating", world.seconds("cloudHsmClusters.create"), request.doom)
    cluster.busy_until = 0


def cluster_share(cluster):
    if cluster.doing != "Creating":
        return 1.0
    return (time.time() - cluster.begun) / max(cluster.until - cluster.begun, 1e-9)


def activation(world, cluster):
    if cluster.doing == "Creating":
        return "NotDefined"
    if cluster.state != "Succeeded":
        return "Failed"
    wanted = world.config["activation"]
    return wanted.get(cluster.name) or cluster.facts.get("activation") or wanted.get("*") or "NotActivated"


def render_cluster(world, cluster, request):
    share = cluster_share(cluster)
    state = "Provisioning" if cluster.doing == "Creating" else cluster.doing or cluster.state
    step = None if share < 0.4 or cluster.state == "Failed" else "Starting" if share < 0.7 else "Started"
    message = {"Provisioning": "HSM cluster provisioning in progress.",
               "Succeeded": "HSM cluster provisioning successful."}
    p = {"autoGeneratedDomainNameLabelScope": "TenantReuse", "publicNetworkAccess": "Disabled", **cluster.properties,
         "activationState": activation(world, cluster), "provisioningState": state,
         "statusMessage": message.get(state, (cluster.error or {}).get("message", ""))}
    numbers = world.config["cluster_hsms"].get(cluster.name, [1, 2, 3])
    suffix = f"{cluster.name}-{hash16(cluster.facts['label'])}.cloudhsm.azure.net"
    p["hsms"] = [{**({"fqdn": f"hsm{i}.{suffix}"} if i else {}), "state": step, "stateMessage": ""}
                 for i in numbers] if step else []
    connections = world.children(cluster.id, "privateEndpointConnections")
    if connections:
        p["privateEndpointConnections"] = [whole(world, c, request, render_connection) for c in connections]
    if cluster.error and state == "Failed" and cluster.error.get("details"):
        p["error"] = cluster.error
    return p


def render_connection(world, connection, request):
    return {**connection.properties, "provisioningState":
            {"Deleting": "DELETING"}.get(connection.doing, "SUCCEEDED")}


def whole(world, resource, request, render):
    body = {"id": resource.id, "name": resource.name, "type": resource.type}
    body.update({k: v for k, v in resource.body.items() if k in ("location", "tags", "sku", "zones")})
    if resource.body.get("identity"):
        named = resource.body["identity"].get("userAssignedIdentities") or {}
        settled = not resource.doing
        body["identity"] = {"type": resource.body["identity"]["type"], "userAssignedIdentities": {
            one: {"principalId": hash_guid(one, "p") if settled else None,
                  "clientId": hash_guid(one, "c") if settled else None} for one in named}}
    if resource.facts.get("created"):
        body["systemData"] = {"createdByType": "Application", "createdAt": resource.facts["created"],
                              "lastModifiedByType": "Application", "lastModifiedAt": resource.facts["created"]}
    body["properties"] = render(world, resource, request)
    return body


def hash_guid(*parts):
    return str(uuid.UUID(hashlib.md5("/".join(parts).lower().encode()).hexdigest()))


def gone_cluster(world, request, cluster):
    if cluster.doing:
        raise Refusal(409, "Conflict", f"The cluster {cluster.name} is in state "
                      f"{render_cluster(world, cluster, request)['provisioningState']}.")


def check_connection(world, request, new, old):
    if not old:
        raise Refusal(404, "PrivateEndpointWithGivenConnectionNameNotFound", f"{new.name} was not found.")


def link_resources(world, request, cluster):
    return Answer(200, {"value": [{
        "id": f"{cluster.id}/privateLinkResources/cloudhsm", "name": "cloudhsm",
        "type": f"{CLUSTER}/privateLinkResources",
        "properties": {"groupId": "cloudhsm", "requiredMembers": ["hsm1", "hsm2", "hsm3"],
                       "requiredZoneNames": ["privatelink.cloudhsm.azure.net"]}}]})


def endpoints(world, request, device):
    return Answer(200, {"value": []})


# ---- backup, restore ----

FIRST_LOCATION = {"backup": 3238, "restore": 3247, "validate": 3238}


def job_kind(action):
    return "validate" if action.startswith("validate") else action


def status_noun(action):
    return "restoreOperationStatus" if "restore" in action.lower() else "backupOperationStatus"


def signed_query(length_left):
    """&t=…&c=…&s=…&h=… of exactly that length."""
    noise = base64.urlsafe_b64encode(hashlib.shake_256(uuid.uuid4().bytes).digest(3000)).decode()
    head, tail = "&t=638853946164459201&c=", f"&s={noise[-342:]}&h={noise[:43]}"
    return head + noise[:length_left - len(head) - len(tail)] + tail


def post_job(world, request, cluster, action):
    if cluster.doing or cluster.state != "Succeeded":
        raise Refusal(409, "Conflict", f"The cluster {cluster.name} is not in state Succeeded.")
    kind, body = job_kind(action), request.body
    if not (cluster.body.get("identity") or {}).get("userAssignedIdentities"):
        refuse("A user assigned managed identity is required on the cluster for backup and restore.")
    if action == "restore" and activation(world, cluster) == "Active":
        world.violate(request, "activationState", "restore into a cluster that is activated")
    job, now = str(uuid.uuid4()), time.time()
    operation = Operation(job, lower(cluster.id), "POST", now + world.seconds(kind), request.doom,
                          grace=world.config["grace_404"], version=request.version)
    operation.result = {"action": action, "body": body, "begun": stamp(now), "short": False,
                        "progress": world.config["job_in_progress"]}
    world.operations[f"job/{job}"] = operation
    short = f"{request.base}{cluster.id}/{status_noun(action)}/{job}?api-version={request.version}"
    operation.query = signed_query(FIRST_LOCATION[kind] - len(short))
    return Answer(202, headers={"Location": short + operation.query}), operation


def finish_job(world, cluster, operation):
    """Once: what a job that ends well leaves behind."""
    facts = operation.result
    if "status" in facts:
        return
    action, body = facts["action"], facts["body"]
    status = operation.error.state if operation.error else world.config["job_status"].get(job_kind(action), "Succeeded")
    error = operation.error
    if action == "restore" and body["backupId"] not in world.backups and status == "Succeeded":
        status = "Failed"
        error = {"code": "BackupNotFound", "message": f"The backup {body['backupId']} was not found in the container."}
    if status != "Succeeded" and not error:
        error = {"code": "StorageAccessDenied", "message": "The cluster's identity may not write to the container."}
    facts.update(status=status, error=error)
    if status == "Succeeded" and action == "backup":
        facts["backupId"] = f"cloudhsm-{uuid.uuid4()}-{time.strftime('%Y%m%d%H%M%S', time.gmtime())}92"
        world.backups[facts["backupId"]] = {"cluster": cluster.id, "container": body["azureStorageBlobContainerUri"]}
    if status == "Succeeded" and action == "restore":
        cluster.facts["activation"] = "Active"


def job_properties(operation, status):
    facts = operation.result
    p = {"azureStorageBlobContainerUri": facts["body"]["azureStorageBlobContainerUri"], "status": status,
         "statusDetails": f"HSM {job_kind(facts['action']).capitalize()} Time: {facts['begun']}",
         "startTime": facts["begun"], "endTime": None, "jobId": operation.id}
    if status != "InProgress":
        p["endTime"] = stamp(operation.until)
    if facts.get("backupId"):
        p = {"backupId": facts["backupId"], **p}
    if facts.get("error"):
        p["error"] = facts["error"]
    return p


def finished(world, cluster, operation):
    """What a job ended with."""
    finish_job(world, cluster, operation)
    return job_properties(operation, operation.result["status"])


def get_job(world, request, cluster, job):
    operation = world.operations.get(f"job/{lower(job)}")
    if not operation or operation.resource != lower(cluster.id):
        raise Refusal(404, "JobNotFound", f"The job {job} was not found.")
    if operation.grace > 0:
        operation.grace -= 1
        raise Refusal(404, "JobNotFound", f"The job {job} was not found.")
    signed = request.raw.split("?", 1)[1] == f"api-version={operation.version}{operation.query}"
    bare = request.raw.split("?", 1)[1] == f"api-version={operation.version}"
    if not signed and not bare:
        raise Violation("Location", "the URL of the job is not the one that was given")
    if signed and operation.result["short"]:
        world.violate(request, "Location", "an older Location is polled after a newer one was given")
    operation.polls += 1
    if time.time() < operation.until or operation.polls == 1:
        operation.result["short"] = True
        short = request.base + request.raw.split("?", 1)[0] + f"?api-version={operation.version}"
        return Answer(202, headers={"Location": short})
    if operation.result["progress"] > 0:
        operation.result["progress"] -= 1
        return Answer(200, {"properties": job_properties(operation, "InProgress")})
    return Answer(200, {"properties": finished(world, cluster, operation)})


# for each type: (check, placed, render, gone)
KINDS = {
    DEVICE: (check_device, placed_device, render_device, gone_device),
    CLUSTER: (check_cluster, placed_cluster, render_cluster, gone_cluster),
    CLUSTER_CONNECTION: (check_connection, None, render_connection, None),
}
