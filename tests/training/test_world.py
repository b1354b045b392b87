"""The world draws what its scenes say, and keeps what is held out apart."""

import pytest
import torch

from training import captions, tokenizer, world
from training.loop import rng


def test_an_object_lies_where_and_in_the_colour_its_scene_says() -> None:
    scenes = world.sample_scenes(200, rng(1), "any")
    pictures, mask = world.render(scenes), world.object_mask(scenes)
    axis = torch.arange(world.SIZE) + 0.5
    weight = mask.sum((1, 2, 3))
    centre = (mask[:, 0].sum(1) * axis).sum(1) / weight, (mask[:, 0].sum(2) * axis).sum(1) / weight
    away = torch.stack([torch.hypot(centre[0] - x, centre[1] - y) for x, y in world.CENTRES])
    assert (away.argmin(0) == scenes.position).all()

    palette = torch.tensor(list(world.PALETTE.values()))
    solid = (mask > 0.99).float()
    inside = (pictures * solid).sum((2, 3)) / solid.sum((2, 3))
    assert ((inside[:, None] - palette).norm(dim=2).argmin(1) == scenes.colour).all()
    corner = pictures[:, :, :3, :3].mean((2, 3))
    assert ((corner[:, None] - palette).norm(dim=2).argmin(1) == scenes.background).all()


def test_a_large_object_covers_more_than_a_small_one_of_its_shape() -> None:
    scenes = world.sample_scenes(300, rng(2), "any")
    area = world.object_mask(scenes).sum((1, 2, 3))
    for shape in range(len(world.SHAPES)):
        small, large = (area[(scenes.shape == shape) & (scenes.size == size)] for size in (0, 1))
        assert small.max() < large.min()


def test_distances_are_negative_inside_and_change_by_at_most_one_a_pixel() -> None:
    scenes = world.sample_scenes(60, rng(3), "any")
    distance = world.signed_distance(scenes)
    assert (distance.amin((1, 2)) < 0).all()
    assert (distance.amax((1, 2)) > 10).all()
    assert distance.diff(dim=1).abs().max() < 1.01
    assert distance.diff(dim=2).abs().max() < 1.01


def test_the_same_scenes_give_the_same_picture_alone_and_in_company() -> None:
    scenes = world.sample_scenes(20, rng(4), extras=0.5, stickers=0.5)
    assert torch.equal(world.render(scenes)[7:8], world.render(scenes[7:8]))


def test_a_sticker_is_visible_and_leaves_the_object_alone() -> None:
    scenes = world.sample_scenes(20, rng(5))
    plain, sticker = world.render(scenes), world.render(scenes.with_(style=torch.ones(20, dtype=torch.long)))
    inside = world.signed_distance(scenes)[:, None] < -1
    assert ((plain - sticker).abs() * inside).max() < 1e-6
    assert ((plain - sticker).abs().amax(1) > 0.1).float().sum((1, 2)).min() > 40


def test_held_out_combinations_never_appear_in_training_scenes() -> None:
    table = world.held_out()
    pairs = (table | torch.eye(len(world.COLOURS), dtype=torch.bool)).all(2).sum()
    assert pairs == 6
    assert table.sum() == 6 * 7 + 64
    scenes = world.sample_scenes(20_000, rng(6))
    assert not table[scenes.shape, scenes.colour, scenes.background].any()
    one, two = world.second_objects(scenes[:300], rng(7))
    assert not table[two.shape, two.colour, two.background].any()
    assert (one.colour != two.colour).all()
    held = world.sample_scenes(2000, rng(8), "held_out")
    assert table[held.shape, held.colour, held.background].all()


def test_complete_captions_name_every_attribute_and_nothing_false() -> None:
    generator = rng(9)
    scenes = world.sample_scenes(300, generator)
    texts, said = captions.describe(scenes, generator, complete=1.0)
    assert said.all()
    for i, text in enumerate(texts):
        spoken = set(text.replace(",", " ").split())
        for names, table, chosen in (
            (world.SHAPES, captions.SHAPE_WORDS, [scenes.shape[i]]),
            (world.COLOURS, captions.COLOUR_WORDS, [scenes.colour[i], scenes.background[i]]),
            (world.SIZES, captions.SIZE_WORDS, [scenes.size[i]]),
        ):
            found = {k for k, name in enumerate(names) if spoken & set(table.get(name, (name,)))}
            assert found == {int(c) for c in chosen}, text
        position = world.POSITIONS[scenes.position[i]]
        assert any(phrase in text for phrase in captions.POSITION_WORDS[position])


def test_captions_may_leave_things_out_but_read_well() -> None:
    generator = rng(10)
    texts, said = captions.describe(world.sample_scenes(2000, generator), generator, complete=0.0)
    assert not said.all()
    assert said[:, :2].any(1).all()
    for text in texts:
        assert text
        assert "  " not in text
        assert ",," not in text
        assert not text.startswith((",", "on a background"))
        assert not text.endswith((",", " on", " a", " background,")), text
        assert " a orange" not in f" {text}"


@pytest.fixture(scope="module")
def words():
    return tokenizer.build()


def test_every_word_of_the_grammar_is_one_token(words) -> None:
    for word in captions.words():
        assert len(words(word)["input_ids"]) == 3, word


def test_captions_of_one_and_two_objects_fit(words) -> None:
    generator = rng(11)
    scenes = world.sample_scenes(200, generator, extras=0.5, stickers=0.5)
    one, two = world.second_objects(scenes, generator)
    texts = captions.describe(scenes, generator, complete=1.0)[0] + captions.describe(one, generator, second=two)[0]
    assert max(len(ids) for ids in words(texts)["input_ids"]) <= tokenizer.LENGTH


def test_any_text_can_be_encoded(words) -> None:
    ids = tokenizer.encode(words, ["", "naïve 日本語 \x00 {}!?", "red " * 100])
    assert ids.shape == (3, tokenizer.LENGTH)
    assert (ids[:, 0] == words.bos_token_id).all()
    assert (ids == words.eos_token_id).any(1).all()


def test_the_tokenizer_survives_saving(words, tmp_path) -> None:
    from transformers import AutoTokenizer, CLIPTokenizer

    words.save_pretrained(tmp_path)
    texts = ["a large red star at the top on a white background", "unknown wörds"]
    for loaded in (CLIPTokenizer.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path)):
        assert loaded(texts)["input_ids"] == words(texts)["input_ids"]
