"""outbound alone: a real Redis, the real program, the simulator as Telegram; the model's side is played here, by the scripts."""
import signal
import time
from urllib.request import urlopen

import pytest

from world import ADMIN, ROOT, World, free_port, until

CHAT = 5001
GROUP = -1001234500
PROTO = ROOT / "proto"
SETTINGS = {"STREAM_EDIT_MS": "300"}


class Model:
    """Plays ingest and llm: accepts questions, says text, commits."""

    def __init__(self, world):
        self.world, self.update, self.chats = world, 1000, set()
        prelude = (PROTO / "lib.lua").read_text()
        self.texts = {}
        for path in PROTO.glob("*.lua"):
            text, flags = path.read_text(), ""
            if text.startswith("#!"):
                flags, text = text.split("\n", 1)
                flags += "\n"
            self.texts[path.stem] = flags + prelude + text

    def run(self, name, *args):
        return self.world.redis.eval(self.texts[name], 1, self.world.prefix, *args)

    def accept(self, chat, conv, **fields):
        self.update += 1
        if chat not in self.chats:
            self.chats.add(chat)
            self.world.control("chat", {"chat": chat})
        job = f"{self.update}-{int(time.time() * 1000)}"
        asked = {"kind": "text", "first": "llm", "chat": chat, "user": chat, "topic": "", "update": self.update, "message": 1, "text": "?",
                 "lang": "en", "at": int(time.time() * 1000), "v": 1, **fields}
        flat = [x for pair in asked.items() for x in pair]
        assert self.run("accept", self.update, job, conv, 20, "", 0, "", len(asked), *flat) == "ok"
        return job

    def ask(self, chat=CHAT, topic="", **fields):
        return self.accept(chat, f"{chat}:{topic}" if topic else str(chat), topic=topic, **fields)

    def line(self, name, chat=CHAT, about="", **fields):
        return self.accept(chat, "", kind="line", first="outbound", line=name, about=about, **fields)

    def control(self, what, chat=CHAT, target="", **fields):
        """/cancel, /reset or a pressed ⏹, as ingest hands them on."""
        self.update += 1
        job = f"{self.update}-{int(time.time() * 1000)}"
        asked = {"kind": "line", "chat": chat, "user": chat, "lang": "en", "update": self.update, "at": int(time.time() * 1000), **fields}
        flat = [x for pair in asked.items() for x in pair]
        return self.run("control", self.update, job, str(chat), what, target, len(asked), *flat)

    def job(self, job):
        return self.world.redis.hgetall(self.world.key(f"job:{job}"))

    def ticket(self, job):
        fields = self.job(job)
        return fields["queue"], fields["entry"], job

    def length(self, job):
        return self.world.redis.strlen(self.world.key(f"text:{job}"))

    def say(self, job, text):
        before = self.length(job)
        assert self.run("say", *self.ticket(job), before, text) == before + len(text.encode())

    def restart(self, job):
        """The answer is begun again, as begin does when a response is lost."""
        self.world.redis.delete(self.world.key(f"text:{job}"))
        self.world.redis.hincrby(self.world.key(f"job:{job}"), "draft", 1)

    def finish(self, job, rest="", how="", line="", about=""):
        assert self.run("commit", *self.ticket(job), "follow", how, line, about, self.length(job), rest, "", "", "", "", 0, "", 0, 0) == "ok"

    def ended(self, job, seconds=20):
        until(lambda: self.job(job).get("ended"), f"the end of {job}, which is {self.job(job)}", seconds)
        fields = self.job(job)
        assert fields["ends"] == "1"
        return fields["how"]


@pytest.fixture
def model(tmp_path, request):
    mark = request.node.get_closest_marker("settings")
    with World(tmp_path, {**SETTINGS, **(mark.kwargs if mark else {})}) as world:
        world.metrics = free_port()
        world.start("outbound", METRICS_LISTEN=f"127.0.0.1:{world.metrics}")
        yield Model(world)
        world.at_rest()
        for call in world.calls():
            judge_entities(call)


def units(text):
    return len(text.encode("utf-16-le")) // 2


def judge_entities(call):
    """What Telegram would quietly take out or cut to size is a mistake of ours."""
    text, entities = call["params"].get("text", ""), call["params"].get("entities")
    assert "parse_mode" not in call["params"]
    if entities is None:
        return
    assert 0 < len(entities) <= 100
    types = {"bold", "italic", "strikethrough", "code", "pre", "text_link", "blockquote", "expandable_blockquote"}
    for e in entities:
        assert e["type"] in types and e["offset"] >= 0 and e["length"] > 0 and e["offset"] + e["length"] <= units(text), e
        assert (e["type"] == "text_link") == ("url" in e), e


def marked(message):
    """What stands under each entity: [(type, words)], with an address or a language behind them."""
    raw = message["text"].encode("utf-16-le")
    return [(e["type"], raw[2 * e["offset"]:2 * (e["offset"] + e["length"])].decode("utf-16-le"), *(e[k] for k in ("url", "language") if k in e))
            for e in message.get("entities") or []]


def another(world):
    """A further outbound that is ready: before that it does not know yet how to end well."""
    program = world.start("outbound")
    until(lambda: " ready" in program.text(), "it to be ready")
    return program


def metric(world, name):
    with urlopen(f"http://127.0.0.1:{world.metrics}/metrics", timeout=5) as page:
        for line in page.read().decode().splitlines():
            if line.startswith(f"gpttg_{name} "):
                return float(line.split()[-1])
    return 0.0


def bot(world, chat=CHAT):
    return [m for m in world.chat(chat)["messages"] if m["from"] == "bot"]


def words(n):
    return " ".join(f"word{i}" for i in range(n))


# ---- how an answer looks --------------------------------------------------------------------------------------


def test_an_answer_that_is_whole_at_once_is_one_message_and_no_edit(model):
    job = model.ask()
    model.finish(job, "Hello, this is all.")
    assert model.ended(job) == "done"
    (call,) = model.world.calls(chat=CHAT)
    assert call["method"] == "sendMessage" and call["params"]["text"] == "Hello, this is all."
    assert call["params"]["link_preview_options"] == {"is_disabled": True} and "parse_mode" not in call["params"]
    assert metric(model.world, "outbound_sends_total") == 1


def test_an_answer_grows_from_its_first_words_and_ends_without_a_mark(model):
    job = model.ask()
    text = ""
    for n in range(12):
        model.say(job, f"word{n} and ")
        text += f"word{n} and "
        time.sleep(0.15)
    model.finish(job, "the end.")
    assert model.ended(job) == "done"
    (message,) = bot(model.world)
    assert message["text"] == text + "the end."
    assert message["first_text"].startswith("word0 and") and message["first_text"].endswith(" …")
    edits = [c for c in model.world.calls(chat=CHAT) if c["method"] == "editMessageText"]
    assert 3 <= len(edits) <= 8 and all(c["params"]["text"].endswith(" …") for c in edits[:-1])
    gaps = [b["at_ms"] - a["at_ms"] for a, b in zip(edits, edits[1:-1])]
    assert all(g >= 290 for g in gaps), gaps


def test_first_words_are_there_within_a_second(model):
    job = model.ask()
    began = time.monotonic()
    model.say(job, "One")
    until(lambda: bot(model.world), "first words", 2)
    assert time.monotonic() - began < 1.2
    model.finish(job, " more word.")
    model.ended(job)


def test_typing_comes_soon_and_not_too_often(model):
    job = model.ask()
    until(lambda: model.world.chat(CHAT)["actions"] == 1, "typing", 1)
    until(lambda: model.world.chat(CHAT)["actions"] == 2, "typing again", 6)
    typing = [c["at_ms"] for c in model.world.calls(chat=CHAT, method="sendChatAction")]
    assert typing[1] - typing[0] >= 4400
    model.finish(job, "Done.")
    model.ended(job)


def test_a_silence_is_shown_after_three_seconds_and_replaced_by_the_answer(model):
    job = model.ask(lang="ru")
    began = time.monotonic()
    until(lambda: bot(model.world), "a status line", 6)
    assert 2.5 < time.monotonic() - began < 4
    assert bot(model.world)[0]["text"] == "Думаю…"
    model.say(job, "The answer after all ")
    until(lambda: bot(model.world)[0]["text"].startswith("The answer"), "the words instead")
    model.finish(job, "is here.")
    assert model.ended(job) == "done"
    assert [m["text"] for m in bot(model.world)] == ["The answer after all is here."]


def test_a_long_answer_comes_in_parts_and_a_full_part_is_left_alone(model):
    job = model.ask()
    text = words(2500)
    for at in range(0, len(text), 1500):
        model.say(job, text[at:at + 1500])
        time.sleep(0.05)
    model.finish(job)
    model.ended(job)
    parts = [m["text"] for m in bot(model.world)]
    assert len(parts) >= 5 and all(len(p) <= 4096 for p in parts) and " ".join(parts) == text
    calls = model.world.calls(chat=CHAT)
    assert sum(1 for c in calls if c["method"] == "sendMessage") == len(parts)
    for part in parts[:-1]:                                     # shown whole once, and never touched again
        assert sum(1 for c in calls if c["params"].get("text") == part) == 1


def test_a_long_answer_that_is_whole_at_once_is_one_send_per_part(model):
    job = model.ask()
    family = "👨‍👩‍👧‍👦"
    model.finish(job, family * 1200)
    model.ended(job)
    assert "".join(m["text"] for m in bot(model.world)) == family * 1200
    assert {c["method"] for c in model.world.calls(chat=CHAT)} == {"sendMessage"}


def test_parts_that_a_shorter_answer_does_not_need_are_deleted(model):
    job = model.ask()
    model.say(job, words(1500))
    until(lambda: len(bot(model.world)) == 3, "three parts")
    model.restart(job)
    model.finish(job, "Short after all.")
    assert model.ended(job) == "done"
    assert [m["text"] for m in bot(model.world)] == ["Short after all."]


def test_a_text_that_was_begun_again_replaces_the_old_one(model):
    job = model.ask()
    model.say(job, "The first try of an answer")
    until(lambda: bot(model.world), "first words")
    model.restart(job)
    model.say(job, "The second try is longer than the first one was, and other")
    until(lambda: bot(model.world)[0]["text"].startswith("The second try is"), "the second try")
    model.finish(job, " words.")
    model.ended(job)
    assert [m["text"] for m in bot(model.world)] == ["The second try is longer than the first one was, and other words."]


def test_what_was_stopped_is_kept_and_marked(model):
    job = model.ask()
    model.say(job, "What was written so far")
    model.finish(job, how="stopped")
    assert model.ended(job) == "stopped"
    assert [m["text"] for m in bot(model.world)] == ["What was written so far\n\n⏹ Stopped."]
    job = model.ask(lang="ru")
    model.finish(job, how="stopped")
    model.ended(job)
    assert bot(model.world)[-1]["text"] == "⏹ Остановлено."


@pytest.mark.settings(TELEGRAM_RATE_CHAT="1")
@pytest.mark.parametrize("what", ["cancel", "button", "reset"])
def test_what_is_still_on_its_way_when_somebody_stops_it_does_not_come(model, what):
    job = model.ask()
    text = words(4000)
    model.finish(job, text)
    until(lambda: len(bot(model.world)) == 3, "three of eight parts")
    asked = time.monotonic()
    if what == "button":
        press = model.world.control("callback", {"chat": CHAT, "message_id": bot(model.world)[-1]["id"], "data": f"stop {job}"})
        assert model.control("stop", target=job, callback=press["callback_id"], kind="press") == "stopped"
    else:
        assert model.control("stop" if what == "cancel" else "new") == "stopped"
    assert model.ended(job) == "stopped"
    assert time.monotonic() - asked < 3
    *parts, last = [m["text"] for m in bot(model.world) if m["text"] != "Forgotten. We begin anew."]
    assert 2 <= len(parts) <= 4 and last.endswith("⏹ Stopped.")
    kept = " ".join(parts + [last.removesuffix("⏹ Stopped.").rstrip()]).rstrip()
    assert text.startswith(kept) and len(kept) < len(text)
    assert ("inline_keyboard" in str(bot(model.world))) == (what != "reset")     # may be asked again, unless it is forgotten


@pytest.mark.parametrize("wait", [3, 7])
@pytest.mark.parametrize("stands", [True, False])
def test_an_answer_that_telegram_holds_up_does_not_come_after_it_was_stopped(model, wait, stands):
    job = model.ask()
    if stands:
        model.say(job, "First words of it")
        until(lambda: bot(model.world), "first words")
    method = "editMessageText" if stands else "sendMessage"
    fault = model.world.fault("telegram", "status", {"method": method}, status=429, retry_after=wait)
    model.finish(job, words(2000))
    until(lambda: fired(model.world, fault), "the 429")
    assert model.control("stop") == "stopped"
    assert model.ended(job, 30) == "stopped"
    *parts, last = [m["text"] for m in bot(model.world)]
    assert last.endswith("⏹ Stopped.") and len(parts) == stands             # what has begun to stand there is kept
    assert not stands or parts[0].startswith("First words of it")


def test_a_delivery_that_was_cut_stays_cut_when_another_one_goes_on(model):
    job = model.ask()
    hold = model.world.fault("telegram", "delay", {"method": "sendMessage"}, ms=1500, times=1000)
    model.finish(job, words(4000))
    until(lambda: len(bot(model.world)) == 2, "two of eight parts")
    assert model.control("stop") == "stopped"
    until(lambda: model.job(job).get("part:cut"), "the cut to be decided")
    cut = int(model.job(job)["part:cut"])
    model.world.kill(model.world.of("outbound")[0])
    model.world.control(f"faults?id={hold}", method="DELETE")
    another(model.world)
    assert model.ended(job) == "stopped"
    assert len(bot(model.world)) <= cut + 2 and bot(model.world)[-1]["text"].endswith("⏹ Stopped.")


def test_an_answer_that_stands_whole_is_not_marked_as_stopped(model):
    job = model.ask()
    fault = model.world.fault("telegram", "executed_hang", {"method": "sendMessage"})
    model.finish(job, "All of it.")
    until(lambda: fired(model.world, fault), "the call")
    assert model.control("stop") == "stopped"
    assert model.ended(job, 30) in ("done", "stopped")
    assert bot(model.world)[0]["text"] == "All of it."


@pytest.mark.parametrize("text, line, about, shown", [
    ("", "budget_day", "", "Your budget for today is used up. You can ask again tomorrow."),
    ("Half of", "incomplete_length", "", "Half of\n\n✂️ The answer was cut: it reached its greatest length."),
    ("", "refusal", "I may not.", "The model declined to answer: I may not."),
])
def test_a_line_stands_instead_of_an_answer_or_below_it(model, text, line, about, shown):
    job = model.ask()
    model.finish(job, text, how="refused", line=line, about=about)
    assert model.ended(job) == "refused"
    assert [m["text"] for m in bot(model.world)] == [shown]


def test_a_line_nobody_knows_is_still_one_clear_line(model):
    model.world.expect_error("no line called bogus")
    job = model.line("bogus")
    assert model.ended(job) == "done"
    assert [m["text"] for m in bot(model.world)] == ["That did not work. Please try again."]


def test_a_greeting_has_the_keys_that_its_reader_may_use(model):
    model.ended(model.line("start", CHAT))
    model.ended(model.line("start", ADMIN, role="admin"))
    rows = {}
    for call in model.world.calls(method="sendMessage"):
        keyboard = call["params"]["reply_markup"]["keyboard"]
        rows[call["chat"]] = [[key["text"] for key in row] for row in keyboard]
    assert rows[CHAT] == [["/help", "/img"], ["/stats", "/reset"]]
    assert rows[ADMIN] == [["/help", "/img"], ["/stats", "/reset"], ["/stat"]]


def test_lines_of_a_chat_come_in_their_order_and_hold_up_nobody_else(model):
    (outbound,) = model.world.of("outbound")
    outbound.signal(signal.SIGSTOP)
    jobs = [model.line(name, chat) for name, chat in (("start", CHAT), ("help", CHAT), ("nothing_to_stop", CHAT), ("help", 6001))]
    model.world.fault("telegram", "delay", {"method": "sendMessage", "chat": CHAT}, ms=900)
    outbound.signal(signal.SIGCONT)
    for job in jobs:
        assert model.ended(job) == "done"
    assert [m["text"].split()[0] for m in bot(model.world)] == ["Hello!", "Send", "There"]
    ends = [int(model.job(job)["ended"]) for job in jobs]
    assert ends[3] < ends[0] < ends[1] < ends[2]


def test_a_line_that_is_put_off_lets_the_next_one_go(model):
    model.world.fault("telegram", "status", {"method": "sendMessage", "chat": CHAT}, status=429, retry_after=6)
    first, second = model.line("start"), model.line("help")
    assert model.ended(second, 30) == model.ended(first, 30) == "done"


def test_an_answer_stays_in_its_topic(model):
    model.world.control("chat", {"chat": GROUP, "type": "supergroup", "threads": [7]})
    job = model.ask(GROUP, topic="7")
    model.finish(job, "In the topic.")
    model.ended(job)
    assert bot(model.world, GROUP)[0]["thread"] == 7


def test_questions_of_a_chat_are_answered_one_after_the_other(model):
    jobs = [model.ask() for _ in range(3)]
    for n, job in enumerate(jobs):
        until(lambda: model.job(job).get("queue") == "llm", "its turn")
        model.finish(job, f"Answer {n}")
        model.ended(job)
    assert [m["text"] for m in bot(model.world)] == ["Answer 0", "Answer 1", "Answer 2"]


# ---- Markdown ------------------------------------------------------------------------------------------------


ANSWER = """# Title 🙂

Some **bold**, *italic*, ~~gone~~ and `code` of [a link](https://example.org/a_b).

- first
- second

| a | b |
|---|---|
| 1 | 2 |

```python
print(1)
```

> quoted"""


def test_markdown_is_text_and_entities(model):
    job = model.ask()
    model.finish(job, ANSWER)
    model.ended(job)
    (message,) = bot(model.world)
    assert not any(sign in message["text"] for sign in ("**", "`", "](", "# ", "~~", "|---"))
    assert marked(message)[0] == ("bold", "Title 🙂")
    assert set(marked(message)) >= {("bold", "bold"), ("italic", "italic"), ("strikethrough", "gone"), ("code", "code"),
                                    ("text_link", "a link", "https://example.org/a_b"), ("pre", "print(1)", "python"), ("blockquote", "quoted")}
    assert "• first\n• second" in message["text"]
    assert [words.split() for kind, words, *_ in marked(message) if kind == "pre" and "1" in words and "print" not in words]      # the table


def test_a_growing_answer_shows_what_is_open_as_if_it_were_closed(model):
    job = model.ask()
    model.say(job, "Look **here:\n\n```python\nprint(1)\nprint(")
    until(lambda: bot(model.world), "first words")
    (message,) = bot(model.world)
    assert message["text"].endswith("print(1)\nprint( …") and "`" not in message["text"]
    assert ("pre", "print(1)\nprint(", "python") in marked(message)
    model.say(job, "2)\n```\n\nAnd **this")
    until(lambda: "And this" in bot(model.world)[0]["text"], "the next words")
    assert marked(bot(model.world)[0])[-2:] == [("pre", "print(1)\nprint(2)", "python"), ("bold", "this")]
    model.finish(job, " too** it is.")
    model.ended(job)
    (message,) = bot(model.world)
    assert message["text"].endswith("print(1)\nprint(2)\n\nAnd this too it is.") and marked(message)[-1] == ("bold", "this too")


def test_words_that_become_bold_are_an_edit(model):
    job = model.ask()
    model.say(job, "It is **bold")
    until(lambda: bot(model.world) and marked(bot(model.world)[0]), "first words")
    model.finish(job, "")                                        # never closed, and so not bold at all
    model.ended(job)
    assert (bot(model.world)[0]["text"], marked(bot(model.world)[0])) == ("It is **bold", [])


def test_a_line_of_the_bot_is_no_markdown(model):
    job = model.ask()
    model.finish(job, "Half *of*", how="refused", line="refusal", about="I *may* not_do_it `now`.")
    model.ended(job)
    (message,) = bot(model.world)
    assert message["text"].startswith("Half of\n\n") and message["text"].endswith("I *may* not_do_it `now`.")
    assert marked(message) == [("italic", "of")]


def test_code_that_is_cut_is_code_in_both_messages(model):
    job = model.ask()
    model.finish(job, "```c\n" + "int the_name_of_it = 12345;\n" * 300 + "```")
    model.ended(job)
    parts = bot(model.world)
    assert len(parts) == 3
    for part in parts:
        assert marked(part) == [("pre", part["text"], "c")]


def test_many_entities_are_several_messages(model):
    job = model.ask()
    model.finish(job, "**word** and " * 250)
    model.ended(job)
    assert [len(marked(m)) for m in bot(model.world)] == [100, 100, 50]


def test_entities_that_are_refused_are_left_out_and_all_words_stay(model):
    model.world.expect_error("part 0 is refused")
    fault = model.world.fault("telegram", "status", {"method": "sendMessage"}, status=400, description="Bad Request: can't parse entities: what is this")
    job = model.ask()
    model.finish(job, "So **bold** " + words(500))
    assert model.ended(job) == "done"
    (message,) = bot(model.world)
    assert fired(model.world, fault) == 1 and message["text"] == "So bold " + words(500) and marked(message) == []


# ---- Telegram under trouble -----------------------------------------------------------------------------------


def fired(world, fault):
    return next(f["fired"] for f in world.control("faults")["faults"] if f["id"] == fault)


def test_a_pause_of_the_final_edit_survives_a_crash(model):
    job = model.ask()
    model.say(job, "First words of it")
    until(lambda: bot(model.world), "first words")
    fault = model.world.fault("telegram", "status", {"method": "editMessageText"}, status=429, retry_after=7)
    began = time.monotonic()
    model.finish(job, ", and the rest.")
    until(lambda: fired(model.world, fault), "the 429")
    until(lambda: model.world.redis.zcard(model.world.key("later")), "the wait to be kept")
    model.world.kill(model.world.of("outbound")[0])
    another(model.world)
    assert model.ended(job, 30) == "done"
    assert time.monotonic() - began >= 6.9
    assert [m["text"] for m in bot(model.world)] == ["First words of it, and the rest."]


def test_a_pause_while_the_model_works_holds_that_chat_only(model):
    fault = model.world.fault("telegram", "status", {"method": "sendMessage", "chat": CHAT}, status=429, retry_after=2)
    job = model.ask()
    model.say(job, "First words of it")
    until(lambda: fired(model.world, fault), "the 429")
    other = model.ask(6001)
    model.finish(other, "Not mine.")
    model.ended(other, 1.5)
    model.finish(job, ", and the rest.")
    model.ended(job)
    assert [m["text"] for m in bot(model.world)] == ["First words of it, and the rest."]
    assert len([c for c in model.world.calls(chat=CHAT, method="sendMessage")]) == 1


def test_a_send_whose_answer_was_lost_is_repeated_and_counted(model):
    model.world.fault("telegram", "lost_answer", {"method": "sendMessage"})
    job = model.ask()
    model.finish(job, "Perhaps twice.")
    model.ended(job)
    assert [m["text"] for m in bot(model.world)] == ["Perhaps twice."] * 2
    assert metric(model.world, "outbound_ambiguous_sends_total") == 1


def test_a_send_that_did_not_happen_is_repeated_and_not_counted(model):
    model.world.fault("telegram", "status", {"method": "sendMessage"}, status=429, retry_after=1, times=2)
    job = model.ask()
    model.finish(job, "Once.")
    model.ended(job)
    assert [m["text"] for m in bot(model.world)] == ["Once."]
    assert metric(model.world, "outbound_ambiguous_sends_total") == 0


def test_an_outage_means_a_late_answer_and_no_lost_one(model):
    fault = model.world.fault("telegram", "html502", {"method": "sendMessage"}, times=-1)
    job = model.ask()
    model.finish(job, "Late.")
    until(lambda: model.job(job)["queue"] == "later", "the job to be put off", 30)
    assert model.job(job)["attempts"] == "0"
    model.world.control(f"faults?id={fault}", method="DELETE")
    assert model.ended(job, 60) == "done"
    assert [m["text"] for m in bot(model.world)] == ["Late."]


def test_a_simulator_that_is_away_for_a_while_loses_nothing(model):
    job = model.ask()
    model.world.sim.kill()
    model.finish(job, "Still here.")
    time.sleep(1.5)
    (outbound,) = model.world.of("outbound")
    outbound.signal(signal.SIGSTOP)                             # until the new simulator knows the chat
    model.world.start_sim()
    model.world.control("chat", {"chat": CHAT})
    outbound.signal(signal.SIGCONT)
    assert model.ended(job, 30) == "done"
    assert [m["text"] for m in bot(model.world)] == ["Still here."]
    assert metric(model.world, "outbound_ambiguous_sends_total") == 0


def test_a_message_that_was_deleted_is_sent_anew(model):
    job = model.ask()
    model.say(job, "First words of it")
    (message,) = until(lambda: bot(model.world), "first words")
    model.world.control("delete_message", {"chat": CHAT, "message_id": message["id"]})
    model.say(job, " and then some more")
    until(lambda: bot(model.world), "the message anew")
    model.finish(job, ".")
    model.ended(job)
    assert [m["text"] for m in bot(model.world)] == ["First words of it and then some more."]
    assert metric(model.world, "outbound_ambiguous_sends_total") == 0


@pytest.mark.parametrize("description, edits, deletes", [
    ("Bad Request: message can't be edited", 2, True), ("Bad Request: message can't be edited", 2, False), ("Bad Request: BUTTON_DATA_INVALID", 4, True),
])
def test_a_message_that_cannot_be_edited_stands_still_and_gives_way_to_the_whole_answer(model, description, edits, deletes):
    model.world.expect_error("is refused")
    model.world.fault("telegram", "status", {"method": "editMessageText"}, status=400, times=-1, description=description)
    if not deletes:
        model.world.fault("telegram", "status", {"method": "deleteMessage"}, status=400, times=-1, description="Bad Request: no, thanks")
    job = model.ask()
    text = ""
    for n in range(10):
        model.say(job, f"word{n} and ")
        text += f"word{n} and "
        time.sleep(0.2)
    assert len(bot(model.world)) == 1
    model.finish(job, "the end.")
    assert model.ended(job) == "done"
    shown = [m["text"] for m in bot(model.world)]
    assert shown[-1] == text + "the end." and len(shown) == (1 if deletes else 2)
    methods = [c["method"] for c in model.world.calls(chat=CHAT)]
    assert methods.count("sendMessage") == 2 and methods.count("editMessageText") <= edits and methods.count("deleteMessage") <= 1


def test_who_blocked_the_bot_stops_the_model_and_costs_a_handful_of_calls(model):
    model.finish(first := model.ask(), "First.")
    model.ended(first)
    model.world.control("block", {"chat": CHAT, "blocked": True})
    job = model.ask()
    model.say(job, "Words for nobody")
    until(lambda: model.job(job).get("stop") == "gone", "the model to be stopped", 5)
    for _ in range(5):
        model.say(job, " and more")
        time.sleep(0.3)
    model.finish(job, how="stopped")
    assert model.ended(job) == "undeliverable"
    refused = model.world.control("counters")["counters"]
    assert sum(n for name, n in refused.items() if name.endswith(".403")) <= 3


def test_a_line_for_somebody_who_is_gone_is_undeliverable(model):
    model.world.control("chat", {"chat": CHAT, "gone": True})
    model.chats.add(CHAT)
    assert model.ended(model.line("help")) == "undeliverable"


def test_a_topic_that_is_gone_gets_its_answer_outside(model):
    model.world.control("chat", {"chat": GROUP, "type": "supergroup", "threads": [7]})
    job = model.ask(GROUP, topic="9")
    model.finish(job, "Anywhere.")
    assert model.ended(job) == "done"
    assert bot(model.world, GROUP)[0]["text"] == "Anywhere."


def test_a_group_that_has_moved_gets_its_answer_there(model):
    model.world.control("chat", {"chat": GROUP, "type": "supergroup"})
    model.world.control("chat", {"chat": -777, "type": "group", "migrate_to": GROUP})
    model.chats.add(-777)
    job = model.ask(-777)
    model.finish(job, "In the new place.")
    assert model.ended(job) == "done"
    assert bot(model.world, GROUP)[0]["text"] == "In the new place."


def test_a_text_that_telegram_never_takes_goes_to_the_dead_and_is_told_to_the_administrators(model):
    model.world.expect_error("is refused")
    model.world.redis.sadd(model.world.key("admins"), ADMIN)
    model.world.control("chat", {"chat": ADMIN})
    model.world.fault("telegram", "status", {"method": "sendMessage", "chat": CHAT}, status=400, times=-1,
                      description="Bad Request: message is too long")
    job = model.ask()
    model.finish(job, "Unspeakable.")
    assert model.ended(job) == "dead"
    (dead,) = model.world.dead()
    assert (dead["job"], dead["queue"], dead["chat"]) == (job, "outbound", str(CHAT)) and "message is too long" in dead["reason"]
    until(lambda: bot(model.world, ADMIN), "an alert")
    assert "message is too long" in bot(model.world, ADMIN)[0]["text"]


def test_a_text_that_telegram_takes_only_in_its_plainest_form_is_shown_like_that(model):
    model.world.expect_error("is refused")
    model.world.fault("telegram", "status", {"method": "sendMessage", "chat": CHAT}, status=400,
                      description="Bad Request: can't parse entities")
    job = model.ask()
    model.finish(job, "Odd.")
    assert model.ended(job) == "done"
    assert [m["text"] for m in bot(model.world)] == ["Odd."]


def test_who_is_gone_is_remembered_for_everybody(model):
    model.world.control("chat", {"chat": CHAT, "gone": True})
    model.chats.add(CHAT)
    job = model.ask()
    model.finish(job, "For nobody.")                             # never followed while it grew
    assert model.ended(job) == "undeliverable"
    assert model.world.redis.ttl(model.world.key(f"gone:{CHAT}")) > 50 * 86400


def test_a_group_that_moved_is_remembered_for_everybody(model):
    model.world.control("chat", {"chat": -777, "type": "group"})
    model.chats.add(-777)
    question = model.world.say(-777, "hello")["message_id"]
    model.world.control("migrate", {"chat": -777, "to": GROUP})
    job = model.ask(-777, message=question)
    model.finish(job, "In the new place.")
    assert model.ended(job) == "done"
    (message,) = bot(model.world, GROUP)
    assert message["text"] == "In the new place." and not message["reply_to"]    # ids of the old group mean other messages here
    assert model.world.redis.get(model.world.key(f"was:{GROUP}")) == "-777"


@pytest.mark.parametrize("grows", [True, False])
def test_a_group_where_it_may_not_write_costs_little_and_its_administrators_hear_of_it(model, grows):
    model.world.redis.sadd(model.world.key("admins"), ADMIN)
    model.world.control("chat", {"chat": ADMIN})
    model.world.control("chat", {"chat": GROUP, "type": "supergroup", "can_send": False})
    model.chats.add(GROUP)
    job = model.ask(GROUP)
    if grows:
        model.say(job, "Words for nobody")
        until(lambda: model.job(job).get("stop") == "gone", "the model to be stopped", 5)
    model.finish(job, how="stopped")
    assert model.ended(job) == "undeliverable"
    assert len(model.world.calls(method="sendMessage", chat=GROUP)) <= 1 and not model.world.dead()
    gone = model.world.key(f"gone:{GROUP}")
    assert model.world.redis.get(gone) == "mute" and model.world.redis.ttl(gone) <= 600
    until(lambda: str(GROUP) in str(bot(model.world, ADMIN)), "a word to the administrators")
    log = model.world.of("outbound")[0].text()
    assert log.count("nobody can be shown this") == 1 and " W outbound" not in log


def test_a_closed_topic_ends_its_answer_and_not_the_chat(model):
    model.world.control("chat", {"chat": GROUP, "type": "supergroup", "threads": [7, 8], "closed_threads": [7]})
    model.chats.add(GROUP)
    job = model.ask(GROUP, topic="7")
    model.say(job, "Words for nobody")
    until(lambda: model.job(job).get("stop") == "stop", "the model to be stopped", 5)
    model.finish(job, how="stopped")
    assert model.ended(job) == "undeliverable"
    assert not model.world.redis.exists(model.world.key(f"gone:{GROUP}")) and not model.world.dead()
    other = model.ask(GROUP, topic="8")
    model.finish(other, "Open.")
    assert model.ended(other) == "done"


def test_slow_mode_holds_the_group_for_as_long_as_it_says(model):
    model.world.control("chat", {"chat": GROUP, "type": "supergroup", "slow_mode": 3})
    model.chats.add(GROUP)
    fault = model.world.fault("telegram", "status", {"method": "sendMessage", "chat": GROUP}, status=400, description="Bad Request: SLOWMODE_WAIT_2")
    began = time.monotonic()
    for n in range(2):
        job = model.ask(GROUP)
        model.finish(job, f"Answer {n}")
        assert model.ended(job, 30) == "done"
    assert time.monotonic() - began >= 4.9
    assert fired(model.world, fault) == 1 and [m["text"] for m in bot(model.world, GROUP)] == ["Answer 0", "Answer 1"]


def test_a_send_that_was_executed_in_silence_may_appear_twice_and_is_not_lost(model):
    fault = model.world.fault("telegram", "executed_hang", {"method": "sendMessage"})
    job = model.ask()
    model.finish(job, "Perhaps twice.")
    until(lambda: fired(model.world, fault), "the call")
    assert model.ended(job, 30) == "done"
    assert [m["text"] for m in bot(model.world)] == ["Perhaps twice."] * 2
    assert metric(model.world, "outbound_ambiguous_sends_total") == 1


def test_hours_of_pause_are_not_spent_in_a_process(model):
    fault = model.world.fault("telegram", "status", {"method": "sendMessage"}, status=429, retry_after=9000)
    job = model.ask()
    model.finish(job, "In two hours and a half.")
    due = until(lambda: model.world.redis.zscore(model.world.key("later"), f"conv:{CHAT}"), "the wait to be kept")
    assert due > (time.time() + 8990) * 1000
    assert model.world.redis.pttl(model.world.key(f"pause:{CHAT}")) > 8990000
    model.world.stop(model.world.of("outbound")[0])
    another(model.world)
    other = model.ask(6001)
    model.finish(other, "Not mine.")
    assert model.ended(other) == "done"
    assert fired(model.world, fault) == 1 and not model.world.calls(chat=CHAT)
    model.world.redis.delete(model.world.key(f"pause:{CHAT}"))
    model.world.redis.zadd(model.world.key("later"), {f"conv:{CHAT}": 1})
    assert model.ended(job) == "done"


@pytest.mark.parametrize("paced", [True, False])
def test_a_flood_everywhere_silences_the_bot_until_it_is_over(tmp_path, paced):
    rates = {"TELEGRAM_RATE_GLOBAL": "30", "TELEGRAM_RATE_CHAT": "1"} if paced else {}
    with World(tmp_path, {**SETTINGS, **rates}) as world:
        model = Model(world)
        another(world)
        first = [model.ask(6000 + n) for n in range(6)]            # one of the two has three of them at least
        later = [model.ask(6100 + n) for n in range(20)]
        world.control("telegram", {"flood_s": 4})
        began = time.monotonic()
        for job in first:
            model.finish(job, "First.")
        until(lambda: world.redis.pttl(world.key("pause:all")) > 0, "the bot to be silent", 3)
        for job in later:
            model.finish(job, "Later.")
        for job in first + later:
            assert model.ended(job, 30) == "done"
        assert time.monotonic() - began > 3.5
        counters = world.control("counters")["counters"]
        assert counters["telegram.sendMessage.429"] <= 10, counters       # not one for each of the twenty
        world.at_rest()


def test_a_refused_token_loses_nothing(model):
    model.world.expect_error("does not accept the token")
    fault = model.world.fault("telegram", "status", {}, status=401, times=-1, description="Unauthorized")
    job = model.ask()
    model.finish(job, "After all.")
    until(lambda: model.job(job)["queue"] == "later", "the job to be put off", 30)
    model.world.control(f"faults?id={fault}", method="DELETE")
    assert model.ended(job, 60) == "done"
    assert [m["text"] for m in bot(model.world)] == ["After all."]


# ---- who holds it ---------------------------------------------------------------------------------------------


def test_another_one_goes_on_when_the_first_is_killed(model):
    job = model.ask()
    model.say(job, "First words of it")
    until(lambda: model.job(job).get("part:0", "S") != "S", "first words")
    model.world.kill(model.world.of("outbound")[0])
    another(model.world)
    model.say(job, " that another one shows")
    until(lambda: "another" in bot(model.world)[0]["text"], "the other one", 15)
    model.finish(job, " to its end.")
    assert model.ended(job, 15) == "done"
    assert [m["text"] for m in bot(model.world)] == ["First words of it that another one shows to its end."]


def test_a_long_job_is_handed_over_when_its_holder_is_told_to_end(model):
    job = model.ask()
    model.say(job, "First words of it")
    until(lambda: bot(model.world), "first words")
    first = model.world.of("outbound")[0]
    another(model.world)
    began = time.monotonic()
    model.world.stop(first)
    assert time.monotonic() - began < 3
    model.say(job, " that another one shows")
    until(lambda: "another" in bot(model.world)[0]["text"], "the other one", 3)
    model.finish(job, ".")
    model.ended(job)
    assert len(bot(model.world)) == 1


def test_a_call_in_flight_is_finished_before_the_end(model):
    fault = model.world.fault("telegram", "delay", {"method": "sendMessage"}, ms=1500)
    job = model.ask()
    model.finish(job, "Slowly.")
    until(lambda: fired(model.world, fault), "the call")
    model.world.stop(model.world.of("outbound")[0])
    another(model.world)
    model.ended(job)
    assert [m["text"] for m in bot(model.world)] == ["Slowly."]


def test_a_call_that_hangs_does_not_keep_it_from_ending(model):
    fault = model.world.fault("telegram", "hang", {"method": "sendMessage"})
    job = model.ask()
    model.finish(job, "Later.")
    until(lambda: fired(model.world, fault), "the call")
    model.world.stop(model.world.of("outbound")[0])
    another(model.world)
    model.ended(job, 30)
    assert "Later." in [m["text"] for m in bot(model.world)]


@pytest.mark.parametrize("step", ["take", "mark_part", "show_part", "judge_call", "keep_mark", "kept", "commit", "committed"])
def test_killed_at_any_step_the_answer_comes_and_at_most_once_too_often(tmp_path, step):
    with World(tmp_path, SETTINGS) as world:
        model = Model(world)
        doomed = world.start("outbound", GPTTG_KILL_AT=step)
        job = model.ask()
        model.say(job, "Some words, ")
        until(lambda: not doomed.alive() or bot(world), "the crash or words", 10)
        model.finish(job, "and the end.")
        until(lambda: not doomed.alive(), "the crash", 10)
        world.kill(doomed)
        another(world)
        assert model.ended(job, 20) == "done"
        shown = [m["text"] for m in bot(world)]
        assert shown[-1] == "Some words, and the end." and len(shown) <= (2 if step in ("judge_call", "keep_mark") else 1), shown
        world.at_rest()


def test_who_was_held_up_and_replaced_takes_his_message_back(tmp_path):
    with World(tmp_path, {**SETTINGS, "TAKEOVER_MS": "1000"}) as world:
        model = Model(world)
        late = world.start("outbound", GPTTG_STOP_AT="judge_call")
        job = model.ask()
        model.finish(job, "Only once in the end.")
        until(lambda: len(bot(world)) == 1, "the first message")
        another(world)
        assert model.ended(job, 15) == "done"
        assert len(bot(world)) == 2
        late.signal(signal.SIGCONT)
        until(lambda: len(bot(world)) == 1, "the first one's message to go")
        assert bot(world)[0]["text"] == "Only once in the end."
        world.at_rest()


def test_an_edit_that_comes_late_does_not_stay_over_the_final_one(model):
    job = model.ask()
    model.say(job, "First words of it")
    until(lambda: bot(model.world), "first words")
    model.world.fault("telegram", "delay", {"method": "editMessageText"}, ms=7000)
    model.say(job, " and more")
    time.sleep(1.5)
    model.finish(job, ", and the end.")
    assert model.ended(job, 30) == "done"
    edits = [c["params"]["text"] for c in model.world.calls(chat=CHAT, method="editMessageText")]
    assert bot(model.world)[0]["text"] == "First words of it and more, and the end.", edits


def test_an_entry_of_no_job_goes_to_the_dead(model):
    model.world.redis.xadd(model.world.key("outbound"), {"kind": "follow", "job": "no-such", "chat": "5", "user": "5", "at": "1", "conv": "5"})
    model.world.redis.xadd(model.world.key("outbound"), {"kind": "dance", "job": "x", "chat": "5", "user": "5", "at": "1"})
    until(lambda: len(model.world.dead()) == 2, "two dead entries")
    assert {d["kind"] for d in model.world.dead()} >= {"dance"}


def too_many(calls, rate, burst):
    """By how many calls a bucket of that rate and burst was overrun at worst, over all spans of time."""
    times = sorted(c["at_ms"] for c in calls)
    return max((j - i + 1 - burst - rate * (times[j] - times[i]) / 1000 for i in range(len(times)) for j in range(i, len(times))), default=0)


@pytest.mark.settings(TELEGRAM_RATE_GLOBAL="30", TELEGRAM_RATE_CHAT="1")
def test_a_chat_is_spoken_to_at_its_own_pace_by_two_processes(model):
    another(model.world)
    model.world.control("chat", {"chat": GROUP, "type": "supergroup"})
    model.chats.add(GROUP)
    jobs = [model.line("help", CHAT) for _ in range(9)] + [model.line("help", GROUP) for _ in range(5)]
    for job in jobs:
        assert model.ended(job, 40) == "done"
    private, group = (model.world.calls(chat=chat, method="sendMessage") for chat in (CHAT, GROUP))
    assert len(private) == 9 and len(group) == 5
    assert too_many(private, 1, 3) < 0.3, [c["at_ms"] for c in private]         # what the way to us bunches
    assert too_many(group, 20 / 60, 3) < 0.3, [c["at_ms"] for c in group]


@pytest.mark.settings(TELEGRAM_RATE_GLOBAL="30", TELEGRAM_RATE_CHAT="1")
def test_growing_answers_keep_to_the_pace_as_well(model):
    another(model.world)
    jobs = [model.ask(6000 + n) for n in range(60)]
    for turn in range(12):
        for job in jobs:
            model.say(job, f"word{turn} and ")
        time.sleep(0.25)
    for job in jobs:
        model.finish(job, "the end.")
    for job in jobs:
        assert model.ended(job, 30) == "done"
    calls = [c for c in model.world.calls() if c["method"] in ("sendMessage", "editMessageText")]
    print("calls", len(calls), "over", too_many(calls, 30, 5))
    assert too_many(calls, 30, 5) <= 4
    for n in range(60):
        assert too_many([c for c in calls if c["chat"] == 6000 + n], 1, 3) <= 0.5


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.settings(TELEGRAM_RATE_GLOBAL="30", TELEGRAM_RATE_CHAT="1")
def test_a_crowd_is_answered_at_the_pace_that_telegram_allows(model, processes):
    for _ in range(1, processes):
        another(model.world)
    jobs = [model.ask(6000 + n) for n in range(120)]
    for n, job in enumerate(jobs):
        model.finish(job, f"Answer {n}")
    for job in jobs:
        assert model.ended(job, 20) == "done"
    sends = sorted(c["at_ms"] for c in model.world.calls(method="sendMessage"))
    assert len(sends) == 120
    busiest = max(sum(1 for t in sends if at <= t < at + 1000) for at in sends)
    print("busiest", busiest, "took", sends[-1] - sends[0])
    assert busiest <= 38, busiest                                # the rate, a burst of a sixth, and what the way to us bunches
    assert 3600 <= sends[-1] - sends[0] <= 5000                  # and the steady rate is reached


@pytest.mark.parametrize("text, shows", [("https://example.org/a_b?c=1", True), ("[The page](https://example.org)", True), ("<https://example.org>", True),
                                         ("See https://example.org", False), ("https://example.org\n\nhttps://example.com", False),
                                         ("[The page](https://example.org) and more", False), ("*https*", False)])
def test_only_an_answer_that_is_one_link_shows_its_page(model, text, shows):
    job = model.ask()
    model.finish(job, text)
    model.ended(job)
    (call,) = model.world.calls(chat=CHAT)
    assert ("link_preview_options" not in call["params"]) == shows


def test_a_link_that_grew_shows_its_page_at_the_end(model):
    job = model.ask()
    model.say(job, "https://example.org/a/long/address/of")
    until(lambda: bot(model.world), "first words")
    model.finish(job, "/a/page")
    model.ended(job)
    first, *_, last = [c["params"] for c in model.world.calls(chat=CHAT) if c["method"] != "sendChatAction"]
    assert first["link_preview_options"] == {"is_disabled": True} and last["text"].endswith("/a/page") and "link_preview_options" not in last


# ---- how it is shown while it grows ---------------------------------------------------------------------------

DRAFTS = pytest.mark.settings(STREAM_TRANSPORT="draft")


def drafts(world, chat=CHAT):
    return [c for c in world.calls(method="sendMessageDraft") if c["params"]["chat_id"] == chat]


def methods(world, chat=CHAT):
    return {c["method"] for c in world.calls(chat=chat) if c["method"] != "sendChatAction"}


@DRAFTS
def test_a_draft_grows_and_one_message_is_left(model):
    job = model.ask()
    text = ""
    for n in range(12):
        model.say(job, f"**word{n}** and ")
        text += f"word{n} and "
        time.sleep(0.15)
    until(lambda: (model.world.chat(CHAT)["draft"] or {"text": ""})["text"].startswith("word0 and"), "a draft")
    draft = model.world.chat(CHAT)["draft"]
    assert draft["draft_id"] == int(job.split("-")[0]) and draft["can_stop"] and draft["entities"][0]["type"] == "bold" and not bot(model.world)
    model.finish(job, "the end.")
    assert model.ended(job) == "done"
    (message,) = bot(model.world)
    assert message["text"] == text + "the end." and message["edits"] == 0 and model.world.chat(CHAT)["draft"] is None
    assert methods(model.world) == {"sendMessageDraft", "sendMessage"}
    shown = drafts(model.world)
    assert 3 <= len(shown) <= 8 and all(a["params"]["text"] != b["params"]["text"] for a, b in zip(shown, shown[1:]))
    gaps = [b["at_ms"] - a["at_ms"] for a, b in zip(shown, shown[1:])]
    assert all(g >= 290 for g in gaps), gaps                    # they count as edits
    assert all(not {"reply_markup", "reply_parameters", "link_preview_options", "parse_mode"} & c["params"].keys() for c in shown)


@DRAFTS
def test_a_group_has_no_drafts_but_edits(model):
    model.world.control("chat", {"chat": GROUP, "type": "supergroup"})
    job = model.ask(GROUP)
    model.say(job, "In a group the words ")
    until(lambda: bot(model.world, GROUP), "first words")
    model.say(job, "are edited into ")
    until(lambda: "edited" in bot(model.world, GROUP)[0]["text"], "an edit")
    model.finish(job, "one message.")
    assert model.ended(job) == "done"
    assert methods(model.world, GROUP) == {"sendMessage", "editMessageText"}


@DRAFTS
def test_a_silence_is_a_draft_as_well_and_leaves_nothing(model):
    job = model.ask(lang="ru")
    until(lambda: model.world.chat(CHAT)["draft"], "a status line", 6)
    assert model.world.chat(CHAT)["draft"]["text"] == "Думаю…" and not bot(model.world)
    model.finish(job, "Here it is.")
    assert model.ended(job) == "done"
    assert [m["text"] for m in bot(model.world)] == ["Here it is."] and bot(model.world)[0]["edits"] == 0


@DRAFTS
def test_of_a_long_answer_the_last_part_is_a_draft(model):
    job = model.ask()
    text = words(1500)
    for at in range(0, len(text), 1500):
        model.say(job, text[at:at + 1500])
        time.sleep(0.05)
    until(lambda: (model.world.chat(CHAT)["draft"] or {"text": ""})["text"].endswith("word1499"), "the last part as a draft")
    assert len(bot(model.world)) == 3
    model.finish(job)
    assert model.ended(job) == "done"
    parts = [m["text"] for m in bot(model.world)]
    assert " ".join(parts) == text and all(m["edits"] == 0 for m in bot(model.world))


@DRAFTS
@pytest.mark.parametrize("text", ["And then nothing happened for long", ""])
def test_a_draft_that_fades_is_shown_again(model, text):
    job = model.ask()
    model.say(job, text)
    until(lambda: drafts(model.world), "a draft", 6)
    until(lambda: len(drafts(model.world)) == 2, "the same again", 30)
    first, second = drafts(model.world)
    assert first["params"] == second["params"] and 24_000 < second["at_ms"] - first["at_ms"] < 29_000
    typed = model.world.calls(chat=CHAT, method="sendChatAction")
    assert all(c["at_ms"] < first["at_ms"] for c in typed)      # typing would come over it
    model.finish(job, "The end.")
    assert model.ended(job) == "done"


@DRAFTS
def test_a_pause_for_drafts_does_not_hold_the_answer(model):
    fault = model.world.fault("telegram", "status", {"method": "sendMessageDraft"}, status=429, retry_after=60)
    job = model.ask()
    model.say(job, "Some words of an answer ")
    until(lambda: fired(model.world, fault), "a draft")
    model.say(job, "and more of them ")
    model.finish(job, "to the end.")
    assert model.ended(job, 5) == "done"
    assert [m["text"] for m in bot(model.world)] == ["Some words of an answer and more of them to the end."]
    assert methods(model.world) == {"sendMessage"}


@DRAFTS
def test_where_drafts_are_not_taken_messages_are_edited(model):
    model.world.fault("telegram", "status", {"method": "sendMessageDraft"}, status=404, description="Not Found", times=-1)
    job = model.ask()
    model.say(job, "Some words of an answer ")
    until(lambda: bot(model.world), "a message")
    model.finish(job, "to the end.")
    assert model.ended(job) == "done"
    assert [m["text"] for m in bot(model.world)] == ["Some words of an answer to the end."]
    assert methods(model.world) == {"sendMessage", "editMessageText"}


@DRAFTS
def test_whoever_dies_over_a_draft_leaves_no_message(model):
    job = model.ask()
    model.say(job, "Some words of an answer ")
    until(lambda: drafts(model.world), "a draft")
    model.world.kill(model.world.of("outbound")[0])
    another(model.world)
    model.say(job, "and more of them ")
    until(lambda: model.world.chat(CHAT)["draft"]["text"].endswith("more of them"), "the draft to go on")
    model.finish(job, "to the end.")
    assert model.ended(job) == "done"
    assert [m["text"] for m in bot(model.world)] == ["Some words of an answer and more of them to the end."]
    assert len({c["params"]["draft_id"] for c in drafts(model.world)}) == 1


@pytest.mark.settings(STREAM_TRANSPORT="off")
def test_without_streaming_the_answer_comes_whole(model):
    job = model.ask()
    model.say(job, "Some words of an answer ")
    until(lambda: model.world.chat(CHAT)["actions"], "typing")
    until(lambda: bot(model.world), "a status line", 6)
    assert bot(model.world)[0]["text"] == "Thinking…"
    model.finish(job, "to the end.")
    assert model.ended(job) == "done"
    (message,) = bot(model.world)
    assert message["text"] == "Some words of an answer to the end." and message["edits"] == 1


# ---- an answer of too many messages -----------------------------------------------------------------------------


def paragraphs(n):
    """Markdown of about n messages."""
    return "\n\n".join(f"**paragraph {i}** " + "word " * 180 for i in range(n * 4)).strip()


@pytest.mark.settings(MAX_ANSWER_PARTS="3")
@pytest.mark.parametrize("grows", [False, True])
def test_behind_too_many_messages_the_whole_answer_comes_as_a_file(model, grows):
    job = model.ask()
    text = paragraphs(6)
    for at in range(0, len(text) if grows else 0, 6000):
        model.say(job, text[at:at + 6000])
        time.sleep(0.1)
    if grows:
        until(lambda: len(bot(model.world)) == 3, "three messages")
    model.finish(job, "" if grows else text)
    assert model.ended(job) == "done"
    *parts, last = bot(model.world)
    assert len(parts) == 3 and parts[0]["text"].startswith("paragraph 0 word") and all(m["kind"] == "text" for m in parts)
    assert last["kind"] == "document" and last["document"]["file_name"] == "answer.md" and last["document"]["mime_type"] == "text/markdown"
    assert last["document"]["file_size"] == len(text.encode()) and "This file has all of it" in last["text"]
    assert [model.job(job)[f"part:{i}"] for i in range(4)] == [*[str(m["id"]) for m in parts], f"-{last['id']}"]
    sends = [c["method"] for c in model.world.calls(chat=CHAT) if c["method"].startswith("send") and c["method"] != "sendChatAction"]
    assert sends == ["sendMessage"] * 3 + ["sendDocument"]


@pytest.mark.settings(MAX_ANSWER_PARTS="3")
def test_an_answer_of_just_so_many_messages_has_no_file(model):
    job = model.ask()
    model.finish(job, words(1200))
    model.ended(job)
    assert [m["kind"] for m in bot(model.world)] == ["text"] * 3


@pytest.mark.settings(MAX_ANSWER_PARTS="2")
def test_a_line_of_ours_stands_before_the_file(model):
    job = model.ask()
    model.finish(job, paragraphs(4), how="incomplete", line="incomplete_length")
    model.ended(job)
    first, second, last = bot(model.world)
    assert "length" in second["text"].splitlines()[-1] and last["kind"] == "document"
    assert "inline_keyboard" in last["reply_markup"] and "reply_markup" not in second           # to ask again


@pytest.mark.settings(MAX_ANSWER_PARTS="2")
def test_where_files_are_not_taken_all_of_it_comes_in_messages(model):
    model.world.fault("telegram", "status", {"method": "sendDocument"}, status=400, times=-1,
                      description="Bad Request: not enough rights to send documents to the chat")
    job = model.ask()
    text = words(2500)
    model.finish(job, text)
    assert model.ended(job) == "done"
    assert " ".join(m["text"] for m in bot(model.world)) == text and model.job(job)["part:whole"] == "1"


@pytest.mark.settings(MAX_ANSWER_PARTS="2")
def test_a_file_whose_answer_is_lost_is_sent_again(model):
    model.world.fault("telegram", "lost_answer", {"method": "sendDocument"})
    job = model.ask()
    model.finish(job, words(2500))
    assert model.ended(job, 40) == "done"
    assert [m["kind"] for m in bot(model.world)] == ["text", "text", "document", "document"]
    assert metric(model.world, "outbound_ambiguous_sends_total") == 1


@pytest.mark.settings(MAX_ANSWER_PARTS="2")
def test_whoever_takes_over_after_the_file_sends_nothing_more(model):
    hold = model.world.fault("telegram", "delay", {"method": "sendDocument"}, ms=3000)
    job = model.ask()
    model.finish(job, words(2500))
    until(lambda: model.job(job).get("part:2") == "S" and fired(model.world, hold), "the file to be on its way")
    model.world.kill(model.world.of("outbound")[0])
    another(model.world)
    assert model.ended(job, 40) == "done"
    kinds = [m["kind"] for m in bot(model.world)]
    assert kinds[:2] == ["text", "text"] and set(kinds[2:]) == {"document"} and len(kinds) <= 4        # twice is better than never


@pytest.mark.settings(MAX_ANSWER_PARTS="2")
def test_a_retry_takes_the_file_away(model):
    job = model.ask()
    model.finish(job, words(2500), how="stopped")
    model.ended(job)
    assert bot(model.world)[-1]["kind"] == "document"
    model.update += 1
    now = int(time.time() * 1000)
    new = f"{model.update}-{now}"
    asked = {"chat": CHAT, "user": CHAT, "lang": "en", "update": model.update, "at": now, "asked": now // 1000}
    flat = [x for pair in asked.items() for x in pair]
    assert model.run("retry", model.update, new, str(CHAT), job, len(asked), *flat) == "ok"
    model.finish(new, "A short one now.")
    assert model.ended(new) == "done"
    assert [(m["kind"], m["text"]) for m in bot(model.world)] == [("text", "A short one now.")]
