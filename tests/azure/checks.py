# SPDX-License-Identifier: Apache-2.0
"""checks - what a request has to fulfil before anything is done with it."""
import json
import re
from urllib.parse import parse_qsl

import schema
from schema import CLUSTER_CONNECTION, LINK, PEERING, SUBNET, TYPES, ZONE, ZONE_GROUP
from world import Refusal, Violation, lower, matches, plain


def check_headers(world, request):
    headers = request.headers
    if not re.fullmatch(schema.UUID, headers.get("x-ms-client-request-id", "")):
        raise Violation("x-ms-client-request-id", "is missing or no UUID")
    if not headers.get("User-Agent", "").startswith("hsmctl/"):
        raise Violation("User-Agent", f"'{headers.get('User-Agent', '')}' does not begin with hsmctl/")
    if request.method != "HEAD" and headers.get("Accept", "").split(";")[0].strip() != "application/json":
        raise Violation("Accept", f"'{headers.get('Accept', '')}' is not application/json")
    if request.text and headers.get("Content-Type", "").split(";")[0].strip().lower() != "application/json":
        raise Violation("Content-Type", f"'{headers.get('Content-Type', '')}' is not application/json", 415,
                        "UnsupportedMediaType")
    if request.text and request.method in ("GET", "HEAD", "DELETE"):
        raise Violation("body", f"{request.method} with a body")


def parse(request):
    """Query and body into values."""
    pairs = parse_qsl(request.raw.partition("?")[2], keep_blank_values=True)
    request.query = dict(pairs)
    if len(request.query) != len(pairs):
        raise Violation("query", "a parameter is given twice")
    request.version = request.query.get("api-version", "")
    if not request.version:
        raise Violation("api-version", "is missing", code="MissingApiVersionParameter")
    if request.text:
        try:
            request.body = json.loads(request.text, object_pairs_hook=once)
        except ValueError as e:
            raise Violation("body", f"is no JSON: {e}") from e


def once(pairs):
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError(f"a member of {sorted(made)} is there twice")
    return made


def check_query(request, *allowed):
    for name in request.query:
        if name != "api-version" and name not in allowed:
            raise Violation(f"query.{name}", "is not known here")


def versions_of(world, resource_type):
    """Those of the configuration: of the type, of the type at its top, of the namespace (but for private DNS)."""
    own, parts = world.config["api_versions"], resource_type.split("/")
    found = own.get(resource_type) or own.get("/".join(parts[:2]))
    if not found and parts[1] != "privateDnsZones":
        found = own.get(parts[0])
    return found or TYPES[resource_type][0]


def check_version(world, request, allowed, resource_type):
    if allowed is not None and request.version not in allowed:
        namespace, _, kind = resource_type.partition("/")
        raise Violation("api-version", f"'{request.version}' is not one of {resource_type}", 404, "InvalidResourceType",
                        {"x-ms-failure-cause": "gateway"}).saying(
            f"The resource type could not be found in the namespace '{namespace}' for api version '{request.version}'.")


def check_body(request, rule, old=None):
    if request.body is None:
        raise Violation("body", f"{request.method} without one")
    before = old if old is not None else schema.MISSING
    wrong = list(schema.walk(request.body, rule, "", request.version, before))
    if wrong:
        raise Many(wrong)


class Many(Violation):
    """Several things wrong with one body."""

    def __init__(self, wrong):
        super().__init__(*wrong[0])
        self.wrong = wrong
        if any("cannot be" in why for _where, why in wrong):
            self.code = "PropertyChangeNotAllowed"


def check_group(world, request, name):
    """The resource group a request is about."""
    subscription = request.path.split("/")[2]
    found = world.find(f"/subscriptions/{subscription}/resourceGroups/{name}")
    if not found:
        raise Refusal(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.",
                      {"x-ms-failure-cause": "gateway"})
    if found.doing == "Deleting" and request.method in ("PUT", "PATCH", "POST"):
        raise Refusal(409, "ResourceGroupBeingDeleted",
                      f"The resource group '{name}' is in deprovisioning state and cannot perform this operation.")
    return found


def check_registered(world, namespace):
    if lower(world.provider_state(namespace)) != "registered" and namespace != "Microsoft.Resources":
        raise Refusal(409, "MissingSubscriptionRegistration", f"The subscription is not registered to use namespace "
                      f"'{namespace}'. See https://aka.ms/rps-not-found for how to register subscriptions.")


def check_location(world, request, kind):
    location = request.body.get("location")
    if location is not None and kind not in (ZONE, LINK) and plain(location) not in world.config["regions"]:
        raise Refusal(400, "LocationNotAvailableForResourceType",
                      f"The provided location '{location}' is not available for resource type '{kind}'.")


def check_precondition(request, resource):
    wanted = request.headers.get("If-Match")
    if wanted and wanted != "*" and (not resource or wanted.strip('"') != resource.etag.strip('"')):
        raise Refusal(412, "PreconditionFailed", "The etag provided in If-Match does not match the resource.",
                      details=[])
    if request.headers.get("If-None-Match") == "*" and resource:
        raise Refusal(412, "PreconditionFailed", "The resource exists already.", details=[])


def check_subscription(world, request):
    parts = request.path.split("/")
    if len(parts) > 2 and parts[1] == "subscriptions":
        known = world.config["subscriptions"]
        if known and lower(parts[2]) not in map(lower, known):
            raise Refusal(404, "SubscriptionNotFound", f"The subscription '{parts[2]}' could not be found.")
    for pattern in world.config["denied"]:
        if matches(pattern, f"{request.method} {request.path}"):
            raise Refusal(403, "AuthorizationFailed",
                          f"The client does not have authorization to perform action over scope '{request.path}' or "
                          "the scope is invalid. If access was recently granted, please refresh your credentials.")


def not_found(resource_type, resource_id):
    parts, name = resource_id.split("/"), resource_id.rsplit("/", 1)[1]
    if resource_type == CLUSTER_CONNECTION:
        return Flat(404, "PrivateEndpointWithGivenConnectionNameNotFound",
                    f"Private endpoint connection with the name {name} was not found.")
    if resource_type in (SUBNET, PEERING, ZONE_GROUP):
        return Refusal(404, "NotFound", f"Resource {resource_id} not found.", details=[])
    path = "/".join([parts[6], *parts[7:]])
    return Refusal(404, "ResourceNotFound",
                   f"The Resource '{path}' under resource group '{parts[4]}' was not found. For more details please "
                   "go to https://aka.ms/ARMResourceNotFoundFix", {"x-ms-failure-cause": "gateway"})


class Flat(Refusal):
    """An error without the "error" around it."""

    def body(self):
        return {"code": self.code, "message": self.message}
