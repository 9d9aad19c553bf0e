"""What a stop is: the signals that request one, who sent them, and the attempts they belong to."""
