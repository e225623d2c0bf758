"""The ledger alone: whatever comes out of the stream stands in the database once, and only then leaves the stream."""
import contextlib
import os
import random
import resource
import signal
import sqlite3
import subprocess
import time

import pytest

from world import BUILD, ROOT, World, until

NOW = int(time.time() * 1000)


@pytest.fixture
def house(tmp_path):
    with World(tmp_path) as made:
        yield made


def emit(world, first, count, cost=1, users=7, **more):
    """Paid calls with the numbers first, first + 1, …, as llm's commit would write them."""
    pipe = world.redis.pipeline(transaction=False)
    for n in range(first, first + count):
        pipe.xadd(world.key("ledger"), {
            "kind": "usage", "job": f"{n}-{NOW}", "chat": str(5000 + n % users), "user": str(5000 + n % users), "at": str(NOW), "event": f"{n}-{NOW}:chat",
            "paid": "chat", "model": "gpt-6.1-terra", "input_tokens": "10", "output_tokens": "2", "cost_nusd": str(cost), "price_version": "x",
            "status": "completed", "response": f"resp_{n}", **more})
    pipe.execute()


def empty(world):
    return not world.redis.xlen(world.key("ledger"))


def stored(world):
    return world.rows("SELECT count(*) AS n, count(DISTINCT event_id) AS ids, sum(cost_nusd) AS sum FROM usage")[0]


def rest(world, count, seconds=30):
    until(lambda: empty(world), "the stream to be empty", seconds)
    assert stored(world) == {"n": count, "ids": count, "sum": count}


def test_a_kill_between_store_and_settle_books_once(house):
    emit(house, 0, 700)
    ledger = house.start("ledger", GPTTG_KILL_AT="settle")
    until(lambda: not ledger.alive(), "the ledger to be killed")
    house.kill(ledger)
    assert not empty(house) and stored(house)["n"] > 0
    house.start("ledger")
    rest(house, 700)


def test_a_kill_before_the_transaction_loses_nothing(house):
    emit(house, 0, 700)
    ledger = house.start("ledger", GPTTG_KILL_AT="store:2")
    until(lambda: not ledger.alive(), "the ledger to be killed")
    house.kill(ledger)
    house.start("ledger")
    rest(house, 700)


def test_kills_at_random_under_load(house):
    dice, sent = random.Random(4), 0
    house.start("ledger")
    house.start("ledger")
    for _ in range(12):
        for _ in range(dice.randrange(1, 6)):
            emit(house, sent, 200)
            sent += 200
            time.sleep(dice.random() * 0.05)
        house.kill(dice.choice(house.of("ledger")))
        house.start("ledger")
    rest(house, sent, 60)


def test_of_two_one_writes_and_the_other_takes_over(house):
    first = house.start("ledger")
    until(lambda: "lease ledger is ours" in first.text(), "the first to have the lease")
    second = house.start("ledger")
    emit(house, 0, 100)
    rest(house, 100)
    assert "lease ledger is ours" not in second.text()
    first.signal(signal.SIGSTOP)
    emit(house, 100, 100)
    rest(house, 200, 10)
    assert "lease ledger is ours" in second.text()
    first.signal(signal.SIGCONT)
    emit(house, 200, 100)
    rest(house, 300, 10)


def test_the_end_of_one_is_the_turn_of_the_other(house):
    first = house.start("ledger")
    until(lambda: "lease ledger is ours" in first.text(), "the first to have the lease")
    house.start("ledger")
    until(lambda: len(house.redis.hkeys(house.key("workers"))) == 2, "the second to be there")
    began = time.monotonic()
    house.stop(first)
    emit(house, 0, 100)
    rest(house, 100, 5)
    assert time.monotonic() - began < 2


def test_sigterm_under_load_leaves_nothing_behind(house):
    sent = 0
    for _ in range(5):
        ledger = house.start("ledger")
        until(lambda: "is ours" in ledger.text(), "the lease")
        emit(house, sent, 3000)
        sent += 3000
        began = time.monotonic()
        house.stop(ledger)
        assert time.monotonic() - began < 5
    house.start("ledger")
    rest(house, sent, 30)


def test_what_makes_no_sense_goes_to_dead_and_holds_up_nobody(house):
    key = house.key("ledger")
    house.redis.xadd(key, {"kind": "gossip", "event": "g:1"})
    house.redis.xadd(key, {"hello": "world"})
    house.redis.xadd(key, {"kind": "usage", "job": "j"})
    house.redis.xadd(key, {"kind": "usage", "event": "odd:1", "cost_nusd": "-5", "user": "'; DROP TABLE usage; --", "input_tokens": "many", "at": "now"})
    house.redis.xadd(key, {"kind": "usage", "event": "blob:1", "model": "x" * 1_000_000, "paid": b"\xff\x00\xfe", "cost_nusd": "9" * 400})
    emit(house, 0, 10)
    house.start("ledger")
    until(lambda: empty(house), "the stream to be empty")
    assert sorted(d["reason"] for d in house.dead()) == ["no event id", "no kind", "unknown kind"]
    rows = {r["event_id"]: r for r in house.rows()}
    assert len(rows) == 12 and rows["odd:1"]["cost_nusd"] == 0 and rows["odd:1"]["unclear"] == "paid,user,at,input_tokens,cost_nusd"
    assert rows["blob:1"]["model"] == "x" * 200 and rows["blob:1"]["kind"] == "other"


def test_a_cost_that_nobody_said_is_computed_from_the_prices(house):
    house.redis.xadd(house.key("ledger"), {"kind": "usage", "event": "j:1", "paid": "chat", "at": str(NOW), "model": "gpt-6.1-terra-2026-10-26",
                                           "input_tokens": "1000", "cached_tokens": "400", "output_tokens": "10"})
    house.redis.xadd(house.key("ledger"), {"kind": "usage", "event": "j:2", "paid": "image", "at": str(NOW), "model": "unheard-of", "images": "1"})
    house.start("ledger")
    until(lambda: empty(house), "the stream to be empty")
    rows = house.rows()
    assert [(r["cost_nusd"], r["price_version"] == "fallback") for r in rows] == [(600 * 1000 + 400 * 50 + 10 * 5000, False), (40_000_000, True)]


def test_counters_come_back_when_redis_has_lost_everything(house):
    house.start("ledger")
    emit(house, 0, 1000, cost=7)
    until(lambda: empty(house), "the stream to be empty")
    house.redis.flushall()
    until(lambda: house.redis.exists(house.key("spend:ready")), "the counters to be ready", 15)
    month = time.strftime("%Y-%m", time.gmtime(NOW / 1000 + 3 * 3600))
    assert int(house.redis.hget(house.key(f"spend:{month}:all"), "spent")) == 7000
    assert sum(int(house.redis.hget(house.key(f"spend:{month}:{user}"), "spent")) for user in range(5000, 5007)) == 7000


@pytest.mark.parametrize("step", ["hear_counters", "rebuild", "rebuilt", "rebuilt:2"])
def test_a_kill_while_the_counters_are_made_is_made_good(house, step):
    house.start("ledger")
    emit(house, 0, 3000, cost=7, users=600)                   # more counters than one script takes
    until(lambda: empty(house), "the stream to be empty")
    house.kill(house.of("ledger")[0])
    house.redis.flushall()
    ledger = house.start("ledger", GPTTG_KILL_AT=step)
    until(lambda: not ledger.alive() or house.redis.exists(house.key("spend:ready")), "the ledger to be killed or done")
    if not ledger.alive():
        house.kill(ledger)
        house.start("ledger")
    until(lambda: house.redis.exists(house.key("spend:ready")), "the counters to be ready", 15)
    month = time.strftime("%Y-%m", time.gmtime(NOW / 1000 + 3 * 3600))
    assert int(house.redis.hget(house.key(f"spend:{month}:all"), "spent")) == 21000


def test_somebody_else_who_writes_for_a_while_is_waited_for(house):
    ledger = house.start("ledger")
    until(lambda: "is ours" in ledger.text(), "the lease")
    other = sqlite3.connect(house.path / "gpttg.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    emit(house, 0, 100)
    time.sleep(2.5)
    assert not empty(house)
    other.execute("COMMIT")
    other.close()
    rest(house, 100)


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], capture_output=True).returncode:
        pytest.skip("needs a small disk to fill")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def count_on(disk):
    with sqlite3.connect(f"file:{disk / 'gpttg.db'}?mode=ro", uri=True, timeout=10) as db:
        return db.execute("SELECT count(*), count(DISTINCT event_id) FROM usage").fetchone()


def test_a_full_disk_stops_the_reading_and_is_said_once(tmp_path, small_disk):
    with World(tmp_path, {"DB_PATH": str(small_disk / "gpttg.db")}) as house:
        house.expect_error("cannot store: database or disk is full")
        ledger = house.start("ledger")
        until(lambda: "is ours" in ledger.text(), "the lease")
        emit(house, 0, 3000)
        until(lambda: "disk is full" in ledger.text(), "the disk to be full")
        time.sleep(2.5)                                       # two more tries
        assert ledger.text().count("disk is full") == 1 and ledger.alive()
        left = house.redis.xlen(house.key("ledger"))
        assert 0 < left and left + count_on(small_disk)[0] >= 3000
        house.stop(ledger)                                    # and it ends in peace
        assert house.redis.xlen(house.key("ledger")) == left
        again = house.start("ledger")
        until(lambda: "disk is full" in again.text(), "the disk to be full still")
        subprocess.run(["mount", "-o", "remount,size=16m", small_disk], check=True)
        until(lambda: empty(house), "the stream to be empty", 40)
        assert count_on(small_disk) == (3000, 3000) and "storing again" in again.text()


def test_a_start_on_a_full_disk_waits_for_room(tmp_path, small_disk):
    with World(tmp_path, {"DB_PATH": str(small_disk / "gpttg.db")}) as house:
        house.expect_error("cannot begin: .*(No space left on device|disk is full)")
        house.stop(until(lambda: house.start("ledger"), "a first start"))
        with open(small_disk / "filler", "wb", buffering=0) as filler:
            try:
                while filler.write(bytes(1024)):
                    pass
            except OSError:
                pass
        ledger = house.start("ledger")
        until(lambda: "cannot begin" in ledger.text(), "the disk to be found full")
        emit(house, 0, 10)
        (small_disk / "filler").unlink()
        until(lambda: empty(house), "the stream to be empty", 20)
        assert count_on(small_disk) == (10, 10) and ledger.text().count("cannot begin") == 1


def test_a_start_on_a_read_only_disk_waits_until_it_is_mended(tmp_path, small_disk):
    with World(tmp_path, {"DB_PATH": str(small_disk / "data/gpttg.db")}) as house:
        house.expect_error("cannot begin: .*(Read-only file system|read-only)")
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
        ledger = house.start("ledger")
        until(lambda: "cannot begin" in ledger.text(), "the disk to be found read-only")
        emit(house, 0, 10)
        subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
        until(lambda: empty(house), "the stream to be empty", 20)
        assert ledger.text().count("cannot begin") == 1
        house.stop(ledger)
        with contextlib.closing(sqlite3.connect(small_disk / "data/gpttg.db")) as db:
            assert db.execute("SELECT count(*) FROM usage").fetchone() == (10,)
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
        again = house.start("ledger")                         # the same with a file that is there
        until(lambda: "cannot begin" in again.text(), "the disk to be found read-only")
        emit(house, 10, 10)
        subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
        until(lambda: empty(house), "the stream to be empty", 20)


def run(house, *flags, **settings):
    return subprocess.run([BUILD / "ledger/gpttg-ledger", *flags], env={**house.env(), **settings}, capture_output=True, text=True, timeout=20,
                          cwd=house.path)


def test_a_database_that_cannot_be_is_one_clear_line_and_78(house, tmp_path):
    (tmp_path / "diary").write_text("dear diary, " * 1000)
    assert run(house, DB_PATH="/proc/gpttg/gpttg.db").returncode == 78      # only trying tells, where root may everything
    for path in (str(tmp_path), ":memory:", str(tmp_path / "a/b/c.db"), str(tmp_path / "diary/x.db")):
        for flags in ((), ("--check-config",)):
            ended = run(house, *flags, DB_PATH=path)
            assert ended.returncode == 78 and "DB_PATH" in ended.stderr and ended.stderr.count("\n") == 1, (path, ended)
    ended = run(house, DB_PATH=str(tmp_path / "diary"))
    assert ended.returncode == 78 and "DB_PATH" in ended.stderr and ended.stderr.count("\n") == 1, ended
    assert (tmp_path / "diary").read_text().startswith("dear diary")
    ended = run(house, "--check-config", DB_PATH=str(tmp_path / "data/new.db"))
    assert ended.returncode == 0 and not ended.stderr and not (tmp_path / "data").exists()


def test_how_fast_it_is(house):
    count = 30_000
    for n in range(0, count, 3000):
        emit(house, n, 3000)
    ledger = house.start("ledger")
    until(lambda: "is ours" in ledger.text(), "the lease")
    began = time.monotonic()
    rest(house, count, 120)
    took = time.monotonic() - began
    used = resource.prlimit(ledger.pid, resource.RLIMIT_NOFILE) and open(f"/proc/{ledger.pid}/status").read()
    peak = next(line for line in used.splitlines() if line.startswith("VmHWM"))
    print(f"\n{count / took:.0f} events/s from the stream to the database and out of the stream; {peak}")
    assert count / took > 300
