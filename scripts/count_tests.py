"""Counts what a test runner's log says: prints `passed failed skipped`.

A command without counts of its own (a linter, a build) is one test that passed or failed by its exit status.
"""

import re
import sys


def sum_of(pattern: str, text: str) -> int:
    return sum(int(n) for n in re.findall(pattern, text, re.MULTILINE))


def counts(text: str) -> tuple:
    """Passed, failed and skipped over every runner whose lines are in the log."""
    passed = sum_of(r"^test result: .*?(\d+) passed", text)
    failed = sum_of(r"^test result: .*?(\d+) failed", text)
    skipped = sum_of(r"^test result: .*?(\d+) ignored", text)
    for line in re.findall(r"^=+ (.*(?:passed|failed|error).*) in [\d.]+s.* =+$|^(\d+ (?:passed|failed).*) in [\d.]+s", text, re.MULTILINE):
        line = line[0] or line[1]
        passed += sum_of(r"(\d+) passed", line)
        failed += sum_of(r"(\d+) failed", line) + sum_of(r"(\d+) errors?", line)
        skipped += sum_of(r"(\d+) skipped", line)
    passed += sum_of(r"^(?:# |ℹ )pass (\d+)", text)
    failed += sum_of(r"^(?:# |ℹ )fail (\d+)", text)
    skipped += sum_of(r"^(?:# |ℹ )skipped (\d+)", text)
    for run, failures, errors, skips in re.findall(
        r"^.*Tests run: (\d+), Failures: (\d+), Errors: (\d+), Skipped: (\d+)\s*$", text, re.MULTILINE
    ):
        bad = int(failures) + int(errors)
        passed, failed, skipped = passed + int(run) - bad - int(skips), failed + bad, skipped + int(skips)
    for run_passed, run_failed in re.findall(r"^(\d+) passed, (\d+) failed(?:, \d+ skipped)?$", text, re.MULTILINE):
        passed, failed = passed + int(run_passed), failed + int(run_failed)
    skipped += sum_of(r"^skipped: .*\((\d+) cases?\)", text)
    return passed, failed, skipped


def main() -> None:
    path, status = sys.argv[1], int(sys.argv[2])
    with open(path, encoding="utf-8", errors="replace") as log:
        passed, failed, skipped = counts(log.read())
    if passed + failed == 0:
        passed, failed = (1, 0) if status == 0 else (0, 1)
    elif status != 0 and failed == 0:
        failed = 1
    print(passed, failed, skipped)


if __name__ == "__main__":
    main()
