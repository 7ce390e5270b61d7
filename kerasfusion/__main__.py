"""python -m kerasfusion."""

from kerasfusion.cli import main

main(prog_name="kerasfusion")
