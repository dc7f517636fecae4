"""A deterministic simulation of the whole pipeline: the shells' own code over a model of the log, one seed at a time."""
