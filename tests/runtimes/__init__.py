"""Real container runtimes, each in mount and network namespaces of its own: one driver a runtime, the claims once."""
