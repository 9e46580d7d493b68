"""Goutube: named, append-only byte streams, durable before they are acknowledged."""
