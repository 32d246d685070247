#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""semantics.py unlisted|gone SOFTHSM SLOT LIST: hold what semantics told of two modules against a list.

A difference is NAME | SOFTHSM | SLOT; a line of the list, if not empty or a comment, is a pattern as a shell has it.
"unlisted" prints the differences that no pattern matches, "gone" the patterns that match none.
"""
import fnmatch
import re
import sys


def told(path):
    with open(path) as file:
        return dict(line.rstrip("\n").split("\t", 1) for line in file)


def listed(path):
    with open(path) as file:
        return [line for line in file.read().splitlines() if line and line[0] != "#"]


what, softhsm, slot = sys.argv[1], told(sys.argv[2]), told(sys.argv[3])
differences = [f"{name} | {softhsm[name]} | {slot[name]}" for name in softhsm if softhsm[name] != slot[name]]
patterns = {text: re.compile(fnmatch.translate(text)) for text in listed(sys.argv[4])}
if what == "unlisted":
    wrong = [d for d in differences if not any(p.match(d) for p in patterns.values())]
else:
    wrong = [text for text, p in patterns.items() if not any(p.match(d) for d in differences)]
print("\n".join(wrong), end="\n" if wrong else "")
