import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeflow import NodeError, Table
from nodeflow_nodes.value.constants import boolean, choice, floating, integer, seed, seeds, text
from nodeflow_nodes.value.flow import first_given, same, switch
from nodeflow_nodes.value.lists import (
    cut,
    floats,
    integers,
    join_lists,
    length,
    linspace,
    make_list,
    make_range,
    pick,
    texts,
)
from nodeflow_nodes.value.numbers import compare, to_float, to_integer, to_text, to_texts
from nodeflow_nodes.value.randoms import random_float, random_floats, random_integer, random_integers, shuffle
from nodeflow_nodes.value.tables import join_tables, show, table, table_column, table_text


def test_constants() -> None:
    assert (integer(3), floating(0.5), text("a"), boolean(True), seed(2**64 - 1)) == (3, 0.5, "a", True, 2**64 - 1)
    assert seeds(2**64 - 1, 3) == [2**64 - 1, 0, 1]
    assert (integers([1, 2]), floats([1, 2.5]), texts(["a"])) == ([1, 2], [1.0, 2.5], ["a"])


def test_choice() -> None:
    assert choice("red\n green \n\nblue", "green") == "green"
    assert choice("red\ngreen") == "red"
    with pytest.raises(NodeError, match="nearest: 'green'"):
        choice("red\ngreen", "gren")
    with pytest.raises(NodeError, match="at least one line"):
        choice("\n")


def fail() -> None:
    pytest.fail("the other input was computed")


def test_switch_computes_only_what_it_passes_on() -> None:
    assert switch(True, lambda: 1, fail) == 1
    assert switch(False, fail, lambda: "b") == "b"
    assert switch(False, fail, "written in the recipe") == "written in the recipe"
    assert switch(True) is None
    assert first_given(lambda: 0, fail) == 0
    assert first_given(lambda: None, lambda: 2) == 2
    assert first_given(None, 3) == 3


def test_same() -> None:
    alike = [(1, 1.0), ("a", "a"), ([1, "b"], [1.0, "b"]), (None, None), (True, True)]
    other = [("1", 1), (True, 1), ([1], [1, 2]), ([True], [1]), (None, 0), ("a", "A")]
    assert [same(a, b) for a, b in alike + other] == [True] * 5 + [False] * 6
    with pytest.raises(NodeError, match="got a object"):
        same(object(), 1)


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(-9, 9).filter(bool))
def test_range_is_pythons(start: int, stop: int, step: int) -> None:
    assert make_range(start, stop, step) == list(range(start, stop, step))


def test_range_and_linspace_limits() -> None:
    with pytest.raises(NodeError, match="other than 0"):
        make_range(step=0)
    with pytest.raises(NodeError, match="100,000"):
        make_range(0, 10**12)
    assert linspace(0, 1, 5) == [0, 0.25, 0.5, 0.75, 1]
    assert linspace(0, 1, 4, False) == [0, 0.25, 0.5, 0.75]
    assert linspace(0.1, 0.7, 7)[-1] == 0.7
    assert linspace(3, 9, 1) == [3]
    with pytest.raises(NodeError, match="too far apart"):
        linspace(-1.7e308, 1.7e308, 3)


def test_lists() -> None:
    values = [1, 2, 3, 4]
    assert length(values) == 4
    assert pick(values, -1) == 4
    assert cut(values, 1, 2) == [2, 3]
    assert cut(values, -2) == [3, 4]
    assert cut(values, reverse=True) == [4, 3, 2, 1]
    assert join_lists([1], ["a"]) == [1, "a"]
    assert make_list("a", None, "c") == ["a", "c"]
    assert values == [1, 2, 3, 4]
    with pytest.raises(NodeError, match="the list has 4 items"):
        pick(values, 4)
    with pytest.raises(NodeError, match="0 items"):
        pick([])


def test_comparing() -> None:
    tests = ("a == b", "a != b", "a < b", "a <= b", "a > b", "a >= b")
    assert [compare(1, 2, t) for t in tests] == [False, True, True, True, False, False]
    assert [compare(2, 2.0, t) for t in tests] == [True, False, False, True, False, True]
    assert compare(1.0, 1.05, "a == b", 0.1)


def test_converting() -> None:
    assert [to_integer(x) for x in (2.5, 3.5, -2.7, "42", " 7.9 ", True, 5)] == [2, 4, -3, 42, 8, 1, 5]
    assert [to_integer(-2.5, r) for r in ("nearest", "down", "up", "towards_zero")] == [-2, -3, -2, -2]
    assert [to_float(x) for x in ("1e3", 2, False)] == [1000, 2, 0]
    assert to_integer(str(2**70)) == 2**70
    assert [to_text(x) for x in (1, 1.5, True, "a")] == ["1", "1.5", "true", "a"]
    assert to_text(2 / 3, 2) == "0.67"
    assert to_texts([1, 0.5, True, "a"], 1, "x ", " px") == ["x 1.0 px", "x 0.5 px", "x true px", "x a px"]
    for bad in ("", "abc", "1,5", "9" * 5000):
        with pytest.raises(NodeError, match="expected a number"):
            to_float(bad)
    for bad in ("inf", "nan"):
        with pytest.raises(NodeError, match="no whole number"):
            to_integer(bad)
    with pytest.raises(NodeError, match="too large"):
        to_float("9" * 399)


def test_random_numbers_do_not_change() -> None:
    """These are recorded: the same seed must give the same values in every version."""
    assert random_integers(0, 0, 100, 4) == [85, 42, 51, 79]
    assert random_floats(0, 0.0, 1.0, 2) == pytest.approx([0.8444218515250481, 0.7579544029403025])
    assert random_integer(7, 5, 5) == 5
    assert shuffle([1, 2, 3, 4, 5], 0) == shuffle([1, 2, 3, 4, 5], 0)


@given(st.integers(0, 2**64 - 1), st.integers(-(2**64), 2**64), st.integers(0, 2**64))
def test_random_integers_stay_in_range(seed: int, low: int, span: int) -> None:
    high = min(low + span, 2**64)
    drawn = random_integers(seed, low, high, 5)
    assert all(low <= x <= high for x in drawn)
    assert random_integers(seed, low, high, 3) == drawn[:3]
    assert random_integer(seed, low, high) == drawn[0]


def test_random_numbers_are_even() -> None:
    drawn = random_integers(1, 1, 6, 6000)
    assert all(900 < drawn.count(side) < 1100 for side in range(1, 7))
    assert 0.48 < sum(random_floats(1, 0.0, 1.0, 5000)) / 5000 < 0.52
    assert -3 <= random_float(1, -3.0, -2.0) <= -2
    assert sorted(shuffle(list(range(50)), 1)) == list(range(50))
    orders = [tuple(shuffle([1, 2, 3], s)) for s in range(600)]
    assert all(60 < orders.count(o) < 140 for o in set(orders))
    assert len(set(orders)) == 6
    with pytest.raises(NodeError, match="low ≤ high"):
        random_integers(0, 2, 1)
    with pytest.raises(NodeError, match="low ≤ high"):
        random_floats(0, 2.0, 1.0)


SCORES = Table(("name", "score"), (("a|b", 0.123456789), ("c", None), ("d", True)))


def test_tables() -> None:
    made = table(["n", "x"], [1, 2], ["a", None])
    assert made == Table(("n", "x"), ((1, "a"), (2, None)))
    assert table_column(made, "x").values == ["a", None]
    assert join_tables([made, made]).rows == made.rows * 2
    for bad in (lambda: table(["n"], [1], [2]), lambda: table(["n", "m"], [1], [1, 2]), lambda: table(["n"], [[1]])):
        with pytest.raises(NodeError, match="column"):
            bad()
    with pytest.raises(NodeError, match="no column"):
        table_column(made, "z")
    with pytest.raises(NodeError, match="columns"):
        join_tables([made, SCORES])
    with pytest.raises(NodeError, match="empty list"):
        join_tables([])


def test_tables_as_text() -> None:
    assert table_text(SCORES, 3) == (
        "| name | score |\n| ---- | ----- |\n| a\\|b | 0.123 |\n| c    |       |\n| d    | yes   |"
    )


def test_showing() -> None:
    import torch

    assert show(3, "steps") == "steps: 3"
    assert show("a") == "a"
    assert show([1, "a", None, math.pi]) == "[1, 'a', None, 3.141592653589793]"
    assert show(torch.zeros(1, 3, 2, 2)) == "tensor [1, 3, 2, 2] float32"
    assert show(SCORES).startswith("| name")
    assert show(object()) == "a object"
    assert show([0] * 200).endswith("100 more]")
