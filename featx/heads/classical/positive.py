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
_OURS = b"L"


class Cholesky:
    """The factor of a matrix, for any number of right-hand sides.

    Parameters
    ----------
    matrix : ndarray of shape (n, n)
        Symmetric and positive definite, in rows or columns that follow each other in memory. It is overwritten.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrix is not positive definite.
    """

    def __init__(self, matrix: Values) -> None:
        self._size = ctypes.c_int(len(matrix))
        self._factor = matrix
        failed = ctypes.c_int(0)
        potrf = _function("dpotrf")
        potrf(_OURS, ctypes.byref(self._size), matrix.ctypes.data, ctypes.byref(self._size), ctypes.byref(failed))
        if failed.value:
            raise np.linalg.LinAlgError(f"the matrix is not positive definite (order {failed.value})")

    def solve(self, wanted: Values) -> Values:
        """Return the solution for right-hand sides of shape (n,) or (n, k)."""
        found = np.array(wanted, np.float64, order="F")
        count = ctypes.c_int(1 if found.ndim == 1 else found.shape[1])
        failed, size = ctypes.c_int(0), ctypes.byref(self._size)
        sides = found.ctypes.data, size, ctypes.byref(failed)
        _function("dpotrs")(_OURS, size, ctypes.byref(count), self._factor.ctypes.data, size, *sides)
        return found


@functools.cache
def _function(name: str) -> Callable[..., None]:
    """Return a function of LAPACK that takes addresses."""
    from scipy.linalg import cython_lapack

    capsule = cython_lapack.__pyx_capi__[name]
    python: Any = ctypes.pythonapi
    python.PyCapsule_GetName.restype, python.PyCapsule_GetName.argtypes = ctypes.c_char_p, [ctypes.py_object]
    python.PyCapsule_GetPointer.restype = ctypes.c_void_p
    python.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    signature = python.PyCapsule_GetName(capsule)
    found = signature.decode().replace("__pyx_t_5scipy_6linalg_13cython_lapack_", "")
    assert found == _SIGNATURES[name], f"scipy: {name} takes {found}"
    n_arguments = found.count("*")
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * n_arguments)(python.PyCapsule_GetPointer(capsule, signature))
