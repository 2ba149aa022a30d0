"""How fast this machine runs the product: each figure beside a reference loop timed in the same run."""
