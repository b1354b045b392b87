import pytest
import torch

from nodeflow import Condition, Conditioning, Model, NodeError, Noise, Sampler, Vae
from nodeflow_nodes.diffusion import inpaint_nodes as nodes
from nodeflow_nodes.diffusion.guider_nodes import guider_dual
from nodeflow_nodes.diffusion.part_nodes import sigmas
from nodeflow_nodes.diffusion.sample_nodes import sample, sample_custom

from .helpers import FlatDenoiser, Run

VAE = Vae("FlatVae", "", "")


class FlatVae:
    """Latents are means of 8 x 8 pixels, the first channel repeated."""

    def encode(self, pixels):
        return torch.nn.functional.avg_pool2d(pixels, 8)[:, [0, 1, 2, 0]]


def text(value):
    return Conditioning((Condition(torch.full((1, 2, 4), float(value))),))


def picture_and_hole():
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 24:40] = 1.0
    return torch.ones(1, 3, 64, 64), mask


def test_the_hole_is_grey_and_the_mask_grows():
    picture, mask = picture_and_hole()
    latent = nodes.encode_for_inpaint(picture, VAE, mask, 6, ctx=Run(FlatVae()))
    assert latent.samples[0, 0, 0].tolist() == [1, 1, 1, 0.5, 0.5, 1, 1, 1]
    columns = latent.noise_mask[0, 0, 0]
    assert latent.noise_mask.shape == mask.shape
    assert columns.nonzero().flatten().tolist() == list(range(22, 43))
    untouched = nodes.encode_for_inpaint(picture, VAE, mask, 0, ctx=Run(FlatVae()))
    assert torch.equal(untouched.noise_mask, mask)


def test_an_inpainting_model_reads_mask_and_picture():
    denoiser = FlatDenoiser("eps")
    denoiser.in_channels, denoiser.downscale = 9, 8
    ctx = Run(denoiser, FlatVae())
    picture, mask = picture_and_hole()
    positive, negative, latent = nodes.inpaint_conditioning(text(2), text(1), VAE, picture, mask, ctx=ctx)
    assert set(positive.conditions[0].extra) == set(negative.conditions[0].extra) == {"concat_latent", "concat_mask"}
    result = sample(Model("FlatDenoiser", "", ""), positive, latent, negative, steps=4, ctx=ctx)
    assert denoiser.batches == [(2, 9, 8, 8)] * 4
    assert torch.allclose(result.samples[..., :3], latent.samples[..., :3], atol=1e-4)
    assert torch.allclose(result.samples[..., 3:5], torch.tensor(4.0), atol=1e-3)


def test_an_inpainting_model_without_a_picture_says_what_it_lacks():
    denoiser = FlatDenoiser("eps")
    denoiser.in_channels = 9
    ctx = Run(denoiser, FlatVae())
    _, _, latent = nodes.inpaint_conditioning(text(2), text(1), VAE, *picture_and_hole(), ctx=ctx)
    with pytest.raises(NodeError, match="inpaint_conditioning"):
        sample(Model("FlatDenoiser", "", ""), text(2), latent, text(1), ctx=ctx)


def test_an_editing_model_reads_the_picture():
    denoiser = FlatDenoiser("eps")
    denoiser.in_channels, denoiser.downscale = 8, 8
    ctx = Run(denoiser, FlatVae())
    positive, negative, latent = nodes.edit_conditioning(text(2), text(1), VAE, torch.ones(1, 3, 68, 64), ctx=ctx)
    assert not latent.samples.any()
    result = sample(Model("FlatDenoiser", "", ""), positive, latent, negative, steps=4, ctx=ctx)
    assert denoiser.batches == [(2, 8, 8, 8)] * 4
    assert torch.allclose(result.samples, torch.full((1, 4, 8, 8), 4.0), atol=1e-3)


def test_picture_and_instruction_have_strengths_of_their_own():
    """InstructPix2Pix' three answers: the prompt that has no picture gets zeros in its place."""
    seen = []

    class Editing(FlatDenoiser):
        in_channels = 8

        def __call__(self, x, timestep, conditions):
            seen.append((conditions.tokens[:, 0, 0].tolist(), x[:, 4:].amax(dim=(1, 2, 3)).tolist()))
            return super().__call__(x, timestep, conditions)

    ctx = Run(Editing("eps"), FlatVae())
    whole, part, latent = nodes.edit_conditioning(text(5), text(2), VAE, torch.ones(1, 3, 64, 64), ctx=ctx)
    model = Model("Editing", "", "")
    guider = guider_dual(model, whole, part, text(1), guidance=3.0, guidance_middle=2.0)
    result = sample_custom(
        Noise(1, "per_item"), guider, Sampler("euler"), sigmas(model, steps=3, ctx=ctx), latent, ctx=ctx
    )
    assert torch.allclose(result.latent.samples, torch.tensor(1 + 2 * (2 - 1) + 3 * (5 - 2.0)), atol=1e-3)
    assert [tokens for tokens, _ in seen] == [[5, 2, 1]] * 3
    assert all(first == second != 0 and third == 0 for _, (first, second, third) in seen)
    with pytest.raises(NodeError, match="give its prompts the picture"):
        sample(model, text(5), latent, text(1), ctx=ctx)


def test_masks_must_fit():
    with pytest.raises(NodeError, match="2 pictures and 3 masks"):
        nodes.encode_for_inpaint(torch.ones(2, 3, 16, 16), VAE, torch.ones(3, 1, 16, 16), ctx=Run(FlatVae()))


def test_every_port_is_explained():
    for op in (nodes.encode_for_inpaint, nodes.inpaint_conditioning, nodes.edit_conditioning):
        assert set(op.doc.args) == set(op.inputs), op.id
