# SPDX-License-Identifier: Apache-2.0
"""terminal.py COLUMNS COMMAND...: run COMMAND with its stdout on a terminal of that width, and print what came
there. The status is the command's; a line that such a terminal would break is an error of its own (99)."""
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import unicodedata

columns, command = int(sys.argv[1]), sys.argv[2:]
ours, theirs = pty.openpty()
fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
process = subprocess.Popen(command, stdout=theirs, env=os.environ | {"NO_COLOR": "1"})
os.close(theirs)
shown = b""
while True:
    try:
        more = os.read(ours, 65536)
    except OSError:
        break
    if not more:
        break
    shown += more
text = shown.decode().replace("\r\n", "\n")
sys.stdout.write(text)


def width(line):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


for line in text.splitlines():
    if width(line) > columns:
        print(f"{width(line)} columns: {line}", file=sys.stderr)
        sys.exit(99)
sys.exit(process.wait())
