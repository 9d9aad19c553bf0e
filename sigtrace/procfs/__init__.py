"""What /proc says now: processes, PID namespaces, and who keeps one that ends."""
