"""Rebuild the digits atlas: `python -m course_lib.data.rebuild.digits`, with scikit-learn installed."""

import numpy as np
from sklearn.datasets import load_digits

from course_lib.data.rebuild.write import save_arrays


def main() -> None:
    source = load_digits()
    save_arrays("digits.npz", levels=source.images.astype(np.uint8), labels=source.target.astype(np.uint8))


if __name__ == "__main__":
    main()
