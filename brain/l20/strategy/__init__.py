"""From an objective to a plan: playbooks, what they are matched by, durations, and the answer."""
