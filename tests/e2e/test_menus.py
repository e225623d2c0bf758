"""The menus of commands: set at start by whoever holds the lease, only what is new, and never in the way of the updates."""
import http.client
import json

import pytest

from world import TOKEN, World, until


@pytest.fixture
def world(tmp_path, request):
    """Only ingest runs, and its administrators have a chat with the bot."""
    more = request.node.get_closest_marker("settings")
    with World(tmp_path, {"ADMIN_ID": "1,77", **(more.kwargs if more else {})}) as made:
        for admin in (1, 77):
            made.control("chat", {"chat": admin, "type": "private"})
        yield made
        for program in list(made.programs.values()):
            made.stop(program)
        made.redis.flushall()


def menu(world, scope, language="", **more):
    """name → description, as Telegram shows it"""
    connection = http.client.HTTPConnection("127.0.0.1", world.sim_port, timeout=10)
    try:
        body = {"scope": {"type": scope, **more}, "language_code": language}
        connection.request("POST", f"/bot{TOKEN}/getMyCommands", json.dumps(body), {"Content-Type": "application/json"})
        return {c["command"]: c["description"] for c in json.load(connection.getresponse())["result"]}
    finally:
        connection.close()


def sent(world):
    return world.control("counters")["counters"].get("telegram.setMyCommands", 0)


def standing(world, count):
    until(lambda: world.redis.hlen(world.key("menus")) == count, f"{count} menus; there are {world.redis.hgetall(world.key('menus'))}", 30)


def test_each_sees_what_is_for_him(world):
    world.start("ingest")
    standing(world, 4)
    everybody, admin, group = menu(world, "default"), menu(world, "chat", chat_id=77), menu(world, "all_group_chats")
    assert {"help", "reset", "cancel"} <= set(everybody) and "setmodel" not in everybody
    assert set(everybody) < set(admin) and {"stat", "setmodel"} <= set(admin)
    assert "cancel" in group and "setmodel" not in group
    assert all(description.isascii() for description in everybody.values())      # UI_LANG=en
    assert menu(world, "default", "ru") == {}


@pytest.mark.settings(UI_LANG="auto")
def test_each_sees_it_in_his_language(world):
    world.start("ingest")
    standing(world, 12)
    for scope, more in (("default", {}), ("all_group_chats", {}), ("chat", {"chat_id": 1})):
        russian, english, others = (menu(world, scope, language, **more) for language in ("ru", "en", ""))
        assert set(russian) == set(english) and english == others and russian != english


def test_only_what_is_new_is_sent(world):
    first = world.start("ingest")
    standing(world, 4)
    assert sent(world) == 4
    world.stop(first)
    second = world.start("ingest")
    third = world.start("ingest")
    world.say(5001, "one")
    until(lambda: world.redis.xlen(world.key("llm")), "a question, which goes first")
    for program in (second, third):
        until(lambda: "ready" in program.text(), "the others")
    world.stop(second)
    until(lambda: "polling as" in third.text(), "the third to poll")
    world.redis.hdel(world.key("menus"), "default:")
    world.stop(third)
    world.start("ingest")
    until(lambda: sent(world) == 5, "the one that was changed")
    standing(world, 4)


@pytest.mark.settings(UI_LANG="auto")
def test_what_is_not_meant_any_more_goes(world):
    first = world.start("ingest")
    standing(world, 12)
    world.stop(first)
    world.start("ingest", ADMIN_ID="1", UI_LANG="en")
    standing(world, 3)
    assert menu(world, "chat", chat_id=77) == {} and menu(world, "default", "ru") == {} and menu(world, "default", "en") == {}
    assert set(menu(world, "chat", chat_id=1)) > set(menu(world, "default"))


@pytest.mark.settings(ADMIN_ID="1,9999,77", TAKEOVER_MS="300")
def test_an_administrator_gets_his_menu_soon_after_he_has_written(world):
    ingest = world.start("ingest")
    standing(world, 4)
    until(lambda: "menu chat:9999:" in ingest.text(), "the word")
    world.control("chat", {"chat": 9999, "type": "private"})
    standing(world, 5)
    assert ingest.text().count("menu chat:9999:") == 1
    assert "setmodel" in menu(world, "chat", chat_id=9999)


@pytest.mark.parametrize("kind, more", [("status", {"status": 500}), ("status", {"status": 429, "retry_after": 1}), ("reset_before", {}), ("lost_answer", {}), ("html502", {})],
                         ids=["500", "429", "reset", "lost", "502"])
def test_failures_are_tried_again_and_the_updates_do_not_wait(world, kind, more):
    world.fault("telegram", kind, {"method": "setMyCommands"}, times=3, **more)
    ingest = world.start("ingest")
    until(lambda: "polling as" in ingest.text(), "the first poll")
    world.say(5001, "one")
    until(lambda: world.redis.xlen(world.key("llm")), "the question")
    standing(world, 4)
    assert "setmodel" in menu(world, "chat", chat_id=77)


def test_a_silent_telegram_does_not_keep_it_from_ending(world):
    fault = world.fault("telegram", "hang", {"method": "setMyCommands"}, times=-1)
    ingest = world.start("ingest")
    until(lambda: next(f for f in world.control("faults")["faults"] if f["id"] == fault)["fired"], "the first try")
    world.say(5001, "one")
    until(lambda: world.redis.xlen(world.key("llm")), "the question")
    world.stop(ingest)
