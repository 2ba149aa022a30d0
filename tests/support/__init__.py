"""What tests share: real servers, builders with defaults, a clock you wind."""
