"""The exceptions that nodeflow raises for its users, and nothing else.

Every message says where, what was expected, what was got and what to do. Whatever else escapes is a bug.
"""

from __future__ import annotations


class NodeflowError(Exception):
    """Base of all errors meant for users."""


class NodeError(NodeflowError):
    """Raised by a node's body when its input cannot be used; shown without a traceback."""


class Cancelled(NodeflowError):
    """The run was cancelled; raised inside a node by `Context.check`."""


class DeadlineExceeded(NodeflowError):
    """A node took longer than its deadline."""
