#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A TCP relay that is slow, far away or silent, for kernels without netem.

    relay.py --to ADDRESS:PORT [--listen ADDRESS:PORT] [--rate BYTES] [--delay MS] [--jitter MS]

Prints the address it listens on, then does what its standard input says, line by
line, until that ends:

    rate BYTES      so many bytes a second in each direction of each connection; 0 = all
    delay MS        each piece comes so much later
    jitter MS       and up to so much more, in order
    silence on|off  connections stay open and nothing is passed on
    cut             reset every connection
"""
import argparse
import asyncio
import random
import socket
import struct
import sys

PIECE = 16384
QUEUED = 4  # pieces: more is left to the sender's kernel, as a slow line would


class Relay:
    def __init__(self, to, rate, delay, jitter):
        self.to = to
        self.rate, self.delay, self.jitter = rate, delay, jitter
        self.passing = asyncio.Event()
        self.passing.set()
        self.writers = set()
        self.tasks = set()

    async def take(self, reader, queue):
        """Pieces, each with the moment at which it may be passed on."""
        loop, free = asyncio.get_running_loop(), 0.0
        while True:
            data = await reader.read(PIECE)
            now = loop.time()
            free = max(now, free) + (len(data) / self.rate if self.rate else 0)
            wait = (self.delay + random.uniform(0, self.jitter)) / 1000
            await queue.put((free + wait, data))
            if not data:
                return

    async def give(self, queue, writer):
        loop = asyncio.get_running_loop()
        while True:
            due, data = await queue.get()
            await asyncio.sleep(max(0, due - loop.time()))
            await self.passing.wait()
            if not data:
                writer.write_eof()
                return
            writer.write(data)
            await writer.drain()

    async def both(self, reader, writer):
        queue = asyncio.Queue(QUEUED)
        await asyncio.gather(self.take(reader, queue), self.give(queue, writer))

    async def connection(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        self.writers.add(writer)
        other = None
        try:
            there, other = await asyncio.open_connection(*self.to)
            self.writers.add(other)
            for one in (writer, other):
                one.transport.set_write_buffer_limits(PIECE)
            await asyncio.gather(self.both(reader, other), self.both(there, writer))
        except OSError:
            pass
        for one in filter(None, (writer, other)):
            self.writers.discard(one)
            one.close()
        self.tasks.discard(asyncio.current_task())

    def cut(self):
        for writer in list(self.writers):
            reset = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            writer.transport.abort()
        for task in list(self.tasks):
            task.cancel()

    def obey(self, line):
        word, _, value = line.strip().partition(" ")
        if word in ("rate", "delay", "jitter"):
            setattr(self, word, int(value))
        elif word == "silence":
            self.passing.clear() if value == "on" else self.passing.set()
        elif word == "cut":
            self.cut()


def address(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", type=address, required=True)
    parser.add_argument("--listen", type=address, default=("127.0.0.1", 0))
    for name in ("rate", "delay", "jitter"):
        parser.add_argument("--" + name, type=int, default=0)
    a = parser.parse_args()
    relay = Relay(a.to, a.rate, a.delay, a.jitter)
    server = await asyncio.start_server(relay.connection, *a.listen, limit=PIECE)
    print("%s:%d" % server.sockets[0].getsockname()[:2], flush=True)
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while line := await orders.readline():
        relay.obey(line.decode())
        print("done", flush=True)
    server.close()
    relay.cut()


asyncio.run(main())
