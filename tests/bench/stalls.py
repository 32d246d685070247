#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""stalls.py kill|stop [ROUNDS]: how long calls of a running application wait when the member that serves them is lost.

Four threads sign on a group of four emulated datacentres (local appliances). Each round one active member is killed, or
stopped, for two seconds; rounds in which nothing happens are the control. Printed: failed calls, and the longest
call of each round, p50, p99 and the worst, with and without the fault.
"""
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve()
ACTIVE = ("hsm-east-1", "hsm-east-2")
AWAY = 2        # seconds
REST = 2


def hsmctl(*words):
    subprocess.run([BUILD / "bin/hsmctl", "-q", *words], check=True, stdout=subprocess.DEVNULL)


class Crowd:
    """The application; its slow calls are read as they come."""

    def __init__(self):
        self.child = subprocess.Popen([BUILD / "tests/bench/crowd", "sign", "bench"], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)
        assert self.child.stdout.readline() == "ready\n"
        self.slow = []
        self.last = ""
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.child.stdout:
            words = line.split()
            if len(words) == 3:
                self.slow.append((int(words[0]), int(words[1]), words[2]))
            self.last = line

    def end(self):
        self.child.stdin.close()
        self.reader.join()
        if self.child.wait() != 0:
            sys.exit("the application failed")
        return map(int, self.last.split())

    def worst(self, start, end):
        """ms of the longest call that was under way between two moments; those that are not slow count as 0."""
        return max((took / 1000 for began, took, _ in self.slow if began < end and began + took > start), default=0.0)


def pid_of(device):
    text = (pathlib.Path(os.environ["HSMCTL_STORE"]) / "appliances" / device / "appliance.pid").read_text()
    return int(text.split()[0])


def now_us():
    return time.monotonic_ns() // 1000


def lose(device, how):
    """For so long; when it began and ended."""
    start = now_us()
    pid = pid_of(device)
    os.kill(pid, signal.SIGKILL if how == "kill" else signal.SIGSTOP)
    time.sleep(AWAY)
    end = now_us()
    if how == "kill":
        hsmctl("device", "start", device)
    else:
        os.kill(pid, signal.SIGCONT)
    return start, end


def play(how, rounds):
    crowd = Crowd()
    faults, calm = [], []
    time.sleep(REST)
    for number in range(rounds):
        start = now_us()
        time.sleep(AWAY)
        calm.append((start, now_us()))
        faults.append(lose(random.choice(ACTIVE), how))
        time.sleep(REST)
    calls, failed = crowd.end()
    print(f"{how}: {rounds} rounds, {calls} calls, {failed} failed")
    for name, spans in (("control", calm), (how, faults)):
        worst = sorted(crowd.worst(*span) for span in spans)
        print(f"  {name:8} longest call of a round: p50 {worst[len(worst) // 2]:7.1f} ms   "
              f"p99 {worst[min(len(worst) - 1, len(worst) * 99 // 100)]:7.1f} ms   worst {worst[-1]:7.1f} ms")


def main():
    how, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20
    folder = tempfile.mkdtemp(prefix="hsmctl-bench.", dir="/dev/shm")
    os.environ["HSMCTL_STORE"] = f"{folder}/store"
    os.environ["MODULE"] = str(BUILD / "lib/pkcs11/hsmctl-pkcs11.so")
    try:
        hsmctl("provision", "apply", ROOT / "examples/two-regions.json", "--yes")
        hsmctl("ha", "create", "payments", "--member", ACTIVE[0], "--member", ACTIVE[1],
               "--standby", "hsm-west-1", "--standby", "hsm-west-2")
        hsmctl("key", "generate", "payments", "--type", "ec-p256", "--label", "bench")
        os.environ["PIN"] = pathlib.Path(f"{folder}/store/secrets/user.pin").read_text().strip()
        play(how, rounds)
    finally:
        subprocess.run([BUILD / "bin/hsmctl", "-q", "device", "stop", "--all"], check=False, stdout=subprocess.DEVNULL)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
