"""Will it stop? Runs a command as PID 1, stops it as a container runtime does, and compares that with the prediction.

`subject.py` says what can be checked: a command (`command.py`), or an image (`image.py`). `trial.py` runs it once, to
its end, and records facts; `examination.py` makes the trials that a check consists of. `problems.py` derives from the
facts what is wrong, by pure functions, and `words.py` says it. What became of the process is observed through its
pidfd and the wait status that its parent collected, never by tracing: that only tells why.
"""
