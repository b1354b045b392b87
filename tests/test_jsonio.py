"""JSON from outside and JSON that is saved."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeflow.jsonio import canonical, dump_json, number_text, parse_json
from nodeflow.problems import Problem, ProblemsError
from tests.packs_for_tests import refused
from tests.strategies import values


def problem(text: str | bytes, **options: Any) -> Problem:
    (found,) = refused(lambda: parse_json(text, source="x.json", **options))
    return found


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "the document is empty", ""),
        (" \n", "the document is empty", ""),
        ("{", "not JSON at line 1, column 2: Expecting property name enclosed in double quotes", "cut off"),
        ('{"a": [1, 2', "not JSON at line 1, column 12: Expecting ',' delimiter", "cut off"),
        ('{"a": 1}\n}', "not JSON at line 2, column 1: Extra data", ""),
        ("{'a': 1}", "not JSON at line 1, column 2: Expecting property name enclosed in double quotes", ""),
        (b"\xff\xfe{}", "the document is not UTF-8 text (byte 0)", "is it a recipe?"),
        ("[NaN]", "NaN is no JSON number", ""),
        ("[Infinity]", "Infinity is no JSON number", ""),
        ("[-Infinity]", "-Infinity is no JSON number", ""),
        ("[1e400]", "the number 1e400 is too large", ""),
        ("[" + "9" * 10_000 + "]", "a number has too many digits", ""),
        ("[" * 200_000, "objects and lists nest deeper than 100", ""),
        ("[" * 200_000 + "]" * 200_000, "objects and lists nest deeper than 100", ""),
        ('{"a":' * 102 + "1" + "}" * 102, "objects and lists nest deeper than 100", ""),
        ('["\\ud800"]', "a text has half of a character (a lone surrogate)", "cut in the middle"),
        ('{"\\udfff": 1}', "a text has half of a character (a lone surrogate)", "cut in the middle"),
        ('["\ud800"]', "a text has half of a character (a lone surrogate)", "cut in the middle"),
    ],
)
def test_unreadable(text: str | bytes, message: str, hint: str) -> None:
    found = problem(text)
    assert (found.code, found.place, found.message) == ("NF001", "", message)
    assert hint in found.hint


def test_duplicate_keys() -> None:
    assert problem('{"a": {"b": 1, "c": 2, "b": 3}}') == Problem(
        "NF002", "", "the key 'b' stands twice in one object", hint="keep one of the two"
    )


def test_a_huge_document_is_not_read() -> None:
    assert problem(b"[" + b" " * 100 + b"]", max_bytes=50).message == "the document has 102 bytes; at most 50 are read"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5), ("null", None), ('"a"', "a"), ("1.0", 1), ("-0.0", 0), ("1e3", 1000), ("0.5", 0.5),
        ("9007199254740993", 9007199254740993), ("1e20", 1e20), ("100000000000000000000", 1e20),
        ("\ufeff[]", []), ('"\\ud83d\\ude00"', "\U0001f600"),
    ],
)  # fmt: skip
def test_read(text: str, value: Any) -> None:
    found = parse_json(text)
    assert (found, type(found)) == (value, type(value))


def test_a_depth_of_one_hundred_is_allowed() -> None:
    assert parse_json("[" * 100 + "]" * 100)


VECTORS = [
    # what JavaScript's String(x) gives (ECMA-262, Number::toString; the borders at 1e21 and 1e-7, shortest digits)
    (0.0, "0"), (-0.0, "0"), (1.0, "1"), (-1.5, "-1.5"), (0.1, "0.1"), (0.1 + 0.2, "0.30000000000000004"),
    (100.0, "100"), (123456789.125, "123456789.125"), (1e20, "100000000000000000000"), (1e21, "1e+21"),
    (123456789012345680000.0, "123456789012345680000"), (1.5e21, "1.5e+21"), (1e-6, "0.000001"), (1e-7, "1e-7"),
    (1.5e-7, "1.5e-7"), (0.00001234, "0.00001234"), (5e-324, "5e-324"),
    (1.7976931348623157e308, "1.7976931348623157e+308"),
    (9007199254740992.0, "9007199254740992"), (1152921504606846976.0, "1152921504606847000"), (2.5e-5, "0.000025"),
    (333333333.33333329, "333333333.3333333"), (4.35, "4.35"), (1e23, "1e+23"), (-1e-10, "-1e-10"),
    (295147905179352830000.0, "295147905179352830000"), (999999999999999900000.0, "999999999999999900000"),
    (3, "3"), (2**53, "9007199254740992"), (2**53 + 1, '"9007199254740993"'), (-(2**64), '"-18446744073709551616"'),
]  # fmt: skip


@pytest.mark.parametrize(("value", "text"), VECTORS)
def test_numbers_are_written_as_javascript_writes_them(value: float, text: str) -> None:
    assert number_text(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_text_is_the_number(value: float) -> None:
    text = number_text(value)
    assert float(text) == value
    assert number_text(parse_json(text)) == text
    digits = text.lstrip("-").partition("e")[0].replace(".", "").strip("0")
    assert len(digits) <= len(repr(abs(value)).partition("e")[0].replace(".", "").strip("0"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_not_written(value: float) -> None:
    with pytest.raises(ValueError, match="is no JSON number"):
        number_text(value)


def test_what_is_no_json_is_not_written() -> None:
    with pytest.raises(TypeError, match="set cannot be written as JSON"):
        dump_json({"a": {1}})


@given(values)
def test_what_is_written_can_be_read_by_any_reader_and_is_stable(value: Any) -> None:
    for text in (dump_json(value), canonical(value)):
        json.loads(text)
        assert parse_json(text) == value
    assert canonical(parse_json(canonical(value))) == canonical(value)


def test_canonical_sorts_keys_as_javascript_does() -> None:
    # UTF-16: the first half of a pair (D83D) sorts before U+FB33
    assert canonical({"\ufb33": 1, "\U0001f600": 2, "b": 3, "a": 4}) == '{"a":4,"b":3,"\U0001f600":2,"\ufb33":1}'


def test_controls_are_escaped_and_nothing_else() -> None:
    assert canonical('\x00\x1f\b\t\n\f\r"\\/\x7f\u2028é') == '"\\u0000\\u001f\\b\\t\\n\\f\\r\\"\\\\/\x7f\u2028é"'


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_nothing_but_problems_comes_of_garbage(data: bytes | str) -> None:
    with contextlib.suppress(ProblemsError):
        parse_json(data)
