# SPDX-License-Identifier: Apache-2.0
"""squat.py ADDRESS FILE: hold a lock on FILE, listen on ADDRESS as soon as nobody else does, say so, and stay."""
import errno
import fcntl
import socket
import sys
import time

host, port = sys.argv[1].rsplit(":", 1)
lock = open(sys.argv[2], "r+")
fcntl.lockf(lock, fcntl.LOCK_EX)
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
end = time.monotonic() + 60
while True:
    try:
        listener.bind((host, int(port)))
        break
    except OSError as error:
        if error.errno != errno.EADDRINUSE or time.monotonic() > end:
            raise
        time.sleep(0.002)
listener.listen()
print("squatting", flush=True)
sys.stdin.read()
