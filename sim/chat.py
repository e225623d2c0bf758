#!/usr/bin/env python3
"""The chat of `./gpttg demo`: what one types goes to the bot as a Telegram message, what the bot shows is shown here.

    chat.py http://127.0.0.1:PORT /path/of/redis.sock

A line that begins with ! presses the button of that text, or of a part of it: "!square".

In a terminal answers grow as they do in Telegram, and one may type on meanwhile. With piped input each line waits
until the one before is answered, only final texts are printed, and the end of input ends the program. An answer is
final when Redis says so: no conversation is busy and no entry is left."""
import http.client, json, os, select, shutil, socket, sys, time, unicodedata, urllib.parse

CHAT = 1                      # the demo's only user, who is its administrator too
PATIENCE_S = 60               # nothing moves for so long: something is broken
LONGEST = 4096                # UTF-16 units of one message


class Simulator:
    def __init__(self, url):
        self.http = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=10)

    def call(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        self.http.request(method, path, data, {"Content-Type": "application/json"} if data else {})
        answer = self.http.getresponse()
        text = answer.read()
        if answer.status == 400:
            raise ValueError(text)
        if answer.status != 200:
            raise OSError(f"the simulator answered {answer.status} to {path}: {text[:200]!r}")
        return text

    def say(self, text):
        """One message, or several where Telegram's apps would make several; the id of the last one."""
        while True:
            part = text.encode("utf-16-le")[:2 * LONGEST].decode("utf-16-le", "ignore")      # no half a character
            last, text = self.write(part), text[len(part):]
            if not text:
                return last

    def write(self, text):
        return json.loads(self.call("POST", "/control/message", {"chat": CHAT, "text": text, "name": "You"}))["message_id"]

    def press(self, text):
        """A button that stands there, by a part of its text. The id of the press, None for a key of the keyboard, which writes;
        ValueError: there is none."""
        named = [button["text"] for m in self.bot_messages() for row in (m.get("reply_markup") or {}).get("inline_keyboard", [])
                 for button in row if text.casefold() in button["text"].casefold()]
        wish = {"chat": CHAT, "text": named[-1] if named else text, "name": "You"}
        return json.loads(self.call("POST", "/control/press", wish)).get("callback_id")

    def is_heard(self, press):
        return any(p["id"] == press and p["answered"] for p in json.loads(self.call("GET", f"/control/presses?chat={CHAT}"))["presses"])

    def bot_messages(self):
        chat = json.loads(self.call("GET", f"/control/chat?chat={CHAT}&limit=50"))
        return [m for m in chat.get("messages", []) if m["from"] == "bot"]


class Redis:
    def __init__(self, path):
        self.path, self.socket = path, None

    def is_at_rest(self):
        """No conversation in hand, nothing on its way."""
        try:
            if not self.socket:
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.settimeout(5)
                self.socket.connect(self.path)
            self.socket.sendall(b"ZCARD gpttg:busy\r\nXLEN gpttg:media\r\nXLEN gpttg:llm\r\nXLEN gpttg:outbound\r\n")
            answers = b""
            while answers.count(b"\r\n") < 4:
                part = self.socket.recv(4096)
                if not part:
                    raise OSError("closed")
                answers += part
            return answers == b":0\r\n" * 4
        except OSError:                     # being started again: not at rest, and a new connection next time
            self.socket = None
            return False


def buttons_of(messages):
    """What stands under the newest message, as one line."""
    rows = (messages[-1].get("reply_markup") or {}).get("inline_keyboard", []) if messages else []
    return " ".join(f"[{button['text']}]" for row in rows for button in row)


class Screen:
    """A terminal: the message at the bottom grows in place."""
    def __init__(self):
        self.shown, self.bottom, self.buttons = {}, None, ""

    def rows_of(self, text):
        width = shutil.get_terminal_size().columns
        rows = 0
        for line in text.split("\n"):
            cells = sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in line)
            rows += max(1, -(-cells // width))
        return rows

    def erase_bottom(self):
        rows = self.rows_of("  " + self.shown[self.bottom])
        sys.stdout.write("\r\033[K" + "\033[A\033[K" * (rows - 1))

    def update(self, messages):
        self.buttons = buttons_of(messages)
        present = {m["id"] for m in messages}
        if self.bottom is not None and self.bottom not in present:
            self.erase_bottom()
            self.bottom = None
        for m in messages:
            text, old = m.get("text") or f"[{m.get('kind', 'message')}]", self.shown.get(m["id"])
            if text == old:
                continue
            if m["id"] == self.bottom and text.startswith(old):
                sys.stdout.write(text[len(old):])
            else:
                if m["id"] == self.bottom:
                    self.erase_bottom()
                else:
                    sys.stdout.write("\n" if self.bottom is not None else "\r\033[K")
                sys.stdout.write("  " + text)
                self.bottom = m["id"]
            self.shown[m["id"]] = text
        sys.stdout.flush()

    def user_typed(self, line):
        self.bottom = None                  # his line is the last one now

    def tell(self, line):
        print(line)
        self.bottom = None

    def prompt(self):
        if self.bottom is not None and self.buttons:
            sys.stdout.write(f"\n  \033[2m{self.buttons}\033[0m")
        sys.stdout.write(("\n\n" if self.bottom is not None else "\r") + "\033[1m> \033[0m")
        sys.stdout.flush()
        self.bottom = None


class Transcript:
    """Not a terminal: each final text once."""
    def __init__(self):
        self.shown, self.messages, self.shown_buttons = {}, [], None

    def update(self, messages):
        self.messages = messages

    def user_typed(self, line):
        print(f"you: {line}", flush=True)

    def tell(self, line):
        print(line, flush=True)

    def prompt(self):
        for m in self.messages:
            if self.shown.get(m["id"]) != m.get("text"):
                self.shown[m["id"]] = m.get("text")
                print(f"bot: {m.get('text') or '[' + m.get('kind', 'message') + ']'}", flush=True)
        if buttons_of(self.messages) and self.shown_buttons != (self.messages[-1]["id"], buttons_of(self.messages)):
            self.shown_buttons = self.messages[-1]["id"], buttons_of(self.messages)
            print(f"     {self.shown_buttons[1]}", flush=True)


def begin(simulator, line):
    """Write the line, or press the button that it names. Returns what says, of the bot's messages, whether it was answered."""
    if not line.startswith("!"):
        last = simulator.say(line)
    else:
        last = max((m["id"] for m in simulator.bot_messages()), default=0)
        press = simulator.press(line[1:].strip())
        if press:
            return lambda messages: simulator.is_heard(press)
    return lambda messages: any(m["id"] > last for m in messages)


def main():
    simulator, redis = Simulator(sys.argv[1]), Redis(sys.argv[2])
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    screen = Screen() if is_terminal else Transcript()
    simulator.call("POST", "/control/model", {"deltas": 25, "delta_ms": 60, "first_ms": 300} if is_terminal else {})
    if is_terminal:
        print("Type to the bot; !text presses a button. Ctrl-C ends it all. The model is a simple one; a longer answer: hello [[words=200 deltas=100]]\n")
    screen.prompt()

    pending, typed, at_end = b"", [], False
    waiting_for, moved_at, last_seen = None, 0.0, None      # says whether the last message, or press, was answered
    while True:
        if not at_end:
            ready, _, _ = select.select([0], [], [], 0 if typed and waiting_for is None else 0.05)
            if ready:
                part = os.read(0, 65536)
                at_end = not part
                *lines, pending = (pending + part + (b"\n" if at_end and pending else b"")).split(b"\n")
                typed += [line.decode("utf-8", "replace").strip() for line in lines if line.strip()]
                if is_terminal and lines and not typed and waiting_for is None:
                    screen.prompt()         # an empty line
        else:
            time.sleep(0.05)

        while typed and (is_terminal or waiting_for is None):
            line = typed.pop(0)
            screen.user_typed(line)
            try:
                waiting_for = begin(simulator, line)
            except ValueError:
                screen.tell("  there is no such button")
                continue
            moved_at = time.monotonic()

        messages = simulator.bot_messages()
        seen = [(m["id"], m.get("text")) for m in messages]
        if seen != last_seen:
            last_seen, moved_at = seen, time.monotonic()
            screen.update(messages)
        if waiting_for is not None:
            answered = waiting_for(messages)
            if answered and redis.is_at_rest():
                screen.update(simulator.bot_messages())     # what came between the two looks
                screen.prompt()
                waiting_for = None
            elif not answered and time.monotonic() - moved_at > PATIENCE_S:
                sys.exit(f"chat: no answer within {PATIENCE_S} s; the log may say why")
        if at_end and not typed and waiting_for is None:
            if is_terminal:
                print()
            return


try:
    main()
except (OSError, http.client.HTTPException) as problem:
    sys.exit(f"chat: the simulator is gone ({problem})")
