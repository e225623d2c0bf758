"""Albums: several messages of Telegram, one question; and who may add to it."""
import base64
import json
import time

import pytest

from media_world import sample
from test_ingest import CHAT, GROUP, alone, confirmed, jobs  # noqa: F401 (alone is a fixture)
from world import World, until


def file_of(world, data, name="a.jpg"):
    return world.control("file", {"name": name, "base64": base64.b64encode(data).decode()})["file_id"]


def picture(world, chat, album, caption="", kind="photo", data=None, **more):
    """One part of an album. Returns its file."""
    made = file_of(world, data or sample("photo.jpg") + str(time.monotonic_ns()).encode())
    world.control("message", {"chat": chat, "text": caption, "kind": kind, "file": made, "media_group_id": album, **more})
    return made


def asked(world):
    """What the model was asked: of each question its words and its files."""
    found = []
    for call in world.calls("POST /v1/responses"):
        params = call["params"]
        last = (json.loads(params["input"]) if isinstance(params["input"], str) else params["input"])[-1]["content"]
        found.append((last[-1]["text"], [part["file_id"] for part in last if "file_id" in part]))
    return found


# ---- what ingest makes of them ----------------------------------------------------------------------------------


def test_an_album_is_one_job(alone):
    alone.say(CHAT, "look", kind="photo", album=5)
    alone.say(CHAT, "done")
    confirmed(alone)
    album, text = jobs(alone, 2)
    assert (album["kind"], album["files"], album["text"], album["parts"]) == ("photo", "5", "look", "4")
    assert len({album[f"file:{n}"] for n in range(5)}) == 5 and "file:5" not in album
    assert all(album[f"file:{n}:kind"] == "photo" for n in range(5))
    assert text["text"] == "done" and alone.redis.lrange(alone.key(f"lane:{CHAT}"), 0, -1)


def test_two_albums_are_two(alone):
    for album in ("1", "2"):
        for n in range(2):
            picture(alone, CHAT, album, f"{album}.{n}")
    confirmed(alone)
    assert [(j["files"], j["text"]) for j in jobs(alone, 2)] == [("2", "1.0"), ("2", "2.0")]


def test_the_words_may_stand_under_any_part(alone):
    for caption in ("", "", "which one?", "and this"):
        picture(alone, CHAT, "1", caption)
    confirmed(alone)
    (job,) = jobs(alone)
    assert (job["files"], job["text"]) == ("4", "which one?")


def test_an_album_of_many_kinds_keeps_them(alone):
    for kind in ("photo", "video"):
        picture(alone, CHAT, "1", kind=kind)
    confirmed(alone)
    (job,) = jobs(alone)
    assert (job["file:0:kind"], job["file:1:kind"], job["kind"]) == ("photo", "video", "photo")


def test_a_stranger_is_refused_once(tmp_path):
    with World(tmp_path, {"ALLOWED_USER_IDS": "42"}) as world:
        world.start("ingest")
        world.say(CHAT, "look", kind="photo", album=5)
        confirmed(world)
        assert [j["line"] for j in jobs(world, 1)] == ["not_allowed"]
        world.stop(world.of("ingest")[0])
        world.redis.flushall()


def test_in_a_group_the_part_that_speaks_to_the_bot_opens_the_album(alone):
    for n in range(3):
        picture(alone, GROUP, "1", "@helper_ai_bot which?" if n == 1 else "", user=7001)
    picture(alone, GROUP, "2", user=7002)
    confirmed(alone)
    (job,) = jobs(alone)                                       # what came before it was not said to us
    assert (job["files"], job["text"]) == ("2", "@helper_ai_bot which?")


def test_what_is_sent_between_the_parts_does_not_join(alone):
    picture(alone, CHAT, "1")
    alone.say(CHAT, "meanwhile")
    confirmed(alone)
    album, text = jobs(alone, 2)
    assert (album["files"], text["kind"], text["text"]) == ("1", "text", "meanwhile")


# ---- and the whole bot ------------------------------------------------------------------------------------------


def test_parts_that_come_apart_are_one_turn_with_all_pictures(world):
    """400 ms lie between them, so they come with several getUpdates."""
    for n, caption in enumerate(("", "which is best?", "")):
        if n:
            time.sleep(.4)
        picture(world, CHAT, "77", caption)
        until(lambda: sum(b["pending"] for b in world.control("counters")["bots"]) == 0, "the part to be taken")
    assert "which is best?" in world.answer(CHAT, "which is best?")
    ((words, files),) = asked(world)
    assert words == "which is best?" and len(set(files)) == 3
    assert len(world.shown(CHAT)) == 1
    world.at_rest()


def test_an_album_of_ten_does_not_wait(world):
    world.say(CHAT, "all of them", kind="photo", album=10, file=file_of(world, sample("photo.jpg")))
    world.answer(CHAT, "all of them")
    ((_, files),) = asked(world)
    assert len(files) == 10
    world.at_rest()


def test_an_album_keeps_its_place(world):
    world.control("model", {"first_ms": 600})
    world.say(CHAT, "one")
    for n in range(2):
        picture(world, CHAT, "5", "two" if n else "")
    world.say(CHAT, "three")
    until(lambda: len(world.shown(CHAT)) == 3, "three answers")
    world.rest(CHAT)
    assert [words for words, _ in asked(world)] == ["one", "two", "three"]
    world.at_rest()


def test_a_stop_ends_an_album_that_is_gathered(world):
    picture(world, CHAT, "5", "never mind")
    world.say(CHAT, "/stop")
    world.answer(CHAT, "Stopped")
    assert not asked(world)
    world.at_rest()


@pytest.mark.settings(MAX_FILE_MB="1")
def test_one_that_is_too_large_is_said_before_anything_is_fetched(world):
    picture(world, CHAT, "5", kind="document")
    picture(world, CHAT, "5", kind="document", data=bytes((1 << 20) + 1))
    world.answer(CHAT, "too large")
    assert len(world.shown(CHAT)) == 1 and not world.calls("getFile") and not asked(world)
    world.at_rest()


@pytest.mark.settings(TAKEOVER_MS="600")
def test_ingest_dies_between_the_parts_and_no_picture_is_lost(world):
    made = [picture(world, CHAT, "5", "look")]
    until(lambda: list(world.redis.scan_iter(world.key("job:*"))), "the first part")
    world.kill(world.of("ingest")[0])
    world.start("ingest")
    made += [picture(world, CHAT, "5") for _ in range(2)]
    until(lambda: sum(len(files) for _, files in asked(world)) == 3, "all three")
    world.rest(CHAT)
    assert asked(world)[0][0] == "look" and len(made) == 3
    world.at_rest()


@pytest.mark.counts(media=2)
def test_parts_are_one_turn_wherever_media_runs(world):
    for chat in range(CHAT, CHAT + 6):
        world.say(chat, f"album of {chat}", kind="photo", album=4, file=file_of(world, sample("photo.jpg")))
    for chat in range(CHAT, CHAT + 6):
        world.answer(chat, f"album of {chat}")
    assert sorted((words, len(files)) for words, files in asked(world)) == [(f"album of {chat}", 4) for chat in range(CHAT, CHAT + 6)]
    world.at_rest()
