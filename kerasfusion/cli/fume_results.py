"""What evaluate, predict and benchmark do with a fume network."""

import json
from collections.abc import Iterable
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
    from kerasfusion.fume.evaluate import job
    from kerasfusion.fume.evaluate.text import as_text

    config = _config(model, config_file, settings, data)
    options["batch"] = options["batch"] or config.validation.batch_size
    request = job.Request(model=model, config=config, **options)
    job.choose(request)  # a file that is not there is said before TensorFlow is loaded, which takes seconds
    load_libraries(model)
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
    camera: str | None,
    gas: str | None,
    **film,
) -> bool:
    """Print what a network says of frames; arguments as for `fume.predict`. Returns whether all could be read."""
    from kerasfusion.errors import RequestError
    from kerasfusion.files.run_folder import require_folder
    from kerasfusion.formats.opening import read_description
    from kerasfusion.fume.detect.answering import open_network
    from kerasfusion.fume.detect.predict import list_subjects
    from kerasfusion.fume.detect.predict import predict as answer
    from kerasfusion.fume.films.job import refuse_other_films
    from kerasfusion.machine.device import use_device

    if overlays and out is None:
        raise RequestError("--overlays needs a folder", todo="name one with --out")
    others = {"co2": co2, "ch4": ch4, "pairs": pairs, "data": data, "overlays": overlays or None, **film}
    _check_camera(camera, gas, [name for name, value in others.items() if value is not None and name != "scale"])
    if out is not None:
        require_folder(out)
    # A file that is not there is said before TensorFlow is loaded, which takes seconds.
    learned = read_description(model).get("config", {}).get("data", {})
    subjects = list_subjects(co2, ch4, pairs, data, learned.get("gases", "both")) if camera is None else []
    files = {gas: path for gas, path in (("co2", co2), ("ch4", ch4)) if path is not None}
    are_films = camera is None and _are_films(learned, files, film)
    if camera is not None or are_films:
        refuse_other_films(_film_folder(out), files)
    _warn_of_names(given for subject in subjects for given in subject.files.items())
    load_libraries(model)
    use_device(model, device)
    network = open_network(model)
    network.flips = flips
    if frame_range is not None:
        network.take_range(frame_range)
    if camera is not None:
        return _predict_camera(network, camera, gas, out, as_json, film["scale"])
    if are_films:
        return _predict_film(network, files, out, batch, as_json, film)
    failed, width = 0, max(len(subject.name) for subject in subjects)
    for result in answer(network, subjects, batch, out, overlays):
        failed += result.error is not None
        click.echo(json.dumps(result.to_json()) if as_json else result.to_line(width))
    return failed == 0


def _warn_of_names(given: Iterable[tuple[str, Path]]) -> None:
    """Say on stderr if a file's name has the other gas."""
    from kerasfusion.fume.data.gas_names import misnamed

    for line in misnamed(given):
        click.echo(f"warning: {line}", err=True)


def _check_camera(camera: str | None, gas: str | None, others: list[str]) -> None:
    """Check that what a camera films is said, and nothing else."""
    from kerasfusion.errors import RequestError

    if camera is None:
        if gas is not None:
            raise RequestError("--gas is for --camera", todo="name a film or a frame by its gas: --co2 or --ch4")
    elif gas is None:
        raise RequestError(
            "it is not said which gas the camera films", where="--camera", todo="add --gas co2 or --gas ch4"
        )
    elif others:
        raise RequestError(
            f"--{others[0]} beside --camera", expected="a live source alone, with --gas, --out and --scale"
        )


def _film_folder(out: Path | None) -> Path:
    from kerasfusion.errors import RequestError

    if out is None:
        raise RequestError("a film's table, figure and overlays need a folder", todo="name one with --out")
    return out


def _predict_camera(network, camera: str, gas: str, out: Path, as_json: bool, scale: float | None) -> bool:
    """Answer what a camera sees, a line a frame, until Ctrl-C, and print the summary."""
    from kerasfusion.fume.films.job import FilmRequest
    from kerasfusion.fume.films.live import answer_camera

    def show(cells: dict[str, str]) -> None:
        click.echo(json.dumps(cells) if as_json else "  ".join(f"{name} {cell}" for name, cell in cells.items()))

    click.echo(f"answering {camera}; end it with Ctrl-C", err=True)
    return _show_film(answer_camera(network, camera, gas, FilmRequest({}, out, scale=scale, batch=1), show), as_json)


def _are_films(learned: dict, files: dict[str, Path], film: dict[str, float | None]) -> bool:
    from kerasfusion.errors import RequestError
    from kerasfusion.fume.config_reading import FrameReading
    from kerasfusion.fume.films.film import is_film

    how = FrameReading(page=learned.get("frames", {}).get("page"))
    kinds = {is_film(path, how) for path in files.values()}
    if len(kinds) > 1:
        raise RequestError("--co2 and --ch4 are a film and a frame", expected="two films, or two frames")
    if kinds == {True}:
        return True
    if given := [f"--{name}" for name, value in film.items() if value is not None]:
        raise RequestError(f"{', '.join(given)}: for films", expected="--co2 FILM, --ch4 FILM, or both")
    return False


def _predict_film(network, files: dict[str, Path], out: Path, batch: int, as_json: bool, film) -> bool:
    """Answer films and print the summary. Returns whether they could be read to their ends."""
    from kerasfusion.fume.films.job import FilmRequest, answer_film

    given = {name: value for name, value in film.items() if value is not None}
    return _show_film(answer_film(network, FilmRequest(files, out, batch=batch, **given)), as_json)


def _show_film(result, as_json: bool) -> bool:
    click.echo(json.dumps(result.summary) if as_json else "\n".join(result.lines()))
    for trouble in result.troubles:
        click.echo(f"error: {trouble}", err=True)
    return not result.troubles


def benchmark(
    model: Path, co2: Path | None, ch4: Path | None, runs: int, warmup: int, device: str, as_json: bool
) -> None:
    """Time one sample at a time, and print it."""
    from kerasfusion.files.run_files import record_latency
    from kerasfusion.fume.detect import latency
    from kerasfusion.fume.detect.answering import open_network
    from kerasfusion.machine.device import use_device

    files = {gas: path for gas, path in (("co2", co2), ("ch4", ch4)) if path is not None}
    latency.require_frames(files)
    _warn_of_names(files.items())
    load_libraries(model)
    use_device(model, device)
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
