"""Who may talk to the bot, and how often."""
import pytest

from world import ADMIN, until

ADA = 7001


@pytest.mark.settings(ACCESS="closed")
def test_a_closed_bot_answers_administrators_and_whom_they_have_let_in(world):
    world.say(ADA, "one")
    until(lambda: "private bot" in "".join(world.shown(ADA)), "a refusal")
    world.say(ADMIN, "two")
    world.answer(ADMIN, "«two»")
    world.redis.hset(world.key(f"user:{ADA}"), "role", "guest")
    world.say(ADA, "three")
    world.answer(ADA, "«three»")
    world.redis.hset(world.key(f"user:{ADA}"), "role", "blocked")
    world.say(ADA, "four")
    until(lambda: len(world.shown(ADA)) == 3, "a refusal")
    world.at_rest()
    assert sorted(r["question"] for r in world.responses()) == ["three", "two"]


@pytest.mark.settings(ACCESS="closed", ALLOWED_USER_IDS=str(ADA))
def test_a_closed_bot_answers_those_of_the_list(world):
    world.say(ADA, "one")
    world.answer(ADA, "«one»")


@pytest.mark.settings(USER_RATE_PER_MIN="2")
def test_who_asks_too_much_hears_it_each_time_and_pays_nothing(world):
    for n in range(5):
        world.say(ADA, f"q{n}")
    until(lambda: "no more than 2 a minute" in "".join(world.shown(ADA)), "the line")
    world.say(ADMIN, "and you?")
    world.answer(ADMIN, "«and you?»")
    world.at_rest()
    assert sorted(r["question"] for r in world.responses()) == ["and you?", "q0", "q1"]
    assert sum("a minute" in t for t in world.shown(ADA)) == 3


# ---- a stranger, and administrators who are asked about him ----

SECOND_ADMIN = 3001


def meet(world, *admins):
    """They have a chat with the bot, in which stands one line."""
    for admin in admins:
        world.say(admin, "/dance")
        until(lambda: world.shown(admin), "the line")


def asked_about(world, admin):
    until(lambda: "wants to talk" in world.shown(admin)[-1], "the question about a stranger")


@pytest.mark.settings(ACCESS="ask", ADMIN_ID=f"{ADMIN},{SECOND_ADMIN}")
def test_a_stranger_is_let_in_by_a_button_and_told_so(world):
    meet(world, ADMIN, SECOND_ADMIN)
    world.say(ADA, "hello")
    until(lambda: "asked its administrator" in "".join(world.shown(ADA)), "that it was asked")
    for admin in (ADMIN, SECOND_ADMIN):
        asked_about(world, admin)
        until(lambda: world.buttons(admin) == ["✅ Let in", "👤 As a guest", "🚫 Block"], "the buttons")
    world.at_rest()
    presses = [world.press(ADMIN, "Let in") for _ in range(2)]
    for press in presses:
        assert "May talk now" in world.answered(press["callback_id"])
    until(lambda: "has let you in" in world.shown(ADA)[-1], "the good news")
    for admin in (ADMIN, SECOND_ADMIN):
        until(lambda: "May talk now" in world.shown(admin)[-1] and not world.buttons(admin), f"the question to be answered in {admin}: {world.bot_messages(admin)}")
    world.say(ADA, "hello again")
    world.answer(ADA, "«hello again»")
    world.at_rest()
    assert sum("let you in" in t for t in world.shown(ADA)) == 1
    assert world.rows("SELECT role FROM users WHERE user_id = ?", ADA) == [{"role": "user"}]
    assert [r["question"] for r in world.responses()] == ["hello again"]


@pytest.mark.settings(ACCESS="ask")
def test_a_stranger_who_is_blocked_hears_nothing_of_it(world):
    meet(world, ADMIN)
    world.say(ADA, "hello")
    asked_about(world, ADMIN)
    world.at_rest()
    said = len(world.shown(ADA))
    world.press(ADMIN, "Block")
    until(lambda: "Blocked" in world.shown(ADMIN)[-1], "the decision")
    world.at_rest()
    assert len(world.shown(ADA)) == said
    world.say(ADA, "hello?")
    until(lambda: "private bot" in world.shown(ADA)[-1], "a refusal")
    world.at_rest()
    assert not world.responses()


# ---- /user ----

def test_user_shows_a_card_with_buttons(world):
    world.say(ADA, "hello", name="Ada")
    world.answer(ADA, "«hello»")
    world.at_rest()
    world.say(ADMIN, f"/user {ADA}")
    card = until(lambda: [t for t in world.shown(ADMIN) if "by the settings" in t], "the card")[0]
    assert str(ADA) in card and "the general one" in card and "(×1)" in card
    until(lambda: len(world.buttons(ADMIN)) == 6, "the buttons")
    world.at_rest()
    press = world.press(ADMIN, "$0.50 a day")
    assert world.answered(press["callback_id"]) == "Done: 0.50"
    assert world.rows("SELECT daily_budget_nusd AS limited FROM users WHERE user_id = ?", ADA) == [{"limited": 500_000_000}]
    assert world.redis.hget(world.key(f"user:{ADA}"), "daily_budget_nusd") == "500000000"
    world.press(ADMIN, "Block")
    until(lambda: f"Blocked: {ADA}" in world.shown(ADMIN)[-1], "the decision")
    world.say(ADA, "and now?")
    until(lambda: "private bot" in world.shown(ADA)[-1], "a refusal")
    world.say(ADMIN, f"/user {ADA} role user")
    until(lambda: "Done" in world.shown(ADMIN)[-1], "the change")
    world.say(ADA, "and now again?")
    world.answer(ADA, "«and now again?»")
    world.say(ADMIN, "/user")
    until(lambda: f"{ADA}: user" in world.shown(ADMIN)[-1], "the list")


def test_a_limit_of_nothing_stops_a_user_at_once(world):
    world.say(ADMIN, f"/user {ADA} day 0")
    until(lambda: "Done" in "".join(world.shown(ADMIN)), "the change")
    world.say(ADA, "one")
    until(lambda: "budget for today is used up" in "".join(world.shown(ADA)), "the line")
    world.say(ADMIN, f"/user {ADA} day none")
    until(lambda: len(world.shown(ADMIN)) == 2, "the change")
    world.say(ADA, "two")
    world.answer(ADA, "«two»")


def test_a_limit_of_a_role_holds_for_all_who_have_it(world):
    world.say(ADMIN, f"/user {ADA} role guest")
    world.say(ADMIN, "/user guest month 0")
    until(lambda: len(world.shown(ADMIN)) == 2, "the changes")
    world.say(ADA, "one")
    until(lambda: "budget for this month is used up" in "".join(world.shown(ADA)), "the line")
    world.say(ADA + 1, "two")
    world.answer(ADA + 1, "«two»")


def test_what_makes_no_sense_and_what_others_say_changes_nothing(world):
    for n, words in enumerate(["x", f"{ADA} day", f"{ADA} day -1", f"{ADA} role king", f"{ADA} day 1 2", "guest role user", "day 1", "-5"]):
        world.say(ADMIN, "/user " + words)
        until(lambda: len(world.shown(ADMIN)) == n + 1, words)
    world.say(ADA, f"/user {ADA} role admin")
    until(lambda: "do not know this command" in "".join(world.shown(ADA)), "the line")
    world.at_rest()
    assert all("Roles: user" in t for t in world.shown(ADMIN)) and world.rows("SELECT * FROM changes") == []
