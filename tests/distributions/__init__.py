"""The wheel, installed by pip alone, in root file systems of distributions: `make distros`.

run.py makes the roots and the table, check.py is what is done in each: the standard library and the command line.
"""
