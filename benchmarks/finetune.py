"""Fine-tuning block 5 from the cache against Keras' ``fit`` over the whole VGG16 with blocks 1 to 4 frozen.

``python -m benchmarks.finetune`` takes about fifteen minutes on two cores. Both start from the same dense head, see the same
images in the same batch size with the same optimizer, and validate after every epoch. Keras' images are decoded and scaled
beforehand and lie in memory: its times are those of the network alone.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import featx
from featx.images import load_batches
from featx.models.file import load_model
from featx.models.model import Model
from featx.store import FeatureCache

RATE, BATCH = 1e-5, 32


def main() -> None:
    """Print a line a seed, and the ratio of the medians of an epoch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=16, help="training images a class")
    parser.add_argument("--side", type=int, default=224, help="image size [px]")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        sample = root / "sample"
        featx.unpack_sample(sample)
        for class_folder in (sample / "train").iterdir():
            for image in sorted(class_folder.iterdir())[round(options.images / 0.85) :]:
                image.unlink()
        size = (options.side, options.side)
        featx.extract_features(sample, root / "cache", image_size=size, layers=("block4_pool", "block5_pool"))
        pixels = {split: read_pixels(root / "cache", split) for split in ("train", "val", "test")}
        print({split: len(images) for split, (images, _) in pixels.items()}, "images")
        ours: list[float] = []
        theirs: list[float] = []
        for seed in range(options.seeds):
            head = root / f"head-{seed}.featx"
            featx.fit_head(root / "cache", "dense", out=head, seed=seed)
            ours += run_featx(root / "cache", head, root / f"tuned-{seed}.featx", options.epochs, seed)
            theirs += run_keras(load_model(head), pixels, size, options.epochs, seed)
        ratio = statistics.median(theirs) / statistics.median(ours)
        print(f"epoch: featx {statistics.median(ours):.1f} s, Keras {statistics.median(theirs):.1f} s, ratio {ratio:.2f}")


def read_pixels(cache: Path, split: str) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Decode the images of a split as featx does."""
    store = FeatureCache.open(cache)
    catalog = store.catalog
    rows = catalog.rows(split)
    paths = [Path(catalog.source) / catalog.paths[row] for row in rows]
    images = np.concatenate([batch.images for batch in load_batches(paths, store.recipe, 32)])
    return images, catalog.labels[rows]


def run_featx(cache: Path, head: Path, out: Path, epochs: int, seed: int) -> list[float]:
    """Fine-tune from the cache; return seconds of each epoch but the first, which compiles."""
    times = [time.monotonic()]
    values: list[dict[str, float]] = []

    def note(epoch: int, of: int, figures: dict[str, float]) -> None:
        times.append(time.monotonic())
        values.append(figures)

    featx.fine_tune(
        cache,
        "block5_conv1",
        model=head,
        out=out,
        epochs=epochs,
        patience=epochs,
        learning_rate=RATE,
        schedule="constant",
        batch_size=BATCH,
        seed=seed,
        monitor="val_accuracy",
        optimizer="adam",
        flip="none",
        dropout=0.0,
        averaging=0.0,
        depth_decay=1.0,
        on_epoch=note,
    )
    seconds = np.diff(times)[1:].tolist()
    accuracies = " ".join(f"{one['val_accuracy']:.3f}" for one in values)
    test = featx.evaluate_model(out).accuracy
    print(
        f"seed {seed} featx  {statistics.median(seconds):6.1f} s an epoch; val accuracy {accuracies}; test {test:.3f}",
        flush=True,
    )
    return seconds


def run_keras(model: Model, pixels: dict[str, Any], size: tuple[int, int], epochs: int, seed: int) -> list[float]:
    """Train the same layers by Keras' own fit over the whole network; return seconds of each epoch but the first."""
    import keras

    keras.utils.set_random_seed(seed)
    base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(*size, 3))
    base.load_weights(Path(featx.__file__).parent / "backbones/weights/vgg16-imagenet-notop.weights.h5")
    for layer in base.layers:
        layer.trainable = layer.name.startswith("block5")
    arrays = model.head.arrays()
    # The head as featx trains it: on rows of mean length 20.
    scaled = {split: (keras.applications.vgg16.preprocess_input(x.astype(np.float32)), y) for split, (x, y) in pixels.items()}
    features = base.predict(scaled["train"][0][:64], verbose=0).reshape(min(64, len(scaled["train"][0])), -1)
    scale = 20 / float(np.linalg.norm(features, axis=1).mean())
    dense = keras.layers.Dense(len(model.class_names))
    network = keras.Sequential([base, keras.layers.Flatten(), keras.layers.Rescaling(scale), dense])
    dense.set_weights([arrays["kernel_0"] / np.float32(scale), arrays["bias_0"]])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(RATE), loss, metrics=["accuracy"])
    times: list[float] = []
    clock = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: times.append(-time.monotonic()),
        on_epoch_end=lambda epoch, logs: times.append(time.monotonic()),
    )
    history = network.fit(
        *scaled["train"], validation_data=scaled["val"], batch_size=BATCH, epochs=epochs, verbose=0, callbacks=[clock]
    ).history
    seconds = [times[place] + times[place + 1] for place in range(2, len(times), 2)]
    accuracies = " ".join(f"{one:.3f}" for one in history["val_accuracy"])
    test = network.evaluate(*scaled["test"], verbose=0, return_dict=True)["accuracy"]
    print(
        f"seed {seed} Keras  {statistics.median(seconds):6.1f} s an epoch; val accuracy {accuracies}; test {test:.3f}",
        flush=True,
    )
    return seconds


if __name__ == "__main__":
    main()
