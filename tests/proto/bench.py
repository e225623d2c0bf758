"""The workbench of the contract tests: questions are asked, entries are read and taken, and keys are looked at."""
import itertools

import calls
from engine import PREFIX, STREAMS, RedisError, Scripts, as_dict, make_groups

CHAT = "-100123:45"                          # a group's topic: both odd characters of a conversation's name


class Bench:
    def __init__(self, server, texts=None):
        self.server = server
        self.redis = server.connect()
        self.scripts = Scripts(self.redis, texts)
        self.updates = itertools.count(700_000_001)
        self.ear = None
        self.wipe()

    def close(self):
        self.nobody_listens()
        self.redis.call("CONFIG", "SET", "maxmemory", 0)
        self.redis.close()

    def nobody_listens(self):
        """L and O have died."""
        if self.ear:
            self.ear.close()
            self.ear = None
            while self.redis.call("PUBSUB", "NUMSUB", PREFIX + "wake:L")[1]:
                pass                 # Redis has not seen it yet

    def wipe(self):
        if not self.ear:
            self.ear = self.server.connect()
            self.ear.call("SUBSCRIBE", PREFIX + "wake:L", PREFIX + "wake:O")
        self.redis.call("CONFIG", "SET", "maxmemory", 0)
        self.redis.call("FLUSHALL")
        self.redis.call("SADD", PREFIX + "admins", 1)
        self.redis.call("SET", PREFIX + "spend:ready", 1)
        make_groups(self.redis)

    # ---- what people and workers do ---------------------------------------------------------------------------------

    def run(self, command):
        return self.scripts.run(command)

    def key(self, *words):
        """A plain command on one of our keys: key('HGET', 'job:1', 'how')."""
        return self.redis.call(words[0], PREFIX + words[1], *words[2:])

    def ask(self, conv=CHAT, first="llm", job=None, kind="text", lane_max=20, user_models=""):
        """A message comes in. Returns its job's id."""
        update = next(self.updates)
        job = job or f"{update}-1795000000000"
        chat = conv.split(":")[0]
        self.answer = self.run(calls.accept(update, job, conv, lane_max, user_models=user_models, first=first, kind=kind, chat=chat, user="7", text="?"))
        return job

    def ask_direct(self, line="greeting"):
        update = next(self.updates)
        job = f"{update}-1795000000000"
        assert self.run(calls.accept(update, job, "", kind="line", chat="55", user="55", line=line)) == "ok"
        return job

    def control(self, what, conv=CHAT):
        update = next(self.updates)
        return self.run(calls.control(update, f"{update}-1795000000000", conv, what, kind="line", chat="-100123", user="7"))

    def read(self, stream, worker):
        """The next entry for this worker: (its id, its fields), or None."""
        answer = self.redis.call("XREADGROUP", "GROUP", stream, worker, "COUNT", 1, "STREAMS", PREFIX + stream, ">")
        if not answer:
            return None
        entry, flat = answer[0][1][0]
        return entry, as_dict(flat)

    def pick_up(self, stream, worker):
        """Reads the next entry and takes it. Returns (entry, job, what the guard said)."""
        found = self.read(stream, worker)
        assert found, f"nothing to read on {stream}"
        entry, fields = found
        answer = self.run(calls.take(stream, entry, fields["job"], worker))
        return entry, fields["job"], answer[0]

    def job(self, job):
        return as_dict(self.key("HGETALL", "job:" + job))

    def chat(self, conv=CHAT):
        return as_dict(self.key("HGETALL", "chat:" + conv))

    def spend(self, period):
        fields = as_dict(self.key("HGETALL", "spend:" + period))
        return int(fields.get("spent", 0)), int(fields.get("held", 0))

    def entries(self, stream):
        return [(entry, as_dict(flat)) for entry, flat in self.key("XRANGE", stream, "-", "+")]

    def in_talk(self, conv=CHAT, first="llm"):
        """A question in the hands of a worker 'L' (of its first stage) and of a follower 'O'. Returns job, work entry, follow entry."""
        job = self.ask(conv, first)
        work = self.pick_up(first, "L")
        follow = self.pick_up("outbound", "O")
        assert (work[1:], follow[1:]) == ((job, "live"), (job, "follow"))
        return job, work[0], follow[0]

    def answered(self, conv=CHAT, **what):
        """The same, with the answer committed: outbound's turn."""
        job, work, follow = self.in_talk(conv)
        assert self.run(calls.commit("llm", work, job, "follow", rest="Forty-two.", question="?", answer="Forty-two.",
                                     response="resp_" + job, **what)) == "ok"
        return job, follow

    def deliver(self, job, follow, how="done"):
        return self.run(calls.commit("outbound", follow, job, "end", how))

    # ---- what can be seen -------------------------------------------------------------------------------------------

    def dump(self):
        """Every key with its whole content (and whether it will go by itself)."""
        state = {}
        for key in self.redis.call("KEYS", "*"):
            state[key] = (self.redis.call("DUMP", key, raw=True), self.redis.call("TTL", key) >= 0)
        return state

    def fails(self, command):
        """Runs what must be refused; returns the error."""
        try:
            answer = self.run(command)
        except RedisError as error:
            return str(error)
        raise AssertionError(f"{command[0]} was not refused but said {answer}")

    def at_rest(self, waiting=0):
        """Nothing is left of what is over."""
        for stream in STREAMS:
            assert self.key("XLEN", stream) == 0, stream
            assert self.redis.call("XPENDING", PREFIX + stream, stream)[0] == 0, stream
        assert self.key("ZCARD", "busy") == 0
        assert self.key("ZCARD", "later") == waiting
        stays = ("seen:", "settings", "workers", "lease:", "admins", "bot", "counters", "spend:ready", "dead", "later", *STREAMS)
        for key in self.redis.call("KEYS", "*"):
            name = key[len(PREFIX):]
            assert not name.startswith("lane:"), key
            assert name.startswith(stays) or self.redis.call("TTL", key) > 0, f"{key} stays for ever"
            if name.startswith("spend:") and name != "spend:ready":
                assert self.spend(name[len("spend:"):])[1] == 0, f"{key} still holds money"
            if name.startswith("chat:"):
                assert not self.chat(name[len("chat:"):]).get("job"), key
