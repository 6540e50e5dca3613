"""Plausible wrong answers to the exercises of 01_gans, and the hint that each must get."""

from mutants.wrong import Wrong

BEST = "torch.sigmoid(log_p - log_q)"
PAYS = "softplus(-real).mean() + softplus(fake).mean()"
OWES = "softplus(-fake).mean()"
GAP = "(x.sort().values - y.sort().values).abs().mean()"
UP, DOWN = "psi * torch.sigmoid(-score)", "-theta * torch.sigmoid(score) - gamma * psi"
VALUES = "torch.linalg.eigvals(torch.func.jacrev(dynamics)(state))"
GRAPH = ", create_graph=True"
R1 = "gamma / 2 * slope.square().flatten(1).sum(1).mean()"
OWN = "x = x.detach().requires_grad_()"
ASKED = "(slope,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)"
SPREAD = "share = share[:, None, None, None]"
MIX = "(1 - share) * real + share * fake"
UNIT = "(slope.flatten(1).norm(dim=1) - 1).square().mean()"
PAIRS = "softplus(low - high).mean()"
FAKE = "losses[0](discriminator, real, generator(noise).detach())"
ANSWER = "losses[1](discriminator, real, generator(noise))"
DISTANCE = "distance < 3 * std"
FOUND = "hits >= 0.1 * len(samples) / len(means)"
COUNTED = "found.sum().item(), good.float().mean().item()"
HITS = "torch.bincount(mode[good], minlength=len(means))"
PROJECTED = "(features * (w + v[y])).sum(1)"
LERP = "average[name].lerp_(value, 1 - decay)"
COPY = "average[name].copy_(value)"
ANGLE = "torch.arccos(torch.cosine_similarity(a, b, dim=-1))[..., None]"
ARC = "(torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)"
CUT = "math.sqrt(2) * torch.erfinv(inside * torch.erf(noise / math.sqrt(2)))"

TURN_D = """    optimizers[0].zero_grad()
    paid.backward()
    optimizers[0].step()
"""
TURN_G = """    optimizers[1].zero_grad()
    owed.backward()
    optimizers[1].step()
"""
PAID, OWED = f"    paid = {FAKE}\n", f"    owed = {ANSWER}\n"
ROUND = PAID + TURN_D + OWED + TURN_G

WRONG = [
    Wrong("optimal_discriminator", BEST, "torch.sigmoid(log_q - log_p)", "changed places"),
    Wrong("optimal_discriminator", BEST, "(log_p - log_q).exp()", "this is the odds"),
    Wrong("optimal_discriminator", BEST, "log_p - log_q", "its sigmoid is the probability"),
    Wrong("optimal_discriminator", BEST, "log_p / (log_p + log_q)", "arguments are logarithms"),
    Wrong("optimal_discriminator", BEST, "(log_p > log_q).float()", "this is a verdict"),
    Wrong("optimal_discriminator", BEST, "log_p.exp() / (log_p.exp() + log_q.exp())", "round to 0"),
    Wrong(
        "optimal_discriminator",
        BEST,
        "torch.nan_to_num(log_p.exp() / (log_p.exp() + log_q.exp()), 0.5)",
        "difference of their logarithms, not 1/2",
    ),
    Wrong("gan_losses", PAYS, "softplus(real).mean() + softplus(fake).mean()", "real scores should be high"),
    Wrong("gan_losses", PAYS, "softplus(real).mean() + softplus(-fake).mean()", "changed places"),
    Wrong("gan_losses", PAYS, "softplus(-real).sum() + softplus(fake).sum()", "this is the sum"),
    Wrong("gan_losses", PAYS, f"({PAYS}) / 2", "added, not averaged"),
    Wrong("gan_losses", PAYS, "softplus(-real).mean()", "the generated images is missing"),
    Wrong("gan_losses", PAYS, "fake.mean() - real.mean()", "Wasserstein critic"),
    Wrong("gan_losses", PAYS, f"-({PAYS})", "it pays the negative"),
    Wrong(
        "gan_losses",
        PAYS,
        "softplus(-real.sigmoid()).mean() + softplus(fake.sigmoid()).mean()",
        "sigmoid was taken twice",
    ),
    Wrong(
        "gan_losses",
        PAYS,
        "-torch.log(real.sigmoid()).mean() - torch.log(1 - fake.sigmoid()).mean()",
        "rounds to 0: use softplus",
    ),
    Wrong(
        "gan_losses", PAYS, "softplus(-real.detach()).mean() + softplus(fake).mean()", "no gradient reaches the scores"
    ),
    Wrong("gan_losses", OWES, "-softplus(fake).mean()", "this is the saturating loss"),
    Wrong("gan_losses", OWES, "softplus(fake).mean()", "this rewards low scores"),
    Wrong("gan_losses", OWES, "-torch.log(fake.sigmoid()).mean()", "rounds to 0: use softplus"),
    Wrong("gan_losses", OWES, "-fake.mean()", "Wasserstein generator"),
    Wrong("gan_losses", OWES, "softplus(-fake).sum()", "this is the sum"),
    Wrong("wasserstein", GAP, "(x - y).abs().mean()", "sort both samples first"),
    Wrong("wasserstein", GAP, "(x.sort().values - y).abs().mean()", "sort the second sample too"),
    Wrong("wasserstein", GAP, "(x - y.sort().values).abs().mean()", "sort the first sample too"),
    Wrong("wasserstein", GAP, "(x.sort().values - y.sort().values).square().mean()", "squared distances"),
    Wrong("wasserstein", GAP, "(x.sort().values - y.sort().values).abs().sum()", "this is the sum"),
    Wrong("wasserstein", GAP, "(x.mean() - y.mean()).abs()", "take absolute values of each pair"),
    Wrong("wasserstein", GAP, "(x.sort().values - y.sort(descending=True).values).abs().mean()", "downwards"),
    Wrong("wasserstein", GAP, f"{GAP}.detach()", "no gradient reaches the samples"),
    Wrong("dirac", UP, "-psi * torch.sigmoid(-score)", "the generator walks up its loss"),
    Wrong("dirac", UP, "psi * torch.sigmoid(score)", "this is the saturating generator"),
    Wrong("dirac", DOWN, "theta * torch.sigmoid(score) - gamma * psi", "the discriminator walks up its loss"),
    Wrong("dirac", DOWN, "-theta * torch.sigmoid(score)", "the penalty is missing"),
    Wrong("dirac", DOWN, "-theta * torch.sigmoid(score) - gamma / 2 * psi", "gamma / 2 psi^2 is gamma psi"),
    Wrong("dirac", DOWN, "-theta * torch.sigmoid(score) + gamma * psi", "the penalty pushes psi up"),
    Wrong("dirac", DOWN, "-theta * torch.sigmoid(score) - gamma * theta", "not on theta"),
    Wrong("dirac", f"{UP}, {DOWN}", "psi, -theta - gamma * psi", "this is the Wasserstein game"),
    Wrong("dirac", f"{UP}, {DOWN}", f"{DOWN}, {UP}", "theta's velocity comes first"),
    Wrong("dirac", VALUES, VALUES.replace("eigvals", "eigvalsh"), "use torch.linalg.eigvals"),
    Wrong("dirac", VALUES, f"{VALUES}.real", "the real parts only"),
    Wrong("dirac", VALUES, VALUES.replace("eigvals", "svdvals"), "singular values"),
    Wrong("dirac", VALUES, VALUES.replace("(state)", "(0 * state)"), "at the state that was given"),
    Wrong("r1_penalty", GRAPH, "", "create_graph=True"),
    Wrong("r1_penalty", R1, "gamma * slope.square().flatten(1).sum(1).mean()", "the factor is gamma / 2"),
    Wrong("r1_penalty", R1, "slope.square().flatten(1).sum(1).mean()", "gamma / 2 is missing"),
    Wrong("r1_penalty", R1, "gamma / 2 * slope.square().mean()", "this is their mean"),
    Wrong("r1_penalty", R1, "gamma / 2 * slope.square().sum()", "average over the images"),
    Wrong("r1_penalty", R1, "gamma / 2 * slope.flatten(1).norm(dim=1).mean()", "must be squared"),
    Wrong("r1_penalty", R1, "gamma / 2 * slope.norm()", "norm over the whole batch"),
    Wrong("r1_penalty", "discriminator(x).sum()", "discriminator(x).mean()", "differentiate their sum"),
    Wrong("r1_penalty", OWN, "x.requires_grad_()", "on x.detach().requires_grad_()"),
    Wrong(
        "r1_penalty",
        ASKED,
        "discriminator(x).sum().backward(create_graph=True)\n    slope = x.grad",
        "use torch.autograd.grad",
    ),
    Wrong("r1_penalty", R1, "gamma / 2 * discriminator(x).square().mean()", "this is the score's square"),
    Wrong("unit_slope_penalty", GRAPH, "", "create_graph=True"),
    Wrong("unit_slope_penalty", SPREAD, "pass", "give share the shape (B, 1, 1, 1)"),
    Wrong("unit_slope_penalty", SPREAD, "share = share[:, None, None]", "give share the shape (B, 1, 1, 1)"),
    Wrong("unit_slope_penalty", MIX, "share * real + (1 - share) * fake", "share is the generated image's part"),
    Wrong("unit_slope_penalty", MIX, "1 * real", "not at the real ones"),
    Wrong("unit_slope_penalty", MIX, "1 * fake", "not at the generated ones"),
    Wrong("unit_slope_penalty", UNIT, "(slope.flatten(1).norm(dim=1) - 1).relu().square().mean()", "slopes below 1"),
    Wrong("unit_slope_penalty", UNIT, "(slope.square().flatten(1).sum(1) - 1).square().mean()", "squared slope"),
    Wrong("unit_slope_penalty", UNIT, "(slope.flatten(1).norm(dim=1) - 1).abs().mean()", "distance from 1 must be"),
    Wrong("unit_slope_penalty", UNIT, "slope.flatten(1).square().sum(1).mean()", "this is R1"),
    Wrong("unit_slope_penalty", UNIT, "(slope.norm() - 1).square()", "each image has its own"),
    Wrong("unit_slope_penalty", UNIT, "(slope.square().mean((1, 2, 3)).sqrt() - 1).square().mean()", "their mean"),
    Wrong("relativistic_loss", PAIRS, "softplus(high - low).mean()", "changed places"),
    Wrong("relativistic_loss", PAIRS, "softplus(low - high[:, None]).mean()", "compared with all others"),
    Wrong("relativistic_loss", PAIRS, "softplus(low.mean() - high.mean())", "compare pair by pair"),
    Wrong("relativistic_loss", PAIRS, "softplus(low.mean() - high).mean()", "with the mean of the others"),
    Wrong("relativistic_loss", PAIRS, "(softplus(-high) + softplus(low)).mean()", "judged by itself"),
    Wrong("relativistic_loss", PAIRS, "softplus(low - high).sum()", "this is the sum"),
    Wrong("relativistic_loss", PAIRS, "(low - high).mean()", "the softplus is missing"),
    Wrong("relativistic_loss", PAIRS, "-torch.log(torch.sigmoid(high - low)).mean()", "rounds to 0"),
    Wrong("relativistic_loss", PAIRS, "softplus(low.detach() - high).mean()", "expected a tensor"),
    Wrong("adversarial_step", ".detach())\n", ")\n", "detach the generated images in the discriminator's turn"),
    Wrong("adversarial_step", ANSWER, f"{ANSWER[:-1]}.detach())", "do not detach them there"),
    Wrong("adversarial_step", "    optimizers[0].zero_grad()\n", "", "the discriminator moves on old gradients"),
    Wrong("adversarial_step", "    optimizers[1].zero_grad()\n", "", "the generator moves on old gradients"),
    Wrong("adversarial_step", "paid.backward()", "paid.backward(); optimizers[0].zero_grad()", "only the generator"),
    Wrong("adversarial_step", ROUND, OWED + TURN_G + PAID + TURN_D, "the discriminator moves first"),
    Wrong("adversarial_step", ROUND, PAID + OWED + TURN_D + TURN_G, "inplace operation"),
    Wrong("adversarial_step", "owed = losses[1]", "owed = losses[0]", "each player's loss is asked for once"),
    Wrong(
        "adversarial_step", "optimizers[1].step()", "optimizers[0].step(); optimizers[1].step()", "in the generator's"
    ),
    Wrong("adversarial_step", "paid.detach(), owed.detach()", "paid, owed", "without gradients"),
    Wrong("adversarial_step", "paid.detach(), owed.detach()", "owed.detach(), paid.detach()", "loss comes first"),
    Wrong("coverage", FOUND, "hits > 0", "a stray sample is no find"),
    Wrong("coverage", FOUND, "hits >= 0.1 * len(samples)", "a mode's share is N / K"),
    Wrong("coverage", HITS, "torch.bincount(mode, minlength=len(means))", "only good samples count for a mode"),
    Wrong("coverage", DISTANCE, "distance < 3", "three standard deviations, not 3"),
    Wrong("coverage", DISTANCE, "distance.square() < 3 * std", "not be squared"),
    Wrong("coverage", DISTANCE, "distance < std", "one standard deviation"),
    Wrong("coverage", "torch.cdist(samples, means)", "torch.cdist(samples, means, p=torch.inf)", "along each axis"),
    Wrong("coverage", COUNTED, "found.sum(), good.float().mean()", "return numbers"),
    Wrong("coverage", COUNTED, "found.sum().item(), good.float().sum().item()", "a share, not a count"),
    Wrong("coverage", COUNTED, "found.sum().item(), found.float().mean().item()", "of good samples, not of modes"),
    Wrong("projection_score", PROJECTED, "(features * v[y]).sum(1)", "w, is missing"),
    Wrong("projection_score", PROJECTED, "features @ w", "v[y], is missing"),
    Wrong("projection_score", PROJECTED, "(features * (w + v[y])).sum(0)", "not over the images"),
    Wrong("projection_score", PROJECTED, "(features * (w + v[y])).mean(1)", "this is the mean"),
    Wrong("projection_score", PROJECTED, "features @ (w + v).T", "for all labels"),
    Wrong("projection_score", PROJECTED, "features @ (w + v[y]).T", "every label of the batch"),
    Wrong("projection_score", PROJECTED, "features * (w + v[y])", "one score an image"),
    Wrong(
        "projection_score",
        PROJECTED,
        "(features * (w + v[torch.arange(len(y)) % len(v)])).sum(1)",
        "has the vector of its label",
    ),
    Wrong("ema_update", LERP, "average[name].lerp_(value, decay)", "decay is the share of the past"),
    Wrong("ema_update", LERP, "average[name] = average[name].lerp(value, 1 - decay)", "change them in place"),
    Wrong("ema_update", "average[name]", "weights[name]", "average has not changed"),
    Wrong("ema_update", LERP, "average[name].copy_(value)", "not an average"),
    Wrong("ema_update", COPY, "pass", "whole numbers are copied"),
    Wrong("ema_update", "torch.no_grad()", "torch.enable_grad()", "work under torch.no_grad()"),
    Wrong("ema_update", LERP, "value.lerp_(average[name], decay)", "current weights were changed"),
    Wrong("latents", ARC, "torch.lerp(a, b, t)", "this is the straight line"),
    Wrong("latents", "(1 - t) * angle) * a + torch.sin(t", "t * angle) * a + torch.sin((1 - t)", "t = 0 is a"),
    Wrong("latents", f"({ARC[1:]}", ARC.removesuffix(" / torch.sin(angle)"), "divide by the sine"),
    Wrong("latents", ANGLE, "torch.arccos((a * b).sum() / (a.norm() * b.norm()))", "each row has its own angle"),
    Wrong(
        "latents",
        f"return {ARC}",
        "x = torch.lerp(a, b, t)\n"
        "    norm = torch.lerp(a.norm(dim=1), b.norm(dim=1), t)[:, None]\n"
        "    return x / x.norm(dim=1, keepdim=True) * norm",
        "pushed out to the sphere",
    ),
    Wrong("latents", CUT, "noise.clamp(-limit, limit)", "clamping piles noise up"),
    Wrong("latents", CUT, "limit * noise", "scaling keeps a normal distribution"),
    Wrong("latents", CUT, "limit * torch.tanh(noise / limit)", "squashes with tanh"),
    Wrong("latents", CUT, "limit * torch.erf(noise / math.sqrt(2))", "this is uniform noise"),
    Wrong("latents", CUT, CUT.removeprefix("math.sqrt(2) * "), "multiply by sqrt(2)"),
    Wrong(
        "latents",
        f"inside = math.erf(limit / math.sqrt(2))\n    return {CUT}",
        "return torch.erfinv(math.erf(limit) * torch.erf(noise))",
        "erf is of z / sqrt(2)",
    ),
]
