"""Plausible wrong answers to the exercises of 02_vaes, and the hint that each must get."""

from mutants.wrong import Wrong

DRAW, STD = "mean + torch.exp(log_variance / 2) * noise", "torch.exp(log_variance / 2)"
KL = "(mean.square() + log_variance.exp() - 1 - log_variance) / 2"
PIXELS, LATENTS = "-log_likelihood.flatten(1).sum(1)", "kl.sum(1)"
BOUND = "(distortion + beta * kl.sum(1)).mean()"
OTHERS = "(values.sum() - values) / (len(values) - 1)"
ABOVE = "(values - baseline)[:, None]"
SCORES = "above * noise / std, above * (noise.square() - 1) / 2"
LEFT_OUT = "values[:-latent].mean()"
LENGTHS = "(values[-latent:] - variance).clamp(min=0).sqrt()"
COLUMNS = "vectors[:, -latent:] * lengths"
RATE = "kl.mean(0).clamp(min=floor).sum()"
PRIOR = "-z.square().sum(-1) / 2"
WEIGHT, IWAE = "log_likelihood + log_p - log_q", "torch.logsumexp(log_w, 0) - math.log(len(log_w))"
ENDS = "torch.where(x < -0.999, black, torch.where(x > 0.999, white, black + white + inside))"
SHARP = "torch.exp(-log_scale)"
NEAREST = "torch.cdist(z, book).argmin(1)"
THROUGH = "z + (code - z).detach()"
LEARN, COMMIT = "(z.detach() - code).square().mean()", "(z - code.detach()).square().mean()"
BOTH = "learn + commitment * commit"
CODES = "2 * digits / (levels - 1) - 1"
WORTH = "levels.cumprod(0) // levels"
QUANTISED = "squashed + (codes - squashed).detach()"
LOOKED_UP = "tokens[..., None] // (levels.cumprod(0) // levels) % levels"

# The difference of the two sigmoids, made safe from log 0 by a floor or not at all.
NAIVE = "torch.where(x > 0.999, 1.0, above.sigmoid()) - torch.where(x < -0.999, 0.0, below.sigmoid())"
DENSITY = "logsigmoid((x - mean) * sharpness) + logsigmoid((mean - x) * sharpness) - log_scale"

WRONG = [
    Wrong("reparameterise", STD, "torch.exp(log_variance)", "this stretches by the variance"),
    Wrong("reparameterise", STD, "log_variance", "the network gives the logarithm of the variance"),
    Wrong("reparameterise", STD, "log_variance.abs().sqrt()", "this is the root of the log-variance"),
    Wrong("reparameterise", STD, "torch.exp(-log_variance / 2)", "sign in the exponent is turned"),
    Wrong("reparameterise", DRAW, f"mean - {STD} * noise", "added, not subtracted"),
    Wrong("reparameterise", DRAW, f"mean * noise + {STD}", "the mean shifts"),
    Wrong("reparameterise", "* noise", "* torch.randn_like(mean)", "the noise that was given"),
    Wrong("reparameterise", DRAW, f"torch.normal(mean, {STD})", "the noise that was given"),
    Wrong("reparameterise", STD, f"{STD}.detach()", "no gradient reaches the log-variance"),
    Wrong("reparameterise", DRAW, f"({DRAW}).detach()", "no gradient passes"),
    Wrong("kl_to_prior", KL, f"2 * {KL}", "the half is missing"),
    Wrong("kl_to_prior", KL, f"-{KL}", "the sign is turned"),
    Wrong("kl_to_prior", KL, "((1 + mean**2) / log_variance.exp() - 1 + log_variance) / 2", "of the prior from the"),
    Wrong("kl_to_prior", KL, "(mean**2 + (2 * log_variance).exp() - 1) / 2 - log_variance", "not of the standard"),
    Wrong("kl_to_prior", "log_variance.exp()", "(log_variance / 2).exp()", "standard deviation stands where"),
    Wrong("kl_to_prior", "mean.square()", "mean", "mean must be squared"),
    Wrong("kl_to_prior", " - 1", "", "-1 is missing"),
    Wrong("kl_to_prior", KL, f"({KL}).sum(1)", "do not sum"),
    Wrong("kl_to_prior", KL, f"({KL}).mean()", "do not average"),
    Wrong("negative_elbo", PIXELS, "-log_likelihood.flatten(1).mean(1)", "mean over the pixels"),
    Wrong("negative_elbo", LATENTS, "kl.mean(1)", "mean over the latents"),
    Wrong("negative_elbo", BOUND, "beta * kl.mean() - log_likelihood.mean()", "mean over pixels and latents"),
    Wrong("negative_elbo", BOUND, "(distortion + beta * kl.sum(1)).sum()", "summed over the images"),
    Wrong("negative_elbo", BOUND, "-(distortion + beta * kl.sum(1)).mean()", "this is the ELBO"),
    Wrong("negative_elbo", PIXELS, "log_likelihood.flatten(1).sum(1)", "sign of the log-likelihood is turned"),
    Wrong("negative_elbo", BOUND, "(distortion - beta * kl.sum(1)).mean()", "the rate is a cost"),
    Wrong("negative_elbo", "beta * ", "", "beta is missing"),
    Wrong("negative_elbo", BOUND, "(beta * distortion + kl.sum(1)).mean()", "not of the distortion"),
    Wrong("negative_elbo", ".mean()", "", "mean over images is missing"),
    Wrong("score_gradient", ABOVE, "values[:, None]", "baseline is missing"),
    Wrong("score_gradient", OTHERS, "values.mean()", "mean of the others"),
    Wrong("score_gradient", ABOVE, "(values + baseline)[:, None]", "added instead of subtracted"),
    Wrong("score_gradient", ABOVE, "(baseline - values)[:, None]", "the sign is turned"),
    Wrong("score_gradient", "f(mean + std * noise)", "f(noise)", "not at the noise"),
    Wrong("score_gradient", "noise / std", "noise", "the division is missing"),
    Wrong("score_gradient", "noise / std", "noise * std", "not times std"),
    Wrong("score_gradient", "noise / std", "noise / std**2", "not over the variance"),
    Wrong("score_gradient", "(noise.square() - 1) / 2", "(noise.square() - 1)", "half of log-variance is missing"),
    Wrong("score_gradient", "(noise.square() - 1)", "noise.square()", "from which comes a -1"),
    Wrong(
        "score_gradient",
        SCORES,
        "(above * noise / std).mean(0), (above * (noise**2 - 1) / 2).mean(0)",
        "not their mean",
    ),
    Wrong("score_gradient", "[:, None]", "", "another axis beside (n, D)"),
    Wrong("linear_vae", LEFT_OUT, "values[:-latent].sum()", "not their sum"),
    Wrong("linear_vae", LEFT_OUT, "values[-latent:].mean()", "that are kept"),
    Wrong("linear_vae", LEFT_OUT, "values[latent:].mean()", "it stands last"),
    Wrong("linear_vae", LEFT_OUT, "values.mean()", "mean of all eigenvalues"),
    Wrong("linear_vae", LEFT_OUT, "values[0]", "not the smallest"),
    Wrong("linear_vae", ", correction=0", "", "covariance with 1 / N"),
    Wrong("linear_vae", "torch.cov(x.T, correction=0)", "x.T @ x / len(x)", "centre the data"),
    Wrong("linear_vae", " - variance)", ")", "explains its part already"),
    Wrong("linear_vae", ".clamp(min=0).sqrt()", ".clamp(min=0)", "a column's length is the root"),
    Wrong(
        "linear_vae", LENGTHS, "(values[-latent:].sqrt() - variance**0.5).clamp(min=0)", "before the root, not after"
    ),
    Wrong(
        "linear_vae",
        COLUMNS,
        "vectors[:, :latent] * (values[:latent] - variance).clamp(min=0).sqrt()",
        "least variance",
    ),
    Wrong("linear_vae", COLUMNS, "vectors[:, -latent:]", "the columns have length 1"),
    Wrong("linear_vae", ".clamp(min=0).sqrt()", ".sqrt()", "clamp at 0 before the root"),
    Wrong("linear_vae", ".clamp(min=0).sqrt()", ".abs().sqrt()", "instead of the absolute value"),
    Wrong("free_bits", RATE, "kl.clamp(min=floor).mean(0).sum()", "over images first"),
    Wrong("free_bits", RATE, "kl.mean(0).sum().clamp(min=floor)", "floor belongs to each dimension"),
    Wrong("free_bits", "clamp(min=floor)", "clamp(max=floor)", "this is the minimum"),
    Wrong("free_bits", RATE, "(kl.mean(0) - floor).relu().sum()", "paid, not given away"),
    Wrong("free_bits", RATE, "(kl.mean(0) + floor).sum()", "no surcharge"),
    Wrong("free_bits", ".sum()", ".mean()", "sum over the dimensions"),
    Wrong("free_bits", "kl.mean(0)", "kl.sum(0)", "not the sum"),
    Wrong("free_bits", RATE, "kl.mean(0).sum() + (floor - kl.mean(0)).relu().sum().detach()", "still presses"),
    Wrong("importance", WEIGHT, "log_likelihood + log_p + log_q", "log q is subtracted"),
    Wrong("importance", WEIGHT, "log_likelihood - log_q", "prior log p(z) is missing"),
    Wrong("importance", WEIGHT, "log_likelihood + log_p", "log q(z|x) is missing"),
    Wrong("importance", PRIOR, "z.square().sum(-1) / 2", "sign of the prior is turned"),
    Wrong("importance", " + log_variance)", ")", "logarithm of its width"),
    Wrong("importance", "torch.exp(-log_variance)", "torch.exp(-log_variance / 2)", "not by the standard deviation"),
    Wrong("importance", "(z - mean)", "z", "about its mean"),
    Wrong("importance", "sum(-1)", "mean(-1)", "instead of averaging"),
    Wrong("importance", IWAE, "torch.logsumexp(log_w, 0)", "the logarithm of the sum"),
    Wrong("importance", IWAE, "log_w.mean(0)", "this is the ELBO"),
    Wrong("importance", IWAE, "torch.logsumexp(log_w, 1) - math.log(log_w.shape[1])", "axis 0"),
    Wrong("importance", "math.log(len(log_w))", "math.log(log_w.shape[1])", "not of images"),
    Wrong("importance", IWAE, "log_w.exp().mean(0).log()", "is 0 in float32"),
    Wrong("pixel_log_likelihood", ENDS, "black + white + inside", "black reaches down"),
    Wrong("pixel_log_likelihood", ENDS, "torch.where(x < -0.999, black, black + white + inside)", "white reaches up"),
    Wrong(
        "pixel_log_likelihood",
        "-0.999, black, torch.where(x > 0.999, white",
        "-0.999, white, torch.where(x > 0.999, black",
        "have changed places",
    ),
    Wrong("pixel_log_likelihood", f"return {ENDS}", f"return ({NAIVE}).log()", "has rounded to 0"),
    Wrong("pixel_log_likelihood", f"return {ENDS}", f"return ({NAIVE}).clamp(min=1e-12).log()", "1e-12 instead of it"),
    Wrong("pixel_log_likelihood", SHARP, "torch.exp(log_scale)", "divide by it"),
    Wrong("pixel_log_likelihood", SHARP, "1 / log_scale", "must be exponentiated"),
    Wrong("pixel_log_likelihood", f"return {ENDS}", f"return {DENSITY}", "this is a density"),
    Wrong("pixel_log_likelihood", f"return {ENDS}", f"return ({ENDS}).exp()", "take its logarithm"),
    Wrong("pixel_log_likelihood", f"return {ENDS}", f"return ({ENDS}) / math.log(2)", "counts in bits"),
    Wrong("pixel_log_likelihood", "/ 255", "/ 510", "not 1/510"),
    Wrong("vector_quantise", NEAREST, "torch.cdist(z, book).argmax(1)", "farthest"),
    Wrong("vector_quantise", NEAREST, "(z @ book.T).argmax(1)", "inner products"),
    Wrong(
        "vector_quantise",
        NEAREST,
        "(nn.functional.normalize(z) @ nn.functional.normalize(book).T).argmax(1)",
        "directions",
    ),
    Wrong("vector_quantise", NEAREST, "torch.cdist(z, book).argmin(0)", "minimum runs over the codes"),
    Wrong("vector_quantise", NEAREST, f"book[{NEAREST}]", "not their numbers"),
    Wrong("vector_quantise", NEAREST, "torch.cdist(z, book, p=1).argmin(1)", "not absolute values"),
    Wrong("vector_quantise", THROUGH, "z", "forwards the code"),
    Wrong("vector_quantise", THROUGH, "code", "goes to the code, not to z"),
    Wrong("vector_quantise", THROUGH, "code.detach()", "no gradient passes"),
    Wrong("vector_quantise", THROUGH, "z + code - z.detach()", "reaches the code as well"),
    Wrong("vector_quantise", THROUGH, "code - (z - z.detach())", "gradients have cancelled"),
    Wrong("codebook_loss", "square().mean()", "square().sum()", "this is the sum"),
    Wrong("codebook_loss", "square()", "abs()", "must be squared"),
    Wrong("codebook_loss", BOTH, "learn", "commitment is missing"),
    Wrong("codebook_loss", BOTH, "commitment * commit", "codes must learn too"),
    Wrong("codebook_loss", BOTH, "learn + commit", "needs its weight"),
    Wrong("codebook_loss", BOTH, "commit + commitment * learn", "have changed places"),
    Wrong("codebook_loss", ".detach()", "", "both terms move both"),
    Wrong("codebook_loss", "code.detach()", "code", "moves the codes too"),
    Wrong("codebook_loss", "z.detach()", "z", "moves the latents too"),
    Wrong("codebook_loss", COMMIT, LEARN, "no gradient reaches the latents"),
    Wrong("codebook_loss", LEARN, COMMIT, "no gradient reaches the codes"),
    Wrong("fsq", QUANTISED, "codes", "rounding has no slope"),
    Wrong("fsq", QUANTISED, "z + (codes - z).detach()", "went past tanh"),
    Wrong("fsq", QUANTISED, "squashed", "not rounded"),
    Wrong("fsq", ".round()", ".floor()", "instead of down"),
    Wrong("fsq", "(levels - 1)", "levels", "not L"),
    Wrong("fsq", f"codes = {CODES}", "codes = digits / (levels - 1)", "not from 0 to 1"),
    Wrong("fsq", f"codes = {CODES}", "codes = digits.float()", "these are the digits"),
    Wrong("fsq", f"worth = {WORTH}", "worth = levels.flip(0).cumprod(0).flip(0) // levels", "first digit is the least"),
    Wrong("fsq", f"worth = {WORTH}", "worth = levels.cumprod(0)", "without its own"),
    Wrong("fsq", f"worth = {WORTH}", "worth = torch.cat([levels.new_ones(1), levels[:-1]])", "mixed base"),
    Wrong("fsq", "(digits * worth).sum(-1)", "digits.sum(-1)", "sum of the digits"),
    Wrong("fsq", "(digits * worth).sum(-1)", "(digits * worth).sum(-1).float()", "tokens are int64"),
    Wrong("fsq", " % levels", "", "must be taken off"),
    Wrong(
        "fsq", LOOKED_UP, "tokens[..., None] // (levels.flip(0).cumprod(0).flip(0) // levels) % levels", "first digit"
    ),
]
