#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""standin.py --port-file PATH [--config JSON|@FILE] [--tls CERT KEY] [--with-parent]: a stand-in for Azure on loopback.

One port serves Azure Resource Manager, Entra ID, the endpoints of managed identities and of federated tokens, and its
own control under /_standin/. README.md says what it answers, what it checks and what it can be told.
"""
import argparse
import gzip
import json
import os
import signal
import socket
import ssl
import struct
import sys
import threading
import time
import traceback
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sys.dont_write_bytecode = True      # a source tree is no place for it

import arm
import faults
import identity
import network
import resources
from bodies import body_of
from schema import CLUSTER_CONNECTION
from world import Answer, Request, World

LIMITS = {"reads": "16499", "writes": "799", "deletes": "14999"}


# ---- control ----

def show_state(world, _body):
    world.settle()
    rows = {}
    for key, resource in world.resources.items():
        if resource.type == CLUSTER_CONNECTION:     # the service's own, shown in its cluster
            continue
        rows[key] = {"id": resource.id, "type": resource.type, "doing": resource.doing,
                     "state": resource.doing or resource.state,
                     "body": body_of(world, resource, None),
                     **{name: n for name, n in world.counters_of(resource.id).items() if name != "id"}}
    gone = {key: row for key, row in world.counters.items() if key not in world.resources}
    return {"requests": world.requests, "total": world.total, "resources": rows, "gone": gone,
            "violations": world.violations, "refusals": world.refusals, "foreign": world.foreign,
            "orphans": world.orphans, "backups": world.backups,
            "tokens": world.tokens_by_way, "token_requests": world.token_requests,
            "faults_fired": world.fired, "trapped": world.trapped, "operations": len(world.operations),
            "providers": {n: world.provider_state(n) for n in world.config["providers"]},
            "features": {n: world.feature_state(n) for n in world.config["features"]}}


def set_config(world, body):
    faults.check(body.get("faults", []))
    world.configure(body)
    return {}


def forget(world, _body):
    world.reset()
    return {}


def put_seed(world, body):
    resources.seed(world, body)
    return {"seeded": len(body)}


def count_reset(world, _body):
    world.configure({"count_reset": True})
    return {}


def finish(world, _body):
    """What is going on ends now."""
    now = time.time()
    for thing in [*world.resources.values(), *world.operations.values()]:
        thing.until = min(thing.until, now)
    for resource in world.resources.values():
        resource.busy_until = min(resource.busy_until, now)
    world.settle()
    return {}


def mint(world, body):
    """An external token, as a cluster or a pipeline would put it into a file."""
    return {"token": identity.assertion(world, body.get("source", "workload-identity"),
                                        body.get("subject", "system:serviceaccount:standin:fleet"),
                                        body.get("audience", identity.EXCHANGE), body.get("seconds"))}


def secrets(world, _body):
    """All that no log may hold: tokens, shared keys, signed parts of URLs."""
    keys = {r.body.get("properties", {}).get("sharedKey") for r in world.resources.values()}
    return {"tokens": sorted(world.tokens), "shared_keys": sorted(k for k in keys if k)}


CONTROL = {
    ("GET", "secrets"): secrets,
    ("GET", "state"): show_state,
    ("GET", "log"): lambda world, body: world.log,
    ("GET", "config"): lambda world, body: world.config,
    ("POST", "config"): set_config,
    ("POST", "reset"): forget,
    ("POST", "seed"): put_seed,
    ("POST", "count_reset"): count_reset,
    ("POST", "finish"): finish,
    ("POST", "assertion"): mint,
}


# ---- requests ----

def shown_body(request):
    """JSON as it came; of forms only the names, for their values are secrets."""
    if not request.text:
        return None
    try:
        return json.loads(request.text)
    except ValueError:
        return {"form": sorted(part.partition(b"=")[0].decode("ascii", "replace") for part in request.text.split(b"&"))}


def note(world, request, status, fault):
    headers = request.headers
    world.log.append({
        "n": world.total, "arm": world.requests, "at": round(time.time(), 3), "method": request.method,
        "path": request.raw, "body": shown_body(request), "status": status, "headers": sorted(headers.keys()),
        "user_agent": headers.get("User-Agent"), "client_request_id": headers.get("x-ms-client-request-id"),
        "fault": fault and fault["kind"]})


def trapped(world, request):
    world.trapped.append(request.line)
    if request.headers.get("Authorization"):
        world.violate(request, "Authorization", "a token was sent to another host")
    return Answer(200, {"status": "Succeeded"})


def arm_answer(world, request):
    return identity.check_bearer(world, request) or arm.serve(world, request)


def answer_of(world, request, function):
    """A defect of the stand-in is told, not hidden behind a lost connection."""
    try:
        return function(world, request)
    except Exception as e:
        traceback.print_exc()
        world.violate(request, "standin", f"the stand-in itself failed: {e!r}")
        return Answer(500, {"error": {"code": "StandinDefect", "message": repr(e)}})


def decorate(request, answer):
    """Headers that every answer of ARM carries."""
    hsm = "/microsoft.hardwaresecuritymodules/" in request.path.lower()
    given = request.headers.get("x-ms-client-request-id")
    kind = {"GET": "reads", "HEAD": "reads", "DELETE": "deletes"}.get(request.method, "writes")
    correlation = request.headers.get("x-ms-correlation-request-id") or str(uuid.uuid4())
    answer.headers = {
        "Cache-Control": "no-cache", "Pragma": "no-cache", "Expires": "-1",
        **({"Server": "Microsoft-IIS/10.0", "x-ms-keyvault-service-version": "1.5.0"} if hsm else {}),
        "x-ms-request-id": str(uuid.uuid4()), "x-ms-correlation-request-id": correlation,
        "x-ms-routing-request-id": f"WESTUS:{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}:{uuid.uuid4()}",
        f"x-ms-ratelimit-remaining-subscription-{kind}": LIMITS[kind],
        f"x-ms-ratelimit-remaining-subscription-global-{kind}": LIMITS[kind],
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains", "X-Content-Type-Options": "nosniff",
        **({"x-ms-client-request-id": given} if given else {}), **answer.headers}


def payload(answer):
    if answer.body is None:
        return b""
    if isinstance(answer.body, bytes):
        return answer.body
    if answer.pretty:
        return json.dumps(answer.body, indent=2, ensure_ascii=False).replace("\n", "\r\n").encode()
    return json.dumps(answer.body, separators=(",", ":"), ensure_ascii=False).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    world = scheme = None

    def version_string(self):
        return "Microsoft-HTTPAPI/2.0"

    def handle_expect_100(self):
        good = super().handle_expect_100()
        self.wfile.flush()
        return good

    def log_message(self, *_args):
        pass

    def read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def any(self):
        text = self.read_body()
        port = self.server.server_address[1]
        host = self.headers.get("Host") or f"127.0.0.1:{port}"
        request = Request(self.command, self.path.partition("?")[0], {}, self.path, self.headers, text=text,
                          base=f"{self.scheme}://{host}")
        if request.path.startswith("/_standin/"):
            self.control(request)
        else:
            self.serve(request)

    do_GET = do_HEAD = do_PUT = do_PATCH = do_POST = do_DELETE = any

    def control(self, request):
        function = CONTROL.get((request.method, request.path[len("/_standin/"):]))
        with self.world.lock:
            try:
                body = json.loads(request.text or b"{}")
                answer = (Answer(200, function(self.world, body)) if function
                          else Answer(404, {"error": "no such control"}))
            except (ValueError, KeyError, TypeError) as e:
                answer = Answer(400, {"error": str(e)})
            content = payload(answer)
        self.send(answer, content)

    def serve(self, request):
        world = self.world
        source = identity.find(request.method, request.path)
        trap = request.path.startswith("/_trap")
        with world.lock:
            world.total += 1
            world.requests += not source and not trap
            fault = None if trap else faults.choose(world, request, "identity" if source else "arm")
            kind = fault["kind"] if fault else ""
            answer = None
            if kind == "kill-before":
                faults.kill_client(world)
            if kind not in faults.BEFORE:
                answer = faults.instead(request, fault)
                if answer is None:
                    answer = answer_of(world, request, trapped if trap else source or arm_answer)
                    answer = faults.bend(request, answer, fault) if fault else answer
                if not source:
                    decorate(request, answer)
            if kind == "kill-after":
                faults.kill_client(world)
            note(world, request, answer.status if answer else 0, fault)
            content = payload(answer) if answer else b""
        if kind.startswith("reset-"):
            self.reset()
        elif kind.startswith("kill-"):
            self.close_connection = True
        elif kind == "garbage":
            self.wfile.write(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
            self.close_connection = True
        else:
            self.send(answer, content, fault or {})

    def reset(self):
        """RST instead of an answer."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.wfile.close()
        self.connection.close()
        raise ConnectionResetError

    def send(self, answer, content, fault=None):
        kind = (fault or {}).get("kind", "")
        headers = dict(answer.headers)
        if kind == "bom" and content:
            content = b"\xef\xbb\xbf" + content
        zipped = "gzip" in self.headers.get("Accept-Encoding", "") and self.world.config["gzip"]
        if zipped and len(content) > 256 and (not kind or (fault or {}).get("gzip")):
            content, headers["Content-Encoding"] = gzip.compress(content, 1), "gzip"
        self.send_response_only(answer.status)
        headers = {"Server": self.version_string(), "Date": self.date_time_string(), **headers}
        if content:
            headers["Content-Type"] = answer.kind
        if answer.status not in (204, 304):
            headers["Content-Length"] = str(len(content) + (1000 if kind == "truncated" else 0))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            if self.command == "HEAD" or answer.status == 204:
                pass
            elif kind == "slow":
                self.dribble(content, float(fault.get("seconds", 2)))
            else:
                self.wfile.write(content)
            self.wfile.flush()
        except OSError:
            self.close_connection = True
        if kind == "truncated":
            self.close_connection = True

    def dribble(self, content, seconds):
        """Byte by byte."""
        for i in range(len(content)):
            self.wfile.write(content[i:i + 1])
            self.wfile.flush()
            time.sleep(seconds / len(content))


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    parent = None       # ends when that process has ended

    def service_actions(self):
        if self.parent and os.getppid() != self.parent:
            os._exit(0)

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def publish(path, port):
    with open(f"{path}.new", "w", encoding="ascii") as f:
        f.write(f"{port}\n")
    os.rename(f"{path}.new", path)


def read_config(text):
    if text.startswith("@"):
        with open(text[1:], encoding="utf-8") as f:
            text = f.read()
    return json.loads(text)


def main():
    parser = argparse.ArgumentParser(description="A stand-in for Azure on loopback.")
    parser.add_argument("--port-file", required=True, help="where the port is written to once it is open")
    parser.add_argument("--config", default="{}", help="JSON, or @FILE")
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    parser.add_argument("--with-parent", action="store_true", help="end with the process that started it")
    given = parser.parse_args()
    parent = os.getppid() if given.with_parent else None
    config = read_config(given.config)
    faults.check(config.get("faults", []))
    Handler.world = World(config)
    Handler.world.on_gone.append(network.gone_hook)
    Handler.scheme = "https" if given.tls else "http"
    server = Server(("127.0.0.1", 0), Handler)
    server.parent = parent
    if given.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*given.tls)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    publish(given.port_file, server.server_address[1])
    server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
