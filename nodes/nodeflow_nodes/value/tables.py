"""Nodes for tables: made of lists, shown, taken apart."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from nodeflow import NodeError, Range, Table, node


class Column(NamedTuple):
    values: list[Any]


@node("value/table")
def table(
    columns: list[str],
    a: list[Any],
    b: list[Any] | None = None,
    c: list[Any] | None = None,
    d: list[Any] | None = None,
) -> Table:
    """Make a table of lists, each a column.

    Args:
        columns: the names of the columns.
        a: what is in the first column, from top to bottom: numbers, texts, yes or no.
        b: the second column, as long as the first.
        c: the third column.
        d: the fourth column.
    """
    given = [values for values in (a, b, c, d) if values is not None]
    if len(columns) != len(given):
        raise NodeError(f"expected a name for each of {len(given)} columns, got {len(columns)}: {columns}")
    if len({len(values) for values in given}) > 1:
        raise NodeError(f"the columns differ in length: {', '.join(str(len(values)) for values in given)}")
    for name, values in zip(columns, given, strict=True):
        for number, value in enumerate(values):
            if not (value is None or isinstance(value, str | int | float)):
                raise NodeError(f"column {name!r}, row {number}: expected a number or text, got {type(value).__name__}")
    return Table(tuple(columns), tuple(zip(*given, strict=True)))


@node("value/join_tables")
def join_tables(tables: list[Table]) -> Table:
    """Put tables with the same columns below each other.

    Args:
        tables: at least one.
    """
    if not tables:
        raise NodeError("expected at least one table, got an empty list")
    for number, part in enumerate(tables):
        if part.columns != tables[0].columns:
            raise NodeError(f"table {number} has columns {part.columns}, the first one {tables[0].columns}")
    return Table(tables[0].columns, tuple(row for part in tables for row in part.rows))


@node("value/table_column")
def table_column(table: Table, column: str) -> Column:
    """Take one column out of a table, as a list.

    Args:
        table: the table.
        column: the column's name.

    Returns:
        values: its cells, from top to bottom.
    """
    if column not in table.columns:
        raise NodeError(f"no column {column!r}; there are {', '.join(map(repr, table.columns))}")
    place = table.columns.index(column)
    return Column([row[place] for row in table.rows])


@node("value/table_text")
def table_text(table: Table, digits: Annotated[int, Range(1, 17)] = 5) -> str:
    """Write a table as text (Markdown).

    Args:
        table: the table.
        digits: significant digits of numbers.
    """
    return markdown(table, digits)


def markdown(table: Table, digits: int) -> str:
    rows = [[_cell(value, digits) for value in row] for row in table.rows]
    head = [name.replace("|", "\\|") for name in table.columns]
    widths = [max(3, *(len(row[i]) for row in [head, *rows])) for i in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(f"| {' | '.join(t.ljust(w) for t, w in zip(line, widths, strict=True))} |" for line in lines)


def _cell(value: Any, digits: int) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = f"{value:.{digits}g}" if isinstance(value, float) else str(value)
    return text.replace("\n", " ").replace("|", "\\|")


@node("value/show", effects=True)
def show(value: Any, label: str = "") -> str:
    """Show a value: a number, a text, a list, a table.

    Args:
        value: anything.
        label: a text in front of it.

    Returns:
        What is shown.
    """
    shown = markdown(value, 5) if isinstance(value, Table) else _describe(value)
    return f"{label}: {shown}" if label else shown


def _describe(value: Any, depth: int = 0) -> str:
    if isinstance(value, str):
        return value if depth == 0 else repr(value)
    if hasattr(value, "untyped_storage"):
        return f"tensor {list(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    if isinstance(value, list | tuple) and depth < 4:
        shown = [_describe(item, depth + 1) for item in value[:100]]
        more = [f"... {len(value) - 100} more"] if len(value) > 100 else []
        return f"[{', '.join(shown + more)}]"
    text = repr(value) if value is None or isinstance(value, bool | int | float) else f"a {type(value).__name__}"
    return text if len(text) <= 1000 else text[:1000] + "…"
