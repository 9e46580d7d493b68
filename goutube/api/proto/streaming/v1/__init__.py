"""``streaming.v1``, wire-compatible with the Go server."""
