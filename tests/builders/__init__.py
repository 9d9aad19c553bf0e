"""Records, recordings and a /proc made by hand, for tests that need no kernel."""
