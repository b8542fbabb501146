"""`answer`, `approve`, `deny`: a real agent asks, a person answers at the terminal."""

from pathlib import Path
from typing import Any

import pytest

from runlog import Workspace, encode, read_inbox, read_state
from runlog.run.inbox_lines import input_sha256
from tests.support import bash, events, script, wait_for, wait_for_end, wait_until
from tests.tailcast.conftest import Cli, external, started

COLOUR = {
    "question": "Which colour?",
    "header": "Colour",
    "options": [{"label": "Red", "description": "r"}, {"label": "Blue", "description": "b"}],
    "multiSelect": False,
}
SIZES = {
    "question": "Which sizes?",
    "header": "Sizes",
    "options": [{"label": "S", "description": "s"}, {"label": "M", "description": "m"}],
    "multiSelect": True,
}


def asking(root: Path, *questions: dict[str, Any], question_id: str = "q-1") -> Workspace:
    """A run of others that asks; what is answered is read from its inbox."""
    return external(
        root,
        {"type": "questions_presented", "question_id": question_id, "questions": list(questions)},
    )


def answers(run: Workspace) -> list[Any]:
    return [line.body["answers"] for line in read_inbox(run.inbox) if hasattr(line, "body")]


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["Blue"], "Blue"),
        (["blue"], "Blue"),
        (["2"], "Blue"),
        (["3"], "3"),
        (["neither, thanks"], "neither, thanks"),
        (["a=b"], "a=b"),
        (["Colour=blue"], "Blue"),
        (["1=1"], "Red"),
        (["q-1", "Red"], "Red"),
        (["--json-answers", '{"Which colour?": "x"}'], "x"),
        (["--json-answers", '{"Colour": "x"}'], "x"),
    ],
)
def test_one_question(cli: Cli, words: list[str], answer: str) -> None:
    run = asking(cli.root, COLOUR)
    assert cli("answer", "last", *words).stdout == f"Which colour?: {answer}\n"
    assert answers(run) == [{"Which colour?": answer}]


def test_several_questions(cli: Cli) -> None:
    run = asking(cli.root, COLOUR, SIZES)
    assert "names no question" in cli("answer", "last", "Blue", code=2).stderr
    assert "question 2 of 2" in cli("answer", "last", "1=Blue", code=2).stderr
    assert "one answer" in cli("answer", "last", "1=Blue", "1=Red", "2=S", code=2).stderr
    assert answers(run) == []
    cli("answer", "last", "Sizes=1", "1=Blue", "Which sizes?=M")
    assert answers(run) == [{"Which colour?": "Blue", "Which sizes?": ["S", "M"]}]


def test_what_can_not_be_answered(cli: Cli) -> None:
    run = asking(cli.root, COLOUR)
    assert "no answer" in cli("answer", "last", code=2).stderr
    assert (
        "no open question 'q-0123456789ab'"
        in cli("answer", "last", "q-0123456789ab", "x", code=2).stderr
    )
    assert "not JSON" in cli("answer", "last", "--json-answers", "{", code=2).stderr
    assert "no JSON object" in cli("answer", "last", "--json-answers", "[]", code=2).stderr
    for bad in ("{}", '{"colour": "x"}', '{"Colour": ["Red"]}', '{"Colour": ""}'):
        assert "Which colour?" in cli("answer", "last", "--json-answers", bad, code=2).stderr
    assert "Which colour?" in cli("answer", "last", " ", code=2).stderr
    assert answers(run) == []
    assert "is a question, no permission" in cli("approve", "last", "q-1", code=2).stderr
    assert "no open permission" in cli("approve", "last", code=2).stderr
    assert "no open permission" in cli("deny", "last", "p-1", code=2).stderr
    asking(cli.root, COLOUR, question_id="q-2")
    assert "say which" in cli("answer", "last", "Blue", code=2).stderr
    cli("answer", "last", "q-2", "Blue")
    assert "has been answered" in cli("answer", "last", "q-2", "Red", code=2).stderr
    assert answers(run) == [{"Which colour?": "Blue"}]


def test_a_question_of_claude(cli: Cli) -> None:
    tool = {"name": "AskUserQuestion", "input": {"questions": [COLOUR]}}
    prompt = script({"text": "I ask.", "tools": [tool]}, {"text": "Thank you."})
    run = started(cli.root, prompt=prompt, params={"ask_permissions": True}, run_id="asks")
    wait_for(run, "questions_presented")
    told = cli("show", "asks").stdout
    assert "Which colour?" in told and "answer asks q-" in told
    assert cli("ls").stdout.count("waiting?") == 1
    cli("answer", "asks", "2")
    assert wait_for(run, "responses_collected")["answers"] == {"Which colour?": "Blue"}
    assert wait_for_end(run)["result"] == "Thank you."


def test_permissions_of_claude(cli: Cli) -> None:
    steps = [{"text": "May I?", "tools": [bash(f"touch file-{n}")]} for n in range(3)]
    prompt = script(*steps, {"text": "Done."})
    run = started(cli.root, prompt=prompt, params={"ask_permissions": True}, run_id="asks")
    changed = encode({"command": "touch changed", "description": "changed"}).decode()
    said = (
        ["approve", "asks"],
        ["deny", "asks", "-m", "not now"],
        ["approve", "asks", "--input", changed],
    )
    for number, words in enumerate(said):
        wait_until(lambda n=number: len(events(run, "permission_requested")) > n, "the request")
        request_id = next(iter(read_state(run).open_permissions))
        decision = "deny" if words[0] == "deny" else "allow"
        assert cli.json(*words) == [{"request_id": request_id, "decision": decision}]
        wait_for(run, "permission_resolved", request_id=request_id)
    assert wait_for_end(run)["type"] == "workflow_completed"
    assert sorted(path.name for path in run.files.iterdir()) == ["changed", "file-0"]
    shown = cli("tail", "asks").stdout
    assert "may it use Bash?" in shown and "touch file-1" in shown
    assert "→ denied · not now" in shown


def test_a_decision_that_does_not_fit_is_refused(cli: Cli) -> None:
    shown = {"tool_name": "Bash", "input": {"command": "rm x"}}
    run = external(cli.root, {"type": "permission_requested", "request_id": "p-1", **shown})
    wrong = (
        (("approve", "--input-sha256", "0" * 64), "another call"),
        (("deny", "--input-sha256", "0" * 64), "another call"),
        (("approve", "--input", "{}"), "none of the call's fields"),
        (("approve", "--input", '{"command": 7}'), "another type"),
        (("answer", "p-1", "--json-answers", "{}"), "is a permission request, no question"),
    )
    for (command, *words), told in wrong:
        said = ["p-1", *words] if words[0] != "p-1" else words
        assert told in cli(command, "last", *said, code=2).stderr
    assert list(read_inbox(run.inbox)) == []
    cli("approve", "last", "--input-sha256", input_sha256("Bash", shown["input"]))
    assert len(list(read_inbox(run.inbox))) == 1
