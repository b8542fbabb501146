"""Whose process is at the other end of a connection, where the kernel tells: on loopback and on a Unix socket.

On loopback the peer's own socket is looked up, by `sock_diag` (one system call each way, whatever the number of
sockets), or where that is missing in /proc/net/tcp. https://man7.org/linux/man-pages/man7/sock_diag.7.html
"""

import errno
import ipaddress
import os
import re
import socket
import struct
from asyncio import BaseTransport
from collections.abc import Iterable

from .problems import Problem
from .settings import RelayError

__all__ = ["Proxies", "SameUser"]

_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, _NLMSG_ERROR = 4, 20, 1, 2
_HEADER = struct.Struct("=IHHII")  # nlmsghdr
_ID = struct.Struct("!HH16s16sI8s")  # inet_diag_sockid; the ports in network order
_REQUEST = struct.Struct("=BBBBI")  # inet_diag_req_v2 before its id
_MESSAGE = struct.Struct("=BBBB48sIIIII")  # inet_diag_msg
_ANY_STATE, _LISTEN, _NO_COOKIE = 0xFFFFFFFF, 10, b"\xff" * 8
_CREDENTIALS = struct.Struct("=iII")  # ucred: pid, uid, gid

_FORWARDED = re.compile(r"\[([^\]]*)\](?::[0-9]+)?|([0-9.]+):[0-9]+")

_Address = tuple[str, int]


class Proxies:
    """The peers whose word on others counts.

    :param listed: addresses, networks as 10.0.0.0/8, or `unix` for whoever reaches the Unix socket.
    :param option: that lists them, for the error.
    :raises RelayError: one of them is none.
    """

    def __init__(self, listed: Iterable[str], option: str = "--trust-proxy") -> None:
        self._unix = False
        self._networks = []
        for each in listed:
            if each == "unix":
                self._unix = True
                continue
            try:
                self._networks.append(ipaddress.ip_network(each))
            except ValueError:
                raise RelayError(
                    f"{option} {each!r} is no address",
                    "Give an address as 10.0.0.5, a network as 10.0.0.0/8, or `unix`",
                ) from None

    def trusts(self, host: str | None) -> bool:
        """:param host: the peer's address; None or empty is a Unix socket."""
        if not host:
            return self._unix
        if not self._networks:
            return False
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address):
            address = address.ipv4_mapped or address
        return any(address in network for network in self._networks)

    def client_of(self, host: str | None, forwarded_for: str) -> str | None:
        """Who asked the first of a chain of these proxies. What he wrote into the header himself does not count: it
        stands before the address that such a proxy has added.

        :param host: the peer's address.
        :param forwarded_for: the `X-Forwarded-For` that he sent.
        """
        for told in reversed(forwarded_for.split(",")):
            if not self.trusts(host):
                break
            address = _address_of(told.strip())
            if address is None:
                break
            host = address
        return host


def _address_of(text: str) -> str | None:
    """`10.0.0.5`, `10.0.0.5:4711`, `::1` or `[::1]:4711`, as proxies write it."""
    match = _FORWARDED.fullmatch(text)
    found = text if match is None else match[1] or match[2]
    try:
        return str(ipaddress.ip_address(found))
    except ValueError:
        return None


class SameUser:
    """Keeps the processes of other users out. Root's come in, as they could anyway."""

    def __init__(self, proxies: Proxies) -> None:
        self._allowed = frozenset({os.geteuid(), 0})
        self._proxies = proxies
        self._diag = _Diag.open()

    def refusal(self, transport: BaseTransport) -> Problem | None:
        """Why the connection is refused. None too where the kernel does not tell."""
        peer = transport.get_extra_info("peername")
        is_unix = not isinstance(peer, tuple)
        if self._proxies.trusts(None if is_unix else peer[0]):
            return None
        if is_unix:
            uid = _uid_of_unix(transport.get_extra_info("socket"))
        elif ipaddress.ip_address(peer[0].partition("%")[0]).is_loopback:
            uid = self._uid_of(peer[:2], transport.get_extra_info("sockname")[:2])
        else:
            return None  # it has a token then
        if uid is None or uid in self._allowed:
            return None
        return Problem(
            403,
            "other-user",
            "This relay serves the user that it runs as, and the connection is of another one (or was closed at "
            "once). For several users start it with --token or --token-file; for a proxy on this machine with "
            "--trust-proxy",
        )

    def close(self) -> None:
        if self._diag is not None:
            self._diag.close()

    def _uid_of(self, peer: _Address, own: _Address) -> int | None:
        """None: the kernel does not tell; -1: nobody holds that socket (any more)."""
        if self._diag is not None:
            try:
                return self._diag.uid_of(peer, own)
            except OSError:
                self.close()
                self._diag = None
        return _uid_in_proc(peer, own)


class _Diag:
    def __init__(self, netlink: socket.socket) -> None:
        self._netlink = netlink

    @classmethod
    def open(cls) -> "_Diag | None":
        try:
            netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG)
        except OSError:
            return None
        netlink.setblocking(False)  # the answer is there when the request has been taken
        return cls(netlink)

    def close(self) -> None:
        self._netlink.close()

    def uid_of(self, peer: _Address, own: _Address) -> int:
        """-1: nobody holds the socket. :raises OSError: the kernel does not tell."""
        family = socket.AF_INET6 if ":" in peer[0] else socket.AF_INET
        sides = [
            socket.inet_pton(family, host.partition("%")[0]).ljust(16, b"\0")
            for host, _ in (peer, own)
        ]
        wanted = _ID.pack(peer[1], own[1], *sides, 0, _NO_COOKIE)
        body = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, _ANY_STATE) + wanted
        head = _HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0)
        self._netlink.send(head + body)
        answer = self._netlink.recv(4096)
        kind = _HEADER.unpack_from(answer)[1]
        if kind == _NLMSG_ERROR:
            number = -struct.unpack_from("=i", answer, _HEADER.size)[0]
            if number == errno.ENOENT:
                return -1
            raise OSError(number, os.strerror(number))
        _, state, _, _, found, _, _, _, uid, inode = _MESSAGE.unpack_from(answer, _HEADER.size)
        # A socket that was closed has no owner; the kernel shows it as root's.
        is_held = inode != 0 and state != _LISTEN and found[:4] == wanted[:4]
        return int(uid) if is_held else -1


def _uid_of_unix(connection: socket.socket) -> int | None:
    try:
        told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError:
        return None
    return int(_CREDENTIALS.unpack(told)[1])


def _uid_in_proc(peer: _Address, own: _Address) -> int | None:
    """https://docs.kernel.org/networking/proc_net_tcp.html"""
    wanted = {"tcp6": [peer, own]}
    if ":" not in peer[0]:
        # A socket of IPv6 may speak IPv4.
        mapped = [(f"::ffff:{host}", port) for host, port in (peer, own)]
        wanted = {"tcp": [peer, own], "tcp6": mapped}
    for name, sides in wanted.items():
        line_of_it = [_hex_of(side) for side in sides]
        try:
            with open(f"/proc/net/{name}") as file:
                lines = file.read().splitlines()[1:]
        except OSError:
            return None
        for line in lines:
            fields = line.split()
            if fields[1:3] == line_of_it:
                return int(fields[7]) if fields[9] != "0" else -1
    return -1


def _hex_of(address: _Address) -> str:
    host, port = address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    words = struct.iter_unpack("=I", socket.inet_pton(family, host.partition("%")[0]))
    return f"{''.join(f'{word:08X}' for (word,) in words)}:{port:04X}"
