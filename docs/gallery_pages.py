"""Write the gallery: a page for each chart, with its table and the lines that make it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from charts import BEFORE, CHARTS

import exportstats as xs

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes

_ROWS = 5
_COLUMNS = 8
_INDEX = """\
# Gallery

Each chart draws exactly the table that it gets. A click shows the table, and the lines that make
both. The pictures are made while this site is built, from the synthetic sample that comes with the
package.

::::{grid} 1 2 3 3
:gutter: 3

"""
_CARD = """\
:::{{grid-item-card}} {question}
:link: {name}
:link-type: doc
:img-top: {name}.png
:img-alt: {name} of the synthetic sample

`{name}`
:::
"""
_PAGE = """\
# {question}

```python
{code}
```

![{name} of the synthetic sample]({name}.png)

The chart shows the synthetic sample. {size}

{table}

Reference: [{name}](../api/{name}.rst)
"""


def draw(name: str) -> tuple[str, pd.DataFrame, Axes]:
    """Return the code of a chart, its table, and what the code draws."""
    chart = CHARTS[name]
    pandas = "import pandas as pd\n\n" if "pd." in chart.given else ""
    code = f"{pandas}{BEFORE}{chart.given}{chart.lines}\naxes = xs.{name}(table)"
    names: dict[str, Any] = {}
    exec(compile(code, name, "exec"), names)  # noqa: S102 - it is ours
    return code, names["table"], names["axes"]


def write_gallery(folder: Path) -> None:
    """Write a page and a picture for each chart, and the page that shows all."""
    mpl.use("Agg")
    folder.mkdir()
    cards = []
    for name, chart in CHARTS.items():
        code, table, axes = draw(name)
        figure = axes.get_figure(root=True)
        figure.savefig(folder / f"{name}.png", dpi=110)
        mpl.pyplot.close(figure)
        page = _PAGE.format(
            question=chart.question,
            code=code,
            name=name,
            size=_size(table),
            table=_html(table),
        )
        (folder / f"{name}.md").write_text(page, encoding="utf-8")
        cards.append(_CARD.format(name=name, question=chart.question))
    tree = "\n".join(["```{toctree}", ":hidden:", "", *CHARTS, "```", ""])
    text = f"{_INDEX}{''.join(cards)}::::\n\n{tree}"
    (folder / "index.md").write_text(text, encoding="utf-8")


def _size(table: pd.DataFrame) -> str:
    rows, columns = len(table), len(table.columns)
    text = f"Its table has {rows:,} {'row' if rows == 1 else 'rows'} and {columns} columns"
    some = [f"the first {_ROWS} rows"] * (rows > _ROWS)
    some += [f"the first {_COLUMNS} columns"] * (columns > _COLUMNS)
    return f"{text}; these are {' and '.join(some)}:" if some else f"{text}:"


def _html(table: pd.DataFrame) -> str:
    shown = xs.format_durations(table.iloc[:_ROWS, :_COLUMNS])
    return f'```{{raw}} html\n<div class="xs-table">{shown.to_html()}</div>\n```'
