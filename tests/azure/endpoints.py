# SPDX-License-Identifier: Apache-2.0
"""endpoints - private endpoints and private DNS zones."""
import ipaddress

from network import delegated, prefixes, refuse, referenced, state_of, users
from schema import CLUSTER, CLUSTER_CONNECTION, ENDPOINT, LINK, ZONE, ZONE_GROUP
from world import Refusal, Resource, group_id, guid, hash16, lower, parent_id, plain


def endpoint_links(endpoint):
    p = endpoint.properties
    return [(link, manual) for manual, name in ((False, "privateLinkServiceConnections"),
                                                (True, "manualPrivateLinkServiceConnections"))
            for link in p.get(name) or []]


def check_endpoint(world, request, new, old):
    subnet = referenced(world, new.properties["subnet"]["id"], new.id)
    if delegated(subnet.properties):
        refuse("PrivateEndpointCannotBeCreatedInSubnetWithDelegation", f"{subnet.id} is delegated.")
    if world.find(parent_id(subnet.id)).location != new.location:
        refuse("InvalidResourceReference", f"{subnet.id} is not in {new.location}.")
    links = endpoint_links(new)
    if len(links) != 1:
        refuse("PrivateEndpointConnectionCount", f"{new.id} needs exactly one connection.")
    p = links[0][0]["properties"]
    target = referenced(world, p["privateLinkServiceId"], new.id)
    if target.type == CLUSTER and p.get("groupIds") != ["cloudhsm"]:
        refuse("PrivateEndpointInvalidGroupId",
               f"Call to Microsoft.HardwareSecurityModules failed. Error message: the group ids {p.get('groupIds')} "
               "are none of cloudhsm.")


def placed_endpoint(world, request, endpoint, old):
    link, manual = endpoint_links(endpoint)[0]
    cluster = world.find(link["properties"]["privateLinkServiceId"])
    if old or not cluster:
        return
    connection = Resource(f"{cluster.id}/privateEndpointConnections/{endpoint.name}.{guid(endpoint.id)}",
                          CLUSTER_CONNECTION, {"properties": {
                              "privateEndpoint": {"id": endpoint.id}, "groupIds": ["cloudhsm"],
                              "privateLinkServiceConnectionState": {
                                  "status": "Pending" if manual else "Approved",
                                  "description": link["properties"].get("requestMessage", ""),
                                  "actionsRequired": "None"}}})
    world.add(connection)
    connection.begun = connection.until = endpoint.until
    endpoint.facts["connection"] = connection.id


def endpoint_address(world, endpoint):
    subnet = world.find(endpoint.properties["subnet"]["id"])
    if not subnet:
        return "0.0.0.0"
    network = prefixes(subnet.properties)[0]
    rank = sorted(u for u in users(world, subnet.id)).index(endpoint.id)
    return str(network[4 + rank * 3])


def render_endpoint(world, endpoint, request):
    p = dict(endpoint.properties)
    connection = world.find(endpoint.facts.get("connection", ""))
    status = (connection.properties["privateLinkServiceConnectionState"] if connection else
              {"status": "Disconnected", "description": "", "actionsRequired": "None"})
    for name in ("privateLinkServiceConnections", "manualPrivateLinkServiceConnections"):
        p[name] = [{"name": c["name"], "id": f"{endpoint.id}/{name}/{c['name']}", "etag": endpoint.etag,
                    "properties": {"provisioningState": state_of(endpoint), **c["properties"],
                                   "privateLinkServiceConnectionState": status}} for c in p.get(name) or []]
    p["networkInterfaces"] = [{"id": f"{group_id(endpoint.id)}/providers/Microsoft.Network/networkInterfaces/"
                                     f"{endpoint.name}.nic.{guid(endpoint.id, 'nic')}"}]
    p.setdefault("customDnsConfigs", [])
    cluster = world.find(connection.id.rsplit("/", 2)[0]) if connection else None
    if cluster and not endpoint.doing and not world.children(endpoint.id, "privateDnsZoneGroups"):
        base = ipaddress.ip_address(endpoint_address(world, endpoint))
        p["customDnsConfigs"] = [{"fqdn": f"hsm{i + 1}.{cluster.name}-{hash16(cluster.facts.get('label', ''))}"
                                          ".cloudhsm.azure.net", "ipAddresses": [str(base + i)]} for i in range(3)]
    return p


def check_zone_group(world, request, new, old):
    for configuration in new.properties["privateDnsZoneConfigs"]:
        referenced(world, configuration["properties"]["privateDnsZoneId"], new.id)
    others = [g for g in world.children(parent_id(new.id), "privateDnsZoneGroups") if lower(g.id) != lower(new.id)]
    if others:
        refuse("PrivateEndpointHasZoneGroupAlready", f"{others[0].id} exists already.")


def render_zone_group(world, group, request):
    endpoint = world.find(parent_id(group.id))
    link = endpoint_links(endpoint)[0][0]["properties"]["privateLinkServiceId"]
    cluster, base = world.find(link), ipaddress.ip_address(endpoint_address(world, endpoint))
    label = hash16(cluster.facts.get("label", "")) if cluster else ""
    return {"privateDnsZoneConfigs": [{
        "name": c["name"], "id": f"{group.id}/privateDnsZoneConfigs/{c['name']}", "etag": group.etag,
        "properties": {"provisioningState": state_of(group), **c["properties"], "recordSets": [{
            "recordType": "A", "recordSetName": f"hsm{i + 1}.{cluster.name}-{label}", "ttl": 10,
            "fqdn": f"hsm{i + 1}.{cluster.name}-{label}.privatelink.cloudhsm.azure.net",
            "ipAddresses": [str(base + i)], "provisioningState": "Succeeded"} for i in range(3 if cluster else 0)]}}
        for c in group.properties["privateDnsZoneConfigs"]]}


def check_global(world, request, new, old):
    if plain(new.body.get("location")) != "global":
        raise Refusal(400, "LocationNotAvailableForResourceType",
                      f"The location '{new.body.get('location')}' is not available for the resource type; it is "
                      "global.")


def check_link(world, request, new, old):
    check_global(world, request, new, old)
    vnet = referenced(world, new.properties["virtualNetwork"]["id"], new.id, succeeded=False)
    for other in world.children(parent_id(new.id), "virtualNetworkLinks"):
        if lower(other.id) != lower(new.id) and lower(other.properties["virtualNetwork"]["id"]) == lower(vnet.id):
            raise Refusal(409, "Conflict", f"{vnet.id} is linked by {other.id} already.")


def render_zone(world, zone, request):
    links = world.children(zone.id, "virtualNetworkLinks")
    registering = [v for v in links if v.properties.get("registrationEnabled")]
    return {"maxNumberOfRecordSets": 25000, "maxNumberOfVirtualNetworkLinks": 1000,
            "maxNumberOfVirtualNetworkLinksWithRegistration": 100, "numberOfRecordSets": 1,
            "numberOfVirtualNetworkLinks": len(links),
            "numberOfVirtualNetworkLinksWithRegistration": len(registering)}


def render_link(world, link, request):
    return {"registrationEnabled": False, **link.properties,
            "virtualNetworkLinkState": "InProgress" if link.doing else "Completed"}


def gone_zone(world, request, zone):
    links = world.children(zone.id, "virtualNetworkLinks")
    if links:
        raise Refusal(409, "CannotDeleteResource",
                      "Cannot delete resource while nested resources exist. Some existing nested resource IDs "
                      f"include: '{links[0].id}'. Please delete all nested resources before deleting this resource.")


# for each type: (check, placed, render, gone)
KINDS = {
    ENDPOINT: (check_endpoint, placed_endpoint, render_endpoint, None),
    ZONE_GROUP: (check_zone_group, None, render_zone_group, None),
    ZONE: (check_global, None, render_zone, gone_zone),
    LINK: (check_link, None, render_link, None),
}
