"""What tracing costs, side by side with other tools: `make bench`; what reading costs: `bench.reading`.

`storm.c` is the load and times itself; `tools.py` lists what traces it; `process.py` reads from /proc what a
tool costs; `run.py` takes turns, in shuffled rounds of one run, so that every ratio is between neighbours.
`reading.py` is apart: what the commands that read recordings cost, on one that `synthetic.py` makes; `reads.py` is one
such command that counts how often it reads the table of namespaces.
"""
