"""/img from the chat to the picture and back: every test talks to the whole bot as a user does. The simulator's pictures are real PNGs
that say in a text chunk which picture of what they are."""
import json
import re
import struct
import time
import urllib.request
import zlib

import pytest

from world import TOKEN, World, steps_of, until

CHAT = 5001
MB = 1 << 20


# ---- what can be seen ------------------------------------------------------------------------------------------


def telegram(world, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{world.sim_port}/{path}") as answer:
        return answer.read()


def download(world, file_id):
    path = json.loads(telegram(world, f"bot{TOKEN}/getFile?file_id={file_id}"))["result"]["file_path"]
    return telegram(world, f"file/bot{TOKEN}/{path}")


def words_in(png):
    """What the picture says of itself; it must be a whole one."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, words = 8, None
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at:at + 8])
        data, crc = png[at + 8:at + 8 + size], struct.unpack(">I", png[at + 8 + size:at + 12 + size])[0]
        assert zlib.crc32(kind + data) == crc, kind
        words = data.split(b"\0", 1)[1].decode() if kind == b"tEXt" else words
        at += 12 + size
    assert kind == b"IEND" and at == len(png)
    return words


def pictures(world, chat=CHAT, kind="photo"):
    """What they show, in the order in which they stand in the chat."""
    found = []
    for m in world.bot_messages(chat):
        if m["kind"] == kind:
            file = m["photo"][-1] if kind == "photo" else m["document"]
            found.append(words_in(download(world, file["file_id"])))
    return found


def drawn(world, count=1, chat=CHAT, seconds=30):
    """Wait until so many pictures stand in the chat and it is at rest."""
    until(lambda: sum(m["kind"] == "photo" for m in world.bot_messages(chat)) >= count, f"{count} pictures in {chat}: {world.shown(chat)}", seconds)
    world.rest(chat, seconds)
    found = pictures(world, chat)
    assert len(found) == count, found
    return found


def last(world, chat=CHAT):
    return world.bot_messages(chat)[-1]


def count(world, name):
    return world.control("counters")["counters"].get(name, 0)


def bill_is_right(world, images=None):
    """The ledger has what OpenAI billed, nothing is held."""
    world.at_rest()
    billed = world.control("billed")["images"]
    if images is not None:
        assert billed == images
    rows = until(lambda: [r for r in world.rows() if r["kind"] == "image"] if sum(r["images"] for r in world.rows()) >= billed else None,
                 f"{billed} pictures in the ledger, which has {world.rows()}") if billed else []
    assert sum(r["images"] for r in rows) == billed
    for key in world.redis.scan_iter(world.key("spend:2*")):
        assert int(world.redis.hget(key, "held") or 0) == 0, key
    return rows


# ---- asking ----------------------------------------------------------------------------------------------------


def test_a_prompt_draws_at_once(world):
    world.say(CHAT, "/img a black cat")
    (words,) = drawn(world)
    assert words == "picture 1, 1024x1024: a black cat"
    message = last(world)
    assert (message["text"], len(world.bot_messages(CHAT))) == ("a black cat", 1)
    assert world.buttons(CHAT) == ["🔁 Again", "📐 Size", "📄 As a file"]
    assert world.responses() == []
    (row,) = bill_is_right(world, 1)
    assert (row["model"], row["images"], row["output_tokens"], row["estimated"]) == ("gpt-image-2.6-flare", 1, 1056, 0)
    assert row["cost_nusd"] == 1056 * 30_000 + row["input_tokens"] * 5_000


def test_img_alone_asks_for_a_prompt_and_for_a_size(world):
    world.say(CHAT, "/img")
    world.answer(CHAT, "Describe the picture")
    world.say(CHAT, "a green dog")
    world.answer(CHAT, "Which size")
    assert world.buttons(CHAT) == ["⬜ Square", "📱 Tall", "🖥 Wide"]
    press = world.press(CHAT, "Tall")
    assert drawn(world) == ["picture 1, 1024x1536: a green dog"]
    assert world.answered(press["callback_id"]) is None
    assert world.shown(CHAT) == ["What shall I draw? Describe the picture in words.", "a green dog"]      # the question for a size is gone
    assert world.responses() == []
    bill_is_right(world, 1)


def test_cancel_ends_the_question_for_a_size(world):
    world.say(CHAT, "/img")
    world.answer(CHAT, "Describe the picture")
    world.say(CHAT, "a green dog")
    world.answer(CHAT, "Which size")
    world.say(CHAT, "/cancel")
    world.answer(CHAT, "I draw nothing")
    assert "closed" in world.answered(world.press(CHAT, "Square")["callback_id"])
    world.at_rest()
    assert world.rows() == []


def test_a_double_tap_is_one_picture(world):
    world.say(CHAT, "/img")
    world.answer(CHAT, "Describe the picture")
    world.say(CHAT, "a green dog")
    world.answer(CHAT, "Which size")
    data = world.press(CHAT, "Square")["data"]
    message = next(m for m in world.bot_messages(CHAT) if m["kind"] == "text" and m.get("reply_markup") or m["text"].startswith("Which"))
    presses = [world.control("callback", {"chat": CHAT, "message_id": message["id"], "data": data}) for _ in range(3)]
    assert len(drawn(world)) == 1
    for press in presses:
        assert "closed" in world.answered(press["callback_id"])
    bill_is_right(world, 1)


@pytest.mark.parametrize("command", ["/help", "/reset", "/cancel", "/retry", "/files", "/stats"])
def test_any_command_ends_the_question(world, command):
    world.say(CHAT, "/img")
    world.answer(CHAT, "Describe the picture")
    seen = len(world.shown(CHAT))
    world.say(CHAT, command)
    until(lambda: len(world.shown(CHAT)) > seen, f"an answer to {command}")
    world.say(CHAT, "Is this a question?")
    world.answer(CHAT, "«Is this a question?»")
    assert world.control("billed")["images"] == 0


def test_only_who_was_asked_answers_in_a_group(world):
    group = -100500
    world.talk_in(group, "/img@helper_ai_bot", user=7001)
    until(lambda: world.shown(group), "the question")
    assert last(world, group)["reply_markup"] == {"force_reply": True, "selective": True}
    world.ask_in(group, "What is a cat?", user=7002, name="Bob")
    until(lambda: any("What is a cat?" in t for t in world.shown(group)), "Bob's answer")
    world.talk_in(group, "not for the bot", user=7001)
    world.ask_in(group, "a red cow", user=7001)
    until(lambda: any("Which size" in t for t in world.shown(group)), "the sizes")
    denied = world.press(group, "Wide", user=7002)
    assert "Only whoever asked" in world.answered(denied["callback_id"])
    world.press(group, "Wide", user=7001)
    assert drawn(world, chat=group) == ["picture 1, 1536x1024: a red cow"]
    assert [r["question"] for r in world.responses() if "cow" in r["question"]] == []


def test_a_picture_keeps_its_place_in_the_lane(world):
    world.say(CHAT, "one [[first_ms=700]]")
    world.say(CHAT, "/img two")
    world.say(CHAT, "three")
    world.answer(CHAT, "«three»")
    texts = world.shown(CHAT)
    assert [t[:14] for t in texts] == ["Answer to «one", "two", "Answer to «thr"], texts
    assert [r["question"] for r in world.responses()] == ["one", "three"]
    bill_is_right(world, 1)


# ---- a photo is changed ----------------------------------------------------------------------------------------


def send_photo(world, chat=CHAT, **more):
    from test_media import sample
    import base64
    data = sample("photo.png")
    file = world.control("file", {"name": "photo.png", "base64": base64.b64encode(data).decode()})
    return len(data), world.control("message", {"chat": chat, "kind": "photo", "file": file["file_id"], **more})


def test_in_answer_to_a_photo_it_is_changed(world):
    size, sent = send_photo(world)
    world.answer(CHAT, "Answer to")
    world.say(CHAT, "/img make it blue", reply_to=sent["message_id"])
    assert drawn(world) == [f"picture 1, 1024x1024, made of {size} bytes: make it blue"]
    world.press(CHAT, "Again")
    assert drawn(world, 2)[1] == f"picture 2, 1024x1024, made of {size} bytes: make it blue"
    bill_is_right(world, 2)


def test_under_a_photo_it_changes_that(world):
    size, _ = send_photo(world, caption="/img make it blue")
    assert drawn(world) == [f"picture 1, 1024x1024, made of {size} bytes: make it blue"]
    assert world.responses() == []


def test_alone_in_answer_to_a_photo_it_asks_and_then_changes_it(world):
    size, sent = send_photo(world)
    world.answer(CHAT, "Answer to")
    world.say(CHAT, "/img", reply_to=sent["message_id"])
    world.answer(CHAT, "Describe the picture")
    world.say(CHAT, "make it blue")
    world.answer(CHAT, "Which size")
    world.press(CHAT, "Wide")
    assert drawn(world) == [f"picture 1, 1536x1024, made of {size} bytes: make it blue"]


# ---- buttons ---------------------------------------------------------------------------------------------------


def test_again_draws_once_more_and_a_double_tap_is_one(world):
    world.say(CHAT, "/img a cat")
    drawn(world)
    fault = world.fault("openai", "delay", {"path": "/v1/images/generations"}, ms=1000)
    assert world.answered(world.press(CHAT, "Again")["callback_id"]) is None
    assert "already" in world.answered(world.press(CHAT, "Again")["callback_id"])
    assert drawn(world, 2) == ["picture 1, 1024x1024: a cat", "picture 2, 1024x1024: a cat"]
    assert fault
    assert len(bill_is_right(world, 2)) == 2


def test_another_size(world):
    world.say(CHAT, "/img a cat")
    drawn(world)
    world.press(CHAT, "Size")
    world.answer(CHAT, "Which size")
    world.press(CHAT, "Wide")
    assert drawn(world, 2)[1] == "picture 2, 1536x1024: a cat"
    assert not any("Which size" in t for t in world.shown(CHAT))


def test_as_a_file_costs_nothing(world):
    world.say(CHAT, "/img a cat")
    (words,) = drawn(world)
    assert world.answered(world.press(CHAT, "As a file")["callback_id"]) is None
    until(lambda: pictures(world, kind="document") == [words], "the document")
    world.at_rest()
    assert last(world)["document"]["file_name"] == "picture.png"
    for key in world.redis.scan_iter(world.key("blob:*")):
        world.redis.delete(key)
    assert "do not have this picture" in world.answered(world.press(CHAT, "As a file")["callback_id"])
    bill_is_right(world, 1)


def test_a_button_of_long_ago(world):
    world.say(CHAT, "/img a cat")
    drawn(world)
    world.at_rest()
    for key in world.redis.scan_iter(world.key("job:*")):
        world.redis.delete(key)
    for button in ("Again", "Size", "As a file"):
        assert "/img" in world.answered(world.press(CHAT, button)["callback_id"])
    bill_is_right(world, 1)


# ---- while it is drawn -----------------------------------------------------------------------------------------


def test_while_it_is_drawn_that_is_said_and_then_gone(world):
    world.fault("openai", "delay", {"path": "/v1/images/generations"}, ms=5000)
    world.say(CHAT, "/img a cat")
    until(lambda: "Drawing…" in world.shown(CHAT), "the status line")
    assert world.buttons(CHAT) == ["⏹"]
    drawn(world)
    assert world.shown(CHAT) == ["a cat"]
    assert {c["params"]["action"] for c in world.calls("sendChatAction")} == {"upload_photo"}


CANCELLED_AT = {
    "a hanging server": ({"kind": "hang", "side": "openai", "match": {"path": "/v1/images/generations"}}, "/img a cat"),
    "an answer that stalls": ({"kind": "stall", "side": "openai", "match": {"path": "/v1/images/generations"}, "after_bytes": 900}, "/img a cat"),
    "a server that fails": ({"kind": "status", "side": "openai", "match": {"path": "/v1/images/generations"}, "status": 503, "times": -1}, "/img a cat"),
}


@pytest.mark.parametrize("where", CANCELLED_AT)
def test_cancel_acts_in_a_second(world, where):
    fault, text = CANCELLED_AT[where]
    fault = world.control("fault", fault)["id"]
    world.say(CHAT, text)
    until(lambda: world.control(f"wait?for=fired:{fault}&min=1&timeout_ms=1")["ok"], "the request")
    began = time.monotonic()
    world.say(CHAT, "/cancel")
    world.answer(CHAT, "Stopped")
    assert time.monotonic() - began < 1.5
    world.control("faults", method="DELETE")
    assert pictures(world) == []
    world.at_rest()
    for key in world.redis.scan_iter(world.key("spend:2*")):
        assert int(world.redis.hget(key, "held") or 0) == 0, key
    assert world.buttons(CHAT) == ["🔄 Try again"]
    world.press(CHAT, "Try again")
    drawn(world)
    assert world.shown(CHAT) == ["a cat"]      # the picture takes the line's place


def test_a_picture_that_telegram_holds_up_does_not_come_after_cancel(world):
    fault = world.fault("telegram", "status", {"method": "sendPhoto"}, status=429, retry_after=3)
    world.say(CHAT, "/img a cat")
    until(lambda: world.control(f"wait?for=fired:{fault}&min=1&timeout_ms=1")["ok"], "the 429")
    world.say(CHAT, "/cancel")
    world.answer(CHAT, "Stopped")
    bill_is_right(world, 1)
    assert world.shown(CHAT) == ["⏹ Stopped."] and pictures(world) == []


# ---- money -----------------------------------------------------------------------------------------------------


@pytest.mark.settings(USER_DAILY_BUDGET_USD="0")
def test_under_a_budget_of_nothing_nothing_is_spent(world):
    world.say(CHAT, "/img a cat")
    world.answer(CHAT, "budget for today is used up")
    assert count(world, "openai.POST /v1/images/generations") == 0
    assert bill_is_right(world, 0) == []


@pytest.mark.settings(USER_DAILY_BUDGET_USD="0.08")
def test_a_budget_is_used_and_not_passed(world):
    for n in range(4):
        world.say(CHAT, f"/img {n}")
    until(lambda: len(world.bot_messages(CHAT)) == 4, "four answers")
    world.rest(CHAT)
    kinds = [m["kind"] for m in world.bot_messages(CHAT)]
    assert kinds == ["photo", "photo", "text", "text"], world.shown(CHAT)
    rows = bill_is_right(world, 2)
    assert 40_000_000 < sum(r["cost_nusd"] for r in rows) <= 80_000_000


@pytest.mark.settings(USER_DAILY_BUDGET_USD="0.07")
def test_reservations_count_in_parallel(world):
    users = range(6001, 6011)
    with_budget_of_all = []
    for user in users:
        world.say(user, "/img a cat")
        with_budget_of_all.append(user)
    for user in users:
        drawn(world, chat=user)
    bill_is_right(world, 10)


@pytest.mark.settings(OPENAI_IMAGE_MODEL="some-other-model", DALLE_PRICE="0.05")
def test_a_model_without_a_price_costs_what_is_set(world):
    world.say(CHAT, "/img a cat")
    drawn(world)
    (row,) = bill_is_right(world, 1)
    assert row["cost_nusd"] == 1056 * 2_000 + row["input_tokens"] * 2_000 or row["cost_nusd"] == 50_000_000


# ---- OpenAI fails ----------------------------------------------------------------------------------------------


def test_the_safety_system_is_told_as_what_it_is(world):
    world.say(CHAT, "/img a [[forbidden]] cat")
    assert "safety system" in world.answer(CHAT, "declined to draw")
    assert bill_is_right(world, 0) == [] and world.dead() == []


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 429, "retry_after_ms": 300}, {"kind": "status", "status": 500}, {"kind": "reset_before"},
                                   {"kind": "html502"}])
def test_what_passes_is_tried_again(world, fault):
    world.control("fault", {"side": "openai", "match": {"path": "/v1/images/generations"}, "times": 2, **fault})
    world.say(CHAT, "/img a cat")
    drawn(world, seconds=40)
    bill_is_right(world, 1)


@pytest.mark.parametrize("status, code, line, alert", [(401, "invalid_api_key", "not available", "key"), (429, "insufficient_quota", "not available", "quota"),
                                                       (404, "model_not_found", "did not accept", "model_image")])
def test_what_does_not_pass_ends_at_once(world, status, code, line, alert):
    world.control("chat", {"chat": 1})
    world.fault("openai", "status", {"path": "/v1/images/generations"}, status=status, code=code, times=-1)
    world.say(CHAT, "/img a cat")
    world.answer(CHAT, line)
    until(lambda: any("⚠️" in t for t in world.shown(1)), "the administrator to be told")
    assert bill_is_right(world, 0) == []


@pytest.mark.settings(OPENAI_MAX_RETRIES="1")
def test_after_the_last_try_one_line_and_a_button(world):
    world.fault("openai", "status", {"path": "/v1/images/generations"}, status=500, times=2)
    world.say(CHAT, "/img a cat")
    world.answer(CHAT, "could not answer", 40)
    world.press(CHAT, "Try again")
    drawn(world)
    bill_is_right(world, 1)


def test_a_picture_that_breaks_off_is_drawn_again(world):
    """What did not arrive was billed all the same, and nobody can know: the ledger has what arrived."""
    world.fault("openai", "reset_mid", {"path": "/v1/images/generations"}, after_bytes=3 * MB)
    world.say(CHAT, "/img a cat [[bytes=5000000]]")
    (words,) = drawn(world, seconds=40)
    assert words.startswith("picture 2,")
    world.at_rest()
    assert len([k for k in world.redis.scan_iter(world.key("blob:*"))]) == 1      # nothing is left of the first one
    assert int(world.redis.get(world.key("blobs:bytes"))) == 5_000_000


def test_an_answer_without_a_picture_is_not_asked_for_again(world):
    world.expect_error("the picture")
    world.fault("openai", "status", {"path": "/v1/images/generations"}, status=200, times=-1,
                body='{"created":1,"data":[{"url":"http://example.com/cat.png"}],"usage":{"input_tokens":5,"output_tokens":1000}}')
    world.say(CHAT, "/img a cat")
    world.answer(CHAT, "could not answer")
    world.at_rest()
    (row,) = until(lambda: world.rows(), "the row")
    assert (row["images"], row["output_tokens"]) == (1, 1000)          # it will be billed


# ---- Telegram fails --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 429, "retry_after": 1}, {"kind": "status", "status": 502}, {"kind": "reset_before"}])
def test_telegram_fails_and_the_picture_comes_once(world, fault):
    world.control("fault", {"side": "telegram", "match": {"method": "sendPhoto"}, "times": 2, **fault})
    world.say(CHAT, "/img a cat")
    drawn(world, seconds=40)
    bill_is_right(world, 1)


def test_a_lost_answer_may_show_it_twice_and_is_paid_once(world):
    world.fault("telegram", "lost_answer", {"method": "sendPhoto"})
    world.say(CHAT, "/img a cat")
    until(lambda: pictures(world) == ["picture 1, 1024x1024: a cat"] * 2, "the picture, twice")
    bill_is_right(world, 1)


def test_what_is_no_photo_goes_as_a_document(world):
    world.fault("telegram", "status", {"method": "sendPhoto"}, status=400, description="Bad Request: PHOTO_INVALID_DIMENSIONS", times=-1)
    world.say(CHAT, "/img a cat")
    until(lambda: pictures(world, kind="document") == ["picture 1, 1024x1024: a cat"], "the document")
    assert world.buttons(CHAT) == ["🔁 Again", "📐 Size", "📄 As a file"]
    bill_is_right(world, 1)


def test_where_no_pictures_may_be_sent_one_line(world):
    for method in ("sendPhoto", "sendDocument"):
        world.fault("telegram", "status", {"method": method}, status=400, description="Bad Request: not enough rights to send photos to the chat", times=-1)
    world.say(CHAT, "/img a cat")
    world.answer(CHAT, "does not take it here")
    assert not world.redis.exists(world.key(f"gone:{CHAT}"))
    bill_is_right(world, 1)


def test_telegram_is_down_and_the_picture_waits(world):
    fault = world.fault("telegram", "reset_before", {"method": "sendPhoto"}, times=-1)
    world.say(CHAT, "/img a cat")
    until(lambda: world.control("billed")["images"] == 1, "the picture")
    until(lambda: world.control(f"wait?for=fired:{fault}&min=3&timeout_ms=1")["ok"], "three tries")
    for service in ("media", "outbound"):
        world.kill(world.of(service)[0])
        world.start(service)
    world.control("faults", method="DELETE")
    drawn(world, seconds=60)
    bill_is_right(world, 1)


# ---- odds and ends ---------------------------------------------------------------------------------------------


def test_pictures_that_go_in_have_their_price(world):
    send_photo(world, caption="/img make it blue")
    drawn(world)
    (row,) = bill_is_right(world, 1)
    assert row["cost_nusd"] == 1056 * 30_000 + 1000 * 8_000 + (row["input_tokens"] - 1000) * 5_000


def test_a_long_prompt_is_drawn_whole_and_its_caption_is_cut(world):
    prompt = "кот " * 500
    world.say(CHAT, "/img " + prompt)
    (words,) = drawn(world)
    assert words.endswith(prompt)
    assert last(world)["text"].endswith("…") and len(last(world)["text"]) <= 1024


@pytest.mark.parametrize("how", ["/img with words", "/img alone"])
def test_a_prompt_in_two_messages_is_one(world, how):
    long = "a" * 4000
    if how == "/img alone":
        world.say(CHAT, "/img")
        world.answer(CHAT, "Describe the picture")
    world.say(CHAT, ("/img " if how == "/img with words" else "") + long)
    world.say(CHAT, "and a tail")
    if how == "/img alone":
        world.answer(CHAT, "Which size")
        until(lambda: world.redis.hget(world.key(f"ask:{CHAT}:0:{CHAT}"), "text") == long + "\nand a tail", "the second part")
        world.press(CHAT, "Square")
    (words,) = drawn(world)
    assert words.endswith(long + "\nand a tail")
    assert world.responses() == []


def test_a_prompt_without_end_is_refused_in_one_line(world):
    for part in ["/img " + "я" * 4090] + ["я" * 4096] * 8:
        world.say(CHAT, part)
    world.answer(CHAT, "description is too long")
    assert bill_is_right(world, 0) == []


def test_retry_draws_anew_below_the_old_one(world):
    world.say(CHAT, "/img a cat")
    drawn(world)
    world.at_rest()
    world.say(CHAT, "/retry")
    assert drawn(world, 2) == ["picture 1, 1024x1024: a cat", "picture 2, 1024x1024: a cat"]
    bill_is_right(world, 2)


def test_in_a_topic_it_stays_there(world):
    group = -100600
    world.control("chat", {"chat": group, "type": "supergroup", "threads": [7]})
    sent = world.talk_in(group, "/img@helper_ai_bot a cat", user=7001, thread=7)
    until(lambda: pictures(world, group), "the picture")
    world.rest(f"{group}:7")
    message = last(world, group)
    assert (message["thread"], message["reply_to"]) == (7, sent["message_id"])
    world.press(group, "Again", user=7001)
    until(lambda: len(pictures(world, group)) == 2, "the second picture")
    assert last(world, group)["thread"] == 7
    assert "Only whoever asked" in world.answered(world.press(group, "Again", user=7002)["callback_id"])


def test_reset_while_it_is_drawn(world):
    fault = world.fault("openai", "hang", {"path": "/v1/images/generations"}, ms=20_000)
    world.say(CHAT, "/img a cat")
    until(lambda: world.control(f"wait?for=fired:{fault}&min=1&timeout_ms=1")["ok"], "the request")
    world.say(CHAT, "/reset")
    world.answer(CHAT, "Forgotten")
    world.at_rest()
    assert pictures(world) == []
    assert list(world.redis.scan_iter(world.key("blob:*"))) == []


@pytest.mark.settings(ALLOWED_USER_IDS="42")
def test_who_may_not_draws_nothing(world):
    world.say(CHAT, "/img a cat")
    world.answer(CHAT, "private bot")
    assert bill_is_right(world, 0) == []


@pytest.mark.settings(OPENAI_IMAGE_SIZES="512x512 512x768 768x512 2048x1024", OPENAI_IMAGE_QUALITY="low")
def test_sizes_and_quality_are_settings(world):
    world.say(CHAT, "/img")
    world.answer(CHAT, "Describe the picture")
    world.say(CHAT, "a cat")
    world.answer(CHAT, "Which size")
    assert world.buttons(CHAT) == ["⬜ Square 512×512", "📱 Tall 512×768", "🖥 Wide 768×512", "🖥 Wide 2048×1024"]
    world.press(CHAT, "2048")
    assert drawn(world) == ["picture 1, 2048x1024: a cat"]
    (call,) = world.calls("POST /v1/images/generations")
    assert (call["params"]["quality"], call["params"]["output_format"], call["params"]["size"]) == ("low", "png", "2048x1024")


def test_a_server_that_knows_fewer_parameters(world):
    world.fault("openai", "status", {"path": "/v1/images/generations"}, status=400,
                body='{"error":{"message":"Unknown parameter: output_format","type":"invalid_request_error","param":"output_format","code":"unknown_parameter"}}')
    world.say(CHAT, "/img a cat")
    drawn(world)
    bare = world.calls("POST /v1/images/generations")[-1]["params"]
    assert bare["response_format"] == "b64_json" and "quality" not in bare


def test_nothing_of_it_stays_for_ever(world):
    """What the judge at each world's end says of keys without an expiry, and that blobs go a day after they were delivered."""
    world.say(CHAT, "/img a cat")
    drawn(world)
    world.at_rest()
    (blob,) = world.redis.scan_iter(world.key("blob:*"))
    assert 0 < world.redis.ttl(blob) <= 86400
    assert world.without_expiry() == []
