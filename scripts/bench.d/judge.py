"""Rows of the table: what was measured, against what, whether it is enough."""

import statistics


class Book:
    """Gathers rows; prints them as they come."""

    def __init__(self, facts):
        self.rows, self.facts = [], facts

    def add(self, name, ours, peer, ratio, goal, passes, unit, **more):
        # A tiny run proves that the bench works; its figures say nothing about the goal.
        passes = None if self.facts["size"] == "tiny" else passes
        row = {"name": name, "ours": tidy(ours), "peer": tidy(peer), "ratio": tidy(ratio), "goal": goal,
               "pass": passes, "unit": unit, **more, **self.facts}
        self.rows.append(row)
        print(line(row), flush=True)
        for note in more.get("notes", []):
            print(f"      {note}", flush=True)

    def ratio(self, name, ours, peer, goal, unit, notes=()):
        """Two lists of interleaved rounds: the ratio of the medians, the range of the rounds'."""
        rounds = [one / other for one, other in zip(ours, peer)]
        ratio = statistics.median(ours) / statistics.median(peer)
        self.add(name, statistics.median(ours), statistics.median(peer), ratio, f">= {goal}", ratio >= goal, unit,
                 ratio_min=tidy(min(rounds)), ratio_max=tidy(max(rounds)), ours_rounds=[tidy(one) for one in ours],
                 peer_rounds=[tidy(one) for one in peer], notes=list(notes))

    def ratio_fact(self, name, ours, peer, unit, notes=()):
        """The same, without a goal."""
        rounds = [one / other for one, other in zip(ours, peer)]
        middle = statistics.median(ours), statistics.median(peer)
        self.add(name, *middle, middle[0] / middle[1], None, None, unit, ratio_min=tidy(min(rounds)),
                 ratio_max=tidy(max(rounds)), notes=list(notes))

    def at_most(self, name, values, goal, unit, notes=(), peer=None):
        """Lower is better; the worst round counts."""
        worst = max(values)
        self.add(name, worst, peer, worst / goal, f"<= {goal:,}", worst <= goal, unit,
                 ratio_min=tidy(min(values) / goal), ratio_max=tidy(worst / goal), notes=list(notes))

    def at_least(self, name, values, goal, unit, notes=()):
        middle = statistics.median(values)
        self.add(name, middle, None, middle / goal, f">= {goal:,}", middle >= goal, unit,
                 ratio_min=tidy(min(values) / goal), ratio_max=tidy(max(values) / goal), notes=list(notes))

    def fact(self, name, value, unit, notes=()):
        """A figure without a goal."""
        self.add(name, value, None, None, None, None, unit, notes=list(notes))


def tidy(number):
    if number is None or isinstance(number, str):
        return number
    return round(number, 4 if abs(number) < 100 else 1)


def line(row):
    def shown(value):
        if value is None:
            return "-"
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.3g}"

    spread = f" ({row['ratio_min']:.2f}-{row['ratio_max']:.2f})" if row.get("ratio_min") is not None else ""
    ratio = "-" if row["ratio"] is None else f"{row['ratio']:.2f}{spread}"
    verdict = {True: "pass", False: "MISSED", None: ""}[row["pass"]]
    return f"{row['name']:<44} {shown(row['ours']):>12} {shown(row['peer']):>12} {ratio:>20} {row['goal'] or '':>14} {row['unit']:<14} {verdict}"


HEAD = f"{'':<44} {'ours':>12} {'peer':>12} {'ratio (rounds)':>20} {'goal':>14}"
