"""How fast is a state that is carried along? `python -m benchmarks.ssms_video`

Three mixers of time in one network of the video module: training on 64 frames at once, and roll-out of 256 frames
one by one. A video transformer that looks at all places of all earlier frames stands beside them; attention in each
place alone is the cheaper kin of it. Alternating rounds, one thread, float32; medians, and the range of ratios.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from benchmarks.contest import Setting
from benchmarks.timing import clock, in_turn, machine, ratio, spread
from course_lib.nn.attention import Cache
from course_lib.ssms.backbone import remembered_bytes
from course_lib.ssms.video.mixers import Attention, ConvLstm, Ssm
from course_lib.ssms.video.predictor import Layer

WIDTH, DEPTH, SIDE, BATCH = 64, 2, 8, 2
TRAINED, ROLLED = 64, 256
ROUNDS = 7


class Everywhere(nn.Module):
    """Each place looks at all places of its own frame and of all frames before it, as video transformers do."""

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads, self.read, self.write = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        """One frame, (B, 1, I, J, W)."""
        rows = self.read(x.flatten(1, 3)).unflatten(-1, (3, self.heads, -1))
        q, k, v = rows.permute(2, 0, 3, 1, 4)
        k, v = cache.extended(k, v)
        return self.write(scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape)), cache


MIXERS = {"SSM": Ssm, "ConvLSTM": ConvLstm, "attention in each place": Attention, "attention everywhere": Everywhere}
CACHED = {"attention in each place": ROLLED, "attention everywhere": ROLLED * SIDE**2}


def layers(name: str) -> nn.ModuleList:
    torch.manual_seed(0)
    return nn.ModuleList(Layer(WIDTH, MIXERS[name](WIDTH)) for _ in range(DEPTH))


def mixers(name: str) -> nn.ModuleList:
    torch.manual_seed(0)
    return nn.ModuleList(MIXERS[name](WIDTH) for _ in range(DEPTH))


def train(network: nn.ModuleList, x: Tensor) -> None:
    """Forward and backward through all frames."""
    y = x
    for layer in network:
        y, _ = layer(y, None)
    y.square().mean().backward()


@torch.no_grad()
def roll(network: nn.ModuleList, x: Tensor, cached: int | None) -> list:
    """Frame after frame; the states after the last."""
    states = [Cache(cached) if cached else None for _ in network]
    for frame in x.split(1, dim=1):
        y = frame
        for i, layer in enumerate(network):
            y, states[i] = layer(y, states[i])
    return states


def jobs() -> dict[str, Callable[[], object]]:
    """What is timed: the mixers alone, and in the network with its convolutions."""
    x = torch.randn(BATCH, TRAINED, SIDE, SIDE, WIDTH)
    clip = torch.randn(1, ROLLED, SIDE, SIDE, WIDTH)
    known = {}
    for name in MIXERS:
        for what, build in {"network": layers, "mixer": mixers}.items():
            network = build(name)
            if name != "attention everywhere":
                known[f"train {what}: {name}"] = lambda network=network: train(network, x)
            known[f"roll {what}: {name}"] = lambda network=network, name=name: roll(network, clip, CACHED.get(name))
    return known


def ratios(seconds: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """How many times as long as the SSM, round by round: median, least, most."""
    table = {}
    for name, row in seconds.items():
        what, mixer = name.split(": ")
        if mixer != "SSM":
            table[name] = ratio(row, seconds[f"{what}: SSM"])._asdict()
    return table


def kept() -> dict[str, dict[str, int]]:
    """Bytes of state after 1, 64 and 256 frames of one clip."""
    clip = torch.randn(1, ROLLED, SIDE, SIDE, WIDTH)
    return {
        name: {
            str(n): remembered_bytes(roll(layers(name), clip[:, :n], CACHED.get(name))) for n in (1, TRAINED, ROLLED)
        }
        for name in MIXERS
    }


def measured(setting: Setting) -> dict:
    """All of it, for `python -m benchmarks` too; a smoke run takes the mixers of one kind only."""
    with setting.device:  # where tensors and networks are made
        chosen = {name: job for name, job in jobs().items() if not setting.smoke or name.startswith("train mixer")}
        seconds = in_turn(chosen, setting.rounds, clock(setting.device))
        bytes_kept = {} if setting.smoke else kept()
    return {
        "machine": machine(setting.device),
        "shape": {"width": WIDTH, "depth": DEPTH, "side": SIDE, "batch": BATCH, "train": TRAINED, "roll": ROLLED},
        "seconds, median": {name: spread(row).median for name, row in seconds.items()},
        "times the SSM's": ratios(seconds),
        "state bytes": bytes_kept,
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    given = options.parse_args()
    torch.set_num_threads(1)
    report = measured(Setting(torch.device("cpu"), given.rounds))
    given.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for name, row in report["times the SSM's"].items():
        print(f"{name}: {row['median']:.2f} ({row['least']:.2f} to {row['most']:.2f}) times the SSM's")


if __name__ == "__main__":
    main()
