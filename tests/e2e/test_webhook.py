"""The webhook: what a stranger gets, what Telegram gets, and that nothing is lost or asked twice whatever happens meanwhile."""
import hashlib
import hmac
import http.client
import itertools
import json
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from world import BUILD, ROOT, TOKEN, World, free_port, until

CHAT = 5001
SECRET = hmac.new(TOKEN.encode(), b"gpttg webhook secret", hashlib.sha256).hexdigest()
HEADER = "X-Telegram-Bot-Api-Secret-Token"
PATH = "/hook/of/ours"
ids = itertools.count(700_000_000)


def update(text, chat=CHAT, update_id=None, **more):
    user = {"id": abs(chat), "is_bot": False, "first_name": "Ada", "language_code": "en"}
    update_id = next(ids) if update_id is None else update_id
    return {"update_id": update_id, "message": {"message_id": update_id % 1_000_000 + 1, "date": int(time.time()), "from": user, "text": text,
                                               "chat": {"id": chat, "type": "private" if chat > 0 else "supergroup"}, **more}}


def call(port, body, path=PATH, method="POST", secret=SECRET, seconds=20):
    """One call of the webhook → (status, headers)"""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    headers = {"Content-Type": "application/json"} if secret is None else {"Content-Type": "application/json", HEADER: secret}
    try:
        connection.request(method, path, body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode(), headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers
    finally:
        connection.close()


def deliver(ports, body, seconds=60):
    """What Telegram does: until somebody says 2xx, and as patiently as it is asked to."""
    deadline = time.monotonic() + seconds
    for port in itertools.cycle(ports if isinstance(ports, list) else [ports]):
        wait = 0.05
        try:
            status, headers = call(port, body)
            if status == 200:
                return
            assert status == 429, status
            wait = float(headers["Retry-After"])
        except OSError:
            pass
        except http.client.HTTPException:
            pass
        assert time.monotonic() < deadline, "it was never taken"
        time.sleep(wait)


def listening(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def world(tmp_path, request):
    """A world with a webhook. Telegram is told about it, but the calls are ours."""
    more = request.node.get_closest_marker("settings")
    with World(tmp_path, more.kwargs if more else None) as made:
        made.hook = free_port()
        # over http:// the simulator might deliver by itself: these tests do
        made.settings |= {"WEBHOOK_URL": f"https://bot.example.org{PATH}", "WEBHOOK_LISTEN": f"127.0.0.1:{made.hook}"}
        made.ingest = made.start("ingest")
        until(lambda: listening(made.hook) and "delivers to the webhook" in made.ingest.text(), "the webhook")
        yield made


@pytest.fixture
def alone(world):
    """Only ingest runs: what it accepted stays on the streams."""
    yield world
    for program in list(world.programs.values()):
        world.stop(program)
    world.redis.flushall()


def accepted(world):
    jobs = [world.redis.hgetall(k) for k in world.redis.scan_iter(world.key("job:*"))]
    return sorted(j["text"] for j in jobs if j.get("kind") == "text")


# ---- what Telegram is told ----

def test_telegram_is_told_where_to_deliver(alone):
    (told,) = alone.calls("setWebhook")
    assert told["params"]["url"] == f"https://bot.example.org{PATH}" and told["params"]["secret_token"] == SECRET
    assert "message" in told["params"]["allowed_updates"] and told["params"]["max_connections"] > 1
    assert not any("telegram.getUpdates" in name for name in alone.control("counters")["counters"])
    assert SECRET not in alone.ingest.text()
    assert alone.redis.smembers(alone.key("admins")) == {"1"}


@pytest.mark.settings(WEBHOOK_SECRET="My-own_secret")
def test_the_operators_own_secret_is_used(alone):
    assert alone.calls("setWebhook")[0]["params"]["secret_token"] == "My-own_secret"
    assert call(alone.hook, update("one"))[0] == 401
    assert call(alone.hook, update("two"), secret="My-own_secret")[0] == 200
    assert accepted(alone) == ["two"]


@pytest.mark.settings(TAKEOVER_MS="1000")
def test_a_webhook_that_somebody_moved_is_set_again(alone):
    somebody = http.client.HTTPConnection("127.0.0.1", alone.sim_port, timeout=10)
    somebody.request("POST", f"/bot{TOKEN}/setWebhook", json.dumps({"url": "https://elsewhere.example.org/x"}), {"Content-Type": "application/json"})
    assert somebody.getresponse().status == 200
    somebody.close()
    until(lambda: len(alone.calls("setWebhook")) == 3, "ours to be set again", 30)
    assert alone.calls("setWebhook")[-1]["params"]["url"].startswith("https://bot.example.org")
    until(lambda: "alert_poll_conflict" in alerts(alone), "the alert")


@pytest.mark.settings(TAKEOVER_MS="600")
def test_an_address_that_never_agrees_is_no_reason_to_hurry(alone):
    """A rival that always wins, or a server that writes addresses in its own way: it spun."""
    alone.fault("telegram", "status", {"method": "getWebhookInfo"}, times=-1, status=200,
                body=json.dumps({"ok": True, "result": {"url": "https://BOT.example.org/", "pending_update_count": 0}}))
    until(lambda: "deliver elsewhere" in alone.ingest.text(), "the word", 30)
    until(lambda: len(alone.calls("setWebhook")) >= 3, "a further try", 30)
    assert len(alone.calls("setWebhook")) <= 4
    assert call(alone.hook, update("one"))[0] == 200


def alerts(world):
    return [world.redis.hget(world.key("job:" + f["job"]), "line") for _, f in world.redis.xrange(world.key("outbound")) if f["kind"] == "alert"]


@pytest.mark.settings(TAKEOVER_MS="600")
def test_deliveries_that_fail_for_a_while_are_told(alone):
    def failed(date):
        alone.control("faults", method="DELETE")
        body = {"ok": True, "result": {"url": f"https://bot.example.org{PATH}", "pending_update_count": 3, "last_error_date": date,
                                       "last_error_message": "Connection timed out"}}
        return alone.fault("telegram", "status", {"method": "getWebhookInfo"}, times=-1, status=200, body=json.dumps(body))
    for date in range(1_900_000_000, 1_900_000_004):
        fault = failed(date)
        until(lambda: next(f for f in alone.control("faults")["faults"] if f["id"] == fault)["fired"], "a look", 30)
    until(lambda: "alert_webhook_failing" in alerts(alone), "the alert")
    assert "Connection timed out" in alone.ingest.text()


def test_a_refused_webhook_is_said_and_tried_again(alone):
    alone.expect_error("does not take the webhook")
    alone.stop(alone.ingest)
    alone.fault("telegram", "status", {"method": "setWebhook"}, times=2, status=400, description="Bad Request: bad webhook: Failed to resolve host")
    other = alone.start("ingest")
    until(lambda: "Failed to resolve host" in other.text(), "the word")
    until(lambda: "delivers to the webhook" in other.text(), "the next try")
    assert "alert_webhook" in alerts(alone)


def test_a_wrong_token_is_said_once(alone):
    alone.expect_error("does not accept BOT_TOKEN")
    other = alone.start("ingest", BOT_TOKEN="4242:AAwrongWRONGwrongWRONGwrongWRONGwrongWR", KEY_PREFIX="other:", WEBHOOK_LISTEN=f"127.0.0.1:{free_port()}")
    until(lambda: "does not accept BOT_TOKEN" in other.text(), "the word")
    assert other.alive() and "wrongWRONG" not in other.text()


def test_the_webhook_stays_when_we_go(alone):
    alone.stop(alone.ingest)
    assert "telegram.deleteWebhook" not in alone.control("counters")["counters"] and alone.control("counters")["bots"][0]["webhook"]


def test_without_an_address_it_does_not_start():
    env = {"PATH": os.environ["PATH"], "BOT_TOKEN": TOKEN, "ADMIN_ID": "1", "WEBHOOK_URL": "https://bot.example.org/x"}
    done = subprocess.run([str(BUILD / "ingest/gpttg-ingest"), "--check-config"], env=env, capture_output=True, text=True, timeout=20)
    assert done.returncode == 78 and re.fullmatch(r"gpttg-ingest: WEBHOOK_LISTEN .*\n", done.stderr)


# ---- a call ----

def test_a_question_is_answered(world):
    everybody(world)
    assert call(world.hook, update("What is up?"))[0] == 200
    world.answer(CHAT, "«What is up?»")


def test_a_repeated_update_is_answered_once(world):
    everybody(world)
    same = update("Again?")
    assert [call(world.hook, same)[0] for _ in range(3)] == [200] * 3
    world.answer(CHAT, "«Again?»")
    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(lambda _: call(world.hook, same)[0], range(20))) == [200] * 20
    world.at_rest()
    assert len(world.responses()) == 1 and len(world.shown(CHAT)) == 1


@pytest.mark.parametrize("secret", [None, "", "wrong", SECRET[:-1], SECRET + "0", SECRET.upper(), "x" * 10_000], ids=range(7))
def test_a_stranger_is_turned_away(alone, secret):
    assert call(alone.hook, update("one"), secret=secret)[0] in (401, 403, 431)
    assert call(alone.hook, b"{" * 100_000, secret=secret)[0] in (401, 403, 431)
    assert accepted(alone) == [] and alone.ingest.alive()


def test_a_stranger_is_turned_away_before_he_has_sent_anything(alone):
    with socket.create_connection(("127.0.0.1", alone.hook), timeout=5) as s:
        s.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n".encode())
        assert s.recv(100).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("path, method, status", [
    ("/", "POST", 404), (PATH + "/", "POST", 404), (PATH + "x", "POST", 404), ("/healthz", "GET", 404), ("/" + TOKEN, "POST", 404),
    (PATH, "GET", 405), (PATH, "PUT", 405), (PATH, "DELETE", 405), (PATH + "?x=1", "POST", 200),
])
def test_only_post_to_our_path(alone, path, method, status):
    assert call(alone.hook, update("one"), path=path, method=method)[0] == status
    assert accepted(alone) == (["one"] if status == 200 else [])


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"null", b"1", b'"x"', b"{}", b'{"update_id":"1"}', b'{"update_id":-1}', b'{"update_id":1.5}', b'{"update_id":1}}',
    b"\xff\xfe{}", b"[" * 5000, b'{"update_id":1e300}', b"<html>",
], ids=range(15))
def test_what_is_no_update_is_refused(alone, body):
    assert call(alone.hook, body)[0] == 400
    assert call(alone.hook, update("after"))[0] == 200
    assert accepted(alone) == ["after"]


def test_what_we_do_not_know_is_taken_and_nothing_is_done(alone):
    assert call(alone.hook, {"update_id": next(ids)})[0] == 200
    assert call(alone.hook, {"update_id": next(ids), "brand_new_kind": {"x": 1}})[0] == 200
    assert call(alone.hook, {"update_id": next(ids), "message": []})[0] == 200
    assert accepted(alone) == []


def mutants():
    """Every kind of update there is, as it is and with something wrong in it."""
    dice = random.Random(20261122)
    for path in sorted((ROOT.parent / "shared/specs/samples/telegram/updates").glob("*.json")):
        body = json.dumps({**json.loads(path.read_text()), "update_id": next(ids)}).encode()
        yield body
        for _ in range(15):
            wrong = bytearray(body)
            for _ in range(dice.randint(1, 4)):
                at = dice.randrange(len(wrong))
                match dice.randrange(4):
                    case 0: wrong[at] = dice.randrange(256)
                    case 1: del wrong[at:at + dice.randint(1, 30)]
                    case 2: wrong[at:at] = dice.choice([b"null", b"-1", b"1e400", b'"', b"{", b"[]", b"\\ud800", b"\xff", b"0" * 400])
                    case 3: wrong[at:at] = wrong[at:at + dice.randint(1, 60)]
            yield bytes(wrong)


def test_whatever_comes_is_taken_or_refused_for_good(alone):
    bodies = list(mutants())
    if not bodies:
        pytest.skip("the samples are not here")
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda body: call(alone.hook, body)[0], bodies))
    assert set(said) == {200, 400} and said.count(200) > 50, {s: said.count(s) for s in set(said)}
    assert call(alone.hook, update("after"))[0] == 200 and "after" in accepted(alone) and alone.dead() == []


def test_a_body_of_more_than_a_megabyte_is_refused(alone):
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{HEADER}: {SECRET}\r\n"
    with socket.create_connection(("127.0.0.1", alone.hook), timeout=20) as s:
        s.sendall((head + "Content-Length: 1048577\r\n\r\n").encode())
        assert s.recv(100).startswith(b"HTTP/1.1 413 ")
    with socket.create_connection(("127.0.0.1", alone.hook), timeout=20) as s:      # one that does not say how long it is
        s.sendall((head + "Transfer-Encoding: chunked\r\n\r\n").encode())
        for _ in range(20):
            s.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        s.sendall(b"0\r\n\r\n")
        assert s.recv(100).startswith(b"HTTP/1.1 413 ")
    long = update("x" * 900_000)
    assert call(alone.hook, long)[0] == 200


def test_connections_are_kept_for_the_next_call(alone):
    connection = http.client.HTTPConnection("127.0.0.1", alone.hook, timeout=10)
    for n in range(20):
        connection.request("POST", PATH, json.dumps(update(f"n{n:02}")), {HEADER: SECRET})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200 and answer.headers.get("Connection") != "close"
    connection.close()
    assert accepted(alone) == [f"n{n:02}" for n in range(20)]


def test_two_hundred_at_once(alone):
    with ThreadPoolExecutor(200) as pool:
        list(pool.map(lambda n: deliver(alone.hook, update(f"n{n:03}", CHAT + n)), range(200)))
    assert accepted(alone) == [f"n{n:03}" for n in range(200)]


# ---- the slow ----

def test_the_slow_are_cut_and_nobody_waits_for_them(alone):
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{HEADER}: {SECRET}\r\nContent-Length: 100000\r\n\r\n".encode()
    slow = [socket.create_connection(("127.0.0.1", alone.hook), timeout=30) for _ in range(60)]
    began, stop = time.monotonic(), threading.Event()

    def dribble():
        at = 0
        while not stop.wait(0.5):
            for n, s in enumerate(slow):
                try:
                    s.send(head[at:at + 1] if n % 3 == 0 else head if at == 0 else b"x" if n % 3 == 1 else b"")
                except OSError:
                    pass
            at += 1
    thread = threading.Thread(target=dribble)
    thread.start()
    try:
        for n in range(20):
            assert call(alone.hook, update(f"n{n:02}"), seconds=5)[0] == 200
        for s in slow:
            try:
                assert not s.recv(1000).startswith(b"HTTP/1.1 2")
            except ConnectionError:
                pass
        assert time.monotonic() - began < 20
    finally:
        stop.set()
        thread.join()
        for s in slow:
            s.close()
    assert accepted(alone) == [f"n{n:02}" for n in range(20)]


def test_more_connections_than_there_may_be_keep_nobody_out_for_long(alone):
    idle = [socket.create_connection(("127.0.0.1", alone.hook), timeout=30) for _ in range(600)]
    try:
        deliver(alone.hook, update("after"), 30)
    finally:
        for s in idle:
            s.close()
    assert accepted(alone) == ["after"]


# ---- Redis in trouble ----

def test_while_redis_is_away_telegram_is_asked_to_wait(alone):
    assert call(alone.hook, update("before"))[0] == 200
    alone.kill_redis()
    until(lambda: call(alone.hook, update("x", update_id=1))[0] == 429, "back-pressure")
    late = update("late")
    status, headers = call(alone.hook, late)
    assert status == 429 and 1 <= int(headers["Retry-After"]) <= 60
    alone.start_redis()
    deliver(alone.hook, late)
    assert accepted(alone) in (["before", "late"], ["before", "late", "x"])


def test_while_redis_is_frozen_nobody_waits_for_ever_and_nothing_piles_up(alone):
    os.kill(alone.redis_process.pid, signal.SIGSTOP)
    began = time.monotonic()
    sent = [update(f"n{n:03}", CHAT + n) for n in range(300)]
    with ThreadPoolExecutor(300) as pool:
        said = list(pool.map(lambda u: call(alone.hook, u, seconds=30), sent))
    assert {status for status, _ in said} == {429} and all(int(headers["Retry-After"]) >= 1 for _, headers in said)
    assert time.monotonic() - began < 20
    os.kill(alone.redis_process.pid, signal.SIGCONT)
    with ThreadPoolExecutor(50) as pool:
        list(pool.map(lambda u: deliver(alone.hook, u), sent))
    assert accepted(alone) == [f"n{n:03}" for n in range(300)]


@pytest.mark.settings(MAX_ATTEMPTS="3")
def test_what_redis_refuses_again_and_again_goes_to_dead(alone):
    alone.expect_error("accept: Redis refused it")
    alone.expect_error("is given up")
    alone.redis.set(alone.key(f"chat:{CHAT}"), "made by hand")
    bad = update("one")
    said = [call(alone.hook, bad)[0] for _ in range(3)]
    assert said == [429, 429, 200]
    (dead,) = alone.dead()
    assert dead["kind"] == "update" and dead["job"] == str(bad["update_id"])
    assert call(alone.hook, update("two", CHAT + 1))[0] == 200
    assert accepted(alone) == ["two"] and not alone.redis.keys(alone.key("refused:*"))
    alone.redis.delete(alone.key(f"chat:{CHAT}"))


# ---- who we are ----

def test_groups_wait_until_we_know_our_name(alone):
    alone.stop(alone.ingest)
    alone.fault("telegram", "status", {"method": "getMe"}, times=3, status=500)
    alone.ingest = alone.start("ingest")
    until(lambda: listening(alone.hook), "the port")
    until(lambda: call(alone.hook, update("private"))[0] == 200, "Redis")
    status, headers = call(alone.hook, update("group", -100500))
    assert status == 429 and int(headers["Retry-After"]) == 1
    deliver(alone.hook, update("group", -100500))
    assert "private" in accepted(alone)


# ---- several, and their end ----

def everybody(world, count=1):
    """All services, and chats that Telegram's side knows."""
    for n in range(count):
        world.control("chat", {"chat": CHAT + n, "type": "private"})
    for service in ("llm", "outbound", "ledger"):
        world.start(service)


def answered_once(world, count):
    """Every question was answered, and asked for once."""
    asked = {f"q{n:03}" for n in range(count)}
    until(lambda: asked <= {r["question"] for r in world.responses() if r["status"] == "completed"}, "all answers", 60)
    world.at_rest(60)
    questions = [r["question"] for r in world.responses()]
    assert sorted(questions) == sorted(asked)
    for n in range(count):
        assert len([t for t in world.shown(CHAT + n) if f"«q{n:03}»" in t]) == 1, n


@pytest.mark.parametrize("shared", [True, False], ids=["one port", "two ports"])
def test_two_behind_one_address_and_one_is_killed(world, shared):
    everybody(world, 150)
    port = world.hook if shared else free_port()
    other = world.start("ingest", WEBHOOK_LISTEN=f"127.0.0.1:{port}")
    until(lambda: "serving the webhook of" in other.text(), "the second")
    ports = [world.hook] if shared else [world.hook, port]
    taken = []
    with ThreadPoolExecutor(16) as pool:
        def one(n):
            deliver(ports[n % len(ports):] + ports, update(f"q{n:03}", CHAT + n))
            taken.append(n)
        work = [pool.submit(one, n) for n in range(150)]
        until(lambda: len(taken) > 40, "some of it")
        world.kill(world.ingest)
        for w in work:
            w.result()
    assert "accept: asked" in other.text()
    answered_once(world, 150)
    until(lambda: "delivers to the webhook" in other.text(), "the other to take over with Telegram")


def test_told_to_end_it_answers_what_it_has(world):
    everybody(world, 150)
    taken = []
    with ThreadPoolExecutor(16) as pool:
        def one(n):
            deliver(world.hook, update(f"q{n:03}", CHAT + n))
            taken.append(n)
        work = [pool.submit(one, n) for n in range(150)]
        until(lambda: len(taken) > 40, "some of it")
        began = time.monotonic()
        world.stop(world.ingest)
        assert time.monotonic() - began < 5
        world.start("ingest")
        for w in work:
            w.result()
    answered_once(world, 150)


def test_it_ends_in_time_with_slow_callers_and_a_frozen_redis(alone):
    slow = socket.create_connection(("127.0.0.1", alone.hook), timeout=30)
    slow.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{HEADER}: {SECRET}\r\nContent-Length: 100\r\n\r\n".encode())
    os.kill(alone.redis_process.pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(call, alone.hook, update("one"))
        until(lambda: not waiting.done(), "the call to be under way")
        time.sleep(0.2)
        began = time.monotonic()
        alone.stop(alone.ingest)
        assert time.monotonic() - began < 10
        assert waiting.result()[0] == 429
    slow.close()
    os.kill(alone.redis_process.pid, signal.SIGCONT)


def test_health_is_true(alone):
    pages, taken = free_port(), socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    alone.expect_error("WEBHOOK_LISTEN: cannot listen")
    other = alone.start("ingest", WEBHOOK_LISTEN=f"127.0.0.1:{taken.getsockname()[1]}", METRICS_LISTEN=f"127.0.0.1:{pages}")

    def health():
        connection = http.client.HTTPConnection("127.0.0.1", pages, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()
    until(lambda: "ready" in other.text() and health() == 503, "illness")
    taken.close()
    until(lambda: health() == 200, "recovery", 20)


# ---- delivered by Telegram itself ----

@pytest.fixture
def delivered(tmp_path):
    """A world whose Telegram brings the updates."""
    with World(tmp_path, {"LANE_MAX": "1000"}) as made:
        made.hook = free_port()
        made.settings |= {"WEBHOOK_URL": f"http://127.0.0.1:{made.hook}{PATH}", "WEBHOOK_LISTEN": f"127.0.0.1:{made.hook}"}
        for service in ("llm", "outbound", "ledger"):
            made.start(service)
        yield made


def ask(world, count, chats=30, first=0):
    world.control("messages", {"messages": [{"chat": CHAT + i % chats, "text": f"q{i:03}"} for i in range(first, first + count)]})


def pending(world):
    return sum(b["pending"] for b in world.control("counters")["bots"])


def answered_in_order(world, count, chats=30):
    until(lambda: pending(world) == 0, "Telegram to have brought everything", 60)
    world.at_rest(60)
    assert sorted(r["question"] for r in world.responses()) == [f"q{i:03}" for i in range(count)]
    for c in range(chats):
        said = [t.split("»")[0].split("«")[-1] for t in world.shown(CHAT + c)]
        assert said == [f"q{i:03}" for i in range(c, count, chats)], CHAT + c


def test_telegram_brings_it_and_what_it_brings_again_is_known(delivered):
    delivered.control("telegram", {"webhook_lose": 40})
    ingest = delivered.start("ingest")
    ask(delivered, 300)
    answered_in_order(delivered, 300)
    assert ingest.text().count("accept: seen before") == 40
    assert delivered.control("counters")["counters"]["webhook.tries"] >= 340


def test_under_delivery_one_is_killed_and_one_is_told_to_end(delivered):
    first, second = delivered.start("ingest"), delivered.start("ingest")
    for program in (first, second):
        until(lambda: "serving the webhook of" in program.text(), "both to serve")
    until(lambda: "delivers to the webhook" in first.text() + second.text(), "the webhook")
    ask(delivered, 300)
    until(lambda: pending(delivered) < 250, "some of it")
    delivered.kill(first)
    ask(delivered, 300, first=300)
    until(lambda: pending(delivered) < 250, "more of it", 60)
    delivered.start("ingest")
    delivered.stop(second)
    answered_in_order(delivered, 600)


@pytest.mark.parametrize("place", ["accept", "accept:40", "confirm", "confirm:40", "set_webhook", "judge_setting", "judge_look"])
def test_killed_right_before(delivered, place):
    doomed = delivered.start("ingest", GPTTG_KILL_AT=place)
    ask(delivered, 100)
    until(lambda: not doomed.alive(), "the kill")
    assert doomed.process.returncode == -signal.SIGKILL
    delivered.ended.append(delivered.programs.pop(doomed.name))
    delivered.start("ingest")
    answered_in_order(delivered, 100)


def test_killed_again_and_again(delivered):
    """Two behind one address; one of them dies every few updates."""
    for n in range(2):
        delivered.start("ingest")
    ask(delivered, 400)
    for n in range(12):
        floor = pending(delivered) - 25
        until(lambda: pending(delivered) <= max(floor, 0), "some of it", 60)
        delivered.kill(delivered.of("ingest")[0])
        delivered.start("ingest")
    answered_in_order(delivered, 400)


def test_redis_dies_while_telegram_delivers(delivered):
    ingest = delivered.start("ingest")
    until(lambda: "delivers to the webhook" in ingest.text(), "the webhook")
    ask(delivered, 300)
    until(lambda: pending(delivered) < 250, "some of it")
    delivered.kill_redis()
    until(lambda: [c for c in delivered.control("calls?side=webhook&limit=100000")["calls"] if c["status"] == 429], "back-pressure")
    delivered.start_redis()
    answered_in_order(delivered, 300)


def test_from_polling_to_the_webhook_and_back(delivered):
    polling = delivered.start("ingest", WEBHOOK_URL="", WEBHOOK_LISTEN="")
    ask(delivered, 100)
    until(lambda: pending(delivered) < 90, "some of it")
    delivered.stop(polling)
    serving = delivered.start("ingest")
    ask(delivered, 100, first=100)
    until(lambda: pending(delivered) < 90, "some of it", 30)
    delivered.stop(serving)
    delivered.start("ingest", WEBHOOK_URL="", WEBHOOK_LISTEN="")
    ask(delivered, 100, first=200)
    answered_in_order(delivered, 300)
    assert not delivered.control("counters")["bots"][0]["webhook"]
