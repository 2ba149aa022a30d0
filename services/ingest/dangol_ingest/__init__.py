"""Outside bytes become an event we believe."""
