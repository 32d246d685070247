# SPDX-License-Identifier: Apache-2.0
"""resources - reading and writing any resource, the actions below it, and seeds."""
import re
import time

import endpoints
import hsm
import network
import schema
from bodies import DNS, HSM_TYPES, KINDS, answer_with, normal
from checks import (check_body, check_group, check_location, check_precondition, check_query, check_registered,
                    check_version, not_found, versions_of)
from operations import begin_operation, dns_headers, hsm_url, specified
from schema import (CLUSTER, CLUSTER_CONNECTION, CONNECTION, DEVICE, GATEWAY, GROUP, IDENTITY, PUBLIC_IP, SUBNET, TYPES,
                    VNET, type_of)
from world import Answer, Refusal, Resource, Violation, group_id, lower, parent_id


def canonical_id(world, group, rest):
    """Group and parents as they were first written, the types as they are written officially, the name as asked."""
    names = rest[2::2]
    words = type_of(f"{group.id}/providers/{'/'.join(rest)}").split("/")
    made = f"{group.id}/providers/{words[0]}"
    for word, name in zip(words[1:], names):
        made = f"{made}/{word}/{name}"
        known = world.find(made)
        made = known.id if known else made
    return made


def resource_request(world, request, subscription, group_name, rest):
    group = check_group(world, request, group_name)
    resource_id = canonical_id(world, group, rest)
    kind = type_of(resource_id)
    if kind not in TYPES:
        raise Violation("type", f"'{kind}' is not known", 404, "InvalidResourceType", {"x-ms-failure-cause": "gateway"})
    check_version(world, request, versions_of(world, kind), kind)
    check_query(request)
    if request.method not in RESOURCE_METHODS or (kind == IDENTITY and request.method != "GET"):
        raise Violation("method", f"{request.method} of {kind}", 405, "MethodNotAllowed")
    resource = world.find(resource_id)
    parent = world.find(parent_id(resource_id)) if kind.count("/") > 1 else None
    if request.method == "PUT":
        check_known(group, parent)
    if not resource and kind.count("/") > 1 and not parent:
        if request.method == "PUT":
            raise Refusal(404, "ParentResourceNotFound",
                          "Can not perform requested operation on nested resource. Parent resource "
                          f"'{parent_id(resource_id).rsplit('/', 1)[1]}' not found.")
        if request.method != "DELETE":
            raise not_found(type_of(parent_id(resource_id)), parent_id(resource_id))
    return RESOURCE_METHODS[request.method](world, request, kind, resource_id, resource)


def check_known(group, parent):
    """What was made just now is not known everywhere."""
    if group.late > 0:
        group.late -= 1
        raise Refusal(404, "ResourceGroupNotFound", f"Resource group '{group.name}' could not be found.")
    if parent and parent.late > 0:
        parent.late -= 1
        raise Refusal(404, "ParentResourceNotFound", "Can not perform requested operation on nested resource. Parent "
                                                     f"resource '{parent.name}' not found.")


def get_resource(world, request, kind, resource_id, resource):
    if not resource:
        raise not_found(kind, resource_id)
    if resource.grace > 0:
        resource.grace -= 1
        raise not_found(kind, resource_id)
    return answer_with(world, resource, request)


def put_resource(world, request, kind, resource_id, old):
    check_registered(world, kind.split("/")[0])
    name = resource_id.rsplit("/", 1)[1]
    if not re.fullmatch(TYPES[kind][1], name):
        raise Violation("name", f"'{name}' is not of the form {TYPES[kind][1]}", code="InvalidResourceName")
    check_body(request, schema.BODIES[kind], old.body if old else None)
    if lower(request.body.get("name", name)) != lower(name):
        raise Violation("name", f"'{request.body['name']}' is not the name in the URL")
    check_location(world, request, kind)
    check_precondition(request, old)
    new = Resource(resource_id, kind, normal(request.body))
    check, placed, _render, _gone = KINDS[kind]
    if old:
        world.note_foreign(request, old, "put")
        if old.doing == "Deleting" and kind in HSM_TYPES:
            raise Refusal(409, "Conflict", f"The resource {old.name} is being deleted.")
    elif kind.count("/") > 1:
        world.note_foreign(request, world.find(parent_id(resource_id)), f"new {kind.rsplit('/', 1)[1]}")
    if kind not in HSM_TYPES:
        network.check_busy(world, request, new)
    check(world, request, new, old)
    world.count(resource_id, "rewrites" if old else "creates")
    if kind in HSM_TYPES:
        return put_hsm(world, request, new, old, placed)
    return put_network(world, request, new, old, placed)


def put_hsm(world, request, new, old, placed):
    """200, a state that is not final, and no header that says where to look."""
    if old and (old.doing or old.state != "Failed"):
        if new.type == CLUSTER_CONNECTION:
            state = new.properties["privateLinkServiceConnectionState"]
            old.properties["privateLinkServiceConnectionState"].update(state)
        else:
            old.body = {**old.body, **{k: new.body[k] for k in ("tags", "identity") if k in new.body}}
        return answer_with(world, old, request)
    new.facts["created"] = now_text()
    new.grace, new.late = world.config["grace_404_resource"], world.config["grace_404_parent"]
    world.add(new)
    placed(world, request, new, old)
    if world.config["hsm_answers"] == "specified":
        return answer_with(world, new, request, 201, specified(world, request, new, "PUT"))
    return answer_with(world, new, request)


def now_text():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def put_network(world, request, new, old, placed):
    verb = "update" if old else "create"
    if old:
        resource, resource.body = old, new.body
    else:
        resource = new
        resource.grace, resource.late = world.config["grace_404_resource"], world.config["grace_404_parent"]
        world.add(resource)
    world.begin(resource, "Updating", world.seconds(f"{resource.noun}.{verb}"), request.doom)
    if placed:
        placed(world, request, resource, old)
    if resource.type in DNS:
        return Answer(202, {}, {**dns_headers(world, request, resource, "PUT"), "Retry-After": "30"})
    headers = {"Azure-AsyncOperation": begin_operation(world, request, resource, "PUT")[0],
               "Azure-AsyncNotification": "Enabled", "Retry-After": "3"}
    return answer_with(world, resource, request, 200 if old else 201, headers)


# Private endpoints, zone groups, subnets and peerings have no PATCH; those of gateways and connections take a while.
PATCHED = (VNET, PUBLIC_IP, GATEWAY, CONNECTION, DEVICE, CLUSTER, *DNS)
PATCHED_LATER = (GATEWAY, CONNECTION)


def patch_resource(world, request, kind, resource_id, resource):
    if kind not in PATCHED:
        raise Violation("method", f"PATCH of {kind}", 405, "MethodNotAllowed")
    if not resource:
        raise not_found(kind, resource_id)
    check_body(request, schema.PATCH_CLUSTER if kind == CLUSTER else schema.PATCH_TAGS)
    if kind == CLUSTER:
        hsm.check_identity(world, request.body.get("identity"))
    world.note_foreign(request, resource, "patch")
    if kind in PATCHED_LATER:
        network.check_busy(world, request, resource)
    resource.body.update(normal(request.body))
    resource.fresh()
    world.count(resource.id, "patches")
    if kind in PATCHED_LATER:
        world.begin(resource, "Updating", world.seconds("tags"), request.doom)
        resource.busy_until = 0
        status, result = begin_operation(world, request, resource, "PATCH")
        return Answer(202, None, {"Azure-AsyncOperation": status, "Location": result, "Retry-After": "10"})
    if kind in HSM_TYPES and world.config["hsm_answers"] == "specified":
        return Answer(202, None, specified(world, request, resource, "PATCH"))
    return answer_with(world, resource, request)


def delete_resource(world, request, kind, resource_id, resource):
    if not resource:
        return Answer(204)
    check_precondition(request, resource)
    if kind not in HSM_TYPES:
        if resource.doing == "Deleting":
            return deleting(world, request, resource)
        network.check_busy(world, request, resource)
    gone = KINDS[kind][3]
    if gone:
        gone(world, request, resource)
    world.note_foreign(request, resource, "delete")
    world.count(resource.id, "deletes")
    if kind in HSM_TYPES:
        return hsm.delete(world, request, resource)
    world.begin(resource, "Deleting", world.seconds(f"{resource.noun}.delete"), request.doom)
    if resource.type == GATEWAY:
        network.placed_gateway(world, request, resource, resource)
    return deleting(world, request, resource)


def deleting(world, request, resource):
    if resource.type in DNS:
        return Answer(202, None, {**dns_headers(world, request, resource, "DELETE"), "Retry-After": "30"})
    status, result = begin_operation(world, request, resource, "DELETE")
    return Answer(202, None, {"Azure-AsyncOperation": status, "Location": result, "Azure-AsyncNotification": "Enabled",
                              "Retry-After": "10"})


RESOURCE_METHODS = {"GET": get_resource, "PUT": put_resource, "PATCH": patch_resource, "DELETE": delete_resource}


# ---- actions below a resource ----

def shared_key(world, request, connection, _action):
    if request.method == "PUT":
        network.check_busy(world, request, connection)
        world.note_foreign(request, connection, "sharedkey")
        connection.properties["sharedKey"] = request.body["value"]
        world.count(connection.id, "rewrites")
        world.begin(connection, "Updating", world.seconds("connections.update"), request.doom)
        status = begin_operation(world, request, connection, "PUT")[0]
        return Answer(200, {"id": f"{connection.id}/sharedKey", "value": request.body["value"]},
                      {"Azure-AsyncOperation": status, "Retry-After": "10"}, pretty=True)
    value = connection.properties.get("sharedKey")
    return Answer(200, {"id": f"{connection.id}/sharedKey", "value": value}, pretty=True)


def job(world, request, cluster, action):
    answer, operation = hsm.post_job(world, request, cluster, action)
    if world.config["hsm_answers"] == "specified":
        answer.headers["Azure-AsyncOperation"] = hsm_url(request, cluster, operation, "operationStatuses")
        answer.headers["Retry-After"] = "10"
    return answer


# (type, action): (methods with the rule of their bodies, function)
ACTIONS = {
    (DEVICE, "outboundNetworkDependenciesEndpoints"): ({"GET": None}, lambda w, r, x, _a: hsm.endpoints(w, r, x)),
    (CLUSTER, "privateLinkResources"): ({"GET": None}, lambda w, r, x, _a: hsm.link_resources(w, r, x)),
    (CLUSTER, "backup"): ({"POST": schema.BACKUP}, job),
    (CLUSTER, "restore"): ({"POST": schema.RESTORE}, job),
    (CLUSTER, "validateBackupProperties"): ({"POST": schema.BACKUP}, job),
    (CLUSTER, "validateRestoreProperties"): ({"POST": schema.RESTORE}, job),
    (CONNECTION, "sharedkey"): ({"GET": None, "PUT": schema.SHARED_KEY}, shared_key),
}
JOBS = ("backupoperationstatus", "restoreoperationstatus")


def find_action(kind, word):
    return next((((t, a), row) for (t, a), row in ACTIONS.items() if t == kind and lower(a) == lower(word)), None)


def act(world, request, group_name, rest):
    """What is not a resource and not a list: None when it is neither an action nor a job."""
    group = check_group(world, request, group_name)
    jobs = len(rest) == 5 and lower(rest[3]) in JOBS
    words = rest[:3] if jobs else rest[:-1]
    resource_id = canonical_id(world, group, words) if len(words) % 2 and len(words) > 1 else ""
    kind = type_of(resource_id) if resource_id else None
    action = find_action(kind, rest[-1]) if kind else None
    if not jobs and not action:
        return None
    check_version(world, request, versions_of(world, kind), kind)
    resource = world.find(resource_id)
    if not resource:
        raise not_found(kind, resource_id)
    if jobs:
        check_query(request, "t", "c", "s", "h")
        return hsm.get_job(world, request, resource, rest[4])
    check_query(request)
    (_kind, word), (methods, function) = action
    if request.method not in methods:
        raise Violation("method", f"{request.method} of {word}", 405, "MethodNotAllowed")
    if methods[request.method]:
        check_body(request, methods[request.method])
    if request.method == "POST":
        world.note_foreign(request, resource, word)
        world.count(resource.id, "posts")
    return function(world, request, resource, word)


# ---- seeds ----

def seed(world, bodies):
    """Resources as if a person had made them."""
    made = []
    for resource_id, body in sorted(bodies.items()):
        kind = type_of(resource_id)
        if not kind:
            raise ValueError(f"'{resource_id}' is not the id of a resource")
        group = group_id(resource_id)
        if kind != GROUP and not world.find(group):
            world.add(Resource(group, GROUP, {"location": body.get("location", "westus")}))
        made += seed_one(world, resource_id, kind, normal(body))
    for resource in made:
        if resource.type == DEVICE:
            hsm.assign_addresses(world, resource)
        if resource.type == schema.ENDPOINT:
            endpoints.placed_endpoint(world, None, resource, None)


def seed_one(world, resource_id, kind, body):
    properties = body.get("properties") or {}
    state = properties.pop("provisioningState", "Succeeded")
    resource = Resource(resource_id, kind, body, facts={"label": resource_id.lower()})
    made = [resource]
    world.add(resource)
    for part in properties.pop("subnets", []) if kind == VNET else []:
        made += seed_one(world, f"{resource_id}/subnets/{part['name']}", SUBNET, {"properties": part["properties"]})
    if state in ("Succeeded", "Failed", "Canceled"):
        resource.state = state
    else:
        seconds = world.seconds(f"{resource.noun}.create")
        resource.facts["nominal"] = seconds
        world.begin(resource, "Deleting" if state == "Deleting" else "Creating", seconds)
    return made
