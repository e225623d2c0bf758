"""/broadcast: a message of an administrator to everybody: shown first, paced, counted, stopped, and gone on with wherever somebody dies."""
import sqlite3

import pytest

from test_desk import asks_ledger
from test_models import told
from world import ADMIN, until

ADA, GRACE, BLOCKED, IN_GROUP_ONLY = 5001, 5002, 5003, 5004
CROWD = range(6001, 6041)


def known(world, *users, role=None):
    """As if they had talked to the bot long ago."""
    for user in users:
        world.control("chat", {"chat": user, "type": "private"})
    until(lambda: world.redis.exists(world.key("spend:ready")), "the ledger")
    with sqlite3.connect(world.path / "gpttg.db", timeout=10) as db:
        db.executemany("INSERT INTO users (user_id, first_seen, role, in_private) VALUES (?, 1, ?, 1)", [(user, role) for user in users])
    db.close()


def has(world, chat, text="Hello all"):
    return [t for t in world.shown(chat) if t == text]


def offered(world, words="Hello **all**"):
    world.say(ADMIN, "/broadcast " + words)
    told(world, "Send this to everybody")


def over(world, words):
    return until(lambda: [t for t in world.shown(ADMIN) if words in t], f"{words!r}, where it shows {world.shown(ADMIN)}", 30)[-1]


def test_it_is_shown_first_and_goes_to_whoever_wrote_in_private(world):
    world.say(ADA, "Hi")
    world.answer(ADA, "«Hi»")
    world.say(GRACE, "/stats")
    told(world, "Your spending", GRACE)
    known(world, BLOCKED, role="blocked")
    with sqlite3.connect(world.path / "gpttg.db", timeout=10) as db:
        db.execute("INSERT INTO usage (event_id, at, user_id, chat_id, kind, model, cost_nusd, price_version) VALUES ('x', 1, ?, -100, 'chat', 'm', 1, 'p')", (IN_GROUP_ONLY,))
    db.close()
    world.say(ADMIN, "/broadcast Hello **all**\n\nA new _day_.")
    text = told(world, "Send this to everybody who has asked the bot something in private (3)?")     # the administrator is one of them
    assert text.startswith("Hello all\n\nA new day.") and world.buttons(ADMIN) == ["📣 Send to 3", "✖️ Don't send"]
    assert not has(world, ADA, "Hello all\n\nA new day.")
    world.press(ADMIN, "📣")
    over(world, "📣 Sent: 3 / 3")
    world.at_rest()
    for chat in (ADA, GRACE, ADMIN):
        assert len(has(world, chat, "Hello all\n\nA new day.")) == 1
    bold = next(m for m in world.bot_messages(ADA) if m["text"].startswith("Hello"))
    assert {e["type"] for e in bold["entities"]} == {"bold", "italic"} and not bold.get("reply_markup")
    assert not world.calls("sendMessage", BLOCKED) and not world.calls("sendMessage", IN_GROUP_ONLY)
    assert world.buttons(ADMIN) == [] and not [t for t in world.shown(ADMIN) if "Send this" in t]        # the question has become the report


def test_who_has_blocked_the_bot_is_counted_and_not_asked_again(world):
    known(world, ADA, GRACE)
    world.control("block", {"chat": ADA, "blocked": True})
    offered(world)
    world.press(ADMIN, "📣")
    over(world, "📣 Sent: 2 / 3, 🚫 1")
    world.at_rest()
    tries = len(world.calls("sendMessage", ADA))
    offered(world, "Once more")
    world.press(ADMIN, "📣")
    until(lambda: has(world, GRACE, "Once more"), "the second one")
    until(lambda: len([t for t in world.shown(ADMIN) if "📣 Sent: 2 / 3, 🚫 1" in t]) == 2, "the second report")
    world.at_rest()
    assert len(world.calls("sendMessage", ADA)) == tries and not world.dead()
    world.control("block", {"chat": ADA, "blocked": False})


@pytest.mark.settings(ALLOWED_USER_IDS=str(ADA), ACCESS="closed")
def test_who_may_not_talk_any_more_gets_nothing(world):
    known(world, ADA, GRACE)
    known(world, 5010, role="guest")
    offered(world)
    world.press(ADMIN, "📣 Send to 3")        # the administrator, Ada, and the guest
    over(world, "📣 Sent: 3 / 3")
    world.at_rest()
    assert not world.calls("sendMessage", GRACE) and has(world, ADA) and has(world, 5010)


def test_what_is_not_meant_is_not_sent(world):
    known(world, ADA)
    offered(world)
    presses = [world.press(ADMIN, "✖️"), world.press(ADMIN, "📣")]
    answers = [world.answered(p["callback_id"]) for p in presses]
    assert not answers[0] and "already decided" in answers[1]
    until(lambda: world.shown(ADMIN) == ["Not sent."] and not world.buttons(ADMIN), "the question to be gone")
    world.at_rest()
    assert not world.shown(ADA)


def test_pressed_twice_it_goes_once(world):
    known(world, ADA)
    offered(world)
    presses = [world.press(ADMIN, "📣"), world.press(ADMIN, "📣")]
    answers = [world.answered(p["callback_id"]) for p in presses]
    assert not answers[0] and "already decided" in answers[1]
    over(world, "📣 Sent: 2 / 2")
    world.at_rest()
    assert len(has(world, ADA)) == 1


@pytest.mark.parametrize("words", ["button", "/broadcast stop"])
def test_it_is_stopped(world, words):
    known(world, *CROWD)
    offered(world)
    world.press(ADMIN, "📣")
    until(lambda: has(world, CROWD[5]), "the sixth one", 20)
    over(world, "📣 Sending: ")
    offered(world, "Another one")
    busy = world.press(ADMIN, "📣 Send")
    assert "Another message is still being sent" in world.answered(busy["callback_id"])
    if words == "button":
        assert not world.answered(world.press(ADMIN, "⏹")["callback_id"])
    else:
        world.say(ADMIN, words)
        told(world, "Nobody else will get it.")
    report = over(world, "⏹ Stopped: ")
    world.at_rest()
    reached = sum(bool(has(world, chat)) for chat in (*CROWD, ADMIN))
    assert f": {reached} / 41" in report and reached < 41 and "⏹ Stop" not in world.buttons(ADMIN)
    world.say(ADMIN, "/broadcast stop")
    told(world, "Nothing is being sent now.")
    world.at_rest()


STEPS = ["look:2", "looked:3", "read_users", "judge_users:2", "give", "given", "given:2", "tell:2", "told:2"]


@pytest.mark.parametrize("step", STEPS)
def test_everybody_gets_it_once_wherever_the_ledger_dies(world, step):
    known(world, *CROWD[:24])
    world.kill(world.of("ledger")[0])
    dying = world.start("ledger", GPTTG_KILL_AT=step)
    if step.startswith("look"):
        until(lambda: not dying.alive(), "the ledger to die")
        world.kill(dying)
        dying = world.start("ledger", GPTTG_KILL_AT="look:6")
    offered(world)
    world.press(ADMIN, "📣")
    until(lambda: not dying.alive(), "the ledger to die", 40)
    world.kill(dying)
    world.start("ledger")
    over(world, "📣 Sent: 25 / 25")
    world.at_rest()
    assert [len(has(world, chat)) for chat in (*CROWD[:24], ADMIN)] == [1] * 25 and not world.dead()


@pytest.mark.counts(ledger=2, outbound=2)
def test_two_ledgers_and_a_redis_that_restarts(world):
    known(world, *CROWD)
    offered(world)
    world.press(ADMIN, "📣")
    until(lambda: has(world, CROWD[3]), "the fourth one", 20)
    world.kill_redis()
    world.start_redis()
    world.kill(world.of("ledger")[0])
    over(world, "📣 Sent: 41 / 41")
    world.at_rest()
    more = sum(len(has(world, chat)) for chat in (*CROWD, ADMIN)) - 41
    assert all(has(world, chat) for chat in (*CROWD, ADMIN)) and 0 <= more <= 4       # sends that Redis had not been told of


def test_it_is_the_administrators_and_says_how(world):
    world.say(ADMIN, "/broadcast")
    told(world, "A message to everybody: /broadcast and the text")
    world.say(ADA, "/broadcast Hi")
    told(world, "do not know", ADA)
    forged = {"kind": "ask", "what": "spread", "text": "send 1-1", "chat": str(ADA), "user": str(ADA), "lang": "en"}       # a button that he was never shown
    world.redis.hset(world.key("job:1-1"), mapping={"text": "spam", "conv": ""})
    world.redis.expire(world.key("job:1-1"), 600)
    asks_ledger(world, "2-1", {**forged, "message": "1"})
    until(lambda: len([t for t in world.shown(ADA) if "do not know" in t]) == 2, "the second refusal")
    world.at_rest()
    assert not world.redis.exists(world.key("broadcast"))


def test_a_long_text_and_its_report(world):
    known(world, ADA)
    text = "\n\n".join(f"Paragraph {n} " + "word " * 71 for n in range(11)).strip()
    offered(world, text)
    assert len(world.bot_messages(ADMIN)) == 2 and world.shown(ADMIN)[1].startswith("☝️")
    world.press(ADMIN, "📣")
    over(world, "📣 Sent: 2 / 2")
    world.at_rest()
    assert [t.split() for t in world.shown(ADA)] == [text.split()]
    assert not [t for t in world.shown(ADMIN) if "☝️" in t]


def test_a_text_of_which_nothing_is_seen_reaches_nobody(world):
    known(world, ADA)
    offered(world, "&nbsp;")
    world.press(ADMIN, "📣")
    over(world, "📣 Sent: 2 / 2")
    world.at_rest()
    assert not world.shown(ADA)


def test_a_report_that_was_deleted_comes_once_more(world):
    known(world, *CROWD)
    offered(world)
    world.press(ADMIN, "📣")
    over(world, "📣 Sending: ")
    world.control("delete_message", {"chat": ADMIN, "message_id": world.bot_messages(ADMIN)[0]["id"]})
    over(world, "📣 Sent: 41 / 41")
    world.at_rest()
    assert len([t for t in world.shown(ADMIN) if "📣 Sen" in t]) == 1


def test_who_has_only_asked_in_a_group_is_not_written_to(world):
    group = -100500
    world.control("chat", {"chat": group, "type": "supergroup"})
    known(world, ADA)
    world.ask_in(group, "/stats@helper_ai_bot", user=GRACE)
    until(lambda: world.bot_messages(group), "the answer")
    offered(world)
    assert world.buttons(ADMIN)[0] == "📣 Send to 2"         # the administrator and Ada
    world.press(ADMIN, "✖️")
    until(lambda: "Not sent." in world.shown(ADMIN), "the word")
    world.at_rest()


def test_a_ledger_that_stands_by_with_a_file_of_its_own_tells_nobody_apart(world):
    """Two machines on one Redis: only the one that writes knows whom it is for."""
    known(world, *CROWD)
    world.start("ledger", DB_PATH=str(world.path / "other.db"))
    offered(world)
    world.press(ADMIN, "📣")
    over(world, "📣 Sent: 41 / 41")
    world.at_rest()


def test_stopped_while_a_chat_waits_for_hours(world):
    known(world, *CROWD)
    world.control("chat", {"chat": CROWD[0], "flood_s": 7200})
    offered(world)
    world.press(ADMIN, "📣")
    until(lambda: has(world, CROWD[12]), "those behind him", 30)
    over(world, "📣 Sending: ")
    world.press(ADMIN, "⏹")
    over(world, "⏹ Stopped: ")
    assert "⏹ Stop" not in world.buttons(ADMIN)
    world.control("chat", {"chat": CROWD[0], "flood_s": 0})          # not to wait two hours for him
    (parked,) = world.redis.zrange(world.key("later"), 0, -1)
    world.redis.delete(world.key(f"pause:{CROWD[0]}"))
    world.redis.zadd(world.key("later"), {parked: 1})
    world.at_rest()
    reached = sum(bool(has(world, chat)) for chat in (*CROWD, ADMIN))
    over(world, f"⏹ Stopped: {reached} / 41")
    assert has(world, CROWD[0])
    world.at_rest()


def test_nothing_is_left_behind(world):
    known(world, ADA)
    offered(world)
    world.press(ADMIN, "📣")
    over(world, "📣 Sent: 2 / 2")
    world.at_rest()
    assert not world.without_expiry()
    assert not [k for k in world.redis.scan_iter(world.key("text:*-to-*"))]       # not for each of thousands
