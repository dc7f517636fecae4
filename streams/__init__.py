"""Tocsin's pipeline: the nouns, the settings, the pure core and the shells that run it."""
