"""The log of a fit: a CSV file with loss and accuracy of each epoch."""

from pathlib import Path

from featx.errors import HeadError
from featx.heads import HeadSpec
from featx.models import Model
from featx.system.cells import TableWriter
from featx.system.durable import make_folder
from featx.system.files import replacing_text, writing_to
from featx.system.outputs import Kind, check_result_file

_LOG = Kind(
    "an earlier log",
    "is not a log of featx",
    [b"epoch,loss,accuracy", b"epoch,loss,val_loss", b"epoch,loss\n", b"epoch,loss\r\n"],
)


def check_log(path: Path, spec: HeadSpec) -> None:
    """Make sure that a log can be written there.

    Raises
    ------
    HeadError
        If the head learns without epochs.
    OutputError
        If the place cannot be written, or holds a file that is no log.
    """
    if spec.classical:
        raise HeadError(
            f"head {spec.name}: learns without epochs, so that there is nothing to log. Leave --log out.", wrong_value=True
        )
    check_result_file(path, _LOG, "--log")


def write_log(model: Model, path: Path) -> None:
    """Write one line for each epoch, in place of an earlier log.

    Raises
    ------
    OutputError
        If it cannot be written, or a file that is no log has come there since.
    """
    check_result_file(path, _LOG, "--log")
    with writing_to(path, "The model is kept."):
        make_folder(path.parent)
        with replacing_text(path) as file:
            writer = TableWriter(file)
            writer.writerow(("epoch", *model.history))
            writer.writerows((number, *values) for number, values in enumerate(zip(*model.history.values(), strict=True), 1))
