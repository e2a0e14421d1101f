"""B4, B8, B9 and B10: what needs no crowd."""

import json
import os
import re
import subprocess

from peers import Jari
from stage import SERVER_CORE, Missed, on_core

MB = 1_000_000


def step_rate(run, book):
    """B4: the bare machine, and instructions a command by callgrind."""
    example = str(run.binaries / "examples" / "step_rate")
    count = 5_000 if run.tiny else 2_000_000

    def rate():
        done = subprocess.run([*on_core(SERVER_CORE), example, "--bookings", str(count), "--warm", str(count)],
                              capture_output=True, text=True, timeout=240)
        found = re.search(r"([\d.]+) bookings/s", done.stdout)
        if not found:
            raise Missed(f"step_rate: {done.stdout}{done.stderr}")
        return float(found.group(1))

    rounds = [rate() for _ in range(run.rounds)]
    commands, instructions = callgrind(run, example)
    book.at_least("B4 bookings through core::step", rounds, 2_000_000, "bookings/s",
                  ["a booking is two commands, each with a remembered id"])
    book.fact("B4 instructions a command", instructions, "instructions",
              [f"callgrind over {commands} commands, the making of the command included"])


def callgrind(run, example):
    """Instructions of one command: the difference of two runs leaves the founding out."""
    sizes = (500, 1_000) if run.tiny else (20_000, 60_000)
    totals = []
    for size in sizes:
        out = run.dir / f"callgrind-{size}.out"
        done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", example, "--bookings",
                               str(size), "--warm", "0"],
                              capture_output=True, text=True, timeout=280)
        found = re.search(r"Collected : (\d+)", done.stderr)
        if not found:
            raise Missed(f"callgrind: {done.stderr[-400:]}")
        totals.append(int(found.group(1)))
    commands = 2 * (sizes[1] - sizes[0])
    return commands, (totals[1] - totals[0]) / commands


def restart(run, book):
    """B8: ten million bookings back from a snapshot, in a fresh process."""
    count = 20_000 if run.tiny else 10_000_000
    home = run.dir / "restart"
    built = run.call("restart", "build", home, "--bookings", count, "--seed", run.seed, timeout=280)
    warm = [run.call("restart", "snapshot", home, core=SERVER_CORE) for _ in range(run.rounds)]
    whole = run.call("restart", "service", home, core=SERVER_CORE)
    if any(one["bookings"] != count for one in [*warm, whole]):
        raise Missed("B8: bookings are missing after the restart")
    last = warm[-1]
    book.at_most("B8 restart from a snapshot", [one["seconds"] for one in warm], 5, "s",
                 [f"{count:,} bookings, {built['snapshot_bytes'] / MB:.0f} MB; reading {last['read_s']:.2f} s, "
                  f"restoring and checking {last['restore_s']:.2f} s; {last['resident_bytes'] / MB:.0f} MB resident"])
    cold = cold_start(run, home)
    book.fact("B8 the same with its journal opened", whole["seconds"], "s",
              [f"{built['journal_bytes'] / MB:.0f} MB of journal; opening it {whole['journal_open_s']:.3f} s"])
    if cold is not None:
        book.fact("B8 the same with nothing in the disk's cache", cold, "s")


def cold_start(run, home):
    """With the system's cache of files emptied, as after a reboot; needs root."""
    try:
        subprocess.run(["sync"], check=True)
        with open("/proc/sys/vm/drop_caches", "w") as drop:
            drop.write("1")
    except OSError:
        return None
    return run.call("restart", "snapshot", home, core=SERVER_CORE)["seconds"]


def cluster(run, book):
    """B7: full batches through three servers that flush, against the file journal, in turn."""
    def rates(size):
        seconds, rounds = (0.3, 1) if run.tiny else (3, run.rounds)
        done = subprocess.run([str(run.binaries / "examples" / "cluster_rate"), str(run.dir / f"cluster-{size}"),
                               "--bytes", str(size), "--seconds", str(seconds), "--rounds", str(rounds)],
                              capture_output=True, text=True, timeout=240)
        if done.returncode != 0:
            raise Missed(f"cluster_rate: {done.stderr.strip()[-600:]}")
        return json.loads(done.stdout)

    full, small = rates(256 << 10), rates(32 << 10)
    servers = full["servers_used"]
    shared = [f"batches of 256 KiB (6,393 commands); all on one disk and {os.cpu_count()} cores: the node uses "
              f"{full['node']['cores']:.2f} cores, the servers {sum(one['cores'] for one in servers):.2f}",
              f"bytes written for a byte of record: node {full['node']['written_per_byte']:.2f}, servers "
              f"{sum(one['written_per_byte'] for one in servers):.2f} together",
              f"p50 {full['stream_latency']['p50_us']} us, p99 {full['stream_latency']['p99_us']} us; the file alone "
              f"{full['file_latency']['p50_us']} and {full['file_latency']['p99_us']} us"]
    book.at_least("B7 commands/s through three servers", full["stream"], 100_000, "commands/s", shared)
    book.ratio("B7 three servers / file journal", full["stream"], full["file"], 0.5, "commands/s")
    book.ratio_fact("B7 the same in batches of 32 KiB", small["stream"], small["file"], "commands/s")


def memory(run, book):
    """B9: ten million who wait; bytes a booking."""
    count = 100_000 if run.tiny else 10_000_000
    use = lambda what: run.call("memory", what, "--count", count, "--seed", run.seed)
    waiting = use("waiting")
    taken = max(waiting["resident_bytes"], waiting["allocated_bytes"]) / MB
    book.at_most("B9 ten million waiting", [taken], 32, "MB",
                 [f"the larger of allocated {waiting['allocated_bytes'] / MB:.1f} MB and resident growth "
                  f"{waiting['resident_bytes'] / MB:.1f} MB"])
    bound = use("waiting-bound")
    book.fact("B9 the same with tickets bound to people", bound["allocated_bytes"] / MB, "MB",
              [f"{bound['allocated_bytes_each']:.1f} bytes each: the person's id and its index"])
    remembered, plain = use("bookings"), use("bookings-plain")
    book.at_most("B9 a booking, remembered ids included", [remembered["allocated_bytes_each"]], 128, "bytes",
                 [f"allocated; without remembered ids {plain['allocated_bytes_each']:.1f}; resident "
                  f"{remembered['resident_bytes_each']:.1f} and {plain['resident_bytes_each']:.1f}"])


def weight(run, book):
    """B10: the waiting page, and a wait of 3 h 36 min."""
    jari = Jari(run, "weight", waiting=155_000, entries_per_minute=718)
    found = run.call("bytes", "--target", jari.address, "--ticket", jari.facts["last_ticket"], "--seed", run.seed)
    run.stop(jari.process)
    each = "; ".join(f"{page['language']} {page['bytes']} bytes (bodies {page['bodies_bytes']})" for page in found["pages"])
    book.at_most("B10 waiting page, all included", [found["page_bytes"]], 14_000, "bytes",
                 [f"headers counted: {each}", f"loads {found['pages'][0]['loads']}"])
    book.at_most("B10 a wait of 3 h 36 min", [found["wait_bytes"]], 20_000, "bytes",
                 [f"page and {found['polls_most']} polls (the most of 1,000 people, median {found['polls_median']}) of "
                  f"{found['document_bytes']} bytes, headers {found['document_head_bytes']} of them; "
                  f"the median person {found['wait_bytes_median']} bytes"])
    book.at_most("B10 requests of that wait", [found["wait_requests"]], 60, "requests")
