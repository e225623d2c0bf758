"""Many kills of ingest and outbound while people talk: no question is lost, none is asked or answered twice.

25 kills, 200 with GPTTG_FULL=1. A message may stand twice only where its sender died between the call and the note of its id:
whoever takes over cannot know, says so in its log, and sends again; twice is better than never.
"""
import collections
import os
import random
import re

import pytest

from world import World, free_port, until

KILLS = 200 if os.environ.get("GPTTG_FULL") else 25
CHATS = range(5001, 5041)
OPEN_MOST, BATCH = 60, 20
COUNTS = {"ingest": 2, "outbound": 3, "llm": 1, "ledger": 1}


@pytest.fixture(params=["polling", "webhook"])
def world(request, tmp_path):
    hook = free_port()
    webhook = {"WEBHOOK_URL": f"http://127.0.0.1:{hook}/hook", "WEBHOOK_LISTEN": f"127.0.0.1:{hook}"} if request.param == "webhook" else {}
    with World(tmp_path, {"LANE_MAX": "1000", **webhook}) as made:
        made.control("telegram", {"webhook_timeout_ms": 3000, "webhook_cap_ms": 1000})
        for service, count in COUNTS.items():
            for _ in range(count):
                made.start(service)
        yield made


class Load:
    def __init__(self, world):
        self.world, self.asked = world, 0

    def keep_up(self):
        """New questions, as long as not too many are open."""
        if self.asked - self.counter("openai.responses.completed") < OPEN_MOST:
            texts = [f"q{n:05} [[deltas=10 delta_ms=15]]" for n in range(self.asked, self.asked + BATCH)]
            self.world.control("messages", {"messages": [{"chat": chat_of(self.asked + i), "text": text} for i, text in enumerate(texts)]})
            self.asked += BATCH

    def counter(self, name):
        return self.world.control("counters")["counters"].get(name, 0)

    def done(self, service):
        """What one kind of program has brought about so far."""
        found = self.world.control("counters")
        if service == "ingest":
            return self.asked - sum(bot["pending"] for bot in found["bots"])
        return sum(found["counters"].get(f"telegram.{method}", 0) for method in ("sendMessage", "editMessageText"))


def chat_of(n):
    return CHATS[n % len(CHATS)]


def test_nothing_is_lost_or_doubled(world):
    dice, load, killed = random.Random(20261123), Load(world), {"ingest": 0, "outbound": 0}
    load.keep_up()
    until(lambda: load.done("outbound") > 0, "the first answer")
    for _ in range(KILLS):
        service = dice.choice(list(killed))
        goal = load.done(service) + dice.randint(1, 25)

        def under_way():
            load.keep_up()
            return load.done(service) >= goal
        until(under_way, f"{service} to be at work after {killed}", 60)
        world.kill(dice.choice(world.of(service)))
        killed[service] += 1
        world.start(service)
    until(lambda: load.done("ingest") == load.asked, "every update to be taken", 60)
    world.at_rest(60)
    print(killed, judge(world, load.asked))


def judge(world, asked):
    responses = world.responses()
    assert sorted(r["question"] for r in responses) == [f"q{n:05}" for n in range(asked)]
    answers = {r["question"]: "".join(r["answer"].split()) for r in responses}
    twice = collections.Counter()
    for first, chat in enumerate(CHATS):
        order = []
        for text in world.shown(chat):
            found = re.search(r"«(q\d+)»", text)
            whole = found and "".join(text.split()) == answers[found[1]] and found[1] not in order
            if whole:
                order.append(found[1])
                continue
            begun = "".join(text.removesuffix(" …").split())     # or a status, which says nothing of its question
            assert text == "Thinking…" or any(a.startswith(begun) for q, a in answers.items() if not found or q == found[1]), text
            twice["answers" if found and begun == answers[found[1]] else "beginnings"] += 1
        assert order == [f"q{n:05}" for n in range(first, asked, len(CHATS))], chat
    logs = [p.text() for p in [*world.ended, *world.programs.values()] if p.name.startswith("outbound")]
    ambiguous = sum(text.count("may have been sent before") for text in logs)
    assert twice.total() <= ambiguous
    billed, rows = world.control("billed"), world.rows()
    assert sum(r["output_tokens"] for r in rows) == billed["output_tokens"] and sum(r["input_tokens"] for r in rows) == billed["input_tokens"]
    assert not world.dead()
    return {"questions": asked, "sent by somebody who died before he noted it": dict(twice)}
