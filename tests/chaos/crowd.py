"""The people of the storm: what they do, and a note of each deed for the judge.

Every question bears a mark ("q7 of 5001") that is in no other, so that its way can be told from the update to the last message.
"""
import collections
import time

from world import ADMIN

BOT = "@helper_ai_bot"
PRIVATE = range(5001, 5013)
MOODY = range(5101, 5104)                    # they block the bot and come back
GROUP, FORUM, TOPICS = -1001000001, -1001000002, (700007, 700008)          # topics: no message has such a number, or a reply to it would be none
SMALL, LARGE = -4501, -1001000003            # the group that becomes a supergroup in the middle
MEMBERS = {7001: "Ada", 7002: "Bob", 7003: "Eve"}
SILENT = range(20001, 20061)                 # they talked to the bot long ago
TALKER = 7009                                # talks in groups and never means the bot
HOW = ["", "[[deltas=5]]", "[[deltas=20 delta_ms=30]]", "[[deltas=60 delta_ms=20 words=400]]", "[[first_ms=700]]", "[[words=1200 deltas=40 delta_ms=10]]"]

Deed = collections.namedtuple("Deed", "what chat thread user update text message target at")


class Crowd:
    def __init__(self, world, random, tally, later):
        self.world, self.random, self.tally, self.later = world, random, tally, later
        self.deeds, self.count = [], collections.Counter()
        self.latest = {}                                         # (chat, thread, user) → the question he may still edit
        self.away, self.moved = set(), False
        self.to_confirm = None                                   # what the administrator has written to everybody
        world.control("chat", {"chat": SMALL, "type": "group"})
        for chat in (ADMIN, *PRIVATE, *MOODY, GROUP, FORUM, *SILENT):
            world.control("chat", {"chat": chat})

    def act(self):
        deeds = {self.ask: 52, self.ask_long: 2, self.edit: 6, self.press_stop: 9, self.press_retry: 8, self.command: 8, self.talk: 4,
                 self.odd_press: 1, self.block: 1.5, self.again: 2, self.broadcast: 1}
        self.random.choices(list(deeds), list(deeds.values()))[0]()

    # ---- who and where ----

    def place(self):
        """(chat, topic, user): who writes where."""
        kind = self.random.choices(["private", "moody", "group", "forum", "moving"], [45, 8, 20, 17, 10])[0]
        here = [chat for chat in MOODY if chat not in self.away]
        if kind in ("private", "moody"):
            chat = self.random.choice(PRIVATE if kind == "private" or not here else here)
            return chat, 0, chat
        user = self.random.choice(list(MEMBERS))
        return {"group": (GROUP, 0, user), "forum": (FORUM, self.random.choice(TOPICS), user), "moving": (LARGE if self.moved else SMALL, 0, user)}[kind]

    def everywhere(self):
        chats = [(chat, 0, chat) for chat in (*PRIVATE, *MOODY)]
        return chats + [(GROUP, 0, 7001), *((FORUM, topic, 7002) for topic in TOPICS), (LARGE if self.moved else SMALL, 0, 7003)]

    def who(self, chat, thread, user):
        more = {"chat": chat, "user": user, "name": MEMBERS.get(user, "Ada" if user > 0 else "Group")}
        return {**more, "thread": thread} if thread else more

    def mark(self, chat):
        self.count[chat] += 1
        return f"q{self.count[chat]} of {chat}"

    def note(self, what, place, update, text="", message=0, target=""):
        self.tally[what] += 1
        deed = Deed(what, *place, update, text, message, target, time.time())
        self.deeds.append(deed)
        return deed

    # ---- questions ----

    def ask(self, place=None, how=None, what="ask"):
        place = place or self.place()
        chat, thread, user = place
        text = f"{self.mark(chat)} {self.random.choice(HOW) if how is None else how}".strip()
        more = self.who(*place)
        if chat < 0:
            answers = [m for m in self.bot_messages(chat) if m["thread"] == thread]
            if answers and self.random.random() < 0.3:
                more["reply_to"] = self.random.choice(answers)["id"]
            else:
                text = f"{BOT} {text}"
        made = self.world.control("message", {**more, "text": text})
        self.latest[place] = self.note(what, place, made["update_id"], text, made["message_id"])

    def ask_long(self):
        """A text that the app has cut in three: in groups only its beginning names the bot."""
        place = chat, _, _ = self.place()
        mark, random = self.mark(chat), self.random
        texts = [f"{BOT} " * (chat < 0) + f"{mark}.1 ", f"{mark}.2 ", f"{mark}.3 and the end"]
        texts = [text + "word " * ((random.randint(4001, 4096) - len(text)) // 5 + 1) if n < 2 else text for n, text in enumerate(texts)]
        texts = [text[:4096].strip().ljust(4000, ".") if n < 2 else text for n, text in enumerate(texts)]
        made = self.world.control("messages", {"messages": [{**self.who(*place), "text": text} for text in texts]})
        for n, update in enumerate(made["update_ids"]):
            self.note("ask in parts" if not n else "further part", place, update, f"{mark}.{n + 1} ")
        self.latest.pop(place, None)

    def edit(self):
        asked = [deed for deed in self.latest.values() if deed.chat not in self.away and not (self.moved and deed.chat == SMALL)]
        if not asked:
            return
        deed = self.random.choice(asked[-6:])
        text = f"{BOT} " * (deed.chat < 0) + f"{self.mark(deed.chat)} {self.random.choice(HOW)}".strip()
        place = deed.chat, deed.thread, deed.user
        made = self.world.control("edit", {**self.who(*place), "message_id": deed.message, "text": text})
        self.latest[place] = self.note("edit", place, made["update_id"], text, deed.message)

    # ---- orders ----

    def command(self):
        place = chat, _, _ = self.place()
        word = self.random.choices(["stop", "retry", "new", "help"], [4, 4, 1, 1])[0]
        made = self.world.control("message", {**self.who(*place), "text": f"/{word}" + BOT * (chat < 0)})
        self.note("/" + word, place, made["update_id"], message=made["message_id"])

    def press_stop(self):
        """Whoever sees such a button; often he wants his answer after all."""
        pressed = self.press("stop")
        if pressed and self.random.random() < 0.5:
            self.later(self.random.uniform(0.3, 3), lambda: self.press("retry", [(pressed.chat, pressed.thread, pressed.user)], pressed.message))

    def press_retry(self):
        self.press("retry")

    def press(self, data, places=None, message=None):
        """In a group perhaps somebody presses whose answer it is not. None: no such button stands anywhere."""
        for chat, thread, user in places or self.random.sample(self.everywhere(), len(self.everywhere())):
            if chat in self.away or (chat == SMALL and self.moved):
                continue
            user = user if places or chat > 0 else self.random.choice(list(MEMBERS))
            try:
                made = self.world.control("press", {**self.who(chat, 0, user), "data": data, **({"message_id": message} if message else {})})
            except AssertionError:
                continue
            return self.note(f"press {data}", (chat, thread, user), made["update_id"], message=made["message_id"], target=made["data"].split()[1])
        return None

    def odd_press(self):
        """A button of long ago."""
        place = chat, _, _ = self.place()
        message = self.bot_messages(chat)[-1:]
        if message:
            made = self.world.control("callback", {**self.who(*place), "message_id": message[0]["id"], "data": "size 1024x1024"})
            self.note("odd press", place, made["update_id"])

    # ---- to everybody ----

    def broadcast(self):
        """The administrator writes to everybody, and presses the button as soon as it stands there; sometimes the other one."""
        if self.to_confirm:
            return
        self.tally["broadcast"] += 1
        self.to_confirm = f"news {self.tally['broadcast']} for **everybody**"
        self.world.control("message", {"chat": ADMIN, "user": ADMIN, "text": f"/broadcast {self.to_confirm}"})
        self.later(0.5, self.confirm)

    def confirm(self):
        if not self.to_confirm:
            return
        word = "send" if self.random.random() < 0.8 else "drop"
        try:
            self.world.control("press", {"chat": ADMIN, "user": ADMIN, "data": f"broadcast {word} "})
        except AssertionError:                                   # it does not stand there yet
            self.later(0.5, self.confirm)
            return
        self.to_confirm = None

    # ---- what is not for the bot, and who is not there ----

    def talk(self):
        chat = self.random.choice([GROUP, FORUM, LARGE if self.moved else SMALL])
        thread = self.random.choice(TOPICS) if chat == FORUM else 0
        made = self.world.control("message", {**self.who(chat, thread, TALKER), "text": f"idle words {len(self.deeds)}"})
        self.note("talk", (chat, thread, TALKER), made["update_id"])

    def block(self):
        here = [chat for chat in MOODY if chat not in self.away]
        if not here:
            return
        chat = self.random.choice(here)
        self.tally["block"] += 1
        self.away.add(chat)
        self.world.control("block", {"chat": chat, "blocked": True, "update": True})
        self.later(self.random.uniform(0.2, 4), lambda: self.unblock(chat))

    def unblock(self, chat):
        self.away.discard(chat)
        self.world.control("block", {"chat": chat, "blocked": False, "update": True})

    def migrate(self):
        self.moved = True
        self.world.control("migrate", {"chat": SMALL, "to": LARGE})

    def again(self):
        """Telegram brings an update that was taken. (Only a webhook gets it.)"""
        if self.deeds:
            try:
                self.world.control("redeliver", {"update_id": self.random.choice(self.deeds[-50:]).update})
                self.tally["brought again"] += 1
            except AssertionError:                               # it is on its way still, or it is fetched
                pass

    def bot_messages(self, chat):
        return [m for m in self.world.control(f"chat?chat={chat}&limit=20")["messages"] if m["from"] == "bot"]
