"""One HTML file that needs nothing else: no network, no script, pictures inside."""

import os
from pathlib import Path

LAYOUTS = Path(__file__).parent


def write_page(path: Path, template: Path, **content: object) -> None:
    """Render a template, which may extend a layout of this folder; a reader sees the whole file or none.

    Args:
        path: Where the page goes; missing folders are made.
        template: The family's template.
        content: What it and its layout show.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([template.parent, LAYOUTS]),
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
