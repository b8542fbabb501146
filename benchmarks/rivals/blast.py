"""No server at all: prepared frames of 1 KB, sent as fast as sockets take them. Shows what the load client can take.

`GET /{writes}/{frames}`: so many writes of so many frames.
"""

import resource
import select
import socket
import sys

from ..lines import LAST

__all__: list[str] = []

_FRAME = b"id: 123456789\ndata: " + b'{"type":"log","mark":"~"}'.ljust(999) + b"%b\n\n"
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


class _Connection:
    def __init__(self, sock: socket.socket, request: bytes) -> None:
        _, writes, frames = request.split(b" ")[1].split(b"/")
        self.sock = sock
        self.writes = int(writes)
        plain = _FRAME % b" " * int(frames)
        self.body = memoryview(plain)
        self.last = memoryview(plain[: -len(LAST) - 2] + LAST + b"\n\n")
        self.unsent: memoryview = memoryview(_HEAD)

    def write(self) -> bool:
        """One write; False once all is sent."""
        self.unsent = self.unsent[self.sock.send(self.unsent) :]
        if not self.unsent:
            if not self.writes:
                return False
            self.writes -= 1
            self.unsent = self.body if self.writes else self.last
        return True


def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    connections: dict[int, _Connection] = {}
    accepted: dict[int, socket.socket] = {}
    sys.stdout.write(f"listening on http://127.0.0.1:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    while True:
        for fd, _ in poll.poll():
            if fd == listener.fileno():
                sock, _ = listener.accept()
                sock.setblocking(False)
                accepted[sock.fileno()] = sock
                poll.register(sock, select.EPOLLIN)
            elif fd in accepted:
                sock = accepted.pop(fd)
                connections[fd] = _Connection(sock, sock.recv(65536))
                poll.modify(fd, select.EPOLLOUT)
            else:
                try:
                    if connections[fd].write():
                        continue
                except BlockingIOError:
                    continue
                except OSError:
                    pass  # the client has gone
                poll.unregister(fd)
                connections.pop(fd).sock.close()


if __name__ == "__main__":
    main()
