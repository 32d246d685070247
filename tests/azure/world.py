# SPDX-License-Identifier: Apache-2.0
"""world - what the stand-in knows: configuration, resources, operations, tokens, and the record of what was asked.

Everything moves by the wall clock, and only when somebody looks: settle() finishes what is due. Callers hold
World.lock.
"""
import base64
import copy
import datetime
import hashlib
import re
import threading
import time
import uuid
from dataclasses import dataclass, field

# Seconds in the real service; multiplied by time_scale.
DURATIONS = {
    "virtualNetworks.create": 8, "virtualNetworks.update": 5, "virtualNetworks.delete": 11,
    "subnets.create": 6, "subnets.update": 5, "subnets.delete": 11,
    "virtualNetworkPeerings.create": 10, "virtualNetworkPeerings.update": 10, "virtualNetworkPeerings.delete": 10,
    "publicIPAddresses.create": 6, "publicIPAddresses.update": 4, "publicIPAddresses.delete": 11,
    "virtualNetworkGateways.create": 1490, "virtualNetworkGateways.update": 120, "virtualNetworkGateways.delete": 660,
    "connections.create": 60, "connections.update": 30, "connections.delete": 60, "connections.connect": 30,
    "privateEndpoints.create": 60, "privateEndpoints.update": 20, "privateEndpoints.delete": 30,
    "privateDnsZoneGroups.create": 20, "privateDnsZoneGroups.update": 20, "privateDnsZoneGroups.delete": 20,
    "privateDnsZones.create": 20, "privateDnsZones.update": 20, "privateDnsZones.delete": 20,
    "virtualNetworkLinks.create": 20, "virtualNetworkLinks.update": 20, "virtualNetworkLinks.delete": 20,
    "dedicatedHSMs.create": 450, "dedicatedHSMs.delete": 257, "payShield.create": 150, "payShield.delete": 41,
    "cloudHsmClusters.create": 650, "cloudHsmClusters.delete": 120, "privateEndpointConnections.delete": 20,
    "tags": 10, "backup": 60, "restore": 90, "validate": 10,
    "resourceGroups.delete": 60, "resourceGroups.delete-full": 459, "providers.register": 30, "features.register": 30,
}

# name: (display name, zones in which dedicated HSMs stand; none = stamps)
REGIONS = {
    "westus": ("West US", []), "westus2": ("West US 2", []), "eastus": ("East US", []),
    "eastus2": ("East US 2", ["1", "2", "3"]), "centralus": ("Central US", []),
    "northcentralus": ("North Central US", []), "southcentralus": ("South Central US", []),
    "canadacentral": ("Canada Central", []), "canadaeast": ("Canada East", []),
    "northeurope": ("North Europe", []), "westeurope": ("West Europe", []),
    "uksouth": ("UK South", []), "ukwest": ("UK West", []), "switzerlandnorth": ("Switzerland North", []),
    "germanywestcentral": ("Germany West Central", []), "francecentral": ("France Central", []),
    "swedencentral": ("Sweden Central", []), "japaneast": ("Japan East", []), "japanwest": ("Japan West", []),
    "eastasia": ("East Asia", []), "southeastasia": ("Southeast Asia", ["1", "2", "3"]),
    "australiaeast": ("Australia East", []), "australiasoutheast": ("Australia Southeast", []),
    "centralindia": ("Central India", []), "southindia": ("South India", []),
    "koreacentral": ("Korea Central", []), "brazilsouth": ("Brazil South", []), "uaenorth": ("UAE North", []),
}

DEFAULTS = {
    # time
    "time_scale": 0.001,            # of the durations of operations
    "durations": DURATIONS,
    "gateway_busy_share": 0.05,     # part of a gateway's creation and deletion that keeps its VNet busy
    # identity
    "token_seconds": 3600,          # life of a token, not scaled
    "token_says": None,             # expires_in, where it shall differ from token_seconds
    "audiences": ["https://management.azure.com", "https://management.core.windows.net"],
    "tenants": ["00000000-0000-4000-8000-0000000000aa"],
    "clients": {"00000000-0000-4000-8000-0000000000c1": {"secret": "standin-secret"}},
    "managed_identities": [{
        "client_id": "00000000-0000-4000-8000-0000000000d1", "object_id": "00000000-0000-4000-8000-0000000000d2",
        "msi_res_id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity"
                      "/userAssignedIdentities/standin"}],
    "imds_first": [],               # statuses that IMDS answers before it gives tokens
    "identity_header": "standin-header", "msi_secret": "standin-msi",
    "arc_key_file": "",
    "github_token": "standin-runner", "devops_token": "standin-pipeline",
    "devops_connections": [],       # service connection ids; empty: any
    "assertion_seconds": 300,       # life of assertions of clusters, GitHub and DevOps, not scaled
    "legacy_dates": False,          # expires_on of App Service 2017 as a date
    # the subscription
    "subscriptions": [],            # empty: any
    "providers": {"Microsoft.HardwareSecurityModules": "Registered", "Microsoft.Network": "Registered",
                  "Microsoft.ManagedIdentity": "Registered", "Microsoft.Storage": "Registered"},
    "features": {"Microsoft.HardwareSecurityModules/AzureDedicatedHSM": "Registered",
                 "Microsoft.Network/AllowBaremetalServers": "Registered",
                 "Microsoft.Network/FastPathEnabled": "NotRegistered"},
    "feature_register": "Pending",  # what registering makes of NotRegistered
    "regions": REGIONS,
    "api_versions": {},             # type or namespace: list, instead of the built-in ones
    "denied": [],                   # regular expressions on "METHOD path" that answer 403 AuthorizationFailed
    # behaviour
    "quota_stamp": 2, "quota_region": 4,
    "quota_answer": "failed",       # a device too many ends Failed; "refused": the PUT answers 400
    "er_public_ip": {},             # region: "required" or "refused" for ExpressRoute gateways
    "hsm_answers": "recorded",      # "specified": the HSM provider's PUT 201, PATCH 202 and Azure-AsyncOperation
    "not_zeroised": [],             # names of devices whose DELETE is refused; "*" is all
    "activation": {},               # cluster name or "*": activationState once it is provisioned
    "cluster_hsms": {},             # cluster name: numbers of its HSMs, null one without fqdn; others have 1, 2, 3
    "job_status": {},               # backup, restore, validate: "Failed" or "Cancelled"
    "job_in_progress": 0,           # answers 200 InProgress before a job's result
    "show_shared_key": True,
    "page_size": 2,
    "grace_404": 0,                 # GETs of a fresh operation URL that answer 404
    "grace_404_resource": 0,        # the same for a resource just created
    "grace_404_parent": 0,          # PUTs in what was just created that answer 404
    "busy_429_every": 4,            # every n-th refusal of a busy VNet is a 429; 0: none
    "gzip": True,
    "owner_tag": "hsmctl-fleet", "group_tag": "hsmctl-group",   # what is ours carries one; a group the latter
    # faults
    "faults": [], "client_pid_file": "",
}


class Failure(dict):
    """The error with which something that was begun ends, and the state it ends in."""
    state = "Failed"


class Refusal(Exception):
    """An answer that is an error of ARM's shape."""

    def __init__(self, status, code, message, headers=None, **more):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers, self.more = headers or {}, more

    def body(self):
        return {"error": {"code": self.code, "message": self.message, **self.more}}


class Violation(Refusal):
    """A request that no careful client sends: refused, and written down."""

    def __init__(self, where, why, status=400, code="InvalidRequestContent", headers=None):
        super().__init__(status, code, f"The request is invalid: {where}: {why}", headers)
        self.where, self.why = where, why

    def saying(self, message):
        self.message = message
        return self


@dataclass
class Request:
    method: str
    path: str
    query: dict                     # name: value
    raw: str                        # path and query as sent
    headers: object                 # of the request; get() ignores case
    body: object = None             # parsed JSON
    text: bytes = b""
    base: str = ""                  # scheme://host:port of this server as the client calls it
    version: str = ""
    doom: Failure = None            # with which what is begun now shall end

    @property
    def line(self):
        return f"{self.method} {self.raw}"


@dataclass
class Answer:
    status: int
    body: object = None             # JSON; bytes are sent as they are
    headers: dict = field(default_factory=dict)
    pretty: bool = False            # as Microsoft.Network prints
    kind: str = "application/json; charset=utf-8"


@dataclass
class Resource:
    id: str
    type: str                       # "Microsoft.Network/virtualNetworks/subnets"
    body: dict                      # as it was put
    begun: float = 0.0
    until: float = 0.0              # end of what is being done
    busy_until: float = 0.0         # end of what keeps its VNet busy
    doing: str = ""                 # "", "Creating", "Updating", "Deleting"
    state: str = "Succeeded"        # once nothing is being done
    fate: str = "Succeeded"         # what state becomes
    error: Failure = None
    facts: dict = field(default_factory=dict)   # what the service adds
    etag: str = ""
    grace: int = 0                  # GETs that still answer 404
    late: int = 0                   # PUTs in it that still answer 404

    @property
    def name(self):
        return self.id.rsplit("/", 1)[1]

    @property
    def noun(self):
        return self.type.rsplit("/", 1)[1]

    @property
    def location(self):
        return plain(self.body.get("location", ""))

    @property
    def properties(self):
        return self.body.get("properties") or {}

    def fresh(self):
        self.etag = f'W/"{uuid.uuid4()}"'


@dataclass
class Operation:
    id: str
    resource: str                   # lower-case id
    verb: str                       # "PUT", "DELETE", "POST"
    until: float
    error: Failure = None
    result: object = None           # body at the end
    status: int = 200               # of the Location at the end
    grace: int = 0
    polls: int = 0
    query: str = ""                 # signed query that must come back as it is
    version: str = ""


def plain(location):
    """West US, westus: the same."""
    return str(location).replace(" ", "").lower()


def lower(value):
    return str(value).lower()


def parent_id(resource_id):
    return resource_id.rsplit("/", 2)[0]


def group_id(resource_id):
    return "/".join(resource_id.split("/")[:5])


def merge(into, new):
    """Deep for objects; everything else, lists too, replaces."""
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = copy.deepcopy(value)


def stamp(moment=None):
    moment = datetime.datetime.fromtimestamp(moment or time.time(), datetime.timezone.utc)
    return moment.isoformat().replace("+00:00", "Z")


def guid(*parts):
    """A GUID that is the same whenever the same thing is asked for."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(map(lower, parts))))


def hash16(text):
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode().lower()[:16]


class World:
    def __init__(self, config):
        self.lock = threading.RLock()
        self.config = copy.deepcopy(DEFAULTS)
        self.configure(config)
        self.tokens = {}            # token: (end, way)
        self.used_assertions = set()
        self.on_gone = []           # functions called with a resource that has gone
        self.reset()

    def configure(self, new):
        unknown = sorted(set(new) - set(DEFAULTS) - {"count_reset"})
        if unknown:
            raise ValueError(f"unknown config keys: {', '.join(unknown)}")
        new = dict(new)
        count_reset = new.pop("count_reset", False)
        # null empties a table, also of what is built in
        for name in ("clients", "providers", "features", "activation", "job_status", "regions"):
            if name in new and new[name] is None:
                self.config[name] = {}
                del new[name]
        merge(self.config, new)
        for name in ("providers", "features"):
            if name in new and hasattr(self, name):
                getattr(self, name).update({lower(k): (v, 0) for k, v in new[name].items()})
        if "faults" in new or count_reset:
            self.fault_counts = {}
        if count_reset:
            self.requests = 0

    def reset(self):
        self.resources, self.operations, self.counters = {}, {}, {}
        self.violations, self.refusals, self.foreign, self.orphans = [], [], [], []
        self.log, self.fired, self.backups, self.trapped = [], [], {}, []
        self.token_requests, self.tokens_by_way = [], {}
        self.providers = {lower(k): (v, 0) for k, v in self.config["providers"].items()}
        self.features = {lower(k): (v, 0) for k, v in self.config["features"].items()}
        self.requests = self.total = self.busy_answers = self.number_or_text = self.link_ends = 0
        self.fault_counts, self.imds_asked = {}, 0

    # ---- time ----

    def seconds(self, what):
        return self.config["durations"][what] * self.config["time_scale"]

    def settle(self):
        """Finish what is due, in the order in which it was due."""
        now = time.time()
        due = sorted((r for r in self.resources.values() if r.doing and r.until <= now), key=lambda r: r.until)
        for resource in due:
            if lower(resource.id) not in self.resources:
                continue
            if resource.doing == "Deleting" and not resource.error:
                self.remove(resource)
                continue
            resource.state = resource.fate
            resource.doing = ""
            resource.fresh()

    def flag_state(self, table, name, settled):
        """Of a provider or feature; one that is being registered becomes settled when its time has come."""
        state, until = getattr(self, table).get(lower(name), ("", 0))
        if until and time.time() >= until:
            state, until = settled, 0
            getattr(self, table)[lower(name)] = (state, 0)
        return state

    def provider_state(self, namespace):
        return self.flag_state("providers", namespace, "Registered") or "NotRegistered"

    def feature_state(self, feature):
        return self.flag_state("features", feature, "Registered")

    # ---- resources ----

    def find(self, resource_id):
        return self.resources.get(lower(resource_id))

    def of_type(self, *types):
        wanted = {lower(t) for t in types}
        return [r for r in self.resources.values() if lower(r.type) in wanted]

    def children(self, resource_id, noun=None):
        """All that is below, or those of one type directly below."""
        prefix = lower(resource_id) + "/"
        found = [(key, r) for key, r in self.resources.items() if key.startswith(prefix)]
        return [r for key, r in found if noun is None
                or (lower(r.noun) == lower(noun) and key.count("/") == prefix.count("/") + 1)]

    def inside(self, a_group_id):
        prefix = lower(a_group_id) + "/"
        return [r for key, r in self.resources.items() if key.startswith(prefix)]

    def add(self, resource):
        self.resources[lower(resource.id)] = resource
        self.counters_of(resource.id)
        resource.fresh()

    def remove(self, resource):
        for child in self.children(resource.id):
            self.resources.pop(lower(child.id), None)
            for told in self.on_gone:
                told(self, child)
        if self.resources.pop(lower(resource.id), None):
            for told in self.on_gone:
                told(self, resource)

    def count(self, resource_id, what):
        self.counters_of(resource_id)[what] += 1

    def counters_of(self, resource_id):
        return self.counters.setdefault(lower(resource_id), {
            "id": resource_id, "creates": 0, "rewrites": 0, "patches": 0, "deletes": 0, "posts": 0})

    def begin(self, resource, doing, seconds, error=None):
        now = time.time()
        resource.doing, resource.begun, resource.until = doing, now, now + seconds
        resource.error, resource.fate = error, error.state if error else "Succeeded"
        resource.busy_until = resource.until
        resource.fresh()

    # ---- the record ----

    def violate(self, request, where, why):
        self.violations.append({"request": request.line if request else "", "field": where, "why": why})

    def note_foreign(self, request, resource, what):
        """Writes to what carries no tag of ours; children are their parent's."""
        owner = resource
        while owner and owner.type.count("/") > 1:
            owner = self.find(parent_id(owner.id))
        tag = "group_tag" if owner and owner.noun == "resourceGroups" else "owner_tag"
        if owner and self.config[tag] not in (owner.body.get("tags") or {}):
            self.foreign.append({"request": request.line, "id": resource.id, "what": what})


def matches(pattern, text):
    return re.search(pattern, text, re.I) is not None
