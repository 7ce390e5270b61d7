"""Section of fume's report: what an answer costs."""

from kerasfusion.fume.report.run import Run
from kerasfusion.report_page.blocks import Block, Facts, Note, Paragraph, Section, Table
from kerasfusion.reporting import command_line


def cost_section(run: Run) -> Section | None:
    """Parameters, multiplications and times; None if it was never measured."""
    network = run.report.get("network")
    if not network:
        return None
    size, speed = network["size"], network["speed"]
    width, height = size["image_size"]
    facts = {
        "Trainable parameters": f"{size['trainable_parameters']:,}",
        "Multiplications with accumulation": f"{size['macs'] / 1e9:.3f} GMACs a {size['per']} at {width} x {height}",
        "Time of a sample": f"{speed['total_ms']:.1f} ms from files to masks (95 % under {speed['p95_ms']:.1f} ms), of "
        f"which {speed['forward_ms']:.1f} ms in the network; {speed['fps']:.1f} samples a second",
    }
    measured = Paragraph(f"Times: one sample at a time, {speed['runs']} runs on the machine that evaluated.")
    return Section("What an answer costs", [Facts(facts), measured, *_latency(run)])


def _latency(run: Run) -> list[Block]:
    rows = [
        {"file": name, "stage": stage, **values}
        for name, found in run.latency.items()
        for stage, values in found["stages"].items()
    ]
    if not rows:
        command = command_line(["kerasfusion", "benchmark", run.model])
        return [Note("Times of more runs, stage by stage, were not taken.", command, "missing")]
    return [Table(rows, "Milliseconds a sample, by stage (kerasfusion benchmark).", 1)]
