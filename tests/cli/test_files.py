"""Files are written whole or not at all."""

from __future__ import annotations

import os

import pytest

from pom.errors import PomError
from pom.files import read_text, write_text


def test_text_is_written_and_replaced(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "one")
    write_text(path, "two")
    assert path.read_text() == "two"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(PomError, match="POM-U101"):
        write_text(tmp_path / "none" / "a", "x")


def test_folder_as_file_is_refused(tmp_path):
    with pytest.raises(PomError, match="POM-U102"):
        write_text(tmp_path, "x")


def test_full_disk_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(PomError, match="No space left"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_unreadable_and_binary_files_are_refused(tmp_path):
    with pytest.raises(PomError, match="POM-U103"):
        read_text(tmp_path / "none")
    (tmp_path / "b").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PomError, match="not UTF-8"):
        read_text(tmp_path / "b")


def test_links_are_followed_and_pipes_are_not_replaced(tmp_path):
    target, link, pipe = (tmp_path / name for name in ("target", "link", "pipe"))
    link.symlink_to(target)
    write_text(link, "text")
    assert link.is_symlink()
    assert target.read_text() == "text"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_text(pipe, "text")
    assert os.read(reader, 10) == b"text"
    os.close(reader)
    assert pipe.is_fifo()
