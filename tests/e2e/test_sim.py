"""The simulator itself, over HTTP: is it what the real services would be? Standard library only."""

import http.client
import http.server
import json
import os
import pathlib
import socket
import subprocess
import threading
import time
import urllib.parse

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOKEN = "7123456789:AAtest"
FIRST = 823456001


def find_binary():
    folders = [os.environ["BUILD_DIR"]] if os.environ.get("BUILD_DIR") else ["build-test", "build"]
    for path in [os.environ.get("SIM_BIN", "")] + [str(ROOT / folder / "sim/gpttg-sim") for folder in folders]:
        if path and os.path.exists(path):
            return path
    pytest.skip("gpttg-sim is not built")


class Sim:
    def __init__(self, **env):
        self.process = subprocess.Popen(
            [find_binary()], env={**os.environ, "SIM_LISTEN": "127.0.0.1:0", "LOG_LEVEL": "warn", **env},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split()[1]
        self.port = int(self.url.rsplit(":", 1)[1])

    def stop(self):
        self.process.terminate()
        out, err = self.process.communicate(timeout=10)
        assert self.process.returncode == 0, err
        assert out == ""
        assert "runtime error" not in err and "Sanitizer" not in err, err

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)

    def call(self, verb, path, body=None, headers=None):
        c = self.connection()
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            headers = {"Content-Type": "application/json", **(headers or {})}
        c.request(verb, path, body, headers or {})
        r = c.getresponse()
        data = r.read()
        c.close()
        return r.status, (json.loads(data) if "json" in r.getheader("Content-Type", "") else data), r.headers

    def control(self, path, body=None, **query):
        if query:
            path += "?" + urllib.parse.urlencode(query)
        status, answer, _ = self.call("GET" if body is None else "POST", "/control/" + path, body)
        assert status == 200, answer
        return answer

    def tg(self, method, token=TOKEN, **params):
        return self.call("POST", f"/bot{token}/{method}", params)[:2]

    def ai(self, verb, path, body=None):
        return self.call(verb, "/v1" + path, body, {"Authorization": "Bearer sk-test"})[:2]

    def ask(self, text, **more):
        return self.ai("POST", "/responses", {"model": "m", "input": text, **more})

    def stream(self, verb, path, body=None):
        """The raw bytes of an SSE answer, until it ends or breaks: (bytes, how it ended)."""
        c = self.connection()
        c.request(verb, "/v1" + path, json.dumps(body) if body else None,
                  {"Authorization": "Bearer k", "Content-Type": "application/json"})
        r = c.getresponse()
        assert r.status == 200, r.read()
        got = b""
        try:
            while True:
                piece = r.read1(65536)
                if not piece:
                    return got, "end"
                got += piece
        except http.client.IncompleteRead as e:
            return got + e.partial, "fin"
        except ConnectionResetError:
            return got, "reset"
        finally:
            c.close()

    def events(self, text, **more):
        got, how = self.stream("POST", "/responses", {"model": "m", "stream": True, "input": text, **more})
        assert how == "end"
        return parse(got)

    def fault(self, side, kind, match=None, **more):
        return self.control("fault", {"side": side, "kind": kind, "match": match or {}, **more})["id"]

    def fired(self, fault):
        return next(f["fired"] for f in self.control("faults")["faults"] if f["id"] == fault)

    def wait(self, name, **more):
        answer = self.control("wait", **{"for": name, "timeout_ms": 10000, **more})
        assert answer["ok"], (name, more, answer)
        return answer


def parse(raw):
    events = []
    for block in raw.decode().split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if lines:
            name, data = lines
            data = json.loads(data.removeprefix("data: "))
            assert name == "event: " + data["type"]
            events.append(data)
    return events


@pytest.fixture(scope="module")
def running():
    sim = Sim()
    yield sim
    sim.stop()


@pytest.fixture
def sim(running):
    running.control("reset", {})
    return running


@pytest.fixture
def chat(sim):
    sim.control("chat", {"chat": 42})
    return 42


def later(function, *args, **kwargs):
    box = {}

    def run():
        try:
            box["result"] = function(*args, **kwargs)
        except Exception as e:  # noqa: BLE001 — handed to whoever joins
            box["error"] = e

    thread = threading.Thread(target=run)
    thread.start()

    def join():
        thread.join(15)
        assert not thread.is_alive()
        if "error" in box:
            raise box["error"]
        return box["result"]
    return join


# ---- Telegram: who may call ----

def test_any_token_is_a_bot_and_none_is_shared(sim):
    assert sim.tg("getMe")[1]["result"]["id"] == 7123456789
    assert sim.tg("getMe", token="5:x")[1]["result"]["id"] == 5
    assert sim.tg("getMe", token="5:other") == (401, {"ok": False, "error_code": 401, "description": "Unauthorized"})
    assert sim.tg("getMe", token="nonsense") == (404, {"ok": False, "error_code": 404, "description": "Not Found"})
    assert sim.tg("noSuchMethod")[0] == 404


def test_a_set_token_and_key_are_the_only_ones():
    sim = Sim(SIM_BOT_TOKEN="1:good", SIM_OPENAI_KEY="sk-good")
    try:
        assert sim.tg("getMe", token="1:good")[0] == 200
        assert sim.tg("getMe", token="1:bad")[0] == 401
        assert sim.tg("getMe", token="2:bad")[0] == 401
        assert sim.ai("GET", "/models")[0] == 401
        assert sim.call("GET", "/v1/models", headers={"Authorization": "Bearer sk-good"})[0] == 200
        status, answer, _ = sim.call("GET", "/v1/models")
        assert status == 401 and "API key" in answer["error"]["message"]
    finally:
        sim.stop()


def test_all_four_forms_and_any_case_of_the_method(sim, chat):
    quoted = urllib.parse.urlencode({"chat_id": chat, "text": "a+b &я"})
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    multipart = ("--X\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n42\r\n"
                 "--X\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\na+b &я\r\n--X--\r\n").encode()
    for verb, path, body, headers in [
            ("GET", f"/bot{TOKEN}/sendMessage?{quoted}", None, {}),
            ("POST", f"/bot{TOKEN}/SENDMESSAGE", quoted, form),
            ("POST", f"/bot{TOKEN}/sendmessage", json.dumps({"chat_id": 42, "text": "a+b &я"}), {"Content-Type": "application/json"}),
            ("POST", f"/bot{TOKEN}/sendMessage", multipart, {"Content-Type": "multipart/form-data; boundary=X"})]:
        status, answer, _ = sim.call(verb, path, body, headers)
        assert status == 200 and answer["result"]["text"] == "a+b &я"
    assert sim.control("chat", chat=42)["sent"] == {"a+b &я": 4}


# ---- Telegram: updates ----

def test_updates_stay_until_an_offset_confirms_them(sim):
    sim.control("messages", {"chat": 1, "texts": ["a", "b", "c"]})
    ids = lambda **p: [u["update_id"] - FIRST for u in sim.tg("getUpdates", **p)[1]["result"]]  # noqa: E731
    assert ids() == [0, 1, 2]
    assert ids() == [0, 1, 2]
    assert ids(limit=2) == [0, 1]
    assert ids(offset=FIRST + 1) == [1, 2]
    assert ids(offset=0) == [1, 2]
    assert ids(offset=-1) == [2]
    assert ids() == [2]
    assert ids(offset=FIRST + 3) == []
    assert sim.control("counters")["bots"][0]["confirmed"] == FIRST + 2


def test_a_long_poll_ends_when_something_arrives(sim):
    assert sim.tg("getUpdates")[1]["result"] == []
    join = later(sim.tg, "getUpdates", timeout=10)
    sim.wait("telegram.getUpdates", min=2)
    begun = time.monotonic()
    sim.control("message", {"chat": 1, "text": "now"})
    assert join()[1]["result"][0]["message"]["text"] == "now"
    assert time.monotonic() - begun < 2


def test_a_long_poll_ends_empty_after_its_timeout(sim):
    begun = time.monotonic()
    assert sim.tg("getUpdates", timeout=1)[1]["result"] == []
    assert 0.9 < time.monotonic() - begun < 5


def test_the_newest_poller_wins(sim):
    old = later(sim.tg, "getUpdates", timeout=10)
    sim.wait("telegram.getUpdates", min=1)
    new = later(sim.tg, "getUpdates", timeout=10)
    status, answer = old()
    assert status == 409 and answer["description"].startswith("Conflict: terminated by other getUpdates request")
    sim.control("message", {"chat": 1, "text": "x"})
    assert len(new()[1]["result"]) == 1


def test_a_webhook_keeps_pollers_away(sim):
    parked = later(sim.tg, "getUpdates", timeout=10)
    sim.wait("telegram.getUpdates", min=1)
    assert sim.tg("setWebhook", url="https://x.example/hook")[1]["description"] == "Webhook was set"
    assert parked() == (409, {"ok": False, "error_code": 409, "description": "Conflict: terminated by setWebhook request"})
    assert sim.tg("getUpdates")[0] == 409
    assert sim.tg("getWebhookInfo")[1]["result"]["url"] == "https://x.example/hook"
    sim.tg("deleteWebhook")
    assert sim.tg("getUpdates")[0] == 200


def test_allowed_updates_keep_kinds_out(sim):
    sim.tg("getUpdates", allowed_updates=["callback_query"])
    assert sim.control("message", {"chat": 1, "text": "x"})["update_id"] == 0
    sim.tg("getUpdates", allowed_updates=[])
    assert sim.control("message", {"chat": 1, "text": "x"})["update_id"] == FIRST


def test_samples_pass_through_as_updates(sim):
    folder = ROOT.parent / "shared/specs/samples/telegram/updates"
    samples = sorted(folder.glob("*.json")) if folder.exists() else []
    if not samples:
        pytest.skip("no samples here")
    sim.tg("getUpdates", allowed_updates=["message", "chat_member", "message_reaction", "message_reaction_count", "nothing"])
    sim.tg("getUpdates", allowed_updates=[])
    for path in samples:
        update = json.loads(path.read_text())
        if any(k in update for k in ("chat_member", "message_reaction", "message_reaction_count")):
            continue
        sim.control("update", update)
        got = sim.tg("getUpdates", offset=update["update_id"])[1]["result"]
        assert got[-1] == update, path.name
        sim.tg("getUpdates", offset=update["update_id"] + 1)


def test_updates_wait_for_the_first_bot(sim):
    sim.control("message", {"chat": 1, "text": "early"})
    assert len(sim.tg("getUpdates", token="99:zz")[1]["result"]) == 1
    assert sim.tg("getUpdates", token="98:zz")[1]["result"] == []


# ---- Telegram: texts ----

def test_a_sent_message_is_trimmed_and_whole(sim, chat):
    _, answer = sim.tg("sendMessage", chat_id=chat, text="\n  Hi 😀 there \n", entities=[
        {"type": "bold", "offset": 3, "length": 5}, {"type": "url", "offset": 0, "length": 4}, {"type": "italic", "offset": 100, "length": 5}])
    message = answer["result"]
    assert message["text"] == "Hi 😀 there"
    assert message["entities"] == [{"type": "bold", "offset": 0, "length": 5}]
    assert message["from"]["is_bot"] and message["chat"]["type"] == "private" and message["date"] > 0


@pytest.mark.parametrize("text, wrong", [
    ("", "message text is empty"), (None, "message text is empty"), (" \n ", "text must be non-empty"),
    ("x" * 4097, "message is too long"), ("😀" * 2049, "message is too long"), ("x" * 32769, "text is too long")])
def test_texts_that_are_refused(sim, chat, text, wrong):
    assert sim.tg("sendMessage", chat_id=chat, text=text) == (400, {"ok": False, "error_code": 400, "description": "Bad Request: " + wrong})


def test_texts_of_full_length_pass(sim, chat):
    assert sim.tg("sendMessage", chat_id=chat, text="😀" * 2048)[0] == 200
    assert sim.tg("sendMessage", chat_id=chat, text=" " + "x" * 4096 + "\n")[0] == 200


def test_broken_utf8_and_entities_are_refused(sim, chat):
    status, answer, _ = sim.call("POST", f"/bot{TOKEN}/sendMessage", b'{"chat_id":42,"text":"a\xffb"}', {"Content-Type": "application/json"})
    assert (status, answer["description"]) == (400, "Bad Request: strings must be encoded in UTF-8")
    for entities, wrong in [("nonsense", "can't parse entities JSON object"), ([{"type": "shiny", "offset": 0, "length": 1}], "can't parse MessageEntity: Unsupported type specified"),
                            ([{"type": "bold"}], "can't parse MessageEntity: Unsupported type specified")]:
        assert sim.tg("sendMessage", chat_id=chat, text="abc", entities=entities)[1]["description"] == "Bad Request: " + wrong


@pytest.mark.parametrize("mode, text, plain, entities", [
    ("HTML", "<b>Hi</b> 😀 <a href=\"https://x.y/?a=1\">l&amp;k</a>", "Hi 😀 l&k", [("bold", 0, 2), ("text_link", 6, 3)]),
    ("html", "<pre><code class=\"language-c\">int x;</code></pre> &#128512;&lt;", "int x; 😀<", [("pre", 0, 6)]),
    ("HTML", "<b>one <i>two</i></b>", "one two", [("bold", 0, 7), ("italic", 4, 3)]),
    ("MarkdownV2", "*bold _both_* `a.b` ~s~ ||sp|| __u__ [t](http://x)\\.", "bold both a.b s sp u t.",
     [("bold", 0, 9), ("italic", 5, 4), ("code", 10, 3), ("strikethrough", 14, 1), ("spoiler", 16, 2), ("underline", 19, 1), ("text_link", 21, 1)]),
    ("MarkdownV2", "```python\nx = 1\n```\n>quoted\nend", "x = 1\n\nquoted\nend", [("pre", 0, 6), ("blockquote", 7, 6)])])
def test_parse_modes(sim, chat, mode, text, plain, entities):
    status, answer = sim.tg("sendMessage", chat_id=chat, text=text, parse_mode=mode)
    assert status == 200, answer
    assert answer["result"]["text"] == plain
    assert [(e["type"], e["offset"], e["length"]) for e in answer["result"]["entities"]] == entities


@pytest.mark.parametrize("mode, text, wrong", [
    ("HTML", "<x>a</x>", 'Unsupported start tag "x" at byte offset 0'), ("HTML", "a<b>c", 'Can\'t find end tag corresponding to start tag "b"'),
    ("HTML", "<b>c</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
    ("MarkdownV2", "a *b", "Can't find end of Bold entity at byte offset 2"), ("MarkdownV2", "a.", "Character '.' is reserved and must be escaped with the preceding '\\'")])
def test_parse_modes_that_fail(sim, chat, mode, text, wrong):
    assert sim.tg("sendMessage", chat_id=chat, text=text, parse_mode=mode)[1]["description"] == "Bad Request: can't parse entities: " + wrong


def test_where_one_may_not_write(sim, chat):
    def refusal(**params):
        return sim.tg("sendMessage", text="x", **params)[1]["description"]
    assert refusal() == "Bad Request: chat_id is empty"
    assert refusal(chat_id=7) == "Bad Request: chat not found"
    assert refusal(chat_id=chat, message_thread_id=9) == "Bad Request: message thread not found"
    assert refusal(chat_id=chat, reply_parameters={"message_id": 5}) == "Bad Request: message to be replied not found"
    assert sim.tg("sendMessage", text="x", chat_id=chat, reply_parameters={"message_id": 5, "allow_sending_without_reply": True})[0] == 200
    sim.control("block", {"chat": chat})
    assert refusal(chat_id=chat) == "Forbidden: bot was blocked by the user"
    sim.control("chat", {"chat": -10, "type": "group", "migrate_to": -100200})
    status, answer = sim.tg("sendMessage", text="x", chat_id=-10)
    assert status == 400 and answer["parameters"] == {"migrate_to_chat_id": -100200}
    assert sim.tg("sendMessage", text="x", chat_id=-100200)[0] == 200


def test_edits(sim, chat):
    user = sim.control("message", {"chat": chat, "text": "mine"})["message_id"]
    sent = sim.tg("sendMessage", chat_id=chat, text="one")[1]["result"]["message_id"]
    edit = lambda id, text: sim.tg("editMessageText", chat_id=chat, message_id=id, text=text)  # noqa: E731
    assert edit(sent, "two")[1]["result"]["edit_date"] > 0
    assert edit(sent, "two")[1]["description"].startswith("Bad Request: message is not modified")
    assert edit(user, "x")[1]["description"] == "Bad Request: message can't be edited"
    assert edit(999, "x")[1]["description"] == "Bad Request: message to edit not found"
    sim.control("delete_message", {"chat": chat, "message_id": sent})
    assert edit(sent, "three")[1]["description"] == "Bad Request: message to edit not found"
    view = sim.control("chat", chat=chat, all=1)
    assert [(m["text"], m["deleted"]) for m in view["messages"]] == [("mine", False), ("two", True)]
    assert view["sent"] == {"one": 1} and view["edits"] == 1


def test_deleting(sim, chat):
    ids = [sim.tg("sendMessage", chat_id=chat, text=str(i))[1]["result"]["message_id"] for i in range(4)]
    assert sim.tg("deleteMessage", chat_id=chat, message_id=ids[0])[1]["result"] is True
    assert sim.tg("deleteMessage", chat_id=chat, message_id=ids[0])[1]["description"] == "Bad Request: message to delete not found"
    assert sim.tg("deleteMessages", chat_id=chat, message_ids=ids)[0] == 200
    assert sim.control("chat", chat=chat)["messages"] == []
    assert sim.control("chat", chat=chat)["bot_messages"] == 0


def test_flood_limits_when_wanted(sim, chat):
    sim.control("telegram", {"flood": True, "chat_per_s": 0.5, "chat_burst": 2})
    assert [sim.tg("sendMessage", chat_id=chat, text="x")[0] for _ in range(3)] == [200, 200, 429]
    status, answer, headers = sim.call("POST", f"/bot{TOKEN}/sendMessage", {"chat_id": chat, "text": "x"})
    assert status == 429 and answer["parameters"]["retry_after"] == int(headers["Retry-After"]) == 2
    assert answer["description"] == "Too Many Requests: retry after 2"


def test_callbacks_are_answered_once(sim, chat):
    sent = sim.tg("sendMessage", chat_id=chat, text="x", reply_markup={"inline_keyboard": [[{"text": "a", "callback_data": "b"}]]})[1]["result"]
    sim.control("callback", {"chat": chat, "message_id": sent["message_id"], "data": "b"})
    query = sim.tg("getUpdates")[1]["result"][0]["callback_query"]
    assert query["data"] == "b" and query["message"]["message_id"] == sent["message_id"]
    assert sim.tg("answerCallbackQuery", callback_query_id=query["id"])[0] == 200
    assert "query is too old" in sim.tg("answerCallbackQuery", callback_query_id=query["id"])[1]["description"]


def test_files_up_and_down(sim, chat):
    body = (b"--X\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n42\r\n--X\r\nContent-Disposition: form-data; name=\"document\"; filename=\"a.bin\"\r\n"
            b"Content-Type: application/x-test\r\n\r\n\x00\r\n--not\xff\r\n--X--\r\n")
    status, answer, _ = sim.call("POST", f"/bot{TOKEN}/sendDocument", body, {"Content-Type": "multipart/form-data; boundary=X"})
    assert status == 200
    document = answer["result"]["document"]
    assert (document["file_name"], document["file_size"], document["mime_type"]) == ("a.bin", 9, "application/x-test")
    path = sim.tg("getFile", file_id=document["file_id"])[1]["result"]["file_path"]
    assert sim.call("GET", f"/file/bot{TOKEN}/{path}")[1] == b"\x00\r\n--not\xff"
    sim.fault("telegram", "status", {"method": "download"}, status=500)
    assert sim.call("GET", f"/file/bot{TOKEN}/{path}")[0] == 500
    large = sim.control("file", {"name": "x.pdf", "bytes": 20971521})["file_id"]
    assert sim.tg("getFile", file_id=large)[1]["description"] == "Bad Request: file is too big"
    assert "wrong file_id" in sim.tg("getFile", file_id="none")[1]["description"]


# ---- Telegram: what people do ----

GROUP = -1001001


def updates(sim, **p):
    """What has come since the last look."""
    got = sim.tg("getUpdates", **p)[1]["result"]
    if got:
        sim.tg("getUpdates", offset=got[-1]["update_id"] + 1)
    return got


def last_message(sim):
    update = updates(sim)[-1]
    return update.get("message") or update.get("edited_message")


def say(sim, chat, text=None, **more):
    return sim.control("message", {"chat": chat, **({} if text is None else {"text": text}), **more})


@pytest.mark.parametrize("text,found", [
    ("/start", [(0, 6, "bot_command")]),
    ("/img@helper_ai_bot a cat", [(0, 18, "bot_command")]),
    ("/стоп", []),
    ("no/path a@b.c 1/2", []),
    ("👍 @helper_ai_bot, /help.", [(3, 14, "mention"), (19, 5, "bot_command")]),
    ("я@helper_ai_bot", []),
    ("@ab /a/b //c", []),
    ("(@helper_ai_bot)", [(1, 14, "mention")]),
    ("@helper_ai_botя", []),
])
def test_mentions_and_commands_are_found(sim, text, found):
    say(sim, GROUP, text)
    assert [(e["offset"], e["length"], e["type"]) for e in last_message(sim).get("entities", [])] == found


def test_a_mention_is_added_where_there_is_none(sim):
    say(sim, GROUP, "what is 2+2?", mention=True)
    assert last_message(sim)["text"] == "@helper_ai_bot what is 2+2?"
    say(sim, GROUP, "you, @Helper_AI_bot?", mention=True)
    m = last_message(sim)
    assert m["text"] == "you, @Helper_AI_bot?" and m["entities"] == [{"offset": 5, "length": 14, "type": "mention"}]


def test_a_reply_shows_what_it_answers_one_level_deep(sim):
    first = say(sim, GROUP, "first", user=7, name="Ada")["message_id"]
    sent = sim.tg("sendMessage", chat_id=GROUP, text="The capital is Paris. 🗼 It lies on the Seine.", reply_parameters={"message_id": first})[1]["result"]
    assert sent["reply_to_message"]["message_id"] == first
    say(sim, GROUP, "why?", user=8, name="Bob", reply_to=sent["message_id"], quote="It lies")
    m = last_message(sim)
    assert m["from"]["first_name"] == "Bob"
    assert m["reply_to_message"]["from"]["is_bot"] and m["reply_to_message"]["text"].startswith("The capital")
    assert "reply_to_message" not in m["reply_to_message"]
    assert m["quote"] == {"text": "It lies", "position": 25, "is_manual": True}
    say(sim, GROUP, "hm", reply_to=first)
    assert last_message(sim)["reply_to_message"]["from"] == {"id": 7, "is_bot": False, "first_name": "Ada", "language_code": "ru"}
    assert sim.call("POST", "/control/message", {"chat": GROUP, "text": "x", "quote": "y"})[0] == 400


def test_forwards_bots_and_chats_that_speak(sim):
    say(sim, 5, "fwd", forward_from="Someone")
    assert last_message(sim)["forward_origin"]["sender_user_name"] == "Someone"
    say(sim, 5, "fwd", forward_from={"user": 9, "name": "Eve"})
    assert last_message(sim)["forward_origin"]["sender_user"]["first_name"] == "Eve"
    say(sim, 5, "fwd", forward_channel="News")
    assert last_message(sim)["forward_origin"]["chat"] == {"id": -1007770001, "title": "News", "type": "channel"}
    say(sim, 5, "fwd", forward_chat="Team")
    assert last_message(sim)["forward_origin"]["sender_chat"]["title"] == "Team"
    say(sim, GROUP, "beep", user=77, is_bot=True)
    assert last_message(sim)["from"]["is_bot"] is True
    say(sim, GROUP, "as the group", sender_chat=True, title="AI club")
    m = last_message(sim)
    assert m["sender_chat"]["title"] == "AI club" and m["from"]["username"] == "GroupAnonymousBot"
    say(sim, GROUP, "as a channel", sender_chat={"id": -1009, "title": "C", "type": "channel"})
    assert last_message(sim)["from"]["username"] == "Channel_Bot"
    say(sim, -1008, "posted", type="channel")
    post = updates(sim)[-1]["channel_post"]
    assert "from" not in post and post["chat"]["type"] == "channel"
    say(sim, 5, "late", ago_s=7200, extra={"via_bot": {"id": 1, "is_bot": True, "first_name": "V"}})
    m = last_message(sim)
    assert abs(time.time() - 7200 - m["date"]) < 5 and m["via_bot"]["first_name"] == "V"


def test_edits_by_users(sim):
    id = say(sim, 5, "Hello")["message_id"]
    sent = sim.tg("sendMessage", chat_id=5, text="x")[1]["result"]["message_id"]
    updates(sim)
    assert sim.control("edit", {"chat": 5, "message_id": id, "text": "Hello /help"})["update_id"]
    edited = updates(sim)[-1]["edited_message"]
    assert edited["message_id"] == id and edited["text"] == "Hello /help" and edited["edit_date"] >= edited["date"]
    assert edited["entities"][0]["type"] == "bot_command"
    assert say(sim, 5, "again", edit_of=id)["message_id"] == id
    assert updates(sim)[-1]["edited_message"]["text"] == "again"
    assert sim.control("chat", chat=5)["messages"][0]["edits"] == 2
    for wrong in ({"message_id": sent, "text": "y"}, {"message_id": 999, "text": "y"}, {"message_id": id}):
        assert sim.call("POST", "/control/edit", {"chat": 5, **wrong})[0] == 400


def test_topics_of_forums_and_of_private_chats(sim):
    say(sim, 5, "in a private topic", thread=12)
    m = last_message(sim)
    assert (m["message_thread_id"], m["is_topic_message"]) == (12, True) and "reply_to_message" not in m
    say(sim, GROUP, "in a forum", thread=77)
    m = last_message(sim)
    assert m["chat"]["is_forum"] and m["reply_to_message"]["forum_topic_created"] and m["reply_to_message"]["message_id"] == 77
    assert "is_topic_message" in sim.tg("sendMessage", chat_id=GROUP, text="x", message_thread_id=77)[1]["result"]


@pytest.mark.parametrize("kind,has", [
    ("voice", {"mime_type": "audio/ogg", "duration": 10}), ("audio", {"file_name": "song.mp3"}), ("document", {"file_name": "notes.txt"}),
    ("video", {"width": 320}), ("video_note", {"length": 240}), ("animation", {"mime_type": "video/mp4"}), ("sticker", {"type": "regular"}),
    ("location", {"latitude": 55.7558}), ("contact", {"first_name": "Ada"}), ("dice", {"value": 4}), ("poll", {"question": "Which?"})])
def test_everything_that_is_no_text(sim, kind, has):
    say(sim, 5, kind=kind)
    m = last_message(sim)
    assert "text" not in m and "caption" not in m and {k: m[kind].get(k) for k in has} == has
    if "file_id" in m[kind]:
        assert sim.tg("getFile", file_id=m[kind]["file_id"])[1]["result"]["file_size"] == m[kind]["file_size"] == 20000


def test_photos_captions_and_albums(sim):
    say(sim, 5, kind="photo", caption="what is this, @helper_ai_bot?", bytes=8000)
    m = last_message(sim)
    assert m["caption"].startswith("what") and m["caption_entities"][0]["type"] == "mention"
    assert m["photo"][0]["file_size"] < m["photo"][-1]["file_size"] == 8000 and m["photo"][0]["file_id"] != m["photo"][-1]["file_id"]
    album = say(sim, 5, kind="photo", caption="three", album=3)
    got = updates(sim)
    assert [u["update_id"] for u in got] == album["update_ids"]
    assert {u["message"]["media_group_id"] for u in got} == {album["media_group_id"]}
    assert [u["message"].get("caption") for u in got] == ["three", None, None]
    assert len({u["message"]["photo"][-1]["file_id"] for u in got}) == 3
    file = sim.control("file", {"name": "a.pdf", "mime_type": "application/pdf", "bytes": 77})["file_id"]
    say(sim, 5, kind="document", file=file)
    assert last_message(sim)["document"] | {"file_unique_id": 0} == {"file_id": file, "file_unique_id": 0, "file_size": 77, "file_name": "a.pdf", "mime_type": "application/pdf"}
    assert sim.call("POST", "/control/message", {"chat": 5, "kind": "hologram"})[0] == 400


def test_people_and_the_bot_come_and_go(sim):
    sim.control("member", {"chat": GROUP, "status": "left"})
    assert "not a member" in sim.tg("sendMessage", chat_id=GROUP, text="x")[1]["description"]
    assert updates(sim)[-1]["my_chat_member"]["new_chat_member"]["status"] == "left"
    sim.control("member", {"chat": GROUP, "status": "member", "by": 7})
    change, joined = updates(sim)
    assert change["my_chat_member"]["old_chat_member"]["status"] == "left" and change["my_chat_member"]["from"]["id"] == 7
    assert joined["message"]["new_chat_members"][0]["username"] == "helper_ai_bot"
    assert sim.tg("sendMessage", chat_id=GROUP, text="x")[0] == 200
    sim.control("member", {"chat": GROUP, "status": "kicked"})
    assert "bot was kicked" in sim.tg("sendMessage", chat_id=GROUP, text="x")[1]["description"]
    sim.control("member", {"chat": GROUP, "status": "administrator"})
    updates(sim)
    sim.control("member", {"chat": GROUP, "user": 8, "name": "Bob", "status": "creator"})
    assert updates(sim)[-1]["message"]["new_chat_members"][0]["first_name"] == "Bob"       # chat_member itself is not in the default set
    assert sim.tg("getChatMember", chat_id=GROUP, user_id=8)[1]["result"]["status"] == "creator"
    assert [m["user"]["id"] for m in sim.tg("getChatAdministrators", chat_id=GROUP)[1]["result"]] == [8]
    assert sim.tg("getChatMember", chat_id=GROUP, user_id=7123456789)[1]["result"]["status"] == "administrator"
    sim.tg("getUpdates", allowed_updates=["chat_member"])
    sim.control("member", {"chat": GROUP, "user": 8, "status": "left"})
    assert updates(sim)[-1]["chat_member"]["old_chat_member"]["status"] == "creator"
    assert sim.tg("getChatMemberCount", chat_id=GROUP)[1]["result"] == 1
    assert sim.call("POST", "/control/member", {"chat": GROUP, "status": "king"})[0] == 400


def test_blocking_and_unblocking(sim, chat):
    for blocked, was, is_now in ((True, "member", "kicked"), (False, "kicked", "member")):
        sim.control("block", {"chat": chat, "blocked": blocked, "update": True})
        change = updates(sim)[-1]["my_chat_member"]
        assert (change["old_chat_member"]["status"], change["new_chat_member"]["status"]) == (was, is_now)
        assert sim.tg("sendMessage", chat_id=chat, text="x")[0] == (403 if blocked else 200)


def test_a_group_becomes_a_supergroup(sim):
    say(sim, -10, "hi", type="group", title="Small")
    updates(sim)
    assert sim.control("migrate", {"chat": -10, "to": -100200})["to"] == -100200
    to, moved = [u["message"] for u in updates(sim)]
    assert to["chat"]["id"] == -10 and to["migrate_to_chat_id"] == -100200 and "text" not in to
    assert moved["chat"] == {"id": -100200, "title": "Small", "type": "supergroup"} and moved["migrate_from_chat_id"] == -10
    for method in ("sendMessage", "editMessageText", "sendChatAction"):
        status, answer = sim.tg(method, chat_id=-10, text="x", message_id=1, action="typing")
        assert status == 400 and answer["parameters"] == {"migrate_to_chat_id": -100200}
    assert sim.tg("sendMessage", chat_id=-100200, text="x")[0] == 200
    assert sim.call("POST", "/control/migrate", {"chat": 5})[0] == 400


# ---- Telegram: drafts ----

def test_a_draft_stands_until_a_message_comes_and_can_be_stopped(sim, chat):
    shown = lambda: sim.control("chat", chat=chat)["draft"]  # noqa: E731
    assert shown() is None and sim.call("POST", "/control/stop_draft", {"chat": chat})[0] == 400
    assert sim.tg("sendMessageDraft", chat_id=chat, draft_id=7, text="bold", entities=[{"type": "bold", "offset": 0, "length": 4}]) == (200, {"ok": True, "result": True})
    assert shown() == {"draft_id": 7, "thread": 0, "can_stop": False, "text": "bold", "entities": [{"type": "bold", "offset": 0, "length": 4}]}
    assert sim.call("POST", "/control/stop_draft", {"chat": chat})[0] == 400                # it has no button
    sim.tg("sendMessageDraft", chat_id=chat, draft_id=7, text="", can_stop=True)            # "Thinking…"
    assert (shown()["text"], shown()["can_stop"]) == ("", True)
    updates(sim)
    assert sim.call("POST", "/control/stop_draft", {"chat": chat})[0] == 200
    assert updates(sim)[-1]["stopped_message_generation"].items() >= {"draft_id": 7}.items()
    sim.tg("sendMessage", chat_id=chat, text="all of it")
    assert shown() is None and sim.control("chat", chat=chat)["drafts"] == 2


def test_what_is_no_draft(sim, chat):
    assert sim.tg("sendMessageDraft", chat_id=chat, draft_id=0, text="x")[0] == 400
    assert sim.tg("sendMessageDraft", chat_id=chat, text="x")[0] == 400
    assert sim.tg("sendMessageDraft", chat_id=chat, draft_id=1, text="x" * 4097)[0] == 400
    assert sim.tg("sendMessageDraft", chat_id=chat, draft_id=1, text="x", message_thread_id=99)[0] == 400
    sim.call("POST", "/control/chat", {"chat": -77, "type": "supergroup"})
    assert sim.tg("sendMessageDraft", chat_id=-77, draft_id=1, text="x")[0] == 400


# ---- Telegram: buttons ----

INLINE = {"inline_keyboard": [[{"text": "⏹ Stop", "callback_data": "stop 12-0"}, {"text": "Site", "url": "https://x.example"}]]}


def press(sim, chat, **what):
    status, answer, _ = sim.call("POST", "/control/press", {"chat": chat, **what})
    return answer if status == 200 else status


def test_inline_keyboards_stand_until_an_edit_without_them(sim, chat):
    shown = lambda: sim.control("chat", chat=chat)["messages"][-1].get("reply_markup")  # noqa: E731
    sent = sim.tg("sendMessage", chat_id=chat, text="a", reply_markup=INLINE)[1]["result"]
    assert sent["reply_markup"] == INLINE == shown()
    id = sent["message_id"]
    assert sim.tg("editMessageText", chat_id=chat, message_id=id, text="b", reply_markup=INLINE)[0] == 200 and shown() == INLINE
    assert sim.tg("editMessageText", chat_id=chat, message_id=id, text="b", reply_markup=INLINE)[1]["description"].startswith("Bad Request: message is not modified")
    assert sim.tg("editMessageText", chat_id=chat, message_id=id, text="c")[0] == 200 and shown() is None
    assert sim.tg("editMessageReplyMarkup", chat_id=chat, message_id=id, reply_markup=INLINE)[0] == 200 and shown() == INLINE
    assert sim.tg("editMessageReplyMarkup", chat_id=chat, message_id=id)[0] == 200 and shown() is None
    assert press(sim, chat, text="Stop") == 400
    assert "inline keyboard expected" in sim.tg("editMessageText", chat_id=chat, message_id=id, text="d", reply_markup={"keyboard": [["x"]]})[1]["description"]
    assert "BUTTON_DATA_INVALID" in sim.tg("sendMessage", chat_id=chat, text="a", reply_markup={"inline_keyboard": [[{"text": "a", "callback_data": "я" * 33}]]})[1]["description"]


def test_pressing_what_stands_there(sim, chat):
    old = sim.tg("sendMessage", chat_id=chat, text="a", reply_markup=INLINE)[1]["result"]["message_id"]
    new = sim.tg("sendMessage", chat_id=chat, text="b", reply_markup=INLINE)[1]["result"]["message_id"]
    assert press(sim, chat, text="Stop", user=9, name="Eve")["message_id"] == new
    query = updates(sim)[-1]["callback_query"]
    assert query["from"]["first_name"] == "Eve" and query["data"] == "stop 12-0" and query["message"]["message_id"] == new
    assert press(sim, chat, data="stop", message_id=old)["data"] == "stop 12-0"
    assert press(sim, chat, text="Site") == press(sim, chat, data="go") == press(sim, chat, text="Stop", message_id=99) == press(sim, chat) == 400
    assert press(sim, 77, text="Stop") == 400


def test_reply_keyboards_stand_under_the_chat(sim, chat):
    keys = {"keyboard": [["New chat"], [{"text": "Statistics"}]], "resize_keyboard": True}
    sent = sim.tg("sendMessage", chat_id=chat, text="a", reply_markup=keys)[1]["result"]
    assert "reply_markup" not in sent
    view = sim.control("chat", chat=chat)
    assert view["keyboard"] == keys == view["messages"][-1]["reply_markup"]
    sim.tg("sendMessage", chat_id=chat, text="b")
    assert press(sim, chat, text="Stat")["text"] == "Statistics"
    assert last_message(sim)["text"] == "Statistics"
    sim.tg("sendMessage", chat_id=chat, text="c", reply_markup={"remove_keyboard": True})
    assert sim.control("chat", chat=chat)["keyboard"] is None and press(sim, chat, text="Stat") == 400
    sim.tg("sendMessage", chat_id=chat, text="d", reply_markup={**keys, "one_time_keyboard": True})
    assert press(sim, chat, text="New")["message_id"] and press(sim, chat, text="New") == 400


def test_what_was_answered_to_a_press_is_seen(sim, chat):
    sim.tg("sendMessage", chat_id=chat, text="a", reply_markup=INLINE)
    id = press(sim, chat, text="Stop")["callback_id"]
    answer = lambda **p: sim.tg("answerCallbackQuery", **p)  # noqa: E731
    assert answer(callback_query_id=id, text="x" * 201)[0] == 400
    assert answer(callback_query_id=id, text="Stopped", show_alert=True)[0] == 200
    assert answer(callback_query_id=id)[1]["description"] == "Bad Request: query is too old and response timeout expired or query ID is invalid"
    assert answer(callback_query_id="77")[0] == 400
    sim.wait("presses.answered", min=1)
    row, = sim.control("presses", chat=chat)["presses"]
    assert (row["id"], row["data"], row["answered"], row["text"], row["alert"], row["refused"]) == (id, "stop 12-0", True, "Stopped", True, 1)
    sim.control("telegram", {"callback_ms": 0})
    late = press(sim, chat, text="Stop")["callback_id"]
    time.sleep(0.005)
    assert answer(callback_query_id=late)[0] == 400
    assert sim.control("presses", since=row["n"])["presses"][0]["answered"] is False


def test_menus_of_commands_per_scope_and_language(sim, chat):
    commands = [{"command": "start", "description": "Начать"}]
    put = lambda **p: sim.tg("setMyCommands", **p)  # noqa: E731
    assert put(commands=commands)[0] == put(commands=commands, language_code="en", scope={"type": "all_group_chats"})[0] == 200
    assert put(commands=commands[:1], scope={"chat_id": chat, "type": "chat"})[0] == 200
    assert sim.tg("getMyCommands", scope={"type": "chat", "chat_id": chat})[1]["result"] == commands
    assert sim.tg("getMyCommands", language_code="en")[1]["result"] == []
    seen = {(c["scope"]["type"], c["language_code"]) for c in sim.control("commands")["commands"]}
    assert seen == {("default", ""), ("all_group_chats", "en"), ("chat", "")}
    assert put(commands=commands, scope={"type": "chat", "chat_id": 4711})[1]["description"] == "Bad Request: chat not found"
    assert put(commands=commands, scope={"type": "nowhere"})[0] == put(commands=commands, language_code="english")[0] == 400
    for wrong in ([{"command": "Start", "description": "x"}], [{"command": "a" * 33, "description": "x"}], [{"command": "a", "description": ""}],
                  [{"command": "a", "description": "я" * 257}], commands * 101, "x"):
        assert put(commands=wrong)[0] == 400
    assert sim.tg("deleteMyCommands")[0] == 200 and sim.tg("getMyCommands")[1]["result"] == []


# ---- Telegram: where writing is hard ----

def refusal(sim, chat, method="sendMessage", **more):
    status, answer = sim.tg(method, chat_id=chat, text="x", **more)
    return (status, answer.get("description"), answer.get("parameters", {}).get("retry_after"))


def test_slow_mode_and_groups_one_may_only_read(sim):
    sim.control("chat", {"chat": GROUP, "slow_mode": 30})
    sent = sim.tg("sendMessage", chat_id=GROUP, text="one")[1]["result"]["message_id"]
    assert refusal(sim, GROUP) == (429, "Too Many Requests: retry after 30", 30)
    assert refusal(sim, GROUP, "editMessageText", message_id=sent)[0] == 200
    sim.control("chat", {"chat": GROUP, "slow_mode": 0, "can_send": False})
    assert refusal(sim, GROUP) == (400, "Bad Request: not enough rights to send text messages to the chat", None)
    sim.control("chat", {"chat": GROUP, "can_send": True})
    assert refusal(sim, GROUP)[0] == 200


def test_topics_are_closed_and_deleted(sim):
    sim.control("chat", {"chat": GROUP, "threads": [7, 8]})
    sent = sim.tg("sendMessage", chat_id=GROUP, text="one", message_thread_id=7)[1]["result"]["message_id"]
    sim.control("chat", {"chat": GROUP, "closed_threads": [7]})
    assert refusal(sim, GROUP, message_thread_id=7)[1] == "Bad Request: TOPIC_CLOSED"
    assert refusal(sim, GROUP, message_thread_id=8)[0] == refusal(sim, GROUP)[0] == 200
    sim.control("chat", {"chat": GROUP, "threads": [7]})
    assert refusal(sim, GROUP, message_thread_id=7)[0] == 200
    sim.control("chat", {"chat": GROUP, "deleted_threads": [7]})
    assert refusal(sim, GROUP, message_thread_id=7)[1] == "Bad Request: message thread not found"
    assert refusal(sim, GROUP, "editMessageText", message_id=sent)[1] == "Bad Request: message to edit not found"


def test_a_flood_of_one_chat_and_of_the_whole_bot(sim, chat):
    sim.control("chat", {"chat": 6})
    sim.control("chat", {"chat": chat, "flood_s": 100})
    assert refusal(sim, chat) == (429, "Too Many Requests: retry after 100", 100) and refusal(sim, 6)[0] == 200
    sim.control("telegram", {"flood_s": 3600})
    assert refusal(sim, 6)[2] == 3600
    sim.control("telegram", {"flood_s": 0})
    assert refusal(sim, 6)[0] == 200


# ---- Telegram: webhooks ----

class Hook:
    """What stands at the address of a webhook: keeps what is brought and answers as `reply` says: a status, (status, headers), or "close"."""

    def __init__(self, reply=lambda hook, update: 200):
        self.reply, self.got, self.headers, self.now, self.peak, self.lock = reply, [], [], 0, 0, threading.Lock()
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                update = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with hook.lock:
                    hook.got.append(update)
                    hook.headers.append((self.path, dict(self.headers), self.client_address[1]))
                    hook.now += 1
                    hook.peak = max(hook.peak, hook.now)
                reply = hook.reply(hook, update)
                with hook.lock:
                    hook.now -= 1
                if reply == "close":
                    self.close_connection = True
                    return
                status, headers = reply if isinstance(reply, tuple) else (reply, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if "Transfer-Encoding" in headers:
                    self.end_headers()
                    self.wfile.write(b"4\r\nabcd\r\n0\r\n\r\n")
                    return
                body = b"" if status == 204 else b"{}"         # a 204 has none: what came late was taken for the next answer
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook?x=1"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def texts(self):
        return [u["message"]["text"] for u in self.got]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)


@pytest.fixture
def hooks():
    made = []

    def make(reply=lambda hook, update: 200):
        made.append(Hook(reply))
        return made[-1]
    yield make
    for hook in made:
        hook.stop()


def webhook_info(sim):
    return sim.tg("getWebhookInfo")[1]["result"]


def test_a_webhook_gets_what_is_pending_and_what_comes(sim, hooks):
    hook = hooks()
    say(sim, 5, "before")
    parked = later(sim.tg, "getUpdates", timeout=10, offset=FIRST + 1)
    sim.wait("telegram.getUpdates", min=1)
    say(sim, 5, "taken")
    parked()
    assert sim.tg("setWebhook", url=hook.url, secret_token="se_cret-1")[1]["description"] == "Webhook was set"
    say(sim, 6, "after")
    sim.wait("webhook.delivered", min=2)
    assert sorted(hook.texts()) == ["after", "taken"]
    path, headers, _ = hook.headers[0]
    assert path == "/hook?x=1" and headers["X-Telegram-Bot-Api-Secret-Token"] == "se_cret-1" and headers["Content-Type"] == "application/json"
    assert hook.got[0]["update_id"] == FIRST + 1
    sim.wait("pending", max=0)
    assert webhook_info(sim)["pending_update_count"] == 0 and "last_error_message" not in webhook_info(sim)
    assert sim.tg("setWebhook", url=hook.url, secret_token="se_cret-1")[1]["description"] == "Webhook is already set"
    assert sim.tg("getUpdates")[0] == 409
    assert sim.tg("deleteWebhook")[0] == 200
    say(sim, 5, "polled")
    assert [u["message"]["text"] for u in sim.tg("getUpdates")[1]["result"]] == ["polled"]


def test_a_webhook_without_a_secret_gets_no_such_header_and_connections_are_kept(sim, hooks):
    hook = hooks()
    sim.tg("setWebhook", url=hook.url)
    for i in range(5):
        say(sim, 5, str(i))
        sim.wait("webhook.delivered", min=i + 1)
    assert hook.texts() == list("01234")
    assert len({port for _, _, port in hook.headers}) == 1
    assert all("X-Telegram-Bot-Api-Secret-Token" not in headers for _, headers, _ in hook.headers)


def test_webhooks_that_are_refused(sim):
    def refused(**p):
        return sim.tg("setWebhook", **p)[1]["description"]
    assert "HTTPS URL" in refused(url="ftp://x.example")
    assert refused(url="https://x.example", secret_token="a b") == "Bad Request: secret token contains unallowed characters"
    assert refused(url="https://x.example", secret_token="a" * 257) == "Bad Request: secret token is too long"
    assert sim.tg("setWebhook", url="https://x.example", secret_token="a" * 256, max_connections=1000, allowed_updates=["message"])[0] == 200
    info = webhook_info(sim)
    assert (info["max_connections"], info["allowed_updates"]) == (100, ["message"])
    sim.control("telegram", {"flood": True})
    assert 429 in [sim.tg("setWebhook", url=f"https://x.example/{i}")[0] for i in range(3)]


def test_each_chat_has_its_order_and_one_in_flight(sim, hooks):
    busy, both, peak = {}, threading.Lock(), [0]

    def reply(hook, update):
        chat = update["message"]["chat"]["id"]
        with both:
            busy[chat] = busy.get(chat, 0) + 1
            peak[0] = max(peak[0], busy[chat])
        time.sleep(0.01)
        with both:
            busy[chat] -= 1
        return 200
    hook = hooks(reply)
    for i in range(8):
        sim.control("messages", {"messages": [{"chat": chat, "text": str(i)} for chat in range(1, 11)]})
    sim.tg("setWebhook", url=hook.url, max_connections=4)
    sim.wait("webhook.delivered", min=80)
    for chat in range(1, 11):
        assert [u["message"]["text"] for u in hook.got if u["message"]["chat"]["id"] == chat] == [str(i) for i in range(8)]
    assert peak[0] == 1 and 2 <= hook.peak <= 4


def test_a_failing_chat_waits_longer_and_longer_and_the_others_go_on(sim, hooks):
    fails = [503, 500, "close", (200, {}), 200]
    hook = hooks(lambda hook, update: fails.pop(0) if update["message"]["chat"]["id"] == 5 else 204)
    sim.control("telegram", {"webhook_first_ms": 60, "webhook_cap_ms": 100})
    sim.tg("setWebhook", url=hook.url)
    begun = time.monotonic()
    sim.control("messages", {"chat": 5, "texts": ["a", "b"]})
    sim.wait("webhook.failed", min=1)
    assert webhook_info(sim)["last_error_message"] == "Wrong response from the webhook: 503 Service Unavailable"
    assert webhook_info(sim)["pending_update_count"] == 2 and abs(webhook_info(sim)["last_error_date"] - time.time()) < 5
    say(sim, 6, "other")
    sim.wait("webhook.delivered", min=3)
    assert time.monotonic() - begun > 0.06 + 0.1 + 0.1 - 0.01
    assert [t for t in hook.texts() if t != "other"] == ["a", "a", "a", "a", "b"] and hook.texts()[-1] == "b"
    tries = [(c["params"]["try"], c["status"], c["error"]) for c in sim.control("calls", side="webhook", chat=5)["calls"]]
    assert tries == [(1, 503, "Wrong response from the webhook: 503 Service Unavailable"), (2, 500, "Wrong response from the webhook: 500 Internal Server Error"),
                     (3, 0, "Connection closed"), (4, 200, None), (1, 200, None)]


def test_retry_after_is_kept_to(sim, hooks):
    replies = [(503, {"Retry-After": "1"}), 200]
    hook = hooks(lambda hook, update: replies.pop(0))
    sim.control("telegram", {"webhook_first_ms": 5})
    sim.tg("setWebhook", url=hook.url)
    begun = time.monotonic()
    say(sim, 5, "x")
    sim.wait("webhook.delivered", min=1)
    assert 0.9 < time.monotonic() - begun < 5


def test_silence_is_a_failure_and_so_is_nobody_there(sim, hooks):
    release = threading.Event()
    hook = hooks(lambda hook, update: 200 if len(hook.got) > 1 else release.wait(10) and 200)
    sim.control("telegram", {"webhook_timeout_ms": 80, "webhook_first_ms": 5})
    sim.tg("setWebhook", url=hook.url)
    say(sim, 5, "x")
    sim.wait("webhook.delivered", min=1)
    assert hook.texts() == ["x", "x"] and webhook_info(sim)["last_error_message"] == "Read timeout expired"
    release.set()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        nobody = s.getsockname()[1]
    sim.tg("setWebhook", url=f"http://127.0.0.1:{nobody}/")
    say(sim, 5, "y")
    sim.wait("webhook.failed", min=4)
    assert webhook_info(sim)["last_error_message"] == "Connection refused"
    hook.got.clear()
    sim.tg("setWebhook", url=hook.url.replace("127.0.0.1", "localhost"))
    sim.wait("webhook.delivered", min=2)
    assert hook.texts()[-1] == "y"


def test_what_was_delivered_may_come_again(sim, hooks):
    hook = hooks(lambda hook, update: (200, {"Transfer-Encoding": "chunked"}))
    sim.control("telegram", {"webhook_lose": 1, "webhook_first_ms": 5})
    sim.tg("setWebhook", url=hook.url)
    id = say(sim, 5, "x")["update_id"]
    sim.wait("webhook.delivered", min=1)
    assert hook.texts() == ["x", "x"]
    sim.control("redeliver", {"update_id": id})
    sim.wait("webhook.delivered", min=2)
    assert hook.got[0] == hook.got[-1] and len(hook.got) == 3
    assert sim.call("POST", "/control/redeliver", {"update_id": 5})[0] == 400
    sim.tg("deleteWebhook", drop_pending_updates=True)
    assert sim.call("POST", "/control/redeliver", {"update_id": id})[0] == 400


def test_a_webhook_taken_away_in_the_middle_leaves_the_rest_to_polling(sim, hooks):
    hook = hooks(lambda hook, update: 200 if update["message"]["chat"]["id"] == 6 else 500)
    sim.tg("setWebhook", url=hook.url)
    sim.control("messages", {"messages": [{"chat": 5, "text": "a"}, {"chat": 6, "text": "b"}, {"chat": 5, "text": "c"}]})
    sim.wait("webhook.delivered", min=1)
    sim.wait("webhook.failed", min=1)
    sim.tg("deleteWebhook")
    assert [u["message"]["text"] for u in sim.tg("getUpdates")[1]["result"]] == ["a", "c"]
    assert sim.tg("setWebhook", url=hook.url, drop_pending_updates=True)[0] == 200
    assert webhook_info(sim)["pending_update_count"] == 0
    hook.reply = lambda hook, update: time.sleep(0.2) or 200
    say(sim, 6, "in flight")
    sim.wait("webhook.tries", min=3)
    sim.control("reset", {})
    assert webhook_info(sim)["url"] == ""


# ---- OpenAI ----

def test_a_streamed_answer_is_complete_and_in_order(sim):
    events = sim.events("Ünïcode 😀 question [[deltas=12 reasoning=5 keepalive]]", metadata={"job": "1"})
    assert [e["sequence_number"] for e in events] == list(range(len(events)))
    names = [e["type"].removeprefix("response.") for e in events]
    assert names == (["created", "in_progress", "keepalive", "keepalive", "output_item.added", "output_item.done", "output_item.added", "content_part.added"]
                     + ["output_text.delta"] * 12 + ["output_text.done", "content_part.done", "output_item.done", "completed"])
    text = "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")
    assert text.startswith("Answer to «Ünïcode 😀 question»")
    final = events[-1]["response"]
    assert final["output"][1]["content"][0]["text"] == text == events[-4]["text"]
    assert final["metadata"] == {"job": "1"}
    usage = final["usage"]
    assert usage["output_tokens"] == (len(text.encode()) + 3) // 4 + 5
    assert usage["output_tokens_details"] == {"reasoning_tokens": 5}


TOOLS = [{"type": "web_search"}, {"type": "file_search", "vector_store_ids": ["vs_1"]}, {"type": "code_interpreter", "container": {"type": "auto"}}]


@pytest.mark.parametrize("late", ["", " late"])
def test_tools_are_called_and_their_sources_noted(sim, late):
    events = sim.events(f"Ünïcode 😀 [[search=1 lookup=1 compute=2 deltas=4{late}]]", tools=TOOLS)
    assert [e["sequence_number"] for e in events] == list(range(len(events)))
    final = events[-1]["response"]
    kinds = ["web_search_call", "file_search_call", "code_interpreter_call", "code_interpreter_call"]
    message = ["message"]
    assert [item["type"] for item in final["output"]] == (message + kinds if late else kinds + message)
    for index, item in enumerate(final["output"]):
        added, done = [e for e in events if e["type"] in ("response.output_item.added", "response.output_item.done") and e["output_index"] == index]
        assert added["item"]["id"] == done["item"]["id"] == item["id"] and done["item"] == item
        stages = [e["type"].rpartition(".")[2] for e in events if e.get("item_id") == item["id"] and "_call." in e["type"]]
        busy = "interpreting" if item["type"].startswith("code") else "searching"
        assert stages == ([] if item["type"] == "message" else ["in_progress", busy, "completed"])
    (part,) = next(item for item in final["output"] if item["type"] == "message")["content"]
    assert part["text"] == "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")
    url, file, made, _ = part["annotations"]
    assert part["annotations"] == [e["annotation"] for e in events if e["type"] == "response.output_text.annotation.added"]
    assert part["text"][url["start_index"]:url["end_index"]] == f"([example.com]({url['url']}))"
    assert file["type"] == "file_citation" and part["text"][made["start_index"]:made["end_index"]].startswith("[Download](sandbox:")
    assert sim.control("billed")["tools"] == {"web_search": 1, "file_search": 1, "code_interpreter": 1}


def test_only_tools_that_are_offered_are_called_and_no_more_than_is_allowed(sim):
    plain = sim.ask("x [[search=2 lookup=2]]")[1]
    assert [item["type"] for item in plain["output"]] == ["message"]
    bounded = sim.ask("x [[search=2 lookup=2]]", tools=TOOLS, max_tool_calls=3)[1]
    assert [item["type"] for item in bounded["output"]] == ["web_search_call"] * 2 + ["file_search_call", "message"]
    assert sim.control("billed")["tools"] == {"web_search": 2, "file_search": 1, "code_interpreter": 0}


def test_the_same_question_gets_the_same_answer(sim):
    a, b = sim.ask("Same?")[1], sim.ask([{"role": "user", "content": [{"type": "input_text", "text": "Same?"}]}])[1]
    assert a["output"][0]["content"] == b["output"][0]["content"] and a["id"] != b["id"]


def test_a_chain_costs_what_it_holds(sim):
    first = sim.ask("x" * 6000, instructions="i" * 40)[1]
    second = sim.ask("short", instructions="i" * 40, previous_response_id=first["id"])[1]
    u1, u2 = first["usage"], second["usage"]
    assert u1["input_tokens"] == 10 + 1500 + 3 and u1["input_tokens_details"] == {"cached_tokens": 0, "cache_write_tokens": 1408}
    assert u2["input_tokens"] == 10 + 1500 + u1["output_tokens"] + 2 + 3
    assert u2["input_tokens_details"]["cached_tokens"] == 1408
    billed = sim.control("billed")
    assert billed["responses"] == 2 and billed["input_tokens"] == u1["input_tokens"] + u2["input_tokens"]
    assert billed["by_model"]["m"]["output_tokens"] == u1["output_tokens"] + u2["output_tokens"]


def test_an_unknown_previous_response(sim):
    name = "resp_" + "1" * 48
    status, answer = sim.ask("x", previous_response_id=name)
    assert status == 400
    assert answer == {"error": {"message": f"Previous response with id '{name}' not found.", "type": "invalid_request_error",
                                "param": "previous_response_id", "code": "previous_response_not_found"}}
    assert sim.ai("GET", "/responses/" + name) == (404, {"error": {"message": f"Response with id '{name}' not found.",
                                                                   "type": "invalid_request_error", "param": None, "code": None}})


def test_what_was_not_stored_or_was_deleted_is_no_previous_response(sim):
    secret = sim.ask("x", store=False)[1]["id"]
    gone = sim.ask("x")[1]["id"]
    assert sim.ai("DELETE", "/responses/" + gone)[1]["deleted"] is True
    for name in (secret, gone):
        assert sim.ask("y", previous_response_id=name)[1]["error"]["code"] == "previous_response_not_found"
        assert sim.ai("GET", "/responses/" + name)[0] == 404


def test_requests_that_make_no_sense(sim):
    assert sim.ai("POST", "/responses", {"input": "x"})[1]["error"]["param"] == "model"
    assert sim.ai("POST", "/responses", {"model": "m"})[1]["error"]["param"] == "input"
    assert sim.ai("POST", "/responses", {"model": "m", "input": []})[0] == 400
    assert sim.ai("POST", "/responses", b"{nonsense")[0] == 400
    assert sim.ai("POST", "/responses", {"model": "dall-e-3", "input": "x"})[1]["error"]["code"] == "model_not_found"
    assert sim.ask("x", metadata={"a": 1})[0] == 400
    assert sim.ai("GET", "/nothing")[0] == 404
    sim.control("model", {"strict_models": True})
    assert sim.ask("x")[0] == 404


def test_ends_other_than_completed(sim):
    assert sim.ask("x [[status=failed code=rate_limit_exceeded]]")[1]["error"]["code"] == "rate_limit_exceeded"
    answer = sim.ask("x [[status=filter]]")[1]
    assert (answer["status"], answer["incomplete_details"]) == ("incomplete", {"reason": "content_filter"})
    answer = sim.ask("x [[words=100]]", max_output_tokens=16)[1]
    assert (answer["incomplete_details"], answer["usage"]["output_tokens"]) == ({"reason": "max_output_tokens"}, 16)
    answer = sim.ask("x [[reasoning=50]]", max_output_tokens=16)[1]
    assert answer["output"] == [] and answer["status"] == "incomplete"
    assert sim.ask("x [[refuse]]")[1]["output"][0]["content"][0]["type"] == "refusal"
    assert sim.ask("x [[empty]]")[1]["output"] == []
    assert sim.ask("x [[say=exactly **this**]]")[1]["output"][0]["content"][0]["text"] == "exactly **this**"
    assert [e["type"] for e in sim.events("x [[status=error]]")] == ["response.created", "response.in_progress", "error"]
    events = sim.events("x [[status=failed fail_after=3 deltas=9]]")
    assert [e["type"] for e in events].count("response.output_text.delta") == 3 and events[-1]["type"] == "response.failed"
    rows = sim.control("responses")["responses"]
    assert (rows[0]["question"], rows[0]["asked"]) == ("x", "x [[status=failed code=rate_limit_exceeded]]")
    assert sim.ask("[[nonsense]] stays")[1]["output"][0]["content"][0]["text"].startswith("Answer to «[[nonsense]] stays»")


def test_a_background_answer_needs_no_reader_and_can_be_replayed(sim):
    fault = sim.fault("openai", "reset_mid", after_events=7)
    got, how = sim.stream("POST", "/responses", {"model": "m", "stream": True, "background": True, "input": "Go [[deltas=20 delta_ms=5]]"})
    begun = parse(got)
    assert how == "reset" and len(begun) == 7 and begun[1]["type"] == "response.queued" and sim.fired(fault) == 1
    name = begun[0]["response"]["id"]
    rest, how = sim.stream("GET", f"/responses/{name}?stream=true&starting_after=6")
    rest = parse(rest)
    assert how == "end" and [e["sequence_number"] for e in begun + rest] == list(range(len(begun + rest)))
    assert parse(sim.stream("GET", f"/responses/{name}?stream=true")[0])[7:] == rest
    assert sim.ai("GET", f"/responses/{name}")[1] == rest[-1]["response"]
    sim.control("model", {"resume_max_ms": 0})
    assert sim.ai("GET", f"/responses/{name}?stream=true")[1]["error"]["message"].startswith("This response can no longer be streamed because it is more than 5 minutes old")


def test_a_dropped_foreground_stream_is_billed_and_gone(sim):
    c = sim.connection()
    c.request("POST", "/v1/responses", json.dumps({"model": "m", "stream": True, "input": "Bye [[deltas=1000 delta_ms=20]]"}), {"Authorization": "Bearer k"})
    r = c.getresponse()
    name = parse(r.read1(65536).split(b"\n\n")[0])[0]["response"]["id"]
    sim.wait("responses.open", min=1)
    r.close()
    c.close()
    sim.wait("openai.responses.dropped", min=1)
    assert sim.ai("GET", "/responses/" + name)[0] == 404
    row = sim.control("response", id=name)
    assert row["dropped"] and row["billed"] and row["usage"]["output_tokens"] < 100
    assert sim.control("billed")["responses"] == 1
    assert sim.control("counters")["streams"] == 0


def test_cancelling(sim):
    name = sim.ask("Stop [[deltas=1000 delta_ms=20]]", background=True)[1]["id"]
    assert sim.ai("GET", "/responses/" + name)[1]["status"] == "in_progress"
    first, second = (sim.ai("POST", f"/responses/{name}/cancel")[1] for _ in range(2))
    assert first["status"] == "cancelled" and first == second
    assert sim.control("response", id=name)["billed"]
    queued = sim.ask("Stop [[queue_ms=60000]]", background=True)[1]["id"]
    sim.ai("POST", f"/responses/{queued}/cancel")
    assert not sim.control("response", id=queued)["billed"]
    whole = sim.ask("x")[1]["id"]
    assert sim.ai("POST", f"/responses/{whole}/cancel")[0] == 400
    assert sim.ai("GET", f"/responses/{whole}?stream=true")[0] == 404


def test_a_cancelled_stream_just_ends(sim):
    join = later(sim.stream, "POST", "/responses", {"model": "m", "stream": True, "background": True, "input": "x [[deltas=1000 delta_ms=20]]"})
    sim.wait("streams", min=1)
    name = sim.control("responses")["responses"][0]["id"]
    sim.ai("POST", f"/responses/{name}/cancel")
    got, how = join()
    assert how == "end" and parse(got)[-1]["type"] != "response.completed"


def test_input_items_and_models(sim):
    name = sim.ask("x")[1]["id"]
    items = sim.ai("GET", f"/responses/{name}/input_items")[1]
    assert items["data"][0]["content"] == [{"type": "input_text", "text": "x"}] and items["has_more"] is False
    assert {"gpt-6.1-terra", "gpt-4o"} <= {m["id"] for m in sim.ai("GET", "/models")[1]["data"]}
    sim.control("model", {"models": ["a", {"id": "b", "shutdown_date": "2027-01-14"}]})
    assert sim.ai("GET", "/models/b")[1]["shutdown_date"] == "2027-01-14"
    assert sim.ai("GET", "/models/gpt-4o")[0] == 404


def test_compaction_shortens_the_chain(sim):
    long = sim.ask("x" * 8000)[1]
    events = sim.events("y", previous_response_id=long["id"], context_management=[{"type": "compaction", "compact_threshold": 1000}])
    assert events[-1]["response"]["output"][0]["type"] == "compaction"
    after = sim.ask("z", previous_response_id=events[-1]["response"]["id"])[1]
    assert after["usage"]["input_tokens"] < 200


# ---- faults ----

def test_faults_skip_count_and_match(sim, chat):
    fault = sim.fault("telegram", "status", {"method": "sendMessage", "chat": chat, "text": "bad"}, skip=1, times=2, status=500)
    send = lambda text: sim.tg("sendMessage", chat_id=chat, text=text)[0]  # noqa: E731
    assert [send(t) for t in ("good", "bad", "bad", "good", "bad", "bad")] == [200, 200, 500, 200, 500, 200]
    assert sim.fired(fault) == 2
    assert sim.control("chat", chat=chat)["sent"] == {"good": 2, "bad": 2}
    assert sim.control("counters")["counters"]["telegram.sendMessage"] == 4


def test_statuses_look_like_the_real_ones(sim, chat):
    sim.fault("telegram", "status", status=429, retry_after=14)
    status, answer, headers = sim.call("POST", f"/bot{TOKEN}/sendMessage", {"chat_id": chat, "text": "x"})
    assert (status, headers["Retry-After"]) == (429, "14")
    assert answer == {"ok": False, "error_code": 429, "description": "Too Many Requests: retry after 14", "parameters": {"retry_after": 14}}
    sim.fault("openai", "status", status=429, code="insufficient_quota", headers={"x-should-retry": "false"}, retry_after_ms=120)
    status, answer, headers = sim.call("POST", "/v1/responses", {"model": "m", "input": "x"}, {"Authorization": "Bearer k"})
    assert (status, headers["retry-after-ms"], headers["x-should-retry"]) == (429, "120", "false")
    assert answer["error"]["type"] == answer["error"]["code"] == "insufficient_quota"
    sim.fault("openai", "html502")
    status, answer, headers = sim.call("GET", "/v1/models", headers={"Authorization": "Bearer k"})
    assert status == 502 and headers["Content-Type"] == "text/html" and b"<h1>502 Bad Gateway" in answer


def test_answers_that_get_lost(sim, chat):
    for kind, executed in [("reset_before", 0), ("close_before", 0), ("lost_answer", 1)]:
        sim.fault("telegram", kind)
        with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)) as e:
            sim.tg("sendMessage", chat_id=chat, text=kind)
        if kind != "close_before":
            assert e.type is ConnectionResetError
        assert sim.control("chat", chat=chat)["sent"].get(kind, 0) == executed
    sim.fault("telegram", "executed_status", status=504)
    assert sim.tg("sendMessage", chat_id=chat, text="really")[0] == 504
    assert sim.control("chat", chat=chat)["sent"]["really"] == 1
    sim.fault("openai", "lost_answer")
    with pytest.raises(ConnectionResetError):
        sim.ask("lost", background=True)
    assert sim.control("responses")["responses"][0]["question"] == "lost"
    sim.fault("openai", "lost_answer")
    with pytest.raises(ConnectionResetError):
        sim.ask("lost too [[deltas=100 delta_ms=50]]", stream=True)
    sim.wait("openai.responses.dropped", min=1)


def test_streams_that_break_in_the_middle(sim):
    question = {"model": "m", "stream": True, "background": True, "input": "Break 😀 [[deltas=6]]"}
    whole, _ = sim.stream("POST", "/responses", question)
    sizes = len(whole)
    for kind, how in [("reset_mid", "reset"), ("fin_mid", "fin"), ("cut", "end")]:
        for after in (0, 1, 500, sizes - 1):
            sim.fault("openai", kind, after_bytes=after)
            got, end = sim.stream("POST", "/responses", question)
            assert (len(got), end) == (after, how), kind
    sim.fault("openai", "fin_mid", after_events=3)
    got, end = sim.stream("POST", "/responses", question)
    assert end == "fin" and len(parse(got)) == 3


def test_stalls_pieces_and_nonsense(sim):
    sim.fault("openai", "stall", after_events=4, ms=300)
    begun = time.monotonic()
    assert sim.events("x")[-1]["type"] == "response.completed"
    assert time.monotonic() - begun > 0.28
    for ms in (0, 1):
        sim.fault("openai", "dribble", bytes=61 if ms else 3, ms=ms)
        assert sim.events("Pieces 😀 [[deltas=3]]")[-1]["type"] == "response.completed"
    sim.fault("openai", "malformed", after_events=4)
    got, _ = sim.stream("POST", "/responses", {"model": "m", "stream": True, "input": "x"})
    assert b'"delta":"brok\n\n' in got and got.rstrip().endswith(b"}")
    sim.fault("openai", "malformed", body="{{{", after_bytes=10)
    c = sim.connection()
    c.request("POST", "/v1/responses", json.dumps({"model": "m", "input": "x"}), {"Authorization": "Bearer k"})
    assert c.getresponse().read().endswith(b"{{{")


def test_a_delayed_call_is_executed_later(sim, chat):
    sim.fault("telegram", "delay", ms=200)
    begun = time.monotonic()
    assert sim.tg("sendMessage", chat_id=chat, text="x")[0] == 200
    assert time.monotonic() - begun > 0.19
    sim.fault("telegram", "hang", ms=100)
    with pytest.raises(http.client.RemoteDisconnected):
        sim.tg("sendMessage", chat_id=chat, text="y")
    assert sim.control("chat", chat=chat)["sent"] == {"x": 1}


def test_faults_can_be_withdrawn(sim, chat):
    sim.fault("telegram", "status", status=500, times=-1)
    assert sim.tg("getMe")[0] == 500
    assert sim.call("DELETE", "/control/faults")[0] == 200
    assert sim.tg("getMe")[0] == 200


# ---- control ----

def test_waits_answer_when_it_holds(sim, chat):
    version = sim.control("chat", chat=chat)["version"]
    join = later(sim.control, "wait", **{"for": f"chat:{chat}", "after": version, "timeout_ms": 5000})
    sim.tg("sendMessage", chat_id=chat, text="one")
    assert join() == {"ok": True, "value": version + 1}
    assert sim.control("wait", **{"for": "text", "chat": chat, "equals": "one"})["ok"]
    assert sim.control("wait", **{"for": "text", "chat": chat, "contains": "two", "timeout_ms": 50}) == {"ok": False, "message_id": 0}
    assert sim.control("wait", **{"for": f"bot_messages:{chat}", "min": 1})["ok"]
    assert sim.control("wait", **{"for": "pending", "max": 0})["ok"]


def test_the_log_of_calls(sim, chat):
    sim.tg("sendMessage", chat_id=chat, text="one")
    sim.tg("sendMessage", chat_id=7, text="two")
    sim.ask("three")
    calls = sim.control("calls")["calls"]
    assert [(c["seq"], c["method"], c["status"], c["chat"]) for c in calls] == [
        (1, "sendMessage", 200, 42), (2, "sendMessage", 400, 7), (3, "POST /v1/responses", 200, 0)]
    assert calls[0]["params"] == {"chat_id": 42, "text": "one"} and calls[1]["error"] == "Bad Request: chat not found"
    assert [c["seq"] for c in sim.control("calls", since=1, side="telegram")["calls"]] == [2]
    assert [c["seq"] for c in sim.control("calls", chat=42)["calls"]] == [1]


def test_the_log_shows_what_made_no_sense(sim, chat):
    for body in (b'{"chat_id":42,"text":"a\xffb"}', b"{nonsense", b'{"chat_id":42,"text":"' + b"x" * 70000 + b'"}'):
        assert sim.call("POST", f"/bot{TOKEN}/sendMessage", body, {"Content-Type": "application/json"})[0] == 400
    params = [c["params"] for c in sim.control("calls")["calls"]]
    assert params[0] == {"broken": '{"chat_id":42,"text":"a\ufffdb"}'} and params[1] == {"broken": "{nonsense"} and len(params[2]["truncated"]) == 65536


def test_the_model_may_be_set_from_the_environment():
    sim = Sim(SIM_MODEL='{"deltas":3,"words":5}')
    try:
        for _ in range(2):
            assert [e["type"] for e in sim.events("x")].count("response.output_text.delta") == 3
            sim.control("reset", {})
    finally:
        sim.stop()


def test_reset_while_all_sorts_of_things_are_parked(sim):
    parked = [later(sim.tg, "getUpdates", timeout=10),
              later(sim.stream, "POST", "/responses", {"model": "m", "stream": True, "input": "x [[deltas=100 delta_ms=100]]"}),
              later(sim.ask, "x [[deltas=100 delta_ms=100]]"), later(sim.control, "wait", **{"for": "never", "min": 1})]
    sim.wait("telegram.getUpdates", min=1)
    sim.wait("responses.open", min=2)
    sim.control("reset", {})
    for join in parked:
        try:
            join()
        except (http.client.HTTPException, ConnectionError, AssertionError):
            pass
    assert sim.control("counters")["counters"] == {}
    assert sim.control("responses") == {"responses": [], "last": 0}


def test_sigterm_with_everything_open():
    sim = Sim()
    joins = [later(sim.tg, "getUpdates", timeout=30), later(sim.ask, "x [[deltas=100 delta_ms=100]]"), later(sim.control, "wait", **{"for": "never", "min": 1}),
             later(sim.stream, "POST", "/responses", {"model": "m", "stream": True, "background": True, "input": "x [[deltas=100 delta_ms=100]]"})]
    sim.fault("telegram", "hang", {"method": "getMe"})
    joins.append(later(sim.tg, "getMe"))
    sim.wait("telegram.getUpdates", min=1)
    sim.wait("responses.open", min=2)
    sim.wait("fired:1", min=1)
    begun = time.monotonic()
    sim.stop()
    assert time.monotonic() - begun < 3
    for join in joins:
        try:
            join()
        except (http.client.HTTPException, ConnectionError, AssertionError, json.JSONDecodeError):
            pass


def test_a_bad_setting_is_named():
    for name, value in [("SIM_LISTEN", "nonsense"), ("SIM_LISTEN", "127.0.0.1:99999"), ("LOG_LEVEL", "loud"), ("SIM_MODEL", "{"), ("SIM_MODEL", '{"deltas":-1}')]:
        done = subprocess.run([find_binary()], env={**os.environ, name: value}, capture_output=True, text=True, timeout=10)
        assert done.returncode == 78 and done.stderr.startswith(name) and done.stderr.count("\n") == 1 and done.stdout == ""


# ---- HTTP ----

def raw(sim, data, pieces=1, shut=False):
    with socket.create_connection(("127.0.0.1", sim.port), timeout=10) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        step = max(1, len(data) // pieces)
        for i in range(0, len(data), step):
            s.sendall(data[i:i + step])
            if pieces > 1:
                time.sleep(0.0005)
        got = b""
        while True:
            try:
                piece = s.recv(65536)
            except ConnectionResetError:
                return got
            if not piece:
                return got
            got += piece


def test_requests_in_single_bytes_in_chunks_and_in_a_row(sim):
    one = b"GET /control/health HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /control/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert raw(sim, one * 3 + last).count(b'{"ok":true}') == 4
    chunked = (b"POST /control/chat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
               b"5\r\n{\"cha\r\n6;x=y\r\nt\":42}\r\n0\r\nTrailer: 1\r\n\r\n")
    assert b'{"ok":true}' in raw(sim, chunked)
    assert b'{"ok":true}' in raw(sim, chunked, pieces=len(chunked))
    assert b'{"ok":true}' in raw(sim, b"GET /control/health HTTP/1.0\r\n\r\n")
    patient = b"POST /control/chat HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 11\r\nConnection: close\r\n\r\n{\"chat\":42}"
    assert b"100 Continue" in raw(sim, patient, pieces=len(patient))


@pytest.mark.parametrize("data, status", [
    (b"nonsense\r\n\r\n", 400), (b"GET x HTTP/1.1\r\n\r\n", 400), (b"GET / HTTP/2.0\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400), (b"POST / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413), (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400), (b"GET / HTTP/1.1\r\nA: " + b"x" * 70000 + b"\r\n\r\n", 431),
    (b"GET /\x00 HTTP/1.1\r\n\r\n", 400)])
def test_bad_requests_are_refused_and_the_connection_closed(sim, data, status):
    got = raw(sim, data)
    assert got == b"" or got.startswith(b"HTTP/1.1 %d" % status)
    assert sim.control("health") == {"ok": True}


def test_hundreds_of_streams_at_once(sim):
    body = json.dumps({"model": "m", "stream": True, "input": "Many [[deltas=10 delta_ms=20 first_ms=200]]"}).encode()
    request = b"POST /v1/responses HTTP/1.1\r\nAuthorization: Bearer k\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    sockets = [socket.create_connection(("127.0.0.1", sim.port), timeout=30) for _ in range(400)]
    for s in sockets:
        s.sendall(request)
    sim.wait("streams", min=400)
    for s in sockets:
        got = b""
        while piece := s.recv(65536):
            got += piece
        s.close()
        assert b'"type":"response.completed"' in got
    sim.wait("streams", max=0)
    assert sim.control("counters")["counters"]["openai.responses.completed"] == 400
