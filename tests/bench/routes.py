#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""routes.py bursts|spread|cipher|fresh [ROUNDS]: what crowds, slow members and hung members cost an application.

bursts   64 and 256 threads come at once, make ten signatures each, and go; ten times: calls a second, connections made
spread   eight threads sign on four members that take 1 ms for each signature, one after the other, beside one of them
cipher   two threads encrypt 1 KiB by AES-GCM on two workers, beside the same token without us, and beside one worker
fresh    new processes make one signature each while one of two active members is stopped, beside nothing stopped

Everything is measured in turns, and ratios are of the same round. $MODULE is another module than that of $BUILD.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve()
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
OURS = os.environ.get("MODULE", str(BUILD / "lib/pkcs11/hsmctl-pkcs11.so"))
DEVICES = ("hsm-east-1", "hsm-east-2", "hsm-west-1", "hsm-west-2")


def hsmctl(*words):
    subprocess.run([BUILD / "bin/hsmctl", "-q", *words], check=True, stdout=subprocess.DEVNULL)


def crowd(*words, **environment):
    done = subprocess.run([BUILD / "tests/bench/crowd", *map(str, words)], check=False, stdout=subprocess.PIPE, text=True,
                          env=os.environ | {"MODULE": OURS} | environment)
    return done.stdout.split() if done.returncode == 0 else None


def store():
    return pathlib.Path(os.environ["HSMCTL_STORE"])


def conf(device):
    return str(store() / "appliances" / device / "softhsm2.conf")


def group(actives, standbys=()):
    members = [word for name in actives for word in ("--member", name)] + \
        [word for name in standbys for word in ("--standby", name)]
    hsmctl("ha", "create", "payments", *members)
    hsmctl("key", "generate", "payments", "--type", "ec-p256", "--label", "bench")
    hsmctl("key", "generate", "payments", "--type", "aes-256", "--label", "cipher")
    os.environ["PIN"] = (store() / "secrets/user.pin").read_text().strip()


def become_workers(library):
    """The same tokens, without a daemon."""
    hsmctl("device", "stop", "--all")
    path = store() / "fleet.json"
    fleet = json.loads(path.read_text())
    for device in fleet["devices"]:
        device["partitions"][0]["link"] = {"module": library, "environment": {"SOFTHSM2_CONF": conf(device["name"])}}
    path.write_text(json.dumps(fleet))


def with_members(names):
    """Another store, with this group of some of them: they hold what is measured."""
    other = store().parent / f"store-{len(names)}"
    if not other.exists():
        shutil.copytree(store(), other)
    fleet = json.loads((store() / "fleet.json").read_text())
    members = fleet["groups"][0]["members"]
    fleet["groups"][0]["members"] = [member for member in members if member["device"] in names]
    fleet["groups"][0]["policy"] = {"min_members": 1, "min_datacenters": 1}
    (other / "fleet.json").write_text(json.dumps(fleet))
    return str(other)


def median(values):
    return sorted(values)[len(values) // 2]


def tell(name, values, unit):
    values = sorted(values)
    print(f"  {name:34} median {median(values):10.1f}   from {values[0]:10.1f} to {values[-1]:10.1f}  {unit}", flush=True)


def bursts(rounds):
    group(DEVICES[:2], DEVICES[2:])
    for threads in (64, 256):
        rates, made, failed = [], [], 0
        for _ in range(rounds):
            calls, bad, took_ms, connections = map(int, crowd("bursts", "bench", threads, 10, 10))
            rates.append(calls * 1000 / took_ms)
            made.append(connections)
            failed += bad
        print(f"{threads} threads, ten bursts, {failed} calls failed")
        tell("signatures", rates, "/s")
        tell("connections made", made, "")


def spread(rounds):
    group(DEVICES)
    become_workers(str(BUILD / "tests/fake/shim.so"))
    for name in DEVICES:
        (store() / "appliances" / name / "faults").write_text("C_Sign take:1000\n")
    one, four = with_members(DEVICES[:1]), with_members(DEVICES)
    rates = {one: [], four: []}
    for _ in range(rounds):
        for which, into in rates.items():
            into.append(float(crowd("rate", "bench", "sign", 8, 3, HSMCTL_STORE=which)[0]))
    tell("one member", rates[one], "/s")
    tell("four members", rates[four], "/s")
    tell("four members, of 4 x one", [100 * b / a / 4 for a, b in zip(rates[one], rates[four])], "%")


def cipher(rounds):
    group(DEVICES[:2])
    become_workers(SOFTHSM)
    two, one = with_members(DEVICES[:2]), with_members(DEVICES[:1])
    rates = {"plain": [], one: [], two: []}
    for _ in range(rounds):
        for which, into in rates.items():
            more = {"MODULE": SOFTHSM, "SOFTHSM2_CONF": conf(DEVICES[0])} if which == "plain" else {"HSMCTL_STORE": which}
            into.append(float(crowd("rate", "cipher", "gcm", 2, 2, **more)[0]))
    tell("plain SoftHSM", rates["plain"], "/s")
    tell("one worker", rates[one], "/s")
    tell("two workers", rates[two], "/s")
    tell("two workers, of plain", [b / a for a, b in zip(rates["plain"], rates[two])], "x")
    tell("two workers, of one", [b / a for a, b in zip(rates[one], rates[two])], "x")


def pid_of(device):
    return int((store() / "appliances" / device / "appliance.pid").read_text().split()[0])


def fresh(rounds):
    group(DEVICES[:2], DEVICES[2:])
    took, failed = {"nothing is stopped": [], "one active member is stopped": []}, 0
    for number in range(rounds):
        for name, into in took.items():
            pid = pid_of(DEVICES[number % 2]) if into is not took["nothing is stopped"] else None
            if pid:
                os.kill(pid, signal.SIGSTOP)
            said = crowd("once", "bench")
            if pid:
                os.kill(pid, signal.SIGCONT)
            failed += said is None
            into.extend(int(us) / 1000 for us in said or ())
    print(f"{2 * rounds} new processes, {failed} failed")
    for name, into in took.items():
        tell(name, into, "ms")


def main():
    kinds = {"bursts": bursts, "spread": spread, "cipher": cipher, "fresh": fresh}
    if len(sys.argv) < 2 or sys.argv[1] not in kinds:
        sys.exit(__doc__)
    folder = tempfile.mkdtemp(prefix="hsmctl-bench.", dir="/dev/shm")
    os.environ["HSMCTL_STORE"] = f"{folder}/store"
    try:
        hsmctl("provision", "apply", ROOT / "examples/two-regions.json", "--yes")
        kinds[sys.argv[1]](int(sys.argv[2]) if len(sys.argv) > 2 else 5)
        print(f"  load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    finally:
        subprocess.run([BUILD / "bin/hsmctl", "-q", "device", "stop", "--all"], check=False, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
