"""Budgets hold, and the ledger is the bill."""
import json
import signal
import time

import pytest

from world import ADMIN, World, until

CHAT = 5001
PRICE_IN, PRICE_OUT = 1000, 5000           # nano-dollars a token: gpt-6.1-terra


def spent(world):
    return sum(r["cost_nusd"] for r in world.rows())


def ask_until_used_up(world, most, words):
    """One question after the other until one is refused. How many were asked."""
    for n in range(1, most + 1):
        world.say(CHAT, f"question {n} [[words={words}]]")
        until(lambda: any(f"«question {n}" in t or "used up" in t for t in world.shown(CHAT)), "an answer or a line")
        world.rest(CHAT)
        if any("used up" in t for t in world.shown(CHAT)):
            break
    world.at_rest()
    return n


@pytest.mark.settings(USER_DAILY_BUDGET_USD="0")
def test_a_budget_of_nothing_means_nothing(world):
    for n in range(2):
        world.say(CHAT, f"q{n}")
    until(lambda: len(world.shown(CHAT)) == 2, "a line for each question")
    world.at_rest()
    assert world.responses() == [] and world.rows() == [] and all(len(t) <= 300 for t in world.shown(CHAT))


@pytest.mark.parametrize("name, budget", [("USER_DAILY_BUDGET_USD", 0.02), ("USER_MONTHLY_BUDGET_USD", 0.02), ("GLOBAL_MONTHLY_BUDGET_USD", 0.02),
                                          ("USER_DAILY_BUDGET_USD", 0.002), ("GLOBAL_MONTHLY_BUDGET_USD", 0.001)])
def test_a_budget_is_used_well_and_never_passed(tmp_path, name, budget):
    with World(tmp_path, {name: str(budget), "PRICES_FILE": "", "OPENAI_PRICE_PER_1K_TOKENS": "0.002"}) as world:
        world.start_all()
        asked = ask_until_used_up(world, 200, 100 if budget > 0.01 else 20)
        assert budget / 2 <= spent(world) / 1e9 <= budget and asked < 200


@pytest.mark.settings(GLOBAL_MONTHLY_BUDGET_USD="0.03")
@pytest.mark.counts(llm=2)
def test_twenty_parallel_chats_do_not_overrun_a_budget(world):
    chats = list(range(6001, 6021))
    for chat in chats:
        world.say(chat, f"q {chat} [[words=300 deltas=20 delta_ms=20]]")
    for chat in chats:
        until(lambda: world.shown(chat), f"an answer or a line for {chat}", 60)
        world.rest(chat, 60)
    world.at_rest()
    assert 15_000_000 <= spent(world) <= 30_000_000
    assert all(len(world.shown(chat)) == 1 for chat in chats)


@pytest.mark.counts(llm=2)
def test_twenty_groups_of_one_user_do_not_overrun_his_own_limit(world):
    world.say(ADMIN, "/user 7001 day 0.03")
    until(lambda: "Done" in "".join(world.shown(ADMIN)), "the limit")
    groups = [-100_500_000 - n for n in range(20)]
    for group in groups:
        world.ask_in(group, f"q {group} [[words=300 deltas=20 delta_ms=20]]", user=7001)
    for group in groups:
        until(lambda: world.shown(group), f"an answer or a line for {group}", 60)
        world.rest(group, 60)
    world.at_rest()
    assert 15_000_000 <= spent(world) <= 30_000_000
    assert all(len(world.shown(group)) == 1 for group in groups)


@pytest.mark.settings(USER_DAILY_BUDGET_USD="10")
def test_counters_are_rebuilt_before_anything_is_spent(world):
    world.say(CHAT, "one")
    world.answer(CHAT, "«one»")
    world.at_rest()
    first = spent(world)
    world.redis.flushall()
    world.say(CHAT, "two")
    world.answer(CHAT, "«two»", 40)
    world.at_rest()
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 3 * 3600))
    assert int(world.redis.hget(world.key(f"spend:{day}:{CHAT}"), "spent")) == spent(world) > first


@pytest.mark.counts(ledger=2)
def test_the_ledger_may_be_away(world):
    for ledger in world.of("ledger"):
        world.stop(ledger)
    for n in range(5):
        world.say(6000 + n, f"q{n}")
    for n in range(5):
        world.answer(6000 + n, f"«q{n}»")
    assert world.redis.xlen(world.key("ledger")) == 5
    world.start("ledger")
    world.at_rest()
    assert len(world.rows()) == 5 and sum(r["output_tokens"] for r in world.rows()) == world.control("billed")["output_tokens"]


def test_a_model_without_a_price_is_billed_by_the_variables(tmp_path):
    with World(tmp_path, {"OPENAI_MODEL": "local-llama", "OPENAI_PRICE_PER_1K_TOKENS": "0.003"}) as world:
        world.start_all()
        world.say(CHAT, "one")
        world.answer(CHAT, "«one»")
        world.at_rest()
        (row,) = world.rows()
        assert row["cost_nusd"] == (row["input_tokens"] + row["output_tokens"]) * 3000 and row["model"] == "local-llama"


@pytest.mark.settings(USER_DAILY_BUDGET_USD="0.02", USER_MONTHLY_BUDGET_USD="0.2", PRICES_FILE="", OPENAI_PRICE_PER_1K_TOKENS="0.002")
def test_a_budget_that_is_nearly_used_is_said_once(world):
    """It is said behind the answer that has passed four fifths, and not again."""
    ask_until_used_up(world, 60, 60)
    shown = world.shown(CHAT)
    assert [t for t in shown if "80" in t and "budget" in t] == ["More than 80 % of your budget for today is used."], shown
    told = shown.index("More than 80 % of your budget for today is used.")
    costs = [r["cost_nusd"] for r in world.rows()]
    assert sum(costs[:told - 1]) < 16_000_000 <= sum(costs[:told])


@pytest.mark.settings(GLOBAL_MONTHLY_BUDGET_USD="0.0001", PRICES_FILE="", OPENAI_PRICE_PER_1K_TOKENS="0.00001")
def test_the_shared_budget_that_is_nearly_used_is_told_to_administrators(world):
    world.say(1, "hello")                   # so that there is a chat with him
    ask_until_used_up(world, 60, 60)
    until(lambda: any("80 %" in t for t in world.shown(1)), "the alert")
    world.at_rest()
    assert sum("80 %" in t for t in world.shown(1)) == 1 and not any("80 %" in t for t in world.shown(CHAT))


@pytest.mark.settings(USER_DAILY_BUDGET_USD="0")
def test_what_an_administrator_has_set_goes_before_the_settings(world):
    def answer_to(question):
        world.say(CHAT, question)
        until(lambda: len(world.shown(CHAT)) > len(shown), "an answer or a line")
        world.rest(CHAT)
        shown.append(world.shown(CHAT)[-1])
        return "«" in shown[-1]

    shown = []
    user, settings = world.key(f"user:{CHAT}"), world.key("settings")
    assert not answer_to("by the settings")
    world.redis.hset(user, "daily_budget_nusd", 9 * 10**15)
    assert answer_to("no limit for this user")
    world.redis.hset(user, "daily_budget_nusd", 1)
    assert not answer_to("nearly nothing for this user")
    world.redis.delete(user)
    world.redis.hset(settings, "USER_DAILY_BUDGET_NUSD", 10**9)
    assert answer_to("a dollar for each user")
    world.redis.hset(user, "role", "guest")
    assert not answer_to("but not for guests")
    world.redis.hset(settings, "GUEST_DAILY_BUDGET_NUSD", "none")
    assert answer_to("now for guests too")
    world.redis.hset(settings, "GLOBAL_MONTHLY_BUDGET_NUSD", 0)
    assert not answer_to("nothing for anybody")
    world.redis.delete(user, settings)
def test_a_model_without_a_price_is_told_of_once(tmp_path):
    with World(tmp_path, {"OPENAI_MODEL": "local-llama"}) as world:
        world.start_all()
        world.say(ADMIN, "/start")              # a bot can only write to whom it knows
        for word in ("one", "two"):
            world.say(CHAT, word)
            world.answer(CHAT, f"«{word}»")
        until(lambda: "local-llama" in "".join(world.shown(ADMIN)), "the administrator to be told")
        ledger, = world.of("ledger")
        world.kill(ledger)                      # another ledger does not tell again
        world.redis.delete(world.key("alert:unpriced"))
        world.start("ledger")
        world.say(CHAT, "three")
        world.answer(CHAT, "«three»")
        world.at_rest()
        assert world.redis.ttl(world.key("unpriced:local-llama")) > 86400
        assert sum("local-llama" in text for text in world.shown(ADMIN)) == 1


def prices_of(output):
    return json.dumps({"models": {"gpt-6.1-terra": {"input": "0", "output": output}}})


def test_new_prices_are_in_force_without_a_restart_and_broken_ones_never(tmp_path):
    file = tmp_path / "prices.json"
    file.write_text(prices_of("1"))
    with World(tmp_path, {"PRICES_FILE": str(file)}) as world:
        world.start_all()
        world.say(ADMIN, "/start")

        def per_token(word):
            world.say(CHAT, word)
            world.answer(CHAT, f"«{word}»")
            world.at_rest()
            row = world.rows()[-1]
            return row["cost_nusd"] / row["output_tokens"], row["price_version"]

        price, first = per_token("one")
        assert price == 1000
        file.write_text(prices_of("2"))
        for service in ("llm", "media", "ledger"):
            world.of(service)[0].signal(signal.SIGHUP)
            until(lambda: "is in force" in world.of(service)[0].text(), f"{service} to read it")
        price, second = per_token("two")
        assert price == 2000 and second != first

        world.expect_error("the old ones stay in force")
        file.write_text('{"models": {"gpt-6.1-terra": {"output": "cheap"}}}')       # nobody says so: they look by themselves
        llm = world.of("llm")[0]
        until(lambda: "the old ones stay in force" in llm.text(), "the broken file to be refused")
        assert "models.gpt-6.1-terra.output: expected USD" in llm.text()
        assert per_token("three") == (2000, second)
        until(lambda: "expected USD" in "".join(world.shown(ADMIN)), "the administrator to be told")
        assert llm.text().count("the old ones stay in force") == 1
