"""Hosts of one network on this machine: network namespaces whose links can be cut. Only root can."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

NETWORK = "10.77.0"


class Hosts:
    """Named hosts, and the one where the tests run; each has an address in one network."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.mark = f"nn{os.getpid()}"

    def __enter__(self) -> "Hosts":
        """Join every host to a bridge that has a namespace of its own, and this one too."""
        self._ip("netns", "add", self._space("hub"))
        self._ip("-n", self._space("hub"), "link", "add", "bridge", "type", "bridge")
        self._ip("-n", self._space("hub"), "link", "set", "bridge", "up")
        for name in self.names:
            self._ip("netns", "add", self._space(name))
            self._join(name, "-n", self._space(name))
            # What comes from one that is cut off is dropped before it is found to be for this host.
            self._ip("-n", self._space(name), "rule", "add", "preference", "2", "lookup", "local")
            self._ip("-n", self._space(name), "rule", "delete", "preference", "0")
        self._join("here")
        return self

    def __exit__(self, *_: object) -> None:
        for name in (*self.names, "hub"):
            self._ip("netns", "delete", self._space(name), check=False)

    def address(self, name: str) -> str:
        return f"{NETWORK}.{1 + ('here', *self.names).index(name)}"

    def on(self, name: str) -> list[str]:
        """What to put before a command to run it there."""
        return ["ip", "netns", "exec", self._space(name)]

    @contextmanager
    def cut(self, one: str, other: str) -> Iterator[None]:
        """Lose every packet between two hosts."""
        both = ((one, other), (other, one))
        for here, there in both:
            self._rule("add", here, there)
        yield
        for here, there in both:
            self._rule("delete", here, there)

    def _join(self, name: str, *where: str) -> None:
        number = self.address(name).rpartition(".")[2]
        near, far = f"{self.mark}n{number}", f"{self.mark}f{number}"
        hub = ("-n", self._space("hub"))
        self._ip("link", "add", near, "type", "veth", "peer", "name", far)
        self._ip("link", "set", far, "netns", self._space("hub"))
        self._ip(*hub, "link", "set", far, "master", "bridge", "up")
        if where:
            self._ip("link", "set", near, "netns", self._space(name))
            self._ip(*where, "link", "set", "lo", "up")
        self._ip(*where, "address", "add", f"{self.address(name)}/24", "dev", near)
        self._ip(*where, "link", "set", near, "up")

    def _rule(self, change: str, here: str, there: str) -> None:
        rule = ("preference", "1", "from", self.address(there), "blackhole")
        self._ip("-n", self._space(here), "rule", change, *rule)

    def _space(self, name: str) -> str:
        return f"{self.mark}-{name}"

    def _ip(self, *arguments: str, check: bool = True) -> None:
        subprocess.run(["ip", *arguments], check=check)
