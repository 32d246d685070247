# SPDX-License-Identifier: Apache-2.0
"""subscription - resource groups, providers and features."""
import re
import time
import uuid

import schema
from bodies import body_of, normal
from checks import check_body, check_group, check_location, check_query, check_version, versions_of
from lists import RESOURCES_VERSIONS, page
from schema import CLUSTER, DEVICE, GROUP, TYPES, ZONE
from world import Answer, Operation, Refusal, Resource, Violation, guid, lower, plain

SUBSCRIPTION_VERSIONS = ("2020-01-01", "2021-01-01", "2022-12-01", *RESOURCES_VERSIONS)


def group_request(world, request, subscription, name):
    check_version(world, request, versions_of(world, GROUP), GROUP)
    check_query(request)
    group_path = f"/subscriptions/{subscription}/resourceGroups/{name}"
    group = world.find(group_path)
    if request.method == "PUT":
        return put_group(world, request, group_path, group)
    if not group:
        if request.method == "HEAD":
            return Answer(404, None)
        check_group(world, request, name)
    if request.method == "HEAD":
        return Answer(204)
    if request.method == "DELETE":
        return delete_group(world, request, subscription, group)
    if request.method == "PATCH":
        check_group(world, request, name)
        check_body(request, schema.PATCH_TAGS)
        world.note_foreign(request, group, "patch")
        group.body["tags"] = request.body["tags"]
        world.count(group.id, "patches")
    return Answer(200, body_of(world, group, request))


def put_group(world, request, group_path, group):
    if group:
        check_group(world, request, group.name)
        world.note_foreign(request, group, "put")
        if request.body and plain(request.body.get("location")) != group.location:
            raise Refusal(409, "InvalidResourceGroupLocation", f"Invalid resource group location "
                          f"'{request.body.get('location')}'. The Resource group already exists in location "
                          f"'{group.location}'.")
    check_body(request, schema.BODIES[GROUP])
    check_location(world, request, GROUP)
    if not re.fullmatch(TYPES[GROUP][1], group_path.rsplit("/", 1)[1]):
        raise Violation("name", "is not allowed for a resource group", code="InvalidResourceGroupName")
    world.count(group.id if group else group_path, "rewrites" if group else "creates")
    if group:
        group.body = normal(request.body)
        return Answer(200, body_of(world, group, request))
    group = Resource(group_path, GROUP, normal(request.body), late=world.config["grace_404_parent"])
    world.add(group)
    return Answer(201, body_of(world, group, request))


def delete_group(world, request, subscription, group):
    if group.doing != "Deleting":
        inside = world.inside(group.id)
        for resource in inside:
            if resource.type == DEVICE:
                world.violate(request, "id", f"the group is deleted while the device '{resource.name}' exists")
                world.orphans.append(resource.id)
            elif resource.type.count("/") == 1 and world.config["owner_tag"] not in (resource.body.get("tags") or {}):
                world.violate(request, "id", f"the group is deleted while it holds '{resource.id}', which lacks the "
                                             f"tag {world.config['owner_tag']}")
        world.note_foreign(request, group, "delete")
        world.count(group.id, "deletes")
        what = "resourceGroups.delete-full" if inside else "resourceGroups.delete"
        world.begin(group, "Deleting", world.seconds(what), request.doom)
    token = f"eyJqb2JJZCI6IlJFU09VUkNFR1JPVVBERUxFVElPTkpPQi{uuid.uuid4().hex}"
    world.operations[f"group/{lower(token)}"] = Operation(token, lower(group.id), "DELETE", group.until, group.error,
                                                          grace=world.config["grace_404"], version=request.version)
    url = f"{request.base}/subscriptions/{subscription}/operationresults/{token}?api-version={request.version}"
    return Answer(202, None, {"Location": url, "Retry-After": "15"})


# ---- subscriptions, providers, features ----

def get_subscription(world, request, subscription):
    check_version(world, request, SUBSCRIPTION_VERSIONS, GROUP)
    check_query(request)
    tenants = world.config["tenants"] or [guid("tenant")]
    return Answer(200, {"id": f"/subscriptions/{subscription}", "subscriptionId": subscription,
                        "displayName": "Stand-in", "tenantId": tenants[0], "state": "Enabled"})


def get_locations(world, request, subscription):
    check_version(world, request, SUBSCRIPTION_VERSIONS, GROUP)
    check_query(request, "includeExtendedLocations")
    return Answer(200, {"value": [{
        "id": f"/subscriptions/{subscription}/locations/{name}", "name": name, "type": "Region", "displayName": shown,
        "regionalDisplayName": shown} for name, (shown, _zones) in world.config["regions"].items()]})


def provider_body(world, subscription, namespace):
    types = []
    for kind in TYPES:
        if lower(kind.split("/")[0]) != lower(namespace) or kind.count("/") > 1:
            continue
        regions = world.config["regions"]
        shown = ["global"] if kind == ZONE else [name for name, _zones in regions.values()]
        zones = [{"location": name, "zones": z} for name, z in regions.values() if z and kind == DEVICE]
        types.append({"resourceType": kind.split("/", 1)[1], "locations": shown,
                      "apiVersions": [*versions_of(world, kind)], "zoneMappings": zones,
                      "capabilities": "SupportsTags, SupportsLocation"})
    return {"id": f"/subscriptions/{subscription}/providers/{namespace}", "namespace": namespace,
            "resourceTypes": types, "registrationState": world.provider_state(namespace),
            "registrationPolicy": "RegistrationRequired"}


def spelled(world, namespace):
    known = next((n for n in world.config["providers"] if lower(n) == lower(namespace)), None)
    if not known:
        raise Refusal(404, "InvalidResourceNamespace", f"The resource namespace '{namespace}' is invalid.",
                      {"x-ms-failure-cause": "gateway"})
    return known


def get_provider(world, request, subscription, namespace):
    check_version(world, request, RESOURCES_VERSIONS, GROUP)
    check_query(request, "$expand")
    return Answer(200, provider_body(world, subscription, spelled(world, namespace)))


def list_providers(world, request, subscription):
    check_version(world, request, RESOURCES_VERSIONS, GROUP)
    check_query(request, "$expand", "$top", "$skiptoken")
    return page(world, request, [provider_body(world, subscription, n) for n in world.config["providers"]])


def register_provider(world, request, subscription, namespace):
    check_version(world, request, RESOURCES_VERSIONS, GROUP)
    check_query(request)
    namespace = spelled(world, namespace)
    world.count(f"/subscriptions/{subscription}/providers/{namespace}", "posts")
    if lower(world.provider_state(namespace)) != "registered":
        world.providers[lower(namespace)] = ("Registering", time.time() + world.seconds("providers.register"))
    return Answer(200, provider_body(world, subscription, namespace))


def feature_request(world, request, subscription, namespace, feature, register=None):
    check_version(world, request, ("2015-12-01", "2021-07-01"), "Microsoft.Features/features")
    check_query(request)
    if request.method != ("POST" if register else "GET"):
        raise Violation("method", f"{request.method} of a feature", 405, "MethodNotAllowed")
    name = next((f for f in world.config["features"] if lower(f) == lower(f"{namespace}/{feature}")), None)
    if not name:
        raise Refusal(404, "FeatureNotFound", f"The feature '{feature}' could not be found.")
    if register:
        world.count(f"/subscriptions/{subscription}/providers/Microsoft.Features/{name}", "posts")
        if lower(world.feature_state(name)) in ("notregistered", "notspecified", "unregistered"):
            state = world.config["feature_register"]
            world.features[lower(name)] = (state, time.time() + world.seconds("features.register")
                                           if state == "Registering" else 0)
    return Answer(200, {
        "id": f"/subscriptions/{subscription}/providers/Microsoft.Features/providers/{namespace}/features/{feature}",
        "name": name, "type": "Microsoft.Features/providers/features",
        "properties": {"state": world.feature_state(name)}})


def rp_operations(world, request):
    check_version(world, request, versions_of(world, DEVICE), DEVICE)
    return Answer(200, {"value": [{"name": f"{kind}/{verb}", "isDataAction": False}
                                  for kind in (DEVICE, CLUSTER) for verb in ("read", "write", "delete")]})
