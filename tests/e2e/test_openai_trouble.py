"""OpenAI lies, stalls and cuts: the question is answered once all the same, or one clear line says that it is not."""
import pytest

from world import ADMIN, World, until

CHAT = 5001
ASK = {"method": "POST", "path": "/v1/responses"}


def posts(world):
    return world.control("counters")["counters"].get("openai.POST /v1/responses", 0)


def answered_once(world, question="Hi", responses=None):
    text = world.answer(CHAT, f"«{question}»", 60)
    world.at_rest()
    assert world.shown(CHAT) == [text] and text.endswith(world.responses()[-1]["answer"][-20:])
    if responses is not None:
        assert len(world.responses()) == responses
    assert sum(r["output_tokens"] for r in world.rows()) == world.control("billed")["output_tokens"]
    assert world.dead() == []


@pytest.mark.parametrize("fault", [
    {"kind": "status", "status": 500}, {"kind": "status", "status": 503}, {"kind": "html502"},
    {"kind": "status", "status": 429, "retry_after": 1}, {"kind": "status", "status": 429, "retry_after_ms": 300},
    {"kind": "reset_before"}, {"kind": "close_before"},
], ids=lambda f: "-".join(str(v) for v in f.values()))
def test_a_passing_failure_is_asked_again(world, fault):
    world.fault("openai", match=ASK, times=2, **fault)
    world.say(CHAT, "Hi")
    answered_once(world, responses=1)


@pytest.mark.parametrize("events", [1, 2, 3, 6, 12])
@pytest.mark.parametrize("kind", ["reset_mid", "fin_mid", "cut"])
def test_a_stream_that_breaks_is_read_on_by_its_id(world, kind, events):
    world.fault("openai", kind, ASK, after_events=events)
    world.say(CHAT, "Hi [[deltas=10]]")
    answered_once(world, responses=1)


@pytest.mark.settings(OPENAI_BACKGROUND="off")
@pytest.mark.parametrize("kind", ["reset_mid", "cut"])
def test_without_background_a_broken_stream_is_asked_anew(world, kind):
    world.fault("openai", kind, ASK, after_events=6)
    world.say(CHAT, "Hi [[deltas=10 delta_ms=60]]")
    text = world.answer(CHAT, "«Hi»", 60)
    world.at_rest()
    assert world.shown(CHAT) == [text] and len(world.responses()) == 2


@pytest.mark.settings(OPENAI_TIMEOUT_SECONDS="1")
def test_a_stream_that_falls_silent_is_looked_up(world):
    world.fault("openai", "stall", ASK, after_events=6)
    world.say(CHAT, "Hi [[deltas=10]]")
    answered_once(world, responses=1)


def test_bytes_may_be_cut_anywhere(world):
    world.fault("openai", "dribble", ASK, bytes=1, times=-1)
    world.say(CHAT, "Hi [[say=Привет, мир! 👋🏽 e\u0301]]")
    until(lambda: world.shown(CHAT) == ["Привет, мир! 👋🏽 e\u0301"], "the answer")
    world.at_rest()


@pytest.mark.parametrize("body", ["data: {broken\n\n", "event: x\ndata: []\n\n", "data: {\"type\":\"response.unheard_of\",\"sequence_number\":3}\n\n",
                                  ": comment\n\n", "data: null\n\ndata: 7\n\n"])
def test_events_that_make_no_sense_are_passed_over(world, body):
    world.fault("openai", "malformed", ASK, after_events=5, body=body)
    world.say(CHAT, "Hi")
    answered_once(world, responses=1)


def test_a_lost_answer_to_the_request_is_asked_again(world):
    world.fault("openai", "lost_answer", ASK)
    world.say(CHAT, "Hi")
    text = world.answer(CHAT, "«Hi»", 60)
    world.at_rest()
    assert world.shown(CHAT) == [text] and len(world.responses()) == 2


def test_too_old_to_be_streamed_is_polled(world):
    world.control("model", {"resume_max_ms": 0})
    world.fault("openai", "reset_mid", ASK, after_events=6)
    world.say(CHAT, "Hi [[deltas=10 delta_ms=100]]")
    answered_once(world, responses=1)


@pytest.mark.settings(OPENAI_MAX_RETRIES="2", TAKEOVER_MS="1500")
def test_after_the_last_try_one_clear_line(world):
    world.fault("openai", "status", ASK, status=500, times=-1)
    world.say(ADMIN, "/start")
    until(lambda: world.shown(ADMIN), "a greeting")
    world.say(CHAT, "Hi")
    (line,) = until(lambda: world.shown(CHAT) if world.dead() else None, "the line", 60)
    until(lambda: len(world.shown(ADMIN)) == 2, "the administrator to be told")
    world.rest(CHAT)
    world.at_rest()
    assert len(line) <= 300 and "500" not in line
    assert [f["fired"] for f in world.control("faults")["faults"]] == [3]
    assert world.dead()[0]["job"] and world.dead()[0]["reason"]
    world.control("faults", method="DELETE")
    world.say(CHAT, "Again")
    world.answer(CHAT, "«Again»")


@pytest.mark.parametrize("status, code", [(429, "insufficient_quota"), (401, "invalid_api_key")])
def test_what_waiting_does_not_mend_ends_at_once(world, status, code):
    world.fault("openai", "status", ASK, status=status, code=code, times=-1)
    world.say(ADMIN, "/start")
    until(lambda: world.shown(ADMIN), "a greeting")
    world.say(CHAT, "Hi")
    until(lambda: world.shown(CHAT), "the line")
    until(lambda: len(world.shown(ADMIN)) == 2, "the administrator to be told")
    world.rest(CHAT)
    world.at_rest()
    assert len(world.shown(CHAT)) == 1 and [f["fired"] for f in world.control("faults")["faults"]] == [1] and world.rows() == []


def test_a_lost_chain_is_healed_silently(world):
    world.say(CHAT, "My name is Ada")
    world.answer(CHAT, "«My name is Ada»")
    world.fault("openai", "status", {**ASK, "text": "Who am I?"}, status=400, code="previous_response_not_found",
                body='{"error":{"message":"Previous response with id not found.","type":"invalid_request_error","param":"previous_response_id","code":"previous_response_not_found"}}')
    world.say(CHAT, "Who am I?")
    world.answer(CHAT, "«Who am I?»")
    world.at_rest()
    assert len(world.shown(CHAT)) == 2
    last = world.calls(method="POST /v1/responses")[-1]["params"]
    assert "previous_response_id" not in last
    assert [i["content"][0]["text"] for i in last["input"]][0] == "My name is Ada" and last["input"][1]["role"] == "assistant"
    world.say(CHAT, "And now?")
    world.answer(CHAT, "«And now?»")
    responses = world.responses()
    assert responses[-1]["previous_response_id"] == responses[-2]["id"]


def test_a_parameter_that_a_server_does_not_know_is_left_out(world):
    world.fault("openai", "status", ASK, status=400,
                body='{"error":{"message":"Unknown parameter","type":"invalid_request_error","param":"context_management","code":"unknown_parameter"}}')
    world.say(CHAT, "Hi")
    answered_once(world, responses=1)
    assert "context_management" not in world.calls(method="POST /v1/responses")[-1]["params"]


@pytest.mark.parametrize("directive", ["status=failed", "status=failed fail_after=4", "status=error", "status=error fail_after=3"])
@pytest.mark.settings(OPENAI_MAX_RETRIES="1")
def test_a_response_that_fails_is_asked_again_and_then_given_up(world, directive):
    world.say(CHAT, f"Hi [[{directive}]]")
    until(lambda: world.dead(), "the question to be given up", 40)
    world.rest(CHAT)
    world.at_rest()
    assert len(world.responses()) == 2 and len(world.shown(CHAT)) == 1 and len(world.shown(CHAT)[0]) <= 300


def test_an_outage_makes_answers_late_and_loses_none(world):
    """Nothing listens at OpenAI's address for a while."""
    port = world.sim_port
    world.stop(world.of("llm")[0])
    llm = world.start("llm", OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    world.expect_error("reach")
    world.say(CHAT, "Hi")
    until(lambda: "cannot be reached" in llm.text(), "a failed try")
    world.stop(llm)
    assert world.sim_port == port
    world.start("llm")
    answered_once(world)


@pytest.mark.parametrize("status, error", [
    (404, {"code": "previous_response_not_found", "param": "previous_response_id", "message": "Previous response with id 'x' not found."}),
    (404, {"code": None, "param": None, "message": "Response with id 'resp_x' not found."}),
    (200, {"code": "previous_response_not_found", "param": "previous_response_id", "message": "gone"}),
], ids=["404", "404-in-words", "error-event"])
def test_a_lost_chain_is_healed_however_it_is_said(world, status, error):
    import json
    world.say(CHAT, "My name is Ada")
    world.answer(CHAT, "«My name is Ada»")
    if status == 200:
        event = "event: error\ndata: " + json.dumps({"type": "error", "sequence_number": 2, **error}) + "\n\n"
        world.fault("openai", "malformed", {**ASK, "text": "Who am I?"}, after_events=2, body=event)
    else:
        world.fault("openai", "status", {**ASK, "text": "Who am I?"}, status=status, body=json.dumps({"error": {"type": "invalid_request_error", **error}}))
    world.say(CHAT, "Who am I? [[first_ms=2000]]")
    world.answer(CHAT, "«Who am I?»")
    world.at_rest()
    assert "previous_response_id" not in world.calls(method="POST /v1/responses")[-1]["params"] and len(world.shown(CHAT)) == 2


@pytest.mark.settings(OPENAI_BACKGROUND="off", OPENAI_MAX_RETRIES="2")
def test_an_outage_of_error_events_ends_for_everybody(world):
    """A failed response must be counted once, or it holds the circuit open for all, for ever."""
    chats = range(6001, 6013)
    for chat in chats:
        world.say(chat, "Hi [[status=error fail_after=2]]")
    for chat in chats:
        until(lambda: any("«Hi»" not in t for t in world.shown(chat)) and not world.redis.hget(world.key(f"chat:{chat}"), "job"),
              f"a clear line in {chat}, not {world.shown(chat)}", 150)
    world.at_rest(60)
