"""Plausible wrong answers to the exercises of 07_ethics, and the hint that each must get."""

from mutants.wrong import Wrong

ENDS = "return middle - half, middle + half"
ROOT = "torch.sqrt(p * (1 - p) / total + spread / (4 * total))"
HALF = f"half = z * {ROOT} / (1 + spread)"
PLAIN = "z * torch.sqrt(p * (1 - p) / total)"
ROWS, SOLVED = "confusion.sum(1, keepdim=True)", "torch.linalg.solve(errs.T, read / read.sum())"
SHARES = "count / count.sum(1, keepdim=True)"
LEANING, GAIN = "before > 1 / data.shape[1]", "(after - before)[leaning].sum() / len(data)"
TABLE = "joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True) / joint"
CHOSEN = "table[attribute, label]"
POWER = 'torch.fft.fft2(x, norm="ortho").abs().square().mean(dim=(0, 1))'
FREQUENCY = "torch.fft.fftfreq(size, device=x.device) * size"
RING = "power[radius == r].mean() for r in range(size // 2 + 1)"
LARGEST = "negatives.sort(descending=True).values[int(fpr * len(negatives))]"
JUDGED = "return threshold, (positives > threshold).float().mean()"
PLAYED = "p = p * (1 + bits - (p * bits).sum(-1, keepdim=True))"
LAYERS = f"for bits in g:\n        {PLAYED}\n    return p"
MARKED = 'return noise + torch.einsum("nm,mhw->nhw", key - found, patterns)'
SCORE, TAIL = "found @ key / found.norm(dim=1)", "torch.erfc(score / math.sqrt(2)) / 2"
RANK = "1 + (references <= canaries[:, None]).sum(1)"
BITS = "math.log2(len(references) + 1) - torch.log2(rank)"
MIXED, TARGET = "(1 - t) * x + t * noise", "(noise - x)"
ERROR, MEAN = "off.square().flatten(1).mean(1)", "-torch.stack(errors).mean(0)"
AREA, COST = "torch.trapezoid(watts - idle, seconds)", "return joules, joules / 3.6e6 * pue * intensity"
STEPS = "((watts[1:] + watts[:-1]) / 2 - idle)"

WRONG = [
    Wrong("wilson", HALF, f"middle, half = p, {PLAIN}", "this is the interval of the textbooks: p itself"),
    Wrong(
        "wilson",
        f"{HALF}\n    {ENDS}",
        f"half = {PLAIN}\n    return (p - half).clamp(min=0), (p + half).clamp(max=1)",
        "cut off at 0 and 1",
    ),
    Wrong("wilson", ENDS, "return p - half, p + half", "the middle is not the share that was seen"),
    Wrong("wilson", " + spread / (4 * total)", "", "the half width lacks z^2 / (4 n^2)"),
    Wrong("wilson", " / (1 + spread)", "", "nothing is divided by 1 + z^2 / n yet"),
    Wrong("wilson", f"{ROOT} / (1 + spread)", ROOT, "the half width is divided by 1 + z^2 / n as well"),
    Wrong("wilson", "p + spread / 2", "p + spread", "the middle has z^2 / (2 n)"),
    Wrong("wilson", "spread / (4 * total)", "spread / 4", "under the root stands z^2 / (4 n^2)"),
    Wrong("wilson", "(p * (1 - p) / total + spread / (4 * total))", "(p * (1 - p) + spread / 4)", "n is missing under"),
    Wrong(
        "wilson", HALF, "half = z * torch.sqrt(middle * (1 - middle) / (total + z**2))", "this is Agresti and Coull's"
    ),
    Wrong("wilson", "z * torch", "torch", "z is missing before the root"),
    Wrong("wilson", "p, spread", "z = 1.96\n    p, spread", "z is an argument, not always 1.96"),
    Wrong("wilson", ENDS, "return middle + half, middle - half", "the lower end comes first"),
    Wrong("wilson", ENDS, "return middle, half", "not the middle and the half width"),
    Wrong("wilson", ENDS, "return (middle - half) * total, (middle + half) * total", "these are counts: divide by n"),
    Wrong("wilson", ENDS, "return middle - half", "return both ends"),
    Wrong("true_shares", SOLVED, "read / read.sum()", "nothing is corrected"),
    Wrong("true_shares", ROWS, "confusion.sum(0)", "divide each row by its own sum"),
    Wrong("true_shares", SOLVED, "errs.T @ (read / read.sum())", "this takes what was read for the true group: s is"),
    Wrong("true_shares", SOLVED, "errs @ (read / read.sum())", "and P the wrong way round"),
    Wrong("true_shares", "errs.T", "errs", "P is turned over"),
    Wrong("true_shares", SOLVED, "(confusion / confusion.sum(0)) @ (read / read.sum())", "P(true | read) changes"),
    Wrong("true_shares", ROWS, "confusion.sum()", "divide each by its own, not all by the whole"),
    Wrong(
        "true_shares",
        f"return {SOLVED}",
        "s = torch.linalg.solve(confusion.T.float(), read.float())\n    return s / s.sum()",
        "divide each by its own before you solve",
    ),
    Wrong(
        "true_shares", f"errs = confusion / {ROWS}", "errs = confusion.float()", "the rows of C are to be divided by"
    ),
    Wrong("true_shares", SOLVED, "read / read.sum() / errs.diag()", "not for what was taken for it"),
    Wrong("true_shares", "read / read.sum()", "read.float()", "these are counts: divide by their sum"),
    Wrong("true_shares", SOLVED, f"{SOLVED}.clamp(min=0)", "do not cut off what is below 0"),
    Wrong("true_shares", SOLVED, f"{SOLVED}.clamp(0, 1)", "below 0 and above 1"),
    Wrong("true_shares", SOLVED, f"{SOLVED}.abs()", "do not take the absolute value"),
    Wrong("true_shares", "read / read.sum()", "read", "RuntimeError"),
    Wrong("amplification", "[leaning]", "", "this is 0, as the sum over all pairs is"),
    Wrong("amplification", LEANING, "after > 1 / data.shape[1]", "decided by the data, not by the model"),
    Wrong("amplification", LEANING, "before >= 1 / data.shape[1]", "above, not at least"),
    Wrong("amplification", LEANING, "before > 1 / 2", "with G groups even is 1 / G"),
    Wrong("amplification", LEANING, "before > 1 / len(data)", "and G is the number of groups"),
    Wrong("amplification", LEANING, "before == before.max(1, keepdim=True).values", "not only the most frequent one"),
    Wrong("amplification", GAIN, "(after - before)[leaning].mean()", "not by that of the pairs"),
    Wrong("amplification", GAIN, "(after - before)[leaning].sum() / data.numel()", "not by that of all pairs"),
    Wrong("amplification", " / len(data)", "", "divide by the number of classes"),
    Wrong("amplification", "[leaning].sum()", "[leaning].abs().sum()", "keep the sign"),
    Wrong("amplification", "after - before", "after - 1 / data.shape[1]", "compare with the data's share"),
    Wrong("amplification", "after - before", "before - after", "the sign is turned"),
    Wrong("amplification", "count.sum(1, keepdim=True)", "count.sum()", "not among all pictures"),
    Wrong("amplification", "count.sum(1, keepdim=True)", "count.sum(0)", "not within a group"),
    Wrong("amplification", "after - before", "after / before", "this is a quotient of shares"),
    Wrong("amplification", GAIN, "((after - before) * leaning).sum(1)", "return one number, not one a class"),
    Wrong("fair_weights", TABLE, "1 / joint", "this makes all pairs alike"),
    Wrong(
        "fair_weights",
        "joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True) /",
        "joint.sum(1, keepdim=True) /",
        "p(y) is missing",
    ),
    Wrong(
        "fair_weights",
        "joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True) /",
        "joint.sum(0, keepdim=True) /",
        "p(a) is missing",
    ),
    Wrong("fair_weights", f"table = {TABLE}", f"table = 1 / ({TABLE})", "the quotient is turned over"),
    Wrong("fair_weights", TABLE, f"{TABLE} / len(label)", "the three are shares, each divided by N"),
    Wrong("fair_weights", ") / len(label)", ")", "divide them by N to have shares, all three"),
    Wrong("fair_weights", f"return {CHOSEN}", f"w = {CHOSEN}\n    return w / w.sum()", "the mean of the weights is 1"),
    Wrong("fair_weights", " / joint\n", "\n", "p(a, y) is missing"),
    Wrong("fair_weights", TABLE, "1 / joint.sum(1, keepdim=True).expand_as(joint)", "this evens out the attribute"),
    Wrong("fair_weights", TABLE, "1 / joint.sum(0, keepdim=True).expand_as(joint)", "this evens out the label"),
    Wrong("fair_weights", "joint.sum(1, keepdim=True) *", "joint.sum(1, keepdim=True) ** 2 *", "p(a) is squared"),
    Wrong("fair_weights", CHOSEN, f"{CHOSEN}.sqrt()", "no root is taken"),
    Wrong("fair_weights", CHOSEN, "table[label, attribute]", "have changed places in the table"),
    Wrong("fair_weights", CHOSEN, "table", "return a weight for each picture"),
    Wrong("radial_spectrum", ".mean() for", ".sum() for", "the mean over a ring is wanted"),
    Wrong("radial_spectrum", ".abs().square()", ".abs()", "power is the square of the absolute value"),
    Wrong("radial_spectrum", POWER, 'torch.fft.fft2(x.mean((0, 1)), norm="ortho").abs().square()', "not the pictures"),
    Wrong("radial_spectrum", POWER, 'torch.fft.fft2(x, norm="ortho").mean((0, 1)).abs().square()', "not the p"),
    Wrong("radial_spectrum", ', norm="ortho"', "", "the transform is not orthonormal"),
    Wrong("radial_spectrum", '"ortho"', '"forward"', "this transform is divided by all of H H"),
    Wrong("radial_spectrum", FREQUENCY, "torch.arange(float(size))", "the second half of the frequencies is negative"),
    Wrong("radial_spectrum", " * size\n", "\n", "the frequencies of fftfreq are shares"),
    Wrong("radial_spectrum", ".round()", ".floor()", "round the radius, do not cut it off"),
    Wrong("radial_spectrum", ".round()", ".ceil()", "round the radius, not up"),
    Wrong("radial_spectrum", "range(size // 2 + 1)", "range(int(radius.max()) + 1)", "stop at H // 2"),
    Wrong("radial_spectrum", "range(size // 2 + 1)", "range(size // 2)", "the ring at H // 2 is wanted as well"),
    Wrong("radial_spectrum", "range(size // 2 + 1)", "range(1, size // 2 + 1)", "the ring at radius 0 is wanted"),
    Wrong("radial_spectrum", "fft2(x,", "fft2(x - x.mean((2, 3), keepdim=True),", "nothing is subtracted"),
    Wrong("radial_spectrum", "size // 2 + 1)])", "size // 2 + 1)]).log()", "a power, not its logarithm"),
    Wrong("radial_spectrum", POWER, "x.square().mean(dim=(0, 1))", "transform it first"),
    Wrong("radial_spectrum", "dim=(0, 1)", "dim=0", "IndexError"),
    Wrong("radial_spectrum", POWER, f"{POWER}.detach()", "no gradient passes through"),
    Wrong("tpr_at_fpr", "int(fpr * len(negatives))", "max(int(fpr * len(negatives)) - 1, 0)", "count from 0"),
    Wrong("tpr_at_fpr", "int(fpr * len(negatives))", "int(fpr * len(negatives)) + 1", "this is one score too low"),
    Wrong("tpr_at_fpr", "descending=True", "descending=False", "sort from the largest down"),
    Wrong(
        "tpr_at_fpr",
        "threshold = negatives.sort",
        "negatives = torch.cat([negatives, positives])\n    threshold = negatives.sort",
        "the threshold follows from the negatives alone",
    ),
    Wrong(
        "tpr_at_fpr",
        "threshold = ",
        "negatives, positives = positives, negatives\n    threshold = ",
        "they have changed places",
    ),
    Wrong("tpr_at_fpr", "positives > threshold", "positives >= threshold", "not who has it"),
    Wrong("tpr_at_fpr", "positives > threshold", "positives < threshold", "not below it"),
    Wrong("tpr_at_fpr", "(positives > threshold)", "(negatives > threshold)", "this is the false-positive rate"),
    Wrong(
        "tpr_at_fpr",
        JUDGED,
        "hits = (positives > threshold).sum()\n    return threshold, hits / (hits + (negatives > threshold).sum())",
        "the share of the accused that are guilty",
    ),
    Wrong("tpr_at_fpr", ".float().mean()", ".float().sum()", "divide by how many there are"),
    Wrong("tpr_at_fpr", ".float().mean()", ".sum()", "as a float"),
    Wrong(
        "tpr_at_fpr",
        ".float().mean()",
        ".sum() / (len(positives) + len(negatives))",
        "divide by the number of positives, not of all",
    ),
    Wrong("tpr_at_fpr", LARGEST, "negatives.quantile(1 - fpr)", "a quantile interpolates"),
    Wrong("tpr_at_fpr", "int(fpr * len(negatives))", "math.ceil(fpr * len(negatives))", "k is rounded down"),
    Wrong(
        "tpr_at_fpr", JUDGED, "return (positives > threshold).float().mean(), threshold", "the threshold comes first"
    ),
    Wrong("tpr_at_fpr", JUDGED, "return (positives > threshold).float().mean()", "return both"),
    Wrong("tournament", "for bits in g:", "for bits in g[:1]:", "only the first layer is played"),
    Wrong("tournament", "for bits in g:", "for bits in g[-1:]:", "only the last layer is played"),
    Wrong("tournament", "for bits in g:", "for bits in g.flip(0):", "in the order in which they are given"),
    Wrong(
        "tournament", LAYERS, "return p * (1 + g - (p * g).sum(-1, keepdim=True)).prod(0)", "the sum takes the new p"
    ),
    Wrong(
        "tournament", LAYERS, "return p * (1 + g - (p * g).sum(-1, keepdim=True)).mean(0)", "layers are not averaged"
    ),
    Wrong(
        "tournament", "for bits in g:", "for bits in g.mean(0)[None]:", "the layers are not averaged: each is played"
    ),
    Wrong("tournament", "(p * bits).sum(-1, keepdim=True)", "bits.mean(-1, keepdim=True)", "not the mean of g"),
    Wrong("tournament", "(p * bits).sum", "p.sum", "sum p g, not p alone"),
    Wrong("tournament", " - (p * bits).sum(-1, keepdim=True)", "", "the sum is missing"),
    Wrong(
        "tournament",
        PLAYED,
        "p = p * (1 + bits)\n        p = p / p.sum(-1, keepdim=True)",
        "do not divide by the sum instead",
    ),
    Wrong("tournament", PLAYED, "p = (p.log() + bits).softmax(-1)", "this is a softmax with g added"),
    Wrong("tournament", "1 + bits - (", "1 - bits + (", "the sign is turned"),
    Wrong(
        "tournament",
        PLAYED,
        "p = p * bits\n        p = p / p.sum(-1, keepdim=True)",
        "a token with g = 0 can win as well",
    ),
    Wrong("tournament", "(1 + bits - ", "(bits - ", "the 1 is missing"),
    Wrong("tournament", "sum(-1, keepdim=True)", "sum(0, keepdim=True)", "sum over the vocabulary"),
    Wrong("tournament", "sum(-1, keepdim=True)", "sum()", "each text has a sum of its own"),
    Wrong("tournament", "sum(-1, keepdim=True)", "sum(-1)", "keepdim=True"),
    Wrong("tournament", "return p", "return p.log()", "not their logarithms"),
    Wrong("noise_mark", "key - found, patterns", "key.expand_as(found), patterns", "the key takes the place of what"),
    Wrong("noise_mark", "key - found, patterns", "-found, patterns", "the key itself is missing"),
    Wrong(
        "noise_mark", MARKED, MARKED.replace("noise + ", "").replace("key - found", "key.expand_as(found)"), "across"
    ),
    Wrong("noise_mark", "key - found, patterns", "found - key, patterns", "the sign is turned: k - f"),
    Wrong("noise_mark", "key - found, patterns", "key + found, patterns", "this adds what was there once more"),
    Wrong(
        "noise_mark", "key - found, patterns", "(key - found.mean(0)).expand_as(found), patterns", "not that of their"
    ),
    Wrong("noise_mark", "key - found, patterns", "(key - found[:1]).expand_as(found), patterns", "that of the first"),
    Wrong("noise_mark", "return noise + torch", "return torch", "not the mark alone"),
    Wrong("noise_mark", "key - found, patterns", "key[:, None] - found, patterns", "not to pictures"),
    Wrong("noise_mark", "nm,mhw->nhw", "nm,khw->nhw", "each pattern is multiplied by its own number"),
    Wrong("noise_mark", "key - found, patterns", "key.flip(0) - found, patterns", "in the order given"),
    Wrong(
        "noise_mark",
        "key - found, patterns",
        "key - found / noise[0].numel(), patterns",
        "a sum over pixels, not a mean",
    ),
    Wrong("noise_mark", "torch.erfc(score", "torch.erfc(-score", "this is P(N <= s)"),
    Wrong("noise_mark", TAIL, "torch.erfc(score.abs() / math.sqrt(2))", "this is a test on both sides"),
    Wrong("noise_mark", TAIL, "torch.erfc(score.abs() / math.sqrt(2)) / 2", "s, not its absolute value"),
    Wrong("noise_mark", TAIL, "score", "return p, not s"),
    Wrong("noise_mark", SCORE, "found @ key / key.norm()", "not by the key's"),
    Wrong("noise_mark", SCORE, f"{SCORE} / key.norm()", "its length belongs to s"),
    Wrong("noise_mark", SCORE, "found @ key", "s is not divided by the length of f"),
    Wrong("noise_mark", ".norm(dim=1)", ".square().sum(dim=1)", "divide by the length, not by its square"),
    Wrong("noise_mark", SCORE, "found @ key / math.sqrt(len(key))", "not by the root of M"),
    Wrong("noise_mark", "found.norm(dim=1)", "found.norm()", "each picture has a length of its own"),
    Wrong("noise_mark", "found.norm(dim=1)", "noise.flatten(1).norm(dim=1)", "not of the whole noise"),
    Wrong("noise_mark", "math.sqrt(2)) / 2", "math.sqrt(2))", "the half before erfc is missing"),
    Wrong("noise_mark", "score / math.sqrt(2)", "score", "s is divided by the root of 2 in erfc"),
    Wrong("noise_mark", "math.sqrt(2)) / 2", "2) / 2", "not by 2"),
    Wrong("noise_mark", TAIL, "(1 - torch.erf(score / math.sqrt(2))) / 2", "no digits left where the mark is certain"),
    Wrong("exposure", BITS, "math.log(len(references) + 1) - torch.log(rank)", "bits are logarithms with base 2"),
    Wrong("exposure", BITS, "math.log10(len(references) + 1) - torch.log10(rank)", "with base 2, not 10"),
    Wrong("exposure", "1 + (references", "(references", "the rank counts from 1"),
    Wrong("exposure", "references <=", "references >=", "a low loss is what the model finds likely"),
    Wrong("exposure", "len(references) + 1", "len(references)", "R + 1, not R"),
    Wrong("exposure", "references <=", "references <", "references with the same loss come before it"),
    Wrong(
        "exposure",
        RANK,
        "1 + ((references <= canaries[:, None]).sum(1) + (references < canaries[:, None]).sum(1)) / 2",
        "half of those with the same loss",
    ),
    Wrong(
        "exposure",
        "rank = 1 +",
        "references = torch.cat([canaries, references])\n    rank = 1 +",
        "not among the others",
    ),
    Wrong(
        "exposure",
        RANK,
        "(torch.cat([canaries, references]) <= canaries[:, None]).sum(1)",
        "the others are no references",
    ),
    Wrong("exposure", BITS, "(len(references) + 1) / rank", "take its logarithm"),
    Wrong("exposure", BITS, "torch.log2(rank)", "compare it with R + 1"),
    Wrong("exposure", BITS, f"-({BITS})", "the sign is turned"),
    Wrong("exposure", BITS, f"({BITS}).mean()", "return the exposure of each canary"),
    Wrong("exposure", BITS, f"({BITS}).sum()", "not of all together"),
    Wrong("exposure", BITS, "torch.log2(len(references) + 2 - rank)", "not the logarithm of the difference"),
    Wrong(
        "exposure",
        RANK,
        "(1 + (references <= canaries).sum()).expand(len(canaries))",
        "all canaries meet all references",
    ),
    Wrong("membership", MEAN, MEAN.removeprefix("-"), "the sign is turned: members are known better"),
    Wrong("membership", MIXED, "t * x + (1 - t) * noise", "x and the noise have changed places"),
    Wrong("membership", MIXED, "x + t * noise", "it must be multiplied by 1 - t"),
    Wrong("membership", MIXED, "x", "the model has to see x_t, not x"),
    Wrong("membership", TARGET, "x", "a flow's target is noise - x, not x"),
    Wrong("membership", TARGET, "noise", "a flow's target is noise - x, not the noise"),
    Wrong("membership", TARGET, "(x - noise)", "the target's sign is turned"),
    Wrong("membership", ERROR, "off.square().flatten(1).sum(1)", "not their sum"),
    Wrong("membership", ".mean(0)", ".sum(0)", "the mean over the times, not their sum"),
    Wrong("membership", MEAN, "-errors[-1]", "all times count, not only the last"),
    Wrong("membership", MEAN, "-errors[0]", "all times count, not only the first"),
    Wrong("membership", "off.square()", "off.abs()", "not its absolute value"),
    Wrong("membership", ERROR, f"{ERROR}.sqrt()", "no root is taken of the squares"),
    Wrong("membership", MEAN, "-torch.stack(errors).mean(0).sqrt()", "no root is taken of the mean"),
    Wrong("membership", ".mean(0)", ".mean()", "return a score for each picture"),
    Wrong("membership", ".mean(0)", ".mean(1)", "not for each time"),
    Wrong("membership", ".mean(0)", "", "return the mean over the times"),
    Wrong(
        "membership",
        "for t, noise in zip(times, noises):",
        "for t, noise in zip(times, noises[:1].expand_as(noises)):",
        "this takes the first for all",
    ),
    Wrong(
        "membership",
        "for t, noise in zip(times, noises):",
        "for t in times:\n            noise = noises",
        "the same noise for all pictures",
    ),
    Wrong("membership", "with torch.no_grad():", "with torch.enable_grad():", "this is a question, not a lesson"),
    Wrong("footprint", "watts - idle", "watts", "what the machine draws idly does not count"),
    Wrong("footprint", AREA, "torch.trapezoid(watts, seconds) - idle", "idling takes power all the time: subtract"),
    Wrong("footprint", AREA, "torch.trapezoid(watts, seconds) - idle * (len(watts) - 1)", "P_0 in each step"),
    Wrong("footprint", AREA, "((watts[:-1] - idle) * seconds.diff()).sum()", "not the earlier one"),
    Wrong("footprint", AREA, "((watts[1:] - idle) * seconds.diff()).sum()", "not the later one"),
    Wrong("footprint", AREA, f"{STEPS}.mean() * (seconds[-1] - seconds[0])", "each step has its own length"),
    Wrong(
        "footprint", AREA, "(watts - idle).mean() * (seconds[-1] - seconds[0])", "the mean of all times the duration"
    ),
    Wrong("footprint", AREA, "torch.trapezoid(watts - idle)", "the steps are not of one second"),
    Wrong("footprint", AREA, "(watts - idle).sum()", "not the sum of the readings"),
    Wrong("footprint", "(watts - idle, ", "((watts - idle).clamp(min=0), ", "a reading below P_0 is chance"),
    Wrong("footprint", AREA, f"({STEPS}.clamp(min=0) * seconds.diff()).sum()", "a step below P_0 is chance"),
    Wrong("footprint", " * pue", "", "PUE is missing in the grams"),
    Wrong("footprint", " * pue", " / pue", "times PUE, not divided by it"),
    Wrong("footprint", AREA, f"pue * {AREA}", "PUE belongs to the grams, and only once"),
    Wrong("footprint", "return joules,", "return pue * joules,", "the joules are the machine's own"),
    Wrong("footprint", " * pue", " * (pue - 1)", "only what comes on top of the machine is PUE - 1"),
    Wrong("footprint", "3.6e6", "3600", "3.6 million joules, not 3,600"),
    Wrong("footprint", "3.6e6", "1000", "3.6 million joules, not 1,000"),
    Wrong("footprint", " / 3.6e6", "", "the joules are not converted"),
    Wrong("footprint", "* intensity", "* intensity / 1000", "not in kilograms"),
    Wrong("footprint", "return joules,", "return joules / 3.6e6,", "return joules, not kilowatt hours"),
    Wrong("footprint", COST, "return joules / 3.6e6 * pue * intensity, joules", "joules come first, then grams"),
    Wrong("footprint", COST, "return joules / 3.6e6 * pue * intensity", "return both, joules and grams"),
    Wrong("footprint", AREA, "torch.trapezoid(watts.float() - idle, seconds.float())", "float32 holds seven digits"),
]
