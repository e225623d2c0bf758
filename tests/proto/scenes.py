"""Scenes: each prepares a state on the bench and returns the call that the tests then make in it, whole, twice, with a wrong
type under one of its keys, with no memory left. A new script or branch gets a scene here and is tested in all these ways."""
import hashlib

import calls
from bench import CHAT
from engine import PREFIX

DAY, MONTH = ("2026-11-22:7", 1000, 259200), ("2026-11:7", 5000, 6048000)
EVENT = {"kind": "usage", "job": "1", "chat": "7", "user": "7", "at": "1", "event": "1:0"}
scenes = {}


def scene(**how):
    """full: what happens when memory is full ('runs' | 'refused'); twice: may the second run differ ('same' | 'other')"""
    def keep(function):
        scenes[function.__name__] = (function, {"full": "runs", "twice": "same", **how})
        return function
    return keep


def holding(bench, **more):
    """A job whose paid call holds 300."""
    job, work, follow = bench.in_talk(**more)
    answer = bench.run(calls.begin("llm", work, job, "0", want=300, least=10, periods=[DAY, MONTH]))
    assert answer == ["go", "300"]
    return job, work, follow


# ---- coming in ------------------------------------------------------------------------------------------------------

@scene(full="refused")
def accept_into_an_idle_chat(bench):
    return calls.accept(901, "901-1", CHAT, first="llm", kind="text", chat="1", user="7")


@scene(full="refused")
def accept_behind_another(bench):
    bench.ask()
    return calls.accept(901, "901-1", CHAT, first="media", kind="voice", chat="1", user="7")


@scene(full="refused")
def accept_into_a_full_lane(bench):
    bench.ask()
    bench.ask()
    return calls.accept(901, "901-1", CHAT, lane_max=1, first="llm", kind="text", chat="1", user="7")


@scene(full="refused")
def accept_a_direct_job(bench):
    return calls.accept(901, "901-1", "", kind="line", chat="1", user="7", line="greeting")


@scene()
def accept_what_was_accepted(bench):
    bench.run(calls.accept(901, "901-1", CHAT, first="llm"))
    return calls.accept(901, "901-2", CHAT, first="llm")


def tag(file):
    """What a file is called in the data of its button."""
    return hashlib.sha1(file.encode()).hexdigest()[:12]


def part(update, text="half", message=5, open_ms=60_000, lane_max=20, **more):
    """A piece of a text that was too long for one message."""
    return calls.accept(update, f"{update}-1", CHAT, lane_max, "long:7", open_ms, first="llm", kind="text", chat="-100123", user="7",
                        text=text, seam="+", message=message, asked=1000, **more)


@scene(full="refused")
def accept_the_first_part_of_a_text(bench):
    return part(901)


@scene(full="refused")
def accept_a_further_part(bench):
    bench.run(part(900))
    return part(901, "more", 6)


@scene(full="refused")
def accept_the_last_part(bench):
    bench.run(part(900))
    return part(901, "the rest", 6, open_ms=0)


@scene(full="refused")
def accept_the_last_part_behind_another(bench):
    bench.ask()
    bench.run(part(900))
    return part(901, "the rest", 6, open_ms=0)


def picture(update, message=5, text="", files=1, **more):
    """A part of an album."""
    its = {f"file:{n}": f"F{update}.{n}" for n in range(files)}
    return calls.accept(update, f"{update}-1", CHAT, more.pop("lane_max", 20), more.pop("gather", "album:9"), 60_000, first="media", kind="photo",
                        chat="-100123", user="7", text=text, message=message, asked=more.pop("asked", 1000), files=files, **its, **{"file:0:kind": "photo"}, **more)


@scene(full="refused")
def accept_the_first_picture_of_an_album(bench):
    return picture(901)


@scene(full="refused")
def accept_a_picture_into_a_full_lane(bench):
    bench.ask()
    bench.ask()
    return picture(901, lane_max=1)


@scene(full="refused")
def accept_a_further_picture_of_an_album(bench):
    bench.run(picture(900))
    return picture(901, 6, "what is this?")


@scene(full="refused")
def accept_the_last_picture_an_album_can_have(bench):
    bench.run(picture(900, files=9))
    return picture(901, 6)


@scene()
def accept_what_is_part_of_nothing(bench):
    return part(901, lane_max=-1, open_ms=0)


@scene(full="refused")
def accept_an_edit_of_what_waits(bench):
    bench.ask()
    bench.run(part(900, open_ms=0))
    return part(901, "corrected", edit="edit", open_ms=0)


@scene(full="refused")
def accept_an_edit_of_an_older_question(bench):
    bench.run(part(900, open_ms=0))
    return part(901, "corrected", message=4, edit="edit", open_ms=0)


@scene(full="refused")
def accept_in_a_group_that_has_moved(bench):
    bench.in_talk(CHAT)
    bench.ask(CHAT)
    bench.run(calls.migrate("-100123", "-100999"))
    return calls.accept(901, "901-1", "-100999:45", first="llm", kind="text", chat="-100999", user="7")


@scene(full="refused")
def accept_in_a_group_that_has_moved_while_one_is_parked(bench):
    job, work, _ = bench.in_talk(CHAT)
    bench.run(calls.park("llm", work, job, 60_000))
    bench.run(calls.migrate("-100123", "-100999"))
    return calls.accept(901, "901-1", "-100999:45", first="llm", kind="text", chat="-100999", user="7")


@scene()
def move_a_group(bench):
    return calls.migrate("-100123", "-100999")


@scene()
def stop_by_the_button_of_another(bench):
    job, _, _ = bench.in_talk()
    return calls.control(901, "901-1", CHAT, "stop", job, kind="press", chat="-100123", user="8", callback="77")


@scene()
def stop_by_the_button(bench):
    job, _, _ = bench.in_talk()
    return calls.control(901, "901-1", CHAT, "stop", job, kind="press", chat="-100123", user="7", callback="77")


@scene()
def stop_what_nobody_holds_any_more(bench):
    bench.in_talk()
    bench.nobody_listens()
    return calls.control(901, "901-1", CHAT, "stop", kind="line", chat="-100123", user="7")


@scene()
def stop_what_is_being_delivered_by_nobody(bench):
    bench.answered()
    bench.nobody_listens()
    return calls.control(901, "901-1", CHAT, "stop", kind="line", chat="-100123", user="7")


@scene()
def end_what_was_to_be_stopped_too_late(bench):
    job, follow = bench.answered()
    bench.control("stop")
    return calls.commit("outbound", follow, job, "end", "done")


@scene()
def stop_where_nothing_may_be_written(bench):
    job, _, _ = bench.in_talk()
    return calls.stop(bench.job(job)["follow"], job, "mute")


@scene(full="refused")
def accept_where_nothing_may_be_written(bench):
    bench.key("SET", "gone:-100123", "mute")
    return calls.accept(901, "901-1", CHAT, first="llm", kind="text", chat="-100123", user="7")


@scene()
def stop_in_a_group_that_has_moved(bench):
    bench.in_talk(CHAT)
    bench.run(calls.migrate("-100123", "-100999"))
    return calls.control(901, "901-1", "-100999:45", "stop", kind="line", chat="-100999", user="7")


@scene()
def nobody_is_there_any_more(bench):
    bench.in_talk()
    bench.ask()
    return calls.control(901, "901-1", CHAT, "gone", kind="line", chat="-100123", user="7")


@scene()
def somebody_is_there_again(bench):
    bench.run(calls.control(900, "900-1", CHAT, "gone", kind="line", chat="-100123", user="7"))
    return calls.control(901, "901-1", CHAT, "back", kind="line", chat="-100123", user="7")


@scene(full="refused")
def retry_what_was_answered(bench):
    job, follow = bench.answered()
    bench.run(calls.mark(follow, job, "O", 0, "", "S"))
    bench.run(calls.mark(follow, job, "O", 0, "S", 44))
    bench.deliver(job, follow)
    return calls.retry(901, "901-1", CHAT, job, kind="press", chat="-100123", user="7", callback="77")


@scene(full="refused")
def retry_what_was_heard(bench):
    transcribed(bench)
    return calls.retry(901, "901-1", CHAT, kind="line", chat="-100123", user="7")


@scene(full="refused")
def retry_while_it_is_answered(bench):
    bench.in_talk()
    return calls.retry(901, "901-1", CHAT, kind="line", chat="-100123", user="7")


@scene(full="refused")
def retry_with_nothing_asked(bench):
    return calls.retry(901, "901-1", CHAT, kind="line", chat="-100123", user="7")


@scene()
def stop_with_nothing_running(bench):
    return calls.control(901, "901-1", CHAT, "stop", kind="line", chat="1", user="7")


@scene()
def stop_what_runs(bench):
    bench.in_talk()
    return calls.control(901, "901-1", CHAT, "stop", kind="line", chat="1", user="7")


@scene()
def stop_what_is_parked(bench):
    job, work, _ = bench.in_talk()
    bench.run(calls.park("llm", work, job, 60_000))
    return calls.control(901, "901-1", CHAT, "stop", kind="line", chat="1", user="7")


@scene()
def new_with_some_waiting(bench):
    bench.answered()
    bench.ask()
    bench.ask(first="media")
    return calls.control(901, "901-1", CHAT, "new", kind="line", chat="1", user="7")


def uploaded(bench, *ids, conv=CHAT):
    """Files that stand in the conversation's list, each a second older than the one before it."""
    ms = int(bench.redis.call("TIME")[0]) * 1000
    for n, name in enumerate(ids or ("file-a", "file-b")):
        bench.key("HSET", "uploads:" + conv, name, f"{ms - 1000 * n} user_data {1000 + n} a name of {name}")
    bench.key("EXPIRE", "uploads:" + conv, 1000)


def transcribed(bench):
    """An answer to what was heard, delivered."""
    job, work, _ = bench.in_talk(first="media")
    bench.run(calls.commit("media", work, job, "llm", rest="You said: hello\n\n", fields={"text": "hello", "heard": "1"}))
    work = bench.pick_up("llm", "L")[0]
    bench.run(calls.commit("llm", work, job, "follow", length=17, rest="Hello!", question="hello", answer="Hello!", response="resp_1"))
    bench.deliver(job, bench.job(job)["follow"])
    return job


@scene()
def new_with_files(bench):
    bench.answered()
    uploaded(bench)
    return calls.control(901, "901-1", CHAT, "new", kind="line", chat="1", user="7")


@scene(full="refused")
def files_are_listed(bench):
    uploaded(bench, *(f"file-{n}" for n in range(30)))
    return calls.files(901, "901-1", CHAT, kind="line", chat="-100123", user="7", message=5)


@scene(full="refused")
def files_are_none(bench):
    return calls.files(901, "901-1", CHAT, kind="line", chat="-100123", user="7", message=5)


@scene(full="refused")
def files_lose_one(bench):
    uploaded(bench)
    return calls.files(901, "901-1", CHAT, tag("file-a"), kind="press", callback="77", chat="-100123", user="7", message=5)


@scene(full="refused")
def files_in_a_group_that_has_moved(bench):
    bench.in_talk(CHAT)
    uploaded(bench)
    bench.run(calls.migrate("-100123", "-100999"))
    return calls.files(901, "901-1", "-100999:45", kind="line", chat="-100999", user="7", message=5)


# ---- pictures -------------------------------------------------------------------------------------------------------

def asks(bench, update=880):
    """/img alone."""
    bench.run(calls.accept(update, f"{update}-1", "", kind="line", line="ask_prompt", chat="-100123", topic="45", user="7", asks="prompt"))


def prompt(update=881, text="a cat", message=6, gather="", open_ms=0, edit="", lane_max=20, **more):
    return calls.accept(update, f"{update}-1", CHAT, lane_max, gather, open_ms, edit, first="llm", kind="text", chat="-100123", topic="45", user="7",
                        text=text, message=message, asked=1000, **more)


def press(what, target, update=882, size="", lane_max=20, user="7", **more):
    return calls.choose(update, f"{update}-1", CHAT, what, target, size, lane_max, kind="press", callback="77", chat="-100123", topic="45",
                        user=user, message=30, **more)


def drawn(bench, update=700, size="1024x1024"):
    """A picture that stands in the chat."""
    job = f"{update}-1"
    bench.run(calls.accept(update, job, CHAT, first="media", kind="image", chat="-100123", topic="45", user="7", text="a cat", message=5, size=size))
    entry, _, _ = bench.pick_up("media", "L")
    follow, _, _ = bench.pick_up("outbound", "O")
    bench.run(calls.blob("add", "b", 0, "PNG"))
    bench.run(calls.commit("media", entry, job, "follow", fields={"blob": "b", "blob_type": "image/png", "blob_bytes": "3"}))
    bench.deliver(job, follow)
    return job


@scene(full="refused")
def img_alone(bench):
    return calls.accept(880, "880-1", "", kind="line", line="ask_prompt", chat="-100123", topic="45", user="7", asks="prompt")


@scene(full="refused")
def a_prompt_for_img(bench):
    asks(bench)
    return prompt(gather="long:7", open_ms=60_000)


@scene(full="refused")
def a_further_part_of_a_prompt(bench):
    asks(bench)
    bench.run(prompt(gather="long:7", open_ms=60_000))
    return prompt(883, "and a dog", 7, gather="long:7", lane_max=-1)


@scene(full="refused")
def a_corrected_prompt(bench):
    asks(bench)
    bench.run(prompt())
    return prompt(883, "a dog", edit="edit")


@scene(full="refused")
def a_size_is_chosen(bench):
    asks(bench)
    bench.run(prompt())
    return press("size", "881-1", size="1024x1536")


@scene(full="refused")
def a_size_is_chosen_too_late(bench):
    asks(bench)
    bench.run(prompt())
    bench.key("DEL", "ask:-100123:45:7")
    return press("size", "881-1", size="1024x1536")


@scene(full="refused")
def a_picture_is_drawn_again(bench):
    return press("again", drawn(bench))


@scene(full="refused")
def another_size_is_asked_for(bench):
    return press("sizes", drawn(bench))


@scene(full="refused")
def a_picture_is_wanted_as_a_file(bench):
    return press("asfile", drawn(bench))


@scene(full="refused")
def a_blob_grows(bench):
    bench.run(calls.blob("add", "b", 0, "one"))
    return calls.blob("add", "b", 3, "two")


@scene()
def a_blob_needs_the_room_of_another(bench):
    drawn(bench)
    return calls.blob("add", "c", 0, "x" * 999)


@scene()
def a_blob_is_not_wanted(bench):
    bench.run(calls.blob("add", "b", 0, "one"))
    return calls.blob("drop", "b", 3)


@scene()
def deliver_a_picture(bench):
    job, work, _ = bench.in_talk(first="media")
    bench.run(calls.blob("add", "b", 0, "PNG"))
    bench.run(calls.commit("media", work, job, "follow", fields={"blob": "b", "blob_bytes": "3"}))
    return calls.commit("outbound", bench.job(job)["follow"], job, "end", "done")


# ---- a worker's hands -----------------------------------------------------------------------------------------------

@scene()
def take_work(bench):
    job = bench.ask()
    entry, _ = bench.read("llm", "L")
    return calls.take("llm", entry, job, "L")


@scene()
def take_a_follow_entry(bench):
    job, work, _ = bench.in_talk()
    bench.run(calls.say("llm", work, job, 0, "So far"))
    return calls.take("outbound", bench.job(job)["follow"], job, "O")


@scene()
def take_a_stale_entry(bench):
    job, work, _ = bench.in_talk()
    bench.run(calls.release("llm", work, job))
    return calls.take("llm", work, job, "L")


@scene(twice="other")
def look_at_some(bench):
    job, work, _ = bench.in_talk()
    return calls.look("llm", "L", (work, job, ""), ("1-1", "none", "0"))


@scene(full="refused")
def begin_within_the_budget(bench):
    job, work, _ = bench.in_talk()
    return calls.begin("llm", work, job, "0", want=300, least=10, periods=[DAY, MONTH])


@scene(full="refused")
def begin_where_nobody_is(bench):
    job, work, _ = bench.in_talk()
    bench.key("SET", "gone:-100123", 1)
    return calls.begin("llm", work, job, "0", want=300, least=10, periods=[DAY, MONTH])


@scene(full="refused")
def begin_without_a_budget(bench):
    job, work, _ = bench.in_talk()
    return calls.begin("llm", work, job, "0", want=300, periods=[("2026-11-22:7", "", 100), ("2026-11:all", "", 100)])


@scene(full="refused")
def begin_anew_after_a_lost_response(bench):
    job, work, _ = holding(bench)
    bench.run(calls.response("llm", work, job, "0", "resp_1"))
    bench.run(calls.say("llm", work, job, 0, "So far"))
    return calls.begin("llm", work, job, "0", nth=2, lost="resp_1", want=300, least=10, periods=[DAY, MONTH])


@scene()
def begin_with_a_stale_entry(bench):
    job, work, _ = holding(bench)
    bench.run(calls.release("llm", work, job))
    return calls.begin("llm", work, job, "0", want=300, least=10, periods=[DAY, MONTH])


@scene()
def response_is_known(bench):
    job, work, _ = holding(bench)
    return calls.response("llm", work, job, "0", "resp_1")


@scene(twice="other")
def say_the_first_words(bench):
    job, work, _ = holding(bench)
    return calls.say("llm", work, job, 0, "Forty-")


@scene()
def say_what_is_being_done(bench):
    job, work, _ = holding(bench)
    return calls.doing("llm", work, job, "searching")


@scene()
def mark_a_part(bench):
    job, _, follow = bench.in_talk()
    return calls.mark(follow, job, "O", 0, "", "S")


@scene()
def mark_a_part_as_gone(bench):
    job, _, follow = bench.in_talk()
    bench.run(calls.mark(follow, job, "O", 0, "", "S"))
    return calls.mark(follow, job, "O", 0, "S", "")


@scene()
def nobody_there_any_more(bench):
    job, work, follow = bench.in_talk()
    bench.run(calls.park("llm", work, job, 60_000))
    return calls.stop(follow, job)


@scene()
def crashed_alone(bench):
    job, work, _ = bench.in_talk()
    return calls.crashed("llm", work, job, "run-1")


# ---- moving on ------------------------------------------------------------------------------------------------------

@scene()
def commit_an_answer(bench):
    job, work, _ = holding(bench)
    bench.run(calls.say("llm", work, job, 0, "Forty-"))
    return calls.commit("llm", work, job, "follow", length=6, rest="two.", question="?", answer="Forty-two.", response="resp_1",
                        call="0", cost=250, fields={"context": "17"}, events=[EVENT])


@scene()
def commit_an_answer_in_place_of_another(bench):
    job, work, _ = holding(bench)
    bench.run(calls.say("llm", work, job, 0, "Forty-"))
    return calls.commit("llm", work, job, "follow", length=-1, rest="No.", question="?", answer="No.", call="0", cost=250)


@scene()
def commit_a_round(bench):
    job, work, _ = holding(bench)
    return calls.commit("llm", work, job, "llm", call="0", cost=300, fields={"round": "1"}, events=[EVENT, EVENT])


@scene()
def commit_a_transcript(bench):
    job, work, _ = bench.in_talk(first="media")
    return calls.commit("media", work, job, "llm", fields={"preface": "Hello"})


@scene()
def commit_what_was_uploaded(bench):
    job, work, _ = bench.in_talk(first="media")
    return calls.commit("media", work, job, "llm", rest="Hm: ", fields={"upload:0": "file-a user_data 17 a name", "input:0": "file file-a"})


@scene()
def commit_what_was_uploaded_before_new(bench):
    job, work, _ = bench.in_talk(first="media")
    bench.control("new")
    return calls.commit("media", work, job, "follow", "stopped", fields={"upload:0": "file-a user_data 17 a name"})


@scene()
def commit_a_dead_job(bench):
    job, work, _ = holding(bench)
    return calls.commit("llm", work, job, "follow", "dead", "gave_up", "503", call="0", alert="openai")


@scene()
def commit_the_end(bench):
    job, follow = bench.answered()
    return calls.commit("outbound", follow, job, "end", "done")


@scene()
def commit_the_end_with_one_waiting(bench):
    job, follow = bench.answered()
    bench.ask(job="902-1")
    return calls.commit("outbound", follow, job, "end", "done")


@scene()
def commit_the_end_with_a_voice_waiting(bench):
    job, follow = bench.answered()
    bench.ask(first="media", job="902-1")
    return calls.commit("outbound", follow, job, "end", "dead", about="400", alert="telegram")


@scene()
def commit_a_direct_end(bench):
    bench.ask_direct()
    entry, job, _ = bench.pick_up("outbound", "O")
    return calls.commit("outbound", entry, job, "end", "done")


@scene()
def commit_too_early(bench):
    job, _, follow = bench.in_talk()
    return calls.commit("outbound", follow, job, "end", "done")


@scene()
def commit_twice(bench):
    job, follow = bench.answered()
    bench.deliver(job, follow)
    return calls.commit("outbound", follow, job, "end", "done")


@scene()
def park_work(bench):
    job, work, _ = holding(bench)
    return calls.park("llm", work, job, 60_000, "1")


@scene()
def park_a_delivery(bench):
    job, follow = bench.answered()
    return calls.park("outbound", follow, job, 60_000)


@scene()
def park_a_direct_job(bench):
    bench.ask_direct()
    entry, job, _ = bench.pick_up("outbound", "O")
    return calls.park("outbound", entry, job, 60_000)


@scene()
def unpark_all_sorts(bench):
    job, work, _ = bench.in_talk()
    bench.run(calls.park("llm", work, job, -5))
    bench.ask_direct()
    entry, job, _ = bench.pick_up("outbound", "O")
    bench.run(calls.park("outbound", entry, job, -5))
    return calls.unpark()


@scene()
def release_work(bench):
    job, work, _ = bench.in_talk()
    return calls.release("llm", work, job)


@scene()
def release_a_follow_entry(bench):
    job, _, follow = bench.in_talk()
    return calls.release("outbound", follow, job)


@scene()
def release_a_delivery(bench):
    job, follow = bench.answered()
    return calls.release("outbound", follow, job)


@scene(twice="other")
def claim_from_the_dead(bench):
    job, work, _ = bench.in_talk()
    return calls.claim("llm", "M", "dead", work, "1-1")


@scene(twice="other")
def claim_from_somebody_by_name(bench):
    job, work, _ = bench.in_talk()
    return calls.claim("llm", "M", "dead:L", work)


@scene(twice="other")
def claim_what_is_stale(bench):
    job, work, _ = bench.in_talk()
    bench.key("HSET", "job:" + job, "entry", "1-1")
    return calls.claim("llm", "M", "dead", work)


# ---- the house ------------------------------------------------------------------------------------------------------

@scene()
def bury_nonsense(bench):
    entry = bench.key("XADD", "llm", "*", "nonsense", "1")
    bench.read("llm", "L")
    return calls.bury("llm", entry, "no job", {"nonsense": "1"})


@scene()
def book_waste(bench):
    return calls.book("1:0:wasted:resp_2", 30, [(DAY[0], DAY[2]), (MONTH[0], MONTH[2])], EVENT)


@scene()
def events_are_settled(bench):
    bench.key("XADD", "ledger", "*", "kind", "usage")
    entry, _ = bench.read("ledger", "W")
    return calls.settled(entry)


def given_up(bench):
    """A question that failed for good: its entry among the dead."""
    job, work, follow = bench.in_talk()
    bench.run(calls.commit("llm", work, job, "follow", "dead", "failed", "it crashed twice"))
    bench.run(calls.commit("outbound", follow, job, "end", "dead"))
    return bench.entries("dead")[0][0]


def asked_of_ledger(bench, **more):
    """A question that the ledger has in hand: its entry and its job."""
    bench.run(calls.accept(900, "900-1", "", first="ledger", kind="ask", what="stats", chat="7", user="7", **more))
    return bench.read("ledger", "W")[0], "900-1"


@scene(full="refused")
def accept_what_the_ledger_is_to_answer(bench):
    return calls.accept(901, "901-1", "", first="ledger", kind="set", what="setting", chat="7", user="7", **{"set:0": "settings OPENAI_MODEL gpt-9"})


@scene()
def tell_what_was_asked(bench):
    return calls.told("ledger", *asked_of_ledger(bench), "**5 USD**", {"line": ""})


@scene()
def tell_what_was_changed(bench):
    entry, job = asked_of_ledger(bench, callback="77")
    bench.key("HSET", "user:7", "role", "admin")
    return calls.told("ledger", entry, job, "", {"line": "done"}, [("settings", "OPENAI_MODEL", "gpt-9"), ("user:7", "role", "")])


@scene()
def tell_what_was_told(bench):
    entry, job = asked_of_ledger(bench)
    bench.run(calls.told("ledger", entry, job, "5 USD"))
    return calls.told("ledger", entry, job, "6 USD", kept=[("settings", "OPENAI_MODEL", "gpt-9")])


@scene()
def turn_a_menu_to_another_page(bench):
    entry, job = asked_of_ledger(bench, callback="77", message="5")
    return calls.told("ledger", entry, job, "which?", {"choice:0": "model chat gpt-9|gpt-9"})


@scene()
def wish_for_a_model(bench):
    return calls.wish("ledger", *asked_of_ledger(bench), **{"set:0": "settings OPENAI_MODEL gpt-9", "line": "setmodel_chat", "about": "gpt-9"})


@scene()
def wish_of_somebody_else(bench):
    entry, job = asked_of_ledger(bench)
    bench.run(calls.told("ledger", entry, job, "5 USD"))
    return calls.wish("ledger", entry, job, line="x")


@scene()
def catalog_of_models(bench):
    bench.key("HSET", "models", "gpt-1", "1 - x")
    return calls.catalog({"gpt-9": "1795000000 2027-01-14 openai", "gpt-8": "1 - x"})


def decided(bench, what="send", **more):
    """The press of a button under a message to everybody: its entry and job, what it decides, and the job that wrote it."""
    bench.run(calls.accept(950, "950-1", "", first="ledger", kind="ask", what="broadcast", chat="1", user="1", text="Hello"))
    bench.run(calls.told("ledger", bench.read("ledger", "W")[0], "950-1", "Hello"))
    bench.run(calls.accept(951, "951-1", "", first="ledger", kind="ask", what="spread", chat="1", user="1", callback="c", message=100, **more))
    return bench.read("ledger", "W")[0], "951-1", what, "950-1"


def spreading(bench, *users, **more):
    assert bench.run(calls.broadcast("ledger", *decided(bench), 3)) == "ok"
    return bench.run(calls.spread("950-1", 0, *users, **more))


@scene()
def broadcast_to_everybody(bench):
    return calls.broadcast("ledger", *decided(bench), 3)


@scene()
def broadcast_no_further(bench):
    spreading(bench, 7, 8)
    bench.run(calls.accept(952, "952-1", "", first="ledger", kind="ask", what="broadcast", chat="1", user="1", text="stop"))
    return calls.broadcast("ledger", bench.read("ledger", "W")[0], "952-1", "stop")


@scene()
def broadcast_not_at_all(bench):
    return calls.broadcast("ledger", *decided(bench, "drop"))


@scene(full="refused")
def spread_to_the_next(bench):
    assert spreading(bench, 7) == "950-1 7 9"
    bench.key("SET", "gone:8", 1)
    return calls.spread("950-1", 7, 8, 9, last=True, every=100000)


@scene(full="refused")
def spread_a_word_on_how_far_it_is(bench):
    assert bench.run(calls.broadcast("ledger", *decided(bench), 3)) == "ok"
    return calls.spread(every=100000)


@scene()
def spread_when_a_job_is_gone(bench):
    spreading(bench, 7, 8, last=True)
    bench.key("DEL", "job:950-1-to-7")
    return calls.spread(every=100000)


@scene()
def spread_nothing(bench):
    return calls.spread()


@scene()
def tell_that_a_model_was_chosen_by_a_button(bench):
    bench.run(calls.accept(900, "900-1", "", first="ledger", kind="set", what="setmodel", chat="1", user="1", role="admin", callback="c", message=100,
                           line="setmodel_chat", about="gpt-9", **{"set:0": "settings OPENAI_MODEL gpt-9"}))
    return calls.told("ledger", bench.read("ledger", "W")[0], "900-1", kept=[("settings", "OPENAI_MODEL", "gpt-9")])


@scene()
def revive_what_was_given_up(bench):
    return calls.revive("ledger", *asked_of_ledger(bench), "replay", given_up(bench))


@scene(full="refused")
def accept_with_a_model_of_ones_own(bench):
    bench.key("HSET", "user:7", "model", "gpt-own")
    return calls.accept(901, "901-1", "7", user_models="gpt-9,gpt-own", first="llm", kind="text", chat="7", user="7", text="?")


@scene()
def revive_it_behind_another(bench):
    dead = given_up(bench)
    bench.ask()
    return calls.revive("ledger", *asked_of_ledger(bench), "replay", dead)


@scene()
def drop_what_was_given_up(bench):
    return calls.revive("ledger", *asked_of_ledger(bench, callback="77"), "drop", given_up(bench))


@scene()
def drop_all_that_was_given_up(bench):
    given_up(bench)
    return calls.revive("ledger", *asked_of_ledger(bench), "all")


@scene()
def revive_what_nobody_knows(bench):
    return calls.revive("ledger", *asked_of_ledger(bench), "replay", "5-0")


@scene()
def tell_that_a_stranger_is_let_in(bench):
    bench.key("SADD", "admins", 1, 2)
    bench.run(calls.accept(899, "899-1", "7", first="llm", kind="text", text="?", chat="7", chat_type="private", user="7", name="Ada", lang="en", access="ask"))
    for n, (_, e) in enumerate(bench.entries("outbound")):
        bench.key("HSET", "job:" + e["job"], "part:0", 100 + n)
    bench.run(calls.accept(900, "900-1", "", first="ledger", kind="set", chat="1", user="1", role="admin", callback="c", grants="7", message=100,
                           **{"set:0": "user:7 role user"}))
    return calls.told("ledger", bench.read("ledger", "W")[0], "900-1", kept=[("user:7", "role", "user")])


def kept_of_somebody(bench):
    bench.key("HSET", "library:7", "store", "vs_1", "file-2", "1 user_data 5 b.pdf")
    bench.key("SET", "knock:7", "1 en Ada", "EX", 100)
    return dict(kind="ask", first="ledger", chat="1", user="7", callback="c", message=90, line="forget_done")


@scene()
def forget_somebody(bench):
    bench.answered()
    uploaded(bench)
    return calls.control(901, "901-1", CHAT, "forget", **kept_of_somebody(bench), what="forget")


@scene()
def forget_somebody_amid_an_answer(bench):
    bench.ask()
    return calls.control(901, "901-1", CHAT, "forget", **kept_of_somebody(bench), what="forget")


@scene()
def tell_that_somebody_is_forgotten(bench):
    bench.run(calls.accept(900, "900-1", "", first="ledger", kind="ask", what="forget_now", chat="7", user="7", callback="c", message=90, line="forget_done"))
    bench.key("HSET", "user:7", "role", "guest")
    return calls.told("ledger", bench.read("ledger", "W")[0], "900-1", kept=[("user:7", "role", "")])


@scene(full="refused")
def rebuild_what_is_set(bench):
    bench.key("DEL", "spend:ready")
    return calls.rebuild("last", (DAY[0], 70, 100), kept=[("settings", "OPENAI_MODEL", "gpt-9"), ("user:-7", "role", "")])


@scene()
def alert_the_administrators(bench):
    return calls.alert("openai", "401")


@scene(full="refused")
def rebuild_the_counters(bench):
    bench.key("DEL", "spend:ready")
    return calls.rebuild("last", (DAY[0], 70, 100), (MONTH[0], 700, 100))


@scene(full="refused")
def audit_with_all_lost(bench):
    bench.in_talk()
    for worker, stream in (("L", "llm"), ("O", "outbound")):
        bench.redis.call("XGROUP", "DELCONSUMER", PREFIX + stream, stream, worker)
    return calls.audit()


@scene(full="refused", twice="other")
def audit_a_parked_job_forgotten(bench):
    job, work, _ = bench.in_talk()
    bench.run(calls.park("llm", work, job, 60_000))
    bench.key("DEL", "later")
    return calls.audit()


@scene(twice="other")
def audit_a_job_that_vanished(bench):
    job, _, _ = bench.in_talk()
    bench.ask(job="902-1")
    bench.key("DEL", "job:" + job)
    return calls.audit()


@scene()
def reap_one_that_is_gone(bench):
    bench.key("HSET", "workers", "L", 5)
    bench.redis.call("XGROUP", "CREATECONSUMER", PREFIX + "llm", "llm", "L")
    return calls.reap("llm", "L")


@scene()
def lease_that_is_free(bench):
    return calls.lease("ingest", "A")


@scene()
def lease_left(bench):
    bench.run(calls.lease("ingest", "A"))
    return calls.lease("ingest", "A", what="leave")


@scene(twice="other")
def pace_a_message(bench):
    return calls.pace("-100123", 30, 10, 1, 3)


@scene(twice="other")
def a_call_failed(bench):
    return calls.breaker("failed", 1)


@scene()
def a_call_was_answered(bench):
    bench.run(calls.breaker("failed", 1))
    return calls.breaker("answered")


@scene(twice="other")
def a_worker_lives(bench):
    return calls.beat("L")


@scene()
def telegram_asks_for_silence(bench):
    return calls.pause("-100123", 5000)
