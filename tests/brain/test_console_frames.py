"""The frame that the console's pages stand in, without a browser."""

import re

import pytest

from brain.console.frames import DOCS, FORECAST, LOGIN, PLANS, TEMPLATES, Page, framed

PAGES = (FORECAST, PLANS, LOGIN, DOCS)


def text(page: Page) -> str:
    values = {name: f"[{name}]" for name in framed(page).get_identifiers()}
    return framed(page).substitute(values)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_every_page_is_one_document_with_its_own_title_and_files(page: Page) -> None:
    whole = text(page)
    assert whole.startswith('<!doctype html>\n<html lang="en">\n<head>\n') and whole.endswith("</body>\n</html>\n")
    for element in ("head", "body", "html", "title"):
        assert len(re.findall(rf"<{element}\b", whole)) == len(re.findall(rf"</{element}>", whole)) == 1
    head = whole[: whole.index("</head>")]
    assert f"<title>{page.title}</title>" in head
    assert tuple(re.findall(r'rel="stylesheet" href="([^"]+)"', head)) == page.styles
    assert re.findall(r'type="module" src="([^"]+)"', head) == ([page.module] if page.module else [])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_what_a_request_fills_in_are_the_names_that_the_routes_know(page: Page) -> None:
    known = {
        FORECAST: {"timeframe", "mlflow", "logout", "version"},
        PLANS: {"mlflow", "logout", "version"},
        LOGIN: {"error", "error_hidden", "version"},
        DOCS: set(),
    }
    assert set(framed(page).get_identifiers()) == known[page]


def test_the_header_names_the_page_that_it_stands_on() -> None:
    assert re.findall(r'<a href="([^"]+)" aria-current="page">', text(PLANS)) == ["/plans"]
    for page in (FORECAST, PLANS):
        nav = text(page).partition("<nav")[2].partition("</nav>")[0]
        assert re.findall(r'href="([^"]+)"', nav) == [*(address for address, _ in page.links), "/docs", "[mlflow]"]


def test_no_page_writes_the_frame_or_the_header_again() -> None:
    for name in (page.body for page in PAGES):
        body = (TEMPLATES / name).read_text()
        assert body.startswith("<body") and "<head" not in body
