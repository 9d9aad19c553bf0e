"""sigtrace on other kernels: `make matrix` boots them under QEMU and runs the wheel and a part of the tests inside.

`cells.py` lists what is run where; `run.py` is the command. A guest is a kernel of Debian's archive (`kernels.py`), a
root file system that has Python and no compiler (`root.py`, `disk.py`), and a second disk with the wheel and the tests
(`payload.py`), of which `inside/` is what runs in the guest (`boot.py`). Each step there says in a line of JSON what
came of it; `results.py` keeps that in docs/kernels.json, and `page.py` writes the tables of docs/kernels.md from it.

No hardware virtualisation is used, so that it works in virtual machines: a guest is some 20 times slower than its host.
"""
