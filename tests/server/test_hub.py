"""Events on their way to clients: numbers, replay, queues that coalesce and overflow; never a lost change of state."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from nodeflow.server import hub as hub_module
from nodeflow.server.hub import Client, Hub
from nodeflow.server.schema import Job, JobChanged, NodeChanged, QueueChanged
from tests.server.queueing import run_async


def job(number: int, state: str = "running", **more: Any) -> Job:
    return Job(id=number, state=state, title="T", created=1.0, **more)


async def taken(client: Client) -> list[Any]:
    """All that waits, text frames parsed."""
    found = []
    while len(client):
        message = await client.take()
        assert message is not None
        found.append(json.loads(message) if isinstance(message, str) else message)
    return found


def test_events_are_numbered_and_every_client_gets_them() -> None:
    async def main() -> None:
        hub = Hub()
        a = hub.connect()
        hub.publish(QueueChanged(seq=0, paused=False, queued=1))
        b = hub.connect()
        hub.publish_node(3, "sample", {"state": "running", "done": 2, "total": 5})
        hub.disconnect(a)
        hub.publish(QueueChanged(seq=0, paused=True, queued=1))
        assert [e["seq"] for e in await taken(a)] == [1, 2]
        assert [e["seq"] for e in await taken(b)] == [2, 3]

    run_async(main())


def test_a_node_event_is_what_the_schema_says() -> None:
    async def main() -> None:
        hub = Hub()
        client = hub.connect()
        hub.publish_node(3, 'a"b', {"state": "done", "seconds": 0.5})
        (event,) = await taken(client)
        parsed = NodeChanged.model_validate(event)
        assert event == parsed.model_dump(mode="json"), "defaults are written too"
        assert (parsed.job, parsed.node, parsed.status.state, parsed.status.seconds) == (3, 'a"b', "done", 0.5)

    run_async(main())


def test_a_client_that_comes_back_gets_what_it_missed() -> None:
    async def main() -> None:
        hub = Hub(ring=10)
        for number in range(20):
            hub.publish(QueueChanged(seq=0, paused=False, queued=number))
        assert [event.seq for event in hub.missed(15)] == [16, 17, 18, 19, 20]
        assert [hub.can_resume(after, hub.epoch) for after in (20, 10, 9, 21, -1)] == [True, True, False, False, False]
        assert hub.can_resume(20, "another") is False
        assert Hub().can_resume(0, "") is False
        fresh = Hub()
        assert fresh.can_resume(0, fresh.epoch) is True

    run_async(main())


def test_progress_that_waits_is_replaced_and_changes_of_state_are_kept_in_order() -> None:
    async def main() -> None:
        hub = Hub()
        client = hub.connect()
        for node in ("a", "b"):
            hub.publish_node(1, node, {"state": "running"})
            for done in range(50):
                hub.publish_node(1, node, {"state": "running", "done": done, "total": 50})
            hub.publish_node(1, node, {"state": "done"})
        hub.publish(JobChanged(seq=0, job=job(1, finished_steps=1)))
        hub.publish(JobChanged(seq=0, job=job(1, finished_steps=2)))
        hub.publish(JobChanged(seq=0, job=job(1, "completed")))
        found = await taken(client)
        told = [(e.get("node"), (e.get("status") or e["job"])["state"]) for e in found]
        assert told == [
            ("a", "running"), ("a", "done"), ("b", "running"), ("b", "done"), (None, "running"), (None, "completed")
        ]  # fmt: skip
        assert found[0]["status"]["done"] == 49
        assert [e["seq"] for e in found] == sorted(e["seq"] for e in found)

    run_async(main())


STATES = st.sampled_from(["pending", "running", "done", "failed"])


@given(st.lists(st.tuples(st.sampled_from("ab"), STATES, st.integers(0, 3)), max_size=40), st.data())
def test_whenever_a_client_looks_it_ends_with_the_truth_and_saw_every_state(events: Any, data: Any) -> None:
    async def main() -> None:
        hub = Hub()
        client = hub.connect()
        seen: list[dict[str, Any]] = []
        for node, state, done in events:
            hub.publish_node(1, node, {"state": state, "done": done})
            if data.draw(st.booleans()):
                seen += await taken(client)
        seen += await taken(client)
        for node in "ab":
            sent = [(state, done) for name, state, done in events if name == node]
            got = [(e["status"]["state"], e["status"]["done"]) for e in seen if e["node"] == node]
            assert got[-1:] == sent[-1:]
            assert _changes([s for s, _ in got]) == _changes([s for s, _ in sent])

    asyncio.run(main())


def _changes(states: list[str]) -> list[str]:
    return [state for i, state in enumerate(states) if i == 0 or states[i - 1] != state]


def test_a_client_that_is_too_slow_is_ended_and_costs_the_others_nothing() -> None:
    async def main() -> None:
        hub = Hub()
        slow, good = hub.connect(), hub.connect()
        for number in range(hub_module.QUEUE + 1):
            hub.publish(QueueChanged(seq=0, paused=False, queued=number))
            await good.take()
        assert slow.overflowed
        assert await slow.take() is None
        assert (len(slow), len(good)) == (0, 0)
        assert not good.ended.is_set()

    run_async(main())


def test_previews_wait_once_a_node_and_are_never_replayed() -> None:
    async def main() -> None:
        hub = Hub()
        client = hub.connect()
        for number in range(5):
            hub.publish_preview(7, "sample", "sample", "image/jpeg", bytes([number]))
        hub.publish(QueueChanged(seq=0, paused=False, queued=0))
        event, frame = await taken(client)
        assert event["kind"] == "queue", "events go first"
        length = int.from_bytes(frame[1:5], "big")
        assert frame[0] == 1
        assert json.loads(frame[5 : 5 + length])["node"] == "sample"
        assert frame[5 + length :] == b"\x04"
        for number in range(100):
            hub.publish_preview(7, f"n{number}", f"n{number}", "image/jpeg", b"")
        assert len(client) == hub_module.PREVIEWS
        assert [event.seq for event in hub.missed(0)] == [1]

    run_async(main())


def test_publishing_costs_the_same_however_much_was_published() -> None:
    async def main() -> None:
        hub = Hub()
        client = hub.connect()

        def cost(count: int) -> float:
            begun = time.perf_counter()
            for number in range(count):
                hub.publish_node(1, f"n{number}", {"state": "done"})
            return (time.perf_counter() - begun) / count

        async def drained(count: int) -> float:
            best = min([cost(count) for _ in range(1)])
            await taken(client)
            return best

        few = min([await drained(100) for _ in range(20)])
        many = min([await drained(8000) for _ in range(5)])
        assert many < 4 * few + 20e-6, (few, many)

    run_async(main())


def test_a_stopping_server_ends_its_clients() -> None:
    async def main() -> None:
        hub = Hub()
        client = hub.connect()
        waiting = asyncio.create_task(client.take())
        await asyncio.sleep(0)
        hub.close()
        assert await waiting is None
        assert not client.overflowed

    run_async(main())
