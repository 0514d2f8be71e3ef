"""Incomplete lists, and several files."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from inputs import (
    CREATED,
    page,
    pascal,
    renamed,
    snake,
    task,
    warned,
)
from support import plain

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Task = dict[str, Any]

CUT = r"tasks\.json: the list of tasks is not complete.*Run `.*export-tasks` without --max-items"


@pytest.mark.parametrize(
    "content",
    [
        page(task(), nextToken="AAAA"),
        page(task(), NextToken="AAAA"),
        renamed(page(task()), pascal) | {"NextToken": "AAAA"},
        {"nextToken": "AAAA"} | page(task()),
        [page(task(), nextToken="x"), page(task("b"), nextToken="y")],
        renamed(page(task(), next_token="x"), snake),
    ],
)
def test_a_list_that_was_cut_short(save: Callable[..., Path], content: Any) -> None:  # noqa: ANN401
    """A token in the last page means that the list is incomplete, with one warning."""
    for text in (json.dumps(content), json.dumps(content, indent=2)):
        with warned() as messages:
            assert len(xs.read_tasks(save(text))) >= 1
        (message,) = messages
        assert isinstance(message, xs.PartialListWarning)
        assert re.search(CUT, str(message))


def test_pages_up_to_the_last(save: Callable[..., Path]) -> None:
    """Pages whose last has no token are a complete list, in one file or several."""
    first, last = page(task(), nextToken="x"), page(task("b", executionInfo={"creationTime": 1}))
    for token in (None, ""):
        ended = last | {"nextToken": token}
        assert len(xs.read_tasks(save([first, ended]))) == 2
        assert len(xs.read_tasks(save(f"{json.dumps(first)}\n{json.dumps(ended)}\n"))) == 2
        pages = save(first, "1.json"), save(ended, "2.json")
        for paths in (pages, pages[::-1]):
            assert len(xs.read_tasks(*paths)) == 2


def test_log_groups_that_were_cut_short(save: Callable[..., Path]) -> None:
    """The warning about log groups names the command that lists them."""
    groups = {"logGroups": [{"logGroupName": "/a"}], "nextToken": "x"}
    says = "of log groups .*`aws logs describe-log-groups`"
    with pytest.warns(xs.PartialListWarning, match=says):
        xs.read_log_groups(save(groups))


def at(created: int, name: str, **more: Any) -> Task:  # noqa: ANN401
    """Return a task created some hours after the others."""
    when = CREATED + created * 3_600_000
    return task(name, executionInfo={"creationTime": when, "completionTime": when + 1}, **more)


SEVERAL = r"1\.json.*2\.json.* have no region, share log groups and have tasks from the same time"


def test_regions_that_may_be_mixed_up(save: Callable[..., Path]) -> None:
    """Files without a region are refused if they may be from two regions."""
    europe, america = page(at(0, "a"), at(2, "b")), page(at(1, "c"))
    with pytest.raises(xs.ArgumentError, match=SEVERAL + r".*region= .*xs\.concat"):
        xs.read_tasks(save(europe, "1.json"), save(america, "2.json"))
    tasks = xs.read_tasks(save(europe, "1.json"), save(america, "2.json"), region="eu-west-1")
    assert set(tasks["region"]) == {"eu-west-1"}
    apart = [
        xs.read_tasks(save(content), region=region, account_id="012345678901")
        for content, region in ((europe, "eu-west-1"), (america, "us-east-1"))
    ]
    assert xs.concat(apart)["region"].value_counts().to_dict() == {"eu-west-1": 2, "us-east-1": 1}


@pytest.mark.parametrize("shape", ["{0}{1}", "[{0},{1}]", "{0}\n{1}\n"])
def test_whole_lists_in_one_file(save: Callable[..., Path], shape: str) -> None:
    """Two complete lists in one file with tasks from the same time are refused."""
    lists = [page(at(0, "a"), at(2, "b")), page(at(1, "c"))]
    text = shape.format(*map(json.dumps, lists))
    with pytest.raises(xs.ArgumentError, match="may be from several regions"):
        xs.read_tasks(save(text))
    assert len(xs.read_tasks(save(text), region="eu-west-1")) == 3
    lists[0]["nextToken"] = "more"
    assert len(xs.read_tasks(save(shape.format(*map(json.dumps, lists))))) == 3, "pages of one"


def test_tasks_without_a_creation_time_are_no_evidence(save: Callable[..., Path]) -> None:
    """Tasks without a creation time are read, with a warning for several files."""
    europe, america = page(task("a", executionInfo={})), page(task("b", executionInfo={}))
    lists = save(f"{json.dumps(europe)}\n{json.dumps(america)}\n")
    assert len(xs.read_tasks(lists)) == 2
    with pytest.warns(xs.AccountUnknownWarning, match="read as pages of one list"):
        assert len(xs.read_tasks(save(europe, "1.json"), save(america, "2.json"))) == 2
    mixed = page(at(0, "a"), task("d", executionInfo={}), at(2, "c"))
    with pytest.raises(xs.ArgumentError, match=SEVERAL):
        xs.read_tasks(save(mixed, "1.json"), save(page(at(1, "b")), "2.json"))


@pytest.mark.parametrize(
    "names",
    [
        ("eu-west-1.json", "us-east-1.json"),
        ("2026_eu-west-1_tasks.json", "tasks.us-east-1.json"),
        ("eu-west-1/tasks.json", "us-east-1/tasks.json"),
        ("region=eu-west-1/tasks.json", "region=us-east-1/tasks.json"),
        ("account_id=1/region=eu-west-1/a/b.json", "account_id=1/region=us-east-1/a/b.json"),
        ("us-gov-west-1.json", "ap-southeast-4.json"),
    ],
)
def test_regions_in_names(save: Callable[..., Path], tmp_path: Path, names: list[str]) -> None:
    """The region is read from the name of a file or its folders."""
    paths = [save(page(at(0, name)), name) for name in names]
    expected = [re.search(r"[a-z]{2}-(?:[a-z]+-)+\d", name)[0] for name in names]  # type: ignore[index]
    for given_ in (paths, [paths], [tmp_path], [f"{tmp_path}/**/*.json"]):
        tasks = xs.read_tasks(*given_).set_index("task_id")
        assert [tasks.loc[name, "region"] for name in names] == expected


@pytest.mark.parametrize(
    ("name", "account", "region"),
    [
        ("account_id=012345678901/region=eu-west-1/x.json", "012345678901", "eu-west-1"),
        ("account=012345678901/Region=eu-west-1/x.json", "012345678901", "eu-west-1"),
        ("accountId=012345678901/x.json", "012345678901", None),
        ("012345678901/eu-west-1/x.json", "012345678901", "eu-west-1"),
        ("012345678901_eu-west-1.json", "012345678901", "eu-west-1"),
        ("eu-west-1-us-east-1.json", None, None),
        ("region=__HIVE_DEFAULT_PARTITION__/x.json", None, None),
        ("tasks-202611230600.json", None, None),
        ("tasks-20261123060000.json", None, None),
        ("x.json", None, None),
        ("db-backup-1.json", None, None),
        ("my-tasks-2/x.json", None, None),
        ("eusc-de-east-1.json", None, "eusc-de-east-1"),
        ("ap-southeast-10.json", None, "ap-southeast-10"),
        ("us-isob-east-1_tasks.json", None, "us-isob-east-1"),
        ("cda45419-90ea-4db5-9833-123456789012.json", None, None),
    ],
)
def test_whose_tasks(
    save: Callable[..., Path], name: str, account: str | None, region: str | None
) -> None:
    """Account and region are read from a path, and a date is not taken for an account."""
    tasks = xs.read_tasks(save(page(task()), name))
    assert plain(tasks["account_id"]) == [account]
    assert plain(tasks["region"]) == [region]
    said = xs.read_tasks(save(page(task()), name), account_id="999988887777", region="eu-north-1")
    assert plain(said["account_id"]) == ["999988887777"]
    assert plain(said["region"]) == ["eu-north-1"]
    own = page(task(accountId="111122223333", region="sa-east-1"))
    tasks = xs.read_tasks(save(own, name), account_id="999988887777", region="eu-north-1")
    assert plain(tasks["account_id"]) == ["111122223333"]  # a task's own values take precedence
    assert plain(tasks["region"]) == ["sa-east-1"]


def test_accounts_in_names_are_enough(save: Callable[..., Path]) -> None:
    """Files of two accounts are not refused, even without regions."""
    paths = [save(page(at(0, n)), f"{n * 12}.json") for n in "12"]
    assert len(xs.read_tasks(*paths)) == 2


def test_pages_in_several_files(save: Callable[..., Path]) -> None:
    """Files without tokens that follow one another are read as one list, with a warning."""
    for contents in ((page(at(2, "a")), page(at(1, "b"))), ([at(2, "a")], [at(1, "b")])):
        paths = [save(content, f"{n}.json") for n, content in enumerate(contents, 1)]
        for given_ in (paths, paths[::-1]):
            with pytest.warns(xs.AccountUnknownWarning, match="are read as pages of one list"):
                assert len(xs.read_tasks(*given_)) == 2
            assert len(xs.read_tasks(*given_, region="eu-west-1")) == 2


def test_one_list_on_two_days(save: Callable[..., Path]) -> None:
    """A list that was saved again later is not refused, in any order of the files."""
    monday = page(at(1, "b", status={"code": "RUNNING"}), at(0, "a"))
    tuesday = page(at(2, "c"), at(1, "b"))
    paths = [save(monday, "monday.json"), save(tuesday, "tuesday.json")]
    for given_ in (paths, paths[::-1]):
        with warned():
            tasks = xs.read_tasks(*given_).set_index("task_id")["status_code"]
        assert tasks.to_dict() == dict.fromkeys("abc", "COMPLETED")


def test_wrong_arguments() -> None:
    """An invalid account ID or region is refused with its value."""
    for account in (12345678901, "12", "12345678901a", ""):
        with pytest.raises(xs.ArgumentError, match=r"account_id=.*; give twelve digits, as text"):
            xs.read_tasks(io.StringIO("[]"), account_id=account)
    for region in ("", 5):
        with pytest.raises(xs.ArgumentError, match=r"region=.*; give its name"):
            xs.read_tasks(io.StringIO("[]"), region=region)


def test_accounts_that_may_be_mixed_up(save: Callable[..., Path]) -> None:
    """Files of one region without accounts are refused if they may be from two accounts."""
    paths = [save(page(at(0, n)), f"{n}/eu-west-1.json") for n in ("prod", "dev")]
    says = r"have no account, .* may be from several accounts.*give account_id= once"
    with pytest.raises(xs.ArgumentError, match=says):
        xs.read_tasks(*paths)
    assert len(xs.read_tasks(*paths, account_id="012345678901")) == 2
    with warned():  # they follow one another, like lists of one region on two days
        assert len(xs.read_tasks(paths[0], save(page(at(1, "c")), "c/eu-west-1.json"))) == 2


@pytest.mark.parametrize("keys", [("accountId", "region"), ("Account", "Region")])
def test_pages_that_say_whose_they_are(save: Callable[..., Path], keys: tuple[str, str]) -> None:
    """Account and region next to a list apply to its tasks, unless a task has others."""
    places = ("111122223333", "eu-west-1"), ("111122223333", "us-east-1")
    own = task("c", accountId="444455556666", region="sa-east-1")
    for before in (True, False):
        pages = []
        for name, place in zip("ab", places, strict=True):
            beside = dict(zip(keys, place, strict=True))
            inside = page(task(name), own)
            pages.append(beside | inside if before else inside | beside)
        for content in (pages, "\n".join(map(json.dumps, pages))):
            tasks = xs.read_tasks(save(content)).set_index("task_id")
            assert tasks["region"].to_dict() == {
                "a": "eu-west-1",
                "b": "us-east-1",
                "c": "sa-east-1",
            }
            assert tasks["account_id"].to_dict() == {
                "a": "111122223333",
                "b": "111122223333",
                "c": "444455556666",
            }


def test_a_page_of_a_single_task_says_whose_it_is(save: Callable[..., Path]) -> None:
    """Account and region of a page apply to a single object too."""
    for tasks in (task("a"), [task("a")]):
        place = {"accountId": "111122223333", "region": "eu-west-1"}
        found = xs.read_tasks(save(place | {"exportTasks": tasks}))
        assert plain(found["account_id"]) == ["111122223333"]
        assert plain(found["region"]) == ["eu-west-1"]


def test_a_region_behind_a_long_list(save: Callable[..., Path]) -> None:
    """A region next to a list counts wherever it is."""
    tasks = page(*(task(str(n)) for n in range(9)))
    for content in (tasks | {"region": "eu-west-1"}, {"region": "eu-west-1"} | tasks):
        assert plain(xs.read_tasks(save(content))["region"]) == ["eu-west-1"] * 9


def test_a_path_that_is_empty() -> None:
    """An empty path, such as an unset variable, is refused and not taken for this folder."""
    with pytest.raises(xs.ArgumentError, match=r"'' is not a path; give \. for this folder"):
        xs.read_tasks("")


def test_files_in_folders(save: Callable[..., Path], tmp_path: Path) -> None:
    """A file in a folder is named by its path, and read once if given with its folder."""
    path = save([task(), {"taskId": ""}], "folder/tasks.json")
    with pytest.warns(xs.BadRowsWarning) as caught:
        assert len(xs.read_tasks(tmp_path / "folder", path)) == 1
    assert plain(caught[0].message.rows["place"]) == [f"{path}, task 2"]
    with pytest.warns(xs.BadRowsWarning, match=r"1 x no task_id .*, delivery 2\)"):
        deliveries = xs.read_deliveries(save([{"task_id": "a"}, {"task_id": ""}]))
    assert plain(deliveries["task_id"]) == ["a"]


def test_a_column_of_ones_own_that_changes_its_kind(save: Callable[..., Path]) -> None:
    """A column of numbers in one file and text in the next is text; missing stays missing."""
    texts = ("task_id,team\na,1\nb,\n", "task_id,team\nc,web\n")
    with warned():
        tasks = xs.read_tasks(*(save(text, f"{n}.csv") for n, text in enumerate(texts)))
    assert plain(tasks["team"]) == ["1", None, "web"]


@pytest.mark.parametrize(("number", "named"), [(3, r"3\.json"), (5, r"3\.json and 2 more")])
def test_many_files_that_may_be_mixed_up(
    save: Callable[..., Path], number: int, named: str
) -> None:
    """The error names three files and the number of the others."""
    paths = [save(page(at(0, f"{n}"), at(2, f"{n}b")), f"{n}.json") for n in range(1, number + 1)]
    with pytest.raises(xs.ArgumentError, match=rf"1\.json, \S*2\.json, \S*{named} have no region"):
        xs.read_tasks(*paths)
