from pathlib import Path

from pipelines.targets.local.output import RunnerOutput


class Told:
    def __init__(self) -> None:
        self.events: list[tuple[object, ...]] = []

    def began(self, step: str, log: Path) -> None:
        self.events.append(("began", step, log.name))

    def advanced(self, step: str, message: str) -> None:
        self.events.append(("advanced", step, message))

    def ended(self, step: str, succeeded: bool, reason: str) -> None:
        self.events.append(("ended", step, succeeded, reason))

    def retrying(self, step: str) -> None:
        self.events.append(("retrying", step))


def test_a_step_cannot_be_taken_for_the_runner(tmp_path: Path) -> None:
    told = Told()
    output = RunnerOutput(tmp_path, told, {"learn": "Learn it"}.get)  # type: ignore[arg-type]

    output.write("10:00:00 - INFO - Executing task \x1b[96m'learn'\x1b[0m\n")
    output.write("    10:00:01 - INFO - Task 'learn' finished with status SUCCESS\n")
    output.write("    progress: epoch ")
    output.write("1\n")
    output.write("10:00:02 - INFO - Task 'learn' finished with status FAILURE\n")
    output.close()

    assert told.events == [
        ("began", "Learn it", "01-learn-it.log"),
        ("advanced", "Learn it", "epoch 1"),
        ("ended", "Learn it", False, "10:00:01 - INFO - Task 'learn' finished with status SUCCESS"),
    ]


def test_the_reason_is_what_the_step_says_of_its_failure_or_else_its_last_word(tmp_path: Path) -> None:
    told = Told()
    output = RunnerOutput(tmp_path, told, str)

    output.write("Executing task 'a'\n    failed: ValueError: bad\n    Traceback (most recent call last):\n")
    output.write("      File \"x.py\", line 1\n    ValueError: bad\nTask 'a' finished with status FAILURE\n")
    output.write("Task a failed (attempt 1/2). Retrying in 2.0s...\n")
    output.write("Executing task 'a'\n    Traceback (most recent call last):\n")
    output.write("      killed here\n    MemoryError\nTask 'a' finished with status FAILURE\n")
    output.close()

    ended = [event for event in told.events if event[0] == "ended"]
    assert ended == [("ended", "a", False, "ValueError: bad"), ("ended", "a", False, "MemoryError")]
    assert ("retrying", "a") in told.events
    assert (tmp_path / "02-a.log").read_text().endswith("MemoryError\n")
