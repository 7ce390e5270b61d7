"""`ablate`: train and evaluate many configurations, each in a process of its own, and put them side by side."""

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kerasfusion.config import to_yaml
from kerasfusion.errors import KerasFusionError, require
from kerasfusion.files.one_writer import only_writer
from kerasfusion.files.writing import write_text
from kerasfusion.fume.ablate.cost import status
from kerasfusion.fume.ablate.panels import write_comparison_panels
from kerasfusion.fume.ablate.plan import SPLIT, Run, record_evaluation
from kerasfusion.fume.ablate.results import Result, read_result
from kerasfusion.fume.ablate.seeds import configuration_of, gather
from kerasfusion.fume.ablate.significance import against_first
from kerasfusion.fume.ablate.table import Row, rows_of, write_table
from kerasfusion.fume.config import MODEL

_CONFIGS = "configs"
STDERR = 2
"""File descriptor."""


@dataclass(frozen=True)
class Ablation:
    """What came of it.

    Attributes:
        rows: of the table; of the runs that are finished.
        failed: {name of a run: why it is not in the table}.
        files: table and figures.
        seeds: of each configuration mean and spread over its seeds; empty where each was trained once.
    """

    rows: list[Row]
    failed: dict[str, str]
    files: list[Path]
    seeds: list[Row]


def ablate(
    runs: Sequence[Run],
    out: Path,
    report: Callable[[str], None] = print,
    quiet_stdout: bool = False,
    has_seeds: bool = False,
) -> Ablation:
    """Do what is left of each run, and write table and figures.

    A run that fails does not stop the others.

    Args:
        runs: of `plan_runs`; the others are compared with the first one.
        out: folder for table and figures, and for the resolved configurations.
        report: takes a line for the person who waits.
        quiet_stdout: what the runs print goes to stderr.
        has_seeds: the runs are of `seeds.with_seeds`.

    Raises:
        RequestError: matplotlib is not installed; before anything runs.
        KerasFusionError: table or figures cannot be written, or another ablation is writing them.
    """
    require("matplotlib", extra="train")
    with only_writer(out / _CONFIGS, "ablation's folder"):  # OUT itself may be the folder of a run, which `fit` holds
        return _ablate(runs, out, report, quiet_stdout, has_seeds)


def _ablate(
    runs: Sequence[Run], out: Path, report: Callable[[str], None], quiet_stdout: bool, has_seeds: bool
) -> Ablation:
    results, failed = [], {}
    for number, run in enumerate(runs, start=1):
        report(f"[{number}/{len(runs)}] {run.name}: {status(run)}{', not run again' if run.is_finished else ''}")
        try:
            with _ended_like_interrupted():
                results.append(_finish(run, out, quiet_stdout))
        except KerasFusionError as error:
            failed[run.name] = str(error)
            report(f"[{number}/{len(runs)}] {run.name} failed: {error}")
    rows = rows_of(results, runs[0].config)
    seeds = gather(rows) if has_seeds else []
    configurations: dict[str, list[Result]] = {}
    for result in results:
        configurations.setdefault(configuration_of(result.name) if has_seeds else result.name, []).append(result)
    first = configuration_of(runs[0].name) if has_seeds else runs[0].name
    if first in configurations:  # without a finished run of that one there is nothing to compare with
        p_values = against_first(configurations)
        for row in seeds or rows:
            row |= p_values[row["name"]]
    return Ablation(rows, failed, _write(rows, seeds, configurations, out) if results else [], seeds)


def start(arguments: Sequence[str], quiet_stdout: bool) -> int:
    """Run kerasfusion in a process of its own and wait for it.

    Args:
        arguments: of the command line.
        quiet_stdout: what it prints goes to stderr.

    Returns:
        The exit code; negative is the signal that ended it.
    """
    sys.stdout.flush()
    command = [sys.executable, "-m", "kerasfusion", *arguments]
    with subprocess.Popen(command, stdout=STDERR if quiet_stdout else None) as process:
        try:
            return process.wait()
        except BaseException:
            process.terminate()
            raise


@contextlib.contextmanager
def _ended_like_interrupted() -> Iterator[None]:
    """Whoever ends this process ends the run that it waits for, which would go on alone otherwise."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    usual = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, usual)


def _finish(run: Run, out: Path, quiet_stdout: bool) -> Result:
    config, folder = run.config, run.config.run_folder
    settings = out / _CONFIGS / f"{run.name}.yaml"
    if not run.is_finished:
        write_text(settings, to_yaml(config))
        if not run.is_trained:
            _do("fit", ["fit", "-c", str(settings)], quiet_stdout)
        model = [str(folder / MODEL), "-c", str(settings)]
        _do("evaluate", ["evaluate", *model, "--split", SPLIT, "--save-masks"], quiet_stdout)
        record_evaluation(config)
    return read_result(config)


def _do(step: str, arguments: list[str], quiet_stdout: bool) -> None:
    code = start(arguments, quiet_stdout)
    if code < 0:
        raise KerasFusionError(
            f"{step} was ended by signal {-code}",
            todo="if memory ran out (signal 9), a smaller --batch; then run the same command again, it goes on",
        )
    if code:
        raise KerasFusionError(f"{step} ended with exit code {code}; it said why above")


def _write(rows: list[Row], seeds: list[Row], configurations: dict[str, list[Result]], out: Path) -> list[Path]:
    from kerasfusion.figure_style import save_png
    from kerasfusion.fume.ablate import figures

    results = [result for of_seeds in configurations.values() for result in of_seeds]
    names = [name for name, of_seeds in configurations.items() for _ in of_seeds]
    files = write_table(rows, out, seeds)
    paths = [out / f"{name}.png" for name in ("training_curves", "comparison", "confusion_matrices", "panels")]
    for path in paths:
        path.unlink(missing_ok=True)  # what these runs cannot fill shall not be of others
    save_png(figures.draw_curves(results, names), paths[0])
    save_png(figures.draw_comparison(results), paths[1])
    states = [result for result in results if result.state]
    if states:
        save_png(figures.draw_matrices(states), paths[2])
    write_comparison_panels([of_seeds[0] for of_seeds in configurations.values()], paths[3])
    return files + [path for path in paths if path.is_file()]
