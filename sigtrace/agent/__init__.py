"""The agent of a host: one long-running process that records, serves metrics and says whether it is well.

settings.py   what can be configured: keys, defaults, meanings; reads TOML and the environment
stops.py      the stops of containers as they happen: which ended and how, which are pending
series.py     the counters of containers: bounded in number, exact in sum
metrics.py    everything that is known, as metrics, at a scrape
forecast.py   what every container would do with its stop signal, asked now and then in a child process
findings.py   what is worth telling somebody: facts -> findings, with cause and advice
webhook.py    tells a URL of them
web.py        the HTTP server
manager.py    what systemd is told: sd_notify(3), with its watchdog
log.py        what the agent says, as text or JSON Lines
run.py        puts all that together
"""
