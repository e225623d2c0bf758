"""The ledger's file over the years: copied while it works, put back, read-only for a while, shared by two."""
import contextlib
import sqlite3
import subprocess

from test_ledger import emit, empty, house, rest, run, stored      # noqa: F401 (house is a fixture)
from world import until


def count_in(path):
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return db.execute("SELECT count(*) FROM usage").fetchone()[0]


def test_a_backup_is_made_under_load_and_nothing_waits_for_it(house, tmp_path):
    ledger = house.start("ledger")
    until(lambda: "lease ledger is ours" in ledger.text(), "the tables")
    emit(house, 0, 2000)
    until(lambda: house.rows("SELECT count(*) AS n FROM usage")[0]["n"] > 0, "the first batch")
    done = run(house, "--backup", str(tmp_path / "copy.db"))
    assert done.returncode == 0 and "copy.db" in done.stdout, done
    emit(house, 2000, 1000)
    rest(house, 3000)
    assert 0 < count_in(tmp_path / "copy.db") <= 3000
    again = run(house, "--backup", str(tmp_path / "copy.db"))
    assert again.returncode == 73 and again.stderr.count("\n") == 1 and "is there already" in again.stderr, again


def test_a_backup_goes_back_in_only_while_the_ledger_is_away(house, tmp_path):
    ledger = house.start("ledger")
    emit(house, 0, 10)
    rest(house, 10)
    assert run(house, "--backup", str(tmp_path / "copy.db")).returncode == 0
    emit(house, 10, 5)
    rest(house, 15)
    refused = run(house, "--restore", str(tmp_path / "copy.db"))
    assert refused.returncode == 75 and "is in use" in refused.stderr and refused.stderr.count("\n") == 1, refused
    house.stop(ledger)
    emit(house, 15, 3)                          # what comes meanwhile waits, and is booked in the file that is put back
    done = run(house, "--restore", str(tmp_path / "copy.db"))
    assert done.returncode == 0 and "what was there is kept" in done.stdout, done
    house.start("ledger")
    rest(house, 13)


def test_a_flag_without_a_file_is_no_flag(house):
    ended = run(house, "--backup")
    assert ended.returncode == 64 and "--backup FILE" in ended.stderr and ended.stderr.count("\n") == 1, ended
    assert "--restore FILE" in run(house, "--help").stdout


def test_old_raw_events_go_while_the_ledger_works(house):
    house.start("ledger")
    emit(house, 0, 30)
    rest(house, 30)
    ledger, = house.of("ledger")
    house.stop(ledger)
    with contextlib.closing(sqlite3.connect(house.path / "gpttg.db")) as db:
        db.execute("UPDATE events SET stored_at = stored_at - 3 * 86400000 WHERE event_id < '2'")
        db.commit()
    ledger = house.start("ledger", RETENTION_DAYS="2")
    until(lambda: "older than RETENTION_DAYS" in ledger.text(), "them to go")
    assert 0 < house.rows("SELECT count(*) AS n FROM events")[0]["n"] < 30
    emit(house, 0, 40)                          # also those that have gone: each call is booked once
    rest(house, 40)
