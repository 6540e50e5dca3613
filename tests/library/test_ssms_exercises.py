"""What the library's layers do inside is what the exercises ask for."""

import targets
import torch

from course_lib.ssms import discretise, hippo, linear
from course_lib.ssms.s4d import S4D
from course_lib.ssms.selective import selective_scan


def exercise(name: str):
    return targets.solution("ssms")[name]


def close(ours: torch.Tensor, theirs: torch.Tensor, atol: float = 1e-5) -> None:
    torch.testing.assert_close(theirs, ours, atol=atol, rtol=1e-5)


def test_the_hold_of_the_exercise_is_that_of_matrices():
    a, b = torch.tensor([-1.0, -0.2, 0.0]), torch.tensor([1.0, -2.0, 3.0])
    keep, add = exercise("zoh")(a, b, torch.tensor(0.7))
    A_bar, B_bar = discretise.zoh(torch.diag(a), b, 0.7)
    close(A_bar, torch.diag(keep))
    close(B_bar, add)


def test_the_kernel_of_pairs_is_that_of_a_real_matrix():
    """One eigenvalue -0.1 + 2i and its conjugate are a swing of two real states."""
    A, B, C = torch.tensor([[-0.1, -2.0], [2.0, -0.1]]), torch.tensor([1.0, 0.5]), torch.tensor([0.3, -1.0])
    A_bar, B_bar = discretise.zoh(A, B, 0.3)
    a = torch.tensor([-0.1 + 2j])
    b, c = torch.complex(B[:1], B[1:]), torch.complex(C[:1], -C[1:]) / 2  # h1 + i h2, and Re((c1 - i c2) h)
    keep, add = exercise("zoh")(a, b, torch.tensor(0.3))
    theirs = exercise("kernel")(keep[None], add[None], c[None], 50)
    close(linear.kernel(A_bar, B_bar, C, 50), theirs[0])


def test_the_layer_s4d_is_made_of_the_exercises():
    torch.manual_seed(0)
    layer, x = S4D(3, state=8), torch.randn(2, 20, 3)
    a, dt = torch.complex(-layer.log_damping.exp(), layer.frequency), layer.log_dt.exp()
    steps = [exercise("zoh")(a_w, torch.ones_like(a_w), dt_w) for a_w, dt_w in zip(a, dt)]
    keep, add = (torch.stack(part) for part in zip(*steps))
    K = exercise("kernel")(keep, add, torch.view_as_complex(layer.C), 20)
    close(layer(x), exercise("causal_convolution")(x, K) + layer.D * x)


def test_the_memory_of_the_library_is_nearly_that_of_the_exercises():
    """It holds each sample exactly where the exercise goes by the trapezium; both remember a slow signal."""
    x = (torch.arange(200) / 40).sin()
    A, B = exercise("legs")(12)
    h = x[0] * torch.eye(12)[0]
    for k in range(1, 200):
        A_bar, B_bar = exercise("bilinear")(A, B, float(torch.tensor((k + 1) / k).log()))
        h = A_bar @ h + x[k] * B_bar
    places = (torch.arange(200) + 0.5) / 200
    ours = hippo.reconstruct(hippo.memory(x, 12)[-1], places.double()).float()
    close(ours, exercise("remember")(h, places), atol=0.02)
    close(x, exercise("remember")(h, places), atol=0.05)


def test_the_selective_scan_of_the_library_is_the_step_of_the_exercise_in_a_row():
    torch.manual_seed(0)
    u, dt, A = torch.randn(2, 9, 3), torch.rand(2, 9, 3), -torch.rand(3, 4)
    B, C, state = torch.randn(2, 9, 4), torch.randn(2, 9, 4), torch.randn(2, 3, 4)
    ours, last = selective_scan(u, dt, A, B, C, state)
    for k in range(9):
        y, state = exercise("selective_step")(u[:, k], dt[:, k], A, B[:, k], C[:, k], state)
        close(ours[:, k], y)
    close(last, state)


def test_the_scan_of_the_exercise_is_a_selective_one():
    torch.manual_seed(0)
    u, dt, A = torch.randn(2, 9, 3), torch.rand(2, 9, 3), -torch.rand(3, 1)
    ones = torch.ones(2, 9, 1)
    close(selective_scan(u, dt, A, ones, ones)[0], exercise("scan")(torch.exp(dt * A[:, 0]), dt * u))
