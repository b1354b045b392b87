"""The recipe of a job: from a request to what is stored, and from what is stored to what runs."""

from __future__ import annotations

from nodeflow.server.history import Stored
from nodeflow.server.schema import JobRequest
from nodeflow.server.tasks import NewJob
from nodeflow.workflow import Workflow


def prepared(request: JobRequest, workflow: Workflow) -> tuple[bytes, list[NewJob]]:
    """The recipe's text and the jobs that a request asks for."""
    title = workflow.title.strip()[:200] or "Untitled"
    jobs = []
    for inputs in request.sweep or [{}]:
        chosen = {**request.inputs, **inputs}
        digest = (workflow.with_inputs(chosen) if chosen else workflow).digest()
        jobs.append(NewJob(title, digest, chosen, request.targets, request.priority))
    return workflow.text().encode("utf-8", "surrogatepass"), jobs


def written(stored: Stored) -> Workflow:
    """The recipe of a job, its inputs written in."""
    workflow = Workflow.parse(stored.recipe)
    return workflow.with_inputs(stored.job.inputs) if stored.job.inputs else workflow
