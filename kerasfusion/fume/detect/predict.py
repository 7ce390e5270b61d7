"""States, masks and plume areas of frames whose truth is not known."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kerasfusion.errors import RequestError
from kerasfusion.fume.data.annotations import GASES, STATES
from kerasfusion.fume.data.frames import resize_mask
from kerasfusion.fume.data.gas_names import GAS_IN_NAME, without_gas
from kerasfusion.fume.data.masks import plume_pixels, write_mask
from kerasfusion.fume.data.samples import read_samples, with_gases
from kerasfusion.fume.detect.answer_panels import draw_answer
from kerasfusion.fume.detect.answering import MASK, Answer, Network, Question
from kerasfusion.fume.detect.panels import overlay
from kerasfusion.images.decoding import ImageError
from kerasfusion.images.listing import list_photos
from kerasfusion.images.png import write_png
from kerasfusion.parallel import ordered_map
from kerasfusion.progress import note

READ_AHEAD = 16


@dataclass(frozen=True)
class Subject:
    """One sample that is asked about.

    Attributes:
        name: relative path without ending, unique; results are filed under it.
        files: {gas: path}, at least one.
        trouble: why it cannot be asked about; None if it can.
    """

    name: str
    files: dict[str, Path]
    trouble: str | None = None


@dataclass(frozen=True)
class Prediction:
    """What a network says of one sample, or of one frame if it takes single frames.

    Attributes:
        subject: what was asked about.
        state: {state: probability}; empty if the network does not tell it, or on an error.
        plumes: {"co2", "ch4", or "union" of both: (gas pixels, share of the frame)}.
        masks: {as in `plumes`: the written PNG}.
        error: why there is no answer.
    """

    subject: Subject
    state: dict[str, float] = field(default_factory=dict)
    plumes: dict[str, tuple[int, float]] = field(default_factory=dict)
    masks: dict[str, Path] = field(default_factory=dict)
    error: str | None = None

    def to_json(self) -> dict:
        """For JSON lines: name, co2, ch4, state, probabilities, plumes, masks, error."""
        return {
            "name": self.subject.name,
            **{gas: str(self.subject.files[gas]) if gas in self.subject.files else None for gas in GASES},
            "state": max(self.state, key=self.state.get) if self.state else None,
            "probabilities": self.state or None,
            "plumes": {name: {"pixels": pixels, "share": share} for name, (pixels, share) in self.plumes.items()},
            "masks": {name: str(path) for name, path in self.masks.items()},
            "error": self.error,
        }

    def to_line(self, width: int) -> str:
        """For a person: name (padded to `width`), gases, state with its probabilities, plumes."""
        if self.error is not None:
            return f"{self.subject.name:{width}}  unreadable: {self.error}"
        parts = [f"{'+'.join(gas.upper() for gas in self.subject.files):7}"]
        if self.state:
            shares = "  ".join(f"{name} {share:.3f}" for name, share in self.state.items())
            parts.append(f"{self.to_json()['state']:12}  ({shares})")
        for name, (pixels, share) in self.plumes.items():
            parts.append(f"{name.upper() if name in GASES else name} plume {pixels:>7,} px = {share:6.2%}")
        return "  ".join([f"{self.subject.name:{width}}", *parts])


def list_subjects(
    co2: Path | None, ch4: Path | None, pairs: Path | None, root: Path | None = None, gases: str = "both"
) -> list[Subject]:
    """What `predict` is to ask about.

    Args:
        co2, ch4: a frame of each gas, or a folder of each: frames of one name (but for its ending and the gas in it, as
            in a_co2_1.png and a_ch4_1.png) belong together, and a frame without a partner is asked about alone. Either
            may be None.
        pairs: a paired CSV instead; masks and states in it are not read.
        root: what its paths are relative to; None is its own folder.
        gases: what is asked about of the CSV, as `data.gases` names it; the other gas is passed over, as in `evaluate`.

    Raises:
        RequestError: nothing is asked for, a combination that makes no sense, a path that does not exist, or a folder
            without images. Two images of one name in it are the trouble of their subject alone.
        KerasFusionError: a folder that may not be entered.
    """
    given = {gas: path for gas, path in zip(GASES, (co2, ch4), strict=True) if path is not None}
    if bool(given) == (pairs is not None):
        raise RequestError(
            "name the frames", expected="--co2 FILE, --ch4 FILE, both (or folders), or --pairs CSV without them"
        )
    if pairs is not None:
        return _of_csv(pairs, pairs.parent if root is None else root, gases)
    for path in given.values():
        if not path.exists():
            raise RequestError("no such file or folder", where=path)
    kinds = {path.is_dir() for path in given.values()}
    if len(kinds) > 1:
        raise RequestError("--co2 and --ch4 are a file and a folder", expected="two files, or two folders")
    if kinds == {False}:
        return [Subject(next(iter(given.values())).stem, given)]
    found = {gas: _by_name(path, gas) for gas, path in given.items()}
    names = sorted({name for frames in found.values() for name in frames})
    return [_of_folders(name, {gas: frames[name] for gas, frames in found.items() if name in frames}) for name in names]


def predict(
    network: Network, subjects: Sequence[Subject], batch: int = 8, out: Path | None = None, overlays: bool = False
) -> Iterator[Prediction]:
    """Answer in order, a batch at a time; a sample with an unreadable file gives a Prediction with its error.

    Args:
        network: opened.
        subjects: what is asked about.
        batch: questions a forward pass.
        out: folder for masks (and overlays); None writes none.
        overlays: also draw each answer: a sheet in OUT/overlays, and the mask over each frame at the frame's own size
            in OUT/overlay_frames.

    Raises:
        RequestError: subjects of a gas that the network was not trained on.
    """
    network.require_gases({gas for subject in subjects for gas in subject.files})
    read = ordered_map(lambda subject: _read(network, subject), subjects, ahead=max(READ_AHEAD, 2 * batch))
    for start in range(0, len(subjects), batch):
        chunk = [part for subject in subjects[start : start + batch] for part in _parts(network, subject, next(read))]
        questions = [question for _, question in chunk if isinstance(question, Question)]
        answers = iter([answer for part in _slices(questions, batch) for answer in network.answer(part)])
        for subject, question in chunk:
            if isinstance(question, ImageError):
                yield Prediction(subject, error=str(question))
            else:
                yield _prediction(network, subject, next(answers), out, overlays)


def _of_csv(path: Path, root: Path, gases: str) -> list[Subject]:
    seen, subjects, samples = Counter(), [], read_samples(path, labelled=False)
    if not samples:
        raise RequestError("the CSV has no rows", where=path)
    known = with_gases(samples, gases)
    if not known:
        raise RequestError(
            f"the CSV has no frame of {gases.upper()}, and the network was trained on that gas alone (data.gases)",
            where=path,
            todo="name another CSV, or train a network with data.gases=both",
        )
    if left := sum(len(sample.frames) for sample in samples) - sum(len(sample.frames) for sample in known):
        note(f"{left} frames of the other gas are passed over: the network was trained on {gases.upper()} alone")
    for sample in known:
        files = {gas: root / frame.frame_path for gas, frame in sample.frames.items()}
        name = str(Path(next(iter(sample.frames.values())).frame_path).with_suffix("").as_posix())
        seen[name] += 1
        subjects.append(Subject(name if seen[name] == 1 else f"{name}-{seen[name]}", files))
    return subjects


def _of_folders(name: str, found: dict[str, list[Path]]) -> Subject:
    """The subject of a name, of which there should be one file of each gas."""
    twice = [
        f"two images of one name, of which one must be taken away or renamed: {' and '.join(map(str, paths[:2]))}"
        for paths in found.values()
        if len(paths) > 1
    ]
    return Subject(name, {gas: paths[0] for gas, paths in found.items()}, "; ".join(twice) or None)


def _by_name(folder: Path, gas: str) -> dict[str, list[Path]]:
    """{name without the gas: files} of a gas's frames; those that name the other gas are not its own."""
    found: dict[str, list[Path]] = {}
    listing = list_photos(folder)
    paths = listing.photos(folder)
    if folder in listing.unreachable:
        listing.require_whole()
    # What cannot be reached is asked about too: it costs its own answer, and nobody else's.
    for path in sorted([*paths, *listing.unreachable]):
        whole = path.relative_to(folder).with_suffix("").as_posix()
        name = without_gas(whole, gas)
        if not GAS_IN_NAME[gas].search(whole) and any(pattern.search(whole) for pattern in GAS_IN_NAME.values()):
            continue
        found.setdefault(name, []).append(path)
    if not found:
        raise listing.nothing_found(
            "frames whose names do not say the other gas: PNG, TIFF, BMP, JPEG and what else Pillow reads",
            f"name another folder, or a file: --{gas} FRAME, or --{gas} FILM (MP4, AVI, MOV, MKV, SEQ, CSQ, or a TIFF "
            "of many pages)",
            f"frame of {gas.upper()}",
        )
    return found


def _read(network: Network, subject: Subject) -> Question | ImageError:
    if subject.trouble is not None:
        return ImageError(subject.trouble)
    try:
        return network.read(subject.files)
    except ImageError as error:
        return error


def _parts(network: Network, subject: Subject, read: Question | ImageError):
    """(subject, question or error) of all that is asked about a sample."""
    if isinstance(read, ImageError) or network.is_paired:
        return [(subject, read)]
    return [(Subject(subject.name, {gas: subject.files[gas]}), read.only(gas)) for gas in read.frames]


def _slices(items: list, size: int) -> list[list]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _prediction(network: Network, subject: Subject, answer: Answer, out: Path | None, overlays: bool) -> Prediction:
    state = {} if answer.state is None else dict(zip(STATES, map(float, answer.state), strict=True))
    masks = {_part_name(network, subject, output): mask for output, mask in answer.masks.items()}
    plumes = {name: (plume_pixels(mask), plume_pixels(mask) / mask.size) for name, mask in masks.items()}
    if out is None:
        return Prediction(subject, state, plumes)
    paths = {name: write_mask(out, f"{subject.name}_{name}", mask) for name, mask in masks.items()}
    if overlays:
        _write_overlay(network, subject, answer, out)
    return Prediction(subject, state, plumes, paths)


def _part_name(network: Network, subject: Subject, output: str) -> str:
    """What a mask is of: "co2", "ch4", or "union"."""
    if output != MASK:
        return output.removesuffix(f"_{MASK}")
    return "union" if network.is_paired else next(iter(subject.files))


def _write_overlay(network: Network, subject: Subject, answer: Answer, out: Path) -> None:
    frames = network.read_frames(subject.files)
    name = subject.name if network.is_paired else f"{subject.name}_{next(iter(frames))}"
    write_png(out / "overlays" / f"{name}.png", draw_answer(network, frames, answer, subject.name))
    for gas, frame in frames.items():
        mask = answer.masks.get(f"{gas}_{MASK}", answer.masks.get(MASK))
        if mask is not None:
            mask = resize_mask(
                mask, frame.shape[1], frame.shape[0]
            )  # one mask of both gases is of the first one's size
            write_png(out / "overlay_frames" / f"{subject.name}_{gas}.png", overlay(frame, mask))
