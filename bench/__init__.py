"""What tracing costs, side by side with other tools: `make bench`.

`storm.c` is the load and times itself; `tools.py` lists what traces it; `process.py` reads from /proc what a
tool costs; `run.py` takes turns, in shuffled rounds of one run, so that every ratio is between neighbours.
"""
