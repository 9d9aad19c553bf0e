"""What the Tab key offers, without click: a shell waits for each answer, and importing the command line is half of it.

`shells.py` speaks with the shells, `line.py` finds out what is asked for by the `table.py` of all commands and options,
`offers.py` lists what there is at this moment. `sigtrace completion SHELL` prints the script that asks.
"""
