"""What models there are, which are in use, and a change of that by an administrator."""
from datetime import datetime, timedelta, timezone

import pytest

from media_world import sample
from test_albums import file_of
from test_answers import bodies
from world import ADMIN, until

CHAT = 5001


def told(world, words, chat=ADMIN, count=1):
    return until(lambda: [t for t in world.shown(chat) if words in t][count - 1:], f"{words!r} in {chat}, which shows {world.shown(chat)}")[-1]


def listed(world):
    until(lambda: world.redis.hlen(world.key("models")) and world.redis.exists(world.key("spend:ready")), "OpenAI's list, and the ledger")


def labels(world, chat=ADMIN):
    return world.buttons(chat)


def test_models_says_what_there_is_and_what_it_costs(world):
    listed(world)
    world.say(ADMIN, "/models")
    text = told(world, "Models.")
    assert "✅ gpt-6.1-terra: $1.00 / $5.00" in text and "• gpt-6-luna: $0.1000 / $0.5000" in text.replace("$0.10 ", "$0.1000 ").replace("$0.50", "$0.5000").replace("$0.500000", "$0.5000")
    assert "until 2026-12-11" in text or "shut down 2026-12-11" in text
    assert "✅ gpt-transcribe" in text and "✅ gpt-image-2.6-flare" in text and "To change one" in text
    world.say(CHAT, "/models")
    told(world, "do not know", CHAT)
    world.at_rest()


def test_the_very_next_question_goes_to_the_new_model(world):
    listed(world)
    world.say(CHAT, "One")
    world.answer(CHAT, "«One»")
    world.say(ADMIN, "/setmodel gpt-6-luna")
    told(world, "Answers now come from gpt-6-luna")
    world.say(CHAT, "Two")
    world.answer(CHAT, "«Two»")
    world.at_rest()
    assert [b["model"] for b in bodies(world)] == ["gpt-6.1-terra", "gpt-6-luna"]
    one, two = world.rows()
    assert two["model"] == "gpt-6-luna" and two["cost_nusd"] < one["cost_nusd"]
    assert world.redis.hget(world.key("settings"), "OPENAI_MODEL") == "gpt-6-luna"
    world.say(ADMIN, "/setmodel default")
    told(world, "Answers now come from gpt-6.1-terra")
    world.say(CHAT, "Three")
    world.answer(CHAT, "«Three»")
    assert bodies(world)[-1]["model"] == "gpt-6.1-terra" and not world.redis.exists(world.key("settings"))
    world.at_rest()


@pytest.mark.parametrize("words, says", [
    ("gpt-99", "There is no model gpt-99"), ("gpt-image-2 now please", "Like this"), ("image gpt-6-luna", "cannot do that"), ("chat whisper-1", "cannot do that"),
    ("omni-moderation-latest", "cannot do that"), ("gpt-old", "has been shut down"),
])
def test_what_makes_no_sense_is_refused(world, words, says):
    world.control("model", {"models": ["gpt-6.1-terra", "gpt-6-luna", "gpt-image-2", {"id": "gpt-old", "shutdown_date": "2026-01-01"}]})
    world.redis.delete(world.key("models:asked"))
    world.kill(world.of("llm")[0])
    world.redis.delete(world.key("models:asked"))
    world.start("llm")
    until(lambda: world.redis.hget(world.key("models"), "gpt-old"), "the new list")
    world.say(ADMIN, "/setmodel " + words)
    told(world, says)
    world.at_rest()
    assert not world.redis.exists(world.key("settings")) and not world.rows("SELECT * FROM settings")


def test_pictures_and_speech_have_models_of_their_own(world):
    listed(world)
    world.say(ADMIN, "/setmodel gpt-image-2")
    told(world, "Pictures now come from gpt-image-2")
    world.say(ADMIN, "/setmodel voice whisper-1")
    told(world, "Speech is now heard by whisper-1, $0.006")
    assert world.redis.hgetall(world.key("settings")) == {"OPENAI_IMAGE_MODEL": "gpt-image-2", "OPENAI_TRANSCRIBE_MODEL": "whisper-1"}
    world.say(CHAT, "/img a cat")
    until(lambda: world.rows(), "the bill")
    assert world.rows()[0]["model"] == "gpt-image-2"
    world.at_rest()


def test_the_next_voice_is_heard_by_the_model_that_is_set(world):
    listed(world)
    heard = ["gpt-transcribe", "whisper-1", "gpt-transcribe"]
    for n, name in enumerate(heard):
        world.control("model", {"models": ["gpt-6.1-terra", name], "strict_models": True})       # no other one hears now
        if n:
            world.say(ADMIN, f"/setmodel voice {name if n == 1 else 'default'}")
            told(world, f"heard by {name}")
        world.control("message", {"chat": CHAT, "kind": "voice", "file": file_of(world, sample("voice.oga"))})
        until(lambda: len([t for t in world.shown(CHAT) if "You said" in t]) == n + 1, "an answer to each")
        world.rest(CHAT)
    world.at_rest()
    assert [r["model"] for r in world.rows("SELECT * FROM usage WHERE kind = 'transcription' ORDER BY at")] == heard
    assert {b["model"] for b in bodies(world)} == {"gpt-6.1-terra"}


def test_the_next_picture_is_drawn_by_the_model_that_is_set(world):
    listed(world)
    for name, says in ((None, None), ("gpt-image-2", "come from gpt-image-2"), ("default", "come from gpt-image-2.6-flare")):
        if name:
            world.say(ADMIN, f"/setmodel image {name}")
            told(world, says)
        drawn = len(world.rows())
        world.say(CHAT, "/img a cat")
        until(lambda: len(world.rows()) == drawn + 1, "the bill of the picture")
        world.rest(CHAT)
    world.at_rest()
    drawn = ["gpt-image-2.6-flare", "gpt-image-2", "gpt-image-2.6-flare"]
    assert [r["model"] for r in world.rows()] == drawn and [c["params"]["model"] for c in world.calls("POST /v1/images/generations")] == drawn


def test_a_model_is_chosen_by_a_button(world):
    listed(world)
    world.say(ADMIN, "/setmodel")
    told(world, "Which model shall be used")
    assert any(t.startswith("gpt-6-luna") for t in labels(world)) and "Pictures" in labels(world)
    pressed = world.press(ADMIN, next(t for t in labels(world) if t.startswith("gpt-6-luna")))
    answer = world.answered(pressed["callback_id"])
    assert "gpt-6-luna" in answer
    told(world, "Answers now come from gpt-6-luna")         # in place of the menu
    until(lambda: len(world.bot_messages(ADMIN)) == 1 and not labels(world), "the menu to be gone")
    world.say(CHAT, "Hi")
    world.answer(CHAT, "«Hi»")
    assert bodies(world)[-1]["model"] == "gpt-6-luna"
    world.at_rest()


def test_the_menu_turns_its_pages_in_place(world):
    world.control("model", {"models": [f"gpt-x{n}" for n in range(20)] + ["gpt-image-2"]})
    world.kill(world.of("llm")[0])
    world.redis.delete(world.key("models:asked"))
    world.start("llm")
    until(lambda: world.redis.hget(world.key("models"), "gpt-x3"), "the new list")
    world.say(ADMIN, "/setmodel")
    told(world, "Which model shall be used")
    first = labels(world)
    assert sum(t.startswith("gpt-x") for t in first) == 8 and "»" in first and "«" not in first
    pressed = world.press(ADMIN, "»")
    world.answered(pressed["callback_id"])
    until(lambda: "«" in labels(world), "the second page")
    assert len(world.bot_messages(ADMIN)) == 1 and not set(labels(world)[:8]) & set(first)
    world.press(ADMIN, "Pictures")
    until(lambda: any(t.startswith("gpt-image-2") for t in labels(world)), "the models that draw")
    world.at_rest()
    assert len(world.bot_messages(ADMIN)) == 1


def test_pricing_is_that_of_the_models_in_use(world):
    world.say(ADMIN, "/setmodel gpt-6-luna")
    told(world, "gpt-6-luna")
    world.say(ADMIN, "/pricing")
    text = told(world, "Prices of the models in use")
    assert "gpt-6-luna: $0.10" in text and "web_search: $0.01" in text and "gpt-transcribe: $0.0045" in text and "gpt-6.1-terra" not in text
    world.at_rest()


@pytest.mark.parametrize("step", ["look_around", "looked_around", "tell", "told", "store"])
def test_a_model_is_set_once_wherever_the_ledger_dies(world, step):
    listed(world)
    world.kill(world.of("ledger")[0])
    dying = world.start("ledger", GPTTG_KILL_AT=step)
    world.say(ADMIN, "/setmodel gpt-6-luna")
    until(lambda: not dying.alive(), "the ledger to die")
    world.kill(dying)
    world.start("ledger")
    told(world, "Answers now come from gpt-6-luna")
    world.at_rest()
    assert len(world.bot_messages(ADMIN)) == 1 and len(world.rows("SELECT * FROM changes")) == 1 and not world.dead()


def test_a_server_without_a_list_takes_any_name_with_a_warning(world):
    world.control("model", {"models": [], "strict_models": False})
    world.kill(world.of("llm")[0])
    world.redis.delete(world.key("models:asked"), world.key("models"))
    world.start("llm")
    until(lambda: world.redis.exists(world.key("models:asked")), "the question for the list")
    world.say(ADMIN, "/setmodel llama-next")
    told(world, "could not be checked")
    world.say(CHAT, "Hi")
    world.answer(CHAT, "«Hi»")
    assert bodies(world)[-1]["model"] == "llama-next"
    world.at_rest()


@pytest.mark.parametrize("days, stage", [(20, 30), (7, 7), (1, 1), (-3, 0)])
def test_an_administrator_is_warned_once_before_a_model_in_use_is_shut_down(world, days, stage):
    date = (datetime.now(timezone.utc) + timedelta(days=days)).strftime("%Y-%m-%d")
    listed(world)
    world.say(ADMIN, "/help")
    world.kill(world.of("ledger")[0])
    world.redis.delete(world.key("models"))
    world.redis.hset(world.key("models"), mapping={"gpt-6.1-terra": f"1 {date} openai", "gpt-5": "1 2020-01-01 openai"})
    world.redis.expire(world.key("models"), 600)
    world.start("ledger")
    told(world, f"shuts down the model that answers: gpt-6.1-terra, {date}")
    until(lambda: world.redis.ttl(world.key(f"shutdown:gpt-6.1-terra:{stage}")) > 86400, "it to be remembered")
    world.kill(world.of("ledger")[0])
    world.redis.delete(world.key("alert:shutdown"))
    world.redis.hset(world.key("models"), "gpt-transcribe", f"1 {date} openai")
    world.start("ledger")
    told(world, f"shuts down the model that hears: gpt-transcribe, {date}")
    world.at_rest()
    assert len([t for t in world.shown(ADMIN) if "shuts down" in t]) == 2
