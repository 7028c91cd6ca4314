"""The benchmark's table and its sheet."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.quality.rows import Row, Table, at_most
from benchmarks.quality.sheet import Shown, write_sheet

SOFT = Row("soft", "how <soft> it is", at_most(0.4, mean=0.3), lambda subject: subject.soft, 2)
RARE = Row("rare", "what is measured on none of them", at_most(1), lambda subject: [])


@pytest.fixture
def table() -> Table:
    table = Table([SOFT, RARE])
    for name, soft in (("anna", [0.1, 0.5]), ("bert", []), ("carl", list(np.linspace(0.1, 0.3, 9)))):
        table.measure(SimpleNamespace(name=name, soft=soft))
    return table


def test_a_row_is_summed_up_over_all_portraits_and_shown_for_each(table):
    assert table.summary(SOFT) == ("0.22 / 0.50", False) and table.summary(RARE) is None
    assert [table.of_one(SOFT, name) for name in ("anna", "bert", "carl")] == ["0.10 0.50", "", "0.20 / 0.30"]
    title, each = str(table).splitlines()
    assert "<= 0.3 / 0.4" in title and title.endswith("MISSED")
    assert each.strip() == "anna 0.10 0.50, carl 0.20 / 0.30"


def test_the_sheet_holds_the_pictures_and_the_numbers_that_are_about_them(table, tmp_path):
    picture = np.full((8, 8, 3), 0.5)
    write_sheet(tmp_path / "sheet.html", table, {"anna": [Shown("rest", picture, ("soft",)), Shown("photo", picture)]})
    page = (tmp_path / "sheet.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 2 and page.count("class=missed>") == 2
    assert page.count("how &lt;soft&gt; it is: 0.10 0.50 (&lt;= 0.3 / 0.4)") == 1
