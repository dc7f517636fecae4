"""Named arrays as plain values that msgpack carries, and back; copies, never views."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Packed = dict[str, list[object]]


def pack(arrays: dict[str, NDArray[np.generic]]) -> Packed:
    """Each array as [dtype, shape, bytes]."""
    return {name: [a.dtype.str, list(a.shape), a.tobytes()] for name, a in arrays.items()}


def unpack(packed: Packed) -> dict[str, NDArray[np.generic]]:
    """The arrays of ``pack``, writable.

    >>> import numpy as np
    >>> unpack(pack({"a": np.arange(3)}))["a"].tolist()
    [0, 1, 2]
    """
    return {
        name: np.frombuffer(data, np.dtype(str(dtype))).reshape(shape).copy()  # type: ignore[call-overload]
        for name, (dtype, shape, data) in packed.items()
    }
