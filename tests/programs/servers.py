"""Servers, in the foreground as containers run them."""

from __future__ import annotations

from dataclasses import replace

from tests.programs.program import DROPPED, SLOW, Program, Stop, ends

_HTTP = ("port 80",)
_DNS = ("port 53",)


def _file(name: str, text: str) -> str:
    return f"cat >{name} <<'END'\n{text}\nEND\n"


_NGINX = (
    _file(
        "nginx.conf",
        "daemon off; pid /run/nginx.pid; events {} http { access_log off; server { listen 80; } }",
    )
    + "mkdir /var/log/nginx /var/lib/nginx"
)
_HAPROXY = _file(
    "haproxy.cfg",
    "defaults\n mode http\n timeout client 5s\n timeout server 5s\n timeout connect 5s\nfrontend f\n bind :80",
)
_POSTGRES = """ln -s /usr/lib/postgresql/*/bin bin
install -d -o postgres data sockets
setpriv --reuid=postgres --regid=postgres --clear-groups bin/initdb -D data -N --no-instructions >/dev/null
"""
_POSTGRES_CLIENT = """(until psql -h /run/sockets -U postgres -c 'select pg_sleep(1000)'; do sleep 0.1; done) \
>/dev/null 2>&1 &"""
_AS_POSTGRES = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--")
_RUN_POSTGRES = (
    *_AS_POSTGRES,
    "/run/bin/postgres",
    "-D",
    "data",
    "-k",
    "/run/sockets",
    "-c",
    "log_statement=all",
)
_MARIADB = "mkdir db; mariadbd --bootstrap --user=root --datadir=/run/db --skip-grant-tables </dev/null >/dev/null 2>&1"
_APACHE = _file(
    "apache.conf",
    """Listen 80
ServerName x
PidFile /run/apache.pid
ErrorLog /dev/stderr
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so""",
)
_NO_JOBS = "mount --bind /dev/null /etc/crontab; mount -t tmpfs tmpfs /etc/cron.d"
_SSHD = "mkdir sshd; ssh-keygen -q -t ed25519 -N '' -f key"
_UNBOUND = _file(
    "unbound.conf",
    'server:\n username: ""\n chroot: ""\n directory: /run\n pidfile: /run/pid\n use-syslog: no',
)
_RSYSLOG = _file("rsyslog.conf", 'module(load="imudp")\ninput(type="imudp" port="514")\n*.* /run/log')
_PHP = "ln -s /usr/sbin/php-fpm[0-9]* php-fpm\n" + _file(
    "php.conf",
    "[global]\nerror_log=/dev/stderr\n[www]\nuser=nobody\nlisten=9000\npm=static\npm.max_children=2",
)
_STUNNEL = (
    _file(
        "stunnel.conf",
        "foreground = yes\npid =\n[x]\naccept = 443\nconnect = 127.0.0.1:80\nciphers = PSK\nPSKsecrets = /run/psk",
    )
    + "echo me:01234567890123456789012345678901 >psk; chmod 600 psk"
)
_VSFTPD = (
    _file("vsftpd.conf", "listen=YES\nbackground=NO\nsecure_chroot_dir=/run/empty\nsession_support=NO")
    + "mkdir empty"
)
_REGISTRY = _file(
    "registry.yml",
    "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: /run/registry\nhttp:\n  addr: :5000",
)
_PGBOUNCER = _file(
    "pgbouncer.ini",
    "[databases]\nx=\n[pgbouncer]\nlisten_addr=*\nlisten_port=6432\nauth_type=any\nunix_socket_dir=",
)
_NAMED = (
    _file(
        "named.conf",
        'options { directory "/run"; session-keyfile none; pid-file none; managed-keys-directory "/run"; };',
    )
    + "mkdir named"
)
_POLLS = Stop(
    "exit 0",
    "if|untold",
    because="blocked, except for a moment every 100 ms",
)
_GO_DEFAULT = "Go's own handler ends it with status 2"

SERVERS = (
    Program(
        "nginx",
        ("nginx", "-c", "/run/nginx.conf"),
        {
            "TERM": ends(),
            "INT": ends(),
            "QUIT": ends(because="when its requests are done"),
            "WINCH": replace(SLOW, look=0, because="stops its workers only"),
        },
        _HTTP,
        _NGINX,
    ),
    Program("redis-server", ("redis-server", "--save", ""), {"TERM": ends(), "INT": ends()}, ("port 6379",)),
    Program("memcached", ("memcached", "-u", "nobody"), {"TERM": ends(), "INT": ends()}, ("port 11211",)),
    Program(
        "haproxy",
        ("haproxy", "-f", "/run/haproxy.cfg"),
        {
            "TERM": replace(DROPPED, because="it relies on the default action"),
            "USR1": ends(because="when its connections are done"),
        },
        _HTTP,
        _HAPROXY,
    ),
    Program(
        "haproxy -W",
        ("haproxy", "-W", "-f", "/run/haproxy.cfg"),
        {"TERM": ends(), "USR1": ends(because="when its connections are done")},
        _HTTP,
        _HAPROXY,
    ),
    Program("postgres", _RUN_POSTGRES, {"TERM": ends(), "QUIT": ends()}, ("log ready to accept",), _POSTGRES),
    Program(
        "postgres, with a client",
        _RUN_POSTGRES,
        {
            "TERM": replace(SLOW, because="a smart shutdown waits until the last client has gone"),
            "INT": ends(because="a fast shutdown ends its sessions"),
        },
        ("log pg_sleep",),
        _POSTGRES + _POSTGRES_CLIENT,
    ),
    Program(
        "mariadbd",
        ("mariadbd", "--user=root", "--datadir=/run/db", "--socket=/run/socket", "--skip-grant-tables"),
        {"TERM": ends()},
        ("port 3306",),
        _MARIADB,
    ),
    Program(
        "apache2",
        ("apache2", "-DFOREGROUND", "-f", "/run/apache.conf"),
        {"TERM": ends(), "WINCH": ends(because="when its requests are done")},
        _HTTP,
        _APACHE,
    ),
    Program(
        "lighttpd",
        ("lighttpd", "-D", "-f", "/run/lighttpd.conf"),
        {"TERM": ends(), "INT": ends(because="when its requests are done")},
        _HTTP,
        _file("lighttpd.conf", 'server.document-root="/run"\nserver.port=80'),
    ),
    Program(
        "sshd",
        ("/usr/sbin/sshd", "-D", "-f", "/dev/null", "-h", "/run/key"),
        {"TERM": ends()},
        ("port 22",),
        _SSHD,
    ),
    Program("cron", ("cron", "-f"), {"TERM": DROPPED}, ("file /run/crond.pid",), _NO_JOBS),
    Program("dnsmasq", ("dnsmasq", "-k", "-C", "/dev/null", "-u", "root"), {"TERM": ends()}, _DNS),
    Program("mosquitto", ("mosquitto",), {"TERM": _POLLS, "INT": _POLLS}, ("port 1883",)),
    Program(
        "unbound",
        ("unbound", "-d", "-c", "/run/unbound.conf"),
        {"TERM": ends(), "QUIT": ends()},
        _DNS,
        _UNBOUND,
    ),
    Program("named", ("named", "-g", "-c", "/run/named.conf"), {"TERM": ends(), "INT": ends()}, _DNS, _NAMED),
    Program(
        "rsyslogd",
        ("rsyslogd", "-n", "-f", "/run/rsyslog.conf"),
        {"TERM": ends(), "INT": ends()},
        ("udp 514",),
        _RSYSLOG,
    ),
    Program(
        "php-fpm",
        ("/run/php-fpm", "-F", "-y", "/run/php.conf"),
        {"TERM": ends(), "INT": ends(), "QUIT": ends(because="when its requests are done")},
        ("port 9000",),
        _PHP,
    ),
    Program(
        "gunicorn",
        ("gunicorn", "-b", "127.0.0.1:8000", "app:app"),
        {"TERM": ends(because="when its requests are done"), "QUIT": ends(), "INT": ends()},
        ("log Booting worker",),
        "echo 'app = print' >app.py",
    ),
    Program(
        "uwsgi",
        ("uwsgi", "--socket", "127.0.0.1:8000", "--master"),
        {"TERM": replace(SLOW, because="reloads"), "QUIT": ends(), "INT": ends()},
        ("log spawned uWSGI worker",),
    ),
    Program(
        "uwsgi --die-on-term",
        ("uwsgi", "--socket", "127.0.0.1:8000", "--master", "--die-on-term"),
        {"TERM": ends()},
        ("log spawned uWSGI worker",),
    ),
    Program(
        "varnishd",
        ("varnishd", "-F", "-a", ":80", "-b", "127.0.0.1:81", "-s", "malloc,16m", "-n", "/run/varnish"),
        {"TERM": ends(), "INT": ends()},
        _HTTP,
    ),
    Program(
        "etcd",
        ("etcd", "--data-dir", "/run/etcd"),
        {"TERM": ends(because="as PID 1 by exit(2), elsewhere by the signal")},
        ("log ready to serve",),
    ),
    Program("stunnel", ("stunnel4", "/run/stunnel.conf"), {"TERM": ends()}, ("port 443",), _STUNNEL),
    Program(
        "vsftpd", ("vsftpd", "/run/vsftpd.conf"), {"TERM": DROPPED, "INT": DROPPED}, ("port 21",), _VSFTPD
    ),
    Program(
        "socat",
        ("socat", "TCP-LISTEN:80,fork", "-"),
        {"TERM": ends("exit 143"), "INT": ends("exit 130")},
        _HTTP,
        stdin=True,
    ),
    Program("nc -l", ("nc.openbsd", "-l", "-k", "80"), {"TERM": DROPPED}, _HTTP, stdin=True),
    Program(
        "caddy",
        ("caddy", "run", "--config", "/run/Caddyfile", "--adapter", "caddyfile"),
        {"TERM": ends(), "INT": ends(), "QUIT": ends("exit 2")},
        _HTTP,
        "echo :80 >Caddyfile",
    ),
    Program(
        "prometheus-node-exporter",
        ("prometheus-node-exporter", "--web.listen-address=:9100", "--collector.disable-defaults"),
        {"TERM": ends("exit 2", _GO_DEFAULT), "INT": ends("exit 2")},
        ("port 9100",),
    ),
    Program(
        "docker-registry",
        ("docker-registry", "serve", "/run/registry.yml"),
        {"TERM": ends("exit 2", _GO_DEFAULT)},
        ("port 5000",),
        _REGISTRY,
    ),
    Program(
        "nats-server",
        ("nats-server",),
        {"TERM": ends("exit 1"), "INT": ends(), "USR2": ends(because="when its clients are gone")},
        ("port 4222",),
    ),
    Program(
        "tinyproxy",
        ("tinyproxy", "-d", "-c", "/run/tinyproxy.conf"),
        {"TERM": ends()},
        ("port 8888",),
        _file("tinyproxy.conf", "Port 8888\nTimeout 60\nMaxClients 10"),
    ),
    Program(
        "pgbouncer",
        ("pgbouncer", "-u", "nobody", "/run/pgbouncer.ini"),
        {"TERM": ends("exit 1"), "INT": ends(because="when its clients are done")},
        ("port 6432",),
        _PGBOUNCER,
    ),
    Program(
        "slapd",
        ("slapd", "-d", "0", "-h", "ldap://:389/", "-f", "/run/slapd.conf"),
        {"TERM": ends(), "INT": ends()},
        ("port 389",),
        _file("slapd.conf", "pidfile /run/pid"),
    ),
    Program("busybox httpd", ("busybox", "httpd", "-f", "-p", "80"), {"TERM": DROPPED}, _HTTP),
    Program("busybox crond", ("busybox", "crond", "-f", "-c", "/run"), {"TERM": DROPPED}),
    Program("busybox syslogd", ("busybox", "syslogd", "-n", "-O", "/run/log"), {"TERM": ends("exit 143")}),
)
