"""Stops: the signals that request one, their senders, and the attempts that they belong to."""
