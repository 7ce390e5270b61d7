"""The script that tells wrk what to send and how to report."""

import json
from pathlib import Path

_SCRIPT = """
wrk.method, wrk.path = "POST", "/v1/detect"
wrk.headers["Content-Type"] = "image/jpeg"
local file = assert(io.open(PHOTO, "rb"))
wrk.body = file:read("*a")
file:close()

local threads = {}
function setup(thread)
  table.insert(threads, thread)
end

not_200 = 0
function response(status)
  if status ~= 200 then not_200 = not_200 + 1 end
end

function done(summary, latency)
  local bad = 0
  for _, thread in ipairs(threads) do bad = bad + thread:get("not_200") end
  local e = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.3f, "p50_ms": %.3f, "p99_ms": %.3f, "not_200": %d, ' ..
    '"errors": {"connect": %d, "read": %d, "write": %d, "timeout": %d}}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, bad,
    e.connect, e.read, e.write, e.timeout))
end
"""


def script(photo: Path) -> str:
    """Lua that posts a JPEG and ends with one line of JSON: requests, seconds, p50_ms, p99_ms, not_200, errors."""
    return _SCRIPT.replace("PHOTO", json.dumps(str(photo.resolve())))
