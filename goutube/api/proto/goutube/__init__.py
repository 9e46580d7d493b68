"""Goutube's own packages."""
