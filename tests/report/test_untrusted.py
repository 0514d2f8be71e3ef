"""Names and messages are plain text in every format: nothing runs, loads or breaks."""

from __future__ import annotations

import csv
import html
import json
import re
from dataclasses import replace
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest
from harmless import ALLOWED, Seen, shown_of
from markdown_it import MarkdownIt
from reported import HOSTILE, hostile_report, kinds
from shown import is_harmless

from exportstats.report import machine
from exportstats.report.html import render_fragment
from exportstats.report.markdown import render_text
from exportstats.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import exportstats as xs

# Two characters that start a formula, then those that a spreadsheet skips before one.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d")


@pytest.fixture(scope="module")
def report() -> xs.WeeklyReport:
    """Return the report of the week with hostile text."""
    return hostile_report()


@pytest.fixture(scope="module")
def page(report: xs.WeeklyReport) -> str:
    """Return the report as a page that links to tables in a folder with a hostile name."""
    return report.to_html(csv='a "folder" <b> & #1?')


@pytest.fixture(scope="module")
def mail(report: xs.WeeklyReport) -> bytes:
    """Return the report as an email."""
    return report.to_email()


def test_the_hostile_texts_get_everywhere(report: xs.WeeklyReport):
    """The hostile text is in sentences, rows and pictures, so the other tests really check it."""
    assert {"failed_windows", "new_reasons", "gaps", "expiring", "premature"} <= set(kinds(report))
    for kind in ("failed_windows", "gaps", "expiring", "premature"):
        names = set(report.tables[kind]["log_group_name"].astype("str"))
        assert names == set(HOSTILE), kind
    assert {"states", "coverage", "failures"} <= {one.name for one in report.pictures}


def test_a_page_has_no_element_but_its_own(page: str):
    """The parsed page has no scripts, no event handlers and no elements from names."""
    seen = Seen(page)
    assert seen.open == []
    assert seen.rest == ["doctype html"]
    for tag, attributes in seen.elements:
        assert tag in ALLOWED, tag
        assert set(attributes) <= ALLOWED[tag], (tag, attributes)
        if tag != "body":
            assert "style" not in attributes  # a page has one style sheet
    names = ("src", "srcset", "href")
    addresses = [a[name] for _, a in seen.elements for name in names if name in a]
    assert addresses
    folder = "a%20%22folder%22%20%3Cb%3E%20%26%20%231%3F/"
    for address in addresses:
        pictures = r"data:image/(svg\+xml,[^\"<>#\s][^\"<>#]*|png;base64,[\w+/=]+)"
        assert re.fullmatch(rf"{pictures}|{folder}[\w-]+\.csv", address)


def test_the_policy_of_a_page_forbids_loading(page: str):
    """The policy of the page allows no scripts, no connections and only embedded pictures."""
    [rules] = [a["content"] for _, a in Seen(page).elements if a.get("http-equiv")]
    assert rules.startswith("default-src 'none'; ")
    assert dict(rule.split(" ", 1) for rule in rules.split("; ")) == {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": "'unsafe-inline'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_a_page_shows_invisible_characters(page: str):
    """Escapes, direction marks and line ends are visible. There are no invisible characters."""
    assert is_harmless(page)
    seen = Seen(page)
    for text in HOSTILE:
        assert shown_of(text).strip() in {cell.strip() for cell in seen.cells}, text
    assert "\\x1b[31mred" in seen.text
    assert "\\u202egnp.exe" in seen.text
    assert "two\\nlines\\r\\nSubject" in seen.text
    assert "{{ 7*7 }}" in seen.text  # not 49: the text is not a template
    assert "x" * 200 not in page


def test_a_fragment_is_as_harmless(report: xs.WeeklyReport):
    """The HTML for a notebook has no other elements either."""
    seen = Seen(render_fragment(report))
    assert seen.open == []
    assert seen.rest == []
    for tag, attributes in seen.elements:
        assert set(attributes) <= ALLOWED[tag]


def test_pictures_hold_nothing_that_runs(page: str):
    """The SVG of each picture is well formed and has no scripts, links, handlers or AWS text."""
    for name in ("src", "srcset"):
        assert page.count(f' {name}="data:image/') == len(hostile_report().pictures)
    found = re.findall(r' src(?:set)?="data:image/svg\+xml,([^"]*)"', page)
    assert len(found) >= 4
    for one in found:
        svg = unquote(html.unescape(one))
        for element in ET.fromstring(svg).iter():  # noqa: S314 - matplotlib's
            name = str(element.tag).rpartition("}")[2]
            assert name not in ("script", "foreignObject", "image", "a", "iframe"), name
            for key, value in element.attrib.items():
                key_ = key.rpartition("}")[2]
                assert not key_.startswith("on")
                assert key_ != "href" or value.startswith("#")


def inline(tokens: list[Any]) -> Iterator[Any]:
    """Return the inline tokens of all lines of text."""
    for token in tokens:
        yield from token.children or ()


def leafed_through(report: xs.WeeklyReport) -> Iterator[str]:
    """Return Markdown in which each row of each finding is among the first ten once."""
    longest = max(len(one.rows) for one in report.findings)
    for start in range(0, longest, 10):
        findings = [replace(one, rows=one.rows.iloc[start:]) for one in report.findings]
        left = tuple(one for one in findings if len(one.rows))
        yield replace(report, findings=left).to_markdown()


def test_markdown_has_no_markup_from_a_name(report: xs.WeeklyReport):
    """Names become no links, pictures, code or HTML in parsed Markdown. Bold text is only ours."""
    for text in leafed_through(report):
        assert is_harmless(text)
        tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
        kinds_ = {token.type for token in tokens}
        assert not kinds_ & {"html_block", "fence", "code_block", "blockquote_open", "hr"}
        assert {token.type for token in inline(tokens)} <= {
            "text",
            "text_special",
            "strong_open",
            "strong_close",
            "softbreak",
        }
        heads = [tokens[at + 1].content for at, t in enumerate(tokens) if t.type == "heading_open"]
        assert heads == ["Export tasks, week 2026-W47", "Key figures"]
        bold = re.findall(r"\*\*([^*]*)\*\*", re.sub(r"\\.", "", text))
        ours = r"critical:|warning:|\d+ (critical finding|warning)s?( and \d+ warnings?)?"
        assert all(re.fullmatch(ours, one) for one in bold), bold
        assert not re.search(r"(?<!\\)[<$`~]", text)


def test_markdown_tables_keep_their_columns(report: xs.WeeklyReport):
    """Each row of each table has as many cells as its header, even with pipes in names."""
    shown: set[str] = set()
    for text in leafed_through(report):
        tables: list[list[list[str]]] = [[]]
        for line in text.splitlines():
            if line.lstrip().startswith("|"):
                # a pipe after an odd number of backslashes is part of a name
                tables[-1].append(re.split(r"(?<!\\)(?:\\\\)*\|", line.strip())[1:-1])
            else:
                tables.append([])
        for table in filter(None, tables):
            assert {len(row) for row in table} == {len(table[0])}
            shown |= {re.sub(r"\\(.)", r"\1", cell.strip()) for row in table for cell in row}
    assert {shown_of(text).strip() for text in HOSTILE} <= shown


def test_plain_text_is_printable(report: xs.WeeklyReport):
    """The plain text has only printable characters and line ends."""
    text = render_text(report)
    assert is_harmless(text)
    longest = max(len(plain(text)) for text in HOSTILE)
    for line in text.splitlines():
        assert len(line) < longest
        assert len(line) <= 78 or " " not in line.strip()[:60]  # only names are not wrapped


def test_a_mail_has_its_parts_and_no_header_from_a_name(mail: bytes):
    """The email has plain text and HTML with pictures. No name becomes a header or a part."""
    message = message_from_bytes(mail, policy=policy.default)
    assert message.defects == []
    assert set(message.keys()) == {"Subject", "MIME-Version", "Content-Type"}
    assert message["Subject"].startswith("Export tasks, week 2026-W47: ")
    kinds_ = [part.get_content_type() for part in message.walk()]
    pictures = kinds_.count("image/png")
    assert kinds_ == [
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        *["image/png"] * pictures,
    ]
    assert pictures == 3
    for part in message.walk():
        assert part.defects == []
    assert re.fullmatch(rb"(?:[^\r\n]{0,998}\r\n)*", mail)
    assert mail.isascii()


def test_a_mails_html_is_small_and_harmless(mail: bytes):
    """The HTML of an email is smaller than 100 KB, with allowed elements and attached pictures."""
    message = message_from_bytes(mail, policy=policy.default)
    html = message.get_body(("html",)).get_content()
    assert len(html.encode()) < 100_000
    assert is_harmless(html.replace("\r\n", "\n"))
    seen = Seen(html)
    assert seen.open == []
    for tag, attributes in seen.elements:
        assert tag in ALLOWED, tag
        assert set(attributes) <= ALLOWED[tag], (tag, attributes)
    assert "a" not in {tag for tag, _ in seen.elements}
    sources = [a["src"] for tag, a in seen.elements if tag == "img"]
    ids = {part["Content-ID"]: part.get_content() for part in message.walk() if part["Content-ID"]}
    assert [f"<{source.removeprefix('cid:')}>" for source in sources] == list(ids)
    assert all(picture.startswith(b"\x89PNG\r\n\x1a\n") for picture in ids.values())


def test_no_name_in_a_mail_is_a_template(report: xs.WeeklyReport):
    """A name that looks like a template stays text, in a sentence and in a row."""
    [name] = [text for text in HOSTILE if "{{ 7*7 }}" in text]
    findings = [
        replace(one, sentence=name, rows=one.rows.assign(log_group_name=name))
        for one in report.findings
        if one.severity != "note"
    ]
    mail = replace(report, findings=tuple(findings), pictures=()).to_email()
    html = message_from_bytes(mail, policy=policy.default).get_body(("html",)).get_content()
    assert Seen(html).text.count(name) > len(findings)


def test_a_mails_text_is_that_of_the_terminal(mail: bytes, report: xs.WeeklyReport):
    """The plain text of the email is what the command prints."""
    message = message_from_bytes(mail, policy=policy.default)
    text = message.get_body(("plain",)).get_content()
    assert text.replace("\r\n", "\n") == render_text(report)


def test_csv_has_no_formula(report: xs.WeeklyReport, tmp_path: Path):
    """No CSV cell starts a formula or has invisible characters, and each row is one line."""
    machine.write_csv(report, tmp_path)
    files = sorted(tmp_path.iterdir())
    assert {file.suffix for file in files} == {".csv"}
    texts = set()
    for file in files:
        text = file.read_bytes().decode()
        assert is_harmless(text), file.name
        rows = list(csv.reader(text.splitlines()))
        assert len({len(row) for row in rows}) == 1
        head = rows[0]
        for row in rows[1:]:
            for name, cell in zip(head, row, strict=True):
                # negative numbers are not formulas: a task created before its window's end
                if not re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", cell):
                    assert not cell.lstrip(" '").startswith(FORMULA) or cell.startswith("'"), name
                texts.add(cell)
    guarded = {text.removeprefix("'") for text in texts}
    assert {plain(text) for text in HOSTILE} <= guarded


def test_json_has_the_names_as_they_are(report: xs.WeeklyReport):
    """The JSON is ASCII, can be parsed, and has each name unchanged."""
    text = report.to_json()
    assert text.isascii()
    made = json.loads(text, parse_constant=pytest.fail)
    assert {row["log_group_name"] for row in made["tables"]["gaps"]} == set(HOSTILE)
    for one in made["findings"]:
        assert is_harmless(one["sentence"])
