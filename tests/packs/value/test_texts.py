import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeflow import NodeError
from nodeflow_nodes.value import regex
from nodeflow_nodes.value.template import fill, parse_lists
from nodeflow_nodes.value.texts import (
    change_case,
    fill_template,
    join_text,
    join_texts,
    regex_find,
    regex_replace,
    regex_test,
    replace_text,
    split_text,
    text_length,
    wildcard,
)


def test_joining_and_splitting() -> None:
    assert join_text("a", "b") == "a, b"
    assert join_text("a", "") == "a"
    assert join_text("", "b", "-") == "b"
    assert join_texts(["a", "", "c"], "|") == "a||c"
    assert split_text("a\n\n b \n") == ["a", "b"]
    assert split_text("a, b,,c", ",") == ["a", "b", "c"]
    assert split_text("a, b,,c", ",", strip=False) == ["a", " b", "", "c"]
    assert text_length("äöü") == 3
    assert change_case("aB cD", "title") == "Ab Cd"
    assert change_case("aB cD", "sentence") == "AB cD"


def test_replacing() -> None:
    assert replace_text("aaa", "a", "b") == "bbb"
    assert replace_text("aaa", "a", "b", 2) == "bba"
    assert replace_text("a.c", ".", "\\1") == "a\\1c"
    assert replace_text("abc", "", "x") == "abc"
    with pytest.raises(NodeError, match="200,000"):
        replace_text("a" * 1000, "a", "b" * 1000)


def test_regex() -> None:
    assert regex_find("a1 b22", "[0-9]+") == ["1", "22"]
    assert regex_find("k=v, x=y", r"(\w+)=(\w+)", 2) == ["v", "y"]
    assert regex_find("none", "[0-9]+", 5) == []
    assert regex_find("A\nb", "^[ab]$", ignore_case=True, multiline=True) == ["A", "b"]
    assert regex_find("a\nb", "a.b", dot_all=True) == ["a\nb"]
    assert regex_find("ab", "(x)?b", 1) == [""]
    assert regex_replace("a1b2", "[0-9]", "#") == "a#b#"
    assert regex_replace("k=v", r"(\w+)=(\w+)", r"\2=\1") == "v=k"
    assert regex_replace("aaa", "a", "b", 1) == "baa"
    assert regex_test("Hello", "^hel", ignore_case=True)
    assert not regex_test("Hello", "^x")


@pytest.mark.parametrize(
    ("pattern", "words"), [("(", "no regular expression"), ("a" * 2000, "at most"), ("(?P<1>a)", "no regular")]
)
def test_bad_patterns(pattern: str, words: str) -> None:
    with pytest.raises(NodeError, match=words):
        regex_test("a", pattern)


def test_bad_groups() -> None:
    with pytest.raises(NodeError, match="the pattern has 0 brackets"):
        regex_find("a", "a", 1)
    with pytest.raises(NodeError, match="replacement"):
        regex_replace("a", "a", r"\3")
    with pytest.raises(NodeError, match="invalid group reference"):
        regex_replace("ab", "(a+)b*", r"\3")


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "(a*)*$", "(a|aa)+$", "^(a?){40}a{40}$"])
def test_searches_without_end_are_ended(monkeypatch: pytest.MonkeyPatch, pattern: str) -> None:
    monkeypatch.setattr(regex, "SECONDS", 0.4)
    started = time.perf_counter()
    with pytest.raises(NodeError, match="took longer than"):
        regex_test("a" * 60 + "b", pattern)
    assert time.perf_counter() - started < 5


@given(st.text("ab(*+?{}[]|\\1^$.,0", max_size=12), st.text("ab01", max_size=30))
@settings(max_examples=300, deadline=None)
def test_patterns_called_simple_are_quick_and_right(pattern: str, text: str) -> None:
    if not regex.simple(pattern, text):
        return
    started = time.perf_counter()
    with contextlib.suppress(NodeError):
        regex.search(pattern, text * 20, 0, 0)
    assert time.perf_counter() - started < 1


def test_templates() -> None:
    assert (
        fill_template("a {a} of {b:.2f}, {{c}}, {c:03d} {d}", "photo", 1.234, 7, True)
        == "a photo of 1.23, {c}, 007 true"
    )
    assert fill_template("{subject} in {place}", "cat", "box", names="subject, place") == "cat in box"
    assert fill_template("") == ""


@pytest.mark.parametrize(
    "text",
    [
        "{a.__class__}", "{a[0]}", "{0}", "{}", "{a!r}", "{a:{b}}", "{z}", "{a", "a}", "{a:999999999}", "{a:>9999d}",
        "{a:\n}", "{a:.999f}", "{a.real}", "{__class__}", "{a:d}",
    ],
)  # fmt: skip
def test_only_names_and_plain_formats_are_filled_in(text: str) -> None:
    with pytest.raises(NodeError, match="template"):
        fill(text, {"a": "x", "b": 3})


def test_filled_in_values_are_not_filled_in_again() -> None:
    assert fill("{a}", {"a": "{b}", "b": "secret"}) == "{b}"
    with pytest.raises(NodeError, match="at most 200,000"):
        fill("{a}" * 300, {"a": "x" * 1000})
    with pytest.raises(NodeError, match="up to four different names"):
        fill_template("x", names="a, a")


@given(st.text(max_size=60))
@settings(deadline=None)
def test_escaped_text_comes_back(text: str) -> None:
    assert fill(text.replace("{", "{{").replace("}", "}}"), {}) == text


def test_wildcards() -> None:
    made = {wildcard("a {red|green|blue} cat", seed) for seed in range(40)}
    assert made == {"a red cat", "a green cat", "a blue cat"}
    assert wildcard("a {red|green|blue} cat", 3) == wildcard("a {red|green|blue} cat", 3)
    assert wildcard("plain", 1) == "plain"
    assert wildcard(r"\{a\|b\} a_b __ \_", 1) == "{a|b} a_b __ _"
    nested = {wildcard("{a|{b|c}}{|!}", seed) for seed in range(60)}
    assert nested == {x + y for x in "abc" for y in ("", "!")}


def test_weights() -> None:
    made = [wildcard("{9::a|b}", seed) for seed in range(400)]
    assert 0.85 < made.count("a") / 400 < 0.95
    assert {wildcard("{0::a|b}", seed) for seed in range(50)} == {"b"}


def test_lists() -> None:
    lists = "animal: cat, dog\n# a remark\nkind: big __animal__\n"
    assert {wildcard("a __kind__", seed, lists) for seed in range(30)} == {"a big cat", "a big dog"}
    assert parse_lists("[my-list]\none, with comma\n\ntwo\n[b]\nx") == {
        "my-list": ["one, with comma", "two"],
        "b": ["x"],
    }
    assert wildcard("__my_list__", 0, "my_list: x") == "x"


@pytest.mark.parametrize(
    ("text", "lists", "words"),
    [
        ("__a__", "", "no such list"),
        ("{a|b", "", "never closed"),
        ("__a__", "a: __a__", "does a list name itself"),
        ("__a__", "a: __b__ __b__\nb: __a__ __a__", "itself|too long"),
        ("{0::a|0::b}", "", "weights are 0"),
        ("x", "no list", "lists, line 1"),
        ("{a|b}" * 20_000, "", "too long"),
    ],
)
def test_bad_wildcards(text: str, lists: str, words: str) -> None:
    started = time.perf_counter()
    with pytest.raises(NodeError, match=words):
        wildcard(text, 0, lists)
    assert time.perf_counter() - started < 2


@given(st.text("ab{}|_\\:1 ", max_size=40), st.integers(0, 5))
@settings(max_examples=300, deadline=None)
def test_any_text_gives_a_text_or_a_node_error(text: str, seed: int) -> None:
    with contextlib.suppress(NodeError):
        assert isinstance(wildcard(text, seed, "a: 1, 2\nb: __a__"), str)
