# SPDX-License-Identifier: Apache-2.0
"""arm - Azure Resource Manager: which function answers which path, and what becomes of refusals."""
import re

import schema
from checks import Many, check_group, check_headers, check_subscription, not_found, parse
from lists import list_groups, list_resources, list_type
from operations import poll_group, poll_hsm, poll_hsm_status, poll_result, poll_status
from resources import act, resource_request
from schema import type_of
from subscription import (feature_request, get_locations, get_provider, get_subscription, group_request, list_providers,
                          register_provider, rp_operations)
from world import Answer, Refusal, Violation, lower


def provider_request(world, request, subscription, group_name, rest):
    """…/providers/{namespace}/{type}[/{name}…][/{action}]"""
    rest = rest.split("/")
    if group_name:
        done = act(world, request, group_name, rest)
        if done:
            return done
    if len(rest) % 2:
        if not group_name:
            raise Violation("path", "a resource without a group", 404, "InvalidResourceType")
        return resource_request(world, request, subscription, group_name, rest)
    if group_name:
        group = check_group(world, request, group_name)
        prefix = f"{group.id}/providers/{'/'.join(rest[:-1])}" if len(rest) > 2 else group.id
    else:
        prefix = f"/subscriptions/{subscription}"
    kind = schema.CANONICAL.get(lower("/".join([rest[0], *rest[1::2]])))
    if not kind or (kind.count("/") > 1 and not group_name):
        raise Violation("type", f"'{'/'.join(rest)}' is not known", 404, "InvalidResourceType",
                        {"x-ms-failure-cause": "gateway"})
    if len(rest) > 2 and not world.find(prefix):
        raise not_found(type_of(prefix), prefix)
    return list_type(world, request, kind, prefix)


S, G, NS = r"/subscriptions/([^/]+)", r"/resourceGroups/([^/]+)", r"([A-Za-z]+\.[A-Za-z.]+)"
NETWORK, HSM = r"/providers/Microsoft\.Network", r"/providers/Microsoft\.HardwareSecurityModules"
# (methods, path, function); the first that fits
ROUTES = [(methods, re.compile(path, re.I), function) for methods, path, function in (
    ("GET", S, get_subscription),
    ("GET", f"{S}/locations", get_locations),
    ("GET", f"{S}/resourceGroups", list_groups),
    ("GET", f"{S}/resources", list_resources),
    ("GET", f"{S}/operationresults/([^/]+)", poll_group),
    ("HEAD GET PUT PATCH DELETE", f"{S}{G}", group_request),
    ("GET", f"{S}{G}/resources", list_resources),
    ("GET", f"{S}/providers", list_providers),
    ("GET", f"{S}/providers/{NS}", get_provider),
    ("POST", f"{S}/providers/{NS}/register", register_provider),
    ("GET POST", rf"{S}/providers/Microsoft\.Features/providers/{NS}/features/([^/]+)(/register)?", feature_request),
    ("GET", f"{S}{NETWORK}/locations/([^/]+)/operations/([^/]+)", poll_status),
    ("GET", f"{S}{NETWORK}/locations/([^/]+)/operationResults/([^/]+)", poll_result),
    ("GET", f"{S}{G}{NETWORK}/privateDnsOperationStatuses/([^/]+)", poll_status),
    ("GET", f"{S}{G}{NETWORK}/privateDnsOperationResults/([^/]+)", poll_result),
    ("GET", f"{S}{HSM}/locations/([^/]+)/operationResults/([^/]+)", poll_hsm),
    ("GET", f"{S}{HSM}/locations/([^/]+)/operationStatuses/([^/]+)", poll_hsm_status),
    ("GET", f"{HSM}/operations", rp_operations),
    ("HEAD GET PUT PATCH POST DELETE", f"{S}(?:{G})?/providers/({NS[1:-1]}/.+)", provider_request),
)]


def serve(world, request):
    """The answer to a request that carries a good token."""
    world.settle()
    try:
        check_headers(world, request)
        parse(request)
        check_subscription(world, request)
        for methods, path, function in ROUTES:
            found = path.fullmatch(request.path)
            if found and request.method in methods.split():
                return function(world, request, *found.groups())
        raise Violation("path", f"{request.method} {request.path} is not known", 404, "InvalidResourceType")
    except Many as e:
        for where, why in e.wrong:
            world.violate(request, where, why)
        return refused(world, request, e)
    except Violation as e:
        world.violate(request, e.where, e.why)
        return refused(world, request, e)
    except Refusal as e:
        return refused(world, request, e)


def refused(world, request, e):
    if not (e.status == 404 and request.method in ("GET", "HEAD")):
        world.refusals.append({"request": request.line, "status": e.status, "code": e.code, "message": e.message})
    return Answer(e.status, e.body(), e.headers)
