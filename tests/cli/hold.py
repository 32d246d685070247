# SPDX-License-Identifier: Apache-2.0
"""hold.py FILE: make FILE and its folder, hold a lock on it as somebody who says so in it, say "held", and stay."""
import fcntl
import os
import sys

path = sys.argv[1]
os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
lock = open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
fcntl.lockf(lock, fcntl.LOCK_EX)
lock.write(f"uid 0, pid {os.getpid()} on a host since long ago, doing 'something else'\n")
lock.flush()
print("held", flush=True)
sys.stdin.read()
