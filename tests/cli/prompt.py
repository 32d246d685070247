# SPDX-License-Identifier: Apache-2.0
"""prompt.py [-- COMMAND ... --] EXPECTED TYPED EXPECTED TYPED ...: hold a conversation with
COMMAND ('hsmctl shell') on a terminal. EXPECTED is a regular expression or EXIT:STATUS; TYPED
may be TERM, which sends that signal, or RUN:LINE, which a shell runs meanwhile."""
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time

LIMIT = 20
words, command = sys.argv[1:], ["hsmctl", "shell"]
if words[:1] == ["--"]:
    end = words.index("--", 1)
    command, words = words[1:end], words[end + 1:]
child, terminal = pty.fork()
if child == 0:
    os.environ["TERM"] = "xterm"
    os.execvp(command[0], command)


def read(until, seen=""):
    if not select.select([terminal], [], [], max(0, until - time.monotonic()))[0]:
        sys.exit(f"nothing more came within {LIMIT} s: {seen!r}")
    try:
        return os.read(terminal, 4096).decode()
    except OSError:
        return ""


def expect(pattern):
    seen, until = "", time.monotonic() + LIMIT
    while not re.search(pattern, seen, re.S):
        more = read(until, seen)
        if not more:
            sys.exit(f"ended before {pattern!r}: {seen!r}")
        seen += more


def wait_for_raw():
    """What is typed before the line editor has the terminal may be lost with the mode that it leaves."""
    until = time.monotonic() + 2
    while termios.tcgetattr(terminal)[3] & termios.ICANON and time.monotonic() < until:
        select.select([], [], [], 0.005)


def expect_exit(status):
    until = time.monotonic() + LIMIT
    while read(until):
        pass
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if ended != status:
        sys.exit(f"status {ended}, expected {status}")


for i, word in enumerate(words):
    if word.startswith("EXIT:"):
        expect_exit(int(word[5:]))
    elif word == "TERM":
        os.kill(child, signal.SIGTERM)
    elif word.startswith("RUN:"):
        subprocess.run(word[4:], shell=True, check=True)
    elif i % 2:
        wait_for_raw()
        os.write(terminal, word.encode())
    else:
        expect(word)
