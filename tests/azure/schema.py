# SPDX-License-Identifier: Apache-2.0
"""schema - what bodies of requests may hold, as tables, and the check that walks them.

A rule is a dict: "type" and, where they apply,
	required	must be there
	fixed		may not change once the resource exists
	readonly	the service sets it: sending it is wrong
	values		the values that are allowed
	pattern		regular expression that the whole text matches
	to		type of the resource that an id names
	of		rule of the elements of a list or the values of a map
	fields		rules of the members of an object
	least, most	length of a list
	since, until	first api-version that has it, first that has it no longer
"""
import ipaddress
import re

from world import lower, plain

MISSING = object()
UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def text(**rules):
    return {"type": "text", **rules}


def flag(**rules):
    return {"type": "flag", **rules}


def number(**rules):
    return {"type": "number", **rules}


def cidr(**rules):
    return {"type": "cidr", **rules}


def address(**rules):
    return {"type": "address", **rules}


def items(of, **rules):
    return {"type": "list", "of": of, **rules}


def fields(table, **rules):
    return {"type": "object", "fields": table, **rules}


def mapping(of, **rules):
    return {"type": "map", "of": of, **rules}


def ref(to, name="id", **rules):
    """{"id": "/subscriptions/…"}"""
    return fields({name: {"type": "ref", "to": to, "required": True}}, **rules)


TAGS = {"type": "tags"}
LOCATION = {"type": "location", "required": True, "fixed": True}
READONLY = {"type": "any", "readonly": True}
STATE = {"provisioningState": READONLY, "resourceGuid": READONLY}
TOP = {"id": READONLY, "type": READONLY, "etag": READONLY, "systemData": READONLY}
IP_METHOD = ("Static", "Dynamic")
NETWORK = "Microsoft.Network"
HSM = "Microsoft.HardwareSecurityModules"
VNET, SUBNET = f"{NETWORK}/virtualNetworks", f"{NETWORK}/virtualNetworks/subnets"
GATEWAY, PUBLIC_IP = f"{NETWORK}/virtualNetworkGateways", f"{NETWORK}/publicIPAddresses"
PEERING, CONNECTION = f"{VNET}/virtualNetworkPeerings", f"{NETWORK}/connections"
ENDPOINT, ZONE_GROUP = f"{NETWORK}/privateEndpoints", f"{NETWORK}/privateEndpoints/privateDnsZoneGroups"
ZONE, LINK = f"{NETWORK}/privateDnsZones", f"{NETWORK}/privateDnsZones/virtualNetworkLinks"
DEVICE, CLUSTER = f"{HSM}/dedicatedHSMs", f"{HSM}/cloudHsmClusters"
CLUSTER_CONNECTION = f"{CLUSTER}/privateEndpointConnections"
IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities"
GROUP = "Microsoft.Resources/resourceGroups"

SUBNET_PROPERTIES = fields({
    **STATE, "purpose": READONLY, "ipConfigurations": READONLY, "privateEndpoints": READONLY,
    "serviceAssociationLinks": READONLY, "resourceNavigationLinks": READONLY,
    "addressPrefix": cidr(), "addressPrefixes": items(cidr(), least=1),
    "delegations": items(fields({
        "id": text(), "name": text(required=True), "type": text(), "etag": READONLY,
        "properties": fields({"serviceName": text(required=True), "actions": READONLY, "provisioningState": READONLY},
                             required=True)})),
    "networkSecurityGroup": ref(f"{NETWORK}/networkSecurityGroups"),
    "routeTable": ref(f"{NETWORK}/routeTables"),
    "natGateway": ref(f"{NETWORK}/natGateways"),
    "serviceEndpoints": items(fields({"service": text(), "locations": items(text()), "provisioningState": READONLY})),
    "privateEndpointNetworkPolicies": text(values=("Enabled", "Disabled", "NetworkSecurityGroupEnabled",
                                                   "RouteTableEnabled")),
    "privateLinkServiceNetworkPolicies": text(values=("Enabled", "Disabled")),
    "defaultOutboundAccess": flag(),
    "sharingScope": text(values=("Tenant", "DelegatedServices")),
}, required=True)

IP_CONFIGURATION = fields({
    "id": text(), "name": text(required=True), "etag": READONLY, "type": READONLY,
    "properties": fields({
        "privateIPAllocationMethod": text(values=IP_METHOD), "privateIPAddress": READONLY,
        "provisioningState": READONLY,
        "subnet": ref(SUBNET, required=True), "publicIPAddress": ref(PUBLIC_IP)}, required=True)})

ER_SKUS = ("Standard", "HighPerformance", "UltraPerformance", "ErGw1AZ", "ErGw2AZ", "ErGw3AZ", "ErGwScale")
VPN_SKUS = ("Basic", *(f"VpnGw{i}" for i in range(1, 6)), *(f"VpnGw{i}AZ" for i in range(1, 6)))

LINK_STATE = fields({"status": text(values=("Pending", "Approved", "Rejected", "Disconnected")), "description": text(),
                     "actionsRequired": text()})
LINK_CONNECTIONS = items(fields({
    "id": text(), "name": text(required=True), "type": READONLY, "etag": READONLY,
    "properties": fields({
        "privateLinkServiceId": {"type": "ref", "to": None, "required": True}, "groupIds": items(text(), least=1),
        "requestMessage": text(), "privateLinkServiceConnectionState": LINK_STATE,
        "provisioningState": READONLY}, required=True)}))


def host_profile(**rules):
    """The subnet is {"id"} up to 2021-11-30 and {"resourceId"} from 2024-06-30-preview on."""
    new = "2024-06-30-preview"
    subnet = fields({"id": {"type": "ref", "to": SUBNET, "until": new, "required": True},
                     "resourceId": {"type": "ref", "to": SUBNET, "since": new, "required": True}}, required=True)
    interface = fields({"privateIpAddress": address(), "id": READONLY, "resourceId": READONLY})
    return fields({"subnet": subnet, "networkInterfaces": items(interface, least=1, most=2)}, **rules)


CLUSTER_IDENTITY = fields({
    "type": text(required=True, values=("None", "UserAssigned")), "principalId": READONLY, "tenantId": READONLY,
    "userAssignedIdentities": mapping(fields({"principalId": READONLY, "clientId": READONLY}), keys=IDENTITY, most=1)})

BODIES = {
    GROUP: fields({**TOP, "name": text(), "location": LOCATION, "tags": TAGS, "managedBy": text(),
                   "properties": fields({"provisioningState": READONLY})}),
    VNET: fields({
        **TOP, "name": text(), "location": LOCATION, "tags": TAGS,
        "properties": fields({
            **STATE, "addressSpace": fields({"addressPrefixes": items(cidr(), required=True, least=1)}, required=True),
            "subnets": items(fields({"id": text(), "name": text(required=True), "type": text(), "etag": READONLY,
                                     "properties": SUBNET_PROPERTIES})),
            "virtualNetworkPeerings": READONLY, "dhcpOptions": fields({"dnsServers": items(address())}),
            "enableDdosProtection": flag(), "enableVmProtection": flag(), "flowTimeoutInMinutes": number(),
            "encryption": fields({"enabled": flag(required=True),
                                  "enforcement": text(values=("DropUnencrypted", "AllowUnencrypted"))}),
        }, required=True)}),
    SUBNET: fields({"id": text(), "name": text(), "type": text(), "etag": READONLY, "properties": SUBNET_PROPERTIES}),
    PEERING: fields({
        "id": text(), "name": text(), "type": text(), "etag": READONLY,
        "properties": fields({
            **STATE, "peeringState": READONLY, "peeringSyncLevel": READONLY, "remoteVirtualNetworkEncryption": READONLY,
            "remoteVirtualNetwork": ref(VNET, required=True, fixed=True),
            "allowVirtualNetworkAccess": flag(), "allowForwardedTraffic": flag(), "allowGatewayTransit": flag(),
            "useRemoteGateways": flag(), "doNotVerifyRemoteGateways": flag(),
            "remoteAddressSpace": fields({"addressPrefixes": items(cidr())}),
            "remoteVirtualNetworkAddressSpace": fields({"addressPrefixes": items(cidr())}),
        }, required=True)}),
    PUBLIC_IP: fields({
        **TOP, "name": text(), "location": LOCATION, "tags": TAGS,
        "sku": fields({"name": text(required=True, values=("Basic", "Standard")),
                       "tier": text(values=("Regional", "Global"))}, fixed=True),
        "zones": items(text(pattern=r"[1-3]"), fixed=True),
        "properties": fields({
            **STATE, "ipAddress": READONLY, "ipConfiguration": READONLY,
            "publicIPAllocationMethod": text(values=IP_METHOD), "publicIPAddressVersion": text(values=("IPv4", "IPv6")),
            "idleTimeoutInMinutes": number(), "ipTags": items(fields({"ipTagType": text(), "tag": text()})),
            "dnsSettings": fields({"domainNameLabel": text(), "fqdn": text(), "reverseFqdn": text()}),
            "deleteOption": text(values=("Delete", "Detach"))}, required=True)}),
    GATEWAY: fields({
        **TOP, "name": text(), "location": LOCATION, "tags": TAGS,
        "properties": fields({
            **STATE, "inboundDnsForwardingEndpoint": READONLY,
            "gatewayType": text(required=True, fixed=True, values=("Vpn", "ExpressRoute", "LocalGateway")),
            "vpnType": text(fixed=True, values=("RouteBased", "PolicyBased")),
            "vpnGatewayGeneration": text(values=("None", "Generation1", "Generation2")),
            "sku": fields({"name": text(required=True, values=ER_SKUS + VPN_SKUS),
                           "tier": text(values=ER_SKUS + VPN_SKUS), "capacity": READONLY}, required=True),
            "activeActive": flag(), "active": flag(), "enableBgp": flag(), "enablePrivateIpAddress": flag(),
            "adminState": text(values=("Enabled", "Disabled")), "allowRemoteVnetTraffic": flag(),
            "allowVirtualWanTraffic": flag(), "disableIPSecReplayProtection": flag(),
            "bgpSettings": fields({"asn": number(), "bgpPeeringAddress": text(), "peerWeight": number(),
                                   "bgpPeeringAddresses": items({"type": "any"})}),
            "customRoutes": fields({"addressPrefixes": items(cidr())}),
            "ipConfigurations": items(IP_CONFIGURATION, required=True, least=1)}, required=True)}),
    CONNECTION: fields({
        **TOP, "name": text(), "location": LOCATION, "tags": TAGS,
        "properties": fields({
            **STATE, "connectionStatus": READONLY, "tunnelConnectionStatus": READONLY,
            "egressBytesTransferred": READONLY, "ingressBytesTransferred": READONLY,
            "connectionType": text(required=True, fixed=True,
                                   values=("IPsec", "Vnet2Vnet", "ExpressRoute", "VPNClient")),
            "connectionProtocol": text(values=("IKEv2", "IKEv1")), "routingWeight": number(), "enableBgp": flag(),
            "connectionMode": text(values=("Default", "ResponderOnly", "InitiatorOnly")),
            "sharedKey": text(pattern=r"[ -~]{1,128}"), "authorizationKey": text(), "dpdTimeoutSeconds": number(),
            "usePolicyBasedTrafficSelectors": flag(), "expressRouteGatewayBypass": flag(),
            "enablePrivateLinkFastPath": flag(), "useLocalAzureIpAddress": flag(),
            "ipsecPolicies": items({"type": "any"}), "trafficSelectorPolicies": items({"type": "any"}),
            "virtualNetworkGateway1": ref(GATEWAY, required=True, fixed=True),
            "virtualNetworkGateway2": ref(GATEWAY, fixed=True), "localNetworkGateway2": ref(None, fixed=True),
            "peer": ref(f"{NETWORK}/expressRouteCircuits", fixed=True)}, required=True)}),
    ENDPOINT: fields({
        **TOP, "name": text(), "location": LOCATION, "tags": TAGS,
        "properties": fields({
            **STATE, "networkInterfaces": READONLY,
            "subnet": ref(SUBNET, required=True, fixed=True),
            "privateLinkServiceConnections": LINK_CONNECTIONS, "manualPrivateLinkServiceConnections": LINK_CONNECTIONS,
            "customDnsConfigs": items({"type": "any"}), "customNetworkInterfaceName": text(fixed=True),
            "ipConfigurations": items({"type": "any"}), "applicationSecurityGroups": items(ref(None))},
            required=True)}),
    ZONE_GROUP: fields({
        "id": text(), "name": text(), "etag": READONLY, "type": READONLY,
        "properties": fields({
            "provisioningState": READONLY,
            "privateDnsZoneConfigs": items(fields({
                "name": text(required=True), "id": READONLY, "etag": READONLY, "type": READONLY,
                "properties": fields({"privateDnsZoneId": {"type": "ref", "to": ZONE, "required": True},
                                      "recordSets": READONLY, "provisioningState": READONLY}, required=True)}),
                required=True, least=1)}, required=True)}),
    ZONE: fields({
        "id": READONLY, "name": READONLY, "type": READONLY, "etag": text(), "systemData": READONLY,
        "location": LOCATION, "tags": TAGS, "properties": fields({
            **{name: READONLY for name in (
                "maxNumberOfRecordSets", "numberOfRecordSets", "maxNumberOfVirtualNetworkLinks",
                "numberOfVirtualNetworkLinks", "maxNumberOfVirtualNetworkLinksWithRegistration",
                "numberOfVirtualNetworkLinksWithRegistration", "provisioningState", "internalId")}})}),
    LINK: fields({
        "id": READONLY, "name": READONLY, "type": READONLY, "etag": text(), "systemData": READONLY,
        "location": LOCATION, "tags": TAGS, "properties": fields({
            "virtualNetwork": ref(VNET, required=True, fixed=True), "registrationEnabled": flag(),
            "resolutionPolicy": text(values=("Default", "NxDomainRedirect")), "virtualNetworkLinkState": READONLY,
            "provisioningState": READONLY}, required=True)}),
    DEVICE: fields({
        "id": READONLY, "name": READONLY, "type": READONLY, "systemData": READONLY,
        "location": LOCATION, "tags": TAGS, "zones": items(text(), fixed=True, least=1, most=1),
        "sku": fields({"name": text(required=True, values=(
            "SafeNet Luna Network HSM A790",
            *(f"payShield10K_LMK{k}_CPS{c}" for k in (1, 2) for c in (60, 250, 2500))))}, required=True, fixed=True),
        "properties": fields({
            "networkProfile": host_profile(required=True, fixed=True),
            "managementNetworkProfile": host_profile(fixed=True, since="2021-11-30"),
            "stampId": text(fixed=True), "statusMessage": READONLY, "provisioningState": READONLY}, required=True)}),
    CLUSTER: fields({
        "id": READONLY, "name": READONLY, "type": READONLY, "systemData": READONLY,
        "location": LOCATION, "tags": TAGS, "identity": CLUSTER_IDENTITY,
        "sku": fields({"family": text(required=True, values=("B",)),
                       "name": text(required=True, values=("Standard_B1", "Standard B10")), "capacity": number()},
                      required=True, fixed=True),
        "properties": fields({
            "autoGeneratedDomainNameLabelScope": text(fixed=True, values=(
                "TenantReuse", "SubscriptionReuse", "ResourceGroupReuse", "NoReuse")),
            "publicNetworkAccess": text(values=("Disabled",)), "activationState": READONLY, "hsms": READONLY,
            "privateEndpointConnections": READONLY, "provisioningState": READONLY, "statusMessage": READONLY})}),
    CLUSTER_CONNECTION: fields({
        "id": READONLY, "name": READONLY, "type": READONLY, "etag": text(), "systemData": READONLY,
        "properties": fields({
            "privateEndpoint": fields({"id": READONLY}),
            "privateLinkServiceConnectionState": {**LINK_STATE, "required": True},
            "provisioningState": READONLY, "groupIds": READONLY}, required=True)}),
}
PATCH_TAGS = fields({"tags": {**TAGS, "required": True}})
PATCH_CLUSTER = fields({"tags": TAGS, "identity": CLUSTER_IDENTITY})
SHARED_KEY = fields({"value": text(required=True, pattern=r"[ -~]{1,128}"), "id": text()})
URI = text(required=True, pattern=r"https?://[^/]+/.+")
BACKUP = fields({"azureStorageBlobContainerUri": URI, "token": text()})
RESTORE = fields({"azureStorageBlobContainerUri": URI, "backupId": text(required=True), "token": text()})

# for each type: (api-versions, pattern of names)
NETWORK_VERSIONS = ("2023-09-01", "2023-11-01", "2024-01-01", "2024-03-01", "2024-05-01", "2025-09-01")
DNS_VERSIONS = ("2018-09-01", "2020-06-01", "2024-06-01")
NETWORK_NAME = r"[a-zA-Z0-9]([a-zA-Z0-9._-]{0,78}[a-zA-Z0-9_])?"
TYPES = {
    GROUP: (("2020-10-01", "2021-04-01", "2022-09-01", "2024-03-01"), r"[\w().-]{0,89}[\w()-]"),
    **{t: (NETWORK_VERSIONS, NETWORK_NAME) for t in (VNET, SUBNET, PEERING, PUBLIC_IP, GATEWAY, CONNECTION, ENDPOINT,
                                                     ZONE_GROUP)},
    ZONE: (DNS_VERSIONS, r"[a-z0-9_-]+(\.[a-z0-9_-]+)+"),
    LINK: (DNS_VERSIONS, NETWORK_NAME),
    DEVICE: (("2018-10-31", "2021-11-30", "2024-06-30-preview", "2025-03-31"), r"[a-zA-Z0-9-]{3,24}"),
    CLUSTER: (("2024-06-30-preview", "2025-03-31"), r"[a-zA-Z0-9-]{3,23}"),
    CLUSTER_CONNECTION: (("2024-06-30-preview", "2025-03-31"), r"[\w.-]{1,80}"),
    IDENTITY: (("2018-11-30", "2022-01-31-preview", "2023-01-31"), r"[\w-]{3,128}"),
}
CANONICAL = {lower(t): t for t in TYPES}


def type_of(resource_id):
    """'/subscriptions/…/Microsoft.Network/virtualNetworks/v/subnets/s' is of which type."""
    parts = resource_id.strip("/").split("/")
    if len(parts) == 4 and lower(parts[2]) == "resourcegroups":
        return GROUP
    if len(parts) < 8 or len(parts) % 2 or lower(parts[4]) != "providers":
        return None
    found = "/".join([parts[5], *parts[6::2]])
    return CANONICAL.get(lower(found), found)


# ---- the check ----

def canonical(value):
    if isinstance(value, dict):
        return {k: canonical(v) for k, v in value.items()}
    if isinstance(value, list):
        return [canonical(v) for v in value]
    return lower(value) if isinstance(value, str) and value.startswith("/") else value


def check_text(value, rule):
    if not isinstance(value, str):
        return "a text is expected"
    if rule.get("values") and value not in rule["values"]:
        return f"'{value}' is none of {', '.join(rule['values'])}"
    if rule.get("pattern") and not re.fullmatch(rule["pattern"], value):
        return f"'{value}' is not of the form {rule['pattern']}"
    return None


def check_flag(value, _rule):
    return None if isinstance(value, bool) else "true or false is expected"


def check_number(value, _rule):
    return None if isinstance(value, int) and not isinstance(value, bool) else "a number is expected"


def check_cidr(value, _rule):
    try:
        ipaddress.ip_network(value)
    except (ValueError, TypeError):
        return f"'{value}' is no address prefix"
    return None if isinstance(value, str) and "/" in value else f"'{value}' has no length"


def check_address(value, _rule):
    try:
        ipaddress.ip_address(value)
    except (ValueError, TypeError):
        return f"'{value}' is no address"
    return None if isinstance(value, str) else "a text is expected"


def check_location(value, _rule):
    return None if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9 ]+", value) else "a location is expected"


def check_ref(value, rule):
    if not isinstance(value, str) or not re.match(r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/", value, re.I):
        return "the id of a resource is expected"
    if rule["to"] and lower(type_of(value)) != lower(rule["to"]):
        return f"'{value}' is not of type {rule['to']}"
    return None


def check_tags(value, _rule):
    if not isinstance(value, dict):
        return "an object is expected"
    if len(value) > 50:
        return "more than 50 tags"
    for name, text_ in value.items():
        if not isinstance(text_, str) or len(text_) > 256 or not 0 < len(name) <= 512:
            return f"the tag '{name[:40]}' is not 512 and 256 characters of text"
        if re.search(r"[<>%&\\?/]", name):
            return f"the name of the tag '{name[:40]}' has a character that is not allowed"
    return None


PLAIN_CHECKS = {"text": check_text, "flag": check_flag, "number": check_number, "cidr": check_cidr,
                "address": check_address, "location": check_location, "ref": check_ref, "tags": check_tags,
                "any": lambda value, rule: None}


def in_version(rule, version):
    return rule.get("since", "") <= version and not ("until" in rule and version >= rule["until"])


def changed(old, new, rule):
    if rule["type"] == "location":
        return plain(old) != plain(new)
    return canonical(old) != canonical(new)


def walk(value, rule, path, version, old=MISSING):
    """(where, why) for everything that is wrong with value."""
    if rule.get("readonly"):
        yield path, "is read-only"
        return
    if rule.get("fixed") and old is not MISSING and changed(old, value, rule):
        yield path, "cannot be changed once the resource exists"
        return
    kind = rule["type"]
    if kind in PLAIN_CHECKS:
        why = PLAIN_CHECKS[kind](value, rule)
        if why:
            yield path, why
    elif kind == "list":
        yield from walk_list(value, rule, path, version)
    elif kind == "map":
        yield from walk_map(value, rule, path, version)
    else:
        yield from walk_object(value, rule, path, version, old)


def walk_list(value, rule, path, version):
    if not isinstance(value, list):
        yield path, "a list is expected"
        return
    if not rule.get("least", 0) <= len(value) <= rule.get("most", 1000):
        yield path, f"{len(value)} elements"
    for i, element in enumerate(value):
        yield from walk(element, rule["of"], f"{path}[{i}]", version)


def walk_map(value, rule, path, version):
    if not isinstance(value, dict):
        yield path, "an object is expected"
        return
    if len(value) > rule.get("most", 1000):
        yield path, f"{len(value)} members"
    for name, element in value.items():
        if rule.get("keys"):
            why = check_ref(name, {"to": rule["keys"]})
            if why:
                yield f"{path}.{name}", why
        yield from walk(element, rule["of"], f"{path}.{name}", version)


def walk_object(value, rule, path, version, old):
    if not isinstance(value, dict):
        yield path or "body", "an object is expected"
        return
    dot = path + "." if path else ""
    known = {name: r for name, r in rule["fields"].items() if in_version(r, version)}
    for name in value:
        if name not in known:
            yield dot + name, "is not known" + (" in this api-version" if name in rule["fields"] else "")
    for name, r in known.items():
        before = old.get(name, MISSING) if isinstance(old, dict) else MISSING
        if name in value:
            yield from walk(value[name], r, dot + name, version, before)
        elif r.get("required"):
            yield dot + name, "is missing"
        elif r.get("fixed") and before is not MISSING:
            yield dot + name, "cannot be left out once the resource exists"
