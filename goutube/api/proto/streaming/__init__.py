"""The packages of the Go server."""
