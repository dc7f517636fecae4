"""One HTTP request to another system: http and https only, no redirect followed, loopback only unless it is allowed to go further."""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import NamedTuple
from urllib.parse import urlsplit

TIMEOUT_S = 10.0
ANSWER_BYTES_MAX = 4096


class Target(NamedTuple):
    """Where to. ``remote``: addresses beyond this machine's own are allowed."""

    url: str
    remote: bool = False


class PostError(Exception):
    """There was no answer; the word says why."""


def check_target(target: Target) -> None:
    """Refuse what can never be posted to.

    Raises:
        ValueError: says what is wrong.
    """
    parts = urlsplit(target.url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("is not a URL of http or https with a host")
    if not re.fullmatch("[!-~]*", parts.path + parts.query):
        raise ValueError("has a path with signs that a URL has not; write them as %XX")
    if parts.username or parts.password or parts.fragment:
        raise ValueError("holds a user, a password or a fragment; secrets have a file of their own")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError("has a port that is none")
    if parts.scheme == "http" and target.remote:
        raise ValueError("goes over the network unencrypted; use https, or leave out 'remote' for this machine")


def post(target: Target, body: bytes, headers: Mapping[str, str], timeout_s: float = TIMEOUT_S) -> int:
    """The status of the answer, whatever it is: a redirect is one, and is not followed.

    Raises:
        PostError: no answer.
    """
    parts = urlsplit(target.url)
    secure = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    address = _address(host, port, remote=target.remote)
    connection: HTTPConnection = HTTPSConnection(host, port, timeout=timeout_s) if secure else HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.sock = _socket(address, port, host if secure else "", timeout_s)
        connection.request("POST", path, body, {**headers, "Connection": "close"})
        answer = connection.getresponse()
        answer.read(ANSWER_BYTES_MAX)
        return answer.status
    except ssl.SSLError:
        raise PostError("tls") from None
    except TimeoutError:
        raise PostError("timeout") from None
    except (OSError, HTTPException):
        raise PostError("no_answer") from None
    finally:
        connection.close()


def _address(host: str, port: int, *, remote: bool) -> str:
    """The address that is connected to is the one that was checked: a name is asked for once."""
    try:
        found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):  # a name that no host can have
        raise PostError("unknown_host") from None
    allowed = [address for address in found if remote or ipaddress.ip_address(address.partition("%")[0]).is_loopback]
    if not allowed:
        raise PostError("not_allowed")
    return allowed[0]


def _socket(address: str, port: int, tls_host: str, timeout_s: float) -> socket.socket:
    plain = socket.create_connection((address, port), timeout_s)
    if not tls_host:
        return plain
    try:
        return ssl.create_default_context().wrap_socket(plain, server_hostname=tls_host)
    except BaseException:
        plain.close()
        raise
