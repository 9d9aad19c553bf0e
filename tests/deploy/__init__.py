"""What runs the agent: deploy/, tried with the programs that it is for."""
