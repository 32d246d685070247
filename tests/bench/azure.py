#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How long does a fleet in Azure take, against the longest chain of resources that need each other?

Four devices and two networks are made against the stand-in, whose operations take as long as those that were
recorded, scaled down. The chain is computed from the same durations: network, public address, gateway, device or
connection. Prints both and their ratio; the sum of all operations stands beside it.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(top, "tests", "azure"))
from world import DURATIONS  # noqa: E402

SCALE = float(os.environ.get("SCALE", "0.01"))


def start(folder):
    port_file = os.path.join(folder, "port")
    process = subprocess.Popen([sys.executable, os.path.join(top, "tests/azure/standin.py"), "--port-file", port_file,
                                "--config", json.dumps({"time_scale": SCALE})])
    until = time.monotonic() + 20
    while not os.path.exists(port_file) and time.monotonic() < until:
        time.sleep(0.02)
    with open(port_file, encoding="ascii") as f:
        return process, f"http://127.0.0.1:{int(f.read())}"


def chain(resources):
    """Seconds of the longest way through what was made, and of all of it."""
    seconds = {key: DURATIONS.get(row["type"].rsplit("/", 1)[1] + ".create", 0) for key, row in resources.items()}
    of = {}
    for key, row in resources.items():
        of.setdefault(row["type"].rsplit("/", 1)[1], []).append(seconds[key])
    network = max(of["virtualNetworks"]) + max(of["publicIPAddresses"], default=0)
    gateway = network + max(of["virtualNetworkGateways"])
    ends = max(max(of["dedicatedHSMs"]), max(of.get("connections", [0])) + DURATIONS["connections.connect"])
    # Subnets are made with their network.
    total = sum(seconds[key] for key, row in resources.items() if not row["type"].endswith("/subnets"))
    return gateway + ends, total


def main():
    folder = tempfile.mkdtemp(prefix="hsmctl-bench-")
    process, url = start(folder)
    environment = {**os.environ, "HSMCTL_STORE": os.path.join(folder, "store"), "HSMCTL_ARM_ENDPOINT": url,
                   "AZURE_AUTHORITY_HOST": url, "HSMCTL_INSECURE_LOOPBACK": "1", "HSMCTL_PAUSE_SCALE": str(SCALE),
                   "AZURE_TENANT_ID": "00000000-0000-4000-8000-0000000000aa",
                   "AZURE_CLIENT_ID": "00000000-0000-4000-8000-0000000000c1", "AZURE_CLIENT_SECRET": "standin-secret",
                   "AZURE_SUBSCRIPTION_ID": "00000000-0000-4000-8000-000000000001"}
    hsmctl = os.path.join(os.environ.get("BUILD", os.path.join(top, "build")), "bin", "hsmctl")
    try:
        began = time.monotonic()
        subprocess.run([hsmctl, "provision", "apply", os.path.join(top, "examples/azure-two-regions.json")],
                       env=environment, stdout=subprocess.DEVNULL, check=True)
        took = (time.monotonic() - began) / SCALE
        with urllib.request.urlopen(f"{url}/_standin/state") as answer:
            longest, total = chain(json.load(answer)["resources"])
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)
    print(f"azure: {took / 60:.1f} min for a longest chain of {longest / 60:.1f} min and a sum of {total / 60:.1f} min, "
          f"time scaled by {SCALE}: ratio {took / longest:.3f}")


if __name__ == "__main__":
    main()
