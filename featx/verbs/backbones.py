"""The verb backbones: which convolutional bases there are."""

from featx.backbones import BACKBONES, BackboneSpec


def list_backbones() -> list[BackboneSpec]:
    """Return the convolutional bases that a user may name, in the order of the table; the tests' stub is none of them."""
    return [spec for spec in BACKBONES.values() if not spec.is_stub]
