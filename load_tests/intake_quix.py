"""Quix Streams beside intake: a tumbling window's count by key, in a process and an environment of its own.

Its arguments: the broker, the topic, how many records, and how many of them to warm up. Its interpreter has quixstreams, whose needs do not go
together with those of the product. Prints {"records": ..., "cpu_s": ...}.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time

WINDOW_MS = 60_000


def main() -> None:
    """Count records of each key by the minute until ``RECORDS`` were read."""
    from quixstreams import Application  # type: ignore[import-not-found]  # noqa: PLC0415 - it is in another environment only

    bootstrap, name, records, warm = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        app = Application(
            broker_address=bootstrap, consumer_group="quix", auto_offset_reset="earliest", state_dir=folder, loglevel="ERROR",
            auto_create_topics=True, processing_guarantee="exactly-once",
        )  # fmt: skip
        seen, began = 0, 0.0

        def count(value: object) -> object:
            nonlocal seen, began
            seen += 1
            if seen == int(warm):
                began = time.process_time()
            if seen == int(records):
                sys.stdout.write(json.dumps({"records": seen - int(warm), "cpu_s": time.process_time() - began}) + "\n")
                sys.stdout.flush()
                os._exit(0)
            return value

        frame = app.dataframe(app.topic(name, value_deserializer="json"))
        frame = frame.apply(count).tumbling_window(WINDOW_MS).count().current()
        app.run(frame)
