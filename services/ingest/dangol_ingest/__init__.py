"""Ingest: outside bytes become an event we believe."""
