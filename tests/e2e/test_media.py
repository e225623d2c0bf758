"""media with the whole bot around it: what people send becomes a question, or one clear line.

The files are real: small ones in samples/ (made by espeak-ng and ffmpeg; those with speech hold "[[say=What is the weather?]]" as their
title, which is what the simulator hears), documents made here, and more by real tools where these are installed."""
import base64
import os
import shutil
import subprocess
import zlib
from pathlib import Path

import pytest

from media_world import CHAT, DOCX, FFMPEG, MB, SAID, Sender, bill_is_right, get_file_says, needs_ffmpeg, pdf, sample, sender, speech, zipped  # noqa: F401
from world import World, until


# ---- speech ----------------------------------------------------------------------------------------------------


def test_a_voice_is_heard_and_answered(sender):
    job = sender.voice(seconds=1)
    assert sender.ended(job) == "done"
    (text,) = sender.world.shown(CHAT)
    assert text.startswith(f"You said: «{SAID}»") and f"«{SAID}»: w" in text
    assert sender.job(job)["heard"] == "1" and sender.job(job)["text"] == SAID
    (call,) = sender.world.calls("POST /v1/audio/transcriptions")
    (heard,) = bill_is_right(sender)
    assert heard["cost_nusd"] > 0 and heard["model"] == "gpt-transcribe" and heard["user_id"] == CHAT


def test_what_was_said_is_seen_before_the_answer(sender):
    sender.world.control("model", {"first_ms": 2500})
    sender.voice(speech("Slowly, please"))
    until(lambda: [t for t in sender.world.shown(CHAT) if t.startswith("You said: «Slowly")], "what was said")
    assert all("Answer to" not in t for t in sender.world.shown(CHAT))
    sender.world.answer(CHAT, "Answer to «Slowly, please»")
    assert len(sender.world.shown(CHAT)) == 1


def test_a_long_transcript_is_a_quote(sender):
    job = sender.voice(speech("word " * 150))
    assert sender.ended(job) == "done"
    assert "> You said: «word word" in sender.world.redis.get(sender.world.key(f"text:{job}"))
    assert "You said:" in sender.world.shown(CHAT)[0]


@pytest.mark.parametrize("name, what", [("song.mp3", "audio"), ("note.m4a", "voice"), ("clip.mp4", "video_note"), ("clip.mp4", "video"),
                                        ("speech.webm", "audio"), ("voice.oga", "document")])
def test_every_container_is_heard(sender, name, what):
    job = sender.send("document" if what == "document" else "voice", (sample(name), what, {"name": "x.bin", "type": "application/zip"}))
    assert sender.ended(job) == "done", sender.job(job)
    assert sender.job(job)["text"] == SAID
    bill_is_right(sender)


def test_a_caption_goes_with_the_words(sender):
    job = sender.voice(caption="Translate this")
    assert sender.ended(job) == "done"
    assert sender.job(job)["text"] == f"Translate this\n\n{SAID}"


def test_speech_without_words_is_one_line_and_no_answer(sender):
    job = sender.voice(speech("  "))
    assert sender.ended(job) == "refused" and sender.job(job)["line"] == "no_words"
    assert sender.billed()["responses"] == 0
    assert len(bill_is_right(sender)) == 1


def test_a_text_right_behind_the_voice_is_answered_after_it(sender):
    sender.world.fault("openai", "delay", {"path": "/v1/audio/transcriptions"}, ms=1000)
    first = sender.voice()
    second = sender.ask(text="and this?")
    assert sender.ended(first) == "done" and sender.ended(second) == "done"
    shown = sender.world.shown(CHAT)
    assert len(shown) == 2 and SAID in shown[0] and "«and this?»" in shown[1]
    assert [r["question"] for r in sender.world.responses()] == [SAID, "and this?"]


def test_several_files_of_sound_are_one_question(sender):
    job = sender.send("voice", (speech("one"), "audio"), (speech("two"), "audio"), (speech("three"), "audio"))
    assert sender.ended(job) == "done", sender.job(job)
    assert sender.job(job)["text"] == "one\n\ntwo\n\nthree"
    assert len(bill_is_right(sender)) == 3 and len(sender.world.responses()) == 1


@needs_ffmpeg
def test_what_openai_does_not_take_is_converted(sender):
    job = sender.send("voice", (sample("clip.avi"), "video"))
    assert sender.ended(job) == "done", sender.job(job)
    assert sender.job(job)["text"] == SAID
    bill_is_right(sender)


@needs_ffmpeg
def test_what_cannot_be_converted_is_said(sender):
    sender.refused(sender.send("voice", (sample("silent.avi"), "video")), "video_silent")


@needs_ffmpeg
def test_damage_is_said(sender):
    sender.refused(sender.send("voice", (b"RIFF\xff\xff\xff\0AVI LIST" + bytes(5000), "video")), "file_broken")


def test_without_ffmpeg_it_is_said_what_would_work(sender):
    sender.world.stop(sender.world.of("media")[0])
    sender.world.start("media", PATH="/nowhere")
    assert "MP3" in sender.refused(sender.send("voice", (sample("clip.avi"), "video")), "no_ffmpeg")


# ---- pictures and documents ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, what", [("photo.jpg", "photo"), ("photo.png", "document"), ("photo.webp", "sticker"), ("photo.gif", "document")])
def test_a_picture_becomes_an_input(sender, name, what):
    job = sender.send("photo", (sample(name), what, {"name": "anything.dat"}), caption="What is it?")
    assert sender.ended(job) == "done", sender.job(job)
    (file,) = sender.uploads()
    assert sender.job(job)["input:0"].split()[:2] == ["image", file["id"]] and file["purpose"] == "vision"
    assert file["filename"].endswith(Path(name).suffix) and file["bytes"] == len(sample(name)) and file["expires_at"]
    assert sender.job(job)["upload:0"].startswith(f"{file['id']} vision {file['bytes']} ")
    assert sender.job(job)["text"] == "What is it?" and "You said" not in sender.world.shown(CHAT)[0]


@pytest.mark.parametrize("data, what, purpose", [(bytes(999), "voice", None), (b"\0", "video_note", None), (b"hello", "photo", "vision"), (b"\xff\xd8\xff\xe0", "photo", "vision")])
def test_what_telegram_itself_has_made_is_taken_for_that(sender, data, what, purpose):
    """Whoever understands it better may judge: it was called damaged, or empty, and nobody had looked."""
    job = sender.send("photo" if purpose else "voice", (data, what))
    assert sender.ended(job) == "done", sender.job(job)
    assert [f["purpose"] for f in sender.uploads()] == [purpose] * bool(purpose)


def test_a_picture_without_a_word_is_described(sender):
    job = sender.photo()
    assert sender.ended(job) == "done"
    assert sender.job(job)["text"] == "Describe what is in this picture."


DOCUMENTS = [
    (pdf(), "Отчёт.pdf", "Analysis of the PDF: "), (pdf(), "wrong.txt", "Analysis of the PDF: "), (DOCX, "a.docx", "Analysis of the document: "),
    (zipped(**{"[Content_Types].xml": "", "xl/workbook.xml": ""}), "a", "Analysis of the table: "), (b"a,b\n1,2\n", "t.csv", "Analysis of the table: "),
    ("просто текст\n".encode(), None, "Analysis of the text: "), (b"int main(void) {}\n", "main.c", "Analysis of the file: ")]


@pytest.mark.parametrize("data, name, opening", DOCUMENTS, ids=[str(name) for _, name, _ in DOCUMENTS])
def test_a_document_becomes_an_input(sender, data, name, opening):
    job = sender.document(data, name, type="application/octet-stream")
    assert sender.ended(job) == "done", sender.job(job)
    (file,) = sender.uploads()
    assert sender.job(job)["input:0"].split()[:2] == ["file", file["id"]] and file["purpose"] == "user_data" and file["expires_at"]
    assert sender.world.shown(CHAT)[0].startswith(opening)


def test_an_album_is_one_question(sender):
    job = sender.send("photo", *[(sample(n), "photo") for n in ("photo.jpg", "photo.png", "photo.webp")], caption="Compare them")
    assert sender.ended(job) == "done"
    assert [sender.job(job)[f"input:{n}"].split()[0] for n in range(3)] == ["image"] * 3
    assert len(sender.uploads()) == 3 and len({f["filename"] for f in sender.uploads()}) == 3


# ---- what is of no use -----------------------------------------------------------------------------------------


OF_NO_USE = [
    (b"", "a.pdf", "document", "file_empty"), (b"%P", "a.pdf", "document", "file_empty"), (pdf()[:300], "a.pdf", "document", "pdf_broken"),
    (b"%PDF-1.4\n" + os.urandom(2000), "a.pdf", "document", "pdf_broken"), (pdf(trailer="/Root 1 0 R /Encrypt 9 0 R"), "a.pdf", "document", "pdf_encrypted"),
    (b"just words", "a.pdf", "document", "file_broken"), (b"MZ\x90\0" + bytes(500), "a.pdf", "document", "file_type"), (sample("photo.bmp"), "a.png", "document", "file_type"),
    (zipped(a="1", b="2"), "a.docx", "document", "archive"), (zlib.compress(b"x" * 999, 9), "a.bin", "document", "file_type"),
    (DOCX[:-100], "a.docx", "document", "file_broken"), (sample("photo.jpg")[:700], "a.jpg", "document", "file_broken"),
    (pdf(), None, "voice", "file_broken"), (DOCX, None, "photo", "file_broken"), (sample("moving.gif"), "a.gif", "document", "gif_animated"), (sample("moving.webp"), None, "sticker", "sticker_animated"),
    (sample("sticker.webm"), None, "sticker", "sticker_animated"), (b"\x1f\x8b\x08\0" + bytes(99), None, "sticker", "sticker_animated"),
    (sample("silent.mp4"), None, "animation", "gif_animated"), (sample("silent.mp4"), None, "video", "video_silent"),
    (b"\xcf\xf0\xe8\xe2\xe5\xf2", "windows-1251.txt", "document", "file_type")]


@pytest.mark.parametrize("data, name, what, line", OF_NO_USE, ids=[f"{n}-{line}" for n, (_, _, _, line) in enumerate(OF_NO_USE)])
def test_one_clear_line(sender, data, name, what, line):
    kind = {"document": "document", "animation": "document", "photo": "photo", "sticker": "photo"}.get(what, "voice")
    sender.refused(sender.send(kind, (data, what, {"name": name})), line)


def test_too_large_on_its_face_is_not_even_asked_for(sender):
    text = sender.refused(sender.document(b"x" * 100, "a.txt", bytes=20 * MB + 1), "file_too_big")
    assert "20 MB" in text and sender.count("telegram.getFile") == 0


@pytest.mark.settings(MAX_FILE_MB="1")
def test_too_large_as_getfile_says(sender):
    assert "1 MB" in sender.refused(sender.document(b"x" * (MB + 1), "a.txt", bytes=None), "file_too_big")
    assert sender.count("telegram.download") == 0


def test_too_large_for_telegram(sender):
    big = sender.world.control("file", {"name": "a.bin", "bytes": 30 * MB})["file_id"]
    sender.refused(sender.send("document", (big, "document")), "file_too_big")


def test_larger_than_declared(sender):
    sender.refused(sender.document(b"x" * 300_000, "a.txt", bytes=1000), "file_broken")


@pytest.mark.settings(MAX_FILE_MB="1")
def test_too_large_as_it_comes(sender):
    file = sender.file(b"x" * (3 * MB))
    get_file_says(sender, file, None)
    sender.refused(sender.send("document", (file, "document")), "file_too_big")


def test_fewer_bytes_than_was_said(sender):
    file = sender.file(b"words\n" * 100)
    get_file_says(sender, file, 5000, times=-1)
    sender.refused(sender.send("document", (file, "document")), "file_broken")


def test_getfile_may_correct_itself(sender):
    file = sender.file(b"words\n" * 100)
    get_file_says(sender, file, 5000)
    assert sender.ended(sender.send("document", (file, "document"))) == "done"


@pytest.mark.settings(MAX_ATTEMPTS="2")
def test_telegram_knows_the_file_no_more(sender):
    sender.refused(sender.send("document", ("no-such-file-00001", "document")), "file_gone", "dead")


# ---- real tools ------------------------------------------------------------------------------------------------


def test_the_model_is_given_the_inputs_through_everything(world):
    """From an update to the answer, with nobody played."""
    world.control("message", {"chat": CHAT, "kind": "photo", "caption": "What is it?", "file": photo_of(world)})
    world.answer(CHAT, "«What is it?»")
    world.control("message", {"chat": CHAT, "kind": "voice", "file": file_of(world, sample("voice.oga"))})
    assert world.answer(CHAT, f"«{SAID}»").startswith("You said: «")
    asked = [c["params"]["input"][-1]["content"] for c in world.calls("POST /v1/responses")]
    types = [[p["type"] for p in content] for content in asked]
    assert types[0].count("input_image") == 1 and set(types[1]) == {"input_text"} and asked[0][-1]["text"] == "What is it?" and asked[1][-1]["text"] == SAID
    world.at_rest()


def file_of(world, data):
    return world.control("file", {"name": "a.bin", "base64": base64.b64encode(data).decode()})["file_id"]


def photo_of(world):
    return file_of(world, sample("photo.jpg"))


@pytest.mark.skipif(not (FFMPEG and shutil.which("espeak-ng")), reason="espeak-ng and ffmpeg are not both installed")
@pytest.mark.parametrize("form", ["ogg", "mp3", "m4a", "wav", "flac", "mp4", "webm", "aac", "mov", "mkv", "aiff"])
def test_real_speech(sender, tmp_path, form):
    subprocess.run(["espeak-ng", "-w", tmp_path / "a.wav", "What is the weather?"], check=True)
    made = tmp_path / f"speech.{form}"
    codec = ["-c:a", "libopus"] if form == "ogg" else []
    subprocess.run([FFMPEG, "-nostdin", "-v", "error", "-i", tmp_path / "a.wav", *codec, made], check=True, timeout=60)
    job = sender.voice(made.read_bytes())
    assert sender.ended(job, 40) == "done", sender.job(job)
    bill_is_right(sender)


@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed")
def test_a_real_pdf(sender):
    made = subprocess.run(["groff", "-Tpdf"], input=b"Hello from groff", capture_output=True).stdout
    if not made:
        pytest.skip("this groff makes no PDF")
    assert sender.ended(sender.document(made, "a.pdf")) == "done"
    assert len(sender.uploads()) == 1
