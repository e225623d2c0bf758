"""What administrators are told of the state of things, and what was given up: /status, /limits, /dead."""
import re

import pytest

from test_models import told
from world import ADMIN, until

CHAT = 5001


def test_status_says_who_is_there_and_what_waits(world):
    world.kill(world.of("media")[0])
    world.redis.xadd(world.key("dead"), {"kind": "text", "job": "1-1", "chat": "5", "user": "5", "at": "1", "reason": "it crashed twice"})
    world.say(ADMIN, "/status")
    text = told(world, "Services")
    assert all(f"✅ {name} ×1" in text for name in ("ingest", "llm", "outbound", "ledger"))
    assert "llm: 0" in text and "ledger: 0" in text and "it crashed twice" in text and "SQLite: 0." in text and re.search(r"Redis \d+\.\d", text)
    world.say(CHAT, "/status")
    told(world, "do not know", CHAT)
    world.redis.delete(world.key("dead"))
    world.start("media")
    world.at_rest()


def test_limits_says_what_openai_said(world):
    world.say(ADMIN, "/limits")
    told(world, "said nothing about limits")
    world.say(CHAT, "Hi")
    world.answer(CHAT, "«Hi»")
    until(lambda: world.redis.exists(world.key("limits")), "what was said")
    world.say(ADMIN, "/limits")
    text = told(world, "What OpenAI still allows")
    assert "gpt-6.1-terra" in text and "requests: 4999 / 5000, ↻ 12 ms" in text and "tokens: 1999000 / 2000000, ↻ 6 min" in text
    world.at_rest()


def give_up(world, text="Hi"):
    """A question that the model refuses for good until the fault is gone; then it stands among the dead."""
    world.say(CHAT, text)
    world.answer(CHAT, f"«{text}»")
    world.at_rest()
    job = world.redis.hget(world.key(f"chat:{CHAT}"), "last_job")
    return world.redis.xadd(world.key("dead"), {"kind": "text", "job": job, "chat": str(CHAT), "user": str(CHAT), "at": "1", "reason": "it crashed twice"})


def asked(world, text):
    return [t for t in world.shown(CHAT) if f"«{text}»" in t]


def test_what_was_given_up_is_asked_once_more_by_a_button(world):
    give_up(world)
    world.say(ADMIN, "/dead")
    text = told(world, "Given up (1)")
    assert "\n1. text, 5001: it crashed twice" in text and "\\" not in text
    pressed = [world.press(ADMIN, "🔄 1"), world.press(ADMIN, "🔄 1")]
    answers = [world.answered(p["callback_id"]) for p in pressed]
    assert "once more" in answers[0] and "not in the list" in answers[1]
    until(lambda: len(asked(world, "Hi")) == 2, "the second answer")
    world.at_rest()
    assert not world.dead() and len(world.rows()) == 2


@pytest.mark.parametrize("step", ["looked_around", "tell", "told"])
def test_it_is_asked_once_more_wherever_the_ledger_dies(world, step):
    give_up(world)
    world.kill(world.of("ledger")[0])
    dying = world.start("ledger", GPTTG_KILL_AT=step)
    world.say(ADMIN, "/dead replay 1")
    until(lambda: not dying.alive(), "the ledger to die")
    world.kill(dying)
    world.start("ledger")
    told(world, "once more")
    until(lambda: len(asked(world, "Hi")) == 2, "the second answer")
    world.at_rest()
    assert not world.dead() and len(world.rows()) == 2


def test_what_is_dropped_is_gone(world):
    give_up(world)
    world.redis.xadd(world.key("dead"), {"kind": "text", "job": "9-9", "chat": "5", "user": "5", "at": "1", "reason": "long ago"})
    for words, says in (("x", "Like this"), ("replay 7", "not in the list"), ("replay 1", "can only be dropped"), ("drop 1", "Dropped")):
        world.say(ADMIN, "/dead " + words)
        told(world, says)
    assert [d["reason"] for d in world.dead()] == ["it crashed twice"]
    world.say(ADMIN, "/dead drop all")
    told(world, "Dropped", count=2)
    assert not world.dead()
    world.say(ADMIN, "/dead")
    told(world, "Nothing was given up")
    world.at_rest()
