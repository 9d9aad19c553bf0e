"""Tracing: from the kernel to batches, recordings and rates."""
