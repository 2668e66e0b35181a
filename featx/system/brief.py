"""The repr of a result: one line that names each field, whatever the field holds."""

import dataclasses
from typing import Any

from featx.system.kinds import shown

_LONGEST, _MOST = 120, 10


def brief_repr(self: Any) -> str:
    """Return ``Name(field=value, …)``, where a large value shows its kind and size; for ``__repr__`` of a dataclass.

    Fields that are left out of Python's own repr are left out here, and so are those at an empty default.
    """
    fields = [field for field in dataclasses.fields(self) if field.repr]
    values = {field.name: getattr(self, field.name) for field in fields}
    kept = {name: value for name, value in values.items() if not (value is None or _is_empty(value))}
    return f"{type(self).__name__}({', '.join(f'{name}={_brief(value)}' for name, value in kept.items())})"


def _is_empty(value: object) -> bool:
    return isinstance(value, str | bytes | list | tuple | dict) and not value


def _brief(value: object) -> str:
    if dataclasses.is_dataclass(value):
        return f"<{type(value).__name__}>"
    if isinstance(value, list | tuple | dict) and (len(value) > _MOST or any(map(dataclasses.is_dataclass, value))):
        return f"<{type(value).__name__} of {len(value):,}>"
    text = shown(value)
    return text if len(text) <= _LONGEST and "\n" not in text else f"<{type(value).__name__}>"
