"""A real redis-server in a temporary directory, a small client for it, and the scripts of proto/ as the services load them.
Standard library only: what talks to the scripts here shares no line with the C that talks to them in production."""
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PROTO = Path(__file__).resolve().parents[2] / "proto"
PREFIX = "gpttg:"
STREAMS = ("media", "llm", "outbound", "ledger")


class RedisError(Exception):
    """What Redis answered with a minus sign."""


class Connection:
    """One connection, one command at a time. Text comes back as str (bytes that are no UTF-8 survive as surrogates)."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(path)
        self.reader = self.socket.makefile("rb")

    def close(self):
        self.reader.close()
        self.socket.close()

    def send(self, *words):
        out = [b"*%d\r\n" % len(words)]
        for word in words:
            raw = word if isinstance(word, bytes) else str(word).encode("utf-8", "surrogateescape")
            out.append(b"$%d\r\n%s\r\n" % (len(raw), raw))
        self.socket.sendall(b"".join(out))

    def line(self):
        line = self.reader.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Redis has hung up")
        return line[:-2]

    def reply(self, raw=False):
        line = self.line()
        kind, rest = line[:1], line[1:]
        if kind == b":":
            return int(rest)
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return RedisError(rest.decode())
        size = int(rest)
        if size < 0:
            return None
        if kind == b"*":
            return [self.reply(raw) for _ in range(size)]
        data = self.reader.read(size + 2)[:-2]
        return data if raw else data.decode("utf-8", "surrogateescape")

    def call(self, *words, raw=False):
        self.send(*words)
        answer = self.reply(raw)
        if isinstance(answer, RedisError):
            raise answer
        return answer


class Server:
    """redis-server on a unix socket; `durable` as in production: everything is on the disk before it is acknowledged."""

    def __init__(self, durable=False):
        self.home = tempfile.mkdtemp(prefix="gptg-proto-")
        self.path = os.path.join(self.home, "redis.sock")
        self.durable = durable
        self.process = None
        self.start()

    def start(self):
        keep = ["--appendonly", "yes", "--appendfsync", "always"] if self.durable else ["--appendonly", "no"]
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.path, "--dir", self.home, "--save", "",
             "--maxmemory-policy", "noeviction", "--loglevel", "warning", *keep],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            try:
                connection = Connection(self.path)
                if connection.call("PING") == "PONG":
                    connection.close()
                    return
            except (OSError, RedisError):      # not there yet, or loading
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.005)

    def connect(self):
        return Connection(self.path)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)


def script_texts(change=None):
    """Every script as embed.py makes it: its flags, the prelude, its text. `change`: {file: function of its text}."""
    change = dict(change or {})

    def read(name):
        text = (PROTO / (name + ".lua")).read_text(encoding="utf-8")
        return change.pop(name)(text) if name in change else text

    prelude = read("lib")
    texts = {}
    for path in sorted(PROTO.glob("*.lua")):
        if path.stem == "lib":
            continue
        text, flags = read(path.stem), ""
        if text.startswith("#!"):
            flags, text = text.split("\n", 1)
            flags += "\n"
        texts[path.stem] = flags + prelude + text
    assert not change, f"no such script: {sorted(change)}"
    return texts


class Scripts:
    """Calls scripts by name: EVALSHA, and EVAL with the whole text when Redis does not know it. With a `clock` (a function)
    its milliseconds go along and the scripts live by them instead of Redis's own: see timeless()."""

    def __init__(self, connection, texts=None, clock=None):
        self.connection, self.clock = connection, clock
        self.texts = texts or script_texts()
        self.sha = {name: hashlib.sha1(text.encode()).hexdigest() for name, text in self.texts.items()}

    def run(self, command, raw=False):
        name, *arguments = command
        arguments = [2, PREFIX, self.clock(), *arguments] if self.clock else [1, PREFIX, *arguments]
        try:
            return self.connection.call("EVALSHA", self.sha[name], *arguments, raw=raw)
        except RedisError as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
            return self.connection.call("EVAL", self.texts[name], *arguments, raw=raw)


def timeless(texts):
    """The same scripts with the caller's clock: then a seed is played the same way each time."""
    clock = "local function now()   --"
    assert all(text.count(clock) == 1 for text in texts.values())
    return {name: text.replace(clock, "local function now() do return tonumber(KEYS[2]) end   --") for name, text in texts.items()}


def make_groups(connection):
    for stream in STREAMS:
        try:
            connection.call("XGROUP", "CREATE", PREFIX + stream, stream, "0", "MKSTREAM")
        except RedisError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise


def as_dict(flat):
    return dict(zip(flat[::2], flat[1::2]))
