"""The codec of journal records: one version byte, then msgpack. A reader knows every version ever written."""

from __future__ import annotations

import msgspec

from streams.columns import Cells, pack, unpack
from streams.model import Alert, Closed, Command, Counts, Finding, Outcome, Scores, Tick, Transition

__all__ = ["Cells", "CodecError", "Record", "decode", "encode", "pack", "unpack"]

Record = Counts | Finding | Closed | Command | Tick | Transition | Scores | Alert | Outcome
VERSION = 1

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)


class CodecError(ValueError):
    """Bytes that are not a journal record of a known version."""


def encode(record: Record) -> bytes:
    """The bytes of a record; equal records give equal bytes.

    >>> from streams.model import Tick
    >>> decode(encode(Tick(time_s=1)))
    Tick(time_s=1)
    """
    return bytes((VERSION,)) + _encoder.encode(record)


def decode(data: bytes) -> Record:
    """The record of these bytes.

    Raises:
        CodecError: empty, of a version this code does not know, or damaged.
    """
    if not data:
        raise CodecError("journal record is empty")
    if data[0] != VERSION:
        raise CodecError(
            f"journal record has version {data[0]}; this release reads version {VERSION}: run the release that wrote it, or newer"
        )
    try:
        record: Record = _decoder.decode(memoryview(data)[1:])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CodecError(f"journal record is damaged: {error}") from None
    if isinstance(record, Counts):
        try:
            unpack(record)
        except ValueError as error:
            raise CodecError(f"journal record is damaged: {error}") from None
    return record
