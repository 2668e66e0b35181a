"""End to end against the tutorials' way: ``python -m benchmarks.tutorial [--side 96]``; about 15 minutes on two cores.

The tutorials' way: frozen VGG16, Flatten, Dense softmax, and Keras' ``fit`` over the images, which sends each of them through
the network every epoch. featx: the commands extract, fit --head dense and evaluate, one process after the other. The same
images of Fashion-MNIST, 2,000 for training, 500 for validation and 500 for the test; wall time, start-up included.
``--side 224`` takes 1,400, 300 and 300 of them, and some 50 minutes.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.contenders import Contender, race
from benchmarks.made import FASHION, WEIGHTS, fashion, featx_command, precision_options, precisions, quick_counts, why_no_int8
from benchmarks.sections import ROUNDS, Section, Target, run, spread

BATCH = 32
EPOCHS = (5, 10, 30)
SIDE = 96
FEWER = {"train": 1400, "val": 300, "test": 300}
"""Images at a larger size: an epoch is long enough as it is."""


def keras_way(images: str, side: int) -> Callable[[], dict[str, Any]]:
    """Get ready to train as the tutorials do: an epoch at each turn, and with it a look at the test images, timed apart."""
    import keras

    keras.utils.set_random_seed(0)
    scale = keras.applications.vgg16.preprocess_input
    folder = Path(images)

    def dataset(split: str) -> Any:
        options = {"image_size": (side, side), "batch_size": BATCH, "label_mode": "int", "verbose": False}
        found = keras.utils.image_dataset_from_directory(folder / split, shuffle=split == "train", seed=0, **options)
        return found.map(lambda pixels, labels: (scale(pixels), labels)).prefetch(2)

    train, val, test = (dataset(split) for split in ("train", "val", "test"))
    base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(side, side, 3))
    base.load_weights(WEIGHTS)
    base.trainable = False
    n_classes = len(list((folder / "train").iterdir()))
    network = keras.Sequential([base, keras.layers.Flatten(), keras.layers.Dense(n_classes, activation="softmax")])
    network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    done = 0

    def turn() -> dict[str, Any]:
        nonlocal done
        started = time.monotonic()
        history = network.fit(train, validation_data=val, initial_epoch=done, epochs=done + 1, verbose=0).history
        seconds = time.monotonic() - started
        done += 1
        started = time.monotonic()
        accuracy = network.evaluate(test, verbose=0, return_dict=True)["accuracy"]
        testing = time.monotonic() - started
        return {"epoch": seconds, "testing": testing, "val": history["val_accuracy"][-1], "test": float(accuracy)}

    return turn


def featx_way(images: Path, side: int, precision: str) -> dict[str, Any]:
    """Run the three commands into a new folder."""
    options = [f"--{name}={value}" for name, value in precision_options(precision).items()]
    with tempfile.TemporaryDirectory() as folder:
        cache, model = Path(folder) / "cache", Path(folder) / "dense.featx"
        extracting, _ = featx_command("extract", images, "--cache", cache, "--image-size", side, *options)
        fitting, fit = featx_command("fit", cache, "--head", "dense", "--out", model)
        evaluating, found = featx_command("evaluate", model, "--out", Path(folder) / "report")
    return {
        "seconds": extracting + fitting + evaluating,
        "extract": extracting,
        "fit": fitting,
        "evaluate": evaluating,
        "val": fit["val_accuracy"],
        "test": found["accuracy"],
    }


def keras_seconds(start_up: float, epochs: list[float], testing: list[float], count: int) -> tuple[float, bool]:
    """Return seconds of a whole run of ``count`` epochs, and whether they were computed and not measured.

    Parameters
    ----------
    start_up : float
        Until the network was ready [s].
    epochs : list of float
        Each measured epoch [s], the first of which compiles.
    testing : list of float
        Each look at the test images [s], of which a run has one.
    count : int
        Epochs of the run.
    """
    measured = min(count, len(epochs))
    later = statistics.median(epochs[1:] or epochs)
    return start_up + sum(epochs[:measured]) + (count - measured) * later + statistics.median(testing), count > measured


def measure(quick: bool, work: Path, side: int = SIDE, rounds: int = ROUNDS) -> Section:
    """Let an epoch of Keras and a whole run of featx take turns."""
    counts = FASHION if side <= SIDE else FEWER
    if quick:
        side, counts, rounds = 32, quick_counts(), 2
    images = fashion(work / f"fashion-{counts['train']}", counts)
    with Contender("benchmarks.tutorial:keras_way", images=str(images), side=side) as keras:
        turns: dict[str, Callable[[], dict[str, Any]]] = {"keras": keras.go}
        for precision in precisions():
            turns[precision] = lambda precision=precision: featx_way(images, side, precision)
        found = race(turns, rounds)
    theirs = {key: [turn[key] for turn in found["keras"]] for key in ("epoch", "testing", "val", "test")}
    ours = {precision: [turn["seconds"] for turn in found[precision]] for precision in precisions()}
    totals = {count: keras_seconds(keras.ready_seconds, theirs["epoch"], theirs["testing"], count) for count in EPOCHS}
    ratios = {p: {count: totals[count][0] / statistics.median(seconds) for count in EPOCHS} for p, seconds in ours.items()}
    accuracies = {p: statistics.median(turn["test"] for turn in found[p]) for p in ours}
    rows = []
    for precision, seconds in ours.items():
        parts = (
            f"{key} {statistics.median(turn[key] for turn in found[precision]):.0f}" for key in ("extract", "fit", "evaluate")
        )
        against = [f"{ratios[precision][count]:.1f}" for count in EPOCHS]
        rows.append(
            [
                f"featx, {precision} ({', '.join(parts)})",
                f"{spread(seconds, '.0f')} s",
                f"{accuracies[precision]:.3f}",
                *against,
            ]
        )
    for count, (seconds, computed) in totals.items():
        how = ", computed" if computed else ""
        shown = "–" if computed else f"{theirs['test'][count - 1]:.3f}"
        rows.append([f"Keras `fit`, {count} epochs{how}", f"{seconds:.0f} s", shown, *["" for _ in EPOCHS]])
    targets = [
        Target("featx float32 against 5 epochs", 10, ratios["float32"][5]),
        Target("featx int8 against 5 epochs", 12, ratios.get("int8", {}).get(5)),
    ]
    reference = theirs["test"][min(5, rounds) - 1]
    for precision in ("float32", "int8"):
        gain = accuracies[precision] - reference if precision in accuracies else None
        targets.append(Target(f"test accuracy of featx {precision} less that of 5 epochs", 0, gain, unit=""))
    n_test = counts["test"]
    error = (reference * (1 - reference) / n_test) ** 0.5
    ceiling = (5 * (counts["train"] + counts["val"]) + n_test) / sum(counts.values())
    notes = [
        f"{counts['train']:,} training, {counts['val']} validation and {n_test} test images of Fashion-MNIST at {side} px. "
        f"featx: three commands, each with its start-up, median of {rounds} rounds (smallest to largest). Keras: start-up "
        f"{keras.ready_seconds:.0f} s, then an epoch a round ({spread(theirs['epoch'], '.0f')} s) with its validation, and one "
        f'look at the test images ({statistics.median(theirs["testing"]):.0f} s). "Computed": from the epochs measured.',
        f"Five epochs send {ceiling:.2f} images through the network for each one that featx does: that is the most a float32 "
        "extract can gain where the network's own time is all there is.",
        f"An accuracy of {reference:.2f} on {n_test} images has a standard error of {error:.3f}.",
    ]
    if why_no_int8():
        notes.append(f"int8: not measured, {why_no_int8()}.")
    columns = ("", "seconds", "test accuracy", *(f"against {count} epochs" for count in EPOCHS))
    figures = {
        "side": side,
        "counts": counts,
        "rounds": rounds,
        "turns": found,
        "start_up": keras.ready_seconds,
        "ratios": ratios,
    }
    name, title, command = "tutorial", "End to end and the tutorials' way", "python -m benchmarks.tutorial"
    if side > SIDE:
        name, title, command = f"{name}-{side}", f"{title}, {side} px", f"{command} --side {side}"
    return Section(name, title, command, columns, rows, targets, notes, figures)


if __name__ == "__main__":
    run(measure, __doc__, side=SIDE, rounds=ROUNDS)
