"""The shipped VAEs and tokens: that they are what their files say."""

import pytest
import torch

from course_lib.checkpoints import info, pretrained
from course_lib.data import load
from course_lib.data.fashion import bundled_indices
from course_lib.features import fashion_score
from course_lib.model import last
from course_lib.vaes import bounds
from course_lib.vaes.tokens import Tokens, fashion_tokens
from course_lib.vaes.vae import measure


@pytest.mark.parametrize("name", ["fashion_vae", "fashion_map", "faces_vae"])
def test_the_bits_that_a_checkpoint_states(name):
    stated, test = info(name)["metrics"], load(name.split("_")[0].replace("map", "fashion"), "test")
    measured = measure(pretrained(name), test[:300])
    assert measured["bits"] == pytest.approx(stated["bits"], abs=0.15)  # of other images, and few
    assert measured["rate"] == pytest.approx(stated["rate"], rel=0.1)


def test_more_draws_tighten_the_bound():
    model, x = pretrained("fashion_vae"), load("fashion", "test").x[:20]
    with torch.no_grad():
        log_weights = model.log_weights(x, k=16)
    assert bounds.iwae(log_weights).mean() > bounds.elbo(log_weights).mean() + 1


def test_the_vae_s_samples_are_about_as_far_as_stated():
    images = last(pretrained("fashion_vae").sample(400))
    assert fashion_score(images).excess == pytest.approx(info("fashion_vae")["metrics"]["excess"], rel=0.25)


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_tokens_are_those_of_the_shipped_tokenizer(split):
    tokens, images, model = fashion_tokens(split), load("fashion", split)[:500], pretrained("fashion_tokenizer")
    here = bundled_indices(split)[:500]
    assert torch.equal(tokens.labels[here], images.labels)
    with torch.no_grad():
        same = (model.encode(images.x) == tokens.tokens[here]).float().mean()
    assert same > 0.9998  # a number on the border of two levels may be rounded otherwise elsewhere


def test_all_images_have_tokens():
    train, test = fashion_tokens("train"), fashion_tokens("test")
    assert (len(train), len(test)) == (60_000, 10_000)
    assert train.codes == pretrained("fashion_tokenizer").codes > train.tokens.max()
    assert torch.equal(test.labels.bincount(), torch.full((10,), 1000))


def test_token_doors():
    with pytest.raises(ValueError, match="split"):
        fashion_tokens("all")
    with pytest.raises(ValueError, match="tokens must be int64"):
        Tokens(torch.zeros(2, 7, 7), torch.zeros(2, dtype=torch.int64), 256)
