"""A stage of real processes in real PID namespaces, and the classic signal experiments played on it."""
