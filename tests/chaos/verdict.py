"""The judgement after the storm: what everybody did, what the jobs in Redis say became of it, what stands in the chats, what the model's
side answered and billed, what the ledger has. `tally` gets what is to be told even when all is well."""
import collections
import re

from crowd import LARGE, MOODY, SILENT, SMALL

CALLBACK_S = 150                             # so long Telegram takes an answer to a press
MARK = re.compile(r"\bq\d+ of (-?\d+)(?=[ »])")             # whole: of an answer that was stopped the rest may be missing
FAMILY = {SMALL: LARGE}                      # both are one group
SAID = {"stop": "⏹ Stopped.", "late": "Sorry for being late: it was not possible to answer earlier."}
LINES = {"/help": {"help", "help_group"}, "/stop": {"nothing_to_stop"}, "/retry": {"retry_busy", "nothing_to_retry", "not_yours"}, "/new": {"forgotten"},
         "press stop": {"nothing_to_stop", "not_yours"}, "press retry": {"retry_busy", "nothing_to_retry", "not_yours"}}


def family(chat):
    return FAMILY.get(int(chat), int(chat))


def squeezed(text):
    return re.sub(r"\s+", "", text)


class Judge:
    def __init__(self, world, deeds, tally, webhook):
        self.world, self.deeds, self.tally, self.webhook = world, deeds, tally, webhook
        self.responses = {r["id"]: r for r in world.responses()}
        self.jobs, self.by_update = self.read_jobs()
        self.messages = {m["id"]: {**m, "chat": c["chat"]} for c in world.control("chats")["chats"]
                         for m in world.control(f"chat?chat={c['chat']}")["messages"] if m["from"] == "bot"}
        self.replaced = {job["retry"] for job in self.jobs.values() if "retry" in job}

    def read_jobs(self):
        redis, jobs, by_update = self.world.redis, {}, collections.defaultdict(list)
        for key in redis.scan_iter(self.world.key("job:*"), count=1000):
            name = key.split("job:")[1]
            jobs[name] = {**redis.hgetall(key), "name": name, "said": redis.get(self.world.key(f"text:{name}")) or ""}
        for name, job in jobs.items():
            if "update" in job and not name.endswith("-press") and not name.startswith("alert-"):      # a late word belongs to none
                by_update[int(job["update"])].append(job)
        return jobs, by_update

    def questions(self):
        return [job for job in self.jobs.values() if job["kind"] == "text"]

    def judge(self):
        self.each_job_ended_once()
        for deed in self.deeds:
            self.what_came_of(deed)
        self.who_forgot_was_told()
        for job in self.questions():
            self.is_shown(job)
        self.everybody_was_told()
        self.nothing_else_is_shown()
        self.in_order()
        self.chains_are_linear()
        self.presses_were_answered()
        self.private_words_stayed()
        self.bill()
        assert self.world.dead() == [] and not self.world.without_expiry()

    # ---- each deed ----

    def each_job_ended_once(self):
        for job in self.jobs.values():
            assert job.get("ends") == "1", f"ended {job.get('ends', 'never')}: {job}"
            ways = {"done"} if not job["conv"] else {"done", "stopped", "flushed"}
            if int(job["chat"]) in MOODY or job["name"].startswith("alert-"):
                ways |= {"undeliverable"}                        # (the administrator has no chat here)
            assert job["how"] in ways, job

    def came(self, deed):
        """The job that this deed became, None where it became none; never two."""
        jobs = self.by_update[deed.update]
        assert len(jobs) <= 1, f"{deed} became {jobs}"
        return jobs[0] if jobs else None

    def what_came_of(self, deed):
        job = self.came(deed)
        if deed.what in ("ask", "edit", "ask in parts", "further part") and job and job.get("line") == "lane_full":
            self.tally["refused"] += 1
            return
        what = {"ask": self.asked, "last ask": self.asked, "edit": self.edited, "ask in parts": self.asked_in_parts, "further part": self.asked_in_parts,
                "talk": self.not_for_us}.get(deed.what, self.ordered)
        what(deed, job)
        if deed.what == "last ask":
            assert job["how"] == "done", f"after the storm: {job}"

    def asked(self, deed, job):
        assert job and job["kind"] == "text" and int(job["message"]) == deed.message, f"{deed} became {job}"
        later = [d.text for d in self.deeds if d.what == "edit" and d.message == deed.message]
        assert job["text"] in [deed.text, *later], f"{deed} became {job}"

    def edited(self, deed, job):
        if job and job["kind"] == "text":
            assert job["edited"] == "1"
            self.asked(deed, job)
            return
        if job:
            assert job["line"] == "edit_old", f"{deed} became {job}"
            return
        mine = self.deeds.index(deed)
        texts = [d.text for d in self.deeds[mine:] if d.what == "edit" and d.message == deed.message]
        assert [j for j in self.questions() if j["message"] == str(deed.message) and j["text"] in texts], f"{deed} was lost"
        self.tally["changed while they waited"] += 1

    def asked_in_parts(self, deed, job):
        having = [j for j in self.questions() if deed.text in j["text"] and "retry" not in j]
        assert len(having) <= 1, f"{deed} was asked {len(having)} times"
        if not having:                                           # torn from its beginning, which alone names us
            assert deed.what == "further part" and deed.chat < 0 and not job, f"{deed} was lost"
            self.tally["torn parts"] += 1
            return
        assert not job or job == having[0]
        self.tally["joined"] += not job
        places = [having[0]["text"].find(f"{deed.text[:-2]}{n} ") for n in (1, 2, 3)]
        assert [p for p in places if p >= 0] == sorted(p for p in places if p >= 0), f"{deed}: its parts stand at {places}"

    def ordered(self, deed, job):
        """A command or a press: done without a word, or told in a line."""
        if job and job["kind"] == "text":
            assert "retry" in job and "retry" in deed.what, f"{deed} became {job}"
            assert self.jobs[job["retry"]]["user"] == job["user"]
            self.tally["answered again"] += 1
        elif job:
            line = job.get("line")
            assert line in LINES.get(deed.what, set()) | ({None} if "press" in deed.what else set()), f"{deed} became {job}"
            self.tally[line or "pressed"] += 1
            assert deed.what != "press retry" or line
        else:
            assert deed.what == "/stop", f"{deed} became nothing"
            stops = [j for j in self.questions() if j.get("stop") and family(j["chat"]) == family(deed.chat)]
            assert stops, f"{deed} stopped nothing and was told nothing"

    def not_for_us(self, deed, job):
        assert not job
        assert not [j for j in self.questions() if deed.text in j["text"].split("\n")], f"{deed} was asked"

    def who_forgot_was_told(self):
        dropped = collections.Counter(job["conv"] for job in self.questions() if job["how"] == "flushed")
        told = collections.Counter()
        for job in self.jobs.values():
            if job.get("line") == "forgotten":
                told[family(job["chat"])] += int(job["about"] or 0)
        by_chat = collections.Counter()
        for conv, n in dropped.items():
            by_chat[family(conv.split(":")[0])] += n
        assert by_chat == +told, f"dropped {by_chat}, told {told}"

    # ---- what is shown ----

    def parts(self, job):
        """Its messages that are there, in their order."""
        ids = sorted((int(name[5:]), int(value)) for name, value in job.items() if re.fullmatch(r"part:\d+", name) and value.isdigit())
        return [self.messages[i] for _, i in ids if i in self.messages]

    def is_shown(self, job):
        shown = "".join(m["text"] for m in self.parts(job))
        if job["how"] == "flushed":
            assert not shown, job
        if job["how"] in ("flushed", "undeliverable") or job["name"] in self.replaced:
            return
        said = squeezed(job["said"])
        if job.get("part:cut") and squeezed(shown).endswith(squeezed(SAID["stop"])):      # stopped while it was delivered: what stood, stays
            stood = squeezed(shown)[:-len(squeezed(SAID["stop"]))]
            assert said.startswith(stood), f"{job}\nshown: {shown}"
            said = stood
        assert said in squeezed(shown), f"{job}\nshown: {shown}"
        rest = squeezed(shown).replace(said, "", 1)
        if job.get("stop") == "new" and not said and not rest:          # nothing stood there, and that it is forgotten was said
            return
        assert rest in ("" if job["how"] == "done" else squeezed(SAID["stop"]), squeezed(SAID["late"])), f"{job}\nshown: {shown}\nrest: {rest}"
        winner = self.responses.get(job.get("response:1"))
        if job["how"] == "done":
            assert squeezed(winner["answer"]) == said and winner["asked"] == job["text"].strip(), f"{job}\n{winner}"
            assert squeezed(job["text"].split(" [[")[0])[:40] in said
        elif said:
            assert not winner or squeezed(winner["answer"]).startswith(said) or said.startswith(squeezed(winner["answer"])), f"{job}\n{winner}"
        moved = family(job["chat"]) == LARGE
        for n, message in enumerate(self.parts(job)):
            assert family(message["chat"]) == family(job["chat"]), message
            assert moved or message["thread"] == int(job.get("topic", 0)), message
            reply = int(job["message"]) if n == 0 else 0         # in private only where something came in between
            assert message["reply_to"] in ((reply, 0) if moved or n or int(job["chat"]) > 0 else (reply,)), message
            assert "reply_markup" not in message or "stop " not in str(message["reply_markup"]), message

    def everybody_was_told(self):
        """What was sent to everybody is there once; that it is there no second time is what nothing_else_is_shown() says."""
        for job in [job for job in self.jobs.values() if job.get("what") == "broadcast"]:
            given = [self.jobs.get(f"{job['name']}-to-{chat}") for chat in SILENT]
            if job.get("decided") != "send":
                assert not any(given), f"{job} was not to be sent"
                continue
            self.tally["to everybody"] += 1
            for copy in given:
                assert copy and [m["text"] for m in self.parts(copy)] == [job["text"].replace("**", "")], f"{job}\n{copy}"

    def nothing_else_is_shown(self):
        """What belongs to no job was sent by somebody who died before he could note it, and was sent again."""
        ours = {m["id"] for job in self.jobs.values() for m in self.parts(job)}
        # in a group that has moved nothing can be written any more: what grew there is shown anew in the new one
        stray = [m for m in self.messages.values() if m["id"] not in ours and m["chat"] != SMALL]
        logs = [p.text() for p in self.world.ended + list(self.world.programs.values()) if p.name.startswith("outbound")]
        ambiguous = sum(text.count("may have been sent before") for text in logs)
        self.tally.update(stray=len(stray), ambiguous=ambiguous)
        assert len(stray) <= ambiguous, f"{len(stray)} messages are nobody's, {ambiguous} sends were ambiguous: {stray[:5]}"
        for job in self.jobs.values():
            if job["kind"] == "line" and int(job["chat"]) not in MOODY:
                assert len(self.parts(job)) == 1 and len(self.parts(job)[0]["text"]) <= 300 or job["line"].startswith("help"), job

    # ---- conversations ----

    def conversations(self):
        """conversation → its questions that came in hand, as they were answered one after the other. A group that moved is one."""
        found = collections.defaultdict(list)
        for job in self.questions():
            if "follow" in job:
                chat, colon, rest = job["conv"].partition(":")
                found[f"{family(chat)}{colon}{rest}"].append(job)
        return {conv: sorted(jobs, key=lambda job: int(job["ended"])) for conv, jobs in found.items()}

    def is_loose(self, conv):
        """Here the webhook brings the last words of the old group when the new one has begun to talk."""
        return self.webhook and conv.startswith(str(LARGE))

    def in_order(self):
        for conv, jobs in self.conversations().items():
            first = [job for job in jobs if "retry" not in job]
            updates = [int(job["update"]) for job in first]
            assert self.is_loose(conv) or updates == sorted(updates), f"{conv}: answered in the order {updates}"
            shown = [self.parts(job)[0]["id"] for job in first if self.parts(job)]
            assert self.is_loose(conv) or shown == sorted(shown), f"{conv}: shown in the order {shown}"

    def chains_are_linear(self):
        for conv, jobs in self.conversations().items():
            heads, parents = {}, {}                              # by (conversation, dialogue); of a retry: what it goes back to
            for job in jobs:
                line = job["conv"], job.get("epoch", "0")
                if line not in heads and job["conv"].startswith(str(LARGE)):
                    before = job["conv"].replace(str(LARGE), str(SMALL)), line[1]
                    heads[line] = heads.get(before, {None})
                head = heads.setdefault(line, {None})
                if job.get("retry") in parents:
                    head = parents[job["retry"]]
                winner = self.responses.get(job.get("response:1"))
                if winner:
                    before = winner["previous_response_id"]
                    any_before = {None, *(j.get("response:1") for j in jobs)} if self.is_loose(conv) else set()
                    assert before in head | any_before, f"{conv}: {job}\nis chained to {before}, not to {head}\n{winner}"
                if "turn" in job:
                    parents[job["name"]] = head
                    whole = job["how"] in ("done", "undeliverable") or "part:cut" in job       # the model had finished
                    ends = {winner["id"]} if winner and whole else set()
                    heads[line] = ends if job["how"] == "done" else head | ends

    # ---- buttons, secrets, money ----

    def presses_were_answered(self):
        jobs = {job["callback"]: job for job in self.jobs.values() if job.get("callback")}
        presses = self.world.control("presses")["presses"]
        late = 0
        for press in presses:
            job = jobs.get(press["id"])
            assert job, f"{press} became nothing"
            if not press["answered"]:
                assert int(job["ended"]) - press["at_ms"] > CALLBACK_S * 1000, f"{press}: {job}"
                late += 1
        self.tally.update({"presses": len(presses), "presses too late": late})
        for job in self.questions():
            if job["how"] == "stopped":
                by = [d for d in self.deeds if d.what in ("/stop", "/new") and family(d.chat) == family(job["chat"]) or
                      d.what == "press stop" and d.target == job["name"] and str(d.user) == job["user"]]
                assert by, f"nobody stopped {job}"

    def private_words_stayed(self):
        for call in self.world.calls(method="POST /v1/responses"):
            told = {family(chat) for chat in MARK.findall(str(call["params"]))}
            assert len(told) <= 1, f"chats {told} meet in {call}"
            assert "idle words" not in str(call["params"])
        for message in self.messages.values():
            told = {family(chat) for chat in MARK.findall(message["text"])}
            assert told <= {family(message["chat"])}, message

    def bill(self):
        rows = {}
        for row in self.world.rows():
            assert row["response_id"] not in rows or row["estimated"], f"two rows for {row['response_id']}"
            rows[row["response_id"]] = row
        winners = {job["response:1"] for job in self.questions() if job.get("response:1")}
        for winner in winners:
            assert winner in rows or not self.responses[winner]["billed"] or not self.responses[winner]["usage"], f"{winner} was never booked"
        for name, row in rows.items():
            usage = self.responses[name]["usage"] if name in self.responses else None
            if not row["estimated"]:
                assert (row["input_tokens"], row["output_tokens"]) == (usage["input_tokens"], usage["output_tokens"]), name
        unbooked = [r for r in self.responses.values() if r["billed"] and r["id"] not in rows]
        estimated = [row for row in rows.values() if row["estimated"]]
        self.tally.update(responses=len(self.responses), orphans=len(unbooked), estimated=len(estimated))
        assert not [r for r in unbooked if r["id"] in winners]
        t = self.tally
        windows = t["kill"] + t["deaths at a named step"] + t["all"] * 12 + t["openai"] * 6 + t["stop"]
        assert len(unbooked) <= windows, f"{len(unbooked)} responses are in no book"
