"""What the tests of media share: files, whoever sends them, and the bill."""
import base64
import io
import json
import shutil
import urllib.request
import zipfile
from pathlib import Path

import pytest

from test_outbound import Model
from world import KEY, World, until  # noqa: F401

CHAT = 5001
SAMPLES = Path(__file__).parent / "samples"
SAID = "What is the weather?"
FFMPEG = shutil.which("ffmpeg")
needs_ffmpeg = pytest.mark.skipif(not FFMPEG, reason="ffmpeg is not installed")
MB = 1 << 20


# ---- files -----------------------------------------------------------------------------------------------------


def sample(name):
    return (SAMPLES / name).read_bytes()


def speech(say=SAID, size=0):
    """Enough of an Ogg Opus for everybody here; with so many bytes."""
    head = b"OggS\0\2" + bytes(8) + b"serinumbcrc.\1\x13OpusHead\1\1\x38\1\x80\xbb\0\0\0\0\0" + f"[[say={say}]]".encode()
    return head + b"." * (size - len(head))


def pdf(words="Hello", trailer="/Root 1 0 R"):
    """A whole one-page PDF with a good table of references."""
    stream = f"BT /F1 24 Tf 72 700 Td ({words}) Tj ET"
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
               "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
               f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream", "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    out, places = "%PDF-1.4\n", []
    for n, text in enumerate(objects, 1):
        places.append(len(out))
        out += f"{n} 0 obj\n{text}\nendobj\n"
    table = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n" + "".join(f"{p:010} 00000 n \n" for p in places)
    return (out + f"trailer\n<< /Size {len(objects) + 1} {trailer} >>\nstartxref\n{table}\n%%EOF\n").encode()


def zipped(**entries):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as z:
        for name, text in entries.items():
            z.writestr(name, text)
    return made.getvalue()


DOCX = zipped(**{"[Content_Types].xml": "<Types/>", "_rels/.rels": "<Relationships/>", "word/document.xml": "<w:document/>"})


# ---- the world -------------------------------------------------------------------------------------------------


class Sender(Model):
    """Plays ingest: a message with files becomes a job."""

    def file(self, data, name="file.bin"):
        return self.world.control("file", {"name": name, "base64": base64.b64encode(data).decode()})["file_id"]

    def send(self, kind, *files, caption="", chat=CHAT, **more):
        """files: (bytes or file_id, Telegram's kind, further fields)"""
        fields = {"kind": kind, "first": "media", "text": caption, "files": len(files)}
        for n, (data, what, *rest) in enumerate(files):
            extra = {"bytes": len(data), **(rest[0] if rest else {})} if isinstance(data, bytes) else dict(rest[0] if rest else {})
            fields[f"file:{n}"] = self.file(data, extra.get("name", "file.bin")) if isinstance(data, bytes) else data
            fields[f"file:{n}:kind"] = what
            fields |= {f"file:{n}:{k}": v for k, v in extra.items() if v is not None}
        return self.ask(chat, **fields, **more)

    def voice(self, data=None, caption="", **more):
        return self.send("voice", (data or sample("voice.oga"), "voice", more), caption=caption)

    def photo(self, data=None, caption="", what="photo", **more):
        return self.send("photo", (data or sample("photo.jpg"), what, more), caption=caption)

    def document(self, data, name=None, caption="", what="document", **more):
        return self.send("document", (data, what, {"name": name, **more}), caption=caption)

    def billed(self):
        return self.world.control("billed")

    def uploads(self):
        """What lies at OpenAI."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.world.sim_port}/v1/files", headers={"Authorization": f"Bearer {KEY}"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)["data"]

    def count(self, name):
        return self.world.control("counters")["counters"].get(name, 0)

    def refused(self, job, line, how="refused"):
        """One clear line, and nothing was spent."""
        assert self.ended(job, 40) == how, self.job(job)
        assert self.job(job)["line"] == line, self.job(job)
        self.world.rest(self.job(job)["conv"])
        (text,) = self.world.shown(int(self.job(job)["chat"]))
        assert 0 < len(text.encode("utf-16-le")) // 2 <= 300
        billed = self.billed()
        assert billed["transcriptions"] == 0 and billed["responses"] == 0 and self.uploads() == []
        return text


@pytest.fixture
def sender(tmp_path, request):
    mark, counts = request.node.get_closest_marker("settings"), request.node.get_closest_marker("counts")
    with World(tmp_path, mark.kwargs if mark else None) as world:
        for service in ("llm", "media", "ledger", "outbound"):
            for _ in range((counts.kwargs if counts else {}).get(service, 1)):
                world.start(service)
        yield Sender(world)
        world.at_rest(60)


def bill_is_right(sender):
    """The ledger has what OpenAI billed, once."""
    sender.world.at_rest(60)
    billed, rows = sender.billed(), sender.world.rows()
    heard = [r for r in rows if r["kind"] == "transcription"]
    assert len(heard) == billed["transcriptions"] and sum(r["seconds"] for r in heard) == pytest.approx(billed["seconds"])
    assert sum(r["output_tokens"] for r in rows) == billed["output_tokens"]
    held = [k for k in sender.world.redis.scan_iter(sender.world.key("spend:*")) if sender.world.redis.type(k) == "hash"]
    for key in held:
        assert int(sender.world.redis.hget(key, "held") or 0) == 0, key
    return heard


def get_file_says(sender, file_id, size, times=1):
    """getFile lies about the size."""
    sender.world.fault("telegram", "status", {"method": "getFile"}, status=200, times=times,
                       body='{"ok":true,"result":{"file_id":"f","file_unique_id":"u","file_path":"documents/file_%d.bin"%s}}'
                       % (int(file_id[-6:]), f',"file_size":{size}' if size is not None else ""))
