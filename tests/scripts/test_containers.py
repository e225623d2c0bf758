"""The system in containers, on a real Docker engine: several of each service, and one after the other restarted while
people talk. Part of `./gpttg test full`, because building the images takes minutes."""
import json, os, shutil, sqlite3, subprocess, tempfile, time, urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHATS, TURNS = 20, 6
SCALE = {"llm": 4, "media": 2, "outbound": 2}


def engine_answers():
    return shutil.which("docker") and not subprocess.run(["docker", "info"], capture_output=True).returncode


pytestmark = pytest.mark.skipif(not os.environ.get("GPTTG_FULL") or not engine_answers(),
                                reason="only in ./gpttg test full, with a Docker engine")


class Compose:
    def __init__(self):
        self.env = {**os.environ, "COMPOSE_PROJECT_NAME": "gpttg-test", "BOT_TOKEN": "1:test", "OPENAI_API_KEY": "sk-test",
                    "ADMIN_ID": "1", "TELEGRAM_API_URL": "http://sim:8484", "OPENAI_BASE_URL": "http://sim:8484/v1",
                    "OPENAI_BACKGROUND": "on", "TELEGRAM_RATE_GLOBAL": "0", "TELEGRAM_RATE_CHAT": "0",
                    "STREAM_EDIT_MS": "200", "TAKEOVER_MS": "3000"}
        self.files = ["-f", "docker-compose.yml", "-f", "tests/scripts/compose.sim.yml"]

    def __call__(self, *args, check=True):
        done = subprocess.run(["docker", "compose", *self.files, *args], cwd=ROOT, env=self.env, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True)
        assert not check or done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    def containers(self):
        out = self("ps", "--all", "--format", "json").strip()
        return json.loads(out) if out.startswith("[") else [json.loads(line) for line in out.splitlines()]

    def redis(self, *args):
        return self("exec", "-T", "redis", "redis-cli", *args).strip()

    def control(self, path, body=None):
        address = self("port", "sim", "8484").strip()
        request = urllib.request.Request(f"http://{address}{path}", json.dumps(body).encode() if body is not None else None)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


def until(claim, what, seconds=180):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if claim():
            return
        time.sleep(0.5)
    pytest.fail(f"waited {seconds} s for {what}")


@pytest.fixture(scope="module")
def compose():
    c = Compose()
    c("down", "--volumes", "--remove-orphans", "--timeout", "1")
    c("build")
    c("up", "--detach", *(word for service, count in SCALE.items() for word in ("--scale", f"{service}={count}")))
    yield c
    print(c("logs", "--no-color", "--tail", "40"))
    c("down", "--volumes", "--remove-orphans", "--timeout", "15")


def all_healthy(compose):
    return all(c["State"] == "running" and c.get("Health", "") in ("", "healthy") for c in compose.containers())


def answers(compose, chat):
    return [m["text"] for m in compose.control(f"/control/chat?chat={chat}")["messages"] if m["from"] == "bot"]


def test_everything_gets_healthy_at_the_wished_scale(compose):
    until(lambda: all_healthy(compose), "all containers to be healthy")
    running = [c["Service"] for c in compose.containers()]
    for service in ("ingest", "llm", "media", "ledger", "outbound", "redis"):
        assert running.count(service) == SCALE.get(service, 1), service


def test_nothing_is_published_and_no_container_is_root(compose):
    for container in compose.containers():
        if container["Service"] not in ("sim", "redis"):
            assert not [p for p in container.get("Publishers") or [] if p.get("PublishedPort")]
            assert compose("exec", "-T", container["Service"], "id", "-u").strip() == "10001"


def test_one_service_after_the_other_restarts_while_people_talk(compose):
    """Each question is answered once and in order, and the ledger equals the bill."""
    questions = {chat: [f"question {chat}-{turn} [[deltas=12 delta_ms=40]]" for turn in range(TURNS)]
                 for chat in range(7001, 7001 + CHATS)}
    restarts = ["llm", "outbound", "ingest", "ledger", "media", "redis"]
    for turn, service in enumerate(restarts):
        for chat in questions:
            compose.control("/control/message", {"chat": chat, "text": questions[chat][turn]})
        compose("restart", service)

    for chat in questions:
        until(lambda: len(answers(compose, chat)) >= TURNS, f"the answers of chat {chat}: {answers(compose, chat)}")
    until(lambda: compose.redis("ZCARD", "gpttg:busy") == "0", "every conversation to be at rest")
    for chat in questions:
        got = answers(compose, chat)
        order = [next(i for i, q in enumerate(questions[chat]) if f"«{q.split(' [[')[0]}»" in text) for text in got]
        assert order == sorted(order) and set(order) == set(range(TURNS)), got
    for stream in ("media", "llm", "outbound", "ledger"):
        until(lambda: compose.redis("XLEN", f"gpttg:{stream}") == "0", f"gpttg:{stream} to be empty")
    assert compose.redis("XLEN", "gpttg:dead") == "0"

    billed = compose.control("/control/billed")
    compose("stop", "ledger")
    with tempfile.TemporaryDirectory() as folder:
        compose("cp", "ledger:/data/.", folder)
        with sqlite3.connect(f"{folder}/gpttg.db") as db:
            rows, tokens_in, tokens_out = db.execute("SELECT count(*), sum(input_tokens), sum(output_tokens) FROM usage").fetchone()
    compose("start", "ledger")
    assert (rows, tokens_in, tokens_out) == (billed["responses"], billed["input_tokens"], billed["output_tokens"])
