"""The report reads offline, shows what failed, and nothing else is left behind."""

import os
import re
import subprocess
import sys
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from components.crypto.validation import validate_candles
from tests.components.crypto.validation.conftest import CLOCK, write


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "srcset")]
        if tag not in ("meta", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "rect":
            assert self.open.pop() == tag


@pytest.fixture
def damaged(flawless: pd.DataFrame) -> pd.DataFrame:
    frame = flawless.drop(flawless.index[100:150]).reset_index(drop=True)
    frame.loc[7, "volume"] = -1.0
    return frame


def page(frame: pd.DataFrame, folder: Path) -> str:
    path = folder / "out" / "report.html"
    validate_candles(write(frame, folder), path, timeframe="1h", source_clock=CLOCK)
    return path.read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_refers_to_nothing_outside_itself(damaged: pd.DataFrame, tmp_path: Path) -> None:
    html = page(damaged, tmp_path)

    tags = Tags()
    tags.feed(html)
    assert tags.open == []
    assert tags.references == []
    assert not {"script", "link", "iframe", "img"} & set(tags.seen)
    assert not re.search(r"https?://|url\(|@import", html)


def test_the_page_says_what_failed_and_shows_the_row(damaged: pd.DataFrame, tmp_path: Path) -> None:
    html = page(damaged, tmp_path)

    assert "<title>Candles: failed</title>" in html
    assert "<code>volume_not_negative</code>" in html
    assert "<td>-1.0</td>" in html
    assert "<code>missing_within_tolerance</code>" in html


def test_the_page_marks_where_hours_are_missing(damaged: pd.DataFrame, tmp_path: Path) -> None:
    html = page(damaged, tmp_path)

    first_missing = CLOCK - timedelta(hours=900)
    marks = re.findall(r"<title>(\d+) of \d+ bars missing from ([\d: -]+)</title>", html)
    assert sum(int(count) for count, _ in marks) == 50
    assert marks[0][1][:10] == f"{first_missing:%Y-%m-%d}"


def test_a_passing_page_says_so_and_marks_nothing(flawless: pd.DataFrame, tmp_path: Path) -> None:
    html = page(flawless, tmp_path)

    assert "<title>Candles: passed</title>" in html
    assert "bars missing from" not in html
    assert "What failed" not in html


def test_values_from_the_data_cannot_inject_markup(flawless: pd.DataFrame, tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"

    html = page(flawless.assign(unique_id=evil, volume=-1.0).drop_duplicates("ds"), tmp_path)

    assert evil not in html
    assert "&lt;script&gt;" in html


def test_nothing_is_written_but_the_report_and_nothing_is_sent(flawless: pd.DataFrame, tmp_path: Path) -> None:
    candles = write(flawless, tmp_path)
    home, work, temporary, out = (tmp_path / name for name in ("home", "work", "temporary", "out"))
    for folder in (home, work, temporary, out):
        folder.mkdir()
    program = f"""
import atexit, os, socket, sys
from datetime import datetime
from pathlib import Path

reached = []

def refuse(*args, **kwargs):
    reached.append(args)
    raise OSError("no network here")

# Registered first, so that it runs last: what is sent in the background is sent when the process ends.
atexit.register(lambda: reached and os._exit(3))
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from components.crypto.validation import validate_candles
outcome = validate_candles(
    Path(sys.argv[1]), Path(sys.argv[2]), timeframe="1h", source_clock=datetime.fromisoformat({CLOCK.isoformat()!r})
)
assert outcome.passed
"""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "PYTHONDONTWRITEBYTECODE": "1",
    }

    done = subprocess.run(
        [sys.executable, "-c", program, str(candles), str(out / "report.html")],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert [path for folder in (home, work, temporary) for path in folder.rglob("*")] == []
    assert list(out.iterdir()) == [out / "report.html"]
