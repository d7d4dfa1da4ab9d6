"""``medshare storage``: blocks, pins and archives; ``replication`` adds what concerns several nodes."""

from __future__ import annotations

from pathlib import Path

import click

from medshare.cli.console import App, Group
from medshare.cli.replication import repair, status, unpin
from medshare.cli.values import CidValue, parse_span
from medshare.content import Cid, list_directory, read_car, read_file, write_car
from medshare.errors import InvalidInputError
from medshare.files import written_whole
from medshare.places import open_nodes, open_own_store, open_store
from medshare.ports import BlobStore
from medshare.storage import LocalBlobStore


@click.group(cls=Group)
def storage() -> None:
    """Storage: pins, garbage collection, CAR archives; how well the institutions' nodes keep what the chain names.

    Only "status", "repair" and "unpin" need the chain.
    """


@storage.command("pins")
@click.pass_obj
def pins(app: App) -> None:
    """List what the store keeps."""
    roots = sorted(str(root) for root in open_own_store(app.settings).pins())
    app.show_all([{"cid": root} for root in roots], nothing="nothing is pinned")


@storage.command("collect")
@click.option("--older-than", "age", metavar="SPAN", help="Spare only what is younger: 12h, 90m, 0s. Default: 24h.")
@click.pass_obj
def collect(app: App, age: str | None) -> None:
    """Remove blocks that no pin keeps.

    The local store spares those of the last 24 hours, since somebody may be about to pin them. They may be what an
    interrupted publication has left: "--older-than 0s" removes them, too. Say it while nothing is being published or
    granted from here; what is would have to be repeated. A Kubo node spares nothing.
    """
    store = open_own_store(app.settings)
    if age is None:
        done = store.collect()
    elif isinstance(store, LocalBlobStore):
        done = store.collect(grace=parse_span(age))
    else:
        raise InvalidInputError("a Kubo node spares nothing, whatever its age", hint="leave --older-than out")
    app.show(
        {
            "removed_blocks": done.removed_blocks,
            "freed_bytes": done.freed_bytes,
            "kept_blocks": done.kept_blocks,
            "spared_blocks": done.spared_blocks,
            "spared_bytes": done.spared_bytes,
        },
        title="collected",
    )
    if done.spared_blocks:
        app.say("spared blocks are kept by no pin and are young; if nothing is being published: --older-than 0s")


@storage.command("export")
@click.argument("root", type=CidValue())
@click.option("--to", "path", type=click.Path(dir_okay=False, path_type=Path), required=True, help="CAR file to write.")
@click.pass_obj
def export(app: App, root: Cid, path: Path) -> None:
    """Write a record or bundle as a CAR archive, for another node; it stays encrypted."""
    with written_whole(path, replace=False) as stream:
        write_car(_store(app).get, [root], stream)
    app.show({"root": str(root), "file": str(path), "bytes": path.stat().st_size}, title="exported")


@storage.command("import")
@click.argument("path", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@click.pass_obj
def import_(app: App, path: Path) -> None:
    """Take the blocks of a CAR archive into the store, each verified, and keep its roots."""
    store = open_own_store(app.settings)
    with path.open("rb") as stream:
        roots, blocks = read_car(stream)
        store.put(blocks)
    for root in roots:
        store.pin(root)
    app.show({"roots": [str(root) for root in roots]}, title="imported")


@storage.command("unpack")
@click.argument("root", type=CidValue())
@click.option("--to", "folder", type=click.Path(file_okay=False, path_type=Path), required=True, help="New folder.")
@click.pass_obj
def unpack(app: App, root: Cid, folder: Path) -> None:
    """Write the files of a record or bundle to a new folder, as they are: encrypted.

    "cat header.c4gh payload.c4gh" of a record is a file for every Crypt4GH tool.
    """
    store = _store(app)
    files = list_directory(store.get, root)
    try:
        folder.mkdir()
    except (FileExistsError, FileNotFoundError) as error:
        raise InvalidInputError("the folder exists, or its parent does not", hint="name a new folder") from error
    for name, link in files.items():
        with written_whole(folder / name, replace=False) as stream:
            for chunk in read_file(store.get, link.cid, max_size=link.size):
                stream.write(chunk)
    app.show({"folder": str(folder), "files": sorted(files)}, title="unpacked")


def _store(app: App) -> BlobStore:
    """Return the store, with all behind it that can be read from."""
    return open_store(app.settings, open_nodes(app.settings))


for command in (status, repair, unpin):
    storage.add_command(command)
