"""Webhooks: transitions posted to other systems, signed, each at least once; what waits is kept in a file over restarts."""
