"""Groups and topics: when the bot speaks, to whom, and what it remembers where."""
import pytest

from world import ADMIN, until

CHAT, GROUP = 5001, -1001234500
ADA, BOB, EVE = 7001, 7002, 7003
BOT = "@helper_ai_bot"


def questions(world):
    return [r["question"] for r in world.responses()]


def parents(world):
    """question → the question whose response it was chained to."""
    by_id = {r["id"]: r["question"] for r in world.responses()}
    return {r["question"]: by_id.get(r["previous_response_id"]) for r in world.responses()}


def asked(world, text, group=GROUP, user=ADA, conversation=None, **more):
    """Ask in a group and wait for the answer."""
    made = world.ask_in(group, text, user, **more)
    until(lambda: any(text in t for t in world.shown(group)), f"the answer to {text}")
    world.rest(conversation or group)
    return made


# ---- when ----

def test_it_speaks_only_when_it_is_spoken_to(world):
    world.talk_in(GROUP, "Lunch, anybody?")
    world.talk_in(GROUP, "@other_bot what do you think?", BOB, "Bob")
    world.talk_in(GROUP, "helper_ai_bot without an at", BOB, "Bob")
    question = asked(world, "What is up?")
    assert questions(world) == [f"{BOT} What is up?"]
    (answer,) = world.bot_messages(GROUP)
    assert answer["reply_to"] == question["message_id"]


def test_a_mention_counts_wherever_it_stands(world):
    world.talk_in(GROUP, f"👨‍👩‍👧 вот что, {BOT.upper()}, скажи")
    until(lambda: len(world.shown(GROUP)) == 1, "an answer")
    world.rest(GROUP)


def test_a_reply_to_it_is_for_it_and_a_reply_to_others_is_not(world):
    asked(world, "First")
    answer = world.bot_messages(GROUP)[0]
    other = world.talk_in(GROUP, "I am Bob", BOB, "Bob")
    world.talk_in(GROUP, "Hello, Bob", ADA, reply_to=other["message_id"])
    world.talk_in(GROUP, "Second", BOB, "Bob", reply_to=answer["id"])
    world.answer(GROUP, "«Second»")
    assert questions(world) == [f"{BOT} First", "Second"]


@pytest.mark.parametrize("text, line", [
    ("/help", "/reset"), (f"/help{BOT}", "/reset"), (f"/HELP{BOT.upper()}", "/reset"), (f"/dance{BOT}", "do not know"), (f"/img{BOT}", "Describe the picture"),
    (f"/stat{BOT}", "do not know"), ("/stop", "nothing to stop"), (f"{BOT} отмена", "nothing to stop"), (f"{BOT} /new", "begin anew"),
    ("/retry", "nothing to answer"), (f"/start{BOT}", "with @"),
])
def test_a_command_is_for_it(world, text, line):
    world.talk_in(GROUP, text)
    (said,) = until(lambda: world.shown(GROUP), "a line")
    assert line in said and len(said) <= 300
    world.at_rest()


def test_commands_of_others_are_not(world):
    for text in ("/help@other_bot", "/dance", "/stat", "отмена", "/stop@other_bot", "/команда"):
        world.talk_in(GROUP, text)
    asked(world, "Still here?")
    assert len(world.shown(GROUP)) == 1


def test_what_it_does_not_understand_is_said_only_to_who_asks(world):
    world.talk_in(GROUP, "Look", kind="photo")
    world.talk_in(GROUP, "", kind="location")
    world.ask_in(GROUP, "", kind="poll")
    until(lambda: world.shown(GROUP), "a line")
    asked(world, "Still here?")
    first, second = world.shown(GROUP)
    assert "of this kind" in first and "Still here?" in second


def test_bots_and_channels_are_not_answered(world):
    world.ask_in(GROUP, "I am a bot", 8001, "Robot", is_bot=True)
    world.control("message", {"chat": GROUP, "text": f"{BOT} a post", "user": 777000, "sender_chat": {"id": -100777, "title": "News", "type": "channel"},
                              "extra": {"is_automatic_forward": True}})
    world.talk_in(GROUP, f"{BOT} listen to her", BOB, "Bob", forward_from="Eve")
    asked(world, "And me?")
    assert questions(world) == [f"{BOT} And me?"]


# ---- topics and contexts ----

def test_a_topic_is_a_conversation_of_its_own(world):
    asked(world, "In seven", thread=7, conversation=f"{GROUP}:7")
    asked(world, "In eight", thread=8, conversation=f"{GROUP}:8")
    asked(world, "Seven again", thread=7, conversation=f"{GROUP}:7")
    assert parents(world) == {f"{BOT} In seven": None, f"{BOT} In eight": None, f"{BOT} Seven again": f"{BOT} In seven"}
    assert [m["thread"] for m in world.bot_messages(GROUP)] == [7, 8, 7]


def test_to_write_in_a_topic_is_not_to_answer_the_bot(world):
    asked(world, "In seven", thread=7, conversation=f"{GROUP}:7")
    root = {"message_id": 7, "from": {"id": 4242, "is_bot": True, "first_name": "Helper"}, "chat": {"id": GROUP, "type": "supergroup"}, "date": 1,
            "forum_topic_created": {"name": "Ideas", "icon_color": 1}}
    world.talk_in(GROUP, "To everybody", thread=7, extra={"reply_to_message": root})
    asked(world, "Still here?", thread=7, conversation=f"{GROUP}:7")
    assert "To everybody" not in questions(world)


def test_private_topics_are_conversations_too(world):
    for text, thread in (("One", 7), ("Two", 8), ("Three", None)):
        world.say(CHAT, text, **({"thread": thread} if thread else {}))
        until(lambda: any(f"«{text}»" in t for t in world.shown(CHAT)), "the answer")
    world.at_rest()
    assert set(parents(world).values()) == {None}
    assert [m["thread"] for m in world.bot_messages(CHAT)] == [7, 8, 0]


def test_members_share_one_dialogue(world):
    asked(world, "I am Ada", user=ADA)
    asked(world, "Who am I?", user=BOB)
    assert parents(world)[f"{BOT} Who am I?"] == f"{BOT} I am Ada"


@pytest.mark.settings(GROUP_CONTEXT="user")
def test_or_each_has_his_own(world):
    asked(world, "I am Ada", user=ADA, conversation=f"{GROUP}:0:{ADA}")
    asked(world, "I am Bob", user=BOB, conversation=f"{GROUP}:0:{BOB}")
    asked(world, "Who am I?", user=ADA, conversation=f"{GROUP}:0:{ADA}")
    asked(world, "In a topic", user=ADA, conversation=f"{GROUP}:7:{ADA}", thread=7)
    assert parents(world) == {f"{BOT} I am Ada": None, f"{BOT} I am Bob": None, f"{BOT} Who am I?": f"{BOT} I am Ada", f"{BOT} In a topic": None}
    world.talk_in(GROUP, "/new", BOB, "Bob")
    until(lambda: any("begin anew" in t for t in world.shown(GROUP)), "the line")
    asked(world, "And now?", user=ADA, conversation=f"{GROUP}:0:{ADA}")
    assert parents(world)[f"{BOT} And now?"] == f"{BOT} Who am I?"


@pytest.mark.settings(GROUP_CONTEXT="user")
def test_a_button_belongs_to_who_asked(world):
    world.ask_in(GROUP, "A long story [[deltas=400 delta_ms=50]]")
    until(lambda: world.buttons(GROUP), "the button")
    press = world.press(GROUP, data="stop", user=BOB, name="Bob")
    assert "whoever asked" in world.answered(press["callback_id"])
    assert not world.responses()[0]["cancelled"]
    press = world.press(GROUP, data="stop", user=ADMIN, name="Boss")
    world.answered(press["callback_id"])
    until(lambda: world.responses()[0]["cancelled"], "the cancel")
    world.at_rest()


def test_what_was_said_in_private_stays_there(world):
    world.say(ADA, "My secret is 42")
    world.answer(ADA, "«My secret is 42»")
    asked(world, "What is my secret?", user=ADA)
    assert parents(world)[f"{BOT} What is my secret?"] is None
    assert all("42" not in str(c["params"]) for c in world.calls(method="POST /v1/responses")[1:])


# ---- who ----

@pytest.mark.settings(ALLOWED_USER_IDS=str(ADA))
def test_in_groups_those_may_who_may_anyhow(world):
    world.talk_in(GROUP, "Not for you", EVE, "Eve")
    world.ask_in(GROUP, "Please", EVE, "Eve")
    (line,) = until(lambda: world.shown(GROUP), "a line")
    assert "private bot" in line and str(EVE) not in line
    world.control("message", {"chat": GROUP, "text": "As the group", "mention": True, "sender_chat": True})
    until(lambda: len(world.shown(GROUP)) == 2, "another line")
    asked(world, "And me?", user=ADA)
    asked(world, "And the boss?", user=ADMIN)
    assert questions(world) == [f"{BOT} And me?", f"{BOT} And the boss?"]


@pytest.mark.settings(ALLOWED_USER_IDS=str(ADA), ALLOWED_CHAT_IDS=str(GROUP))
def test_a_listed_group_is_open_to_all_and_the_others_to_nobody(world):
    other = GROUP - 1
    asked(world, "In the list", user=EVE)
    world.control("message", {"chat": GROUP, "text": "As the group", "mention": True, "sender_chat": True})
    world.answer(GROUP, "As the group")
    world.talk_in(other, "Just talking", ADA)
    world.ask_in(other, "Not in the list", ADA)
    (line,) = until(lambda: world.shown(other), "a line")
    assert "in this group" in line and len(line) <= 300
    asked(world, "But the boss may", other, user=ADMIN)
    assert questions(world) == [f"{BOT} In the list", f"{BOT} As the group", f"{BOT} But the boss may"]


def test_an_anonymous_administrator_speaks_as_the_group(world):
    world.control("message", {"chat": GROUP, "text": "As the group", "mention": True, "sender_chat": True})
    world.answer(GROUP, "As the group")
    world.at_rest()
    assert [row["user_id"] for row in world.rows()] == [GROUP]


# ---- years ----

def test_a_group_that_becomes_a_supergroup_keeps_its_dialogue(world):
    small, large = -4500, -1009994500
    asked(world, "Remember me", small, type="group")
    world.control("migrate", {"chat": small, "to": large})
    asked(world, "Who am I?", large)
    assert parents(world)[f"{BOT} Who am I?"] == f"{BOT} Remember me"


def test_a_bot_that_was_removed_stops_spending(world):
    world.ask_in(GROUP, "A long story [[deltas=400 delta_ms=50]]")
    world.ask_in(GROUP, "And another")
    until(lambda: world.shown(GROUP), "the beginning")
    world.control("member", {"chat": GROUP, "status": "kicked", "by": ADA})
    until(lambda: [r for r in world.responses() if r["cancelled"]], "the cancel")
    world.at_rest()
    assert questions(world) == [f"{BOT} A long story"]
    assert world.redis.exists(world.key(f"gone:{GROUP}"))
    world.control("member", {"chat": GROUP, "status": "member", "by": ADA})
    until(lambda: not world.redis.exists(world.key(f"gone:{GROUP}")), "the way back")
    asked(world, "Here again?")


def test_a_long_question_that_the_app_cut_is_one_also_where_only_its_beginning_is_for_us(world):
    first = f"{BOT} " + "long " * 820
    world.control("message", {"chat": GROUP, "user": ADA, "name": "Ada", "text": first.strip()})
    world.control("message", {"chat": GROUP, "user": ADA, "name": "Ada", "text": "and its end [[say=All of it.]]"})
    world.control("message", {"chat": GROUP, "user": BOB, "name": "Bob", "text": "an interruption"})
    world.answer(GROUP, "All of it.")
    world.at_rest()
    assert len(world.responses()) == 1 and len(world.shown(GROUP)) == 1
    assert "interruption" not in str(world.calls(method="POST /v1/responses")[0]["params"])
