"""The VAE and the plain autoencoder, and how they count bits: known answers, and what they refuse."""

import math

import pytest
import torch
from library.contract import check_model

from course_lib.data.images import Batch, to_float
from course_lib.model import last
from course_lib.training import train_steps
from course_lib.vaes import bounds
from course_lib.vaes.autoencoder import Autoencoder
from course_lib.vaes.likelihoods import LogisticMixture, check_levels, log_mass
from course_lib.vaes.networks import MapDecoder, MapEncoder, ResBlock
from course_lib.vaes.topdown import TopDownVae
from course_lib.vaes.vae import Vae

SMALL = {"channels": 1, "size": 8, "width": 8, "depth": 1, "latent": 3}
LEVELS = to_float(torch.arange(256, dtype=torch.uint8))


def batch(**changed) -> Batch:
    good = {"x": to_float(torch.randint(256, (6, 1, 8, 8), dtype=torch.uint8)), "y": torch.arange(6)}
    return Batch(**good | changed)


def mixture(k: int, c: int, shape: tuple[int, ...] = (1, 1), spread: float = 1.0) -> LogisticMixture:
    return LogisticMixture.of(spread * torch.randn(1, k * (1 + 2 * c), *shape), c)


@pytest.mark.parametrize("spread", [0.5, 2.0, 20.0])
def test_the_256_levels_have_all_the_probability(spread):
    features = spread * torch.randn(1, 9, 1, 1).expand(256, -1, -1, -1)
    log_prob = LogisticMixture.of(features, 1).log_prob(LEVELS[:, None, None, None])
    assert log_prob.exp().sum().item() == pytest.approx(1, abs=1e-4)


def test_a_level_has_the_mass_of_its_bin():
    """Against the difference of two sigmoids in double precision."""
    features = torch.tensor([0.7, 0.1, -2.0])
    got = LogisticMixture.of(features[None, :, None, None].expand(256, -1, -1, -1), 1).log_prob(
        LEVELS[:, None, None, None]
    )
    edges = torch.cat([torch.tensor([-math.inf]), (LEVELS[1:] + LEVELS[:-1]) / 2, torch.tensor([math.inf])]).double()
    mass = torch.sigmoid((edges - 0.1) / math.exp(-2)).diff()
    assert torch.allclose(got.exp().double(), mass, atol=1e-6)


def test_mass_far_away_is_small_but_never_lost():
    low = torch.tensor([-90.0, 40.0, 500.0], requires_grad=True)
    inside = torch.ones(3, dtype=torch.bool)
    got = log_mass(low, low + 0.1, inside, inside)
    # Far out the sigmoid is exp(-|z|), so the log of the bin's mass is linear in the distance.
    expected = torch.tensor([-90 + math.log(math.expm1(0.1)), *(-z + math.log(-math.expm1(-0.1)) for z in (40, 500))])
    assert torch.allclose(got, expected, atol=1e-3)
    got.sum().backward()
    assert low.grad.isfinite().all()


def test_gradients_stay_finite_at_the_sharpest_scale():
    features = torch.tensor([0.0, 0.9, -50.0]).view(1, 3, 1, 1).requires_grad_()
    LogisticMixture.of(features, 1).log_prob(-torch.ones(1, 1, 1, 1)).sum().backward()
    assert features.grad.isfinite().all()


def test_colours_share_the_choice_of_a_component():
    """A pixel that is black or white, each with probability 1/2: one bit, not three."""
    means = torch.tensor([-1.0, 1.0]).view(1, 2, 1, 1, 1).expand(1, 2, 3, 1, 1)
    pixel = LogisticMixture(torch.full((1, 2, 1, 1, 1), 0.5).log(), means, torch.full_like(means, -7.0))
    assert pixel.log_prob(torch.ones(1, 3, 1, 1)).item() == pytest.approx(-math.log(2), abs=0.1)
    assert pixel.log_prob(torch.tensor([1.0, 1.0, -1.0]).view(1, 3, 1, 1)).item() < -100


def test_drawn_pixels_have_the_stated_probabilities():
    features = mixture(3, 1)
    many = LogisticMixture(*(part.expand(-1, -1, -1, 200, 200) for part in vars(features).values()))
    drawn = ((many.sample() + 1) * 127.5).round().long().flatten().bincount(minlength=256) / 40_000
    one = LogisticMixture(*(part.expand(256, -1, -1, -1, -1) for part in vars(features).values()))
    stated = one.log_prob(LEVELS[:, None, None, None]).exp()
    assert (drawn.cumsum(0) - stated.cumsum(0)).abs().max() < 0.015


def test_the_expected_image_weighs_the_components():
    means = torch.tensor([-1.0, 0.5]).view(1, 2, 1, 1, 1)
    pixel = LogisticMixture(torch.tensor([0.25, 0.75]).log().view(1, 2, 1, 1, 1), means, torch.zeros_like(means))
    assert pixel.mean().item() == pytest.approx(0.125, abs=1e-6)


def test_no_component_is_sharper_than_the_least_scale():
    features = torch.tensor([0.0, 0.5, -50.0]).view(1, 3, 1, 1)
    assert LogisticMixture.of(features, 1, least_scale=0.2).log_scales.exp().item() == pytest.approx(0.2, abs=1e-6)


def test_likelihood_doors():
    with pytest.raises(ValueError, match="takes 7 features"):
        LogisticMixture.of(torch.zeros(1, 9, 2, 2), 3)
    check_levels(LEVELS)
    for wrong in (LEVELS * 0.99, LEVELS * 255):
        with pytest.raises(ValueError, match="256 levels"):
            check_levels(wrong)


@pytest.mark.parametrize("family", [Vae, Autoencoder])
def test_models_keep_the_contract(family):
    check_model(family(**SMALL), batch())


@pytest.mark.parametrize("family", [Vae, Autoencoder])
@pytest.mark.parametrize("bad", [{"size": 10}, {"width": 7}, {"depth": 0}, {"channels": 0}, {"latent": 0}])
def test_models_that_cannot_be_built(family, bad):
    with pytest.raises(ValueError, match="at least 1"):
        family(**SMALL | bad)


@pytest.mark.parametrize("family", [Vae, Autoencoder])
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x": torch.zeros(6, 1, 8, 8, dtype=torch.uint8)}, "floats in"),
        ({"x": torch.zeros(6, 3, 8, 8)}, "must be"),
        ({"x": torch.zeros(6, 1, 16, 16)}, "must be"),
    ],
)
def test_training_refuses_what_does_not_fit(family, changed, message):
    with pytest.raises(ValueError, match=message):
        next(iter(train_steps(family(**SMALL), iter([batch(**changed)]), 1)))


def test_a_vae_refuses_images_between_levels():
    with pytest.raises(ValueError, match="256 levels"):
        next(iter(train_steps(Vae(**SMALL), iter([batch(x=torch.rand(6, 1, 8, 8))]), 1)))


@pytest.mark.parametrize("family", [Vae, Autoencoder])
def test_encoding_decoding_and_sampling_refuse_what_does_not_fit(family):
    model = family(**SMALL)
    with pytest.raises(ValueError, match="images must be"):
        model.encode(torch.zeros(2, 1, 16, 16))
    with pytest.raises(ValueError, match="must be"):
        model.decode(torch.zeros(2, 4))
    with pytest.raises(ValueError, match="at least one row"):
        next(model.sample(0))
    with pytest.raises(ValueError, match="noise must be"):
        next(model.sample(2, noise=torch.zeros(1, 3)))


def test_a_vae_refuses_negative_prices():
    for bad in ({"beta": -1}, {"free_bits": -0.1}, {"components": 0}, {"least_scale": 0.0}):
        with pytest.raises(ValueError, match="not negative"):
            Vae(**SMALL | bad)
    with pytest.raises(ValueError, match="temperature"):
        next(Vae(**SMALL).sample(1, temperature=-1))


def deaf(model: Vae) -> Vae:
    """An encoder that answers with the prior to every image."""
    torch.nn.init.zeros_(model.encoder[-1].weight)
    torch.nn.init.zeros_(model.encoder[-1].bias)
    return model


def test_rate_and_distortion_add_up_to_the_bits():
    x = batch()
    terms = Vae(**SMALL, beta=3).loss(x)
    assert terms["bits"].item() == pytest.approx(
        (terms["rate"] + terms["distortion"]).item() / (64 * math.log(2)), abs=1e-4
    )
    assert terms["loss"].item() == pytest.approx(
        (3 * terms["rate"] + terms["distortion"]).item() / (64 * math.log(2)), abs=1e-4
    )


def test_an_encoder_that_says_nothing_costs_nothing():
    model, x = deaf(Vae(**SMALL)), batch().x
    assert model.loss(Batch(x, x))["rate"].item() == 0
    torch.manual_seed(5)
    log_weights = model.log_weights(x, k=4)
    torch.manual_seed(5)
    z = torch.randn(4, 6, 3)
    assert torch.allclose(log_weights, model.log_likelihood(x, z), atol=1e-3)  # q is the prior: they cancel


def test_log_weights_average_to_the_loss():
    model, x = Vae(**SMALL), batch()
    with torch.no_grad():
        elbo = bounds.elbo(model.log_weights(x.x, k=300)).mean()
        bits = torch.stack([model.loss(x)["bits"] for _ in range(300)]).mean()
    assert bounds.bits_per_dimension(elbo, 64).item() == pytest.approx(bits.item(), abs=0.01)


def test_free_bits_are_not_pressed():
    model = Vae(**SMALL, free_bits=2.0)
    terms = model.loss(batch())
    assert terms["loss"].item() == pytest.approx((terms["distortion"].item() + 3 * 2.0) / (64 * math.log(2)), abs=1e-4)


def test_at_temperature_zero_all_samples_are_the_prior_s_centre():
    model = Vae(**SMALL)
    images = last(model.sample(3, temperature=0))
    assert torch.equal(images[0], images[1])
    assert torch.allclose(images[:1], model.decode(torch.zeros(1, 3)), atol=1e-6)


def test_reconstructions_take_the_mean_latent():
    model, x = Vae(**SMALL), batch().x
    assert torch.equal(model.reconstruct(x), model.decode(model.encode(x)[0]))


def test_an_autoencoder_remembers_where_codes_lie():
    model, x = Autoencoder(**SMALL), batch()
    for _ in range(1500):
        model._remember(model.encode(x.x).detach())
    z = model.encode(x.x)
    assert torch.allclose(model.mean, z.mean(dim=0), atol=1e-4)
    assert torch.allclose(model.cov, z.T.cov(correction=0), atol=1e-4)
    assert torch.allclose(last(model.sample(1, noise=torch.zeros(1, 3))), model.decode(model.mean[None]), atol=1e-5)


def test_networks_keep_the_shapes_and_blocks_start_as_the_identity():
    x = torch.randn(2, 8, 4, 4)
    assert torch.equal(ResBlock(8)(x), x)
    maps = MapEncoder(3, 8, 1, 5)(torch.randn(2, 3, 16, 12))
    assert maps.shape == (2, 5, 4, 3)
    assert MapDecoder(5, 8, 2, 7)(maps).shape == (2, 7, 16, 12)


TWO = {**SMALL, "local": 2}


def test_two_levels_keep_the_contract():
    check_model(TopDownVae(**TWO), batch())


def test_at_first_the_map_costs_nothing_and_its_prior_is_standard():
    model, x = TopDownVae(**TWO), batch().x
    assert model.tell(x).map_rate.abs().max() == 0
    assert not model.prior(model.expand(torch.randn(2, 3))).any()


def test_two_levels_add_up_to_the_bits():
    terms = TopDownVae(**TWO).loss(batch())
    nats = terms["distortion"] + terms["rate"]
    assert terms["bits"].item() == pytest.approx(nats.item() / (64 * math.log(2)), abs=1e-4)
    assert terms["rate"] > terms["map rate"] == 0


def test_the_map_s_price_is_its_distance_from_what_the_vector_predicts():
    """Moving the posterior's mean by the prior's width costs half a nat a number."""
    model, x = TopDownVae(**TWO), batch().x
    model.prior[-1].bias.data = torch.tensor([1.0, -1.0, 0.5, -0.5])  # means, log-variances
    model.change[-1].bias.data[:2] = torch.exp(torch.tensor([0.25, -0.25]))
    assert torch.allclose(model.tell(x).map_rate, torch.full((6,), 2 * 4 * 0.5), atol=1e-4)


def test_the_same_noise_on_both_levels_gives_the_same_image():
    model, noise, local = TopDownVae(**TWO), torch.randn(2, 3), torch.randn(2, 2, 2, 2)
    images = [last(model.sample(2, noise=noise, local_noise=each)) for each in (local, local, -local)]
    assert torch.equal(images[0], images[1])
    assert not torch.equal(images[0], images[2])


def test_two_levels_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="local"):
        TopDownVae(**TWO | {"local": 0})
    with pytest.raises(ValueError, match="multiple of 4"):
        TopDownVae(**TWO | {"size": 30})
    model = TopDownVae(**TWO)
    for wrong in ({"n": 0}, {"n": 2, "noise": torch.zeros(2, 4)}, {"n": 2, "local_noise": torch.zeros(2, 2, 7, 7)}):
        with pytest.raises(ValueError, match="local_noise"):
            next(model.sample(**wrong))
    with pytest.raises(ValueError, match="images must be"):
        model.tell(torch.zeros(2, 1, 16, 16))
    with pytest.raises(ValueError, match="256 levels"):
        model.check(batch(x=torch.rand(6, 1, 8, 8)))
