"""What the ledger is asked and what it keeps: /stats and /stat, changes of settings and users, and deaths in between."""
import csv
import itertools
import signal
import sqlite3
import time

import pytest
import redis

from world import ADMIN, until

CHAT = 5001
NOW = int(time.time() * 1000)
numbers = itertools.count(1)


def paid(world, n, cost, user=CHAT, at=None, **more):
    """A paid call, as llm's commit would write it."""
    world.redis.xadd(world.key("ledger"), {
        "kind": "usage", "job": f"{n}-1", "chat": str(user), "user": str(user), "at": str(at or NOW), "event": f"{n}-1:chat", "paid": "chat",
        "model": "gpt-6.1-terra", "cost_nusd": str(cost), "price_version": "x", "status": "completed", **more})


def asks_ledger(world, job, fields):
    """A job and its entry at once, as `accept` makes them: the ledger may read it in the same moment."""
    entry = f"{int(time.time() * 1000) + 1000}-{next(numbers)}"
    asked = {name: value for name, value in fields.items() if name not in ("line", "message")}
    with world.redis.pipeline(transaction=True) as both:
        both.hset(world.key("job:" + job), mapping={**fields, "conv": "", "first": "ledger", "queue": "ledger", "entry": entry})
        both.expire(world.key("job:" + job), 600)
        both.xadd(world.key("ledger"), {**asked, "job": job, "at": str(NOW), "conv": ""}, id=entry)
        both.execute()
    return entry


def wish(world, job, *sets, **more):
    """A change as a command of an administrator makes it: the job and its entry."""
    fields = {"kind": "set", "what": "setting", **{f"set:{i}": one for i, one in enumerate(sets)}, "chat": str(ADMIN), "user": str(ADMIN), "lang": "en", **more}
    return asks_ledger(world, job, {**fields, "line": "start"})


def known(world):
    """The administrator has a chat with the bot, in which stands one line."""
    world.say(ADMIN, "/dance")
    until(lambda: world.shown(ADMIN), "the line")
    world.at_rest()


def answers(world):
    return world.shown(ADMIN)[1:]


def state(program):
    with open(f"/proc/{program.pid}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0]


def captions(world, chat):
    return [m.get("caption") or m["text"] for m in world.bot_messages(chat)]


def told(world, chat, words, count=1):
    found = until(lambda: [t for t in captions(world, chat) if words in t][count - 1:], f"{words!r} in {chat}, which shows {captions(world, chat)}")
    return found[-1]


def test_who_has_spent_nothing_is_told_so(world):
    world.say(CHAT, "/stats")
    text = told(world, CHAT, "Your spending")
    assert "Today: $0.00 (×0)" in text and "All time: $0.00 (×0)" in text and "Left" not in text
    world.at_rest()


@pytest.mark.settings(USER_DAILY_BUDGET_USD="2", USER_MONTHLY_BUDGET_USD="10", UI_LANG="auto")
def test_stats_counts_what_was_paid_before_it_was_asked(world):
    for n in range(3):
        paid(world, n, 500_000_000)
    paid(world, 3, 40_000_000, paid="image", model="gpt-image-2.6-flare")
    paid(world, 4, 7_000_000_000, user=CHAT + 1)
    world.say(CHAT, "/stats", language="en")
    text = told(world, CHAT, "Your spending")
    assert "Today: $1.54 (×4)" in text and "This month: $1.54 (×4)" in text and "All time: $1.54 (×4)" in text
    assert "Answers: $1.50 (×3)" in text and "Pictures: $0.0400 (×1)" in text
    assert "gpt-6.1-terra: $1.50" in text and "Left for today: $0.46 / $2.00" in text.replace("$0.4600", "$0.46") and "$8.46 / $10.00" in text
    world.say(CHAT, "/stats", language="ru")
    assert "Всё время: $1.54" in told(world, CHAT, "Ваши расходы")
    world.at_rest()


def test_the_picture_stands_above_the_words(world):
    paid(world, 1, 1_500_000_000)
    world.say(CHAT, "/stats")
    told(world, CHAT, "Today: $1.50 (×1)")
    world.at_rest()
    sent, = world.calls("sendPhoto", CHAT)
    assert sent["status"] == 200 and len(world.bot_messages(CHAT)) == 1
    job = next(world.redis.scan_iter(world.key("job:*")))
    blob = redis.Redis(port=world.redis_port).get(world.key("blob:" + world.redis.hget(job, "blob")))
    assert blob.startswith(b"\x89PNG") and len(blob) < 200_000


@pytest.mark.parametrize("step", ["next:2", "read_answer", "put_piece", "piece_put", "tell", "told"])
def test_a_question_is_answered_once_wherever_the_ledger_dies(world, step):
    world.kill(world.of("ledger")[0])
    dying = world.start("ledger", GPTTG_KILL_AT=step)
    paid(world, 1, 1_500_000_000)
    world.say(CHAT, "/stats")
    until(lambda: not dying.alive(), "the ledger to die")
    world.kill(dying)
    world.start("ledger")
    told(world, CHAT, "Today: $1.50 (×1)")
    world.at_rest()
    assert len(world.bot_messages(CHAT)) == 1 and len(world.calls("sendPhoto", CHAT)) == 1 and not world.dead()


def test_without_room_for_the_picture_it_is_said_in_words(world):
    paid(world, 1, 1_500_000_000)
    world.redis.set(world.key("blobs:bytes"), 256 * 1024 * 1024, ex=600)
    world.redis.zadd(world.key("blobs"), {"other 268435456": (time.time() + 3 * 86400) * 1000})
    world.redis.expire(world.key("blobs"), 600)
    world.say(CHAT, "/stats")
    told(world, CHAT, "gpt-6.1-terra: $1.50 (×1)")
    world.at_rest()
    assert not world.calls("sendPhoto", CHAT) and "\\" not in world.shown(CHAT)[0]


def test_an_answer_counts_at_once(world):
    world.say(CHAT, "Hi")
    world.answer(CHAT, "«Hi»")
    world.say(CHAT, "/stats")
    assert "(×1)" in told(world, CHAT, "Your spending")
    world.at_rest()


def test_stat_is_the_administrators(world):
    paid(world, 1, 2_000_000_000, status="failed")
    paid(world, 2, 1_000_000_000, user=CHAT + 1)
    world.say(CHAT, "/stats")
    told(world, CHAT, "Your spending")
    world.say(ADMIN, "/stat")
    text = told(world, ADMIN, "Everybody's spending")
    assert "Today: $3.00 (×2)" in text and "Failed calls today: 1" in text and "Nothing was given up" in text
    assert f"{CHAT}: $2.00" in text and f"{CHAT + 1}: $1.00" in text and text.index(f"{CHAT}: $2") < text.index(f"{CHAT + 1}: $1")
    assert "media 0, llm 0, outbound 0, ledger 0" in text
    world.say(CHAT, "/stat")
    told(world, CHAT, "do not know")
    world.at_rest()


@pytest.mark.parametrize("step", ["store", "settle", "read_answer", "judge_answer", "tell", "told"])
def test_a_change_is_made_once_wherever_the_ledger_dies(world, step):
    known(world)
    world.kill(world.of("ledger")[0])
    dying = world.start("ledger", GPTTG_KILL_AT=step)
    wish(world, "1-1", "settings OPENAI_MODEL gpt-9 x", "user:5001 role admin", "user:5001 daily_budget_nusd 5000000000")
    until(lambda: not dying.alive(), "the ledger to die")
    world.kill(dying)
    world.start("ledger")
    until(lambda: answers(world), "the answer")
    world.at_rest()
    assert len(answers(world)) == 1
    assert world.redis.hgetall(world.key("settings")) == {"OPENAI_MODEL": "gpt-9 x"}
    assert world.redis.hgetall(world.key("user:5001")) == {"role": "admin", "daily_budget_nusd": "5000000000"}
    assert world.rows("SELECT name, value, changed_by FROM settings") == [{"name": "OPENAI_MODEL", "value": "gpt-9 x", "changed_by": ADMIN}]
    assert world.rows("SELECT role, daily_budget_nusd FROM users WHERE user_id = 5001") == [{"role": "admin", "daily_budget_nusd": 5000000000}]
    assert [row["job"] for row in world.rows("SELECT * FROM changes")] == ["1-1"]


def test_the_later_change_wins_and_none_unsets(world):
    known(world)
    wish(world, "1-1", "settings A 1", "user:5 role admin")
    wish(world, "2-1", "settings A 2", "user:5 role ")
    wish(world, "3-1", "settings B", "settings A 3")
    until(lambda: len(answers(world)) == 3, "all answers")
    world.at_rest()
    assert world.redis.hgetall(world.key("settings")) == {"A": "3"} and not world.redis.exists(world.key("user:5"))


def test_what_redis_has_lost_comes_back_before_anything_is_paid(world):
    known(world)
    wish(world, "1-1", "settings A 1", "user:5 role admin", "user:-5 model gpt-9")
    until(lambda: answers(world), "the answer")
    world.at_rest()
    for key in ("settings", "user:5", "user:-5", "spend:ready"):
        world.redis.delete(world.key(key))
    until(lambda: world.redis.exists(world.key("spend:ready")), "the counters")
    assert world.redis.hgetall(world.key("settings")) == {"A": "1"}
    assert world.redis.hgetall(world.key("user:5")) == {"role": "admin"} and world.redis.hgetall(world.key("user:-5")) == {"model": "gpt-9"}


@pytest.mark.parametrize("sets", [
    (), ("settings",), ("settings a-b 1",), ("chat:1 a b",), ("user:x role admin",), ("user:5 first_seen 1",), ("user:5 daily_budget_nusd -1",),
    ("user:5 daily_budget_nusd 1.5",), ("settings A 1", "user: role x"),
])
def test_a_change_without_sense_is_given_up_whole(world, sets):
    wish(world, "1-1", *sets)
    until(lambda: world.dead(), "it to be dead")
    assert world.dead()[0]["kind"] == "set" and not world.rows("SELECT * FROM changes")
    until(lambda: not world.redis.xlen(world.key("ledger")), "the stream to be empty")
    assert not world.redis.exists(world.key("settings"))


def test_a_question_waits_for_the_database(world):
    world.kill(world.of("ledger")[0])
    world.say(CHAT, "/stats")
    until(lambda: world.redis.xlen(world.key("ledger")), "the question")
    with sqlite3.connect(world.path / "gpttg.db") as db:
        db.execute("BEGIN EXCLUSIVE")
        world.start("ledger")
        paid(world, 1, 1_000_000_000)
        db.rollback()
    told(world, CHAT, "Your spending")
    world.at_rest()


def test_leaving_with_questions_in_hand_loses_none(world):
    for n in range(30):
        world.say(CHAT + n, "/stats")
    world.stop(world.of("ledger")[0])
    world.start("ledger")
    for n in range(30):
        told(world, CHAT + n, "Your spending")
    world.at_rest()
    assert all(len(world.shown(CHAT + n)) == 1 for n in range(30))


@pytest.mark.parametrize("step", ["count_entries", "tell"])
def test_leaving_while_redis_is_away_takes_no_time(world, step):
    known(world)
    world.kill(world.of("ledger")[0])
    ledger = world.start("ledger", GPTTG_STOP_AT=step)
    world.say(ADMIN, "/stat")
    until(lambda: state(ledger) == "T", "the ledger to stand still")
    world.kill_redis()
    ledger.signal(signal.SIGCONT)
    began = time.monotonic()
    world.stop(ledger)
    assert time.monotonic() - began < 6
    world.start_redis()
    world.start("ledger")
    told(world, ADMIN, "Everybody's spending")
    world.at_rest()
    assert len(world.bot_messages(ADMIN)) == 2


# ---- /export ---------------------------------------------------------------------------------------------------------

def document(world, chat=ADMIN):
    """The file that was sent there, by name and bytes."""
    sent = until(lambda: [m for m in world.bot_messages(chat) if m["kind"] == "document"], f"a file in {chat}: {captions(world, chat)}")[-1]
    job = next(k for k in world.redis.scan_iter(world.key("job:*")) if (world.redis.hget(k, "blob_name") or "").endswith(".csv"))
    blob = world.redis.hget(job, "blob")
    return sent, world.redis.hget(job, "blob_name"), redis.Redis(port=world.redis_port).get(world.key("blob:" + blob)).decode("utf-8-sig")


def test_a_month_is_exported_call_by_call(world):
    paid(world, 1, 1_500_000_001, status='=HYPERLINK("http://evil")', input_tokens="1200", seconds="1.5", tools="web_search=2")
    paid(world, 2, 80_000, model="@sum(a)", at=1_790_000_000_000)
    world.say(CHAT, "/stats", name="=cmd|' /C calc'!A0")
    told(world, CHAT, "Your spending")
    world.say(ADMIN, "/export")
    month = time.strftime("%Y-%m", time.gmtime(NOW / 1000 + 3 * 3600))
    told(world, ADMIN, f"{month} (×1)")
    sent, name, text = document(world)
    assert name == f"usage-{month}.csv"
    head, row = csv.reader(text.splitlines())
    got = dict(zip(head, row))
    assert (got["usd"], got["input_tokens"], got["seconds"], got["tools"], got["user_id"]) == ("1.500000001", "1200", "1.500", "web_search=2", str(CHAT))
    assert got["status"] == "'=HYPERLINK(\"http://evil\")" and got["name"][:2] in ("'=", "") and got["event_id"] == "1-1:chat"
    assert text.endswith("\r\n") and text.count("\n") == 2
    world.say(ADMIN, "/export 2026-09")
    told(world, ADMIN, "2026-09 (×1)")
    world.at_rest()


@pytest.mark.parametrize("text, words", [
    ("/export 2020-01", "Nothing was spent: 2020-01"), ("/export x", "Which month?"), ("/export 2026-13", "Which month?"), ("/export 2026-1", "Which month?"),
    ("/export 2026-11 2026-12", "Which month?"), ("/export -026-11", "Which month?"),
])
def test_an_export_of_nothing_is_one_line(world, text, words):
    world.say(ADMIN, text)
    told(world, ADMIN, words)
    world.say(CHAT, text)
    told(world, CHAT, "do not know")
    world.at_rest()


# ---- what an answer has cost ----------------------------------------------------------------------------------------

@pytest.mark.settings(SHOW_COST="1")
def test_an_answer_says_what_it_has_cost(world):
    world.say(CHAT, "Hi")
    text = world.answer(CHAT, "«Hi»")
    until(lambda: "≈ $0.0000" in world.shown(CHAT)[0], f"the cost below {text}")
    world.at_rest()
    cost, = [row["cost_nusd"] for row in world.rows()]
    assert world.shown(CHAT)[0].endswith(f"≈ ${cost / 1e9:.6f}") and len(world.shown(CHAT)) == 1
    world.ask_in(-100500, "Hello")
    until(lambda: any("«" in t for t in world.shown(-100500)), "an answer in the group")
    world.at_rest()
    assert not any("≈" in t for t in world.shown(-100500))


@pytest.mark.settings(SHOW_COST="1")
def test_a_picture_says_what_it_has_cost(world):
    world.say(CHAT, "/img a cat")
    text = told(world, CHAT, "≈ $")
    world.at_rest()
    cost, = [row["cost_nusd"] for row in world.rows()]
    assert text == f"a cat\n\n≈ ${cost / 1e9:.4f}"


def test_an_answer_does_not_say_what_it_has_cost(world):
    world.say(CHAT, "Hi")
    world.answer(CHAT, "«Hi»")
    world.at_rest()
    assert "≈" not in world.shown(CHAT)[0]
