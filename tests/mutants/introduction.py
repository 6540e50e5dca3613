"""Plausible wrong answers to the exercise of 00_introduction, and the hint that each must get."""

from mutants.wrong import Wrong

RIGHT = "((x.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)"

WRONG = [
    Wrong("to_uint8", RIGHT, "((x.float() + 1) * 127.5).clamp(0, 255).to(torch.uint8)", "cut off, not rounded"),
    Wrong("to_uint8", RIGHT, "((x.float() + 1) * 127.5).ceil().clamp(0, 255).to(torch.uint8)", "always upwards"),
    Wrong("to_uint8", RIGHT, "((x.float() + 1) * 127.5).round().to(torch.uint8)", "ran over"),
    Wrong("to_uint8", RIGHT, "((x.float() + 1) * 127.5).round().clamp(0, 255)", "these are floats"),
    Wrong("to_uint8", RIGHT, "((x.float() + 1) * 127.5).round().clamp(0, 255).long()", "a byte each"),
    Wrong("to_uint8", RIGHT, "(x.float() * 255).round().clamp(0, 255).to(torch.uint8)", "for images in [0, 1]"),
    Wrong("to_uint8", RIGHT, "(x.float() * 255).round().to(torch.uint8)", "for images in [0, 1]"),
    Wrong("to_uint8", RIGHT, "(x.float() * 127.5).round().clamp(0, 255).to(torch.uint8)", "the darker half is lost"),
    Wrong("to_uint8", RIGHT, "((x.float() + 1) * 128).round().to(torch.uint8)", "255 steps, not 256"),
    Wrong("to_uint8", RIGHT, "((x.float() + 1) * 128).round().clamp(0, 255).to(torch.uint8)", "stretched by 256"),
    Wrong("to_uint8", RIGHT, "((x.float() + 1) * 127).round().clamp(0, 255).to(torch.uint8)", "multiply by 127.5"),
    Wrong("to_uint8", RIGHT, "((x.float().round() + 1) * 127.5).clamp(0, 255).to(torch.uint8)", "rounded before"),
    Wrong("to_uint8", RIGHT, "((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)", "computed in bfloat16"),
    Wrong(
        "to_uint8",
        RIGHT,
        "((x.float() - x.min()) / (x.max() - x.min()) * 255).round().to(torch.uint8)",
        "its own darkest and brightest",
    ),
    Wrong(
        "to_uint8",
        RIGHT,
        "((x.float().clamp_(-1, 1) + 1) * 127.5).round().to(torch.uint8)",
        "changed the images that it was given",
    ),
]
