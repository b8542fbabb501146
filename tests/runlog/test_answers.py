from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runlog.errors import BadAnswers, BadDecision
from runlog.run.answers import bound_decision, checked_answers
from runlog.run.inbox_lines import answer_id, input_sha256

DB = {"question": "Which database?", "header": "DB", "options": [{"label": "Postgres"}]}
SIZES = {"question": "Which sizes?", "header": "Sizes", "multiSelect": True, "options": []}
WHY = {"question": "Why?", "header": "Sizes"}


def asked(*questions: Any) -> dict[str, Any]:
    return {"type": "questions_presented", "question_id": "q", "questions": list(questions)}


@pytest.mark.parametrize(
    ("questions", "answers", "taken"),
    [
        ([DB], {"Which database?": "Postgres"}, {"Which database?": "Postgres"}),
        ([DB], {"DB": "my own"}, {"Which database?": "my own"}),
        ([SIZES], {"Sizes": ["S", "M"]}, {"Which sizes?": ["S", "M"]}),
        ([SIZES], {"Which sizes?": "S"}, {"Which sizes?": "S"}),
        ([SIZES, DB], {"DB": "x", "Sizes": ["S"]}, {"Which sizes?": ["S"], "Which database?": "x"}),
        ([WHY, SIZES], {"Why?": "so", "Which sizes?": "S"}, {"Why?": "so", "Which sizes?": "S"}),
        # A text goes before a header.
        (
            [DB, {"question": "DB", "header": "x"}],
            {"DB": "a", "Which database?": "b"},
            {"Which database?": "b", "DB": "a"},
        ),
        # Where nobody can know what was asked, anything goes.
        ([], {"whatever": 1}, {"whatever": 1}),
        ([{"header": "no text"}], {"whatever": 1}, {"whatever": 1}),
        (["a text"], {"whatever": 1}, {"whatever": 1}),
    ],
)
def test_what_is_taken(questions: list[Any], answers: Any, taken: Any) -> None:
    found = checked_answers(asked(*questions), answers)
    assert found == taken and list(found) == list(taken)


@pytest.mark.parametrize(
    ("questions", "answers", "named"),
    [
        ([DB], {}, ["Which database?"]),
        ([DB], {"db": "Postgres"}, ["db", "Which database?"]),
        ([DB], {"DB": "a", "other": "b"}, ["other"]),
        ([DB], {"DB": "a", "Which database?": "b"}, ["Which database?"]),
        ([DB, SIZES], {"DB": "a"}, ["Which sizes?"]),
        ([WHY, SIZES], {"Sizes": "S"}, ["Sizes", "Why?", "Which sizes?"]),
        ([DB], {"DB": ["Postgres"]}, ["DB"]),
        *(([DB], {"DB": bad}, ["DB"]) for bad in (None, 1, True, "", " \n", {}, {"a": "b"})),
        *(([SIZES], {"Sizes": bad}, ["Sizes"]) for bad in (None, 1, "", [], [1], ["S", " "], {})),
    ],
)
def test_what_is_refused_is_named(questions: list[Any], answers: Any, named: list[str]) -> None:
    with pytest.raises(BadAnswers) as refused:
        checked_answers(asked(*questions), answers)
    assert list(refused.value.faults) == named
    assert all(fault in str(refused.value) for fault in refused.value.faults.values())


@given(
    st.dictionaries(st.text(), st.none() | st.text() | st.lists(st.text()) | st.integers()),
    st.lists(st.sampled_from([DB, SIZES, WHY, {"question": "", "header": ""}]), min_size=1),
)
def test_each_question_is_answered_or_the_fault_is_told(answers: Any, questions: Any) -> None:
    try:
        taken = checked_answers(asked(*questions), answers)
    except BadAnswers as refused:
        assert refused.faults
    else:
        assert set(taken) == {question["question"] for question in questions}


INPUT = {"command": "rm x", "timeout": 5, "more": None, "a/b": []}
ASKED = {"tool_name": "Bash", "input": INPUT, "suggestions": [{"type": "setMode"}]}
BOUND = input_sha256("Bash", INPUT)


@pytest.mark.parametrize(
    "decision",
    [
        {"decision": "allow"},
        {"decision": "deny", "message": "no", "input_sha256": BOUND},
        {"decision": "allow", "input_sha256": None, "updated_permissions": [{"type": "setMode"}]},
        {"decision": "allow", "updated_input": {"command": "ls"}},
        {"decision": "allow", "updated_input": INPUT | {"timeout": 1.5, "more": 7, "cwd": "/"}},
    ],
)
def test_a_decision_is_bound_to_what_was_asked(decision: Any) -> None:
    assert bound_decision(ASKED, decision) == decision | {"input_sha256": BOUND}


@pytest.mark.parametrize(
    ("decision", "fields"),
    [
        ({"input_sha256": BOUND[:-1]}, ["input_sha256"]),
        ({"input_sha256": BOUND.upper()}, ["input_sha256"]),
        ({"decision": "deny", "input_sha256": ""}, ["input_sha256"]),
        ({"updated_permissions": [{"type": "setMode"}, {}]}, ["updated_permissions/1"]),
        ({"decision": "deny", "updated_input": INPUT}, ["updated_input"]),
        ({"updated_input": {}}, ["updated_input"]),
        ({"updated_input": {"cmd": "ls"}}, ["updated_input"]),
        ({"updated_input": {"command": ["ls"]}}, ["updated_input/command"]),
        ({"updated_input": {"timeout": True}}, ["updated_input/timeout"]),
        ({"updated_input": {"a/b": "x"}}, ["updated_input/a~1b"]),
    ],
)
def test_a_decision_that_does_not_fit_is_told_where(decision: Any, fields: list[str]) -> None:
    with pytest.raises(BadDecision) as refused:
        bound_decision(ASKED, {"decision": "allow"} | decision)
    assert list(refused.value.faults) == fields


def test_an_answer_that_was_dropped_keeps_no_later_one_out() -> None:
    first = answer_id("answer", "q-1")
    assert first == answer_id("answer", "q-1", {first: "queued"})
    second = answer_id("answer", "q-1", {first: "dropped"})
    third = answer_id("answer", "q-1", {first: "dropped", second: "dropped"})
    assert len({first, second, third}) == 3
