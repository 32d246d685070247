# SPDX-License-Identifier: Apache-2.0
"""faults - what goes wrong on purpose: which request it hits, and what it makes of the answer.

A fault is {"kind", "at": N or "every": N, "match", "times", "on"} and what its kind takes. N counts the requests that
match "METHOD path" (all when there is no "match"), from the last reset or count_reset on. "at" hits N and the times-1
requests after it (times 1 unless said), "every" hits each N-th, at most "times" of them. "on": "arm" or "identity".
"""
import os
import signal
import time

import identity
from world import Answer, Failure, matches

KINDS = ("kill-before", "kill-after", "reset-before", "reset-after", "429", "500", "502-html", "503", "504", "409-busy",
         "slow", "empty", "bom", "truncated", "failed", "expired-token", "redirect", "foreign-poll", "huge", "garbage")
BEFORE = ("kill-before", "reset-before")
AFTER = ("kill-after", "reset-after")
HTML = (b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n"
        b"<body>\r\n<h1>502 Bad Gateway</h1>\r\n</body>\r\n</html>\r\n")
NESTED = {"code": "DeploymentFailed", "message": "At least one operation of the resource failed.", "details": [
    {"code": "InternalServerError", "message": "An error occurred.", "target": "standin", "details": [
        {"code": "AllocationFailed", "message": "No capacity is left in the rack.", "details": []}]}],
    "innererror": {"code": "RackFull", "message": "rack 7 of stamp1 is full", "innererror": None}}


def check(table):
    for fault in table:
        if fault.get("kind") not in KINDS:
            raise ValueError(f"unknown kind of fault: {fault.get('kind')}; known are {', '.join(KINDS)}")


def hits(fault, n, fired):
    if "every" in fault:
        return n % int(fault["every"]) == 0 and fired < fault.get("times", 1 << 30)
    at = int(fault.get("at", 1))
    return at <= n < at + fault.get("times", 1)


def choose(world, request, where):
    """The first fault that hits this request; all of them count it."""
    chosen = None
    for i, fault in enumerate(world.config["faults"]):
        if fault.get("on", "arm") != where or not matches(fault.get("match", ""), f"{request.method} {request.path}"):
            continue
        counts = world.fault_counts.setdefault(i, [0, 0])
        counts[0] += 1
        if chosen is None and hits(fault, counts[0], counts[1]):
            counts[1] += 1
            chosen = fault
    if chosen:
        world.fired.append({"kind": chosen["kind"], "request": request.line, "n": world.requests})
        if chosen["kind"] == "failed":
            request.doom = Failure({**NESTED, **chosen.get("error", {})})
            request.doom.state = chosen.get("state", "Failed")
    return chosen


def kill_client(world):
    """SIGKILL to the process that the pid file names."""
    try:
        with open(world.config["client_pid_file"], encoding="ascii") as f:
            pid = int(f.read())
        if pid > 1:
            os.kill(pid, signal.SIGKILL)
            wait_gone(pid)
    except (OSError, ValueError) as e:
        world.fired.append({"kind": "missed", "why": str(e)})


def wait_gone(pid, limit=5):
    """Until it is dead, at most so many seconds: then no further request of it can come."""
    until = time.monotonic() + limit
    while time.monotonic() < until:
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
                if f.read().rpartition(")")[2].split()[0] in "ZX":
                    return
        except OSError:
            return
        time.sleep(0.002)


def error(status, code, message, headers=None):
    return Answer(status, {"error": {"code": code, "message": message}}, headers or {})


def throttled(fault):
    headers, after = {}, fault.get("retry_after", 17)
    if fault.get("date") and after is not None:
        headers["Retry-After"] = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + after))
    elif after is not None:
        headers["Retry-After"] = str(after)
    if "retry_after_ms" in fault:
        headers["x-ms-retry-after-ms"] = str(fault["retry_after_ms"])
    return error(int(fault["kind"]), fault.get("code", "TooManyRequests"),
                 "The request is being throttled as the limit has been reached for operation type - Write.", headers)


def unavailable(fault):
    headers = {"Retry-After": str(fault["retry_after"])} if "retry_after" in fault else {}
    return error(503, fault.get("code", "ServiceUnavailable"), "The service is temporarily unavailable.", headers)


def redirect(request, fault):
    host = "localhost" if "//127." in request.base else "127.0.0.1"
    port = request.base.rpartition(":")[2]
    scheme = request.base.partition(":")[0]
    to = fault.get("to", f"{scheme}://{host}:{port}/_trap")
    return Answer(307, None, {"Location": to + request.raw})


INSTEAD = {
    "429": lambda r, f: throttled(f),
    "500": lambda r, f: error(500, "InternalServerError", "An error occurred."),
    "502-html": lambda r, f: Answer(502, HTML, kind="text/html"),
    "503": lambda r, f: unavailable(f),
    "504": lambda r, f: error(504, "GatewayTimeout", "The gateway did not receive a response from the resource "
                                                     "provider within the specified time period."),
    "409-busy": lambda r, f: error(409, f.get("code", "AnotherOperationInProgress"),
                                   "Another operation on this or dependent resource is in progress."),
    "expired-token": lambda r, f: identity.expired(r, f.get("claims")),
    "redirect": redirect,
}


def instead(request, fault):
    """The answer that comes without anything being done; None when the request is carried out."""
    make = INSTEAD.get(fault["kind"]) if fault else None
    return make(request, fault) if make and not fault.get("after") else None


def foreign(request, url, fault):
    """The same path at a host that is not ours."""
    host = fault.get("host") or ("localhost" if "//127." in request.base else "127.0.0.1")
    if ":" not in host:
        host += ":" + request.base.rpartition(":")[2]
    return f"{request.base.partition(':')[0]}://{host}/_trap{url[len(request.base):]}"


def bend(request, answer, fault):
    """What the fault makes of an answer that was given."""
    kind = fault["kind"]
    if fault.get("after") and kind in INSTEAD:
        return INSTEAD[kind](request, fault)
    if kind == "foreign-poll":
        for name in ("Azure-AsyncOperation", "Location"):
            if name in answer.headers:
                answer.headers[name] = foreign(request, answer.headers[name], fault)
        if isinstance(answer.body, dict) and answer.body.get("nextLink"):
            answer.body["nextLink"] = foreign(request, answer.body["nextLink"], fault)
    elif kind == "empty":
        return Answer(200, None, answer.headers)
    elif kind == "huge":
        size = int(fault.get("bytes", 20 << 20))
        answer.body = b'{"value":"' + b"x" * (size - 12) + b'"}'
    return answer
