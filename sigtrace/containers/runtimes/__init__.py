"""Container runtimes, one module each, and their registry."""
