"""Tables for papers: names and signs as they are, and which values stand where."""

import pytest

from kerasfusion.fume.evaluate.paper import as_latex, as_markdown, in_markdown, measured, view_rows

PARTS = {
    "state": {"accuracy": 0.7, "balanced_accuracy": 0.6, "macro_f1": 0.5, "f1_transitional": 0.4, "n": 9},
    "co2_mask": {"miou": 0.81, "iou_gas": 0.71, "boundary_f_gas": 0.61, "boundary_f_tube": None, "n": 6},
    "mask": {"miou": 0.8, "iou_gas": 0.7, "n": 10},
    "joint": {"score": 0.55},
}


@pytest.mark.parametrize(
    ("name", "latex", "markdown"),
    [
        ("no_attention", r"no\_attention", r"no\_attention"),
        ("a--b---c-d", "a-{}-b-{}-{}-c-d", "a--b---c-d"),
        ("50%&#$", r"50\%\&\#\$", "50%&#$"),
        ("a{b}~^\\", r"a\{b\}\textasciitilde{}\textasciicircum{}\textbackslash{}", "a{b}~^\\\\"),
        ("CO2-only|`x`*", r"CO\textsubscript{2}-only\textbar{}`x`*", r"CO2-only\|\`x\`\*"),
    ],
)
def test_names_are_written_so_that_they_are_read_as_they_are(name, latex, markdown):
    rows = [{"name": name, "joint": 0.5, "joint_sd": 0.01}]
    assert as_latex(rows).splitlines()[4] == rf"{latex} & 0.500 $\pm$ 0.010 \\"
    assert as_markdown(rows).splitlines()[2] == f"| {markdown} | 0.500 ± 0.010 |"
    assert in_markdown(name) == markdown


def test_a_network_with_a_mask_for_each_gas_has_none_of_both():
    row = measured(PARTS)
    assert (row["miou_co2"], row["iou_gas_co2"], row["boundary_f_gas_co2"]) == (0.81, 0.71, 0.61)
    assert (row["miou_ch4"], row["miou_mask"], row["boundary_f_tube_co2"]) == (None, None, None)
    assert (row["balanced_accuracy"], row["joint"]) == (0.6, 0.55)
    alone = measured({"mask": PARTS["mask"]})
    assert (alone["miou_mask"], alone["miou_co2"], alone["accuracy"], alone["joint"]) == (0.8, None, None, None)


def test_the_views_of_a_split_are_rows_and_empty_columns_are_left_out():
    rows = view_rows({"val": PARTS, "test": PARTS, "test_co2_only": {"state": PARTS["state"]}, "network": {}}, "test")
    assert as_markdown(rows).splitlines() == [
        "| samples | n | mIoU CO2 | gas IoU CO2 | gas BF CO2 | accuracy | balanced accuracy | macro F1 "
        "| Transitional F1 | joint |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| test | 10 | 0.810 | 0.710 | 0.610 | 0.700 | 0.600 | 0.500 | 0.400 | 0.550 |",
        r"| test\_co2\_only | 9 | - | - | - | 0.700 | 0.600 | 0.500 | 0.400 | - |",
    ]
