"""The one file as an HTTP service: a page, requests, a queue, and the process that answers."""
