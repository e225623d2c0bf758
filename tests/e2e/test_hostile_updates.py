"""Thousands of updates of every kind with fields that no Telegram would send: nothing dies, nothing stops, nothing is left behind.

tests/unit/test_mutations.c reads more of them; here they go through the whole bot. The seed is printed when it fails, and GPTTG_SEED asks
for it again; GPTTG_UPDATES says how many (10,000 in the full run)."""
import copy
import http.client
import json
import os
import random
import time
from pathlib import Path

from world import ADMIN, ROOT, World, until

SAMPLES = ROOT.parent / "shared/specs/samples/telegram/updates"
UPDATES = int(os.environ.get("GPTTG_UPDATES") or (10000 if os.environ.get("GPTTG_FULL") else 1500))
BATCH = 50
CHATS = [ADMIN, *range(5001, 5040), *range(-1000000000020, -1000000000000), -77, -78]
BROKEN = "\N{PERSONAL COMPUTER}"        # becomes bytes that are no UTF-8

USER = {"id": 5001, "is_bot": False, "first_name": "Ада", "username": "ada_l", "language_code": "ru"}
PRIVATE = {"id": 5001, "first_name": "Ада", "type": "private"}
GROUP = {"id": -1000000000001, "title": "AI club", "type": "supergroup", "is_forum": True}
BOT = {"id": 4242, "is_bot": True, "first_name": "Helper", "username": "helper_ai_bot"}
BASE = {"message_id": 1, "date": 1795000000, "from": USER, "chat": PRIVATE}
FEW = [
    {"message": {**BASE, "text": "Hello"}},
    {"message": {**BASE, "text": "/img a cat", "entities": [{"type": "bot_command", "offset": 0, "length": 4}]}},
    {"message": {**BASE, "chat": GROUP, "text": "@helper_ai_bot why?", "entities": [{"type": "mention", "offset": 0, "length": 14}],
                 "message_thread_id": 7, "is_topic_message": True}},
    {"message": {**BASE, "text": "And?", "reply_to_message": {**BASE, "from": BOT, "text": "So."}, "quote": {"text": "So", "position": 0}}},
    {"message": {**BASE, "text": "fwd", "forward_origin": {"type": "hidden_user", "date": 1, "sender_user_name": "Someone"}}},
    {"message": {**BASE, "photo": [{"file_id": "A", "file_unique_id": "a", "width": 9, "height": 9, "file_size": 10}], "caption": "?", "media_group_id": "1"}},
    {"message": {**BASE, "voice": {"file_id": "V", "file_unique_id": "v", "duration": 3, "mime_type": "audio/ogg", "file_size": 100}}},
    {"message": {**BASE, "document": {"file_id": "D", "file_unique_id": "d", "file_name": "a.pdf", "file_size": 100}}},
    {"message": {**BASE, "chat": GROUP, "migrate_to_chat_id": -1000000000002}},
    {"message": {**BASE, "chat": GROUP, "new_chat_members": [BOT]}},
    {"edited_message": {**BASE, "text": "Hello!", "edit_date": 1795000001}},
    {"channel_post": {"message_id": 1, "date": 1, "chat": {"id": -1000000000003, "title": "C", "type": "channel"}, "text": "post"}},
    {"callback_query": {"id": "1", "from": USER, "chat_instance": "1", "data": "stop 1-1", "message": {**BASE, "from": BOT, "text": "So"}}},
    {"my_chat_member": {"chat": PRIVATE, "from": USER, "date": 1, "old_chat_member": {"user": BOT, "status": "member"},
                        "new_chat_member": {"user": BOT, "status": "kicked", "until_date": 0}}},
    {"inline_query": {"id": "1", "from": USER, "query": "cats", "offset": ""}},
    {"stopped_message_generation": {"chat": PRIVATE, "draft_id": 1}},
    {"message_reaction": {"chat": PRIVATE, "message_id": 1, "user": USER, "date": 1, "old_reaction": [], "new_reaction": []}},
    {"unheard_of": {"chat": PRIVATE}},
]


def samples():
    found = [json.loads(path.read_text()) for path in sorted(SAMPLES.glob("*.json"))] if SAMPLES.exists() else []
    return [{k: v for k, v in update.items() if k != "update_id"} for update in found] + FEW


def deep(n):
    made = {"text": "deep"}
    for i in range(n):
        made = {"message": made} if i % 2 else [made]
    return made


VALUES = [
    lambda r: None, lambda r: True, lambda r: False, lambda r: 0, lambda r: -1, lambda r: r.choice([2**31, 2**53, -2**63, 2**64, 10**400]), lambda r: 1.5,
    lambda r: 1e300, lambda r: "", lambda r: " ", lambda r: [], lambda r: {}, lambda r: [[]], lambda r: [None] * 3000, lambda r: deep(r.choice([5, 300])),
    lambda r: "x" * r.choice([1, 64, 300, 4096, 20000]), lambda r: "я👋" * r.choice([1, 1500]), lambda r: BROKEN * r.choice([1, 500]), lambda r: "\0\x01\x1f\u2028\u202e",
    lambda r: r.choice(["/start", "/cancel", "/reset", "/retry", "/stat", "/img", "/stop@other_bot", "/new@helper_ai_bot", "отмена", "/" + "a" * 80]),
    lambda r: r.choice(["stop 1-1", "retry 1-1", "stop", "retry " + "9" * 60, "stop 99999999999999999999-0"]), lambda r: "{}[]\"'\\%s%n$(id)\r\n*3", lambda r: str(r.choice(CHATS)),
    lambda r: r.choice(["private", "group", "supergroup", "channel", "mention", "text_mention", "bot_command", "kicked", "member"]),
    lambda r: [{"type": "mention", "offset": r.choice([0, -5, 10**6]), "length": r.choice([0, 14, -1, 2**31])} for _ in range(r.choice([1, 2000]))],
]


def nodes(value, into):
    """Every place in it: (its container, its key)."""
    for key, inner in (value.items() if isinstance(value, dict) else enumerate(value)):
        into.append((value, key))
        if isinstance(inner, (dict, list)):
            nodes(inner, into)
    return into


def small(update):
    """Telegram's own are far below; longer ones than 16 MB have a test of theirs."""
    return len(json.dumps(update)) < 300_000


def mutated(r, known):
    while True:
        update = mutate(r, known)
        if small(update):
            return update


def mutate(r, known):
    update = copy.deepcopy(r.choice(known))
    for kind, inner in update.items():
        for part in (inner, inner.get("message") if isinstance(inner, dict) else None):
            if isinstance(part, dict) and isinstance(part.get("chat"), dict):     # spread over some chats: no lane shall be the only one
                private = part["chat"].get("type") == "private"
                part["chat"]["id"] = r.choice([c for c in CHATS if (c > 0) == private])
            if isinstance(part, dict) and "message_id" in part:
                part["message_id"] = r.randrange(1, 100000)
        if kind == "callback_query" and isinstance(inner, dict):
            inner["id"] = str(r.getrandbits(60))
    for _ in range(r.choice([0, 1, 1, 1, 2, 3, 6])):
        places = nodes(update, [])
        if not places:
            break
        container, key = r.choice(places)
        how = r.random()
        if how < 0.15:
            del container[key]
        elif how < 0.3:
            other, name = r.choice(places)
            try:
                container[key] = copy.deepcopy(other[name])
            except (KeyError, IndexError):
                pass
        else:
            container[key] = r.choice(VALUES)(r)
    return update


def body_of(updates):
    text = json.dumps({"updates": updates}, ensure_ascii=False).encode("utf-8", "replace")
    return text.replace(BROKEN.encode(), b"\xff\xc3(\xf0\x9f")


def resident_mb(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_ten_thousand_hostile_updates_stop_nothing(tmp_path):
    seed = int(os.environ.get("GPTTG_SEED") or random.randrange(2**32))
    print(f"GPTTG_SEED={seed}")
    r, known = random.Random(seed), samples()
    options = "abort_on_error=0:exitcode=99:detect_leaks=1:quarantine_size_mb=8"
    with World(tmp_path, {"ASAN_OPTIONS": options, "LLM_CONCURRENCY": "32", "MAX_ATTEMPTS": "1"}) as world:     # files that never were
        world.start_all()
        programs = list(world.programs.values())
        connection = http.client.HTTPConnection("127.0.0.1", world.sim_port, timeout=60)
        ingest, pushed, memory = world.of("ingest")[0], 0, []
        begun = time.monotonic()
        while pushed < UPDATES:
            updates = [mutated(r, known) for _ in range(BATCH)]
            connection.request("POST", "/control/update?raw=1", body_of(updates), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status == 200 and all(json.loads(text)["update_ids"]), text[:300]
            pushed += BATCH
            if pushed % (BATCH * 5) == 0:
                until(lambda: world.control("counters")["bots"][0]["pending"] < 4 * BATCH, "the updates to be confirmed", 60)
                memory.append(resident_mb(ingest.pid))
            dead = [p.name for p in programs if not p.alive()]
            assert not dead, f"{dead} died:\n" + world.programs[dead[0]].text()[-5000:]
        until(lambda: world.control("counters")["bots"][0]["pending"] == 0, "every update to be confirmed", 60)
        taken = time.monotonic() - begun
        world.at_rest(120)
        rested = time.monotonic() - begun
        memory.append(resident_mb(ingest.pid))
        world.say(6001, "fresh question")
        world.answer(6001, "«fresh question»")
        world.at_rest()
        assert all(p.alive() for p in programs)
        third = memory[len(memory) // 3]
        assert memory[-1] < third * 1.3 + 10, f"the memory of ingest grew, in MB: {[round(m) for m in memory]}"
        print(f"{pushed} updates in {taken:.1f} s, at rest after {rested:.1f} s, {len(world.responses())} answers, {len(world.dead())} buried: {sorted({d['reason'][:60] for d in world.dead()})}; "
              f"memory of ingest {[round(m) for m in memory[::max(1, len(memory) // 8)]]} MB")
