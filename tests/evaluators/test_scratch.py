"""How much a program may keep in its directory."""

from __future__ import annotations

from pathlib import Path

from graftwork.evaluators.scratch import MAX_BYTES, MAX_FILES, is_overfull


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
