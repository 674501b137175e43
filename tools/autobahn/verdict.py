"""Sums up the JSON report of a run; ends with 1 unless every case passed."""
from __future__ import print_function

import json
import sys

GOOD = ("OK", "NON-STRICT", "INFORMATIONAL")


def main(path):
    with open(path) as report:
        agents = json.load(report)
    counts, closes, failed = {}, {}, []
    for cases in agents.values():
        for case, result in cases.items():
            behavior, close = result["behavior"], result["behaviorClose"]
            counts[behavior] = counts.get(behavior, 0) + 1
            closes[close] = closes.get(close, 0) + 1
            if behavior not in GOOD or close not in GOOD:
                failed.append((case, behavior, close))
    total = sum(counts.values())
    print("autobahn: %d cases: %s" % (total, listed(counts)))
    print("autobahn: closing: %s" % listed(closes))
    for case, behavior, close in sorted(failed, key=lambda row: [int(n) for n in row[0].split(".")]):
        print("autobahn: case %s: %s, closing %s" % (case, behavior, close))
    print("autobahn: %d failed" % len(failed))
    return 1 if failed or not total else 0


def listed(counts):
    return ", ".join("%d %s" % (count, name) for name, count in sorted(counts.items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
