"""The queue as people and their mistakes meet it: redis-cli, nonsense, a full memory, two bots, two pollers."""
import json
import os
import subprocess

import pytest

from world import ADMIN, BUILD, TOKEN, World, until

CHAT = 5001


@pytest.mark.parametrize("stream", ["llm", "media", "outbound", "ledger"])
@pytest.mark.parametrize("entry", [
    {"foo": "bar"}, {"kind": "nonsense", "job": "1-1", "chat": "1", "user": "1", "at": "1"},
    {"kind": "text", "job": "", "chat": "1", "user": "1", "at": "1"}, {"kind": "text", "job": "1-1", "chat": "1", "user": "1", "at": "soon"},
], ids=["nothing", "unknown-kind", "no-job", "no-time"])
def test_an_entry_that_makes_no_sense_goes_to_dead_with_its_reason(world, stream, entry):
    world.redis.xadd(world.key(stream), entry)
    (dead,) = until(world.dead, "the entry to be buried")
    assert dead["reason"] and dead["queue"] == stream
    for field in ("kind", "job", "chat", "user", "at"):
        assert field in dead
    world.say(CHAT, "and on")
    world.answer(CHAT, "«and on»")
    world.at_rest()


@pytest.mark.parametrize("stream, kind", [("llm", "text"), ("outbound", "follow"), ("outbound", "line")])
def test_an_entry_of_no_job_goes_to_dead_with_what_it_held(world, stream, kind):
    entry = world.redis.xadd(world.key(stream), {"kind": kind, "job": "9-9", "chat": "5", "user": "6", "at": "17", "conv": "5"})
    (dead,) = until(world.dead, "the entry to be buried")
    assert (dead["kind"], dead["job"], dead["chat"], dead["queue"]) == (kind, "9-9", "5", stream) and dead["reason"]
    assert dead["at"] in ("17", entry.split("-")[0]) and "user" in dead


def test_entries_are_legible_while_everything_is_stopped(world):
    world.stop(world.of("llm")[0])
    world.stop(world.of("outbound")[0])
    world.say(CHAT, "What is up?")
    world.say(CHAT, "And then?")
    (entry,) = until(lambda: world.redis.xrange(world.key("llm")), "the entry")
    until(lambda: world.redis.llen(world.key(f"lane:{CHAT}")), "the lane")
    fields = entry[1]
    assert fields["kind"] == "text" and fields["chat"] == str(CHAT) and fields["user"] == str(CHAT) and int(fields["at"]) > 10 ** 12
    job = world.redis.hgetall(world.key("job:" + fields["job"]))
    assert job["text"] == "What is up?" and job["queue"] == "llm" and job["entry"] == entry[0]
    assert world.redis.hget(world.key(f"chat:{CHAT}"), "job") == fields["job"]
    world.start("llm")
    world.start("outbound")
    world.answer(CHAT, "«And then?»")


@pytest.mark.parametrize("chat", [CHAT, ADMIN])
def test_commands_that_come_together_are_answered_in_their_order(world, chat):
    world.stop(world.of("outbound")[0])
    for command in ("/start", "/help", "/cancel"):
        world.say(chat, command)
    until(lambda: world.redis.xlen(world.key("outbound")) == 3, "three entries")
    jobs = [world.redis.hgetall(world.key("job:" + fields["job"])) for _, fields in world.redis.xrange(world.key("outbound"))]
    assert {job.get("role") for job in jobs} == ({"admin"} if chat == ADMIN else {None})
    world.start("outbound")
    until(lambda: len(world.shown(chat)) == 3, "three lines")
    hello, helped, nothing = world.shown(chat)
    assert hello.startswith("Hello!") and "/reset" in helped and nothing.startswith("There")
    rows = world.calls(method="sendMessage", chat=chat)[0]["params"]["reply_markup"]["keyboard"]
    assert len(rows) == (3 if chat == ADMIN else 2)
    world.at_rest()


def test_an_update_that_comes_twice_is_answered_once(world):
    update = {"update_id": 77, "message": {"message_id": 5, "date": 1795000000, "text": "Hi", "chat": {"id": CHAT, "type": "private", "first_name": "A"},
                                           "from": {"id": CHAT, "is_bot": False, "first_name": "A"}}}
    world.control("update", update)
    world.answer(CHAT, "«Hi»")
    world.kill(world.of("ingest")[0])
    world.start("ingest")
    world.control("update", update)
    world.say(CHAT, "another")
    world.answer(CHAT, "«another»")
    world.at_rest()
    assert len(world.shown(CHAT)) == 2 and len(world.responses()) == 2


NONSENSE = [{}, {"message": None}, {"message": []}, {"message": {}}, {"message": {"chat": None, "from": None, "text": None}},
            {"message": {"message_id": "x", "chat": {"id": "y"}, "text": 5}}, {"message": {"chat": {"id": 1e300, "type": "private"}, "text": "Hi"}},
            {"poll": {"id": 1}}, {"edited_message": {"text": "Hi"}}, {"message": {"chat": {"id": 5, "type": 7}, "from": {"id": True}, "text": "\u0000"}},
            {"callback_query": {"id": None}}, {"unheard_of": {"deep": [[[[[[]]]]]]}}]


def test_updates_that_make_no_sense_stop_nothing(world):
    for update in NONSENSE:
        world.control("update?raw=1", update)
    world.control("update?raw=1", {"message": {"message_id": 1, "date": 1, "chat": {"id": 6001, "type": "private"}, "from": {"id": 6001},
                                               "text": "x" * 100_000}})
    world.say(CHAT, "and on")
    world.answer(CHAT, "«and on»")
    world.at_rest(60)


@pytest.mark.counts(ingest=3)
def test_of_several_ingests_one_polls_and_another_follows(world):
    world.say(CHAT, "one")
    world.answer(CHAT, "«one»")
    assert world.control("counters")["counters"].get("telegram.getUpdates.409", 0) == 0
    holder = world.redis.get(world.key("lease:ingest"))
    (poller,) = [p for p in world.of("ingest") if holder in p.text()]
    world.kill(poller)
    world.say(CHAT, "two")
    world.answer(CHAT, "«two»", 15)
    assert world.redis.get(world.key("lease:ingest")) != holder


def test_two_bots_on_one_prefix_are_told_apart(world):
    until(lambda: world.redis.get(world.key("bot")) == TOKEN.split(":")[0], "the prefix to be the first bot's")
    other = world.start("ingest", BOT_TOKEN="9999:AAotherOTHERotherOTHERotherOTHERother")
    world.expect_error("KEY_PREFIX")
    until(lambda: not other.alive(), "the second bot to leave")
    assert other.process.returncode == 78 and "KEY_PREFIX" in other.text()
    world.ended.append(world.programs.pop(other.name))
    world.say(CHAT, "one")
    world.answer(CHAT, "«one»")


def test_a_full_memory_refuses_updates_and_loses_none(world):
    world.say(CHAT, "one")
    world.answer(CHAT, "«one»")
    world.redis.config_set("maxmemory", 1)
    world.say(CHAT, "two")
    until(lambda: "OOM" in "".join(p.text() for p in world.of("ingest")), "ingest to notice")
    world.redis.config_set("maxmemory", 0)
    world.answer(CHAT, "«two»", 30)
    world.at_rest()
    assert len(world.shown(CHAT)) == 2


def test_a_redis_that_evicts_is_refused_until_it_is_mended(world):
    world.expect_error("noeviction")
    for program in list(world.programs.values()):
        world.stop(program)
    world.redis.config_set("maxmemory-policy", "allkeys-lru")
    world.start_all()
    world.say(CHAT, "one")
    until(lambda: all("noeviction" in p.text() for p in world.programs.values()), "all to say why they wait")
    world.redis.config_set("maxmemory-policy", "noeviction")
    world.redis.client_kill_filter(_type="normal", skipme=True)
    world.answer(CHAT, "«one»", 30)


def test_a_password_and_another_database(tmp_path):
    with World(tmp_path, {"KEY_PREFIX": "{b1}:"}, prefix="{b1}:") as world:
        world.redis.config_set("requirepass", "s3cret/ä")
        world.redis.execute_command("AUTH", "s3cret/ä")
        world.redis = __import__("redis").Redis(port=world.redis_port, password="s3cret/ä", db=3, decode_responses=True)
        world.settings["REDIS_URL"] = f"redis://:s3cret%2F%C3%A4@localhost:{world.redis_port}/3"
        world.start_all()
        world.say(CHAT, "one")
        world.answer(CHAT, "«one»")
        world.at_rest()


def test_metrics_and_health(world):
    import urllib.request
    port = __import__("world").free_port()
    world.start("llm", METRICS_LISTEN=f"127.0.0.1:{port}")
    until(lambda: serves(port), "the page")
    world.say(CHAT, "one")
    world.answer(CHAT, "«one»")
    page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    assert "gpttg_llm_answers_total" in page and TOKEN not in page
    world.kill_redis()
    until(lambda: not serves(port), "/healthz to say so")
    world.start_redis()
    until(lambda: serves(port), "/healthz to be well again")


def serves(port):
    import urllib.error
    import urllib.request
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).status == 200
    except (urllib.error.URLError, OSError):
        return False


@pytest.mark.parametrize("service, settings, name", [
    ("ingest", {"BOT_TOKEN": None}, "BOT_TOKEN"), ("ingest", {"ADMIN_ID": "me"}, "ADMIN_ID"), ("ingest", {"ADMIN_ID": None}, "ADMIN_ID"),
    ("llm", {"OPENAI_API_KEY": None}, "OPENAI_API_KEY"), ("llm", {"OPENAI_MAX_RETRIES": "-1"}, "OPENAI_MAX_RETRIES"),
    ("llm", {"OPENAI_BASE_URL": "nowhere"}, "OPENAI_BASE_URL"), ("llm", {"LLM_CONCURRENCY": "0"}, "LLM_CONCURRENCY"),
    ("llm", {"PRICES_FILE": "/nonexistent.json"}, "PRICES_FILE"), ("outbound", {"TELEGRAM_RATE_CHAT": "-1"}, "TELEGRAM_RATE_CHAT"),
    ("ledger", {"REDIS_URL": "http://x"}, "REDIS_URL"), ("ledger", {"TZ_NAME": "Mars/Olympus"}, "TZ_NAME"),
    ("ledger", {"DB_PATH": "/dev/null/gpttg.db"}, "DB_PATH"), ("llm", {"USER_DAILY_BUDGET_USD": "-1"}, "USER_DAILY_BUDGET_USD"),
    ("media", {"OPENAI_API_KEY": None}, "OPENAI_API_KEY"), ("outbound", {"TAKEOVER_MS": "soon"}, "TAKEOVER_MS"),
])
def test_a_wrong_setting_is_one_clear_line_and_78(tmp_path, service, settings, name):
    env = {"PATH": os.environ["PATH"], "BOT_TOKEN": TOKEN, "OPENAI_API_KEY": "sk-123456789", "ADMIN_ID": "1", "DB_PATH": str(tmp_path / "x.db"), **settings}
    env = {k: v for k, v in env.items() if v is not None}
    program = [str(BUILD / service / f"gpttg-{service}")]
    ended = subprocess.run(program, env=env, capture_output=True, text=True, timeout=20)
    lines = ended.stderr.strip().splitlines()
    assert ended.returncode == 78 and len(lines) == 1 and name in lines[0], ended.stderr
    checked = subprocess.run([*program, "--check-config"], env=env, capture_output=True, text=True, timeout=20)
    assert checked.returncode == 78 and len(checked.stderr.strip().splitlines()) == 1
