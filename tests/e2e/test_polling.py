"""Polling that cannot die in silence: replicas, rivals, silent connections, wrong tokens."""
import http.client
import json
import threading
import time

import pytest

from world import TOKEN, World, until

CHAT, CHATS, COUNT = 5001, 50, 1000


@pytest.fixture
def world(tmp_path, request):
    more = request.node.get_closest_marker("settings")
    with World(tmp_path, {"LANE_MAX": "1000", **(more.kwargs if more else {})}) as made:
        yield made


@pytest.fixture
def alone(world):
    """Only ingest runs: what it accepted stays on the streams."""
    yield world
    for program in list(world.programs.values()):
        world.stop(program)
    world.redis.flushall()


def bot(world):
    found = world.control("counters")["bots"]
    return found[0] if found else {"pending": COUNT, "polling": False, "webhook": False}


def telegram(world, method, **params):
    connection = http.client.HTTPConnection("127.0.0.1", world.sim_port, timeout=60)
    try:
        connection.request("POST", f"/bot{TOKEN}/{method}", json.dumps(params), {"Content-Type": "application/json"})
        return json.load(connection.getresponse())
    finally:
        connection.close()


def alerts(world):
    return [world.redis.hget(world.key("job:" + f["job"]), "line") for _, f in world.redis.xrange(world.key("outbound")) if f["kind"] == "alert"]


def accepted(world):
    """conversation → the texts that became its questions, in their order"""
    found = {}
    for key in world.redis.scan_iter(world.key("job:*")):
        job = world.redis.hgetall(key)
        if job.get("kind") == "text":
            found.setdefault(int(job["chat"]), []).append((int(job["update"]), job["text"]))
    return {chat: [text for _, text in sorted(jobs)] for chat, jobs in found.items()}


def jobs(world):
    return sum(1 for _ in world.redis.scan_iter(world.key("job:*"), count=1000))


def a_queue(world):
    world.control("messages", {"messages": [{"chat": CHAT + i % CHATS, "text": f"n{i:04}"} for i in range(COUNT)]})


def all_of_it(world):
    until(lambda: bot(world)["pending"] == 0, "all to be confirmed", 60)
    assert accepted(world) == {CHAT + c: [f"n{i:04}" for i in range(c, COUNT, CHATS)] for c in range(CHATS)}
    assert jobs(world) == COUNT


# ---- replicas ----

@pytest.mark.parametrize("step", ["accept_all:4", "confirm:4", "ask_updates:5"])
def test_another_takes_over_in_the_middle_of_a_queue(alone, step):
    doomed = alone.start("ingest", GPTTG_KILL_AT=step)
    until(lambda: bot(alone)["polling"], "the first poll")
    other = alone.start("ingest")
    until(lambda: "ready" in other.text(), "the second")
    a_queue(alone)
    until(lambda: not doomed.alive(), "the kill")
    died = time.monotonic()
    assert bot(alone)["pending"] > 0
    until(lambda: "polling as" in other.text(), "the other to poll")
    assert time.monotonic() - died < 1.5 + 1, "TAKEOVER_MS, and the time to see it"
    alone.ended.append(alone.programs.pop(doomed.name))
    all_of_it(alone)


def test_one_that_is_told_to_end_hands_over_at_once(alone):
    first = alone.start("ingest")
    until(lambda: "polling as" in first.text(), "the first poller")
    other = alone.start("ingest")
    until(lambda: "ready" in other.text(), "the second")
    a_queue(alone)
    until(lambda: jobs(alone) > 100, "some of it")
    told = time.monotonic()
    alone.stop(first)
    until(lambda: "polling as" in other.text(), "the other to poll")
    assert time.monotonic() - told < 1.5
    all_of_it(alone)


def test_a_poller_that_was_only_asleep_does_no_harm(alone):
    """It wakes up when another has the lease: what it brings then is known, and it stops."""
    a_queue(alone)
    first = alone.start("ingest", GPTTG_STOP_AT="accept_all:4")
    until(lambda: "polling as" in first.text(), "the first poller")
    until(lambda: jobs(alone) >= 300, "it to fall asleep")
    other = alone.start("ingest")
    until(lambda: "polling as" in other.text(), "the other to poll")
    first.signal(18)
    all_of_it(alone)
    until(lambda: "is not ours any more" in first.text(), "the first to let go")
    alone.say(CHAT, "after")
    until(lambda: jobs(alone) == COUNT + 1 and bot(alone)["pending"] == 0, "the next question")


def test_killed_again_and_again_every_question_is_answered_once(world):
    for service in ("llm", "outbound", "ledger"):
        world.start(service)
    standing = [world.start("ingest") for _ in range(2)]
    a_queue(world)
    for round in range(4):
        floor = round * COUNT // 5
        until(lambda: COUNT - bot(world)["pending"] > floor, "some of it", 30)
        polling = next((p for p in standing if "lease ingest is ours" in p.text()), standing[0])
        standing.remove(polling)
        world.kill(polling)
        standing.append(world.start("ingest"))
    until(lambda: bot(world)["pending"] == 0, "all to be confirmed", 60)
    world.at_rest(120)
    questions = sorted(r["question"] for r in world.responses())
    assert questions == sorted(f"n{i:04}" for i in range(COUNT))
    for c in range(CHATS):
        answers = [t.split("»")[0].split("«")[-1] for t in world.shown(CHAT + c)]
        assert answers == [f"n{i:04}" for i in range(c, COUNT, CHATS)]


# ---- rivals ----

def test_a_foreign_poller_is_told_and_given_way(alone):
    alone.start("ingest")
    until(lambda: bot(alone)["polling"], "the first poll")
    stop, refused = threading.Event(), []

    def foreign():      # a program that begins again at once, as most do
        while not stop.is_set():
            answer = telegram(alone, "getUpdates", timeout=1)
            if not answer["ok"]:
                refused.append(answer)
                time.sleep(0.1)
    thread = threading.Thread(target=foreign)
    thread.start()
    try:
        until(lambda: "alert_poll_conflict" in alerts(alone), "the alert", 60)
    finally:
        stop.set()
        thread.join()
    assert len(refused) < 10, "we do not fight"
    alone.say(CHAT, "after")
    until(lambda: accepted(alone) == {CHAT: ["after"]}, "polling to go on", 30)
    assert alerts(alone).count("alert_poll_conflict") == 1


def test_a_webhook_is_removed_when_polling_begins(alone):
    telegram(alone, "setWebhook", url="https://bot.example.org/left-from-earlier-days")
    alone.say(CHAT, "one")
    ingest = alone.start("ingest")
    until(lambda: accepted(alone) == {CHAT: ["one"]}, "the question")
    assert not bot(alone)["webhook"] and "removing it" in ingest.text() and alerts(alone) == []


# ---- silence ----

def test_a_connection_that_dies_twice_without_a_word_is_told(alone):
    fault = alone.fault("telegram", "hang", {"method": "getUpdates"}, times=2)
    alone.say(CHAT, "one")
    began = time.monotonic()
    ingest = alone.start("ingest")
    until(lambda: "alert_poll_silent" in alerts(alone), "the alert", 120)
    assert time.monotonic() - began < 120
    until(lambda: accepted(alone) == {CHAT: ["one"]}, "polling to go on")
    assert next(f for f in alone.control("faults")["faults"] if f["id"] == fault)["fired"] == 2
    until(lambda: "Telegram answers again" in ingest.text(), "the good word")


def test_a_connection_that_dies_once_is_nothing_to_talk_about(alone):
    alone.fault("telegram", "hang", {"method": "getMe"}, times=1)
    alone.say(CHAT, "one")
    ingest = alone.start("ingest")
    until(lambda: accepted(alone) == {CHAT: ["one"]}, "the question", 60)
    assert alerts(alone) == [] and " W ingest" not in ingest.text()


# ---- the token ----

def test_a_wrong_token_is_told_in_one_line_and_an_alert(alone):
    alone.expect_error("does not accept BOT_TOKEN")
    alone.fault("telegram", "status", {"method": "getMe"}, times=1, status=401, description="Unauthorized")
    ingest = alone.start("ingest")
    until(lambda: "alert_telegram_token" in alerts(alone), "the alert")
    assert ingest.text().count("does not accept BOT_TOKEN") == 1
    until(lambda: "polling as" in ingest.text(), "the next try", 30)
