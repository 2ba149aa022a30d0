"""The words all services speak."""
