"""What a kernel tells of the package: completions, signatures and help."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_client.manager import start_new_kernel

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("jupyter"),
    pytest.mark.filterwarnings("default"),  # those of Jupyter's own code are not tested here
]


@pytest.fixture(scope="module")
def ask(jupyter: object) -> Iterator[Callable[..., dict[str, Any]]]:
    """Return a function that sends a request to a kernel with exportstats imported as xs."""
    manager, client = start_new_kernel(startup_timeout=60)

    def send(request: str, *words: Any) -> dict[str, Any]:  # noqa: ANN401
        sent = getattr(client, request)(*words)
        while (reply := client.get_shell_msg(timeout=60))["parent_header"]["msg_id"] != sent:
            pass
        assert reply["content"]["status"] == "ok", reply["content"]
        return reply["content"]

    send("execute", "import exportstats as xs")
    yield send
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_tab_completes_the_public_names(ask: Callable[..., dict[str, Any]]):
    """`xs.<Tab>` offers the public names and no others, and `xs.find_<Tab>` those that begin so."""
    assert {*ask("complete", "xs.", 3)["matches"]} == {*xs.__all__}
    found = {name for name in xs.__all__ if name.startswith("find_")}
    assert {*ask("complete", "xs.find_", 8)["matches"]} == found


@pytest.mark.parametrize("name", ["find_gaps", "fetch_tasks", "plot_coverage", "Archive"])
def test_help_begins_with_a_readable_signature(name: str, ask: Callable[..., dict[str, Any]]):
    """`xs.name?` shows the signature, the summary line and an example."""
    shown = ask("inspect", f"xs.{name}", 3 + len(name))["data"]["text/plain"]
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert re.match(r"(Init s|S)ignature:\s+xs\." + name, text)
    assert getattr(xs, name).__doc__.splitlines()[0] in text
    assert "Parameters\n----------" in text
    signature = text.partition("Docstring:")[0]
    assert not re.search(r"ForwardRef|<|exportstats\.|shards\.", signature)
