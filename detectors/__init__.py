"""Detectors: banks of models that score windows, and the registry of them. Importing the package registers the built-in ones."""

from __future__ import annotations

from detectors import counts, levels, silence
from detectors.base import registered

__all__ = ["counts", "levels", "registered", "silence"]
