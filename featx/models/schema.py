"""What stands in a model's ``model.json``: which fields of which types, so that what is read can be relied on.

Fields that are not named here are left alone: a later featx may write more of them. A ``float`` may be not a number: a loss
that went astray is part of a history.
"""

import json
from typing import Annotated, Any, Literal

import msgspec

from featx.heads import HIGHEST, LOWEST, MOST_SCORES
from featx.store import Count, Name, Network

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class HeadFields(msgspec.Struct):
    """The head; its settings are checked by the head itself."""

    name: Name
    settings: dict[str, Any]


class TailFields(msgspec.Struct):
    """First and last fine-tuned layer."""

    start: Name
    end: Name


class Metrics(msgspec.Struct):
    """What was measured while fitting."""

    train_images: Count = 0
    val_images: Count | None = None
    val_accuracy: Share | None = None
    seconds: float = 0.0
    notes: list[str] = []
    val_figures: dict[str, float] = {}

    def __post_init__(self) -> None:
        """Refuse an accuracy without the number of images that it was measured on."""
        if self.val_accuracy is not None and self.val_images is None:
            raise ValueError("val_accuracy has no val_images")


class Source(msgspec.Struct):
    """Paths, as a hint where to look."""

    cache: str = ""
    images: str = ""
    weights_file: str = ""


class Views(msgspec.Struct):
    """How the views of each training image were made."""

    augment: str
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**62)]
    count: Annotated[int, msgspec.Meta(ge=1, le=10**6)]


class Tried(msgspec.Struct):
    """Settings that a search tried, and their figures."""

    pooling: Name
    settings: dict[str, Any]
    accuracy: Share | None
    log_loss: float | None
    seconds: float
    score: float | None = None
    figures: dict[str, float] = {}


class IsotonicFields(msgspec.Struct):
    """The corners of a curve."""

    x: Annotated[list[Share], msgspec.Meta(min_length=1)]
    y: list[Share]

    def __post_init__(self) -> None:
        """Refuse a curve that falls or turns back."""
        if len(self.x) != len(self.y) or sorted(set(self.x)) != self.x or sorted(self.y) != self.y:
            raise ValueError("x must rise, and y as long must not fall")


Scores = Annotated[list[Share], msgspec.Meta(min_length=1, max_length=MOST_SCORES)]


class ConformalFields(msgspec.Struct):
    """The scores that sets of classes are made by."""

    lac: Scores
    aps: Scores
    images: Count
    chose: Literal["", "epoch"]

    def __post_init__(self) -> None:
        """Refuse scores in another order, and other counts of images."""
        for scores in (self.lac, self.aps):
            if sorted(scores) != scores or len(scores) != min(self.images, MOST_SCORES):
                raise ValueError("lac and aps must have a score an image each, ascending")


class PointFields(msgspec.Struct):
    """From which probability on an image is called the positive one of two classes."""

    positive: Annotated[int, msgspec.Meta(ge=0, le=1)]
    threshold: Share
    goal: str
    at_half: dict[str, float]
    at_point: dict[str, float]
    costs: list[list[float]]


class TaskFields(msgspec.Struct):
    """What the model answers."""

    kind: Literal["labels", "numbers", "grades"]
    names: Annotated[list[Name], msgspec.Meta(min_length=1)]


Errors = Annotated[list[Annotated[float, msgspec.Meta(ge=0, le=1e300)]], msgspec.Meta(max_length=MOST_SCORES)]


class IntervalFields(msgspec.Struct):
    """The errors on the validation images, of each target, that intervals are made by."""

    errors: Annotated[list[Errors], msgspec.Meta(min_length=1)]
    images: list[Count]
    chose: Literal["", "epoch"]

    def __post_init__(self) -> None:
        """Refuse errors in another order, and other counts of images."""
        if len(self.errors) != len(self.images):
            raise ValueError("errors and images must have an entry for each target")
        for errors, images in zip(self.errors, self.images, strict=True):
            if sorted(errors) != errors or len(errors) != min(images, MOST_SCORES):
                raise ValueError("errors must have one an image each, ascending")


class FamiliarityFields(msgspec.Struct):
    """Which images its scale of strangeness is of; the numbers are arrays."""

    judged_by: Literal["val", "train"]


class Document(msgspec.Struct, rename={"schema_": "schema"}):
    """The whole of it."""

    schema_: Annotated[int, msgspec.Meta(ge=1)]
    recipe: dict[str, Any]
    fingerprint: Name
    layer: Name
    pooling: Name
    head: HeadFields
    class_names: list[Name]
    history: dict[str, list[float]]
    metrics: Metrics
    network: Network
    source: Source
    versions: dict[str, str]
    members: dict[str, str]
    views: Views | msgspec.UnsetType = msgspec.UNSET
    tuning: list[Tried] = []
    tail: TailFields | msgspec.UnsetType = msgspec.UNSET
    temperature: Annotated[float, msgspec.Meta(ge=LOWEST, le=HIGHEST)] = 1.0
    isotonic: IsotonicFields | msgspec.UnsetType = msgspec.UNSET
    conformal: ConformalFields | msgspec.UnsetType = msgspec.UNSET
    familiarity: FamiliarityFields | msgspec.UnsetType = msgspec.UNSET
    operating_point: PointFields | msgspec.UnsetType = msgspec.UNSET
    task: TaskFields | msgspec.UnsetType = msgspec.UNSET
    label_points: list[PointFields] | msgspec.UnsetType = msgspec.UNSET
    number_intervals: IntervalFields | msgspec.UnsetType = msgspec.UNSET
    grade_answer: Literal["most_probable"] | msgspec.UnsetType = msgspec.UNSET
    sealed: dict[str, str] = {}


def check_document(document: object) -> None:
    """Refuse what no featx has written.

    Raises
    ------
    ValueError
        With the place in the document, what belongs there and what stands there.
    """
    try:
        try:
            msgspec.convert(document, Document)
        except UnicodeEncodeError:  # half a character, as in the name of a file that is no text: msgspec cannot quote it
            msgspec.convert(json.loads(json.dumps(document, ensure_ascii=False).encode(errors="replace")), Document)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at ")
        raise ValueError(f"model.json, {place.strip('`').removeprefix('$.') or 'the whole'}: {problem}") from error
