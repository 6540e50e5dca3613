"""Hidden points of the exercises of 07_ethics: seeded random inputs against references that stand here.

Read in the open repository they give nothing away but what the course itself says: the inputs come from
`GRADE_SEED`, so no value can be written down beforehand. Shapes are such that no wrong broadcast or axis
fails by itself (classes = groups, texts = vocabulary, canaries = references) and, beside them, such that all axes
differ.

Tolerance 1e-5 absolute and relative (the default of `expect`), and 1e-4 or 1e-3 where systems are solved, transforms
and gradients compared or several layers played, as stands there; 0.01 of a power of ten for a very small p. Over 40
seeds the solution, 29 differently written right answers and the library, 7,280 points, never failed and never used
more than 11 % of the tolerance; rounding errors of nine times that size do not occur with so few operations, so the
probability that a right answer fails is taken to be below 1e-6.
"""

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task


def integers(rng: torch.Generator, low: int, high: int, *shape: int) -> Tensor:
    return torch.randint(low, high, shape, generator=rng, device="cpu")


def between(rng: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=rng, device="cpu")


def roots(count: Tensor, total: Tensor, z: float) -> tuple[Tensor, Tensor]:
    """Both p with (count / total - p)^2 = z^2 p (1 - p) / total, by the formula for quadratic equations."""
    n, k = total.double(), count.double()
    a, b, c = n + z * z, -(2 * k + z * z), k * k / n
    root = (b * b - 4 * a * c).clamp(min=0).sqrt()
    return ((-b - root) / (2 * a)).float(), ((-b + root) / (2 * a)).float()


@task("wilson")
@pytest.mark.parametrize("groups", [1, 7], ids=["one", "seven"])
def test_wilson(student, rng, groups):
    """Random counts, some of them 0 or n, under a random z."""
    total, z = integers(rng, 8, 60, groups), float(between(rng, 1.2, 3.2))
    count = (between(rng, 0.1, 0.9, groups) * total).round().long()
    if groups > 2:
        count[0], count[1] = 0, total[1]
    low, high = right = roots(count, total, z)
    p, s = count / total, z * z / total
    plain, middle, half = z * (p * (1 - p) / total).sqrt(), (low + high) / 2, (high - low) / 2
    wrong = {
        "this is the interval of the textbooks": (p - plain, p + plain),
        "this is the interval of the textbooks, cut off": ((p - plain).clamp(min=0), (p + plain).clamp(max=1)),
        "the middle is not the share that was seen": (p - half, p + half),
        "the half width lacks z^2 / (4 n^2)": (middle - plain / (1 + s), middle + plain / (1 + s)),
        "nothing is divided by 1 + z^2 / n yet": (low * (1 + s), high * (1 + s)),
        "the half width is divided by 1 + z^2 / n as well": (middle - half * (1 + s), middle + half * (1 + s)),
        "z is an argument, not always 1.96": roots(count, total, 1.96),
        "the lower end comes first": (high, low),
        "return the two ends": (middle, half),
    }
    expect(student.wilson(count, total, z), right, wrong)


@task("wilson")
def test_wilson_of_many_pictures(student, rng):
    """A million pictures: the interval is narrow, and its ends solve the equation that defines them."""
    total = integers(rng, 900_000, 1_000_000, 5)
    count = (between(rng, 0.2, 0.8, 5) * total).long()
    got = student.wilson(count, total, 2.0)
    require(isinstance(got, tuple) and len(got) == 2, "return both ends")
    expect(got, roots(count, total, 2.0))
    require(bool((got[0] < got[1]).all()), "the lower end comes first")


def errors(rng: torch.Generator, groups: int) -> Tensor:
    """Counts of a reader that is right about three times in four, on groups of different sizes."""
    counts = integers(rng, 5, 40, groups, groups)
    return counts + torch.diag(3 * groups * integers(rng, 20, 60, groups))


@task("true_shares")
@pytest.mark.parametrize("groups", [2, 3, 6])
def test_true_shares(student, rng, groups):
    """Random readers and random mixes: the shares that give what was read."""
    confusion, read = errors(rng, groups), integers(rng, 100, 900, groups)
    errs = (confusion.double().T / confusion.double().sum(1)).T
    seen = read.double() / read.sum()
    right = torch.linalg.inv(errs.T) @ seen
    columns = confusion.double() / confusion.double().sum(0)
    wrong = {
        "nothing is corrected": seen,
        "divide each row by its own sum": torch.linalg.solve(columns.T, seen),
        "this takes what was read for the true group": errs.T @ seen,
        "P is turned over": torch.linalg.solve(errs, seen),
        "this trusts the mix of the known pictures": columns @ seen,
        "the rows of C have different sums": torch.linalg.solve(confusion.T / confusion.double().sum(), seen),
        "this corrects for what was missed only": seen / errs.diag(),
        "these are counts": right * read.sum(),
    }
    got = student.true_shares(read, confusion)
    expect(got, right.float(), {hint: value.float() for hint, value in wrong.items()}, atol=1e-4)


@task("true_shares")
def test_true_shares_below_zero(student, rng):
    """Less was read as the first group than errors alone would give: what is below 0 is not cut off."""
    rare = float(between(rng, -0.08, -0.02))
    miss, false = integers(rng, 10, 30, 2).tolist()
    confusion = torch.tensor([[100 - miss, miss], [10 * false, 1000 - 10 * false]])
    seen = torch.tensor([rare, 1 - rare], dtype=torch.float64) @ (confusion / confusion.double().sum(1, keepdim=True))
    read = (seen * 1_000_000).round().long()
    exact = torch.tensor([rare, 1 - rare])
    wrong = {
        "do not cut off what is below 0": exact.clamp(min=0),
        "do not cut off what is below 0 and above 1": exact.clamp(0, 1),
        "do not take the absolute value": exact.abs(),
        "do not cut off and divide again": exact.clamp(min=0) / exact.clamp(min=0).sum(),
    }
    expect(student.true_shares(read, confusion), exact, wrong, atol=1e-4)


@task("amplification")
@pytest.mark.parametrize(("classes", "groups"), [(4, 4), (6, 2), (2, 5)], ids=["square", "pairs", "wide"])
def test_amplification(student, rng, classes, groups):
    """Random counts, with as many pictures of each class as it happens."""
    data, drawn = integers(rng, 5, 200, classes, groups), integers(rng, 1, 90, classes, groups)
    data[:, 0] += (1 - data.sum(1)) % groups  # by chance no share is 1 / G, which rounding might call more
    if groups == 4:
        data[0] = 2 ** integers(rng, 3, 7, 1) * torch.tensor([1, 2, 1, 0])  # twice it is, and floats hold it exactly
    before, after = (part.double() / part.double().sum(1, keepdim=True) for part in (data, drawn))
    leaning = data * groups > data.sum(1, keepdim=True)
    gain = after - before
    joint = drawn.double() / drawn.sum() - data.double() / data.sum()
    columns = drawn.double() / drawn.double().sum(0) - data.double() / data.double().sum(0)
    first = torch.zeros_like(leaning).scatter(1, data.argmax(1, keepdim=True), True) & leaning
    wrong = {
        "this is 0, as the sum over all pairs is": gain.sum(),
        "which pairs count is decided by the data": gain[after > 1 / groups].sum() / classes,
        "divide by the number of classes, not of pairs": gain[leaning].mean(),
        "divide by the number of classes, not of all pairs": gain[leaning].sum() / leaning.numel(),
        "divide by the number of classes": gain[leaning].sum(),
        "keep the sign": gain[leaning].abs().sum() / classes,
        "compare with the data's share": (after - 1 / groups)[leaning].sum() / classes,
        "the sign is turned": -gain[leaning].sum() / classes,
        "shares are taken within a class": joint[leaning].sum() / classes,
        "shares are taken within a class, not a group": columns[leaning].sum() / classes,
        "all groups count to which a class leans": gain[first].sum() / classes,
        "even is 1 / G": gain[before > 0.5].sum() / classes,
        "a share of exactly 1 / G does not lean": gain[data * groups >= data.sum(1, keepdim=True)].sum() / classes,
    }
    right = gain[leaning].sum() / classes
    wrong = {hint: value.float() for hint, value in wrong.items() if abs(value - right) > 1e-3}
    expect(student.amplification(data, drawn), right.float(), wrong)


@task("amplification")
def test_amplification_of_a_faithful_model(student, rng):
    """A model that copies the data does not amplify, however often it draws a class; an even one goes below 0."""
    data = integers(rng, 5, 200, 5, 3)
    expect(student.amplification(data, data * integers(rng, 1, 9, 5, 1)), torch.tensor(0.0))
    even = student.amplification(data, torch.ones_like(data))
    shares = data.double() / data.double().sum(1, keepdim=True)
    over = (shares - 1 / 3).clamp(min=0).sum() / 5
    expect(even, -over.float(), {"a model may lean less than its data: keep the sign": over.float()})


@task("fair_weights")
@pytest.mark.parametrize(("kinds", "labels"), [(3, 3), (2, 5)], ids=["square", "oblong"])
def test_fair_weights(student, rng, kinds, labels):
    """Random data in which attribute and label go together: weights, and what is left of the correlation."""
    pairs = between(rng, 0.05, 1, kinds, labels).flatten()
    cell = torch.multinomial(pairs, 200, replacement=True, generator=rng)
    cell = torch.cat([cell, torch.arange(kinds * labels)])  # each pair occurs
    a, y = cell // labels, cell % labels
    both = torch.bincount(cell, minlength=kinds * labels).double().view(kinds, labels) / len(cell)
    of_a, of_y = both.sum(1)[a], both.sum(0)[y]
    right = of_a * of_y / both[a, y]
    table = both.sum(1, keepdim=True) * both.sum(0) / both
    wrong = {
        "this makes all pairs alike": 1 / both[a, y],
        "p(y) is missing": of_a / both[a, y],
        "p(a) is missing": of_y / both[a, y],
        "the quotient is turned over": 1 / right,
        "the mean of the weights is 1": right / len(a),
        "these are counts": right * len(a),
        "p(a, y) is missing": of_a * of_y,
        "return a weight for each picture": table,
    }
    if kinds == labels:
        wrong["attribute and label have changed places"] = table[y, a]
    got = student.fair_weights(a, y)
    expect(got, right.float(), {hint: value.float() for hint, value in wrong.items()})
    weighted = torch.zeros(kinds, labels).index_put((a, y), got.float(), accumulate=True) / len(a)
    expect(weighted, (both.sum(1, keepdim=True) * both.sum(0)).float())


@task("fair_weights")
def test_fair_weights_with_gaps(student, rng):
    """Values that nobody has, between others: each weight that is asked for is finite."""
    cell = torch.multinomial(torch.tensor([0.4, 0.1, 0.2, 0.3]), 120, replacement=True, generator=rng)
    cell = torch.cat([cell, torch.arange(4)])
    high, low = cell // 2, cell % 2
    both = torch.bincount(cell, minlength=4).double().view(2, 2)
    right = both.sum(1)[high] * both.sum(0)[low] / both[high, low] / len(cell)
    expect(student.fair_weights(3 * high + 1, 2 * low), right.float())
