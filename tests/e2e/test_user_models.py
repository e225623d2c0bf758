"""A user picks the model that answers him, where USER_MODELS permits it."""
import json

import pytest

from test_answers import bodies
from test_models import listed, told
from world import ADMIN, ROOT, until

ADA, BOB, GROUP = 5001, 5002, -1001234500
FEW = "gpt-6-luna,gpt-6-sol,gpt-6-astra"
few = pytest.mark.settings(USER_MODELS=FEW)
every = pytest.mark.settings(USER_MODELS="all")


def asked(world, user, words):
    """The model that the question went to."""
    world.say(user, words)
    world.answer(user, f"«{words}»")
    return bodies(world)[-1]["model"]


def chooses(world, user, name, says="You are now answered by"):
    before = len(world.shown(user))
    world.say(user, f"/model {name}")
    return until(lambda: [t for t in world.shown(user)[before:] if says in t], f"{says!r} after /model {name}; shown: {world.shown(user)}")[-1]


def own(world, user):
    return world.redis.hget(world.key(f"user:{user}"), "model")


def restarted(world, **settings):
    """Ingest and ledger with other settings."""
    world.at_rest()
    for service in ("ingest", "ledger"):
        world.stop(world.of(service)[0])
    world.settings.update(settings)
    for service in ("ingest", "ledger"):
        world.start(service)


def list_is(world, models):
    """OpenAI's list is this now, and has been read."""
    world.control("model", {"models": models, "strict_models": True})
    world.stop(world.of("llm")[0])
    world.redis.delete(world.key("models:asked"), world.key("models"))
    world.start("llm")
    until(lambda: world.redis.hlen(world.key("models")) == len(models), "the new list")


# ---- choosing ----

@few
def test_a_model_is_chosen_out_of_a_menu_and_others_keep_theirs(world):
    listed(world)
    world.say(ADA, "/model")
    menu = told(world, "Which model shall answer you?", ADA)
    assert "✅ gpt-6.1-terra: $1.00 / $5.00 👁📄🛠💭" in menu and "👁 sees" in menu
    labels = world.buttons(ADA)
    assert [t.split(" ")[0] for t in labels] == ["gpt-6-luna", "gpt-6-sol", "gpt-6-astra", "default"]
    assert labels[1] == "gpt-6-sol · $2.00 / $10.00 👁📄🛠💭" and labels[3] == "default · gpt-6.1-terra"
    pressed = world.press(ADA, "gpt-6-luna")
    assert "You are now answered by gpt-6-luna, $0.10" in world.answered(pressed["callback_id"])
    assert asked(world, ADA, "Ada's") == "gpt-6-luna" and asked(world, BOB, "Bob's") == "gpt-6.1-terra"
    world.at_rest()
    assert [(r["user_id"], r["model"]) for r in world.rows()] == [(ADA, "gpt-6-luna"), (BOB, "gpt-6.1-terra")]
    assert world.rows("SELECT user_id, model FROM users WHERE model IS NOT NULL") == [{"user_id": ADA, "model": "gpt-6-luna"}]
    world.say(ADA, "/model")
    assert "✅ gpt-6-luna" in told(world, "Which model shall answer you?", ADA)
    until(lambda: any(t.startswith("✅ gpt-6-luna · $0.10") for t in world.buttons(ADA)), "the menu with his model")
    pressed = world.press(ADA, "default")
    assert "The bot's own model answers you now: gpt-6.1-terra" in world.answered(pressed["callback_id"])
    assert asked(world, ADA, "again") == "gpt-6.1-terra" and own(world, ADA) is None
    world.at_rest()


@few
def test_it_is_chosen_by_its_name_for_good_and_goes_before_everybodys(world):
    listed(world)
    assert "gpt-6-sol, $2.00 / $10.00" in chooses(world, ADA, "gpt-6-sol")
    world.say(ADMIN, "/setmodel gpt-6-luna")
    told(world, "Answers now come from gpt-6-luna")
    assert asked(world, ADA, "mine") == "gpt-6-sol" and asked(world, BOB, "theirs") == "gpt-6-luna"
    restarted(world)
    world.redis.delete(world.key(f"user:{ADA}"), world.key("spend:ready"))
    restarted(world)
    until(lambda: own(world, ADA) == "gpt-6-sol", "what Redis had lost")
    assert asked(world, ADA, "still mine") == "gpt-6-sol"
    assert "gpt-6-luna" in chooses(world, ADA, "default", "The bot's own model")
    assert asked(world, ADA, "as all") == "gpt-6-luna"
    world.at_rest()


@few
@pytest.mark.parametrize("words, says", [
    ("gpt-5.6-luna", "The model gpt-5.6-luna cannot be chosen"), ("gpt-6.1-terra", "cannot be chosen"), ("gpt-6-luna,gpt-6-sol", "cannot be chosen"),
    ("gpt-6", "cannot be chosen"), ("5002 gpt-6-luna", "Like this: /model"), ("chat gpt-6-luna", "Like this: /model"), ("m" * 250, "Like this: /model"),
])
def test_what_is_not_permitted_is_refused(world, words, says):
    listed(world)
    assert len(chooses(world, ADA, words, says)) <= 300
    world.at_rest()
    assert own(world, ADA) is None and not world.rows("SELECT * FROM changes") and len(world.bot_messages(ADA)) == 1


@pytest.mark.settings(USER_MODELS="gpt-6-luna,gpt-9,gpt-old,whisper-1,gpt-image-2")
@pytest.mark.parametrize("words, says", [
    ("gpt-9", "There is no model gpt-9"), ("gpt-old", "gpt-old has been shut down"), ("whisper-1", "whisper-1 cannot answer"), ("gpt-image-2", "cannot answer"),
])
def test_what_is_permitted_but_is_of_no_use_is_neither_taken_nor_offered(world, words, says):
    list_is(world, ["gpt-6.1-terra", "gpt-6-luna", "whisper-1", "gpt-image-2", {"id": "gpt-old", "shutdown_date": "2026-01-01"}])
    chooses(world, ADA, words, says)
    world.say(ADA, "/model")
    told(world, "Which model shall answer you?", ADA)
    assert [t.split(" ")[0] for t in world.buttons(ADA)] == ["gpt-6-luna", "default"]
    world.at_rest()
    assert own(world, ADA) is None


@every
def test_all_are_those_that_models_has_for_answers(world):
    known = json.loads((ROOT / "prices.json").read_text())
    known["models"] |= {f"gpt-x{n}": known["models"]["gpt-6-luna"] for n in range(10)}
    (world.path / "prices.json").write_text(json.dumps(known))
    restarted(world, PRICES_FILE=str(world.path / "prices.json"))
    list_is(world, [f"gpt-x{n}" for n in range(10)] + ["gpt-9-giant", "gpt-6.1-terra", "gpt-6-luna", "gpt-6-luna-2026-01-31", "gpt-image-2", {"id": "gpt-old", "shutdown_date": "2026-01-01"}])
    world.say(ADA, "/model")
    told(world, "Which model shall answer you?", ADA)
    first = world.buttons(ADA)
    assert len(first) == 10 and first[-2] == "»"
    pressed = world.press(ADA, "»")
    world.answered(pressed["callback_id"])
    until(lambda: "«" in world.buttons(ADA), "the second page, in the place of the first")
    names = {t.split(" ")[0] for t in first + world.buttons(ADA)} - {"✅", "«", "»", "default"}
    assert names == {f"gpt-x{n}" for n in range(10)} | {"gpt-6-luna"} and len(world.bot_messages(ADA)) == 1      # and ✅ gpt-6.1-terra
    chooses(world, ADA, "gpt-7", "There is no model gpt-7")
    chooses(world, ADA, "gpt-image-2", "cannot answer")
    chooses(world, ADA, "gpt-9-giant", "cannot be chosen")           # nobody knows what it costs
    chooses(world, ADA, "gpt-x3")
    assert asked(world, ADA, "Hi") == "gpt-x3"
    world.at_rest()


@pytest.mark.settings(USER_MODELS="llama-next")
def test_a_server_without_a_list_has_those_that_are_named(world):
    world.control("model", {"models": [], "strict_models": False})
    world.stop(world.of("llm")[0])
    world.redis.delete(world.key("models:asked"), world.key("models"))
    world.start("llm")
    until(lambda: world.redis.exists(world.key("models:asked")), "the question for the list")
    world.say(ADA, "/model")
    told(world, "Which model shall answer you?", ADA)
    pressed = world.press(ADA, "llama-next")
    assert world.answered(pressed["callback_id"]) == "You are now answered by llama-next"
    assert asked(world, ADA, "Hi") == "llama-next"
    restarted(world, USER_MODELS="all")
    chooses(world, BOB, "llama-next", "There is no model llama-next")
    world.at_rest()


# ---- where it is not permitted (any more) ----

def test_without_the_setting_there_is_no_such_command(world):
    world.say(ADA, "/model gpt-6-luna")
    told(world, "do not know this command", ADA)
    world.say(ADMIN, "/model")
    assert "USER_MODELS" in told(world, "/setmodel")
    world.say(ADA, "/help")
    told(world, "/img", ADA)
    world.say(ADMIN, "/help")
    told(world, "/img")
    world.at_rest()
    assert not any("/model " in t for t in world.shown(ADA)[1:] + world.shown(ADMIN)[1:])
    restarted(world, USER_MODELS=FEW)
    world.say(ADA, "/help")
    told(world, "/model — your model", ADA)
    world.say(ADMIN, "/help")
    told(world, "/model — my model")
    world.at_rest()


@few
def test_a_choice_is_obeyed_only_while_it_is_permitted(world):
    listed(world)
    chooses(world, ADA, "gpt-6-luna")
    assert asked(world, ADA, "one") == "gpt-6-luna"
    restarted(world, USER_MODELS="gpt-6-sol,gpt-6-luna-2026-01-31")
    assert asked(world, ADA, "two") == "gpt-6.1-terra"
    world.say(ADA, "/retry")
    until(lambda: len(bodies(world)) == 3, "the second answer")
    world.rest(ADA)
    assert bodies(world)[-1]["model"] == "gpt-6.1-terra"
    world.say(ADA, "/model")
    menu = told(world, "Which model shall answer you?", ADA)
    assert "✅ gpt-6.1-terra" in menu and "You had chosen gpt-6-luna, which is not permitted any more" in menu
    restarted(world, USER_MODELS=None)
    assert asked(world, ADA, "three") == "gpt-6.1-terra"
    pressed = world.press(ADA, "gpt-6-sol")              # under the menu that stands there still
    assert world.answered(pressed["callback_id"]) == "The model cannot be chosen here."
    restarted(world, USER_MODELS="all")
    assert asked(world, ADA, "four") == "gpt-6-luna"     # it was kept as he chose it
    world.at_rest()


@few
def test_a_question_that_waits_goes_to_the_model_of_its_time(world):
    listed(world)
    world.say(ADA, "slow [[deltas=40 delta_ms=50 words=100]]")
    until(lambda: world.shown(ADA), "the first words")
    world.say(ADA, "waits")
    until(lambda: world.redis.llen(world.key(f"lane:{ADA}")), "it to wait")
    chooses(world, ADA, "gpt-6-luna")
    world.say(ADA, "after")
    world.answer(ADA, "«after»")
    world.at_rest()
    assert [b["model"] for b in bodies(world)] == ["gpt-6.1-terra", "gpt-6.1-terra", "gpt-6-luna"]


@few
def test_who_may_not_talk_does_not_choose(world):
    listed(world)
    world.say(ADMIN, f"/user {ADA} role blocked")
    told(world, "Done")
    world.say(ADA, "/model gpt-6-luna")
    told(world, "private bot", ADA)
    world.at_rest()
    assert own(world, ADA) is None


# ---- a model that is gone ----

@few
def test_who_chose_a_model_that_is_gone_is_told_the_way_out(world):
    listed(world)
    chooses(world, ADA, "gpt-6-luna")
    world.at_rest()
    list_is(world, ["gpt-6.1-terra", "gpt-6-sol"])
    world.say(ADA, "Hello?")
    told(world, "no longer exists. Choose another one: /model", ADA)
    world.at_rest()
    assert not world.shown(ADMIN)                        # OPENAI_MODEL is well
    world.say(ADA, "/model")
    menu = told(world, "Which model shall answer you?", ADA)
    assert "✅ gpt-6-luna" in menu and "gpt-6-luna answers no more" in menu and not any("gpt-6-luna" in t for t in world.buttons(ADA))
    world.press(ADA, "default")
    told_so = [p["id"] for p in world.presses(ADA)][-1]
    world.answered(told_so)
    assert asked(world, ADA, "And now?") == "gpt-6.1-terra"
    world.at_rest()


@few
def test_a_chosen_model_that_was_shut_down_is_shown_as_that(world):
    listed(world)
    chooses(world, ADA, "gpt-6-luna")
    world.at_rest()
    list_is(world, ["gpt-6.1-terra", "gpt-6-sol", {"id": "gpt-6-luna", "shutdown_date": "2026-01-01"}])
    world.say(ADA, "/model")
    menu = told(world, "Which model shall answer you?", ADA)
    assert "✅ gpt-6-luna" in menu and "shut down 2026-01-01" in menu and "gpt-6-luna answers no more" in menu
    world.say(ADA, "Hello?")
    until(lambda: world.shown(ADA)[-1].endswith("Choose another one: /model"), "the way out")
    chooses(world, ADA, "gpt-6-sol")
    world.say(ADA, "/retry")
    world.answer(ADA, "«Hello?»")
    assert bodies(world)[-1]["model"] == "gpt-6-sol"
    world.at_rest()


# ---- in a group ----

@few
def test_in_a_group_everybody_is_answered_by_his_own(world):
    listed(world)
    chooses(world, BOB, "gpt-6-luna")
    world.ask_in(GROUP, "Ada asks", ADA)
    until(lambda: any("Ada asks" in t for t in world.shown(GROUP)), "the answer to Ada")
    world.ask_in(GROUP, "Bob asks", BOB, "Bob")
    until(lambda: any("Bob asks" in t for t in world.shown(GROUP)), "the answer to Bob")
    world.at_rest()
    assert [b["model"] for b in bodies(world)] == ["gpt-6.1-terra", "gpt-6-luna"]


# ---- what is nobody else's trouble ----

@few
def test_what_a_chosen_model_does_not_take_the_others_keep(world):
    listed(world)
    chooses(world, ADA, "gpt-6-luna")
    world.fault("openai", "status", {"method": "POST", "path": "/v1/responses"}, status=400, times=1,
                body='{"error":{"message":"Hosted tool is not supported","type":"invalid_request_error","param":"tools","code":null}}')
    world.say(ADA, "Ada's")
    world.answer(ADA, "«Ada's»")
    world.say(BOB, "Bob's")
    world.answer(BOB, "«Bob's»")
    world.at_rest()
    tools = {b["model"]: "tools" in b for b in bodies(world)}
    assert tools == {"gpt-6-luna": False, "gpt-6.1-terra": True}


@few
@pytest.mark.parametrize("status, body, says", [
    (400, '{"error":{"message":"Image input is not supported","type":"invalid_request_error","param":"input","code":null}}', "did not accept this question"),
    (403, '{"error":{"message":"Your organization must be verified","type":"invalid_request_error","param":null,"code":null}}', "did not accept this question"),
    (404, '<html>not here</html>', None),
])
def test_a_chosen_model_that_refuses_is_the_users_to_change(world, status, body, says):
    listed(world)
    chooses(world, ADA, "gpt-6-luna")
    world.fault("openai", "status", {"method": "POST", "path": "/v1/responses"}, status=status, times=1, body=body)
    world.say(ADA, "Hi")
    until(lambda: len(world.shown(ADA)) == 2, "the line")
    world.at_rest()
    alerts = [k for k in world.redis.scan_iter(world.key("job:alert-*"))]
    if says:
        assert says in world.shown(ADA)[1] and "/model" in world.shown(ADA)[1] and not alerts
    else:                                            # that is the server's fault, and the administrators are to hear of it
        assert "/model" not in world.shown(ADA)[1] and alerts


@few
def test_what_is_chosen_already_is_not_written_again(world):
    listed(world)
    chooses(world, ADA, "gpt-6-luna")
    chooses(world, ADA, "gpt-6-luna", "You are now answered by gpt-6-luna")
    world.at_rest()
    assert len(world.rows("SELECT * FROM changes")) == 1


# ---- money ----

@pytest.mark.settings(USER_MODELS=FEW, USER_DAILY_BUDGET_USD="5", WEB_SEARCH="off")
def test_what_is_held_and_billed_is_the_price_of_the_model_that_answers(world):
    listed(world)
    chooses(world, ADA, "gpt-6-luna")
    held = {}
    for user in (ADA, BOB):
        world.say(user, "slow [[deltas=60 delta_ms=50 words=100]]")
        job = until(lambda: world.redis.hget(world.key(f"chat:{user}"), "job"), "the question")
        found = until(lambda: [v for k, v in world.redis.hgetall(world.key(f"job:{job}")).items() if k.startswith("hold:")], "money to be held")
        held[user] = int(found[0].split()[0])
    world.at_rest(60)
    assert held[BOB] == 10 * held[ADA] > 0
    ada, bob = (next(r for r in world.rows() if r["user_id"] == user) for user in (ADA, BOB))
    assert (ada["model"], bob["model"]) == ("gpt-6-luna", "gpt-6.1-terra")
    assert ada["cost_nusd"] == ada["input_tokens"] * 100 + ada["output_tokens"] * 500 and ada["cached_tokens"] == ada["cache_write_tokens"] == 0
    assert bob["cost_nusd"] == bob["input_tokens"] * 1000 + bob["output_tokens"] * 5000
    for user, row in ((ADA, ada), (BOB, bob)):
        (period,) = world.redis.scan_iter(world.key(f"spend:????-??-??:{user}"))
        assert world.redis.hmget(period, "spent", "held") == [str(row["cost_nusd"]), "0"]


# ---- what is known of it ----

@few
def test_an_administrator_sees_it_on_the_card(world):
    listed(world)
    world.say(ADMIN, f"/user {ADA}")
    assert "Model: the general one\n" in told(world, "by the settings") + "\n"
    chooses(world, ADA, "gpt-6-luna")
    world.say(ADMIN, f"/user {ADA}")
    told(world, "Own model: gpt-6-luna")
    restarted(world, USER_MODELS=None)
    world.say(ADMIN, f"/user {ADA}")
    told(world, "Model: the general one (gpt-6-luna was chosen, but is not permitted)")
    world.at_rest()


@few
def test_who_is_forgotten_has_none_any_more(world):
    listed(world)
    chooses(world, ADA, "gpt-6-luna")
    assert asked(world, ADA, "one") == "gpt-6-luna"
    world.at_rest()
    world.say(ADA, "/forget")
    until(lambda: "🗑 Delete everything" in world.buttons(ADA), "the question whether he means it")
    world.answered(world.press(ADA, "Delete everything")["callback_id"])
    world.at_rest()
    assert own(world, ADA) is None and not world.rows("SELECT * FROM users WHERE model IS NOT NULL")
    assert asked(world, ADA, "two") == "gpt-6.1-terra"
    world.at_rest()


@few
@pytest.mark.parametrize("step", ["look_around", "looked_around", "tell", "told", "store"])
def test_it_is_chosen_once_wherever_the_ledger_dies(world, step):
    listed(world)
    world.kill(world.of("ledger")[0])
    dying = world.start("ledger", GPTTG_KILL_AT=step)
    world.say(ADA, "/model gpt-6-luna")
    until(lambda: not dying.alive(), "the ledger to die")
    world.kill(dying)
    world.start("ledger")
    told(world, "You are now answered by gpt-6-luna", ADA)
    world.at_rest()
    assert len(world.bot_messages(ADA)) == 1 and len(world.rows("SELECT * FROM changes")) == 1 and not world.dead()
    assert own(world, ADA) == "gpt-6-luna" and asked(world, ADA, "Hi") == "gpt-6-luna"
    world.at_rest()


@few
def test_what_was_chosen_before_forget_is_not_kept_after_it(world):
    """The ledger was away: the choice goes round once more, and comes behind the wish to be forgotten."""
    listed(world)
    world.stop(world.of("ledger")[0])
    world.say(ADA, "/model gpt-6-luna")
    world.say(ADA, "/forget")
    until(lambda: "🗑 Delete everything" in world.buttons(ADA), "the question whether she means it")
    press = world.press(ADA, "Delete everything")
    until(lambda: world.redis.xlen(world.key("ledger")) == 2, "both to wait")
    world.start("ledger")
    assert "nothing of yours" in world.answered(press["callback_id"])
    world.at_rest()
    kept = " ".join(str(row) for table in ("users", "changes") for row in world.rows(f"SELECT * FROM {table}"))
    assert str(ADA) not in kept and own(world, ADA) is None
