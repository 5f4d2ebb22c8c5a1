"""Quality of fraud detection, measured: `python -m bench.fraud_quality [--set card|network|crypto] [--learner ...]`.

Cards by the protocol of the Fraud Detection Handbook and as a live system would see them; NSL-KDD on its own test part,
attacks that were seen in training and others apart; Ethereum accounts on held-out addresses. Prints Markdown.
"""

import argparse

from bench.fraud import accounts, cards, network
from components.fraud.training import LEARNERS

SETS = ("card", "network", "crypto")


def main() -> None:
    """Run one set or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", choices=SETS, action="append", dest="sets")
    parser.add_argument("--learner", choices=LEARNERS, action="append", dest="learners")
    parser.add_argument("--trials", type=int, default=8, help="of each search, for network and crypto")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    learners = arguments.learners or LEARNERS
    for name in arguments.sets or SETS:
        print(f"\n## {name}\n", flush=True)
        if name == "card":
            cards.run(arguments.seed, learners)
        elif name == "network":
            network.run(arguments.trials, arguments.seed, learners)
        else:
            accounts.run(arguments.trials, arguments.seed, learners)


if __name__ == "__main__":
    main()
