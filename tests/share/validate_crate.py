"""Runs roc-validator, which has an environment of its own because it wants an older rich.

The JSON-LD context of RO-Crate 1.1 is not fetched: the context of a later version comes with `rocrate`, and the five
terms that were written otherwise in 1.1 are set back (compared with the published file; the rest are equal).

Called with a crate, a profile and a severity. Prints the problems as JSON.
"""

from __future__ import annotations

import json
import sys
from importlib import resources
from io import BytesIO
from typing import Any

import requests
from requests.adapters import HTTPAdapter

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
OF_1_1 = {
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "input": "https://bioschemas.org/ComputationalWorkflow#input",
    "output": "https://bioschemas.org/ComputationalWorkflow#output",
    "cite-as": "https://www.w3.org/ns/iana/link-relations/relation#cite-as",
}


def answer(self: HTTPAdapter, request: Any, **_: Any) -> requests.Response:
    """The context, and no network."""
    response = requests.Response()
    response.request, response.url = request, request.url
    response.status_code = 404
    if request.url.rstrip("/") == CONTEXT:
        packaged = json.loads(resources.files("rocrate").joinpath("data/ro-crate.jsonld").read_text("utf-8"))
        document = {"@id": CONTEXT, "@context": {**packaged["@context"], **OF_1_1}}
        response.status_code = 200
        response.headers["Content-Type"] = "application/ld+json"
        response.raw = BytesIO(json.dumps(document).encode())
    return response


def main(crate: str, profile: str, severity: str) -> None:
    HTTPAdapter.send = answer  # type: ignore[method-assign, assignment]
    from rocrate_validator import models, services

    settings = services.ValidationSettings(
        rocrate_uri=crate,
        profile_identifier=profile,
        requirement_severity=getattr(models.Severity, severity),
        disable_inherited_profiles_issue_reporting=False,
        no_cache=True,
    )
    result = services.validate(settings)
    issues = [
        {"check": i.check.identifier, "severity": i.severity.name, "message": i.message} for i in result.get_issues()
    ]
    print(json.dumps({"passed": result.passed(), "issues": issues}))


if __name__ == "__main__":
    main(*sys.argv[1:4])
