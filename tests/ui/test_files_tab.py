"""The Files tab: the workspace of a real run that writes files of each kind, some of them hostile."""

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from runlog import Workspace
from tests.support import wait_for, wait_for_end
from tests.ui.support import BROWSER, Site, Watch, overflow_px, screenshot, serious_faults

pytestmark = BROWSER

# 2 x 1 pixels, red and blue
PNG = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d494844520000000200000001080200000"
        "07b40e8dd0000000f49444154789c63f8cfc0c0f0ff3f000af902fe3d97c8fa0000000049454e44ae426082"
    )
).decode()
WRITES = f"""
import base64, os, pathlib
def write(name, content):
    path = pathlib.Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
write("notes.txt", "first line\\nsecond \\x1b[31mred\\x1b[0m line\\n" + "wide " * 5000 + "\\nlast line\\n")
write("README.md", "# Title\\n\\nSome **bold** words <script>window.wasRun = 1</script> <img src=x onerror=alert(1)>"
      "\\n\\n[bad](javascript:alert(1)) [good](https://example.org/) ![pic](https://example.org/pixel.png)\\n")
write("pixel.png", base64.b64decode("{PNG}"))
write("broken.png", "no picture at all")
write("page.html", "<!doctype html><script>window.wasRun = 1; alert(1)</script><h1>Hello</h1>\\n")
write("drawing.svg", "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(1)</script></svg>\\n")
row = '{{"id": %d, "name": "row %d", "deep": {{"n": [%d]}}}}\\n'
write("rows.jsonl", "".join(row % (i, i, i) for i in range(2000)) + "no json\\n")
write("data.json", '{{"alpha": [1, 2, {{"beta": null}}], "text": "<b>"}}')
write("src/code.py", "def answer():\\n    '''Says it.'''\\n    return 42\\n")
write("src/deep/er/x.txt", "deep down")
write("blob.bin", bytes(range(256)) * 100)
write("large.txt", "".join("line %d of a large file, with some words to fill it\\n" % i for i in range(96000)))
write("empty.txt", "")
os.symlink("/etc/passwd", "link.txt")
write("<img src=x onerror=alert(1)>.txt", "a name")
"""


def item(page: Page, name: str) -> Locator:
    return page.get_by_role("treeitem").filter(
        has=page.locator(".file-name", has_text=re.compile(f"^{re.escape(name)}$"))
    )


def preview(page: Page) -> Locator:
    return page.locator(".preview")


@pytest.fixture
def run(site: Site) -> Workspace:
    run = site.command(WRITES)
    end = wait_for_end(run)
    assert end["type"] == "workflow_completed", end
    return run


def test_the_tree(site: Site, page: Page, run: Workspace) -> None:
    page.goto(f"/runs/{run.run_id}/files")
    names = page.get_by_role("treeitem").locator(".file-name")
    expect(names.first).to_have_text("src")
    expect(item(page, "large.txt")).to_contain_text("MiB")
    expect(item(page, "link.txt")).to_contain_text("link")
    expect(page.get_by_text("Record of the run")).to_be_visible()
    expect(names.last).to_have_text("run.json")
    expect(item(page, "code.py")).to_have_count(0)
    item(page, "src").click()
    expect(item(page, "src")).to_have_attribute("aria-expanded", "true")
    expect(item(page, "code.py")).to_have_attribute("aria-level", "2")
    item(page, "deep").click()
    item(page, "er").click()
    expect(item(page, "x.txt")).to_have_attribute("aria-level", "4")
    item(page, "link.txt").click()
    expect(page.get_by_text("not followed")).to_be_visible()
    assert serious_faults(page) == []
    screenshot(page, "files-tree")


def test_text_and_code(site: Site, page: Page, run: Workspace) -> None:
    page.goto(f"/runs/{run.run_id}/files")
    item(page, "notes.txt").click()
    lines = preview(page).locator(".text-line")
    expect(lines.nth(1)).to_have_text("second red line")
    expect(lines.nth(3)).to_have_text("last line")
    expect(lines.nth(2).get_by_role("button")).to_have_text(re.compile("23,000 more characters"))
    lines.nth(2).get_by_role("button").click()
    expect(lines.nth(2).get_by_role("button")).to_have_count(0)
    preview(page).get_by_role("button", name="Wrap").click()
    expect(preview(page)).to_contain_text("4 lines")

    item(page, "src").click()
    item(page, "code.py").click()
    expect(preview(page).locator(".hljs-keyword").first).to_have_text("def")
    expect(lines).to_have_count(3)
    screenshot(page, "files-code")
    item(page, "empty.txt").click()
    expect(page.get_by_text("The file is empty.")).to_be_visible()
    item(page, "blob.bin").click()
    expect(page.get_by_text("This is no text.")).to_be_visible()


def test_nothing_hostile_is_run(site: Site, page: Page, run: Workspace) -> None:
    page.goto(f"/runs/{run.run_id}/files")
    item(page, "README.md").click()
    shown = preview(page).locator(".markdown")
    expect(shown.locator("strong")).to_have_text("bold")
    expect(shown).to_contain_text("<script>window.wasRun = 1</script>")
    expect(shown.locator("img, script")).to_have_count(0)
    expect(shown.get_by_role("link")).to_have_count(2)
    for link in shown.get_by_role("link").all():
        assert (link.get_attribute("href") or "").startswith("https://example.org/")
    screenshot(page, "files-markdown")
    preview(page).get_by_role("button", name="Source").click()
    expect(preview(page).locator(".text-line").first).to_have_text("# Title")

    for name in ("page.html", "drawing.svg"):
        item(page, name).click()
        expect(preview(page).locator(".text-lines")).to_contain_text("<script>")
        expect(preview(page).locator("iframe, object, embed, script, svg script")).to_have_count(0)
    screenshot(page, "files-html")
    hostile = "<img src=x onerror=alert(1)>.txt"
    item(page, hostile).click()
    expect(preview(page).get_by_role("heading")).to_have_text(hostile)
    expect(preview(page).locator(".text-line")).to_have_text("a name")
    assert page.evaluate("() => window.wasRun") is None
    assert serious_faults(page) == []


def test_pictures(site: Site, page: Page, run: Workspace) -> None:
    page.goto(f"/runs/{run.run_id}/files")
    item(page, "pixel.png").click()
    picture = preview(page).get_by_role("img", name="pixel.png")
    expect(picture).to_be_visible()
    assert (picture.get_attribute("src") or "").startswith("blob:")
    expect(preview(page)).to_contain_text("2 × 1")
    screenshot(page, "files-picture")
    item(page, "broken.png").click()
    expect(page.get_by_text("can't show this as a picture")).to_be_visible()


def test_json_and_jsonl(site: Site, page: Page, run: Workspace) -> None:
    page.goto(f"/runs/{run.run_id}/files")
    item(page, "rows.jsonl").click()
    table = preview(page).get_by_role("table")
    expect(table.get_by_role("columnheader")).to_have_text(["Line", "id", "name", "The rest"])
    row = table.get_by_role("row").filter(has_text=re.compile("row 3deep"))
    row.click()
    expect(table.locator(".jsonl-detail")).to_contain_text('"deep"')
    screenshot(page, "files-jsonl")
    table.evaluate("table => { table.scrollTop = table.scrollHeight }")
    expect(table.locator(".jsonl-broken")).to_have_text("not JSON: no json")
    assert serious_faults(page) == []
    item(page, "data.json").click()
    expect(preview(page).locator(".json")).to_contain_text('"beta": null')
    item(page, "_stream.jsonl").click()
    expect(table.get_by_role("columnheader").nth(1)).to_have_text("type")
    expect(table).to_contain_text("workflow_started")


def test_a_large_file_comes_in_parts(site: Site, page: Page, run: Workspace) -> None:
    size = (run.files / "large.txt").stat().st_size
    assert size > 5_000_000
    asked: list[str] = []
    page.on(
        "request", lambda r: asked.append(r.headers.get("range", "")) if "large" in r.url else None
    )
    page.goto(f"/runs/{run.run_id}/files")
    item(page, "large.txt").click()
    expect(preview(page)).to_contain_text("256 KiB of 5 MiB are shown")
    assert asked == ["bytes=0-262143"]
    # Code begins at the same place beside a number of one digit as beside one of two.
    numbers = preview(page).locator(".text-line-number")
    widths = numbers.evaluate_all("(all) => all.map((one) => one.getBoundingClientRect().width)")
    assert len(widths) > 12 and len(set(widths)) == 1
    more = preview(page).get_by_role("button", name="Load more")
    read = 262144
    while read < size:
        expect(preview(page).locator(".preview-more [aria-busy]")).to_have_count(0)
        with page.expect_response(lambda answer: "large" in answer.url) as answered:
            more.click()
        read = int(answered.value.headers["content-range"].partition("-")[2].partition("/")[0]) + 1
    expect(more).to_have_count(0)
    lines = preview(page).locator(".text-lines")
    lines.evaluate("lines => { lines.scrollTop = lines.scrollHeight }")
    expect(lines).to_contain_text("line 95999 of")
    assert preview(page).locator(".text-line").count() < 200


def test_download(site: Site, page: Page, run: Workspace) -> None:
    page.goto(f"/runs/{run.run_id}/files")
    for name in ("blob.bin", "page.html"):
        item(page, name).click()
        with page.expect_download() as download:
            preview(page).get_by_text("Download", exact=True).click()
        assert download.value.suggested_filename == name
        assert Path(download.value.path()).read_bytes() == (run.files / name).read_bytes()


def test_it_follows_the_run(site: Site, page: Page, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    run = site.command(
        "import os, time, pathlib\npathlib.Path('a.txt').write_text('old text'); print('one')\n"
        f"while not os.path.exists({str(gate)!r}): time.sleep(0.02)\n"
        "pathlib.Path('a.txt').write_text('the new text'); pathlib.Path('b.txt').write_text('b'); print('two')\n"
        f"while os.path.exists({str(gate)!r}): time.sleep(0.02)\n"
    )
    wait_for(run, "log", message="one")
    page.goto(f"/runs/{run.run_id}/files")
    item(page, "a.txt").click()
    expect(preview(page)).to_contain_text("old text")
    expect(item(page, "b.txt")).to_have_count(0)
    gate.touch()
    expect(item(page, "b.txt")).to_be_visible()
    expect(preview(page)).to_contain_text("the new text")
    gate.unlink()
    wait_for_end(run)


def test_with_a_token(site: Site, page: Page, watch: Watch) -> None:
    run = site.command(WRITES)
    wait_for_end(run)
    site.close()
    site.words = ("--token", "s3cret")
    site.start()
    page.goto(f"/runs/{run.run_id}/files#token=s3cret")
    item(page, "pixel.png").click()
    expect(preview(page).get_by_role("img", name="pixel.png")).to_be_visible()
    item(page, "blob.bin").click()
    with page.expect_download() as download:
        preview(page).get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "blob.bin"
    assert Path(download.value.path()).read_bytes() == (run.files / "blob.bin").read_bytes()
    assert watch.unexpected() == []


def test_keys(site: Site, page: Page, run: Workspace) -> None:
    page.goto(f"/runs/{run.run_id}/files")
    tree = page.get_by_role("tree")
    expect(item(page, "src")).to_be_visible()
    tree.focus()
    page.keyboard.press("j")
    page.keyboard.press("ArrowRight")
    expect(item(page, "code.py")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert tree.get_attribute("aria-activedescendant") == item(page, "code.py").get_attribute("id")
    page.keyboard.press("Enter")
    expect(preview(page)).to_contain_text("return 42")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(item(page, "code.py")).to_have_count(0)


def test_on_a_phone(site: Site, phone: Page, run: Workspace) -> None:
    phone.goto(f"/runs/{run.run_id}/files")
    expect(item(phone, "README.md")).to_be_visible()
    assert overflow_px(phone) == 0
    screenshot(phone, "files-phone-tree")
    item(phone, "README.md").tap()
    expect(preview(phone).locator("strong")).to_have_text("bold")
    expect(item(phone, "notes.txt")).to_be_hidden()
    assert overflow_px(phone) == 0
    screenshot(phone, "files-phone-preview")
    phone.get_by_role("button", name="Back to the tree").tap()
    expect(item(phone, "notes.txt")).to_be_visible()


def test_dark(site: Site, new_page: Callable[..., Page], run: Workspace) -> None:
    page = new_page(color_scheme="dark")
    page.goto(f"/runs/{run.run_id}/files")
    item(page, "rows.jsonl").click()
    expect(preview(page).get_by_role("table")).to_contain_text("row 3")
    assert serious_faults(page) == []
    item(page, "src").click()
    item(page, "code.py").click()
    expect(preview(page).locator(".hljs-keyword").first).to_be_visible()
    assert serious_faults(page) == []
    screenshot(page, "files-dark")
