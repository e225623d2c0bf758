"""Commands and words that are orders; who may give them; what is said to those that are not known."""
import pytest

from world import ADMIN, until

CHAT = 5001


def line(world, chat=CHAT, count=1):
    said = until(lambda: world.shown(chat)[count - 1:], "a line")
    assert len(said) == 1 and len(said[0].encode("utf-16-le")) <= (3000 if "/help" in said[0] else 600)      # a help lists all there is
    return said[0]


@pytest.mark.parametrize("text, words", [
    ("/start", "Hello"), ("/start ref_42", "Hello"), ("/help", "/cancel"), ("  /HELP  ", "/cancel"), ("/help@helper_ai_bot", "/cancel"),
    ("/img", "Describe the picture"), ("/dance", "do not know"), ("/dance now", "do not know"), ("/help@other_bot", "do not know"),
    ("/stat", "do not know"), ("/models", "do not know"), ("/setmodel gpt", "do not know"), ("/stop", "nothing to stop"), ("/cancel", "nothing to stop"),
    ("отмена", "nothing to stop"), ("Стоп", "nothing to stop"), ("/reset", "begin anew"), ("/new", "begin anew"), ("/retry", "nothing to answer"),
])
def test_one_line_each(world, text, words):
    world.say(CHAT, text)
    assert words in line(world)
    world.at_rest()
    assert not world.responses()


def test_an_administrator_has_more_of_them(world):
    world.say(ADMIN, "/help")
    assert "/setmodel" in line(world, ADMIN)
    world.say(ADMIN, "/models")
    until(lambda: [t for t in world.shown(ADMIN) if "Models." in t], "the list")
    world.say(CHAT, "/help")
    assert "/setmodel" not in line(world)


@pytest.mark.settings(UI_LANG="auto")
def test_in_the_language_of_who_asks(world):
    world.say(CHAT, "/dance", language="ru")
    assert "команды" in line(world)
    world.say(CHAT + 1, "/dance", language="de")
    assert "command" in line(world, CHAT + 1)


@pytest.mark.parametrize("text", ["what does /help do?", "/usr/bin", "//stop", "stop it", "отмена заказа", "/"])
def test_what_only_looks_like_a_command_is_a_question(world, text):
    world.say(CHAT, text)
    world.answer(CHAT, f"«{text}»")


def test_a_forwarded_command_is_a_question(world):
    world.say(CHAT, "First")
    world.answer(CHAT, "«First»")
    world.say(CHAT, "/reset", forward_from="Eve")
    world.answer(CHAT, "«/reset»")
    one, two = world.responses()
    assert two["previous_response_id"] == one["id"]


def test_stop_stops_and_keeps_what_was_written(world):
    world.say(CHAT, "A long story [[deltas=400 delta_ms=50]]")
    until(lambda: world.shown(CHAT), "the beginning")
    world.say(CHAT, "стоп")
    until(lambda: world.responses()[0]["cancelled"], "the cancel")
    assert "Stopped" in world.answer(CHAT, "A long story")
    assert len(world.shown(CHAT)) == 1


def test_retry_takes_the_place_of_the_last_answer(world):
    world.say(CHAT, "First")
    world.answer(CHAT, "«First»")
    world.say(CHAT, "Second")
    world.answer(CHAT, "«Second»")
    world.say(CHAT, "/retry")
    until(lambda: len(world.responses()) == 3, "the question again")
    world.at_rest()
    one, two, three = world.responses()
    assert three["question"] == "Second" and two["previous_response_id"] == three["previous_response_id"] == one["id"]
    assert len(world.shown(CHAT)) == 2


def test_retry_while_it_answers_says_so(world):
    world.say(CHAT, "A long story [[deltas=400 delta_ms=50]]")
    until(lambda: world.shown(CHAT), "the beginning")
    world.say(CHAT, "/retry")
    until(lambda: any("still answering" in t for t in world.shown(CHAT)), "the line")
    world.say(CHAT, "/stop")
    world.rest(CHAT)


# ---- buttons ----

def test_the_stop_button_stops(world):
    world.say(CHAT, "A long story [[deltas=400 delta_ms=50]]")
    until(lambda: world.buttons(CHAT), "the button")
    press = world.press(CHAT, data="stop")
    world.answered(press["callback_id"])
    until(lambda: world.responses()[0]["cancelled"], "the cancel")
    world.rest(CHAT)
    assert len(world.shown(CHAT)) == 1


def test_the_retry_button_asks_again(world):
    world.say(CHAT, "A story [[deltas=400 delta_ms=50]]")
    until(lambda: world.buttons(CHAT), "the button")
    world.press(CHAT, data="stop")
    until(lambda: any(b["callback_data"].startswith("retry") for m in world.bot_messages(CHAT)
                      for row in m.get("reply_markup", {}).get("inline_keyboard", []) for b in row), "the other button")
    press = world.press(CHAT, data="retry")
    world.answered(press["callback_id"])
    until(lambda: len(world.responses()) == 2, "the question again")
    world.say(CHAT, "/stop")
    world.rest(CHAT)


def test_the_button_of_another_ones_answer_is_not_theirs(world):
    group = -1001234500
    world.ask_in(group, "A long story [[deltas=400 delta_ms=50]]")
    until(lambda: world.buttons(group), "the button")
    press = world.press(group, data="stop", user=7002, name="Bob")
    assert "whoever asked" in world.answered(press["callback_id"])
    assert not world.responses()[0]["cancelled"]
    press = world.press(group, data="stop", user=ADMIN, name="Boss")
    world.answered(press["callback_id"])
    until(lambda: world.responses()[0]["cancelled"], "the cancel")
    world.rest(group)


@pytest.mark.parametrize("data", ["size 1024", "stop", "stop 1-2; DROP", "retry", "🙂"])
def test_any_press_is_answered(world, data):
    world.say(CHAT, "/help")
    until(lambda: world.bot_messages(CHAT), "a message")
    press = world.control("callback", {"chat": CHAT, "message_id": world.bot_messages(CHAT)[0]["id"], "data": data})
    assert not world.answered(press["callback_id"])
    world.at_rest()


@pytest.mark.parametrize("data, words", [("stop 1-2", "nothing to stop"), ("retry 1-2", "nothing to answer")])
def test_a_button_of_long_ago_says_that_it_is_over(world, data, words):
    press = world.control("update", {"callback_query": {"id": "77", "from": {"id": CHAT, "first_name": "Ada"}, "chat_instance": "1", "data": data,
                                                        "message": {"message_id": 12, "date": 0, "chat": {"id": CHAT, "type": "private"}}}})
    assert press["update_id"]
    assert words in world.answered("77")
