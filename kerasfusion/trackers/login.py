"""Whether Weights & Biases could be reported to, without importing it or asking its server."""

import importlib.util
import netrc
import os
from pathlib import Path

from kerasfusion.errors import install_command
from kerasfusion.machine.findings import MISSING, OK, WARNING, Finding
from kerasfusion.trackers.settings import Tracking

HOST = "api.wandb.ai"


def check_tracker(settings: Tracking) -> Finding:
    """What `refuse_unusable` would say; it only counts where the settings ask for the tracker."""
    status = MISSING if settings.wandb else WARNING
    asked = "asked for" if settings.wandb else "not asked for"
    if importlib.util.find_spec("wandb") is None:
        found = f"wandb is not installed; {asked}"
        return Finding("tracker", status if settings.wandb else OK, found, install_command("wandb"))
    mode = wandb_mode(settings) if settings.wandb else os.environ.get("WANDB_MODE", "online")
    if mode != "online":
        return Finding("tracker", OK, f"Weights & Biases, {mode}; {asked}")
    if is_logged_in():
        return Finding("tracker", OK, f"Weights & Biases, logged in; {asked}")
    found = f"Weights & Biases, nobody is logged in; {asked}"
    return Finding("tracker", status if settings.wandb else OK, found, "wandb login, or wandb_mode: offline")


def wandb_mode(settings: Tracking) -> str:
    """In which mode it would run; WANDB_MODE is asked where the settings say online."""
    return os.environ.get("WANDB_MODE", "online") if settings.wandb_mode == "online" else settings.wandb_mode


def is_logged_in() -> bool:
    """A key in the environment or in the netrc file; which one it is does not matter here."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    files = [Path(os.environ["NETRC"])] if "NETRC" in os.environ else [Path.home() / ".netrc", Path.home() / "_netrc"]
    for path in files:
        try:
            if netrc.netrc(path).authenticators(HOST):
                return True
        except (OSError, netrc.NetrcParseError):
            continue
    return False
