"""python -m kerasfusion."""

from kerasfusion.cli.main import main

main(prog_name="kerasfusion")
