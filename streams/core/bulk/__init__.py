"""Bulk: many raw records at once, in columns, with the outcome that one by one would have."""
