"""A whole bot on loopback: a real Redis, the simulator, the real programs, and a judge at the end.

    with World(tmp_path) as world:
        world.start_all()
        world.say(5001, "Hi")
        world.answer(5001, "«Hi»")

Tests wait for conditions that can be seen (`until`), never for time. When a world ends it judges: exit codes, error lines that
nobody announced (`world.expect_error`), sanitizer reports, and what is left in Redis.
"""
import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import redis

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD_DIR") or next(d for d in (ROOT / "build-test", ROOT / "build") if (d / "llm/gpttg-llm").exists()))
SERVICES = ["ingest", "llm", "media", "ledger", "outbound"]
TOKEN = "4242:AAtestTESTtestTESTtestTESTtestTESTtes"
KEY = "sk-test-0123456789abcdef0123456789abcdef"
ADMIN = 1


def until(claim, what, seconds=20):
    """Wait for a condition. Returns what it found."""
    deadline = time.monotonic() + seconds
    while True:
        found = claim()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.02)


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def some(steps):
    """Each third of them; all in the full run. A death at one step is much like that at the next."""
    return steps if os.environ.get("GPTTG_FULL") else steps[::3]


def steps_of(service):
    """The names in a service's row of steps, as its source has them."""
    text = "".join(path.read_text() for path in sorted((ROOT / service).glob("*.c")))
    row = re.search(r"const struct step \w+\[\] = \{(.*?)\n\};", text, re.S)[1]
    return re.findall(r'\{ ?"(\w+)"', row)


class Program:
    """One process with its log."""

    def __init__(self, world, name, argv, env):
        self.world, self.name = world, name
        self.log_path = world.path / f"{name}.log"
        self.log = open(self.log_path, "ab")
        self.process = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if name.startswith("sim") else self.log,
                                        stderr=self.log, cwd=world.path)
        self.pid = self.process.pid
        self.killed = False

    def alive(self):
        return self.process.poll() is None

    def signal(self, number):
        if self.alive():
            os.kill(self.pid, number)

    def kill(self):
        self.killed = True
        self.signal(signal.SIGKILL)
        self.process.wait(10)
        self.log.close()

    def stop(self, seconds=12):
        """SIGTERM, and the promise that it ends in time. (Before its first line it is no service yet.)"""
        until(lambda: not self.alive() or self.text(), f"{self.name} to say that it starts")
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {seconds} s of SIGTERM")
        finally:
            if not self.log.closed:
                self.log.close()
        return code

    def text(self):
        return self.log_path.read_text(errors="replace")


class World:
    def __init__(self, path=None, settings=None, redis_args=(), prefix="gpttg:"):
        self.path = Path(path or tempfile.mkdtemp(prefix="gpttg-"))
        self.path.mkdir(parents=True, exist_ok=True)
        self.settings = dict(settings or {})
        self.prefix = prefix
        self.programs, self.ended, self.announced = {}, [], []
        self.has_tables = False                      # the ledger has made its file
        self.redis_args = list(redis_args)
        self.redis_port = free_port()
        self.redis_process = None
        self.start_redis()
        self.sim_port = 0
        self.start_sim()

    # ---- parts -----------------------------------------------------------------------------------------------

    def start_redis(self):
        data = self.path / "redis"
        data.mkdir(exist_ok=True)
        server = os.environ.get("REDIS_SERVER", "redis-server")
        log = open(self.path / "redis.log", "ab")
        self.redis_process = subprocess.Popen(
            [server, "--port", str(self.redis_port), "--bind", "127.0.0.1", "--dir", str(data), "--save", "", "--appendonly", "yes",
             "--appendfsync", "always", "--maxmemory", "512mb", "--maxmemory-policy", "noeviction", "--enable-debug-command", "local", *self.redis_args],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        self.redis = redis.Redis(port=self.redis_port, decode_responses=True, socket_timeout=30)
        until(self.redis_answers, "redis to answer")

    def redis_answers(self):
        try:
            return self.redis.ping()
        except redis.RedisError:
            return False

    def kill_redis(self):
        self.redis_process.kill()
        self.redis_process.wait(10)

    def start_sim(self):
        env = {**self.base_env(), "SIM_LISTEN": f"127.0.0.1:{self.sim_port}", "SIM_BOT_TOKEN": TOKEN, "SIM_OPENAI_KEY": KEY}
        self.sim = Program(self, "sim", [str(BUILD / "sim/gpttg-sim")], env)
        line = self.sim.process.stdout.readline().decode()
        match = re.match(r"listening http://127\.0\.0\.1:(\d+)", line)
        assert match, f"the simulator said {line!r}: {self.sim.text()}"
        self.sim_port = int(match[1])

    def base_env(self):
        keep = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TZDIR")}
        return {**keep, "ASAN_OPTIONS": "abort_on_error=0:exitcode=99:detect_leaks=1", "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}

    def env(self):
        url = f"http://127.0.0.1:{self.sim_port}"
        env = {
            **self.base_env(), "BOT_TOKEN": TOKEN, "OPENAI_API_KEY": KEY, "ADMIN_ID": str(ADMIN), "TELEGRAM_API_URL": url,
            "OPENAI_BASE_URL": url + "/v1", "OPENAI_MODEL": "gpt-6.1-terra", "OPENAI_BACKGROUND": "on",
            "REDIS_URL": f"redis://127.0.0.1:{self.redis_port}/0", "KEY_PREFIX": self.prefix, "DB_PATH": str(self.path / "gpttg.db"),
            "PRICES_FILE": str(ROOT / "prices.json"), "TELEGRAM_RATE_GLOBAL": "0", "TELEGRAM_RATE_CHAT": "0", "STREAM_EDIT_MS": "200",
            "TAKEOVER_MS": "1500", "SYSTEM_PROMPT": "Be brief.", "UI_LANG": "en",
        }
        env.update(self.settings)
        return {k: v for k, v in env.items() if v is not None}

    def start(self, service, name=None, **settings):
        name = name or self.free_name(service)
        self.programs[name] = Program(self, name, [str(BUILD / service / f"gpttg-{service}")], {**self.env(), **settings})
        return self.programs[name]

    def free_name(self, service):
        n = 1
        while f"{service}.{n}" in self.programs or (self.path / f"{service}.{n}.log").exists():
            n += 1
        return f"{service}.{n}"

    def start_all(self, **counts):
        for service in SERVICES:
            for _ in range(counts.get(service, 1)):
                self.start(service)

    def of(self, service):
        return [p for n, p in self.programs.items() if n.split(".")[0] == service and p.alive()]

    def kill(self, program):
        program.kill()
        self.ended.append(self.programs.pop(program.name))

    def stop(self, program):
        code = program.stop()
        assert code == 0, f"{program.name} ended with {code}:\n{program.text()[-2000:]}"
        self.ended.append(self.programs.pop(program.name))

    # ---- the outside -----------------------------------------------------------------------------------------

    def control(self, path, body=None, method=None, seconds=30):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.sim_port}/control/{path}", data=data, method=method or ("POST" if data else "GET"))
        try:
            with urllib.request.urlopen(request, timeout=seconds) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"control/{path}: {error.code} {error.read()[:300]!r}") from None

    def say(self, chat, text, **more):
        """A user writes in a private chat."""
        return self.control("message", {"chat": chat, "text": text, **more})

    def ask_in(self, group, text, user=7001, name="Ada", **more):
        """Somebody asks the bot in a group: the text begins with its name."""
        return self.control("message", {"chat": group, "text": text, "user": user, "name": name, "mention": True, **more})

    def talk_in(self, group, text, user=7001, name="Ada", **more):
        """Somebody writes in a group, and does not mean the bot."""
        return self.control("message", {"chat": group, "text": text, "user": user, "name": name, **more})

    def edit(self, chat, message_id, text, **more):
        return self.control("edit", {"chat": chat, "message_id": message_id, "text": text, **more})

    def press(self, chat, text=None, **more):
        """Press a button that stands there, by its text (a part is enough) or by data="stop"."""
        return self.control("press", {"chat": chat, **({"text": text} if text else {}), **more})

    def presses(self, chat=0):
        return self.control(f"presses?chat={chat}")["presses"]

    def answered(self, callback_id, seconds=20):
        """Wait until a press was answered. Returns what it was told, None: nothing."""
        row = until(lambda: [p for p in self.presses() if p["id"] == callback_id and p["answered"]], f"an answer to press {callback_id}", seconds)
        return row[0]["text"]

    def bot_messages(self, chat):
        return [m for m in self.chat(chat)["messages"] if m["from"] == "bot"]

    def buttons(self, chat):
        """The texts of the inline buttons that stand in the chat."""
        return [b["text"] for m in self.bot_messages(chat) for row in m.get("reply_markup", {}).get("inline_keyboard", []) for b in row]

    def fault(self, side, kind, match=None, **more):
        return self.control("fault", {"side": side, "kind": kind, "match": match or {}, **more})["id"]

    def chat(self, chat):
        return self.control(f"chat?chat={chat}")

    def shown(self, chat):
        """What the user sees from the bot now."""
        return [m["text"] for m in self.chat(chat)["messages"] if m["from"] == "bot"]

    def answer(self, chat, contains, seconds=20):
        """Wait until the chat is at rest and a message of the bot contains the text. Returns that text."""
        def found():
            return [t for t in self.shown(chat) if contains in t]
        until(found, f"{contains!r} in chat {chat}, which shows {self.shown(chat)}", seconds)
        self.rest(chat, seconds)
        return until(found, f"{contains!r} to stay in chat {chat}")[-1]

    def rest(self, conversation, seconds=20):
        """Wait until nothing of that conversation is under way."""
        until(lambda: not self.redis.hget(f"{self.prefix}chat:{conversation}", "job"), f"conversation {conversation} to be at rest", seconds)

    def responses(self):
        """Every response that the model's side made, oldest first."""
        found = []
        while True:
            page = self.control(f"responses?since={found[-1]['n'] if found else 0}&limit=250")["responses"]
            if not page:
                return found
            found += page

    def calls(self, method=None, chat=None):
        query = urllib.parse.urlencode({k: v for k, v in (("method", method), ("chat", chat)) if v is not None})
        return self.control(f"calls?limit=100000&{query}")["calls"]

    # ---- the inside ------------------------------------------------------------------------------------------

    def key(self, name):
        return self.prefix + name

    def left(self):
        """What stands in Redis that should not when everything is at rest."""
        pipe = self.redis.pipeline()
        for stream in ("media", "llm", "outbound", "ledger"):
            pipe.xlen(self.key(stream))
        pipe.zcard(self.key("busy"))
        pipe.zcard(self.key("later"))
        names = ["media", "llm", "outbound", "ledger", "busy", "later"]
        left = {name: n for name, n in zip(names, pipe.execute()) if n}
        for key in self.redis.scan_iter(self.key("lane:*")):
            left[key] = self.redis.llen(key)
        return left

    def at_rest(self, seconds=30):
        """Wait until all work is done, the ledger's too."""
        until(lambda: not self.left(), f"all streams, lanes and sets to be empty; left: {self.left()}", seconds)

    def without_expiry(self):
        """Keys that a turn left behind for ever."""
        keep = re.compile(re.escape(self.prefix) + r"(media|llm|outbound|ledger|dead|workers|lease:\w+|admins|bot|counters|spend:ready|settings|user:-?\d+|menus)$")
        return [k for k in self.redis.scan_iter(self.prefix + "*") if not keep.match(k) and self.redis.ttl(k) == -1]

    def rows(self, query="SELECT * FROM usage ORDER BY at, event_id", *args):
        if not self.has_tables:                  # the ledger may only just be starting
            until((self.path / "gpttg.db").exists, "the ledger's file")
            until(lambda: self.select("SELECT 1 FROM sqlite_master WHERE name = 'usage'"), "its tables")
            self.has_tables = True
        return self.select(query, *args)

    def select(self, query, *args):
        with contextlib.closing(sqlite3.connect(f"file:{self.path / 'gpttg.db'}?mode=ro", uri=True, timeout=10)) as db:
            db.row_factory = sqlite3.Row
            return [dict(r) for r in db.execute(query, args)]

    def dead(self):
        return [fields for _, fields in self.redis.xrange(self.key("dead"))]

    # ---- the judge -------------------------------------------------------------------------------------------

    def expect_error(self, pattern):
        """An error line that this test provokes."""
        self.announced.append(re.compile(pattern))

    def judge_logs(self):
        for program in self.ended:
            for line in program.text().splitlines():
                if "Sanitizer" in line or "runtime error:" in line:
                    raise AssertionError(f"{program.name}: {program.text()[-6000:]}")
                if re.search(r"(^|\s)E " + program.name.split(".")[0] + r"\b", line) and not any(p.search(line) for p in self.announced):
                    raise AssertionError(f"{program.name} logged an error that nobody announced: {line}")
                for secret in (TOKEN, TOKEN.split(":")[1], KEY):
                    assert secret not in line, f"{program.name} let a secret out: {line}"

    def close(self, judge=True):
        problems = []
        for name in sorted(self.programs, key=lambda n: SERVICES.index(n.split(".")[0])):
            program = self.programs[name]
            try:
                code = program.stop()
                if code != 0:
                    problems.append(f"{name} ended with {code}:\n{program.text()[-3000:]}")
            except AssertionError as problem:
                problems.append(str(problem))
            self.ended.append(program)
        self.programs = {}
        try:
            if judge:
                assert not problems, "\n".join(problems)
                self.judge_logs()
                if self.redis_answers():
                    leaks = self.without_expiry()
                    assert not leaks, f"keys without an expiry are left: {leaks[:10]}"
                    for key in self.redis.scan_iter("*"):
                        kind = self.redis.type(key)
                        dump = str(self.redis.hgetall(key) if kind == "hash" else self.redis.xrange(key) if kind == "stream" else "")
                        assert TOKEN.split(":")[1] not in dump and KEY not in dump, f"a secret stands in {key}"
        finally:
            self.sim.kill()
            self.kill_redis()
            if not problems and not os.environ.get("KEEP_WORLDS"):
                shutil.rmtree(self.path / "redis", ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close(judge=kind is None)
