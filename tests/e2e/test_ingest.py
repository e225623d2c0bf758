"""ingest alone, and through it what every service stands on: flags, signals, readiness, pages."""
import json
import os
import random
import re
import signal
import socket
import subprocess
import time

import pytest

from world import BUILD, ROOT, TOKEN, World, free_port, until

CHAT, GROUP = 5001, -1001234500
SAMPLES = ROOT.parent / "shared/specs/samples/telegram/updates"


@pytest.fixture
def alone(tmp_path, request):
    """A world in which only ingest runs: what it accepted stays on the streams."""
    settings = request.node.get_closest_marker("settings")
    with World(tmp_path, settings.kwargs if settings else None) as made:
        made.ingest = made.start("ingest")
        until(lambda: "polling as" in made.ingest.text(), "the first poll")
        yield made
        for program in list(made.programs.values()):
            made.stop(program)
        made.redis.flushall()       # nobody is there to do the work


def accepted(world):
    """The texts that became questions, in the order of their jobs."""
    jobs = [world.redis.hgetall(k) for k in world.redis.scan_iter(world.key("job:*"))]
    return [j["text"] for j in sorted(jobs, key=lambda j: int(j.get("update", 0))) if j.get("kind") == "text"]


def pending(world):
    return sum(b["pending"] for b in world.control("counters")["bots"])


# ---- what a question becomes ----

def test_a_question_becomes_a_job_with_all_that_is_known_of_it(alone):
    alone.say(CHAT, "Что нового?", name="Ада", language="ru", thread=7)
    until(lambda: alone.redis.xlen(alone.key("llm")), "the job")
    (entry,) = alone.redis.xrange(alone.key("llm"))
    job = alone.redis.hgetall(alone.key("job:" + entry[1]["job"]))
    update, at = entry[1]["job"].split("-")
    assert job.items() >= {"kind": "text", "first": "llm", "chat": str(CHAT), "user": str(CHAT), "topic": "7", "conv": f"{CHAT}:7", "update": update,
                           "text": "Что нового?", "lang": "en", "name": "Ада", "at": at, "v": "1", "chat_type": "private"}.items()
    assert int(job["message"]) > 0 and abs(int(job["asked"]) - time.time()) < 60
    assert alone.redis.smembers(alone.key("admins")) == {"1"} and alone.redis.get(alone.key("bot")) == TOKEN.split(":")[0]


def test_three_hundred_messages_keep_their_order(alone):
    alone.control("messages", {"messages": [{"chat": CHAT + i % 20, "text": f"n{i}"} for i in range(300)]})
    until(lambda: pending(alone) == 0, "all to be confirmed")
    assert accepted(alone) == [f"n{i}" for i in range(300)]
    for i in range(20):
        lane = alone.redis.lrange(alone.key(f"lane:{CHAT + i}"), 0, -1)
        assert [alone.redis.hget(alone.key("job:" + j), "text") for j in lane] == [f"n{n}" for n in range(i + 20, 300, 20)]


def jobs(world, count=1):
    """The jobs that there are, in the order of their updates."""
    found = until(lambda: len(keys := list(world.redis.scan_iter(world.key("job:*")))) >= count and keys, f"{count} jobs")
    assert len(found) == count
    return sorted((world.redis.hgetall(k) for k in found), key=lambda j: int(j["update"]))


def line_said(world, count=1):
    return [j.get("line") for j in jobs(world, count)][-1]


def confirmed(world):
    """Wait until everything that was sent is confirmed."""
    until(lambda: pending(world) == 0, "all to be confirmed")


def test_what_a_question_is_about_goes_with_it(alone):
    first = alone.say(CHAT, "Paris lies on the Seine.", name="Ада")["message_id"]
    alone.say(CHAT, "Is that so?", reply_to=first, quote="on the Seine", name="Ада")
    alone.say(CHAT, "Read this", forward_from="Eve\nSystem")
    alone.say(CHAT, "And this", forward_channel="News")
    plain, reply, forward, channel = jobs(alone, 4)
    about = {"reply", "reply_name", "reply_bot", "quote", "forward", "edited", "seam", "callback", "retry"}
    assert not about & plain.keys()
    assert {k: v for k, v in reply.items() if k in about} == {"reply": "Paris lies on the Seine.", "reply_name": "Ада", "quote": "on the Seine"}
    assert {k: v for k, v in forward.items() if k in about} == {"forward": "Eve System"}
    assert {k: v for k, v in channel.items() if k in about} == {"forward": "News"}


def test_a_reply_to_the_bot_says_that_it_is_ours(alone):
    ours = {"message_id": 5, "date": 1, "chat": {"id": CHAT, "type": "private"}, "text": "x" * 5000, "from": {"id": 4242, "is_bot": True, "first_name": "Helper"}}
    alone.say(CHAT, "Why?", extra={"reply_to_message": ours})
    (job,) = jobs(alone)
    assert job["reply"] == "x" * 4000 and job["reply_bot"] == "1" and "reply_name" not in job


# ---- texts that an app has cut ----

def test_parts_of_a_long_text_are_one_question(alone):
    full, line, end = "я" * 4096, "b" * 4000, "the end"
    for text in (full, line, end):
        alone.say(CHAT, text)
    confirmed(alone)
    (job,) = jobs(alone)
    assert job["text"] == full + line + "\n" + end and job["parts"] in ("2", "3")
    assert alone.redis.xlen(alone.key("llm")) == 1


def test_short_texts_sent_quickly_stay_questions_of_their_own(alone):
    for text in ("one", "two", "a" * 3999, "three"):
        alone.say(CHAT, text)
    confirmed(alone)
    assert accepted(alone) == ["one", "two", "a" * 3999, "three"]


def test_what_came_later_or_is_an_order_is_no_part(alone):
    alone.say(CHAT, "a" * 4096, ago_s=60)
    alone.say(CHAT, "a minute later")
    alone.say(CHAT + 1, "b" * 4096)
    alone.say(CHAT + 1, "/help")
    confirmed(alone)
    assert accepted(alone) == ["a" * 4096, "a minute later", "b" * 4096]
    assert [j["line"] for j in jobs(alone, 4) if j["kind"] == "line"] == ["help"]


# ---- everything else that Telegram can send ----

@pytest.mark.parametrize("kind", "location contact dice poll".split())
def test_what_is_not_understood_gets_one_line(alone, kind):
    alone.say(CHAT, "", kind=kind)
    assert line_said(alone) == "unsupported"


def test_a_sticker_that_moves_gets_one_line(alone):
    who = {"id": CHAT, "type": "private"}
    alone.control("update", {"message": {"message_id": 9, "date": 1, "chat": who, "from": who, "sticker": {"file_id": "A", "is_video": True}}})
    assert line_said(alone) == "sticker_animated"


FILES = {"voice": "voice", "audio": "voice", "video_note": "voice", "video": "voice", "photo": "photo", "sticker": "photo", "document": "document",
         "animation": "document"}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_becomes_a_job_for_media(alone, kind):
    caption = "" if kind in ("video_note", "sticker") else "look"
    alone.say(CHAT, caption, kind=kind, bytes=5000, **({"file_name": "a.bin", "mime_type": "text/x"} if kind == "document" else {}))
    (job,) = jobs(alone)
    assert (job["kind"], job["first"], job["text"], job["files"], job["queue"]) == (FILES[kind], "media", caption, "1", "media")
    assert (job["file:0:kind"], job["file:0:bytes"]) == (kind, "5000") and job["file:0"]
    assert (job.get("file:0:name"), job.get("file:0:type")) == (("a.bin", "text/x") if kind == "document" else (job.get("file:0:name"), job.get("file:0:type")))
    assert ("file:0:seconds" in job) == (kind in ("voice", "audio", "video_note", "video", "animation"))
    assert "open" not in job and "gather" not in job
    assert alone.redis.xlen(alone.key("media")) == 1


def test_words_about_a_file_take_it_along(alone):
    first = alone.say(CHAT, "", kind="photo")["message_id"]
    alone.say(CHAT, "What does it say?", reply_to=first)
    photo, question = jobs(alone, 2)
    assert (question["kind"], question["first"], question["text"], question["files"]) == ("photo", "media", "What does it say?", "1")
    assert question["file:0"] == photo["file:0"]


def test_service_messages_are_nothing(alone):
    chat, user = {"id": CHAT, "type": "private"}, {"id": CHAT, "first_name": "Ada"}
    for service in ({"pinned_message": {"message_id": 1, "date": 0, "chat": chat}}, {"message_auto_delete_timer_changed": {}}, {"write_access_allowed": {}},
                    {"forum_topic_created": {"name": "x"}}, {"successful_payment": {}}, {"chat_background_set": {}}):
        alone.control("update", {"message": {"message_id": 9, "date": 1, "chat": chat, "from": user, **service}})
    alone.say(CHAT, "done")
    confirmed(alone)
    assert accepted(alone) == ["done"] and len(jobs(alone)) == 1


def test_a_chat_that_blocked_the_bot_is_gone_until_it_is_back(alone):
    alone.say(CHAT, "one")
    alone.say(CHAT, "two")
    alone.control("block", {"chat": CHAT, "blocked": True, "update": True})
    until(lambda: alone.redis.exists(alone.key(f"gone:{CHAT}")), "the chat to be gone")
    assert not alone.redis.exists(alone.key(f"lane:{CHAT}"))
    assert [j.get("stop") or j.get("how") for j in jobs(alone, 2)] == ["gone", "undeliverable"]
    alone.control("block", {"chat": CHAT, "blocked": False, "update": True})
    until(lambda: not alone.redis.exists(alone.key(f"gone:{CHAT}")), "the chat to be back")


def test_a_group_that_moves_is_remembered(alone):
    alone.control("message", {"chat": -4500, "type": "group", "text": "one", "mention": True})
    until(lambda: len(accepted(alone)) == 1, "the question")
    alone.control("migrate", {"chat": -4500, "to": GROUP})
    assert until(lambda: alone.redis.get(alone.key(f"was:{GROUP}")), "the move") == "-4500"


def test_the_stop_button_of_a_draft_stops(alone):
    draft = alone.say(CHAT, "one", thread=7)["update_id"]
    until(lambda: accepted(alone), "the question")
    stopped = {"chat": {"id": CHAT, "type": "private"}, "message_thread_id": 7}
    late = alone.control("update", {"stopped_message_generation": {**stopped, "draft_id": draft + 1000}})["update_id"]       # of an older answer
    until(lambda: alone.redis.getbit(alone.key(f"seen:{late // 65536}"), late % 65536), "a press that comes too late")
    assert "stop" not in jobs(alone)[0]
    alone.control("update", {"stopped_message_generation": {**stopped, "draft_id": draft}})
    until(lambda: jobs(alone)[0].get("stop") == "stop", "the mark")


def mutate(value, dice):
    """One change somewhere in an update: another type, a number nobody expects, a piece of something else, or nothing there."""
    other = [None, True, 0, -1, 1.5, 10**15, -10**15, 10**30, 1e308, "", "x" * 5000, "\ufffd", "\x01\x02", "/reset", "stop 1-2", "private", "supergroup", [], {}, [[{}]]]
    places = []

    def walk(node):
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], (dict, list)):
                walk(node[key])

    walk(value)
    node, key = dice.choice([p for p in places if p[1] != "update_id"])
    what = dice.randrange(4)
    if what == 0:
        del node[key]
    elif what == 1:
        a, b = dice.choice(places)
        node[key] = json.loads(json.dumps(a[b]))
    else:
        node[key] = dice.choice(other)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="no samples on this machine")
def test_ten_thousand_mutated_updates_are_each_decided(alone):
    alone.stop(alone.ingest)
    port, dice = free_port(), random.Random(2026)
    samples = [json.loads(path.read_text()) for path in sorted(SAMPLES.glob("*.json"))]
    count = tried = 0
    while count < 10_000:                   # (kinds that we do not ask for are not handed over)
        tried += 1
        update = json.loads(json.dumps(samples[tried % len(samples)]))
        for _ in range(dice.randrange(4)):
            if len(update) > 1:
                mutate(update, dice)
        count += alone.control("update?raw=1", {**update, "update_id": 900_000_000 + count})["update_id"] > 0
    assert pending(alone) == count
    alone.start("ingest", METRICS_LISTEN=f"127.0.0.1:{port}")
    until(lambda: pending(alone) == 0, "all to be confirmed", 240)
    text = page(port, "/metrics")[1]
    fates = {fate: int(n) for fate, n in re.findall(r'gpttg_updates_total\{fate="(\w+)"\} (\d+)', text)}
    assert sum(fates.values()) == count, fates
    assert fates["dead"] == fates["failed"] == fates["again"] == 0 and not alone.dead()
    assert all(fates[f] for f in ("asked", "told", "stopped", "pressed", "ignored", "gone", "back", "moved")), fates


# ---- Telegram in trouble ----

@pytest.mark.parametrize("kind, more", [
    ("status", {"status": 500}), ("status", {"status": 429, "retry_after": 1}), ("status", {"status": 409, "description": "Conflict: terminated by other getUpdates request"}),
    ("html502", {}), ("reset_before", {}), ("close_before", {}), ("lost_answer", {}), ("cut", {"after_bytes": 30}), ("reset_mid", {"after_bytes": 30}),
    ("malformed", {"after_bytes": 20}), ("dribble", {}),
], ids=lambda x: x if isinstance(x, str) else str(x.get("status", "")))
def test_polling_goes_on_after(alone, kind, more):
    alone.fault("telegram", kind, {"method": "getUpdates"}, times=2, **more)
    alone.say(CHAT, "one")
    alone.say(CHAT, "two")
    until(lambda: accepted(alone) == ["one", "two"], "both to be accepted")


def test_a_wrong_token_is_said_once(alone):
    alone.expect_error("does not accept BOT_TOKEN")
    other = alone.start("ingest", BOT_TOKEN="4242:AAwrongWRONGwrongWRONGwrongWRONGwrongWR", KEY_PREFIX="other:")
    until(lambda: "does not accept BOT_TOKEN" in other.text(), "the word")
    assert other.alive() and "wrongWRONG" not in other.text()


def test_two_pollers_of_one_bot_tell_the_administrator(alone):
    alone.fault("telegram", "status", {"method": "getUpdates"}, times=2, status=409, description="Conflict: terminated by other getUpdates request")
    alone.say(CHAT, "one")
    alone.say(CHAT, "two")
    (alert,) = until(lambda: [f for _, f in alone.redis.xrange(alone.key("outbound")) if f["kind"] == "alert"], "the alert", 40)
    assert alert["chat"] == "1" and alone.redis.hget(alone.key("job:" + alert["job"]), "line") == "alert_poll_conflict"
    until(lambda: accepted(alone) == ["one", "two"], "polling to go on", 40)


def test_a_webhook_that_is_in_the_way_is_removed(alone):
    alone.stop(alone.ingest)
    alone.fault("telegram", "status", {"method": "getUpdates"}, status=409,
                description="Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first")
    alone.say(CHAT, "one")
    alone.start("ingest")
    until(lambda: accepted(alone) == ["one"], "polling to begin")
    assert alone.control("counters")["counters"]["telegram.deleteWebhook"] == 1


def test_an_update_of_twenty_megabytes_costs_only_itself(alone):
    alone.expect_error("left out")
    alone.stop(alone.ingest)
    alone.say(CHAT, "before")
    alone.control("update?raw=1", {"message": {"message_id": 9, "chat": {"id": CHAT, "type": "private"}, "text": "x" * (20 << 20)}})
    alone.say(CHAT, "after")
    alone.start("ingest")
    until(lambda: accepted(alone) == ["before", "after"], "the others", 60)
    (dead,) = alone.dead()
    assert dead["kind"] == "update" and dead["reason"]


# ---- Redis in trouble ----

def test_nothing_is_confirmed_before_redis_has_it(alone):
    alone.say(CHAT, "one")
    until(lambda: accepted(alone) == ["one"] and pending(alone) == 0, "the first")
    os.kill(alone.redis_process.pid, signal.SIGSTOP)
    alone.say(CHAT, "two")
    until(lambda: not alone.control("counters")["bots"][0]["polling"], "the second to be fetched")
    assert pending(alone) == 1
    os.kill(alone.redis_process.pid, signal.SIGCONT)
    until(lambda: accepted(alone) == ["one", "two"] and pending(alone) == 0, "the second")


def test_what_redis_refuses_for_good_goes_to_dead(alone):
    alone.expect_error("accept: Redis refused it")
    alone.redis.set(alone.key(f"chat:{CHAT}"), "made by hand")
    alone.say(CHAT, "one")
    alone.say(CHAT + 1, "two")
    (dead,) = until(alone.dead, "the update to be given up", 60)
    assert dead["kind"] == "update"
    until(lambda: pending(alone) == 0, "the offset to move on")
    assert accepted(alone) == ["two"]
    alone.redis.delete(alone.key(f"chat:{CHAT}"))


@pytest.mark.parametrize("step", ["ask_updates:2", "judge_updates", "accept_all", "confirm"])
def test_killed_right_before(alone, step):
    alone.stop(alone.ingest)
    alone.say(CHAT, "one")
    doomed = alone.start("ingest", GPTTG_KILL_AT=step)
    until(lambda: not doomed.alive(), "the kill")
    assert doomed.process.returncode == -signal.SIGKILL
    alone.ended.append(alone.programs.pop(doomed.name))
    alone.start("ingest")
    alone.say(CHAT, "two")
    until(lambda: accepted(alone) == ["one", "two"] and pending(alone) == 0, "both, once", 30)


# ---- the process ----

def program(*flags, **env):
    return subprocess.run([str(BUILD / "ingest/gpttg-ingest"), *flags], env={"PATH": os.environ["PATH"], **env}, capture_output=True, text=True, timeout=20)


def test_flags():
    version = program("--version")
    assert version.returncode == 0 and re.fullmatch(r"gpttg-ingest \d+\.\d+\.\d+\n", version.stdout)
    page = program("--help")
    assert page.returncode == 0 and "BOT_TOKEN" in page.stdout and "required" in page.stdout and "DB_PATH" not in page.stdout and not page.stderr
    wrong = program("--verbose")
    assert wrong.returncode == 64 and len(wrong.stderr.splitlines()) == 1 and "--verbose" in wrong.stderr
    assert program("extra").returncode == 64
    good = program("--check-config", BOT_TOKEN=TOKEN, ADMIN_ID="1")
    assert good.returncode == 0 and not good.stderr and not good.stdout
    bad = program("--check-config", BOT_TOKEN=TOKEN)
    assert bad.returncode == 78 and bad.stderr == "gpttg-ingest: ADMIN_ID is missing: expected Telegram user ids, separated by commas\n"


def test_it_ends_at_once_and_leaves_nothing_behind(alone):
    began = time.monotonic()
    alone.stop(alone.ingest)
    assert time.monotonic() - began < 2
    assert not alone.redis.exists(alone.key("lease:ingest"))


def test_it_ends_in_time_when_redis_is_frozen(alone):
    os.kill(alone.redis_process.pid, signal.SIGSTOP)
    alone.say(CHAT, "one")
    began = time.monotonic()
    alone.stop(alone.ingest)
    assert time.monotonic() - began < 10
    os.kill(alone.redis_process.pid, signal.SIGCONT)


def test_a_second_sigterm_does_not_wait(alone):
    os.kill(alone.redis_process.pid, signal.SIGSTOP)
    alone.ingest.signal(signal.SIGTERM)
    until(lambda: "told to end" in alone.ingest.text(), "the first one")
    began = time.monotonic()
    alone.stop(alone.ingest)
    assert time.monotonic() - began < 1.5
    os.kill(alone.redis_process.pid, signal.SIGCONT)


def test_it_says_when_it_is_ready_and_when_it_ends(alone, tmp_path):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ears:
        ears.bind(path)
        ears.settimeout(10)
        other = alone.start("ingest", NOTIFY_SOCKET=path)
        assert ears.recv(100) == b"READY=1"
        alone.stop(other)
        assert ears.recv(100) == b"STOPPING=1"


def page(port, path, method="GET"):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
        s.sendall(f"{method} {path} HTTP/1.0\r\n\r\n".encode())
        answer = b""
        while more := s.recv(65536):
            answer += more
    head, _, body = answer.decode().partition("\r\n\r\n")
    return int(head.split()[1]), body


def test_pages(alone):
    port = free_port()
    alone.start("ingest", METRICS_LISTEN=f"127.0.0.1:{port}", KEY_PREFIX="other:")
    until(lambda: is_open(port), "the page")
    until(lambda: page(port, "/healthz") == (200, "ok\n"), "health")
    status, text = page(port, "/metrics")
    assert status == 200 and "gpttg_uptime_seconds" in text and 'gpttg_updates_total{fate="asked"} 0' in text and TOKEN not in text
    for line in text.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) gpttg_\w+ .+|gpttg_\w+(\{\w+="[^"]*"\})? -?[0-9.e+-]+', line), line
    names = re.findall(r"# TYPE (\w+)", text)
    assert len(names) == len(set(names))
    assert page(port, "/")[0] == 404 and page(port, "/metrics", "DELETE")[0] == 405
    alone.kill_redis()
    until(lambda: page(port, "/healthz") == (503, "Redis is not there\n"), "illness")
    alone.start_redis()
    until(lambda: page(port, "/healthz")[0] == 200, "recovery")


def is_open(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def test_a_port_that_is_taken_keeps_nothing_from_working(alone):
    alone.expect_error("METRICS_LISTEN")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        other = alone.start("ingest", METRICS_LISTEN=f"127.0.0.1:{taken.getsockname()[1]}", KEY_PREFIX="other:")
        until(lambda: "ready" in other.text(), "it to work")
        assert "cannot listen" in other.text()


@pytest.mark.settings(LOG_FORMAT="json", LOG_LEVEL="debug")
def test_the_log_is_json_when_it_should_be(alone):
    alone.say(CHAT, "one")
    until(lambda: accepted(alone) == ["one"], "the job")

    def lines():
        return [json.loads(line) for line in alone.ingest.text().splitlines()]
    until(lambda: any(line.get("chat") == str(CHAT) for line in lines()), "the line that says so")
    assert all(line["service"] == "ingest" and line["text"] for line in lines())
