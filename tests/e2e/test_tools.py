"""The model's tools: offered as the settings, the budget and the server allow, billed as OpenAI bills them, and told about."""
import pytest

from test_answers import bodies
from media_world import sender  # noqa: F401
from world import until

CHAT = 5001
PRICE_IN, PRICE_CACHED, PRICE_WRITE, PRICE_OUT = 1000, 50, 1250, 5000     # nano-dollars a token: gpt-6.1-terra
FEES = {"web_search": 10_000_000, "file_search": 2_500_000, "code_interpreter": 30_000_000}


def offered(body):
    return [tool["type"] for tool in body.get("tools", [])]


def tools_of(row):
    return {name: int(calls) for name, calls in (one.split("=") for one in row["tools"].split(",") if one)}


def bill_is_right(world):
    """The ledger has the calls that OpenAI billed, and what they cost, to the nano-dollar."""
    world.at_rest()
    rows, billed = world.rows(), world.control("billed")
    called = {name: sum(tools_of(row).get(name, 0) for row in rows) for name in FEES}
    assert called == billed["tools"]
    assert sum(r["input_tokens"] for r in rows) == billed["input_tokens"]
    for row in rows:
        fees = sum(FEES[name] * calls for name, calls in tools_of(row).items())
        cached, written = row["cached_tokens"], row["cache_write_tokens"]
        tokens = (row["input_tokens"] - cached - written) * PRICE_IN + cached * PRICE_CACHED + written * PRICE_WRITE
        assert row["cost_nusd"] == tokens + row["output_tokens"] * PRICE_OUT + fees
    return called



def test_the_web_is_offered_and_a_search_is_paid_for(world):
    world.say(CHAT, "What is new? [[search=2]]")
    world.answer(CHAT, "«What is new?»")
    assert offered(bodies(world)[0]) == ["web_search"] and "max_tool_calls" not in bodies(world)[0]
    assert bill_is_right(world) == {"web_search": 2, "file_search": 0, "code_interpreter": 0}


@pytest.mark.settings(WEB_SEARCH="off")
def test_what_is_switched_off_is_not_offered(world):
    world.say(CHAT, "What is new? [[search=2]]")
    world.answer(CHAT, "«What is new?»")
    assert offered(bodies(world)[0]) == []
    assert bill_is_right(world)["web_search"] == 0


@pytest.mark.settings(CODE_INTERPRETER="auto", WEB_SEARCH="off")
def test_code_is_run_where_it_is_allowed_and_its_container_is_paid_for_once(world):
    world.say(CHAT, "Compute [[compute=3]]")
    world.answer(CHAT, "«Compute»")
    assert bodies(world)[0]["tools"] == [{"type": "code_interpreter", "container": {"type": "auto"}}]
    assert bill_is_right(world)["code_interpreter"] == 1


@pytest.mark.settings(OPENAI_MODEL="somebody-elses-model")
def test_a_model_that_nobody_knows_is_offered_nothing(world):
    world.say(CHAT, "Hi")
    world.answer(CHAT, "«Hi»")
    assert offered(bodies(world)[0]) == []


@pytest.mark.settings(USER_DAILY_BUDGET_USD="1")
def test_within_a_budget_the_calls_are_bounded(world):
    world.say(CHAT, "Look [[search=9]]")
    world.answer(CHAT, "«Look»")
    assert offered(bodies(world)[0]) == ["web_search"] and bodies(world)[0]["max_tool_calls"] == 3
    assert bill_is_right(world)["web_search"] == 3


@pytest.mark.settings(USER_DAILY_BUDGET_USD="0.02", OPENAI_MAX_OUTPUT_TOKENS="1000")
def test_a_small_budget_is_never_passed_by_searching(world):
    for n in range(40):
        world.say(CHAT, f"question {n} [[search=5 words=100]]")
        until(lambda: any(f"«question {n}" in t or "used up" in t for t in world.shown(CHAT)), "an answer or a line")
        world.rest(CHAT)
        if any("used up" in t for t in world.shown(CHAT)):
            break
    bill_is_right(world)
    assert 10_000_000 <= sum(r["cost_nusd"] for r in world.rows()) <= 20_000_000
    assert any("tools" not in body for body in bodies(world))       # what cannot pay for a search still pays for an answer


REFUSED = '{"error":{"message":"Unknown parameter: \'%s\'.","type":"invalid_request_error","param":"%s","code":"unknown_parameter"}}'


def test_a_server_that_does_not_take_tools_is_asked_without(world):
    world.fault("openai", "status", {"path": "/v1/responses"}, status=400, times=1, body=REFUSED % ("tools", "tools"))
    for n in range(2):
        world.say(CHAT, f"q{n}")
        world.answer(CHAT, f"«q{n}»")
    assert [offered(body) for body in bodies(world)] == [[], []]           # what was refused is in no log


@pytest.mark.settings(USER_DAILY_BUDGET_USD="1")
def test_where_calls_cannot_be_bounded_a_budget_allows_none(world):
    world.fault("openai", "status", {"path": "/v1/responses"}, status=400, times=1, body=REFUSED % ("max_tool_calls", "max_tool_calls"))
    world.say(CHAT, "Hi [[search=1]]")
    world.answer(CHAT, "«Hi»")
    assert [offered(body) for body in bodies(world)] == [[]]
    assert bill_is_right(world)["web_search"] == 0


def test_a_search_of_an_answer_that_was_stopped_is_paid_for(world):
    world.say(CHAT, "Long [[search=1 deltas=100 words=100 delta_ms=100]]")
    until(lambda: world.bot_messages(CHAT), "first words")
    world.say(CHAT, "/cancel")
    world.rest(CHAT)
    assert bill_is_right(world)["web_search"] == 1


def test_the_search_of_an_answer_that_was_cut_short_is_paid_for(world):
    world.say(CHAT, "Cut [[search=2 status=incomplete]]")
    world.answer(CHAT, "«Cut»")
    assert bill_is_right(world)["web_search"] == 2


def test_a_search_is_told_about_while_it_lasts(world):
    world.say(CHAT, "News? [[search=1 tool_ms=4500]]")
    until(lambda: world.shown(CHAT), "a status line", 8)
    assert world.shown(CHAT) == ["Searching the web…"]
    world.answer(CHAT, "«News?»")
    world.rest(CHAT)
    assert len(world.shown(CHAT)) == 1 and "Searching" not in world.shown(CHAT)[0]


def test_a_search_in_the_middle_of_an_answer_is_told_below_its_words(world):
    world.say(CHAT, "News? [[search=1 late tool_ms=4500 deltas=4 words=20]]")
    until(lambda: world.shown(CHAT) and world.shown(CHAT)[0].endswith("Searching the web…"), "the status below the words", 8)
    assert world.shown(CHAT)[0].startswith("Answer to «News?»")
    until(lambda: "Searching" not in world.shown(CHAT)[0] and "w20" in world.shown(CHAT)[0], "the rest", 10)
    world.rest(CHAT)
    assert len(world.shown(CHAT)) == 1
    bill_is_right(world)


def test_a_library_is_searched_and_paid_for(sender):
    job = sender.ask(text="In my books? [[lookup=2]]", library="vs_abc")
    assert sender.ended(job, 40) == "done"
    assert bodies(sender.world)[0]["tools"] == [{"type": "web_search"}, {"type": "file_search", "vector_store_ids": ["vs_abc"]}]
    assert bill_is_right(sender.world) == {"web_search": 0, "file_search": 2, "code_interpreter": 0}


@pytest.mark.parametrize("status", [400, 404])
def test_a_library_that_is_gone_leaves_the_question_answered(sender, status):
    sender.world.fault("openai", "status", {"path": "/v1/responses"}, status=status, times=1,
                       body='{"error":{"message":"Vector store with id \'vs_abc\' not found.","type":"invalid_request_error","param":null,"code":null}}')
    job = sender.ask(text="In my books? [[lookup=2]]", library="vs_abc")
    assert sender.ended(job, 40) == "done"
    assert "In my books?" in sender.world.shown(CHAT)[0]
    assert [offered(body) for body in bodies(sender.world)] == [["web_search"]]
    bill_is_right(sender.world)


def test_a_library_with_a_name_that_is_none_is_not_asked_for(sender):
    job = sender.ask(text="Hi", library="../vs")
    assert sender.ended(job, 40) == "done"
    assert offered(bodies(sender.world)[0]) == ["web_search"]


def test_a_lost_chain_is_healed_with_the_tools(world):
    world.say(CHAT, "One")
    world.answer(CHAT, "«One»")
    world.rest(CHAT)
    world.redis.hset(world.key(f"chat:{CHAT}"), "response", "resp_nobody_knows")
    world.say(CHAT, "Two [[search=1]]")
    world.answer(CHAT, "«Two»")
    assert offered(bodies(world)[-1]) == ["web_search"] and "previous_response_id" not in bodies(world)[-1]
    assert bill_is_right(world)["web_search"] == 1


def links(message):
    """Text and address of each link in it."""
    text = message["text"].encode("utf-16-le")
    return [(text[2 * e["offset"]:2 * (e["offset"] + e["length"])].decode("utf-16-le"), e["url"]) for e in message.get("entities", []) if e["type"] == "text_link"]


PAGES = ["https://example.com/page-1", "https://example.com/page-2"]


@pytest.mark.parametrize("marks", ["", " marks"])
def test_sources_are_numbers_in_the_text_and_a_list_under_it(world, marks):
    world.say(CHAT, f"News? [[search=2{marks}]]")
    world.answer(CHAT, "Sources:")
    world.rest(CHAT)
    (message,) = world.bot_messages(CHAT)
    assert message["text"].startswith("Answer to «News?»: w1 w2 w3 w4 w5 w6 w7 w8 [1] [2]\n\nSources:\n")
    assert "example.com" not in message["text"] and not any("\ue000" <= c <= "\uf8ff" for c in message["text"])
    assert links(message) == [("1", PAGES[0]), ("2", PAGES[1]), ("Page 1", PAGES[0]), ("Page 2", PAGES[1])]


def test_marks_are_not_seen_while_the_answer_grows(world):
    world.say(CHAT, "News? [[search=3 marks deltas=60 delta_ms=50 words=5]]")
    world.answer(CHAT, "Sources:")
    world.rest(CHAT)
    texts = [c["params"]["text"] for c in world.calls(chat=CHAT) if "text" in c["params"]]
    assert len(texts) > 1 and not any("\ue000" <= c <= "\uf8ff" for text in texts for c in text) and "turn0" not in "".join(texts)


def test_an_answer_without_sources_has_no_list(world):
    world.say(CHAT, "Hi")
    world.answer(CHAT, "«Hi»")
    world.rest(CHAT)
    assert "Sources" not in world.shown(CHAT)[0]


def test_a_file_of_the_library_is_named(sender):
    job = sender.ask(text="In my books? [[lookup=2]]", library="vs_abc")
    assert sender.ended(job, 40) == "done"
    assert sender.world.shown(CHAT)[0].endswith("\n\nSources:\n\n1. book.pdf")


@pytest.mark.settings(CODE_INTERPRETER="auto")
def test_files_that_code_has_made_are_noted_in_the_job(sender):
    job = sender.ask(text="Draw [[compute=2]]")
    assert sender.ended(job, 40) == "done"
    made = {name: value for name, value in sender.job(job).items() if name.startswith("made:")}
    (response,) = sender.world.responses()
    container = "cntr_" + response["id"].removeprefix("resp_")
    assert [made[name].split()[0::2] for name in sorted(made)] == [[container, "chart-1.png"], [container, "chart-2.png"]]
    assert "sandbox" not in sender.world.shown(CHAT)[0]


def test_the_next_question_goes_on_from_an_answer_with_sources(world):
    world.say(CHAT, "One [[search=1]]")
    world.answer(CHAT, "Sources:")
    world.rest(CHAT)
    world.redis.hset(world.key(f"chat:{CHAT}"), "response", "resp_nobody_knows")
    world.say(CHAT, "Two")
    world.answer(CHAT, "«Two»")
    kept = bodies(world)[-1]["input"][1]["content"][0]["text"]
    assert kept.startswith("Answer to «One»") and "Sources" not in kept


def test_an_answer_that_was_cut_in_its_code_has_its_sources_outside(world):
    world.say(CHAT, "Code [[search=1 status=incomplete say=```\nprint(42)]]")
    world.answer(CHAT, "Sources:")
    world.rest(CHAT)
    (message,) = world.bot_messages(CHAT)
    (code,) = [e for e in message["entities"] if e["type"] == "pre"]
    assert code["offset"] + code["length"] <= message["text"].index("Sources:")


def test_searches_of_an_answer_whose_worker_died_are_paid_for_once(world):
    world.say(CHAT, "News? [[search=2 tool_ms=1000 deltas=10 delta_ms=20]]")
    until(lambda: world.calls(method="POST /v1/responses"), "the question to be asked")
    until(lambda: any(value.startswith("searching") for value in (world.redis.hget(key, "doing") or "" for key in world.redis.scan_iter(world.key("job:*")))),
          "the search to begin")
    world.kill(world.of("llm")[0])
    world.start("llm")
    world.answer(CHAT, "Sources:", 60)
    world.rest(CHAT)
    assert len(world.shown(CHAT)) == 1 and len(world.responses()) == 1
    assert bill_is_right(world)["web_search"] == 2


@pytest.mark.settings(OPENAI_BACKGROUND="off")
def test_where_nobody_reports_what_was_used_the_searches_are_those_of_the_stream(world):
    world.say(CHAT, "Long [[search=2 deltas=100 words=100 delta_ms=100]]")
    until(lambda: world.bot_messages(CHAT), "first words")
    world.say(CHAT, "/cancel")
    world.rest(CHAT)
    world.at_rest()
    (row,) = world.rows()
    assert row["estimated"] == 1 and tools_of(row) == {"web_search": 2}
    assert row["cost_nusd"] == row["input_tokens"] * PRICE_IN + row["output_tokens"] * PRICE_OUT + 2 * FEES["web_search"]
