"""What the scaling of pixels is worth: each mode on the sample, by the heads' test accuracy.

``python -m benchmarks.pixels`` takes three minutes on two cores. Many tutorials divide pixels by 255; VGG16 was trained on
blue, green and red with the mean of each subtracted, which Keras calls ``caffe``.
"""

import argparse
import tempfile
from pathlib import Path

import featx


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=96, help="image size [px]")
    options = parser.parse_args()
    heads = ("dense", "logreg", "svm")
    print(f"| `--preprocess` | {' | '.join(heads)} |\n|---|{'---|' * len(heads)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        featx.unpack_sample(root / "sample")
        for mode in ("caffe", "rescale", "tf", "torch", "none"):
            cache = root / mode
            featx.extract_features(root / "sample", cache, image_size=(options.side, options.side), preprocess=mode)
            found = []
            for head in heads:
                featx.fit_head(cache, head, out=root / f"{mode}-{head}.featx")
                found.append(featx.evaluate_model(root / f"{mode}-{head}.featx").accuracy)
            print(f"| `{mode}` | {' | '.join(f'{accuracy:.3f}' for accuracy in found)} |", flush=True)


if __name__ == "__main__":
    main()
