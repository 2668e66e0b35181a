"""The exception tree.

FeatxError
├── ImageListError          the folder or list of images cannot be used
├── ImageRejected           an image gives no features; ``reason`` gives the cause
├── ImageSizeError          an image size the backbone cannot take
├── AugmentError            a description of augmented views that cannot be used
├── DecoderError            no process to decode images can be started
├── RayError                Ray is not installed, cannot be reached, or its workers die
├── RecipeError             a setting outside its range, or a recipe that cannot be read
│   └── RecipeMismatch      a cache or model made with another recipe
├── CacheError              a cache cannot be used
│   ├── CacheNotFound
│   ├── CacheLocked         another process writes it
│   ├── CacheDamaged        what is on disk is not what was written
│   ├── CacheUnsafe         something in it is a link, pipe, socket or device
│   ├── CacheUnreadable     a file cannot be read, and nothing shows that it is damaged
│   └── CacheWriteError     the disk refused a write
├── BackboneError           a backbone cannot be built
│   ├── UnknownBackbone
│   ├── UnknownLayer
│   ├── WeightsError
│   ├── QuantizedNetworkError   an int8 network is missing, damaged or not the recipe's
│   ├── DeviceError         there is no such device
│   └── MemoryExhausted     not even one image fits into memory
├── HeadError               a head cannot be fitted or used
│   ├── UnknownHead
│   ├── SingleClassError
│   └── TooFewImages        a class has too few training images for a head
├── ModelError              a model file cannot be used
│   ├── ModelNotFound
│   ├── ModelDamaged
│   └── ClassMismatch       the model's classes and the images' classes differ
├── TaskError               a verb or head does not do what is to be learned: classes, labels, numbers or grades
├── ExportError             a model cannot be exported to that format, or what was exported gives other numbers
├── ExtraMissing            an optional library is not installed
├── OutputError             a result cannot be written where it was asked for
├── TooManyRejects          more images were rejected than allowed
└── Interrupted             Ctrl-C, after the finished shards were kept
"""

from collections.abc import Mapping, Sequence
from typing import Literal

_LONGEST, _LONGEST_END = 5000, 1000


def _bounded(part: object) -> object:
    """Leave out the middle of a very long message: somebody's value or names are in it, and no reader wants them all."""
    if not isinstance(part, str) or len(part) <= _LONGEST:
        return part
    return f"{part[: _LONGEST - _LONGEST_END]} … {part[-_LONGEST_END:]}"


class FeatxError(Exception):
    """Base of every error that featx raises on purpose; its text is one message for the user.

    Parameters
    ----------
    *args : object
        The message.
    wrong_value : bool or None
        Whether an argument or option has a value that it can never have: wrong usage, which the command line ends with exit
        code 2. By default as the class has it.
    """

    wrong_value: bool = False

    def __init__(self, *args: object, wrong_value: bool | None = None) -> None:
        super().__init__(*map(_bounded, args))
        if wrong_value is not None:
            self.wrong_value = wrong_value


class ImageListError(FeatxError):
    """The folder or list of images cannot be used."""


class ImageRejected(FeatxError):
    """An image gives no features.

    Parameters
    ----------
    reason : str
        Short and stable: it stands in ``rejects.csv`` and is counted in the summary.
    where : str
        Which image, if the message is to say so.
    """

    def __init__(self, reason: str, where: str = "") -> None:
        super().__init__(f"{where}: {reason}" if where else reason)
        self.reason = reason


class ImageSizeError(FeatxError):
    """An image size that the backbone cannot take, or pixels of another size than the recipe's."""

    wrong_value = True


class AugmentError(FeatxError):
    """A description of augmented views that cannot be used, or views that are not there."""

    wrong_value = True


class DecoderError(FeatxError):
    """No process to decode images can be started."""


class RayError(FeatxError):
    """Ray is not installed, cannot be reached, or its workers die."""


class RecipeError(FeatxError):
    """A setting outside its range, or a recipe that cannot be read."""

    wrong_value = True


class RecipeMismatch(RecipeError):
    """A cache or model was made with another recipe than was asked for."""

    wrong_value = False


class CacheError(FeatxError):
    """A cache cannot be used."""


class CacheNotFound(CacheError):
    """There is no cache there."""


class CacheLocked(CacheError):
    """Another process is writing this cache."""


class CacheDamaged(CacheError):
    """What is on disk is not what was written."""


class CacheUnsafe(CacheError):
    """Something inside a cache is a symbolic link, pipe, socket or device: through it featx would reach other files."""


class CacheUnreadable(CacheError):
    """A file cannot be read: no permission, a lock, a failing disk, no memory. Nothing shows that its bytes are wrong."""


class CacheWriteError(CacheError):
    """The disk refused a write: full, read-only or failing."""


class BackboneError(FeatxError):
    """A backbone cannot be built."""


class UnknownBackbone(BackboneError):
    """No backbone has that name."""

    wrong_value = True


class UnknownLayer(BackboneError):
    """The backbone has no layer of that name."""

    wrong_value = True


class WeightsError(BackboneError):
    """The weights file is missing, damaged or of another architecture."""


class QuantizedNetworkError(BackboneError):
    """A quantized network is missing, damaged or not the recipe's."""


class DeviceError(BackboneError):
    """There is no such device to compute on."""

    wrong_value = True


class MemoryExhausted(BackboneError):
    """Memory ran out with a single image in the forward pass."""


class HeadError(FeatxError):
    """A head cannot be fitted or used."""


class UnknownHead(HeadError):
    """No head has that name."""

    wrong_value = True


class SingleClassError(HeadError):
    """The training images are all of one class."""


class TooFewImages(HeadError):
    """A class has too few training images for a head.

    Parameters
    ----------
    head : str
        Its name.
    needs : str
        How many images it needs, and what for.
    counts : mapping of label or name to int
        Number of training images of each class that has too few; a class by its label, as the head knows it.
    noun : str
        ``class``, or ``label`` of heads of labels.
    """

    def __init__(
        self, head: str, needs: str, counts: Mapping[int, int] | Mapping[object, int], noun: Literal["class", "label"] = "class"
    ) -> None:
        received = ", ".join(f"{count} of {noun} {name!r}" for name, count in list(counts.items())[:5])
        several = "classes" if noun == "class" else "labels"
        more = f" and {len(counts) - 5} more {several}" if len(counts) > 5 else ""
        super().__init__(f"{head}: needs {needs}. Received: {received}{more}. Add images, or take another head.")
        self.head, self.needs, self.counts, self.noun = head, needs, dict(counts), noun

    def named(self, class_names: Sequence[object]) -> "TooFewImages":
        """Return the same error with the names of the classes in place of their labels."""
        counts = {class_names[int(str(label))]: n for label, n in self.counts.items()}
        return TooFewImages(self.head, self.needs, counts, self.noun)


class ModelError(FeatxError):
    """A model file cannot be used."""


class ModelNotFound(ModelError):
    """There is no model file there."""


class ModelDamaged(ModelError):
    """The model file is not what was written, or not a model file at all."""


class ClassMismatch(ModelError):
    """The model's classes and the images' classes differ."""


class TaskError(FeatxError):
    """A verb, a head or a model does not do the task of the images: classes, labels, numbers or grades."""


class ExportError(FeatxError):
    """A model cannot be exported to a format, or what was exported gives other numbers."""


class ExtraMissing(FeatxError):
    """An optional library is not installed."""


class OutputError(FeatxError):
    """A result cannot be written where it was asked for."""


class TooManyRejects(FeatxError):
    """More images were rejected than ``--max-rejects`` allows."""


class Interrupted(FeatxError):
    """Stopped by Ctrl-C (130), SIGTERM (143) or SIGHUP (129), after the finished shards were kept."""
