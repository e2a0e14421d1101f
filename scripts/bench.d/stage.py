"""What every bench stands on: processes that are started and stopped by their own id, each
on its core; the load generator; a directory on disk for the run; how the machine is."""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVER_CORE, LOAD_CORE = 0, 1
# The threads that a profile shows, as shares of them all: others may use the core, too.
SERVERS = "jari,jari-node,jari-snapshot,tokio-rt-worker,empty,peer_booking,postgres,nginx"


class Missed(Exception):
    """A bench could not be measured: its server died, an answer was wrong."""


class Run:
    """One run of the benches: sizes, seed, directory, processes."""

    def __init__(self, tiny, seed, profile):
        self.tiny, self.seed, self.profile = tiny, seed, profile
        self.rounds = 1 if tiny else 3
        self.warm, self.seconds = (0.1, 0.4) if tiny else (1.0, 3.0)
        target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        self.binaries = target / ("debug" if tiny else "release")
        self.out = ROOT / "target" / "bench"
        self.out.mkdir(parents=True, exist_ok=True)
        self.dir = Path(tempfile.mkdtemp(prefix="run-", dir=disk_dir(self.out)))
        os.chmod(self.dir, 0o755)
        self.processes = []
        self.rounds_seen = {}

    def binary(self, name):
        return str(self.binaries / name)

    def start(self, command, ready, user=None, core=SERVER_CORE, env=None):
        """Starts a server on its core; gives what `ready` matched in its output."""
        command = on_core(core) + as_user(user) + [str(part) for part in command]
        log = open(self.dir / f"process-{len(self.processes)}.log", "wb")
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env={**os.environ, **(env or {})})
        self.processes.append(process)
        return process, read_until(process, ready, 60, log.name)

    def stop(self, process, how=signal.SIGTERM):
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.stdout:
            process.stdout.close()
        if process in self.processes:
            self.processes.remove(process)

    def stop_all(self):
        for process in reversed(list(self.processes)):
            self.stop(process)

    def close(self):
        self.stop_all()
        shutil.rmtree(self.dir, ignore_errors=True)

    def call(self, name, *arguments, core=None, timeout=300):
        """Runs one of our tools to its end; gives the JSON that it printed."""
        command = (on_core(core) if core is not None else []) + [self.binary(name), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
        if done.returncode != 0:
            raise Missed(f"{name} {' '.join(map(str, arguments))}: {done.stderr.strip()[-600:]}")
        return json.loads(done.stdout)

    def scenario(self, name, steps, **more):
        path = self.dir / f"{name}.json"
        path.write_text(json.dumps({"steps": steps, **more}))
        return path

    def load(self, address, scenario, connections, warm=None, seconds=None, core=LOAD_CORE, **more):
        """Sends a crowd; gives the generator's report."""
        options = {"target": address, "scenario": scenario, "connections": connections,
                   "warm": self.warm if warm is None else warm,
                   "seconds": self.seconds if seconds is None else seconds, "seed": self.seed, **more}
        arguments = []
        for key, value in options.items():
            if value is True:
                arguments.append(f"--{key.replace('_', '-')}")
            elif value is not None and value is not False:
                arguments += [f"--{key.replace('_', '-')}", str(value)]
        return self.call("load", *arguments, core=core)

    def profiled(self, name, work):
        """Does the work with a profile of the server's core beside it, if one is wanted."""
        if not self.profile:
            return work()
        data = self.dir / f"{name}.perf"
        perf = subprocess.Popen(["perf", "record", "-q", "-g", "-e", "cpu-clock", "-F", "999", "-C",
                                 str(SERVER_CORE), "-o", str(data)], stderr=subprocess.DEVNULL)
        try:
            result = work()
        finally:
            perf.send_signal(signal.SIGINT)
            perf.wait()
        for kind, flags in (("self", ["--no-children"]), ("with-callees", ["--children"])):
            report = subprocess.run(["perf", "report", "--stdio", "-q", "-g", "none", "--percent-limit", "0.4",
                                     "-s", "comm,dso,symbol", "--comms", SERVERS, "--percentage", "relative", *flags,
                                     "-i", str(data)], capture_output=True, text=True)
            lines = [" ".join(line.split()).removesuffix(" - -") for line in report.stdout.splitlines()]
            (self.out / f"profile-{name}-{kind}.txt").write_text("\n".join(lines) + "\n")
        return result


def disk_dir(wanted):
    """A directory on a disk that PostgreSQL's user may enter, too."""
    for place in (wanted, Path("/var/tmp")):
        kind = subprocess.run(["stat", "-f", "-c", "%T", str(place)], capture_output=True, text=True).stdout.strip()
        open_to_all = all(parent.stat().st_mode & 0o001 for parent in [place, *place.parents])
        if kind not in ("tmpfs", "ramfs") and (open_to_all or os.getuid() != 0):
            return place
    raise Missed("no directory on a disk that everyone may enter")


def on_core(core):
    return ["taskset", "-c", str(core)] if core is not None and os.cpu_count() > core else []


def as_user(user):
    if user is None or os.getuid() != 0:
        return []
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"]


def read_until(process, pattern, seconds, log):
    """Reads a server's output until a line matches; goes on emptying it is not needed."""
    until, text = time.monotonic() + seconds, ""
    while time.monotonic() < until:
        ready, _, _ = select.select([process.stdout], [], [], 0.2)
        if ready:
            part = os.read(process.stdout.fileno(), 65536).decode(errors="replace")
            text += part
            found = re.search(pattern, text)
            if found:
                return found
            if not part:
                break
    raise Missed(f"{process.args[-3:]} did not say {pattern!r}: {text[-300:]} {Path(log).read_text()[-600:]}")


def machine():
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return {"cpu": cpu.group(1) if cpu else os.uname().machine, "cores": os.cpu_count(),
            "memory_gib": round(int(memory.group(1)) / 1024**2, 1), "kernel": os.uname().release,
            "load_average_at_start": os.getloadavg()[0]}


def commit():
    git = lambda *words: subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    dirty = git("status", "--porcelain", "--", "crates", "Cargo.toml", "Cargo.lock")
    return git("rev-parse", "--short=12", "HEAD") + (" with changes" if dirty else "")
