"""Writing text: the same text for the same seed, stops, limits, cancellation, chat."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from nodeflow import Cancelled, LanguageModel, NodeError
from nodeflow.context import StandaloneContext
from nodeflow_nodes.language.generate_nodes import generate, generate_batch
from nodeflow_nodes.language.models import load_module
from nodeflow_nodes.language.tokens import Stream, Tokens
from nodeflow_nodes.language.writing import StopFinder, stop_strings

from .tiny import END, handle, save_llama, tiny_tokenizer


class Stopping(StandaloneContext):
    """Cancels itself once it has seen a number of tokens."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after, self.tokens = after, 0

    def progress(self, done: int, total: int, text: str = "") -> None:
        self.tokens = done
        if done >= self.after:
            self.cancelled.set()
        super().progress(done, total, text)


def test_the_same_seed_gives_the_same_text_alone_or_in_a_batch(llama: LanguageModel) -> None:
    batch = generate_batch(llama, "a red", count=4, max_tokens=20, temperature=1.2, seed=2**64 - 2)
    alone = [
        generate(llama, "a red", max_tokens=20, temperature=1.2, seed=s).text for s in (2**64 - 2, 2**64 - 1, 0, 1)
    ]
    assert batch == alone
    assert len(set(batch)) == 4


def test_the_cache_changes_nothing(llama: LanguageModel) -> None:
    """Greedy text equals the one found by reading everything afresh for each token."""
    module = load_module(llama.path, "auto", "cpu")
    ids = module.tokens.encode("once there was")
    for _ in range(12):
        logits = module.read(ids, module.start(len(ids)))
        ids.append(int(logits.argmax()))
        if ids[-1] in module.tokens.ends:
            break
    written = generate(llama, "once there was", max_tokens=12, temperature=0)
    assert written.whole == module.tokens.decode(ids)
    assert written.tokens <= 12


def test_text_streams_while_it_is_written(llama: LanguageModel) -> None:
    ctx = StandaloneContext()
    written = generate(llama, "a small", max_tokens=24, temperature=1.5, seed=3, ctx=ctx)
    assert "".join(ctx.texts).strip() == written.text
    assert written.whole == "a small" + "".join(ctx.texts)
    assert len(ctx.texts) > 5


@pytest.mark.parametrize("after", [1, 5])
def test_cancelling_takes_effect_within_one_token(llama: LanguageModel, after: int) -> None:
    ctx = Stopping(after)
    with pytest.raises(Cancelled):
        generate(llama, "a", max_tokens=60, temperature=1.0, seed=1, ctx=ctx)
    assert ctx.tokens == after


def test_a_stop_string_across_tokens_ends_the_text_before_it(llama: LanguageModel) -> None:
    free = generate(llama, "a red", max_tokens=30, temperature=1.3, seed=5)
    middle = len(free.whole) // 2
    stop = free.whole[middle : middle + 7]
    first = free.whole.index(stop, len("a red"))
    ctx = StandaloneContext()
    stopped = generate(llama, "a red", max_tokens=30, temperature=1.3, seed=5, stop=[stop], ctx=ctx)
    assert stopped.finish == "stop"
    assert stopped.whole == free.whole[:first]
    assert "a red" + "".join(ctx.texts) == stopped.whole
    assert stopped.tokens < free.tokens


def test_stop_finder_holds_back_only_beginnings() -> None:
    finder = StopFinder(["<end>", "ENDE"])
    assert [finder.push(p) for p in ("one <", "en", "d two", " E", "ND", "E no")] == [
        "one ",
        "",
        "<end two",
        " ",
        "",
        "",
    ]
    assert finder.found
    plain = StopFinder([])
    assert plain.push("anything") == "anything"


@given(st.lists(st.text("ab<", max_size=4)), st.lists(st.text("ab<", min_size=1, max_size=4), max_size=3))
def test_stops_do_not_depend_on_how_the_text_is_cut(pieces: list[str], stops: list[str]) -> None:
    text = "".join(pieces)
    ends = [(text.index(s) + len(s), text.index(s)) for s in stops if s in text]
    finder, said = StopFinder(stops), ""
    for piece in pieces:
        said += finder.push(piece)
        if finder.found:
            break
    assert finder.found == bool(ends)
    assert said + finder.held == (text[: min(ends)[1]] if ends else text)


def test_stop_lines_and_lists() -> None:
    assert stop_strings("one\n\\n\n\ntwo") == ["one", "\n", "two"]
    assert stop_strings(["\\n"]) == ["\\n"]
    port = generate.inputs["stop"]
    assert port.parse("one\ntwo") == "one\ntwo"
    assert port.parse(["one"]) == ["one"]


def test_the_end_token_ends_the_text(tmp_path: Path) -> None:
    folder = save_llama(tmp_path / "llama")
    module = load_module(str(folder), "auto", "cpu")
    ids = module.tokens.encode("a red")
    second = int(module.read(ids, module.start(len(ids))).argmax())
    (folder / "generation_config.json").write_text(f'{{"eos_token_id": [1, {second}]}}')
    written = generate(handle(folder), "a red", max_tokens=9, temperature=0)
    assert (written.text, written.tokens, written.finish) == ("", 1, "end")


TOKENS = tiny_tokenizer()


@given(st.text(st.characters(codec="utf-8", exclude_characters="�"), max_size=12), st.booleans())
@example("déjà ☆ 星 🦙 x", True)
def test_characters_of_several_tokens_come_out_whole(text: str, before: bool) -> None:
    tokens = Tokens(TOKENS, None, frozenset(), {})
    stream = Stream(tokens, tokens.encode("a") if before else [])
    assert "".join(stream.push(i) for i in tokens.encode(text)) == text


def test_a_lone_piece_of_a_character_is_held_back() -> None:
    tokens = Tokens(TOKENS, None, frozenset(), {})
    stream = Stream(tokens, [])
    assert [stream.push(i) for i in tokens.encode("水")] == ["", "", "水"]


def test_the_context_limits_the_text(llama: LanguageModel) -> None:
    ctx = StandaloneContext()
    written = generate(llama, "a " * 30, max_tokens=500, temperature=1, seed=1, ctx=ctx)
    assert written.tokens < 96
    assert "context of 96" in ctx.warnings[0]
    with pytest.raises(NodeError, match="reads at most 95"):
        generate(llama, "star " * 100)


def test_chat_puts_the_prompt_into_the_models_template(llama: LanguageModel) -> None:
    text = f"<|system|>be brief{END}<|user|>a star?{END}<|assistant|>"
    chat = generate(llama, "a star?", system="be brief", chat=True, max_tokens=10, temperature=0)
    plain = load_module(llama.path, "auto", "cpu")
    ids = plain.tokens.encode(text, special=False)
    assert int(plain.read(ids, plain.start(len(ids))).argmax()) == ids_of_first(chat.text, llama, ids)
    with pytest.raises(NodeError, match="turn chat on"):
        generate(llama, "a star?", system="be brief")


def ids_of_first(text: str, llama: LanguageModel, before: list[int]) -> int:
    """The first token that greedy writing chooses after `before`."""
    module = load_module(llama.path, "auto", "cpu")
    logits = module.read(before, module.start(len(before)))
    first = int(logits.argmax())
    assert text.startswith(module.tokens.decode([first]).strip())
    return first


def test_an_empty_prompt_needs_a_start_token(llama: LanguageModel, gpt2: LanguageModel) -> None:
    assert generate(llama, "", max_tokens=3, seed=1).tokens
    with pytest.raises(NodeError, match="at least one word"):
        generate(gpt2, "", max_tokens=3)


def test_a_model_of_the_library_writes_with_its_cache(gpt2: LanguageModel) -> None:
    batch = generate_batch(gpt2, "once", count=2, max_tokens=10, temperature=1, seed=4)
    assert batch == [generate(gpt2, "once", max_tokens=10, temperature=1, seed=s).text for s in (4, 5)]


@torch.inference_mode()
def test_greedy_equals_the_librarys_generate(gpt2: LanguageModel) -> None:
    from .tiny import library

    model = library().GPT2LMHeadModel.from_pretrained(gpt2.path).eval()
    module = load_module(gpt2.path, "auto", "cpu")
    ids = module.tokens.encode("once there")
    found = model.generate(
        torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), max_new_tokens=15, do_sample=False
    )
    written = generate(gpt2, "once there", max_tokens=15, temperature=0)
    assert written.whole == module.tokens.decode(found[0].tolist())
