# SPDX-License-Identifier: Apache-2.0
"""bodies - resources as their services write them."""
import json

import endpoints
import hsm
import network
from schema import CLUSTER, CLUSTER_CONNECTION, DEVICE, GROUP, IDENTITY, LINK, ZONE
from world import Answer, guid, plain

KINDS = {**network.KINDS, **endpoints.KINDS, **hsm.KINDS}
DNS = (ZONE, LINK)
HSM_TYPES = (DEVICE, CLUSTER, CLUSTER_CONNECTION)


def body_of(world, resource, request):
    """As its service writes it."""
    if resource.type == GROUP:
        state = "Deleting" if resource.doing == "Deleting" else "Succeeded"
        return {"id": resource.id, "name": resource.name, "type": GROUP, **resource.body,
                "properties": {"provisioningState": state}}
    if resource.type == IDENTITY:
        tenants = world.config["tenants"] or [guid("tenant")]
        return {"id": resource.id, "name": resource.name, "type": IDENTITY, "location": "westus", "tags": {},
                **resource.body, "properties": {
                    "tenantId": tenants[0], "principalId": hsm.hash_guid(resource.id, "p"),
                    "clientId": hsm.hash_guid(resource.id, "c"), **resource.properties}}
    if resource.type not in KINDS:
        return {"id": resource.id, "name": resource.name, "type": resource.type, **resource.body}
    render = KINDS[resource.type][2]
    whole = hsm.whole if resource.type in HSM_TYPES else network.whole
    return whole(world, resource, request, render)


def answer_with(world, resource, request, status=200, headers=None):
    pretty = resource.type in KINDS and resource.type not in HSM_TYPES + DNS
    return Answer(status, body_of(world, resource, request), dict(headers or {}), pretty)


def normal(body):
    """A body without what its address says already."""
    made = {k: v for k, v in json.loads(json.dumps(body)).items() if k not in ("id", "name", "type", "etag")}
    if "location" in made:
        made["location"] = plain(made["location"])
    return made
