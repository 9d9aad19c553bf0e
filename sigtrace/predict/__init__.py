"""What would become of a signal, before it is sent: for one process (`explain`), and for every init (`scan`)."""
