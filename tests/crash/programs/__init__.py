"""Programs that run beside the product: they post, they receive, they check; none knows the product's code."""
