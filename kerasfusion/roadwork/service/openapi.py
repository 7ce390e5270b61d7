"""The service's addresses as OpenAPI has them: what /openapi.json says. A test asks all of it of a running service."""

from kerasfusion import __version__
from kerasfusion.roadwork.scoring.window import FIRST, FULL
from kerasfusion.roadwork.service.settings import ServiceSettings

_P = {"type": "number", "minimum": 0, "maximum": 1}
_TEXT = {"type": "string", "minLength": 1}
_DIGEST = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_SECONDS = {"type": "number", "minimum": 0}
_RETRY = {"Retry-After": {"description": "seconds", "required": True, "schema": {"type": "integer", "minimum": 1}}}


def describe(settings: ServiceSettings) -> dict[str, object]:
    """The description of a service with these settings, as OpenAPI 3.1 in JSON's types."""
    about = (
        "P(roadwork) of a photo. What is wrong with a request is said as JSON: error, expected, todo. At every address "
        f"400 is also the answer to what is not HTTP, and 408 to a head that did not arrive within {settings.read_s:g} "
        "s; GET stands for HEAD too, and 405 and OPTIONS name the methods of an address."
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "kerasfusion", "version": __version__, "summary": "Is there roadwork?", "description": about},
        "paths": {
            "/v1/detect": {"post": _detect(settings)},
            "/healthz": {"get": _get("healthz", "Whether the service lives", _json("it does", "Alive"))},
            "/readyz": {
                "get": _get("readyz", "Whether a model is open", _json("it is", "Ready"), _json("it isn't", "NotReady"))
            },
            "/metrics": {"get": _get("metrics", "Measurements for Prometheus", _text("measurements", "text/plain"))},
            "/openapi.json": {
                "get": _get("openapi", "This description", _schema("OpenAPI", {"type": "object"}))  # of itself
            },
            "/": {"get": _get("page", "A page that takes a photo", _text("the page", "text/html"))},
        },
        "components": {"schemas": _schemas()},
    }


def _detect(settings: ServiceSettings) -> dict[str, object]:
    why = {
        400: "no photo, not a whole image, not JSON or not base64",
        408: f"the body did not arrive within {settings.read_s:g} s",
        413: f"more than {settings.max_bytes:,} bytes as it is sent, or more than {settings.max_pixels:,} pixels",
        415: "another Content-Type, none, or a compressed body",
        429: f"{settings.queue} requests are being answered or wait",
        500: "the model's process ended twice while it answered this photo, or its answer is no probability",
        503: "the model is not open",
        504: f"no answer within {settings.deadline_s:g} s",
    }
    refusals = {str(status): _json(words, "Refusal") for status, words in why.items()}
    for status in ("429", "503"):
        refusals[status]["headers"] = _RETRY
    return {
        "operationId": "detect",
        "summary": "P(roadwork) of one photo",
        "requestBody": {
            "required": True,
            "description": "The photo's file: alone (under any image/ type), as the one file of a form, or in JSON.",
            "content": _bodies(),
        },
        "responses": {"200": _json("the answer", "Answer"), **refusals},
    }


def _bodies() -> dict[str, object]:
    form = {
        "type": "object",
        "properties": {"photo": {"type": "string", "format": "binary", "description": "the name may be another one"}},
        "required": ["photo"],
    }
    alone = {name: {} for name in ("image/jpeg", "image/png", "application/octet-stream")}
    synapse = {"schema": {"$ref": "#/components/schemas/Synapse"}}
    return {**alone, "multipart/form-data": {"schema": form}, "application/json": synapse}


def _get(name: str, summary: str, found: dict, not_ready: dict | None = None) -> dict[str, object]:
    responses = {"200": found} | ({"503": not_ready} if not_ready else {})
    return {"operationId": name, "summary": summary, "responses": responses}


def _json(description: str, schema: str) -> dict[str, object]:
    return _schema(description, {"$ref": f"#/components/schemas/{schema}"})


def _schema(description: str, schema: dict) -> dict[str, object]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _text(description: str, kind: str) -> dict[str, object]:
    return {"description": description, "content": {kind: {"schema": {"type": "string"}}}}


def _schemas() -> dict[str, object]:
    refusal = {"error": _TEXT, "expected": _TEXT, "todo": _TEXT}
    answer = {
        "p_roadwork": _P,
        "prediction": {**_P, "description": "the same, under the name that the subnet's synapse has for it"},
        "roadwork": {"type": "boolean", "description": "the decision"},
        "stage": {"enum": [FIRST, FULL], "description": "which stage answered: first asks all branches but the ViT"},
        "branches": {
            "type": "object",
            "additionalProperties": _P,
            "description": "P(roadwork) of each branch that was asked",
        },
        "model_sha256": _DIGEST,
        "seconds": _object({"queue": _SECONDS, "answer": _SECONDS}),
    }
    ready = {"ready": {"const": True}, "model": _TEXT, "model_sha256": _DIGEST, "precision": _TEXT}
    image = {"type": "string", "format": "byte", "minLength": 1, "description": "the photo's file in base64"}
    return {
        "Alive": _object({"alive": {"const": True}}),
        "Answer": _object(answer),
        "NotReady": _object({"ready": {"const": False}, **refusal}),
        "Ready": _object(ready),
        "Refusal": _object(refusal),
        "Synapse": {"type": "object", "properties": {"image": image}, "required": ["image"]},  # others are passed over
    }


def _object(properties: dict[str, object]) -> dict[str, object]:
    """An object that has all of these and no others."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
