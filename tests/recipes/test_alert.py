"""Alerts by exit code: what SNS and Slack are told, and when."""

from __future__ import annotations

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import boto3
import pytest
from recipes import RECIPES, WEEK, load, published, run

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ALERT = RECIPES / "alert.py"


@pytest.fixture
def slack() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Yield the URL of a webhook, and the list of what was posted to it."""
    posted: list[dict[str, str]] = []
    stopped = threading.Event()

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not self.path.endswith("hang"):
                posted.append(json.loads(body))
            if self.path.endswith("hang"):
                stopped.wait(30)
            self.send_response(500 if self.path.endswith("broken") else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Webhook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/services/secret", posted
        stopped.set()
        server.shutdown()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the JSON of a report with a critical finding."""
    path = tmp_path_factory.mktemp("report") / f"{WEEK}.json"
    xs.build_weekly_report(xs.sample_tasks(), week=WEEK).to_json(path)
    return path


def test_both_are_told_what_is_critical(
    aws: Callable[..., None], moto: str, slack: tuple[str, list], report: Path, tmp_path: Path
):
    """They get the headline and the titles of critical findings, and no name of a log group."""
    aws(moto)
    topic = boto3.client("sns").create_topic(Name="alerts")["TopicArn"]
    url, posted = slack
    done = run("python3", ALERT, 4, report, folder=tmp_path, ALERT_TOPIC=topic, SLACK_WEBHOOK=url)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(report.read_text(encoding="utf-8"))
    critical = [one["title"] for one in told["findings"] if one["severity"] == "critical"]
    assert critical
    [message], [post] = published(), posted
    for text in (message, post["text"]):
        assert told["headline"] in text
        assert all(f"- {title}" in text for title in critical)
        assert "there is something critical" in text
        assert not any(name in text for name in xs.sample_tasks()["log_group_name"].unique())
    assert post["text"].startswith(f"*Export tasks, week {WEEK}: exit code 4*")


@pytest.mark.parametrize(
    ("code", "says"),
    [(1, "there is no report"), (2, "there is no report"), (3, "only a part of the data")],
)
def test_each_exit_code_has_its_text(code: int, says: str):
    """Without a report, the message says that there is none."""
    subject, text = load(ALERT).write_message(code, None)
    assert subject == f"Export tasks, no report: exit code {code}"
    assert says in text


def test_text_is_escaped_for_slack(slack: tuple[str, list]):
    """What Slack would take for a link or a mention is text."""
    url, posted = slack
    load(ALERT).post(url, "a", "<!channel> & <https://example.com|here>")
    assert posted[0]["text"] == "*a*\n&lt;!channel&gt; &amp; &lt;https://example.com|here&gt;"


def test_one_that_fails_does_not_keep_it_from_the_other(
    aws: Callable[..., None], slack: tuple[str, list], tmp_path: Path
):
    """A failure is named without its address, and the other one is told."""
    url, posted = slack
    aws("http://127.0.0.1:1", "_SNS")
    wrong = {"ALERT_TOPIC": "no-topic", "SLACK_WEBHOOK": url}
    done = run("python3", ALERT, 1, folder=tmp_path, **wrong)
    assert done.returncode == 1
    assert len(posted) == 1
    assert done.stderr == "alert.py: ALERT_TOPIC was not told: IndexError\n"
    done = run("python3", ALERT, 1, folder=tmp_path, SLACK_WEBHOOK="http://127.0.0.1:1/secret")
    assert "secret" not in done.stderr
    assert done.stderr.startswith("alert.py: SLACK_WEBHOOK was not told: ")
    done = run("python3", ALERT, 1, folder=tmp_path, SLACK_WEBHOOK=f"{url}/broken")
    assert done.stderr == "alert.py: SLACK_WEBHOOK was not told: HTTPError 500\n"


@pytest.mark.parametrize("name", ["ALERT_TOPIC", "SLACK_WEBHOOK"])
def test_one_that_does_not_answer_is_given_up(
    name: str,
    aws: Callable[..., None],
    slack: tuple[str, list],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """Neither keeps the script, or the other one, waiting for minutes."""
    aws(f"{slack[0]}/hang", "_SNS")
    addresses = {"ALERT_TOPIC": "arn:aws:sns:us-east-1:111122223333:alerts"}
    monkeypatch.setenv(name, addresses.get(name, f"{slack[0]}/hang"))
    monkeypatch.setattr(sys, "argv", ["alert.py", "1"])
    alert = load(ALERT)
    assert alert._SECONDS == 10
    monkeypatch.setattr(alert, "_SECONDS", 0.2)
    began = time.monotonic()
    with pytest.raises(SystemExit):
        alert.main()
    assert time.monotonic() - began < 10
    assert f"{name} was not told: " in capsys.readouterr().err
