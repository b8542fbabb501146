"""The list of runs, the form that starts them, their page around the tabs, and two of them compared."""

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from runlog import Workspace, open_workspace, read_manifest
from tests.support import script, wait_for, wait_for_end, wait_until
from tests.ui.support import BROWSER, Site, Watch, overflow_px, screenshot, serious_faults

pytestmark = BROWSER

QUICK = {"count": 2, "min_sleep_s": 0.05, "max_sleep_s": 0.05}
# Runs until it is stopped, and says how far it is.
BUSY = """
import json, time
print(json.dumps({"type": "progress_update", "progress": 40, "message": "4 of 10 files"}), flush=True)
time.sleep(600)
"""
# Waits for an answer that nobody gives.
ASKS = """
import json, time
question = {"question": "Which colour?", "header": "Colour", "multiSelect": False,
            "options": [{"label": "red"}, {"label": "blue"}]}
print(json.dumps({"type": "questions_presented", "question_id": "q-1", "questions": [question]}), flush=True)
time.sleep(600)
"""


def row(page: Page, run_id: str) -> Locator:
    return page.locator(f'[data-run="{run_id}"]')


def shown_runs(page: Page) -> list[str]:
    """The ids in the list, from the top."""
    rows = page.locator("[data-run]").all()
    placed = [(item.bounding_box(), item.get_attribute("data-run")) for item in rows]
    return [run_id for box, run_id in sorted(placed, key=lambda p: p[0]["y"]) if box and run_id]


def choose(page: Page, name: str) -> Locator:
    """Open the form and choose what to start."""
    expect(page.get_by_role("button", name="New run")).to_be_visible()
    page.keyboard.press("n")
    form = page.get_by_role("dialog")
    form.get_by_role("radio", name=name, exact=True).check()
    return form


def started_run(site: Site, page: Page) -> Workspace:
    """The run whose page has opened."""
    page.wait_for_url(re.compile(r"/runs/[a-z0-9-]+$"))
    return open_workspace(site.root, page.url.rsplit("/", 1)[1])


def external_runs(root: Path, count: int) -> None:
    """Ended runs that somebody else wrote, cheaply."""
    for number in range(count):
        folder = root / f"old-{number:04}"
        folder.mkdir(parents=True)
        (folder / "_stream.jsonl").write_text('{"type":"workflow_completed"}\n')


def test_someone_new_starts_a_first_run(site: Site, page: Page) -> None:
    """Without runs the page tells what to do; the form leads to a run that is seen to its end."""
    page.goto("/")
    expect(page.get_by_text("No runs yet")).to_be_visible()
    page.get_by_role("button", name="Start a run").click()
    form = page.get_by_role("dialog", name="New run")
    form.get_by_role("radio", name="monty", exact=True).check()
    form.get_by_label("count").fill("2")
    form.get_by_label("min_sleep_s").fill("0.05")
    form.get_by_label("max_sleep_s").fill("0.05")
    form.get_by_role("button", name="Start", exact=True).click()
    run = started_run(site, page)
    expect(page.locator(".run-facts .status")).to_have_text("completed")
    expect(page).to_have_title(re.compile("^completed: "))
    assert read_manifest(run).params == QUICK


def test_a_form_is_made_from_the_schema_of_the_params(site: Site, page: Page) -> None:
    page.goto("/")
    form = choose(page, "research")
    form.get_by_label("Prompt").fill("Why do tails wag?")
    form.get_by_text("Params (").click()
    form.get_by_label("breadth").fill("2")
    form.get_by_label("on_task_failure").select_option("skip")
    tools = form.get_by_role("group", name="disallowed_tools")
    tools.get_by_role("button", name="Add").click()
    tools.get_by_role("textbox", name="disallowed_tools 1").fill("Bash")
    tasks = form.get_by_role("group", name="tasks")
    tasks.get_by_role("button", name="Add").click()
    tasks.get_by_role("textbox", name=re.compile("^id")).fill("a")
    tasks.get_by_role("textbox", name=re.compile("^prompt")).fill("Look it up")
    form.get_by_text("Run id, priority, limits").click()
    form.get_by_label("Run id").fill("wagging")
    form.get_by_label("priority").fill("3")
    form.get_by_label("cost_usd").fill("0.5")
    page.keyboard.press("Control+Enter")
    manifest = read_manifest(started_run(site, page))
    assert (manifest.run_id, manifest.prompt) == ("wagging", "Why do tails wag?")
    assert manifest.params == {
        "breadth": 2,
        "on_task_failure": "skip",
        "disallowed_tools": ["Bash"],
        "tasks": [{"id": "a", "prompt": "Look it up"}],
    }
    assert (manifest.priority, manifest.limits) == (3, {"cost_usd": 0.5})


def test_a_fault_stands_at_its_field(site: Site, page: Page, watch: Watch) -> None:
    """What is missing the page knows by itself; what does not fit the relay says."""
    page.goto("/")
    form = choose(page, "command")
    form.get_by_role("button", name="Start", exact=True).click()
    argv = form.get_by_role("group", name="argv")
    expect(argv.get_by_role("alert")).to_have_text("This is needed")

    watch.allow("422")
    form = choose_again(form, "monty")
    form.get_by_label("min_sleep_s").fill("0.001")
    form.get_by_label("count").fill("many")
    form.get_by_role("button", name="Start", exact=True).click()
    expect(form.get_by_text("This is no number")).to_be_visible()
    expect(form.get_by_label("count")).to_be_focused()
    form.get_by_label("count").fill("1")
    form.get_by_role("button", name="Start", exact=True).click()
    expect(form.get_by_label("min_sleep_s")).to_be_focused()
    expect(form.get_by_text("0.001 is less than the minimum of 0.05")).to_be_visible()

    form.get_by_label("min_sleep_s").fill("0.05")
    form.get_by_text("Run id, priority, limits").click()
    form.get_by_label("Run id").fill("Not An Id")
    form.get_by_role("button", name="Start", exact=True).click()
    expect(form.get_by_label("Run id")).to_have_attribute("aria-invalid", "true")
    assert [path for path in site.root.iterdir() if not path.name.startswith(("_", "."))] == []


def choose_again(form: Locator, name: str) -> Locator:
    form.get_by_role("radio", name=name, exact=True).check()
    return form


def test_the_form_opens_with_what_was_started_last(site: Site, page: Page) -> None:
    page.goto("/")
    form = choose(page, "command")
    argv = form.get_by_role("group", name="argv")
    argv.get_by_role("button", name="Add").click()
    argv.get_by_role("textbox", name="argv 1").fill("true")
    page.keyboard.press("Control+Enter")
    wait_for_end(started_run(site, page))
    page.reload()
    page.get_by_role("button", name="New run").click()
    expect(
        page.get_by_role("dialog").get_by_role("radio", name="command", exact=True)
    ).to_be_checked()


def test_a_deployment_shows_what_may_be_set(site: Site, page: Page) -> None:
    deployment = {
        "workflow": "monty",
        "description": "A quote, quickly",
        "params": {"count": 9, "min_sleep_s": 0.05, "max_sleep_s": 0.05},
        "allowed_overrides": ["count"],
    }
    url = f"{site.url}/api/v1/deployments/quick"
    wait_until(
        lambda: httpx.put(url, json=deployment, trust_env=False).is_success, "the deployment"
    )
    page.goto("/")
    form = choose(page, "quick (deployment)")
    expect(form.get_by_text("A quote, quickly")).to_be_visible()
    expect(form.get_by_label("min_sleep_s")).to_have_count(0)
    expect(form.get_by_label("count")).to_have_value("9")
    form.get_by_label("count").fill("1")
    form.get_by_role("button", name="Start", exact=True).click()
    run = started_run(site, page)
    assert read_manifest(run).deployment == "quick"
    assert read_manifest(run).params["count"] == 1

    site.run("monty", params=QUICK, run_id="by-hand")
    page.goto("/")
    expect(row(page, "by-hand")).to_be_visible()
    page.get_by_label("Deployment", exact=True).select_option("quick")
    expect(row(page, "by-hand")).to_have_count(0)
    expect(row(page, run.run_id)).to_be_visible()


def test_the_list_lives(site: Site, page: Page) -> None:
    """Rows come, change and go without a reload."""
    page.goto("/")
    expect(page.get_by_text("No runs yet")).to_be_visible()
    site.command(BUSY, run_id="busy")
    busy = row(page, "busy")
    expect(busy.locator(".status")).to_have_text("running")
    expect(busy.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "40")
    expect(busy).to_contain_text("4 of 10 files")
    before = busy.locator(".run-duration").inner_text()
    expect(busy.locator(".run-duration")).not_to_have_text(before)  # it ticks
    site.post("/workflows/busy/stop")
    expect(busy.locator(".status")).to_have_text("stopped")
    httpx.delete(f"{site.url}/api/v1/workflows/busy", trust_env=False).raise_for_status()
    expect(page.get_by_text("No runs yet")).to_be_visible()


def test_an_open_question_comes_first_then_what_runs_then_the_newest(
    site: Site, page: Page
) -> None:
    wait_for(site.command(ASKS, run_id="asks"), "questions_presented")
    wait_for(site.command(BUSY, run_id="busy"), "progress_update")
    for run_id in ("older", "newer"):
        wait_for_end(site.command("pass", run_id=run_id))
    page.goto("/")
    expect(row(page, "asks")).to_contain_text("waits for an answer")
    expect(page.locator("[data-run]")).to_have_count(4)
    assert shown_runs(page) == ["asks", "busy", "newer", "older"]
    expect(page).to_have_title(re.compile(r"^\(1\) Runs"))


def test_search_and_filters_are_in_the_address(site: Site, page: Page) -> None:
    wait_for_end(site.command("raise SystemExit(3)", run_id="broken-build"))
    wait_for_end(site.command("pass", run_id="good-build"))
    wait_for_end(site.run("monty", params=QUICK, run_id="quotes"))
    page.goto("/")
    expect(page.locator("[data-run]")).to_have_count(3)

    page.keyboard.press("/")
    page.keyboard.type("build")
    expect(page.locator("[data-run]")).to_have_count(2)
    page.get_by_role("group", name="Status").get_by_role("button", name="failed").click()
    expect(page.locator("[data-run]")).to_have_count(1)
    expect(row(page, "broken-build")).to_be_visible()
    assert page.url.endswith("/?q=build&status=failed")
    page.reload()
    expect(row(page, "broken-build")).to_be_visible()
    expect(row(page, "good-build")).to_have_count(0)

    page.get_by_label("Search runs").fill("no such thing")
    expect(page.get_by_text("No run is like that")).to_be_visible()
    page.get_by_role("button", name="Show all runs").click()
    expect(page.locator("[data-run]")).to_have_count(3)
    page.get_by_label("Workflow", exact=True).select_option("monty")
    expect(page.locator("[data-run]")).to_have_count(1)


def test_stop_and_delete_from_the_list(site: Site, page: Page) -> None:
    run = site.command(BUSY, run_id="busy")
    wait_for(run, "progress_update")
    page.goto("/")
    expect(page.get_by_role("button", name="Delete busy")).to_have_count(0)
    page.get_by_role("button", name="Stop busy").click()
    expect(row(page, "busy").locator(".status")).to_have_text("stopped")
    wait_for_end(run)

    page.get_by_role("button", name="Delete busy").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert run.path.exists()
    expect(page.get_by_role("button", name="Delete busy")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No runs yet")).to_be_visible()
    expect(page.get_by_text("Deleted busy")).to_be_visible()
    assert not run.path.exists()


def test_everything_by_keyboard(site: Site, page: Page) -> None:
    for run_id in ("one", "two", "three"):
        wait_for_end(site.command("pass", run_id=run_id))
    page.goto("/")
    expect(page.locator("[data-run]")).to_have_count(3)
    page.keyboard.press("j")
    expect(row(page, "three").get_by_role("link")).to_be_focused()
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    expect(row(page, "one").get_by_role("link")).to_be_focused()
    page.keyboard.press("x")
    page.keyboard.press("c")
    page.wait_for_url("**/compare/three/one")
    page.keyboard.press("u")
    page.wait_for_url(re.compile(r"/$"))
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/three")
    expect(page.get_by_role("main")).to_be_focused()  # a new page begins at its top
    expect(page.get_by_role("tab", name="Trace")).to_be_visible()
    for key, tab in (("4", "Files"), ("3", "Steps"), ("1", "Chat"), ("2", "Trace")):
        page.keyboard.press(key)
        expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
    page.get_by_role("tab", name="Trace").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**/runs/three/steps")
    page.keyboard.press("u")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_contain_text("search")
    page.keyboard.press("n")  # rests while a dialog is open
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("j")
    page.keyboard.press("d")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(row(page, "three")).to_have_count(0)


def test_the_content_is_one_tab_away(site: Site, page: Page) -> None:
    page.goto("/")
    expect(page.get_by_text("No runs yet")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()


def test_of_hundreds_of_runs_only_those_in_sight_are_drawn(site: Site, page: Page) -> None:
    """The feed brings the newest 200; the older ones come when the end of the list does."""
    external_runs(site.root, 450)
    page.goto("/")
    table = page.get_by_role("table", name="Runs")
    expect(table).to_be_visible()
    assert page.locator("[data-run]").count() < 60

    def scrolled_to_the_end() -> bool:
        page.locator(".run-scroller").evaluate("(box) => box.scrollTo(0, box.scrollHeight)")
        return table.get_attribute("aria-rowcount") == "451"

    wait_until(scrolled_to_the_end, "all runs")
    assert page.locator("[data-run]").count() < 60
    page.get_by_label("Search runs").fill("old-0007")
    expect(page.locator("[data-run]")).to_have_count(1)


def test_the_page_of_a_run_has_the_buttons_that_fit(site: Site, page: Page) -> None:
    run = site.run("monty", params={"min_sleep_s": 0.05, "max_sleep_s": 0.1}, run_id="quotes")
    page.goto("/runs/quotes")
    expect(page.get_by_role("tab", name="Trace")).to_have_attribute("aria-selected", "true")
    status = page.locator(".run-facts .status")
    expect(status).to_have_text("running")
    expect(page.locator("[data-working]")).to_be_visible()
    page.keyboard.press("1")
    expect(page.locator("[data-working]")).to_be_visible()  # whatever tab is open
    page.get_by_role("button", name="Pause").click()
    expect(status).to_have_text("paused")
    expect(page.locator("[data-working]")).to_have_count(0)
    page.get_by_role("button", name="Resume").click()
    expect(status).to_have_text("running")
    expect(page.get_by_role("button", name="Delete")).to_have_count(0)
    page.get_by_role("button", name="Stop").click()
    expect(status).to_have_text("stopped")
    wait_for_end(run)
    page.get_by_role("button", name="Reopen", exact=True).click()
    expect(page.locator(".run-facts")).to_contain_text("attempt 2")
    page.get_by_role("button", name="Stop").click()
    expect(status).to_have_text("stopped")
    wait_for_end(run, attempt=2)
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url(re.compile(r"/$"))
    expect(page.get_by_text("No runs yet")).to_be_visible()


def test_a_turn_is_interrupted(site: Site, page: Page) -> None:
    prompt = script({"text": "word " * 400, "chunk_delay_s": 0.2}, {"text": "Never said"})
    params = {"include_partial_messages": True}
    run = site.run("claude", prompt=prompt, params=params, interactive=True, run_id="talk")
    page.goto("/runs/talk")
    expect(page.get_by_role("tab", name="Chat")).to_have_attribute("aria-selected", "true")
    wait_for(run, "stream_event")
    page.get_by_role("main").focus()
    page.keyboard.press("i")
    expect(page.locator(".run-facts .status")).to_have_text("waiting")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()


def test_a_failure_says_why(site: Site, page: Page) -> None:
    wait_for_end(site.command("raise SystemExit(3)", run_id="broken"))
    page.goto("/runs/broken")
    expect(page.get_by_text("exit_code: the command ended with exit code 3")).to_be_visible()
    expect(page).to_have_title(re.compile("^failed: "))


def test_a_run_is_started_again(site: Site, page: Page) -> None:
    first = site.run("monty", params=QUICK, run_id="first")
    wait_for_end(first)
    page.goto("/runs/first")
    page.get_by_role("button", name="Run again").click()
    form = page.get_by_role("dialog", name="Start it again")
    expect(form.get_by_label("count")).to_have_value("2")
    form.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url(re.compile(r"/runs/monty-"))
    assert read_manifest(started_run(site, page)).params == QUICK


def test_what_is_not_there(site: Site, page: Page, watch: Watch) -> None:
    watch.allow("404")
    page.goto("/runs/never-was")
    expect(page.get_by_text("There is no such run")).to_be_visible()
    page.get_by_role("link", name="All runs").click()
    expect(page.get_by_text("No runs yet")).to_be_visible()
    page.goto("/nowhere/at/all")
    expect(page.get_by_text("There is nothing at this address")).to_be_visible()


def test_a_run_that_is_removed_under_the_page_says_so(site: Site, page: Page, watch: Watch) -> None:
    watch.allow("404")
    wait_for_end(site.command("pass", run_id="brief"))
    page.goto("/runs/brief")
    expect(page.locator(".run-facts .status")).to_have_text("completed")
    httpx.delete(f"{site.url}/api/v1/workflows/brief", trust_env=False).raise_for_status()
    page.reload()
    expect(page.get_by_text("There is no such run")).to_be_visible()


def test_the_token_is_asked_for(site: Site, page: Page, watch: Watch) -> None:
    watch.allow("401")
    site.close()
    site.words = ("--token", "open-sesame")
    site.start()
    page.goto("/")
    dialog = page.get_by_role("dialog", name="This relay wants a token")
    dialog.get_by_label("Token").fill("open-barley")
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text("did not accept that token")
    dialog.get_by_label("Token").fill("open-sesame")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No runs yet")).to_be_visible()
    expect(dialog).to_have_count(0)
    page.reload()  # kept for this tab
    expect(page.get_by_text("No runs yet")).to_be_visible()


def test_the_token_comes_in_the_address_and_leaves_it(site: Site, page: Page) -> None:
    site.close()
    site.words = ("--token", "open sesame/1")
    site.start()
    page.goto("/#token=open%20sesame%2F1")
    expect(page.get_by_text("No runs yet")).to_be_visible()
    assert page.url == f"{site.url}/"


def test_two_runs_side_by_side(site: Site, page: Page) -> None:
    wait_for_end(site.command("print('hello')", run_id="good"))
    wait_for_end(site.command("print('oh'); raise SystemExit(3)", run_id="bad"))
    page.goto("/")
    page.get_by_label("Select good").check()
    page.get_by_label("Select bad").check()
    page.get_by_role("link", name="Compare the two").click()
    page.wait_for_url("**/compare/good/bad")
    totals = page.get_by_role("region", name="Totals of both runs")
    expect(totals.locator(".status")).to_have_text(["completed", "failed"])
    sides = page.locator(".compare-side")
    expect(sides.nth(0)).to_contain_text("hello")
    expect(sides.nth(1)).to_contain_text("oh")
    page.keyboard.press("4")
    page.wait_for_url("**/compare/good/bad/files")
    page.get_by_role("button", name="Trace").click()
    expect(sides.nth(1)).to_contain_text("workflow_failed")
    page.get_by_role("button", name="Swap").click()
    page.wait_for_url("**/compare/bad/good/trace")
    expect(totals.locator(".status")).to_have_text(["failed", "completed"])


def test_the_theme_is_switched_and_kept(site: Site, new_page: Callable[..., Page]) -> None:
    page = new_page(color_scheme="light")

    def canvas() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    page.goto("/")
    light = canvas()
    page.get_by_role("button", name="Theme: as the system").click()
    page.get_by_role("button", name="Theme: light").click()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    dark = canvas()
    assert dark != light
    page.reload()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    assert canvas() == dark


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(site: Site, new_page: Callable[..., Page], scheme: str) -> None:
    wait_for(site.command(ASKS, run_id="asks"), "questions_presented")
    wait_for(site.command(BUSY, run_id="busy"), "progress_update")
    wait_for_end(site.command("raise SystemExit(3)", run_id="broken"))
    wait_for_end(site.run("monty", params=QUICK, run_id="quotes"))
    page = new_page(color_scheme=scheme)
    page.goto("/")
    page.get_by_label("Select quotes").check()
    expect(page.locator("[data-run]")).to_have_count(4)
    found = serious_faults(page)
    screenshot(page, f"runs-{scheme}")
    form = choose(page, "research")
    form.get_by_text("Params (").click()
    form.get_by_role("group", name="tasks").get_by_role("button", name="Add").click()
    form.get_by_role("button", name="Start", exact=True).click()
    found += serious_faults(page)
    screenshot(page, f"start-{scheme}")
    for path in ("/runs/asks", "/runs/busy", "/runs/broken", "/compare/quotes/broken"):
        page.goto(path)
        expect(page.locator(".status").first).to_be_visible()
        found += serious_faults(page)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    found += serious_faults(page)
    assert found == []


def test_a_phone_has_all_of_it(site: Site, phone: Page) -> None:
    wait_for(site.command(BUSY, run_id="busy"), "progress_update")
    wait_for_end(site.command("raise SystemExit(3)", run_id="broken"))
    phone.goto("/")
    expect(row(phone, "busy")).to_contain_text("40 %")
    assert overflow_px(phone) == 0
    phone.get_by_role("button", name="New run").tap()
    form = phone.get_by_role("dialog", name="New run")
    form.get_by_role("radio", name="monty", exact=True).check()
    form.get_by_label("count").fill("1")
    form.get_by_label("min_sleep_s").fill("0.05")
    form.get_by_label("max_sleep_s").fill("0.05")
    assert overflow_px(phone) == 0
    form.get_by_role("button", name="Start", exact=True).tap()
    expect(phone.locator(".run-facts .status")).to_have_text("completed")
    assert overflow_px(phone) == 0
    phone.goto("/runs/busy")
    phone.get_by_role("button", name="Stop").tap()
    expect(phone.locator(".run-facts .status")).to_have_text("stopped")
    phone.goto("/compare/busy/broken")
    expect(phone.locator(".compare-side")).to_have_count(2)
    tops = [side.bounding_box() for side in phone.locator(".compare-side").all()]
    assert tops[0] and tops[1] and tops[1]["y"] >= tops[0]["y"] + tops[0]["height"]
    assert overflow_px(phone) == 0
