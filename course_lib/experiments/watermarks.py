"""watermarks: what two marks survive, and who can forge them.

Pictures of clothes with a key in the noise they were drawn from (tree_ring), and pictures with a key in their tokens
(tournament), through attacks of a phone, of another generator and of somebody who wants the mark away, or on a
picture that never had it. Found is what has a p-value of 1 % at most: the null distributions are exact, so no
threshold was fitted to anything. The AUROC is against the same pictures read with keys that they were not drawn with.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from course_lib.checkpoints import pretrained
from course_lib.data.fashion import fashion
from course_lib.data.images import to_float, to_uint8
from course_lib.device import device_name, seeded
from course_lib.diffusion.flow import Flow
from course_lib.ethics import attacks, forging, tournament, tree_ring
from course_lib.ethics.verdicts import share_interval
from course_lib.experiments import Run
from course_lib.features import fashion_score
from course_lib.metrics import auroc, psnr
from course_lib.model import last
from course_lib.transformers.raster import Raster
from course_lib.vaes.tokenizer import Tokenizer

SEED = 0
DRAWN, SCORED = 48, 600  # pictures that are attacked; that are compared with real ones
RADIUS, EVALUATIONS = 8, 16
FORGED = 24  # marked pictures that an attacker has collected
KEY, OTHERS = 20_231, tuple(range(1, 33))  # the secret, and keys that the pictures were not drawn with
LEVEL = 0.01
USUAL = 48  # real pictures whose mean finding is taken off: what all clothes say, whatever the key

Read = Callable[[Tensor], tuple[Tensor, Tensor]]  # pixels -> scores and p-values (1 + others, N), the key's first
Attack = Callable[[Tensor], Tensor]


def run() -> Iterator[Run]:
    yield noise_mark("waves", tree_ring.waves(28, RADIUS), strength=1.0)
    for context in (0, 1, 2):
        yield token_mark(context)
    yield noise_mark("rings", tree_ring.rings(28, RADIUS), strength=2.0)


def handled() -> dict[str, Attack]:
    """What may happen to any picture on its way."""
    flow, vae, tokenizer = (pretrained(f"fashion_{name}") for name in ("flow", "vae", "tokenizer"))
    return {
        "nothing": lambda pixels: pixels,
        "JPEG 30": partial(attacks.jpeg, quality=30),
        "noise 0.1": partial(attacks.noisy, std=0.1),
        "blur 1": partial(attacks.blurred, sigma=1.0),
        "crop 0.9": partial(attacks.cropped, share=0.9),
        "mirror": attacks.mirrored,
        "VAE": partial(attacks.regenerated, rebuild=vae.reconstruct),
        "tokenizer": partial(attacks.regenerated, rebuild=tokenizer.reconstruct),
        "renoise 0.3": partial(attacks.renoised, model=flow, strength=0.3),
        "renoise 0.6": partial(attacks.renoised, model=flow, strength=0.6),
    }


def noise_mark(name: str, basis: Tensor, strength: float) -> Run:
    """The key in the noise: through all that happens to pictures, stripped and forged."""
    flow, start = pretrained("fashion_flow"), time.process_time()
    keys = torch.stack([tree_ring.draw_key(basis, seed) for seed in (KEY, *OTHERS)])
    usual = forging.read_back(flow, fashion("train").pixels[:USUAL], basis).mean(dim=0)
    read = partial(read_noise, flow, basis, keys, usual)
    noise = torch.randn(DRAWN, 1, 28, 28, generator=torch.Generator().manual_seed(SEED))
    plain, marked = (from_noise(flow, z) for z in (noise, tree_ring.embed(noise, basis, strength * keys[0])))
    results = {"numbers in the key": float(len(basis))} | through_all(marked, plain, read)
    few, rest, real = marked[:FORGED], marked[FORGED:], fashion("test").pixels[FORGED:DRAWN]
    fresh = torch.randn(len(rest), len(basis), generator=torch.Generator().manual_seed(SEED))
    guess = strength * forging.guessed_key(flow, few, basis)
    results |= judged("stripped with the model", read, forging.rewritten(flow, rest, basis, fresh), rest)
    results |= judged("forged with the model", read, forging.rewritten(flow, real, basis, guess), real)
    return finished(f"noise, {name}", results, start)


def token_mark(context: int) -> Run:
    """The key in the tokens: the same attacks; and what the mark costs in variety, on more pictures."""
    raster, tokenizer, start = pretrained("fashion_raster"), pretrained("fashion_tokenizer"), time.process_time()
    read = partial(read_tokens, tokenizer, context)
    with seeded(SEED, raster.device):
        plain, _ = from_tokens(raster, tokenizer, SCORED, 0, context)
        marked, tokens = from_tokens(raster, tokenizer, SCORED, tournament.LAYERS, context)
    (_, _, excess, _, recall, _), usual = fashion_score(to_float(marked)), fashion_score(to_float(plain))
    results = {"excess": excess, "recall": recall, "unmarked excess": usual.excess, "unmarked recall": usual.recall}
    results["tokens read back"] = (tokenizer.encode(to_float(marked)) == tokens).float().mean().item()
    results |= through_all(marked[:DRAWN], plain[:DRAWN], read)
    return finished(f"tokens, context {context}", results, start)


def through_all(marked: Tensor, plain: Tensor, read: Read) -> dict[str, float]:
    """A mark through all attacks, on pictures that do not bear it, and against an attacker who takes means."""
    results = {}
    for name, change in handled().items():
        results |= judged(name, read, change(marked), marked)
    real = fashion("test").pixels[:DRAWN]
    results |= judged("unmarked", read, plain, plain) | judged("real", read, real, real)
    trace = forging.trace(marked[:FORGED], plain[:FORGED])
    for name, pixels, by in (("stripped by means", marked, -trace), ("forged by means", real, trace)):
        results |= judged(name, read, forging.shifted(pixels[FORGED:], by), pixels[FORGED:])
    return results


def judged(name: str, read: Read, pixels: Tensor, before: Tensor) -> dict[str, float]:
    """The share found at 1 %, by the key and by others, with AUROC; and how far the attack moved the pictures."""
    scores, p_values = read(pixels)
    hits, labels = (p_values <= LEVEL).float(), torch.zeros_like(scores)
    labels[0] = 1
    low, high = share_interval(int(hits[0].sum()), len(pixels))
    results = {"found": hits[0].mean().item(), "low": low, "high": high}
    results |= {"auroc": auroc(scores.flatten(), labels.flatten())}
    results |= {"by other keys": hits[1:].mean().item(), "by the worst": hits[1:].mean(dim=1).max().item()}
    results |= {"dB": min(99.0, psnr(to_float(pixels), to_float(before)).mean().item())}
    return {f"{name}: {what}": round(value, 4) for what, value in results.items()}


@torch.no_grad()
def read_noise(flow: Flow, basis: Tensor, keys: Tensor, usual: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor]:
    found = forging.read_back(flow, pixels, basis) - usual
    scores = torch.stack([tree_ring.score(found, key) for key in keys])
    return scores, tree_ring.p_value(scores)


@torch.no_grad()
def read_tokens(tokenizer: Tokenizer, context: int, pixels: Tensor) -> tuple[Tensor, Tensor]:
    tokens = tokenizer.encode(to_float(pixels))
    ones = [tournament.ones(tokens, key, tokenizer.codes, context=context) for key in (KEY, *OTHERS)]
    return torch.stack([each.mean(dim=1) for each in ones]), torch.stack([tournament.p_value(each) for each in ones])


def from_noise(flow: Flow, noise: Tensor) -> Tensor:
    y = torch.arange(len(noise)) % flow.config["classes"]
    return to_uint8(last(flow.sample(len(noise), y, steps=EVALUATIONS, noise=noise)))


@torch.no_grad()
def from_tokens(raster: Raster, tokenizer: Tokenizer, n: int, layers: int, context: int) -> tuple[Tensor, Tensor]:
    """Pictures, and the tokens that were drawn for them."""
    y = torch.arange(n) % raster.classes
    tokens = torch.cat([tournament.sample(raster, part, KEY, layers, context) for part in y.split(250)])
    return to_uint8(tokenizer.decode(tokens).clamp(-1, 1)), tokens


def finished(name: str, results: dict[str, float], start: float) -> Run:
    seconds = round(time.process_time() - start, 1)
    return Run(name, SEED, 0, seconds, device_name(torch.device("cpu")), results, {})
