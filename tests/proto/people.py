"""What people do in the simulation, and what must become of it: a second book of each conversation, kept by what the scripts answered.

Texts in several messages, edits, presses of buttons, /stop and /new, retries, blocking and coming back, groups that get another id. The
book knows of each conversation the questions in their order, the text of each, and the turns of the dialogue; it is compared with
Redis after each step that changes it, and with what stands in the chats at the end."""
from collections import defaultdict

import calls
from engine import PREFIX, as_dict

SEAM = "+"
SAID = "You said. "
QUIET = ("joined", "same", "quiet", "other")      # answers after which nothing needs to be said


class Talk:
    """A conversation as it should be."""

    def __init__(self):
        self.epoch, self.last, self.last_job, self.parts = 0, 0, None, 0
        self.turns = []                           # of (job, answer, response or None)

    def head(self):
        return next((response for _, _, response in reversed(self.turns) if response), None)

    def chained(self):
        return max((n for n, turn in enumerate(self.turns, 1) if turn[2]), default=0)


class People:
    def meet(self):
        self.conversations = ["-100:7", "-100:9", "-200", "1", "2", "3"]
        self.moved = {}                           # group's id → the one it has got
        self.talks = defaultdict(Talk)
        self.texts_of = {}                        # job → its question, by parts
        self.open_until, self.asked_at = {}, {}   # job → tick, Telegram's seconds of its last part
        self.read = defaultdict(set)              # job → its question as the model was asked it
        self.may_stop = set()                     # jobs that somebody stopped who may
        self.replaced = {}                        # job → the one whose answer stands in place of its
        self.ever_gone = set()
        self.arrivals = []                        # (tick, conversation, what): parts on their way
        self.patient = []                         # (kind, conversation): who reads the answer first
        self.pace = self.dice.choice([.05, .02, .01])
        self.next_message = 10

    def now_called(self, conv):
        chat, colon, rest = conv.partition(":")
        return self.moved.get(chat, chat) + colon + rest

    def once_called(self, conv):
        chat, colon, rest = conv.partition(":")
        return {new: old for old, new in self.moved.items()}.get(chat, chat) + colon + rest

    def talk(self, conv):
        return self.talks[self.once_called(conv)]

    def first_of(self, job):
        """The job whose place in the chat this one's answer has."""
        while job in self.asked and "retried" in self.asked[job]:
            job = self.asked[job]["retried"]
        return job

    # ---- updates ----------------------------------------------------------------------------------------------------

    def send_update(self, conv, kind, **what):
        """An update for this conversation (by its first name) arrives at the bot."""
        update = self.next_update
        self.next_update += self.dice.choice([1, 1, 1, 7])
        now = self.now_called(conv)
        message = what.pop("message", None) or self.next_message
        self.next_message += 1
        what = {"kind": kind, "job": f"{update}-1795000000000", "conv": now, "chat": now.split(":")[0], "message": message, "accepted": None,
                "asked": self.tick // 200, "first": "llm", "rounds": "1", "user": self.dice.choice(["7", "8"]), **what}
        self.asked[what["job"]] = what
        self.waiting_updates[conv.split(":")[0]].append((update, what))
        return what

    def arrive(self):
        for due in [x for x in self.arrivals if x[0] <= self.tick]:
            self.arrivals.remove(due)
            self.send_update(due[1], "text", **due[2])

        if self.tick % 20 == 0:
            for kind, conv in [p for p in self.patient if not self.in_hand_of(self.now_called(p[1])) and not self.waiting_updates[p[1].split(":")[0]]]:
                self.patient.remove((kind, conv))
                getattr(self, "make_" + kind)(conv)

    def new_update(self):
        conv, dice = self.dice.choice(self.conversations), self.dice
        self.updates_left -= 1
        chat = self.now_called(conv).split(":")[0]
        if chat in self.telegram.gone_chats and dice.random() < .5:
            self.telegram.gone_chats.discard(chat)
            self.send_update(conv.split(":")[0], "back")
        for kind in ("command", "press", "retry", "edit", "long", "gone", "migrate"):
            if dice.random() < self.faults[kind]:
                if kind in ("retry", "edit") and dice.random() < .7:
                    self.patient.append((kind, conv))
                else:
                    getattr(self, "make_" + kind)(conv)
                return
        self.make_question(conv)

    def make_question(self, conv):
        kind = self.dice.choice(["text"] * 6 + ["tools", "tools", "voice", "picture", "greeting"])
        self.send_update(conv, kind, first="media" if kind in ("voice", "picture") else "llm",
                         rounds=str(self.dice.randrange(2, 4) if kind == "tools" else 1))

    def make_long(self, conv):
        """A text in two to four messages; some never come, some too late, some behind another's."""
        user, count, at = self.dice.choice(["7", "8"]), self.dice.randrange(2, 5), self.tick
        whole = self.dice.random() < .8
        for n in range(count if whole else count - 1):
            open_ms = self.dice.randrange(50, 600) if n + 1 < count else 0
            only = n > 0 and conv.startswith("-") and self.dice.random() < .5
            self.arrivals.append((at, conv, dict(user=user, open_ms=open_ms, only_join=only)))
            at += self.dice.choice([1, 5, 50, 200, 500])

    def make_command(self, conv):
        self.send_update(conv, self.dice.choice(["stop", "new"]))

    def recent(self, conv):
        mine = self.order[conv][-4:]
        return self.dice.choice(mine) if mine and self.dice.random() < .5 else mine[-1] if mine else ""

    def who(self, target):
        role = self.dice.random()
        user = self.asked[target]["user"] if target and role < .7 else self.dice.choice(["7", "8"])
        return dict(user=user, role="admin" if role > .93 else "")

    def make_press(self, conv):
        target = self.recent(conv) or "nothing"
        self.send_update(conv, "press stop", target=target, **self.who(target if target in self.asked else ""))

    def make_retry(self, conv):
        """Once or twice at once, by button or by word."""
        for _ in range(self.dice.choice([1, 1, 1, 2])):
            last = self.recent(conv)
            button = self.dice.random() < .6
            self.send_update(conv, "press retry" if button else "retry", target=(last or "nothing") if button else "", **self.who(last))

    def make_edit(self, conv):
        """Of the last question, or an older one; with another text, or not."""
        old = [what for what in self.asked.values() if what["kind"] == "text" and what["accepted"] in ("ok", "joined")
               and self.once_called(what["conv"]) == conv and "retried" not in what]
        if not old:
            return
        what = self.dice.choice(old[-3:]) if self.dice.random() < .4 else old[-1]
        text = {} if self.dice.random() < .7 else {"text": what.get("text", what["job"].split("-")[0])}
        self.send_update(conv, "text", user=what["user"], message=what["message"], edit="edit", **text)

    def make_gone(self, conv):
        chat = conv.split(":")[0]
        self.leave_chat(self.now_called(chat))
        self.send_update(chat, "gone")

    def leave_chat(self, chat):
        self.telegram.gone_chats.add(chat)
        self.ever_gone.add(self.once_called(chat))

    def make_migrate(self, conv):
        """The group gets another id; messages of the old one cannot be touched any more."""
        old = conv.split(":")[0]
        if old not in ("-100", "-200") or old in self.moved:
            return
        self.send_update(old, "migrate", old=old, new=old + "999")
        self.moved[old] = old + "999"
        if old in self.telegram.gone_chats:
            self.telegram.gone_chats.add(old + "999")
        for message in self.telegram.messages:
            if message["chat"] == old:
                message["there"] = False

    # ---- ingest -----------------------------------------------------------------------------------------------------

    def script_for(self, update, what):
        job, kind, conv = what["job"], what["kind"], what["conv"]
        about = dict(chat=what["chat"], user=what["user"], **({"role": "admin"} if what.get("role") else {}))
        button = dict(kind="press", callback="77") if kind.startswith("press") else dict(kind="line")
        if kind in ("stop", "new", "gone", "back", "press stop"):
            return calls.control(update, job, conv, kind.split()[-1], what.get("target", ""), **button, **about)
        if kind in ("retry", "press retry"):
            return calls.retry(update, job, conv, what["target"], **button, **about)
        if kind == "migrate":
            return calls.migrate(what["old"], what["new"])
        about.update(kind=kind, first=what["first"], rounds=what["rounds"], message=what["message"], asked=what["asked"])
        if kind == "greeting":
            return calls.accept(update, job, "", line="Hello!", **about)
        text = kind == "text"
        return calls.accept(update, job, conv, -1 if what.get("only_join") else 4, f"long:{what['user']}" if text and not what.get("edit") else "",
                            what.get("open_ms", 0), what.get("edit", ""), **about, text=what.get("text", job.split("-")[0]),
                            **({"seam": SEAM} if text else {}))

    def ingest(self, w):
        """In order, chat by chat; `unordered`: two of them take what comes as it comes, as when Telegram repeats itself."""
        while True:
            free = [c for c, waiting in self.waiting_updates.items() if waiting and (c not in self.polling or self.unordered)]
            if not free:
                yield ("idle",)
                continue
            chat = self.dice.choice(sorted(free))
            waiting = self.waiting_updates[chat]
            item = waiting[self.dice.randrange(min(3, len(waiting))) if self.unordered else 0]
            self.polling.add(chat)
            if "confirms_first" in self.bent:
                waiting.remove(item)
            try:
                yield from self.sure(self.script_for(*item))
            finally:
                self.polling.discard(chat)
            if item in waiting:
                waiting.remove(item)              # confirmed to Telegram

    # ---- the book ---------------------------------------------------------------------------------------------------

    def accepted(self, job, how):
        what = self.asked[job]
        if what["accepted"] not in (None, "other"):
            self.alarm("I1", f"{job} was accepted twice: {what['accepted']}, {how}")
        what["accepted"] = how
        return what

    def is_gone(self, chat):
        return self.redis.call("EXISTS", f"{PREFIX}gone:{chat}") == 1

    def saw_accept(self, command, answer, about):
        job, conv, open_ms, edit, fields = command[2], command[3], command[6], command[7], as_dict(command[9:])
        if answer == "dup":
            return
        if answer == "other":
            self.asked[job]["accepted"] = self.asked[job]["accepted"] or "other"
            return
        what = self.accepted(job, answer)
        if self.is_gone(fields["chat"]):
            self.alarm("I1", f"{job}: who speaks is not gone")
        self.stats["accept " + answer] += 1
        if conv:
            getattr(self, "accept_" + answer)(job, what, self.talk(conv), open_ms, edit, fields)

    def accept_ok(self, job, what, talk, open_ms, edit, fields):
        message = int(fields["message"])
        if edit and talk.last and (message < talk.last or (message == talk.last and (talk.parts or fields["text"] == self.question(talk.last_job)))):
            self.alarm("I1", f"{job}: the edit of {message} is asked although {talk.last} is the last")
        self.order[self.once_called(what["conv"])].append(job)
        self.texts_of[job] = [fields["text"]]
        self.open_until[job] = self.tick + open_ms if open_ms else 0
        self.asked_at[job] = fields["asked"]
        what["epoch"] = talk.epoch
        talk.last, talk.last_job, talk.parts = message, job, 0

    def accept_joined(self, job, what, talk, open_ms, edit, fields):
        question, message = talk.last_job, int(fields["message"])
        wrong = "edited" if edit else "too late" if self.open_until.get(question, 0) < self.tick else \
            "another's" if self.asked[question]["user"] != fields["user"] else "begun" if self.read[question] else \
            "out of order" if message < talk.last else "of another time" if int(fields["asked"]) - int(self.asked_at[question]) > 2 else \
            "stopped" if self.redis.call("HEXISTS", f"{PREFIX}job:{question}", "stop") else None
        if wrong:
            self.alarm("I1", f"{job} joined {question}: {wrong}")
        self.texts_of[question].append(fields["text"])
        self.open_until[question] = self.tick + open_ms if open_ms else 0
        self.asked_at[question] = fields["asked"]
        talk.last, talk.parts = message, talk.parts + 1

    def accept_same(self, job, what, talk, open_ms, edit, fields):
        if int(fields["message"]) != talk.last or talk.parts:
            self.alarm("I1", f"{job}: an edit of {fields['message']} taken for one of {talk.last}")
        if fields["text"] != self.question(talk.last_job):
            if self.read[talk.last_job]:
                self.alarm("I1", f"{job} changed {talk.last_job}, which the model has been asked")
            self.stats["changed while waiting"] += 1
            self.texts_of[talk.last_job] = [fields["text"]]

    def accept_old(self, job, what, talk, open_ms, edit, fields):
        if not edit or not (int(fields["message"]) < talk.last or talk.parts):
            self.alarm("I1", f"{job}: {fields['message']} is not older than {talk.last}")

    def accept_full(self, job, what, talk, open_ms, edit, fields):
        pass

    def question(self, job):
        return SEAM.join(self.texts_of[job])

    def in_hand_of(self, conv):
        return self.redis.call("HGET", f"{PREFIX}chat:{conv}", "job")

    def saw_control(self, command, answer, about):
        job, conv, does, target, fields = command[2], command[3], command[4], command[5], as_dict(command[7:])
        if answer == "dup":
            return
        spoken = does == "new" or answer in ("idle", "denied") and does == "stop" or "callback" in fields
        self.accepted(job, "ok" if spoken else "quiet")
        self.stats[f"{does} {answer}"] += 1
        if self.is_gone(fields["chat"]) != (does == "gone"):
            self.alarm("I1", f"{job}: after {does} the chat is marked wrong")
        running, talk = self.in_hand_of(conv), self.talk(conv)
        mine = running and (fields.get("role") == "admin" or self.asked[running]["user"] == fields["user"])
        if answer == "stopped":
            if target and (running != target or not mine):
                self.alarm("I1", f"{job}: the button of {target} stopped {running}")
            self.may_stop.add(running)
        elif running and not (target and (running != target or not mine)) and does != "back":
            self.alarm("I1", f"{job}: {does} of {target or 'what runs'} did nothing to {running}: {answer}")
        if does == "new":
            epoch = talk.epoch + 1
            self.talks[self.once_called(conv)] = talk = Talk()
            talk.epoch = epoch
            self.check_dialogue(conv)

    def saw_migrate(self, command, answer, about):
        for what in self.asked.values():
            if what["kind"] == "migrate" and what["old"] == command[1]:
                what["accepted"] = "quiet"

    def saw_stop(self, command, answer, about):
        self.may_stop.add(command[2])

    def saw_retry(self, command, answer, about):
        job, conv, target, fields = command[2], command[3], command[4], as_dict(command[6:])
        if answer == "dup":
            return
        what, talk = self.accepted(job, "ok"), self.talk(conv)
        last = talk.last_job
        self.stats["retry " + answer] += 1
        known = last and target in ("", last)
        mine = known and (fields.get("role") == "admin" or self.asked[last]["user"] == fields["user"])
        over = all(self.redis.call("HGET", f"{PREFIX}job:{one}", "ends") == "1" for one in self.order[self.once_called(conv)][-8:])
        right = "none" if not known else "denied" if not mine else "ok" if over else "busy"
        if answer != right:
            self.alarm("I1", f"{job}: {answer} instead of {right} for a retry of {target or 'the last'} in {conv}")
        if answer != "ok" or not last:
            return
        if conv != self.asked[last]["conv"]:
            self.stats["retried after a move"] += 1
        self.order[self.once_called(conv)].append(job)
        self.texts_of[job] = list(self.texts_of[last])
        if last in self.heard:                     # it is not heard again, and what was heard stands above the new answer as well
            self.heard.add(job)
            self.expected[job] = SAID
        what.update(conv=conv, epoch=talk.epoch, kind=self.asked[last]["kind"], message=self.asked[last]["message"], retried=last)
        self.replaced[last] = job
        if talk.turns and talk.turns[-1][0] == last:
            talk.turns.pop()
        talk.last_job = job
        self.check_dialogue(conv)

    def saw_turn(self, job, conv, question, answer, response):
        """A commit that may have added to the dialogue."""
        talk = self.talk(conv)
        if self.asked[job]["epoch"] != talk.epoch or not (question or answer):
            return
        if response:
            one = self.responses[response]
            while one.previous and self.responses[one.previous].job == job:
                one = self.responses[one.previous]
            if one.previous != talk.head():
                self.alarm("I3", f"{conv}: {response} of {job} continues {one.previous}, not {talk.head()}")
        talk.turns.append((job, answer, response or None))
        self.check_dialogue(conv)

    def check_dialogue(self, conv):
        """The conversation's hash against the book."""
        there, talk = as_dict(self.redis.call("HGETALL", f"{PREFIX}chat:{conv}")), self.talk(conv)
        turns, count = {int(k.split(":")[1]): v for k, v in there.items() if k.startswith("answer:")}, len(talk.turns)
        right = int(there.get("turns", 0)) == count and there.get("response") == talk.head() \
            and int(there.get("chained", 0)) == talk.chained() and max(turns, default=count) <= count \
            and all(talk.turns[n - 1][1] == answer for n, answer in turns.items()) and (not count or count in turns)
        if not right:
            self.alarm("I3", f"{conv} is {there}, not {talk.turns}")

    # ---- the judgement ----------------------------------------------------------------------------------------------

    def check_questions(self, jobs):
        """Each text stands in one question, whole and in order, and that is what the model was asked."""
        for job, told in jobs.items():
            if job not in self.texts_of:
                continue
            text = self.question(job)
            if told.get("text") != text or self.read[job] - {text}:
                self.alarm("I1", f"{job}: the question is {told.get('text')}, asked as {self.read[job]}, not {text}")
            if told.get("stop") and job not in self.may_stop:
                self.alarm("I1", f"{job} was stopped by nobody who may: {told['stop']}")
