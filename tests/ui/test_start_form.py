"""The form that starts a run: made from a schema, checked, remembered."""

import re

import httpx
from playwright.sync_api import Page, expect

from runlog import read_manifest
from tests.support import DEADLINE_S, wait_for_end
from tests.ui.runs import QUICK, choose, choose_action, row, started_run
from tests.ui.support import BROWSER, Site, Watch

pytestmark = BROWSER


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
    expect(page.locator(".run-top .status")).to_have_text("completed")
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
    form.get_by_role("radio", name="monty", exact=True).check()
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
    httpx.put(url, json=deployment, timeout=DEADLINE_S, trust_env=False).raise_for_status()
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
    page.get_by_role("button", name="Deployment", exact=True).click()
    page.get_by_role("menuitemradio", name="quick").click()
    expect(row(page, "by-hand")).to_have_count(0)
    expect(row(page, run.run_id)).to_be_visible()


def test_a_run_is_started_again(site: Site, page: Page) -> None:
    first = site.run("monty", params=QUICK, run_id="first")
    wait_for_end(first)
    page.goto("/runs/first")
    choose_action(page, "Run again")
    form = page.get_by_role("dialog", name="Start it again")
    expect(form.get_by_label("count")).to_have_value("2")
    form.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url(re.compile(r"/runs/monty-"))
    assert read_manifest(started_run(site, page)).params == QUICK
