"""What the service tells Prometheus."""

import os

import psutil

from kerasfusion.errors import require
from kerasfusion.roadwork.service.worker import Worker

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Bounds of the histograms, seconds."""

SIZES = (1, 2, 4, 8, 16, 32, 64)
"""Bounds of the histogram of batches, photos."""


class ServiceMetrics:
    """Counters and histograms in a registry of their own."""

    def __init__(self):
        self._prometheus = prometheus = require("prometheus_client", extra="serve")
        self._registry = prometheus.CollectorRegistry()
        kept = {"registry": self._registry, "namespace": "kerasfusion"}
        self._requests = prometheus.Counter("requests", "Requests to /v1/detect by status", ["status"], **kept)
        self._seconds = prometheus.Histogram(
            "seconds", "Seconds of a request by stage", ["stage"], buckets=SECONDS, **kept
        )
        self._batches = prometheus.Histogram("batch_photos", "Photos in a forward pass", buckets=SIZES, **kept)
        self._stages = prometheus.Counter("answers", "Answers by the stage that gave them", ["stage"], **kept)
        self._cached = prometheus.Counter("cached_answers", "Answers from the cache", **kept)
        self._house = prometheus.Gauge("queue_length", "Requests in the house", **kept)
        self._ready = prometheus.Gauge("worker_ready", "Whether the model is open", **kept)
        self._spare = prometheus.Gauge("spare_ready", "Whether a second process has the model open", **kept)
        self._restarts = prometheus.Gauge("worker_restarts", "Workers that ended and were replaced", **kept)
        self._memory = prometheus.Gauge("memory_bytes", "Resident memory", ["process"], **kept)

    def note_request(self, status: int, seconds: float) -> None:
        """Count a request and its time from arrival to answer."""
        self._requests.labels(status).inc()
        self.note_seconds("total", seconds)

    def note_seconds(self, stage: str, seconds: float) -> None:
        """Count the seconds of a stage: "read", "queue", "answer" or "total"."""
        self._seconds.labels(stage).observe(seconds)

    def note_batch(self, photos: int, seconds: float) -> None:
        """Count a forward pass."""
        self._batches.observe(photos)
        self.note_seconds("answer", seconds)

    def note_stage(self, stage: str) -> None:
        """Count an answer: "first", of a cascade that was sure, or "full"."""
        self._stages.labels(stage).inc()

    def note_cached(self) -> None:
        """Count an answer that was remembered."""
        self._cached.inc()

    def as_text(self, in_house: int, worker: Worker) -> bytes:
        """All of it as Prometheus reads it, with what is so at this moment."""
        self._house.set(in_house)
        self._ready.set(worker.opened is not None)
        self._spare.set(worker.has_spare)
        self._restarts.set(worker.restarts)
        self._memory.labels("service").set(_resident_bytes(os.getpid()))
        for name, pid in zip(("worker", "spare"), worker.pids, strict=True):
            self._memory.labels(name).set(_resident_bytes(pid))
        return self._prometheus.generate_latest(self._registry)

    @property
    def content_type(self) -> str:
        """Content-Type of `as_text`."""
        return self._prometheus.CONTENT_TYPE_LATEST


def _resident_bytes(pid: int | None) -> int:
    """0 for a process that is not there."""
    try:
        return psutil.Process(pid).memory_info().rss if pid is not None else 0
    except psutil.Error:
        return 0
