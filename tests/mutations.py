"""Bytes that were written and then changed: flipped, cut, doubled, filled, spliced."""

from __future__ import annotations

from hypothesis import strategies as st


@st.composite
def mutated(draw: st.DrawFn, data: bytes) -> bytes:
    """One to three changes."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        size = draw(st.integers(1, 40))
        kind = draw(st.sampled_from(("flip", "cut", "end", "double", "fill", "byte")))
        if kind == "flip" and at < len(data):
            data = data[:at] + bytes((data[at] ^ 1 << draw(st.integers(0, 7)),)) + data[at + 1 :]
        elif kind == "cut":
            data = data[:at] + data[at + size :]
        elif kind == "end":
            data = data[:at]
        elif kind == "double":
            data = data[: at + size] + data[at:]
        elif kind == "fill":
            data = data[:at] + draw(st.binary(max_size=40)) + data[at:]
        elif at < len(data):
            data = data[:at] + bytes((draw(st.sampled_from((0x00, 0x7F, 0x80, 0xC0, 0xC1, 0xCB, 0xD3, 0xDF, 0xFF))),)) + data[at + 1 :]
    return data
