"""Inputs made to harm, for every reader of what others have written: `targets.py` lists them.

`test_fuzz.py` tries some in the test suite; `make fuzz` tries as many as one likes, led by what they cover.
"""
