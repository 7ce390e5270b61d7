#!/usr/bin/env python3
"""Install kerasfusion into .venv if need be, and check it.

python3 tools/test.py [--fast | --oldest] [ARGUMENTS OF pytest]

--fast leaves out what trains, exports, runs whole commands or opens a browser: for the loop of daily work. --oldest
runs the tests of what the base install and the service do, in an environment of its own with the oldest versions that
setup.cfg allows. Else ruff's two checks and pytest all run, whatever the earlier ones found; the exit code is the
first that is not 0.
"""

import re
import sys

from bootstrap import interpreter

interpreter.require_supported()

from bootstrap import entry, environment, install, oldest, steps  # noqa: E402  the check comes first

CHECKS = (
    ("ruff", "check"),
    ("ruff", "format", "--check"),
    ("tests.browser",),  # finds or installs the browser that the pages are tested in
    # Two processes, a file's tests in one of them: much of the time is spent in Python, which uses one core.
    ("pytest", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"),
)
SLOW = ("trains", "exports", "commands", "services", "browser", "notebooks", "cluster")
"""Marks of the tests that --fast leaves out; setup.cfg says what each stands for."""


def main(arguments):
    """Run the checks, passing the arguments on to pytest; return the exit code."""
    if "--oldest" in arguments:
        return test_oldest([word for word in arguments if word != "--oldest"])
    install.ensure(["all"])
    python = str(environment.executable("python"))
    checks = CHECKS
    if "--fast" in arguments:
        arguments = [*fast_arguments(), *(word for word in arguments if word != "--fast")]
        checks = tuple(check for check in CHECKS if check != ("tests.browser",))
    codes = []
    for check in checks:
        print(f"== {' '.join(check)}", flush=True)
        command = [python, "-m", *check, *(arguments if check[0] == "pytest" else ())]
        codes.append(steps.run_foreground(command, environment.ROOT))
    for check, code in zip(checks, codes, strict=True):
        print(f"{' '.join(check)}: {'passed' if code == 0 else f'failed (exit code {code})'}", flush=True)
    return next((code for code in codes if code), 0)


def fast_arguments():
    """Those by which pytest leaves out what is slow.

    A module that is slow as a whole is not even imported: torch, ultralytics and others take seconds to load, in each
    process. So does schemathesis' plugin, of which such modules alone make use.
    """
    slow = re.compile(rf"^pytestmark = .*mark\.({'|'.join(SLOW)})\b", re.MULTILINE)
    modules = (path for path in (environment.ROOT / "tests").rglob("test_*.py") if slow.search(path.read_text("utf-8")))
    ignored = [f"--ignore={path}" for path in sorted(modules)]
    return ["-m", f"not ({' or '.join(SLOW)})", "-p", "no:schemathesis", *ignored]


def test_oldest(arguments):
    """Run pytest with the oldest versions; return its exit code."""
    python = oldest.ensure()
    print(f"left out: tests marked {' or '.join(oldest.MARKS_LEFT_OUT)}, and of other folders", flush=True)
    command = [str(python), "-m", "pytest", *oldest.pytest_arguments(), *arguments]
    return steps.run_foreground(command, environment.ROOT)


if __name__ == "__main__":
    sys.exit(entry.run(main))
