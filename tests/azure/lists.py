# SPDX-License-Identifier: Apache-2.0
"""lists - pages of resources, by type, by group, by subscription."""
import re
from urllib.parse import quote

from bodies import body_of
from checks import check_group, check_query, check_version, versions_of
from schema import GROUP, TYPES
from world import Answer, Violation, lower

LISTED = ("$top", "$skiptoken", "$filter", "$expand")
RESOURCES_VERSIONS = TYPES[GROUP][0]
FILTER = re.compile(r"(resourceType|tagName|tagValue|name) eq '([^']*)'")


def page(world, request, found):
    """One page of elements, and the absolute URL of the next."""
    size, start = int(world.config["page_size"]), request.query.get("$skiptoken", "0")
    if "$top" in request.query:
        if not request.query["$top"].isdigit():
            raise Violation("query.$top", "is no number")
        size = min(size, int(request.query["$top"])) or size
    if not start.isdigit():
        raise Violation("query.$skiptoken", "is not one that was given")
    end = int(start) + size
    answer = {"value": found[int(start):end]}
    if end < len(found):
        others = "&".join(f"{quote(k)}={quote(v)}" for k, v in request.query.items() if k != "$skiptoken")
        answer["nextLink"] = f"{request.base}{request.path}?{others}&%24skiptoken={end}"
    else:   # the last page says so in three ways
        world.link_ends += 1
        answer.update([{}, {"nextLink": None}, {"nextLink": ""}][world.link_ends % 3])
    return Answer(200, answer)


def passes(resource, conditions):
    tags = resource.body.get("tags") or {}
    wanted = dict(conditions)
    if "resourceType" in wanted and lower(wanted["resourceType"]) != lower(resource.type):
        return False
    if "tagName" in wanted and lower(wanted["tagName"]) not in map(lower, tags):
        return False
    if "tagValue" in wanted and wanted["tagValue"] not in (v for k, v in tags.items()
                                                           if lower(k) == lower(wanted.get("tagName"))):
        return False
    return "name" not in wanted or lower(wanted["name"]) == lower(resource.name)


def list_resources(world, request, subscription, group_name=None):
    check_version(world, request, RESOURCES_VERSIONS, GROUP)
    check_query(request, *LISTED)
    prefix = check_group(world, request, group_name).id if group_name else f"/subscriptions/{subscription}"
    conditions = FILTER.findall(request.query.get("$filter", ""))
    if request.query.get("$filter") and not conditions:
        raise Violation("query.$filter", "is not understood")
    found = []
    for resource in sorted(world.inside(prefix), key=lambda r: r.id):
        if resource.type != GROUP and resource.type.count("/") == 1 and passes(resource, conditions):
            body = {"id": resource.id, "name": resource.name, "type": resource.type}
            body.update({k: v for k, v in resource.body.items() if k in ("location", "tags", "sku", "zones")})
            found.append(body)
    return page(world, request, found)


def list_groups(world, request, subscription):
    check_version(world, request, RESOURCES_VERSIONS, GROUP)
    check_query(request, *LISTED)
    conditions = FILTER.findall(request.query.get("$filter", ""))
    found = [g for g in sorted(world.of_type(GROUP), key=lambda r: r.id)
             if lower(g.id.split("/")[2]) == lower(subscription) and passes(g, conditions)]
    return page(world, request, [body_of(world, g, request) for g in found])


def list_type(world, request, kind, prefix):
    if request.method != "GET":
        raise Violation("method", f"{request.method} of a list", 405, "MethodNotAllowed")
    check_version(world, request, versions_of(world, kind), kind)
    check_query(request, "$top", "$skiptoken")
    found = [r for r in sorted(world.of_type(kind), key=lambda r: r.id) if lower(r.id).startswith(lower(prefix) + "/")]
    return page(world, request, [body_of(world, r, request) for r in found])
