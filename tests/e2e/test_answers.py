"""A question goes in, an answer comes out: what the user sees, what OpenAI was asked, what the ledger booked."""
import json

import pytest

from world import ADMIN, KEY, TOKEN, until

CHAT = 5001


def bodies(world):
    return [c["params"] for c in world.calls(method="POST /v1/responses")]


def test_a_question_is_answered_once(world):
    world.say(CHAT, "Hi there", user=CHAT)
    text = world.answer(CHAT, "«Hi there»")
    world.at_rest()
    assert world.shown(CHAT) == [text]
    assert not text.endswith("…") and text.startswith("Answer to «Hi there»")
    (response,) = world.responses()
    (row,) = world.rows()
    assert row["kind"] == "chat" and row["user_id"] == CHAT and row["chat_id"] == CHAT
    for column in ("input_tokens", "output_tokens"):
        assert row[column] == response["usage"][column]
    assert row["cost_nusd"] == row["input_tokens"] * 1000 + row["output_tokens"] * 5000     # gpt-6.1-terra: $1 and $5 a million
    assert row["event_id"].endswith(":1") and world.dead() == []


def test_what_openai_is_asked(world):
    world.say(CHAT, "First")
    world.answer(CHAT, "«First»")
    world.say(CHAT, "Second")
    world.answer(CHAT, "«Second»")
    first, second = bodies(world)
    ids = [r["id"] for r in world.responses()]
    for body in (first, second):
        assert body["store"] is True and body["stream"] is True and body["background"] is True
        assert body["instructions"] == "Be brief." and body["model"] == "gpt-6.1-terra"
        assert body["context_management"][0]["type"] == "compaction"
        assert len(body["safety_identifier"]) == 64 and str(CHAT) not in body["safety_identifier"]
        assert body["metadata"]["job"]
    assert "previous_response_id" not in first and second["previous_response_id"] == ids[0]
    (item,) = second["input"]
    assert item["role"] == "user" and item["content"][-1] == {"type": "input_text", "text": "Second"}     # unchanged, behind what is told about it
    assert TOKEN.split(":")[1] not in json.dumps([first, second]) and KEY not in json.dumps([first, second])


def test_questions_sent_quickly_are_answered_in_order(world):
    texts = [f"question {n}" for n in range(8)]
    world.control("messages", {"chat": CHAT, "texts": texts})
    for text in texts:
        world.answer(CHAT, f"«{text}»", 40)
    world.at_rest()
    assert [t.split("«")[1].split("»")[0] for t in world.shown(CHAT)] == texts
    responses = world.responses()
    for before, after in zip(responses, responses[1:]):
        assert after["previous_response_id"] == before["id"]


def test_no_conversation_waits_for_another(world):
    world.say(CHAT, "slow [[first_ms=8000]]")
    until(lambda: world.responses(), "the slow question to be asked")
    for chat in range(6001, 6011):
        world.say(chat, f"quick {chat}")
    for chat in range(6001, 6011):
        world.answer(chat, f"«quick {chat}»", 6)
    assert not any("«slow»" in t for t in world.shown(CHAT))
    world.answer(CHAT, "«slow»")


def test_the_answer_grows_while_it_is_written(world):
    world.say(CHAT, "long one [[deltas=60 delta_ms=40 words=200]]")
    text = world.answer(CHAT, "«long one»", 30)
    world.at_rest()
    (message,) = [m for m in world.chat(CHAT)["messages"] if m["from"] == "bot"]
    assert message["edits"] >= 3 and message["text"] == text == world.responses()[0]["answer"].strip()
    assert len(message["first_text"]) < len(text)


def test_a_long_silence_is_shown_and_leaves_nothing_behind(world):
    world.say(CHAT, "think [[first_ms=5000]]")
    until(lambda: world.shown(CHAT), "a status line", 10)
    assert "«think»" not in world.shown(CHAT)[0] and world.chat(CHAT)["actions"] >= 1
    world.answer(CHAT, "«think»")
    world.at_rest()
    assert len(world.shown(CHAT)) == 1


@pytest.mark.parametrize("words", [900, 3000])
def test_a_long_answer_comes_whole_in_parts(world, words):
    world.say(CHAT, f"tell me all [[words={words} deltas=30]]")
    world.answer(CHAT, "«tell me all»", 30)
    world.at_rest()
    parts = world.shown(CHAT)
    assert len(parts) > 1 and all(len(p.encode("utf-16-le")) // 2 <= 4096 for p in parts)
    assert "".join("".join(parts).split()) == "".join(world.responses()[0]["answer"].split())


def test_graphemes_survive_the_split(world):
    family = "👨‍👩‍👧‍👦"
    world.say(CHAT, f"faces [[say={family * 700}]]")
    until(lambda: "".join(world.shown(CHAT)).count(family) == 700, "all of the faces", 30)
    world.at_rest()
    assert "".join(world.shown(CHAT)) == family * 700


@pytest.mark.parametrize("directive, seen", [
    ("refuse", "refus|declin|can't|cannot"), ("status=incomplete", "«odd»"), ("status=filter", "«odd»"), ("empty", "."),
])
def test_odd_endings_are_said_in_words(world, directive, seen):
    import re
    world.say(CHAT, f"odd [[{directive}]]")
    until(lambda: re.search(seen, "\n".join(world.shown(CHAT)), re.I), f"words for {directive}, not {world.shown(CHAT)}")
    world.rest(CHAT)
    world.at_rest()
    assert len(world.shown(CHAT)) == 1 and len(world.rows()) == 1
    world.say(CHAT, "and now?")
    world.answer(CHAT, "«and now?»")




@pytest.mark.settings(ALLOWED_USER_IDS="7001")
def test_a_stranger_gets_one_line_and_spends_nothing(world):
    world.say(CHAT, "let me in")
    until(lambda: world.shown(CHAT), "one line")
    world.say(7001, "I may")
    world.answer(7001, "«I may»")
    world.say(ADMIN, "me too")
    world.answer(ADMIN, "«me too»")
    world.at_rest()
    assert len(world.shown(CHAT)) == 1 and len(world.shown(CHAT)[0]) <= 300
    assert {r["question"] for r in world.responses()} == {"I may", "me too"}


def test_commands_that_there_are(world):
    world.say(CHAT, "/start")
    until(lambda: world.shown(CHAT), "a greeting")
    world.say(CHAT, "/help")
    until(lambda: len(world.shown(CHAT)) == 2, "help")
    world.say(CHAT, "/cancel")
    until(lambda: len(world.shown(CHAT)) == 3, "a line")
    world.at_rest()
    assert world.responses() == []


def test_stop_acts_at_once_and_keeps_what_was_written(world):
    world.say(CHAT, "novel [[deltas=400 delta_ms=50 words=2000]]")
    until(lambda: world.shown(CHAT), "first words")
    world.say(CHAT, "next in line")
    world.say(CHAT, "/stop")
    until(lambda: world.responses()[0]["cancelled"], "the response to be cancelled", 3)
    world.answer(CHAT, "«next in line»")
    world.at_rest()
    shown = world.shown(CHAT)
    assert shown[0].startswith("Answer to «novel»") and len(shown) == 2
    novel, following = world.responses()
    row = [r for r in world.rows() if r["output_tokens"] == novel["usage"]["output_tokens"]][0]
    assert row["estimated"] == 0
    assert following["previous_response_id"] is None        # the stopped one is not in the chain; what was said goes along as input
    assert "novel" in json.dumps(bodies(world)[1]["input"])


@pytest.mark.settings(STREAM_TRANSPORT="draft")
def test_the_button_of_a_draft_stops_and_keeps_what_was_written(world):
    world.say(CHAT, "novel [[deltas=400 delta_ms=50 words=2000]]")
    until(lambda: (world.chat(CHAT)["draft"] or {"text": ""})["text"].startswith("Answer to «novel»"), "a draft")
    world.control("stop_draft", {"chat": CHAT})
    until(lambda: world.responses()[0]["cancelled"], "the response to be cancelled", 3)
    text = world.answer(CHAT, "Answer to «novel»")
    world.at_rest()
    assert text.endswith("⏹ Stopped.") and world.shown(CHAT) == [text] and world.chat(CHAT)["draft"] is None


def test_reset_forgets_the_dialogue_and_what_waits(world):
    world.say(CHAT, "remember")
    world.answer(CHAT, "«remember»")
    world.say(CHAT, "novel [[deltas=400 delta_ms=50 words=2000]]")
    until(lambda: len(world.responses()) == 2, "the second question")
    world.say(CHAT, "never asked")
    world.say(CHAT, "/reset")
    until(lambda: world.responses()[1]["cancelled"], "the response to be cancelled", 3)
    world.rest(CHAT)
    world.say(CHAT, "fresh")
    world.answer(CHAT, "«fresh»")
    world.at_rest()
    last = world.responses()[-1]
    assert last["question"] == "fresh" and last["previous_response_id"] is None
    (item,) = bodies(world)[-1]["input"]
    assert item["content"][-1]["text"] == "fresh" and "remember" not in json.dumps(item)
    assert not any("never asked" == r["question"] for r in world.responses())


def test_reset_while_a_question_waits_is_one_line(world):
    """There were two: that it was forgotten, and that something had been stopped of which nothing stood there."""
    world.fault("openai", "status", {"method": "POST", "path": "/v1/responses"}, status=503, times=-1, retry_after=60)
    world.say(CHAT, "never answered")
    until(lambda: world.control("faults")["faults"][0]["fired"], "the first try")
    world.say(CHAT, "/reset")
    world.answer(CHAT, "begin anew")
    world.at_rest()
    assert len(world.shown(CHAT)) == 1


@pytest.mark.settings(LANE_MAX="2")
def test_a_full_lane_says_so(world):
    world.say(CHAT, "busy [[first_ms=4000]]")
    until(lambda: world.responses(), "the first question")
    for n in range(4):
        world.say(CHAT, f"more {n}")
    for n in range(2):
        world.answer(CHAT, f"«more {n}»")
    world.at_rest()
    assert len(world.shown(CHAT)) == 5 and len(world.responses()) == 3


@pytest.mark.settings(UI_LANG="ru")
def test_lines_are_russian_by_default(world):
    world.say(CHAT, "отмена")
    text = until(lambda: world.shown(CHAT), "a line")[0]
    assert any("а" <= c.lower() <= "я" for c in text)
    world.at_rest()
    assert world.responses() == []


def replies(world):
    """Which question each answer refers to, by their texts."""
    messages = world.chat(CHAT)["messages"]
    by_id = {m["id"]: m["text"] for m in messages}
    return [by_id.get(m.get("reply_to")) for m in messages if m["from"] == "bot"]


def test_in_private_an_answer_refers_to_its_question_only_when_something_came_in_between(world):
    world.say(CHAT, "first [[first_ms=1500]]")
    until(lambda: world.responses(), "the first question to be asked")
    world.say(CHAT, "second")
    world.answer(CHAT, "«first»")
    world.answer(CHAT, "«second»")
    world.say(CHAT, "third")
    world.answer(CHAT, "«third»")
    world.say(CHAT, "fourth [[first_ms=1500]]")
    until(lambda: len(world.responses()) == 4, "the fourth question to be asked")
    world.say(CHAT, "/help")
    until(lambda: any("/img" in t for t in world.shown(CHAT)), "help")
    world.answer(CHAT, "«fourth»")
    world.at_rest()
    assert replies(world) == ["first [[first_ms=1500]]", "second", None, None, "fourth [[first_ms=1500]]"]


def test_a_long_answer_in_private_refers_to_nothing_by_itself(world):
    world.say(CHAT, "tell me all [[words=900 deltas=30]]")
    world.answer(CHAT, "«tell me all»", 30)
    assert len(replies(world)) > 1 and not any(replies(world))
