"""Nodes that look at a pixel's neighbours: blur, sharpen, edges, lines."""

from __future__ import annotations

from typing import Annotated, Literal

from nodeflow import Image, NodeError, Range, node

Sigma = Annotated[float, Range(0, 200, 0.1, unit="px")]
Edge = Annotated[float, Range(0.001, 6, 0.01)]


@node("image/blur")
def blur(
    image: Image,
    sigma: Sigma = 2.0,
    method: Literal["gaussian", "box"] = "gaussian",
    radius: Annotated[int, Range(0, 600, unit="px")] = 0,
) -> Image:
    """Make pictures soft.

    Args:
        image: the pictures.
        sigma: width of the blur (standard deviation), in pixels; 0 changes nothing.
        method: `gaussian` is smooth; `box` is the plain mean of a square.
        radius: how far the filter reaches, in pixels; 0 chooses it from sigma (three sigma, or the box as wide).
    """
    from nodeflow_nodes.image.ops import kernels

    kernel = (kernels.gaussian if method == "gaussian" else kernels.box)(sigma, radius)
    return kernels.solid(image, lambda x: kernels.separable(x, kernel))


@node("image/sharpen")
def sharpen(
    image: Image,
    amount: Annotated[float, Range(0, 10, 0.05)] = 0.5,
    sigma: Sigma = 1.0,
    threshold: Annotated[float, Range(0, 1, 0.005)] = 0.0,
) -> Image:
    """Make details stand out (unsharp mask).

    Args:
        image: the pictures.
        amount: how much of the difference from the blurred picture is added; 0 changes nothing.
        sigma: size of the details, in pixels.
        threshold: differences smaller than this are left alone, so that noise is not sharpened.
    """
    from nodeflow_nodes.image.ops import kernels, shape

    colour, alpha = shape.split_alpha(image)
    return shape.join_alpha(kernels.unsharp(colour, sigma, amount, threshold), alpha)


@node("image/canny")
def canny(image: Image, low: Edge = 0.4, high: Edge = 0.8, sigma: Sigma = 1.0) -> Image:
    """Draw the edges of pictures as thin white lines on black, as Canny ControlNets expect them.

    Args:
        image: the pictures.
        low: edges at least this strong are drawn if they touch a strong one. A sharp step from black to white has
            strength 4 before it is smoothed.
        high: edges at least this strong are always drawn; not below `low`.
        sigma: smoothing before, in pixels: larger leaves small details out.
    """
    from nodeflow_nodes.image.ops import edges, shape

    if high < low:
        raise NodeError(f"expected low ≤ high, got low = {low}, high = {high}")
    drawn = edges.canny(shape.luminance(image), sigma, low, high).to(image.device)
    return drawn.repeat(1, 3, 1, 1)


@node("image/line_art")
def line_art(
    image: Image,
    sigma: Annotated[float, Range(0.1, 20, 0.1, unit="px")] = 1.0,
    strength: Annotated[float, Range(0.1, 200, 0.5)] = 20.0,
    threshold: Annotated[float, Range(0, 1, 0.005)] = 0.01,
    white_on_black: bool = True,
) -> Image:
    """Turn pictures into line drawings by the difference of two blurs; no model is needed.

    Args:
        image: the pictures.
        sigma: thickness of the lines, in pixels.
        strength: how dark weak edges are drawn.
        threshold: edges weaker than this (in brightness, 0..1) are left out.
        white_on_black: white lines on black, as line art ControlNets expect; otherwise black on white.
    """
    from nodeflow_nodes.image.ops import kernels

    lines = kernels.line_art(image, sigma, strength, threshold)
    return (lines if white_on_black else 1 - lines).repeat(1, 3, 1, 1)
