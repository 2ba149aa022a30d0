"""The tests: one folder a service, and the suites that cross them."""
