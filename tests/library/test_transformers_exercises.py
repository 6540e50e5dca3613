"""What the library's models do inside is what the exercises ask for."""

import targets
import torch
from torch import nn
from torch.nn.functional import silu

from course_lib.data.captions import Vocabulary
from course_lib.data.images import Batch
from course_lib.nn.attention import MultiHead
from course_lib.transformers.blocks import ConditionalBlock, Cross
from course_lib.transformers.clip import Clip
from course_lib.transformers.prior import drawn
from course_lib.transformers.raster import Raster
from course_lib.transformers.scales import SIDES, staircase
from course_lib.transformers.text import TextEncoder


def exercise(name: str):
    return targets.solution("transformers")[name]


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(theirs, ours, atol=1e-5, rtol=1e-5)


def test_the_heads_of_the_library_are_cut_and_merged_as_in_the_exercise():
    torch.manual_seed(0)
    model, x = MultiHead(8, 2), torch.randn(3, 5, 8)
    split, merged = exercise("split_heads"), exercise("merge_heads")
    k, v = (split(part, 2) for part in model.kv(x).chunk(2, -1))
    heads, _ = exercise("attention")(split(model.q(x), 2), k, v)
    close(model(x), model.out(merged(heads)))


def test_the_loss_of_the_raster_decoder_is_that_of_the_exercise():
    model, tokens, y = raster()

    def decoder(before):
        return model.logits(torch.cat([before[:, 1:], before[:, :1]], 1) % model.codes, y)  # it has its own start

    theirs = exercise("next_token_loss")(decoder, tokens.flatten(1), model.codes + y)
    close(model.loss(Batch(tokens, y))["loss"], theirs)


def test_the_library_draws_as_the_exercise():
    logits = torch.randn(200, 7, generator=torch.Generator().manual_seed(0))
    for temperature in (0.0, 0.7, 1.0):
        torch.manual_seed(1)
        ours = drawn(logits, temperature)
        torch.manual_seed(1)
        noise = -(-torch.rand_like(logits).clamp(1e-20, 1 - 1e-7).log()).log()
        assert torch.equal(exercise("draw_token")(logits, noise, temperature, 7), ours)


def test_the_staircase_of_the_library_is_that_of_the_exercise():
    assert torch.equal(exercise("scale_mask")(torch.tensor(SIDES)), staircase())


def test_the_block_of_the_library_turns_the_knobs_of_the_exercise():
    torch.manual_seed(0)
    block, x, condition = ConditionalBlock(8, 2, condition=6), torch.randn(3, 5, 8), torch.randn(3, 6)
    assert torch.equal(block(x, condition), x)
    nn.init.normal_(block.knobs.weight)
    gain1, bias1, gate1, gain2, bias2, gate2 = block.knobs(silu(condition)).chunk(6, dim=1)
    theirs = exercise("ada_ln")(x, block.attention, gain1, bias1, gate1)
    close(block(x, condition), exercise("ada_ln")(theirs, block.mlp, gain2, bias2, gate2))


def test_the_reader_of_captions_marks_them_as_in_the_exercise():
    torch.manual_seed(0)
    encoder, tokens = TextEncoder(9, 4, 8, depth=0, heads=2), torch.tensor([[3, 8, 2, 0], [0, 0, 0, 0]])
    nn.init.normal_(encoder.mark)
    features, hidden = encoder(tokens)
    x, padding = exercise("marked")(tokens, encoder.word.weight, encoder.mark)
    x = x + nn.functional.pad(encoder.places, (0, 0, 1, 0))
    assert torch.equal(hidden, padding)
    close(features, encoder.norm(x))


def test_the_look_at_words_is_that_of_the_exercise():
    torch.manual_seed(0)
    cross, x, words = Cross(8, 2, context=6), torch.randn(2, 5, 8), torch.randn(2, 4, 6)
    hidden = torch.tensor([[False, False, True, True], [False, True, True, True]])
    cross.attention.seen = []
    ours, inner, split = cross(x, words, hidden), cross.attention, exercise("split_heads")
    k, v = (split(part, 2) for part in inner.kv(words).chunk(2, -1))
    out, weights = exercise("word_attention")(split(inner.q(cross.norm(x)), 2), k, v, hidden)
    close(ours, inner.out(exercise("merge_heads")(out)))
    close(inner.seen[0], weights)


def test_the_loss_of_clip_is_that_of_the_exercise():
    torch.manual_seed(0)
    captions = ["a red star", "a blue star", "a red dot"]
    model = Clip(Vocabulary.of(captions).words, length=3, width=32)
    x, tokens = torch.rand(3, 3, 32, 32) * 2 - 1, model.tokens(captions)
    own = 3 * model.last(model.text(tokens)[0][:, 0])  # a length of which the exercise takes no notice
    theirs = exercise("clip_loss")(model.image(x), own, 1 / model.log_scale.exp())
    close(model.loss(Batch(x, tokens))["loss"], theirs)


def raster() -> tuple[Raster, torch.Tensor, torch.Tensor]:
    """An untrained decoder, and a batch of tokens."""
    torch.manual_seed(0)
    model = Raster(codes=11, side=3, width=8, depth=1, heads=2, classes=4)
    return model, torch.randint(11, (5, 3, 3)), torch.randint(4, (5,))
