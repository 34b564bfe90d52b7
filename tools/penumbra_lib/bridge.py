# SPDX-License-Identifier: MIT
"""gdb's port in front of an emulator that can only call out itself.

Bochs' serial line is a socket client, and gdb is one too: the bridge listens
for both and carries bytes between them. gdb may come and go."""
import select
import socket
import threading
import time

BYTES = 65536
GATHER = 0.0003  # seconds: Bochs' bytes come one by one, and gdb wakes for each


def acknowledge_at_once(link):
    """Bochs sends a byte at a time and leaves Nagle's rule on: the second
    waits for the first's acknowledgement, which may take 40 ms. The option
    holds for the next bytes only."""
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


class Bridge:
    def __init__(self, port):
        self.gdb = socket.create_server(("127.0.0.1", port))
        self.line = socket.create_server(("127.0.0.1", 0))
        self.line_port = self.line.getsockname()[1]
        self.links = {}         # listener -> its connection
        self.stopped, self.stop_end = socket.socketpair()
        threading.Thread(target=self.run, daemon=True).start()

    def accept(self, listener):
        link = listener.accept()[0]
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        acknowledge_at_once(link)
        if listener in self.links:
            self.links[listener].close()
        self.links[listener] = link

    def carry(self, listener, other):
        """Bytes of one side to the other; nobody there: they are lost."""
        if listener is self.line:
            time.sleep(GATHER)
        try:
            data = self.links[listener].recv(BYTES)
            acknowledge_at_once(self.links[listener])
        except OSError:
            data = b""
        if not data:
            self.links.pop(listener).close()
            if listener is self.line and other in self.links:
                self.links.pop(other).close()  # the emulator has ended
        elif other in self.links:
            try:
                self.links[other].sendall(data)
            except OSError:
                self.links.pop(other).close()

    def turn(self):
        pairs = ((self.gdb, self.line), (self.line, self.gdb))
        ready = select.select([self.stopped, self.gdb, self.line,
                               *self.links.values()], [], [])[0]
        for listener, other in pairs:
            if listener in ready:
                self.accept(listener)
            elif self.links.get(listener) in ready:
                self.carry(listener, other)
        return self.stopped not in ready

    def run(self):
        while self.turn():
            pass
        for link in (*self.links.values(), self.gdb, self.line, self.stopped):
            link.close()

    def stop(self):
        self.stop_end.close()
