"""A message is delivered, held, dropped or given up."""
