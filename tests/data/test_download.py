"""Downloads of single files: complete and checked or not there, mirrors, proxies, two at once."""

import hashlib
import io
import os
import random
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from gan_lessons.data import cache_dir, download
from gan_lessons.data.download import File, fetch, first_to_answer
from tests.data.serving import serving
from tests.mutants import mutants, survivors

CONTENT = random.Random(0).randbytes(5000)
SUMS = {kind: hashlib.new(kind, CONTENT).hexdigest() for kind in ("md5", "sha256")}
DEAD = "http://127.0.0.1:9/"  # nobody listens there


@pytest.fixture
def server():
    """A web server that has the file."""
    with serving() as running:
        running.files["file.bin"] = CONTENT
        yield running


@pytest.fixture
def file(server):
    """A file on the server."""
    return File((f"{server.address}/file.bin",), len(CONTENT), SUMS["sha256"])


@pytest.fixture(params=SUMS)
def either(request, file):
    """The same, with one kind of checksum or the other."""
    return replace(file, checksum=SUMS[request.param])


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_good_file_is_there_and_nothing_else(either, server, tmp_path, capsys):
    fetch(either, tmp_path / "not" / "there yet")
    assert names(tmp_path / "not" / "there yet") == ["file.bin"]
    assert (tmp_path / "not" / "there yet" / "file.bin").read_bytes() == CONTENT
    assert capsys.readouterr().out == ""
    assert server.sent("file.bin") == 1


def test_a_file_without_a_known_size_is_checked_by_its_sum(either, server, tmp_path):
    unknown = replace(either, size=None)
    fetch(unknown, tmp_path)
    assert names(tmp_path) == ["file.bin"]
    server.files["file.bin"] = CONTENT + b"\x00"
    with pytest.raises(OSError, match="wrong checksum"):
        fetch(unknown, tmp_path / "new")


DAMAGES = {
    "truncated": CONTENT[:2500],
    "empty": b"",
    "a web page": b"<html>Please log in to this hotel's network</html>",
    "longer": CONTENT + b"\x00",
    "one bit": bytes([CONTENT[0] ^ 1]) + CONTENT[1:],
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_file_leaves_nothing_behind(either, server, tmp_path, kind):
    server.files["file.bin"] = DAMAGES[kind]
    message = "wrong checksum, sha256" if kind == "one bit" else r"arrived with [\d,]+ bytes, not"
    with pytest.raises(OSError, match=rf"^file\.bin .*{message}"):
        fetch(either, tmp_path)
    assert names(tmp_path) == []


def test_what_never_ends_is_cut_off(file, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_parts", lambda url: iter(lambda: CONTENT, None))
    with pytest.raises(OSError, match="arrived with 10,000 bytes, not 5,000"):
        fetch(file, tmp_path)


def test_what_is_there_is_kept_if_it_is_right_and_replaced_if_it_is_not(either, server, tmp_path):
    (tmp_path / "file.bin").write_bytes(CONTENT)
    fetch(either, tmp_path)
    assert server.asked == []
    (tmp_path / "file.bin").write_bytes(CONTENT[:100])
    fetch(either, tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    server.files.clear()
    (tmp_path / "file.bin").write_bytes(CONTENT[:100])
    with pytest.raises(OSError, match=r"^127\.0\.0\.1: Not Found$"):
        fetch(either, tmp_path)
    assert names(tmp_path) == ["file.bin"], "what was there is not made worse"


def test_a_connection_that_breaks_off(file, server, tmp_path):
    server.announced = len(CONTENT)
    server.files["file.bin"] = CONTENT[:300]
    with pytest.raises(OSError, match=r"arrived with 300 bytes, not 5,000|IncompleteRead"):
        fetch(file, tmp_path)
    assert names(tmp_path) == []


def test_a_host_that_is_not_there_creates_nothing(file, tmp_path):
    with pytest.raises(OSError, match=r"127\.0\.0\.1: .*refused"):
        fetch(replace(file, urls=(f"{DEAD}file.bin",)), tmp_path / "new")
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_written_to(file, tmp_path):
    (tmp_path / "cache").write_text("a file where a folder should be")
    for place in (tmp_path / "cache", tmp_path / "cache" / "inner"):
        with pytest.raises(OSError, match=r"^the folder cannot be written to: \w+"):
            fetch(file, place)


def test_a_full_disk_is_no_fault_of_the_network(file, tmp_path, monkeypatch):
    def full(url):
        raise OSError(28, "No space left on device")
        yield b""

    monkeypatch.setattr(download, "_parts", full)
    with pytest.raises(OSError, match="the folder cannot be written to: No space left on device"):
        fetch(replace(file, urls=file.urls * 2), tmp_path)
    assert names(tmp_path) == []


def test_leftovers_of_killed_downloads_go_after_a_day(file, tmp_path):
    old, young = tmp_path / ".download-old", tmp_path / ".download-young"
    for folder in (old, young):
        folder.mkdir()
        (folder / "file.bin").write_bytes(b"half")
    two_days_ago = time.time() - 2 * 86_400
    os.utime(old, (two_days_ago, two_days_ago))
    fetch(file, tmp_path)
    assert names(tmp_path) == [".download-young", "file.bin"]


# --- mirrors -----------------------------------------------------------------------------------


def test_the_mirror_that_has_the_file_is_found(file, server, tmp_path):
    server.files = {"/portal/file.bin": b"<html>Please log in</html>", "/good/file.bin": CONTENT}
    places = (DEAD, f"{server.address}/portal/", f"{server.address}/none/")
    urls = tuple(f"{place}file.bin" for place in (*places, f"{server.address}/good/"))
    fetch(replace(file, urls=urls), tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_when_no_mirror_has_it_that_is_said_once(file, server, tmp_path):
    server.files["file.bin"] = CONTENT[:20]
    with pytest.raises(OSError, match=r"^no mirror sent a complete file\.bin$"):
        fetch(replace(file, urls=file.urls * 2), tmp_path)
    assert server.sent("file.bin") == 2
    with pytest.raises(OSError, match=r"^no mirror answers$"):
        fetch(replace(file, urls=(f"{DEAD}a/file.bin", f"{DEAD}b/file.bin")), tmp_path)
    assert names(tmp_path) == []


def test_a_server_that_knows_no_head_is_there_all_the_same(file, monkeypatch, server, tmp_path):
    monkeypatch.delattr(server.RequestHandlerClass, "do_HEAD")
    fetch(file, tmp_path)
    assert names(tmp_path) == ["file.bin"]


def test_a_network_that_never_answers_is_given_up_soon(tmp_path, monkeypatch):
    def hang(*args, **kwargs):
        time.sleep(3)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(download, "_open", hang)
    monkeypatch.setattr(download, "ANSWER_SECONDS", 0.2)
    start = time.monotonic()
    with pytest.raises(OSError, match="no mirror answers"):
        first_to_answer(["https://one.invalid/", "https://two.invalid/"])
    with pytest.raises(OSError, match=r"one\.invalid: no answer in 0\.2 seconds"):
        first_to_answer(["https://one.invalid/"])
    assert time.monotonic() - start < 2


def test_the_mirror_that_answers_comes_first(monkeypatch):
    def open_only_the_second(url, method):
        if "two" not in url:
            raise OSError("no route to host")
        return io.BytesIO()

    monkeypatch.setattr(download, "_open", open_only_the_second)
    mirrors = ["https://one.invalid/", "https://two.invalid/", "https://three.invalid/"]
    assert first_to_answer(mirrors) == [mirrors[1], mirrors[0], mirrors[2]]


def test_proxies_are_those_of_now(file, server, tmp_path, monkeypatch):
    """Not those of the first download in this process: a reader sets them after it has failed."""
    far = replace(file, urls=("http://far.invalid/file.bin",))
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("http_proxy", DEAD)
    with pytest.raises(OSError, match=r"far\.invalid: .*refused"):
        fetch(far, tmp_path)
    monkeypatch.setenv("http_proxy", server.address)
    fetch(far, tmp_path)
    assert names(tmp_path) == ["file.bin"]
    assert ("GET", "http://far.invalid/file.bin") in server.asked


# --- several at once ---------------------------------------------------------------------------


def test_several_at_once_make_one_download(file, server, tmp_path):
    server.delay = 0.2
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: fetch(file, tmp_path), range(4)))
    assert names(tmp_path) == ["file.bin"]
    assert server.sent("file.bin") == 1


def test_two_processes_make_one_download(file, server, tmp_path):
    server.delay = 0.5
    code = (
        "import sys; from pathlib import Path; from gan_lessons.data.download import File, fetch; "
        f"print('ready', flush=True); sys.stdin.readline(); fetch({file!r}, Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        print("go", file=process.stdin, flush=True)
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.sent("file.bin") == 1


def test_waiting_is_said_and_what_came_meanwhile_is_used(file, server, tmp_path, capsys):
    locked = []

    class Noted(FileLock):
        def __init__(self, path):
            super().__init__(path)
            locked.append(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(download, "FileLock", Noted)
        fetch(file, tmp_path)
    (tmp_path / "file.bin").unlink()
    other = FileLock(locked[0])
    other.acquire()
    waiting = threading.Thread(target=fetch, args=(file, tmp_path))
    waiting.start()
    time.sleep(1.5)
    assert names(tmp_path) == [], "the other one holds the lock"
    (tmp_path / "file.bin").write_bytes(CONTENT)
    other.release()
    waiting.join(20)
    assert not waiting.is_alive()
    assert capsys.readouterr().out == ("Waiting for another kernel, which downloads file.bin.\n")
    assert server.sent("file.bin") == 1
    assert Path(locked[0]).parent != tmp_path, "nothing is left beside the data"


@pytest.mark.parametrize("error", [OSError(38, "no locks"), NotImplementedError("no flock")])
def test_where_no_lock_can_be_had_it_goes_on_without(file, tmp_path, monkeypatch, error):
    def refuse(self, **options):
        raise error

    monkeypatch.setattr(FileLock, "acquire", refuse)
    fetch(file, tmp_path)
    assert names(tmp_path) == ["file.bin"]


def test_the_default_timeout_of_sockets_is_left_alone(file, tmp_path):
    socket.setdefaulttimeout(123.0)
    try:
        fetch(file, tmp_path)
        assert socket.getdefaulttimeout() == 123.0
    finally:
        socket.setdefaulttimeout(None)


def test_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_LESSONS_DATA", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.setenv("GAN_LESSONS_DATA", "~/gans")
    assert cache_dir() == Path.home() / "gans"
    monkeypatch.delenv("GAN_LESSONS_DATA")
    assert cache_dir().name == "gan_lessons"


MUTANTS = mutants(
    "data.download",
    (
        "the proxies are those of the first call, for good",
        "build_opener().open(",
        "urlopen(",
        "test_proxies_are_those_of_now",
    ),
    (
        "what another process has just brought is brought again",
        "        if file.is_at(target):",
        "        if False:",
        "test_waiting_is_said_and_what_came_meanwhile_is_used",
    ),
    (
        "two processes write one file at once",
        "    with one_at_a_time(target):",
        "    if True:",
        "test_several_at_once_make_one_download",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
