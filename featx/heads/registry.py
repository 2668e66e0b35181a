"""Which heads exist."""

import dataclasses
import importlib
import inspect
from collections.abc import Iterable
from typing import Any, Literal

from numpy.typing import NDArray

from featx.errors import HeadError, UnknownHead
from featx.heads.head import Head
from featx.heads.settings import HeadSettings
from featx.system.kinds import plain, shown
from featx.system.names import check_keywords, did_you_mean
from featx.task import Task

HeadTask = Literal["classes", "labels", "numbers"]
"""What heads learn; grades are classes to a head."""


def head_task(task: Task) -> HeadTask:
    """Return what the heads of a task learn."""
    return "classes" if task.kind == "grades" else task.kind


@dataclasses.dataclass(frozen=True)
class HeadSpec:
    """Where a head's class is, what suits it, and what a search tries.

    Parameters
    ----------
    name : str
        What the user types.
    module, class_name : str
        Imported only when the head is made.
    pooling : str
        Used when none is asked for.
    classical : bool
        Whether it learns in one go from scaled rows, without epochs and without Keras.
    poolings : tuple of str
        Those it can take.
    grid : dict of str to tuple
        Values of its settings that a search combines; of equals the first is kept.
    searched : tuple of str
        Poolings that a search tries where none is asked for.
    task : str
        What it learns: ``classes``, ``labels`` or ``numbers``.
    whole_weights : bool
        Whether weights of images must be whole numbers to it.
    """

    name: str
    module: str
    class_name: str
    pooling: str
    classical: bool = True
    poolings: tuple[str, ...] = ("flatten", "avg", "max", "avgmax")
    grid: dict[str, tuple[Any, ...]] = dataclasses.field(default_factory=dict)
    searched: tuple[str, ...] = ("avgmax", "avg", "max", "flatten")
    task: HeadTask = "classes"
    whole_weights: bool = False

    def free_grid(self, given: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
        """Return what a search combines beside settings that are given; the first of each is the default beside those."""
        grid = {name: values for name, values in self.grid.items() if name not in given}
        if "C" in grid and given.get("kernel") == "rbf":
            grid["C"] = (3.0, 0.3, 1.0, 10.0, 30.0)
        if "learning_rate" in grid:
            from featx.heads.epochs.settings import check_optimizer, default_rate  # here, not above: it imports this module

            optimizer, momentum = check_optimizer(given.get("optimizer", "adam"), given.get("momentum", 0.0))
            rate = default_rate(optimizer, momentum)
            grid["learning_rate"] = (rate, 0.3 * rate, 3 * rate)
        return grid

    def settings(self) -> list[str]:
        """Return the names of the head's settings."""
        return list(inspect.signature(self._builder()).parameters)

    def check_settings(self, given: Iterable[str], *, beside: Iterable[str] = ()) -> None:
        """Refuse settings that the head does not have.

        Parameters
        ----------
        given : iterable of str
            Their names.
        beside : iterable of str
            Keywords of the function that received them, which may be meant instead.

        Raises
        ------
        HeadError
            With the settings that it has.
        """
        for name in given:
            # A setting of another head is spelt as it should be.
            misspelt = beside if name not in HeadSettings.__annotations__ else ()
            check_keywords([name], self.settings(), HeadError, f"head {self.name}: has no setting", beside=misspelt)

    def check_pooling(self, pooling: str) -> None:
        """Refuse features that the head does not take.

        Raises
        ------
        HeadError
            With the poolings that it takes.
        """
        if pooling not in self.poolings:
            raise HeadError(
                f"head {self.name}: takes {', '.join(self.poolings)} features only. Received: pooling {shown(pooling)}.",
                wrong_value=True,
            )

    def make(self, **settings: Any) -> Head:
        """Make an unfitted head.

        Raises
        ------
        HeadError
            If it has no such setting.
        """
        self.check_settings(settings)
        head: Head = self._builder()(**{name: plain(value) for name, value in settings.items()})
        return head

    def _builder(self) -> Any:
        return getattr(importlib.import_module(self.module), self.class_name)


_SCALES = ("standard", "l2", "sqrt")
_EPOCH_GRID: dict[str, tuple[Any, ...]] = {"learning_rate": (1e-3,), "dropout": (0.0, 0.5), "hidden": ((), (256,))}

HEADS: dict[str, HeadSpec] = {
    spec.name: spec
    for spec in (
        HeadSpec(
            "dense",
            "featx.heads.epochs.dense",
            "DenseHead",
            "flatten",
            classical=False,
            grid=_EPOCH_GRID,
            searched=("flatten",),
        ),
        HeadSpec(
            "conv",
            "featx.heads.epochs.conv",
            "ConvHead",
            "flatten",
            classical=False,
            poolings=("flatten",),
            grid=_EPOCH_GRID,
            searched=("flatten",),
        ),
        # By three-fold cross-validation inside the sample's training images, average and maximum side by side lost
        # nothing against whole maps (0.80 both ways) with a fraction of the columns.
        HeadSpec(
            "logreg",
            "featx.heads.classical.linear",
            "LogregHead",
            "avgmax",
            grid={"C": (0.01, 0.0001, 0.001, 0.1, 1.0, 10.0), "scale": _SCALES},
        ),
        HeadSpec(
            "svm",
            "featx.heads.classical.linear",
            "SvmHead",
            "avgmax",
            grid={"C": (0.001, 0.00001, 0.0001, 0.01, 0.1, 1.0), "scale": _SCALES},
        ),
        # Its penalty is chosen by leave-one-out inside every fit.
        HeadSpec("ridge", "featx.heads.classical.ridge", "RidgeHead", "avgmax", grid={"scale": _SCALES}),
        HeadSpec(
            "knn",
            "featx.heads.classical.neighbors",
            "KnnHead",
            "avgmax",
            grid={"neighbors": (5, 1, 3, 9, 15), "scale": _SCALES},
            whole_weights=True,
        ),
    )
}


_LABELS = {
    "dense": ("featx.heads.epochs.columns", "DenseLabels"),
    "logreg": ("featx.heads.columns.logistic", "LogregLabels"),
    "svm": ("featx.heads.columns.machines", "SvmLabels"),
    "ridge": ("featx.heads.columns.ridge", "RidgeLabels"),
    "knn": ("featx.heads.columns.neighbors", "KnnLabels"),
}
_NUMBERS = {
    "dense": ("featx.heads.epochs.columns", "DenseNumbers"),
    "svm": ("featx.heads.columns.regression", "SvmNumbers"),
    "ridge": ("featx.heads.columns.ridge", "RidgeNumbers"),
    "knn": ("featx.heads.columns.neighbors", "KnnNumbers"),
}


def _of_task(task: HeadTask, places: dict[str, tuple[str, str]]) -> dict[str, HeadSpec]:
    return {
        name: dataclasses.replace(HEADS[name], module=module, class_name=class_name, task=task)
        for name, (module, class_name) in places.items()
    }


HEADS_OF: dict[HeadTask, dict[str, HeadSpec]] = {
    "classes": HEADS,
    "labels": _of_task("labels", _LABELS),
    "numbers": _of_task("numbers", _NUMBERS),
}
"""The heads of each task, by name."""


def head_spec(name: str, task: HeadTask = "classes") -> HeadSpec:
    """Look a head up.

    Raises
    ------
    UnknownHead
        If there is none of that name, or none for the task.
    """
    specs = HEADS_OF[task]
    if isinstance(name, str) and name in specs:
        return specs[name]
    if isinstance(name, str) and name in HEADS:
        raise UnknownHead(f"head {name}: learns no {task}. Those that do: {', '.join(specs)}.")
    raise UnknownHead(f"head {shown(name)}: unknown. {did_you_mean(str(name), specs)}There are: {', '.join(specs)}.")


def make_head(name: str, task: HeadTask = "classes", **settings: Any) -> Head:
    """Make an unfitted head.

    Raises
    ------
    UnknownHead
        If there is none of that name, or none for the task.
    HeadError
        If it has no such setting.
    """
    return head_spec(name, task).make(**settings)


def rebuild_head(name: str, settings: dict[str, Any], arrays: dict[str, NDArray[Any]], task: HeadTask = "classes") -> Head:
    """Make a fitted head from what ``settings`` and ``arrays`` gave.

    Raises
    ------
    UnknownHead, HeadError
        If the settings or arrays are not that head's.
    """
    return make_head(name, task, **settings).restore(arrays)
