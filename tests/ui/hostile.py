"""An agent that tries what it can against whoever looks at it. Run as a command: it writes events and files."""

import json
from typing import Any

EVIL = "<script>window.wasRun=1</script><img src=x onerror=window.wasRun=1>"
MARKDOWN = f"""# Report {EVIL}

[click](javascript:window.wasRun=1) [data](data:text/html,<script>) [other](vbscript:x)
![spy](http://evil.example/spy.png) <iframe src='http://evil.example'></iframe>

[fine](https://good.example/a) <http://auto.example/> <b onclick='window.wasRun=1'>bold</b>

```html
{EVIL}
```
"""
ANSI = (
    "\x1b[31mred\x1b[0m \x1b]8;;javascript:window.wasRun=1\x07a link\x1b]8;;\x07 \x1b[2J\x1b[999C"
)
BIDI = "\u202egnp.exe\u2066 invoice"
LONG = "long " + "x" * 1_000_000
SVG = (
    "<svg xmlns='http://www.w3.org/2000/svg' onload='window.wasRun=1'>"
    "<script>window.wasRun=1</script><circle r='9'/></svg>"
)
LAST_WORD = "the last word"


def say(event_type: str, **fields: Any) -> None:
    print(json.dumps({"type": event_type} | fields), flush=True)  # noqa: T201 (what a command is for)


def shout(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def main() -> None:
    call = {"command": EVIL, "__proto__": {"polluted": 1}, "constructor": {"polluted": 1}}
    content = [
        {"type": "thinking", "thinking": EVIL},
        {"type": "text", "text": MARKDOWN},
        {"type": "tool_use", "id": "toolu_1", "name": EVIL, "input": call},
        {"type": "tool_use", "id": "toolu_2", "name": "Bash", "input": {"command": ANSI}},
        {"type": EVIL},
        7,
    ]
    say("assistant", message={"id": "msg_1", "role": "assistant", "content": content})
    for tool_id, result in (("toolu_1", EVIL), ("toolu_2", ANSI + LONG)):
        block = {"type": "tool_result", "tool_use_id": tool_id, "content": result}
        say("user", message={"role": "user", "content": [block]})
    say("assistant", message={"content": "no list"})
    say("assistant", message=None)
    say("node_started", node=EVIL, message=EVIL)
    say("node_started", node="__proto__", message=["no", "text"])
    say(
        "reason_card",
        agent=EVIL,
        node=EVIL,
        reasoning=MARKDOWN,
        decision=EVIL,
        confidence="high",
        priority=EVIL,
        inputs={EVIL: EVIL, "__proto__": {"polluted": 1}},
        outputs=[EVIL],
        alternatives_considered=EVIL,
        references=["javascript:window.wasRun=1", 7, None],
    )
    say("task_started", task_id=EVIL, task_name=BIDI)
    say("task_progress", task_id="__proto__", progress={}, message=None)
    say("progress_update", progress="NaN", message=EVIL + BIDI, status=EVIL)
    say("iteration_started", iteration=-1, iterations=1e308, progress=[])
    say("constructor", message=EVIL)
    say("toString", timestamp="no time", offset=EVIL)
    say("progress_update", progress=55, message=f"still here {BIDI}")
    for text in (ANSI, BIDI, LONG, "bell \x07\x00\u200b" * 10, "\ufffd\ud83d\ude00", MARKDOWN):
        shout(text.encode(errors="replace").decode())
    files = {
        f"{EVIL.replace('/', '_')}.md": MARKDOWN,
        "page.html": f"<h1>page of an agent</h1>{EVIL}",
        "picture.svg": SVG,
        "lines.jsonl": json.dumps({"__proto__": EVIL}) + "\n{broken\n",
    }
    for name, text in files.items():
        with open(name, "w") as file:
            file.write(text)
    shout(LAST_WORD)


if __name__ == "__main__":
    main()
