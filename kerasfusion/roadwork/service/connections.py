"""How long a connection may keep the service waiting; uvicorn bounds only the pause between two requests."""

import json

from kerasfusion.errors import require
from kerasfusion.roadwork.service.refusal import Refusal

_HTTP = "a request as HTTP/1.1 has it"


def bounded_protocol(seconds: float) -> type:
    """uvicorn's protocol for HTTP/1.1, with an end to every wait for the other side.

    A connection is closed when it takes longer than `seconds` over one of these: the head of a request, from the
    opening of the connection or from the head's first byte; the rest of a body whose request is answered already;
    taking the responses that were written to it. A body that is still needed is bounded by whoever reads it.

    Args:
        seconds: for each of them; bytes that trickle in do not lengthen it.

    Returns:
        A class for uvicorn's setting `http`.

    Raises:
        RequestError: uvicorn is not installed.
    """
    h11 = require("h11", extra="serve")
    uvicorn = require("uvicorn.protocols.http.h11_impl", extra="serve")

    class BoundedProtocol(uvicorn.H11Protocol):
        """One connection."""

        _timer = None  # runs while the other side is waited for
        _awaited = None  # what is waited for: h11's state of the other side
        _stalled = None  # runs while the other side does not take what was written

        def connection_made(self, transport) -> None:
            super().connection_made(transport)
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._stop_waiting()
            self.resume_writing()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._stalled = self.loop.call_later(seconds, self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            if self._stalled is not None:
                self._stalled.cancel()
                self._stalled = None

        def send_400_response(self, msg: str) -> None:
            self._refuse(Refusal(400, msg, expected=_HTTP, todo="send it with a client for HTTP, as curl is"))

        def _watch(self) -> None:
            """Begin, go on with or end the wait for a head, or for the rest of an answered request."""
            answered = self.cycle is None or self.cycle.response_complete
            awaited = self.conn.their_state if answered and not self.transport.is_closing() else None
            if awaited not in (h11.IDLE, h11.SEND_BODY):
                self._stop_waiting()
            elif awaited is not self._awaited:
                self._stop_waiting()
                self._awaited = awaited
                self._timer = self.loop.call_later(seconds, self._give_up)

        def _stop_waiting(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._awaited = None

        def _give_up(self) -> None:
            if self.transport.is_closing():
                return
            begun, _ = self.conn.trailing_data
            if self._awaited is h11.IDLE and begun:
                what = f"the head of the request did not arrive within {seconds:g} s"
                self._refuse(Refusal(408, what, expected=_HTTP, todo="send it again, whole"))
            else:  # nobody has asked for anything, or has the answer
                self.transport.close()

        def _refuse(self, refusal: Refusal) -> None:
            if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):  # an answer has begun: no other can be given
                self.transport.close()
                return
            body = json.dumps(refusal.to_json(), ensure_ascii=False).encode()
            headers = [
                ("content-type", "application/json"),
                ("connection", "close"),
                ("content-length", str(len(body))),
            ]
            reason = uvicorn.STATUS_PHRASES[refusal.status]
            events = [h11.Response(status_code=refusal.status, headers=headers, reason=reason), h11.Data(data=body)]
            for event in [*events, h11.EndOfMessage()]:
                self.transport.write(self.conn.send(event))
            self.transport.close()

    return BoundedProtocol
