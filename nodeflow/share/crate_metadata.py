"""What a crate says of itself: a Provenance Run Crate 0.5 (which is a Workflow Run Crate) on RO-Crate 1.1, written with
`rocrate`.

https://www.researchobject.org/workflow-run-crate/profiles/provenance_run_crate
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nodeflow import __version__
from nodeflow.jsonio import dump_json
from nodeflow.share.crate import Contents, CrateError
from nodeflow.share.lock import ModelLock

METADATA = "ro-crate-metadata.json"
PREVIEW = "ro-crate-preview.html"
MAX_STEPS = 1_000
"""Of larger recipes only the whole run is told step by step in the run record."""
_PROFILES = (
    ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"),
    ("https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate", "1.0"),
    ("https://w3id.org/ro/wfrun/provenance/0.5", "Provenance Run Crate", "0.5"),
)
_TERMS = {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}
_ENGINE, _RUN = "#nodeflow", "#run"
Entity = dict[str, Any]


def metadata(
    contents: Contents, entries: Mapping[str, bytes | Path], *, license: str = "", author: str = ""
) -> dict[str, Any]:
    """The JSON-LD document of a crate.

    Args:
        entries: its files. license: of the crate, as an SPDX id or an address. author: who ran it.

    Raises:
        CrateError: `rocrate` is not installed.
    """
    try:
        from rocrate.rocrate import ROCrate
    except ImportError as error:
        raise CrateError(f"exporting a crate needs the package rocrate ({error}): pip install rocrate") from None

    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms.update(_TERMS)
    root = crate.root_dataset
    for name, content in sorted(entries.items()):
        about = _about(contents, name)
        crate.add_file(dest_path=name, properties={**about, **_measured(content)})
    for entity in _entities(contents, license, author):
        crate.add_jsonld(entity)
    when = moment_text(contents.moment)
    workflow = contents.workflow
    root["name"] = workflow.title or contents.stem
    root["description"] = workflow.description or "A nodeflow recipe, what it needs, and what came of it."
    root["datePublished"] = when
    root["license"] = {"@id": _license_id(license)}
    steps = _steps(contents)
    root["conformsTo"] = [{"@id": uri} for uri, _, _ in (_PROFILES if steps else _PROFILES[:3])]
    root["mainEntity"] = {"@id": f"{contents.stem}.json"}
    crate.metadata["conformsTo"] = [{"@id": "https://w3id.org/ro/crate/1.1"}, {"@id": _PROFILES[2][0]}]
    root["mentions"] = [{"@id": _RUN}, *({"@id": f"#action-{quote(name)}"} for name, *_ in steps)]
    if pictures := [n for n in entries if n.startswith("outputs/") and n.endswith((".png", ".webp", ".jpg"))]:
        root["image"] = {"@id": pictures[0]}
    document: dict[str, Any] = crate.metadata.generate()
    return document


def moment_text(moment: float) -> str:
    """Seconds since 1970 as ISO 8601 in UTC."""
    return datetime.fromtimestamp(max(0, int(moment)), UTC).isoformat()


def _measured(content: bytes | Path) -> Entity:
    if isinstance(content, bytes):
        return {"contentSize": str(len(content)), "sha256": hashlib.sha256(content).hexdigest()}
    with open(content, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"contentSize": str(content.stat().st_size), "sha256": digest}


def _about(contents: Contents, name: str) -> Entity:
    """What is said of a file besides its size and hash."""
    stem = contents.stem
    media = _media(contents)
    if name == f"{stem}.json":
        steps = _steps(contents)
        return {
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", *(["HowTo"] if steps else [])],
            "name": contents.workflow.title or stem,
            "encodingFormat": "application/json",
            "version": contents.lock.recipe[:16],
            "programmingLanguage": {"@id": "#nodeflow-recipe"},
            **_refs("input", [f"#input-{name}" for name in inputs_of(contents)]),
            **_refs("output", [f"#output-{name}" for name in contents.outputs]),
            **_refs("hasPart", [f"#op-{op}" for op in _ops(contents)]),
            **_refs("step", [f"#step-{quote(name)}" for name, *_ in steps]),
        }
    texts = {
        f"{stem}.lock.json": ("Lock: every model, file, version and seed, with digests", "application/json"),
        f"{stem}.run.json": ("Record of the run", "application/json"),
        f"pylock.{stem}.toml": ("The Python environment (PEP 751)", "application/toml"),
        PREVIEW: ("Preview", "text/html"),
    }
    if name in texts:
        return {"name": texts[name][0], "encodingFormat": texts[name][1]}
    if name in media:
        output, kind = media[name]
        example = {"exampleOfWork": {"@id": f"#output-{output}"}} if output in contents.outputs else {}
        return {"name": name.rpartition("/")[2], "encodingFormat": kind, **example}
    kind = "text/markdown" if name.endswith(".md") else "application/octet-stream"
    return {"name": name.rpartition("/")[2], "encodingFormat": kind}


def _media(contents: Contents) -> dict[str, tuple[str, str]]:
    """(output, media type) of each file that was made, by its name in the crate."""
    made = (("outputs", contents.outputs), ("saved", contents.saved))
    return {
        contents.file_name(folder, output, number, media): (output, media)
        for folder, outputs in made
        for output, files in outputs.items()
        for number, (media, _) in enumerate(files)
    }


def inputs_of(contents: Contents) -> dict[str, Any]:
    """The declared inputs that have a value, with it."""
    found = {name: contents.workflow.input_value(name) for name in contents.workflow.inputs}
    return {name: value for name, value in found.items() if value is not None}


def _ops(contents: Contents) -> list[str]:
    return sorted({node.op for node in contents.lock.nodes}) if _steps(contents) else []


def _steps(contents: Contents) -> list[tuple[str, str, str]]:
    """(id, op, key) of each step."""
    nodes = contents.lock.nodes
    return [(node.id, node.op, node.key) for node in nodes] if len(nodes) <= MAX_STEPS else []


def _license_id(license: str) -> str:
    if not license:
        return "#license"
    return license if license.startswith(("https://", "http://")) else f"https://spdx.org/licenses/{license}"


def _entities(contents: Contents, license: str, author: str) -> Iterator[Entity]:
    for uri, name, version in _PROFILES:
        yield {"@id": uri, "@type": "CreativeWork", "name": name, "version": version}
    stated = license or "not stated"
    text = f"The licence of this crate: {stated}. Models have licences of their own, which their entries name."
    yield {"@id": _license_id(license), "@type": "CreativeWork", "name": stated, "description": text}
    about = {"name": "nodeflow recipe", "alternateName": "nodeflow/1", "version": "1"}
    yield {"@id": "#nodeflow-recipe", "@type": "ComputerLanguage", **about}
    about = {"name": "nodeflow", "softwareVersion": __version__}
    yield {"@id": _ENGINE, "@type": "SoftwareApplication", **about, "url": "https://pypi.org/project/nodeflow-engine/"}
    if author:
        yield {"@id": "#author", "@type": "Person", "name": author}
    for name, value in inputs_of(contents).items():
        as_text = value if isinstance(value, str) else dump_json(value, indent=None)
        example = value if isinstance(value, str) and value in contents.inputs else f"#value-{name}"
        kind = "File" if example == value else "PropertyValue"
        yield _parameter(f"#input-{name}", name, kind, [example])
        if kind == "PropertyValue":
            given: Entity = {"name": name, "value": as_text[:10_000], "exampleOfWork": {"@id": f"#input-{name}"}}
            yield {"@id": f"#value-{name}", "@type": "PropertyValue", **given}
    made = _media(contents)
    for name in contents.outputs:
        yield _parameter(f"#output-{name}", name, "File", [f for f, (output, _) in made.items() if output == name])
    for model in contents.lock.models:
        yield _model(model)
    yield from _actions(contents, list(made), author)


def _parameter(entity: str, name: str, kind: str, examples: list[str]) -> Entity:
    return {
        "@id": entity,
        "@type": "FormalParameter",
        "name": name,
        "additionalType": kind,
        **_refs("workExample", [quoted(example) for example in examples]),
        "conformsTo": {"@id": "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"},
    }


def _refs(term: str, names: list[str]) -> Entity:
    """References to entities: one by itself, several as a list, none as nothing."""
    found = [{"@id": name} for name in names]
    return {term: found[0] if len(found) == 1 else found} if found else {}


def quoted(name: str) -> str:
    """A file's name as its id (RO-Crate 1.1, "Encoding file paths")."""
    return name if name.startswith("#") else quote(name)


def _model(model: ModelLock) -> Entity:
    files = [{"@id": f"#file-{model.folder}/{quoted(model.name)}/{quoted(file.name)}"} for file in model.files]
    return {
        "@id": f"#model-{model.folder}/{quoted(model.name)}",
        "@type": "CreativeWork",
        "name": model.name,
        "description": f"A model of the kind {model.folder}: {len(files)} file(s); the lock has the hash of each.",
        "contentSize": str(model.size),
        "identifier": f"blake3:{model.blake3}",
        "sha256": [file.sha256 for file in model.files],
        "license": model.license or "not stated",
        **({"isBasedOn": model.source} if model.source else {}),
    }


def _actions(contents: Contents, made: list[str], author: str) -> Iterator[Entity]:
    ran = contents.ran
    states = {name: (state, seconds) for name, _, state, seconds in ran.nodes}
    used = [f"#value-{name}" for name, value in inputs_of(contents).items() if value not in list(contents.inputs)]
    used += [f"#model-{model.folder}/{quoted(model.name)}" for model in contents.lock.models]
    times = {"startTime": moment_text(ran.started), "endTime": moment_text(ran.ended)} if ran.ended else {}
    agent = {"agent": {"@id": "#author"}} if author else {}
    done = "http://schema.org/CompletedActionStatus"
    times = times or {"endTime": moment_text(contents.moment)}
    yield {
        "@id": _RUN,
        "@type": "CreateAction",
        "name": f"A run of {contents.workflow.title or contents.stem}",
        "description": f"Run {ran.id} of nodeflow {__version__}" if ran.id else f"A run of nodeflow {__version__}",
        "instrument": {"@id": f"{contents.stem}.json"},
        **_refs("object", [*map(quoted, contents.inputs), *used]),
        **_refs("result", [quoted(name) for name in made]),
        "actionStatus": done,
        **times,
        **agent,
    }
    steps = _steps(contents)
    for op in _ops(contents):
        name, _, version = op.partition("@")
        yield {"@id": f"#op-{op}", "@type": "SoftwareApplication", "name": name, "softwareVersion": version}
    for place, (name, op, key) in enumerate(steps):
        tool, here = {"@id": f"#op-{op}"}, quote(name)
        step: Entity = {"name": name, "position": str(place), "workExample": tool}
        yield {"@id": f"#step-{here}", "@type": "HowToStep", **step}
        state, seconds = states.get(name, ("", 0.0))
        text = f"{state}, {seconds:.4f} s" if state else "a step of the run"
        run: Entity = {"name": name, "description": text, "instrument": tool, "actionStatus": done, **agent}
        run["endTime"] = times["endTime"]
        yield {"@id": f"#action-{here}", "@type": "CreateAction", **run, **({"identifier": key} if key else {})}
        control: Entity = {"name": f"orchestrates {name}", "instrument": {"@id": f"#step-{here}"}}
        yield {"@id": f"#control-{here}", "@type": "ControlAction", **control, "object": {"@id": f"#action-{here}"}}
    if steps:
        controls = _refs("object", [f"#control-{quote(name)}" for name, *_ in steps])
        whole: Entity = {"name": f"nodeflow {__version__}", "instrument": {"@id": _ENGINE}, "result": {"@id": _RUN}}
        yield {"@id": "#organize", "@type": "OrganizeAction", **whole, **controls, **agent, **times}
