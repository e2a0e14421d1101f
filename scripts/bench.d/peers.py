"""The servers that are measured: ours, an empty one, nginx, PostgreSQL with its web server.
Each peer is set up as someone would who wants it to win."""

import json
import os
import socket
import subprocess
import urllib.request
from pathlib import Path

from stage import Missed, as_user, on_core, SERVER_CORE

LISTENING = r"listening on http://(\S+)"


class Jari:
    """`jari serve` on a stage set by the `stage` tool."""

    def __init__(self, run, name, bookings=100_000, people=0, waiting=0, entries_per_minute=60_000, limits="",
                 core=SERVER_CORE):
        home = run.dir / name
        home.mkdir()
        self.sessions = home / "sessions"
        self.facts = run.call("stage", "--data", home / "data", "--bookings", bookings, "--people", max(people, 1),
                              "--sessions", self.sessions, "--waiting", waiting,
                              "--entries-per-minute", entries_per_minute)
        config = home / "jari.toml"
        config.write_text(f'data = "data"\nlisten = "127.0.0.1:0"\nsecure_cookies = false\n[limits]\n'
                          f'joins_per_second_per_network = 1000000\n{limits}')
        self.process, found = run.start([run.binary("jari"), "serve", "--config", config], LISTENING,
                                        core=core, env={"RUST_LOG": "warn"})
        self.address = found.group(1)

    def read(self, path, address=None):
        with urllib.request.urlopen(f"http://{address or self.address}{path}", timeout=10) as answer:
            return answer.read()

    def get(self, path, address=None):
        return json.loads(self.read(path, address))

    def until(self, path, holds, address=None):
        """Published documents are a fraction of a second old: asks until they have caught up."""
        for _ in range(100):
            found = self.get(path, address)
            if holds(found):
                break
            subprocess.run(["sleep", "0.02"])
        return found


class Empty:
    """The same server with a handler that does nothing."""

    def __init__(self, run):
        self.process, found = run.start([run.binary("empty")], LISTENING)
        self.address = found.group(1)


class Nginx:
    """nginx that serves one file from its cache of open files, on one core."""

    def __init__(self, run, path, content):
        home = run.dir / "nginx"
        file = home / "root" / path.lstrip("/")
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
        port = free_port()
        (home / "nginx.conf").write_text(f"""
            daemon off; worker_processes 1; pid {home}/pid; error_log {home}/error.log crit;
            {"user root;" if os.getuid() == 0 else ""}
            events {{ worker_connections 8192; multi_accept on; }}
            http {{
                access_log off; server_tokens off; sendfile on; tcp_nopush on; tcp_nodelay on; etag off;
                default_type application/json;
                keepalive_timeout 600; keepalive_requests 1000000000;
                open_file_cache max=64 inactive=600s; open_file_cache_valid 600s; open_file_cache_errors on;
                server {{ listen 127.0.0.1:{port} backlog=4096; root {home}/root; }}
            }}""")
        self.process = subprocess.Popen([*on_core(SERVER_CORE), "nginx", "-c", str(home / "nginx.conf"), "-p", str(home)],
                                        stderr=subprocess.DEVNULL)
        run.processes.append(self.process)
        self.address = f"127.0.0.1:{port}"
        wait_for_port(port, self.process)


class Postgres:
    """PostgreSQL in a directory of its own, durable, tuned for this load; its web server is
    the tool `peer_booking`."""

    SETTINGS = {
        "listen_addresses": "", "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on",
        "shared_buffers": "1GB", "max_connections": "200", "wal_level": "minimal", "max_wal_senders": "0",
        "wal_buffers": "16MB", "max_wal_size": "8GB", "checkpoint_timeout": "30min", "jit": "off",
        "random_page_cost": "1.1", "effective_io_concurrency": "100", "wal_compression": "lz4",
        "autovacuum_naptime": "5s", "log_min_messages": "fatal",
    }

    def __init__(self, run, slots):
        self.run, self.slots = run, slots
        binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        if not binaries:
            raise Missed("PostgreSQL is not installed")
        self.version = binaries[-1].parent.name
        self.home = run.dir / "postgres"
        self.home.mkdir()
        self.user = "postgres" if os.getuid() == 0 else None
        if self.user:
            subprocess.run(["chown", self.user, str(self.home)], check=True)
        made = subprocess.run([*as_user(self.user), str(binaries[-1] / "initdb"), "-D", str(self.home / "data"),
                               "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync"],
                              capture_output=True, text=True)
        if made.returncode != 0:
            raise Missed(f"initdb: {made.stderr[-400:]}")
        settings = [part for key, value in self.SETTINGS.items() for part in ("-c", f"{key}={value}")]
        command = [*on_core(SERVER_CORE), *as_user(self.user), str(binaries[-1] / "postgres"),
                   "-D", str(self.home / "data"), "-k", str(self.home), *settings]
        log = open(run.dir / "postgres.log", "wb")
        self.process = subprocess.Popen(command, stdout=log, stderr=log)
        run.processes.append(self.process)
        self.psql_binary = str(binaries[-1] / "psql")
        for _ in range(200):
            if self.psql("SELECT 1", check=False) == "1":
                break
            subprocess.run(["sleep", "0.05"])
        else:
            raise Missed(f"PostgreSQL did not start: {(run.dir / 'postgres.log').read_text()[-400:]}")
        self.web = None

    def psql(self, statement, check=True):
        done = subprocess.run([self.psql_binary, "-h", str(self.home), "-U", "postgres", "-Atc", statement],
                              capture_output=True, text=True)
        if check and done.returncode != 0:
            raise Missed(f"psql: {done.stderr}")
        return done.stdout.strip()

    def serve(self, pool):
        """Starts the web server with so many connections to an empty database."""
        if self.web:
            self.run.stop(self.web)
        self.psql("DROP TABLE IF EXISTS bookings, slots")
        self.web, found = self.run.start([self.run.binary("peer_booking"), "--socket", self.home, "--pool", pool,
                                          "--slots", self.slots], LISTENING)
        self.psql("CHECKPOINT")
        self.address = found.group(1)

    def booked(self):
        return int(self.psql("SELECT sum(booked) FROM slots"))


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for_port(port, process):
    for _ in range(200):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        subprocess.run(["sleep", "0.05"])
    raise Missed(f"nobody listens on port {port}")
