"""nginx: with nchan as a rival, and serving a file as it is, the limit of what any server could do.

One worker, as the relay has one process. What is absent on this machine is skipped.
"""

import contextlib
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ..processes import BenchError, free_port, started
from ..server import Server

__all__ = ["absence", "nchan", "static"]

_NCHAN_MODULES = (
    "/usr/lib/nginx/modules/ngx_nchan_module.so",
    "/usr/lib64/nginx/modules/ngx_nchan_module.so",
)
_START_S = 10.0

_CONFIG = """
{load}
{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
error_log {folder}/error.log;
pid {folder}/pid;
events {{ worker_connections 16384; multi_accept on; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    default_type application/octet-stream;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 100000000;
    client_body_buffer_size 64k;
    {http}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        {locations}
    }}
}}
"""

_NCHAN_LOCATIONS = r"""
        location ~ ^/publish/(?<run>[a-z0-9-]+)$ {
            nchan_publisher;
            nchan_channel_id $run;
            nchan_message_buffer_length 1000000;
            nchan_message_timeout 10m;
        }
        location ~ ^/subscribe/(?<run>[a-z0-9-]+)$ {
            nchan_subscriber eventsource;
            nchan_channel_id $run;
            nchan_subscriber_first_message oldest;
            nchan_subscriber_timeout 0;
        }
"""


def absence(with_nchan: bool) -> str | None:
    """Why it can't be used here, or None if it can."""
    if _nginx() is None:
        return "nginx is not installed"
    if with_nchan and _nchan_module() is None:
        return "libnginx-mod-nchan is not installed"
    return None


@contextlib.contextmanager
def nchan(root: Path) -> Iterator[Server]:
    """A publish/subscribe server in C; messages are kept in its shared memory."""
    port = free_port()
    config = {
        "load": f"load_module {_nchan_module()};",
        "http": "nchan_max_reserved_memory 1024M;",
        "locations": _NCHAN_LOCATIONS,
    }
    with _serving(port, config) as pid:
        yield Server("nchan", pid, port, root, "/subscribe/{run}", "/publish/{run}")


@contextlib.contextmanager
def static(root: Path) -> Iterator[Server]:
    """The stream files as files."""
    port = free_port()
    locations = f"location / {{ root {root}; }}"
    with _serving(port, {"load": "", "http": "", "locations": locations}) as pid:
        yield Server("nginx static", pid, port, root, "/{run}/_stream.jsonl")


@contextlib.contextmanager
def _serving(port: int, config: dict[str, str]) -> Iterator[int]:
    nginx = _nginx()
    assert nginx is not None
    with tempfile.TemporaryDirectory(prefix="bench-nginx-") as folder:
        # Workers of a master that runs as root are another user, who may not read what is ours.
        user = "user root;" if os.geteuid() == 0 else ""
        text = _CONFIG.format(folder=folder, port=port, user=user, **config)
        path = Path(folder, "nginx.conf")
        path.write_text(text)
        log = Path(folder, "error.log")
        with started([nginx, "-c", str(path), "-p", folder, "-e", str(log)]) as process:
            _wait_for(port, log)
            yield process.pid


def _wait_for(port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.01)
    raise BenchError(f"nginx did not start: {log.read_text() if log.exists() else ''}")


def _nginx() -> str | None:
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def _nchan_module() -> str | None:
    return next((path for path in _NCHAN_MODULES if os.path.exists(path)), None)
