from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runlog.errors import BadAnswers
from runlog.run.answers import checked_answers

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
