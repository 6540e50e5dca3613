"""What `check("task")` runs for the exercises of 07_ethics, on numbers that can be worked out by hand.

Each test is one point; its docstring is what the learner reads. `student` is whoever is tested. Tests
pass plain tensors and functions, so that the same file serves a student in another process.
"""

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect

task = pytest.mark.task


def variants(count: Tensor, total: Tensor, z: float) -> tuple[tuple[Tensor, Tensor], dict[str, object]]:
    """Wilson's interval from its middle and half width, and what others take for it."""
    p, s = count / total, z * z / total
    middle, half = (p + s / 2) / (1 + s), z * (p * (1 - p) / total + s / (4 * total)).sqrt() / (1 + s)
    plain = z * (p * (1 - p) / total).sqrt()
    more = total + z * z
    shifted = (count + z * z / 2) / more
    agresti = z * (shifted * (1 - shifted) / more).sqrt()
    wrong = {
        "this is the interval of the textbooks: p itself stands under the root, not its estimate": (
            p - plain,
            p + plain,
        ),
        "this is the interval of the textbooks, cut off at 0 and 1: that does not mend it": (
            (p - plain).clamp(min=0),
            (p + plain).clamp(max=1),
        ),
        "the middle is not the share that was seen: it lies nearer to 1/2": (p - half, p + half),
        "the half width lacks z^2 / (4 n^2) under the root": (
            middle - plain / (1 + s),
            middle + plain / (1 + s),
        ),
        "nothing is divided by 1 + z^2 / n yet": (p + s / 2 - half * (1 + s), p + s / 2 + half * (1 + s)),
        "the half width is divided by 1 + z^2 / n as well": (middle - half * (1 + s), middle + half * (1 + s)),
        "the middle has z^2 / (2 n), not z^2 / n": (
            (p + s) / (1 + s) - half,
            (p + s) / (1 + s) + half,
        ),
        "under the root stands z^2 / (4 n^2), not z^2 / (4 n)": (
            middle - z * (p * (1 - p) / total + s / 4).sqrt() / (1 + s),
            middle + z * (p * (1 - p) / total + s / 4).sqrt() / (1 + s),
        ),
        "n is missing under the root: the more pictures, the narrower": (
            middle - z * (p * (1 - p) + s / 4).sqrt() / (1 + s),
            middle + z * (p * (1 - p) + s / 4).sqrt() / (1 + s),
        ),
        "this is Agresti and Coull's interval, which is a little wider": (shifted - agresti, shifted + agresti),
        "z is missing before the root": (middle - half / z, middle + half / z),
        "the lower end comes first": (middle + half, middle - half),
        "return the two ends, not the middle and the half width": (middle, half),
        "these are counts: divide by n": ((middle - half) * total, (middle + half) * total),
        "return both ends": middle - half,
    }
    return (middle - half, middle + half), wrong


@task("wilson")
def test_wilson_values(student):
    """Of 16, 64, 12 and once more 12 pictures, with z = 2."""
    count, total = torch.tensor([12, 24, 6, 1]), torch.tensor([16, 64, 12, 12])
    right, wrong = variants(count, total, 2.0)
    expect(right, (torch.tensor([0.5, 9 / 34, 0.25, 0.0144452]), torch.tensor([0.9, 0.5, 0.75, 0.3605548])))
    expect(student.wilson(count, total, 2.0), right, wrong)


@task("wilson")
def test_wilson_of_nothing(student):
    """With none of n seen the share may still be z^2 / (n + z^2), and with all of them one less that."""
    count, total = torch.tensor([0, 0, 5, 500]), torch.tensor([5, 500, 5, 500])
    reach = 9 / (total + 9)
    want = torch.where(count == 0, 0.0, 1 - reach), torch.where(count == 0, reach, 1.0)
    sure = count / total
    wrong = {"0 of 5 does not prove that there are none: p itself stands under the root": (sure, sure)}
    expect(student.wilson(count, total, 3.0), want, wrong)


READ, CONFUSION = torch.tensor([40, 60]), torch.tensor([[160, 40], [30, 70]])


@task("true_shares")
def test_true_shares_values(student):
    """A reader that finds 80 % of the first group, and 70 % of the second: 40 of 100 are as many as 20 and 80."""
    seen, errs = READ / 100, CONFUSION / torch.tensor([[200.0], [100]])
    columns, all_ = CONFUSION / CONFUSION.sum(0), CONFUSION / CONFUSION.sum()
    divided = seen / errs.diag()
    wrong = {
        "nothing is corrected: this is the share as read": seen,
        "P is given the true group, and rows are true groups: divide each row by its own sum": (
            torch.linalg.solve(columns.T, seen)
        ),
        "this takes what was read for the true group: s is what is sought, P times it is what was read": errs.T @ seen,
        "this takes what was read for the true group, and P the wrong way round": errs @ seen,
        "P is turned over: r_j sums over the rows i": torch.linalg.solve(errs, seen),
        "this trusts the mix of the known pictures: P(true | read) changes with it, P(read | true) does not": (
            columns @ seen
        ),
        "the rows of C have different sums: divide each by its own, not all by the whole": (
            torch.linalg.solve(all_.T, seen)
        ),
        "the rows of C have different sums: divide each by its own before you solve": _whole(
            torch.linalg.solve(CONFUSION.T.float(), seen)
        ),
        "the rows of C are to be divided by their sums, to be probabilities": (
            torch.linalg.solve(CONFUSION.T.float(), seen)
        ),
        "the rows of C are to be divided by their sums": torch.linalg.solve(CONFUSION.T.float(), READ.float()),
        "this corrects for what was missed, not for what was taken for it: solve for both at once": divided,
        "this corrects for what was missed, not for what was taken for it: solve": _whole(divided),
        "these are counts: divide by their sum": torch.linalg.solve(errs.T, READ.float()),
    }
    expect(student.true_shares(READ, CONFUSION), torch.tensor([0.2, 0.8]), wrong)


def _whole(x: Tensor) -> Tensor:
    return x / x.sum()


@task("true_shares")
def test_true_shares_of_three_groups(student):
    """Three groups, of which the last is always read rightly, and the second often taken for the first."""
    confusion = torch.tensor([[9, 1, 0], [8, 12, 0], [0, 0, 7]])
    read = (torch.tensor([0.5, 0.2, 0.3]) @ (confusion / confusion.sum(1, keepdim=True)) * 1000).round().long()
    expect(student.true_shares(read, confusion), torch.tensor([0.5, 0.2, 0.3]), atol=1e-4)


@task("true_shares")
def test_true_shares_below_zero(student):
    """Fewer were read as the first group than the reader's errors alone would give: the share is a little below 0."""
    wrong = {
        "do not cut off what is below 0": torch.tensor([0.0, 1.04]),
        "do not cut off what is below 0 and above 1": torch.tensor([0.0, 1.0]),
        "do not take the absolute value of what is below 0": torch.tensor([0.04, 1.04]),
    }
    expect(student.true_shares(torch.tensor([28, 72]), CONFUSION), torch.tensor([-0.04, 1.04]), wrong)


DATA, DRAWN = torch.tensor([[70, 30], [50, 450], [50, 50]]), torch.tensor([[17, 3], [16, 24], [40, 10]])


@task("amplification")
def test_amplification_values(student):
    """Three classes: one leans further than the data, one less far, and where the data do not lean nothing counts."""
    before, after = DATA / DATA.sum(1, keepdim=True), DRAWN / DRAWN.sum(1, keepdim=True)
    gain, pooled = after - before, DRAWN.sum(0) / DRAWN.sum() - DATA.sum(0) / DATA.sum()
    leaning, joint, often = before > 0.5, DRAWN / DRAWN.sum() - DATA / DATA.sum(), DATA / DATA.sum() > 0.5
    columns = DRAWN / DRAWN.sum(0) - DATA / DATA.sum(0)
    wrong = {
        "this is 0, as the sum over all pairs is: select those to which the data lean": gain.sum(),
        "which pairs count is decided by the data, not by the model": gain[after > 0.5].sum() / 3,
        "divide by the number of classes, not by that of the pairs": gain[leaning].mean(),
        "divide by the number of classes, not by that of all pairs": gain[leaning].sum() / 6,
        "divide by the number of classes": gain[leaning].sum(),
        "a model may lean less than its data: keep the sign": gain[leaning].abs().sum() / 3,
        "compare with the data's share, not with 1 / G": (after - 0.5)[leaning].sum() / 3,
        "the sign is turned: the model's share less that of the data": -gain[leaning].sum() / 3,
        "shares are taken within a class, not among all pictures": joint[often].sum() / 3,
        "shares are taken within a class, not among all pictures of all classes": joint[leaning].sum() / 3,
        "shares are taken within a class, not within a group": columns[DATA / DATA.sum(0) > 0.5].sum() / 3,
        "this pools all classes, in which opposite leanings cancel": pooled.abs().max(),
        "this is a quotient of shares: take their difference": (after / before)[leaning].sum() / 3,
        "return one number, not one a class": (gain * leaning).sum(1),
    }
    expect(student.amplification(DATA, DRAWN), torch.tensor(-0.05), wrong)


@task("amplification")
def test_amplification_of_four_groups(student):
    """With four groups a share of 0.3 leans and one of 0.25 does not, and a class may lean to two of them."""
    data, drawn = torch.tensor([[8, 16, 8, 0], [50, 30, 10, 10]]), torch.tensor([[20, 18, 1, 1], [60, 35, 4, 1]])
    wrong = {
        "with G groups even is 1 / G, not 1/2, and G is the number of groups": torch.tensor(0.0),
        "all groups count to which a class leans, not only the most frequent one": torch.tensor(0.025),
        "a share of exactly 1 / G does not lean: above, not at least": torch.tensor(0.0625),
    }
    expect(student.amplification(data, drawn), torch.tensor(0.05), wrong)
    expect(student.amplification(data, data * torch.tensor([[3], [7]])), torch.tensor(0.0))


A, Y = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 1, 1]), torch.tensor([0, 0, 0, 0, 1, 1, 0, 1, 1, 1])


def weightings(a: Tensor, y: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The weights, and what others take for them."""
    n = len(a)
    both = torch.stack([((a == a[i]) & (y == y[i])).sum() for i in range(n)]) / n
    of_a, of_y = (torch.stack([(part == part[i]).sum() for i in range(n)]) / n for part in (a, y))
    right = of_a * of_y / both
    wrong = {
        "this makes all pairs alike: p(a) p(y) is missing, so attribute and label would be evenly spread as well": (
            1 / both
        ),
        "p(y) is missing": of_a / both,
        "p(a) is missing": of_y / both,
        "the quotient is turned over: what is rare counts more": both / (of_a * of_y),
        "the mean of the weights is 1, not their sum: the three are shares, each divided by N": right / n,
        "these are counts: divide them by N to have shares, all three": right * n,
        "p(a, y) is missing": of_a * of_y,
        "this evens out the attribute, and the label goes with it as before": 1 / of_a,
        "this evens out the label, and the attribute goes with it as before": 1 / of_y,
        "p(a) is squared: once it is enough": of_a * right,
        "no root is taken": right.sqrt(),
    }
    return right, wrong


@task("fair_weights")
def test_fair_weights_values(student):
    """Ten pictures: four of the first pair count 3/4, two of a rarer one 3/2."""
    right, wrong = weightings(A, Y)
    expect(right, torch.tensor([0.75] * 4 + [1.5] * 2 + [2.0] + [2 / 3] * 3))
    each = torch.tensor([[0.75, 1.5], [2.0, 2 / 3]])
    wrong |= {
        "attribute and label have changed places in the table": each[Y, A],
        "return a weight for each picture, not the table": each,
    }
    expect(student.fair_weights(A, Y), right, wrong)


@task("fair_weights")
def test_fair_weights_of_a_value_that_nobody_has(student):
    """No picture has the attribute 1 or the label 0: no NaN, and no weight is changed by it."""
    a, y = torch.tensor([3, 0, 2, 2, 3, 0, 0, 3, 3, 0]), torch.tensor([2, 1, 1, 2, 2, 1, 1, 2, 1, 2])
    right, wrong = weightings(a, y)
    expect(student.fair_weights(a, y), right, wrong)


@task("fair_weights")
def test_fair_weights_of_independent_ones(student):
    """What is independent already gets the weight 1."""
    a, y = torch.arange(24) // 8, torch.arange(24) % 4
    expect(student.fair_weights(a, y), torch.ones(24))
