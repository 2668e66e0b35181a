"""Tables as data frames of pandas, for those who have it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from featx.errors import ExtraMissing

if TYPE_CHECKING:
    from pandas import DataFrame as DataFrame


def data_frame(columns: Mapping[str, Any], of: str, index: Sequence[str] | None = None) -> "DataFrame":
    """Return a data frame of columns.

    Parameters
    ----------
    columns : mapping of str to sequence
        Values by the name of their column.
    of : str
        What asks for it, for the message.
    index : sequence of str or None
        Names of the rows; by default their numbers.

    Raises
    ------
    ExtraMissing
        If pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise ExtraMissing(
            f"{of}.to_frame: needs pandas, which is not installed. Install it with: pip install 'featx[tables]'."
        ) from error
    return pandas.DataFrame(dict(columns), index=index)
