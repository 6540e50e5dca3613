"""Plausible wrong answers to the exercises of 03_diffusion, and the hint that each must get."""

from mutants.wrong import Wrong

SHAPED = "alpha[:, None, None, None], sigma[:, None, None, None]"
NOISED = "alpha * x0 + sigma * eps"
ANGLE = "torch.cos(angle), torch.sin(angle)"
V = "alpha * eps - sigma * x0"
BACK = "alpha * x_t - sigma * v"
LINE = "x_t - t[:, None, None, None] * velocity"
EPS = "(x_t - alpha_t * x0) / sigma_t"
DDIM = "alpha_s * x0 + sigma_s * eps"
KEPT = "(sigma_s**2 - variance).sqrt() * eps"
FRESH = "variance.sqrt() * z"
GUIDED = "without + scale * (conditional(x, t) - without)"
PATH = "(1 - weight) * x0 + weight * eps"
SQUARE = ".square().mean()"
HEUN = "x = x + (s - t) * (slope + ahead) / 2"
AHEAD = "velocity(x + (s - t) * slope, s)"
WHERE = "torch.where(mask, known, denoise(x, t))"
TANGENTS = "v, torch.zeros_like(r), torch.ones_like(t)"
STILL = "torch.zeros_like(v), torch.zeros_like(r), torch.ones_like(t)"
TARGET = "(v - span * du_dt).detach()"

WRONG = [
    Wrong("add_noise", SHAPED, "alpha, sigma", "matched with the width"),
    Wrong("add_noise", SHAPED, "alpha[:, None], sigma[:, None]", "matched with the height"),
    Wrong("add_noise", SHAPED, "alpha[:, None, None], sigma[:, None, None]", "matched with the channels"),
    Wrong("add_noise", NOISED, "sigma * x0 + alpha * eps", "changed places"),
    Wrong("add_noise", NOISED, "alpha**2 * x0 + sigma**2 * eps", "do not square"),
    Wrong("add_noise", NOISED, "alpha.sqrt() * x0 + sigma.sqrt() * eps", "no square root"),
    Wrong("add_noise", NOISED, "alpha * x0 - sigma * eps", "added, not subtracted"),
    Wrong("add_noise", NOISED, "x0.mul_(alpha).add_(sigma * eps)", "itself was changed"),
    Wrong("add_noise", NOISED, "(alpha * x0 + sigma * eps).detach()", "no gradient passes"),
    Wrong("cosine_schedule", ANGLE, "torch.sin(angle), torch.cos(angle)", "changed places"),
    Wrong("cosine_schedule", ANGLE, "torch.cos(angle) ** 2, torch.sin(angle) ** 2", "alpha-bar"),
    Wrong("cosine_schedule", "t * math.pi / 2", "t * math.pi", "half a circle"),
    Wrong("cosine_schedule", "t * math.pi / 2", "t * 90", "radians"),
    Wrong("cosine_schedule", ANGLE, "1 - t, t", "straight line"),
    Wrong("cosine_schedule", "torch.sin(angle)", "(1 - torch.cos(angle) ** 2).sqrt()", "lost its digits"),
    Wrong("cosine_schedule", ANGLE, "torch.stack([torch.cos(angle), torch.sin(angle)])", "expected a tuple"),
    Wrong("v_prediction", V, "sigma * x0 - alpha * eps", "sign of v is turned"),
    Wrong("v_prediction", V, "alpha * eps + sigma * x0", "v subtracts the image"),
    Wrong("v_prediction", V, "sigma * eps - alpha * x0", "changed places"),
    Wrong("v_prediction", V, "eps - x0", "velocity of the straight line"),
    Wrong("v_prediction", BACK, "alpha * x_t + sigma * v", "sign of v is turned"),
    Wrong("v_prediction", BACK, "sigma * x_t + alpha * v", "this is the noise"),
    Wrong("v_prediction", BACK, "x_t - sigma * v", "weighted by alpha too"),
    Wrong("x0_from_velocity", LINE, "x_t + t[:, None, None, None] * velocity", "you walked forwards"),
    Wrong("x0_from_velocity", LINE, "x_t - (1 - t[:, None, None, None]) * velocity", "not 1 - t"),
    Wrong("x0_from_velocity", LINE, "x_t + (1 - t[:, None, None, None]) * velocity", "this is the noise"),
    Wrong("x0_from_velocity", LINE, "x_t - t * velocity", "matched with the width"),
    Wrong("x0_from_velocity", LINE, "x_t - t[:, None, None] * velocity", "matched with the channels"),
    Wrong("ddim_step", DDIM, "alpha_t * x0 + sigma_t * eps", "weights of s, not of t"),
    Wrong("ddim_step", EPS, "(x_t - x0) / sigma_t", "alpha_t is missing"),
    Wrong("ddim_step", EPS, "(x_t - alpha_t * x0)", "must be divided by sigma_t"),
    Wrong("ddim_step", EPS, "(x_t - alpha_t * x0) / sigma_s", "not by sigma_s"),
    Wrong("ddim_step", DDIM, "sigma_s * x0 + alpha_s * eps", "changed places"),
    Wrong("ddim_step", "schedule(s)", "(1 - s, s)", "schedule that was given is not used"),
    Wrong("ddpm_step", f" + {FRESH}", "", "fresh noise is missing"),
    Wrong("ddpm_step", FRESH, "variance * z", "root of f^2"),
    Wrong("ddpm_step", KEPT, "sigma_s * eps", "no inferred noise is taken away"),
    Wrong("ddpm_step", KEPT, "(sigma_s - variance.sqrt()) * eps", "standard deviations do not"),
    Wrong("ddpm_step", f"{KEPT} + {FRESH}", "sigma_s * z", "all noise is replaced"),
    Wrong("ddpm_step", "(sigma_s / sigma_t) ** 2 * (", "(sigma_s / sigma_t) * (", "must be squared"),
    Wrong("ddpm_step", "(sigma_s / sigma_t) ** 2 * (", "(", "factor sigma_s^2 / sigma_t^2 is missing"),
    Wrong("guided", GUIDED, "conditional(x, t) + scale * (conditional(x, t) - without)", "1 + w"),
    Wrong("guided", GUIDED, "conditional(x, t) + scale * (without - conditional(x, t))", "changed places"),
    Wrong("guided", GUIDED, "without - scale * (conditional(x, t) - without)", "walked away"),
    Wrong("guided", GUIDED, "without + scale * conditional(x, t)", "multiply the difference"),
    Wrong("guided", "conditional(x, t)", "conditional(x, torch.zeros_like(t))", "at the same x_t and t"),
    Wrong(
        "guided",
        f"return {GUIDED}",
        "push = scale * (conditional(x, t) - without)\n"
        "        return torch.cat([without[:, :3] + push[:, :3], without[:, 3:]], 1)",
        "only the first 3 channels",
    ),
    Wrong("guided", f"return {GUIDED}", f"return torch.cat([({GUIDED})[:1], without[1:]])", "only the first image"),
    Wrong("flow_loss", SQUARE, ".square().sum()", "this is the sum"),
    Wrong("flow_loss", SQUARE, ".square().mean(0).sum()", "sum over each image"),
    Wrong("flow_loss", SQUARE, ".abs().mean()", "must be squared"),
    Wrong("flow_loss", "(eps - x0)", "(x0 - eps)", "velocity is turned"),
    Wrong("flow_loss", PATH, "weight * x0 + (1 - weight) * eps", "t = 0 is data"),
    Wrong("flow_loss", "(eps - x0)", "eps", "not the noise"),
    Wrong("flow_loss", "(eps - x0)", "x0", "not the image"),
    Wrong("flow_loss", "t[:, None, None, None]", "t", "matched with the width"),
    Wrong("flow_loss", "net(x_t, t)", "net(x_t, weight)", "wants t as (B,)"),
    Wrong("flow_loss", "net(x_t, t)", "net(x_t, t).detach()", "no gradient reaches the network"),
    Wrong("heun", HEUN, "x = x + (s - t) * slope", "Euler's method"),
    Wrong("heun", AHEAD, "velocity(x + (s - t) * slope, t)", "belongs to the time s"),
    Wrong("heun", AHEAD, "velocity(x, s)", "belongs to the point ahead"),
    Wrong("heun", AHEAD, "velocity(x + (s - t) / 2 * slope, (t + s) / 2) * 2 - slope", "midpoint"),
    Wrong("heun", HEUN, "x = x + (s - t) * (slope + ahead)", "mean of the two slopes"),
    Wrong("heun", "(s - t)", "(t - s)", "which is negative"),
    Wrong("heun", HEUN, "x += (s - t) * (slope + ahead) / 2", "make a new x"),
    Wrong("heun", "torch.no_grad()", "torch.enable_grad()", "torch.no_grad()"),
    Wrong("heun", "for t, s", "yield x\n    for t, s", "the start is no result"),
    Wrong("heun", "for t, s in pairwise(times):", "for t, s in pairwise(times[:-1]):", "last step is missing"),
    Wrong("inpainted", WHERE, "torch.where(mask, denoise(x, t), known)", "mask is turned"),
    Wrong("inpainted", WHERE, "denoise(torch.where(mask, known, x), t)", "not the noisy state"),
    Wrong("inpainted", WHERE, "mask * known + ~mask * denoise(x, t)", "0 times NaN"),
    Wrong("inpainted", WHERE, "denoise(x, t)", "known pixels are not set"),
    Wrong(
        "inpainted",
        WHERE,
        "torch.cat([torch.where(mask, known, denoise(x, t))[:, :1], denoise(x, t)[:, 1:]], 1)",
        "only the first channel",
    ),
    Wrong("meanflow_loss", ".detach()", "", "through the target: detach it"),
    Wrong("meanflow_loss", "(u - target)", "(u.detach() - target)", "no gradient reaches the network"),
    Wrong("meanflow_loss", TARGET, "(v + span * du_dt).detach()", "sign is turned"),
    Wrong("meanflow_loss", TANGENTS, "v, torch.ones_like(r), torch.ones_like(t)", "its tangent is 0"),
    Wrong("meanflow_loss", TANGENTS, "v, torch.zeros_like(r), torch.zeros_like(t)", "its tangent is 1"),
    Wrong("meanflow_loss", TANGENTS, STILL, "v is its tangent"),
    Wrong("meanflow_loss", TARGET, "v.detach()", "this is flow matching"),
    Wrong("meanflow_loss", TARGET, "(v - du_dt).detach()", "factor t - r is missing"),
    Wrong("meanflow_loss", SQUARE, ".square().sum()", "this is the sum"),
    Wrong(
        "meanflow_loss",
        "x_t, v = (1 - weight) * x0 + weight * eps, eps - x0",
        "x_t, v = (1 - weight) * x0 + weight * eps, x0 - eps",
        "velocity is turned",
    ),
    Wrong("meanflow_loss", "(t - r)[:, None, None, None]", "(t - r)", "width, in t - r"),
]
