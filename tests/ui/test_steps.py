"""The Steps tab: what real runs of `design` and `research` tell of themselves, and the question in its place."""

import json
import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.support import events, script, wait_for, wait_for_end
from tests.ui.support import BROWSER, Site, overflow_px, screenshot, serious_faults

pytestmark = BROWSER

SAID = {
    "text": "## What it needs\n\n1. a list\n2. <script>alert(1)</script>",
    "reasoning": "A list of **ten** things needs no server.",
    "decision": "Keep the list in one file",
    "confidence": 0.75,
    "category": "storage",
    "priority": "high",
    "alternatives_considered": ["a database", "a spreadsheet"],
    "references": ["https://example.org/files", "javascript:alert(1)"],
    "questions": [
        {
            "question": "How many people share the list?",
            "header": "People",
            "options": [{"label": "One"}, {"label": "Several", "description": "a team"}],
            "default": "One",
        }
    ],
}
BRIEF = script({"text": f"```json\n{json.dumps(SAID)}\n```"})


def step(page: Page, kind: str, name: str) -> Locator:
    heading = page.locator(".step-name", has_text=re.compile(f"^{kind} {name}"))
    return page.locator(f".step-{kind}").filter(has=heading)


def head(found: Locator) -> Locator:
    return found.locator("> [data-step-toggle]")


def count(page: Page, kind: str) -> Locator:
    return page.locator(f'[data-count="{kind}"]')


def task(key: str, *steps: dict[str, Any], after: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "id": key,
        "name": f"Task {key}",
        "prompt": script(*steps),
        "depends_on": list(after),
    }


def test_a_question_is_answered_between_the_steps(site: Site, page: Page) -> None:
    run = site.run("design", prompt=BRIEF, params={"question_timeout_s": 600})
    page.goto(f"/runs/{run.run_id}/steps")
    question = page.locator('[data-ask="after-critique"]')
    expect(question).to_contain_text("How many people share the list?")
    expect(page.locator('.step-pause[data-state="running"]')).to_contain_text(
        "Paused for an answer"
    )
    # What is finished is folded.
    critique = step(page, "node", "critique")
    expect(head(critique)).to_have_attribute("aria-expanded", "false")
    expect(count(page, "node")).to_contain_text("2 nodes done")
    expect(page.get_by_role("progressbar", name="Progress of the run")).to_have_attribute(
        "aria-valuenow", "25"
    )
    screenshot(page, "steps-question")
    assert serious_faults(page) == []

    question.get_by_role("radio", name="Several").check()
    question.get_by_role("button", name="Answer").click()
    expect(question).to_contain_text("Answered by a person")
    expect(question).to_contain_text("Several")
    wait_for_end(run)
    collected = events(run, "responses_collected")[0]
    assert (collected["source"], list(collected["answers"].values())) == ("human", ["Several"])
    expect(count(page, "node")).to_contain_text("4 of 4 nodes")
    expect(page.locator(".step-pause")).to_contain_text("Was paused for an answer")

    head(critique).click()
    card = critique.locator(".reason")
    expect(card).to_contain_text("critic")
    expect(card).to_contain_text("Keep the list in one file")
    expect(card).to_contain_text("75 %")
    expect(card).to_contain_text("high priority")
    expect(card).to_contain_text("storage")
    expect(card).to_contain_text("a spreadsheet")
    expect(card.locator("strong", has_text="ten")).to_be_visible()
    expect(card.get_by_role("link")).to_have_count(1)
    expect(card.get_by_role("link")).to_have_attribute("rel", "noopener noreferrer nofollow")
    card.get_by_text("Outputs", exact=True).click()
    expect(card.get_by_text("<script>alert(1)</script>", exact=True)).to_be_visible()
    card.get_by_text("Inputs", exact=True).click()
    expect(card).to_contain_text('"brief"')
    assert serious_faults(page) == []
    card.scroll_into_view_if_needed()
    screenshot(page, "steps-reason")


def test_nobody_answers_in_time(site: Site, page: Page) -> None:
    run = site.run("design", prompt=BRIEF, params={"question_timeout_s": 3})
    page.goto(f"/runs/{run.run_id}/steps")
    question = page.locator('[data-ask="after-critique"]')
    expect(question).to_contain_text("the defaults count")
    expect(question).to_contain_text("One")
    wait_for_end(run)
    assert events(run, "responses_collected")[0]["source"] == "default"
    expect(count(page, "node")).to_contain_text("4 of 4 nodes")


def test_tasks_of_a_research(site: Site, page: Page) -> None:
    tasks = [
        task("now", {"text": "Two **tides** a day."}),
        task("who", {"status": 400, "error": "no such source"}),
        task("why", {"text": "The moon."}, after=("now",)),
    ]
    params = {"tasks": tasks, "on_task_failure": "skip", "task_retries": 0}
    run = site.run("research", prompt=script({"text": "The report."}), params=params)
    page.goto(f"/runs/{run.run_id}/steps")
    end = wait_for_end(run)
    assert end["type"] == "workflow_completed", end
    expect(count(page, "task")).to_contain_text("3 of 3 tasks")
    expect(count(page, "task")).to_contain_text("1 failed")
    expect(count(page, "iteration")).to_contain_text("2 of 2 iterations")

    page.get_by_role("button", name="Unfold all").click()
    first, second = step(page, "iteration", "1 of 2"), step(page, "iteration", "2 of 2")
    expect(first.locator(".step-task")).to_have_count(2)
    expect(second.locator(".step-task")).to_have_count(1)
    failed = step(page, "task", "Task who")
    expect(failed).to_have_attribute("data-state", "failed")
    expect(failed).to_contain_text("no such source")
    expect(failed).to_contain_text("skipped")
    expect(step(page, "task", "Task now").locator("strong", has_text="tides")).to_be_visible()
    assert serious_faults(page) == []
    screenshot(page, "steps-research")
    page.get_by_role("button", name="Fold all", exact=True).click()
    expect(page.locator(".step-task")).to_have_count(0)


def test_retries_are_told(site: Site, page: Page) -> None:
    """What a workflow of another kind may write: two tries of a task that failed, the third did it."""
    told = [
        {"type": "task_started", "task_id": "a", "task_name": "Build"},
        {"type": "task_progress", "task_id": "a", "task_name": "Build", "message": "try 1 of 3 failed: no disk",
         "data": {"attempt": 1, "reason": "disk"}},
        {"type": "task_progress", "task_id": "a", "task_name": "Build", "message": "try 2 of 3 failed: no luck",
         "data": {"attempt": 2, "reason": "luck"}},
        {"type": "task_completed", "task_id": "a", "task_name": "Build", "data": {"files": 12}},
    ]  # fmt: skip
    run = site.command(f"import json\nfor e in {told!r}: print(json.dumps(e))")
    wait_for_end(run)
    page.goto(f"/runs/{run.run_id}/steps")
    build = step(page, "task", "Build")
    expect(head(build)).to_contain_text("2 retries")
    head(build).click()
    expect(build).to_contain_text("try 2 of 3 failed: no luck")
    expect(build).to_contain_text("12")


def test_keys(site: Site, page: Page) -> None:
    told = [
        {"type": f"node_{what}", "node": name} for name in "ab" for what in ("started", "completed")
    ]
    run = site.command(f"import json\nfor e in {told!r}: print(json.dumps(e))")
    wait_for_end(run)
    page.goto(f"/runs/{run.run_id}/steps")
    expect(page.locator(".step-node")).to_have_count(2)
    page.keyboard.press("j")
    expect(head(step(page, "node", "a"))).to_be_focused()
    page.keyboard.press("j")
    expect(head(step(page, "node", "b"))).to_be_focused()
    page.keyboard.press("Enter")
    expect(head(step(page, "node", "b"))).to_have_attribute("aria-expanded", "true")


def test_a_run_without_steps_says_so(site: Site, page: Page) -> None:
    run = site.command("print('nothing')")
    wait_for_end(run)
    page.goto(f"/runs/{run.run_id}/steps")
    expect(page.get_by_text("No steps")).to_be_visible()


def test_on_a_phone_in_the_dark(site: Site, new_page: Callable[..., Page]) -> None:
    page = new_page(viewport={"width": 375, "height": 812}, color_scheme="dark", has_touch=True)
    run = site.run("design", prompt=BRIEF, params={"question_timeout_s": 600})
    page.goto(f"/runs/{run.run_id}/steps")
    wait_for(run, "questions_presented")
    question = page.locator('[data-ask="after-critique"]')
    expect(question).to_contain_text("How many people share the list?")
    head(step(page, "node", "critique")).tap()
    expect(page.locator(".reason").last).to_be_visible()
    assert overflow_px(page) == 0
    assert serious_faults(page) == []
    screenshot(page, "steps-phone-dark")
    question.get_by_role("button", name="Answer").tap()
    expect(question).to_contain_text("Answered by a person")
    wait_for_end(run)
