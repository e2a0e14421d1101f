"""B7N: joins over HTTP with one, two and three nodes behind three servers that flush, all on
this machine: what more nodes bring where they must share its cores, and what they cost."""

import os
import shutil
import subprocess
import threading
from pathlib import Path

from over_http import CONNECTIONS, JOIN, NOW, check
from peers import LISTENING, Jari, free_port
from stage import Missed

SERVERS = 3
PASSWORD = "not-a-secret-beyond-this-run"


class Servers:
    """Three `nats-server` on loopback, with the settings of `deploy/cluster`."""

    def __init__(self, run, home):
        self.run = run
        ports = [(free_port(), free_port()) for _ in range(SERVERS)]
        self.addresses = [f"nats://127.0.0.1:{client}" for client, _ in ports]
        routes = ", ".join(f'"nats://127.0.0.1:{route}"' for _, route in ports)
        self.processes = []
        for number, (client, route) in enumerate(ports, 1):
            config = home / f"nats{number}.conf"
            config.write_text(f"""
                server_name: nats{number}
                listen: "127.0.0.1:{client}"
                max_payload: 1MB
                jetstream {{ store_dir: "{home}/nats{number}", max_file_store: 8GB, sync_interval: always }}
                cluster {{ name: jari, listen: "127.0.0.1:{route}", routes: [{routes}] }}
                accounts {{
                  SYS {{ users: [{{ user: system, password: {PASSWORD} }}] }}
                  JARI {{ jetstream: enabled, users: [{{ user: jari, password: {PASSWORD} }}] }}
                }}
                system_account: SYS""")
            # The servers say on standard error that they are ready; the nodes wait for them.
            command = f'exec "{os.environ["JARI_NATS_SERVER"]}" --config "{config}" 2>&1'
            process, _ = run.start(["sh", "-c", command], "Server is ready", core=None)
            self.processes.append(process)

    def stop(self):
        for process in self.processes:
            self.run.stop(process)


class Node:
    """`jari serve` whose journal is the servers' stream and, flushed as well, its own files."""

    def __init__(self, run, home, number, servers):
        home.mkdir(exist_ok=True)
        (home / "password").write_text(PASSWORD)
        os.chmod(home / "password", 0o600)
        self.config = home / "jari.toml"
        self.config.write_text(
            f'data = "data"\nlisten = "127.0.0.1:0"\nsecure_cookies = false\n'
            f'[journal]\nkind = "jetstream"\nkeep_all = true\n'
            f'[journal.jetstream]\nnode = {number}\nservers = {servers.addresses}\nstream = "jari"\n'
            f'login = {{ user = "jari", password_file = "password" }}\n'
            f'system_login = {{ user = "system", password_file = "password" }}\n'
            f'[limits]\njoins_per_second_per_network = 1000000\n')
        self.run = run

    def fill_stream(self):
        done = subprocess.run([self.run.binary("jari"), "journal", "rebuild", "stream", "--config", self.config],
                              capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise Missed(f"B7N: the stream cannot be filled: {done.stderr.strip()[-600:]}")

    def start(self):
        self.process, found = self.run.start([self.run.binary("jari"), "serve", "--config", self.config], LISTENING,
                                             core=None, env={"RUST_LOG": "warn"})
        self.address = found.group(1)


def growth(run, book):
    """Nodes in turn, rounds in turn; each round has as many people at once, spread over the nodes."""
    home = run.dir / "nodes"
    home.mkdir()
    alone = Jari(run, "nodes/alone", entries_per_minute=60_000, core=None)
    first = home / "1"
    first.mkdir()
    run.call("stage", "--data", first / "data", "--bookings", 100_000, "--people", 1, "--sessions", first / "sessions",
             "--entries-per-minute", 60_000)
    servers = Servers(run, home)
    nodes = [Node(run, home / str(number), number, servers) for number in range(1, SERVERS + 1)]
    nodes[0].fill_stream()
    for node in nodes[1:]:
        data = node.config.parent / "data"
        data.mkdir()
        shutil.copy(first / "data" / "keys", data / "keys")
    for node in nodes:
        node.start()
    scenario = run.scenario("nodes-join", [JOIN])
    rates = {0: [], **{count: [] for count in range(1, SERVERS + 1)}}
    given = 0
    for _ in range(run.rounds):
        for count in rates:
            reports = at_once(run, scenario, [alone.address] if count == 0 else [node.address for node in nodes[:count]])
            rates[count].append(sum(report["requests_per_s"] for report in reports))
            given += 0 if count == 0 else sum(report["good_ever"][0] for report in reports)
    issued = alone.until(NOW, lambda now: now["n"] >= given, nodes[-1].address)["n"]
    if not given <= issued <= given + CONNECTIONS * run.rounds * SERVERS:
        raise Missed(f"B7N: {given} tickets were answered, {issued} are on the books of the last node")
    notes = [f"{CONNECTIONS} people at once in all; servers, nodes and generators share {os.cpu_count()} cores"]
    book.ratio_fact("B7N joins, one node with servers / file journal", rates[1], rates[0], "joins/s", notes)
    for count in range(2, SERVERS + 1):
        book.ratio_fact(f"B7N joins, {count} nodes / one", rates[count], rates[1], "joins/s")
    for node in reversed(nodes):
        run.stop(node.process)
    servers.stop()
    run.stop(alone.process)


def at_once(run, scenario, addresses):
    """One generator for each address, at the same time."""
    reports, faults = [], []

    def load(address):
        try:
            reports.append(check(run.load(address, scenario, CONNECTIONS // len(addresses), core=None), "B7N"))
        except Missed as missed:
            faults.append(missed)

    threads = [threading.Thread(target=load, args=(address,)) for address in addresses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
    return reports
