"""The service's addresses: requests in, answers, errors and measurements out."""

import asyncio
import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from kerasfusion.errors import require
from kerasfusion.roadwork.service.admission import Admission
from kerasfusion.roadwork.service.answer_cache import AnswerCache
from kerasfusion.roadwork.service.batching import Answer, Batching
from kerasfusion.roadwork.service.metrics import ServiceMetrics
from kerasfusion.roadwork.service.openapi import describe
from kerasfusion.roadwork.service.refusal import Refusal
from kerasfusion.roadwork.service.request_body import read_photo
from kerasfusion.roadwork.service.settings import ServiceSettings
from kerasfusion.roadwork.service.worker import Worker

PAGE = Path(__file__).with_name("page.html")
ADDRESSES = "POST /v1/detect, or GET /, /healthz, /readyz, /metrics, /openapi.json"
CLIENT_LEFT = 499
"""Status under which a request is counted whose sender left before its body had arrived; nobody reads it."""


class Service:
    """What the addresses share.

    Args:
        settings: of the service.
        worker: answers.
        batching: the queue in front of it.
        metrics: counts.
    """

    def __init__(self, settings: ServiceSettings, worker: Worker, batching: Batching, metrics: ServiceMetrics):
        self.settings, self.worker, self.batching, self.metrics = settings, worker, batching, metrics
        self.admission = Admission(settings.queue)
        self.cache: AnswerCache[Answer] = AnswerCache(settings.cache)

    async def detect(self, headers, chunks) -> dict[str, object]:
        """The answer to one request, as JSON has it.

        Args:
            headers: of the request.
            chunks: the body as it arrives.

        Raises:
            Refusal: there is none.
        """
        clock = asyncio.get_running_loop().time
        begin = clock()
        if self.worker.opened is None and not self.worker.has_spare:
            raise self.worker.not_ready()
        with self.admission.place():
            photo = await read_photo(headers, chunks, self.settings)
            self.metrics.note_seconds("read", clock() - begin)
            answer = self._remembered(photo)
            if answer is None:
                answer = await self.batching.ask(photo, begin + self.settings.deadline_s)
                self.metrics.note_seconds("queue", answer.queue_s)
                self.cache.put(photo, answer.model_sha256, answer)
        self.metrics.note_stage(answer.detection.stage)
        return as_json(answer)

    def readiness(self) -> tuple[int, dict[str, object]]:
        """Status and body of /readyz."""
        opened = self.worker.opened
        if opened is None:
            return 503, {"ready": False, **self.worker.not_ready().to_json()}
        said = {"model": self.settings.model.name, "model_sha256": opened.model_sha256, "precision": opened.precision}
        return 200, {"ready": True, **said}

    def measurements(self) -> bytes:
        """Body of /metrics."""
        return self.metrics.as_text(self.admission.taken, self.worker)

    def _remembered(self, photo: bytes) -> Answer | None:
        opened = self.worker.opened
        answer = self.cache.get(photo, opened.model_sha256) if opened is not None else None
        if answer is not None:
            self.metrics.note_cached()
            return Answer(answer.detection, answer.model_sha256, queue_s=0.0, answer_s=0.0)
        return None


def build_app(service: Service, lifespan: Callable):
    """The FastAPI application.

    Args:
        service: what the addresses share.
        lifespan: async context manager of the application, as FastAPI takes it.

    Raises:
        RequestError: FastAPI is not installed.
    """
    fastapi = require("fastapi", extra="serve")
    responses = require("fastapi.responses", extra="serve")
    requests = require("starlette.requests", extra="serve")
    exceptions = require("starlette.exceptions", extra="serve")
    # Its pages of documentation load scripts from elsewhere, and /openapi.json says more than it can find out.
    app = fastapi.FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    page = PAGE.read_text(encoding="utf-8")
    page_headers = security_headers(page)
    description = describe(service.settings)

    def refused(refusal: Refusal, headers: Mapping[str, str] | None = None):
        # The rest of a body that came too slowly is not waited for.
        closing = {"Connection": "close"} if refusal.status == 408 else {}
        return responses.JSONResponse(
            refusal.to_json(), refusal.status, {**refusal.headers(), **closing, **(headers or {})}
        )

    async def detect(request):
        clock = asyncio.get_running_loop().time
        begin, status = clock(), 500
        try:
            response = responses.JSONResponse(await service.detect(request.headers, request.stream()))
            status = 200
        except Refusal as refusal:
            response, status = refused(refusal), refusal.status
        except requests.ClientDisconnect:
            response, status = responses.Response(status_code=400), CLIENT_LEFT
        finally:
            service.metrics.note_request(status, clock() - begin)
        return response

    async def healthz(request):
        return responses.JSONResponse({"alive": True})

    async def readyz(request):
        status, said = service.readiness()
        return responses.JSONResponse(said, status)

    async def metrics(request):
        return responses.Response(service.measurements(), media_type=service.metrics.content_type)

    async def openapi(request):
        return responses.JSONResponse(description)

    async def index(request):
        return responses.HTMLResponse(page, headers=page_headers)

    app.add_route("/v1/detect", detect, methods=["POST"])
    for path, answer in (("/healthz", healthz), ("/readyz", readyz), ("/metrics", metrics)):
        app.add_route(path, answer)  # GET, and with it HEAD
    app.add_route("/openapi.json", openapi)
    app.add_route("/", index)

    @app.exception_handler(exceptions.HTTPException)
    async def no_such_address(request, error):
        methods = sorted((error.headers or {}).get("Allow", "").split(", "))
        allowed = {"Allow": ", ".join([*methods, "OPTIONS"])} if error.status_code == 405 else {}
        if allowed and request.method == "OPTIONS":
            return responses.Response(status_code=204, headers=allowed)
        what = f"{request.method} {request.url.path}: {error.detail}"
        return refused(Refusal(error.status_code, what, expected=ADDRESSES, todo="see /openapi.json"), allowed)

    @app.exception_handler(Exception)
    async def failed(request, error):
        what = f"the service failed: {type(error).__name__}"
        return refused(Refusal(500, what, expected="an answer", todo="see the service's log"))

    return app


def as_json(answer: Answer) -> dict[str, object]:
    """The body of an answer; `prediction` is the synapse's name for P(roadwork)."""
    return {
        "p_roadwork": answer.detection.p_roadwork,
        "prediction": answer.detection.p_roadwork,
        "roadwork": answer.detection.roadwork,
        "stage": answer.detection.stage,
        "branches": answer.detection.branches,
        "model_sha256": answer.model_sha256,
        "seconds": {"queue": round(answer.queue_s, 6), "answer": round(answer.answer_s, 6)},
    }


def security_headers(page: str) -> dict[str, str]:
    """Headers by which a browser runs only the page's own style and script, and asks only this service."""
    own = {tag: _hashes(page, tag) for tag in ("style", "script")}
    policy = (
        f"default-src 'none'; style-src {own['style']}; script-src {own['script']}; img-src blob: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }


def _hashes(page: str, tag: str) -> str:
    texts = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
    return " ".join(f"'sha256-{digest}'" for digest in digests)
