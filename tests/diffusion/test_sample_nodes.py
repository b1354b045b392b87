import subprocess
import sys

import pytest
import torch

from nodeflow import Condition, Conditioning, Latent, Model, NodeError, Noise, Sampler
from nodeflow_nodes.diffusion import guider_nodes, model_nodes, part_nodes
from nodeflow_nodes.diffusion import sample_nodes as nodes

from .helpers import FlatDenoiser, Run

MODEL = Model("test/denoiser", "", "")
EMPTY = Latent(torch.zeros(2, 4, 8, 8))


def text(value):
    return Conditioning((Condition(torch.full((1, 2, 4), float(value))),))


def test_importing_the_nodes_does_not_import_torch():
    code = "import sys; import nodeflow_nodes.diffusion.sample_nodes; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_sample_reports_steps_and_previews():
    ctx = Run(FlatDenoiser())
    result = nodes.sample(MODEL, text(2), EMPTY, text(1), steps=5, ctx=ctx)
    assert torch.allclose(result.samples, torch.full((2, 4, 8, 8), 4.0), atol=1e-4)
    assert ctx.steps == [(i, 5) for i in range(1, 6)]
    assert {tuple(p.shape) for p in ctx.previews} == {(2, 3, 8, 8)}  # at most ten a second
    assert all(p.min() >= 0 and p.max() <= 1 for p in ctx.previews)


def test_sample_is_the_same_each_time_and_differs_by_seed():
    def run(seed):
        options = {"seed": seed, "steps": 3, "sampler": "lcm", "schedule": "beta", "ctx": Run(FlatDenoiser())}
        return nodes.sample_advanced(MODEL, text(2), EMPTY, text(1), end_step=2, leave_noise=True, **options).samples

    assert torch.equal(run(1), run(1))
    assert not torch.allclose(run(1), run(2))


def test_the_parts_give_what_the_whole_gives():
    ctx = Run(FlatDenoiser("eps"))
    options = {"seed": 3, "steps": 4, "guidance": 2.0, "sampler": "euler_ancestral", "schedule": "karras"}
    latent = Latent(torch.randn(2, 4, 8, 8))
    whole = nodes.sample(MODEL, text(2), latent, text(1), denoise=0.5, **options, ctx=ctx)
    parts = nodes.sample_custom(
        part_nodes.noise(3),
        guider_nodes.guider(MODEL, text(2), text(1), 2.0),
        part_nodes.sampler("euler_ancestral"),
        part_nodes.sigmas(MODEL, "karras", 4, 0.5, ctx=ctx),
        latent,
        ctx=ctx,
    )
    assert torch.equal(whole.samples, parts.latent.samples)


def test_advanced_in_two_parts_is_the_whole():
    ctx = Run(FlatDenoiser())
    common = {"steps": 6, "ctx": ctx}
    first = nodes.sample_advanced(MODEL, text(2), EMPTY, text(1), end_step=3, leave_noise=True, **common)
    second = nodes.sample_advanced(MODEL, text(2), first, text(1), start_step=3, noise="none", **common)
    assert torch.allclose(second.samples, nodes.sample(MODEL, text(2), EMPTY, text(1), **common).samples, atol=1e-4)
    assert first.samples.std() > 0.1


def test_split_sigmas_share_the_value_at_the_cut():
    sigmas = torch.tensor([1.0, 0.8, 0.5, 0.2, 0.0])
    high, low = part_nodes.split_sigmas(sigmas, 2)
    assert high.tolist() == pytest.approx([1.0, 0.8, 0.5])
    assert low.tolist() == pytest.approx([0.5, 0.2, 0.0])


def test_guidance_without_a_negative_is_named():
    with pytest.raises(NodeError, match="negative"):
        nodes.sample(MODEL, text(2), EMPTY, ctx=Run(FlatDenoiser()))
    result = nodes.sample(MODEL, text(2), EMPTY, guidance=1.0, ctx=Run(FlatDenoiser()))
    assert torch.allclose(result.samples, torch.full((2, 4, 8, 8), 2.0), atol=1e-4)


def test_dual_and_perp_neg():
    ctx = Run(FlatDenoiser())
    sigmas = part_nodes.sigmas(MODEL, steps=3, ctx=ctx)

    def run(guider):
        out = nodes.sample_custom(Noise(0), guider, Sampler("euler"), sigmas, EMPTY, ctx=ctx)
        return float(out.latent.samples.mean())

    # 0 + 1.5 (1 - 0) + 3 (2 - 1)
    assert run(guider_nodes.guider_dual(MODEL, text(2), text(1), text(0), 3.0, 1.5)) == pytest.approx(4.5, abs=1e-4)
    # the negative lies along the positive, so only the positive is left: 0 + 3 (2 - 0)
    assert run(guider_nodes.guider_perp_neg(MODEL, text(2), text(5), text(0), 3.0)) == pytest.approx(6.0, abs=1e-3)


def test_cfg_plus_plus_wants_a_negative_even_without_guidance():
    with pytest.raises(NodeError, match=r"sampler euler_cfg_pp: .* link a negative"):
        nodes.sample(MODEL, text(2), EMPTY, guidance=1.0, sampler="euler_cfg_pp", ctx=Run(FlatDenoiser()))


def test_sigmas_of_another_model_are_refused():
    guider = guider_nodes.guider(MODEL, text(2), text(1))
    sigmas = part_nodes.sigmas(MODEL, steps=3, ctx=Run(FlatDenoiser("eps")))
    for wrong, message in ((sigmas, "made for another model"), (sigmas.flip(0), "values that fall")):
        with pytest.raises(NodeError, match=message):
            nodes.sample_custom(Noise(0), guider, Sampler("euler"), wrong, EMPTY, ctx=Run(FlatDenoiser()))


def test_a_share_too_small_to_be_a_run_is_refused_at_once():
    with pytest.raises(NodeError, match=r"denoise 1e-09: 20 steps of it .* use at least 0\.0002"):
        nodes.sample(MODEL, text(2), EMPTY, text(1), denoise=1e-9, ctx=Run(FlatDenoiser()))


def test_a_picture_that_the_model_does_not_read_is_told():
    ctx = Run(FlatDenoiser())
    prompt = Conditioning((Condition(torch.ones(1, 2, 4), extra={"concat_latent": torch.ones(1, 4, 8, 8)}),))
    nodes.sample(MODEL, prompt, EMPTY, text(1), steps=1, ctx=ctx)
    assert [w for w in ctx.warnings if "no inpainting or editing model" in w]


def test_a_sampler_that_stops_early_says_how_much_noise_stays():
    for steps, told in ((1, ["here 14.6: that much noise stays"]), (40, [])):
        ctx = Run(FlatDenoiser("eps"))
        settings = {"steps": steps, "sampler": "dpm_fast", "schedule": "karras"}
        nodes.sample(MODEL, text(2), EMPTY, text(1), **settings, ctx=ctx)
        assert [part in warning for part, warning in zip(told, ctx.warnings, strict=True)] == [True] * len(told)


def test_guider_options():
    with pytest.raises(NodeError, match=r"start 0\.8 is after end 0.2"):
        guider_nodes.guider(MODEL, text(1), text(0), 3.0, 0.0, 0.8, 0.2)
    assert guider_nodes.guider(MODEL, text(1), text(0), 3.0, 0.7, 0.1, 0.9).options == {
        "rescale": 0.7,
        "start": 0.1,
        "end": 0.9,
    }
    assert guider_nodes.guider(MODEL, text(1), guidance=1.0).kind == "basic"
    interval = guider_nodes.guider(MODEL, text(2), text(1), 3.0, 0.0, 0.0, 0.0001)
    ctx = Run(FlatDenoiser())
    out = nodes.sample_custom(
        Noise(0), interval, Sampler("euler"), part_nodes.sigmas(MODEL, steps=3, ctx=ctx), EMPTY, ctx=ctx
    )
    assert float(out.latent.samples.mean()) == pytest.approx(2.0, abs=1e-4)


def test_shift_changes_the_steps_and_not_the_weights():
    ctx = Run(FlatDenoiser())
    shifted = model_nodes.model_shift(MODEL, 1.0)
    assert part_nodes.sigmas(shifted, steps=4, ctx=ctx).tolist() == pytest.approx([1.0, 0.75, 0.5, 0.25, 0.0])
    assert part_nodes.sigmas(MODEL, steps=4, ctx=ctx).tolist() == pytest.approx([1.0, 0.9, 0.75, 0.5, 0.0])
    assert ctx.weights.asked == [MODEL, MODEL]
    with pytest.raises(NodeError, match="time shift"):
        part_nodes.sigmas(shifted, ctx=Run(FlatDenoiser("eps")))


def test_shift_by_size_is_the_maximum_at_a_megapixel():
    shifted = model_nodes.model_shift_by_size(MODEL)
    assert shifted.options["sampling"]["flux_shift"] == pytest.approx(1.15)
    flux = FlatDenoiser()
    flux.sigma_table = {"kind": "flux", "shift": 0.0}
    # e^1.15 / (e^1.15 + 1/0.5 - 1) at the middle of the way
    assert float(part_nodes.sigmas(shifted, steps=2, ctx=Run(flux))[1]) == pytest.approx(0.7595, abs=1e-4)
    with pytest.raises(NodeError, match="time shift: for Flux"):
        part_nodes.sigmas(shifted, ctx=Run(FlatDenoiser()))


def test_a_shift_of_nothing_is_refused_where_it_means_nothing():
    with pytest.raises(NodeError, match="time shift 0: expected more than 0"):
        part_nodes.sigmas(model_nodes.model_shift(MODEL, 0.0), ctx=Run(FlatDenoiser()))


def test_model_sampling_changes_the_table():
    ctx = Run(FlatDenoiser("eps"))
    changed = model_nodes.model_sampling(MODEL, "v", True)
    assert float(part_nodes.sigmas(changed, steps=4, ctx=ctx)[0]) > 4000
    with pytest.raises(NodeError, match="this is a flow model"):
        part_nodes.sigmas(changed, ctx=Run(FlatDenoiser()))


def test_sampler_options_are_checked():
    assert part_nodes.sampler("euler_ancestral", eta=0.5) == Sampler("euler_ancestral", {"eta": 0.5})
    with pytest.raises(NodeError, match="no option 'eta'"):
        part_nodes.sampler("euler", eta=0.5)


def test_a_stopped_run_stops_within_a_step():
    denoiser = FlatDenoiser()
    ctx = Run(denoiser)
    ctx.stop_at = 3
    with pytest.raises(InterruptedError):
        nodes.sample(MODEL, text(2), EMPTY, text(1), steps=10, ctx=ctx)
    assert len(denoiser.batches) == 3


def test_every_port_is_explained():
    from nodeflow.op import Op

    for op in vars(nodes).values():
        if isinstance(op, Op):
            assert set(op.doc.args) == set(op.inputs), op.id
            assert op.doc.summary.endswith(".")
