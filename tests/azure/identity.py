# SPDX-License-Identifier: Apache-2.0
"""identity - the places where tokens come from: Entra ID, IMDS, App Service, Cloud Shell, Arc, GitHub, Azure DevOps."""
import base64
import hashlib
import json
import re
import secrets
import time
import uuid
from urllib.parse import parse_qsl

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from world import Answer, lower, stamp

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
EXCHANGE = "api://AzureADTokenExchange"
ISSUERS = {"github": "https://token.actions.githubusercontent.com",
           "azure-devops": "https://vstoken.dev.azure.com/standin", "workload-identity": "https://kubernetes.standin"}
_keys = {}


class Denied(Exception):
    """A token that is not given, as Entra ID says it."""

    def __init__(self, code, message, status=401, error="invalid_client"):
        super().__init__(message)
        self.code, self.message, self.status, self.error = code, message, status, error


def b64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unb64url(text):
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text):
        raise ValueError("no base64url")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


# ---- access tokens ----

def issue(world, way, seconds=None):
    """A new access token."""
    life = world.config["token_seconds"] if seconds is None else seconds
    claims, signature = b64url(secrets.token_bytes(600)), b64url(secrets.token_bytes(256))
    token = f"eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.{claims}.{signature}"
    world.tokens[token] = (time.time() + life, way)
    world.tokens_by_way[way] = world.tokens_by_way.get(way, 0) + 1
    return token


def says(world):
    said = world.config["token_says"]
    return max(1, int(world.config["token_seconds"] if said is None else said))


def mixed(world, number):
    """Sometimes a number, sometimes a text."""
    world.number_or_text += 1
    return number if world.number_or_text % 2 else str(number)


def check_bearer(world, request):
    """None, or the 401 for a token that is missing, unknown or over."""
    given = request.headers.get("Authorization", "")
    word, _, token = given.partition(" ")
    if not given:
        return unauthorized(request, "AuthenticationFailed",
                            "Authentication failed. The 'Authorization' header is missing.")
    if word != "Bearer" or token not in world.tokens:
        return unauthorized(request, "InvalidAuthenticationToken", "The access token is invalid.")
    if world.tokens[token][0] <= time.time():
        return expired(request)
    return None


def expired(request, claims=None):
    return unauthorized(request, "ExpiredAuthenticationToken",
                        f"The access token expiry UTC time is earlier than current UTC time '{stamp()}'.", claims)


def unauthorized(request, code, message, claims=None):
    header = (f'Bearer authorization_uri="{request.base}/common", error="invalid_token", '
              f'error_description="{message}"')
    if claims:
        header += f', claims="{claims}"'
    return Answer(401, {"error": {"code": code, "message": message}}, {"WWW-Authenticate": header})


# ---- certificates and assertions ----

def load_certificate(text):
    """PEM, or the name of a file that holds it."""
    if "-----BEGIN" not in text:
        with open(text, encoding="ascii") as f:
            text = f.read()
    block = re.search("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", text, re.S)
    return x509.load_pem_x509_certificate(block.group(0).encode())


def der(certificate):
    return certificate.public_bytes(serialization.Encoding.DER)


def split_jwt(text):
    try:
        head, claims, signature = text.split(".")
        head, claims = json.loads(unb64url(head)), json.loads(unb64url(claims))
        if not isinstance(head, dict) or not isinstance(claims, dict):
            raise ValueError
        return head, claims, unb64url(signature), text.rpartition(".")[0].encode()
    except ValueError as e:
        raise Denied(50027, "JWT token is invalid or malformed.", 400, "invalid_request") from e


def verify(key, algorithm, signature, signed):
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=hashes.SHA256.digest_size)
    scheme = {"RS256": padding.PKCS1v15(), "PS256": pss}.get(algorithm)
    if scheme is None:
        raise Denied(5002738, f"Invalid JWT token. '{algorithm}' is not a supported signature algorithm.")
    try:
        key.verify(signature, signed, scheme, hashes.SHA256())
    except InvalidSignature as e:
        raise Denied(700027, "The certificate with identifier used to sign the client assertion is not registered on "
                     "application, or the signature is wrong. [Reason - The key was not found or the signature is not "
                     "valid.]") from e


def check_chain(client, chain):
    """The certificate of an x5c whose subject is registered, instead of the certificate itself."""
    try:
        leaf = x509.load_der_x509_certificate(base64.b64decode(chain[0], validate=True))
        for more in chain[1:]:
            x509.load_der_x509_certificate(base64.b64decode(more, validate=True))
    except (ValueError, IndexError, TypeError) as e:
        raise Denied(50027, "JWT token is invalid or malformed: x5c is no list of certificates.") from e
    return leaf, leaf.subject.rfc4514_string() == client.get("subject")


def signer(client, head):
    """The registered certificate that an assertion names by its thumbprint; (certificate, which thumbprint)."""
    ways = [(name, head[name], digest) for name, digest in (("x5t#S256", hashlib.sha256), ("x5t", hashlib.sha1))
            if name in head]
    if not ways:
        raise Denied(50027, "JWT token is invalid or malformed: the client assertion carries no thumbprint (x5t).")
    known = [load_certificate(c) for c in client.get("certificates", [])]
    chained = None
    if "x5c" in head:
        chained, trusted = check_chain(client, head["x5c"])
        if trusted:
            known.append(chained)
    for certificate in known:
        if all(value == b64url(digest(der(certificate)).digest()) for _name, value, digest in ways):
            if chained is not None and der(chained) != der(certificate):
                raise Denied(700027, "The first certificate of x5c is not the one of the thumbprint.")
            return certificate, "+".join(name for name, _v, _d in ways)
    raise Denied(700027,
                 "The certificate with identifier used to sign the client assertion is not registered on "
                 f"application. [Reason - The key was not found., Thumbprint of key used by client: '{ways[0][1]}']")


def check_times(claims, limit=600):
    now = time.time()
    try:
        nbf, exp = float(claims["nbf"]), float(claims["exp"])
        iat = float(claims.get("iat", nbf))
    except (KeyError, TypeError, ValueError) as e:
        raise Denied(50027, "JWT token is invalid or malformed: nbf, iat or exp is missing.") from e
    if exp <= now or nbf > now + 300 or iat > now + 300 or (limit and exp - nbf > limit + 5):
        raise Denied(700024, "Client assertion is not within its valid time range. Current time: "
                     f"{stamp(now)}, assertion valid from {stamp(nbf)}, expiry time of assertion {stamp(exp)}.")


def check_certificate_assertion(world, client_id, client, parts, token_url):
    """The way that was used, as the state tells it."""
    head, claims, signature, signed = parts
    certificate, thumbprint = signer(client, head)
    verify(certificate.public_key(), head.get("alg"), signature, signed)
    if head.get("typ") != "JWT":
        raise Denied(50027, "JWT token is invalid or malformed: typ is not JWT.")
    if claims.get("aud") != token_url:
        raise Denied(700023,
                     f"Client assertion audience claim '{claims.get('aud')}' does not match Realm issuer; expected "
                     f"'{token_url}'.")
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        raise Denied(700021, "Client assertion application identifier doesn't match 'client_id' parameter.")
    check_times(claims)
    jti = claims.get("jti")
    if not isinstance(jti, str) or not jti or jti in world.used_assertions:
        raise Denied(700026, "Client assertion contains a jti that is missing or was used before.")
    world.used_assertions.add(jti)
    return f"client-certificate-{head['alg']}-{thumbprint}" + ("-x5c" if "x5c" in head else "")


def own_key():
    """Of the issuers of federated assertions that live here."""
    if "own" not in _keys:
        _keys["own"] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return _keys["own"]


def assertion(world, source, subject, audience, seconds=None):
    """An external token of one of our issuers."""
    if seconds is None:
        seconds = world.config["assertion_seconds"]
    now = time.time()
    claims = {"iss": ISSUERS[source], "sub": subject, "aud": audience, "jti": str(uuid.uuid4()), "iat": now,
              "nbf": now - 1, "exp": now + seconds}
    head = {"alg": "RS256", "typ": "JWT", "kid": "standin"}
    signed = b64url(json.dumps(head).encode()) + "." + b64url(json.dumps(claims).encode())
    signature = own_key().sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{b64url(signature)}"


def check_federated(client, parts):
    head, claims, signature, signed = parts
    source = next((s for s, issuer in ISSUERS.items() if issuer == claims.get("iss")), None)
    registered = client.get("federated")
    if registered is not None:
        fits = [f for f in registered if f.get("issuer", claims.get("iss")) == claims.get("iss")
                and f.get("subject", claims.get("sub")) == claims.get("sub")]
        if not fits:
            raise Denied(70021,
                         "No matching federated identity record found for presented assertion. Assertion Issuer: "
                         f"'{claims.get('iss')}'. Assertion Subject: '{claims.get('sub')}'. Assertion Audience: "
                         f"'{claims.get('aud')}'.")
    if claims.get("aud") not in (EXCHANGE, [EXCHANGE]):
        raise Denied(700212, f"No matching federated identity record found for presented assertion audience "
                     f"'{claims.get('aud')}'.")
    if source:
        verify(own_key().public_key(), head.get("alg"), signature, signed)
    check_times({"nbf": claims.get("iat"), **claims}, limit=None)
    return source or "federated"


# ---- Entra ID ----

SCOPE_SUFFIX = "/.default"
FORM = {"client_secret": {"grant_type", "client_id", "scope", "client_secret"},
        "client_assertion": {"grant_type", "client_id", "scope", "client_assertion_type", "client_assertion"}}


def token_request(world, request, tenant):
    if request.method != "POST":
        return Answer(405)
    form, record = {}, {"tenant": tenant, "ok": False}
    try:
        form = read_form(world, request)
        record["client"] = form.get("client_id")
        way = check_client(world, request, tenant, form)
        record.update(ok=True, way=way)
        token, seconds = issue(world, way), says(world)
        body = {"token_type": "Bearer", "expires_in": mixed(world, seconds), "ext_expires_in": seconds,
                "access_token": token}
        if world.number_or_text % 3 == 0:
            body["expires_on"] = mixed(world, int(time.time()) + seconds)
        return Answer(200, body, {"Cache-Control": "no-store, no-cache"})
    except Denied as e:
        record.update(code=e.code)
        trace, correlation = str(uuid.uuid4()), request.headers.get("client-request-id") or str(uuid.uuid4())
        now = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
        return Answer(e.status, {
            "error": e.error, "error_codes": [e.code], "timestamp": now, "trace_id": trace,
            "correlation_id": correlation, "error_description":
            f"AADSTS{e.code}: {e.message} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {now}",
            "error_uri": f"{request.base}/error?code={e.code}"})
    finally:
        world.token_requests.append(record)


def read_form(world, request):
    if request.headers.get("Content-Type", "").split(";")[0].strip() != "application/x-www-form-urlencoded":
        world.violate(request, "Content-Type", "is not application/x-www-form-urlencoded")
        raise Denied(900144, "The request body must contain the following parameter: 'grant_type'.", 400,
                     "invalid_request")
    pairs = parse_qsl(request.text.decode("utf-8", "replace"), keep_blank_values=True)
    form = dict(pairs)
    if len(form) != len(pairs):
        world.violate(request, "form", "a parameter is given twice")
    for name in ("grant_type", "client_id", "scope"):
        if not form.get(name):
            raise Denied(900144, f"The request body must contain the following parameter: '{name}'.", 400,
                         "invalid_request")
    return form


def check_client(world, request, tenant, form):
    known = world.config["tenants"]
    if known and lower(tenant) not in map(lower, known):
        raise Denied(90002,
                     f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing "
                     "into the correct cloud.", 400, "invalid_request")
    if form["grant_type"] != "client_credentials":
        raise Denied(70003, f"The app requested an unsupported grant type '{form['grant_type']}'.", 400,
                     "unsupported_grant_type")
    clients = {lower(name): c for name, c in world.config["clients"].items()}
    client = clients.get(lower(form["client_id"]))
    if client is None:
        raise Denied(700016,
                     f"Application with identifier '{form['client_id']}' was not found in the directory '{tenant}'.",
                     400, "unauthorized_client")
    audiences = [*world.config["audiences"], request.base]
    if not form["scope"].endswith(SCOPE_SUFFIX) or form["scope"][:-len(SCOPE_SUFFIX)].rstrip("/") not in audiences:
        raise Denied(500011, f"The resource principal named {form['scope']} was not found in the tenant.", 400,
                     "invalid_resource")
    way = "client_secret" if "client_secret" in form else "client_assertion"
    for name in sorted(set(form) - FORM[way]):
        world.violate(request, f"form.{name}", "is not known here")
    if way == "client_secret":
        if not client.get("secret") or form["client_secret"] != client["secret"]:
            raise Denied(7000215,
                         "Invalid client secret provided. Ensure the secret being sent in the request is the client "
                         f"secret value, not the client secret ID, for a secret added to app '{form['client_id']}'.")
        return "client-secret"
    if form.get("client_assertion_type") != ASSERTION_TYPE or not form.get("client_assertion"):
        raise Denied(7000218,
                     "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
    parts = split_jwt(form["client_assertion"])
    if parts[1].get("iss") in (form["client_id"], None):
        return check_certificate_assertion(world, form["client_id"], client, parts, request.base + request.path)
    return check_federated(client, parts)


# ---- managed identities ----

def bad(message, status=400, error="invalid_request"):
    return Answer(status, {"error": error, "error_description": message})


def which_identity(world, query, names):
    """(identity, None) or (None, answer)"""
    known, given = world.config["managed_identities"], [(n, query[n]) for n in names if n in query]
    if len(given) > 1:
        return None, bad("Only one of client_id, object_id and msi_res_id may be given")
    if not known:
        return None, bad("Identity not found")
    if not given:
        return known[0], None
    name, value = given[0]
    found = next((i for i in known if lower(i.get(names[name])) == lower(value)), None)
    return (found, None) if found else (None, bad("Identity not found"))


def managed(world, request, way, query, names, strings=("expires_in", "expires_on")):
    """A token for an identity of this host."""
    if query.get("resource", "").rstrip("/") not in [*world.config["audiences"], request.base]:
        return bad(f"AADSTS500011: The resource principal named {query.get('resource')} was not found", 400,
                   "invalid_resource")
    identity, refused = which_identity(world, query, names)
    if refused:
        return refused
    seconds = says(world)
    world.token_requests.append({"way": way, "client": identity["client_id"], "ok": True})
    values = {"expires_in": seconds, "expires_on": int(time.time()) + seconds}
    body = {"access_token": issue(world, way), "client_id": identity["client_id"], "resource": query["resource"],
            "token_type": "Bearer", **{name: mixed(world, values[name]) for name in strings}}
    return Answer(200, body)


def check_query(world, request, query, version, names):
    if query.get("api-version") != version:
        world.violate(request, "api-version", f"'{query.get('api-version')}' is not {version}")
        return bad(f"Bad api-version, expected {version}")
    for name in set(query) - {"api-version", "resource", *names}:
        world.violate(request, f"query.{name}", "is not known here")
    return None


IMDS_NAMES = {"client_id": "client_id", "object_id": "object_id", "msi_res_id": "msi_res_id"}
APP_NAMES = {"client_id": "client_id", "principal_id": "object_id", "mi_res_id": "msi_res_id"}
OLD_APP_NAMES = {"clientid": "client_id"}


def imds(world, request, query):
    for name in ("Via", "X-Forwarded-For", "Proxy-Connection", "Forwarded"):
        if name in request.headers:
            world.violate(request, name, "a request to IMDS went through a proxy")
            return bad("Proxied requests are refused")
    if lower(request.headers.get("Metadata", "")) != "true":
        return bad("Required metadata header not specified")
    world.imds_asked += 1
    first = world.config["imds_first"]
    if world.imds_asked <= len(first):
        return Answer(first[world.imds_asked - 1], {"error": "not_ready"})
    return (check_query(world, request, query, "2018-02-01", IMDS_NAMES)
            or managed(world, request, "imds", query, IMDS_NAMES))


def app_service(world, request, query):
    old = query.get("api-version") == "2017-09-01"
    header, wanted = ("secret", "msi_secret") if old else ("X-IDENTITY-HEADER", "identity_header")
    if request.headers.get(header) != world.config[wanted]:
        return Answer(401, {"statusCode": 401, "message": "The identity header is wrong"})
    names = OLD_APP_NAMES if old else APP_NAMES
    wrong = check_query(world, request, query, "2017-09-01" if old else "2019-08-01", names)
    if wrong:
        return wrong
    answer = managed(world, request, "app-service-2017" if old else "app-service", query, names, ("expires_on",))
    if old and world.config["legacy_dates"] and answer.status == 200:
        moment = time.gmtime(time.time() + says(world))
        answer.body["expires_on"] = time.strftime("%m/%d/%Y %I:%M:%S %p +00:00", moment)
    return answer


def cloud_shell(world, request, query):
    if request.method != "POST" or lower(request.headers.get("Metadata", "")) != "true":
        return bad("A POST with Metadata: true is expected")
    form = dict(parse_qsl(request.text.decode("utf-8", "replace")))
    for name in set(form) - {"resource"}:
        world.violate(request, f"form.{name}", "is not known here")
    return managed(world, request, "cloud-shell", form, {})


def arc(world, request, query):
    """First the name of a file that only the privileged can read, then a token for its content."""
    if lower(request.headers.get("Metadata", "")) != "true":
        return bad("Required metadata header not specified")
    path = world.config["arc_key_file"]
    given = request.headers.get("Authorization", "")
    if not given:
        return Answer(401, {"error": "unauthorized_client"}, {"WWW-Authenticate": f"Basic realm={path}"})
    try:
        with open(path, encoding="ascii") as f:
            content = f.read()
    except OSError:
        content = None
    if content is None or given not in (f"Basic {content}", f"Basic {content.strip()}"):
        return Answer(401, {"error": "unauthorized_client", "error_description": "The challenge was not met"},
                      {"WWW-Authenticate": f"Basic realm={path}"})
    if query.get("api-version") not in ("2019-11-01", "2020-06-01"):
        world.violate(request, "api-version", f"'{query.get('api-version')}' is neither 2019-11-01 nor 2020-06-01")
        return bad("Bad api-version")
    return managed(world, request, "arc", query, IMDS_NAMES)


# ---- sources of external tokens ----

def github(world, request, query):
    if request.headers.get("Authorization") != f"Bearer {world.config['github_token']}":
        return Answer(401, {"message": "Unauthorized"})
    if query.get("audience") != EXCHANGE:
        world.violate(request, "query.audience", f"'{query.get('audience')}' is not {EXCHANGE}")
    return Answer(200, {"count": 1, "value": assertion(world, "github", "repo:standin/fleet:ref:refs/heads/main",
                                                       query.get("audience", ""))})


def devops(world, request, query):
    if request.method != "POST":
        return Answer(405)
    if request.headers.get("Authorization") != f"Bearer {world.config['devops_token']}":
        return Answer(401, {"message": "Unauthorized"})
    connection, known = query.get("serviceConnectionId"), world.config["devops_connections"]
    if query.get("api-version") != "7.1" or not connection or (known and connection not in known):
        return Answer(400, {"message": "api-version or serviceConnectionId is wrong"})
    return Answer(200, {"oidcToken": assertion(world, "azure-devops", f"sc://standin/fleet/{connection}", EXCHANGE)})


def service_endpoints(world, request, query):
    if query.get("api-version") != "2022-09-01":
        return Answer(400, {"error": {"code": "InvalidApiVersionParameter", "message": "The api-version is invalid."}})
    return Answer(200, {
        "portal": request.base, "resourceManager": request.base, "name": "Standin", "gallery": request.base,
        "authentication": {"loginEndpoint": request.base, "audiences": [request.base, *world.config["audiences"]],
                           "tenant": "common", "identityProvider": "AAD"},
        "graphAudience": request.base, "media": request.base, "suffixes": {"storage": "core.standin"}})


SOURCES = {
    ("GET", "/metadata/identity/oauth2/token"): imds,
    ("GET", "/appservice/token"): app_service,
    ("POST", "/cloudshell/token"): cloud_shell,
    ("GET", "/arc/token"): arc,
    ("GET", "/github/token"): github,
    ("POST", "/devops/oidc"): devops,
    ("GET", "/metadata/endpoints"): service_endpoints,
}
TENANT = re.compile(r"/([^/]+)/oauth2/v2\.0/token")


def find(method, path):
    """A function of (world, request), or None when the path is none of ours."""
    tenant = TENANT.fullmatch(path)
    if tenant:
        return lambda world, request: token_request(world, request, tenant.group(1))
    if (method, path) in SOURCES:
        return lambda world, request: SOURCES[method, path](
            world, request, dict(parse_qsl(request.raw.partition("?")[2], keep_blank_values=True)))
    if path in {p for _m, p in SOURCES}:
        return lambda world, request: Answer(405, {"error": "method_not_allowed"})
    return None
