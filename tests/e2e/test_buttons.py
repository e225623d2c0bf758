"""Buttons under answers and what a press is told; replies in groups; late answers. outbound alone, as in test_outbound."""
import random
import time

import pytest

from test_outbound import CHAT, GROUP, SETTINGS, Model, another, bot, fired, model, words  # noqa: F401 (model is a fixture)
from world import World, until

pytestmark = pytest.mark.settings(STREAM_EDIT_MS="300")


def button(message):
    """The one inline button under a message, as (words, data); None where there is no keyboard."""
    markup = message.get("reply_markup")
    if not markup or "inline_keyboard" not in markup:
        return None
    ((key,),) = markup["inline_keyboard"]
    return key["text"], key["callback_data"]


def buttons(model, chat=CHAT):
    return [button(m) for m in bot(model.world, chat)]


def retry(model, old, chat=CHAT):
    model.update += 1
    now = time.time()
    job = f"{model.update}-{int(now * 1000)}"
    asked = {"chat": chat, "user": model.job(old)["user"], "lang": "en", "update": model.update, "at": int(now * 1000), "asked": int(now)}
    flat = [x for pair in asked.items() for x in pair]
    assert model.run("retry", model.update, job, str(chat), old, len(asked), *flat) == "ok"
    return job


# ---- stop -------------------------------------------------------------------------------------------------------


def test_a_growing_answer_can_be_stopped_by_a_button_that_goes_with_its_end(model):
    job = model.ask()
    model.say(job, "First words of it")
    until(lambda: bot(model.world), "first words")
    assert buttons(model) == [("⏹", f"stop {job}")]
    model.say(job, ", and more of them")
    until(lambda: "more" in bot(model.world)[0]["text"], "an edit")
    assert buttons(model) == [("⏹", f"stop {job}")]
    model.finish(job, ".")
    model.ended(job)
    assert buttons(model) == [None]


def test_a_status_line_can_be_stopped_too(model):
    job = model.ask()
    until(lambda: bot(model.world), "a status line", 6)
    assert buttons(model) == [("⏹", f"stop {job}")]
    model.finish(job, "An answer after all.")
    model.ended(job)
    assert buttons(model) == [None]


def test_the_button_goes_also_when_the_last_words_were_there_already(model):
    job = model.ask()
    text = "x" * 4096                                            # there is no room for the mark of what grows
    model.say(job, text)
    until(lambda: bot(model.world), "the words")
    assert bot(model.world)[0]["text"] == text and buttons(model) == [("⏹", f"stop {job}")]
    model.finish(job)
    model.ended(job)
    assert bot(model.world)[0]["text"] == text and buttons(model) == [None]


def test_of_several_parts_the_last_one_has_the_button(model):
    job = model.ask()
    text = words(1500)
    for at in range(0, len(text), 1500):
        model.say(job, text[at:at + 1500])
        time.sleep(0.4)
    until(lambda: len(bot(model.world)) == 4, "four parts")
    until(lambda: buttons(model) == [None] * 3 + [("⏹", f"stop {job}")], "one button at the end")
    model.finish(job)
    model.ended(job)
    assert buttons(model) == [None] * 4


def test_an_answer_that_is_whole_at_once_has_no_button_and_no_edit(model):
    job = model.ask()
    model.finish(job, "All of it.")
    model.ended(job)
    (call,) = model.world.calls(chat=CHAT)
    assert call["method"] == "sendMessage" and "reply_markup" not in call["params"]


def test_no_button_to_stop_is_left_however_often_its_holder_dies(tmp_path):
    with World(tmp_path, SETTINGS) as world:
        model = Model(world)
        for _ in range(2):
            another(world)
        jobs = {7000 + n: model.ask(7000 + n) for n in range(24)}
        kills = 0
        for turn in range(12):
            for job in jobs.values():
                model.say(job, f"word{turn} and ")
            victim = world.of("outbound")[turn % 2]
            world.kill(victim)
            world.start("outbound")
            kills += 1
            time.sleep(0.3)
        pressed = [press(model, chat=chat) for chat in jobs]
        for job in jobs.values():
            model.finish(job, "the end.")
        world.kill(world.of("outbound")[0])
        for job in [*jobs.values(), *pressed]:
            assert model.ended(job, 40) == "done"
        whole = "".join(f"word{turn} and " for turn in range(12)) + "the end."
        orphans = 0
        for chat in jobs:
            *others, last = bot(world, chat)
            assert last["text"] == whole and button(last) is None
            orphans += len(others)                               # sent, and its sender died before he could say so
        print("kills", kills + 1, "orphans", orphans)
        assert orphans <= 24
        world.at_rest()


# ---- retry ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how, line", [("stopped", ""), ("", "incomplete_length"), ("", "incomplete_filter"), ("dead", "failed"), ("refused", "quota"),
                                       ("refused", "key"), ("", "empty")])
def test_what_did_not_come_whole_can_be_asked_for_again(model, how, line):
    job = model.ask(lang="ru")
    model.finish(job, "" if line in ("failed", "quota", "key", "empty") else "Half of", how=how, line=line)
    model.ended(job)
    assert buttons(model) == [("🔄 Ещё раз", f"retry {job}")]


@pytest.mark.parametrize("how, line", [("", ""), ("refused", "budget_day"), ("refused", "refusal"), ("refused", "too_long")])
def test_what_is_whole_or_would_not_be_better_has_no_button(model, how, line):
    job = model.ask()
    model.finish(job, "Text.", how=how, line=line)
    model.ended(job)
    assert buttons(model) == [None]


def test_what_was_stopped_by_a_new_dialogue_cannot_be_asked_for_again(model):
    job = model.ask()
    model.world.redis.hset(model.world.key(f"job:{job}"), "stop", "new")
    model.finish(job, "Half of", how="stopped")
    model.ended(job)
    assert buttons(model) == [None]


def test_a_line_of_the_bot_has_no_button(model):
    model.ended(model.line("failed"))
    assert buttons(model) == [None]


def test_the_button_stands_under_the_last_part(model):
    job = model.ask()
    model.finish(job, words(1500), how="stopped")
    model.ended(job)
    assert buttons(model) == [None] * 3 + [("🔄 Try again", f"retry {job}")]


def test_a_retry_takes_the_place_of_the_old_answer(model):
    old = model.ask()
    model.finish(old, words(1500), how="stopped")
    model.ended(old)
    first = bot(model.world)[0]["id"]
    job = retry(model, old)
    until(lambda: [m["text"] for m in bot(model.world)] == ["Thinking…"], "the old answer to give way", 10)
    assert buttons(model) == [("⏹", f"stop {job}")]
    model.say(job, "A better answer")
    until(lambda: bot(model.world)[0]["text"] == "A better answer …", "first words")
    model.finish(job, " than that.")
    assert model.ended(job) == "done"
    assert [(m["id"], m["text"]) for m in bot(model.world)] == [(first, "A better answer than that.")]
    assert buttons(model) == [None]


def test_a_retry_that_is_answered_at_once_replaces_and_deletes(model):
    old = model.ask()
    model.finish(old, words(1500), how="stopped")
    model.ended(old)
    ids = [m["id"] for m in bot(model.world)]
    job = retry(model, old)
    model.finish(job, words(900))
    model.ended(job)
    assert [m["id"] for m in bot(model.world)] == ids[:2] and " ".join(m["text"] for m in bot(model.world)) == words(900)


def test_a_retry_sends_anew_what_was_deleted(model):
    old = model.ask()
    model.finish(old, "Half of", how="stopped")
    model.ended(old)
    model.world.control("delete_message", {"chat": CHAT, "message_id": bot(model.world)[0]["id"]})
    job = retry(model, old)
    model.finish(job, "The whole of it.")
    model.ended(job)
    assert [m["text"] for m in bot(model.world)] == ["The whole of it."]


def test_a_retry_goes_on_when_its_outbound_dies(model):
    old = model.ask()
    model.finish(old, words(1500), how="stopped")
    model.ended(old)
    job = retry(model, old)
    until(lambda: bot(model.world)[0]["text"] == "Thinking…", "the status")
    model.world.kill(model.world.of("outbound")[0])
    another(model.world)
    model.say(job, "A better answer")
    until(lambda: bot(model.world)[0]["text"].startswith("A better answer"), "words", 15)
    model.finish(job, ".")
    assert model.ended(job, 30) == "done"
    assert [m["text"] for m in bot(model.world)] == ["A better answer."]


# ---- presses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["take_press", "press_taken", "answer_press", "judge_press", "commit_press", "press_committed"])
def test_killed_at_any_step_a_press_is_answered(tmp_path, step):
    with World(tmp_path, SETTINGS) as world:
        model = Model(world)
        doomed = world.start("outbound", GPTTG_KILL_AT=step)
        until(lambda: " ready" in doomed.text(), "it to be ready")
        job = press(model)
        until(lambda: not doomed.alive(), "the crash", 10)
        world.kill(doomed)
        another(world)
        assert model.ended(job, 20) == "done"
        assert sum(1 for c in answers(model) if c["status"] == 200) == 1
        world.at_rest()


def press(model, callback=None, chat=CHAT, **fields):
    if callback is None:
        message = model.world.say(chat, "something to press under")["message_id"]
        callback = model.world.control("callback", {"chat": chat, "message_id": message, "data": "x"})["callback_id"]
    return model.accept(chat, "", kind="press", first="outbound", callback=callback, **fields)


def answers(model):
    return [c for c in model.world.calls() if c["method"] == "answerCallbackQuery"]


def test_a_press_ends_the_spinner_and_may_say_a_line(model):
    assert model.ended(press(model)) == "done"
    assert model.ended(press(model, line="nothing_to_stop", lang="ru")) == "done"
    plain, said = answers(model)
    assert "text" not in plain["params"] and said["params"]["text"] == "Сейчас нечего останавливать."
    assert not bot(model.world)


def test_a_press_that_is_too_old_is_over(model):
    assert model.ended(press(model, callback="12345")) == "done"
    (call,) = answers(model)
    assert call["status"] == 400
    assert not model.world.dead() and not model.world.redis.zcard(model.world.key("later"))


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 500}, {"kind": "html502"}, {"kind": "reset_before"},
                                   {"kind": "status", "status": 429, "retry_after": 1}])
def test_a_press_that_failed_is_tried_again(model, fault):
    fault = model.world.fault("telegram", match={"method": "answerCallbackQuery"}, times=2, **fault)
    assert model.ended(press(model), 15) == "done"
    assert fired(model.world, fault) == 2 and len([c for c in answers(model) if c["status"] == 200]) == 1


def test_a_press_whose_answer_was_lost_is_over_at_the_next_try(model):
    model.world.fault("telegram", "lost_answer", {"method": "answerCallbackQuery"})
    assert model.ended(press(model), 10) == "done"
    assert [c["status"] for c in answers(model)] == [200, 400]


def test_a_press_is_given_up_when_nobody_can_be_waiting_any_more(model):
    fault = model.world.fault("telegram", "status", {"method": "answerCallbackQuery"}, times=-1, status=429, retry_after=100)
    assert model.ended(press(model), 5) == "done"
    assert fired(model.world, fault) == 1 and not model.world.dead() and not model.world.redis.zcard(model.world.key("later"))
    assert not model.world.redis.exists(model.world.key("pause:all"), model.world.key(f"pause:{CHAT}"))


def test_a_press_that_waits_is_handed_over(model):
    fault = model.world.fault("telegram", "status", {"method": "answerCallbackQuery"}, status=429, retry_after=10)
    job = press(model)
    until(lambda: fired(model.world, fault), "the 429")
    first = model.world.of("outbound")[0]
    another(model.world)
    model.world.stop(first)
    assert model.ended(job, 5) == "done"


@pytest.mark.settings(TELEGRAM_RATE_GLOBAL="1", TELEGRAM_RATE_CHAT="1")
def test_a_press_waits_behind_nothing(model):
    pressed = press(model, callback="1")                         # not yet: this one only makes the chat known
    model.ended(pressed)
    model.world.redis.set(model.world.key(f"pause:{CHAT}"), 1, px=4000)
    model.world.redis.set(model.world.key("pause:all"), 1, px=4000)
    lines = [model.line("help") for _ in range(3)]
    began = time.monotonic()
    assert model.ended(press(model), 5) == "done"
    assert time.monotonic() - began < 1
    assert not any(model.job(line).get("ended") for line in lines)
    for line in lines:
        model.ended(line, 20)


def test_a_press_and_a_final_form_do_not_wait_for_edits_that_hang(model):
    crowd = [model.ask(7000 + n) for n in range(70)]
    for job in crowd:
        model.say(job, "First words of it")
    until(lambda: all(bot(model.world, 7000 + n) for n in range(70)), "first words everywhere", 30)
    fault = model.world.fault("telegram", "hang", {"method": "editMessageText"}, times=-1, ms=4900)
    for job in crowd:
        model.say(job, " and some more")
    until(lambda: fired(model.world, fault) >= 48, "the edits to hang", 15)
    time.sleep(0.5)                                              # did more of them find a place?
    began = time.monotonic()
    job = model.ask()
    model.finish(job, "At once.")
    pressed = press(model)
    model.ended(pressed, 5)
    model.ended(job, 5)
    took = time.monotonic() - began
    print("took", took)
    assert took < 1.5
    model.world.control("faults", method="DELETE")
    for job in crowd:
        model.finish(job, ".")
    for job in crowd:
        model.ended(job, 60)


# ---- groups -----------------------------------------------------------------------------------------------------


def group(model):
    model.world.control("chat", {"chat": GROUP, "type": "supergroup"})
    model.chats.add(GROUP)
    return model.world.say(GROUP, "@bot hello", user=7)["message_id"]


def test_in_groups_an_answer_is_a_reply_to_its_question(model):
    question = group(model)
    job = model.ask(GROUP, message=question)
    model.finish(job, words(900))
    model.ended(job)
    assert [m["reply_to"] for m in bot(model.world, GROUP)] == [question, 0]
    (first, _) = model.world.calls(chat=GROUP, method="sendMessage")
    assert first["params"]["reply_parameters"] == {"message_id": question, "allow_sending_without_reply": True}
    model.ended(model.line("help", GROUP, message=question))
    assert bot(model.world, GROUP)[-1]["reply_to"] == question


def test_in_private_what_stands_below_its_question_is_no_reply(model):
    job = model.ask()
    model.finish(job, "Hello.")
    model.ended(job)
    (call,) = model.world.calls(chat=CHAT, method="sendMessage")
    assert "reply_parameters" not in call["params"]


def test_a_question_that_was_deleted_is_answered_without_a_reply(model):
    question = group(model)
    model.world.control("delete_message", {"chat": GROUP, "message_id": question})
    fault = model.world.fault("telegram", "status", {"method": "sendMessage"}, status=400, description="Bad Request: message to be replied not found")
    job = model.ask(GROUP, message=question)
    model.finish(job, "Anyway.")
    assert model.ended(job) == "done"
    assert fired(model.world, fault) == 1 and [(m["text"], m["reply_to"]) for m in bot(model.world, GROUP)] == [("Anyway.", 0)]


def test_keys_come_with_the_greeting_in_private_chats_and_with_nothing_else(model):
    question = group(model)
    for line, chat in (("start", GROUP), ("help", CHAT), ("start", CHAT)):
        model.ended(model.line(line, chat, message=question))
    job = model.ask()
    model.finish(job, "Answer.")
    model.ended(job)
    with_keys = [c for c in model.world.calls(method="sendMessage") if "reply_markup" in c["params"]]
    assert [c["chat"] for c in with_keys] == [CHAT] and "Hello!" in with_keys[0]["params"]["text"]


# ---- late -------------------------------------------------------------------------------------------------------

LATE = "Sorry for being late: it was not possible to answer earlier.\n\n"


def shown(model):
    return [m["text"] for m in bot(model.world)]


def test_an_answer_after_an_outage_says_that_it_is_late(model):
    job = model.ask(asked=int(time.time()) - 1200)
    model.finish(job, "The answer.")
    model.ended(job)
    assert shown(model) == [LATE + "The answer."]


def test_an_answer_that_was_begun_late_says_so_as_well(model):
    job = model.ask(asked=int(time.time()) - 1200)
    model.run("response", *model.ticket(job), "1", "resp_1")
    model.say(job, "The answer")
    until(lambda: bot(model.world), "first words")
    model.finish(job, ".")
    model.ended(job)
    assert shown(model) == [LATE + "The answer."]


def test_a_date_of_last_week_is_no_outage(model):
    """Telegram keeps nothing for so long: somebody's clock is wrong, and each answer began with an apology."""
    job = model.ask(asked=int(time.time()) - 10 * 86400)
    model.finish(job, "The answer.")
    model.ended(job)
    assert shown(model) == ["The answer."]


def test_what_was_heard_stands_above_the_apology(model):
    job = model.ask(asked=int(time.time()) - 1200, prelude="21")
    model.finish(job, "You said: «Why?»\n\nThe answer.")
    model.ended(job)
    assert shown(model) == ["You said: «Why?»\n\nThe answer.\n\n" + LATE.strip()]


def test_a_model_that_thought_for_long_is_no_reason_to_be_sorry(model):
    asked = int(time.time()) - 1200
    job = model.ask(asked=asked)
    model.world.redis.hset(model.world.key(f"job:{job}"), "born:1", (asked + 5) * 1000)
    until(lambda: bot(model.world), "the status line", 6)
    model.finish(job, "The answer.")
    model.ended(job)
    assert shown(model) == ["The answer."]


def test_lines_and_failures_are_not_late(model):
    model.ended(model.line("help", asked=int(time.time()) - 1200))
    job = model.ask(asked=int(time.time()) - 1200)
    model.finish(job, how="dead", line="failed")
    model.ended(job)
    assert not any("Sorry for being late" in text for text in shown(model))


def test_a_late_answer_stays_late_when_another_one_shows_the_rest(model):
    fault = model.world.fault("telegram", "status", {"method": "sendMessage"}, skip=1, status=429, retry_after=6)
    job = model.ask(asked=int(time.time()) - 1200)
    model.finish(job, words(1000))
    until(lambda: fired(model.world, fault) and model.job(job)["queue"] == "later", "the second part to be put off")
    model.world.kill(model.world.of("outbound")[0])
    another(model.world)
    model.ended(job, 30)
    assert " ".join(shown(model)) == LATE + words(1000)


# ---- the whole bot ----------------------------------------------------------------------------------------------


def test_a_pressed_stop_button_stops_and_a_pressed_retry_button_asks_again(world):
    world.say(CHAT, "Hi [[deltas=400 delta_ms=50]]")
    until(lambda: world.shown(CHAT), "first words")
    began = time.monotonic()
    world.control("press", {"chat": CHAT, "text": "⏹"})
    until(lambda: world.shown(CHAT)[0].endswith("⏹ Stopped."), "the end", 5)
    assert time.monotonic() - began < 1
    world.rest(CHAT)
    (before,) = [m for m in world.chat(CHAT)["messages"] if m["from"] == "bot"]
    world.control("model", {"deltas": 8, "delta_ms": 0})
    world.control("press", {"chat": CHAT, "text": "🔄"})
    until(lambda: len(world.responses()) == 2, "the question again")
    world.rest(CHAT, 40)
    presses = until(lambda: [p for p in world.control(f"presses?chat={CHAT}")["presses"] if p["answered"]], "answers")
    until(lambda: all(p["answered"] for p in world.control(f"presses?chat={CHAT}")["presses"]), "every press to be answered")
    assert presses
    (after,) = [m for m in world.chat(CHAT)["messages"] if m["from"] == "bot"]
    assert after["id"] == before["id"] and not after["text"].endswith("Stopped.") and button(after) is None
    world.at_rest()


def test_a_button_that_nobody_knows_stops_spinning(world):
    message = world.say(CHAT, "Hi")["message_id"]
    world.rest(CHAT)
    world.control("callback", {"chat": CHAT, "message_id": message, "data": "what is this"})
    until(lambda: [p for p in world.control(f"presses?chat={CHAT}")["presses"] if p["answered"]], "an answer", 5)
    world.at_rest()


def test_a_question_from_before_an_outage_is_answered_with_an_excuse(world):
    world.say(CHAT, "Hi", ago_s=1200)
    assert world.answer(CHAT, "«Hi»").startswith(LATE)
    world.say(CHAT, "And now?")
    assert "Sorry" not in world.answer(CHAT, "«And now?»")
    world.at_rest()


def test_a_group_that_may_not_be_written_to_spends_nothing_more(world):
    world.control("chat", {"chat": GROUP, "type": "supergroup", "can_send": False})
    world.say(GROUP, "Hi [[deltas=400 delta_ms=50]]", user=7, mention=True)
    until(lambda: world.responses() and world.responses()[0]["status"] == "cancelled", "the model to be stopped", 15)
    world.at_rest()
    assert not world.dead() and not world.shown(GROUP)


def test_each_cancel_around_the_end_of_an_answer_is_seen_to_do_something(world):
    for n in range(20):
        chat = CHAT + 1 + n
        world.say(chat, f"Hi {n} [[deltas=12 delta_ms=20]]")
        time.sleep(random.Random(n).uniform(0.05, 0.7))         # the moment itself is what is tried
        asked = time.monotonic()
        world.say(chat, "/cancel")
        until(lambda: any(m.endswith("⏹ Stopped.") or m == "There is nothing to stop." for m in world.shown(chat)), f"an effect in round {n}", 5)
        assert time.monotonic() - asked < 2, n
        world.rest(chat)
        assert len(world.shown(chat)) <= 2, world.shown(chat)
    world.at_rest()
