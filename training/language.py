"""The language model: a small Llama that writes prompts for the world of shapes, and short stories about it.

Two formats, both plain text. `write a prompt: red star =>` is answered by a caption that shows the asked things, and
`tell a story: red star =>` by three or four sentences about them. What has to be copied stands right before the answer
and comes back in it several times in stories, so that copying is rewarded often. Some answers begin with it at once:
that is the easiest place to learn to copy from. One text a row and a rate of 1e-3 matter more: copying came after 75
steps of 48 texts, while texts packed one after another at 3e-3 had taught none after 300.
"""

from __future__ import annotations

import argparse
from functools import cache
from itertools import product

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from training import world
from training.loop import Settings, averaged, rng, train, workers

PROMPT, STORY, ANSWER = "write a prompt:", "tell a story:", " =>"
START, END = "<|start|>", "<|end|>"

PLACES = ("in the centre", "on the left", "on the right", "at the top", "at the bottom")
MANNERS = (
    "{thing} {place} on a {background} background",
    "{thing}, {size}, {place}, {background} background",
    "a {size} {thing} {place} on a {background} background",
    "{size} {thing}, {place}, {background} background",
    "a picture of a {size} {thing} {place} against a {background} background",
    "on a {background} background, a {size} {thing} {place}",
    "a {size} {thing} {place} on {background}",
)
OPENINGS = (
    "{thing} was the name of a very {size} thing in a {background} {field}.",
    "{thing} and {other} lived {place} of a {background} page.",
    "once there was a {size} {thing} that lived {place} of a {background} page.",
    "far away, in a {background} land, a {size} {thing} woke up.",
    "one {time} a {size} {thing} looked out over a {background} {field}.",
    "there was a {thing} nobody had ever seen, for it was so very {size}.",
    "nobody in the {background} {field} knew the {size} {thing}.",
)
MIDDLES = (
    "the {thing} wanted to {wish}, but the {other} only {reply}.",
    "every {time} the {thing} met a {other}, and they {deed} together.",
    '"i wish i could {wish}," said the {thing}, and the {other} {reply}.',
    "then a {other} came by and asked the {thing} to {wish}.",
    "the {other} said that a {thing} could never {wish}.",
)
TURNS = (
    "so the {thing} {deed} until the {background} sky turned {mood}.",
    "that made the {thing} feel {mood}, and it {deed} all {time}.",
    "at last the {thing} found a way to {wish}.",
    "and the {thing} {deed}, while the {other} {reply}.",
)
ENDINGS = (
    "from then on the {thing} was {mood}.",
    "and the {thing} and the {other} were friends ever after.",
    "to this day the {thing} can {wish}.",
    "the {thing} never felt {mood} again.",
    "and that is how the {thing} learned to {wish}.",
)
CHOICES = {
    "size": ("small", "large", "tiny", "big", "little"),
    "place": PLACES,
    "time": ("morning", "evening", "night", "day", "winter", "summer"),
    "field": ("hill", "valley", "sea", "garden", "forest", "desert"),
    "wish": ("fly", "sing", "roll home", "touch the sun", "be round", "see the sea", "dance", "grow", "shine at night"),
    "reply": ("laughed", "smiled", "shook its head", "said nothing", "rolled away", "sang", "turned around"),
    "deed": ("danced", "sang", "jumped", "dreamed", "waited", "travelled", "played", "counted the clouds", "spun"),
    "mood": ("happy", "proud", "quiet", "brave", "lonely", "golden", "calm", "curious", "warm"),
}


def _mend(text: str) -> str:
    words = text.split()
    following = [*words[1:], "."]
    return " ".join(
        "an" if word == "a" and then[:1] in "aeiou" else word for word, then in zip(words, following, strict=True)
    )


def sample(generator: torch.Generator, story: bool) -> tuple[str, str]:
    """A request, which names a colour and a shape, and a fitting answer."""
    numbers = iter(torch.rand(64, generator=generator).tolist())

    def choose(options: tuple[str, ...]) -> str:
        return options[int(next(numbers) * len(options))]

    colour, shape = choose(world.COLOURS), choose(world.SHAPES)
    background = choose(tuple(c for c in world.COLOURS if c != colour))
    thing = f"{colour} {shape}"

    other_colour = choose(tuple(c for c in world.COLOURS if c != colour))
    other = f"{other_colour} {choose(tuple(s for s in world.SHAPES if s != shape))}"
    picks = {name: choose(some) for name, some in CHOICES.items()}

    def fill(options: tuple[str, ...]) -> str:
        fresh = {name: choose(CHOICES[name]) for name in ("time", "reply", "deed", "mood")}
        return choose(options).format(thing=thing, background=background, other=other, **{**picks, **fresh})

    if not story:
        return f"{PROMPT} {thing}{ANSWER}", _mend(fill(MANNERS))
    sentences = [fill(OPENINGS), fill(MIDDLES), *([fill(TURNS)] if next(numbers) < 0.6 else []), fill(ENDINGS)]
    return f"{STORY} {thing}{ANSWER}", _mend(" ".join(sentences))


@cache
def words() -> PreTrainedTokenizerFast:
    """The byte-level BPE of this model, trained on its own texts; the same every time."""
    generator = rng(41)
    corpus = [" ".join(sample(generator, i % 2 == 0)) for i in range(3000)]
    corpus += [f" {c} {s}" for c, s in product(world.COLOURS, world.SHAPES)] * 20
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    backend.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=768, initial_alphabet=alphabet, special_tokens=[START, END], show_progress=False
    )
    backend.train_from_iterator(corpus, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token=START, eos_token=END, pad_token=END, model_max_length=256
    )


def build() -> nn.Module:
    config = LlamaConfig(
        vocab_size=len(words()),
        hidden_size=160,
        intermediate_size=432,
        num_hidden_layers=4,
        num_attention_heads=5,
        num_key_value_heads=5,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        bos_token_id=words().bos_token_id,
        eos_token_id=words().eos_token_id,
        pad_token_id=words().eos_token_id,
    )
    return LlamaForCausalLM(config)


def _batch(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """`count` stories or twice as many prompts: ids, padded with the end token, and goals, -100 in the padding."""
    story = bool(torch.rand((), generator=generator) < 0.5)
    rows = []
    for _ in range(count if story else 2 * count):
        request, answer = sample(generator, story)
        rows.append([words().bos_token_id, *words()(f"{request} {answer}")["input_ids"], words().eos_token_id])
    longest = max(map(len, rows))
    ids, goals = torch.full((len(rows), longest), words().eos_token_id), torch.full((len(rows), longest), -100)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        goals[i, : len(row)] = ids[i, : len(row)]
    return ids, goals


def _loss(model: nn.Module, count: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
    ids, goals = _batch(count, generator)
    logits = model(input_ids=ids).logits
    value = F.cross_entropy(logits[:, :-1].flatten(0, 1), goals[:, 1:].flatten(), ignore_index=-100)
    return value, {"perplexity": float(value.detach().exp())}


@torch.no_grad()
def write(model: nn.Module, requests: list[str], temperature: float, seed: int, new: int = 80) -> list[str]:
    """Answers to requests; each draws from a generator of its own, so its answer does not depend on the others."""
    ids = [[words().bos_token_id, *words()(request)["input_ids"]] for request in requests]
    answers: list[list[int]] = [[] for _ in ids]
    for length in sorted(set(map(len, ids))):  # requests of one length go together
        rows = [i for i, row in enumerate(ids) if len(row) == length]
        generators = [rng(seed, i) for i in rows]
        feed, past, going = torch.tensor([ids[i] for i in rows]), None, set(rows)
        for _ in range(new):
            out = model(input_ids=feed, past_key_values=past, use_cache=True)
            past = out.past_key_values
            chances = (out.logits[:, -1].float() / temperature).softmax(1)
            drawn = [torch.multinomial(c, 1, generator=g) for c, g in zip(chances, generators, strict=True)]
            feed = torch.stack(drawn)
            for i, token in zip(rows, feed[:, 0].tolist(), strict=True):
                if token == words().eos_token_id:
                    going.discard(i)
                if i in going:
                    answers[i].append(token)
            if not going:
                break
    return [words().decode(answer).strip() for answer in answers]


def requests(kind: str, count: int, seed: int = 0) -> tuple[list[str], list[tuple[str, str]]]:
    """Requests for random things, and the (colour, shape) each asks for."""
    generator = rng(91, seed)
    shades = torch.randint(len(world.COLOURS), (count,), generator=generator).tolist()
    forms = torch.randint(len(world.SHAPES), (count,), generator=generator).tolist()
    things = [(world.COLOURS[c], world.SHAPES[s]) for c, s in zip(shades, forms, strict=True)]
    return [f"{kind} {c} {s}{ANSWER}" for c, s in things], things


def distinct_2(texts: list[str]) -> float:
    """Share of different word pairs among all word pairs."""
    pairs = [pair for text in texts for pair in zip(text.split(), text.split()[1:], strict=False)]
    return len(set(pairs)) / max(1, len(pairs))


def measure(model: nn.Module, count: int = 24, temperature: float = 0.7) -> dict[str, float]:
    """How often the answer has the asked colour and shape, each for prompts and stories."""
    figures = {}
    for name, kind in (("prompt", PROMPT), ("story", STORY)):
        asked, things = requests(kind, count)
        answers = [set(a.replace(",", " ").replace(".", " ").split()) for a in write(model, asked, temperature, 7)]
        both = [colour in said and shape in said for said, (colour, shape) in zip(answers, things, strict=True)]
        figures[f"{name}_copied"] = sum(both) / count
    return figures


def load() -> nn.Module:
    return averaged("language", build())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=700)
    options = parser.parse_args()
    workers(1)
    torch.manual_seed(0)
    settings = Settings("language", options.steps, batch=32, rate=1e-3, warmup=50, decay=0.6, ema=0.99, save_every=300)
    train(settings, build(), _loss, on_save=lambda model, _: measure(model))


if __name__ == "__main__":
    main()
