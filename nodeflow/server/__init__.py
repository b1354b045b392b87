"""The server: an HTTP API, one websocket and the canvas, in front of a durable queue and a worker process.

It holds no rule that the CLI would have to repeat: checking, planning and running are the engine's.
"""
