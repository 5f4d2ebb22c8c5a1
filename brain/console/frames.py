"""What the console's pages have in common, written once: the frame around every body, and the header."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from string import Template

TEMPLATES = Path(__file__).resolve().parent / "templates"


@dataclass(frozen=True)
class Page:
    """What of a page is its own.

    Attributes:
        path: Where it is served; a link of its header that leads there says so.
        body: The template of its body element; `$header` in it stands for the header.
        title: What the browser's tab says.
        styles: Addresses of its style sheets, in order.
        module: Address of its script, a module; empty where it has none or loads it in its body.
        links: Its header's links, address and name, before those that every page has.
        schemes: Colour schemes that its styles know, as in the meta element `color-scheme`.
    """

    path: str
    body: str
    title: str
    styles: tuple[str, ...]
    module: str = ""
    links: tuple[tuple[str, str], ...] = ()
    schemes: str = "light dark"


FORECAST = Page(
    "/",
    "index.html",
    "AI Orchestration · Forecast",
    ("/static/base.css", "/static/console.css", "/static/chart.css", "/static/fraud.css"),
    "/static/console.js",
    (("#fraud", "Fraud"), ("/plans", "Plans")),
)
PLANS = Page(
    "/plans",
    "plans.html",
    "AI Orchestration · Plans",
    ("/static/base.css", "/static/console.css", "/static/plans.css"),
    "/static/plans.js",
    (("/", "Forecast"), ("/#fraud", "Fraud"), ("/plans", "Plans")),
)
LOGIN = Page("/login", "login.html", "Log in · AI Orchestration", ("/static/base.css", "/static/login.css"))
DOCS = Page(
    "/docs",
    "docs.html",
    "API · AI Orchestration",
    ("/docs/assets/swagger-ui.css", "/static/docs.css"),
    schemes="normal",
)


@lru_cache(maxsize=8)
def framed(page: Page) -> Template:
    """The whole page; what differs from request to request is left to be substituted."""
    styles = [f'<link rel="stylesheet" href="{address}">' for address in page.styles]
    script = [f'<script type="module" src="{page.module}"></script>'] if page.module else []
    links = [_link(address, name, page) for address, name in page.links]
    header = Template(_text("header.html")).safe_substitute(links="\n".join(links))
    body = Template(_text(page.body)).safe_substitute(header=header)
    files = "\n".join([*styles, *script])
    frame = Template((TEMPLATES / "frame.html").read_text())
    return Template(frame.substitute(title=page.title, schemes=page.schemes, files=files, body=body))


def _link(address: str, name: str, page: Page) -> str:
    current = ' aria-current="page"' if address == page.path else ""
    return f'    <a href="{address}"{current}>{name}</a>'


def _text(name: str) -> str:
    return (TEMPLATES / name).read_text().rstrip("\n")
