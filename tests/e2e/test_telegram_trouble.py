"""Telegram under trouble: an answer is shown once; twice only where nobody can know; never not at all."""
import pytest

from world import until

CHAT = 5001


def final(world, question="Hi", seconds=60):
    text = world.answer(CHAT, f"«{question}»", seconds)
    world.at_rest(60)
    return text


@pytest.mark.parametrize("method", ["sendMessage", "editMessageText", "sendChatAction"])
@pytest.mark.parametrize("fault", [
    {"kind": "status", "status": 429, "retry_after": 1}, {"kind": "status", "status": 500}, {"kind": "html502"}, {"kind": "delay", "ms": 800},
], ids=lambda f: "-".join(str(v) for v in f.values()))
def test_a_passing_failure_changes_nothing(world, method, fault):
    world.fault("telegram", match={"method": method}, times=2, **fault)
    world.say(CHAT, "Hi [[deltas=20 delta_ms=50]]")
    text = final(world)
    assert world.shown(CHAT) == [text] and text == world.responses()[0]["answer"].strip()


@pytest.mark.parametrize("kind", ["reset_before", "close_before"])
def test_a_send_that_was_refused_by_the_network_is_repeated(world, kind):
    world.fault("telegram", kind, {"method": "sendMessage"}, times=2)
    world.say(CHAT, "Hi")
    final(world)
    assert len(world.shown(CHAT)) == 1


def test_a_send_whose_answer_is_lost_may_appear_twice_but_not_more(world):
    world.fault("telegram", "lost_answer", {"method": "sendMessage"})
    world.say(CHAT, "Hi")
    final(world)
    assert 1 <= len(world.shown(CHAT)) <= 2


def test_an_edit_whose_answer_is_lost_is_repeated_and_seen_once(world):
    world.fault("telegram", "lost_answer", {"method": "editMessageText"}, times=3)
    world.say(CHAT, "Hi [[deltas=20 delta_ms=50]]")
    assert world.shown(CHAT) == [final(world)] if world.shown(CHAT) else final(world)
    assert len(world.shown(CHAT)) == 1


def test_a_message_that_the_user_deleted_comes_anew(world):
    world.say(CHAT, "Hi [[deltas=40 delta_ms=60]]")
    until(lambda: world.shown(CHAT), "first words")
    message = [m for m in world.chat(CHAT)["messages"] if m["from"] == "bot"][0]
    world.control("delete_message", {"chat": CHAT, "message_id": message["id"]})
    text = final(world)
    assert world.shown(CHAT) == [text]


def test_a_chat_that_blocked_the_bot_costs_a_handful_of_calls(world):
    world.say(CHAT, "first")
    final(world, "first")
    before = world.control("counters")["counters"]
    world.control("block", {"chat": CHAT, "blocked": True})
    world.say(CHAT, "Hi [[deltas=200 delta_ms=50]]")
    until(lambda: len(world.responses()) == 2, "the question")
    world.rest(CHAT, 30)
    world.at_rest()
    after = world.control("counters")["counters"]
    tried = sum(after.get(f"telegram.{m}.403", 0) - before.get(f"telegram.{m}.403", 0) for m in ("sendMessage", "editMessageText", "sendChatAction"))
    assert tried <= 6
    world.control("block", {"chat": CHAT, "blocked": False})
    world.say(CHAT, "back")
    final(world, "back")


def test_a_long_flood_wait_survives_a_restart(world):
    world.fault("telegram", "status", {"method": "sendMessage", "chat": CHAT}, status=429, retry_after=6)
    world.say(CHAT, "Hi")
    until(lambda: world.control("faults")["faults"][0]["fired"] == 1, "the 429")
    until(lambda: world.redis.zcard(world.key("later")) or world.redis.pttl(world.key(f"pause:{CHAT}")) > 0, "the wait to be kept")
    world.say(6001, "others go on")
    world.answer(6001, "«others go on»", 5)
    world.kill(world.of("outbound")[0])
    world.start("outbound")
    text = final(world)
    assert world.shown(CHAT) == [text]


@pytest.mark.settings(TELEGRAM_RATE_GLOBAL="30", TELEGRAM_RATE_CHAT="1")
@pytest.mark.counts(outbound=2)
def test_pacing_is_shared_and_keeps_below_telegrams_limits(world):
    world.control("telegram", {"flood": True, "chat_per_s": 1.5, "chat_burst": 8, "global_per_s": 40})
    for chat in range(6001, 6021):
        world.say(chat, f"q {chat} [[deltas=20 delta_ms=60]]")
    for chat in range(6001, 6021):
        world.answer(chat, f"«q {chat}»", 60)
    world.at_rest()
    counters = world.control("counters")["counters"]
    assert counters.get("telegram.sendMessage.429", 0) + counters.get("telegram.editMessageText.429", 0) <= 2
