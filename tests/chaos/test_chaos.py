"""Everything dies, freezes and loses its links while people talk; in the end every question was answered exactly once.

CHAOS_SECONDS (25) or CHAOS_MINUTES say how long, CHAOS_SEED repeats a run's decisions. Odd seeds have a webhook, even ones poll.

    crowd.py     what the people do       link.py   the line to Redis
    verdict.py   what must be true in the end
"""
import collections
import contextlib
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "e2e")]
from crowd import SILENT, Crowd  # noqa: E402
from verdict import Judge  # noqa: E402
from world import ROOT, World, free_port, until  # noqa: E402

SECONDS = float(os.environ.get("CHAOS_MINUTES", 0)) * 60 or float(os.environ.get("CHAOS_SECONDS", 25))
SEED = int(os.environ.get("CHAOS_SEED", time.time()))
WEBHOOK = SEED % 2 == 1
COUNTS = {"ingest": 2, "llm": 3, "media": 1, "ledger": 2, "outbound": 3}
SETTINGS = {"OPENAI_MAX_RETRIES": "90", "TAKEOVER_MS": "1500", "OPENAI_TIMEOUT_SECONDS": "4", "MAX_ATTEMPTS": "1000",
            "USER_MONTHLY_BUDGET_USD": "1000"}


def places_of(service):
    """The names in all its rows of steps, as its source has them; of ingest what a webhook does besides."""
    text = "".join(path.read_text() for path in sorted((ROOT / service).glob("*.c")))
    rows = re.findall(r"const struct step \w+\[\] = \{(.*?)\n\};", text, re.S)
    return re.findall(r'\{ ?"(\w+)"', "".join(rows)) + ["accept", "confirm"] * (service == "ingest")


PLACES = {service: places_of(service) for service in ("ingest", "llm", "outbound", "ledger")}


class Chaos:
    def __init__(self, path):
        self.random = random.Random(SEED)
        self.link_port, hook = free_port(), free_port()
        settings = {**SETTINGS, "REDIS_URL": f"redis://127.0.0.1:{self.link_port}/0", "LANE_MAX": self.random.choice(["1000", "1000", "2"]),
                    "GROUP_CONTEXT": self.random.choice(["shared", "shared", "user"])}
        if WEBHOOK:
            settings |= {"WEBHOOK_URL": f"http://127.0.0.1:{hook}/hook", "WEBHOOK_LISTEN": f"127.0.0.1:{hook}"}
        self.world = World(path, settings)
        self.world.control("telegram", {"webhook_timeout_ms": 3000, "webhook_cap_ms": 2000})
        self.link = subprocess.Popen([sys.executable, str(Path(__file__).parent / "link.py"), str(self.link_port), str(self.world.redis_port)],
                                     stdin=subprocess.PIPE, text=True)
        self.tally = collections.Counter()
        self.pending = []                                        # (when, what) to be done later
        self.calm, self.doomed = False, set()                    # whose death at a named step is still to come
        self.crowd = Crowd(self.world, self.random, self.tally, self.later)
        self.remember_the_silent()

    def remember_the_silent(self):
        """Whom only the database knows."""
        ledger = self.world.start("ledger")
        until(lambda: self.world.redis.exists(self.world.key("spend:ready")), "the tables")
        self.world.kill(ledger)
        with contextlib.closing(sqlite3.connect(self.world.path / "gpttg.db", timeout=10)) as db, db:
            db.executemany("INSERT INTO users (user_id, first_seen, in_private) VALUES (?, 1, 1)", [(chat,) for chat in SILENT])

    # ---- programs that come and go ----

    def start(self, service):
        if self.calm or service not in PLACES or self.random.random() < 0.5:
            self.world.start(service)
            return
        program = self.world.start(service, GPTTG_KILL_AT=f"{self.random.choice(PLACES[service])}:{self.random.randint(1, 3)}")
        self.doomed.add(program.name)

    def revive(self):
        for name, program in list(self.world.programs.items()):
            if not program.alive():
                self.tally["deaths at a named step" if not program.killed else "deaths"] += 1
                service = name.split(".")[0]
                assert program.process.returncode in (-signal.SIGKILL, 0), f"{name} ended with {program.process.returncode}: {program.text()[-3000:]}"
                self.world.kill(program)
                self.start(service)

    def later(self, seconds, what):
        self.pending.append((time.monotonic() + seconds, what))

    def do_pending(self, all_of_it=False):
        now = time.monotonic()
        due = [p for p in self.pending if all_of_it or p[0] <= now]
        self.pending = [p for p in self.pending if p not in due]
        for _, what in due:
            what()

    # ---- trouble ----

    def disturb(self):
        r = self.random
        what = r.choices(["kill", "stop", "redis", "cut", "freeze", "deaf", "openai", "telegram", "lose", "all"], [30, 10, 3, 8, 2, 4, 10, 10, 3, 1])[0]
        self.tally[what] += 1
        if what in ("kill", "stop", "all"):
            self.harm_programs(what)
        elif what == "redis":
            self.world.kill_redis()
            time.sleep(r.uniform(0, 1))                          # an outage has a length
            self.world.start_redis()
        elif what == "lose":
            self.world.control("telegram", {"webhook_lose": r.randint(1, 20)})
        elif what in ("cut", "freeze", "deaf"):
            seconds = {"cut": "", "freeze": f" {r.uniform(0.2, 7):.1f}", "deaf": f" {r.uniform(0.02, 0.5):.2f}"}[what]
            self.link.stdin.write(what + seconds + "\n")
            self.link.stdin.flush()
        else:
            self.harm_calls(what)

    def harm_programs(self, what):
        r, world = self.random, self.world
        programs = [p for p in world.programs.values() if p.alive()]
        if what == "all":
            for program in programs:
                service = program.name.split(".")[0]
                world.kill(program)
                self.later(r.uniform(0, 1), lambda s=service: self.start(s))
        elif what == "kill" and programs:
            program = r.choice(programs)
            service = program.name.split(".")[0]
            world.kill(program)
            self.later(r.uniform(0, 2), lambda: self.start(service))
        elif programs:
            program = r.choice(programs)
            program.signal(signal.SIGSTOP)
            self.later(r.choice([0.1, 0.5, 2, 4]), lambda: program.signal(signal.SIGCONT))

    def harm_calls(self, side):
        r = self.random
        if side == "openai":
            match = {}
            kind = r.choice([{"kind": "status", "status": 500}, {"kind": "status", "status": 429, "retry_after_ms": 700}, {"kind": "reset_before"},
                             {"kind": "reset_mid", "after_events": r.randint(1, 20)}, {"kind": "cut", "after_events": r.randint(1, 20)},
                             {"kind": "stall", "after_events": r.randint(1, 9), "ms": 6000}, {"kind": "dribble", "bytes": r.randint(1, 9)}])
        else:
            match = {"method": r.choice(["sendMessage", "editMessageText", "deleteMessage", "answerCallbackQuery", "sendChatAction",
                                         "setWebhook" if WEBHOOK else "getUpdates"])}
            kind = r.choice([{"kind": "status", "status": 429, "retry_after": r.randint(1, 7)}, {"kind": "status", "status": 502}, {"kind": "reset_before"},
                             {"kind": "lost_answer"}, {"kind": "delay", "ms": 500}, {"kind": "html502"}])
        self.world.control("fault", {"side": side, "match": match, "times": r.randint(1, 6 if side == "openai" else 4), **kind})

    # ---- from the beginning to the end ----

    def run(self):
        for service, count in COUNTS.items():
            for _ in range(count):
                self.start(service)
        end, next_deed, next_trouble = time.monotonic() + SECONDS, 0, time.monotonic() + 3
        half = end - SECONDS / 2
        while time.monotonic() < end:
            now = time.monotonic()
            if now >= next_deed:
                self.crowd.act()
                next_deed = now + self.random.expovariate(8)
            if now >= next_trouble:
                self.disturb()
                next_trouble = now + self.random.expovariate(1.5)
            if now >= half and not self.crowd.moved:
                self.crowd.migrate()
            self.do_pending()
            self.revive()
            time.sleep(0.005)                                    # the pace of the storm, not a wait for anything
        self.calm_down()
        self.replace_the_doomed()
        for place in self.crowd.everywhere():                    # nobody is left behind
            self.crowd.ask(place, "", "last ask")
        self.rest("rest after the last questions", 60)

    def calm_down(self):
        self.calm = True
        self.do_pending(all_of_it=True)
        self.world.control("faults", method="DELETE")
        self.world.control("telegram", {"webhook_lose": 0})
        for program in list(self.world.programs.values()):
            program.signal(signal.SIGCONT)
        self.rest("rest after the storm", 120 + SECONDS / 4)

    def replace_the_doomed(self):
        for program in list(self.world.programs.values()):
            if program.name in self.doomed:
                self.world.kill(program)
                self.world.start(program.name.split(".")[0])

    def rest(self, what, seconds):
        def rested():
            self.revive()
            try:
                fetched = not any(bot["pending"] for bot in self.world.control("counters")["bots"])
                state, shown = self.world.redis.hmget(self.world.key("broadcast"), "state", "shown_state")
                return fetched and state in (None, "done") and state == shown and not self.world.left()
            except Exception:                                    # Redis may just be loading
                return False
        try:
            until(rested, what, seconds)
        except AssertionError as problem:
            raise AssertionError(f"{problem}; left: {self.world.left()}, {self.world.control('counters')['bots']}") from None

    def judge(self):
        Judge(self.world, self.crowd.deeds, self.tally, WEBHOOK).judge()


def test_the_storm(tmp_path):
    chaos = Chaos(tmp_path)
    try:
        chaos.run()
        chaos.judge()
        chaos.world.close()
    except BaseException:
        print(f"CHAOS_SEED={SEED}", dict(chaos.tally), f"logs in {tmp_path}")
        chaos.world.close(judge=False)
        raise
    finally:
        chaos.link.kill()
    print(json.dumps({"seed": SEED, **chaos.tally}))
