"""Any command as a workflow: its JSON lines become events, everything else it prints becomes `log` events."""

import asyncio
import shutil
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from runlog import InboxLine, decode, encode, is_reserved, now_iso, stamp
from runlog.disk.records import MAX_LINE_BYTES, head_of

from ..attempt.run import Run
from ..attempt.workflow import EnvName, Plain, RunFailed
from ..keeper.command import guarded
from .claude.environment import claude_environment

__all__ = ["Command", "CommandParams"]

_READ_BYTES = 64 * 1024
# Appended at once. A block of short lines grows to eighty times its size as events.
_BATCH_BYTES = 16 * 1024
# One string of the environment may have 128 KiB on Linux; a longer prompt is in run.json.
_PROMPT_BYTES = 100 * 1024
# How long a guard that was killed is waited for the output of what it left behind.
_PIPE_LEFT_OPEN_S = 1.0


class CommandParams(BaseModel):
    """What to start, and how it hears of messages."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"argv": ["date"]}]})

    argv: list[Plain] = Field(
        min_length=1, description="Program and arguments; no shell is involved"
    )
    env: dict[EnvName, Plain] = Field(
        default={},
        description="Set in its environment, beside the usual",
        json_schema_extra={"additionalProperties": False},
    )
    cwd: Plain | None = Field(
        default=None, description="Working directory; by default the run's files/, relative to it"
    )
    input: Literal["file", "stdin"] = Field(
        default="file",
        description="`file`: the command reads the inbox file itself ($TAILCAST_INBOX). "
        "`stdin`: each inbox line is written to its standard input",
    )


class Command:
    """Run any command. Its JSON lines with a `type` are relayed as they are, other output as `log` events."""

    Params: ClassVar[type[BaseModel]] = CommandParams
    prompt: ClassVar[Literal["required", "optional", "none"]] = "optional"
    interactive: ClassVar[bool] = False
    resumable: ClassVar[bool] = False

    async def run(self, run: Run) -> dict[str, int]:
        params: CommandParams = run.params
        cwd = run.files / (params.cwd or "")
        if not cwd.is_dir():
            raise RunFailed("bad_params", f"params.cwd: {cwd} is no directory")
        with claude_environment(run.workspace) as environment:
            environment |= _told(run) | params.env
            if (
                shutil.which(params.argv[0], path=environment.get("PATH")) is None
                and not (cwd / params.argv[0]).is_file()
            ):
                raise RunFailed(
                    "cannot_start", f"{params.argv[0]!r} is not on the PATH, nor a file in {cwd}"
                )
            return await _run(run, params, cwd, environment)


async def _run(
    run: Run, params: CommandParams, cwd: Path, environment: dict[str, str]
) -> dict[str, int]:
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *guarded(params.argv, run.grace_s),
            stdin=pipe if params.input == "stdin" else null,
            stdout=pipe,
            cwd=cwd,
            env=environment,
        )
    except OSError as error:  # too long a command line, no memory, no more processes
        raise RunFailed("cannot_start", f"the command can't be started: {error}") from error
    feeding = asyncio.create_task(_feed(run, process.stdin))
    try:
        code = await _relay_all(run, process)
    finally:
        feeding.cancel()
        if process.returncode is None:
            process.terminate()  # the guard ends the tree, and itself within grace_s
            await asyncio.shield(asyncio.gather(_pour_away(process.stdout), process.wait()))
    if code < 0:  # it ends its tree before it ends; this one could not
        raise RunFailed("signal", f"the guard of the command was ended by signal {-code}")
    if code > 128:
        raise RunFailed("signal", f"the command was ended by signal {code - 128}", exit_code=code)
    if code != 0:
        raise RunFailed("exit_code", f"the command ended with exit code {code}", exit_code=code)
    return {"exit_code": 0}


async def _pour_away(stdout: asyncio.StreamReader | None) -> None:
    # A process counts as ended when its pipes are; and this one is read no more.
    while stdout is not None and await stdout.read(_READ_BYTES):
        pass


def _told(run: Run) -> dict[str, str]:
    told = {
        "TAILCAST_RUN_ID": run.run_id,
        "TAILCAST_STREAM": str(run.workspace.stream),
        "TAILCAST_INBOX": str(run.workspace.inbox),
    }
    if isinstance(run.prompt, str) and len(run.prompt.encode()) <= _PROMPT_BYTES:
        told["TAILCAST_PROMPT"] = run.prompt
    return told


async def _feed(run: Run, stdin: asyncio.StreamWriter | None) -> None:
    while True:
        line = await run.inbox.get()
        if stdin is not None:
            try:
                stdin.write(encode(line.body | {"id": line.id}))
                await stdin.drain()
            except (BrokenPipeError, ConnectionResetError):
                _refuse(run, line)
                continue
        run.inbox.receipt(line, "delivered")


def _refuse(run: Run, line: InboxLine) -> None:
    run.inbox.receipt(line, "dropped", reason="the command closed its standard input")


async def _relay_all(run: Run, process: asyncio.subprocess.Process) -> int:
    """Relay the output to its end, and return the exit code.

    Waits for the end of the output, except where the guard was killed: a process that outlived it may hold the pipe
    open for ever.
    """
    assert process.stdout is not None
    relaying = asyncio.create_task(_relay(run, process.stdout))
    try:
        while not relaying.done():
            code = process.returncode
            await asyncio.wait({relaying}, timeout=_PIPE_LEFT_OPEN_S)
            if code is not None and code < 0 and not relaying.done():
                return code
        await relaying
        return await process.wait()
    finally:
        relaying.cancel()


async def _relay(run: Run, stdout: asyncio.StreamReader) -> None:
    lines = _LineBuffer()
    while block := await stdout.read(_READ_BYTES):
        batch = bytearray()
        for line in lines.feed(block):
            batch += _as_event(run, line) if line.strip() else b""
            if len(batch) > _BATCH_BYTES:
                run.append(bytes(batch))
                batch.clear()
                await asyncio.sleep(0)  # for a stop, or a limit that this has passed
        if batch:
            run.append(bytes(batch))
    if (last := lines.rest()).strip():
        run.append(_as_event(run, last))


class _LineBuffer:
    """Cuts blocks into lines at LF; a line over `MAX_LINE_BYTES` comes in pieces of that size."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, block: bytes) -> list[bytes]:
        *whole, rest = block.split(b"\n")
        if whole:
            whole[0] = b"".join([*self._parts, whole[0]])
            self._parts, self._size = [], 0
        if rest:
            self._parts.append(rest)
            self._size += len(rest)
        if self._size > MAX_LINE_BYTES:
            whole.append(self.rest())
        return whole

    def rest(self) -> bytes:
        line = b"".join(self._parts)
        self._parts, self._size = [], 0
        return line


def _as_event(run: Run, line: bytes) -> bytes:
    """The line of the stream for a line that the command printed (without its LF)."""
    if len(line) > MAX_LINE_BYTES // 2:  # wrapping may double it
        note = f"a line of {len(line)} bytes was cut: {head_of(line)}"
        return _log(run, "warning", note, {"source": "stdout"})
    event = decode(line) if line.lstrip()[:1] == b"{" else None
    event_type = event.get("type") if event else None
    if event is None or not isinstance(event_type, str) or not event_type:
        return _log(run, "info", line.rstrip(b"\r").decode(errors="replace"), {"source": "stdout"})
    if is_reserved(event_type):
        note = f"the command printed a {event_type!r} line, which only the run process may write"
        return _log(run, "warning", note, {"source": "stdout", "line": event})
    return stamp(line.strip() + b"\n", now_iso())


def _log(run: Run, level: str, message: str, data: dict[str, object]) -> bytes:
    return encode(
        {
            "type": "log",
            "timestamp": now_iso(),
            "run_id": run.run_id,
            "level": level,
            "message": message,
            "data": data,
        }
    )
