"""Somebody wants nothing to be kept of him."""
from world import ADMIN, until

ADA, BOB = 7001, 7002


def wants_to_be_forgotten(world, user):
    world.say(user, "/forget")
    until(lambda: "🗑 Delete everything" in world.buttons(user), "the question whether he means it")
    return world.press(user, "Delete everything")


def known(world):
    for user in (ADA, BOB):
        world.say(user, "hello", name="Ada")
        world.answer(user, "«hello»")
        world.say(user, "/stats")
        until(lambda: "Your spending" in str(world.bot_messages(user)), "the sums")
    world.at_rest()


def everything(world):
    found = " ".join(str(row) for table in ("events", "usage", "quarters", "totals", "users", "changes") for row in world.rows(f"SELECT * FROM {table}"))
    return found


def test_it_is_asked_for_confirmation_and_then_nothing_is_kept(world):
    known(world)
    spent = world.rows("SELECT sum(cost_nusd) AS all_of_it, count(*) AS n FROM usage")
    assert str(ADA) in everything(world)
    press = wants_to_be_forgotten(world, ADA)
    assert "nothing of yours" in world.answered(press["callback_id"])
    until(lambda: "nothing of yours" in world.shown(ADA)[-1] and not world.buttons(ADA), "the question to be answered")
    world.at_rest()
    assert str(ADA) not in everything(world) and str(BOB) in everything(world)
    assert world.rows("SELECT sum(cost_nusd) AS all_of_it, count(*) AS n FROM usage") == spent
    assert set(world.redis.hgetall(world.key(f"chat:{ADA}"))) <= {"epoch", "newest"} and not world.redis.exists(world.key(f"user:{ADA}"))
    world.say(ADA, "who am I?")
    world.answer(ADA, "«who am I?»")


def test_whoever_does_not_press_is_kept(world):
    known(world)
    world.say(ADA, "/forget")
    until(lambda: "🗑 Delete everything" in world.buttons(ADA), "the question")
    world.at_rest()
    assert str(ADA) in everything(world)


def test_a_second_press_is_as_good_as_the_first(world):
    known(world)
    first = wants_to_be_forgotten(world, ADA)
    second = world.press(ADA, data="forget") if world.buttons(ADA) else first
    for press in (first, second):
        assert "nothing of yours" in world.answered(press["callback_id"])
    world.at_rest()
    assert str(ADA) not in everything(world)


def test_who_is_blocked_stays_blocked(world):
    known(world)
    press = wants_to_be_forgotten(world, ADA)
    world.answered(press["callback_id"])
    world.say(ADMIN, f"/user {BOB} role blocked")
    until(lambda: "Done" in "".join(world.shown(ADMIN)), "the change")
    world.say(BOB, "/forget")
    until(lambda: "private bot" in world.shown(BOB)[-1], "a refusal")
    world.at_rest()
    assert world.redis.hget(world.key(f"user:{BOB}"), "role") == "blocked"


def test_a_ledger_that_dies_over_it_does_it_all_the_same(world):
    known(world)
    world.kill(world.of("ledger")[0])
    press = wants_to_be_forgotten(world, ADA)
    world.start("ledger")
    assert "nothing of yours" in world.answered(press["callback_id"])
    world.at_rest()
    assert str(ADA) not in everything(world)
