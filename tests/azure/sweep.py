#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""sweep - something goes wrong at every request in turn: does the fleet come out the same?

For each phase of each fleet's life (apply, change, destroy) the phase is run once undisturbed, which tells how many
requests it takes and what is there at the end. Then it is run again and again, each time with one fault at one
request; where the fault ends the command it is run a second time, as a person would. At the end everything must
be as after the undisturbed run: the same resources, each made once, the same document in the store, nothing asked
that a careful client does not ask, nothing written that is somebody else's. Prints its seed; the last line is
"N passed, N failed".
"""
import argparse
import copy
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import faults  # noqa: E402
import network  # noqa: E402
import standin  # noqa: E402
from world import World  # noqa: E402

# Operations of a few polls each: the sweep is over requests, not over waiting.
DURATIONS = {"virtualNetworkGateways.create": 25, "virtualNetworkGateways.delete": 25, "dedicatedHSMs.create": 70,
             "dedicatedHSMs.delete": 12, "connections.create": 15, "connections.connect": 15,
             "cloudHsmClusters.create": 70, "cloudHsmClusters.delete": 12, "resourceGroups.delete": 20,
             "resourceGroups.delete-full": 20, "privateEndpoints.create": 15}
ENDS = ("kill-before", "kill-after")
# A command goes on through these; after others it may give up, and must then succeed when run again.
BORNE = ("reset-before", "reset-after", "429", "500", "502-html", "503", "504", "expired-token", "bom", "slow")
OTHER = ("409-busy", "empty", "truncated", "garbage")


class Sweep:
    def __init__(self, given):
        self.given = given
        self.folder = tempfile.mkdtemp(prefix="hsmctl-sweep-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.pid_file = os.path.join(self.folder, "pid")
        self.world = World({"time_scale": 0.001, "durations": DURATIONS, "client_pid_file": self.pid_file,
                            "gateway_busy_share": 0.2})
        self.world.on_gone.append(network.gone_hook)
        standin.Handler.world, standin.Handler.scheme = self.world, "http"
        server = standin.Server(("127.0.0.1", 0), standin.Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": self.folder, "LANG": "C.UTF-8", "HSMCTL_STORE": self.store,
            "HSMCTL_ARM_ENDPOINT": url, "AZURE_AUTHORITY_HOST": url, "HSMCTL_INSECURE_LOOPBACK": "1",
            "HSMCTL_PAUSE_SCALE": "0.001", "AZURE_TENANT_ID": "00000000-0000-4000-8000-0000000000aa",
            "AZURE_CLIENT_ID": "00000000-0000-4000-8000-0000000000c1", "AZURE_CLIENT_SECRET": "standin-secret",
            "AZURE_SUBSCRIPTION_ID": "00000000-0000-4000-8000-000000000001"}
        for name in ("ASAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                self.environment[name] = os.environ[name]
        self.passed = self.failed = self.missed = 0

    @property
    def store(self):
        return os.path.join(self.folder, "store")

    # ---- the command ----

    def run(self, arguments, fault=None):
        with self.world.lock:
            self.world.configure({"faults": [fault] if fault else [], "count_reset": True})
            self.world.fired.clear()
        line = 'echo $$ >"$0" && exec "$@"'
        done = subprocess.run(["sh", "-c", line, self.pid_file, self.given.hsmctl, "provision", *arguments, "--yes"],
                              env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=120, check=False)
        return done

    # ---- what is there ----

    def save(self):
        with self.world.lock:
            self.world.settle()
            kept = {name: copy.deepcopy(getattr(self.world, name)) for name in
                    ("resources", "operations", "counters", "violations", "foreign", "trapped")}
        documents = os.path.join(self.folder, "kept")
        shutil.rmtree(documents, ignore_errors=True)
        if os.path.isdir(self.store):
            shutil.copytree(self.store, documents)
        return kept

    def restore(self, kept):
        with self.world.lock:
            for name, value in kept.items():
                setattr(self.world, name, copy.deepcopy(value))
            self.world.violations.clear()
        shutil.rmtree(self.store, ignore_errors=True)
        documents = os.path.join(self.folder, "kept")
        if os.path.isdir(documents):
            shutil.copytree(documents, self.store)

    def picture(self):
        """What a second undisturbed run would find."""
        with self.world.lock:
            # A poll that ends a deletion by an empty answer is believed: let what it spoke of come about.
            standin.finish(self.world, None)
            resources = {
                key: {"state": r.state, "doing": r.doing, "tags": r.body.get("tags"),
                      **times(r, self.world.counters[key])}
                for key, r in self.world.resources.items()}
            wrong = [f"{v['request']}: {v['field']}: {v['why']}" for v in self.world.violations]
            foreign = [f"{f['request']}: {f['what']}" for f in self.world.foreign]
        with open(os.path.join(self.store, "fleet.json"), encoding="utf-8") as f:
            document = json.load(f)
        del document["revision"]
        return {"resources": resources, "violations": wrong, "foreign": foreign, "document": document}

    # ---- the sweep ----

    def check(self, arguments, fault, expected):
        """None, or what is wrong."""
        first = self.run(arguments, fault)
        told = f"status {first.returncode}: {first.stderr.strip()[-500:]}"
        if not self.world.fired:
            self.missed += 1
        elif fault["kind"] in ENDS and first.returncode >= 0:
            return f"the command was not killed: {told}"
        if fault["kind"] in BORNE and first.returncode != 0:
            return told
        if first.returncode != 0:
            again = self.run(arguments)
            if again.returncode != 0:
                return f"the second run ends with status {again.returncode}: {again.stderr.strip()[-500:]}"
        found = self.picture()
        return None if found == expected else difference(expected, found)

    def phase(self, fleet, phase, arguments):
        name = f"{fleet} {phase}"
        before = self.save()
        undisturbed = self.run(arguments)
        if undisturbed.returncode != 0:
            print(f"{name}: undisturbed: status {undisturbed.returncode}: {undisturbed.stderr}")
            self.failed += 1
            return
        requests = self.world.requests
        expected = self.picture()
        if expected["violations"] or expected["foreign"]:
            print(f"{name}: undisturbed: {expected['violations']} {expected['foreign']}")
            self.failed += 1
        numbers = [(n, kind) for n in range(1, requests + 1) for kind in self.given.kinds
                   if self.given.at in (0, n)]
        chosen = numbers if not self.given.sample else sorted(self.given.random.sample(
            numbers, min(self.given.sample, len(numbers))))
        print(f"{name}: {requests} requests, {len(chosen)} faults", flush=True)
        for n, kind in chosen if phase in self.given.phases else ():
            self.restore(before)
            wrong = self.check(arguments, {"at": n, "kind": kind, "retry_after": 3, "seconds": 0.05}, expected)
            self.passed += wrong is None
            self.failed += wrong is not None
            if wrong:
                print(f"{name}: {kind} at request {n}: {wrong}", flush=True)
        self.restore(before)
        self.run(arguments)

    def all(self):
        for name, document, changed in self.given.fleet:
            with self.world.lock:
                self.world.reset()
            for folder in (self.store, os.path.join(self.folder, "kept")):
                shutil.rmtree(folder, ignore_errors=True)
            self.phase(name, "apply", ["apply", document])
            self.phase(name, "change", ["apply", changed, "--zeroised"])
            self.phase(name, "destroy", ["destroy", "--zeroised"])


def times(resource, counters):
    """How often it was written. Tags that were set twice, after a lost answer, are the same tags; those of an endpoint
    are set by writing all of it."""
    rewrites = counters["rewrites"]
    return {"creates": counters["creates"], "patched": counters["patches"] > 0,
            "rewrites": rewrites > 0 if resource.type == "Microsoft.Network/privateEndpoints" else rewrites}


def difference(expected, found):
    for part in ("violations", "foreign", "document"):
        if expected[part] != found[part]:
            return f"{part}: {json.dumps(found[part])[:400]}"
    wanted, there = expected["resources"], found["resources"]
    keys = [k for k in sorted(set(wanted) | set(there)) if wanted.get(k) != there.get(k)]
    return "; ".join(f"{k.rsplit('/', 2)[-2:]}: {there.get(k)} instead of {wanted.get(k)}" for k in keys[:3])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--hsmctl", required=True)
    parser.add_argument("--fleet", required=True, action="append", nargs=3, metavar=("NAME", "DOCUMENT", "CHANGED"))
    parser.add_argument("--fleets", type=lambda text: text.split(","), help="only those of these names")
    parser.add_argument("--kinds", default=",".join(ENDS + BORNE + OTHER), type=lambda text: text.split(","))
    parser.add_argument("--sample", type=int, default=0, help="so many faults a phase instead of all")
    parser.add_argument("--at", type=int, default=0, help="only at this request of each phase")
    parser.add_argument("--phases", default="apply,change,destroy", type=lambda text: text.split(","))
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    given = parser.parse_args()
    faults.check([{"kind": kind} for kind in given.kinds])
    given.fleet = [one for one in given.fleet if not given.fleets or one[0] in given.fleets]
    given.random = random.Random(given.seed)
    print(f"seed {given.seed}")
    sweep = Sweep(given)
    try:
        sweep.all()
    finally:
        shutil.rmtree(sweep.folder, ignore_errors=True)
    # Polls are more or fewer from run to run: the last numbers may not be reached.
    print(f"{sweep.missed} of them came to no request")
    print(f"{sweep.passed} passed, {sweep.failed} failed")
    return 1 if sweep.failed else 0


if __name__ == "__main__":
    sys.exit(main())
