"""Every test runs on the CPU, in float32, on one thread, under the smoke budget, from one seed.

The environment is set here, before torch is imported, so that the notebooks' kernels inherit it.
Under pytest alone, beartype checks every annotation of course_lib, jaxtyping's shapes and dtypes among them
(its own import hook, because jaxtyping's turns generators into functions, which torch.no_grad then misreads).
"""

import os

os.environ |= {
    "COURSE_DEVICE": "cpu",
    "COURSE_PRECISION": "float32",
    "COURSE_PROFILE": "smoke",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}

import pytest
from beartype import BeartypeConf
from beartype.claw import beartype_package

beartype_package("course_lib", conf=BeartypeConf(is_pep484_tower=True))  # an int will do for a float

collect_ignore = [
    "course_lib/data/rebuild",  # run by hand, with packages that only they need
    "notebooks/src",  # to look for doctests in a notebook's source would be to run it; nbval runs what was built
]


@pytest.fixture(autouse=True)
def _seeded_and_single_threaded():
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
