"""The validation as one HTML file that needs no network."""

import os
from pathlib import Path

LAYOUT = Path(__file__).parent


def write_page(path: Path, template: Path, **content: object) -> None:
    """Render a template that may extend `validation.html.j2`; a reader sees the whole file or none.

    Args:
        path: Where the page goes; missing folders are made.
        template: The family's template.
        content: What it shows; the layout itself shows `outcome` and `what`, the name of what was validated.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([template.parent, LAYOUT]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    html = environment.get_template(template.name).render(**content)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(html, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
