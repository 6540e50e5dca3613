"""The tables of the scans and of video, from the JSON of `benchmarks.ssms` and `benchmarks.ssms_video`."""

from benchmarks.words import number, spread

SCANS = {
    "selective": ("selective, W = 128, N = 16, ms", {"mambapy": "mambapy", "loop": "plain loop"}),
    "dual": (
        "dual, 4 heads of 32, N = 64, ms",
        {
            "listing": "listing, chunks of 64",
            "listing, shared B and C": "listing with B and C shared by the heads, as in mamba2-minimal",
            "attention": "causal attention",
        },
    ),
}
MIXERS = {
    "ConvLSTM": "ConvLSTM",
    "attention in each place": "attention in each place, with its cache",
    "attention everywhere": "attention at all places of all frames, with its cache",
}


def scans(result: dict) -> str:
    """Ours in milliseconds, forward and backward, and how many times as long the others take."""
    lengths = [length for length in result["selective"] if length.isdigit()]
    lines = [f"| L | {' | '.join(lengths)} |", "|---" * (len(lengths) + 1) + "|"]
    for kind, (title, others) in SCANS.items():
        at = [result[kind][length] for length in lengths]
        lines.append(_line(title, [number(here["ours"]["both, ms"]) for here in at]))
        for name, words in others.items():
            lines.append(_line(words, [spread(here[name]["both, times ours"]) if name in here else "" for here in at]))
    return "\n".join(lines)


def video(result: dict) -> str:
    """How many times as long as the linear state the others take: the mixer alone (in the network)."""
    ratios = result["times the SSM's"]
    lines = ["| | training on 64 frames | roll-out of 256 frames |", "|---|---|---|"]
    for name, words in MIXERS.items():
        cells = []
        for job in ("train", "roll"):
            medians = [ratios.get(f"{job} {what}: {name}", {}).get("median") for what in ("mixer", "network")]
            cells.append("{} ({})".format(*map(number, medians)) if all(medians) else "not measured")
        lines.append(_line(words, cells))
    return "\n".join(lines)


def _line(name: str, cells: list[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"
