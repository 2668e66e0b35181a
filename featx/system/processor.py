"""Which processor this is, and whether it multiplies int8 numbers by instructions of their own."""

import platform
from pathlib import Path

_INFO = Path("/proc/cpuinfo")
_INT8_PRODUCTS = {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"}
_WORTH_NAMING = {"avx2", "avx512f", "asimd", "sve", "amx_bf16", "avx512_bf16", *_INT8_PRODUCTS}


def processor_name() -> str:
    """Return what the processor calls itself, or its architecture where the system does not say."""
    names = [line.partition(":")[2].strip() for line in _lines() if line.startswith("model name")]
    return names[0] if names and names[0] else platform.processor() or platform.machine()


def processor_features() -> list[str]:
    """Return those of its instruction sets that matter to networks, sorted; empty where the system does not say."""
    return sorted(_words() & _WORTH_NAMING)


def has_int8_products() -> bool:
    """Return whether there are instructions for int8 products; without them int8 is no faster than float32."""
    return bool(_words() & _INT8_PRODUCTS)


def _words() -> set[str]:
    return {word for line in _lines() if line.startswith(("flags", "Features")) for word in line.split()}


def _lines() -> list[str]:
    try:
        return _INFO.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
