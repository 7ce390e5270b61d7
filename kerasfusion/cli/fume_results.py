"""What evaluate, predict and benchmark do with a fume network."""

import json
from pathlib import Path

import click

from kerasfusion.cli.configuration import read_fume_config
from kerasfusion.cli.quiet import load_libraries


def evaluate(
    model: Path, config_file: Path | None, settings: tuple[str, ...], data: Path | None, as_json: bool, **options
) -> None:
    """Evaluate a network and print its report.

    Args:
        model: its file.
        config_file, settings, data: --config, --set and --data; without a file, the settings that the network was
            trained with.
        as_json: print what metrics.json holds.
        options: split, max_samples, batch, device, panels, save_masks, flips and out, as fume's evaluation takes them;
            a batch of None is the configuration's.
    """
    config = _config(model, config_file, settings, data)
    load_libraries(model)
    from kerasfusion.fume.evaluate import job
    from kerasfusion.fume.evaluate.text import as_text

    options["batch"] = options["batch"] or config.validation.batch_size
    request = job.Request(model=model, config=config, **options)
    result = job.run(request, lambda line: click.echo(line, err=True))
    click.echo(json.dumps(result.report, indent=2) if as_json else as_text(result))


def predict(
    model: Path,
    *,
    co2: Path | None,
    ch4: Path | None,
    pairs: Path | None,
    data: Path | None,
    out: Path | None,
    overlays: bool,
    frame_range: tuple[float, float] | None,
    flips: bool,
    batch: int,
    device: str,
    as_json: bool,
    **film,
) -> bool:
    """Print what a network says of frames; arguments as for `fume.predict`. Returns whether all could be read."""
    from kerasfusion.errors import RequestError
    from kerasfusion.files.run_folder import require_folder

    if overlays and out is None:
        raise RequestError("--overlays needs a folder", todo="name one with --out")
    if out is not None:
        require_folder(out)
    load_libraries(model)
    from kerasfusion.fume.detect.answering import open_network
    from kerasfusion.fume.detect.predict import list_subjects
    from kerasfusion.fume.detect.predict import predict as answer
    from kerasfusion.machine.device import use_device

    use_device(model, device)
    network = open_network(model)
    network.flips = flips
    if frame_range is not None:
        network.take_range(frame_range)
    files = {gas: path for gas, path in (("co2", co2), ("ch4", ch4)) if path is not None}
    if _are_films(network, files, film):
        return _predict_film(network, files, out, batch, as_json, film)
    subjects = list_subjects(co2, ch4, pairs, data)
    failed, width = 0, max(len(subject.name) for subject in subjects)
    for result in answer(network, subjects, batch, out, overlays):
        failed += result.error is not None
        click.echo(json.dumps(result.to_json()) if as_json else result.to_line(width))
    return failed == 0


def _are_films(network, files: dict[str, Path], film: dict[str, float | None]) -> bool:
    from kerasfusion.errors import RequestError
    from kerasfusion.fume.films.film import is_film

    kinds = {is_film(path, network.frames) for path in files.values()}
    if len(kinds) > 1:
        raise RequestError("--co2 and --ch4 are a film and a frame", expected="two films, or two frames")
    if kinds == {True}:
        return True
    if given := [f"--{name}" for name, value in film.items() if value is not None]:
        raise RequestError(f"{', '.join(given)}: for films", expected="--co2 FILM, --ch4 FILM, or both")
    return False


def _predict_film(network, files: dict[str, Path], out: Path | None, batch: int, as_json: bool, film) -> bool:
    """Answer films and print the summary. Returns whether they could be read to their ends."""
    from kerasfusion.errors import RequestError
    from kerasfusion.fume.films.job import FilmRequest, answer_film

    if out is None:
        raise RequestError("a film's table, figure and overlays need a folder", todo="name one with --out")
    given = {name: value for name, value in film.items() if value is not None}
    result = answer_film(network, FilmRequest(files, out, batch=batch, **given))
    click.echo(json.dumps(result.summary) if as_json else "\n".join(result.lines()))
    for trouble in result.troubles:
        click.echo(f"error: {trouble}", err=True)
    return not result.troubles


def benchmark(
    model: Path, co2: Path | None, ch4: Path | None, runs: int, warmup: int, device: str, as_json: bool
) -> None:
    """Time one sample at a time, and print it."""
    load_libraries(model)
    from kerasfusion.files.run_files import record_latency
    from kerasfusion.fume.detect import latency
    from kerasfusion.fume.detect.answering import open_network
    from kerasfusion.machine.device import use_device

    use_device(model, device)
    files = {gas: path for gas, path in (("co2", co2), ("ch4", ch4)) if path is not None}
    result = latency.measure_network(lambda: open_network(model), files or None, runs, warmup)
    if path := record_latency(model, result | {"device": device}):
        click.echo(f"kept in {path}", err=True)
    click.echo(json.dumps(result, indent=2) if as_json else latency.as_text(result))


def _config(model: Path, config_file: Path | None, settings: tuple[str, ...], data: Path | None):
    """The FumeConfig: the file's, or else the one that the network was trained with; --set and --data over it."""
    import yaml

    from kerasfusion.formats.opening import read_description

    kept = {} if config_file is not None else read_description(model).get("config", {})
    if data is not None and "data" in kept:  # its CSVs are of other data
        kept["data"] = {key: value for key, value in kept["data"].items() if not key.startswith("paired_")}
    base = [f"{key}={yaml.safe_dump(value, default_flow_style=True)}" for key, value in kept.items()]
    return read_fume_config(config_file, (*base, *settings), data__dataset_root=data)
