"""The figures of membership: one seed, one result; measured once; written where their table stands."""

from __future__ import annotations

import pytest

from bench import gossip_figures
from bench.gossip_figures import Bench, Setting, cells, measured, with_table

SETTING = Setting(10, loss=0.2, stopped=0.1)
PAGE = "text\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\nmore\n\n| a |\n"


def test_a_seed_has_one_result():
    found = measured(SETTING)
    assert measured(SETTING) == found
    packets, first = found.load[1], found.times[0]
    assert packets > 2  # a ping and its answer, and what loss and stops add
    assert 0 < first[0] < first[1] <= first[2]


def test_what_is_kept_is_not_measured_again(tmp_path, monkeypatch, capsys):
    found = Bench(tmp_path / "kept")(SETTING)
    monkeypatch.setattr(gossip_figures, "measured", pytest.fail)
    assert Bench(tmp_path / "kept")(SETTING) == found
    assert cells(found)[-3:] == [f"{count:,}" for count in found.false]


def test_a_table_is_written_in_its_place():
    page = with_table(PAGE, ["a", "b"], [["3", "4"], ["5", "6"]])
    assert page == PAGE.replace("| 1 | 2 |", "| 3 | 4 |\n| 5 | 6 |")
    with pytest.raises(AssertionError, match="no table"):
        with_table(PAGE, ["c"], [])
