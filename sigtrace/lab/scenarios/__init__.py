"""Simulated containers of real processes, and the incidents that the notebooks start with."""
