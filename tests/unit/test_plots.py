"""What the plots of the benches are drawn from."""

import json

import pytest

plots = pytest.importorskip("bench.plots", reason="matplotlib is in the group bench")


def timed(test, rival, median, **parameters):
    return {
        "fullname": f"bench/test_wire.py::{test}[{rival}]",
        "name": f"{test}[{rival}]",
        "params": {"rival": rival, **parameters},
        "stats": {"median": median},
    }


def test_ratios_are_to_the_rival_at_the_same_work():
    told = [
        timed("test_decode", "goutube", 2.0, size=100),
        timed("test_decode", "protobuf", 3.0, size=100),
        timed("test_decode", "goutube", 5.0, size=4096),
        timed("test_decode", "protobuf", 2.5, size=4096),
        timed("test_alone", "protobuf", 1.0),
        {**timed("test_none", "x", 1.0), "params": None},
    ]
    assert plots.ratios(told) == {
        "wire": [("decode (100) | protobuf", 1.5), ("decode (4096) | protobuf", 0.5)]
    }


def test_the_same_figures_are_the_same_bytes(tmp_path, monkeypatch):
    told = [timed("test_decode", "goutube", 2.0), timed("test_decode", "protobuf", 3.0)]
    results = {
        "machine_info": {"card": "a machine"},
        "datetime": "2026-11-23T00",
        "benchmarks": told,
    }
    source = tmp_path / "bench.json"
    source.write_text(json.dumps(results))
    drawn = []
    for name in ("one", "two"):
        monkeypatch.setattr(plots, "PLOTS", tmp_path / name)
        plots.main(str(source))
        drawn.append((tmp_path / name / "wire.svg").read_bytes())
    assert drawn[0] == drawn[1]
    assert b"a machine, 2026-11-23" in drawn[0]
