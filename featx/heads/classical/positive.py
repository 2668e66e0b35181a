"""Symmetric positive definite systems by LAPACK's Cholesky factor, without Python's lock.

NumPy solves by elimination, which takes twice the time; SciPy's own wrappers keep Python's lock, so that threads would wait for
each other. SciPy hands out the very functions for callers in C, and ctypes calls these.
"""

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

_SIGNATURES = {
    "dpotrf": "void (char *, int *, d *, int *, int *)",
    "dpotrs": "void (char *, int *, int *, d *, int *, d *, int *, int *)",
}


class Cholesky:
    """The factor of a matrix, for any number of right-hand sides.

    Parameters
    ----------
    matrix : ndarray of shape (n, n), float64
        Symmetric and positive definite, in rows or columns that follow each other in memory. It is overwritten.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrix is not positive definite.
    """

    def __init__(self, matrix: Values) -> None:
        self._factor = matrix if matrix.flags.f_contiguous else matrix.T  # it is symmetric
        if _function("dpotrf"):
            failed = _call("dpotrf", len(matrix), self._factor, len(matrix))
        else:
            from scipy.linalg import lapack

            self._factor, failed = lapack.dpotrf(self._factor, lower=1)
        if failed:
            raise np.linalg.LinAlgError(f"the matrix is not positive definite (order {failed})")

    def solve(self, wanted: Values) -> Values:
        """Return the solution for right-hand sides of shape (n,) or (n, k)."""
        found = np.array(wanted, np.float64, order="F")
        if not found.size:
            return found
        if _function("dpotrs"):
            _call("dpotrs", len(found), found.size // len(found), self._factor, len(found), found, len(found))
            return found
        from scipy.linalg import lapack

        solution: Values = lapack.dpotrs(self._factor, found, lower=1)[0]
        return solution


def _call(name: str, *arguments: int | Values) -> int:
    """Call a function of LAPACK on the lower triangle, and return what its last argument says: 0 if all is well."""
    function, failed = _function(name), ctypes.c_int(0)
    assert function is not None, "asked before"
    numbers = [ctypes.c_int(one) if isinstance(one, int) else one for one in arguments]
    places = [ctypes.byref(one) if isinstance(one, ctypes.c_int) else one.ctypes.data for one in numbers]
    function(b"L", *places, ctypes.byref(failed))
    return failed.value


@functools.cache
def _function(name: str) -> Callable[..., None] | None:
    """Return a function of LAPACK that takes addresses; None where SciPy's is not as it was when this was written."""
    from scipy.linalg import cython_lapack

    capsule = getattr(cython_lapack, "__pyx_capi__", {}).get(name)
    if capsule is None:
        return None
    python: Any = ctypes.pythonapi
    python.PyCapsule_GetName.restype, python.PyCapsule_GetName.argtypes = ctypes.c_char_p, [ctypes.py_object]
    python.PyCapsule_GetPointer.restype = ctypes.c_void_p
    python.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    signature = python.PyCapsule_GetName(capsule)
    found = signature.decode().replace("__pyx_t_5scipy_6linalg_13cython_lapack_", "")
    if found != _SIGNATURES[name]:
        return None
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * found.count("*"))(python.PyCapsule_GetPointer(capsule, signature))
