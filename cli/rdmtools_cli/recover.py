"""`rdmtools recover`: the journal of a crash -> run.parquet."""

from dataclasses import asdict

from rdmtools.logger.merge import recover as recover_run
from rdmtools.read.paths import local_path, named_paths
from rdmtools.read.stores import Location
from rdmtools.run.quality import counted
from rdmtools_cli import console


def recover(runs: list[str], as_json: bool) -> bool:
    """Turn the journal that a crash or a large run left into run.parquet."""

    def work(name: str, path: Location) -> None:
        written = recover_run(str(path))
        if as_json:
            console.print_json({"run": name, "path": str(path), **asdict(written)})
            return
        words = [counted(written.rows, "row")]
        if written.superseded_rows:
            words.append(f"left out {counted(written.superseded_rows, 'loss')} that came again later")
        if written.bytes_left:
            words.append(f"could not read {counted(written.bytes_left, 'byte')}, kept in journal.damaged")
        if written.dropped_steps:
            kept = "journal.damaged" if written.bytes_left else "journal.partial"
            words.append(
                f"left out {counted(written.dropped_steps, 'step')} that some rank lacks, kept in {kept}"
            )
        console.print_path(path, after=f": {'; '.join(words)}")

    return console.all_done(named_paths(map(local_path, runs)), work, as_json)
