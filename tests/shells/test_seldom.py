from __future__ import annotations

import logging

from streams.shells.seldom import LINES_MAX, REPEAT_S, Seldom

AWAY = "FAIL [tocsin#consumer-%d]: 127.0.0.1:9092/bootstrap: Connect failed: Connection refused (after %dms in state CONNECT)"


def line(words: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("librdkafka", logging.ERROR, "", 0, words, arguments, None)


def test_the_same_words_are_said_once_a_minute_whatever_their_numbers():
    now_s = 0.0
    seldom = Seldom(lambda: now_s)
    assert [seldom.filter(line(AWAY, number, number * 7)) for number in range(5)] == [True, False, False, False, False]
    assert seldom.filter(line("FAIL [tocsin#consumer-1]: SSL handshake failed: certificate verify failed"))
    now_s = REPEAT_S - 1
    assert not seldom.filter(line(AWAY, 1, 0))
    now_s = REPEAT_S
    assert seldom.filter(line(AWAY, 1, 0))


def test_what_it_remembers_is_bounded():
    seldom = Seldom(lambda: 0.0)
    assert all(seldom.filter(line("x" * number)) for number in range(2 * LINES_MAX))
    assert len(seldom._said_s) == LINES_MAX
    assert seldom.filter(line("")), "what was said longest ago was forgotten"
