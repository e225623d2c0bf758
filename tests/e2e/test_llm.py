"""llm at awkward moments: no room left, an outage that lasts, a stop that comes early or late, two workers with one question."""
import json
import re
import signal
import time

import pytest

from world import some, steps_of, until

CHAT = 5001
ASK = {"method": "POST", "path": "/v1/responses"}
CANCEL = {"method": "POST", "path": "/v1/responses/*"}


def job_of(world, chat=CHAT):
    job = world.redis.hget(world.key(f"chat:{chat}"), "job")
    return world.redis.hgetall(world.key(f"job:{job}")) if job else {}


def judged_by_the_bill(world):
    billed = world.control("billed")
    rows = world.rows()
    assert sum(r["output_tokens"] for r in rows) == billed["output_tokens"] and sum(r["input_tokens"] for r in rows) == billed["input_tokens"]
    assert not any(r["estimated"] for r in rows)


@pytest.mark.settings(LLM_CONCURRENCY="1")
def test_a_worker_with_one_place_uses_it(world):
    for chat in (5001, 5002, 5003):
        world.say(chat, f"q {chat}")
    for chat in (5001, 5002, 5003):
        world.answer(chat, f"«q {chat}»", 15)
    world.at_rest()


@pytest.mark.settings(OPENAI_MAX_RETRIES="1")
def test_an_outage_that_outlasts_all_tries_loses_no_question(world):
    """What could not even be sent is no try, also when the question was put off meanwhile."""
    world.stop(world.of("llm")[0])
    llm = world.start("llm", OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    chats = range(5001, 5007)
    for chat in chats:
        world.say(chat, f"q {chat}")
    until(lambda: world.dead() or all(int(job_of(world, chat).get("parks", 0)) >= 1 for chat in chats), "each question to be put off, after more failures than it has tries", 90)
    assert world.dead() == []
    world.stop(llm)
    world.start("llm")
    for chat in chats:
        world.answer(chat, f"«q {chat}»", 60)
    world.at_rest()
    assert len(world.responses()) == len(chats)


def test_a_stop_after_a_crash_keeps_what_was_written(world):
    world.say(CHAT, "novel [[deltas=400 delta_ms=50 words=2000]]")
    until(lambda: any(len(t) > 60 for t in world.shown(CHAT)), "some words")
    world.kill(world.of("llm")[0])
    world.say(CHAT, "/stop")
    until(lambda: job_of(world).get("stop"), "the stop to be marked")
    seen = max(len(t) for t in world.shown(CHAT)) - 10
    world.start("llm")
    until(lambda: world.responses()[0]["cancelled"], "the response to be cancelled")
    world.rest(CHAT)
    world.at_rest()
    (text,) = world.shown(CHAT)
    assert text.startswith("Answer to «novel»") and len(text) > seen
    judged_by_the_bill(world)


@pytest.mark.parametrize("trouble", [{"kind": "status", "status": 500}, {"kind": "reset_before"}, {"kind": "executed_status", "status": 502}],
                         ids=lambda f: "-".join(str(v) for v in f.values()))
def test_a_cancel_that_fails_is_asked_again(world, trouble):
    world.fault("openai", match=CANCEL, **trouble)
    world.say(CHAT, "novel [[deltas=400 delta_ms=50 words=2000]]")
    until(lambda: world.shown(CHAT), "first words")
    world.say(CHAT, "/stop")
    until(lambda: world.responses()[0]["cancelled"], "the response to be cancelled", 3)
    world.rest(CHAT)
    world.at_rest()
    judged_by_the_bill(world)


def test_a_stop_before_the_response_has_a_name_waits_for_its_bill(world):
    world.fault("openai", "delay", ASK, ms=300)
    slow = world.fault("openai", "delay", CANCEL, ms=150)
    world.say(CHAT, "novel [[deltas=400 delta_ms=50 words=2000]]")
    until(lambda: job_of(world).get("posts:1"), "the request")
    world.say(CHAT, "/stop")
    world.rest(CHAT)
    world.at_rest()
    assert world.responses()[0]["cancelled"] and [f["fired"] for f in world.control("faults")["faults"] if f["id"] == slow] == [1]
    judged_by_the_bill(world)


@pytest.mark.parametrize("restart", [False, True], ids=["here", "after a restart"])
def test_a_stop_between_two_tries_costs_nothing(world, restart):
    world.say(CHAT, "novel [[status=failed fail_after=4]]")
    until(lambda: job_of(world).get("posts:1") in ("2", "3"), "a second request")
    if restart:
        world.kill(world.of("llm")[0])
    world.say(CHAT, "/stop")
    until(lambda: job_of(world).get("stop") or not job_of(world), "the stop to be marked")
    if restart:
        world.start("llm")
    world.rest(CHAT)
    world.at_rest()
    assert world.rows() == [] and world.control("billed")["output_tokens"] == 0
    assert "Stopped" in world.shown(CHAT)[-1]


@pytest.mark.settings(OPENAI_TIMEOUT_SECONDS="30")
def test_a_stop_is_acted_on_in_a_second_whatever_openai_does(world):
    world.fault("openai", "hang", CANCEL, times=-1)
    world.fault("openai", "hang", {"method": "GET"}, times=-1)
    world.say(CHAT, "novel [[deltas=400 delta_ms=50 words=2000]]")
    until(lambda: world.shown(CHAT), "first words")
    began = time.monotonic()
    world.say(CHAT, "/stop")
    world.rest(CHAT)
    assert time.monotonic() - began < 1.5
    world.control("faults", method="DELETE")


def test_a_stop_while_a_question_is_being_put_off_does_not_wait_with_it(world):
    world.stop(world.of("llm")[0])
    llm = world.start("llm", GPTTG_STOP_AT="pause")
    world.fault("openai", "status", ASK, status=429, retry_after=60)
    world.say(CHAT, "novel")
    until(lambda: "stopped" in open(f"/proc/{llm.pid}/status").read(), "llm to stand still before it parks")
    world.say(CHAT, "/stop")
    until(lambda: job_of(world).get("stop"), "the stop to be marked")
    llm.signal(signal.SIGCONT)
    world.rest(CHAT, 5)
    world.at_rest()


def button_stands(world, chat=CHAT):
    return any("reply_markup" in m for m in world.chat(chat)["messages"] if m["from"] == "bot")


def stop_at_once(world, before="", chat=CHAT, button=False):
    """A stop is seen in the chat within a second, and what was written stays."""
    began = time.monotonic()
    if button:
        world.control("press", {"chat": chat, "data": "stop"})
    else:
        world.say(chat, "/stop")
    until(lambda: "Stopped" in "\n".join(world.shown(chat)), f"the mark of a stop, not {world.shown(chat)}", 15)
    took = time.monotonic() - began
    world.rest(chat)
    assert world.shown(chat)[-1].startswith(before) and world.dead() == []
    print(f"the stop took {took:.3f} s")
    assert took < 1, f"the stop took {took:.2f} s"


@pytest.mark.settings(USER_DAILY_BUDGET_USD="1")
def test_a_stop_is_seen_at_once_before_anything_was_asked(world):
    """Taken, but not begun: the counters of the budget are not there."""
    until(lambda: world.redis.exists(world.key("spend:ready")), "the counters")
    world.stop(world.of("ledger")[0])
    world.redis.delete(world.key("spend:ready"))
    world.say(CHAT, "novel")
    until(lambda: job_of(world).get("worker"), "llm to take it")
    stop_at_once(world)
    assert world.calls(method="POST /v1/responses") == []
    world.start("ledger")
    world.at_rest()
    assert world.rows() == []


@pytest.mark.parametrize("wait_s", [4, 60], ids=["in hand", "parked"])
def test_a_stop_is_seen_at_once_in_a_back_off(world, wait_s):
    world.fault("openai", "status", ASK, status=429, retry_after=wait_s)
    world.say(CHAT, "novel")
    (llm,) = world.of("llm")
    until(lambda: job_of(world).get("queue") == "later" if wait_s > 5 else "again in" in llm.text(), "the question to wait")
    stop_at_once(world)
    world.at_rest()
    assert world.rows() == [] and world.responses() == []


@pytest.mark.parametrize("wait_ms", [4500, 30000], ids=["in hand", "parked"])
def test_a_stop_is_seen_at_once_while_the_breaker_is_open(world, wait_ms):
    world.redis.set(world.key("breaker:open"), 1, px=wait_ms)
    world.say(CHAT, "novel")
    until(lambda: job_of(world).get("queue") == "later" if wait_ms > 5000 else job_of(world).get("worker"), "the question to wait")
    stop_at_once(world)
    world.at_rest()
    assert world.rows() == [] and world.responses() == []


BY = pytest.mark.parametrize("button", [False, True], ids=["by command", "by button"])


@BY
@pytest.mark.parametrize("mode", ["on", "off"])
def test_a_stop_is_seen_at_once_while_the_answer_is_written(world, mode, button):
    world.stop(world.of("llm")[0])
    world.start("llm", OPENAI_BACKGROUND=mode)
    world.say(CHAT, "novel [[deltas=400 delta_ms=50 words=2000]]")
    until(lambda: world.shown(CHAT) and button_stands(world), "first words")
    stop_at_once(world, "Answer to «novel»", button=button)
    world.at_rest()
    assert len(world.rows()) == 1


@BY
@pytest.mark.parametrize("dead", ["llm", "outbound"])
@pytest.mark.settings(TAKEOVER_MS="60000", OPENAI_BACKGROUND="on")
def test_a_stop_is_seen_at_once_when_the_worker_has_just_died(world, dead, button):
    """Long before anybody takes him for dead."""
    world.say(CHAT, "novel [[deltas=400 delta_ms=50 words=2000]]")
    until(lambda: world.shown(CHAT) and button_stands(world), "first words")
    world.kill(world.of(dead)[0])
    world.start(dead)
    until(lambda: f"{dead} ready" in world.of(dead)[-1].text(), "the new one")
    stop_at_once(world, "Answer to «novel»", button=button)
    world.at_rest()
    judged_by_the_bill(world)


@pytest.mark.parametrize("mode", ["on", "off"])
def test_a_stop_is_seen_at_once_while_openai_is_silent(world, mode):
    """The request is out, and not even a status has come back."""
    world.stop(world.of("llm")[0])
    world.start("llm", OPENAI_BACKGROUND=mode)
    silence = world.fault("openai", "hang", ASK)
    world.say(CHAT, "novel")
    until(lambda: [f["fired"] for f in world.control("faults")["faults"] if f["id"] == silence] == [1], "the request")
    stop_at_once(world)
    world.at_rest()


@BY
def test_a_stop_is_seen_at_once_while_a_response_is_polled(world, button):
    world.control("model", {"resume_max_ms": 0})
    world.fault("openai", "reset_mid", ASK, after_events=6)
    world.say(CHAT, "novel [[deltas=400 delta_ms=50 words=2000]]")
    until(lambda: len(world.calls(method="GET /v1/responses/{id}")) >= 3 and button_stands(world), "the response to be polled")
    stop_at_once(world, "Answer to «novel»", button=button)
    world.at_rest()
    assert world.responses()[0]["cancelled"]
    judged_by_the_bill(world)


@pytest.mark.parametrize("trouble", [None, {"kind": "status", "status": 500}, {"kind": "executed_status", "status": 500}],
                         ids=["well", "refused", "answer lost"])
def test_what_the_slower_of_two_workers_asked_for_is_cancelled_and_booked_once(world, trouble):
    if trouble:
        world.fault("openai", match=CANCEL, **trouble)
    world.fault("openai", "delay", ASK, ms=2600)
    world.say(CHAT, "Hi [[deltas=60 delta_ms=40]]")
    (first,) = world.of("llm")
    until(lambda: job_of(world).get("posts:1") == "1", "the request")
    time.sleep(0.3)                                       # it is on its way: nothing outside shows more
    first.signal(signal.SIGSTOP)
    world.start("llm")
    until(lambda: job_of(world).get("response:1"), "the other one's response")
    until(lambda: len(world.responses()) == 2, "both responses")
    first.signal(signal.SIGCONT)
    world.answer(CHAT, "«Hi»", 30)
    world.at_rest()
    until(lambda: len(world.rows()) == 2, "both to be booked", 10)
    judged_by_the_bill(world)
    assert sorted(r["cancelled"] for r in world.responses()) == [False, True] and len(world.shown(CHAT)) == 1


LOST = json.dumps({"error": {"message": "Previous response not found.", "param": "previous_response_id", "code": "previous_response_not_found"}})


def asked_with_a_lost_chain(world):
    world.say(CHAT, "My name is Ada")
    world.answer(CHAT, "«My name is Ada»")
    return world.fault("openai", "status", {**ASK, "text": "Who am I?"}, status=400, body=LOST)


def fired(world, *faults):
    return [f["fired"] for f in world.control("faults")["faults"] if f["id"] in faults]


@pytest.mark.settings(OPENAI_MAX_RETRIES="2")
def test_a_healed_chain_is_one_of_the_tries(world):
    lost = asked_with_a_lost_chain(world)
    down = world.fault("openai", "status", {**ASK, "text": "Who am I?"}, status=500, times=-1)
    world.say(CHAT, "Who am I?")
    until(world.dead, "the question to be given up", 60)
    world.rest(CHAT)
    world.at_rest()
    assert fired(world, lost, down) == [1, 2] and len(world.responses()) == 1


@pytest.mark.settings(OPENAI_MAX_RETRIES="0")
def test_a_chain_found_lost_by_the_last_try_is_healed_all_the_same(world):
    lost = asked_with_a_lost_chain(world)
    world.say(CHAT, "Who am I?")
    world.answer(CHAT, "«Who am I?»")
    world.at_rest()
    assert fired(world, lost) == [1] and len(world.responses()) == 2 and world.dead() == []


@pytest.mark.settings(USER_DAILY_BUDGET_USD="1")
def test_an_answer_without_a_bill_is_estimated(world):
    end = {"type": "response.completed", "response": {"id": "resp_unbilled", "status": "completed", "output": [
        {"type": "message", "content": [{"type": "output_text", "text": "short and free"}]}]}}
    world.fault("openai", "malformed", ASK, after_events=0, body=f"data: {json.dumps(end)}\n\n")
    world.say(CHAT, "Hi")
    until(lambda: world.shown(CHAT) == ["short and free"], "the answer")
    world.at_rest()
    (row,) = world.rows()
    assert row["estimated"] == 1 and row["cost_nusd"] > 0 and row["input_tokens"] > 0


WAY = [s for s in steps_of("llm") if s in (
    "take", "plan", "begin", "judge_begin", "ask", "judge_answer", "settle", "hush", "commit", "committed")]
MODES = [pytest.param(mode, marks=pytest.mark.settings(OPENAI_BACKGROUND=mode), id="background " + mode) for mode in ("on", "off")]


def stood_still_at(world, step, question):
    """llm, which stands still right before a step."""
    world.stop(world.of("llm")[0])
    llm = world.start("llm", GPTTG_STOP_AT=step)
    world.say(CHAT, question)
    until(lambda: "T (stopped)" in open(f"/proc/{llm.pid}/status").read(), f"llm to stand still at {step}")
    return llm


@pytest.mark.settings(USER_DAILY_BUDGET_USD="1")
@pytest.mark.parametrize("step", ["take", "plan", "begin"])
def test_when_nobody_is_there_any_more_nothing_is_spent(world, step):
    """Blocked or removed between the question and its turn: no request, nothing held or booked, no alarm."""
    llm = stood_still_at(world, step, "novel")
    job = world.redis.hget(world.key(f"chat:{CHAT}"), "job")
    world.redis.set(world.key(f"gone:{CHAT}"), 1, ex=60)
    llm.signal(signal.SIGCONT)
    world.rest(CHAT)
    world.at_rest()
    assert world.rows() == [] and world.calls(method="POST /v1/responses") == [] and world.dead() == []
    assert not re.search(r"(^|\s)[WE] llm\b", llm.text()) and "commit: stopped" in llm.text()
    fields = world.redis.hgetall(world.key(f"job:{job}"))
    assert fields["ends"] == "1" and fields["stop"] == "gone" and "posts:1" not in fields and "hold:1" not in fields
    assert not any(world.redis.scan_iter(world.key("spend:20*")))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("step", some(WAY))
def test_a_stop_is_heard_at_every_step(world, step, mode):
    llm = stood_still_at(world, step, "novel [[deltas=40 delta_ms=20]]")
    world.say(CHAT, "/stop")
    until(lambda: job_of(world).get("stop") or not job_of(world), "the stop to be marked")
    llm.signal(signal.SIGCONT)
    world.rest(CHAT, 8)
    world.at_rest()
    assert len(world.shown(CHAT)) <= 2 and len(world.responses()) <= 1 and world.dead() == []
    assert len(world.rows()) == len(world.responses())
    if not any(r["estimated"] for r in world.rows()):
        judged_by_the_bill(world)
    world.say(CHAT, "next")
    world.answer(CHAT, "«next»")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("step", some(WAY))
def test_sigterm_is_survived_at_every_step(world, step, mode):
    llm = stood_still_at(world, step, "one [[deltas=40 delta_ms=20]]")
    llm.signal(signal.SIGTERM)
    llm.signal(signal.SIGCONT)
    until(lambda: not llm.alive(), "it to leave, told once")
    world.stop(llm)
    world.start("llm")
    world.answer(CHAT, "«one»", 30)
    world.at_rest()
    assert len(world.shown(CHAT)) == 1 and len(world.responses()) == 1
    judged_by_the_bill(world)
