"""An event becomes what this person gets next."""
