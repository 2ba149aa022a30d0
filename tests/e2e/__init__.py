"""The product as its users run it, with real clients."""
