"""A small calculator: arithmetic, comparisons, logic and a few functions on named numbers, and nothing else.

The text is parsed by Python's own parser, but evaluated here, node by node of the syntax tree: what is not listed
below does not exist. Work is bounded: length, depth, and the size of whole numbers.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from nodeflow import NodeError

Number = bool | int | float

LONGEST = 1000
"""Characters of an expression."""
DEEPEST = 50
"""Levels of brackets and operators."""
BITS = 4096
"""Size of whole numbers."""

_TOKEN = re.compile(
    r"\s+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])|[A-Za-z_][A-Za-z0-9_]*(?!\w)"
    r"|\*\*|//|[<>=!]=|[-+*/%<>(),]",
    re.ASCII,
)

_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_UNARY: dict[type, Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg, ast.Not: operator.not_}
_COMPARE: dict[type, Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "min": (min, 2, 20), "max": (max, 2, 20), "abs": (abs, 1, 1), "round": (round, 1, 2), "sqrt": (math.sqrt, 1, 1),
    "sin": (math.sin, 1, 1), "cos": (math.cos, 1, 1), "tan": (math.tan, 1, 1), "log": (math.log, 1, 2),
    "log2": (math.log2, 1, 1), "exp": (math.exp, 1, 1), "floor": (math.floor, 1, 1), "ceil": (math.ceil, 1, 1),
    "int": (int, 1, 1), "float": (float, 1, 1),
}  # fmt: skip
"""Name: what it computes, fewest and most arguments."""
CONSTANTS = {"pi": math.pi, "e": math.e, "true": True, "false": False}


def evaluate(text: str, names: Mapping[str, Number]) -> Number:
    """The value of an expression such as `a * 2 + max(b, 1)`.

    Args:
        text: at most `LONGEST` characters.
        names: numbers by name; they come before `CONSTANTS`.

    Raises:
        NodeError: if it is no such expression, or has no result (division by zero, too large, not a real number).
    """
    if len(text) > LONGEST:
        raise NodeError(f"the expression has {len(text)} characters; at most {LONGEST}")
    _check_tokens(text)
    try:
        tree = ast.parse(" ".join(text.split()), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        where = f" at character {error.offset}" if isinstance(error, SyntaxError) and error.offset else ""
        raise NodeError(f"expression {text[:80]!r} cannot be read{where}; an example: a * 2 + max(b, 1)") from None
    try:
        result = _value(tree, {**CONSTANTS, **names}, 0)
    except ZeroDivisionError:
        raise NodeError(f"expression {text[:80]!r}: division by zero") from None
    except (OverflowError, ValueError) as error:
        raise NodeError(f"expression {text[:80]!r} has no result: {error}") from None
    if isinstance(result, float) and not math.isfinite(result):
        raise NodeError(f"expression {text[:80]!r} has no finite result ({result})")
    return result


def _check_tokens(text: str) -> None:
    """Refuse what is no number, name or operator before Python's parser sees it (which would warn about some of it)."""
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if not match:
            raise NodeError(f"expression: cannot read {text[at : at + 20]!r} at character {at + 1}")
        at = match.end()


def _value(node: ast.expr, names: Mapping[str, Number], depth: int) -> Number:
    if depth > DEEPEST:
        raise NodeError(f"the expression is nested more than {DEEPEST} levels deep")
    depth += 1
    match node:
        case ast.Constant(value=bool() | int() | float() as number):
            return _bounded(number)
        case ast.Name(id=name):
            if name not in names:
                raise NodeError(f"unknown name {name[:40]!r}; known: {', '.join(sorted(names))}")
            return _bounded(names[name])
        case ast.UnaryOp(op=sign, operand=operand) if type(sign) in _UNARY:
            return _UNARY[type(sign)](_value(operand, names, depth))
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _BINARY:
            a, b = _value(left, names, depth), _value(right, names, depth)
            return _power(a, b) if isinstance(sign, ast.Pow) else _bounded(_BINARY[type(sign)](a, b))
        case ast.BoolOp(op=sign, values=parts):
            result: Number = False
            for part in parts:
                result = _value(part, names, depth)
                if bool(result) is isinstance(sign, ast.Or):
                    return result
            return result
        case ast.Compare(left=left, ops=signs, comparators=others) if all(type(s) in _COMPARE for s in signs):
            a = _value(left, names, depth)
            for sign, other in zip(signs, others, strict=True):
                b = _value(other, names, depth)
                if not _COMPARE[type(sign)](a, b):
                    return False
                a = b
            return True
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return _value(body if _value(test, names, depth) else orelse, names, depth)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
            return _call(name, [_value(arg, names, depth) for arg in args])
    raise NodeError(
        f"{_words(node)} is not allowed in an expression; there are numbers, + - * / // % **, comparisons, and, or, "
        f"not, x if y else z, and {', '.join(FUNCTIONS)}"
    )


def _call(name: str, args: list[Number]) -> Number:
    function, fewest, most = FUNCTIONS[name]
    if not fewest <= len(args) <= most:
        raise NodeError(f"{name}(): expected {fewest} to {most} numbers, got {len(args)}")
    if name == "round" and len(args) == 2 and (not isinstance(args[1], int) or abs(args[1]) > 1000):
        raise NodeError(f"round(): expected a whole number of digits, got {args[1]}")
    result: Number = function(*args)
    return _bounded(result)


def _power(a: Number, b: Number) -> Number:
    if isinstance(a, int) and isinstance(b, int) and abs(a) > 1 and b > 0 and int(a).bit_length() * b > 2 * BITS:
        raise OverflowError("the number is too large")
    result = a**b
    if isinstance(result, complex):
        raise ValueError("the root of a negative number")
    return _bounded(result)


def _bounded(number: Number) -> Number:
    if isinstance(number, int) and number.bit_length() > BITS:
        raise OverflowError("the number is too large")
    return number


def _words(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        return f"calling {ast.unparse(node.func)[:40]!r}" if isinstance(node.func, ast.Name) else "such a call"
    if isinstance(node, ast.Constant):
        return f"a {type(node.value).__name__}"
    return f"{type(node).__name__.lower()}"
