"""kill -9 of anything at any time: nothing is lost, doubled, misordered or misbilled."""
import signal

import pytest

from world import some, steps_of, until

CHAT = 5001


def told(world, chat):
    """The answers that stand in the chat. What stands beside them was sent by somebody who died before he noted its id: whoever sent it
    again has said so."""
    answers, whole, orphans = [r["answer"].strip() for r in world.responses()], [], []
    for text in world.shown(chat):
        (whole if text in answers and text not in whole else orphans).append(text)
    logs = [p.text() for p in [*world.ended, *world.programs.values()] if p.name.startswith("outbound")]
    assert len(orphans) <= sum(text.count("may have been sent before") for text in logs), orphans
    for text in orphans:
        assert text == "Thinking…" or any(a.startswith(text.removesuffix(" …")) for a in answers), text
    return whole


def judged(world, questions, chat=CHAT):
    """Every question answered exactly once and in order, the chain linear, the ledger equal to the bill."""
    for question in questions:
        world.answer(chat, f"«{question}»", 60)
    world.at_rest(60)
    assert [t.split("«")[1].split("»")[0] for t in told(world, chat)] == questions
    billed = world.control("billed")
    rows = world.rows()
    assert sum(r["output_tokens"] for r in rows) == billed["output_tokens"] and sum(r["input_tokens"] for r in rows) == billed["input_tokens"]
    assert world.dead() == []


@pytest.mark.parametrize("step", [s for s in steps_of("llm") if s in (
    "take", "plan", "begin", "judge_begin", "ask", "judge_answer", "settle", "hush", "commit", "committed", "let_go")])
def test_llm_is_killed_right_before(world, step):
    world.stop(world.of("llm")[0])
    world.start("llm", GPTTG_KILL_AT=step)
    world.say(CHAT, "one [[deltas=20 delta_ms=10]]")
    world.say(CHAT, "two")
    (victim,) = [p for p in world.programs.values() if p.name.startswith("llm")]
    until(lambda: not victim.alive(), f"llm to die at {step}")
    world.kill(victim)
    world.start("llm")
    judged(world, ["one", "two"])


@pytest.mark.settings(STREAM_TRANSPORT="draft", MAX_ANSWER_PARTS="2")
@pytest.mark.parametrize("step", [s for s in some(steps_of("outbound")) if "picture" not in s])
def test_outbound_is_killed_right_before_with_drafts_and_a_file(world, step):
    world.stop(world.of("outbound")[0])
    victim = world.start("outbound", GPTTG_KILL_AT=step)
    world.say(CHAT, "one [[deltas=30 delta_ms=30 words=2500]]")
    until(lambda: not victim.alive() or len(world.shown(CHAT)) > 1, f"outbound to die at {step}, or to come past it")
    world.kill(victim)
    world.start("outbound")
    until(lambda: any(m["kind"] == "document" for m in world.bot_messages(CHAT)), "the file", 60)
    world.at_rest(60)
    kinds = [m["kind"] for m in world.bot_messages(CHAT)]
    assert kinds[0] == "text" and kinds[-1] == "document" and 3 <= len(kinds) <= 4 and len(world.responses()) == 1       # one may come twice
    assert world.chat(CHAT)["draft"] is None


@pytest.mark.parametrize("step", some(steps_of("outbound")))
def test_outbound_is_killed_right_before(world, step):
    world.stop(world.of("outbound")[0])
    victim = world.start("outbound", GPTTG_KILL_AT=step)
    world.say(CHAT, "one [[deltas=30 delta_ms=30]]")
    until(lambda: not victim.alive() or world.shown(CHAT), f"outbound to die at {step}, or to come past it")
    world.kill(victim)
    world.start("outbound")
    world.answer(CHAT, "«one»", 60)
    world.at_rest(60)
    assert 1 <= len(world.shown(CHAT)) <= 2 and len(world.responses()) == 1
    whole = world.responses()[0]["answer"].strip()          # what may stand beside it is the beginning whose id nobody learned
    assert whole in world.shown(CHAT) and all(whole.startswith(t.removesuffix(" …")) for t in world.shown(CHAT))


@pytest.mark.parametrize("service", ["ingest", "llm", "ledger", "outbound", "media"])
def test_any_one_is_killed_in_mid_answer_and_comes_back(world, service):
    world.say(CHAT, "one [[deltas=60 delta_ms=40]]")
    until(lambda: world.shown(CHAT), "first words")
    world.kill(world.of(service)[0])
    world.say(CHAT, "two")
    world.start(service)
    judged(world, ["one", "two"])


@pytest.mark.counts(llm=2, outbound=2, ingest=2, ledger=2)
@pytest.mark.parametrize("service", ["ingest", "llm", "ledger", "outbound"])
def test_another_one_takes_over(world, service):
    world.say(CHAT, "one [[deltas=80 delta_ms=40]]")
    until(lambda: world.shown(CHAT), "first words")
    world.kill(world.of(service)[0])
    world.say(CHAT, "two")
    judged(world, ["one", "two"])


def test_redis_is_killed_in_mid_answer(world):
    world.say(CHAT, "one [[deltas=60 delta_ms=40]]")
    until(lambda: world.shown(CHAT), "first words")
    world.kill_redis()
    world.start_redis()
    world.say(CHAT, "two")
    judged(world, ["one", "two"])


def test_everything_is_killed_at_once(world):
    world.control("messages", {"chat": CHAT, "texts": [f"q{n} [[deltas=20 delta_ms=20]]" for n in range(4)]})
    until(lambda: world.shown(CHAT), "first words")
    for program in list(world.programs.values()):
        world.kill(program)
    world.kill_redis()
    world.start_redis()
    world.start_all()
    for n in range(4):
        world.answer(CHAT, f"«q{n}»", 60)
    world.at_rest(60)
    assert len(world.responses()) <= 5 and len(world.shown(CHAT)) <= 5


@pytest.mark.counts(llm=2, outbound=2)
def test_a_frozen_worker_that_wakes_up_does_no_harm(world):
    world.say(CHAT, "one [[deltas=60 delta_ms=50]]")
    until(lambda: world.shown(CHAT), "first words")
    frozen = [*world.of("llm")[:1], *world.of("outbound")[:1]]
    for program in frozen:
        program.signal(signal.SIGSTOP)
    world.answer(CHAT, "«one»", 60)
    for program in frozen:
        program.signal(signal.SIGCONT)
    world.say(CHAT, "two")
    judged(world, ["one", "two"])


@pytest.mark.parametrize("service", ["llm", "outbound", "ingest", "ledger"])
def test_sigterm_hands_over_in_mid_answer(world, service):
    world.say(CHAT, "one [[deltas=100 delta_ms=40]]")
    until(lambda: world.shown(CHAT), "first words")
    world.start(service)
    world.stop(world.of(service)[0])
    judged(world, ["one"])


@pytest.mark.settings(OPENAI_BACKGROUND="off")
def test_sigterm_lets_a_plain_answer_finish(world):
    world.say(CHAT, "one [[deltas=40 delta_ms=50]]")
    until(lambda: world.shown(CHAT), "first words")
    world.start("llm")
    world.stop(world.of("llm")[0])
    judged(world, ["one"])
    assert len(world.responses()) == 1


def test_sigterm_ends_in_time_without_redis(world):
    world.kill_redis()
    for program in list(world.programs.values()):
        world.stop(program)
    world.start_redis()


def test_services_may_start_before_redis(world):
    for program in list(world.programs.values()):
        world.stop(program)
    world.kill_redis()
    world.start_all()
    world.say(CHAT, "one")
    world.start_redis()
    judged(world, ["one"])
