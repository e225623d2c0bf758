"""Who may ask, and how often."""
import pytest

import calls
from bench import CHAT
from scenes import drawn

ASKED = dict(first="llm", kind="text", text="?", chat="7", chat_type="private", user="7", name="Ada")


def ask(bench, update, **more):
    return bench.run(calls.accept(update, f"{update}-1", "7", **{**ASKED, **more}))


def line(bench, update):
    return bench.job(f"{update}-1").get("line")


def test_whom_the_settings_let_in_is_answered(bench):
    assert ask(bench, 1) == "ok" and line(bench, 1) is None


def test_a_stranger_gets_a_line_and_no_answer(bench):
    assert ask(bench, 1, access="closed") == "refused"
    assert (line(bench, 1), bench.job("1-1")["about"]) == ("not_allowed", "7") and bench.entries("llm") == []
    assert ask(bench, 1, access="closed") == "dup"


def test_in_a_group_his_id_is_not_said(bench):
    ask(bench, 1, access="closed", chat="-100", chat_type="supergroup")
    assert bench.job("1-1")["about"] == ""


@pytest.mark.parametrize("role", ["user", "guest"])
def test_a_role_lets_a_stranger_in(bench, role):
    bench.key("HSET", "user:7", "role", role)
    assert ask(bench, 1, access="closed") == "ok" and ask(bench, 2, access="ask") == "ok"


def test_who_is_blocked_is_refused_whatever_the_settings_say(bench):
    bench.key("HSET", "user:7", "role", "blocked")
    assert ask(bench, 1) == "refused" and line(bench, 1) == "not_allowed"
    assert ask(bench, 2, role="admin") == "ok"               # nobody blocks an administrator


def test_what_was_not_said_to_us_is_refused_in_silence(bench):
    assert ask(bench, 1, access="quiet", lane_max=-1) == "other" and bench.run(calls.accept(1, "1-1", "7", **ASKED)) == "ok"
    assert ask(bench, 2, access="quiet") == "refused" and bench.job("2-1") == {}


def test_an_album_of_a_stranger_is_refused_once(bench):
    said = [ask(bench, n, access="closed", gather="album:5", open_ms=500) for n in (1, 2, 3)]
    assert said == ["refused"] * 3 and [line(bench, n) for n in (1, 2, 3)] == ["not_allowed", None, None]


def test_commands_of_a_stranger_are_refused_too(bench):
    told = dict(chat="7", chat_type="private", user="7", kind="line", access="closed")
    assert bench.run(calls.accept(1, "1-1", "", line="help", **told)) == "refused"
    assert bench.run(calls.control(2, "2-1", "7", "new", **told)) == "refused"
    assert bench.run(calls.files(3, "3-1", "7", **told)) == "refused"
    assert bench.run(calls.retry(4, "4-1", "7", **told)) == "refused"
    assert [line(bench, n) for n in (1, 2, 3, 4)] == ["not_allowed"] * 4


def test_a_button_is_pressed_in_vain_by_a_stranger(bench):
    job = drawn(bench)
    told = {**{k: v for k, v in bench.job(job).items() if k in ("chat", "chat_type", "user", "topic")}, "callback": "c", "access": "closed"}
    assert bench.run(calls.choose(900, "900-1", CHAT, "again", job, **told)) == "refused"
    assert line(bench, 900) == "not_allowed" and bench.job("900-1")["kind"] == "press"


def test_administrators_are_asked_about_a_stranger_once_a_day(bench):
    bench.key("SADD", "admins", 1, 2)
    assert [ask(bench, n, access="ask") for n in (1, 2)] == ["refused"] * 2
    assert [line(bench, n) for n in (1, 2)] == ["access_asked", "access_waits"]
    wanted = [bench.job(e["job"]) for _, e in bench.entries("outbound") if e["job"].startswith("knock-")]
    assert sorted(w["chat"] for w in wanted) == ["1", "2"]
    assert all((w["line"], w["about"], w["grants"]) == ("access_wanted", "Ada (7)", "7") for w in wanted)
    assert 0 < bench.key("TTL", "knock:7") <= 86400


def test_so_many_questions_at_once_and_then_one_after_the_other(bench):
    assert [ask(bench, n, per_min=3) for n in range(1, 6)] == ["ok", "ok", "ok", "fast", "fast"]
    assert (line(bench, 4), bench.job("4-1")["about"], line(bench, 5)) == ("too_fast", "3", "too_fast")       # each hears of it
    assert 59_000 < bench.key("PTTL", "rate:7") <= 60_000 and bench.key("TTL", "rate:7:told") <= 60
    full = int(bench.key("GET", "rate:7"))
    bench.key("SET", "rate:7", full - 20_000)                # twenty seconds later
    assert [ask(bench, n, per_min=3) for n in (6, 7)] == ["ok", "fast"]


def test_a_flood_is_not_answered_by_one(bench):
    assert {ask(bench, n, per_min=1) for n in range(2, 20)} == {"ok", "fast"}
    assert len([n for n in range(2, 20) if bench.key("EXISTS", f"job:{n}-1") and line(bench, n) == "too_fast"]) == 10


def test_others_and_administrators_are_not_counted(bench):
    assert ask(bench, 1, per_min=1) == "ok" and ask(bench, 2, per_min=1) == "fast"
    assert ask(bench, 3, per_min=1, user="8") == "ok"
    assert [ask(bench, n, per_min=1, user="9", role="admin") for n in (4, 5)] == ["ok", "ok"]


def test_a_further_part_is_no_question(bench):
    assert ask(bench, 1, per_min=1, gather="long:7", open_ms=900, message=1, asked=5) == "ok"
    assert ask(bench, 2, per_min=1, gather="long:7", message=2, asked=5) == "joined"


def test_asking_again_counts_as_well(bench):
    job = drawn(bench)
    told = {**{k: v for k, v in bench.job(job).items() if k in ("chat", "chat_type", "user", "topic")}, "callback": "c"}
    bench.key("SET", f"rate:{told['user']}", int(bench.redis.call("TIME")[0]) * 1000 + 60_000)
    assert bench.run(calls.choose(900, "900-1", CHAT, "again", job, per_min=1, **told)) == "fast"
    assert bench.run(calls.choose(901, "901-1", CHAT, "asfile", job, per_min=1, **told)) == "ok"         # that costs nothing


# ---- the buttons under the question about a stranger ----

def pressed(bench, update, admin, role, message):
    """An administrator's press, and the ledger's answer to it."""
    job = f"{update}-1"
    assert bench.run(calls.accept(update, job, "", first="ledger", kind="set", chat=admin, chat_type="private", user=admin, role="admin", callback="c",
                                  grants="7", message=message, lang="en", **{"set:0": f"user:7 role {role}"})) == "ok"
    entry = bench.entries("ledger")[-1][0]
    return [bench.run(calls.told("ledger", entry, job, kept=[("user:7", "role", role)])) for _ in range(2)]


def knocked(bench):
    bench.key("SADD", "admins", 1, 2)
    ask(bench, 1, access="ask", lang="ru")
    for n, e in enumerate(e for _, e in bench.entries("outbound") if e["job"].startswith("knock-")):
        bench.key("HSET", "job:" + e["job"], "part:0", 100 + n)


def lines(bench, end):
    return {e["job"]: bench.job(e["job"]) for _, e in bench.entries("outbound") if e["job"].startswith(end)}


def test_a_press_lets_a_stranger_in_and_everybody_concerned_hears_of_it(bench):
    knocked(bench)
    assert pressed(bench, 50, "1", "guest", 100) == ["ok", "stale"]
    assert bench.key("HGET", "user:7", "role") == "guest" and ask(bench, 2, access="ask") == "ok"
    said = lines(bench, "50-1")
    assert (said["50-1"]["kind"], said["50-1"]["line"], said["50-1"]["about"]) == ("press", "granted_guest", "Ada (7)")
    edits = {j["chat"]: (j["line"], j["part:0"]) for name, j in said.items() if name in ("50-1-1", "50-1-2")}
    assert {c: line for c, (line, _) in edits.items()} == {"1": "granted_guest", "2": "granted_guest"}
    assert sorted(at for _, at in edits.values()) == ["100", "101"] and len(said) == 4
    told = said["50-1-told"]
    assert (told["chat"], told["line"], told["lang"]) == ("7", "access_given", "ru")


def test_a_second_press_tells_the_stranger_nothing_new(bench):
    knocked(bench)
    pressed(bench, 50, "1", "guest", 100)
    pressed(bench, 51, "2", "user", 101)
    assert "51-1-told" not in lines(bench, "51-1") and lines(bench, "51-1")["51-1-1"]["line"] == "granted_user"


def test_who_is_blocked_is_told_nothing(bench):
    knocked(bench)
    pressed(bench, 50, "1", "blocked", 100)
    assert "50-1-told" not in lines(bench, "50-1") and lines(bench, "50-1")["50-1-2"]["line"] == "granted_blocked"
    assert ask(bench, 2) == "refused"


def test_a_press_days_later_changes_its_own_message(bench):
    bench.key("SADD", "admins", 1, 2)
    pressed(bench, 50, "1", "user", 100)
    said = lines(bench, "50-1")
    assert sorted(said) == ["50-1", "50-1-1", "50-1-told"] and said["50-1-1"]["about"] == "7"


def test_a_strangers_question_to_the_ledger_never_gets_there(bench):
    told = dict(chat="7", chat_type="private", user="7", kind="ask", first="ledger", what="stats", access="closed")
    assert bench.run(calls.accept(1, "1-1", "", **told)) == "refused"
    assert bench.entries("ledger") == [] and line(bench, 1) == "not_allowed"


# ---- to be forgotten ----

WISH = dict(chat="7", chat_type="private", user="7", kind="ask", first="ledger", what="forget", line="forget_done", callback="c", message=90)


def forget(bench, update):
    return bench.run(calls.control(update, f"{update}-1", "7", "forget", **WISH))


def test_who_is_to_be_forgotten_leaves_nothing_in_redis(bench):
    bench.key("HSET", "chat:7", "response", "resp_1", "question:1", "?", "epoch", 3)
    bench.key("HSET", "uploads:7", "file-1", "1 user_data 5 a.pdf")
    bench.key("HSET", "library:7", "store", "vs_1", "file-2", "1 user_data 5 b.pdf")
    bench.key("HSET", "user:7", "role", "guest", "model", "m")
    bench.key("SET", "knock:7", "1 en Ada")
    assert forget(bench, 1) == "idle" and forget(bench, 1) == "dup"
    assert bench.key("HGETALL", "chat:7") == ["epoch", "4"]
    assert [bench.key("EXISTS", k) for k in ("uploads:7", "library:7", "knock:7")] == [0, 0, 0]
    (gone,) = [bench.job(e["job"]) for _, e in bench.entries("media")]
    assert gone["kind"] == "forget" and sorted(gone["delete"].split()) == ["file-1", "file-2", "vs_1"]
    ((entry, asked),) = bench.entries("ledger")
    assert (asked["kind"], asked["what"], asked["user"]) == ("ask", "forget", "7")
    assert bench.run(calls.wish("ledger", bench.read("ledger", "W")[0], "1-1", kind="ask", what="forget_now")) == "ok"
    ((entry, _),) = bench.entries("ledger")
    kept = [("user:7", name, "") for name in ("role", "model", "daily_budget_nusd", "monthly_budget_nusd")]
    assert [bench.run(calls.told("ledger", entry, "1-1", kept=kept)) for _ in range(2)] == ["ok", "stale"]
    assert bench.key("EXISTS", "user:7") == 0
    said = lines(bench, "1-1")
    assert (said["1-1"]["kind"], said["1-1"]["line"]) == ("press", "forget_done")
    assert (said["1-1-said"]["line"], said["1-1-said"]["part:0"]) == ("forget_done", "90") and len(said) == 2


def test_nobody_is_forgotten_while_an_answer_is_being_made(bench):
    ask(bench, 1)
    assert forget(bench, 2) == "busy" and line(bench, 2) == "retry_busy" and bench.entries("ledger") == []
    assert "job" in bench.key("HGETALL", "chat:7")
