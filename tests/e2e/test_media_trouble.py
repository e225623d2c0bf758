"""media when things fail: servers, connections, workers. Nothing is lost, doubled, misordered or paid twice."""
import os
import re
import signal
import time

import pytest

from media_world import CHAT, MB, SAID, Sender, bill_is_right, needs_ffmpeg, sample, sender, speech  # noqa: F401
from world import World, some, steps_of, until


# ---- failures on the way ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [
    ("telegram", "status", {"method": "getFile"}, dict(status=502, times=2)),
    ("telegram", "status", {"method": "getFile"}, dict(status=429, retry_after=1)),
    ("telegram", "reset_before", {"method": "getFile"}, dict(times=2)),
    ("telegram", "status", {"method": "download"}, dict(status=404)),                       # its link has expired
    ("telegram", "status", {"method": "download"}, dict(status=503, times=2)),
    ("telegram", "status", {"method": "download"}, dict(status=429, retry_after=1)),
    ("telegram", "fin_mid", {"method": "download"}, dict(after_bytes=100_000, times=3)),
    ("telegram", "reset_mid", {"method": "download"}, dict(after_bytes=100_000, times=3)),
    ("telegram", "cut", {"method": "download"}, dict(after_bytes=100_000, times=2)),        # well-formed, and short
    ("openai", "status", {"path": "/v1/audio/transcriptions"}, dict(status=500, times=2)),
    ("openai", "status", {"path": "/v1/audio/transcriptions"}, dict(status=429, retry_after_ms=300)),
    ("openai", "reset_before", {"path": "/v1/audio/transcriptions"}, {}),
    ("openai", "malformed", {"path": "/v1/audio/transcriptions"}, dict(body="nonsense", after_bytes=0)),
], ids=lambda f: "-".join(str(x) for x in (f[0], f[1], *f[2].values(), *f[3].values())))
def test_trouble_passes(sender, fault):
    side, kind, match, more = fault
    sender.world.fault(side, kind, match, **more)
    job = sender.voice(speech(size=300_000))
    assert sender.ended(job, 60) == "done", sender.job(job)
    assert sender.job(job)["text"] == SAID and len(sender.world.shown(CHAT)) == 1
    assert (sender.count("telegram.download.206") > 0) == (kind in ("fin_mid", "reset_mid", "cut"))         # it went on where it was cut
    if fault[1] == "malformed":          # executed, and its answer made no sense: paid for like the other one, as far as anybody can tell
        assert sender.billed()["transcriptions"] == 2
        until(lambda: len(sender.world.rows("SELECT * FROM usage WHERE kind = 'transcription'")) == 2, "both on the bill")
        assert [r["estimated"] for r in sender.world.rows("SELECT * FROM usage WHERE kind = 'transcription' ORDER BY at, estimated DESC")] == [1, 0]
    else:
        bill_is_right(sender)


@pytest.mark.parametrize("fault", [
    ("status", dict(status=500, times=2)), ("status", dict(status=429, retry_after_ms=300)), ("reset_before", {}), ("lost_answer", {}), ("executed_status", dict(status=503)),
], ids=lambda f: f[0] + str(f[1].get("status", "")))
def test_an_upload_is_made_once(sender, fault):
    kind, more = fault
    sender.world.fault("openai", kind, {"path": "/v1/files", "method": "POST"}, **more)
    job = sender.photo(caption="?")
    assert sender.ended(job, 60) == "done", sender.job(job)
    left = sender.uploads()
    assert sender.job(job)["input:0"].split()[1] in [f["id"] for f in left]
    assert len(left) == (2 if kind == "executed_status" else 1)      # said to have failed, and yet there: it expires


@pytest.mark.parametrize("status, body, line, how", [
    (400, '{"error":{"message":"Invalid file format.","type":"invalid_request_error","param":"file","code":null}}', "file_type", "refused"),
    (400, '{"error":{"message":"The audio file could not be decoded","type":"invalid_request_error","param":null,"code":null}}', "file_broken", "refused"),
    (413, '{"error":{"message":"Maximum content size limit exceeded"}}', "file_too_big", "refused"),
    (401, '{"error":{"code":"invalid_api_key"}}', "key", "refused"), (429, '{"error":{"code":"insufficient_quota"}}', "quota", "refused"),
    (404, '{"error":{"code":"model_not_found","param":"model"}}', "rejected", "refused")],
    ids=["type", "broken", "size", "key", "quota", "model"])
def test_openai_refuses(sender, status, body, line, how):
    sender.world.fault("openai", "status", {"path": "/v1/audio/transcriptions"}, status=status, body=body, times=-1)
    sender.refused(sender.voice(), line, how)
    assert sender.count("openai.POST /v1/audio/transcriptions") == 0


@pytest.mark.settings(OPENAI_MAX_RETRIES="2")
def test_after_the_last_try_it_is_said(sender):
    fault = sender.world.fault("openai", "status", {"path": "/v1/audio/transcriptions"}, status=500, times=-1)
    sender.refused(sender.voice(), "failed", "dead")
    assert [f for f in sender.world.control("faults")["faults"] if f["id"] == fault][0]["fired"] == 3
    assert len(sender.world.dead()) == 1


@pytest.mark.settings(USER_DAILY_BUDGET_USD="0.00001")
def test_over_the_budget_nothing_is_heard(sender):
    sender.refused(sender.voice(), "budget_day")


@pytest.mark.settings(USER_DAILY_BUDGET_USD="1")
def test_within_the_budget_holds_end(sender):
    assert sender.ended(sender.voice()) == "done"
    bill_is_right(sender)


def test_a_stop_ends_every_wait(sender):
    for n, (side, match) in enumerate([("telegram", {"method": "getFile"}), ("telegram", {"method": "download"}),
                                       ("openai", {"path": "/v1/audio/transcriptions"}), ("openai", {"path": "/v1/files"})]):
        chat = CHAT + n
        fault = sender.world.fault(side, "hang", match)
        job = sender.send("voice" if n < 3 else "photo", (sample("voice.oga" if n < 3 else "photo.jpg"), "voice" if n < 3 else "photo"), chat=chat)
        until(lambda: sender.world.control(f"wait?for=fired:{fault}&min=1&timeout_ms=1")["ok"], f"{match} to hang")
        began = time.monotonic()
        sender.update += 1
        sender.run("control", sender.update, f"{sender.update}-1", str(chat), "stop", "", 0)
        assert sender.ended(job) == "stopped" and time.monotonic() - began < 2
    assert [r["estimated"] for r in sender.world.rows() if r["kind"] == "transcription"] in ([], [1])


def test_while_media_is_away_nothing_is_lost(sender):
    sender.world.kill(sender.world.of("media")[0])
    jobs = [sender.voice(speech("one")), sender.ask(text="two"), sender.voice(speech("three")), sender.photo(caption="four")]
    sender.world.start("media")
    for job in jobs:
        assert sender.ended(job, 60) == "done"
    assert [r["question"] for r in sender.world.responses()] == ["one", "two", "three", "four"]
    bill_is_right(sender)


def test_the_local_server_has_the_file(tmp_path):
    with World(tmp_path, {"TELEGRAM_LOCAL_FILES": "1", "MAX_FILE_MB": "50"}) as world:
        for service in ("llm", "media", "ledger", "outbound"):
            world.start(service)
        sender = Sender(world)
        (tmp_path / "voice.oga").write_bytes(sample("voice.oga"))
        world.fault("telegram", "status", {"method": "getFile"}, status=200,
                    body='{"ok":true,"result":{"file_id":"f","file_unique_id":"u","file_path":"%s"}}' % (tmp_path / "voice.oga"))
        job = sender.send("voice", ("f", "voice"))
        assert sender.ended(job) == "done" and sender.job(job)["text"] == SAID
        assert sender.count("telegram.download") == 0
        world.at_rest()


# ---- files that nobody wants any more --------------------------------------------------------------------------


def forget(sender, ids):
    """As the scripts do it: a direct job on media."""
    key, job = sender.world.key, f"{sender.update}-files"
    sender.update += 1
    sender.world.redis.hset(key(f"job:{job}"), mapping={"conv": "", "kind": "forget", "chat": CHAT, "user": CHAT, "delete": " ".join(ids)})
    sender.world.redis.expire(key(f"job:{job}"), 1000)
    entry = f"{int(time.time() * 1000) + 1000}-0"          # its token stands there before anybody can take it
    sender.world.redis.hset(key(f"job:{job}"), mapping={"queue": "media", "entry": entry})
    sender.world.redis.xadd(key("media"), {"kind": "forget", "job": job, "chat": CHAT, "user": CHAT, "at": 1, "conv": ""}, id=entry)
    return job


def test_files_are_forgotten(sender):
    for n in range(3):
        sender.ended(sender.photo(caption=f"{n}"))
    ids = [f["id"] for f in sender.uploads()]
    sender.world.fault("openai", "status", {"method": "DELETE"}, status=503, times=2)
    assert sender.ended(forget(sender, [*ids[:2], "file-unknown"])) == "done"
    assert [f["id"] for f in sender.uploads()] == ids[2:] and len(sender.world.shown(CHAT)) == 3


@pytest.mark.settings(MAX_ATTEMPTS="2")
def test_what_cannot_be_forgotten_is_left_to_expire(sender):
    sender.ended(sender.photo())
    sender.world.fault("openai", "status", {"method": "DELETE"}, status=503, times=-1)
    assert sender.ended(forget(sender, [sender.uploads()[0]["id"]]), 40) == "done"
    assert len(sender.uploads()) == 1 and len(sender.world.shown(CHAT)) == 1 and sender.world.dead() == []


# ---- kill -9 ---------------------------------------------------------------------------------------------------

ONLY_ELSEWHERE = {"convert", "judge_convert", "forget", "judge_forget", "stop", "give_up", "pause", "parked", "hand_back"}
SPEECH_STEPS = [s for s in steps_of("media") if s not in ONLY_ELSEWHERE | {"seek", "judge_seek", "upload", "judge_upload"}]
UPLOAD_STEPS = [s for s in steps_of("media") if s not in ONLY_ELSEWHERE | {"seek", "judge_seek", "hear", "judge_hear"}]


def killed_at(sender, step, send):
    sender.world.stop(sender.world.of("media")[0])
    victim = sender.world.start("media", GPTTG_KILL_AT=step)
    first = send()
    second = sender.ask(text="two")
    until(lambda: not victim.alive(), f"media to die at {step}")
    sender.world.kill(victim)
    sender.world.start("media")
    for job in (first, second):
        assert sender.ended(job, 60) == "done", sender.job(job)
    assert len(sender.world.shown(CHAT)) == 2 and "«two»" in sender.world.shown(CHAT)[1]
    return first


@pytest.mark.parametrize("step", some(SPEECH_STEPS))
def test_killed_before_a_step_of_speech(sender, step):
    killed_at(sender, step, lambda: sender.voice(speech("one", 9000)))
    assert [r["question"] for r in sender.world.responses()] == ["one", "two"]
    (heard,) = bill_is_right(sender)     # one was billed, whatever was going on
    assert sender.world.dead() == []


@needs_ffmpeg
@pytest.mark.parametrize("step", ["convert", "judge_convert"])
def test_killed_before_a_step_of_a_conversion(sender, step):
    killed_at(sender, step, lambda: sender.send("voice", (sample("clip.avi"), "video")))
    assert len(bill_is_right(sender)) == 1


@pytest.mark.parametrize("step", ["seek", "judge_seek", ""])
def test_an_upload_of_which_nobody_heard_is_found(sender, step):
    """The first one dies before OpenAI answers, the second one while it looks for what the first one left."""
    fault = sender.world.fault("openai", "executed_hang", {"path": "/v1/files", "method": "POST"})
    job = sender.photo(caption="one")
    until(lambda: sender.world.control(f"wait?for=fired:{fault}&min=1&timeout_ms=1")["ok"], "the upload")
    sender.world.kill(sender.world.of("media")[0])
    if step:
        victim = sender.world.start("media", GPTTG_KILL_AT=step)
        until(lambda: not victim.alive(), f"media to die at {step}", 40)
        sender.world.kill(victim)
    sender.world.start("media")
    assert sender.ended(job, 60) == "done"
    (file,) = sender.uploads()
    assert sender.job(job)["input:0"].split()[:2] == ["image", file["id"]]


def test_what_brings_workers_down_runs_alone_and_is_given_up(sender):
    sender.world.expect_error("crashed 2 times, alone: given up")
    sender.world.stop(sender.world.of("media")[0])
    for n in range(2):
        victim = sender.world.start("media", GPTTG_KILL_AT="look_inside")
        if n == 0:
            job = sender.voice()
        until(lambda: not victim.alive(), "media to die", 40)
        sender.world.kill(victim)
    sender.world.fault("telegram", "hang", {"method": "download"}, times=-1)
    third = sender.world.start("media")
    for n in range(2):
        children = re.compile(r"runs alone, in process (\d+)")
        until(lambda: len(children.findall(third.text())) > n, "it to run alone", 40)
        os.kill(int(children.findall(third.text())[n]), signal.SIGKILL)
    other = sender.ask(6000, text="and me?")
    assert sender.ended(job, 90) == "dead" and sender.ended(other) == "done"
    assert len(sender.world.shown(CHAT)) == 1


@pytest.mark.parametrize("step", some(UPLOAD_STEPS))
def test_killed_before_a_step_of_an_upload(sender, step):
    job = killed_at(sender, step, lambda: sender.photo(caption="one"))
    (file,) = sender.uploads()
    assert sender.job(job)["input:0"].split()[:2] == ["image", file["id"]]


def test_killed_with_the_answer_on_its_way(sender):
    """Nobody had received the first one: a second one is asked for, and the bill says so."""
    sender.world.fault("openai", "delay", {"path": "/v1/audio/transcriptions"}, ms=1500)
    job = sender.voice(speech("one"))
    until(lambda: [f for f in sender.world.control("faults")["faults"] if f["fired"]], "the request")
    sender.world.kill(sender.world.of("media")[0])
    sender.world.start("media")
    assert sender.ended(job, 60) == "done" and len(sender.world.shown(CHAT)) == 1


@pytest.mark.counts(media=2)
def test_a_frozen_worker_that_wakes_up_does_no_harm(sender):
    sender.world.fault("openai", "delay", {"path": "/v1/audio/transcriptions"}, ms=1500)
    job = sender.voice(speech("one"))
    until(lambda: [f for f in sender.world.control("faults")["faults"] if f["fired"]], "the request")
    worker = sender.job(job)["worker"]
    (frozen,) = [p for p in sender.world.of("media") if worker in p.text()] or sender.world.of("media")[:1]
    frozen.signal(signal.SIGSTOP)
    assert sender.ended(job, 60) == "done"
    frozen.signal(signal.SIGCONT)
    until(lambda: sender.billed()["transcriptions"] == len([r for r in sender.world.rows() if r["kind"] == "transcription"]), "the bill")
    assert len(sender.world.shown(CHAT)) == 1


@pytest.mark.parametrize("match", [{"method": "getFile"}, {"method": "download"}], ids=["getFile", "download"])
def test_sigterm_hands_over(sender, match):
    sender.world.fault("telegram", "hang", match)
    job = sender.voice(speech("one"))
    until(lambda: [f for f in sender.world.control("faults")["faults"] if f["fired"]], "the request")
    sender.world.start("media")
    sender.world.stop(sender.world.of("media")[0])
    assert sender.ended(job, 30) == "done"
    bill_is_right(sender)


def test_sigterm_lets_a_transcription_finish(sender):
    sender.world.fault("openai", "delay", {"path": "/v1/audio/transcriptions"}, ms=2500)
    job = sender.voice(speech("one"))
    until(lambda: [f for f in sender.world.control("faults")["faults"] if f["fired"]], "the request")
    sender.world.start("media")
    sender.world.stop(sender.world.of("media")[0])
    assert sender.ended(job, 30) == "done"
    assert len(bill_is_right(sender)) == 1


def test_many_at_once(sender):
    jobs = [sender.send("voice", (speech(f"number {n}", 2 * MB), "voice"), chat=6000 + n) for n in range(60)]
    for n, job in enumerate(jobs):
        assert sender.ended(job, 120) == "done"
        assert sender.job(job)["text"] == f"number {n}"
    assert len(bill_is_right(sender)) == 60
