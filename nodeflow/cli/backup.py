"""`nodeflow backup`: a copy of the queue, the history and the record of runs."""

from __future__ import annotations

from nodeflow.cli.help import with_examples
from nodeflow.cli.text import emit


@with_examples("nodeflow backup", "nodeflow backup  also while the server runs: it makes the copy then")
def backup() -> None:
    """Copy the queue with its history, and the record of runs, into the home's `backups`; prints the copies.

    Each copy is a whole SQLite database that has been checked; five of each are kept. Results, recipes and uploads are
    files of their own: copy the home's folders for these.
    """
    from nodeflow.cli.serve import ask
    from nodeflow.server.backup import backed_up
    from nodeflow.server.lockfile import HomeInUse
    from nodeflow.settings import Settings

    settings = Settings.load()
    try:
        made = [str(path) for path in backed_up(settings)]
    except HomeInUse:
        made = ask(settings.home, "/api/backup")["files"]
    for path in made:
        emit(path)
    if not made:
        emit("there is nothing to copy yet")
