"""Edited messages: the last question is asked again, an older one gets one line, anything else nothing."""
from world import until

CHAT, GROUP = 5001, -1001234500
BOT = "@helper_ai_bot"


def questions(world):
    return [r["question"] for r in world.responses()]


def ask(world, text):
    made = world.say(CHAT, text)
    world.answer(CHAT, f"«{text}»")
    return made["message_id"]


def test_the_last_question_is_asked_again_as_a_new_turn(world):
    message = ask(world, "What is ip?")
    world.edit(CHAT, message, "What is up?")
    world.answer(CHAT, "«What is up?»")
    first, second = world.responses()
    assert second["previous_response_id"] == first["id"]
    assert len(world.shown(CHAT)) == 2


def test_it_may_be_edited_again_and_then_something_else_asked(world):
    message = ask(world, "One")
    for text in ("Two", "Three"):
        world.edit(CHAT, message, text)
        world.answer(CHAT, f"«{text}»")
    ask(world, "Four")
    assert questions(world) == ["One", "Two", "Three", "Four"]


def test_an_edit_of_an_older_question_gets_one_line(world):
    message = ask(world, "One")
    ask(world, "Two")
    world.edit(CHAT, message, "One, better")
    line = until(lambda: [t for t in world.shown(CHAT) if "corrected question anew" in t], "the line")[0]
    assert len(line) <= 300
    world.at_rest()
    assert questions(world) == ["One", "Two"]


def test_an_edit_that_changes_nothing_is_nothing(world):
    message = ask(world, "One")
    world.edit(CHAT, message, "One")
    ask(world, "Two")
    assert questions(world) == ["One", "Two"] and len(world.shown(CHAT)) == 2


def test_a_question_that_waits_is_changed_where_it_waits(world):
    world.say(CHAT, "First [[deltas=20 delta_ms=50]]")
    until(lambda: world.shown(CHAT), "the first answer to begin")
    message = world.say(CHAT, "Second, wrong")["message_id"]
    world.edit(CHAT, message, "Second, right")
    world.answer(CHAT, "«Second, right»")
    assert questions(world) == ["First", "Second, right"]


def test_commands_in_edits_and_edited_pictures_do_nothing(world):
    message = ask(world, "One")
    command = world.say(CHAT, "/help")["message_id"]
    until(lambda: any("/reset" in t for t in world.shown(CHAT)), "help")
    world.edit(CHAT, command, "/reset")
    world.edit(CHAT, message, "отмена")
    world.control("update", {"edited_message": {"message_id": 500, "chat": {"id": CHAT, "type": "private"}, "from": {"id": CHAT, "first_name": "Ada"},
                                                "date": 1795000000, "edit_date": 1795000001, "caption": "x", "photo": []}})
    ask(world, "Two")
    assert len(world.shown(CHAT)) == 5 and sum("edited" in t for t in world.shown(CHAT)) == 2      # two commands, a line each
    one, two = world.responses()
    assert two["previous_response_id"] == one["id"]        # nothing was forgotten


def test_in_groups_only_what_is_said_to_the_bot(world):
    message = world.talk_in(GROUP, "Just talking")["message_id"]
    world.edit(GROUP, message, "Still just talking")
    asked = world.ask_in(GROUP, "What is ip?")["message_id"]
    world.answer(GROUP, "What is ip?")
    world.edit(GROUP, asked, f"{BOT} What is up?")
    world.answer(GROUP, "What is up?")
    assert questions(world) == [f"{BOT} What is ip?", f"{BOT} What is up?"]
    world.rest(GROUP)
