"""All known programs, and the same as a table for people: docs/programs.md."""

from __future__ import annotations

from tests.programs.inits import INITS
from tests.programs.languages import LANGUAGES
from tests.programs.servers import SERVERS
from tests.programs.shells import SHELLS

PROGRAMS = (*INITS, *SHELLS, *SERVERS, *LANGUAGES)
