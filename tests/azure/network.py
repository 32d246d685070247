# SPDX-License-Identifier: Apache-2.0
"""network - virtual networks, subnets, peerings, public addresses, gateways, connections.

What Microsoft.Network checks, what it adds to bodies, what it refuses to delete.
"""
import ipaddress
import time

from schema import CONNECTION, DEVICE, ENDPOINT, GATEWAY, PEERING, PUBLIC_IP, SUBNET, VNET, VPN_SKUS, ZONE_GROUP
from world import Refusal, Resource, Violation, guid, lower, parent_id

HSM_DELEGATION = "Microsoft.HardwareSecurityModules/dedicatedHSMs"
ACTIONS = ["Microsoft.Network/networkinterfaces/*", "Microsoft.Network/virtualNetworks/subnets/join/action"]


def refuse(code, message, status=400, headers=None):
    """Microsoft.Network's errors always have details."""
    raise Refusal(status, code, message, headers, details=[])


def state_of(resource):
    if resource.doing:
        return "Deleting" if resource.doing == "Deleting" else "Updating"
    return resource.state


def referenced(world, target_id, user_id, succeeded=True):
    """The resource that a body names; Refusal when it is missing or in the middle of something."""
    target = world.find(target_id)
    if not target:
        refuse("InvalidResourceReference",
               f"Resource {target_id} referenced by resource {user_id} was not found. Please make sure that the "
               "referenced resource exists, and that both resources are in the same region.")
    if succeeded and (target.doing or target.state != "Succeeded"):
        refuse("ReferencedResourceNotProvisioned",
               f"Cannot proceed with operation because resource {target.id} used by resource {user_id} is not in "
               f"Succeeded state. Resource is in {state_of(target)} state.", status=409)
    return target


# ---- which VNet a write belongs to, and whether it is busy ----

def subnet_ids(resource):
    """Ids of the subnets a gateway, an endpoint or a device stands in."""
    p = resource.properties
    if resource.type == GATEWAY:
        return [c["properties"]["subnet"]["id"] for c in p.get("ipConfigurations", [])]
    if resource.type == ENDPOINT:
        return [p["subnet"]["id"]]
    if resource.type == DEVICE:
        return [reference_of(p[name]["subnet"]) for name in ("networkProfile", "managementNetworkProfile") if name in p]
    return []


def reference_of(value):
    return value.get("resourceId") or value.get("id")


def vnet_of(resource):
    if resource.type == VNET:
        return lower(resource.id)
    if resource.type in (SUBNET, PEERING):
        return lower(parent_id(resource.id))
    if resource.type in (GATEWAY, ENDPOINT):
        return next((lower(parent_id(s)) for s in subnet_ids(resource)), None)
    return None


def check_busy(world, request, resource):
    """One write at a time in a VNet, and on any one resource."""
    vnet, now = vnet_of(resource), time.time()
    for other in world.resources.values():
        same = lower(other.id) == lower(resource.id) and other.doing
        if not same and not (vnet and other.busy_until > now and vnet_of(other) == vnet):
            continue
        world.busy_answers += 1
        every = world.config["busy_429_every"]
        slow_down = every and world.busy_answers % every == 0
        operation = next((o for o in reversed(world.operations.values()) if o.resource == lower(other.id)), None)
        uri = operation_url(request, resource, operation, "operations") if operation else "-"
        refuse("AnotherOperationInProgress",
               "Another operation on this or dependent resource is in progress. To retrieve status of the operation "
               f"use uri: {uri}.", status=429 if slow_down else 409, headers={"Retry-After": "5"} if slow_down else {})


def operation_url(request, resource, operation, noun):
    subscription = resource.id.split("/")[2]
    location = resource.location or "westus"
    return (f"{request.base}/subscriptions/{subscription}/providers/Microsoft.Network/locations/{location}/{noun}/"
            f"{operation.id}?api-version={operation.version}")


# ---- virtual networks and subnets ----

def prefixes(properties):
    found = properties.get("addressPrefixes") or [properties.get("addressPrefix")]
    return [ipaddress.ip_network(p) for p in found if p]


def space(vnet_body):
    return [ipaddress.ip_network(p) for p in vnet_body["properties"]["addressSpace"]["addressPrefixes"]]


def delegated(properties, service=None):
    names = [lower(d["properties"]["serviceName"]) for d in properties.get("delegations") or []]
    return bool(names) if service is None else lower(service) in names


def users(world, subnet_id):
    """Ids of what stands in a subnet."""
    found = []
    for resource in world.of_type(GATEWAY, ENDPOINT, DEVICE):
        if lower(subnet_id) in map(lower, subnet_ids(resource)):
            if resource.type == GATEWAY:
                found += [f"{resource.id}/ipConfigurations/{c['name']}"
                          for c in resource.properties["ipConfigurations"]]
            else:
                found.append(resource.id)
    return found


def check_subnet_body(name, properties, spaces, siblings):
    """siblings: (name, properties) of the other subnets."""
    mine = prefixes(properties)
    if not mine:
        refuse("MissingJsonProperty", f"Subnet {name} has no addressPrefix.")
    for network in mine:
        if not any(network.version == s.version and network.subnet_of(s) for s in spaces):
            refuse("NetcfgInvalidSubnet",
                   f"Subnet '{name}' is not valid because its IP address range is outside the IP address range of the "
                   "virtual network.")
        if network.prefixlen > 29:
            refuse("NetcfgInvalidSubnet", f"Subnet '{name}' is smaller than /29.")
        for other, p in siblings:
            if any(network.overlaps(o) for o in prefixes(p)):
                refuse("NetcfgSubnetRangesOverlap",
                       f"Subnet '{name}' is not valid because its IP address range overlaps with that of an existing "
                       f"subnet in virtual network, '{other}'.")
    if name.lower() == "gatewaysubnet" and (delegated(properties) or properties.get("networkSecurityGroup")):
        refuse("GatewaySubnetCannotBeDelegated",
               "GatewaySubnet takes neither a delegation nor a network security group.")
    guarded = properties.get("networkSecurityGroup") or properties.get("routeTable")
    if guarded and delegated(properties, HSM_DELEGATION):
        refuse("SubnetDelegationNotAllowed",
               f"Subnet {name} is delegated to {HSM_DELEGATION}, which supports neither network security groups nor "
               "route tables.")


def check_subnet_change(world, subnet, properties):
    """What an existing subnet does not allow while something stands in it."""
    used = users(world, subnet.id)
    if used and prefixes(subnet.properties) != prefixes(properties):
        refuse("InUsePrefixCannotBeDeleted",
               f"IpPrefix of subnet {subnet.id} is in use by {used[0]} and cannot be changed.")
    old, new = ([d["properties"]["serviceName"] for d in p.get("delegations") or []]
                for p in (subnet.properties, properties))
    if used and sorted(map(lower, old)) != sorted(map(lower, new)):
        refuse("SubnetDelegationsCannotChangeWhenSubnetUsedByResource",
               f"Delegations of subnet {subnet.name} cannot be changed from [{', '.join(old)}] to [{', '.join(new)}] "
               f"because it is being used by the resource {used[0]}.")


def check_subnet_gone(world, subnet):
    used = users(world, subnet.id)
    if used:
        refuse("InUseSubnetCannotBeDeleted",
               f"Subnet {subnet.name} is in use by {used[0]} and cannot be deleted. In order to delete the subnet, "
               "delete all the resources within the subnet. See aka.ms/deletesubnet.")
    if delegated(subnet.properties):
        refuse("InUseSubnetCannotBeDeleted",
               f"Subnet {subnet.name} is in use by "
               f"{subnet.id}/delegations/{subnet.properties['delegations'][0]['name']} and cannot be deleted: its "
               "delegation must be removed first.")


def check_vnet(world, request, new, old):
    spaces = space(new.body)
    inline = {lower(s["name"]): s for s in new.properties.get("subnets") or []}
    if len(inline) != len(new.properties.get("subnets") or []):
        raise Violation("properties.subnets", "two subnets of one name")
    for name, subnet in inline.items():
        siblings = [(s["name"], s["properties"]) for n, s in inline.items() if n != name]
        check_subnet_body(subnet["name"], subnet["properties"], spaces, siblings)
    for subnet in world.children(new.id, "subnets") if old else []:
        kept = inline.get(lower(subnet.name))
        if kept:
            check_subnet_change(world, subnet, kept["properties"])
        else:
            world.violate(request, "properties.subnets",
                          f"the virtual network is put without its subnet '{subnet.name}', which deletes it")
            check_subnet_gone(world, subnet)


def placed_vnet(world, request, vnet, old):
    inline = vnet.body["properties"].pop("subnets", None) or []
    names = {lower(s["name"]) for s in inline}
    for subnet in world.children(vnet.id, "subnets"):
        if lower(subnet.name) not in names:
            world.remove(subnet)
            world.count(subnet.id, "deletes")
    for part in inline:
        subnet_id = f"{vnet.id}/subnets/{part['name']}"
        subnet = world.find(subnet_id)
        body = {"name": part["name"], "properties": part["properties"]}
        if not subnet:
            subnet = Resource(subnet_id, SUBNET, body)
            world.add(subnet)
            world.count(subnet_id, "creates")
        elif subnet.body["properties"] != body["properties"]:
            subnet.body = body
            world.count(subnet_id, "rewrites")
        subnet.doing, subnet.begun, subnet.until, subnet.busy_until = "Updating", vnet.begun, vnet.until, vnet.until
        subnet.fate, subnet.error = vnet.fate, vnet.error


def check_subnet(world, request, new, old):
    vnet = world.find(parent_id(new.id))
    siblings = [(s.name, s.properties) for s in world.children(vnet.id, "subnets") if lower(s.id) != lower(new.id)]
    check_subnet_body(new.name, new.properties, space(vnet.body), siblings)
    if old:
        check_subnet_change(world, old, new.properties)


def render_subnet(world, subnet, request):
    p = dict(subnet.properties)
    p["delegations"] = [{
        "name": d["name"], "id": f"{subnet.id}/delegations/{d['name']}", "etag": subnet.etag,
        "properties": {"provisioningState": "Succeeded", "serviceName": d["properties"]["serviceName"],
                       "actions": ACTIONS},
        "type": f"{SUBNET}/delegations"} for d in p.get("delegations") or []]
    if delegated(p, HSM_DELEGATION):
        p["purpose"] = "HostedWorkloads"
    p.setdefault("privateEndpointNetworkPolicies", "Disabled")
    p.setdefault("privateLinkServiceNetworkPolicies", "Enabled")
    used = users(world, subnet.id)
    if used:
        p["ipConfigurations"] = [{"id": u} for u in used]
    return p


def render_vnet(world, vnet, request):
    p = dict(vnet.properties)
    p["subnets"] = [whole(world, s, request, render_subnet) for s in world.children(vnet.id, "subnets")]
    p["virtualNetworkPeerings"] = [whole(world, s, request, render_peering)
                                   for s in world.children(vnet.id, "virtualNetworkPeerings")]
    p.setdefault("enableDdosProtection", False)
    return p


def whole(world, resource, request, render=None):
    """The body of a resource as Microsoft.Network writes it."""
    body = {"name": resource.name, "id": resource.id, "etag": resource.etag, "type": resource.type}
    body.update({k: v for k, v in resource.body.items() if k in ("location", "tags", "sku", "zones")})
    properties = render(world, resource, request) if render else dict(resource.properties)
    body["properties"] = {"provisioningState": state_of(resource), "resourceGuid": guid(resource.id), **properties}
    if resource.type in (SUBNET, ZONE_GROUP):
        body["properties"].pop("resourceGuid")
    return body


def gone_vnet(world, request, vnet):
    for subnet in world.children(vnet.id, "subnets"):
        check_subnet_gone(world, subnet)


# ---- peerings ----

def check_peering(world, request, new, old):
    vnet, remote_id = world.find(parent_id(new.id)), new.properties["remoteVirtualNetwork"]["id"]
    remote = referenced(world, remote_id, new.id)
    if lower(remote.id) == lower(vnet.id):
        refuse("VnetCannotPeerWithItself", f"Peering {new.id} names its own virtual network.")
    if any(a.overlaps(b) for a in space(vnet.body) for b in space(remote.body) if a.version == b.version):
        refuse("VnetAddressSpacesOverlap",
               f"Cannot create or update peering {new.id}. Virtual networks {vnet.id} and {remote.id} cannot be "
               "peered because their address spaces overlap.")
    if any(lower(p.properties["remoteVirtualNetwork"]["id"]) == lower(remote_id) and lower(p.id) != lower(new.id)
           for p in world.children(vnet.id, "virtualNetworkPeerings")):
        refuse("VnetPeeringWithSameRemoteVnetExists", f"{vnet.id} is peered with {remote_id} already.")
    for back in peerings_back(world, vnet.id, remote_id):
        if back.facts.get("cut"):
            refuse("RemotePeeringIsDisconnected",
                   f"Cannot create or update peering {new.id} because remote peering {back.id} referencing parent "
                   f"virtual network {vnet.id} is in Disconnected state. Update or re-create the remote peering to get "
                   "it back to Initiated state. Peering gets Disconnected when remote vnet or remote peering is "
                   "deleted and re-created.")
    if new.properties.get("useRemoteGateways") and not gateways(world, remote.id):
        refuse("RemotePeeringGatewayMissing", f"{remote.id} has no gateway that {new.id} could use.")
    taken = {lower(parent_id(s)) for d in world.of_type(DEVICE) for s in subnet_ids(d)}
    hosts = [v for v in (vnet, remote) if lower(v.id) in taken]
    if hosts and vnet.location != remote.location:
        world.violate(request, "properties.remoteVirtualNetwork",
                      f"global peering with '{hosts[0].name}', which holds dedicated HSMs, is not supported")


def peerings_back(world, vnet_id, remote_id):
    """Peerings of the remote network that lead here."""
    return [p for p in world.children(remote_id, "virtualNetworkPeerings")
            if lower(p.properties["remoteVirtualNetwork"]["id"]) == lower(vnet_id)]


def placed_peering(world, request, peering, old):
    """One that is written again looks for its other end again."""
    peering.facts["cut"] = False


def render_peering(world, peering, request):
    p, vnet_id = dict(peering.properties), parent_id(peering.id)
    back = peerings_back(world, vnet_id, p["remoteVirtualNetwork"]["id"])
    remote = world.find(p["remoteVirtualNetwork"]["id"])
    cut = not remote or peering.facts.get("cut")
    p["peeringState"] = "Disconnected" if cut else "Connected" if back else "Initiated"
    p["peeringSyncLevel"] = "FullyInSync" if back else "RemoteNotInSync"
    if remote:
        p["remoteAddressSpace"] = p["remoteVirtualNetworkAddressSpace"] = remote.properties["addressSpace"]
    return p


# ---- public addresses, gateways, connections ----

def public_ip_users(world, ip):
    return [f"{g.id}/ipConfigurations/{c['name']}" for g in world.of_type(GATEWAY)
            for c in g.properties.get("ipConfigurations", [])
            if lower(c["properties"].get("publicIPAddress", {}).get("id")) == lower(ip.id)]


def check_public_ip(world, request, new, old):
    sku = (new.body.get("sku") or {}).get("name", "Basic")
    if sku == "Basic":
        refuse("IPv4BasicSkuPublicIpCountLimitReached",
               "Cannot create more than 0 IPv4 Basic SKU public IP addresses for this subscription in this region.")
    if new.properties.get("publicIPAllocationMethod") != "Static":
        refuse("StandardSkuPublicIPAddressMustBeStatic",
               f"Standard sku publicIp {new.id} must have AllocationMethod set to Static.")


def render_public_ip(world, ip, request):
    p = {"publicIPAddressVersion": "IPv4", "idleTimeoutInMinutes": 4, "ipTags": [], **ip.properties}
    if not ip.doing:
        number = int(guid(ip.id)[:4], 16)
        p["ipAddress"] = f"203.0.113.{number % 254 + 1}"
    used = public_ip_users(world, ip)
    if used:
        p["ipConfiguration"] = {"id": used[0]}
    return p


def gone_public_ip(world, request, ip):
    used = public_ip_users(world, ip)
    if used:
        refuse("PublicIPAddressCannotBeDeleted",
               f"Public IP address {ip.id} can not be deleted since it is still allocated to resource {used[0]}. In "
               "order to delete the public IP, disassociate/detach the Public IP address from the resource. To learn "
               "how to do this, see aka.ms/deletepublicip.")


def gateways(world, vnet_id, kind=None, succeeded=False):
    return [g for g in world.of_type(GATEWAY) if vnet_of(g) == lower(vnet_id)
            and kind in (None, g.properties["gatewayType"])
            and (not succeeded or (not g.doing and g.state == "Succeeded"))]


def check_gateway(world, request, new, old):
    p = new.properties
    vpn = p["gatewayType"] == "Vpn"
    sku = p["sku"]["name"]
    if vpn != (sku in VPN_SKUS):
        refuse("GatewaySkuNotSupported", f"The sku {sku} does not go with the gateway type {p['gatewayType']}.")
    if p["sku"].get("tier", sku) != sku:
        raise Violation("properties.sku.tier", f"'{p['sku']['tier']}' differs from the name '{sku}'")
    if vpn and "vpnType" not in p:
        raise Violation("properties.vpnType", "is missing")
    if len(p["ipConfigurations"]) != (2 if p.get("activeActive") else 1) and not (vpn and p.get("activeActive")):
        refuse("InvalidGatewayIpConfigurationCount",
               "The number of ipConfigurations is not the one that activeActive asks for.")
    for configuration in p["ipConfigurations"]:
        check_gateway_address(world, new, configuration["properties"], vpn)
    vnet = parent_id(p["ipConfigurations"][0]["properties"]["subnet"]["id"])
    for other in gateways(world, vnet, p["gatewayType"]):
        if lower(other.id) != lower(new.id):
            refuse("VirtualNetworkGatewayOfTypeExists",
                   f"{vnet} has the {p['gatewayType']} gateway {other.id} already.")


def check_gateway_address(world, new, configuration, vpn):
    subnet = referenced(world, configuration["subnet"]["id"], new.id)
    if subnet.name != "GatewaySubnet":
        refuse("InvalidGatewaySubnetName", f"{subnet.id} is not named GatewaySubnet.")
    if min(n.prefixlen for n in prefixes(subnet.properties)) > 27:
        refuse("GatewaySubnetTooSmall", f"{subnet.id} must be /27 or larger.")
    if world.find(parent_id(subnet.id)).location != new.location:
        refuse("InvalidResourceReference", f"{subnet.id} is not in {new.location}.")
    wish = None if vpn else world.config["er_public_ip"].get(new.location)
    if "publicIPAddress" in configuration and wish == "refused":
        refuse("PublicIpAddressNotAllowed", f"The public IP address of {new.id} is managed by the service.")
    if "publicIPAddress" not in configuration:
        if vpn or wish == "required":
            refuse("VmssVpnGatewayPublicIpMissing", f"The gateway {new.id} needs a public IP address.")
        return
    ip = referenced(world, configuration["publicIPAddress"]["id"], new.id)
    if any(not lower(u).startswith(lower(new.id) + "/") for u in public_ip_users(world, ip)):
        refuse("PublicIPAddressInUse",
               f"Resource {new.id} is referencing public IP address {ip.id} that is already allocated to another "
               "resource.")


def placed_gateway(world, request, gateway, old):
    share = world.config["gateway_busy_share"]
    gateway.busy_until = gateway.begun + share * (gateway.until - gateway.begun)


def render_gateway(world, gateway, request):
    p = {"enableBgp": False, "activeActive": False, "vpnGatewayGeneration": "None", **gateway.properties}
    p["sku"] = {"tier": p["sku"]["name"], "capacity": 2, **p["sku"]}
    p["ipConfigurations"] = [{
        "name": c["name"], "id": f"{gateway.id}/ipConfigurations/{c['name']}", "etag": gateway.etag,
        "type": f"{GATEWAY}/ipConfigurations",
        "properties": {"provisioningState": state_of(gateway), "privateIPAllocationMethod": "Dynamic",
                       **c["properties"]}}
        for c in p["ipConfigurations"]]
    return p


def gone_gateway(world, request, gateway):
    for connection in world.of_type(CONNECTION):
        ends = [connection.properties.get(f"virtualNetworkGateway{i}", {}).get("id") for i in (1, 2)]
        if lower(gateway.id) in map(lower, ends):
            refuse("VirtualNetworkGatewayCannotBeDeleted",
                   f"Virtual Network Gateway {gateway.id} cannot be deleted because it is in use by the connection "
                   f"{connection.id}.")
    if gateway.properties["gatewayType"] == "ExpressRoute":
        left = [d for d in world.of_type(DEVICE) if vnet_of(gateway) in [lower(parent_id(s)) for s in subnet_ids(d)]]
        if left:
            world.violate(request, "id", f"the ExpressRoute gateway is deleted while '{left[0].name}' stands behind it")


def check_connection(world, request, new, old):
    p = new.properties
    one = referenced(world, p["virtualNetworkGateway1"]["id"], new.id)
    needed = {"Vnet2Vnet": "virtualNetworkGateway2", "ExpressRoute": "peer", "IPsec": "localNetworkGateway2"}
    other = needed.get(p["connectionType"])
    if other and other not in p:
        raise Violation(f"properties.{other}", "is missing")
    wanted = "ExpressRoute" if p["connectionType"] == "ExpressRoute" else "Vpn"
    if p["connectionType"] == "Vnet2Vnet":
        two = referenced(world, p["virtualNetworkGateway2"]["id"], new.id)
        if "sharedKey" not in p:
            raise Violation("properties.sharedKey", "is missing")
        if lower(one.id) == lower(two.id) or two.properties["gatewayType"] != wanted:
            refuse("InvalidConnectionGateways", f"{two.id} cannot be the other end of {new.id}.")
    if one.properties["gatewayType"] != wanted:
        refuse("InvalidConnectionGateways", f"{one.id} is no {wanted} gateway.")
    if one.location != new.location:
        refuse("InvalidConnectionLocation", f"{new.id} must be in {one.location}, as its first gateway.")


def reverse_of(world, connection):
    p = connection.properties
    ends = tuple(lower(p.get(f"virtualNetworkGateway{i}", {}).get("id")) for i in (2, 1))
    for other in world.of_type(CONNECTION):
        q = other.properties
        if tuple(lower(q.get(f"virtualNetworkGateway{i}", {}).get("id")) for i in (1, 2)) == ends:
            return other
    return None


def connection_status(world, connection):
    """Unknown, Connecting, Connected once both directions exist with one key; NotConnected when the keys differ."""
    if connection.doing or connection.state != "Succeeded":
        return "Unknown"
    since = connection.until
    if connection.properties["connectionType"] == "Vnet2Vnet":
        back = reverse_of(world, connection)
        if not back or back.doing or back.state != "Succeeded":
            return "Connecting"
        if back.properties.get("sharedKey") != connection.properties.get("sharedKey"):
            return "NotConnected"
        since = max(since, back.until)
    return "Connected" if time.time() >= since + world.seconds("connections.connect") else "Connecting"


def render_connection(world, connection, request):
    p = {"routingWeight": 0, "enableBgp": False, "connectionProtocol": "IKEv2", **connection.properties}
    p["connectionStatus"] = connection_status(world, connection)
    p.update(ingressBytesTransferred=0, egressBytesTransferred=0)
    p.pop("authorizationKey", None)
    if not world.config["show_shared_key"]:
        p.pop("sharedKey", None)
    return p


# ---- across resources ----

def cut_peerings(world, vnet_id, remote_id):
    """Of what was connected one end has gone."""
    for other in peerings_back(world, vnet_id, remote_id):
        other.facts["cut"] = True


def gone_hook(world, resource):
    """What the end of one resource does to others."""
    if resource.type == PEERING:
        cut_peerings(world, parent_id(resource.id), resource.properties["remoteVirtualNetwork"]["id"])
    if resource.type == VNET:
        for other in world.of_type(PEERING):
            if lower(other.properties["remoteVirtualNetwork"]["id"]) == lower(resource.id):
                other.facts["cut"] = True
    if resource.type == ENDPOINT and world.find(resource.facts.get("connection", "")):
        world.remove(world.find(resource.facts["connection"]))


# for each type: (check, placed, render, gone)
KINDS = {
    VNET: (check_vnet, placed_vnet, render_vnet, gone_vnet),
    SUBNET: (check_subnet, None, render_subnet, lambda world, request, r: check_subnet_gone(world, r)),
    PEERING: (check_peering, placed_peering, render_peering, None),
    PUBLIC_IP: (check_public_ip, None, render_public_ip, gone_public_ip),
    GATEWAY: (check_gateway, placed_gateway, render_gateway, gone_gateway),
    CONNECTION: (check_connection, None, render_connection, None),
}
