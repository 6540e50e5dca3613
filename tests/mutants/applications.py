"""Plausible wrong answers to the exercises of 06_applications, and the hint that each must get."""

from mutants.wrong import Wrong

TRUE_PAYS, FALSE_PAYS = "softplus(-score(x0, y)).mean()", "softplus(score(fake.detach(), y)).mean()"
PAYS = f"{TRUE_PAYS} + {FALSE_PAYS}"
FOOLS, NEAR = "softplus(-score(fake, y)).mean()", "(fake - x0).abs().mean()"
WIDE = "t = t[:, None, None, None]"
ROOT, STEP_ROOT = "(t * (1 - t)).sqrt()", "(s * (t - s) / t).sqrt()"
FORTH, HOME = "(back(there(x)) - x).abs().mean()", "(there(back(y)) - y).abs().mean()"
SAME = "(there(y) - y).abs().mean() + (back(x) - x).abs().mean()"
WHOLE = "weight * (cycle + identity * same)"
DECIBELS = "10 * torch.log10(4 / (x - y).square().mean((1, 2, 3)))"
SENT, AWAY = "back(y + strength * eps)", "psnr(back(y + strength * eps), x).mean()"
ATTACKS = f"return torch.stack([{AWAY} for strength in strengths])"
CUT, MEANS = "x.reshape(b, c, h // factor, factor, w // factor, factor)", ".mean((3, 5))"
BLOCKS = f"return {CUT}{MEANS}"
GROWN = "missing.repeat_interleave(factor, 2).repeat_interleave(factor, 3)"
MISSING = "low - downscaled(x, factor)"
ONE, AVERAGED = "(draws - x0).square().mean()", "(draws.mean(0) - x0).square().mean()"
BIAS = "draws.var(0).mean() / len(draws)"
BOTH = f"return one, averaged - {BIAS}"
DROWNED = "(1 - t) * x + t * noise"
REBUILT = f"[denoise({DROWNED}, t) for noise in eps]"
ERRORS = "torch.stack([(guess - x).square().mean(1) for guess in rebuilt]).mean(0)"
RANKS = "(counts.cumsum(0) - (counts - 1) / 2)[group].double()"
AREA = "(ranks[labels].sum() - odd * (odd + 1) / 2) / (odd * normal)"
MARKED = "maps >= threshold"
OVERLAP, ALARMS = "float(share[1:].mean())", "float(share[0])"
PAIR = f"return {OVERLAP}, {ALARMS}"
MIRROR = "torch.where(flip[:, None, None, None], x.flip(3), x)"
TAKEN = """rows = (torch.arange(h, device=x.device) - move[:, :1]).clamp(0, h - 1)  # (B, H)
    columns = (torch.arange(w, device=x.device) - move[:, 1:]).clamp(0, w - 1)
    return """
RING = TAKEN.replace(".clamp(0, h - 1)", " % h").replace(".clamp(0, w - 1)", " % w")
GATHERED = "x.gather(2, rows[:, None, :, None].expand_as(x)).gather(3, columns[:, None, None, :].expand_as(x))"
MEAN, HALF = "float(difference.mean())", "float(quantile * difference.std() / math.sqrt(len(difference)))"
INTERVAL = f"return {MEAN}, {HALF}"

WRONG = [
    Wrong("pix2pix", PAYS, PAYS.replace("-score", "score").replace("(score(fake", "(-score(fake"), "signs are turned"),
    Wrong("pix2pix", "softplus(score(fake.detach()", "softplus(-score(fake.detach()", "both kinds of pairs"),
    Wrong("pix2pix", PAYS, TRUE_PAYS, "the false pairs are missing"),
    Wrong("pix2pix", PAYS, FALSE_PAYS, "the true pairs are missing"),
    Wrong("pix2pix", PAYS, PAYS.replace("mean", "sum"), "this is a sum"),
    Wrong("pix2pix", PAYS, f"({PAYS}) / 2", "added, not averaged"),
    Wrong(
        "pix2pix",
        PAYS,
        PAYS.replace("x0, y", "y, x0").replace("fake.detach(), y", "y, fake.detach()"),
        "image and source",
    ),
    Wrong("pix2pix", "fake.detach(), y", "fake.detach(), x0", "beside the fake, not the truth"),
    Wrong("pix2pix", PAYS, "score(fake.detach(), y).mean() - score(x0, y).mean()", "the softplus is missing"),
    Wrong("pix2pix", PAYS, PAYS.replace(").mean()", ".mean())"), "not the softplus of the mean"),
    Wrong("pix2pix", PAYS, f"{PAYS} + (fake.detach() - x0).abs().mean()", "L1 is the generator's business"),
    Wrong("pix2pix", "fake.detach()", "fake", "detach the fakes in it"),
    Wrong("pix2pix", TRUE_PAYS, f"{TRUE_PAYS}.detach()", "wrong"),
    Wrong("pix2pix", f"return {PAYS}", f"return ({PAYS}).detach()", "detach the fakes only"),
    Wrong(
        "pix2pix",
        PAYS,
        "-torch.sigmoid(score(x0, y)).log().mean() - (1 - torch.sigmoid(score(fake.detach(), y))).log().mean()",
        "rounds to 0 is infinite",
    ),
    Wrong("pix2pix", "softplus(-score(fake, y))", "softplus(score(fake, y))", "wants its fakes to score high"),
    Wrong("pix2pix", FOOLS, "-softplus(score(fake, y)).mean()", "this is the saturating loss"),
    Wrong("pix2pix", f"{FOOLS} + weight * {NEAR}", f"weight * {FOOLS} + {NEAR}", "the weight belongs to L1"),
    Wrong("pix2pix", f"weight * {NEAR}", NEAR, "the weight is missing"),
    Wrong("pix2pix", f"{FOOLS} + ", "", "the judge is missing"),
    Wrong("pix2pix", f" + weight * {NEAR}", "", "L1 is missing"),
    Wrong("pix2pix", "(fake - x0).abs()", "(fake - x0).square()", "absolute differences, not squares"),
    Wrong("pix2pix", NEAR, "(fake - x0).abs().sum()", "not their sum"),
    Wrong("pix2pix", NEAR, "(fake - y).abs().mean()", "near the truth, not near the source"),
    Wrong(
        "pix2pix", FOOLS, f"{FOOLS} + softplus(score(x0, y)).mean()", "the true pairs are the discriminator's business"
    ),
    Wrong("pix2pix", "score(fake, y)", "score(fake.detach(), y)", "learns through the score"),
    Wrong("bridge", "(1 - t) * x0 + t * y", "t * x0 + (1 - t) * y", "the ends are exchanged"),
    Wrong("bridge", WIDE, "pass", "give t the shape (B, 1, 1, 1)"),
    Wrong("bridge", ROOT, "t * (1 - t)", "the root over t (1 - t) is missing"),
    Wrong("bridge", ROOT, "t.sqrt() * (1 - t)", "over the whole product"),
    Wrong("bridge", ROOT, "t.sqrt()", "no noise at t = 1 either"),
    Wrong("bridge", ROOT, "t", "the noise of a flow grows with t"),
    Wrong("bridge", ROOT, "(t * (1 - t) / spread).sqrt()", "not under it"),
    Wrong("bridge", f"spread * {ROOT}", ROOT, "spread is missing"),
    Wrong("bridge", f" + spread * {ROOT} * eps", " + 0 * eps", "the noise is missing"),
    Wrong("bridge", " + t * y", "", "the source is missing"),
    Wrong(
        "bridge",
        "(1 - s / t) * x0 + s / t * x_t",
        "s / t * x0 + (1 - s / t) * x_t",
        "guess and state have changed places",
    ),
    Wrong("bridge", "(1 - s / t) * x0 + s / t * x_t", "(1 - s) * x0 + s * x_t", "the path goes from t, not from 1"),
    Wrong("bridge", STEP_ROOT, "(s * (1 - s)).sqrt()", "this is the noise of the whole bridge"),
    Wrong("bridge", STEP_ROOT, "(s * (t - s)).sqrt()", "the division by t is missing"),
    Wrong("bridge", STEP_ROOT, "s * (t - s) / t", "the root is missing"),
    Wrong("bridge", STEP_ROOT, "(t - s).sqrt()", "pinned at the guess"),
    Wrong("bridge", f"spread * {STEP_ROOT}", STEP_ROOT, "spread is missing"),
    Wrong("bridge", STEP_ROOT, "(s * (t - s) / t / spread).sqrt()", "not under it"),
    Wrong("bridge", f" + spread * {STEP_ROOT} * z", "", "the fresh noise is missing"),
    Wrong(
        "bridge",
        f"(1 - s / t) * x0 + s / t * x_t + spread * {STEP_ROOT}",
        "(1 - s) * x0 + s * x_t + spread * (s * (1 - s)).sqrt()",
        "begins the bridge anew",
    ),
    Wrong("cycle_loss", SAME, "(there(x) - x).abs().mean() + (back(y) - y).abs().mean()", "the wrong translators"),
    Wrong(
        "cycle_loss",
        f"{FORTH} + {HOME}",
        "(there(back(x)) - x).abs().mean() + (back(there(y)) - y).abs().mean()",
        "first there",
    ),
    Wrong("cycle_loss", f" + {HOME}", "", "the way back from y is missing"),
    Wrong("cycle_loss", f"{FORTH} + ", "", "the way back from x is missing"),
    Wrong("cycle_loss", WHOLE, "weight * cycle", "the identity terms are missing"),
    Wrong("cycle_loss", WHOLE, "weight * cycle + identity * same", "the identity terms too"),
    Wrong("cycle_loss", WHOLE, "weight * (identity * cycle + same)", "weight to the whole"),
    Wrong("cycle_loss", WHOLE, "cycle + identity * same", "weight is missing"),
    Wrong("cycle_loss", WHOLE, "weight * (cycle + same)", "identity is missing"),
    Wrong("cycle_loss", "abs()", "square()", "absolute differences, not squares"),
    Wrong("cycle_loss", "mean()", "sum()", "take means, not sums"),
    Wrong("cycle_loss", WHOLE, f"{WHOLE} / 2", "added, not averaged"),
    Wrong(
        "cycle_loss",
        f"{FORTH} + {HOME}",
        "(back(there(x).detach()) - x).abs().mean() + (there(back(y).detach()) - y).abs().mean()",
        "learns from the second one",
    ),
    Wrong("cycle_loss", f"return {WHOLE}", f"return ({WHOLE}).detach()", "detach nothing"),
    Wrong("cycle_loss", "y).abs().mean() + (back(x)", "x).abs().mean() + (back(x)", "RuntimeError"),
    Wrong("attacked", "log10(4 /", "log10(1 /", "which is 2, not 1"),
    Wrong("attacked", "log10(4 /", "log10(255**2 /", "the peak is 2, not 255"),
    Wrong("attacked", "log10(4 /", "log10(2 /", "the peak is squared"),
    Wrong("attacked", "torch.log10", "torch.log", "natural logarithm"),
    Wrong("attacked", "10 * torch", "-10 * torch", "the sign is turned"),
    Wrong("attacked", "10 * torch", "20 * torch", "10, not 20"),
    Wrong("attacked", "10 * torch", "torch", "the factor 10 is missing"),
    Wrong("attacked", "square().mean((1, 2, 3))", "square().sum((1, 2, 3))", "this is the sum"),
    Wrong("attacked", "mean((1, 2, 3))", "mean()", "one number an image"),
    Wrong("attacked", "square()", "abs()", "square the differences"),
    Wrong("attacked", SENT, "back(there(x + strength * eps))", "disturb the translation, not the image"),
    Wrong("attacked", SENT, "back(y) + strength * eps", "not what comes back"),
    Wrong("attacked", f"{SENT}, x", f"{SENT}, y", "not with its translation"),
    Wrong("attacked", f"{SENT}, x", f"{SENT}, back(y)", "not with what comes back undisturbed"),
    Wrong("attacked", SENT, "y + strength * eps", "send it back"),
    Wrong("attacked", AWAY, f"10 * torch.log10(4 / ({SENT} - x).square().mean())", "not their errors"),
    Wrong("attacked", "in strengths])", "in strengths.cumsum(0)])", "they do not add up"),
    Wrong("attacked", "strength * eps", "strength.sqrt() * eps", "take no root"),
    Wrong("attacked", "y + strength", "y - strength", "the noise is added"),
    Wrong("attacked", f"{SENT}, x).mean()", f"{SENT}, x)", "the mean over the images"),
    Wrong("attacked", "y = there(x)", "y = x", "the first way is missing"),
    Wrong("attacked", "in strengths])", "in strengths]).mean()", "not their mean"),
    Wrong("attacked", "with torch.no_grad()", "with torch.enable_grad()", "work under torch.no_grad()"),
    Wrong("back_projection", BLOCKS, "return x[:, :, ::factor, ::factor]", "one pixel of each block"),
    Wrong(
        "back_projection",
        BLOCKS,
        "return x[:, :, factor // 2 :: factor, factor // 2 :: factor]",
        "the middle of each block",
    ),
    Wrong("back_projection", MEANS, ".sum((3, 5))", "this is the sum of each block"),
    Wrong("back_projection", MEANS, ".amax((3, 5))", "the largest number of each block"),
    Wrong(
        "back_projection",
        f"{CUT}{MEANS}",
        "x.reshape(b, c, factor, h // factor, factor, w // factor).mean((2, 4))",
        "stands on axes 3 and 5",
    ),
    Wrong(
        "back_projection", f"{CUT}{MEANS}", "x.reshape(b, c, h, w // factor, factor).mean(4)", "rows are to be averaged"
    ),
    Wrong(
        "back_projection",
        f"{CUT}{MEANS}",
        "x.reshape(b, c, h // factor, factor, w).mean(3)",
        "columns are to be averaged",
    ),
    Wrong(
        "back_projection",
        BLOCKS,
        "return torch.nn.functional.interpolate(x, (h // factor, w // factor), mode='bicubic', antialias=True)",
        "bicubic curves reach beyond the block",
    ),
    Wrong("back_projection", MISSING, "downscaled(x, factor) - low", "the sign is turned"),
    Wrong("back_projection", MISSING, "low", "not all of low"),
    Wrong("back_projection", f"return x + {GROWN}", "missing = low\n    return " + GROWN, "x is lost"),
    Wrong("back_projection", MISSING, "-downscaled(x, factor)", "puts nothing in their place"),
    Wrong("back_projection", GROWN, f"{GROWN} / factor**2", "do not divide by the block's size"),
    Wrong("back_projection", GROWN, f"{GROWN} / factor", "do not divide by the factor"),
    Wrong("back_projection", GROWN, f"factor**2 * {GROWN}", "no more"),
    Wrong("back_projection", GROWN, "missing.repeat(1, 1, factor, factor)", "copies of the whole picture"),
    Wrong(
        "back_projection",
        GROWN,
        "torch.nn.functional.interpolate(missing, scale_factor=factor, mode='bilinear')",
        "no longer fits",
    ),
    Wrong(
        "back_projection",
        f"x + {GROWN}",
        "x * " + GROWN.replace("missing", "(low / downscaled(x, factor))"),
        "add, do not multiply",
    ),
    Wrong("back_projection", f"return x + {GROWN}", f"return {GROWN}", "not what is added"),
    Wrong("distortions", BOTH, "return one, averaged", "their mean is not the posterior mean yet"),
    Wrong("distortions", "draws.var(0)", "draws.var(0, unbiased=False)", "take the unbiased variance"),
    Wrong("distortions", BIAS, "draws.var(0).mean()", "divide the variance by K"),
    Wrong("distortions", f"- {BIAS}", f"+ {BIAS}", "taken off, not added"),
    Wrong("distortions", "draws.var(0)", "draws.std(0)", "not the standard deviation"),
    Wrong(
        "distortions",
        f"{AVERAGED}\n    {BOTH}",
        f"{AVERAGED.replace('mean(0)', 'mean(1)')}\n    {BOTH.replace('(0)', '(1)')}",
        "axis 0, not over the images",
    ),
    Wrong("distortions", BOTH, "return one, one / 2", "it assumes what is to be tested"),
    Wrong("distortions", ONE, "(draws[0] - x0).square().mean()", "all draws count"),
    Wrong("distortions", BOTH, f"return averaged, averaged - {BIAS}", "this is that of the mean of all"),
    Wrong("distortions", "mean()", "sum()", "these are sums"),
    Wrong("distortions", BOTH, f"return one.sqrt(), (averaged - {BIAS}).clamp(min=0).sqrt()", "these are roots"),
    Wrong("distortions", "square()", "abs()", "not absolute values"),
    Wrong("distortions", BOTH, f"return averaged - {BIAS}, one", "then the least"),
    Wrong("distortions", BOTH, "return one", "return both"),
    Wrong("rebuilding_error", REBUILT, "[denoise((1 - t) * x + t * eps, t)]", "each image has one of its own"),
    Wrong("rebuilding_error", DROWNED, "t * x + (1 - t) * noise", "1 - t and t have changed places"),
    Wrong("rebuilding_error", DROWNED, "x + t * noise", "the image fades too"),
    Wrong("rebuilding_error", DROWNED, "(1 - t * t).sqrt() * x + t * noise", "schedule on a circle"),
    Wrong("rebuilding_error", DROWNED, "x", "nothing was drowned"),
    Wrong(
        "rebuilding_error",
        "(guess - x).square().mean(1) for guess in rebuilt",
        f"(guess - ({DROWNED})).square().mean(1) for guess, noise in zip(rebuilt, eps)",
        "compare with the image",
    ),
    Wrong("rebuilding_error", f"denoise({DROWNED}, t)", DROWNED, "compare what was rebuilt"),
    Wrong("rebuilding_error", ".square()", ".abs()", "take squares"),
    Wrong("rebuilding_error", "square().mean(1)", "square().sum(1)", "take the mean over the channels"),
    Wrong("rebuilding_error", ".mean(0)", ".sum(0)", "take the mean over the noises"),
    Wrong("rebuilding_error", ERRORS, "(torch.stack(rebuilt).mean(0) - x).square().mean(1)", "not the guesses"),
    Wrong("rebuilding_error", "in eps]", "in eps[:1]]", "not only the first one"),
    Wrong("rebuilding_error", "square().mean(1)", "square()", "a map has no channels"),
    Wrong("rebuilding_error", f"return {ERRORS}", f"return {ERRORS}.mean((1, 2))", "not one number"),
    Wrong("rebuilding_error", "mean(1)", "mean(1, keepdim=True)", "the channels' axis is gone"),
    Wrong("rebuilding_error", "noise, t)", "noise, 1 - t)", "the denoiser is told the time t"),
    Wrong("rebuilding_error", "with torch.no_grad()", "with torch.enable_grad()", "work under torch.no_grad()"),
    Wrong(
        "auroc",
        f"float({AREA})",
        "float((scores[labels][:, None] > scores[~labels]).double().mean())",
        "not as nothing",
    ),
    Wrong(
        "auroc",
        f"float({AREA})",
        "float((scores[labels][:, None] >= scores[~labels]).double().mean())",
        "not as a whole",
    ),
    Wrong("auroc", f"float({AREA})", f"1 - float({AREA})", "this is turned over"),
    Wrong("auroc", RANKS, f"{RANKS} - 1", "ranks begin with 1"),
    Wrong("auroc", RANKS, "scores.argsort(stable=True).argsort() + 1.0", "here they have several"),
    Wrong("auroc", RANKS, "group + 1.0", "not the number of their group"),
    Wrong("auroc", RANKS, "counts.cumsum(0)[group].double()", "not the last one"),
    Wrong("auroc", RANKS, "(counts.cumsum(0) - counts + 1)[group].double()", "not the first one"),
    Wrong("auroc", RANKS, "scores.argsort(stable=True) + 1.0", "argsort says who is at each rank"),
    Wrong("auroc", " - odd * (odd + 1) / 2", "", "are to be taken off"),
    Wrong("auroc", "(odd + 1) / 2", "(odd - 1) / 2", "not p (p - 1) / 2"),
    Wrong("auroc", "(odd * normal)", "(len(scores) * (len(scores) - 1) / 2)", "of an odd and a normal one"),
    Wrong("auroc", "(odd * normal)", "len(scores) ** 2", "not by all squared"),
    Wrong("auroc", " / (odd * normal)", "", "the number of pairs in order"),
    Wrong("auroc", AREA, "(ranks[~labels].sum() - normal * (normal + 1) / 2) / (odd * normal)", "wrong"),
    Wrong("auroc", f"float({AREA})", AREA, "makes one of a tensor"),
    Wrong("region_overlap", OVERLAP, "float(marked[regions.flatten() > 0].mean())", "this counts pixels"),
    Wrong(
        "region_overlap",
        OVERLAP,
        "sum(parts := [float((m >= threshold)[r > 0].double().mean()) for m, r in zip(maps, regions) if (r > 0).any()])"
        " / len(parts)",
        "not over the pictures",
    ),
    Wrong("region_overlap", ">=", ">", ">=, not >"),
    Wrong("region_overlap", ">=", "<=", "not below the threshold"),
    Wrong("region_overlap", ALARMS, "float(marked[regions.flatten() == 0].sum() / maps.numel())", "not of all"),
    Wrong(
        "region_overlap", ALARMS, "float(marked[regions.flatten() == 0].sum() / marked.sum())", "not of the marked ones"
    ),
    Wrong("region_overlap", ALARMS, f"1 - {ALARMS}", "left alone"),
    Wrong("region_overlap", "share[1:]", "share", "the good pixels are no region"),
    Wrong(
        "region_overlap",
        OVERLAP,
        "float(torch.stack([(marked * (regions.flatten() == j)).sum() / ((marked > 0) | (regions.flatten() == j)).sum()"
        " for j in range(1, len(share))]).mean())",
        "in either",
    ),
    Wrong("region_overlap", OVERLAP, "float((share[1:] > 0).double().mean())", "a single pixel is not all of it"),
    Wrong("region_overlap", PAIR, f"return {ALARMS}, {OVERLAP}", "overlap comes first"),
    Wrong("region_overlap", PAIR, f"return {OVERLAP}", "return both"),
    Wrong("region_overlap", PAIR, "return share[1:].mean(), share[0]", "makes one of a tensor"),
    Wrong("augmented", f"{TAKEN}{GATHERED}", f"{RING}{GATHERED}", "comes in on the other"),
    Wrong("augmented", MIRROR, "x.flip(3) if bool(flip[0]) else x", "here the first one decides"),
    Wrong("augmented", MIRROR, "x.flip(3)", "all images are mirrored"),
    Wrong("augmented", "x.flip(3), x)", "x, x.flip(3))", "flip is turned over"),
    Wrong("augmented", "    h, w = x", "    move = move[:1].expand_as(move)\n    h, w = x", "is taken for all"),
    Wrong("augmented", "x.flip(3)", "x.flip(2)", "not upside down"),
    Wrong("augmented", "    h, w = x", "    move = move.flip(1)\n    h, w = x", "the first number of a move is down"),
    Wrong("augmented", "    h, w = x", "    move = -move\n    h, w = x", "the sign of the move is turned"),
    Wrong(
        "augmented",
        f"    x = {MIRROR}\n",
        "    move = move * torch.stack([torch.ones_like(flip), ~flip * 2 - 1], 1)\n" + f"    x = {MIRROR}\n",
        "mirror first, then move",
    ),
    Wrong("augmented", GATHERED, "x", "the move is missing"),
    Wrong("augmented", ".gather(3, columns[:, None, None, :].expand_as(x))", "", "only the move down was made"),
    Wrong("augmented", ".gather(2, rows[:, None, :, None].expand_as(x))", "", "only the move to the right was made"),
    Wrong("augmented", f"return {GATHERED}", f"return {GATHERED}.float()", "keep the dtype of x"),
    Wrong("augmented", f"return {GATHERED}", f"return {GATHERED}.detach()", "detach nothing"),
    Wrong("paired_interval", "ours - baseline", "baseline - ours", "ours minus the baseline"),
    Wrong("paired_interval", ".std()", ".std(unbiased=False)", "divides by n - 1"),
    Wrong("paired_interval", " / math.sqrt(len(difference))", "", "varies less than a single result"),
    Wrong("paired_interval", "math.sqrt(len(difference))", "len(difference)", "not by n"),
    Wrong("paired_interval", "quantile * ", "", "multiply by the quantile"),
    Wrong("paired_interval", "quantile * ", "1.96 * ", "1.96 is too little"),
    Wrong("paired_interval", "difference.std()", "(ours.var() + baseline.var()).sqrt()", "two independent means"),
    Wrong("paired_interval", "difference.std()", "(ours.std() - baseline.std())", "then their standard deviation"),
    Wrong("paired_interval", "difference.std()", "ours.std()", "not that of ours"),
    Wrong("paired_interval", "quantile * ", "2 * quantile * ", "the half width, behind"),
    Wrong("paired_interval", INTERVAL, f"return {MEAN} - {HALF}, {MEAN} + {HALF}", "not the two ends"),
    Wrong("paired_interval", "difference.mean()", "difference.median()", "not their median"),
    Wrong("paired_interval", "difference.mean()", "(ours / baseline - 1).mean()", "subtract only"),
    Wrong("paired_interval", INTERVAL, f"return {HALF}, {MEAN}", "the mean comes first"),
    Wrong("paired_interval", INTERVAL, f"return {MEAN}", "return both"),
    Wrong("paired_interval", INTERVAL, f"return difference.mean(), torch.tensor({HALF})", "makes one of a tensor"),
]
