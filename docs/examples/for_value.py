"""Examples of the value pack. Most are a node or two; the page shows what comes out."""

from __future__ import annotations

from typing import Any

from docs.examples.kit import example, outputs, use
from nodeflow.builder import Graph


def gives(name: str, note: str = "", **values: Any) -> None:
    """An example of one node alone, with its result."""

    @example(name, note)
    def fill(graph: Graph) -> None:
        graph.output("result", use(name, **values))


gives("value/boolean", value=True)
gives("value/change_case", text="a red star", to="title")
gives(
    "value/choice",
    "One of three texts: a list to choose from, instead of typing.",
    options="a star\na circle\na hexagon",
    value="a circle",
)
gives("value/compare", "Whether 3 is less than 5.", a=3, b=5, test="a < b")
gives("value/float", value=0.75)
gives("value/floats", "A list of numbers, for grids and loops.", values=[1.5, 3, 4.5])
gives("value/integer", value=12)
gives("value/integers", values=[10, 20, 40])
gives("value/join_text", a="a red star", b="on a blue background", separator=" ")
gives("value/join_texts", texts=["a red star", "thick lines", "flat colours"])
gives("value/length", "How many items a list has.", values=["red", "green", "blue"])
gives("value/linspace", "Five numbers at equal distances from 0 to 1.", start=0, stop=1, count=5)
gives("value/load_text", "The text of a file beside the recipe.", path="files/words.txt")
gives("value/pick", "The last item of a list.", values=["red", "green", "blue"], index=-1)
gives("value/random_float", seed=7, low=0, high=10)
gives("value/random_floats", seed=7, low=0, high=1, count=3)
gives("value/random_integer", seed=7, low=1, high=6)
gives("value/random_integers", "Four throws of a die.", seed=7, low=1, high=6, count=4)
gives("value/range", start=0, stop=10, step=3)
gives("value/regex_find", "All numbers in a text.", text="12 stars, 3 circles", pattern=r"\d+")
gives("value/regex_replace", "Two words change places.", text="star red", pattern=r"(\w+) (\w+)", replace=r"\2 \1")
gives("value/regex_test", "Whether the text has a number in it.", text="12 stars", pattern=r"\d+")
gives("value/replace_text", text="a red star, a red circle", find="red", replace="blue")
gives("value/same", "Whether two values are the same, whatever they are.", a=[1, 2, 3], b=[1, 2, 3])
gives("value/seed", "A number that several sampling nodes can share.", value=42)
gives("value/seeds", "Four seeds in a row, for a contact sheet.", seed=42, count=4)
gives("value/show", "What is linked to it is printed when the recipe runs.", value=[1, 2, 3], label="numbers")
gives("value/shuffle", values=["red", "green", "blue", "white"], seed=7)
gives("value/slice", "Two items from the second on.", values=["red", "green", "blue", "white"], start=1, count=2)
gives("value/split_text", "The parts between the commas.", text="star, circle, hexagon", separator=",")
gives("value/template", template="a {a} {b} at {c:.1f} times its size", a="red", b="star", c=1.5)
gives("value/text", value="a red star on a blue background")
gives("value/text_length", text="a red star")
gives("value/texts", "A list of texts, such as the captions of a grid.", values=["red", "green", "blue"])
gives("value/to_float", "A number that is written as text.", value="0.75")
gives("value/to_integer", value=2.6, rounding="down")
gives("value/to_text", value=3.14159, decimals=2)
gives("value/to_texts", "Captions from numbers.", values=[1, 2.5, 4], before="guidance ")
gives(
    "value/wildcard",
    "The seed decides which colour and which animal.",
    text="a {red|green|blue} __animal__",
    lists="animal: cat, dog, owl",
    seed=3,
)


@example("value/expression", "Half of a number and one more, as a number and as a whole one.")
def _(graph: Graph) -> None:
    result = use("value/expression", expression="a / 2 + 1", a=5)
    outputs(graph, number=result.number, integer=result.integer)


@example(
    "value/first_given", "The first input that has a value; here the second, because nothing is linked to the first."
)
def _(graph: Graph) -> None:
    graph.output("result", use("value/first_given", b=use("value/text", value="a star")))


@example("value/join_lists", "One list after the other.")
def _(graph: Graph) -> None:
    graph.output("result", use("value/join_lists", a=["red", "green"], b=["blue"]))


@example("value/make_list", "A list of what several nodes give.")
def _(graph: Graph) -> None:
    low = use("value/float", value=1.5)
    high = use("value/expression", expression="a * 3", a=low)
    graph.output("result", use("value/make_list", a=low, b=high.number))


@example("value/switch", "The text depends on the number; the other text is not even computed.")
def _(graph: Graph) -> None:
    many = use("value/compare", a=12, b=10, test="a > b")
    yes, no = use("value/text", value="many stars"), use("value/text", value="a few stars")
    graph.output("result", use("value/switch", condition=many, on_true=yes, on_false=no))


def table() -> Any:
    """A table of three rows."""
    return use("value/table", columns=["steps", "seconds"], a=[10, 20, 40], b=[0.6, 1.1, 2.3])


@example("value/table", "Two lists become the columns of a table.")
def _(graph: Graph) -> None:
    graph.output("table", table())


@example("value/table_column", "The numbers of one column as a list.")
def _(graph: Graph) -> None:
    graph.output("values", use("value/table_column", table=table(), column="seconds").values)


@example("value/table_text", "A table as text, to read or to put into a prompt.")
def _(graph: Graph) -> None:
    graph.output("text", use("value/table_text", table=table()))


@example("value/join_tables", "The rows of the second table follow those of the first.")
def _(graph: Graph) -> None:
    more = use("value/table", columns=["steps", "seconds"], a=[80], b=[4.4])
    graph.output("table", use("value/join_tables", tables=[table(), more]))
