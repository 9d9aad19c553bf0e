"""The known causes, one module each. A module defines `CAUSE`; there is no list to add it to."""
