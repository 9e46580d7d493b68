"""The gate on the kernels' instructions: what it counts of a file, and what it lets through."""

import json

import pytest

from bench.instructions import EXPECTED, compare, judge, own_instructions
from bench.kernel_work import WORK

FILE = """\
# callgrind format
version: 1
events: Ir
fl=(1) ring.c
ob=(2) /x/goutube/_native/ring.so
fn=(1) find
12 100
+3 20
cob=(3) /lib/libc.so.6
cfi=(4) memcpy.c
cfn=(5) memcpy
calls=7 30
+1 4000
* 5
ob=(3)
fn=(5)
30 4000
cob=(2)
cfn=(1)
calls=1 12
31 125
ob=(2)
fn=(6) hash
-4 1000

totals: 9250
"""


def counts(**change):
    told = {"compiler": "gcc 12", "flags": "-O3", "path": "pclmul"}
    return {**told, "instructions": {"a": 100.0, "b": 10.0}, **change}


def test_only_what_runs_in_our_own_objects_counts():
    assert own_instructions(FILE.splitlines()) == 100 + 20 + 5 + 1000


@pytest.mark.parametrize(
    ("counted", "wrong"),
    [
        ({"a": 104.9, "b": 9.6}, {}),
        ({"a": 105.1, "b": 10.0}, {"a": "needs more"}),
        ({"a": 94.0, "b": 10.0}, {"a": "needs less: record it"}),
        ({"a": 100.0}, {"b": "is expected, and was not counted"}),
        ({"a": 100.0, "b": 10.0, "c": 1.0}, {"c": "was counted, and nothing is expected of it"}),
    ],
)
def test_what_is_wrong(counted, wrong, capsys):
    assert compare(counts()["instructions"], counted) == wrong
    assert judge(counts(), counts(instructions=counted)) == bool(wrong)
    assert ("--record" in capsys.readouterr().out) == bool(wrong)


@pytest.mark.parametrize("other", [{"compiler": "gcc 14"}, {"path": "armv8"}, {"flags": "-Og"}])
def test_another_compiler_or_path_is_not_judged(other, capsys):
    assert judge(counts(), counts(instructions={"a": 500.0, "b": 10.0}, **other)) == 0
    assert "not judged" in capsys.readouterr().out


def test_every_kernel_at_work_has_its_expected_figure():
    assert list(json.loads(EXPECTED.read_text())["instructions"]) == list(WORK)


@pytest.mark.parametrize("name", WORK)
def test_the_work_runs(name):
    """Each checks by itself that it did what it should."""
    assert WORK[name][0] > 0
    WORK[name][1]()
