#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""kills.py ROUNDS SEED FOLDER: four writers, syncs and a recoverer on a group of four appliances, and in each round one
of them all, at random, is killed. Then everybody is started, one sync is made, and what was promised is asked.

Each writer keeps a journal: a line before each attempt and one after its end, so that what was acknowledged is known
whoever died. FOLDER is for these. The last line tells what was done; a line for each promise that was broken, and
status 1, when there is one.
"""
import collections
import json
import os
import pathlib
import random
import subprocess
import sys
import threading
import time

BUILD, STORE = pathlib.Path(os.environ["BUILD"]), pathlib.Path(os.environ["HSMCTL_STORE"])
GROUP = "payments"
DEVICES = ("hsm-east-1", "hsm-east-2", "hsm-west-1", "hsm-west-2")
LIMIT = int(os.environ.get("KILL_LIMIT", "120"))     # seconds for whatever is waited for
HOUR_MS = 3600000
NOT_DONE = "0xe2"   # CKR_TOKEN_WRITE_PROTECTED: too few members, nothing was made
CLOCK = {"LD_PRELOAD": str(BUILD / "tests/fake/clock.so"), "LD_CLOCK": os.environ["CLOCK"]}


class Broken(Exception):
    """Something cannot go on; its text says what."""


def hsmctl(*words, clock=False, started=lambda child: None):
    """The status, and the document on stdout if there is one."""
    child = subprocess.Popen([BUILD / "bin/hsmctl", "-o", "json", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True, env=dict(os.environ, **CLOCK) if clock else None)
    started(child)
    out, said = child.communicate(timeout=LIMIT)
    try:
        return child.returncode, json.loads(out), said
    except ValueError:
        return child.returncode, {}, said


# ---- who may be killed ----

class Writer:
    """An application that makes, changes and deletes keys; each life of it has a name of its own for them."""

    def __init__(self, name, folder, draw):
        self.name, self.folder, self.draw, self.lives = name, folder, draw, 0
        self.start()

    def start(self):
        self.lives += 1
        name = f"{self.name}x{self.lives}"
        self.child = subprocess.Popen([BUILD / "tests/slot/writer", "churn", str(self.draw.getrandbits(31)), name,
                                       self.folder / f"{name}.journal", self.folder / "enough"])

    def kill(self):
        self.child.kill()
        self.child.wait()
        self.start()

    def end(self):
        if self.child.wait(LIMIT) != 0:
            raise Broken(f"writer {self.name} ended with status {self.child.returncode}")


class Looped:
    """A thread in which one command follows the other; what is killed is the one that runs."""

    def __init__(self):
        self.child, self.over, self.wrong = None, False, None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while not self.over:
                self.step()
        except (Broken, OSError, subprocess.SubprocessError) as e:
            self.wrong = e

    def command(self, *words):
        def keep(child):
            self.child = child
        return hsmctl(*words, started=keep)

    def kill(self):
        child = self.child
        if child and child.returncode is None:
            child.kill()

    def end(self):
        self.over = True
        self.thread.join(LIMIT)
        if self.wrong or self.thread.is_alive():
            raise Broken(f"{type(self).__name__}: {self.wrong or 'does not end'}")


class Syncs(Looped):
    def step(self):
        self.command("sync", GROUP)


class Commands(Looped):
    """A writer by commands, with a journal like the others'."""

    def __init__(self, folder, draw):
        self.draw, self.made = draw, 0
        self.journal = open(folder / "commands.journal", "w", encoding="ascii")
        super().__init__()

    def note(self, what, name):
        print(what, name, "-", time.monotonic_ns(), file=self.journal, flush=True)

    def attempt(self, what, name, *words):
        self.note(what, name)
        status = self.command(*words)[0]
        self.note("end", {0: "0x0", 7: NOT_DONE if what == "make" else "0x30"}.get(status, "0x6"))

    def step(self):
        keys = self.command("key", "list", GROUP)[1].get("keys", [])
        if len(keys) > 4 and self.draw.random() < 0.4:
            name = self.draw.choice(keys)["label"]
            self.attempt("delete", name, "key", "delete", GROUP, name, "--yes")
        else:
            self.made += 1
            name = f"c-{self.made}.0"
            self.attempt("make", name, "key", "generate", GROUP, "--type", "aes-128", "--label", name)


class Recoverer:
    """An application that only reads, and brings members up to date that were away."""

    def __init__(self):
        self.start()

    def start(self):
        self.child = subprocess.Popen([BUILD / "tests/slot/writer", "by-line"], stdin=subprocess.PIPE, text=True,
                                      stdout=subprocess.DEVNULL)

    def look(self):
        try:
            self.child.stdin.write("find nothing\n")
            self.child.stdin.flush()
        except OSError as e:
            raise Broken("the recoverer ended by itself") from e

    def kill(self):
        self.child.kill()
        self.child.wait()
        self.start()

    def end(self):
        self.child.stdin.close()
        if self.child.wait(LIMIT) != 0:
            raise Broken(f"the recoverer ended with status {self.child.returncode}")


class Appliance:
    """Down until the next round."""

    def __init__(self, name):
        self.name = name

    def kill(self):
        pid = (STORE / "appliances" / self.name / "appliance.pid").read_text().split()[0]
        os.kill(int(pid), 9)


def start_all():
    status, _, said = hsmctl("device", "start", "--all", clock=True)
    if status != 0:
        raise Broken(f"devices do not start: {said}")


# ---- the rounds ----

def lines_of(folder):
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("*.journal"))


def wait_for(lines, folder, recoverer):
    """Until the writers got so much further."""
    limit = time.monotonic() + LIMIT
    while lines_of(folder) < lines:
        if time.monotonic() > limit:
            raise Broken("the writers do not get on")
        recoverer.look()
        time.sleep(0.02)


def play(rounds, draw, folder):
    """How often each kind was killed."""
    writers = [Writer(name, folder, draw) for name in ("w1", "w2", "w3")]
    others = [Commands(folder, random.Random(draw.random())), Syncs(), recoverer := Recoverer()]
    members = [Appliance(name) for name in DEVICES]
    killed = collections.Counter()
    try:
        for _ in range(rounds):
            wait_for(lines_of(folder) + draw.randrange(2, 24), folder, recoverer)
            start_all()
            victim = draw.choice([draw.choice(writers), draw.choice(members), *others])
            victim.kill()
            killed[type(victim).__name__.lower()] += 1
        wait_for(lines_of(folder) + 10, folder, recoverer)
    finally:
        (folder / "enough").touch()
        start_all()
        for one in writers + others:
            one.end()
    return killed


# ---- what was promised ----

class Key:
    """What writers said of one; a time of None: nobody knows when, or whether."""

    def __init__(self):
        self.made = None                # what was said of its making, "" = nothing
        self.deletes = []
        self.labels = {}                # each that it may have: when that was begun, and when it was over


def read(folder):
    keys = collections.defaultdict(Key)
    for path in folder.glob("*.journal"):
        lines = [line.split() for line in path.read_text().splitlines()]
        for at, (what, name, to, begun) in enumerate(lines):
            if what == "end":
                continue
            said, over = (lines[at + 1][1], int(lines[at + 1][3])) if at + 1 < len(lines) else ("", None)
            key = keys[name.partition(".")[0]]
            times = int(begun), over if said == "0x0" else None
            if what == "make":
                key.made = said
                key.labels[name] = times
            elif what == "delete" and said != NOT_DONE:
                key.deletes.append(said)
            elif what == "change" and said != NOT_DONE:
                key.labels[to] = times
    return keys


def outdated(label, key):
    """Was another one acknowledged that was begun after this one?"""
    _, over = key.labels[label]
    return over is not None and any(begun > over and end is not None for begun, end in key.labels.values())


def judge(keys, listed):
    """A sentence for each promise that is broken."""
    there = collections.defaultdict(list)
    for row in listed:
        there[row["label"].partition(".")[0]].append(row["label"])
    for name, labels in there.items():
        key = keys.get(name)
        if not key or key.made is None:
            yield f"{labels}: made by nobody"
            continue
        if len(labels) > 1:
            yield f"{labels}: doubled"
        if key.made == NOT_DONE:
            yield f"{labels}: there, and it was said that nothing was made"
        if "0x0" in key.deletes:
            yield f"{labels}: back, though deleted"
        for label in labels:
            if label not in key.labels:
                yield f"{label}: a label that nobody gave"
            elif outdated(label, key):
                yield f"{label}: an acknowledged change is undone"
    for name, key in keys.items():
        if key.made == "0x0" and not key.deletes and name not in there:
            yield f"{name}: lost"


def converge():
    """One sync brings all in order, and another finds nothing to do."""
    path = pathlib.Path(CLOCK["LD_CLOCK"])
    path.write_text(str((int(path.read_text()) if path.exists() else 0) + HOUR_MS))
    for what, wanted in (("sync", None), ("verify", None), ("sync", 0)):
        status, document, said = hsmctl(what, GROUP, clock=True)
        if status != 0 or document.get("verdict") != "in_sync":
            yield f"{what}: status {status}, {said.strip()} {document.get('findings') or document.get('skipped') or ''}"
        work = sum(document.get(field, 0) for field in ("copied", "deleted", "repaired", "adopted"))
        if wanted == 0 and work:
            yield f"a second sync did {work} things"


def main():
    rounds, seed, folder = int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3])
    try:
        killed = play(rounds, random.Random(seed), folder)
    except Broken as e:
        print(f"seed {seed}: {e}")
        return 1
    wrong = list(converge())
    keys = read(folder)
    listed = hsmctl("key", "list", GROUP)[1].get("keys", [])
    wrong += judge(keys, listed)
    for sentence in wrong:
        print(f"seed {seed}: {sentence}")
    ends = collections.Counter(line.split()[1] for path in folder.glob("*.journal")
                               for line in path.read_text().splitlines() if line.startswith("end "))
    print(f"seed {seed}: killed {dict(killed)}, said {dict(ends)}, {len(keys)} keys of which {len(listed)} are left")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
