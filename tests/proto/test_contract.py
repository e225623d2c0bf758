"""What each script answers, and when. The scenes (test_scenes.py) try all of them in the ways that no script may fail; here
is what they mean: lanes, tokens, following, money, and whole lives that leave nothing behind."""
import pytest

import calls
from bench import CHAT
from engine import PREFIX, RedisError, as_dict, make_groups
from scenes import DAY, EVENT, MONTH, asked_of_ledger, decided, drawn, given_up, holding, part, picture, spreading, tag, transcribed, uploaded

# ---- coming in ------------------------------------------------------------------------------------------------------


def test_a_question_is_put_in_hand_with_its_two_entries(bench):
    job = bench.ask()
    assert bench.answer == "ok"
    work, follow = bench.entries("llm"), bench.entries("outbound")
    assert [e["kind"] for _, e in work + follow] == ["text", "follow"]
    assert all(e["job"] == job and e["conv"] == CHAT and e["chat"] == "-100123" and e["user"] == "7" for _, e in work + follow)
    told = bench.job(job)
    assert (told["queue"], told["entry"], told["follow"]) == ("llm", work[0][0], follow[0][0])
    assert bench.chat()["job"] == job
    assert bench.key("ZSCORE", "busy", CHAT)


def test_the_others_wait_in_their_order(bench):
    jobs = [bench.ask() for _ in range(3)]
    assert bench.key("LRANGE", "lane:" + CHAT, 0, -1) == jobs[1:]
    assert len(bench.entries("llm")) == 1
    for job in jobs:
        entry, got, _ = bench.pick_up("llm", "L")
        assert got == job
        bench.run(calls.commit("llm", entry, job, "follow"))
        bench.deliver(job, bench.pick_up("outbound", "O")[0])
    bench.at_rest()


def test_conversations_do_not_wait_for_each_other(bench):
    bench.ask("1"), bench.ask("1"), bench.ask("1:2"), bench.ask("-1:2")
    assert [e["conv"] for _, e in bench.entries("llm")] == ["1", "1:2", "-1:2"]


def test_an_update_is_accepted_once(bench):
    call = calls.accept(65_535, "a", CHAT, first="llm")
    assert [bench.run(call), bench.run(call)] == ["ok", "dup"]
    assert bench.run(calls.accept(65_536, "b", CHAT, first="llm")) == "ok"
    assert bench.run(calls.accept(2 ** 40, "c", CHAT, first="llm")) == "ok"
    assert bench.key("LRANGE", "lane:" + CHAT, 0, -1) == ["b", "c"]
    assert 0 < bench.key("TTL", "seen:0") <= 2 * 86400


def test_bits_of_updates_live_two_days_from_the_last(bench):
    bench.run(calls.accept(5, "a", CHAT))
    bench.key("EXPIRE", "seen:0", 10)
    bench.run(calls.accept(6, "b", CHAT))
    assert bench.key("TTL", "seen:0") > 86400


def test_a_full_lane_says_so_and_the_update_is_done_with(bench):
    bench.ask(), bench.ask(lane_max=1)
    job = bench.ask(lane_max=1)
    assert bench.answer == "full"
    told = bench.job(job)
    assert (told["conv"], told["line"]) == ("", "lane_full")
    assert bench.entries("outbound")[-1][1]["job"] == job
    assert bench.key("LLEN", "lane:" + CHAT) == 1


def test_a_lane_of_none_still_answers_one(bench):
    bench.ask(lane_max=0)
    assert bench.answer == "ok"
    bench.ask(lane_max=0)
    assert bench.answer == "full"


@pytest.mark.parametrize("name", ["a b", "a:b-c", "кот", "a\nb", "%s", "conv:1", "'\"", "{x}"])
def test_names_are_only_names(bench, name):
    """Conversations and jobs of any characters live through parking, which is where names are taken apart."""
    bench.ask(conv=name, job="j " + name)
    entry, job, _ = bench.pick_up("llm", "L")
    bench.run(calls.park("llm", entry, job, -5))
    assert bench.run(calls.unpark())[0] == 1
    entry, job, guard = bench.pick_up("llm", "L")
    assert (job, guard) == ("j " + name, "live")
    bench.run(calls.accept(99, name, "", kind="line"))
    bench.pick_up("outbound", "O")
    entry, job, _ = bench.pick_up("outbound", "O")
    bench.run(calls.park("outbound", entry, job, -5))
    bench.run(calls.unpark())
    assert bench.pick_up("outbound", "O")[1:] == (name, "live")


# ---- a text in several messages --------------------------------------------------------------------------------------

def parts_of(bench, *parts):
    return [bench.run(part(800 + n, text, 5 + n, open_ms)) for n, (text, open_ms) in enumerate(parts)]


def test_a_text_in_three_messages_is_one_question(bench):
    assert parts_of(bench, ("one", 60_000), ("two", 60_000), ("three", 0)) == ["ok", "joined", "joined"]
    entry, job, guard = bench.pick_up("llm", "L")
    assert (job, guard, bench.job(job)["text"]) == ("800-1", "live", "one+two+three")
    assert not bench.entries("llm")[1:] and bench.key("ZCARD", "later") == 0
    bench.run(calls.commit("llm", entry, job, "follow"))
    bench.deliver(job, bench.pick_up("outbound", "O")[0])
    bench.at_rest()


def test_a_long_text_alone_waits_and_goes_when_its_time_has_come(bench):
    parts_of(bench, ("one", 60_000))
    assert bench.read("llm", "L") is None and bench.pick_up("outbound", "O")[2] == "follow"
    assert bench.run(calls.unpark())[0] == 0
    bench.key("ZADD", "later", 1, "conv:" + CHAT)
    assert bench.run(calls.unpark())[0] == 1
    assert bench.pick_up("llm", "L")[1:] == ("800-1", "live")


def test_parts_join_where_they_wait_behind_another(bench):
    first = bench.ask()
    assert parts_of(bench, ("one", 60_000), ("two", 0)) == ["ok", "joined"]
    assert bench.key("LRANGE", "lane:" + CHAT, 0, -1) == ["800-1"]
    entry, job, _ = bench.pick_up("llm", "L")
    bench.run(calls.commit("llm", entry, job, "follow"))
    bench.deliver(first, bench.pick_up("outbound", "O")[0])
    assert bench.pick_up("llm", "L")[1:] == ("800-1", "live")
    assert bench.job("800-1")["text"] == "one+two"


def test_an_open_question_that_comes_to_the_front_still_waits(bench):
    first = bench.ask()
    parts_of(bench, ("one", 60_000))
    entry, job, _ = bench.pick_up("llm", "L")
    bench.run(calls.commit("llm", entry, job, "follow"))
    bench.deliver(first, bench.pick_up("outbound", "O")[0])
    assert bench.read("llm", "L") is None
    assert bench.run(part(801, "two", 6, 0)) == "joined"
    assert bench.pick_up("llm", "L")[1:] == ("800-1", "live")


@pytest.mark.parametrize("way", ["late", "another", "dated", "stopped", "begun", "too much"])
def test_what_is_no_part_is_a_question_of_its_own(bench, way):
    bench.run(part(800))
    if way == "late":
        bench.key("HSET", "job:800-1", "open", 1)
    elif way == "stopped":
        bench.control("stop")
    elif way == "begun":
        bench.key("ZADD", "later", 1, "conv:" + CHAT)
        bench.run(calls.unpark())
    elif way == "too much":
        bench.key("HSET", "job:800-1", "text", "x" * 262_144)
    command = calls.accept(801, "801-1", CHAT, 20, "long:8" if way == "another" else "long:7", 0, first="llm", kind="text", chat="-100123",
                           user="7", text="two", message=6, asked=1003 if way == "dated" else 1000)
    assert bench.run(command) == "ok"
    assert bench.key("LRANGE", "lane:" + CHAT, 0, -1) == ["801-1"]


def test_each_part_gives_the_next_one_its_time(bench):
    parts_of(bench, ("one", 60_000), ("two", 120_000))
    assert int(bench.key("ZSCORE", "later", "conv:" + CHAT)) == int(bench.job("800-1")["open"]) > 1000 * int(bench.redis.call("TIME")[0]) + 90_000


def test_parts_that_are_accepted_out_of_order_are_not_turned_around(bench):
    """Two that accept at once: the second part is a question already when the first one comes, which may have a sequel as well."""
    assert bench.run(part(801, "two", 6)) == "ok"
    assert bench.run(part(800, "one", 5)) == "ok"
    assert bench.job("801-1")["text"] == "two" and bench.key("LRANGE", "lane:" + CHAT, 0, -1) == ["800-1"]


def test_an_edit_is_no_further_part(bench):
    assert bench.run(part(800)) == "ok"
    assert bench.run(part(801, "whole", 5, 0, edit="edit")) == "ok"
    bench.run(part(810, message=15))
    assert bench.run(part(811, "never seen before", 16, 0, edit="edit")) == "ok"
    assert bench.job("800-1")["text"] == bench.job("810-1")["text"] == "half"


def test_stop_does_not_wait_for_further_parts(bench):
    bench.run(part(800))
    assert bench.control("stop") == "stopped"
    assert bench.pick_up("llm", "L")[1:] == ("800-1", "live") and not bench.key("ZCARD", "later")


def test_what_may_only_be_a_part_is_left_alone(bench):
    bench.ask()
    assert bench.run(part(801, lane_max=-1, open_ms=0)) == "other"
    assert bench.run(part(801, open_ms=0)) == "ok", "it was not seen"


def test_a_part_is_joined_once(bench):
    bench.run(part(800))
    assert [bench.run(part(801, "two", 6, 0, lane_max=-1)) for _ in range(2)] == ["joined", "dup"]
    assert bench.job("800-1")["text"] == "half+two"


# ---- albums ---------------------------------------------------------------------------------------------------------

def test_an_album_is_one_question(bench):
    assert [bench.run(picture(800 + n, 5 + n, text)) for n, text in enumerate(("", "which is best?", "another"))] == ["ok", "joined", "joined"]
    job = bench.job("800-1")
    assert (job["files"], job["text"]) == ("3", "which is best?")
    assert [job[f"file:{n}"] for n in range(3)] == ["F800.0", "F801.0", "F802.0"] and job["file:2:kind"] == "photo"
    assert bench.read("media", "M") is None
    bench.key("ZADD", "later", 1, "conv:" + CHAT)
    bench.run(calls.unpark())
    assert bench.pick_up("media", "M")[1:] == ("800-1", "live")
    assert bench.chat()["last"] == "7"


def test_an_album_of_ten_waits_for_no_more(bench):
    for n in range(10):
        bench.run(picture(800 + n, 5 + n))
    assert bench.pick_up("media", "M")[1:] == ("800-1", "live") and bench.job("800-1")["files"] == "10"
    assert bench.run(picture(810, 15)) == "ok"
    assert bench.key("LRANGE", "lane:" + CHAT, 0, -1) == ["810-1"]


def test_pictures_that_are_accepted_out_of_order_are_one_album_all_the_same(bench):
    assert [bench.run(picture(801, 6)), bench.run(picture(800, 5, asked=990))] == ["ok", "joined"]
    assert bench.chat()["last"] == "6"


def test_an_album_that_comes_to_the_front_still_waits(bench):
    first = bench.ask()
    bench.run(picture(800))
    bench.run(picture(801, 6))
    work = bench.pick_up("llm", "L")[0]
    bench.run(calls.commit("llm", work, first, "follow"))
    bench.deliver(first, bench.pick_up("outbound", "O")[0])
    assert bench.read("media", "M") is None
    assert bench.run(picture(802, 7)) == "joined" and bench.job("800-1")["files"] == "3"


@pytest.mark.parametrize("way", ["another album", "late", "stopped", "begun", "a text"])
def test_what_is_no_part_of_the_album_is_a_question_of_its_own(bench, way):
    bench.run(picture(800))
    if way == "late":
        bench.key("HSET", "job:800-1", "open", 1)
    elif way == "stopped":
        bench.control("stop")
    elif way == "begun":
        bench.key("ZADD", "later", 1, "conv:" + CHAT)
        bench.run(calls.unpark())
    command = part(801, message=6) if way == "a text" else picture(801, 6, gather="album:8" if way == "another album" else "album:9")
    assert bench.run(command) == "ok"
    assert bench.key("LRANGE", "lane:" + CHAT, 0, -1) == ["801-1"] and bench.job("800-1")["files"] == "1"


def test_a_long_text_about_a_picture_is_one_question(bench):
    """An app that cuts it may make each part an answer to the picture."""
    assert [bench.run(picture(800 + n, 5 + n, text, gather="long:7")) for n, text in enumerate(("what", "ever"))] == ["ok", "joined"]
    assert (bench.job("800-1")["text"], bench.job("800-1")["files"]) == ("whatever", "1")


def test_an_album_that_finds_no_room_is_told_so_once(bench):
    bench.ask(), bench.ask()
    assert [bench.run(picture(800 + n, 5 + n, lane_max=1, gather=f"album:{n // 3}")) for n in range(6)] == ["full"] * 6
    assert [e["job"] for _, e in bench.entries("outbound")[1:]] == ["800-1", "803-1"]


def test_what_is_overheard_of_an_album_only_joins(bench):
    assert bench.run(picture(800, lane_max=-1)) == "other"
    assert [bench.run(picture(801, 6)), bench.run(picture(802, 7, lane_max=-1))] == ["ok", "joined"]


# ---- what was uploaded ----------------------------------------------------------------------------------------------

def test_uploads_are_the_conversations(bench):
    job, work, _ = bench.in_talk(first="media")
    fields = {"upload:0": "file-a vision 17 a name", "upload:1": "file-b user_data 18 x", "uploads": "no"}
    bench.run(calls.commit("media", work, job, "llm", fields=fields))
    about = as_dict(bench.key("HGETALL", "uploads:" + CHAT))
    assert {name: value.split(" ", 1)[1] for name, value in about.items()} == {"file-a": "vision 17 a name", "file-b": "user_data 18 x"}
    assert all(abs(int(value.split()[0]) / 1000 - int(bench.redis.call("TIME")[0])) < 10 for value in about.values())
    assert 0 < bench.key("TTL", "uploads:" + CHAT) <= 60 * 86400


def test_what_is_uploaded_after_new_is_deleted(bench):
    job, work, _ = bench.in_talk(first="media")
    bench.control("new")
    bench.run(calls.commit("media", work, job, "follow", "stopped", fields={"upload:0": "file-a vision 17 n", "upload:1": "file-b vision 1 n"}))
    assert not bench.key("EXISTS", "uploads:" + CHAT)
    entry, forget, guard = bench.pick_up("media", "M")
    told = bench.job(forget)
    assert (guard, told["kind"], told["delete"]) == ("live", "forget", "file-a file-b")


def test_new_has_the_files_deleted_in_nobodys_way(bench):
    job, _, _ = bench.in_talk()
    uploaded(bench, "file-a", "file-b")
    uploaded(bench, "file-c", conv="1")
    assert bench.control("new") == "stopped"
    assert not bench.key("EXISTS", "uploads:" + CHAT) and bench.key("EXISTS", "uploads:1")
    entry, forget, guard = bench.pick_up("media", "M")
    told = bench.job(forget)
    assert guard == "live" and (told["kind"], told["conv"], told["chat"]) == ("forget", "", "-100123")
    assert sorted(told["delete"].split()) == ["file-a", "file-b"]
    assert bench.entries("media")[0][1]["kind"] == "forget"
    assert bench.run(calls.park("media", entry, forget, -5)) == ["ok", 0]
    bench.run(calls.unpark())
    assert bench.run(calls.commit("media", bench.pick_up("media", "M")[0], forget, "end", "done")) == "ok"
    assert not bench.entries("media") and 0 < bench.key("TTL", "job:" + forget) <= 86400


def test_stop_deletes_no_files(bench):
    bench.in_talk()
    uploaded(bench)
    bench.control("stop"), bench.control("gone")
    assert bench.key("HLEN", "uploads:" + CHAT) == 2 and not bench.entries("media")


def listed(bench, drop="", **more):
    update = next(bench.updates)
    fields = {"kind": "press", "callback": "77"} if drop else {"kind": "line"}
    answer = bench.run(calls.files(update, f"{update}-1", CHAT, drop, chat="-100123", user="7", message=44, **{**fields, **more}))
    return answer, bench.job(f"{update}-1"), bench.job(f"{update}-1-list")


def test_files_are_listed_newest_first_and_not_without_end(bench):
    uploaded(bench, *(f"file-{n}" for n in range(23)))
    answer, told, _ = listed(bench)
    assert (answer, told["line"], told["about"], told["kind"], told["conv"]) == ("ok", "files", "23", "line", "")
    assert [name for name in sorted(told) if name.startswith("item:")] == sorted(f"item:{n}" for n in range(20))
    name, ms, size, words = told["item:1"].split(" ", 3)
    assert (name, size, words) == (tag("file-1"), "1001", "a name of file-1") and int(told["item:0"].split()[1]) - int(ms) == 1000
    assert "part:0" not in told


def test_no_files_are_said_so(bench):
    answer, told, _ = listed(bench)
    assert (answer, told["line"]) == ("none", "no_files")


def test_expired_files_are_not_listed(bench):
    uploaded(bench, "file-a")
    bench.key("HSET", "uploads:" + CHAT, "file-old", f"{(int(bench.redis.call('TIME')[0]) - 31 * 86400) * 1000} user_data 1 old")
    answer, told, _ = listed(bench)
    assert told["about"] == "1" and bench.key("HKEYS", "uploads:" + CHAT) == ["file-a"]


def test_a_file_is_deleted_by_its_button_once(bench):
    uploaded(bench, "file-a", "file-b")
    answer, told, shown = listed(bench, tag("file-a"))
    assert (answer, told["kind"], told["line"], told["about"]) == ("ok", "press", "file_dropped", "a name of file-a")
    assert (shown["kind"], shown["line"], shown["part:0"], shown["item:0"].split()[0]) == ("line", "files", "44", tag("file-b"))
    assert "item:1" not in shown and "callback" not in shown
    assert bench.key("HKEYS", "uploads:" + CHAT) == ["file-b"]
    assert bench.job(bench.pick_up("media", "M")[1])["delete"] == "file-a"
    answer, told, shown = listed(bench, tag("file-a"))
    assert (answer, told["line"]) == ("none", "file_not_there") and shown["line"] == "files"
    assert bench.read("media", "M") is None
    assert listed(bench, tag("file-b"))[2]["line"] == "no_files"


def test_a_group_that_moves_takes_its_files_along(bench):
    bench.answered()
    uploaded(bench)
    bench.run(calls.migrate("-100123", "-100999"))
    bench.ask("-100999:45")
    assert bench.key("HLEN", "uploads:-100999:45") == 2 and not bench.key("EXISTS", "uploads:" + CHAT)


# ---- edits ----------------------------------------------------------------------------------------------------------

def asked(bench, update, text, message, edit=""):
    return bench.run(part(update, text, message, 0, edit=edit))


def test_an_edit_of_the_last_question_is_a_new_turn(bench):
    asked(bench, 800, "one", 5)
    assert asked(bench, 801, "two", 5, "edit") == "ok"
    assert bench.key("LRANGE", "lane:" + CHAT, 0, -1) == ["801-1"]


def test_an_edit_of_a_question_that_waits_changes_it(bench):
    bench.ask()
    asked(bench, 800, "one", 5)
    assert asked(bench, 801, "two", 5, "edit") == "same"
    assert bench.key("LRANGE", "lane:" + CHAT, 0, -1) == ["800-1"] and bench.job("800-1")["text"] == "two"


def test_an_edit_that_changes_nothing_is_nothing(bench):
    asked(bench, 800, "one", 5)
    assert asked(bench, 801, "one", 5, "edit") == "same"
    assert not bench.key("LLEN", "lane:" + CHAT) and not bench.job("801-1")


def test_an_edit_of_an_older_question_is_told_what_to_do(bench):
    asked(bench, 800, "one", 5)
    assert asked(bench, 801, "two", 4, "edit") == "old"
    told = bench.job("801-1")
    assert (told["kind"], told["line"], told["conv"]) == ("line", "edit_old", "")


def test_an_edit_of_what_was_never_asked_is_a_question(bench):
    assert asked(bench, 800, "one", 5, "edit") == "ok"
    assert asked(bench, 801, "two", 9, "edit") == "ok"


def test_an_edit_behind_a_question_without_a_number_is_a_question(bench):
    bench.ask()
    assert asked(bench, 801, "two", 4, "edit") == "ok"


def test_an_edit_of_a_part_is_old_also_after_a_retry(bench):
    parts_of(bench, ("one", 60_000), ("two", 0))
    entry, job, _ = bench.pick_up("llm", "L")
    bench.run(calls.commit("llm", entry, job, "follow"))
    bench.deliver(job, bench.pick_up("outbound", "O")[0])
    assert press(bench, "retry", job) == "ok"
    assert asked(bench, 809, "too", 6, "edit") == "old"


# ---- groups that move -----------------------------------------------------------------------------------------------

def test_a_group_keeps_its_dialogue_and_what_is_under_way(bench):
    job, work, follow = bench.in_talk()
    behind = bench.ask()
    assert bench.run(calls.migrate("-100123", "-100999")) == "ok"
    assert bench.run(calls.commit("llm", work, job, "follow", question="?", answer="!", response="resp_1")) == "ok"
    newest = bench.ask("-100999:45")
    assert bench.chat("-100999:45")["response"] == "resp_1" and not bench.chat(CHAT)
    assert bench.key("LRANGE", "lane:-100999:45", 0, -1) == [behind, newest] and not bench.key("LLEN", "lane:" + CHAT)
    assert bench.job(behind)["chat"] == "-100999"
    bench.deliver(job, follow)
    for one in (behind, newest):
        entry, got, guard = bench.pick_up("llm", "L")
        assert (got, guard) == (one, "live")
        bench.run(calls.commit("llm", entry, got, "follow"))
        bench.deliver(got, bench.pick_up("outbound", "O")[0])
    bench.at_rest()


def test_a_group_that_moved_has_its_parked_job(bench):
    job, work, _ = bench.in_talk()
    bench.run(calls.park("llm", work, job, 60_000))
    bench.run(calls.migrate("-100123", "-100999"))
    bench.ask("-100999:45")
    assert bench.key("ZRANGE", "later", 0, -1) == ["conv:-100999:45"] and bench.key("ZRANGE", "busy", 0, -1) == ["-100999:45"]
    assert bench.control("stop", "-100999:45") == "stopped"
    assert bench.key("ZCARD", "later") == 0
    assert bench.pick_up("llm", "L")[1:] == (job, "live")


def test_a_group_that_has_a_new_dialogue_keeps_that(bench):
    bench.answered()
    bench.ask("-100999:45")
    bench.run(calls.migrate("-100123", "-100999"))
    bench.ask("-100999:45")
    assert bench.chat() and "response" not in bench.chat("-100999:45")


# ---- buttons --------------------------------------------------------------------------------------------------------

def press(bench, what, target, user="7", **more):
    update = next(bench.updates)
    call = calls.retry if what == "retry" else calls.control
    words = (CHAT, target) if what == "retry" else (CHAT, what, target)
    return bench.run(call(update, f"{update}-1", *words, kind="press", chat="-100123", user=user, callback="77", **more))


def pressed(bench):
    told = bench.job(bench.entries("outbound")[-1][1]["job"])
    return told["kind"], told.get("line", ""), told["callback"]


def test_what_comes_in_between_is_known_before_a_private_answer_is_sent(bench):
    def accept(conv, message):
        update = next(bench.updates)
        assert bench.run(calls.accept(update, f"{update}-1", conv, 20, first="llm", kind="text", chat="7", user="7", text="?", message=str(message))) == "ok"
        return f"{update}-1"

    def mark(job, entry, part, old, new):
        return bench.run(calls.mark(entry, job, "O", part, old, new))

    job = accept("7", 5)
    bench.pick_up("llm", "L")
    follow = bench.pick_up("outbound", "O")[0]
    assert mark(job, follow, 0, "", "S") == ["ok", "5"]
    accept("7", 6)                                          # a second question
    assert mark(job, follow, 0, "S", "S") == ["ok", "6"]
    mark(job, follow, 0, "S", "9")
    mark(job, follow, "late", "", "77")                     # that is no message
    assert mark(job, follow, 1, "", "S") == ["ok", "9"] and bench.chat("7")["newest"] == "9"
    mark(job, follow, 1, "S", "-12")                        # a file
    line = bench.ask_direct()                               # it stands in the other chat, where nobody has asked anything
    direct = bench.pick_up("outbound", "O")[0]
    assert mark(line, direct, 0, "", "S") == ["ok"] and mark(line, direct, 0, "S", "15") == ["ok"] and not bench.key("EXISTS", "chat:55")
    assert bench.chat("7")["newest"] == "12"


def test_the_stop_button_stops_its_own_answer_only(bench):
    job, _, _ = bench.in_talk()
    assert press(bench, "stop", "another") == "idle"
    assert pressed(bench) == ("press", "nothing_to_stop", "77") and "stop" not in bench.job(job)
    assert press(bench, "stop", job, user="8") == "denied"
    assert pressed(bench) == ("press", "not_yours", "77") and "stop" not in bench.job(job)
    assert press(bench, "stop", job) == "stopped"
    assert pressed(bench) == ("press", "", "77") and bench.job(job)["stop"] == "stop"


def test_the_button_of_a_draft_stops_its_own_answer_and_says_nothing(bench):
    job, _, _ = bench.in_talk()
    its = job.split("-")[0] + "-"
    before = len(bench.entries("outbound"))

    def stop(target):
        update = next(bench.updates)
        return bench.run(calls.control(update, f"{update}-1", CHAT, "stop", target, kind="line", chat="-100123", user="7"))

    assert stop("1-") == "idle" and "stop" not in bench.job(job)
    assert stop(its) == "stopped"
    assert bench.job(job)["stop"] == "stop" and "stop_said" not in bench.job(job)       # that it came too late is not worth a message
    assert len(bench.entries("outbound")) == before


def test_a_button_is_about_its_own_conversation_wherever_it_is_pressed(bench):
    job = bench.ask("-100123:0:7")                              # members have a dialogue each, and somebody else presses
    running = bench.ask()
    assert press(bench, "stop", job, user="8") == "denied" and press(bench, "retry", job, user="8") == "denied"
    assert press(bench, "retry", job) == "busy"
    assert press(bench, "stop", job, user="1", role="admin") == "stopped"
    assert bench.job(job)["stop"] == "stop" and "stop" not in bench.job(running)


def test_a_button_of_another_chat_is_nothing_here(bench):
    elsewhere = bench.ask("-100124:45")
    assert press(bench, "stop", elsewhere) == "idle" and press(bench, "retry", elsewhere) == "none"
    assert "stop" not in bench.job(elsewhere)


def test_who_presses_anothers_button_is_there_all_the_same(bench):
    job, _, _ = bench.in_talk()
    bench.key("SET", "gone:-100123", 1)
    assert press(bench, "stop", job, user="8") == "denied"
    assert not bench.key("EXISTS", "gone:-100123")


def test_an_administrator_may_stop_anybodys_answer(bench):
    job, _, _ = bench.in_talk()
    assert press(bench, "stop", job, user="1", role="admin") == "stopped"


def shown(bench, **what):
    """An answer that stands in the chat as messages 44 and 45."""
    job, follow = bench.answered(**what)
    for n in (0, 1):
        bench.run(calls.mark(follow, job, "O", n, "", "S"))
        bench.run(calls.mark(follow, job, "O", n, "S", 44 + n))
    bench.deliver(job, follow)
    return job


def test_a_retry_goes_on_from_the_same_parent_and_replaces_the_answer(bench):
    first = shown(bench)
    second = shown(bench)
    assert bench.chat()["turns"] == "2"
    assert press(bench, "retry", second) == "ok"
    chat = bench.chat()
    assert (chat["turns"], chat["response"], chat["chained"]) == ("1", "resp_" + first, "1") and "question:2" not in chat
    assert pressed(bench)[:2] == ("press", "")
    entry, job, guard = bench.pick_up("llm", "L")
    told = bench.job(job)
    assert guard == "live" and (told["text"], told["retry"], told["part:0"], told["part:1"], told["user"]) == ("?", second, "44", "45", "7")
    bench.run(calls.commit("llm", entry, job, "follow", question="?", answer="better", response="resp_3"))
    assert bench.chat()["turns"] == "2" and bench.chat()["answer:2"] == "better"
    while bench.read("outbound", "O")[1]["kind"] != "follow":
        pass
    bench.deliver(job, told["follow"])
    assert press(bench, "retry", job) == "ok", "and once more"


def test_what_was_heard_is_asked_again_without_hearing_it_again(bench):
    job = transcribed(bench)
    assert press(bench, "retry", job) == "ok"
    entry, new, guard = bench.pick_up("llm", "L")
    told = bench.job(new)
    assert guard == "live" and (told["first"], told["text"], told["heard"], told["said"]) == ("llm", "hello", "1", "17")
    assert bench.key("GET", "text:" + new) == "You said: hello\n\n" and bench.read("media", "M") is None
    bench.run(calls.commit("llm", entry, new, "follow", length=17, rest="Hi!", question="hello", answer="Hi!", response="resp_2"))
    while bench.read("outbound", "O")[1]["kind"] != "follow":
        pass
    bench.deliver(new, told["follow"])
    assert press(bench, "retry", new) == "ok", "and once more"
    assert bench.key("GET", "text:" + bench.pick_up("llm", "L")[1]) == "You said: hello\n\n"


def test_what_was_uploaded_is_asked_again_without_uploading_it_again(bench):
    job, work, _ = bench.in_talk(first="media")
    bench.run(calls.commit("media", work, job, "llm", rest="", fields={"text": "?", "input:0": "image file-a", "input:1": "file file-b"}))
    bench.run(calls.commit("llm", bench.pick_up("llm", "L")[0], job, "follow", "dead", "failed"))
    bench.deliver(job, bench.job(job)["follow"])
    assert press(bench, "retry", job) == "ok"
    _, new, _ = bench.pick_up("llm", "L")
    told = bench.job(new)
    assert (told["input:0"], told["input:1"], told["said"]) == ("image file-a", "file file-b", "0") and not bench.key("EXISTS", "text:" + new)


def test_what_media_could_not_finish_is_begun_again_with_what_was_paid(bench):
    bench.run(picture(800, files=2))
    bench.key("ZADD", "later", 1, "conv:" + CHAT)
    bench.run(calls.unpark())
    work, job, _ = bench.pick_up("media", "M")
    bench.run(calls.begin("media", work, job, "heard:0"))
    bench.run(calls.response("media", work, job, "heard:0", "{hello}"))
    bench.run(calls.commit("media", work, job, "follow", "dead", "failed", fields={"booked:0": "1", "response:heard:1": ""}, call="heard:1"))
    bench.deliver(job, bench.job(job)["follow"])
    assert press(bench, "retry", job) == "ok"
    _, new, guard = bench.pick_up("media", "M")
    told = bench.job(new)
    assert guard == "live" and (told["files"], told["file:0"], told["file:1"], told["file:0:kind"]) == ("2", "F800.0", "F800.1", "photo")
    assert (told["response:heard:0"], told["booked:0"]) == ("{hello}", "1") and "response:heard:1" not in told and told["born:heard:0"]


def test_the_first_answer_can_be_replaced_too(bench):
    job = shown(bench)
    assert press(bench, "retry", job) == "ok"
    assert bench.chat()["turns"] == "0" and "response" not in bench.chat()


def test_a_question_that_failed_can_be_asked_again(bench):
    first = shown(bench)
    job, work, follow = bench.in_talk()
    bench.run(calls.commit("llm", work, job, "follow", "dead", "failed", question="?"))
    bench.deliver(job, follow)
    assert press(bench, "retry", job) == "ok"
    chat = bench.chat()
    assert (chat["turns"], chat["response"], chat["chained"]) == ("1", "resp_" + first, "1")


def test_a_retry_of_what_was_refused_rewinds_nothing(bench):
    first = shown(bench)
    job, work, follow = bench.in_talk()
    bench.run(calls.commit("llm", work, job, "follow", "refused", "budget_day"))
    bench.deliver(job, follow)
    assert press(bench, "retry", job) == "ok"
    assert (bench.chat()["turns"], bench.chat()["response"]) == ("1", "resp_" + first)


@pytest.mark.parametrize("way, answer, line", [("older", "none", "nothing_to_retry"), ("forgotten", "none", "nothing_to_retry"),
                                               ("expired", "none", "nothing_to_retry"), ("running", "busy", "retry_busy"), ("stranger", "denied", "not_yours")])
def test_a_retry_that_cannot_be(bench, way, answer, line):
    job = shown(bench)
    target, user = job, "7"
    if way == "older":
        shown(bench)
    elif way == "forgotten":
        bench.control("new")
    elif way == "expired":
        bench.key("DEL", "job:" + job)
    elif way == "running":
        target = bench.ask()
    else:
        user = "8"
    assert press(bench, "retry", target, user=user) == answer
    assert pressed(bench)[1] == line


def test_a_retry_in_a_group_that_has_moved_writes_there_and_touches_no_message_of_the_old_one(bench):
    shown(bench)
    bench.run(calls.migrate("-100123", "-100999"))
    assert bench.run(calls.retry(5, "5-1", "-100999:45", kind="line", chat="-100999", user="7", message=3)) == "ok"
    told = bench.job("5-1")
    assert (told["chat"], told["message"], told["text"]) == ("-100999", "3", "?") and not [name for name in told if name.startswith("part:")]


def test_a_retry_by_word_is_answered_in_words(bench):
    assert bench.run(calls.retry(5, "5-1", CHAT, kind="line", chat="-100123", user="7")) == "none"
    told = bench.job("5-1")
    assert (told["kind"], told["line"]) == ("line", "nothing_to_retry")


# ---- nobody is there ------------------------------------------------------------------------------------------------

def test_who_blocked_the_bot_costs_nothing_more(bench):
    job, work, _ = bench.in_talk()
    behind = bench.ask()
    assert bench.control("gone") == "stopped"
    assert bench.job(job)["stop"] == "gone" and bench.job(behind)["how"] == "undeliverable"
    assert not bench.key("LLEN", "lane:" + CHAT) and not bench.entries("outbound")[2:]
    assert 0 < bench.key("TTL", "gone:-100123") <= 60 * 86400


def test_what_is_still_asked_for_somebody_who_is_gone_is_stopped_before_it_costs(bench):
    job, work, _ = bench.in_talk()
    behind = bench.ask()
    assert bench.run(calls.stop(bench.job(job)["follow"], job, "gone")) == "ok"
    bench.run(calls.commit("llm", work, job, "follow", "stopped"))
    bench.deliver(job, bench.job(job)["follow"], "undeliverable")
    entry, got, _ = bench.pick_up("llm", "L")
    assert got == behind
    assert bench.run(calls.begin("llm", entry, got, "0", want=300, least=10, periods=[DAY, MONTH])) == ["stop", "gone", ""]
    assert bench.job(behind)["stop"] == "gone" and bench.spend(DAY[0]) == (0, 0)


def test_where_the_bot_may_not_write_nothing_is_paid_for_a_while(bench):
    job, _, _ = bench.in_talk()
    assert bench.run(calls.stop(bench.job(job)["follow"], job, "mute")) == "ok"
    assert bench.job(job)["stop"] == "gone" and 0 < bench.key("TTL", "gone:-100123") <= 600
    bench.ask()
    assert bench.key("GET", "gone:-100123") == "mute"
    alert = bench.entries("outbound")[-1][1]
    assert (alert["kind"], bench.job(alert["job"])["line"]) == ("alert", "alert_mute")
    bench.control("back")
    assert not bench.key("EXISTS", "gone:-100123")


def test_of_a_hundred_files_those_that_have_expired_are_forgotten(bench):
    for n in range(120):
        bench.key("HSET", "uploads:" + CHAT, f"file-{n}", f"{1 if n < 110 else 99_999_999_999_999} vision 7 x")
    job, work, _ = bench.in_talk(first="media")
    bench.run(calls.commit("media", work, job, "llm", fields={"upload:0": "file-new vision 9 photo.jpg"}))
    assert bench.key("HLEN", "uploads:" + CHAT) == 11 and bench.key("HEXISTS", "uploads:" + CHAT, "file-new")


def test_a_list_of_files_does_not_make_the_bot_heard(bench):
    bench.key("SET", "gone:-100123", "mute")
    bench.run(calls.files(5, "5-1", CHAT, kind="line", chat="-100123", user="7"))
    assert bench.key("GET", "gone:-100123") == "mute"


def test_who_speaks_again_is_answered_again(bench):
    for speak in (lambda: bench.ask(), lambda: bench.control("back"), lambda: bench.control("stop"), lambda: bench.control("new")):
        bench.key("SET", "gone:-100123", 1)
        speak()
        assert not bench.key("EXISTS", "gone:-100123")


# ---- stop and new ---------------------------------------------------------------------------------------------------

def heard(bench, worker):
    ear = bench.server.connect()
    ear.call("SUBSCRIBE", PREFIX + "wake:" + worker)
    return ear


def test_stop_marks_what_runs_and_nothing_else(bench):
    job, _, _ = bench.in_talk()
    behind = bench.ask()
    ear = heard(bench, "L")
    assert bench.control("stop") == "stopped"
    assert ear.reply()[2] == "stop " + job
    ear.close()
    assert bench.job(job)["stop"] == "stop"
    assert "stop" not in bench.job(behind)
    assert bench.key("LLEN", "lane:" + CHAT) == 1


def test_what_is_being_done_is_told_once_to_whoever_shows_it(bench):
    job, work, follow = bench.in_talk(first="media")
    ear = heard(bench, "O")

    def news(command):
        bench.run(command)
        bench.key("PUBLISH", "wake:O", "no more")
        return list(iter(lambda: ear.reply()[2], "no more"))

    def doing():
        return bench.run(calls.look("outbound", "O", (follow, job, "")))[5]

    assert doing() == ""
    assert news(calls.doing("media", work, job, "downloading")) == ["text " + job] and doing() == "downloading 0"
    assert news(calls.doing("media", work, job, "downloading")) == []
    assert news(calls.doing("media", work, job, "transcribing")) == ["text " + job] and doing() == "transcribing 0"
    bench.run(calls.commit("media", work, job, "llm", rest="You said: hello"))
    assert doing() == ""                                                    # over with its stage
    work = bench.pick_up("llm", "L")[0]
    bench.run(calls.doing("llm", work, job, "searching", 21))
    assert doing() == "searching 21"                                        # words that are still to be said
    bench.run(calls.commit("llm", work, job, "follow"))
    assert doing() == ""
    ear.close()


def test_the_first_words_of_each_round_wake_whoever_shows_them(bench):
    job, work, _ = bench.in_talk(first="media")
    ear = heard(bench, "O")

    def news(command):
        bench.run(command)
        bench.key("PUBLISH", "wake:O", "no more")
        return list(iter(lambda: ear.reply()[2], "no more"))

    assert news(calls.commit("media", work, job, "llm", rest="You said: hello")) == ["text " + job]
    work = bench.pick_up("llm", "L")[0]
    bench.run(calls.begin("llm", work, job, "1"))
    bench.run(calls.response("llm", work, job, "1", "resp_1"))
    assert news(calls.say("llm", work, job, 15, " Well", "1", "resp_1")) == ["text " + job]
    assert news(calls.say("llm", work, job, 20, ", then", "1", "resp_1")) == []
    assert news(calls.commit("llm", work, job, "follow")) == ["done " + job]
    ear.close()


def test_stop_does_not_wait_for_the_dead(bench):
    """Whoever held it listens no more: another one has the work at once, and finds that it is to stop."""
    job, work, follow = bench.in_talk()
    bench.nobody_listens()
    bench.control("stop")
    entry, got, guard = bench.pick_up("llm", "L2")
    assert (got, guard) == (job, "live") and entry != work
    assert bench.run(calls.begin("llm", entry, job, "0", want=1))[:2] == ["stop", "stop"]
    assert bench.pick_up("outbound", "O2")[1:] == (job, "follow")
    assert bench.run(calls.commit("llm", work, job, "follow")) == "stale"


def test_a_delivery_that_nobody_holds_any_more_is_stopped_too(bench):
    job, follow = bench.answered()
    bench.nobody_listens()
    bench.control("stop")
    entry, got, guard = bench.pick_up("outbound", "O2")
    assert (got, guard) == (job, "live") and entry != follow
    assert bench.deliver(job, follow) == "stale"


def test_stop_leaves_the_living_alone(bench):
    job, work, follow = bench.in_talk()
    bench.control("stop")
    assert bench.read("llm", "L2") is None and bench.read("outbound", "O2") is None
    assert bench.job(job)["entry"] == work


def test_a_stop_that_comes_too_late_is_told_so(bench):
    job, follow = bench.answered()
    bench.control("stop")
    assert bench.deliver(job, follow) == "ok"
    told = bench.job(job + "-said")
    assert (told["kind"], told["line"], told["chat"], told["user"]) == ("line", "nothing_to_stop", "-100123", "7")


def test_a_stop_that_came_in_time_needs_no_further_word(bench):
    job, follow = bench.answered()
    bench.control("stop")
    bench.deliver(job, follow, "stopped")
    assert not bench.job(job + "-said")


def test_a_press_that_comes_too_late_has_been_answered_already(bench):
    job, follow = bench.answered()
    press(bench, "stop", job)
    bench.deliver(job, follow)
    assert not bench.job(job + "-said")


def test_stop_with_nothing_running_says_so(bench):
    assert bench.control("stop") == "idle"
    assert bench.job(bench.entries("outbound")[0][1]["job"])["line"] == "nothing_to_stop"


def test_stop_does_not_reach_an_answer_that_is_there(bench):
    """It is delivered; and the next question is not marked."""
    job, follow = bench.answered()
    bench.ask()
    assert bench.control("stop") == "stopped"
    assert bench.run(calls.look("outbound", "O", (follow, job, "")))[:2] == ["live", "stop"]
    assert bench.deliver(job, follow) == "ok"
    assert "stop" not in bench.job(bench.chat()["job"])


def test_stop_does_not_wait_for_a_parked_job_but_respects_telegrams_pause(bench):
    job, work, _ = bench.in_talk()
    bench.run(calls.park("llm", work, job, 3_600_000))
    bench.control("stop")
    assert bench.key("ZCARD", "later") == 0                                     # at once: nobody has to look what is due
    work = bench.pick_up("llm", "L")[0]
    assert bench.run(calls.begin("llm", work, job, "0"))[:2] == ["stop", "stop"]
    bench.run(calls.commit("llm", work, job, "follow", "stopped"))
    bench.run(calls.park("outbound", bench.job(job)["follow"], job, 3_600_000))
    bench.control("stop")
    assert bench.run(calls.unpark())[0] == 0


def test_stop_does_not_wait_for_a_job_that_is_parked_right_behind_it(bench):
    job, work, _ = bench.in_talk()
    bench.control("stop")
    bench.run(calls.park("llm", work, job, 3_600_000))
    assert bench.run(calls.unpark())[0] == 1


def test_a_request_that_never_left_is_no_try(bench):
    """However often it is put off: an outage makes answers late, not lost."""
    job, work, _ = bench.in_talk()
    for _ in range(5):
        assert bench.run(calls.begin("llm", work, job, "0", worker="L"))[0] == "go"
        for _ in range(2):                                                      # the answer was lost: asked again
            bench.run(calls.park("llm", work, job, -5, "", "0"))
        assert bench.job(job)["posts:0"] == "0"
        bench.run(calls.unpark())
        work = bench.pick_up("llm", "L")[0]
    assert bench.run(calls.begin("llm", work, job, "0", worker="L"))[0] == "go"
    bench.run(calls.park("llm", work, job, -5))                                 # this one did
    assert bench.job(job)["posts:0"] == "1"


def test_nobody_there_does_not_wait_for_a_parked_job(bench):
    job, work, follow = bench.in_talk()
    bench.run(calls.park("llm", work, job, 3_600_000))
    assert bench.run(calls.stop(follow, job)) == "ok"
    assert bench.pick_up("llm", "L")[1:] == (job, "live") and bench.key("ZCARD", "later") == 0


def test_stop_makes_no_job_out_of_one_that_vanished(bench):
    job = bench.ask()
    bench.key("DEL", "job:" + job)
    bench.control("stop")
    assert bench.key("EXISTS", "job:" + job) == 0


def test_new_ends_what_waits_and_the_old_answer_stays_out_of_the_new_dialogue(bench):
    done, follow = bench.answered()
    bench.deliver(done, follow)
    assert bench.chat()["response"] == "resp_" + done
    job, work, follow = bench.in_talk()
    waiting = [bench.ask(), bench.ask()]
    assert bench.control("new") == "stopped"
    chat = bench.chat()
    assert (chat["epoch"], chat["job"]) == ("1", job) and "response" not in chat
    for flushed in waiting:
        assert (bench.job(flushed)["how"], bench.job(flushed)["ends"]) == ("flushed", "1")
    line = [bench.job(e["job"]) for _, e in bench.entries("outbound") if e["kind"] == "line"][0]
    assert (line["line"], line["about"]) == ("forgotten", "2")
    bench.run(calls.commit("llm", work, job, "follow", "stopped", question="?", answer="!", response="resp_old"))
    assert "response" not in bench.chat() and "question:1" not in bench.chat()
    bench.deliver(job, follow, "stopped")
    entry, line, _ = bench.pick_up("outbound", "O")
    bench.deliver(line, entry)
    job, follow = bench.answered()
    assert bench.job(job)["epoch"] == "1" and bench.chat()["response"] == "resp_" + job
    bench.deliver(job, follow)
    bench.at_rest()


def test_new_while_the_answer_is_on_its_way_delivers_it(bench):
    job, follow = bench.answered()
    bench.control("new")
    assert bench.deliver(job, follow) == "ok"
    assert bench.chat() == {"epoch": "1"}
    assert 0 < bench.key("TTL", "chat:" + CHAT) <= 60 * 86400


def test_a_command_is_obeyed_once(bench):
    call = calls.control(5, "5-1", CHAT, "new", kind="line", chat="1", user="7")
    assert [bench.run(call), bench.run(call)] == ["idle", "dup"]
    assert bench.chat()["epoch"] == "1"


# ---- the token ------------------------------------------------------------------------------------------------------

GUARDED = {
    "take": (lambda q, e, j: calls.take(q, e, j, "O" if q == "outbound" else "L"), lambda a: a[0]),
    "release": (calls.release, lambda a: a),
    "park": (lambda q, e, j: calls.park(q, e, j, 1000), lambda a: a[0]),
    "commit": (lambda q, e, j: calls.commit(q, e, j, "end" if q == "outbound" else "follow", "done"), lambda a: a),
    "crashed": (lambda q, e, j: calls.crashed(q, e, j, "r"), lambda a: a),
    "begin": (lambda q, e, j: calls.begin(q, e, j, "0"), lambda a: a[0]),
    "response": (lambda q, e, j: calls.response(q, e, j, "0", "resp"), lambda a: a[0]),
    "say": (lambda q, e, j: calls.say(q, e, j, 0, "abc"), lambda a: a),
    "doing": (lambda q, e, j: calls.doing(q, e, j, "searching"), lambda a: a),
    "mark": (lambda q, e, j: calls.mark(e, j, "O", 0, "", "S"), lambda a: a[0]),
    "stop": (lambda q, e, j: calls.stop(e, j), lambda a: a),
    "look": (lambda q, e, j: calls.look(q, "O" if q == "outbound" else "L", (e, j, "")), lambda a: a[0]),
    "claim": (lambda q, e, j: calls.claim(q, "M", "dead", e), len),
}
SAYS = {   # script: live work, live delivery, follow, stale work, stale follow, direct; None: not asked there
    "take":     ("live", "live", "follow", "stale", "stale", "live"),
    "release":  ("ok", "ok", "ok", "stale", "stale", "ok"),
    "park":     ("ok", "ok", "early", "stale", "stale", "ok"),
    "commit":   ("ok", "ok", "early", "stale", "stale", "ok"),
    "crashed":  (1, 1, 1, 0, 0, 1),
    "begin":    ("go", None, None, "stale", None, None),
    "response": ("ok", None, None, "stale", None, None),
    "say":      (3, None, None, -1, None, None),
    "doing":    (1, None, None, 0, None, None),
    "mark":     (None, "ok", "ok", None, "stale", "ok"),
    "stop":     (None, "ok", "ok", None, "stale", "ok"),
    "look":     ("live", "live", "follow", "stale", "stale", "live"),
    "claim":    (1, 1, 1, 0, 0, 1),
}


@pytest.mark.parametrize("script", sorted(GUARDED))
def test_the_guard_decides(bench, script):
    make, read = GUARDED[script]
    states = ("work", "delivery", "follow", "stale work", "stale follow", "direct")
    for state, expected in zip(states, SAYS[script]):
        if expected is None:
            continue
        bench.wipe()
        if state == "direct":
            bench.ask_direct()
            queue, (entry, job, _) = "outbound", bench.pick_up("outbound", "O")
        elif state == "delivery":
            queue, (job, entry) = "outbound", bench.answered()
        else:
            job, work, follow = bench.in_talk()
            queue, entry = ("llm", work) if state.endswith("work") else ("outbound", follow)
        if state.startswith("stale"):
            bench.run(calls.release(queue, entry, job))
        assert read(bench.run(make(queue, entry, job))) == expected, state
        if state.startswith("stale") and script in ("take", "release", "park", "commit", "crashed", "begin", "claim"):
            assert entry not in [e for e, _ in bench.entries(queue)], "a stale entry is left behind"


def test_a_job_out_of_hand_is_stale_even_with_its_token(bench):
    job, work, _ = bench.in_talk()
    bench.key("HSET", "chat:" + CHAT, "job", "another")
    assert bench.run(calls.take("llm", work, job, "L")) == ["stale"]


def test_a_job_that_is_unknown_is_said_to_be(bench):
    assert bench.run(calls.take("llm", "1-1", "nobody", "L")) == ["unknown"]


def test_a_library_that_was_emptied_meanwhile_is_begun_anew(bench):
    """What had been asked of take is gone at OpenAI by then: the document would stand in a store that nobody finds."""
    job = bench.ask(first="media", kind="library")
    entry, _, _ = bench.pick_up("media", "M")
    shelve = lambda entry, store: bench.run(calls.commit("media", entry, job, "follow", "done", "library_added",        # noqa: E731
                                                         fields={"shelf": f"{store} file-1 assistants 5 a.pdf", "unshelved": ""}))
    assert shelve(entry, "vs_old") == "stale" and bench.key("EXISTS", "library:7") == 0
    entry, _, guard = bench.pick_up("media", "M")
    assert guard == "live"
    bench.run(calls.response("media", entry, job, "store", "vs_new"))
    assert shelve(entry, "vs_new") == "ok"
    kept = as_dict(bench.key("HGETALL", "library:7"))
    assert kept["store"] == "vs_new" and kept["file-1"].endswith("assistants 5 a.pdf")


def test_take_tells_of_the_library_of_whoever_asks_in_private(bench):
    def taken(kind="text", place="private"):
        bench.wipe()
        bench.key("HSET", "library:7", "store", "vs_1")
        if kind != "library":
            bench.key("HSET", "library:7", "file-1", "1 assistants 5 a.pdf")
        job = bench.ask(first="media" if kind == "library" else "llm", kind=kind)
        bench.key("HSET", "job:" + job, "chat_type", place)
        queue = "media" if kind == "library" else "llm"
        entry, _ = bench.read(queue, "L")
        told = bench.run(calls.take(queue, entry, job, "L"))[1]
        assert all(isinstance(word, str) for word in told), "what is no text is read by nobody"
        return {name: value for name, value in as_dict(told).items() if name in ("library", "shelved")}
    assert taken() == {"library": "vs_1"} and taken(place="supergroup") == {}
    assert taken("library") == {"library": "vs_1", "shelved": "0"}


def test_take_tells_all_that_is_needed(bench):
    done, follow = bench.answered()
    bench.deliver(done, follow)
    job, work, follow = bench.in_talk()
    guard, told, chat, text = bench.run(calls.take("llm", work, job, "L"))
    assert (guard, as_dict(told)["text"], as_dict(chat)["response"], text) == ("live", "?", "resp_" + done, "")
    assert as_dict(told)["worker"] == "L"
    bench.run(calls.say("llm", work, job, 0, "Привет"))
    guard, told, chat, text = bench.run(calls.take("outbound", follow, job, "P"))
    assert (guard, as_dict(told)["holder"], chat, text) == ("follow", "P", [], "Привет")


def test_look_says_that_another_one_has_it(bench):
    job, work, follow = bench.in_talk()
    bench.run(calls.take("outbound", follow, job, "P"))
    assert bench.run(calls.look("outbound", "O", (follow, job, "")))[0] == "lost"
    assert bench.run(calls.look("outbound", "P", (follow, job, "")))[0] == "follow"
    assert bench.run(calls.look("llm", "P", (work, job, "")))[0] == "lost"


def test_look_brings_the_text_behind_what_is_known(bench):
    job, work, follow = bench.in_talk()
    bench.run(calls.say("llm", work, job, 0, "Привет"))
    ask = lambda known: bench.run(calls.look("outbound", "O", (follow, job, known)))      # noqa: E731
    assert ask("") == ["follow", "", "0", 12, "", ""]
    assert ask("4") == ["follow", "", "0", 12, "ивет", ""]
    assert ask("12")[4] == "" and ask("99")[4] == ""
    bench.run(calls.say("llm", work, job, 12, "x" * 100_000))
    assert len(ask("12")[4]) == 65536


def test_a_commit_asked_again_is_over(bench):
    job, work, _ = holding(bench)
    call = calls.commit("llm", work, job, "follow", rest="42", question="?", answer="42", response="r", call="0", cost=7, events=[EVENT])
    assert [bench.run(call), bench.run(call)] == ["ok", "stale"]
    assert bench.key("XLEN", "ledger") == 1 and bench.spend(DAY[0]) == (7, 0)
    assert bench.key("GET", "text:" + job) == "42" and bench.chat()["turns"] == "1"


def test_a_park_asked_again_is_over(bench):
    """Since the first version: the second time a parked delivery was 'early', and its worker kept on showing it."""
    job, follow = bench.answered()
    call = calls.park("outbound", follow, job, 60_000, "1")
    assert [bench.run(call), bench.run(call)] == [["ok", 1], ["stale"]]
    assert bench.run(calls.look("outbound", "O", (follow, job, "")))[0] == "stale"
    assert bench.run(calls.mark(follow, job, "O", 0, "", "S")) == ["stale"]


def test_a_delivery_that_was_parked_comes_back_as_its_own_follower(bench):
    job, follow = bench.answered()
    bench.run(calls.park("outbound", follow, job, -5))
    bench.run(calls.unpark())
    entry, got, guard = bench.pick_up("outbound", "P")
    assert (got, guard) == (job, "live") and bench.job(job)["follow"] == entry
    assert bench.run(calls.take("outbound", follow, job, "O")) == ["stale"]
    assert bench.deliver(job, entry) == "ok"
    bench.at_rest()


def test_the_token_finds_a_follower_that_was_handed_on(bench):
    job, work, follow = bench.in_talk()
    bench.run(calls.release("outbound", follow, job))
    assert bench.run(calls.commit("llm", work, job, "follow")) == "ok"
    assert bench.run(calls.commit("outbound", follow, job, "end", "done")) == "stale"
    entry, _, guard = bench.pick_up("outbound", "P")
    assert guard == "live" and bench.deliver(job, entry) == "ok"
    bench.at_rest()


def test_the_token_does_not_get_lost_with_the_follow_entry(bench):
    job, work, _ = bench.in_talk()
    bench.key("DEL", "outbound")
    make_groups(bench.redis)
    bench.run(calls.commit("llm", work, job, "follow"))
    assert bench.run(calls.audit()) == 1
    entry, _, guard = bench.pick_up("outbound", "P")
    assert guard == "live" and bench.deliver(job, entry) == "ok"


def test_a_commit_asks_for_types_first(bench):
    job, work, _ = bench.in_talk()
    bench.key("DEL", "busy")
    bench.key("SET", "busy", "?")
    before = bench.dump()
    assert bench.fails(calls.commit("llm", work, job, "follow")).startswith("WRONGTYPE")
    assert bench.dump() == before


def test_a_commit_goes_somewhere_or_nowhere(bench):
    job, work, _ = bench.in_talk()
    before = bench.dump()
    for to in ("", "outbound", "ledger", "nowhere"):
        bench.fails(calls.commit("llm", work, job, to))
    bench.fails(calls.commit("llm", work, job, "follow", call="0", cost=""))
    bench.fails(calls.commit("llm", work, job, "follow", length=""))
    assert bench.dump() == before


def test_a_job_that_begins_in_outbound_has_one_entry(bench):
    """Two entries of one delivery would each wait for the other."""
    bench.ask(first="outbound")
    entry, job, guard = bench.pick_up("outbound", "O")
    assert guard == "live" and bench.read("outbound", "P") is None
    assert bench.deliver(job, entry) == "ok"
    bench.at_rest()


def test_a_stage_nobody_knows_is_the_models(bench):
    bench.ask(first="busy")
    assert bench.pick_up("llm", "L")[2] == "live"


# ---- text -----------------------------------------------------------------------------------------------------------

def test_text_only_grows(bench):
    job, work, follow = bench.in_talk()
    ear = heard(bench, "O")
    assert bench.run(calls.say("llm", work, job, 0, "Forty")) == 5
    assert ear.reply()[2] == "text " + job
    ear.close()
    assert bench.run(calls.say("llm", work, job, 0, "Forty")) == 5      # asked again
    assert bench.run(calls.say("llm", work, job, 5, "-two")) == 9
    assert bench.run(calls.say("llm", work, job, 7, "XX")) == 9         # somebody else wrote
    assert bench.key("GET", "text:" + job) == "Forty-two"


def test_a_commit_completes_what_another_one_was_still_saying(bench):
    """Two workers with one entry and one response: the slower one's count of bytes is behind, the answer is whole all the same."""
    job, work, _ = bench.in_talk()
    bench.run(calls.say("llm", work, job, 0, "Forty"))
    bench.run(calls.say("llm", work, job, 5, "-two is"))                # the other one
    assert bench.run(calls.commit("llm", work, job, "follow", length=5, rest="-two is the answer")) == "ok"
    assert bench.key("GET", "text:" + job) == "Forty-two is the answer"


def test_a_commit_whose_beginning_is_gone_is_done_again(bench):
    job, work, _ = bench.in_talk()
    assert bench.run(calls.commit("llm", work, job, "follow", length=5, rest="-two")) == "stale"
    entry, _, guard = bench.pick_up("llm", "M")
    assert guard == "live"
    assert bench.run(calls.commit("llm", entry, job, "follow", length=0, rest="Forty-two")) == "ok"
    assert bench.key("GET", "text:" + job) == "Forty-two"


def test_an_answer_given_up_as_lost_does_not_come_back(bench):
    """Of two workers with one entry one finds the response lost and asks anew: the other one's commit is no longer the answer."""
    job, work, _ = holding(bench)
    bench.run(calls.response("llm", work, job, "0", "resp_1"))
    bench.run(calls.begin("llm", work, job, "0", nth=2, lost="resp_1", want=300, least=10, periods=[DAY, MONTH]))
    bench.run(calls.response("llm", work, job, "0", "resp_2"))
    assert bench.run(calls.commit("llm", work, job, "follow", rest="1", response="resp_1", call="0", cost=5, events=[EVENT])) == "stale"
    assert bench.spend(DAY[0]) == (0, 300) and bench.key("XLEN", "ledger") == 0
    work, _, guard = bench.pick_up("llm", "M")
    assert guard == "live" and want(bench, job, work)[:2] == ["known", "resp_2"]
    assert bench.run(calls.commit("llm", work, job, "follow", rest="2", response="resp_2", call="0", cost=5, events=[EVENT])) == "ok"


def test_words_of_a_response_given_up_as_lost_are_not_said(bench):
    """Since the first version: its former holder's words became the beginning of the new answer (simulation, seed 120)."""
    job, work, _ = holding(bench)
    bench.run(calls.response("llm", work, job, "0", "resp_1"))
    assert bench.run(calls.say("llm", work, job, 0, "One", "0", "resp_1")) == 3
    bench.run(calls.begin("llm", work, job, "0", nth=2, lost="resp_1", want=300, least=10, periods=[DAY, MONTH]))
    assert bench.run(calls.say("llm", work, job, 0, "One", "0", "resp_1")) == -1
    bench.run(calls.response("llm", work, job, "0", "resp_2"))
    assert bench.run(calls.say("llm", work, job, 0, "One", "0", "resp_1")) == -1
    assert bench.run(calls.say("llm", work, job, 0, "Two", "0", "resp_2")) == 3


def test_a_text_in_place_of_another(bench):
    job, work, _ = bench.in_talk()
    bench.run(calls.say("llm", work, job, 0, "Forty"))
    bench.run(calls.commit("llm", work, job, "follow", length=-1, rest="No"))
    assert bench.key("GET", "text:" + job) == "No" and bench.job(job)["draft"] == "1"


def test_a_round_begun_again_leaves_the_rounds_before_alone(bench):
    job, work, _ = holding(bench)
    bench.run(calls.commit("llm", work, job, "llm", rest="Let me look. ", call="0", cost=1))
    work = bench.pick_up("llm", "L")[0]
    want(bench, job, work, call="1")
    bench.run(calls.response("llm", work, job, "1", "r1"))
    bench.run(calls.say("llm", work, job, 13, "It is"))
    want(bench, job, work, call="1", nth=2, lost="r1")
    assert bench.key("GET", "text:" + job) == "Let me look. "
    bench.run(calls.say("llm", work, job, 13, "Now"))
    bench.run(calls.commit("llm", work, job, "follow", length=-1, rest="It was."))
    assert bench.key("GET", "text:" + job) == "Let me look. It was."


# ---- following ------------------------------------------------------------------------------------------------------

def test_parts_are_marked_by_their_holder_one_step_at_a_time(bench):
    job, _, follow = bench.in_talk()
    mark = lambda worker, was, to: bench.run(calls.mark(follow, job, worker, 0, was, to))  # noqa: E731
    assert mark("P", "", "S") == ["stale"]
    assert mark("O", "", "S") == ["ok"] and mark("O", "", "S") == ["ok"]
    assert mark("O", "S", "17") == ["ok"]
    assert mark("O", "S", "18") == ["no", "17"]           # the first id wins
    assert mark("O", "17", "S") == ["ok"]                 # Telegram says it is gone
    assert mark("O", "S", "") == ["ok"]
    bench.run(calls.take("outbound", follow, job, "P"))
    assert mark("O", "", "S") == ["stale"] and mark("P", "", "S") == ["ok"]


def test_a_message_that_arrives_after_the_end_is_kept_when_it_is_the_only_one(bench):
    """A holder that was superseded ends the job while his successor is just sending a part anew (simulation, seed 203)."""
    job, follow = bench.answered()
    bench.run(calls.take("outbound", follow, job, "P"))
    bench.run(calls.mark(follow, job, "P", 0, "", "S"))
    bench.run(calls.mark(follow, job, "P", 1, "", "S"))
    bench.run(calls.mark(follow, job, "P", 1, "S", "18"))
    bench.deliver(job, follow)
    assert bench.run(calls.mark(follow, job, "P", 0, "S", "17")) == ["ok"]
    assert bench.run(calls.mark(follow, job, "P", 1, "S", "19")) == ["stale"]
    assert bench.job(job)["part:0"] == "17" and bench.job(job)["part:1"] == "18"


def test_the_holder_is_woken_when_it_is_his_turn(bench):
    job, work, _ = bench.in_talk()
    ear = heard(bench, "O")
    bench.run(calls.commit("llm", work, job, "follow"))
    assert ear.reply()[2] == "done " + job
    ear.close()


# ---- later ----------------------------------------------------------------------------------------------------------

def test_parking_holds_the_lane_and_nothing_else(bench):
    job, work, _ = bench.in_talk()
    bench.ask()
    assert bench.run(calls.park("llm", work, job, 60_000, "1")) == ["ok", 1]
    assert bench.key("XLEN", "llm") == 0 and bench.run(calls.unpark())[0] == 0
    due = bench.run(calls.unpark())[1]
    assert 55_000 < due <= 60_000
    bench.key("ZADD", "later", 1, "conv:" + CHAT)
    assert bench.run(calls.unpark()) == [1, -1]
    entry, got, guard = bench.pick_up("llm", "L")
    assert (got, guard) == (job, "live")
    assert bench.run(calls.park("llm", entry, job, 0, "1")) == ["ok", 2]


def test_each_step_has_its_own_tries(bench):
    job, work, _ = bench.in_talk()
    bench.run(calls.park("llm", work, job, -5, "1"))
    bench.run(calls.unpark())
    entry = bench.pick_up("llm", "L")[0]
    bench.run(calls.commit("llm", entry, job, "follow"))
    assert bench.run(calls.park("outbound", bench.job(job)["follow"], job, 0, "1")) == ["ok", 1]


def test_a_direct_job_outlives_its_pause(bench):
    job = bench.ask_direct()
    entry = bench.pick_up("outbound", "O")[0]
    bench.run(calls.park("outbound", entry, job, 30 * 86400 * 1000))
    assert bench.key("TTL", "job:" + job) > 36 * 86400
    bench.key("ZADD", "later", 1, "job:" + job)
    bench.run(calls.unpark())
    entry, got, guard = bench.pick_up("outbound", "O")
    assert (got, guard) == (job, "live") and bench.deliver(job, entry) == "ok"
    bench.at_rest()


def test_what_is_due_but_gone_is_let_go(bench):
    for member in ("conv:nobody", "job:nobody", "nonsense", "job:" + bench.ask_direct()):
        bench.key("ZADD", "later", 1, member)
    assert bench.run(calls.unpark()) == [4, -1]
    assert bench.key("XLEN", "outbound") == 1


def test_one_broken_conversation_does_not_keep_the_others_parked(bench):
    bench.key("SET", "chat:broken", "?")
    bench.key("ZADD", "later", 1, "conv:broken")
    job, work, _ = bench.in_talk()
    bench.run(calls.park("llm", work, job, -5))
    assert bench.run(calls.unpark())[0] == 2
    assert bench.pick_up("llm", "L")[2] == "live"


# ---- taking over ----------------------------------------------------------------------------------------------------

def test_takeovers_are_counted_only_from_the_dead(bench):
    job, work, follow = bench.in_talk()
    assert bench.run(calls.claim("llm", "M", "own", work))[0][2] == 0
    assert bench.run(calls.claim("llm", "M", "dead", work))[0][2] == 1
    assert bench.run(calls.claim("llm", "N", "dead", work))[0][2] == 2
    assert bench.run(calls.claim("outbound", "N", "dead", follow))[0][2] == 1
    assert bench.run(calls.claim("llm", "N", "dead:M", work)) == []          # another one was faster
    assert bench.run(calls.claim("llm", "P", "dead:N", work))[0][2] == 3


def test_a_claim_of_entries_that_make_no_sense(bench):
    unknown = bench.key("XADD", "llm", "*", "kind", "text", "job", "nobody")
    jobless = bench.key("XADD", "llm", "*", "foo", "bar")
    gone = bench.key("XADD", "llm", "*", "kind", "text", "job", "nobody")
    for _ in range(3):
        bench.read("llm", "L")
    bench.key("XDEL", "llm", gone)
    taken = bench.run(calls.claim("llm", "M", "dead", unknown, jobless, gone, "7-7"))
    assert [(entry, count) for entry, _, count in taken] == [(unknown, ""), (jobless, "")]
    assert bench.redis.call("XPENDING", PREFIX + "llm", "llm")[0] == 2


def test_one_broken_conversation_does_not_stop_a_takeover(bench):
    broken = bench.ask("broken")
    job = bench.ask()
    first, second = bench.pick_up("llm", "L")[0], bench.pick_up("llm", "L")[0]
    bench.key("SET", "chat:broken", "?")
    assert [t[0] for t in bench.run(calls.claim("llm", "M", "dead", first, second))] == [second]
    assert broken and job


def test_ledger_entries_are_claimed_as_they_are(bench):
    bench.key("XADD", "ledger", "*", "kind", "usage", "job", "nobody")
    entry, _ = bench.read("ledger", "W")
    assert bench.run(calls.claim("ledger", "X", "dead", entry))[0][2] == ""
    assert bench.run(calls.settled(entry)) == 1 and bench.run(calls.settled(entry)) == 0


def test_a_crash_is_counted_once_per_run(bench):
    """Since the first version: asking again for a lost reply counted twice, and two make a job dead."""
    job, work, _ = bench.in_talk()
    assert [bench.run(calls.crashed("llm", work, job, run)) for run in ("a", "a", "b")] == [1, 1, 2]


def test_nobody_leaves_with_something_pending(bench):
    job, work, _ = bench.in_talk()
    bench.key("HSET", "workers", "L", 3)
    assert bench.run(calls.reap("llm", "L")) == 0
    bench.run(calls.release("llm", work, job))
    assert bench.run(calls.reap("llm", "L")) == 1
    assert bench.key("HEXISTS", "workers", "L") == 0


def test_a_lease_passes_from_the_dead_and_the_leaving(bench):
    take = lambda me, dead="": bench.run(calls.lease("ingest", me, dead))       # noqa: E731
    assert [take("A"), take("B"), take("B", "X"), take("A")] == ["A"] * 4
    assert take("B", "A") == "B" and take("A") == "B"
    assert bench.run(calls.lease("ingest", "A", what="leave")) == "B"
    assert bench.run(calls.lease("ingest", "B", what="leave")) == ""
    assert take("A") == "A"


# ---- the auditor ----------------------------------------------------------------------------------------------------

def alive(bench, *workers):
    for worker in workers:
        bench.key("HINCRBY", "workers", worker, 1)


@pytest.mark.parametrize("when", ["waiting", "in hand", "delivery", "parked", "parked delivery", "idle"])
def test_the_auditor_leaves_alone_what_is_well(bench, when):
    alive(bench, "L", "O")
    if when == "waiting":
        bench.ask()
    elif when == "in hand":
        bench.in_talk()
    elif when == "delivery":
        bench.answered()
    elif when == "parked":
        job, work, _ = bench.in_talk()
        bench.run(calls.park("llm", work, job, 1000))
    elif when == "parked delivery":
        job, follow = bench.answered()
        bench.run(calls.park("outbound", follow, job, 1000))
    assert bench.run(calls.audit()) == 0
    assert bench.key("HGET", "counters", "audit_repairs") is None


@pytest.mark.parametrize("lost", ["entries", "pendings", "group", "stream", "dead in no book"])
def test_the_auditor_brings_back_what_vanished(bench, lost):
    alive(bench, "L", "O")
    job, work, follow = bench.in_talk()
    for stream, entry, worker in (("llm", work, "L"), ("outbound", follow, "O")):
        if lost == "entries":
            bench.key("XDEL", stream, entry)
        elif lost == "pendings":
            bench.redis.call("XGROUP", "DELCONSUMER", PREFIX + stream, stream, worker)
        elif lost == "group":
            bench.redis.call("XGROUP", "DESTROY", PREFIX + stream, stream)
        elif lost == "stream":
            bench.key("DEL", stream)
        else:
            bench.key("HDEL", "workers", worker)
    repaired = bench.run(calls.audit())
    make_groups(bench.redis)
    assert repaired == (0 if lost == "group" else 2)      # without a group everything will be read anew, by itself
    assert bench.pick_up("llm", "M")[1:] == (job, "live")
    entry = bench.pick_up("outbound", "P")[0]
    assert bench.run(calls.commit("llm", bench.job(job)["entry"], job, "follow")) == "ok"
    assert bench.deliver(job, entry) == "ok"
    bench.at_rest()


def test_the_auditor_moves_a_lane_on_whose_job_is_gone(bench):
    job = bench.ask()
    behind = bench.ask()
    bench.key("DEL", "job:" + job)
    assert bench.run(calls.audit()) == 1
    assert bench.chat()["job"] == behind and bench.key("TTL", "chat:" + CHAT) > 0
    assert bench.run(calls.take("llm", bench.entries("llm")[0][0], job, "L")) == ["unknown"]


def test_the_auditor_looks_at_the_oldest_first_and_not_at_all_of_them(bench):
    for conv in "abc":
        bench.ask(conv)
    bench.key("XTRIM", "llm", "MAXLEN", 0)
    assert bench.run(calls.audit(most=2)) == 2 and bench.run(calls.audit(older_ms=60_000)) == 0


def test_a_broken_conversation_does_not_stop_the_auditor(bench):
    bench.key("ZADD", "busy", 1, "broken")
    bench.key("SET", "chat:broken", "?")
    bench.ask()
    bench.key("XTRIM", "llm", "MAXLEN", 0)
    assert bench.run(calls.audit()) == 1
    assert bench.key("ZCARD", "busy") == 1


# ---- money ----------------------------------------------------------------------------------------------------------

def want(bench, job, work, want=300, least=10, nth=1, call="0", lost="", periods=(DAY, MONTH), most=5):
    return bench.run(calls.begin("llm", work, job, call, nth, most, lost, want, least, periods))


def test_a_reservation_is_taken_from_all_or_none(bench):
    job, work, _ = bench.in_talk()
    bench.key("HSET", "spend:" + DAY[0], "spent", 100)
    bench.key("HSET", "spend:" + MONTH[0], "spent", 4995)
    assert want(bench, job, work) == ["over", MONTH[0]]
    assert bench.spend(DAY[0]) == (100, 0) and bench.spend(MONTH[0]) == (4995, 0)
    assert "posts:0" not in bench.job(job) and "hold:0" not in bench.job(job)


def test_a_reservation_is_cut_to_what_is_left(bench):
    job, work, _ = bench.in_talk()
    bench.key("HSET", "spend:" + DAY[0], "spent", 800)
    assert want(bench, job, work) == ["go", "200"]
    assert bench.spend(DAY[0]) == (800, 200) and bench.spend(MONTH[0]) == (0, 200)
    assert bench.job(job)["hold:0"] == f"200 {DAY[0]} {MONTH[0]}"
    assert 0 < bench.key("TTL", "spend:" + DAY[0]) <= DAY[2]


def test_others_reservations_are_waited_for_not_refused(bench):
    job, work, _ = bench.in_talk()
    other, other_work, _ = bench.in_talk("other")
    assert want(bench, other, other_work, want=995) == ["go", "995"]
    assert want(bench, job, work) == ["held", DAY[0]]
    bench.run(calls.commit("llm", other_work, other, "follow", call="0", cost=40))
    assert want(bench, job, work) == ["go", "300"]
    assert bench.spend(DAY[0]) == (40, 300)


def test_nothing_may_be_spent_under_a_budget_of_nothing(bench):
    job, work, _ = bench.in_talk()
    assert want(bench, job, work, want=0, least=0, periods=[("d", 0, 9), ("m", "", 9)]) == ["over", "d"]


def test_once_half_is_spent_a_call_must_leave_room_for_what_such_calls_cost(bench):
    """A server that does not heed how short an answer is to be would pass the budget with its last one."""
    periods = [("d", 1000, 99)]
    for cost, spent in ((300, 0), (100, 300)):
        job, work, follow = bench.in_talk()
        assert want(bench, job, work, want=900, least=10, periods=periods)[0] == "go"
        assert bench.run(calls.commit("llm", work, job, "follow", call="0", cost=cost)) == "ok" and bench.spend("d")[0] == spent + cost
        bench.run(calls.commit("outbound", follow, job, "end", "done"))
    assert bench.key("HGET", "spend:d", "usual:chat") == "225"       # three quarters of the 300 before it
    bench.key("HSET", "spend:d", "spent", 790)
    job, work, _ = bench.in_talk()
    assert want(bench, job, work, want=900, least=10, periods=periods) == ["over", "d"]
    bench.key("HSET", "spend:d", "spent", 490)
    assert want(bench, job, work, want=900, least=10, periods=periods)[0] == "go"


def test_that_a_budget_is_nearly_spent_is_not_said_in_a_group_and_not_forgotten(bench):
    for kind, near in (("supergroup", None), ("private", "budget_day_near")):
        job, work, follow = bench.in_talk()
        bench.key("HSET", "job:" + job, "chat_type", kind)
        assert want(bench, job, work, want=100, least=10, periods=[("2026-11-28:7", 1000, 99)])[0] == "go"
        bench.key("HSET", "spend:2026-11-28:7", "spent", 850)
        bench.run(calls.commit("llm", work, job, "follow", call="0", cost=10))
        assert bench.job(job).get("near") == near
        bench.run(calls.commit("outbound", follow, job, "end", "done"))


def test_a_free_model_needs_no_money(bench):
    job, work, _ = bench.in_talk()
    bench.key("HSET", "spend:" + DAY[0], "spent", 1000)
    assert want(bench, job, work, want=0, least=0) == ["go", "0"]
    assert bench.run(calls.commit("llm", work, job, "follow", call="0", cost=0)) == "ok"
    assert bench.spend(DAY[0]) == (1000, 0)


def test_counters_that_are_not_complete_yet_refuse_nobody_for_good(bench):
    job, work, _ = bench.in_talk()
    bench.key("DEL", "spend:ready")
    assert want(bench, job, work) == ["unready"]
    assert want(bench, job, work, periods=[("d", "", 9)]) == ["go", "300"]      # no limit, no question


def test_large_amounts_are_exact(bench):
    job, work, _ = bench.in_talk()
    limit = 9_000_000_000_000_000
    assert want(bench, job, work, want=limit - 1, least=limit - 1, periods=[("d", limit, 99)]) == ["go", str(limit - 1)]
    bench.run(calls.commit("llm", work, job, "follow", call="0", cost=limit - 1))
    assert bench.spend("d") == (limit - 1, 0)


def test_a_reservation_is_settled_exactly_once(bench):
    job, work, _ = holding(bench)
    call = calls.commit("llm", work, job, "llm", call="0", cost=250, events=[EVENT])
    bench.run(call), bench.run(call)
    assert bench.spend(DAY[0]) == (250, 0) and bench.spend(MONTH[0]) == (250, 0)
    entry = bench.pick_up("llm", "L")[0]
    bench.run(calls.commit("llm", entry, job, "follow", call="0", cost=250))
    assert bench.spend(DAY[0]) == (250, 0)


def test_a_reservation_stays_while_parked_and_is_not_taken_twice(bench):
    job, work, _ = holding(bench)
    bench.run(calls.park("llm", work, job, -5, "1"))
    assert bench.spend(DAY[0]) == (0, 300)
    bench.run(calls.unpark())
    entry = bench.pick_up("llm", "L")[0]
    assert want(bench, job, entry, nth=2, want=900) == ["go", "300"]
    assert bench.spend(DAY[0]) == (0, 300) and bench.job(job)["posts:0"] == "2"


def test_a_reservation_of_a_period_that_is_over_begins_it_not_anew(bench):
    """Since the first version: settling after the counters had expired left a negative hold without an expiry."""
    job, work, _ = holding(bench)
    bench.key("DEL", "spend:" + DAY[0])
    bench.run(calls.commit("llm", work, job, "follow", call="0", cost=250))
    assert bench.key("EXISTS", "spend:" + DAY[0]) == 0 and bench.spend(MONTH[0]) == (250, 0)


def test_requests_are_counted_over_lost_replies_and_takeovers(bench):
    job, work, _ = bench.in_talk()
    assert want(bench, job, work)[0] == "go" and want(bench, job, work)[0] == "go"       # asked again
    assert bench.job(job)["posts:0"] == "1"
    assert want(bench, job, work, nth=2)[0] == "go"                                      # the next one
    assert want(bench, job, work, nth=1)[0] == "go"                                      # one who knew less: a third
    assert bench.job(job)["posts:0"] == "3"
    assert want(bench, job, work, nth=9)[0] == "go" and bench.job(job)["posts:0"] == "4"
    assert want(bench, job, work, nth=5)[0] == "go"
    assert want(bench, job, work, nth=5)[0] == "go"                                      # asked again: no sixth
    assert want(bench, job, work, nth=6) == ["spent"]
    assert bench.spend(DAY[0]) == (0, 300)


def test_a_response_is_known_once_it_was_created(bench):
    job, work, _ = holding(bench)
    assert bench.run(calls.response("llm", work, job, "0", "r1")) == ["ok", "r1"]
    assert bench.run(calls.response("llm", work, job, "0", "r2")) == ["ok", "r1"]        # the second one loses
    answer = want(bench, job, work)
    assert answer[:2] == ["known", "r1"] and 0 <= answer[2] < 10_000
    bench.run(calls.say("llm", work, job, 0, "So far"))
    assert want(bench, job, work, nth=2, lost="r1")[0] == "go"
    assert bench.key("EXISTS", "text:" + job) == 0 and bench.job(job)["draft"] == "1"
    assert want(bench, job, work, nth=2, lost="r1")[0] == "go"                           # asked again
    assert (bench.job(job)["draft"], bench.job(job)["posts:0"]) == ("1", "2")


def test_whose_response_was_committed_by_another_is_told(bench):
    """It was recorded (that reply was lost), taken over and committed by another: what it cost is booked, not wasted."""
    job, work, _ = holding(bench)
    bench.run(calls.response("llm", work, job, "0", "r1"))
    bench.run(calls.commit("llm", work, job, "follow", response="r1", call="0", cost=5))
    assert bench.run(calls.response("llm", work, job, "0", "r1")) == ["stale", "r1"]
    assert bench.run(calls.response("llm", "1-1", "nobody", "0", "r1")) == ["stale", ""]


def test_two_that_hold_one_entry_count_as_two(bench):
    """Since the first version: after a takeover from the living both counted in step, and a call was requested twice as often."""
    job, work, _ = bench.in_talk()
    begin = lambda worker, nth: bench.run(calls.begin("llm", work, job, "0", nth, 4, "", 10, 1, [DAY], worker))[0]    # noqa: E731
    assert [begin("A", 1), begin("A", 1), begin("B", 1), begin("A", 2), begin("A", 2), begin("B", 2)] == ["go"] * 6
    assert bench.job(job)["posts:0"] == "4"
    assert begin("B", 2) == "go" and begin("A", 3) == "spent" and begin("B", 3) == "spent"


def test_a_commit_that_does_not_know_of_a_response_is_done_again(bench):
    """Since the first version: one that had found /stop before it got its response on record committed without it, and the
    other one, whose commit was stale then, took it for booked (simulation, seed 209)."""
    job, work, _ = holding(bench)
    bench.run(calls.response("llm", work, job, "0", "r1"))
    assert bench.run(calls.commit("llm", work, job, "follow", "stopped", call="0", fields={"response:0": ""})) == "stale"
    assert bench.spend(DAY[0]) == (0, 300)
    entry, _, guard = bench.pick_up("llm", "M")
    assert guard == "live"
    assert bench.run(calls.commit("llm", entry, job, "follow", "stopped", call="0", cost=5, fields={"response:0": "r1"})) == "ok"
    assert bench.spend(DAY[0]) == (5, 0)


def test_no_request_while_the_circuit_is_open(bench):
    job, work, _ = bench.in_talk()
    assert [bench.run(calls.breaker("failed", 2)) for _ in range(2)] [0] == 0
    answer = want(bench, job, work)
    assert answer[0] == "wait" and 0 < answer[1] <= 1000
    assert "posts:0" not in bench.job(job)
    bench.key("DEL", "breaker:open")
    assert 1000 < bench.run(calls.breaker("failed", 2)) <= 2000                          # longer each time
    bench.key("DEL", "breaker:open")
    assert bench.run(calls.breaker("answered")) == 0 and bench.run(calls.breaker("failed", 2)) == 0


def test_waste_is_booked_once(bench):
    call = calls.book("j:0:wasted:r2", 30, [(DAY[0], DAY[2]), (MONTH[0], MONTH[2])], EVENT)
    assert [bench.run(call), bench.run(call)] == ["ok", "dup"]
    assert bench.spend(DAY[0]) == (30, 0) and bench.key("XLEN", "ledger") == 1
    assert bench.key("TTL", "spend:" + DAY[0]) > 0


def wasted(job, response):
    event = {**EVENT, "job": job, "response": response}
    return calls.book(f"{job}:0:wasted:{response}", 5, [(DAY[0], DAY[2])], event)


def settled(job, work, response):
    return calls.commit("llm", work, job, "follow", "stopped", call="0", cost=5, fields={"response:0": response},
                        events=[{"kind": "usage", "event": f"{job}:0", "job": job, "response": response}])


def test_what_another_has_settled_is_not_wasted(bench):
    """Half an hour's storm: a worker that was not the holder any more found its response cancelled, by whoever went on with it for
    /stop, took that for a failure, and booked it as wasted beside the other one's commit."""
    job, work, _ = holding(bench)
    bench.run(calls.response("llm", work, job, "0", "r1"))
    assert bench.run(settled(job, work, "r1")) == "ok"
    assert bench.run(wasted(job, "r1")) == "dup"
    assert bench.run(wasted(job, "r2")) == "ok"              # one that lost: nobody has settled that
    assert bench.spend(DAY[0]) == (10, 0) and bench.key("XLEN", "ledger") == 2


def test_what_has_been_booked_as_wasted_is_not_paid_again(bench):
    """The same, in the other order."""
    job, work, _ = holding(bench)
    bench.run(calls.response("llm", work, job, "0", "r1"))
    assert bench.run(wasted(job, "r1")) == "ok"
    assert bench.run(settled(job, work, "r1")) == "ok"
    assert bench.spend(DAY[0]) == (5, 0) and bench.key("XLEN", "ledger") == 1


def test_counters_are_rebuilt_when_nothing_is_on_its_way(bench):
    rebuild = lambda what: bench.run(calls.rebuild(what, (DAY[0], 70, 99)))      # noqa: E731
    assert rebuild("last") == "ready"
    bench.key("DEL", "spend:ready")
    event = bench.key("XADD", "ledger", "*", "kind", "usage")
    assert rebuild("last") == "again"
    bench.run(calls.settled(event))
    assert rebuild("more") == "ok" and bench.key("EXISTS", "spend:ready") == 0
    assert rebuild("last") == "ok" and rebuild("last") == "ready"
    assert bench.spend(DAY[0]) == (70, 0) and bench.key("TTL", "spend:" + DAY[0]) > 0


def test_what_is_set_is_rebuilt_with_the_counters(bench):
    bench.key("DEL", "spend:ready")
    bench.key("HSET", "user:7", "role", "admin", "name", "Ada")
    kept = [("settings", "OPENAI_MODEL", "gpt-9"), ("user:7", "role", "")]
    assert bench.run(calls.rebuild("more", kept=kept)) == "ok" and bench.key("EXISTS", "spend:ready") == 0
    assert bench.key("HGETALL", "settings") == ["OPENAI_MODEL", "gpt-9"]
    assert bench.key("HGETALL", "user:7") == ["name", "Ada"]


def test_a_job_knows_what_its_calls_have_cost(bench):
    job, work, _ = holding(bench)
    call = calls.commit("llm", work, job, "llm", call="0", cost=200)
    assert [bench.run(call), bench.run(call)] == ["ok", "stale"]
    entry = bench.job(job)["entry"]
    bench.run(calls.commit("llm", entry, job, "follow", call="1", cost=5))
    assert bench.job(job)["cost"] == "205"


# ---- what the ledger is asked ---------------------------------------------------------------------------------------

def test_a_question_to_the_ledger_is_answered_once(bench):
    entry, job = asked_of_ledger(bench, lang="en", callback="77", message="5", **{"set:0": "settings A b c"})
    asked = bench.entries("ledger")[0][1]
    assert (asked["kind"], asked["what"], asked["lang"], asked["set:0"], asked["user"]) == ("ask", "stats", "en", "settings A b c", "7")
    assert "callback" not in asked and "message" not in asked
    assert bench.job(job)["entry"] == entry and not bench.entries("outbound")
    told = calls.told("ledger", entry, job, "**5 USD**", {"line": "", "about": "x"}, [("settings", "A", "b c")])
    assert [bench.run(told), bench.run(told)] == ["ok", "stale"]
    assert not bench.entries("ledger") and bench.key("HGETALL", "settings") == ["A", "b c"]
    (shown, fields), = bench.entries("outbound")
    assert fields["kind"] == "press" and bench.job(job)["entry"] == shown
    assert bench.run(calls.take("outbound", shown, job, "O"))[3] == "**5 USD**"
    bench.run(calls.commit("outbound", shown, job, "end", "done"))
    assert 0 < bench.key("TTL", "text:" + job) <= 86400 and 0 < bench.key("TTL", "job:" + job) <= 86400


def test_an_answer_that_comes_too_late_changes_nothing(bench):
    entry, job = asked_of_ledger(bench)
    assert bench.run(calls.told("ledger", entry, job, kept=[("user:7", "role", "admin")])) == "ok"
    bench.run(calls.rebuild("last"))
    assert bench.run(calls.told("ledger", entry, job, "text", kept=[("user:7", "role", "")])) == "stale"
    assert bench.key("HGETALL", "user:7") == ["role", "admin"] and bench.key("EXISTS", "text:" + job) == 0


@pytest.mark.parametrize("hash", ["admins", "user:", "user:x", "settings ", "spend:all", "chat:1"])
def test_the_ledger_writes_no_hash_of_others(bench, hash):
    entry, job = asked_of_ledger(bench)
    before = bench.dump()
    try:
        answer = bench.run(calls.told("ledger", entry, job, "text", kept=[(hash, "a", "b")]))
    except RedisError:
        answer = "refused"
    assert answer == "refused" and bench.dump() == before


# ---- telling --------------------------------------------------------------------------------------------------------

def test_administrators_are_told_once_an_hour(bench):
    bench.key("SADD", "admins", 2)
    assert [bench.run(calls.alert("openai", "401")), bench.run(calls.alert("openai", "401")), bench.run(calls.alert("disk"))] == [2, 0, 2]
    told = [bench.job(e["job"]) for _, e in bench.entries("outbound")]
    assert sorted((t["line"], t["chat"]) for t in told) == [("alert_disk", "1"), ("alert_disk", "2"), ("alert_openai", "1"), ("alert_openai", "2")]


def test_an_hour_without_administrators_does_not_count(bench):
    """Since the first version: the first alert of an hour was swallowed when nobody was known yet, and the next ones with it."""
    bench.key("DEL", "admins")
    assert bench.run(calls.alert("openai")) == 0
    bench.key("SADD", "admins", 1)
    assert bench.run(calls.alert("openai")) == 1


def test_nonsense_goes_to_the_dead_with_its_reason(bench):
    entry = bench.key("XADD", "llm", "*", "kind", "poem", "foo", "bar")
    bench.read("llm", "L")
    call = calls.bury("llm", entry, "unknown kind", {"kind": "poem", "foo": "bar"})
    bench.run(call), bench.run(call)
    dead = bench.entries("dead")
    assert len(dead) == 1
    assert dead[0][1].items() >= {"kind": "poem", "foo": "bar", "queue": "llm", "reason": "unknown kind", "job": "", "chat": "", "user": "", "at": ""}.items()
    bench.at_rest()


def test_who_gives_a_job_up_first_says_why_and_once(bench):
    job, work, follow = bench.in_talk()
    bench.run(calls.commit("llm", work, job, "follow", "dead", "gave_up", "503"))
    bench.run(calls.commit("outbound", follow, job, "end", "dead", about="?"))
    assert [e["reason"] for _, e in bench.entries("dead")] == ["503"]
    job, follow = bench.answered()
    bench.run(calls.commit("outbound", follow, job, "end", "dead", about="it crashes"))
    assert [e["reason"] for _, e in bench.entries("dead")] == ["503", "it crashes"]


def test_pacing_lets_a_burst_go_and_then_one_at_a_time(bench):
    send = lambda kind="send", chat="1": bench.run(calls.pace(chat, 30, 30, 1, 3, kind))       # noqa: E731
    assert [send(), send(), send()] == [0, 0, 0]
    assert 900 < send() <= 1000
    assert send("try", "2") == 0 and send("send", "3") == 0
    bench.key("SET", "pause:2", 1, "PX", 5000)
    assert 4000 < send(chat="2") <= 5000
    bench.key("SET", "pause:all", 1, "PX", 9000)
    assert 8000 < send(chat="4") <= 9000
    assert bench.run(calls.pace("5")) > 0
    bench.key("DEL", "pause:all")
    assert bench.run(calls.pace("5")) == 0 and bench.key("EXISTS", "pace:5") == 0


# ---- whole lives ----------------------------------------------------------------------------------------------------

def ledger_reads_all(bench):
    while entry := bench.read("ledger", "W"):
        bench.run(calls.settled(entry[0]))


def show(bench, job, follow, how="done"):
    assert bench.run(calls.mark(follow, job, "O", 0, "", "S")) == ["ok"]
    assert bench.run(calls.mark(follow, job, "O", 0, "S", "17")) == ["ok"]
    assert bench.deliver(job, follow, how) == "ok"


def life_of_a_text(bench):
    job, work, follow = holding(bench)
    bench.run(calls.response("llm", work, job, "0", "r1"))
    bench.run(calls.say("llm", work, job, 0, "Forty-"))
    bench.run(calls.commit("llm", work, job, "follow", length=6, rest="two.", question="?", answer="42", response="r1", call="0", cost=250, events=[EVENT]))
    show(bench, job, follow)
    assert bench.chat()["response"] == "r1"
    return {job: "done"}


def life_of_a_stopped_text(bench):
    job, work, follow = holding(bench)
    bench.run(calls.say("llm", work, job, 0, "Forty-"))
    bench.control("stop")
    assert want(bench, job, work)[:2] == ["stop", "stop"]
    bench.run(calls.commit("llm", work, job, "follow", "stopped", question="?", answer="Forty-", call="0", cost=20, events=[EVENT]))
    show(bench, job, follow, "stopped")
    assert "response" not in bench.chat() and bench.chat()["answer:1"] == "Forty-"
    return {job: "stopped"}


def life_of_one_stopped_while_parked(bench):
    job, work, follow = holding(bench)
    bench.run(calls.park("llm", work, job, 3_600_000, "1"))
    bench.control("stop")
    bench.run(calls.unpark())
    work = bench.pick_up("llm", "L")[0]
    bench.run(calls.commit("llm", work, job, "follow", "stopped", "stopped", call="0"))
    show(bench, job, follow, "stopped")
    return {job: "stopped"}


def life_of_one_over_budget(bench):
    job, work, follow = bench.in_talk()
    assert want(bench, job, work, least=2000)[0] == "over"
    bench.run(calls.commit("llm", work, job, "follow", "refused", "budget"))
    show(bench, job, follow, "refused")
    return {job: "refused"}


def life_of_a_dead_one(bench):
    job, work, follow = holding(bench)
    for _ in range(3):
        bench.run(calls.park("llm", work, job, -5, "1"))
        bench.run(calls.unpark())
        work = bench.pick_up("llm", "L")[0]
    bench.run(calls.commit("llm", work, job, "follow", "dead", "gave_up", "503", call="0", alert="openai"))
    show(bench, job, follow, "dead")
    entry, alert, _ = bench.pick_up("outbound", "O")
    bench.run(calls.commit("outbound", entry, alert, "end", "done"))
    return {job: "dead", alert: "done"}


def life_of_one_that_cannot_be_delivered(bench):
    job, work, follow = holding(bench)
    bench.run(calls.stop(follow, job))
    assert want(bench, job, work)[:2] == ["stop", "gone"]
    bench.run(calls.commit("llm", work, job, "follow", "stopped", call="0", cost=1, events=[EVENT]))
    bench.deliver(job, follow, "undeliverable")
    return {job: "undeliverable"}


def life_of_the_flushed(bench):
    job, follow = bench.answered()
    waiting = bench.ask()
    bench.control("new")
    show(bench, job, follow)
    entry, line, _ = bench.pick_up("outbound", "O")
    bench.deliver(line, entry)
    return {job: "done", waiting: "flushed", line: "done"}


def life_of_direct_ones(bench):
    one, two = bench.ask_direct(), bench.ask_direct()
    entry = bench.pick_up("outbound", "O")[0]
    bench.run(calls.park("outbound", entry, one, -5, "1"))
    bench.deliver(two, bench.pick_up("outbound", "O")[0])
    bench.run(calls.unpark())
    show(bench, one, bench.pick_up("outbound", "O")[0])
    return {one: "done", two: "done"}


def life_of_a_voice(bench):
    job, work, follow = bench.in_talk(first="media")
    assert bench.run(calls.begin("media", work, job, "t", want=50, least=5, periods=[DAY, MONTH])) == ["go", "50"]
    bench.run(calls.commit("media", work, job, "llm", call="t", cost=30, fields={"preface": "Hi"}, events=[EVENT]))
    work = bench.pick_up("llm", "L")[0]
    want(bench, job, work)
    bench.run(calls.commit("llm", work, job, "follow", rest="42", question="?", answer="42", response="r", call="0", cost=100, events=[EVENT]))
    show(bench, job, follow)
    assert bench.spend(DAY[0]) == (130, 0)
    return {job: "done"}


def life_of_a_picture(bench):
    job, work, follow = bench.in_talk(first="media")
    bench.run(calls.begin("media", work, job, "i", want=50, least=5, periods=[DAY, MONTH]))
    bench.run(calls.commit("media", work, job, "follow", call="i", cost=40, fields={"blob": "1"}, events=[EVENT]))
    show(bench, job, follow)
    return {job: "done"}


def life_of_several_rounds(bench):
    job, work, follow = bench.in_talk()
    for call in ("0", "1", "2"):
        assert want(bench, job, work, want=200, call=call) == ["go", "200"]
        last = call == "2"
        bench.run(calls.commit("llm", work, job, "follow" if last else "llm", call=call, cost=100, rest=call,
                               length=int(call), events=[EVENT], **({"question": "?", "answer": "!", "response": "r2"} if last else {})))
        assert (bench.chat().get("response") is None) != last
        if not last:
            work = bench.pick_up("llm", "L")[0]
    assert bench.key("GET", "text:" + job) == "012" and bench.spend(DAY[0]) == (300, 0)
    show(bench, job, follow)
    return {job: "done"}


LIVES = {name[len("life_of_"):]: life for name, life in list(globals().items()) if name.startswith("life_of_")}


@pytest.mark.parametrize("name", sorted(LIVES))
def test_nothing_is_left_of_the_life_of(bench, name):
    ended = LIVES[name](bench)
    ledger_reads_all(bench)
    bench.at_rest()
    for job, how in ended.items():
        told = bench.job(job)
        assert (told["how"], told["ends"]) == (how, "1")
        assert 0 < bench.key("TTL", "job:" + job) <= 86400
        assert not [field for field in told if field.startswith("hold:")]


def test_the_head_moves_only_when_told(bench):
    done, follow = bench.answered()
    bench.deliver(done, follow)
    job, work, follow = holding(bench)
    bench.run(calls.response("llm", work, job, "0", "r1"))
    bench.run(calls.commit("llm", work, job, "follow", "stopped", question="?", answer="Forty-", call="0"))
    assert bench.chat()["response"] == "resp_" + done and bench.chat()["answer:2"] == "Forty-"
    assert bench.chat()["chained"] == "1"


def test_turns_are_kept_short(bench):
    for _ in range(8):
        job, follow = bench.answered()
        bench.deliver(job, follow)
    chat = bench.chat()
    assert sorted(f for f in chat if f.startswith("question:")) == [f"question:{n}" for n in range(3, 9)]
    assert chat["chained"] == "8"


# ---- the server -----------------------------------------------------------------------------------------------------

def test_a_redis_that_forgot_the_scripts_is_told_them_again(bench):
    bench.redis.call("SCRIPT", "FLUSH")
    with pytest.raises(RedisError, match="NOSCRIPT"):
        bench.redis.call("EVALSHA", bench.scripts.sha["accept"], 1, PREFIX)
    bench.ask()
    assert bench.answer == "ok"


def test_under_full_memory_what_is_in_hand_comes_to_its_end(bench):
    """Nothing new comes in and nothing new is spent; what is there is delivered, which is what makes room again."""
    job, work, follow = holding(bench)
    bench.ask()
    bench.redis.call("CONFIG", "SET", "maxmemory", 1)
    assert bench.fails(calls.accept(9, "9-1", CHAT, first="llm")).startswith("OOM")
    assert bench.run(calls.say("llm", work, job, 0, "42")) == 2
    assert bench.run(calls.response("llm", work, job, "0", "r1")) == ["ok", "r1"]
    assert bench.run(calls.commit("llm", work, job, "follow", length=2, rest=".", question="?", answer="42", call="0", cost=1, events=[EVENT])) == "ok"
    assert bench.run(calls.take("outbound", follow, job, "P"))[0] == "live"
    assert bench.run(calls.mark(follow, job, "P", 0, "", "S")) == ["ok"]
    assert bench.deliver(job, follow) == "ok"
    entry, behind, guard = bench.pick_up("llm", "L")
    assert guard == "live" and bench.fails(calls.begin("llm", entry, behind, "0")).startswith("OOM")
    assert bench.run(calls.park("llm", entry, behind, -5)) == ["ok", 0]
    assert bench.run(calls.unpark())[0] == 1
    bench.redis.call("CONFIG", "SET", "maxmemory", 0)


def test_full_memory_and_a_lost_pending_list_at_once(bench):
    job, work, _ = bench.in_talk()
    bench.redis.call("XGROUP", "DELCONSUMER", PREFIX + "llm", "llm", "L")
    bench.redis.call("CONFIG", "SET", "maxmemory", 1)
    assert bench.run(calls.commit("llm", work, job, "follow")) == "ok"
    bench.redis.call("CONFIG", "SET", "maxmemory", 0)
    assert bench.key("HGET", "counters", "anomaly") == "1"


# ---- models, and what was given up ------------------------------------------------------------------------------------


def test_a_job_takes_the_models_along_that_are_set_when_it_comes(bench):
    first = bench.ask()
    bench.key("HSET", "settings", "OPENAI_MODEL", "gpt-9", "OPENAI_IMAGE_MODEL", "image-9", "OPENAI_TRANSCRIBE_MODEL", "ear-9")
    second = bench.ask()
    bench.key("HSET", "user:7", "model", "gpt-own")
    third = bench.ask(user_models="all")
    assert "model" not in bench.job(first)
    assert [bench.job(second)[name] for name in ("model", "image_model", "transcribe_model")] == ["gpt-9", "image-9", "ear-9"]
    assert bench.job(third)["model"] == "gpt-own"


OWN = [("all", "gpt-own"), ("gpt-own", "gpt-own"), ("gpt-1,gpt-own,gpt-2", "gpt-own"), ("", "gpt-9"), ("gpt-1", "gpt-9"), ("gpt-own-2,my-gpt-own,gpt-ow", "gpt-9"), ("gpt.own", "gpt-9")]


def answers(bench, job, model):
    """That model, as the job has it; and whether it is the user's choice."""
    fields = bench.job(job)
    assert (fields["model"], fields.get("own_model")) == (model, "1" if model == "gpt-own" else None)
    assert fields["image_model"] == "image-9"


def chosen(bench):
    bench.key("HSET", "settings", "OPENAI_MODEL", "gpt-9", "OPENAI_IMAGE_MODEL", "image-9")
    bench.key("HSET", "user:7", "model", "gpt-own")


@pytest.mark.parametrize("permitted, model", OWN)
def test_a_user_has_the_model_that_he_has_chosen_while_it_is_permitted(bench, permitted, model):
    chosen(bench)
    answers(bench, bench.ask(user_models=permitted), model)
    assert bench.run(calls.accept(901, "901-1", "8", user_models=permitted, first="llm", kind="text", chat="8", user="8", text="?")) == "ok"
    assert bench.job("901-1")["model"] == "gpt-9" and "own_model" not in bench.job("901-1")


def test_an_older_ingest_permits_nothing(bench):
    chosen(bench)
    old = calls.accept(901, "901-1", "7", first="llm", kind="text", chat="7", user="7", text="?")[:-1]
    assert bench.run(old) == "ok"
    answers(bench, "901-1", "gpt-9")


@pytest.mark.parametrize("permitted, model", OWN)
def test_what_is_answered_anew_has_the_model_that_is_chosen_and_permitted_now(bench, permitted, model):
    job, follow = bench.answered()
    bench.deliver(job, follow)
    chosen(bench)
    assert bench.run(calls.retry(901, "901-1", CHAT, user_models=permitted, kind="line", chat="-100123", user="7")) == "ok"
    answers(bench, "901-1", model)


def test_a_picture_that_is_drawn_again_has_the_models_of_who_presses(bench):
    job = drawn(bench)
    chosen(bench)
    told = {"chat": "-100123", "topic": "45", "user": "7", "callback": "c"}
    assert bench.run(calls.choose(901, "901-1", CHAT, "again", job, user_models="all", **told)) == "ok"
    answers(bench, "901-1", "gpt-own")


@pytest.mark.parametrize("permitted, model", OWN)
def test_what_was_given_up_has_it_too(bench, permitted, model):
    dead = given_up(bench)
    chosen(bench)
    assert bench.run(calls.revive("ledger", *asked_of_ledger(bench), "replay", dead, permitted)) == "ok"
    answers(bench, dead + "-revived", model)


def test_a_choice_comes_back_as_a_change_once(bench):
    entry, job = asked_of_ledger(bench)
    wish = calls.wish("ledger", entry, job, **{"set:0": "settings OPENAI_MODEL gpt-9", "line": "setmodel_chat"})
    assert [bench.run(wish), bench.run(wish)] == ["ok", "stale"]
    (again, fields), = bench.entries("ledger")
    assert (fields["kind"], fields["set:0"], bench.job(job)["entry"]) == ("set", "settings OPENAI_MODEL gpt-9", again)
    assert not bench.entries("outbound")


def test_a_page_of_a_menu_takes_the_place_of_the_one_before(bench):
    entry, job = asked_of_ledger(bench, callback="77", message="5")
    assert bench.run(calls.told("ledger", entry, job, "which?", {"choice:0": "model chat gpt-9|gpt-9"})) == "ok"
    assert sorted(fields["kind"] for _, fields in bench.entries("outbound")) == ["line", "press"]
    assert bench.job(job)["part:0"] == "5" and bench.job(job + "-press")["callback"] == "77"


def test_the_list_of_models_replaces_the_one_before(bench):
    bench.key("HSET", "models", "gpt-1", "1 - x")
    assert bench.run(calls.catalog({"gpt-9": "1 - x"})) == 1
    assert bench.key("HGETALL", "models") == ["gpt-9", "1 - x"] and 0 < bench.key("TTL", "models") <= 7 * 86400
    assert bench.run(calls.catalog({})) == 0 and bench.key("HLEN", "models") == 1


def test_who_wants_to_be_forgotten_goes_round_once_more(bench):
    bench.run(calls.accept(973, "973-1", "", first="ledger", kind="ask", what="model", text="gpt-9", chat="7", user="7"))
    first = bench.read("ledger", "W")[0]
    bench.run(calls.accept(974, "974-1", "", first="ledger", kind="ask", what="forget", chat="7", user="7"))
    second = bench.read("ledger", "W")[0]
    assert bench.run(calls.wish("ledger", first, "973-1", **{"set:0": "user:7 model gpt-9"})) == "ok"
    assert bench.run(calls.wish("ledger", second, "974-1", kind="ask", what="forget_now")) == "ok"
    assert [(e["kind"], e.get("what")) for _, e in bench.entries("ledger")] == [("set", "model"), ("ask", "forget_now")]


def test_who_changes_his_model_too_often_is_slowed_down(bench):
    ask = lambda update, what: bench.run(calls.accept(update, f"{update}-1", "", per_min=1, first="ledger", kind="ask", what=what, chat="7", user="7"))      # noqa: E731
    assert [ask(970, "model"), ask(971, "model"), ask(972, "stats")] == ["ok", "fast", "ok"]


# ---- a message to everybody ----


def delivered(bench, user, how="done"):
    job = f"950-1-to-{user}"
    entry = bench.job(job)["entry"]
    assert bench.run(calls.commit("outbound", entry, job, "end", how)) == "ok"


def recipients(bench):
    return [e["chat"] for _, e in bench.entries("outbound") if "-to-" in e["job"]]


def test_a_message_to_everybody_is_given_to_each_once(bench):
    assert spreading(bench, 7, 8) == "950-1 8 8"
    assert bench.run(calls.spread("950-1", 0, 7, 8)) == "950-1 8 8"        # a lost reply; or another ledger that knows no better
    assert bench.run(calls.spread("950-1", 8, 9, last=True)) == "idle"
    assert recipients(bench) == ["7", "8", "9"] and bench.key("GET", "text:950-1-to-9") == "Hello"
    assert bench.run(calls.spread("950-1", 9, 10)) == "idle" and recipients(bench) == ["7", "8", "9"]


def test_only_a_few_are_on_their_way_at_a_time(bench):
    assert spreading(bench, 7, 8, most=2) == "idle"
    delivered(bench, 7)
    assert bench.run(calls.spread(most=2)) == "950-1 8 1"


def test_whoever_left_is_passed_over_and_counted(bench):
    bench.key("SET", "gone:8", 1)
    spreading(bench, 7, 8, last=True)
    delivered(bench, 7, "undeliverable")
    assert recipients(bench) == [] and bench.run(calls.spread()) == "idle"
    state = bench.key("HGETALL", "broadcast")
    state = dict(zip(state[::2], state[1::2])) if isinstance(state, list) else state
    assert (state["state"], state["lost"], state.get("reached")) == ("done", "2", None)
    assert bench.key("EXISTS", "text:950-1-to-7") == 0 and bench.key("EXISTS", "spreading") == 0


def test_a_chat_that_waits_for_hours_holds_up_nobody_else(bench):
    spreading(bench, 7, 8, most=2)
    for user in (7, 8):
        entry = bench.job(f"950-1-to-{user}")["entry"]
        assert bench.run(calls.park("outbound", entry, f"950-1-to-{user}", 10_000_000, 0))[0] == "ok"
    assert bench.run(calls.spread(most=2)) == "950-1 8 2"


def test_a_job_that_is_gone_is_not_waited_for(bench):
    spreading(bench, 7, last=True)
    bench.key("DEL", "job:950-1-to-7")
    bench.run(calls.spread())
    assert (bench.key("HGET", "broadcast", "state"), bench.key("HGET", "broadcast", "lost")) == ("done", "1")


def reported(bench, n=1, stands=None):
    """The n-th word on how far it is has been said; `stands`: the message where it stands."""
    job = f"950-1-shown-{n}"
    if stands:
        bench.key("HSET", "job:" + job, "part:0", stands)
    assert bench.run(calls.commit("outbound", bench.job(job)["entry"], job, "end", "done")) == "ok"


def test_a_report_that_was_deleted_is_followed_by_one_other(bench):
    spreading(bench, 7, 8)
    reported(bench, stands=123)
    delivered(bench, 7)
    bench.run(calls.spread(every=0))
    assert bench.job("950-1-shown-2")["part:0"] == "123"


def test_the_last_word_is_said_before_another_begins(bench):
    spreading(bench, 7)
    reported(bench)
    bench.key("HSET", "broadcast", "state", "stopped")
    bench.run(calls.accept(960, "960-1", "", first="ledger", kind="ask", what="broadcast", chat="1", user="1", text="Other"))
    bench.run(calls.told("ledger", bench.read("ledger", "W")[0], "960-1", "Other"))
    bench.run(calls.accept(961, "961-1", "", first="ledger", kind="ask", what="spread", chat="1", user="1", callback="c", message=200))
    assert bench.run(calls.broadcast("ledger", bench.read("ledger", "W")[0], "961-1", "send", "960-1", 5)) == "ok"
    word = bench.job("950-1-shown-2")
    assert (word["line"], word["part:0"], word.get("choice:0")) == ("broadcast_stopped", "100", None)
    assert bench.key("HGET", "broadcast", "id") == "960-1" and bench.key("EXISTS", "spreading") == 0


def test_how_far_it_is_is_said_in_order(bench):
    spreading(bench, 7, last=True, every=0)
    shown = [job for job in (e["job"] for _, e in bench.entries("outbound")) if "-shown-" in job]
    assert shown == ["950-1-shown-1"] and bench.job(shown[0])["about"] == "0 / 3" and bench.job(shown[0])["part:0"] == "100"
    delivered(bench, 7)
    bench.run(calls.spread(every=0))
    assert "950-1-shown-2" not in [e["job"] for _, e in bench.entries("outbound")]         # the one before it stands there first
    entry = bench.job(shown[0])["entry"]
    bench.run(calls.commit("outbound", entry, shown[0], "end", "done"))
    bench.run(calls.spread(every=0))
    last = bench.job("950-1-shown-2")
    assert (last["line"], last["about"], last.get("choice:0")) == ("broadcast_done", "1 / 3", None)
    bench.run(calls.spread(every=0))
    assert bench.key("EXISTS", "job:950-1-shown-3") == 0


def test_a_message_to_everybody_is_decided_about_once(bench):
    send = calls.broadcast("ledger", *decided(bench), 3)
    assert [bench.run(send), bench.run(send)] == ["ok", "stale"]
    for what, answer in (("send", "old"), ("drop", "old"), ("stop", "ok"), ("stop", "none")):
        update = next(bench.updates)
        bench.run(calls.accept(update, f"{update}-1", "", first="ledger", kind="ask", what="spread", chat="1", user="1", callback="c", message=100))
        assert bench.run(calls.broadcast("ledger", bench.read("ledger", "W")[0], f"{update}-1", what, "950-1")) == answer


def test_what_was_stopped_goes_no_further(bench):
    spreading(bench, 7)
    bench.key("HSET", "broadcast", "state", "stopped")
    assert bench.run(calls.spread("950-1", 7, 8)) == "idle" and recipients(bench) == ["7"]


def test_what_was_given_up_is_asked_again_once(bench):
    dead = given_up(bench)
    entry, job = asked_of_ledger(bench)
    again = calls.revive("ledger", entry, job, "replay", dead)
    assert [bench.run(again), bench.run(again)] == ["ok", "stale"]
    assert not bench.entries("dead") and len(bench.entries("llm")) == 1
    job = "902-1"
    bench.run(calls.accept(902, job, "", kind="ask", first="ledger", what="dead", chat="7", user="7", role="admin"))
    assert bench.run(calls.revive("ledger", bench.read("ledger", "W")[0], job, "replay", dead)) == "none"
    assert len(bench.entries("llm")) == 1 and bench.job(job)["line"] == "dead_gone"


def test_what_is_asked_again_waits_in_its_lane(bench):
    dead = given_up(bench)
    bench.ask()
    bench.run(calls.revive("ledger", *asked_of_ledger(bench), "replay", dead))
    assert len(bench.entries("llm")) == 1 and bench.key("LRANGE", "lane:" + CHAT, 0, -1) == [dead + "-revived"]
