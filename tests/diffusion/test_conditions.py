import pytest
import torch

from nodeflow import Condition, ControlHint, ControlNet
from nodeflow_nodes.diffusion.sampling.batches import batches
from nodeflow_nodes.diffusion.sampling.conditions import match_areas, prepare
from nodeflow_nodes.diffusion.sampling.tables import make_table

from .helpers import FlatDenoiser

LIKE = torch.zeros(2, 4, 16, 16)
TABLE = make_table({"kind": "discrete"})


def text(value=1.0, length=7, **changes):
    return Condition(torch.full((1, length, 8), value), torch.zeros(1, 3), **changes)


def ready(*conditions, **options):
    return prepare(conditions, LIKE, TABLE, denoiser=FlatDenoiser(), **options)


def test_text_is_repeated_to_the_batch():
    (c,) = ready(text())
    assert c.tokens.shape == (2, 7, 8)
    assert c.pooled.shape == (2, 3)


def test_numbers_become_one_for_each_item():
    (c,) = ready(text(extra={"guidance": 3.5}))
    assert c.extra["guidance"].tolist() == [3.5, 3.5]


def test_areas_in_shares_and_cells():
    cells, shares, whole = ready(
        text(area=(8, 4, 2, 6)), text(area=(0.5, 0.25, 0.125, 0.375), unit="share"), text(area=(16, 16, 0, 0))
    )
    assert cells.area == (8, 4, 2, 6)
    assert shares.area == (8, 4, 2, 6)
    assert whole.area is None


def test_areas_in_pixels_count_in_the_models_cells():
    (c,) = ready(text(area=(32.0, 16.0, 8.0, 24.0), unit="pixels"))  # 4 pixels a cell
    assert c.area == (8, 4, 2, 6)


def test_an_area_is_cut_at_the_border():
    (c,) = ready(text(area=(10, 10, 10, 12)))
    assert c.area == (6, 4, 10, 12)


def test_an_area_outside_is_refused():
    with pytest.raises(ValueError, match="area"):
        ready(text(area=(4, 4, 16, 0)))


def test_inner_edges_fade_and_outer_ones_do_not():
    (c,) = ready(text(area=(16, 8, 0, 0), strength=2.0))
    row = c.weight[0, 0, 0] / 2
    assert row.tolist() == [1, 1, 1, 1, 1, 1, 1, 0.5]
    assert torch.equal(c.weight[0, 0, 0], c.weight[0, 0, -1])


def test_masks_are_resized_and_scaled():
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., :16] = 1.0
    (c,) = ready(text(mask=mask, strength=0.5))
    assert c.weight.shape == (1, 1, 16, 16)
    assert c.weight[0, 0, 0, 0] == 0.5
    assert c.weight[0, 0, 0, -1] == 0.0


def test_a_masks_bounding_box_is_at_least_eight_cells():
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., 5:7, 3:5] = 1.0
    (c,) = ready(text(mask=mask, mask_area=True))
    assert c.area == (8, 8, 5, 3)
    assert c.weight.shape == (1, 1, 8, 8)


def test_time_ranges_hold_both_ends():
    (c,) = ready(text(start=0.2, end=0.8))
    assert c.active(TABLE.percent(0.2))
    assert c.active(TABLE.percent(0.8))
    assert not c.active(TABLE.percent(0.1))
    assert not c.active(TABLE.percent(0.9))


def test_an_area_gets_a_counterpart_on_the_other_side():
    positive, negative = match_areas([ready(text(1.0), text(2.0, area=(8, 8, 0, 0))), ready(text(3.0))])
    assert len(positive) == 2
    assert [c.area for c in negative] == [None, (8, 8, 0, 0)]
    assert negative[1].tokens[0, 0, 0] == 3.0
    assert torch.equal(negative[1].weight, positive[1].weight)


def test_the_smallest_enclosing_area_is_the_counterpart():
    _, negative = match_areas(
        [ready(text(area=(4, 4, 2, 2))), ready(text(3.0), text(4.0, area=(12, 12, 0, 0)), text(5.0, area=(8, 8, 1, 1)))]
    )
    assert negative[-1].area == (4, 4, 2, 2)
    assert negative[-1].tokens[0, 0, 0] == 5.0


def test_equal_shapes_run_together():
    """cond and uncond, both whole, in one batch; the crop in another."""
    sides = match_areas([ready(text(1.0), text(2.0, area=(8, 8, 0, 0))), ready(text(3.0))])
    groups = batches(sides, repeat_tokens=True)
    assert [[(side, c.area) for side, c in g.members] for g in groups] == [
        [(0, None), (1, None)],
        [(0, (8, 8, 0, 0)), (1, (8, 8, 0, 0))],
    ]
    assert groups[0].conditions.tokens.shape == (4, 7, 8)


def test_lengths_are_brought_together_only_where_that_changes_nothing():
    sides = [ready(text(length=77)), ready(text(length=154))]
    (group,) = batches(sides, repeat_tokens=True)
    assert group.conditions.tokens.shape == (4, 154, 8)
    assert len(batches(sides, repeat_tokens=False)) == 2
    assert len(batches([ready(text(length=7)), ready(text(length=64))], repeat_tokens=True)) == 2


def test_different_pooled_or_extra_do_not_run_together():
    bare = Condition(torch.zeros(1, 7, 8))
    assert len(batches([ready(text()), ready(bare)], repeat_tokens=True)) == 2
    assert len(batches([ready(text(extra={"guidance": 1.0})), ready(text())], repeat_tokens=True)) == 2


def test_sdxl_gets_the_pictures_size():
    denoiser = FlatDenoiser()
    denoiser.family, denoiser.downscale = "sdxl", 8
    (c,) = prepare([text()], LIKE, TABLE, denoiser=denoiser)
    assert c.extra["time_ids"].tolist() == [[128, 128, 0, 0, 128, 128]] * 2
    denoiser.family = "sdxl_refiner"
    (c,) = prepare([text()], LIKE, TABLE, denoiser=denoiser, negative=True)
    assert c.extra["time_ids"][0].tolist() == [128, 128, 0, 0, 2.5]


def test_inpainting_models_get_mask_and_picture():
    denoiser = FlatDenoiser("eps")
    denoiser.in_channels, denoiser.latent_scale = 9, 0.5
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 32:] = 1.0
    picture = {"concat_latent": torch.ones(1, 4, 16, 16), "concat_mask": mask}
    (c,) = prepare([text(extra=picture)], LIKE, TABLE, denoiser=denoiser)
    assert c.joined.shape == (2, 5, 16, 16)
    assert set(c.joined[:, 0].unique().tolist()) == {0.0, 1.0}
    assert (c.joined[:, 1:] == 0.5).all()
    assert c.extra == {}
    with pytest.raises(ValueError, match="picture"):
        prepare([text()], LIKE, TABLE, denoiser=denoiser)


def test_hints_are_cropped_to_the_aspect():
    class Network:
        downscale = 8

    handle = ControlNet("c", "", "")
    hint = torch.zeros(1, 3, 128, 256)
    hint[..., 64:192] = 1.0
    (c,) = ready(text(control=(ControlHint(handle, hint, 0.5),)), networks={id(handle): Network})
    assert c.control[0].hint.shape == (2, 3, 128, 128)
    assert c.control[0].hint.min() == 1.0


def test_a_hint_of_no_strength_is_as_if_it_were_not_there():
    handle = ControlNet("c", "", "")
    (c,) = ready(text(control=(ControlHint(handle, torch.zeros(1, 3, 8, 8), 0.0),)))
    assert c.control == ()


def hinted(hint):
    handle = ControlNet("x", "", "")
    net = FlatDenoiser()
    (c,) = ready(text(control=(ControlHint(handle, hint),)), networks={id(handle): net})
    return c.control[0].hint


@pytest.mark.parametrize("size", [(1, 4000), (4000, 1), (1, 1), (63, 65)])
def test_a_hint_of_any_shape_gets_the_pictures(size):
    assert hinted(torch.rand(1, 3, *size)).shape == (2, 3, 64, 64)


def test_as_many_pictures_and_masks_as_the_batch_has_or_one():
    assert hinted(torch.rand(2, 3, 64, 64)).shape == (2, 3, 64, 64)
    for make in (
        lambda: hinted(torch.rand(3, 3, 64, 64)),
        lambda: ready(text(mask=torch.rand(3, 1, 16, 16))),
        lambda: ready(text(extra={"concat_latent": torch.rand(3, 4, 16, 16)})),
    ):
        with pytest.raises(ValueError, match="there are 3 for a batch of 2; expected one, or one for each"):
            make()
