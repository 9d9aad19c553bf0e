"""Small inits, supervisors, and programs that run another one and wait for it."""

from __future__ import annotations

from dataclasses import replace

from tests.programs.program import DROPPED, KILL, NAP, SLEEP, Program, Stop, ends

_DEAF = ("sh", "-c", "trap '' TERM; while :; do sleep 1000; done")
_DEAF_CHILD = replace(
    DROPPED,
    cause="ignored-by-program",
    who="sh",
    because="passes it on, and ends with its child, which ignores it",
)
_SERVICE = """mkdir -p services/nap; cd services/nap
printf '#!/bin/sh\\nexec sleep 1000\\n' >run; chmod +x run"""
_INITTAB = "mount -t tmpfs tmpfs /etc; echo '::respawn:/bin/sleep 1000' >/etc/inittab"
_SUPERVISORD = """printf '[supervisord]\\nuser=root\\nlogfile=/run/log\\npidfile=/run/pid\\n\
[program:nap]\\ncommand=/bin/sleep 1000\\n' >supervisord.conf"""
_NGINX = (
    "printf 'daemon off; pid /run/nginx.pid; events {} http { server { listen 80; } }' >nginx.conf; "
    "mkdir /var/log/nginx /var/lib/nginx"
)
_TERM_143, _INT_130, _QUIT_131 = (replace(ends(f"exit {code}"), scan="told") for code in (143, 130, 131))
_AS_TOLD = replace(ends(), scan="told")
"""What `scan` knows from the program that passes the signal on, and from the process to which it does."""

INITS = (
    Program("tini", ("tini", "--", *SLEEP), {"TERM": _TERM_143, "INT": _INT_130}, NAP),
    Program("tini -g", ("tini", "-g", "--", *SLEEP), {"TERM": _TERM_143}, NAP),
    Program("tini, with a shell", ("tini", "--", "sh", "-c", "sleep 1000; true"), {"TERM": _TERM_143}, NAP),
    Program("tini, with a child that ignores TERM", ("tini", "--", *_DEAF), {"TERM": _DEAF_CHILD}, NAP),
    Program("docker-init", ("docker-init", "--", *SLEEP), {"TERM": _TERM_143}, NAP),
    Program("dumb-init", ("dumb-init", *SLEEP), {"TERM": _TERM_143, "QUIT": _QUIT_131}, NAP),
    Program("dumb-init --single-child", ("dumb-init", "--single-child", *SLEEP), {"TERM": _TERM_143}, NAP),
    Program(
        "dumb-init --rewrite 15:3, with nginx",
        ("dumb-init", "--rewrite", "15:3", "nginx", "-c", "/run/nginx.conf"),
        {"TERM": ends(because="nginx gets QUIT")},
        ("port 80", "child nginx"),
        _NGINX,
    ),
    Program("dumb-init, with a child that ignores TERM", ("dumb-init", *_DEAF), {"TERM": _DEAF_CHILD}, NAP),
    Program("catatonit", ("catatonit", "--", *SLEEP), {"TERM": _TERM_143}, NAP),
    Program(
        "s6-svscan",
        ("s6-svscan", "/run/services"),
        {
            "TERM": _AS_TOLD,
            "INT": _AS_TOLD,
            "HUP": Stop(KILL, "told", "synchronous-consumer", because="only reads its directory again"),
        },
        NAP,
        _SERVICE,
    ),
    Program(
        "runsvdir",
        ("runsvdir", "/run/services"),
        {
            "TERM": replace(_AS_TOLD, because="at once: its services get SIGKILL from the kernel"),
            "HUP": replace(_AS_TOLD, fate="exit 111", because="sends SIGTERM to each runsv first"),
        },
        NAP,
        _SERVICE,
    ),
    Program(
        "busybox init",
        ("busybox", "init"),
        {
            "TERM": ends("HUP", because="by reboot(2), after SIGTERM and SIGKILL to all"),
            "USR1": ends("INT", because="halts in the same way"),
            "USR2": ends("INT", because="powers off in the same way"),
        },
        NAP,
        _INITTAB,
    ),
    Program(
        "supervisord",
        ("supervisord", "-n", "-c", "/run/supervisord.conf"),
        dict.fromkeys(("TERM", "QUIT", "INT"), _AS_TOLD),
        NAP,
        _SUPERVISORD,
    ),
    Program("su -c", ("su", "nobody", "-s", "/bin/sh", "-c", "sleep 1000; true"), {"TERM": _TERM_143}, NAP),
    Program("runuser", ("runuser", "-u", "nobody", "--", *SLEEP), {"TERM": _TERM_143}, NAP),
    Program("timeout", ("timeout", "1000", *SLEEP), {"TERM": _TERM_143}, NAP),
    Program("env", ("env", "-i", "/bin/sleep", "1000"), {"TERM": replace(DROPPED, because="sleep is PID 1")}),
    Program("flock", ("flock", "/run/lock", *SLEEP), {"TERM": DROPPED}, NAP),
    Program("xargs", ("xargs", "--arg-file=/run/times", "sleep"), {"TERM": DROPPED}, NAP, "echo 1000 >times"),
    Program(
        "make",
        ("make", "-f", "/run/Makefile"),
        {"TERM": ends("exit 2")},
        NAP,
        "printf 'all:\\n\\tsleep 1000\\n' >Makefile",
    ),
)
