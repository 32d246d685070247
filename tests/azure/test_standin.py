#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_standin.py [NAME…]: is the stand-in what the tests of hsmctl take it for? Ends with "N passed, N failed"."""
import base64
import datetime
import hashlib
import http.client
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT = 20
TENANT, CLIENT = "00000000-0000-4000-8000-0000000000aa", "00000000-0000-4000-8000-0000000000c1"
AUDIENCE = "https://management.azure.com"
GROUP = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/fleet"
NETWORK, HSM = f"{GROUP}/providers/Microsoft.Network", f"{GROUP}/providers/Microsoft.HardwareSecurityModules"
TAGS = {"hsmctl-fleet": "test"}
GROUP_TAGS = {"hsmctl-group": "test"}
DELEGATION = {"name": "0", "properties": {"serviceName": "Microsoft.HardwareSecurityModules/dedicatedHSMs"}}
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


VERSIONS = {"/dedicatedHSMs": "2021-11-30", "/cloudHsmClusters": "2025-03-31", "/privateDnsZones/": "2020-06-01",
            "/providers/Microsoft.Network/": "2024-01-01"}


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args):
        return None


OPENER = urllib.request.build_opener(NoRedirect, urllib.request.ProxyHandler({}))


class Answer:
    def __init__(self, reply):
        self.status, self.headers, self.raw = reply.status, reply.headers, reply.read()
        text = self.raw.decode("utf-8-sig", "replace")
        self.body = json.loads(text) if text.startswith(("{", "[")) else None

    @property
    def code(self):
        return self.body["error"]["code"] if self.status >= 400 else self.status


class Standin:
    """A running stand-in and how to talk to it."""

    def __init__(self, config=None, arguments=()):
        self.folder = tempfile.mkdtemp()
        port_file = os.path.join(self.folder, "port")
        self.process = subprocess.Popen([os.path.join(HERE, "standin.py"), "--port-file", port_file,
                                         "--config", json.dumps(config or {}), *arguments])
        until = time.monotonic() + LIMIT
        while not os.path.exists(port_file):
            assert time.monotonic() < until and self.process.poll() is None, "it does not start"
            time.sleep(0.01)
        with open(port_file, encoding="ascii") as f:
            self.url = f"http://127.0.0.1:{int(f.read())}"
        self.token = None

    def __enter__(self):
        return self

    def __exit__(self, *_args):
        self.process.terminate()
        assert self.process.wait(LIMIT) == 0
        shutil.rmtree(self.folder)

    def send(self, method, path, body=None, form=None, **headers):
        data = urllib.parse.urlencode(form).encode() if form else None
        if body is not None:
            data = json.dumps(body).encode()
        url = path if path.startswith("http") else self.url + path
        request = urllib.request.Request(url, data, {k.replace("_", "-"): v for k, v in headers.items()}, method=method)
        try:
            return Answer(OPENER.open(request, timeout=LIMIT))
        except urllib.error.HTTPError as e:
            return Answer(e)

    def control(self, name, body=None):
        answer = self.send("GET" if body is None else "POST", f"/_standin/{name}", body)
        assert answer.status == 200, answer.body
        return answer.body

    def ask(self, form):
        return self.send("POST", f"/{TENANT}/oauth2/v2.0/token", form={
            "grant_type": "client_credentials", "client_id": CLIENT, "scope": f"{AUDIENCE}/.default", **form})

    def log_in(self):
        self.token = self.ask({"client_secret": "standin-secret"}).body["access_token"]
        return self

    def arm(self, method, path, body=None, version=None, **headers):
        if not path.startswith("http"):
            usual = next((v for part, v in VERSIONS.items() if part in path), "2021-04-01")
            path += ("&" if "?" in path else "?") + f"api-version={version or usual}"
        every = {"User_Agent": "hsmctl/test", "Accept": "application/json", "x_ms_client_request_id": str(uuid.uuid4())}
        if self.token:
            every["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            every["Content_Type"] = "application/json"
        every.update(headers)
        return self.send(method, path, body, **{k: v for k, v in every.items() if v is not None})

    def finish(self, answer):
        """Follow Azure-AsyncOperation or Location to the end; the last answer."""
        status, until = answer.headers.get("Azure-AsyncOperation"), time.monotonic() + LIMIT
        url = status or answer.headers["Location"]
        while time.monotonic() < until:
            answer = self.arm("GET", url)
            if status and answer.body["status"] != "InProgress" or not status and answer.status != 202:
                return answer
            url = status or answer.headers["Location"]
            time.sleep(0.005)
        raise AssertionError(f"{answer.status} {answer.body} after {LIMIT} s")

    def states(self, path):
        """The provisioningStates a resource goes through, and its last body."""
        seen, until = [], time.monotonic() + LIMIT
        while time.monotonic() < until:
            answer = self.arm("GET", path)
            state = answer.body["properties"]["provisioningState"]
            if seen[-1:] != [state]:
                seen.append(state)
            if state in ("Succeeded", "Failed"):
                return seen, answer.body
            time.sleep(0.002)
        raise AssertionError(f"{seen} after {LIMIT} s")

    def put(self, path, body, status=201):
        """A network resource, made and waited for."""
        answer = self.arm("PUT", path, body)
        assert answer.status == status, answer.body
        assert answer.body["properties"]["provisioningState"] == "Updating"
        assert answer.headers["Retry-After"] == "3" and answer.headers["Azure-AsyncNotification"] == "Enabled"
        assert self.finish(answer).body == {"status": "Succeeded"}

    def delete(self, path):
        answer = self.arm("DELETE", path)
        assert answer.status == 202, answer.body
        self.finish(answer)
        last = self.arm("GET", answer.headers["Location"])
        assert last.status == 204, last.body


# ---- bodies ----

def vnet(*subnets, prefix="10.2.0.0/16", location="westus"):
    return {"location": location, "tags": TAGS, "properties": {
        "addressSpace": {"addressPrefixes": [prefix]}, "subnets": [
            {"name": name, "properties": {"addressPrefix": p, **({"delegations": [DELEGATION]} if hsm else {})}}
            for name, p, hsm in subnets]}}


SUBNETS = (("hsmsubnet", "10.2.1.0/24", True), ("GatewaySubnet", "10.2.255.0/26", False))
IP = {"location": "westus", "tags": TAGS, "sku": {"name": "Standard"},
      "properties": {"publicIPAllocationMethod": "Static"}}


def gateway(kind="ExpressRoute", sku="Standard", network="v", ip="p", location="westus"):
    address = {"publicIPAddress": {"id": f"{NETWORK}/publicIPAddresses/{ip}"}} if ip else {}
    return {"location": location, "tags": TAGS, "properties": {
        "gatewayType": kind, "vpnType": "RouteBased", "sku": {"name": sku, "tier": sku}, "ipConfigurations": [{
            "name": "c", "properties": {"subnet": {"id": f"{NETWORK}/virtualNetworks/{network}/subnets/GatewaySubnet"},
                                        **address}}]}}


def device(address="10.2.1.5", stamp="stamp1", name="id"):
    return {"location": "westus", "tags": TAGS, "sku": {"name": "SafeNet Luna Network HSM A790"}, "properties": {
        "networkProfile": {"subnet": {name: f"{NETWORK}/virtualNetworks/v/subnets/hsmsubnet"},
                           "networkInterfaces": [{"privateIpAddress": address}]}, "stampId": stamp}}


CLUSTER = {"location": "ukwest", "tags": TAGS, "sku": {"family": "B", "name": "Standard_B1"}, "properties": {}}


def ground(s, *subnets):
    """A group and a network."""
    s.log_in()
    assert s.arm("PUT", GROUP, {"location": "westus", "tags": GROUP_TAGS}).status == 201
    s.put(f"{NETWORK}/virtualNetworks/v", vnet(*(subnets or SUBNETS)))


def seeded(s):
    """A network with a gateway that stands already."""
    s.log_in()
    s.control("seed", {
        GROUP: {"location": "westus", "tags": TAGS}, f"{NETWORK}/virtualNetworks/v": vnet(*SUBNETS),
        f"{NETWORK}/publicIPAddresses/p": IP, f"{NETWORK}/virtualNetworkGateways/g": gateway()})


def no_violations(s):
    found = s.control("state")["violations"]
    assert not found, found


# ---- tests ----

def test_walk():
    """A whole life: made in order, used, taken away in order."""
    with Standin() as s:
        assert s.arm("GET", GROUP).code == "AuthenticationFailed"
        s.log_in()
        assert s.arm("GET", GROUP).code == "ResourceGroupNotFound"
        assert s.arm("HEAD", GROUP).status == 404
        ground(s)
        assert s.arm("HEAD", GROUP).status == 204
        s.put(f"{NETWORK}/publicIPAddresses/p", IP)
        s.put(f"{NETWORK}/virtualNetworkGateways/g", gateway())
        hsm = f"{HSM}/dedicatedHSMs/hsm1"
        first = s.arm("PUT", hsm, device())
        assert first.status == 200 and not {"Location", "Azure-AsyncOperation", "Retry-After"} & set(first.headers)
        assert "id" not in first.body["properties"]["networkProfile"]["networkInterfaces"][0]
        assert s.arm("DELETE", hsm).code == "BadRequest"
        seen, body = s.states(hsm)
        assert seen == ["CheckingQuota", "Connecting", "Provisioning", "Succeeded"], seen
        assert body["properties"]["networkProfile"]["networkInterfaces"][0]["id"].endswith("hsm1_HSMnic")
        assert s.arm("GET", hsm, version="2025-03-31").body["properties"]["networkProfile"]["subnet"]["resourceId"]
        patched = s.arm("PATCH", hsm, {"tags": {**TAGS, "x": "y"}})
        assert patched.status == 200 and patched.body["tags"]["x"] == "y"
        teardown(s, hsm)
        state = s.control("state")
        assert not any(state[name] for name in ("resources", "violations", "orphans", "foreign")), state
        assert state["gone"][hsm.lower()]["creates"] == 1 and state["tokens"] == {"client-secret": 2}


def teardown(s, hsm):
    subnet = f"{NETWORK}/virtualNetworks/v/subnets/hsmsubnet"
    bare = {"properties": {"addressPrefix": "10.2.1.0/24"}}
    assert s.arm("DELETE", subnet).code == "InUseSubnetCannotBeDeleted"
    assert s.arm("PUT", subnet, bare).code == "SubnetDelegationsCannotChangeWhenSubnetUsedByResource"
    assert s.arm("DELETE", f"{NETWORK}/publicIPAddresses/p").code == "PublicIPAddressCannotBeDeleted"
    gone = s.arm("DELETE", hsm)
    assert gone.status == 202 and gone.headers["Retry-After"] == "5" and gone.body is None
    name = gone.headers["Location"].split("/operationResults/")[1].split("?")[0]
    assert base64.b64decode(name + "=" * (-len(name) % 4)).decode() == f"{hsm.split('/')[2]}/FLEET/HSM1"
    assert s.finish(gone).status == 200
    assert s.arm("GET", hsm).code == "ResourceNotFound"
    s.delete(f"{NETWORK}/virtualNetworkGateways/g")
    s.delete(f"{NETWORK}/publicIPAddresses/p")
    assert s.arm("DELETE", f"{NETWORK}/virtualNetworks/v").code == "InUseSubnetCannotBeDeleted"
    s.put(subnet, bare, 200)
    s.delete(subnet)
    s.delete(f"{NETWORK}/virtualNetworks/v")
    gone = s.arm("DELETE", GROUP)
    assert gone.headers["Retry-After"] == "15" and "/operationresults/" in gone.headers["Location"]
    assert s.finish(gone).status == 200


def test_schema():
    """Each thing that is wrong with a request is found, and named."""
    cases = [
        ({"properties": {**IP["properties"], "sku": 1}, "sku": IP["sku"], "location": "westus"}, "properties.sku", {}),
        ({**IP, "location": None}, "location", {}),
        ({k: v for k, v in IP.items() if k != "location"}, "location", {}),
        ({**IP, "etag": "x"}, "etag", {}),
        ({**IP, "properties": {"publicIPAllocationMethod": "Statically"}}, "properties.publicIPAllocationMethod", {}),
        ({**IP, "tags": {"a": 1}}, "tags", {}),
        (None, "body", {}),
        (IP, "User-Agent", {"User_Agent": "curl/8"}),
        (IP, "x-ms-client-request-id", {"x_ms_client_request_id": "1"}),
        (IP, "Accept", {"Accept": "*/*"}),
        (IP, "Content-Type", {"Content_Type": "text/plain"}),
    ]
    with Standin() as s:
        seeded(s)
        for body, where, headers in cases:
            answer = s.arm("PUT", f"{NETWORK}/publicIPAddresses/q", body, **headers)
            assert answer.status in (400, 415), (where, answer.body)
            assert s.control("state")["violations"][-1]["field"] == where, where
        wrong = s.arm("PUT", f"{NETWORK}/publicIPAddresses/q", IP, version="2020-01-01")
        assert wrong.code == "InvalidResourceType" and wrong.headers["x-ms-failure-cause"] == "gateway"
        assert s.arm("GET", f"{NETWORK}/publicIPAddresses/p?expand=x").status == 400
        assert s.send("GET", f"{NETWORK}/publicIPAddresses/p", Authorization=f"Bearer {s.token}").status == 400
        moved = {**IP, "location": "eastus"}
        assert s.arm("PUT", f"{NETWORK}/publicIPAddresses/p", moved).code == "PropertyChangeNotAllowed"
        assert s.arm("PATCH", f"{NETWORK}/privateEndpoints/e", {"tags": {}}).status == 405


def test_busy():
    """One write at a time in a network; a gateway keeps it busy only at first."""
    with Standin({"durations": {"virtualNetworkGateways.create": 4000}, "time_scale": 0.001, "gateway_busy_share": 0.25,
                  "busy_429_every": 2}) as s:
        ground(s)
        s.put(f"{NETWORK}/publicIPAddresses/p", IP)
        first = s.arm("PUT", f"{NETWORK}/virtualNetworkGateways/g", gateway())
        path, body = f"{NETWORK}/virtualNetworks/v/subnets/more", {"properties": {"addressPrefix": "10.2.3.0/24"}}
        answers = [s.arm("PUT", path, body) for _ in range(2)]
        assert [a.status for a in answers] == [409, 429] and answers[0].code == "AnotherOperationInProgress"
        until = time.monotonic() + LIMIT
        while s.arm("PUT", path, body).status != 201:
            assert time.monotonic() < until
            time.sleep(0.02)
        assert s.arm("GET", first.headers["Azure-AsyncOperation"]).body == {"status": "InProgress"}
        assert b'{\r\n  "status"' in s.arm("GET", first.headers["Azure-AsyncOperation"]).raw
        assert s.control("state")["resources"][f"{NETWORK}/virtualNetworkGateways/g".lower()]["doing"] == "Updating"
        s.control("finish", {})
        assert s.states(f"{NETWORK}/virtualNetworkGateways/g")[0] == ["Succeeded"]
        no_violations(s)


def test_order():
    """What depends on something else is refused, or fails, without it."""
    with Standin({"durations": {"publicIPAddresses.create": 60000}}) as s:
        ground(s, ("hsmsubnet", "10.2.1.0/24", False), SUBNETS[1])
        assert s.arm("PUT", f"{NETWORK}/virtualNetworkGateways/g", gateway()).code == "InvalidResourceReference"
        s.arm("PUT", f"{NETWORK}/publicIPAddresses/p", IP)
        assert s.arm("PUT", f"{NETWORK}/virtualNetworkGateways/g", gateway()).code == "ReferencedResourceNotProvisioned"
        hsm = f"{HSM}/dedicatedHSMs/hsm1"
        s.arm("PUT", hsm, device())
        seen, body = s.states(hsm)
        assert seen[-1] == "Failed" and "delegated" in body["properties"]["statusMessage"], body
        assert s.finish(s.arm("DELETE", hsm)).status == 200
        s.put(f"{NETWORK}/virtualNetworks/v/subnets/hsmsubnet",
              {"properties": {"addressPrefix": "10.2.1.0/24", "delegations": [DELEGATION]}}, 200)
        s.arm("PUT", hsm, device())
        assert "no ExpressRoute gateway" in s.states(hsm)[1]["properties"]["statusMessage"]


def test_device_rules():
    """Addresses, stamps and zones, quota, names of fields, zeroisation."""
    with Standin({"not_zeroised": ["hsm1"]}) as s:
        seeded(s)
        hsm = f"{HSM}/dedicatedHSMs/hsm"
        for address in ("10.2.9.5", "10.2.1.3", "10.2.1.255"):
            assert s.arm("PUT", f"{hsm}1", device(address)).code == "BadRequest"
        assert s.arm("PUT", f"{hsm}1", device(name="resourceId")).status == 400
        assert s.arm("PUT", f"{hsm}1", device(name="resourceId"), version="2025-03-31").status == 200
        assert s.arm("PUT", f"{hsm}2", device()).code == "BadRequest"
        assert s.arm("PUT", f"{hsm}2", device("10.2.1.6", "stamp01")).code == "BadRequest"
        for i, stamp in ((2, "stamp1"), (3, "stamp1")):
            s.arm("PUT", f"{hsm}{i}", device(f"10.2.1.{i + 10}", stamp))
        assert s.states(f"{hsm}2")[0][-1] == "Succeeded"
        seen, body = s.states(f"{hsm}3")
        assert seen[-1] == "Failed" and "quota" in body["properties"]["statusMessage"]
        assert "zeroized" in s.arm("DELETE", f"{hsm}1").body["error"]["message"]
        again = s.arm("PUT", f"{hsm}2", device("10.2.1.12", "stamp2"))
        assert again.code == "PropertyChangeNotAllowed"
        s.control("seed", {f"{NETWORK}/virtualNetworks/v": vnet(*SUBNETS, location="southeastasia")})
        zone = {**device(), "location": "southeastasia"}
        assert s.arm("PUT", f"{hsm}9", zone).body["error"]["message"] == (
            "Availability zone is supported, please dont enter stampId value")
        del zone["properties"]["stampId"]
        assert s.arm("PUT", f"{hsm}9", {**zone, "zones": ["1"]}).status == 400      # the address is taken
        zone["properties"]["networkProfile"]["networkInterfaces"][0]["privateIpAddress"] = "10.2.1.99"
        assert s.arm("PUT", f"{hsm}9", {**zone, "zones": ["1"]}).status == 200


def test_vnet_rewrite():
    """A network that is put without its subnets loses them, and that is written down."""
    with Standin() as s:
        ground(s)
        s.put(f"{NETWORK}/virtualNetworks/v", vnet(SUBNETS[0]), 200)
        state = s.control("state")
        assert f"{NETWORK}/virtualNetworks/v/subnets/GatewaySubnet".lower() not in state["resources"]
        assert [v["field"] for v in state["violations"]] == ["properties.subnets"]
        assert state["resources"][f"{NETWORK}/virtualNetworks/v".lower()]["rewrites"] == 1
        subnet = s.arm("GET", f"{NETWORK}/virtualNetworks/v/subnets/hsmsubnet")
        delegation = subnet.body["properties"]["delegations"][0]["properties"]
        assert subnet.body["properties"]["purpose"] == "HostedWorkloads" and len(delegation["actions"]) == 2
        assert s.arm("PUT", f"{NETWORK}/virtualNetworks/v", vnet(), If_Match='W/"x"').status == 412


def test_connections():
    """Two directions with one key are connected; with two keys they are not."""
    with Standin() as s:
        seeded(s)
        more = {f"{NETWORK}/virtualNetworks/w": vnet(("GatewaySubnet", "10.3.255.0/26", False), prefix="10.3.0.0/16")}
        for name, network in (("a", "v"), ("b", "w")):
            more[f"{NETWORK}/publicIPAddresses/{name}"] = IP
            more[f"{NETWORK}/virtualNetworkGateways/{name}"] = gateway("Vpn", "VpnGw1AZ", network, name)
        s.control("seed", more)

        def connection(one, two, key):
            return {"location": "westus", "tags": TAGS, "properties": {
                "connectionType": "Vnet2Vnet", "sharedKey": key,
                "virtualNetworkGateway1": {"id": f"{NETWORK}/virtualNetworkGateways/{one}"},
                "virtualNetworkGateway2": {"id": f"{NETWORK}/virtualNetworkGateways/{two}"}}}

        def status(name):
            return s.arm("GET", f"{NETWORK}/connections/{name}").body["properties"]["connectionStatus"]
        s.put(f"{NETWORK}/connections/ab", connection("a", "b", "one"))
        assert status("ab") == "Connecting"
        s.put(f"{NETWORK}/connections/ba", connection("b", "a", "two"))
        assert status("ab") == status("ba") == "NotConnected"
        changed = s.arm("PUT", f"{NETWORK}/connections/ba/sharedkey", {"value": "one"})
        assert changed.status == 200 and s.finish(changed).body == {"status": "Succeeded"}
        until = time.monotonic() + LIMIT
        while (seen := status("ab")) != "Connected":
            assert time.monotonic() < until and seen == "Connecting"
        assert s.arm("DELETE", f"{NETWORK}/virtualNetworkGateways/a").code == "VirtualNetworkGatewayCannotBeDeleted"
        tags = s.arm("PATCH", f"{NETWORK}/virtualNetworkGateways/b", {"tags": {**TAGS, "x": "1"}})
        assert tags.status == 202 and s.finish(tags).body == {"status": "Succeeded"}
        no_violations(s)


def test_peering():
    with Standin() as s:
        ground(s)
        s.put(f"{NETWORK}/virtualNetworks/w", vnet(("x", "10.3.0.0/24", False), prefix="10.3.0.0/16"))
        s.put(f"{NETWORK}/virtualNetworks/o", vnet(("x", "10.2.0.0/24", False)))

        def peering(other):
            return {"properties": {"remoteVirtualNetwork": {"id": f"{NETWORK}/virtualNetworks/{other}"},
                                   "allowVirtualNetworkAccess": True}}
        path = f"{NETWORK}/virtualNetworks/%s/virtualNetworkPeerings/p"
        assert s.arm("PUT", path % "v", peering("o")).code == "VnetAddressSpacesOverlap"
        s.put(path % "v", peering("w"))
        assert s.arm("GET", path % "v").body["properties"]["peeringState"] == "Initiated"
        s.put(path % "w", peering("v"))
        assert s.arm("GET", path % "v").body["properties"]["peeringState"] == "Connected"
        s.delete(path % "w")
        assert s.arm("GET", path % "v").body["properties"]["peeringState"] == "Disconnected"
        assert s.arm("PUT", path % "w", peering("v")).code == "RemotePeeringIsDisconnected"
        s.put(path % "v", peering("w"), 200)
        s.put(path % "w", peering("v"))
        assert s.arm("GET", path % "v").body["properties"]["peeringState"] == "Connected"
        s.delete(f"{NETWORK}/virtualNetworks/w")
        assert s.arm("GET", path % "v").body["properties"]["peeringState"] == "Disconnected"
        no_violations(s)


def identity_id():
    return f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"


def test_cloud_hsm():
    """A cluster, its endpoint and zone, backup and restore."""
    with Standin() as s:
        s.log_in()
        s.control("seed", {GROUP: {"location": "ukwest", "tags": TAGS}, identity_id(): {"location": "ukwest"}})
        cluster = f"{HSM}/cloudHsmClusters/chsm1"
        assert s.arm("GET", identity_id(), version="2023-01-31").body["properties"]["clientId"]
        first = s.arm("PUT", cluster, {**CLUSTER, "identity": {
            "type": "UserAssigned", "userAssignedIdentities": {identity_id(): {}}}})
        assert first.status == 200 and first.body["properties"]["hsms"] == []
        assert first.body["properties"]["activationState"] == "NotDefined"
        assert first.body["identity"]["userAssignedIdentities"][identity_id()]["principalId"] is None
        seen, body = s.states(cluster)
        assert seen == ["Provisioning", "Succeeded"] and body["properties"]["activationState"] == "NotActivated"
        assert [h["fqdn"].split(".")[0] for h in body["properties"]["hsms"]] == ["hsm1", "hsm2", "hsm3"]
        endpoint(s, cluster)
        backup(s, cluster)
        s.control("config", {"activation": {"chsm1": "Active"}})
        assert s.arm("GET", cluster).body["properties"]["activationState"] == "Active"
        assert s.finish(s.arm("DELETE", cluster)).status == 204
        no_violations(s)


def endpoint(s, cluster):
    s.put(f"{NETWORK}/virtualNetworks/v", vnet(("x", "10.2.0.0/24", False), location="ukwest"))
    link = s.arm("GET", f"{cluster}/privateLinkResources").body["value"][0]["properties"]
    pe = {"location": "ukwest", "tags": TAGS, "properties": {
        "subnet": {"id": f"{NETWORK}/virtualNetworks/v/subnets/x"}, "privateLinkServiceConnections": [
            {"name": "c", "properties": {"privateLinkServiceId": cluster, "groupIds": [link["groupId"]]}}]}}
    s.put(f"{NETWORK}/privateEndpoints/pe", pe)
    connection = s.arm("GET", cluster).body["properties"]["privateEndpointConnections"][0]
    assert connection["properties"]["provisioningState"] == "SUCCEEDED"
    assert s.arm("GET", f"{cluster}/privateEndpointConnections").body["value"][0]["id"] == connection["id"]
    missing = s.arm("GET", f"{cluster}/privateEndpointConnections/none").body
    assert missing["code"] == "PrivateEndpointWithGivenConnectionNameNotFound" and "error" not in missing
    zone = f"{NETWORK}/privateDnsZones/{link['requiredZoneNames'][0]}"
    made = s.arm("PUT", zone, {"location": "global", "tags": TAGS})
    assert made.status == 202 and made.headers["Location"] and s.finish(made).body == {"status": "Succeeded"}
    made = s.arm("PUT", f"{zone}/virtualNetworkLinks/l", {"location": "global", "tags": TAGS, "properties": {
        "virtualNetwork": {"id": f"{NETWORK}/virtualNetworks/v"}, "registrationEnabled": False}})
    s.finish(made)
    s.put(f"{NETWORK}/privateEndpoints/pe/privateDnsZoneGroups/default", {"properties": {"privateDnsZoneConfigs": [
        {"name": "z", "properties": {"privateDnsZoneId": zone}}]}})
    records = s.arm("GET", f"{NETWORK}/privateEndpoints/pe/privateDnsZoneGroups/default").body["properties"]
    assert len(records["privateDnsZoneConfigs"][0]["properties"]["recordSets"]) == 3
    assert s.arm("DELETE", zone).code == "CannotDeleteResource"
    s.delete(f"{NETWORK}/privateEndpoints/pe")
    assert "privateEndpointConnections" not in s.arm("GET", cluster).body["properties"]


def backup(s, cluster):
    container = {"azureStorageBlobContainerUri": "https://acct.blob.core.windows.net/cont"}
    begun = s.arm("POST", f"{cluster}/backup", container)
    assert begun.status == 202 and "Azure-AsyncOperation" not in begun.headers
    assert len(begun.headers["Location"]) == 3238, len(begun.headers["Location"])
    then = s.arm("GET", begun.headers["Location"])
    assert then.status == 202 and len(then.headers["Location"]) < 300
    done = s.finish(then)
    assert done.body["properties"]["status"] == "Succeeded", done.body
    copy = {**container, "backupId": done.body["properties"]["backupId"]}
    begun = s.arm("POST", f"{cluster}/restore", copy)
    assert len(begun.headers["Location"]) == 3247
    done = s.finish(s.arm("GET", begun.headers["Location"]))
    assert done.body["properties"]["status"] == "Succeeded" and "backupId" not in done.body["properties"]
    lost = s.arm("POST", f"{cluster}/validateRestoreProperties", {**copy, "token": "x"})
    assert lost.status == 202
    s.control("config", {"job_status": {"backup": "Failed"}, "job_in_progress": 1})
    begun = s.arm("GET", s.arm("POST", f"{cluster}/backup", container).headers["Location"])
    assert s.finish(begun).body["properties"]["status"] == "InProgress"
    assert s.finish(begun).body["properties"]["error"]["code"] == "StorageAccessDenied"


def test_as_specified():
    """The HSM provider as its specification has it."""
    with Standin({"hsm_answers": "specified", "er_public_ip": {"westus": "refused"}}) as s:
        seeded(s)
        s.control("seed", {identity_id(): {"location": "westus"}})
        assert s.arm("PUT", f"{NETWORK}/virtualNetworkGateways/g", gateway()).code == "PublicIpAddressNotAllowed"
        made = s.arm("PUT", f"{HSM}/dedicatedHSMs/hsm1", device())
        assert made.status == 201 and s.finish(made).body == {"status": "Succeeded"}
        patched = s.arm("PATCH", f"{HSM}/dedicatedHSMs/hsm1", {"tags": {**TAGS, "x": "1"}})
        assert patched.status == 202 and s.finish(patched).body["tags"]["x"] == "1"
        made = s.arm("PUT", f"{HSM}/cloudHsmClusters/c1x", {**CLUSTER, "identity": {
            "type": "UserAssigned", "userAssignedIdentities": {identity_id(): {}}}})
        assert made.status == 201 and s.finish(made).body == {"status": "Succeeded"}
        begun = s.arm("POST", f"{HSM}/cloudHsmClusters/c1x/backup",
                      {"azureStorageBlobContainerUri": "https://acct.blob.core.windows.net/cont"})
        assert len(begun.headers["Location"]) == 3238
        assert s.finish(begun).body["properties"]["backupId"]
        s.control("config", {"faults": [{"kind": "failed", "state": "Canceled"}]})
        made = s.finish(s.arm("PUT", f"{NETWORK}/publicIPAddresses/q", IP))
        assert made.body["status"] == "Canceled" and made.body["error"]["code"]
        no_violations(s)


def test_tls():
    key, made = certificate("localhost")
    folder = tempfile.mkdtemp()
    names = [os.path.join(folder, name) for name in ("cert", "key")]
    with open(names[0], "wb") as f:
        f.write(made.public_bytes(serialization.Encoding.PEM))
    with open(names[1], "wb") as f:
        f.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                  serialization.NoEncryption()))
    with Standin(arguments=["--tls", *names]) as s:
        context = ssl.create_default_context(cafile=names[0])
        context.check_hostname = False
        where = s.url.replace("http:", "https:") + "/metadata/endpoints?api-version=2022-09-01"
        with urllib.request.urlopen(where, context=context, timeout=LIMIT) as reply:
            assert json.load(reply)["resourceManager"] == s.url.replace("http:", "https:")
    shutil.rmtree(folder)


def test_paging():
    with Standin({"page_size": 2, "quota_stamp": 9, "quota_region": 9}) as s:
        seeded(s)
        for i in range(5):
            s.arm("PUT", f"{HSM}/dedicatedHSMs/hsm{i}", device(f"10.2.1.{10 + i}"))
        for where in (HSM, HSM.replace("/resourceGroups/fleet", "")):
            names, url = [], f"{where}/dedicatedHSMs"
            while url:
                answer = s.arm("GET", url).body
                names += [d["name"] for d in answer["value"]]
                url = answer.get("nextLink")
            assert names == [f"hsm{i}" for i in range(5)], names
        found = s.arm("GET", f"{GROUP}/resources?%24filter=tagName%20eq%20'hsmctl-fleet'").body
        assert len(found["value"]) == 2 and found["nextLink"]
        no_violations(s)


def test_subscription():
    with Standin({"features": {"Microsoft.Network/FastPathEnabled": "NotRegistered"},
                  "providers": {"Microsoft.Network": "NotRegistered"}}) as s:
        s.log_in()
        s.control("seed", {GROUP: {"location": "westus"}})
        answer = s.arm("PUT", f"{NETWORK}/publicIPAddresses/p", IP)
        assert answer.code == "MissingSubscriptionRegistration"
        top = GROUP.split("/resourceGroups")[0]
        begun = s.arm("POST", f"{top}/providers/Microsoft.Network/register", version="2021-04-01")
        assert begun.body["registrationState"] == "Registering"
        until = time.monotonic() + LIMIT
        while (found := s.arm("GET", f"{top}/providers/Microsoft.Network", version="2021-04-01").body)[
                "registrationState"] != "Registered":
            assert time.monotonic() < until
        assert any(t["resourceType"] == "virtualNetworks" for t in found["resourceTypes"])
        feature = f"{top}/providers/Microsoft.Features/providers/Microsoft.Network/features/FastPathEnabled"
        assert s.arm("GET", feature, version="2021-07-01").body["properties"]["state"] == "NotRegistered"
        assert s.arm("POST", f"{feature}/register", version="2015-12-01").body["properties"]["state"] == "Pending"
        no_violations(s)


def test_group_delete():
    """Whatever is in a group that is deleted is written down when it is not ours, or a device."""
    with Standin() as s:
        seeded(s)
        s.control("seed", {f"{NETWORK}/publicIPAddresses/theirs": {**IP, "tags": {}}})
        s.arm("PUT", f"{HSM}/dedicatedHSMs/hsm1", device())
        assert s.finish(s.arm("DELETE", GROUP)).status == 200
        state = s.control("state")
        assert not state["resources"] and len(state["violations"]) == 2 and len(state["orphans"]) == 1, state
        assert s.arm("PUT", GROUP, {"location": "westus"}).status == 201


def test_grace_and_seed_states():
    with Standin({"grace_404": 2, "grace_404_resource": 1, "grace_404_parent": 1}) as s:
        ground_answer = s.log_in().arm("PUT", GROUP, {"location": "westus", "tags": TAGS})
        assert ground_answer.status == 201
        assert s.arm("PUT", f"{NETWORK}/publicIPAddresses/p", IP).code == "ResourceGroupNotFound"
        made = s.arm("PUT", f"{NETWORK}/publicIPAddresses/p", IP)
        polls = [s.arm("GET", made.headers["Azure-AsyncOperation"]).status for _ in range(3)]
        assert polls == [404, 404, 200]
        assert [s.arm("GET", f"{NETWORK}/publicIPAddresses/p").status for _ in range(2)] == [404, 200]
        assert s.arm("PUT", f"{NETWORK}/virtualNetworks/v", vnet(*SUBNETS)).status == 201
        s.control("finish", {})
        more = f"{NETWORK}/virtualNetworks/v/subnets/more", {"properties": {"addressPrefix": "10.2.3.0/24"}}
        assert s.arm("PUT", *more).code == "ParentResourceNotFound"
        assert s.arm("PUT", *more).status == 201
        cluster = f"{HSM}/cloudHsmClusters/c1x"
        s.control("seed", {cluster: {**CLUSTER, "properties": {"provisioningState": "Provisioning"}}})
        assert s.states(cluster)[0] == ["Provisioning", "Succeeded"]


def test_hsms_of_clusters():
    """Some have no name yet, some are gone."""
    with Standin({"cluster_hsms": {"c1x": [1, None]}}) as s:
        s.log_in()
        s.control("seed", {GROUP: {"location": "ukwest"}, **{f"{HSM}/cloudHsmClusters/{n}": CLUSTER
                                                             for n in ("c1x", "c2x")}})
        hsms = [s.arm("GET", f"{HSM}/cloudHsmClusters/{n}").body["properties"]["hsms"] for n in ("c1x", "c2x")]
        assert [["fqdn" in one for one in of] for of in hsms] == [[True, False], [True, True, True]]


def test_faults():
    """What each fault makes of an answer."""
    with Standin() as s:
        seeded(s)
        path = f"{NETWORK}/publicIPAddresses/p"

        def with_fault(**fault):
            s.control("config", {"faults": [fault]})
            return s.arm("GET", path)
        assert with_fault(kind="429").headers["Retry-After"] == "17"
        assert with_fault(kind="429", date=True).headers["Retry-After"].endswith("GMT")
        assert with_fault(kind="429", code="SubscriptionRequestsThrottled").code == "SubscriptionRequestsThrottled"
        assert with_fault(kind="503").code == "ServiceUnavailable"
        assert with_fault(kind="504").status == 504 and with_fault(kind="500").status == 500
        assert with_fault(kind="502-html").raw.startswith(b"<html>")
        assert with_fault(kind="409-busy").code == "AnotherOperationInProgress"
        assert with_fault(kind="expired-token").code == "ExpiredAuthenticationToken"
        assert with_fault(kind="empty").raw == b""
        assert with_fault(kind="bom").raw.startswith(b"\xef\xbb\xbf{")
        assert with_fault(kind="slow", seconds=0.1).body["name"] == "p"
        assert len(with_fault(kind="huge").raw) == 20 << 20
        for kind in ("reset-before", "reset-after", "garbage", "truncated"):
            try:
                with_fault(kind=kind)
                raise AssertionError(f"{kind} went through")
            except (OSError, urllib.error.URLError, http.client.HTTPException):
                pass
        assert s.arm("GET", path).status == 200
        moved = with_fault(kind="redirect").headers["Location"]
        assert moved.startswith("http://localhost:")
        moved = moved.replace("localhost", "127.0.0.1")     # not every host knows that name
        assert s.send("GET", moved).status == 200
        no_violations(s)
        s.send("GET", moved, Authorization="Bearer x")
        assert s.control("state")["violations"][0]["field"] == "Authorization"
        s.control("config", {"faults": [{"kind": "429", "every": 3, "match": "^GET", "times": 2}]})
        assert [s.arm("GET", path).status for _ in range(10)] == [200, 200, 429, 200, 200, 429, 200, 200, 200, 200]
        s.control("config", {"faults": [{"kind": "429", "on": "identity"}]})
        assert [s.ask({"client_secret": "standin-secret"}).status for _ in range(2)] == [429, 200]
        failing(s)


def failing(s):
    s.control("config", {"faults": [{"kind": "failed", "match": "PUT .*(q|hsm1)$", "times": 2}]})
    made = s.finish(s.arm("PUT", f"{NETWORK}/publicIPAddresses/q", IP))
    assert made.body["status"] == "Failed"
    assert made.body["error"]["details"][0]["details"][0]["code"] == "AllocationFailed"
    assert s.states(f"{NETWORK}/publicIPAddresses/q")[0] == ["Failed"]
    s.arm("PUT", f"{HSM}/dedicatedHSMs/hsm1", device())
    assert s.states(f"{HSM}/dedicatedHSMs/hsm1")[0][-1] == "Failed"
    s.control("config", {"faults": [{"kind": "foreign-poll", "match": "PUT"}]})
    assert "localhost" in s.arm("PUT", f"{NETWORK}/publicIPAddresses/r", IP).headers["Azure-AsyncOperation"]


def test_kill():
    """The client is dead before its answer; whether the request was carried out depends."""
    with Standin() as s:
        seeded(s)
        pid_file = os.path.join(s.folder, "pid")
        for kind, made in (("kill-before", False), ("kill-after", True)):
            sleeper = subprocess.Popen(["sleep", "60"])
            with open(pid_file, "w", encoding="ascii") as f:
                f.write(str(sleeper.pid))
            s.control("config", {"client_pid_file": pid_file, "faults": [{"kind": kind, "at": 2}]})
            assert s.arm("GET", f"{NETWORK}/publicIPAddresses/p").status == 200
            try:
                s.arm("PUT", f"{NETWORK}/publicIPAddresses/q", IP)
                raise AssertionError(f"{kind}: there was an answer")
            except (OSError, http.client.HTTPException):
                pass
            assert sleeper.wait(LIMIT) == -9
            assert (s.arm("GET", f"{NETWORK}/publicIPAddresses/q").status == 200) == made
        assert s.control("log")[-2]["fault"] == "kill-after"


# ---- identity ----

def b64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def certificate(name="fleet"):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.utcnow()
    made = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256()))
    return key, made


def jwt(s, key, made, algorithm="PS256", head=None, salt=32, **claims):
    der, now = made.public_bytes(serialization.Encoding.DER), int(time.time())
    thumbprint = ({"x5t": b64url(hashlib.sha1(der).digest())} if algorithm == "RS256"
                  else {"x5t#S256": b64url(hashlib.sha256(der).digest())})
    header = {"alg": algorithm, "typ": "JWT", **(thumbprint if head is None else head)}
    content = {"aud": f"{s.url}/{TENANT}/oauth2/v2.0/token", "iss": CLIENT, "sub": CLIENT, "jti": str(uuid.uuid4()),
               "nbf": now, "iat": now, "exp": now + 600, **claims}
    signed = ".".join(b64url(json.dumps(part).encode()) for part in (header, content))
    scheme = (padding.PKCS1v15() if algorithm == "RS256"
              else padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=salt))
    return f"{signed}.{b64url(key.sign(signed.encode(), scheme, hashes.SHA256()))}"


def test_certificates():
    key, made = certificate()
    other, _ = certificate()
    pem = made.public_bytes(serialization.Encoding.PEM).decode()
    chain = {"x5c": [base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()]}
    with Standin({"clients": {CLIENT: {"certificates": [pem]}}}) as s:
        def code(token):
            answer = s.ask({"client_assertion_type": ASSERTION, "client_assertion": token})
            if answer.status == 200:
                return 200
            assert answer.body["error_description"].startswith(f"AADSTS{answer.body['error_codes'][0]}: ")
            return answer.body["error_codes"][0]
        good = jwt(s, key, made)
        assert code(good) == 200 and code(good) == 700026
        assert code(jwt(s, key, made, "RS256")) == 200
        thumbprint = {"x5t#S256": b64url(hashlib.sha256(made.public_bytes(serialization.Encoding.DER)).digest())}
        assert code(jwt(s, key, made, head={**thumbprint, **chain})) == 200
        assert code(jwt(s, other, made)) == 700027
        assert code(jwt(s, key, made, salt=20)) == 700027
        assert code(jwt(s, key, made, head={})) == 50027
        assert code(jwt(s, key, made, head={"x5t": hashlib.sha1(b"hex").hexdigest()})) == 700027
        assert code(jwt(s, key, made, nbf=int(time.time()) - 1200, exp=int(time.time()) - 600)) == 700024
        assert code(jwt(s, key, made, exp=int(time.time()) + 7200)) == 700024
        assert code(jwt(s, key, made, aud="https://login.microsoftonline.com")) == 700023
        assert code("not.a.jwt") == 50027
        tokens = s.control("state")["tokens"]
        assert tokens == {"client-certificate-PS256-x5t#S256": 1, "client-certificate-RS256-x5t": 1,
                          "client-certificate-PS256-x5t#S256-x5c": 1}, tokens


def test_secret_and_expiry():
    with Standin({"token_seconds": 0.2}) as s:
        wrong = s.ask({"client_secret": "x"})
        assert wrong.status == 401 and wrong.body["error_codes"] == [7000215] and wrong.body["trace_id"]
        assert s.ask({"client_id": str(uuid.uuid4()), "client_secret": "x"}).body["error_codes"] == [700016]
        s.log_in()
        until = time.monotonic() + LIMIT
        while (answer := s.arm("GET", GROUP)).status != 401:
            assert time.monotonic() < until
        assert answer.code == "ExpiredAuthenticationToken"
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
        kinds = {type(s.ask({"client_secret": "standin-secret"}).body["expires_in"]) for _ in range(4)}
        assert kinds == {int, str}
        assert "standin-secret" not in json.dumps(s.control("log")) and s.token not in json.dumps(s.control("log"))


def test_managed_identities():
    folder = tempfile.mkdtemp()
    key_file = os.path.join(folder, "x.key")
    with open(key_file, "w", encoding="ascii") as f:
        f.write("sesame")
    query = f"resource={urllib.parse.quote(AUDIENCE, '')}"
    with Standin({"arc_key_file": key_file, "imds_first": [410]}) as s:
        imds = f"/metadata/identity/oauth2/token?api-version=2018-02-01&{query}"
        assert s.send("GET", imds).status == 400
        assert s.send("GET", imds, Metadata="true").status == 410
        assert s.send("GET", imds, Metadata="true").body["access_token"]
        assert s.send("GET", f"{imds}&client_id=x", Metadata="true").status == 400
        assert s.send("GET", imds, Metadata="true", Via="1.1 proxy").status == 400
        app = f"/appservice/token?api-version=2019-08-01&{query}"
        assert s.send("GET", app).status == 401
        assert s.send("GET", app, X_IDENTITY_HEADER="standin-header").body["access_token"]
        assert s.send("GET", app.replace("2019-08-01", "2017-09-01"), secret="standin-msi").body["access_token"]
        assert s.send("POST", "/cloudshell/token", form={"resource": AUDIENCE}, Metadata="true").body["access_token"]
        arc = f"/arc/token?api-version=2019-11-01&{query}"
        assert s.send("GET", arc, Metadata="true").headers["WWW-Authenticate"] == f"Basic realm={key_file}"
        s.token = s.send("GET", arc, Metadata="true", Authorization="Basic sesame").body["access_token"]
        assert s.arm("GET", GROUP).code == "ResourceGroupNotFound"
        assert set(s.control("state")["tokens"]) == {"imds", "app-service", "app-service-2017", "cloud-shell", "arc"}
        found = s.send("GET", "/metadata/endpoints?api-version=2022-09-01").body
        assert found["resourceManager"] == found["authentication"]["loginEndpoint"] == s.url
    shutil.rmtree(folder)


def test_federated():
    with Standin() as s:
        def way(token):
            answer = s.ask({"client_assertion_type": ASSERTION, "client_assertion": token})
            return answer.body.get("error_codes", answer.status)
        audience = "audience=api%3A%2F%2FAzureADTokenExchange"
        assert s.send("GET", f"/github/token?{audience}", Authorization="Bearer no").status == 401
        github = s.send("GET", f"/github/token?x=1&{audience}", Authorization="Bearer standin-runner").body["value"]
        assert way(github) == 200
        devops = s.send("POST", "/devops/oidc?api-version=7.1&serviceConnectionId=sc",
                        Authorization="Bearer standin-pipeline").body["oidcToken"]
        assert way(devops) == 200
        # Minutes, however fast the time of operations runs: whoever uses it may be held up.
        claims = json.loads(base64.urlsafe_b64decode(s.control("assertion", {})["token"].split(".")[1] + "=="))
        assert claims["exp"] - claims["iat"] >= 300
        assert way(s.control("assertion", {})["token"]) == 200
        assert way(s.control("assertion", {"seconds": -1})["token"]) == [700024]
        assert way(s.control("assertion", {"audience": "other"})["token"]) == [700212]
        assert way(github[:-8] + "AAAAAAAA") == [700027]
        assert s.control("state")["tokens"] == {"github": 1, "azure-devops": 1, "workload-identity": 1}


def main():
    wanted = sys.argv[1:]
    passed = failed = 0
    for name, function in sorted(globals().items()):
        if not name.startswith("test_") or (wanted and name not in wanted):
            continue
        try:
            function()
            passed += 1
        except Exception:
            failed += 1
            print(f"not ok {name}")
            traceback.print_exc(file=sys.stdout)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
