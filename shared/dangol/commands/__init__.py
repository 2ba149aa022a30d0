"""What the commands of the command line do, over the product's HTTP API."""
