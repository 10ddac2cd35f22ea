"""How much a program may keep in its directory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from graftwork.evaluators.scratch import MAX_BYTES, MAX_FILES, bytes_written, is_overfull, make_root, sweep


def test_a_little_is_fine_and_a_missing_directory_too(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(bytes(1000))
    assert not is_overfull(tmp_path)
    assert not is_overfull(tmp_path / "gone")


def test_too_many_files_are_too_much(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(MAX_FILES - 1):
        (folder / str(number)).touch()
    assert not is_overfull(tmp_path)
    (folder / "one more").touch()
    assert is_overfull(tmp_path)


def test_what_takes_space_counts_and_holes_do_not(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        file.truncate(2 * MAX_BYTES)
        assert not is_overfull(tmp_path)
        for _ in range(MAX_BYTES >> 20):
            file.write(b"x" * (1 << 20))
        file.write(b"x" * 8192)
    assert is_overfull(tmp_path)


def test_what_cannot_be_looked_at_is_too_much(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert is_overfull(tmp_path / "loop")
    assert not is_overfull(tmp_path)
    (tmp_path / "closed").mkdir(mode=0)
    # Without capabilities, for root may enter it.
    script = (
        "import pathlib, sys\nfrom graftwork.evaluators import lockdown, scratch\nlockdown.drop_privileges()\n"
        "sys.exit(scratch.is_overfull(pathlib.Path(sys.argv[1])))"
    )
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False).returncode == 1


def test_what_a_process_writes_is_counted_also_when_it_is_removed(tmp_path: Path) -> None:
    script = (
        "import sys\nwith open(sys.argv[1], 'wb') as file:\n    file.write(bytes(5 << 20))\nprint('done', flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", script, tmp_path / "x"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (tmp_path / "x").unlink()
        assert 5 << 20 <= bytes_written(process.pid) < 6 << 20
        process.communicate()
    assert bytes_written(process.pid) == 0


def test_a_sweep_removes_what_dead_templates_left_and_nothing_else(tmp_path: Path) -> None:
    (live, held), (dead, left), (new, fresh) = (make_root(str(tmp_path)) for _ in range(3))
    os.close(left)
    os.close(fresh)
    others, an_hour_ago = tmp_path / "graftwork-others", time.time() - 3600
    for root in (live, dead, others):
        (root / "1" / "file").mkdir(parents=True)
        os.utime(root, (an_hour_ago, an_hour_ago))
    sweep(str(tmp_path))
    assert sorted(tmp_path.iterdir()) == sorted([live, new, others])
    os.close(held)
    sweep(str(tmp_path))
    assert sorted(tmp_path.iterdir()) == sorted([new, others])
