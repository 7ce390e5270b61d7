"""Run a script's main function and turn what it raises into a message and an exit code."""

import errno
import sys
from collections.abc import Callable, Sequence

from bootstrap import environment, install
from bootstrap.steps import SetupError

# Winerror 112: "There is not enough space on the disk".
WINDOWS_DISK_FULL = 112


def run(main: Callable[[Sequence[str]], int]) -> int:
    """Call `main` with the command line's arguments; return the exit code."""
    try:
        return main(sys.argv[1:])
    except SetupError as error:
        message, code = str(error), error.exit_code
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT) or getattr(error, "winerror", 0) == WINDOWS_DISK_FULL
        message, code = install.disk_full_message(environment.ROOT) if is_full else f"Cannot go on: {error}", 1
    except KeyboardInterrupt:
        message, code = "Stopped. Run the same command again to go on.", 130
    print(message, file=sys.stderr)
    return code
