"""`nodeflow credentials`: what a picture's content credentials say, and whether they hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nodeflow.cli.exits import Exit, Stop
from nodeflow.cli.help import with_examples
from nodeflow.cli.text import clean, emit, emit_json

if TYPE_CHECKING:
    from nodeflow.share.credentials import Credentials


@with_examples(
    "nodeflow credentials output/image.png",
    "nodeflow credentials output/image.png --trust roots.pem --json",
    "nodeflow run recipe.json --sign chain.pem --key key.pem",
)
def credentials(
    file: Annotated[Path, typer.Argument(metavar="PICTURE", help="A PNG, WebP or JPEG picture.")],
    trust: Annotated[
        Path | None, typer.Option("--trust", metavar="PEM", help="Certificates of those whose word counts.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> None:
    """Show a picture's content credentials (C2PA): by whom it was signed, made with what, and whether it was changed.

    Exit code 0: they hold; 6: the picture was changed after it was signed, the signature is wrong, or (with --trust)
    nobody that is trusted vouches for the signer. Nothing is fetched.
    """
    from nodeflow.cli.source import content
    from nodeflow.share.credentials import CredentialsError, read_credentials

    try:
        found = read_credentials(content(file), content(trust, 1 << 20) if trust else b"")
    except CredentialsError as error:
        raise Stop(Exit.FILES, f"{file}: {error}") from None
    code = (
        Exit.OK
        if found is None or found.state == ("trusted" if trust else found.state) != "invalid"
        else Exit.DIFFERENT
    )
    if as_json:
        emit_json({"file": str(file), "credentials": found and found.to_json(), "exit_code": int(code)})
    elif found is None:
        emit(clean(f"{file} has no content credentials"))
    else:
        for line in lines(found):
            emit(clean(line))
    if code is not Exit.OK:
        raise Stop(code)


def lines(found: Credentials) -> list[str]:
    """Credentials in words, a fact a line."""
    meaning = {
        "trusted": "unchanged since it was signed, by someone who is trusted",
        "valid": "unchanged since it was signed; nobody here vouches for the signer",
    }
    texts = [f"{found.state}: {meaning.get(found.state, 'changed since it was signed, or wrongly signed')}"]
    texts += [f"  {failure}" for failure in found.failures]
    who = ", ".join(text for text in (found.signer, found.issuer) if text) or "nobody named"
    texts.append(f"signed by: {who}{f', {found.time}' if found.time else ''}")
    texts.append(f"made by: {found.generator or 'nothing named'}")
    texts += [f"{action}{f': {source}' if source else ''}" for action, source in found.actions]
    texts += [f"from: {name}" for name in found.ingredients]
    for name in ("digest", "key", "lock"):
        if isinstance(value := found.recipe.get(name), str):
            texts.append(f"{'recipe' if name == 'digest' else name}: {value[:64]}")
    models = found.recipe.get("models")
    for model in models[:50] if isinstance(models, list) else []:
        if isinstance(model, dict):
            texts.append(f"model: {str(model.get('name'))[:100]} blake3 {str(model.get('blake3'))[:16]}")
    return texts
