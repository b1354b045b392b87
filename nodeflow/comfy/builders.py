"""Rules that need more than renaming: what makes a node convertible, and the nodes that it becomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nodeflow.comfy.graph import Graph, Item, Source
from nodeflow.ports import SAFE_INTEGER

if TYPE_CHECKING:
    from nodeflow.comfy.maker import Maker

Fits = Callable[[Item, Graph], str]
Build = Callable[["Maker", Item], None]


def nothing(maker: Maker, item: Item) -> None:
    """The node lives on in the nodes it feeds."""


def constant(*names: str) -> Fits:
    def fits(item: Item, graph: Graph) -> str:
        linked = [n for n in names if not _number(item.inputs.get(n, 1))]
        return f"{linked[0]!r} is linked, or no usual number" if linked else ""

    return fits


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e6


def small_integer(item: Item, graph: Graph) -> str:
    value = item.inputs.get("value")
    return f"the number is beyond {SAFE_INTEGER}" if type(value) is int and abs(value) > SAFE_INTEGER else ""


def grows(item: Item, graph: Graph) -> str:
    value = item.inputs.get("expand", 0)
    return "a negative number shrinks: use mask/shrink" if _number(value) and value < 0 else ""


def beta_fits(item: Item, graph: Graph) -> str:
    both = item.inputs.get("alpha", 0.6), item.inputs.get("beta", 0.6)
    return "" if both == (0.6, 0.6) else "the beta schedule has alpha and beta 0.6 here"


# --- prompts --------------------------------------------------------------------------------------------------------


def clip_skip_fits(item: Item, graph: Graph) -> str:
    value = item.inputs.get("stop_at_clip_layer", -1)
    return "" if type(value) is int and -12 <= value <= -1 else "the layer is linked, or out of range (-12 … -1)"


def clip_skip(item: Item, graph: Graph, name: str = "clip") -> tuple[int, str]:
    """The layer that `CLIPSetLastLayer` nodes above an encoder choose (0: none), and that node's id."""
    source = item.inputs.get(name)
    for _ in range(200):
        above = graph.items.get(source.node) if isinstance(source, Source) else None
        if above is None:
            break
        if above.type == "CLIPSetLastLayer" and not clip_skip_fits(above, graph):
            return -int(above.inputs.get("stop_at_clip_layer", -1)), above.id
        if above.type not in ("LoraLoader", "CLIPSetLastLayer"):
            break
        source = above.inputs.get("clip")
    return 0, ""


def _encode(maker: Maker, item: Item, texts: dict[str, str]) -> None:
    skip, node = clip_skip(item, maker.graph)
    values = {"clip_skip": skip} if skip else {}
    remember = {"clip_skip_node": node} if node else {}
    maker.node(item, {**texts, "clip": "text_encoder"}, values, remember=remember)


def encode(**texts: str) -> Build:
    """Encode the item's texts (their input → our port)."""

    def build(maker: Maker, item: Item) -> None:
        _encode(maker, item, texts)

    return build


def encode_then(part: str, op: str, ports: str, **texts: str) -> Build:
    """Encode the item's texts, then give the prompt more (ports: `theirs>ours`) by a second node."""
    names = {theirs: ours or theirs for theirs, _, ours in (word.partition(">") for word in ports.split())}

    def build(maker: Maker, item: Item) -> None:
        _encode(maker, item, texts)
        maker.node(item, names, {}, part=part, op=op, links={"conditioning": maker.port(item, "", "conditioning")})

    return build


# --- models ---------------------------------------------------------------------------------------------------------


def control_advanced(maker: Maker, item: Item) -> None:
    ports = maker.rule(item).ports
    maker.node(item, ports, {})
    maker.node(
        item, {**{k: v for k, v in ports.items() if k != "positive"}, "negative": "conditioning"}, {}, part="negative"
    )
    control, vae = item.inputs.get("control_net"), item.inputs.get("vae")
    if isinstance(vae, Source) and isinstance(control, Source):
        maker.late_link(control.node, "vae", vae, item)


# --- sampling -------------------------------------------------------------------------------------------------------


def custom_fits(item: Item, graph: Graph) -> str:
    return "" if isinstance(item.inputs.get("add_noise", True), bool) else "whether noise is added is linked"


def sampler_custom(maker: Maker, item: Item) -> None:
    layout = "batch" if item.inputs.get("add_noise", True) else "none"
    maker.node(item, {"noise_seed": "seed"}, {"layout": layout}, part="noise", op="diffusion/noise", constants={})
    ports = {"model": "model", "positive": "positive", "negative": "negative", "cfg": "guidance"}
    maker.node(item, ports, {}, part="guider", op="diffusion/guider", constants={})
    links = {"noise": maker.port(item, "noise", "noise"), "guider": maker.port(item, "guider", "guider")}
    maker.node(item, maker.rule(item).ports, {}, links=links)


# --- pictures -------------------------------------------------------------------------------------------------------


def listed(port: str, *names: str) -> Build:
    def build(maker: Maker, item: Item) -> None:
        sources = (item.inputs.get(name) for name in names)
        links = [link for s in sources if isinstance(s, Source) and (link := maker.link(s))]
        maker.node(item, {}, {}, links={port: links} if links else {})

    return build


def all_listed(port: str, prefix: str) -> Build:
    def build(maker: Maker, item: Item) -> None:
        names = [n for n in item.inputs if n.startswith(prefix)]
        listed(port, *sorted(names, key=lambda n: (len(n), n)))(maker, item)

    return build


def load_mask(maker: Maker, item: Item) -> None:
    maker.node(item, {"image": "path"}, {"channels": "rgba"})
    links = {"image": maker.port(item, "", "image")}
    if item.inputs.get("channel", "alpha") == "alpha":
        maker.node(item, {}, {"mark": "transparent"}, part="mask", op="mask/from_alpha", links=links)
    else:
        maker.node(item, {"channel": "channel"}, {}, part="mask", op="mask/from_channel", links=links)


def square_size(maker: Maker, item: Item) -> None:
    maker.node(item, {**maker.rule(item).ports, "largest_size": "width"}, {})
    size = item.inputs.get("largest_size", 512)
    link = maker.link(size) if isinstance(size, Source) else None
    maker.change(item, "", {} if isinstance(size, Source) else {"height": size}, {"height": link} if link else {})


def blur(maker: Maker, item: Item) -> None:
    radius, sigma = item.inputs.get("blur_radius", 1), item.inputs.get("sigma", 1)
    maker.node(item, {"image": "image"}, {"radius": radius, "sigma": sigma * radius})


def sharpen(maker: Maker, item: Item) -> None:
    radius, sigma = item.inputs.get("sharpen_radius", 1), item.inputs.get("sigma", 1)
    amount = item.inputs.get("alpha", 1) * 10
    maker.node(item, {"image": "image"}, {"amount": amount, "sigma": sigma * radius})
