"""Quality of the fraud detectors on public sets."""
