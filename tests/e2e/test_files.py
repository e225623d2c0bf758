"""Files of a conversation, from Telegram to the model and back: what people send, later questions about it, /files and /reset."""
import json

import pytest

from media_world import Sender, pdf, sample, speech
from test_albums import asked, file_of
from world import until

CHAT, GROUP = 5001, -1001234500


@pytest.fixture
def person(world):
    """Somebody who sends things by Telegram."""
    return Person(world)


class Person:
    def __init__(self, world):
        self.world = world
        self.uploads = Sender.uploads.__get__(self)

    def send(self, kind, data, caption="", chat=CHAT, name="file.bin", **more):
        return self.world.control("message", {"chat": chat, "text": caption, "kind": kind, "file": file_of(self.world, data, name), **more})["message_id"]

    def kept(self, conversation=CHAT):
        return self.world.redis.hgetall(self.world.key(f"uploads:{conversation}"))


# ---- what people send --------------------------------------------------------------------------------------------


def test_a_photo_with_words_is_asked_about(person):
    person.send("photo", sample("photo.jpg"), "What is this?")
    person.world.answer(CHAT, "«What is this?»")
    ((words, files),) = asked(person.world)
    (file,) = person.uploads()
    assert (words, files) == ("What is this?", [file["id"]]) and file["purpose"] == "vision"
    assert len(person.world.shown(CHAT)) == 1
    person.world.at_rest()


def test_a_voice_is_seen_first_and_then_answered(person):
    person.world.control("model", {"first_ms": 1500})
    person.send("voice", speech("Tell me a story"))
    until(lambda: [t for t in person.world.shown(CHAT) if t.startswith("You said: «Tell me a story»")], "what was said")
    assert not [t for t in person.world.shown(CHAT) if "Answer to" in t]
    person.world.answer(CHAT, "Answer to «Tell me a story»")
    assert len(person.world.shown(CHAT)) == 1
    person.world.at_rest()


def test_a_text_behind_a_voice_is_answered_after_it(person):
    person.send("voice", speech("one"))
    person.world.say(CHAT, "two")
    until(lambda: len(person.world.shown(CHAT)) == 2, "both answers")
    person.world.rest(CHAT)
    assert [r["question"] for r in person.world.responses()] == ["one", "two"]
    person.world.at_rest()


def test_a_pdf_and_a_later_question_about_it(person):
    person.send("document", pdf(), name="Report.pdf")
    assert person.world.answer(CHAT, "Analysis of the PDF: ").startswith("Analysis of the PDF: ")
    person.world.say(CHAT, "Who wrote it?")
    person.world.answer(CHAT, "«Who wrote it?»")
    first, second = person.world.responses()
    assert second["previous_response_id"] == first["id"] and asked(person.world)[1] == ("Who wrote it?", [])
    (about,) = person.kept().values()
    assert about.split(" ", 3)[1] == "user_data" and about.endswith("Report.pdf")
    person.world.at_rest()


def test_words_in_answer_to_a_photo_are_about_it(person):
    photo = person.send("photo", sample("photo.jpg"), "Look")
    person.world.answer(CHAT, "«Look»")
    person.world.say(CHAT, "And what is in the corner?", reply_to=photo)
    person.world.answer(CHAT, "«And what is in the corner?»")
    words, files = asked(person.world)[1]
    assert words == "And what is in the corner?" and len(files) == 1
    person.world.at_rest()


def test_in_a_group_a_photo_of_another_one_is_asked_about(person):
    photo = person.send("photo", sample("photo.jpg"), "my holidays", chat=GROUP, user=7002)
    person.world.ask_in(GROUP, "where is this?", reply_to=photo)
    until(lambda: person.world.shown(GROUP), "an answer")
    person.world.rest(GROUP)
    ((words, files),) = asked(person.world)
    assert words == "@helper_ai_bot where is this?" and len(files) == 1
    person.world.at_rest()


def test_in_a_group_a_photo_is_for_the_bot_when_its_words_name_it(person):
    person.send("photo", sample("photo.jpg"), "nothing for you", chat=GROUP, user=7002)
    person.send("photo", sample("photo.jpg"), "@helper_ai_bot and this?", chat=GROUP, user=7001)
    until(lambda: person.world.shown(GROUP), "an answer")
    person.world.rest(GROUP)
    assert [words for words, _ in asked(person.world)] == ["@helper_ai_bot and this?"]
    person.world.at_rest()


def test_a_stop_ends_what_is_heard(person):
    person.world.fault("openai", "delay", {"path": "/v1/audio/transcriptions"}, ms=20000)
    person.send("voice", speech("never mind"))
    until(lambda: person.world.calls("getFile"), "the file to be fetched")
    person.world.say(CHAT, "/stop")
    person.world.answer(CHAT, "Stopped", 10)
    assert not person.world.responses()
    person.world.at_rest()


# ---- again -------------------------------------------------------------------------------------------------------


def test_what_was_heard_is_asked_again_and_not_heard_again(person):
    person.send("voice", speech("Tell me a story"))
    person.world.answer(CHAT, "Answer to «Tell me a story»")
    person.world.say(CHAT, "/retry")
    until(lambda: len(person.world.responses()) == 2, "another answer")
    assert person.world.answer(CHAT, "Answer to «Tell me a story»").startswith("You said: «Tell me a story»")
    assert len(person.world.shown(CHAT)) == 1
    assert len(person.world.calls("POST /v1/audio/transcriptions")) == 1
    person.world.at_rest()
    assert len([r for r in person.world.rows() if r["kind"] == "transcription"]) == 1


def test_a_photo_is_asked_about_again_and_not_uploaded_again(person):
    person.send("photo", sample("photo.jpg"), "What is this?")
    person.world.answer(CHAT, "«What is this?»")
    person.world.say(CHAT, "/retry")
    until(lambda: len(person.world.responses()) == 2, "another answer")
    person.world.answer(CHAT, "«What is this?»")
    (first, second) = asked(person.world)
    assert first == second and len(person.uploads()) == 1
    person.world.at_rest()


def failing(world, times):
    world.fault("openai", "status", {"path": "/v1/audio/transcriptions"}, status=500, times=times)


@pytest.mark.settings(OPENAI_MAX_RETRIES="0")
def test_what_was_not_heard_is_heard_when_it_is_asked_again(person):
    failing(person.world, 1)
    person.send("voice", speech("one"), "Translate")
    person.world.answer(CHAT, "I could not answer")
    person.world.press(CHAT, data="retry")
    person.world.answer(CHAT, "You said: «one»")
    assert len(person.world.shown(CHAT)) == 1 and [words for words, _ in asked(person.world)] == ["Translate\n\none"]
    person.world.at_rest()
    assert len([r for r in person.world.rows() if r["kind"] == "transcription"]) == 1


@pytest.mark.settings(OPENAI_MAX_RETRIES="0")
def test_what_was_heard_of_several_is_not_paid_twice(person):
    person.world.fault("openai", "status", {"path": "/v1/audio/transcriptions"}, status=500, times=1, skip=1)
    for words in ("one", "two"):
        person.send("audio", speech(words), media_group_id="9")
    person.world.answer(CHAT, "I could not answer")
    person.world.say(CHAT, "/retry")
    person.world.answer(CHAT, "You said")
    person.world.at_rest()
    assert [words for words, _ in asked(person.world)] == ["one\n\ntwo"]
    rows = [r for r in person.world.rows() if r["kind"] == "transcription"]
    assert len(rows) == 2 == person.world.control("billed")["transcriptions"] and sum(r["seconds"] for r in rows) == person.world.control("billed")["seconds"]


# ---- what is gone ------------------------------------------------------------------------------------------------


def gone(person, file):
    return json.dumps({"error": {"message": f"No file found with id '{file}'.", "type": "invalid_request_error", "param": "input", "code": None}})


def test_a_file_further_back_that_is_gone_is_said_and_the_dialogue_goes_on(person):
    person.send("document", pdf(), "Keep this", name="a.pdf")
    person.world.answer(CHAT, "«Keep this»")
    person.world.fault("openai", "status", {"method": "POST", "path": "/v1/responses"}, status=400, times=1, body=gone(person, "file-old"))
    person.world.say(CHAT, "And now?")
    assert "no longer has the file" in person.world.answer(CHAT, "«And now?»")
    first, second = person.world.responses()
    assert not second["previous_response_id"]
    person.world.say(CHAT, "Still there?")
    assert "no longer" not in person.world.answer(CHAT, "«Still there?»")
    assert person.world.responses()[2]["previous_response_id"] == second["id"]
    person.world.at_rest()


def test_a_retry_about_a_file_that_is_gone_says_so(person):
    person.world.say(CHAT, "Hello")
    person.world.answer(CHAT, "«Hello»")
    person.send("photo", sample("photo.jpg"), "What is this?")
    person.world.answer(CHAT, "«What is this?»")
    person.world.say(CHAT, "/files")
    person.world.answer(CHAT, "The files of this dialogue")
    person.world.press(CHAT, data="drop")
    until(lambda: not person.uploads(), "the file to be deleted")
    person.world.say(CHAT, "/retry")
    until(lambda: [t for t in person.world.shown(CHAT) if "no longer has the file" in t], "the line")
    person.world.rest(CHAT)
    person.world.say(CHAT, "Are you there?")
    person.world.answer(CHAT, "«Are you there?»")
    hello, _, here = person.world.responses()
    assert here["previous_response_id"] == hello["id"]
    person.world.at_rest()


# ---- /files and /reset -------------------------------------------------------------------------------------------


def listed(person, chat=CHAT):
    (shown,) = [m for m in person.world.bot_messages(chat) if "files of this dialogue" in m["text"].lower()]
    buttons = [(b["text"], b["callback_data"]) for row in shown.get("reply_markup", {}).get("inline_keyboard", []) for b in row]
    return shown["text"].split("\n"), buttons


def test_files_are_listed_and_deleted_by_their_buttons(person):
    for n, name in enumerate(("first.pdf", "second.pdf")):
        person.send("document", pdf(name), f"Question {n}", name=name)
        person.world.answer(CHAT, f"«Question {n}»")
    person.world.say(CHAT, "/files")
    person.world.answer(CHAT, "The files of this dialogue (2)")
    lines, buttons = listed(person)
    assert [line.split(",")[0] for line in lines[1:]] == ["1. second.pdf", "2. first.pdf"]
    assert [text for text, _ in buttons] == ["🗑 1", "🗑 2"] and all(data.startswith("drop ") and len(data) <= 64 for _, data in buttons)
    press = person.world.press(CHAT, text="🗑 2")
    assert person.world.answered(press["callback_id"]) == "Deleted: first.pdf"
    until(lambda: "(1)" in listed(person)[0][0], "the list to be written anew")
    assert [line.split(",")[0] for line in listed(person)[0][1:]] == ["1. second.pdf"] and len(listed(person)[1]) == 1
    until(lambda: len(person.uploads()) == 1, "the file to be deleted")
    again = person.world.control("callback", {"chat": CHAT, "message_id": press["message_id"], "data": buttons[1][1]})
    assert person.world.answered(again["callback_id"]) == "This file is not there any more."
    person.world.press(CHAT, text="🗑 1")
    until(lambda: "There are no files" in person.world.shown(CHAT)[-1], "no list")
    until(lambda: not person.uploads(), "the other one to be deleted, too")
    assert not person.kept() and not person.world.buttons(CHAT)
    person.world.at_rest()


def test_without_files_it_is_said(person):
    person.world.say(CHAT, "/files")
    until(lambda: person.world.shown(CHAT) == ["There are no files in this dialogue."], "the line")
    person.world.at_rest()


def test_reset_deletes_the_files_of_its_dialogue_only(person):
    for chat in (CHAT, CHAT + 1):
        person.send("photo", sample("photo.jpg"), "Look", chat=chat)
        person.world.answer(chat, "«Look»")
    person.world.say(CHAT, "/reset")
    until(lambda: len(person.uploads()) == 1, "the file to be deleted")
    person.world.say(CHAT, "/files")
    person.world.answer(CHAT, "There are no files")
    assert len(person.kept(CHAT + 1)) == 1
    person.world.at_rest()


def test_what_is_uploaded_while_it_is_reset_is_deleted_too(person):
    person.world.fault("openai", "delay", {"path": "/v1/files", "method": "POST"}, ms=1500, times=1)
    person.send("photo", sample("photo.jpg"), "Look")
    until(lambda: person.world.calls("getFile"), "the file to be fetched")
    person.world.say(CHAT, "/reset")
    person.world.at_rest()
    until(lambda: not person.uploads(), f"nothing to be left: {person.uploads()}")
    assert not person.kept()


def test_in_a_group_whoever_shares_the_dialogue_may_delete_its_files(person):
    person.send("photo", sample("photo.jpg"), "@helper_ai_bot look", chat=GROUP, user=7001)
    until(lambda: person.world.shown(GROUP), "an answer")
    person.world.rest(GROUP)
    person.world.talk_in(GROUP, "/files@helper_ai_bot")
    person.world.answer(GROUP, "The files of this dialogue")
    press = person.world.press(GROUP, data="drop", user=7002)
    assert person.world.answered(press["callback_id"]).startswith("Deleted")
    person.world.at_rest()


@pytest.mark.settings(MAX_FILE_MB="1")
def test_too_large_is_said_before_anything_is_fetched(person):
    person.send("document", bytes((1 << 20) + 1), name="big.pdf")
    assert "1 MB" in person.world.answer(CHAT, "too large")
    assert not person.world.calls("getFile") and not person.uploads()
    person.world.at_rest()
