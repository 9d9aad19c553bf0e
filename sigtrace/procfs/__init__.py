"""Read the current state from /proc: processes, PID namespaces, and what keeps an ended init from going."""
