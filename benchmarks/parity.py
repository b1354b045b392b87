"""Parity: latents, conditionings, pictures and sigmas against those recorded from ComfyUI for the same file and seed.

    python -m benchmarks.parity [NAME or KIND …] [--json FILE]

The data (its README says how it was recorded) is looked for in NODEFLOW_PARITY, else in `shared/parity` beside the
repository. Checkpoints are random numbers in the shapes of real ones; they are made when first needed, in
NODEFLOW_PARITY_CACHE or ~/.cache/nodeflow-parity (2.7 GB for all cases but `sdxl_vega`, which adds 3.3 GB).

Cases run through the nodes themselves, with the compatible options (see docs/sampling.md).
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FIELD = "max|d|/std"
MISSING = "no parity data: set NODEFLOW_PARITY, or put it into shared/parity beside the repository"


def data_folder() -> Path | None:
    """Where the parity data is, or None."""
    named = os.environ.get("NODEFLOW_PARITY")
    places = [Path(named)] if named else [ROOT.parent / "shared" / "parity", ROOT / "shared" / "parity"]
    return next((place for place in places if (place / "cases.json").is_file()), None)


def cache_folder() -> Path:
    """Where made checkpoints are kept."""
    return Path(os.environ.get("NODEFLOW_PARITY_CACHE") or Path.home() / ".cache" / "nodeflow-parity")


@functools.cache
def cases() -> dict[str, dict[str, Any]]:
    """All recorded cases by name."""
    folder = data_folder()
    if folder is None:
        raise FileNotFoundError(
            "no parity data: set NODEFLOW_PARITY, or put it into shared/parity beside the repository"
        )
    return json.loads((folder / "cases.json").read_text())["cases"]


@functools.cache
def _tensors(file: str) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(f"{data_folder()}/{file}")


def recorded(reference: str) -> Any:
    """The tensor that `file:name` points at."""
    file, name = reference.split(":")
    return _tensors(file)[name]


def checkpoint(name: str) -> Path:
    """The made checkpoint `name`, made now if it is not there."""
    path = cache_folder() / f"{name}.fp16.safetensors"
    if not path.is_file():
        cache_folder().mkdir(parents=True, exist_ok=True)
        part = cache_folder() / f"part-{os.getpid()}"
        part.mkdir(exist_ok=True)
        script = f"{data_folder()}/make_checkpoint.py"
        subprocess.run([sys.executable, script, str(part), name], check=True, stdout=subprocess.DEVNULL)
        (part / path.name).replace(path)
        part.rmdir()
    return path


@dataclass
class Result:
    """How a case came out.

    error: max|ours − recorded| / std(recorded) of the latent (sigmas: largest relative difference), the larger one
    where there are two recordings. equal: bit for bit with one of them. conditioning: the largest difference, in units
    of the recorded standard deviation where that is above 1 (SDXL's states are not normalised); conditioning_equal: bit
    for bit. picture: the largest difference in 8-bit steps. seconds: of our run. problem: why it did not run.
    """

    name: str
    kind: str
    tolerance: float
    error: float = float("nan")
    equal: bool = False
    conditioning: float | None = None
    conditioning_equal: bool | None = None
    picture: int | None = None
    seconds: float = 0.0
    problem: str = ""

    @property
    def ok(self) -> bool:
        within = self.error <= self.tolerance and (self.conditioning or 0.0) <= 1e-5 and (self.picture or 0) <= 1
        return not self.problem and within


class Session:
    """A node's context with one weights pool for all cases."""

    device = "cpu"

    def __init__(self) -> None:
        from nodeflow import WeightsPool

        self.weights = WeightsPool(budget=6 << 30)

    def check(self) -> None: ...

    def progress(self, done: int, total: int, text: str = "") -> None: ...

    def preview(self, image: Any) -> None: ...

    def warn(self, message: str) -> None: ...


def file_of(name: str) -> Any:
    from nodeflow import File

    path = checkpoint(name)
    return File(path.name, str(path), f"parity {name}")


# --- running a case -------------------------------------------------------------------------------------------------


def run_case(name: str, session: Any) -> Result:
    """Run one case and compare."""
    case = cases()[name]
    result = Result(name, case["kind"], case.get("tolerance", 1e-6))
    begun = time.perf_counter()
    try:
        if case["kind"] == "sigmas":
            _sigmas(case, result)
        else:
            _latents(case, result, session)
    except Exception as error:  # a report names what failed and goes on
        result.problem = f"{type(error).__name__}: {error}"
    result.seconds = time.perf_counter() - begun
    return result


def _sigmas(case: dict[str, Any], result: Result) -> None:
    import torch

    from nodeflow_nodes.diffusion.sampling.schedules import make_sigmas
    from nodeflow_nodes.diffusion.sampling.tables import make_table

    table = make_table({"kind": "discrete"})
    ours = make_sigmas(table, case["schedule"], case["steps"], case["denoise"], compat=True)
    theirs = recorded(case["sigmas"])
    if ours.shape != theirs.shape:
        raise ValueError(f"{len(ours)} values, recorded {len(theirs)}")
    result.error = float(((ours - theirs).abs() / theirs.clamp_min(1e-9)).max())
    result.equal = torch.equal(ours, theirs)


def _latents(case: dict[str, Any], result: Result, ctx: Any) -> None:
    import torch

    from nodeflow_nodes.diffusion import encode_nodes, load_nodes, sample_nodes

    loaded = load_nodes.load_checkpoint(file_of(case["checkpoint"]))
    model, text_encoder = loaded.model, loaded.text_encoder
    if "lora" in case:
        model, text_encoder = _with_lora(case["lora"], model, text_encoder)
    positive, negative = _conditionings(case, text_encoder, result, ctx)
    latent = sample_nodes.sample(
        model,
        positive,
        _latent(case, loaded.vae, ctx),
        negative,
        seed=case["seed"],
        steps=case["steps"],
        guidance=case["cfg"],
        sampler=case["sampler"],
        schedule=case["schedule"],
        denoise=case["denoise"],
        noise="batch",
        compat=True,
        ctx=ctx,
    )
    ours = latent.samples
    for key in ("latent", "latent_sdpa"):
        if key in case:
            theirs = recorded(case[key])
            error = float((ours - theirs).abs().max() / theirs.std())
            result.error = error if not error <= result.error else result.error
            result.equal |= torch.equal(ours, theirs)
    if "image" in case:
        picture = encode_nodes.decode(latent, loaded.vae, ctx=ctx).movedim(1, -1)
        steps = ((picture * 255).round() - (recorded(case["image"]) * 255).round()).abs().max()
        result.picture = int(steps)


def _conditionings(case: dict[str, Any], text_encoder: Any, result: Result, ctx: Any) -> tuple[Any, Any]:
    from nodeflow import Conditioning
    from nodeflow_nodes.diffusion import conditioning_nodes, encode_nodes

    if case["kind"] == "flow":
        return _drawn(case["positive"], case), None if case["cfg"] == 1 else _drawn(case["negative"], case)

    @functools.cache
    def encode(text: str) -> Any:
        return encode_nodes.encode_prompt(text, text_encoder, -case.get("clip_layer", 0), ctx=ctx)

    positive, negative = encode(case["positive"]), encode(case["negative"])
    _compare_conditioning(case, positive, result)
    if "second_positive" in case:
        second = case["second_positive"]
        other = encode(second["text"])
        if "area" in second:
            area = tuple(second["area"][side] // 8 for side in ("height", "width", "y", "x"))
            other = other.map(area=area, strength=second["strength"])
            positive = Conditioning((*positive.conditions, *other.conditions))
        else:
            positive = conditioning_nodes.average_conditioning(positive, other, 0.3)
    if "control" in case:
        positive, negative = (_controlled(side, case["control"]) for side in (positive, negative))
    return positive, negative


def _compare_conditioning(case: dict[str, Any], positive: Any, result: Result) -> None:
    import torch

    theirs = recorded(case["conditioning"])
    ours = positive.conditions[0].tokens
    result.conditioning = float((ours - theirs).abs().max() / theirs.std().clamp_min(1.0))
    result.conditioning_equal = torch.equal(ours, theirs)


def _drawn(text: dict[str, Any], case: dict[str, Any]) -> Any:
    """Random text, as the flow cases were recorded with."""
    import torch

    from nodeflow import Condition, Conditioning

    generator = torch.Generator().manual_seed(text["generator_seed"])
    tokens = torch.randn(1, text["tokens"], text["width"], generator=generator)
    pooled = torch.randn(1, text["pooled"], generator=generator)
    extra = {} if case["guidance_embed"] is None else {"guidance": case["guidance_embed"]}
    return Conditioning((Condition(tokens, pooled, extra=extra),))


def _solid(spec: dict[str, Any]) -> Any:
    import torch

    colour = torch.tensor(spec["rgb"], dtype=torch.float32) / 255
    return colour[None, :, None, None].repeat(1, 1, spec["height"], spec["width"])


def _latent(case: dict[str, Any], vae: Any, ctx: Any) -> Any:
    import torch

    from nodeflow import Latent
    from nodeflow_nodes.diffusion import encode_nodes

    if "init_image" in case:
        latent = encode_nodes.encode_image(_solid(case["init_image"]), vae, ctx=ctx)
        if "mask" in case:
            spec = case["mask"]
            mask = torch.zeros(1, 1, spec["image_height"], spec["image_width"])
            mask[:, :, spec["y"] : spec["y"] + spec["height"], spec["x"] : spec["x"] + spec["width"]] = 1.0
            latent = replace(latent, noise_mask=mask)
        return latent
    channels = 16 if case["kind"] == "flow" else 4
    return Latent(torch.zeros(case["batch"], channels, case["height"] // 8, case["width"] // 8))


def _with_lora(spec: dict[str, Any], model: Any, text_encoder: Any) -> tuple[Any, Any]:
    from nodeflow_nodes.diffusion import load_nodes

    applied = load_nodes.apply_lora(
        model, text_encoder, file_of(spec["file"]), spec["strength_unet"], spec["strength_text"], compat=True
    )
    return applied.model, applied.text_encoder


def _controlled(conditioning: Any, spec: dict[str, Any]) -> Any:
    from nodeflow_nodes.diffusion import conditioning_nodes, load_nodes

    network = load_nodes.load_controlnet(file_of(spec["file"]))
    return conditioning_nodes.apply_control_net(
        conditioning, network, _solid(spec["image"]), spec["strength"], spec["start"], spec["end"]
    )


# --- the report -----------------------------------------------------------------------------------------------------


def chosen(wanted: Sequence[str]) -> list[str]:
    """Names of the cases that `wanted` names by name, kind or checkpoint; all of them if it is empty."""
    every = cases()
    known = {*every, *(c["kind"] for c in every.values()), *(c.get("checkpoint", "") for c in every.values())}
    for word in wanted:
        if word not in known:
            raise SystemExit(f"no case, kind or checkpoint {word!r}; kinds: sigmas, feature, sweep, flow")
    names = [n for n, c in every.items() if not wanted or {n, c["kind"], c.get("checkpoint")} & set(wanted)]
    return sorted(names, key=lambda n: (every[n].get("checkpoint", ""), list(every).index(n)))


def run(wanted: Sequence[str] = ()) -> Iterator[Result]:
    """Run the chosen cases one after another."""
    import torch

    torch.set_num_threads(1)
    session = Session()
    for name in chosen(wanted):
        yield run_case(name, session)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each case, and sums at the end. The exit code is 1 if a case is out of its tolerance."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parity", description="Compare with recorded results.")
    parser.add_argument("wanted", nargs="*", help="cases, kinds (sigmas, sweep, feature, flow) or checkpoints")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    options = parser.parse_args(arguments)
    if data_folder() is None:
        print(MISSING)
        return 1
    results = []
    print(f"{'case':42} {FIELD:>10} {'allowed':>8}  bits  conditioning  picture   s")
    for r in run(options.wanted):
        results.append(r)
        text = "" if r.conditioning is None else f"{r.conditioning:.1e}" + ("=" if r.conditioning_equal else "")
        picture = "" if r.picture is None else str(r.picture)
        end = r.problem if r.problem else "" if r.ok else "OUT OF TOLERANCE"
        bits = "same" if r.equal else ""
        line = (
            f"{r.name:42} {r.error:10.1e} {r.tolerance:8.0e}  {bits:4}  {text:12}  {picture:7} {r.seconds:5.1f}  {end}"
        )
        print(line.rstrip(), flush=True)
    print()
    for kind in dict.fromkeys(r.kind for r in results):
        print(summary(kind, [r for r in results if r.kind == kind]))
    if options.json:
        options.json.write_text(json.dumps([asdict(r) for r in results], indent=1) + "\n")
    return 0 if all(r.ok for r in results) else 1


def summary(kind: str, results: list[Result]) -> str:
    """One line: how many agree, how many bit for bit (latents or sigmas, conditionings, pictures in 8 bits), the
    worst."""
    ran = [r for r in results if not r.problem]
    worst = max((r.error for r in ran), default=float("nan"))
    within, equal = sum(r.ok for r in results), sum(r.equal for r in ran)
    conditionings = [r.conditioning_equal for r in ran if r.conditioning_equal is not None]
    pictures = [r.picture == 0 for r in ran if r.picture is not None]
    parts = [f"{kind:8} {within} of {len(results)} within tolerance, worst {worst:.1e}", f"{equal} bit for bit"]
    for what, same in (("conditionings", conditionings), ("8-bit pictures", pictures)):
        if same:
            parts.append(f"{sum(same)} of {len(same)} {what} the same")
    return ", ".join(parts)


if __name__ == "__main__":
    sys.exit(main())
