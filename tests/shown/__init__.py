"""Every block of code and output in README.md and docs/ is checked: see test_shown.py."""
