"""Events and decisions become reasons and numbers."""
