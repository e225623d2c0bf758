"""What /img leaves open, the buttons under a picture, and where its bytes wait."""
import pytest

import calls
from bench import CHAT
from engine import PREFIX, as_dict
from scenes import asks, drawn, press, prompt

ASK = "ask:-100123:45:7"


def question(bench):
    return as_dict(bench.key("HGETALL", ASK))


def size_asked(bench, **more):
    asks(bench)
    assert bench.run(prompt(**more)) == "ok"


def told(bench, job):
    """What the press `job` is answered."""
    return bench.job(job).get("line")


def test_img_alone_asks_and_waits_ten_minutes(bench):
    asks(bench)
    assert (question(bench)["step"], bench.job("880-1")["line"]) == ("prompt", "ask_prompt")
    assert 0 < bench.key("TTL", ASK) <= 600


def test_the_next_text_is_the_prompt_and_goes_to_no_model(bench):
    size_asked(bench, words="a black cat", reply="?")
    assert bench.entries("llm") == [] and not bench.chat().get("job")
    assert bench.job("881-1")["line"] == "ask_size"
    assert (question(bench)["step"], question(bench)["nonce"], question(bench)["text"]) == ("size", "881-1", "a black cat")


def test_a_text_after_the_prompt_is_a_question(bench):
    size_asked(bench)
    assert bench.run(prompt(883, "And what is a cat?", 7)) == "ok"
    assert bench.chat()["job"] == "883-1" and question(bench)["text"] == "a cat"


@pytest.mark.parametrize("where", ["user", "topic", "chat"])
def test_another_ones_text_is_no_prompt(bench, where):
    asks(bench)
    fields = {"chat": "-100123", "topic": "45", "user": "7", **{where: "8"}}
    bench.run(calls.accept(881, "881-1", CHAT, first="llm", kind="text", text="a cat", **fields))
    assert bench.chat()["job"] == "881-1" and question(bench)["step"] == "prompt"


def test_what_is_not_said_to_us_is_no_prompt(bench):
    asks(bench)
    assert bench.run(prompt(lane_max=-1)) == "other"
    assert question(bench)["step"] == "prompt"


def test_an_edit_is_no_prompt(bench):
    asks(bench)
    assert bench.run(prompt(edit="edit")) == "ok"
    assert bench.chat()["job"] == "881-1"


def test_a_long_prompt_comes_in_parts(bench):
    size_asked(bench, gather="long:7", open_ms=60_000, seam="+")
    assert bench.run(prompt(883, "dog", 7, gather="long:7", lane_max=-1)) == "joined"
    assert question(bench)["text"] == "a cat+dog"
    bench.run(press("size", "881-1", 884, "1024x1024"))
    assert bench.job("884-1")["text"] == "a cat+dog"


def test_a_prompt_is_corrected_before_it_is_drawn_and_not_after(bench):
    size_asked(bench)
    assert bench.run(prompt(883, "a dog", edit="edit")) == "same"
    bench.run(press("size", "881-1", 884, "1024x1024"))
    assert bench.job("884-1")["text"] == "a dog"
    assert bench.run(prompt(885, "a cow", edit="edit")) == "old"
    assert bench.entries("llm") == []


def test_a_prompt_whose_question_has_expired_goes_to_no_model_when_edited(bench):
    size_asked(bench)
    bench.key("DEL", ASK)
    assert bench.run(prompt(883, "a dog", edit="edit")) == "old"
    assert bench.entries("llm") == []


COMMANDS = {
    "help": calls.accept(890, "890-1", "", kind="line", line="help", chat="-100123", topic="45", user="7"),
    "cancel": calls.control(890, "890-1", CHAT, "stop", kind="line", chat="-100123", topic="45", user="7"),
    "reset": calls.control(890, "890-1", CHAT, "new", kind="line", chat="-100123", topic="45", user="7"),
    "retry": calls.retry(890, "890-1", CHAT, kind="line", chat="-100123", topic="45", user="7"),
    "files": calls.files(890, "890-1", CHAT, kind="line", chat="-100123", topic="45", user="7"),
    "img": calls.accept(890, "890-1", CHAT, first="media", kind="image", chat="-100123", topic="45", user="7", text="a dog", message=9),
    "photo": calls.accept(890, "890-1", CHAT, first="media", kind="photo", chat="-100123", topic="45", user="7", text="", message=9),
}


@pytest.mark.parametrize("what", COMMANDS)
@pytest.mark.parametrize("step", ["prompt", "size"])
def test_any_command_ends_the_question(bench, what, step):
    asks(bench) if step == "prompt" else size_asked(bench)
    bench.run(COMMANDS[what])
    assert bench.key("EXISTS", ASK) == 0
    if step == "size":
        assert bench.run(press("size", "881-1", size="1024x1024")) == "none"
        assert told(bench, "882-1") == "ask_over"


@pytest.mark.parametrize("command", [calls.control(890, "890-1", CHAT, "stop", "1-1", kind="press", chat="-100123", topic="45", user="7", callback="9"),
                                     calls.retry(890, "890-1", CHAT, "1-1", kind="press", chat="-100123", topic="45", user="7", callback="9")])
def test_a_button_of_something_else_ends_no_question(bench, command):
    asks(bench)
    bench.run(command)
    assert question(bench)["step"] == "prompt"


def test_a_size_makes_the_picture_once(bench):
    size_asked(bench)
    assert bench.run(press("size", "881-1", size="1024x1536")) == "ok"
    job = bench.job("882-1")
    assert (job["kind"], job["text"], job["size"], job["message"], job["user"]) == ("image", "a cat", "1024x1536", "6", "7")
    assert (job["part:0"], job["conv"]) == ("30", CHAT)            # the question gives way to the picture
    assert [e["kind"] for _, e in bench.entries("media")] == ["image"]
    assert bench.job("882-1-press")["callback"] == "77" and not told(bench, "882-1-press")
    assert bench.run(press("size", "881-1", 883, "1024x1024")) == "none"          # tapped twice
    assert told(bench, "883-1") == "ask_over" and len(bench.entries("media")) == 1


def test_a_button_of_an_older_question_draws_nothing(bench):
    size_asked(bench)
    asks(bench, 884)
    bench.run(prompt(885, "a dog", 9))
    assert bench.run(press("size", "881-1", size="1024x1024")) == "none"
    assert bench.run(press("size", "885-1", 886, size="1024x1024")) == "ok"
    assert bench.job("886-1")["text"] == "a dog"


@pytest.mark.parametrize("role", [{}, {"role": "admin"}])
def test_another_one_chooses_no_size(bench, role):
    size_asked(bench)
    assert bench.run(press("size", "881-1", size="1024x1024", user="8", **role)) == "denied"
    assert (told(bench, "882-1"), question(bench)["step"]) == ("not_yours", "size")


def test_a_picture_waits_in_the_lane(bench):
    first = bench.ask()
    size_asked(bench)
    bench.run(press("size", "881-1", size="1024x1024"))
    assert bench.key("LRANGE", "lane:" + CHAT, 0, -1) == ["882-1"] and bench.chat()["job"] == first


def test_a_full_lane_keeps_the_question(bench):
    bench.ask()
    size_asked(bench)
    assert bench.run(press("size", "881-1", size="1024x1024", lane_max=0)) == "full"
    assert (told(bench, "882-1"), question(bench)["step"]) == ("lane_full", "size")


def test_a_file_that_is_to_be_changed_goes_with_the_question(bench):
    bench.run(calls.accept(880, "880-1", "", kind="line", line="ask_prompt", chat="-100123", topic="45", user="7", asks="prompt", files="1",
                           **{"file:0": "AgAC", "file:0:kind": "photo"}))
    bench.run(prompt())
    bench.run(press("size", "881-1", size="1024x1024"))
    job = bench.job("882-1")
    assert (job["files"], job["file:0"], job["file:0:kind"]) == ("1", "AgAC", "photo")


def test_again_draws_the_same_and_a_double_tap_is_one_picture(bench):
    was = drawn(bench)
    assert [bench.run(press("again", was)), bench.run(press("again", was, 883))] == ["ok", "busy"]
    job = bench.job("882-1")
    assert (job["text"], job["size"], job["kind"]) == ("a cat", "1024x1024", "image") and "part:0" not in job
    assert told(bench, "883-1") == "drawing_already"
    entry, _, _ = bench.pick_up("media", "L")
    bench.run(calls.commit("media", entry, "882-1", "follow", line="image_refused", how="refused"))
    while (found := bench.read("outbound", "O")):
        bench.run(calls.take("outbound", found[0], found[1]["job"], "O"))
        bench.run(calls.commit("outbound", found[0], found[1]["job"], "end", "done"))
    assert bench.run(press("again", was, 884)) == "ok"                # that one is over
    assert bench.job("884-1")["text"] == "a cat"


def test_another_size_asks_once_for_a_double_tap(bench):
    was = drawn(bench)
    assert [bench.run(press("sizes", was)), bench.run(press("sizes", was, 883))] == ["ok", "busy"]
    assert (bench.job("882-1")["line"], bench.job("882-1")["kind"], bench.job("882-1")["conv"]) == ("ask_size", "line", "")
    assert bench.run(press("size", "882-1", 884, "1536x1024")) == "ok"
    assert (bench.job("884-1")["size"], bench.job("884-1")["text"]) == ("1536x1024", "a cat")


def test_as_a_file_sends_the_same_bytes(bench):
    was = drawn(bench)
    assert bench.run(press("asfile", was)) == "ok"
    job = bench.job("882-1")
    assert (job["conv"], job["kind"], job["blob"], job["as"]) == ("", "line", "b", "file")
    bench.key("DEL", "blob:b")
    assert bench.run(press("asfile", was, 883)) == "busy"
    bench.key("HSET", "job:882-1", "ended", 1)
    assert bench.run(press("asfile", was, 884)) == "none" and told(bench, "884-1") == "picture_gone"


@pytest.mark.parametrize("what", ["again", "sizes", "asfile"])
def test_buttons_of_others_and_of_long_ago(bench, what):
    was = drawn(bench)
    assert bench.run(press(what, was, user="8")) == "denied"
    bench.key("DEL", "job:" + was)
    assert bench.run(press(what, was, 883)) == "none"
    assert told(bench, "883-1") in ("picture_old", "picture_gone")


@pytest.mark.parametrize("what", ["again", "sizes", "asfile"])
def test_an_answer_in_words_has_no_such_buttons(bench, what):
    job, follow = bench.answered()
    bench.deliver(job, follow)
    assert bench.run(press(what, job)) == "none"


def test_a_failed_picture_is_tried_again_with_its_size(bench):
    size_asked(bench)
    bench.run(press("size", "881-1", size="1024x1536"))
    entry, job, _ = bench.pick_up("media", "L")
    bench.run(calls.commit("media", entry, job, "follow", line="failed", how="dead"))
    bench.deliver(job, bench.job(job)["follow"], "dead")
    assert bench.run(calls.retry(884, "884-1", CHAT, job, kind="press", chat="-100123", user="7", callback="9")) == "ok"
    again = bench.job("884-1")
    assert (again["kind"], again["size"], again["first"], again["part:0"]) == ("image", "1024x1536", "media", "30")


def test_a_picture_that_is_drawn_anew_leaves_the_old_one(bench):
    was = drawn(bench)
    bench.key("HSET", "job:" + was, "part:1", 44)
    assert bench.run(calls.retry(884, "884-1", CHAT, kind="line", chat="-100123", user="7")) == "ok"
    assert "part:1" not in bench.job("884-1")


# ---- bytes ----------------------------------------------------------------------------------------------------------

def blobs(bench):
    return int(bench.key("GET", "blobs:bytes") or 0), bench.key("ZRANGE", "blobs", 0, -1)


def test_a_blob_grows_piece_by_piece(bench):
    for _ in range(2):
        assert bench.run(calls.blob("add", "b", 0, "one")) == "ok"
    assert bench.run(calls.blob("add", "b", 3, "two")) == "ok"
    assert bench.key("GET", "blob:b") == "onetwo" and blobs(bench) == (6, ["b 6"])
    assert 2 * 86400 < bench.key("TTL", "blob:b") <= 3 * 86400
    assert bench.run(calls.blob("drop", "b", 6)) == "ok"
    assert bench.key("EXISTS", "blob:b") == 0 and blobs(bench) == (0, [])


def test_a_delivered_one_stays_a_day_and_makes_room(bench):
    drawn(bench)
    assert 0 < bench.key("TTL", "blob:b") <= 86400
    assert bench.run(calls.blob("add", "c", 0, "x" * 998)) == "ok"
    assert bench.key("EXISTS", "blob:b") == 0 and blobs(bench) == (998, ["c 998"])


def test_what_is_not_delivered_makes_no_room(bench):
    bench.run(calls.blob("add", "b", 0, "x" * 998))
    assert bench.run(calls.blob("add", "c", 0, "PNG")) == "full"
    assert bench.key("EXISTS", "blob:c") == 0 and blobs(bench)[0] == 998
    assert bench.run(calls.blob("add", "c", 0, "PN")) == "ok"
    assert bench.run(calls.blob("add", "c", 2, "G")) == "full"


def test_there_are_not_too_many(bench):
    for n in range(3):
        assert bench.run(calls.blob("add", str(n), 0, "x", count=3)) == "ok"
    assert bench.run(calls.blob("add", "3", 0, "x", count=3)) == "full"
    assert bench.run(calls.blob("add", "2", 1, "x", count=3)) == "ok"


def test_expired_ones_do_not_count(bench):
    bench.run(calls.blob("add", "b", 0, "x" * 998))
    bench.key("DEL", "blob:b")
    bench.key("ZADD", "blobs", 1, "b 998")
    assert bench.run(calls.blob("add", "c", 0, "PNG")) == "ok"
    assert blobs(bench) == (3, ["c 3"])


def test_nothing_of_it_stays_for_ever(bench):
    size_asked(bench)
    bench.run(press("size", "881-1", size="1024x1024"))
    entry, job, _ = bench.pick_up("media", "L")
    bench.run(calls.blob("add", "b", 0, "PNG"))
    bench.run(calls.commit("media", entry, job, "follow", fields={"blob": "b", "blob_bytes": "3"}))
    while (found := bench.read("outbound", "O")):
        bench.run(calls.take("outbound", found[0], found[1]["job"], "O"))
        bench.run(calls.commit("outbound", found[0], found[1]["job"], "end", "done"))
    bench.at_rest()
    assert all(bench.redis.call("TTL", PREFIX + k) > 0 for k in ("blobs", "blobs:bytes", "blob:b"))
