"""The report is one page that a browser can show without a network, and says what was found."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

import pom
from pom.dse.progress import QuietProgress, progress_line, shown_progress
from pom.dse.report import render
from pom.dse.search import Progress
from tests.dse.kernels import gemm

VOID = frozenset({"meta", "br", "line", "circle", "rect", "path"})


class Page(HTMLParser):
    """Checks nesting, and collects what a test asks for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.names: list[str] = []
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.stack

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.names.append(tag)
        self.ids |= {found["id"]} if "id" in found else set()
        self.links += [v for k, v in attrs if k in ("href", "src")]
        if tag not in VOID or not self.get_starttag_text().endswith("/>"):
            self.stack += [tag] if tag not in ("meta",) else []

    def handle_startendtag(self, tag, attrs):
        self.names.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def result():
    return pom.auto_dse(gemm(), "xc7z020")


def test_page_is_well_formed_and_offline(result):
    page = Page(result.report_html())
    assert "script" not in page.names
    assert all(link.startswith("#L") for link in page.links)
    assert {link[1:] for link in page.links} <= page.ids
    assert page.links
    assert "http" not in result.report_html().replace("http-equiv", "")


def test_page_shows_every_part(result):
    page = Page(result.report_html())
    for part in (
        "Latency against resources", "Resources", "Loops", "Schedule", "Roofline", "Checks",
        "HLS C++", "Source: kernels.py", "limited by", "translation validation",
    ):  # fmt: skip
        assert part in page.text
    assert result.cpp.splitlines()[-2] in page.text
    assert page.names.count("svg") == 5


def test_numbers_are_consistent(result):
    data = result.report_data
    assert data.best_latency == result.latency_cycles
    assert 0 < data.achieved_ops <= data.peak_ops * 1.0001
    # 12^3 multiplications and additions
    assert data.achieved_ops * data.best_latency == pytest.approx(2 * 12**3, rel=0.01)
    assert {p.kind for p in data.points} >= {"best", "front"}
    lines = result.outcome.problem.kernel.location
    assert lines is not None
    assert all(row.source_line for row in data.loops)


def test_text_is_escaped(result):
    data = replace(result.report_data, kernel="<b>&", cpp_text="a < b && c", advice="x<y")
    text = render(data)
    assert "a &lt; b &amp;&amp; c" in text
    assert "<b>&" not in text


PROGRESS = Progress(12.0, 30, 4, 5000, 1234.0, 1200.0, 3, "written", 8.0)


def test_progress_line():
    text = progress_line(PROGRESS)
    for part in ("12.0 s", "best 1,234", "front 3", "34 evaluated", "5,000 pruned", "gap 2.8%"):
        assert part in text
    assert "8 s left" in text
    assert "best -" in progress_line(replace(PROGRESS, best_cycles=float("inf")))


class Terminal:
    """A stream that says whether it is a terminal."""

    def __init__(self, is_terminal: bool) -> None:
        self.is_terminal = is_terminal
        self.written = ""

    def isatty(self) -> bool:
        return self.is_terminal

    def write(self, text: str) -> int:
        self.written += text
        return len(text)

    def flush(self) -> None:
        pass


def test_progress_without_a_terminal_is_whole_lines_now_and_then():
    stream = Terminal(False)
    report = QuietProgress(stream, interval_s=0.0)
    report(PROGRESS)
    assert stream.written == progress_line(PROGRESS) + "\n"
    patient = QuietProgress(stream, interval_s=1000.0)
    patient(PROGRESS)
    assert stream.written.count("\n") == 1


def test_progress_on_a_terminal_is_redrawn(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal(True)
    with shown_progress(stream) as report:
        report(PROGRESS)
    for part in ("1,234 cycles", "2.76%", "5,000", "8 s left"):
        assert part in stream.written
    assert "\x1b[" in stream.written
