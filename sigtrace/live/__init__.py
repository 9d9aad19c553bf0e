"""Trace the live kernel: read its records as batches, recordings and rates."""
