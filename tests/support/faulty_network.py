"""Hosts with networks of their own, and a switch between them that loses, delays and cuts. Needs root.

Each host is a network namespace with a tun device; its other end is here, and packets pass from one
to the other as the faults of their link allow. A namespace lives as long as this process holds it.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import os
import random
import select
import socket
import struct
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

NAMESPACE_OF_NETWORK = 0x40000000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_SIOCSIFADDR, _SIOCSIFNETMASK, _SIOCSIFFLAGS = 0x8916, 0x891C, 0x8914
_IFF_UP = 1
_DEVICE = b"gt0"
_PACKET_BYTES = 65536
_NETMASK = "255.255.255.0"


@dataclass(frozen=True)
class Link:
    """What happens to packets from one host to another: shares of them, and seconds."""

    loss: float = 0.0
    delay_s: float = 0.0
    jitter_s: float = 0.0
    """Each packet waits up to this much longer, so that later ones overtake it."""
    duplication: float = 0.0


CLEAN = Link()
CUT = Link(loss=1.0)


class Host:
    """One namespace: an address on the switch, and a loopback of its own."""

    def __init__(self, address):
        self.address = address
        self._fault = None
        maker = threading.Thread(target=self._make)
        maker.start()
        maker.join()
        if self._fault:
            raise self._fault

    def _make(self):
        """Only this thread goes into the new namespace, and ends there."""
        try:
            _checked(ctypes.CDLL(None, use_errno=True).unshare(NAMESPACE_OF_NETWORK))
            self._namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            self.device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            flags = struct.pack("16sH22x", _DEVICE, _IFF_TUN | _IFF_NO_PI)
            fcntl.ioctl(self.device, _TUNSETIFF, flags)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
                for number, value in ((_SIOCSIFADDR, self.address), (_SIOCSIFNETMASK, _NETMASK)):
                    place = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(value))
                    fcntl.ioctl(control, number, struct.pack("16s16s8x", _DEVICE, place))
                for name in (b"lo", _DEVICE):
                    fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH22x", name, _IFF_UP))
        except OSError as error:
            self._fault = error

    @property
    def program(self):
        """What Python runs so that ``goutube`` lives on this host."""
        return self.running("tests.support.faulty_network")

    def running(self, module):
        """What Python runs so that a module which takes a namespace first lives on this host."""
        return ("-m", module, f"/proc/{os.getpid()}/fd/{self._namespace}")

    def close(self):
        """Let go of the device and the namespace."""
        os.close(self.device)
        os.close(self._namespace)


class Switch:
    """Carries packets between hosts; ``links`` says how, by (from, to), and may change at any time."""

    def __init__(self, hosts, seed):
        self.links = {}
        self.every = CLEAN
        """For what ``links`` does not name."""
        self.carried = self.lost = 0
        self._chance = random.Random(seed)
        self._hosts = {host.device: host.address for host in hosts}
        self._devices = {socket.inet_aton(host.address): host.device for host in hosts}
        self._waiting = []
        self._numbers = count()
        self._stopped = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def cut(self, sources, targets):
        """No packet of these hosts reaches those, in this one direction."""
        self.links |= {(a.address, b.address): CUT for a in sources for b in targets}

    def heal(self):
        """All links are as ``every`` says again."""
        self.links = {}

    def stop(self):
        """Carry nothing more."""
        self._stopped = True
        self._thread.join()

    def _run(self):
        with select.epoll() as ready:
            for device in self._hosts:
                ready.register(device, select.EPOLLIN)
            while not self._stopped:
                wait_s = self._waiting[0][0] - time.monotonic() if self._waiting else 0.05
                for device, _ in ready.poll(min(max(wait_s, 0), 0.05)):
                    self._take(device)
                self._deliver()

    def _take(self, source):
        try:
            packet = os.read(source, _PACKET_BYTES)
        except BlockingIOError:
            return
        target = self._devices.get(packet[16:20])
        if target is None or packet[0] >> 4 != 4:
            return
        ends = (self._hosts[source], self._hosts[target])
        link = self.links.get(ends, self.every)
        if self._chance.random() < link.loss:
            self.lost += 1
            return
        for _ in range(1 + (self._chance.random() < link.duplication)):
            due = time.monotonic() + link.delay_s + self._chance.random() * link.jitter_s
            heapq.heappush(self._waiting, (due, next(self._numbers), target, packet))

    def _deliver(self):
        now = time.monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            _, _, target, packet = heapq.heappop(self._waiting)
            self.carried += 1
            try:
                os.write(target, packet)
            except BlockingIOError:
                self.lost += 1


@contextmanager
def faulty_network(size, seed):
    """So many hosts, and the switch between them."""
    hosts = []
    try:
        for number in range(1, size + 1):
            hosts.append(Host(f"10.98.0.{number}"))
        switch = Switch(hosts, seed)
        try:
            yield hosts, switch
        finally:
            switch.stop()
    finally:
        for host in hosts:
            host.close()


def is_possible():
    """Whether this process may make namespaces and devices."""
    try:
        Host("10.98.0.1").close()
    except OSError:
        return False
    return True


def _checked(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def enter(namespace):
    """Take this process, and what it becomes, into a namespace."""
    descriptor = os.open(namespace, os.O_RDONLY)
    _checked(ctypes.CDLL(None, use_errno=True).setns(descriptor, NAMESPACE_OF_NETWORK))
    os.close(descriptor)


def main(namespace, *arguments):
    """Become ``goutube`` in a namespace."""
    enter(namespace)
    os.execv(sys.executable, [sys.executable, "-m", "goutube", *arguments])


if __name__ == "__main__":
    main(*sys.argv[1:])
