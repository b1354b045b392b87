"""Encoding prompts: from weighted text to the tensors that denoisers read. NUMERICS §7 says by which rules.

`TextEncoders` is what the weights pool gives out for a `TextEncoder` handle: a torch module that holds one to three
encoders with their vocabularies and knows how their outputs are joined.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nodeflow import NodeError
from nodeflow_nodes.diffusion.loading.spec import EncoderSpec

from . import weights as prompt_weights
from .tokenize import Chunk, Tokenizer, chunks, tokenise
from .weights import Segment

JOINT_WIDTH = 4096
"""SD3 pads CLIP's features to T5's width."""
T5_LEAST = {"sd3": 77, "flux": 256, "single": 1}
"""Tokens that T5's part of a prompt has at least; PixArt ("single") reads it without padding."""
EMBEDDING = "embedding:"


class EncodedPrompt(NamedTuple):
    """tokens: float32 [1, T, W]; pooled: None or float32 [1, P]."""

    tokens: Tensor
    pooled: Tensor | None


@dataclass
class Embedding:
    """A textual inversion: vectors [N, width] for each encoder width that it knows."""

    vectors: dict[int, Tensor] = field(default_factory=dict)


class Placed(NamedTuple):
    """A chunk with the vectors that replace some of its tokens' own (position -> vector)."""

    chunk: Chunk
    vectors: dict[int, Tensor]


class Encoder(nn.Module):
    """One text encoder with its vocabulary."""

    def __init__(self, spec: EncoderSpec, module: nn.Module, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.spec, self.module, self.tokenizer = spec, module, tokenizer

    # --- tokens ---

    def chunks(self, segments: Sequence[Segment], embeddings: dict[str, Embedding], least: int = 77) -> list[Placed]:
        """Tokens of a prompt: CLIP's in chunks of fixed length, T5's in one chunk of at least `least` tokens."""
        places: dict[int, Tensor] = {}
        pieces = self._tokenise(segments, embeddings, places)
        tokenizer = self.tokenizer
        if self.spec.architecture == "t5":
            ids = [i for part, _ in pieces for i in part] + [tokenizer.end]
            weights = [w for part, w in pieces for _ in part] + [1.0]
            fill = max(0, least - len(ids))
            laid_out = [Chunk(ids + [self.spec.pad or 0] * fill, weights + [1.0] * fill)]
        else:
            if tokenizer.start is None:
                raise NodeError("this vocabulary has no start token: it is none of a CLIP text encoder")
            pad = tokenizer.end if self.spec.pad is None else self.spec.pad
            laid_out = chunks(pieces, length=self.spec.length, start=tokenizer.start, end=tokenizer.end, pad=pad)
        return [_place(chunk, places, tokenizer.end) for chunk in laid_out]

    def _tokenise(
        self, segments: Sequence[Segment], embeddings: dict[str, Embedding], places: dict[int, Tensor]
    ) -> list[tuple[list[int], float]]:
        """Ids of each segment; a textual inversion gets negative ids, each of which `places` gives its vector."""
        if not any(EMBEDDING in segment.text for segment in segments):
            return tokenise(segments, self.tokenizer)
        pieces: list[tuple[list[int], float]] = []
        for segment in segments:
            for text, name in split_embeddings(segment.text):
                if name is None:
                    pieces.append((self.tokenizer.encode(text), segment.weight))
                    continue
                found = embeddings.get(name)
                if found is None:
                    known = ", ".join(sorted(embeddings)) or "none"
                    raise NodeError(
                        f"embedding:{name}: not loaded (loaded: {known}); add it with diffusion/load_embedding"
                    )
                vectors = found.vectors.get(self.width)
                if vectors is None:
                    continue  # an SDXL pair: this encoder has no vectors in the file
                ids = []
                for vector in vectors:
                    places[-1 - len(places)] = vector
                    ids.append(-len(places))
                pieces.append((ids, segment.weight))
        return pieces

    @property
    def width(self) -> int:
        return int(self.spec.config.get("hidden_size") or self.spec.config.get("d_model") or 0)

    # --- vectors ---

    def encode(self, placed: Sequence[Placed], skip: int | None) -> tuple[Tensor, Tensor, Tensor | None]:
        """Encode chunks with their weights -> tokens [1, T, W], pooled [1, W] and projected [1, P] of the first.

        A weight w moves a token's vector z to z_e + w (z - z_e), z_e being the empty prompt's at the same place.
        """
        weighted = any(weight != 1.0 for item in placed for weight in item.chunk.weights)
        rows = list(placed)
        if weighted:
            length = len(placed[0].chunk.ids)
            empty = self.chunks([], {}, least=length)[0]
            rows.append(empty)
        hidden, pooled, projected = self._run(rows, skip)
        if weighted:
            base, hidden = hidden[-1], hidden[:-1].clone()
            for row, item in zip(hidden, placed, strict=True):
                for position, weight in enumerate(item.chunk.weights):
                    if weight != 1.0:
                        row[position] = (row[position] - base[position]) * weight + base[position]
            if not hidden.isfinite().all():
                largest = max((w for item in placed for w in item.chunk.weights), key=abs)
                raise NodeError(f"the prompt's weight {largest:g} is too large; usual are 0.5 to 1.5")
        tokens = hidden.reshape(1, -1, hidden.shape[-1])
        return tokens, pooled[:1], None if projected is None else projected[:1]

    def _run(self, rows: Sequence[Placed], skip: int | None) -> tuple[Tensor, Tensor, Tensor | None]:
        device = next(self.parameters()).device
        ids = torch.tensor([row.chunk.ids for row in rows], device=device)
        vectors = None
        if any(row.vectors for row in rows):
            embed = self.module.embed if self.spec.architecture == "clip" else self.module.get_input_embeddings()
            vectors = embed(ids).clone()
            for index, row in enumerate(rows):
                for position, vector in row.vectors.items():
                    vectors[index, position] = vector.to(vectors)
        if self.spec.architecture == "t5":
            arguments = {"input_ids": ids} if vectors is None else {"inputs_embeds": vectors}
            hidden = self.module(**arguments).last_hidden_state.float()
            return hidden, hidden[:, 0], None
        out = self.module(ids, skip=skip or self.spec.skip, normed=self.spec.normed, vectors=vectors)
        projected = None if out.projected is None else out.projected.float()
        return out.hidden.float(), out.pooled.float(), projected


def _place(chunk: Chunk, places: dict[int, Tensor], filler: int) -> Placed:
    """Replace the negative ids of textual inversions by an ordinary id, and say which vectors go there."""
    vectors = {position: places[i] for position, i in enumerate(chunk.ids) if i < 0}
    if not vectors:
        return Placed(chunk, {})
    return Placed(Chunk([0 if i < 0 else i for i in chunk.ids], chunk.weights), vectors)


def split_embeddings(text: str) -> list[tuple[str, str | None]]:
    """Split `a embedding:cat on` into ("a", None), ("", "cat"), ("on", None): a name ends at a space or comma."""
    pieces: list[tuple[str, str | None]] = []
    while True:
        before, found, rest = text.partition(EMBEDDING)
        if before.strip():
            pieces.append((before, None))
        if not found:
            return pieces
        stop = next((i for i, c in enumerate(rest) if c.isspace() or c == ","), len(rest))
        name = rest[:stop]
        pieces.append(("", name.removesuffix(".safetensors")))
        text = rest[stop:]


class TextEncoders(nn.Module):
    """The text encoders of a model; see the module's docstring."""

    def __init__(self, family: str, joining: str, encoders: Sequence[Encoder]) -> None:
        super().__init__()
        self.family, self.joining = family, joining
        self.encoders = nn.ModuleList(encoders)
        self.embeddings: dict[str, Embedding] = {}

    def with_embeddings(self, more: dict[str, Embedding]) -> TextEncoders:
        """The same encoders knowing more textual inversions; this object stays as it is.

        Raises:
            NodeError: if one has vectors for none of the encoders.
        """
        widths = {encoder.width for encoder in self.encoders}
        for name, embedding in more.items():
            if not widths & embedding.vectors.keys():
                has, want = (" and ".join(map(str, sorted(w))) for w in (embedding.vectors, widths))
                raise NodeError(
                    f"embedding {name}: its vectors are {has} wide, this model's text encoder reads {want}: it was "
                    "made for another model (768: Stable Diffusion 1, 1024: 2, 768 and 1280: XL)"
                )
        other = TextEncoders(self.family, self.joining, list(self.encoders))
        other.embeddings = {**self.embeddings, **more}
        return other.eval()

    def twin(self, copied: Callable[[nn.Module], nn.Module]) -> TextEncoders:
        """The same encoders around copies of their networks."""
        encoders = [Encoder(e.spec, copied(e.module), e.tokenizer).eval() for e in self.encoders]
        other = TextEncoders(self.family, self.joining, encoders)
        other.embeddings = dict(self.embeddings)
        return other.eval()

    def by_role(self, role: str) -> Encoder | None:
        return next((encoder for encoder in self.encoders if encoder.spec.role == role), None)

    @torch.no_grad()
    def encode(self, texts: str | dict[str, str], clip_skip: int | None = None) -> EncodedPrompt:
        """Encode a prompt.

        Args:
            texts: the prompt, or one for each encoder by its role ("l", "g", "t5"); "" where one is missing. Halves of
                characters, which some programs leave in texts, become question marks.
            clip_skip: which layer of CLIP encoders to use, counted from the end (1 = last); None: the family's usual.
        """
        join = {"sdxl": self._sdxl, "sd3": self._sd3, "flux": self._flux}.get(self.joining, self._single)
        prompts = texts if isinstance(texts, dict) else dict.fromkeys(("l", "g", "h", "t5", "own"), texts)
        whole = {role: text.encode("utf-8", "replace").decode() for role, text in prompts.items()}
        return join({role: prompt_weights.parse(text) for role, text in whole.items()}, clip_skip)

    def _chunks(self, encoder: Encoder, prompts: dict[str, list[Segment]], least: int = 77) -> list[Placed]:
        return encoder.chunks(prompts.get(encoder.spec.role, [Segment("", 1.0)]), self.embeddings, least)

    def _single(self, prompts: dict[str, list[Segment]], skip: int | None) -> EncodedPrompt:
        encoder: Encoder = self.encoders[0]
        placed = self._chunks(encoder, prompts, T5_LEAST["single"])
        tokens, pooled, projected = encoder.encode(placed, skip)
        return EncodedPrompt(tokens, pooled if projected is None else projected)

    def _sdxl(self, prompts: dict[str, list[Segment]], skip: int | None) -> EncodedPrompt:
        g = self.by_role("g") or self.encoders[-1]
        chunks_g = self._chunks(g, prompts)
        tokens, pooled, projected = g.encode(chunks_g, skip)
        if (first := self.by_role("l")) is not None:
            tokens_l, _, _ = first.encode(self._chunks(first, prompts), skip)
            count = min(tokens_l.shape[1], tokens.shape[1])
            tokens = torch.cat([tokens_l[:, :count], tokens[:, :count]], dim=-1)
        return EncodedPrompt(tokens, pooled if projected is None else projected)

    def _sd3(self, prompts: dict[str, list[Segment]], skip: int | None) -> EncodedPrompt:
        l, g, t5 = (self.by_role(role) for role in ("l", "g", "t5"))  # noqa: E741
        parts: dict[str, tuple[Tensor, Tensor, Tensor | None]] = {}
        for role, encoder in (("l", l), ("g", g)):
            if encoder is not None:
                parts[role] = encoder.encode(self._chunks(encoder, prompts), skip)
        device = next(self.parameters()).device
        pieces = []
        if parts:
            count = min(tokens.shape[1] for tokens, _, _ in parts.values())
            wide = torch.zeros(1, count, JOINT_WIDTH, device=device)
            if "l" in parts:
                wide[..., :768] = parts["l"][0][:, :count]
            if "g" in parts:
                wide[..., 768 : 768 + 1280] = parts["g"][0][:, :count]
            pieces.append(wide)
        if t5 is not None:
            pieces.append(t5.encode(self._chunks(t5, prompts, T5_LEAST["sd3"]), None)[0])
        pooled_l = parts["l"][1] if "l" in parts else torch.zeros(1, 768, device=device)
        pooled_g = parts["g"][2] if "g" in parts else torch.zeros(1, 1280, device=device)
        if pooled_g is None:
            raise NodeError("CLIP-G came without its projection: SD3 needs text_projection.weight of that encoder")
        return EncodedPrompt(torch.cat(pieces, dim=1), torch.cat([pooled_l, pooled_g], dim=-1))

    def _flux(self, prompts: dict[str, list[Segment]], skip: int | None) -> EncodedPrompt:
        first, t5 = self.by_role("l"), self.by_role("t5")
        device = next(self.parameters()).device
        pooled = torch.zeros(1, 768, device=device)
        if first is not None:
            pooled = first.encode(self._chunks(first, prompts), skip)[1]
        if t5 is None:
            return EncodedPrompt(torch.zeros(1, T5_LEAST["flux"], JOINT_WIDTH, device=device), pooled)
        return EncodedPrompt(t5.encode(self._chunks(t5, prompts, T5_LEAST["flux"]), None)[0], pooled)


def make_encoder(spec: EncoderSpec, module: Any, tokenizer: Tokenizer) -> Encoder:
    return Encoder(spec, module, tokenizer).eval()
