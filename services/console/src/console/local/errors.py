"""What can go wrong on a machine, in words for the person in front of it."""

from __future__ import annotations


class LocalError(Exception):
    """Something about this machine or its settings that a person has to change; the message says what and how."""
