"""B6 and B6S: ten times as many people as the service can carry, and far more connections.

People come by themselves, each over a connection of their own, join the line and leave
when they are not served within 0.6 s. Latencies count from the instant at which a
person meant to come.

One core cannot offer ten times what another can carry, so the server gets a small share of
its core: a control group's quota in slices of 20 ms, the same at the peak and beyond it.
What does not shrink with it (the queue of connections not yet accepted) weighs more then.
"""

import os
import resource
import statistics
from pathlib import Path

from over_http import CONNECTIONS, JOIN, booking_steps, booking_steps_of_nothing, busy
from peers import Empty, Jari
from stage import Missed

# The least that the kernel takes is a millisecond a slice.
SHARE = 0.06
PERIOD_US = 20_000
# As many connections as people who may be waiting at once: nobody queues in the generator.
SEATS = 18_000
PATIENCE_MS = 600


class Quota:
    """A share of a core for one process, by Linux's control groups of either version."""

    def __init__(self, process, share):
        name, quota = f"jari-bench-{os.getpid()}", round(share * PERIOD_US)
        self.dir = None
        for base, mark, settings in (
            ("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", {"cpu.cfs_period_us": PERIOD_US, "cpu.cfs_quota_us": quota}),
            ("/sys/fs/cgroup", "cgroup.controllers", {"cpu.max": f"{quota} {PERIOD_US}"}),
        ):
            if not (Path(base) / mark).exists():
                continue
            place = Path(base) / name
            try:
                place.mkdir()
                self.dir = place
                for setting, value in settings.items():
                    (place / setting).write_text(str(value))
                (place / "cgroup.procs").write_text(str(process.pid))
                return
            except OSError:
                self.remove()

    def remove(self):
        if self.dir:
            try:
                self.dir.rmdir()
            except OSError:
                pass
            self.dir = None


def goodput(run, book):
    """Goodput at ten times the peak against the peak's, and the latency of the served."""
    jari = Jari(run, "overload")
    quota = Quota(jari.process, SHARE)
    try:
        measure(run, book, jari, quota)
    finally:
        run.stop(jari.process)
        quota.remove()


def measure(run, book, jari, quota):
    scenario = run.scenario("join-fresh", [{**JOIN, "headers": [["connection", "close"]]}])

    patience_ms = 300 if run.tiny else PATIENCE_MS
    seats = min(SEATS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500)

    def at(rate, seconds=None):
        # It counts once as many wait as will ever wait: those of a whole patience.
        return run.load(jari.address, scenario, seats, rate=rate, fresh=True, networks=200, patience_ms=patience_ms,
                        warm=patience_ms / 1000, seconds=seconds)

    carried_rate, peak_rate, peak = find_peak(run, at)
    served_at_peak, p99_carried, served, p99, reports = [], [], [], [], []
    for _ in range(run.rounds):
        p99_carried.append(max(at(carried_rate)["latency"]["p99_us"], 1) / 1000)
        served_at_peak.append(at(peak_rate)["people_per_s"])
        # What is carried differs from minute to minute: ten times the more of it.
        most = max(peak, served_at_peak[-1])
        storm = run.profiled("B6-storm", lambda: at(10 * most))
        # Nobody served is the worst there can be, and no reason to divide by it.
        served.append(max(storm["people_per_s"], 0.001))
        p99.append((storm["latency"]["p99_us"] or 1_000 * patience_ms) / 1000)
        reports.append(storm)
    last = reports[-1]
    arrived = statistics.median(report["arrived_per_s"] for report in reports)
    factor = arrived / statistics.median(served_at_peak)
    notes = [f"offered {arrived:,.0f} people/s, {factor:.1f} x the peak; answers {last['statuses']}, gave up "
             f"{last['gave_up']}; busy cores (server/generator) {busy(last)}",
             f"people reached their connection {last['late']['p50_us'] / 1000:.1f} ms late (p99 "
             f"{last['late']['p99_us'] / 1000:.0f} ms): the generator's part",
             f"the server has {SHARE:.0%} of its core" if quota.dir else "no control groups: the server has its whole core"]
    unseated = max(report["unseated"] / max(report["arrived"], 1) for report in reports)
    if not run.tiny and (factor < 8 or unseated > 0.02):
        raise Missed(f"B6: only {factor:.1f} x the peak could be offered, {unseated:.0%} without a connection")
    book.ratio("B6 goodput at 10 x overload / peak", served, served_at_peak, 0.95, "people/s", notes)
    rounds = [one / other for one, other in zip(p99, p99_carried)]
    ratio = statistics.median(rounds)
    book.add("B6 p99 of the served / at the highest rate carried", statistics.median(p99),
             statistics.median(p99_carried), ratio, "<= 2", ratio <= 2, "ms", ratio_min=round(min(rounds), 2),
             ratio_max=round(max(rounds), 2), notes=[f"{carried_rate:,.0f} people/s are carried: 97 % or more served"])


def stay(run, book):
    """The same promise where people do not come anew: hold and confirm in a closed loop, over far more
    connections than are of use, each of them always with a request under way."""
    crowds = [400, 800] if run.tiny else [2_000, 6_000]
    visits = 20_000 if run.tiny else 200_000
    people = visits * run.rounds * (len(crowds) + 1)
    jari, empty = Jari(run, "stay", bookings=people, people=people), Empty(run)
    slots, first = jari.facts["slots"], iter(range(0, people, visits))
    nothing = run.scenario("stay-nothing", booking_steps_of_nothing(), slots=[0, slots], lines=str(jari.sessions))
    reports = {connections: [] for connections in [CONNECTIONS, *crowds]}
    bare = {connections: [] for connections in reports}
    for _ in range(run.rounds):
        for connections in reports:
            scenario = run.scenario("stay", booking_steps(True), slots=[0, slots], first=next(first), lines=str(jari.sessions))
            report = run.profiled(f"B6S-{connections}", lambda: run.load(jari.address, scenario, connections))
            if set(report["statuses"]) - {"200", "201", "503"}:
                raise Missed(f"B6S: answers {report['statuses']}")
            reports[connections].append(report)
            bare[connections].append(run.load(empty.address, nothing, connections)["requests_per_s"])
    served = {connections: [report["requests_per_s"] for report in rounds] for connections, rounds in reports.items()}
    slowest = {connections: [report["latency"]["p99_us"] / 1000 for report in rounds] for connections, rounds in reports.items()}
    for connections in crowds:
        last = reports[connections][-1]
        loss = statistics.median(bare[connections]) / statistics.median(bare[CONNECTIONS])
        book.ratio(f"B6S hold + confirm over {connections:,} connections that stay / over {CONNECTIONS}", served[connections],
                   served[CONNECTIONS], 0.95, "requests/s",
                   [f"answers {last['statuses']}; busy cores (server/generator) {busy(last)}",
                    f"the empty handler keeps {loss:.2f} of its own"])
        rounds = [one / other for one, other in zip(slowest[connections], slowest[CONNECTIONS])]
        ratio = statistics.median(rounds)
        book.add(f"B6S p99 of a booking over {connections:,} connections that stay / over {CONNECTIONS}",
                 statistics.median(slowest[connections]), statistics.median(slowest[CONNECTIONS]), ratio, "<= 2", ratio <= 2,
                 "ms", ratio_min=round(min(rounds), 2), ratio_max=round(max(rounds), 2))
    for process in (jari.process, empty.process):
        run.stop(process)


def find_peak(run, at):
    """The highest rate of which 97 % are served, the rate at which most are, and how many
    those are: found by raising it."""
    rate, carried, peak_rate, peak, falling = 200.0, 200.0, 200.0, 0.0, 0
    for _ in range(4 if run.tiny else 16):
        report = at(rate, seconds=0.3 if run.tiny else 1.5)
        served = report["people_per_s"]
        if served >= 0.97 * report["arrived_per_s"]:
            carried = rate
        if served > peak:
            peak, peak_rate = served, rate
        falling = falling + 1 if served < 0.8 * peak else 0
        if falling == 2:
            break
        rate *= 1.25
    if not peak:
        raise Missed("B6: nobody was served")
    return carried, peak_rate, peak
