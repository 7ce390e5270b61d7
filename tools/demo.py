#!/usr/bin/env python3
"""Install kerasfusion into .venv if need be, and run its demo.

python3 tools/demo.py [ARGUMENTS OF kerasfusion demo]
"""

import sys

from bootstrap import interpreter

interpreter.require_supported()

from bootstrap import entry, environment, install, steps  # noqa: E402  the check comes first


def main(arguments):
    """Run `kerasfusion demo`, passing the arguments on; return its exit code."""
    install.ensure(["train", "yolo"])
    command = [str(environment.executable("kerasfusion")), "demo", *arguments]
    return steps.run_foreground(command, environment.ROOT)


if __name__ == "__main__":
    sys.exit(entry.run(main))
