"""Containers played by real processes, and the incidents that notebooks begin with."""
