"""docs/FRONTEND_INTEGRATION.md: what it says of proxies, with a real nginx."""

import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect
from websockets.typing import Origin

from runlog import Workspace
from tests.docs.conftest import Place, listening
from tests.docs.pages import PAGE, play
from tests.docs.samples import sample
from tests.support import DEADLINE_S, free_port, spawned, wait_until


@pytest.mark.parametrize(
    ("host", "status"), [("localhost:5173", 409), ("127.0.0.1:8700", 403)], ids=["kept", "changed"]
)
def test_the_proxy_must_keep_the_host(
    place: Place, recorded: Workspace, host: str, status: int
) -> None:
    """409 is the answer of a finished run: the door let the call in."""
    headers = {"Host": host, "Origin": "http://localhost:5173"}
    url = f"/workflows/{recorded.run_id}/messages"
    answer = place.client.post(url, json={"message": "hi"}, headers=headers)
    assert answer.status_code == status


def test_vite_settings(modules: Path) -> None:
    told = play(
        modules, 'import settings from "./vite.config.mjs";\ndone(settings.server.proxy);', host=""
    )
    assert told == {"/api/v1": {"target": "http://127.0.0.1:8700", "changeOrigin": False}}


@contextmanager
def nginx(config: str, folder: Path) -> Iterator[None]:
    path = folder / "nginx.conf"
    path.write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log;\n"
        "events {}\n"
        f"http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;\n"
        f"fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n{config}}}\n"
    )
    with spawned(
        "nginx", "-c", str(path), "-e", f"{folder}/error.log", "-p", str(folder)
    ) as process:
        yield
        process.terminate()
        process.wait(timeout=DEADLINE_S)


def test_nginx_settings(place: Place, recorded: Workspace, tmp_path: Path) -> None:
    """As on the page, but for the port, the certificate and the relay's address."""
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    port = free_port()
    config = sample(PAGE, "nginx").code
    kept = [line for line in config.splitlines() if "ssl_" not in line and "http2" not in line]
    config = "\n".join(kept).replace("listen 443 ssl", f"listen 127.0.0.1:{port}")
    arguments = ("relay", "--allow-host", "app.example.com", "--trust-proxy", "127.0.0.1")
    with listening(*arguments, root=place.root, environment=place.environment) as (url, _):
        config = config.replace("http://127.0.0.1:8700", url)
        with nginx(config, tmp_path):
            client = httpx.Client(
                base_url=f"http://127.0.0.1:{port}/api/v1",
                headers={"Host": "app.example.com"},
                timeout=DEADLINE_S,
                trust_env=False,
            )
            wait_until(lambda: _answers(client), "nginx")
            stream = client.get(f"/workflows/{recorded.run_id}/stream")
            data = [line[6:] for line in stream.text.split("\n") if line.startswith("data: {")]
            assert "\n".join(data[:-1]) + "\n" == recorded.stream.read_text()
            headers = {"Origin": "http://app.example.com"}
            body = {"workflow": "command", "params": {"argv": ["cat"], "input": "stdin"}}
            run_id = client.post("/workflows", json=body, headers=headers).json()["run_id"]
            # Not buffered: a line of a living run comes through while the stream is open.
            with client.stream("GET", f"/workflows/{run_id}/stream") as live:
                lines = live.iter_lines()
                assert any("workflow_started" in line for line in lines)
                client.post(f"/workflows/{run_id}/stop", headers=headers).raise_for_status()
                assert any("workflow_stopped" in line for line in lines)
            with connect(
                f"ws://app.example.com/api/v1/workflows/{run_id}/ws",
                sock=socket.create_connection(("127.0.0.1", port)),
                origin=Origin("http://app.example.com"),
                proxy=None,
                open_timeout=DEADLINE_S,
            ) as followed:
                assert "workflow_started" in str(followed.recv(DEADLINE_S))
            client.close()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/workflows").status_code == 200
    except httpx.HTTPError:
        return False
