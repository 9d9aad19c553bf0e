"""Interpreters, without a handler of the program's own and with one; and tools that keep a container alive."""

from __future__ import annotations

from dataclasses import replace

from tests.programs.program import DROPPED, KILL, SLEEP, SLOW, Program, Stop, ends

_UP = ("log up",)
_NODE = "require('http').createServer((q, r) => r.end()).listen(80)"
_ASYNCIO = """import asyncio, signal
async def main():
    event = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, event.set)
    print('up', flush=True)
    await event.wait()
asyncio.run(main())"""
_JAVA = """cat >Up.java <<'END'
public class Up {
  public static void main(String[] a) throws Exception { System.out.println("up"); Thread.sleep(1000000); }
}
END"""
_RAISES = Stop(KILL, "if", "raised-again", because="its own handler raises it again")

LANGUAGES = (
    Program("sleep", SLEEP, dict.fromkeys(("TERM", "INT", "QUIT", "HUP"), DROPPED)),
    Program("tail -f", ("tail", "-f", "/dev/null"), {"TERM": DROPPED}),
    Program("cat", ("cat",), {"TERM": DROPPED}, stdin=True),
    Program("node", ("node", "-e", _NODE), {"TERM": _RAISES, "INT": _RAISES}, ("port 80",)),
    Program(
        "node, with process.on('SIGTERM')",
        ("node", "-e", f"process.on('SIGTERM', () => process.exit(0)); {_NODE}"),
        {"TERM": ends()},
        ("port 80",),
    ),
    Program(
        "python -m http.server",
        ("/usr/bin/python3", "-m", "http.server"),
        {"TERM": DROPPED, "INT": ends(because="KeyboardInterrupt")},
        ("port 8000",),
    ),
    Program(
        "python, with signal.signal",
        (
            "/usr/bin/python3",
            "-c",
            "import signal, sys; signal.signal(15, lambda *_: sys.exit()); print('up', flush=True); signal.pause()",
        ),
        {"TERM": ends()},
        _UP,
    ),
    Program(
        "python, with asyncio's add_signal_handler",
        ("/usr/bin/python3", "-c", _ASYNCIO),
        {"TERM": ends()},
        _UP,
    ),
    Program(
        "ruby",
        ("ruby", "-e", "puts 'up'; $stdout.flush; sleep"),
        dict.fromkeys(("TERM", "INT", "HUP", "QUIT"), ends("exit 1")),
        _UP,
    ),
    Program("perl", ("perl", "-e", "$| = 1; print 'up'; sleep"), {"TERM": DROPPED}, _UP),
    Program(
        "perl, with $SIG{TERM}",
        ("perl", "-e", "$SIG{TERM} = sub { exit }; $| = 1; print 'up'; sleep 1000"),
        {"TERM": ends()},
        _UP,
    ),
    Program("php -S", ("php", "-S", "0.0.0.0:80"), {"TERM": DROPPED, "INT": ends()}, ("port 80",)),
    Program(
        "java",
        ("java", "-Xmx32m", "-XX:TieredStopAtLevel=1", "/run/Up.java"),
        {
            "TERM": ends("exit 143", "runs shutdown hooks"),
            "INT": ends("exit 130"),
            "QUIT": replace(SLOW, because="prints a thread dump"),
        },
        _UP,
        _JAVA,
        optional=True,
    ),
)
