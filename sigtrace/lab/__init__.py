"""Real processes in real PID namespaces, driven from this process, and the classic signal experiments with them."""
