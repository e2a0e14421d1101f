"""Runs the benches one after another; see scripts/bench."""

import argparse
import json
import subprocess
import sys
import time

import at_rest
import nodes
import over_http
import overload
from judge import HEAD, Book
from stage import ROOT, Missed, Run, commit, machine

BENCHES = {
    "B1": over_http.join, "B2": over_http.poll, "B3": over_http.booking, "B4": at_rest.step_rate,
    "B6": overload.goodput, "B6S": overload.stay, "B7": at_rest.cluster, "B7N": nodes.growth,
    "B8": at_rest.restart, "B9": at_rest.memory, "B10": at_rest.weight,
}


def main():
    words = argparse.ArgumentParser(prog="scripts/bench", description="Measures the goals of the design.")
    words.add_argument("--tiny", action="store_true", help="a small size, the build of the tests; judges nothing")
    words.add_argument("--only", default="", help="such as B1,B3")
    words.add_argument("--profile", action="store_true", help="profile the server's core, into target/bench")
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--no-build", action="store_true", help="take the binaries as they are")
    asked = words.parse_args()
    wanted = [name for name in asked.only.upper().split(",") if name] or list(BENCHES)
    unknown = [name for name in wanted if name not in BENCHES]
    if unknown:
        words.error(f"no such bench: {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    if not asked.no_build:
        build(asked.tiny)
    run = Run(asked.tiny, asked.seed, asked.profile)
    facts = {"seed": asked.seed, "commit": commit(), "machine": machine(), "size": "tiny" if asked.tiny else "full"}
    print(f"{facts['machine']['cpu']}, {facts['machine']['cores']} cores; commit {facts['commit']}; "
          f"seed {asked.seed}; {facts['size']}; load before {facts['machine']['load_average_at_start']:.1f}")
    print(HEAD)
    book, failed = Book(facts), []
    for name in wanted:
        started = time.monotonic()
        try:
            BENCHES[name](run, book)
        except Missed as missed:
            failed.append(name)
            print(f"{name}: NOT MEASURED: {missed}", flush=True)
        finally:
            run.stop_all()
        print(f"      {name} took {time.monotonic() - started:.0f} s", flush=True)
    run.close()
    summary = run.out / ("summary-tiny.json" if asked.tiny else "summary.json")
    summary.write_text(json.dumps(merge(summary, book.rows, wanted) if asked.only else book.rows, indent=1) + "\n")
    print(f"written: {summary.relative_to(ROOT)}")
    missed_goals = [row["name"] for row in book.rows if row["pass"] is False]
    if asked.tiny:
        return finish_tiny(book, failed)
    if missed_goals:
        print(f"missed: {'; '.join(missed_goals)}")
    return 1 if failed else 0


def finish_tiny(book, failed):
    """Tiny proves that everything runs and yields numbers."""
    hollow = [row["name"] for row in book.rows if not (row["ours"] and row["ours"] > 0)]
    if failed or hollow:
        print(f"failed: {failed}; without a figure: {hollow}")
        return 1
    print(f"{len(book.rows)} figures, judged at full size only")
    return 0


def merge(path, rows, wanted):
    """Rows of benches that were not run this time are kept, with the commit they name."""
    try:
        before = json.loads(path.read_text())
    except (OSError, ValueError):
        return rows
    return [row for row in before if row["name"].split()[0] not in wanted] + rows


def build(tiny):
    profile = [] if tiny else ["--release"]
    for what in (["-p", "jari-bench", "-p", "jari-cli", "--bins"], ["-p", "jari-core", "--example", "step_rate"],
                 ["-p", "jari-journal", "--example", "cluster_rate"]):
        subprocess.run(["cargo", "build", "--quiet", "--locked", *profile, *what], cwd=ROOT, check=True)


if __name__ == "__main__":
    sys.exit(main())
