"""A running service; one a module, and further ones that a test starts and that are ended with it."""

import pytest

from tests.roadwork.service.material import RunningService, write_model


@pytest.fixture
def model(tmp_path):
    """A tiny model's file, to be replaced as one likes."""
    return write_model(tmp_path / "fusion.onnx")


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A service with small limits that the module's tests share."""
    running = RunningService(
        model=write_model(tmp_path_factory.mktemp("service") / "fusion.onnx"),
        max_bytes=200_000,
        max_pixels=1_000_000,
        read_s=1.0,
        deadline_s=20,
    )
    yield running
    assert running.stop() == 0


@pytest.fixture
def start():
    """Starts a service that the test has for itself."""
    running = []

    def run(**settings) -> RunningService:
        running.append(RunningService(**settings))
        return running[-1]

    yield run
    for each in running:
        each.stop()
