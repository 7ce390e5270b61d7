"""README.md of a model on a hub: what it is, how to use it, what it was measured to do, and what nobody measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import Any

import yaml

from kerasfusion.roadwork.calibrate.text import has_effect
from kerasfusion.roadwork.evaluate.comparison import in_words_of_test
from kerasfusion.roadwork.evaluate.rehearsal import Rehearsal
from kerasfusion.roadwork.evaluate.rehearsal_text import REACH, conditions
from kerasfusion.roadwork.miner.hub.evidence import SPLIT, Evidence
from kerasfusion.roadwork.miner.hub.facts import data_rows, limits, markdown_table
from kerasfusion.roadwork.miner.hub.usage import plain_keras, with_kerasfusion

METRICS = ("accuracy", "mcc", "reward", "roc_auc")
TAGS = ("roadwork", "street-photos", "streetvision", "bittensor")


@dataclass(frozen=True)
class Card:
    """What a card is made from.

    Attributes:
        said: model_card.json.
        licence: as the hub spells licences.
        description: what the model file says of itself.
        evidence: of this file, or none.
        files: {name: sha256} of the model's files, the one to open first.
    """

    said: dict[str, Any]
    licence: str
    description: dict[str, Any]
    evidence: Evidence
    files: dict[str, str]


def render(card: Card) -> str:
    """The whole README.md."""
    template = Template(files("kerasfusion.roadwork.miner.hub").joinpath("card.txt").read_text(encoding="utf-8"))
    return template.substitute(
        front_matter=_front_matter(card),
        name=card.said["model_name"],
        version=card.said["version"],
        submitted_by=card.said["submitted_by"],
        description=card.said["description"],
        what=_what(card.description),
        inputs=_inputs(card.description),
        outputs=_outputs(card.description),
        usage=_usage(card),
        data=_data(card.description, card.evidence),
        results=_results(card.description, card.evidence),
        limits="\n".join(f"- {line}" for line in limits(card.description, card.evidence)),
        licence=_licence(card.licence, card.description["outputs"]),
        files=markdown_table([{"file": f"`{name}`", "sha256": f"`{digest}`"} for name, digest in card.files.items()]),
    )


def sizes(description: dict[str, Any]) -> dict[str, int]:
    """{picture input: side in pixels}."""
    return {name: description[f"{name}_size"] for name in description["pixels"]}


def _front_matter(card: Card) -> str:
    branches = [name for name in card.description["outputs"] if name != "fusion"]
    front = {
        "license": card.licence,
        "library_name": "keras",
        "tags": [*TAGS, *branches],
        "pipeline_tag": "image-classification",
    }
    return yaml.safe_dump(front, sort_keys=False)


def _what(description: dict[str, Any]) -> str:
    branches = [name for name in description["outputs"] if name != "fusion"]
    return (
        f"One graph that says how likely a street photo shows roadwork: {', '.join(branches)} "
        f"{'answer' if len(branches) > 1 else 'answers'}, and a small learned head, `fusion`, makes one answer of "
        f"{'theirs' if len(branches) > 1 else 'that'}. Made with kerasfusion, format {description['format']}, "
        f"precision {description['precision']}." + _calibration(description.get("calibration"))
    )


def _calibration(said: dict[str, Any] | None) -> str:
    if said is None or not has_effect(said):
        return ""
    return (
        f" The fusion is calibrated inside the graph (fitted on {said['n']} photos of {said['split']}/): temperature "
        f"{said['temperature']:.4f}, and what was P = {said['threshold']:.4f} is 0.5."
    )


def _inputs(description: dict[str, Any]) -> str:
    rows = [
        {"input": f"`{name}`", "shape": f"(B, {size}, {size}, 3)", "pixels": description["pixels"][name]}
        for name, size in sizes(description).items()
    ]
    return markdown_table(rows)


def _outputs(description: dict[str, Any]) -> str:
    names = ", ".join(f"`{name}`" for name in description["outputs"])
    classes = ", ".join(description["class_names"])
    return (
        f"Outputs {names}: each (B, 2) float32 probabilities in the order {classes}. `fusion` is the answer; the "
        "others say what each branch thinks. Normalisation is inside the graph."
    )


def _usage(card: Card) -> str:
    file, parts = next(iter(card.files)), []
    if file.endswith(".keras"):
        needs = "TensorFlow, Keras and Pillow are enough:"
        if card.description["precision"] == "int8":
            needs = "TensorFlow, Keras and Pillow are enough (weights in 8 bits, computed in float32):"
        parts += [needs, _fenced(plain_keras(file, sizes(card.description)))]
    parts += ["With kerasfusion:", _fenced(with_kerasfusion(file))]
    return "\n\n".join(parts)


def _fenced(code: str) -> str:
    return f"```python\n{code}\n```"


def _data(description: dict[str, Any], evidence: Evidence) -> str:
    rows = data_rows(description, evidence)
    if not rows:
        return "The model's file does not say what it was made from."
    return (
        "The digests are over the list of photos and their labels, so that a list can be recognised; the photos are "
        "not part of this folder.\n\n" + markdown_table(rows)
    )


def _results(description: dict[str, Any], evidence: Evidence) -> str:
    rehearsed = _rehearsed(evidence.rehearsal, description)
    if evidence.missing is not None:
        missing = f"**Not evaluated.** Nobody measured this file on test photos: {evidence.missing}."
        return "\n\n".join([missing, *rehearsed])
    rows = [
        {"output": _titled(name, description)}
        | {key: _with_interval(values, key) for key in METRICS}
        | {"photos": values["n"]}
        for name, values in evidence.outputs.items()
    ]
    lines = [
        f"On {_photos(description, evidence)}, by the metrics of the subnet's validators, which round at 0.5; in "
        "brackets 95 % bootstrap intervals. reward = ((max(MCC, 0) + accuracy) / 2)^3."
        + (_MIRRORED if evidence.record.get("tta") else ""),
        markdown_table(rows),
        *_verdict(evidence.outputs.get("fusion", {}).get("vs_vit")),
        *rehearsed,
    ]
    return "\n\n".join(lines)


def _titled(output: str, description: dict[str, Any]) -> str:
    if output != "vit":
        return f"`{output}`"
    return "`vit` (the default ViT)" if output in description["outputs"] else "the default ViT (not in this file)"


def _photos(description: dict[str, Any], evidence: Evidence) -> str:
    if evidence.photos_sha256 == description.get("data", {}).get(SPLIT):
        return f"the photos of {SPLIT}/ above"
    return f"photos with the digest `{evidence.photos_sha256}`"


_MIRRORED = " Each answer is the mean of the photo's and its mirror image's (`--tta`)."


def _with_interval(values: dict[str, Any], key: str) -> str:
    if values.get(key) is None:
        return "-"
    low, high = values[f"{key}_ci95"]
    return f"{values[key]:.4f} [{low:.4f}, {high:.4f}]"


def _verdict(versus: dict[str, Any] | None) -> list[str]:
    if versus is None:
        return ["It was not compared with the default ViT."]
    low, high = versus["reward_difference_ci95"]
    return [
        f"**Fusion against the default ViT: {versus['verdict']}** (reward {versus['reward_difference']:+.4f}, 95 % "
        f"interval {low:+.4f} to {high:+.4f}; {in_words_of_test(versus)})."
    ]


def _rehearsed(found: Rehearsal | None, description: dict[str, Any]) -> list[str]:
    """What a validator would have paid, if that was rehearsed."""
    if found is None:
        return ["The subnet's loop was not rehearsed with it (`kerasfusion miner rehearse`)."]
    rows = [
        {
            "output": _titled(name, description),
            "reward": "{:.4f} [{:.4f}, {:.4f}]".format(earned.reward, *earned.reward_over_repeats),
            "MCC of the last 100": f"{earned.mcc:.4f}",
            "accuracy of the last 10": f"{earned.accuracy:.4f}",
        }
        for name, earned in found.outputs.items()
    ]
    return [
        f"**Rehearsed** as a validator asks and pays, answer by answer: the mean of {found.repeats} times "
        f"{found.challenges} challenges, from the hundredth answer on; in brackets where 95 % of the repeats lie.",
        markdown_table(rows),
        f"{conditions(found)} {REACH}",
    ]


def _licence(licence: str, outputs: Sequence[str]) -> str:
    held = (
        "The file holds weights of several makers: a YOLO classifier trained with ultralytics, whose vendor states "
        "that models trained with it fall under AGPL-3.0 unless one holds its enterprise licence "
        "(https://www.ultralytics.com/license); the pretrained weights that the other branches began with, if they "
        "did, have licences of their own, as have the photos."
    )
    if "yolo" not in outputs:
        held = (
            "There is no YOLO in the file; the pretrained weights that its branches began with, if they did, have "
            "licences of their own, as have the photos."
        )
    return f"`{licence}` is what whoever made this folder says. {held} The code of kerasfusion is under Apache-2.0."
