"""Examples of the image pack."""

from __future__ import annotations

from docs.examples.kit import area, change, example, landscape, night, outputs, plain, shape, use
from nodeflow.builder import Graph

change(
    "image/adjust", "More contrast and colour, with the hue turned by 40 degrees.", contrast=1.2, saturation=1.4, hue=40
)
change("image/blur", sigma=5)
change("image/canny", "The edges, white on black: what a ControlNet for edges takes.", low=0.1, high=0.3)
change("image/crop", x=16, y=8, width=64, height=96)
change(
    "image/curves",
    "A curve that lifts the middle: shadows and middle tones become lighter.",
    points="0 0, 0.4 0.7, 1 1",
)
change("image/flip", direction="horizontal")
change("image/invert")
change("image/levels", "What is darker than 0.3 becomes black, what is brighter than 0.8 white.", black=0.3, white=0.8)
change("image/line_art", white_on_black=False)
change("image/pad", left=24, right=24, color="#5b3a7a")
change("image/repeat", "One picture becomes a batch of three.", count=3)
change(
    "image/resize",
    "Fitted into 160 x 80 pixels without changing its form; the rest is filled.",
    width=160,
    height=80,
    fit="pad",
    color="#333333",
)
change("image/resize_by", factor=0.5)
change("image/resize_to_pixels", "128 x 128 pixels become about 0.01 megapixels.", megapixels=0.01)
change("image/rotate", angle=30, color="white")
change("image/to_grey")
change("image/preview", "The picture is shown while the recipe runs, and passed on unchanged.")


@example("image/batch", "Two pictures of equal size become one batch; what follows works on both at once.")
def _(graph: Graph) -> None:
    graph.output("batch", use("image/batch", images=[landscape(), night()]))


@example("image/blend", "Multiplied: what is dark in either picture is dark in the result.")
def _(graph: Graph) -> None:
    a, b = landscape(), night()
    outputs(graph, a=a, b=b, blended=use("image/blend", a=a, b=b, mode="multiply", amount=1.0))


@example("image/compare", "The right half blurred: the difference shows what has changed, three times as strong.")
def _(graph: Graph) -> None:
    before = landscape()
    after = use("image/blur", image=before, sigma=2)
    compared = use("image/compare", a=before, b=after, mode="both", gain=3, label_a="before", label_b="blurred")
    graph.output("compared", compared)


@example("image/composite", "The mask says where the second picture covers the first; its soft edge mixes the two.")
def _(graph: Graph) -> None:
    day, dark, mask = landscape(), night(), area(0.35, 0.0, 0.65, 0.6, feather=6)
    whole = use("image/composite", destination=day, source=dark, mask=mask)
    outputs(graph, destination=day, source=dark, mask=mask, result=whole)


@example("image/empty", "A picture of one colour, to draw on.")
def _(graph: Graph) -> None:
    graph.output("image", use("image/empty", width=128, height=96, color="#c8432f"))


@example("image/grid", "Three amounts of blur: the number is written under each picture.")
def _(graph: Graph) -> None:
    before = landscape()
    images = [use("image/blur", image=before, sigma=sigma) for sigma in (1, 4, 10)]
    captions = ["sigma 1", "sigma 4", "sigma 10"]
    graph.output("grid", use("image/grid", images=images, captions=captions, columns=3))


@example("image/histogram")
def _(graph: Graph) -> None:
    picture = landscape()
    outputs(graph, image=picture, histogram=use("image/histogram", image=picture))


@example("image/load", "What is transparent in the file becomes the mask.")
def _(graph: Graph) -> None:
    loaded = use("image/load", path="files/picture.png")
    outputs(graph, image=loaded.image, mask=loaded.mask)


@example("image/merge_channels", "Red and blue change places.")
def _(graph: Graph) -> None:
    before = landscape()
    parts = use("image/split_channels", image=before)
    after = use("image/merge_channels", red=parts.blue, green=parts.green, blue=parts.red)
    outputs(graph, before=before, after=after)


@example("image/metrics", "How much a blur has changed a picture.")
def _(graph: Graph) -> None:
    before = landscape()
    after = use("image/blur", image=before, sigma=2)
    measured = use("image/metrics", a=before, b=after)
    outputs(graph, a=before, b=after, psnr=measured.psnr, ssim=measured.ssim, largest=measured.largest)


@example("image/pad_for_outpainting", "Room to the right, and the mask that says where a model paints.")
def _(graph: Graph) -> None:
    before = landscape()
    padded = use("image/pad_for_outpainting", image=before, right=48, feather=16)
    outputs(graph, before=before, image=padded.image, mask=padded.mask)


@example("image/pick", "The second picture of a batch.")
def _(graph: Graph) -> None:
    both = use("image/batch", images=[landscape(), night()])
    outputs(graph, batch=both, picked=use("image/pick", image=both, index=1))


@example("image/save", "The file carries the recipe: `nodeflow run output/picture.png` makes it again.")
def _(graph: Graph) -> None:
    picture = use("image/set_alpha", image=landscape(), mask=area(0.2, 0.2, 0.3, 0.3))
    graph.output("image", picture)
    use("image/save", image=picture, name="picture")


@example("image/set_alpha", "What the mask marks becomes transparent.")
def _(graph: Graph) -> None:
    before, mask = landscape(), area(0.1, 0.1, 0.5, 0.5, feather=4)
    outputs(graph, before=before, mask=mask, after=use("image/set_alpha", image=before, mask=mask))


@example("image/sharpen", "A slightly blurred picture, and its edges brought out again.")
def _(graph: Graph) -> None:
    before = use("image/blur", image=landscape(), sigma=2)
    outputs(graph, before=before, after=use("image/sharpen", image=before, amount=3, sigma=2))


@example("image/size", "The numbers can be linked to other nodes, so that they follow the picture.")
def _(graph: Graph) -> None:
    size = use("image/size", image=use("image/empty", width=160, height=96, batch_size=2))
    for name in ("width", "height", "batch_size", "channels"):
        graph.output(name, getattr(size, name))


@example("image/split_batch", "A batch becomes a list, so that each picture can be given something of its own.")
def _(graph: Graph) -> None:
    both = use("image/batch", images=[landscape(), night()])
    images = use("image/split_batch", image=both)
    outputs(graph, batch=both, last=use("value/pick", values=images, index=-1))


@example("image/split_channels", "Each colour as a grey picture: the house is bright in red and dark in blue.")
def _(graph: Graph) -> None:
    picture = landscape()
    parts = use("image/split_channels", image=picture)
    outputs(graph, image=picture, red=parts.red, green=parts.green, blue=parts.blue)


@example("image/stitch", "Two pictures become one.")
def _(graph: Graph) -> None:
    a, b = landscape(), shape("#e58fb1", 0.2, 0.2, 0.6, 0.6, on=plain("#3c4f76"))
    graph.output("image", use("image/stitch", a=a, b=b, direction="right", gap=6))


def enlarged(name: str, note: str) -> None:
    @example(name, note, needs="an upscale model (here one worked out by hand, which interpolates)")
    def fill(graph: Graph) -> None:
        before = use("image/resize", image=landscape(), width=64, height=64)
        model = use("image/load_upscale_model", model="bilinear-2x")
        outputs(graph, before=before, after=use("image/upscale_with_model", image=before, upscale_model=model))


enlarged("image/load_upscale_model", "The model doubles the picture's sides; its file says so.")
enlarged("image/upscale_with_model", "Twice as large. A real model (Real-ESRGAN, say) would also draw new detail.")
