"""Journey: an event becomes what this person gets next."""
