"""The chat as one HTML page, which needs nothing else: no script, no picture or style of elsewhere.

Agents wrote what stands in it, so none of it is markup: texts are rendered by a Markdown parser that knows no HTML,
pictures are links, and the page itself forbids whatever would load or run (CSP), wherever it is opened.
"""

import json
from collections.abc import Callable, Iterator
from html import escape
from typing import Any

from ..disk.layout import Workspace
from ..run.history import ChatMessage, ToolCall
from .chat import heading_of, messages_of, shown_time, speaker

__all__ = ["html_of"]

# Beyond, a text is shown as it was written: the time that a parser takes is not bounded by anyone else.
_MARKDOWN_CHARS = 16 * 1024
_ALL_MARKDOWN_CHARS = 4 * 1024 * 1024
_STYLE = """
:root { color-scheme: light dark; --fg: #1f2328; --bg: #fff; --soft: #f4f5f7; --line: #d8dbe0; --dim: #656d76;
  --you: #eef4ff; --bad: #b42318 }
@media (prefers-color-scheme: dark) { :root { --fg: #e3e5e8; --bg: #16181c; --soft: #202329; --line: #363b43;
  --dim: #9aa2ad; --you: #1c2638; --bad: #ff8a7a } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 2rem 1rem 4rem; max-width: 56rem; font: 16px/1.55 system-ui, sans-serif;
  color: var(--fg); background: var(--bg); overflow-wrap: anywhere }
h1 { font-size: 1.4rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; color: var(--dim); font-size: .9rem }
dd { margin: 0 }
article { margin: 1rem 0; padding: .7rem 1rem; border: 1px solid var(--line); border-radius: .5rem }
article.user { background: var(--you) }
article.system { color: var(--dim) }
article.error, .failed > summary { color: var(--bad) }
header { display: flex; justify-content: space-between; gap: 1rem; font-size: .85rem; color: var(--dim) }
header h2 { margin: 0; font-size: .85rem }
pre { white-space: pre-wrap; background: var(--soft); padding: .6rem .8rem; border-radius: .35rem; font-size: .85rem }
pre.text { background: none; padding: 0; font: inherit }
code { font-family: ui-monospace, monospace; font-size: .9em }
details { margin: .5rem 0 }
summary { cursor: pointer }
table { border-collapse: collapse }
th, td { border: 1px solid var(--line); padding: .2rem .6rem }
blockquote { margin: 0; padding-left: 1rem; border-left: 3px solid var(--line); color: var(--dim) }
"""
_CSP = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def html_of(workspace: Workspace) -> Iterator[str]:
    """The page in pieces. :raises OSError: the run can't be read."""
    heading = heading_of(workspace)
    rendered = _renderer()
    title = escape(heading.title)
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_CSP}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<dl>\n"
    )
    yield "".join(f"<dt>{n}</dt><dd>{escape(value)}</dd>\n" for n, value in heading.facts)
    yield "</dl>\n<main>\n"
    spoken = False
    for message in messages_of(workspace):
        spoken = True
        yield _message(message, rendered)
    if not spoken and heading.outcome:
        yield f"<h2>Result</h2>\n<pre>{escape(heading.outcome)}</pre>\n"
    yield "</main>\n</body>\n</html>\n"


def _renderer() -> Callable[[str], str]:
    from markdown_it import MarkdownIt  # where it serves

    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")

    left = _ALL_MARKDOWN_CHARS

    def rendered(text: str) -> str:
        nonlocal left
        left -= len(text)
        if left < 0 or len(text) > _MARKDOWN_CHARS:
            return f'<pre class="text">{escape(text)}</pre>'
        return str(parser.render(text))

    return rendered


def _message(message: ChatMessage, rendered: Callable[[str], str]) -> str:
    time = shown_time(message.timestamp)
    stamp = f"<time>{escape(time)}</time>" if time else ""
    header = f"<header><h2>{speaker(message)}</h2>{stamp}</header>\n"
    parts = [f'<article class="{message.role} {message.kind}">{header}']
    if message.thinking:
        parts.append(_folded("Thinking", f'<pre class="text">{escape(message.thinking)}</pre>'))
    if message.content and message.kind == "command":
        parts.append(f"<pre>{escape(message.content)}</pre>\n")
    elif message.content and message.kind == "compaction":
        parts.append(_folded("Summary", rendered(message.content)))
    elif message.content and message.role == "user":
        # As it was typed: a person's line breaks are meant.
        parts.append(f'<pre class="text">{escape(message.content)}</pre>\n')
    elif message.content:
        parts.append(rendered(message.content))
    if message.output:
        parts.append(f"<pre>{escape(message.output)}</pre>\n")
    parts += [_call(call) for call in message.tool_calls]
    return "".join([*parts, "</article>\n"])


def _call(call: ToolCall) -> str:
    about = f" <code>{escape(told)}</code>" if (told := _about(call.input)) else ""
    body = f"<pre>{escape(json.dumps(call.input, indent=2, ensure_ascii=False))}</pre>"
    if call.result is not None:
        body += f"<pre>{escape(call.result)}</pre>"
    return _folded(f"{escape(call.name)}{about}", body, failed=call.is_error)


def _about(value: Any) -> str:
    """What a call is about, in a few words."""
    if isinstance(value, dict):
        for name in ("command", "file_path", "path", "pattern", "url", "query", "description"):
            if isinstance(told := value.get(name), str) and told:
                return " ".join(told[:400].split())[:100]
    return ""


def _folded(summary: str, body: str, *, failed: bool = False) -> str:
    """:param summary: markup, as is `body`."""
    marked = ' class="failed"' if failed else ""
    return f"<details{marked}><summary>{summary}</summary>\n{body}</details>\n"
