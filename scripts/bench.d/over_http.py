"""B1, B2, B3 and B6: a server on one core, the load generator on the other."""

import statistics

from peers import Empty, Jari, Nginx, Postgres
from stage import Missed

NOW = "/api/v1/rooms/1/now"
JOIN = {"method": "POST", "path": "/api/v1/rooms/1/tickets", "status": 201}
# A flush is shared by all who come within a millisecond: with fewer people than this at once
# a closed loop measures that millisecond, and with far more the peers' queues.
CONNECTIONS = 256


def busy(report):
    """The busy share of the server's core and of the generator's time, for the notes."""
    cores = report["cores_busy_percent"]
    return f"{cores[0]:.0f}/{report['generator_busy_percent']:.0f} %" if len(cores) > 1 else "one core"


def check(report, what):
    """Nothing but success counts as work done, and hardly anything else may happen."""
    answered = sum(report["statuses"].values())
    if report["broken"] or not answered or sum(report["good"]) < 0.999 * answered:
        raise Missed(f"{what}: answers {report['statuses']}, {report['broken']} broken connections")
    return report


def interleaved(run, name, contenders):
    """A B A B ...: each contender is a function of the round that gives a report."""
    reports = {key: [] for key in contenders}
    for number in range(run.rounds):
        for key, measure in contenders.items():
            reports[key].append(run.profiled(f"{name}-{key}", lambda: check(measure(number), f"{name} {key}")))
    return reports


def rates(reports, key):
    return [report["requests_per_s"] for report in reports[key]]


def shares(reports):
    told = ", ".join(f"{key} {busy(rounds[-1])}" for key, rounds in reports.items())
    return f"busy cores (server/generator): {told}"


def join(run, book):
    """B1: a join, durable, against the empty handler."""
    jari, empty = Jari(run, "join"), Empty(run)
    scenario = run.scenario("join", [JOIN])
    nothing = run.scenario("join-nothing", [{**JOIN, "status": 200}])
    reports = interleaved(run, "B1", {
        "ours": lambda number: run.load(jari.address, scenario, CONNECTIONS),
        "empty": lambda number: run.load(empty.address, nothing, CONNECTIONS)})
    given = sum(report["good_ever"][0] for report in reports["ours"])
    issued = jari.until(NOW, lambda now: now["n"] >= given)["n"]
    if not given <= issued <= given + CONNECTIONS * run.rounds:
        raise Missed(f"B1: {given} tickets were answered, {issued} are on the books")
    book.ratio("B1 join, durable / empty handler", rates(reports, "ours"), rates(reports, "empty"), 0.7, "joins/s",
               [shares(reports), f"p50 of ours {reports['ours'][-1]['latency']['p50_us']} us with {CONNECTIONS} people at once"])
    run.stop(jari.process)
    run.stop(empty.process)


def poll(run, book):
    """B2: the room's document, against the same bytes as a file of nginx."""
    jari = Jari(run, "poll", waiting=155_000, entries_per_minute=718)
    nginx = Nginx(run, NOW, jari.read(NOW))
    scenario = run.scenario("poll", [{"method": "GET", "path": NOW}])
    send = lambda server: lambda number: run.load(server.address, scenario, CONNECTIONS)
    reports = interleaved(run, "B2", {"ours": send(jari), "nginx": send(nginx)})
    sizes = ", ".join(f"{key} {rounds[-1]['bytes_per_answer']:.0f}" for key, rounds in reports.items())
    book.ratio("B2 room document / nginx, static file", rates(reports, "ours"), rates(reports, "nginx"), 0.9,
               "requests/s", [shares(reports), f"bytes an answer: {sizes}"])
    run.stop(jari.process)
    run.stop(nginx.process)


def booking_steps(session):
    """A hold and its confirmation, as the API and as the peer take them."""
    if session:
        headers = [["authorization", "Bearer $line"], ["idempotency-key", "$key"]]
        json_too = [*headers, ["content-type", "application/json"]]
        return [
            {"method": "POST", "path": "/api/v1/holds", "headers": json_too, "body": '{"slot":$slot,"dose":1}',
             "status": 201, "capture": '"booking":'},
            {"method": "POST", "path": "/api/v1/bookings/$captured/confirm", "headers": headers},
        ]
    headers = [["content-type", "application/json"]]
    return [
        {"method": "POST", "path": "/holds", "headers": headers,
         "body": '{"slot":$slot,"person":"$person","dose":1}', "capture": '"booking":'},
        {"method": "POST", "path": "/bookings/$captured/confirm", "headers": headers, "body": '{"person":"$person"}'},
    ]


def booking_steps_of_nothing():
    """An empty handler needs the same requests, one after the other, and gives no number back."""
    return [{**step, "path": step["path"].replace("$captured", "1234567"), "capture": None, "status": 200}
            for step in booking_steps(True)]


def booking(run, book):
    """B3: hold and confirm, durable, against PostgreSQL and against the empty handler."""
    people = 40_000 if run.tiny else 1_500_000
    share = people // run.rounds
    jari = Jari(run, "booking", bookings=people, people=people)
    slots = jari.facts["slots"]
    postgres, empty = Postgres(run, slots), Empty(run)

    def ours(number):
        scenario = run.scenario("booking", booking_steps(True), slots=[0, slots], first=number * share,
                                lines=str(jari.sessions))
        return run.load(jari.address, scenario, CONNECTIONS)

    people_seen = [0]

    def peers(number, **more):
        people_seen[0] += 10_000_000
        scenario = run.scenario("peer", booking_steps(False), slots=[0, slots], first=people_seen[0])
        return run.load(postgres.address, scenario, CONNECTIONS, **more)

    def nothing(number):
        scenario = run.scenario("nothing", booking_steps_of_nothing(), slots=[0, slots], lines=str(jari.sessions))
        return run.load(empty.address, scenario, CONNECTIONS)

    pool, tried = best_pool(run, postgres, peers)
    postgres.serve(pool)
    reports = interleaved(run, "B3", {"ours": ours, "postgres": peers, "empty": nothing})
    audit(jari, postgres, reports, run.rounds)
    latency = {key: rounds[-1]["latency"]["p50_us"] / 1000 for key, rounds in reports.items()}
    notes = [shares(reports), f"PostgreSQL {postgres.version}, pool of {pool} (requests/s by pool: {tried})",
             f"p50 of a whole booking with {CONNECTIONS} people at once: ours {latency['ours']:.1f} ms, "
             f"PostgreSQL {latency['postgres']:.1f} ms"]
    book.ratio("B3 hold + confirm, durable / PostgreSQL", rates(reports, "ours"), rates(reports, "postgres"), 5,
               "requests/s", notes)
    book.ratio("B3 hold + confirm, durable / empty handler", rates(reports, "ours"), rates(reports, "empty"), 0.5,
               "requests/s")
    for process in (jari.process, postgres.web, postgres.process, empty.process):
        run.stop(process)


def best_pool(run, postgres, peers):
    """The pool with which the peer is fastest: it is to have its best."""
    tried = {}
    for pool in ([8] if run.tiny else [8, 16, 32, 64, 128]):
        postgres.serve(pool)
        tried[pool] = round(check(peers(0, warm=run.warm / 2, seconds=run.seconds / 2), "B3 pool")["requests_per_s"])
    return max(tried, key=tried.get), tried


def audit(jari, postgres, reports, rounds):
    """What was answered is on the books, on both sides."""
    for name, booked in (("ours", jari.get("/api/v1/campaigns/1")["supply"]["booked"]), ("postgres", postgres.booked())):
        confirmed = sum(report["good_ever"][1] for report in reports[name])
        if not confirmed <= booked <= confirmed + CONNECTIONS * rounds:
            raise Missed(f"B3 {name}: {confirmed} confirmations were answered, {booked} are on the books")
