"""What ClickHouse's error codes mean for a batch: whether the same one may be taken later."""

from __future__ import annotations

from sinks.base import SinkError

# Mistakes in a statement, a table or a right: the same batch would fail again. Everything else (memory, disk, too many parts) may pass.
_STATEMENT = {
    16: "NO_SUCH_COLUMN_IN_TABLE",
    20: "NUMBER_OF_COLUMNS_DOESNT_MATCH",
    36: "BAD_ARGUMENTS",
    44: "ILLEGAL_COLUMN",
    46: "UNKNOWN_FUNCTION",
    47: "UNKNOWN_IDENTIFIER",
    50: "UNKNOWN_TYPE",
    53: "TYPE_MISMATCH",
    60: "UNKNOWN_TABLE",
    62: "SYNTAX_ERROR",
    70: "CANNOT_CONVERT_TYPE",
    81: "UNKNOWN_DATABASE",
    115: "UNKNOWN_SETTING",
    164: "READONLY",
}
_RIGHTS = {
    192: "UNKNOWN_USER",
    193: "WRONG_PASSWORD",
    194: "REQUIRED_PASSWORD",
    195: "IP_ADDRESS_NOT_ALLOWED",
    291: "DATABASE_ACCESS_DENIED",
    452: "SETTING_CONSTRAINT_VIOLATION",
    497: "ACCESS_DENIED",
    516: "AUTHENTICATION_FAILED",
}


def refusal(where: str, code: int, reason: str = "") -> SinkError:
    """The error of a statement that was not taken; ``reason``: the code's name, where the engine told it.

    >>> refusal("chDB did not take tocsin.cells", 243, "NOT_ENOUGH_SPACE").retryable
    True
    >>> str(refusal("127.0.0.1:9000 did not take the schema", 497))
    '127.0.0.1:9000 did not take the schema: code 497 ACCESS_DENIED; correct the user, the password or what the user may do'
    """
    name = reason or _STATEMENT.get(code) or _RIGHTS.get(code, "")
    remedy = "; correct the user, the password or what the user may do" if code in _RIGHTS else ""
    return SinkError(f"{where}: code {code} {name}".rstrip() + remedy, retryable=code not in _STATEMENT and code not in _RIGHTS)
