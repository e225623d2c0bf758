#!/usr/bin/env python3
"""The queue under siege: simulated services on the real scripts and a real Redis, one seed after the other.

    python3 tests/proto/simulate.py                    twenty seeds, about a minute
    python3 tests/proto/simulate.py --seeds 500        the long run
    python3 tests/proto/simulate.py --from 17 --seeds 1 -v    one seed again

Each worker is a generator; everything that leaves its process (a script, a request to OpenAI, a message to Telegram, a
transaction) is a yield, and the scheduler picks at random whose turn it is. So everything interleaves with everything. On top:

  crashes at any yield (what was under way may still happen, or happen later), SIGTERM with release;
  a reply lost, the command executed or not; the same command executed a second time much later;
  any pending entry claimed at any time, also from the living; pending lists lost; an auditor that is wrong;
  Redis killed with -9 in the middle of a command (every sixth seed, appendfsync always);
  OpenAI: answers lost, requests failing, responses failing half-way; Telegram: 429, 403, answers lost, messages deleted;
  /stop and /new at any time; several budgets, too small for the parallel chats that share them;
  what people do otherwise (people.py): texts in several messages, edits, buttons, retries, blocking, groups that move.

After some time the faults end, everything must come to rest, and the books are compared: what Telegram shows, what OpenAI
billed, what the database has, what Redis still holds. The invariants' names (I1 to I6) are those of the design."""
import argparse
import random
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import calls                                                                   # noqa: E402
from people import QUIET, SAID, People                                        # noqa: E402
from engine import PREFIX, RedisError, Scripts, Server, as_dict, make_groups, script_texts, timeless   # noqa: E402

LANDS_WITHIN = 150           # ticks: the deadline of an edit, after which it cannot come true any more
MOST_POSTS = 4               # requests per paid call
PART = 40                    # characters of a message
DAY_LIMIT = 1800             # per user; one answer costs up to 120
ADMIN = "admin"

FAULTS = dict(crash=.008, leave=.003, lost=.02, unsent=.02, late=.01, claim=.06, pending=.0006, wrong_audit=.002,
              post_lost=.03, post_refused=.04, response_fails=.05, send_lost=.03, send_429=.03, send_403=.0015, message_gone=.01,
              command=.06, press=.06, retry=.15, edit=.1, long=.12, gone=.02, migrate=.03, kill=0.0)


def hash_of(job):
    return int(job.split("-")[0]) * 7919 % 1009


class Lost(Exception):
    """No reply came: done or not, nobody knows."""


class Telegram:
    """What people see."""

    def __init__(self):
        self.messages = []                        # of dicts: chat, job, part, text, there, doubtful (its sender does not know of it)
        self.gone_chats = set()
        self.answered = Counter()                 # presses of buttons

    def send(self, chat, job, part, text):            # an id names one message in the whole of Telegram, which is kinder than life
        self.messages.append(dict(chat=chat, job=job, part=part, text=text, there=True, doubtful=True))
        return str(len(self.messages))

    def edit(self, message, text, job):
        found = self.messages[int(message) - 1]
        if not found["there"]:
            return "gone"
        found["text"], found["job"] = text, job
        return "ok"

    def delete(self, message):
        self.messages[int(message) - 1]["there"] = False
        return "ok"


class Response:
    """One paid request at OpenAI. `bill` is what it comes to in the end."""

    def __init__(self, name, job, call, previous, reserved, dice):
        self.name, self.job, self.call, self.previous = name, job, call, previous
        self.text = f"{name} says: " + " ".join(str(dice.randrange(1000)) for _ in range(dice.randrange(2, 12))) + ". "
        self.state, self.bill = "running", 0
        self.full = dice.randrange(20, max(20, min(120, reserved)) + 1)       # as max_output_tokens allows
        self.unknown_to_all = True                # until somebody who cannot forget it knows it

    def finish(self, state):
        if self.state == "running":
            self.state = state
            self.bill = {"completed": self.full, "failed": 0, "cancelled": self.full // 2}[state]


class Worker:
    def __init__(self, kind, name):
        self.kind, self.name = kind, name
        self.stream = kind if kind in ("media", "llm", "outbound", "ledger") else None
        self.entry = self.job = None              # in hand
        self.doubtful = False                     # something of ours may be pending that we do not know of
        self.unbooked = set()                     # responses that only this process knows of
        self.unmarked = set()                     # messages likewise
        self.steps = self.op = None
        self.since = 0
        self.leaving = False


def entry_of(found):
    entry, flat = found[0], found[1]
    return entry, as_dict(flat or [])


class Simulation(People):
    def __init__(self, seed, server, texts=None, bent=(), faults=None, updates=90, unordered=False):
        self.tick, self.draining, self.names = 0, False, 0
        self.unordered = unordered                # updates of a chat are accepted as they come (and no group moves: that is told in order)
        self.seed, self.dice, self.server, self.bent = seed, random.Random(seed), server, set(bent)
        self.faults = {**FAULTS, **(faults or {}), **({"migrate": 0} if unordered else {})}
        texts = dict(texts or script_texts())
        texts["wrong audit"] = texts["audit"].replace("local function lost(q, e)", "local function lost(q, e)\n  do return true end", 1)
        self.texts = timeless(texts)
        self.redis = server.connect()
        self.scripts = Scripts(self.redis, self.texts, lambda: 1_795_000_000_000 + self.tick)
        self.redis.call("FLUSHALL")
        make_groups(self.redis)
        self.redis.call("SADD", PREFIX + "admins", ADMIN)
        self.redis.call("SET", PREFIX + "spend:ready", 1)
        self.telegram, self.responses, self.database = Telegram(), {}, {}
        self.meet()
        self.updates_left = updates
        self.waiting_updates = {c.split(":")[0]: [] for c in self.conversations}      # at Telegram, by chat, in order
        self.polling = set()
        self.next_update = 1000
        self.asked = {}                           # job → what the update was
        self.order = defaultdict(list)            # conversation → its laned jobs as they were accepted
        self.heard = set()                        # whose answer begins with what was heard
        self.committed = Counter()                # (job, call) → commits that came true
        self.expected = defaultdict(str)          # job → text as it was committed
        self.lines_said = {}
        self.recorded = {}                        # (job, call) → response that Redis knows
        self.ambiguous = Counter()                # (job, part) → sends that nobody knows the fate of
        self.requests = Counter()
        self.deadlines = {}                       # message → tick until which an edit of it may land
        self.landing = []                         # (tick, what happens then)
        self.alarms = []
        self.stats = Counter()
        self.workers = []

    # ---- what a step does in the world ------------------------------------------------------------------------------

    def chance(self, fault):
        return not self.draining and self.dice.random() < self.faults[fault]

    def execute(self, op, worker):
        what, rest = op[0], op[1:]
        self.stats["steps"] += 1
        if what == "idle":
            return None
        if what in ("script", "redis"):
            return self.execute_redis(op)
        return getattr(self, "do_" + what)(worker, *rest)

    def execute_redis(self, op):
        if self.chance("kill"):
            self.stats["redis killed"] += 1
            if self.dice.random() < .7:
                self.send_only(op)
            self.server.kill()
            self.server.start()
            self.redis = self.server.connect()
            self.scripts.connection = self.redis
            raise Lost
        if self.chance("unsent"):
            self.stats["lost"] += 1
            raise Lost
        answer = self.run(op)
        if self.chance("lost"):
            self.stats["lost"] += 1
            raise Lost
        if op[0] == "script" and self.chance("late"):
            self.landing.append((self.tick + self.dice.randrange(1, 250), lambda: self.run_late(op)))
        return answer

    def send_only(self, op):
        """The command is on its way when Redis dies. Its effect is read from Redis afterwards, which has it or not; our own
        books follow by watching commits (see run), so nothing that moves a job on is sent this way."""
        if op[0] == "script" and op[1][0] in ("look", "say", "mark", "take", "unpark", "claim", "settled", "park", "release"):
            try:
                self.redis.send("EVAL", self.texts[op[1][0]], 2, PREFIX, self.scripts.clock(), *op[1][1:])
            except OSError:
                pass

    def run_late(self, op):
        self.stats["late"] += 1
        try:
            self.run(op)
        except RedisError:
            pass

    def run(self, op):
        if op[0] == "redis":
            return self.redis.call(*op[1:])
        command, about = op[1], op[2] if len(op) > 2 else {}
        answer = self.scripts.run(command)
        watch = getattr(self, "saw_" + command[0], None)
        if watch:
            watch(command, answer, about)
        return answer

    # ---- the books: what came true in Redis, also when nobody got the reply -----------------------------------------

    def saw_commit(self, command, answer, about):
        if answer != "ok":
            return
        queue, job, to, response, call = command[1], command[3], command[4], command[12], command[13]
        if queue != "outbound":
            self.committed[(job, call or about.get("step"))] += 1
            if self.committed[(job, call or about.get("step"))] > 1:
                self.alarm("I2", f"{job}: call {call} was committed twice")
        if "text" in about:
            self.expected[job] += about["text"]
            if about.get("heard"):
                self.heard.add(job)
        if about.get("paid"):
            self.known(about["paid"])
        conv = self.redis.call("HGET", f"{PREFIX}job:{job}", "conv")
        if conv:
            self.saw_turn(job, conv, command[10], command[11], response)

    def saw_begin(self, command, answer, about):
        job, call, lost = command[3], command[4], command[7]
        if answer[:2] == ["stop", "gone"]:
            self.may_stop.add(job)
        if answer[0] != "go":
            return
        there = self.recorded.get((job, call))
        if there and there != lost:
            self.alarm("I2", f"{job}: call {call} may be paid again although {there} is known")
        if there == lost:
            self.recorded.pop((job, call), None)
        for n in range(int(command[10])):
            period, limit = command[11 + 3 * n], command[12 + 3 * n]
            if limit != "":
                spent, held = self.redis.call("HMGET", PREFIX + "spend:" + period, "spent", "held")
                waste = sum(e["cost"] for e in self.database.values() if e["wasted"]) + 10_000 * (self.stats["wasted"] > 0)
                if int(spent or 0) + int(held or 0) > int(limit) + waste:
                    self.alarm("I5", f"{period}: {spent} spent and {held} held of {limit}")

    def saw_response(self, command, answer, about):
        if answer[0] == "ok" and answer[1] == command[5]:
            self.recorded[(command[3], command[4])] = command[5]
            self.known(command[5])

    def saw_mark(self, command, answer, about):
        if answer == ["ok"] and command[6] not in ("", "S") and self.telegram.messages[int(command[6]) - 1]["doubtful"]:
            self.telegram.messages[int(command[6]) - 1]["doubtful"] = False
        if answer[0] != "ok" and command[6] not in ("", "S"):
            self.telegram.messages[int(command[6]) - 1]["refused"] = True      # its sender deletes it, if he lives

    def saw_book(self, command, answer, about):
        self.stats["wasted"] += answer == "ok"
        self.known(about["paid"])

    def known(self, response):
        self.responses[response].unknown_to_all = False
        for worker in self.workers:
            worker.unbooked.discard(response)

    def alarm(self, which, text):
        self.alarms.append(f"{which} {text}")

    # ---- OpenAI -----------------------------------------------------------------------------------------------------

    def do_post(self, worker, job, call, previous, sync, reserved):
        self.requests[(job, call)] += 1
        self.stats["posts"] += 1
        if self.chance("post_refused") or hash_of(job) % 20 == 0:       # some are refused for ever
            return None
        name = f"resp_{len(self.responses) + 1}"
        made = self.responses[name] = Response(name, job, call, previous, reserved, self.dice)
        made.will_fail = not sync and self.chance("response_fails")
        if sync:
            made.finish("completed")
        if self.chance("post_lost"):
            raise Lost                            # nobody will ever know its id: the one thing that is not promised
        worker.unbooked.add(name)
        return name

    def do_get(self, worker, name):
        made = self.responses[name]
        if made.unknown_to_all:
            self.alarm("I5", f"{name} of {made.job} is waited for, but a crash would forget it")
        if self.dice.random() < .7 or self.draining:
            made.finish("failed" if made.will_fail else "completed")
        return made.state, made.bill

    def do_cancel(self, worker, name):
        self.responses[name].finish("cancelled")
        return self.responses[name].state, self.responses[name].bill

    # ---- Telegram ---------------------------------------------------------------------------------------------------

    def do_send(self, worker, chat, job, part, text):
        if chat in self.moved:
            return "moved"
        if chat != ADMIN and self.chance("send_403"):
            self.leave_chat(chat)
        if chat in self.telegram.gone_chats:
            return "403"
        if self.chance("send_429"):
            return "429"
        if self.chance("send_lost"):
            if self.dice.random() < .6:
                self.telegram.send(chat, job, part, text)
                self.stats["sends"] += 1
            raise Lost
        self.stats["sends"] += 1
        message = self.telegram.send(chat, job, part, text)
        self.telegram.messages[-1]["doubtful"] = False
        worker.unmarked.add(message)
        return message

    def do_edit(self, worker, message, text, job):
        if self.chance("message_gone"):
            self.telegram.delete(message)
        if self.chance("send_lost"):
            self.edit_later(worker, message, text, job)
            raise Lost
        return self.telegram.edit(message, text, job)

    def edit_later(self, worker, message, text, job):
        due = worker.since + LANDS_WITHIN
        if self.dice.random() < .6 and due > self.tick:
            self.landing.append((self.dice.randrange(self.tick, due), lambda: self.telegram.edit(message, text, job)))

    def do_answer(self, worker, job):
        self.telegram.answered[job] += 1
        if self.chance("send_lost"):
            raise Lost

    def do_delete(self, worker, message):
        return self.telegram.delete(message)

    def do_store(self, worker, events):
        for event in events:
            self.database.setdefault(event["event"], dict(cost=int(event["cost"]), user=event["user"], paid=event["paid"],
                                                          wasted=":wasted:" in event["event"]))

    # ---- what every service does ------------------------------------------------------------------------------------

    def sure(self, command, **about):
        """Asks until there is a reply: every script is safe to run twice."""
        while True:
            try:
                return (yield ("script", command, about))
            except Lost:
                if "retry_new_payload" in self.bent:
                    return "stale"

    def surely(self, *op):
        while True:
            try:
                return (yield op)
            except Lost:
                pass

    def in_hand(self):
        return {w.entry for w in self.workers if w.entry}

    def next_entry(self, w):
        stream, key = w.stream, PREFIX + w.stream
        if w.doubtful or self.dice.random() < (.3 if self.draining else .02):
            try:
                pending = yield ("redis", "XPENDING", key, stream, "-", "+", 20, w.name)
                w.doubtful = False
                for entry, *_ in pending if "own_never" not in self.bent else []:
                    taken = yield ("script", calls.claim(stream, w.name, "own:" + w.name, entry))
                    if taken:
                        return entry_of(taken[0])
            except Lost:
                w.doubtful = True
            return None
        if self.dice.random() < (.4 if self.draining else self.faults["claim"]):
            try:
                pending = yield ("redis", "XPENDING", key, stream, "-", "+", 50)
                living = {x.name for x in self.workers}
                others = [p for p in pending if (p[1] != w.name if not self.draining else p[1] not in living)]
                if others:
                    entry, owner = self.dice.choice(others)[:2]
                    self.stats["claims of the living" if owner in living else "claims"] += 1
                    taken = yield ("script", calls.claim(stream, w.name, "dead:" + owner, entry))
                    if taken:
                        return entry_of(taken[0])
            except Lost:
                w.doubtful = True
            return None
        try:
            found = yield ("redis", "XREADGROUP", "GROUP", stream, w.name, "COUNT", 1, "STREAMS", key, ">")
        except Lost:
            w.doubtful = True
            return None
        return entry_of(found[0][1][0]) if found else None

    def serve(self, w):
        """llm, media and outbound: read, work, again."""
        while True:
            found = yield from self.next_entry(w)
            if not found:
                yield ("idle",)
                continue
            w.entry, fields = found
            w.job = fields.get("job")
            yield from getattr(self, "work_" + w.kind)(w, w.entry, w.job)
            w.entry = w.job = None

    # ---- the paid work ----------------------------------------------------------------------------------------------

    def periods(self, user):
        return [("2026-11-22:" + user, DAY_LIMIT, 259200), ("2026-11:" + user, "", 6048000), ("2026-11:all", 3 * DAY_LIMIT, 6048000)]

    def usage(self, job, call, told, response, cost, wasted=""):
        return {"kind": "usage", "job": job, "chat": told.get("chat", ""), "user": told.get("user", ""), "at": "1",
                "event": f"{job}:{call}{wasted}", "cost": str(cost), "paid": response}

    def waste(self, w, job, call, told, response):
        """Paid for nothing: cancelled, and booked under the response's own name."""
        _, bill = yield from self.surely("cancel", response)
        if bill and "no_waste" not in self.bent:
            user = told.get("user", "")
            event = self.usage(job, call, told, response, bill, ":wasted:" + response)
            yield from self.sure(calls.book(event["event"], bill, [(p, keep) for p, _, keep in self.periods(user)], event), paid=response)
        self.known(response)

    def give_up(self, w, stream, entry, job, told, call, how, line, response="", cost=0, alert=""):
        """Often the turn enters the dialogue all the same, and the chain stays where it was."""
        turn = dict(question="?", answer=how) if stream == "llm" and hash_of(job) % 3 else {}
        events = [self.usage(job, call, told, response, cost)] if cost else []
        to = "end" if "dead_ends_itself" in self.bent and how == "dead" else "follow"
        yield from self.sure(calls.commit(stream, entry, job, to, how, line, "why", call=call, cost=cost, alert=alert, events=events, **turn,
                                          fields={"response:" + call: response} if "blind_end" not in self.bent else {}),
                             paid=response if cost else "", step=call)

    def work_llm(self, w, entry, job):
        answer = yield from self.sure(calls.take("llm", entry, job, w.name))
        if answer[0] not in ("live", "follow"):
            return
        told, chat = as_dict(answer[1]), as_dict(answer[2])
        self.read[job].add(told.get("text"))
        number = int(told.get("round", 0))
        call, base = str(number), int(told.get("said", 0))
        previous = told.get(f"response:{number - 1}") if number else chat.get("response")
        if number and not previous:
            previous = chat.get("response")
        nth, lost = int(told.get("posts:" + call, 0)) + 1, ""
        while True:
            answer = yield from self.sure(calls.begin("llm", entry, job, call, nth, MOST_POSTS, lost, 150, 30, self.periods(told["user"]),
                                                       w.name))
            says = answer[0]
            if says == "stale":
                return
            if says == "stop":
                cost = 0
                if answer[2]:
                    _, cost = yield from self.surely("cancel", answer[2])
                yield from self.give_up(w, "llm", entry, job, told, call, "stopped", "Stopped.", answer[2], cost)
                return
            if says == "spent":
                yield from self.give_up(w, "llm", entry, job, told, call, "dead", "Sorry.", lost, alert="openai")
                return
            if says == "over":
                yield from self.give_up(w, "llm", entry, job, told, call, "refused", "Budget.", lost)
                return
            if says in ("held", "wait", "unready"):
                yield from self.sure(calls.park("llm", entry, job, 20))
                return
            if says == "known":
                response = answer[1]
            else:
                nth, lost = nth + 1, ""
                try:
                    response = yield ("post", job, call, previous, False, int(answer[1]))
                except Lost:
                    continue
                if response is None:                           # refused, nothing was spent
                    if self.dice.random() < .5:
                        yield from self.sure(calls.park("llm", entry, job, self.dice.randrange(60), "1"))
                        return
                    continue
                if "response_unrecorded" not in self.bent:
                    answer = yield from self.sure(calls.response("llm", entry, job, call, response))
                    if answer[0] == "stale":
                        if answer[1] != response or "stale_is_waste" in self.bent:
                            yield from self.waste(w, job, call, told, response)
                        return
                    if answer[1] != response:                  # another one was first
                        if "loser_keeps_quiet" not in self.bent:
                            yield from self.waste(w, job, call, told, response)
                        else:
                            yield from self.surely("cancel", response)
                            self.known(response)
                        response = answer[1]
            ended = yield from self.stream(w, entry, job, told, call, number, base, response)
            if not ended:
                return
            lost = response                                    # it has failed, at no cost
            if self.dice.random() < .3:
                yield from self.sure(calls.park("llm", entry, job, self.dice.randrange(60), "1"))
                return

    def stream(self, w, entry, job, told, call, number, base, response):
        """The answer grows and is committed. True: the response has failed."""
        text, said = self.responses[response].text, 0
        for _ in range(self.dice.randrange(0, 9)):
            step = self.dice.choice(["say", "say", "look"])
            if step == "say" and said < len(text):
                more = text[said:said + self.dice.randrange(1, 15)]
                try:
                    length = yield ("script", calls.say("llm", entry, job, base + said, more, *(() if "anybody_says" in self.bent else (call, response))))
                except Lost:
                    continue
                if length < 0:
                    return False
                if length < base + said:                       # begun again by another one
                    return False
                said = min(length - base, len(text))
            elif step == "look":
                try:
                    is_, stop = (yield ("script", calls.look("llm", w.name, (entry, job, ""))))[:2]
                except Lost:
                    continue
                if is_ in ("stale", "lost"):
                    return False
                if stop:
                    _, cost = yield from self.surely("cancel", response)
                    yield from self.give_up(w, "llm", entry, job, told, call, "stopped", "Stopped.", response, cost)
                    return False
        while True:
            state, bill = yield from self.surely("get", response)
            if state != "running":
                break
        if state == "failed":
            return True
        if state == "cancelled":                               # by one who gives the job up, or gave it up
            yield from self.give_up(w, "llm", entry, job, told, call, "stopped", "Stopped.", response, bill)
            return False
        last = number + 1 >= int(told.get("rounds", 1))        # a retry does not remember them
        more = dict(question="?", answer=text[:9], response=response) if last else dict(fields={"round": number + 1, "response:" + call: response})
        yield from self.sure(calls.commit("llm", entry, job, "follow" if last else "llm", length=base + said, rest=text[said:], call=call,
                                          cost=bill, events=[self.usage(job, call, told, response, bill)], **more),
                             paid=response, text=text)
        return False

    def work_media(self, w, entry, job):
        """A voice or a picture: one call that answers at once and has no id of its own."""
        answer = yield from self.sure(calls.take("media", entry, job, w.name))
        if answer[0] not in ("live", "follow"):
            return
        told = as_dict(answer[1])
        nth = int(told.get("posts:m", 0)) + 1
        while True:
            answer = yield from self.sure(calls.begin("media", entry, job, "m", nth, MOST_POSTS, "", 150, 30, self.periods(told["user"]),
                                                       w.name))
            says = answer[0]
            if says == "stale":
                return
            if says in ("held", "wait", "unready"):
                yield from self.sure(calls.park("media", entry, job, 20))
                return
            if says != "go":
                how, line = {"stop": ("stopped", "Stopped."), "spent": ("dead", "Sorry."), "over": ("refused", "Budget.")}[says]
                yield from self.give_up(w, "media", entry, job, told, "m", how, line)
                return
            nth += 1
            try:
                response = yield ("post", job, "m", None, True, int(answer[1]))
            except Lost:
                continue
            if response:
                break
        bill, voice = self.responses[response].bill, told["kind"] == "voice"
        said = SAID if voice else "A picture."
        fields = {"paid:m": response, **({"heard": "1"} if voice else {"blob": "x"})}
        says = yield from self.sure(calls.commit("media", entry, job, "llm" if voice else "follow", call="m", cost=bill, fields=fields,
                                                 rest=said,
                                                 events=[self.usage(job, "m", told, response, bill)]),
                                    paid=response, text=said, heard=voice)
        if says == "stale":                                    # by us, when that reply was lost, or by another one?
            there = yield from self.surely("redis", "HGET", PREFIX + "job:" + job, "paid:m")
            if there != response:
                yield from self.waste(w, job, "m", told, response)
        w.unbooked.discard(response)

    # ---- outbound: follow, and deliver ------------------------------------------------------------------------------

    def parts_of(self, job, told, text):
        how = told.get("how", "")
        if told.get("line") and how != "":
            return [told["line"]] if how != "stopped" or not text else [text[:PART] + " (stopped)"]
        if not told.get("conv"):
            return [told.get("line", "?")]
        return [text[i:i + PART] for i in range(0, len(text), PART)] or ["(nothing)"]

    def work_outbound(self, w, entry, job):
        answer = yield from self.sure(calls.take("outbound", entry, job, w.name))
        if answer[0] not in ("live", "follow"):
            return
        told, text = as_dict(answer[1]), answer[3]
        taken_at = self.tick
        w.chat = told.get("chat", "")
        if told.get("callback"):
            try:
                yield ("answer", job)
            except Lost:
                pass                              # once per try, and whatever comes of it is the end
            yield from self.sure(calls.commit("outbound", entry, job, "end", "done"))
            return
        found = {n[5:]: v for n, v in told.items() if n.startswith("part:")}
        doubtful = {part for part, v in found.items() if v != "S"}         # an edit by the one before us may still land
        if answer[0] == "follow":
            if not (yield from self.follow(w, entry, job, found, doubtful, text)):
                return
            answer = yield from self.sure(calls.take("outbound", entry, job, w.name))
            if answer[0] != "live":
                return
            told, text = as_dict(answer[1]), answer[3]
            found.update({n[5:]: v for n, v in told.items() if n.startswith("part:")})
        parts = self.parts_of(job, told, text)
        self.lines_said[job] = parts
        for n, final in enumerate(parts):
            says = yield from self.show(w, entry, job, str(n), final, found, doubtful)
            if says == "stale":
                return
            if says == "429":
                yield from self.sure(calls.park("outbound", entry, job, self.dice.randrange(60)))
                return
            if says == "403":
                yield from self.sure(calls.commit("outbound", entry, job, "end", "undeliverable"))
                return
        for part in sorted(p for p in found if p.isdigit() and int(p) >= len(parts) and found[p] not in ("", "S")):
            if "surplus_stays" in self.bent:
                break
            yield from self.surely("delete", found[part])      # of a longer answer, in whose place this one stands
            if (yield from self.sure(calls.mark(entry, job, w.name, part, found[part], "")))[0] == "stale":
                return
        while doubtful & set(map(str, range(len(parts)))) and self.tick <= taken_at + LANDS_WITHIN + 5 and "no_second_edit" not in self.bent:
            yield ("idle",)
        for part in sorted(doubtful if "no_second_edit" not in self.bent else ()):       # once more, after everything has landed
            if found.get(part, "S") != "S" and int(part) < len(parts):
                while self.tick <= self.deadlines.get(found[part], 0):
                    yield ("idle",)
                try:
                    yield ("edit", found[part], parts[int(part)], job)
                except Lost:
                    self.deadlines[found[part]] = self.tick + LANDS_WITHIN
        yield from self.sure(calls.commit("outbound", entry, job, "end", told.get("how") or "done"))

    def follow(self, w, entry, job, found, doubtful, text):
        """Shows what there is until it is our turn. True: it is."""
        known, draft = len(text), None
        while True:
            yield ("idle",)
            try:
                is_, stop, number, length, more, _ = yield ("script", calls.look("outbound", w.name, (entry, job, known)))
            except Lost:
                continue
            if is_ in ("stale", "lost"):
                return False
            if is_ == "live":
                return True
            if "naive_follower" in self.bent:
                yield from self.sure(calls.commit("outbound", entry, job, "end", "done"))
            if draft is not None and number != draft:
                text, known, draft = "", 0, number
                continue
            draft, text = number, text + more
            known = len(text)
            if text and self.dice.random() < .5 and not stop:
                partial = text[:PART]
                says = yield from self.show(w, entry, job, "0", partial, found, doubtful, once=True)
                if says == "stale":
                    return False
                if says == "403":
                    if (yield from self.sure(calls.stop(entry, job))) == "stale":
                        return False

    def show(self, w, entry, job, part, text, found, doubtful, once=False):
        """One part, sent or edited: '' | 'stale' | '429' | '403'. `once`: an edit that need not succeed."""
        while True:
            there = found.get(part, "")
            if there not in ("", "S"):
                w.since = self.tick
                try:
                    if (yield ("edit", there, text, job)) == "ok":
                        return ""
                except Lost:
                    doubtful.add(part)
                    self.deadlines[there] = w.since + LANDS_WITHIN
                    if once:
                        return ""
                    while self.tick <= self.deadlines[there]:
                        yield ("idle",)
                    continue
                answer = yield from self.sure(calls.mark(entry, job, w.name, part, there, "S"))
                if answer[0] == "stale":
                    return "stale"
                found[part] = "S" if answer[0] == "ok" else answer[1]
                if answer[0] == "no":
                    continue
            elif there == "":
                if "no_mark" in self.bent:
                    answer = ["ok"]
                else:
                    answer = yield from self.sure(calls.mark(entry, job, w.name, part, "", "S"))
                if answer[0] == "stale":
                    return "stale"
                if answer[0] == "no":
                    found[part] = answer[1]
                    continue
                found[part] = "S"
            else:
                self.ambiguous[(job, part)] += 1               # marked, no id: it may be there already
            while True:
                w.since = self.tick
                try:
                    answer = yield ("send", w.chat, job, part, text)
                    if answer != "moved":
                        break
                    yield from self.sure(calls.migrate(w.chat, self.moved[w.chat]))
                    w.chat = self.moved[w.chat]
                except Lost:
                    self.ambiguous[(job, part)] += 1
            if answer in ("429", "403"):                       # certainly not sent
                yield from self.sure(calls.mark(entry, job, w.name, part, "S", ""))
                found[part] = ""
                return answer if not once or answer == "403" else ""
            says = ["ok"]
            if "no_mark" not in self.bent:
                says = yield from self.sure(calls.mark(entry, job, w.name, part, "S", answer))
            if says[0] == "ok":
                w.unmarked.discard(answer)
                found[part] = answer
                return ""
            if "keeps_refused" not in self.bent:
                yield from self.surely("delete", answer)
            w.unmarked.discard(answer)
            if says[0] == "stale":
                return "stale"
            found[part] = says[1]

    # ---- the rest of the house --------------------------------------------------------------------------------------

    def ledger(self, w):
        while True:
            found = yield from self.next_entry(w)
            if not found:
                yield ("idle",)
                continue
            w.entry, event = found
            if event and "event" in event:
                if "ledger_acks_first" in self.bent:
                    yield from self.sure(calls.settled(w.entry))
                yield ("store", [event if "stream_ids" not in self.bent else {**event, "event": f"{w.entry} {len(self.database)}"}])
            yield from self.sure(calls.settled(w.entry))
            w.entry = None

    def keeper(self, w):
        """Parked jobs come back, the auditor looks, the gone leave the books."""
        while True:
            for command in (calls.unpark(10), calls.audit(0, 50) if "no_audit" not in self.bent else calls.unpark(1)):
                try:
                    answer = yield ("script", command)
                    if command[0] == "audit" and answer:
                        self.stats["audit repairs"] += answer
                except Lost:
                    pass
                yield ("idle",)
            try:
                for name in (yield ("redis", "HKEYS", PREFIX + "workers")):
                    if name not in {x.name for x in self.workers}:
                        yield ("script", calls.reap(name.split("-")[0], name))
            except (Lost, RedisError):
                pass
            for _ in range(8):
                yield ("idle",)

    def leave(self, w):
        """SIGTERM: what is in hand is handed back."""
        if w.entry and w.stream != "ledger":
            yield from self.sure(calls.release(w.stream, w.entry, w.job))
        w.entry = None

    # ---- the scheduler ----------------------------------------------------------------------------------------------

    def hire(self, kind):
        self.names += 1
        w = Worker(kind, f"{kind}-{self.names}")
        if w.stream:
            self.redis.call("HINCRBY", PREFIX + "workers", w.name, 1)
        w.steps = getattr(self, kind if kind in ("ingest", "ledger", "keeper") else "serve")(w)
        w.op = next(w.steps)
        return w

    def replace(self, i):
        kind = self.workers[i].kind
        self.workers[i].steps.close()
        self.stats["forgotten"] += len(self.workers[i].unbooked)
        for message in self.workers[i].unmarked:               # he alone knew of it
            self.telegram.messages[int(message) - 1]["doubtful"] = True
        self.workers[i] = self.hire(kind)

    def crash(self, i):
        w = self.workers[i]
        self.stats["crashes"] += 1
        if w.op[0] != "idle" and self.dice.random() < .5:      # it was on its way
            try:
                op = w.op
                if op[0] == "edit":
                    self.edit_later(w, *op[1:])
                elif op[0] == "script" and self.dice.random() < .3 and self.faults["late"]:
                    self.landing.append((self.tick + self.dice.randrange(1, 100), lambda: self.run_late(op)))
                else:
                    self.execute(op, w)
            except (Lost, RedisError):
                pass
        self.replace(i)

    def wrong_audit(self):
        self.stats["wrong audits"] += 1
        self.run(("script", ["wrong audit", 0, 50]))

    def lose_pendings(self):
        """Somebody deletes a consumer by hand. (Not one that holds a direct job's entry: nobody would find that again.)"""
        stream = self.dice.choice(["media", "llm", "outbound"])
        pending = self.redis.call("XPENDING", PREFIX + stream, stream, "-", "+", 50)
        direct = {p[1] for p in pending for e in self.redis.call("XRANGE", PREFIX + stream, p[0], p[0]) if not as_dict(e[1]).get("conv")}
        names = sorted({p[1] for p in pending} - direct)
        if names:
            self.stats["pendings lost"] += 1
            name = self.dice.choice(names)
            self.redis.call("XGROUP", "DELCONSUMER", PREFIX + stream, stream, name)
            for i, w in enumerate(self.workers):
                if w.name == name and self.dice.random() < .5:     # and he who has it in hand dies as well
                    self.crash(i)

    def step(self, i):
        w = self.workers[i]
        try:
            answer = self.execute(w.op, w)
        except Lost as lost:
            act, word = w.steps.throw, lost
        else:
            act, word = w.steps.send, answer
        try:
            w.op = act(word)
            if w.op[0] in ("edit", "send"):
                w.since = self.tick
        except StopIteration:                                  # it has left
            self.replace(i)

    def play(self):
        dice = self.dice
        staff = ["ingest"] * 2 + ["llm"] * 4 + ["media"] * 2 + ["outbound"] * 5 + ["ledger"] * 2 + ["keeper"]
        self.workers = []
        self.workers = [self.hire(kind) for kind in staff]
        limit = 60_000
        while self.tick < limit:
            self.tick += 1
            if self.updates_left and dice.random() < self.pace:
                self.new_update()
            self.arrive()
            if not self.updates_left and not self.draining and dice.random() < .001:
                self.draining = True
            if self.landing:
                due = [x for x in self.landing if x[0] <= self.tick]
                self.landing = [x for x in self.landing if x[0] > self.tick]
                for _, happens in due:
                    happens()
            i = dice.randrange(len(self.workers))
            for k, w in enumerate(self.workers):               # what is under way to Telegram has a deadline
                if w.op[0] in ("edit", "send") and self.tick - w.since >= LANDS_WITHIN:
                    i = k
            if self.chance("crash"):
                self.crash(i)
                continue
            w = self.workers[i]
            if self.chance("leave") and w.stream and not w.leaving and not w.unbooked and w.op[0] != "post":
                self.stats["left"] += 1
                w.steps.close()
                w.leaving, w.steps = True, self.leave(w)
                try:
                    w.op = next(w.steps)
                except StopIteration:
                    self.replace(i)
                continue
            if self.chance("pending"):
                self.lose_pendings()
            if self.chance("wrong_audit"):
                self.wrong_audit()
            self.step(i)
            if self.draining and self.tick % 100 == 0 and self.at_rest():
                break
        self.check()
        self.redis.close()
        return self.alarms

    def at_rest(self):
        if any(self.waiting_updates.values()) or self.landing or self.arrivals or self.patient or any(w.entry for w in self.workers):
            return False
        return not any(self.redis.call("XLEN", PREFIX + s) for s in ("media", "llm", "outbound", "ledger")) \
            and not self.redis.call("ZCARD", PREFIX + "busy") and not self.redis.call("ZCARD", PREFIX + "later")

    # ---- the judgement ----------------------------------------------------------------------------------------------

    def check(self):
        if not self.at_rest():
            left = {s: self.redis.call("XLEN", PREFIX + s) for s in ("media", "llm", "outbound", "ledger", "dead")}
            busy = self.redis.call("ZRANGE", PREFIX + "busy", 0, -1)
            self.alarm("I4", f"it never came to rest: {left}, busy {busy}, later {self.redis.call('ZRANGE', PREFIX + 'later', 0, -1)}")
        jobs = {key[len(PREFIX) + 4:]: as_dict(self.redis.call("HGETALL", key)) for key in self.redis.call("KEYS", PREFIX + "job:*")}
        self.check_answers(jobs)
        self.check_questions(jobs)
        self.check_order(jobs)
        self.check_money(jobs)
        self.check_leftovers()

    def check_answers(self, jobs):
        shown = defaultdict(list)
        for number, message in enumerate(self.telegram.messages, 1):
            shown[message["job"]].append((str(number), message))
        for job, what in self.asked.items():
            if what["accepted"] in QUIET:
                continue
            if not what["accepted"]:
                self.alarm("I1", f"{job} was never accepted")
                continue
            if job not in jobs:
                self.alarm("I1", f"{job} has vanished")
        for job, told in jobs.items():
            how = told.get("how")
            if told.get("ends") != "1" or how not in ("done", "stopped", "refused", "dead", "undeliverable", "flushed"):
                self.alarm("I1", f"{job} ended {told.get('ends')} times: {how}, in {told.get('queue')}")
                continue
            self.stats["ended " + how] += 1
            if how == "undeliverable" and self.once_called(told["chat"]) not in self.ever_gone:
                self.alarm("I1", f"{job} was not delivered although somebody is there")
            if how in ("flushed", "undeliverable"):
                continue
            if told.get("callback"):
                if not self.telegram.answered[job]:
                    self.alarm("I1", f"{job}: the button still turns")
                continue
            if job in self.replaced:
                if jobs[self.replaced[job]].get("how") != "undeliverable":
                    for number, message in shown[job]:
                        if message["there"] and not message["doubtful"] and not self.ambiguous[(job, message["part"])]:
                            self.alarm("I2", f"{job}: message {number} stands beside the answer that replaced it, {self.replaced[job]}")
                continue
            if how == "done" and told.get("conv"):
                text = self.expected[job]
                wanted = [text[i:i + PART] for i in range(0, len(text), PART)] or ["(nothing)"]
            else:
                wanted = self.lines_said.get(job, ["?"])
            for part, final in enumerate(wanted):
                seen = [m for m in shown[job] if m[1]["part"] == str(part) and m[1]["there"] and not (m[1]["doubtful"] and m[1].get("refused"))]
                kept = told.get(f"part:{part}")
                if kept in (None, "S") and not self.bent:
                    self.alarm("I1", f"{job}: part {part} has no message ({kept})")
                if len(seen) > 1 + self.ambiguous[(job, str(part))]:
                    self.alarm("I2", f"{job}: part {part} stands there {len(seen)} times, {self.ambiguous[(job, str(part))]} ambiguous")
                if not any(m[1]["text"] == final for m in seen if m[0] == kept or kept in (None, "S")):
                    if not (self.telegram.messages[int(kept) - 1]["there"] is False if kept and kept != "S" else False):
                        self.alarm("I2", f"{job}: part {part} shows {[m[1]['text'] for m in seen]}, not {final!r}")
            for number, message in shown[job]:
                if message["there"] and not message["doubtful"] and number != told.get("part:" + message["part"]):
                    self.alarm("I2", f"{job}: message {number} stands there and nobody will ever touch it again")
            extra = [m for m in shown[job] if m[1]["there"] and int(m[1]["part"]) >= len(wanted) and m[0] == told.get("part:" + m[1]["part"])]
            if extra:
                self.alarm("I2", f"{job}: too many parts")
        self.stats["ambiguous"] += sum(self.ambiguous.values())

    def check_order(self, jobs):
        for conv, order in self.order.items():
            place = {job: n for n, job in enumerate(order)}
            seen, last = set(), -1
            for message in self.telegram.messages:
                job = self.first_of(message["job"])
                if job in place and job not in seen:
                    seen.add(job)
                    if place[job] < last:
                        self.alarm("I3", f"{conv}: {job} came too late")
                    last = max(last, place[job])
            updates = [int(job.split("-")[0]) for job in order]
            if updates != sorted(updates) and not self.unordered:
                self.alarm("I3", f"{conv}: accepted out of order")

    def check_money(self, jobs):
        booked = defaultdict(list)
        for event in self.database.values():
            booked[event["paid"]].append(event["cost"])
        for name, made in self.responses.items():
            if made.unknown_to_all and not booked[name]:
                self.stats["unknown to all"] += 1
                continue                          # a crash, or a lost answer, before anybody could write down its id
            if made.state == "running":
                self.alarm("I5", f"{name} of {made.job} runs on for nobody")
            if made.bill and booked[name] != [made.bill]:
                self.alarm("I5", f"{name} of {made.job}:{made.call} cost {made.bill}, booked {booked[name]}")
        totals = Counter()
        for event in self.database.values():
            for period, _, _ in self.periods(event["user"]):
                totals[period] += event["cost"]
        for key in self.redis.call("KEYS", PREFIX + "spend:20*"):
            period, fields = key[len(PREFIX) + 6:], as_dict(self.redis.call("HGETALL", key))
            if int(fields.get("held", 0)):
                self.alarm("I5", f"{period} still holds {fields['held']}")
            if int(fields.get("spent", 0)) != totals[period]:
                self.alarm("I5", f"{period}: {fields.get('spent')} in Redis, {totals[period]} in the database")
        for (job, call), count in self.requests.items():
            if count > MOST_POSTS:
                self.alarm("I5", f"{job}:{call} was requested {count} times")

    def check_leftovers(self):
        stays = ("seen:", "workers", "admins", "counters", "spend:ready", "dead", "media", "llm", "outbound", "ledger")
        for key in self.redis.call("KEYS", "*"):
            name = key[len(PREFIX):]
            if not name.startswith(stays) and self.redis.call("TTL", key) < 0:
                self.alarm("I4", f"{key} stays for ever")


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--seeds", type=int, default=20)
    args.add_argument("--from", dest="first", type=int, default=1)
    args.add_argument("--updates", type=int, default=90)
    args.add_argument("-v", "--verbose", action="store_true")
    args = args.parse_args()
    plain, durable = Server(), Server(durable=True)
    total, bad, began = Counter(), 0, time.monotonic()
    try:
        for seed in range(args.first, args.first + args.seeds):
            kills = seed % 6 == 0
            simulation = Simulation(seed, durable if kills else plain, faults={"kill": .0008} if kills else None, updates=args.updates,
                                    unordered=seed % 5 == 0)
            alarms = simulation.play()
            total += simulation.stats
            if alarms or args.verbose:
                print(f"seed {seed}: {simulation.tick} ticks, {len(alarms)} alarms", *alarms[:6], sep="\n  ")
            bad += bool(alarms)
    finally:
        plain.stop()
        durable.stop()
    print(f"{args.seeds} seeds, {bad} bad, {time.monotonic() - began:.0f} s:", ", ".join(f"{n} {what}" for what, n in sorted(total.items())))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
