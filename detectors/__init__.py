"""Detectors: banks of models that score windows, and the registry of them. Importing the package registers the built-in ones."""

from __future__ import annotations

from detectors import counts, levels, river_models, silence
from detectors.base import families, find, known, registered

__all__ = ["counts", "families", "find", "known", "levels", "registered", "river_models", "silence"]
