"""What is being done is told while there are no words: the chat action at once, a line after three seconds."""
from media_world import CHAT, sample, sender  # noqa: F401
from test_outbound import bot, model  # noqa: F401
from world import until


def actions(world):
    return [c["params"]["action"] for c in world.calls("sendChatAction")]


def lines(world):
    """What the chat's messages have shown, one after the other."""
    return [c["params"]["text"] for c in world.calls(chat=CHAT) if c["method"] in ("sendMessage", "editMessageText")]


def doing(model, job, word, length=""):
    assert model.run("doing", *model.ticket(job), word, length) == 1


def test_a_voice_message_that_takes_its_time_is_being_listened_to(sender):
    sender.world.fault("openai", "delay", {"path": "/v1/audio/transcriptions"}, ms=4500)
    job = sender.send("voice", (sample("voice.oga"), "voice"), lang="ru")
    until(lambda: bot(sender.world), "a status line", 8)
    assert bot(sender.world)[0]["text"] == "Слушаю…"
    assert "record_voice" in actions(sender.world)
    assert sender.ended(job, 40) == "done"
    (answer,) = bot(sender.world)
    assert answer["text"].startswith("Вы сказали") and "Слушаю" not in answer["text"]


def test_a_file_on_its_way_to_the_model_is_shown_as_such(sender):
    sender.world.fault("openai", "delay", {"path": "/v1/files"}, ms=4500)
    job = sender.photo(caption="What is it?")
    until(lambda: bot(sender.world), "a status line", 10)
    assert bot(sender.world)[0]["text"] == "Looking inside…"
    assert sender.ended(job, 40) == "done"
    assert "upload_document" in actions(sender.world)
    assert len(bot(sender.world)) == 1 and "Looking" not in bot(sender.world)[0]["text"]


def test_the_line_changes_with_what_is_done_and_ends_as_the_answer(model):
    job = model.ask()
    doing(model, job, "searching")
    until(lambda: bot(model.world), "a status line", 6)
    assert bot(model.world)[0]["text"] == "Searching the web…"
    doing(model, job, "computing")
    until(lambda: bot(model.world)[0]["text"] == "Computing…", "another status line", 6)
    model.say(job, "It is forty-two, ")
    until(lambda: bot(model.world)[0]["text"].startswith("It is"), "the words instead", 6)
    model.finish(job, "of course.")
    assert model.ended(job) == "done"
    assert [m["text"] for m in bot(model.world)] == ["It is forty-two, of course."]


def test_under_words_that_stand_there_it_is_said_and_goes_with_the_next_words(model):
    job = model.ask()
    model.say(job, "Let me see, I have to look this up. ")
    until(lambda: bot(model.world), "first words", 3)
    doing(model, job, "searching", model.length(job))
    until(lambda: "Searching the web…" in bot(model.world)[0]["text"], "what is done", 6)
    assert bot(model.world)[0]["text"].startswith("Let me see, I have to look this up.")
    model.say(job, "Here it is: ")
    until(lambda: "Here it is" in bot(model.world)[0]["text"] and "Searching" not in bot(model.world)[0]["text"], "the next words", 6)
    model.finish(job, "found.")
    assert model.ended(job) == "done"
    assert [m["text"] for m in bot(model.world)] == ["Let me see, I have to look this up. Here it is: found."]


def test_it_is_told_before_the_last_words_before_it_have_been_said(model):
    job = model.ask()
    model.say(job, "I will look. ")
    until(lambda: bot(model.world), "first words", 3)
    doing(model, job, "reading", model.length(job) + len("One moment. "))
    model.say(job, "One moment. ")
    until(lambda: bot(model.world)[0]["text"].endswith("Searching your files…"), "what is done", 6)
    assert "One moment." in bot(model.world)[0]["text"]
    model.finish(job, "Done.")
    assert model.ended(job) == "done"


def test_a_word_that_nobody_knows_is_thinking(model):
    job = model.ask()
    doing(model, job, "juggling")
    until(lambda: bot(model.world), "a status line", 6)
    assert bot(model.world)[0]["text"] == "Thinking…"
    model.finish(job, "Done.")
    model.ended(job)
