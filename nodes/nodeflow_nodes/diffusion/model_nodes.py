"""How a model is sampled, changed without loading it again."""

from __future__ import annotations

from typing import Annotated, Literal

from nodeflow import Model, Range, node
from nodeflow_nodes.diffusion.opened import changes


@node("diffusion/model_shift")
def model_shift(model: Model, shift: Annotated[float, Range(0, 100, 0.01)] = 3.0) -> Model:
    """Let a flow model spend more of its steps on composition (higher) or on fine detail (lower).

    Such a model goes from noise (time 1) to the picture (time 0). With evenly spread steps the beginning, which settles
    what is where, gets few of them; the shift moves all steps towards it. Larger pictures want more. The model is not
    loaded again, and schedules made from the result (`sigmas`, `sample`) are shifted.

    Args:
        model: a flow matching denoiser: SD3, Flux, or the built-in model.
        shift: for SD3 and the built-in model the factor s in s·t/(1 + (s - 1)·t): 3 as trained, 1 leaves the steps
            even, 0 is refused. For Flux the exponent m in e^m/(e^m + 1/t - 1): 1.15 as trained for large pictures, 0
            leaves them even.

    Returns:
        model: the same denoiser with another time shift.

    Raises:
        NodeError: at sampling, if the model is no flow model (Stable Diffusion 1, 2, XL).
    """
    return model.with_options(sampling={**changes(model), "shift": shift})


@node("diffusion/model_shift_by_size")
def model_shift_by_size(
    model: Model,
    width: Annotated[int, Range(16, 16384, 8, unit="px")] = 1024,
    height: Annotated[int, Range(16, 16384, 8, unit="px")] = 1024,
    base_shift: Annotated[float, Range(0, 100, 0.01)] = 0.5,
    max_shift: Annotated[float, Range(0, 100, 0.01)] = 1.15,
) -> Model:
    """Flux's time shift for a picture of a given size: the larger, the more steps go to noise.

    Args:
        model: a Flux denoiser.
        width: of the picture, pixels.
        height: of the picture, pixels.
        base_shift: shift at 256 x 256 pixels.
        max_shift: shift at 1024 x 1024 pixels.

    Raises:
        NodeError: at sampling, if the model is not Flux.
    """
    tokens = (height // 16) * (width // 16)
    shift = base_shift + (max_shift - base_shift) * (tokens - 256) / (4096 - 256)
    return model.with_options(sampling={**changes(model), "flux_shift": shift})


@node("diffusion/model_sampling")
def model_sampling(model: Model, parametrisation: Literal["eps", "v"] = "v", zero_terminal_snr: bool = False) -> Model:
    """Say how a model was trained, where its file does not: what it predicts, and how noisy its noisiest step was.

    Needed if a checkpoint gives only noise or washed-out colours although everything is connected well; its page says
    "v-prediction" or "zero terminal SNR" then. The model is not loaded again.

    Args:
        model: a denoiser of the families Stable Diffusion 1, 2 or XL.
        parametrisation: what its output means: `eps`, the noise in the latent (most models), or `v`, a mixture of noise
            and picture called velocity (SD 2.1 at 768 pixels, and models whose names have "vpred").
        zero_terminal_snr: whether its noisiest training step was pure noise (models made for very dark and very bright
            pictures). Off: a little of the picture was always left in it, as in the original models.

    Returns:
        model: the same denoiser, sampled as said.

    Raises:
        NodeError: at sampling, if the model is a flow model (SD3, Flux, the built-in shapes-64).
    """
    table = {"kind": "ztsnr" if zero_terminal_snr else "discrete"}
    return model.with_options(sampling={**changes(model), "parametrisation": parametrisation, "table": table})
