"""Drawing images: whole samplers beside each other's, and what a step costs besides the network.

The whole: 16 evaluations, each with its own network, as a user calls it. Ours is the flow of fashion_flow with its
two-step solver; theirs are diffusers' DDIMPipeline, and DDIM of denoising-diffusion-pytorch. `course, bare network` is
16 evaluations of ours without any sampler: what a sampler adds is the difference.

A step without network: the same DDIM, DPM-Solver++ and Adams-Bashforth steps for a network that answers at once.
"""

from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from io import StringIO

import torch
from torch import Tensor

from benchmarks import peers
from benchmarks.contest import OURS, Contest, Setting, with_work
from benchmarks.timing import Job, computing_in
from course_lib.diffusion import samplers, schedules
from course_lib.diffusion.flow import Flow
from course_lib.diffusion.solvers import adams_bashforth, times
from course_lib.model import last
from course_lib.training.averaging import Ema

EVALUATIONS = 16
IMAGES = 4


def run(setting: Setting) -> Iterator[dict]:
    """Rows of whole samplers, and of steps without a network."""
    n, steps = setting.pick(IMAGES, 2), setting.pick(EVALUATIONS, 2)
    others = {"diffusers": pipeline, "denoising-diffusion-pytorch": ddim}
    there, _ = peers.found({name: lambda load=load: load(n, steps, setting) for name, load in others.items()})
    what = f"{n} images of 28 px, {steps} evaluations"
    yield from with_work(Contest(what, ours(n, steps, setting) | there, n)).held(setting)
    for images in (1, n):
        yield from stepping(images, steps, setting)


def ours(n: int, steps: int, setting: Setting) -> dict[str, Job]:
    """The flow's sampler, and its network alone, called as often."""
    model = Ema(Flow().to(setting.device)).model  # without gradients, as a checkpoint is loaded
    x, y = torch.randn(n, 1, 28, 28, device=setting.device), torch.arange(n, device=setting.device) % 10
    t = torch.rand(n, device=setting.device)

    def sampled() -> Tensor:
        with computing_in(torch.float32):
            return last(model.sample(n, y, steps=steps))

    def bare() -> None:
        for _ in range(steps):
            model.net(x, t, y)

    return {OURS: sampled, "course, bare network": bare}


def pipeline(n: int, steps: int, setting: Setting) -> Job:
    from diffusers import DDIMPipeline, DDIMScheduler

    network = peers.diffusers_unet().network.to(setting.device).eval()
    drawing = DDIMPipeline(unet=network, scheduler=DDIMScheduler())
    drawing.set_progress_bar_config(disable=True)
    return lambda: drawing(batch_size=n, num_inference_steps=steps, output_type="np")


def ddim(n: int, steps: int, setting: Setting) -> Job:
    from denoising_diffusion_pytorch import GaussianDiffusion

    network = peers.denoising_unet().network
    drawing = GaussianDiffusion(network, image_size=28, sampling_timesteps=steps).to(setting.device).eval()

    def sampled() -> Tensor:
        with redirect_stderr(StringIO()):  # where its progress bar goes
            return drawing.sample(batch_size=n)

    return sampled


def stepping(images: int, steps: int, setting: Setting) -> Iterator[dict]:
    """What the arithmetic of a step costs; one call is all steps."""
    x = torch.randn(images, 1, 28, 28, device=setting.device)
    grid = times(steps, start=0.999)
    course = {"DDIM": samplers.ddim, "DPM-Solver++ (2M)": samplers.dpm_solver}
    for name, sampler in course.items():
        jobs = {OURS: lambda sampler=sampler: last(sampler(lambda x, t: x, x, schedules.cosine, grid))}
        there, _ = peers.found({"diffusers": lambda name=name: scheduler(name, x, steps)})
        what = f"{name} alone, {_count(images)}, {steps} steps"
        yield from Contest(what, jobs | there, steps, repeats=20).held(setting)
    jobs = {OURS: lambda: last(adams_bashforth(lambda x, t: x, x, grid))}
    there, _ = peers.found({"diffusers, Euler": lambda: scheduler("Euler", x, steps)})
    what = f"Adams-Bashforth alone, {_count(images)}, {steps} steps"
    yield from Contest(what, jobs | there, steps, repeats=20).held(setting)


def scheduler(name: str, x: Tensor, steps: int) -> Callable[[], Tensor]:
    """The loop of diffusers' documentation, for a network that answers at once."""
    from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler

    kinds = {"DDIM": DDIMScheduler, "DPM-Solver++ (2M)": DPMSolverMultistepScheduler}
    rule = kinds.get(name, FlowMatchEulerDiscreteScheduler)()

    def loop() -> Tensor:
        rule.set_timesteps(steps, device=x.device)
        state = x
        for t in rule.timesteps:
            state = rule.step(state, t, state).prev_sample
        return state

    return loop


def _count(images: int) -> str:
    return "1 image" if images == 1 else f"{images} images"
