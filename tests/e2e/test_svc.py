"""What svc_main promises of every service: the end that takes too long, the job that runs alone, the frozen one."""
import os
import signal
import time
from pathlib import Path

import pytest

from world import until

CHAT = 5001


@pytest.mark.settings(OPENAI_BACKGROUND="off")
def test_what_does_not_end_in_time_is_handed_back(world):
    (llm,) = world.of("llm")
    world.say(CHAT, "one [[deltas=150 delta_ms=100]]")
    until(lambda: world.shown(CHAT), "first words")
    began = time.monotonic()
    world.stop(llm)                 # asserts exit 0
    took = time.monotonic() - began
    assert took < 10
    if took > 7:                    # it waited for the answer as long as it may
        assert "handed back" in llm.text()
    world.start("llm")
    world.answer(CHAT, "«one»", 40)
    world.at_rest()
    assert len(world.shown(CHAT)) == 1


def test_a_frozen_redis_keeps_nobody(world):
    world.say(CHAT, "one [[deltas=100 delta_ms=100]]")
    until(lambda: world.shown(CHAT), "first words")
    os.kill(world.redis_process.pid, signal.SIGSTOP)
    for program in world.programs.values():
        program.signal(signal.SIGTERM)
    began = time.monotonic()
    for program in list(world.programs.values()):
        world.stop(program)         # a second SIGTERM, for those who are still there
    assert time.monotonic() - began < 10
    os.kill(world.redis_process.pid, signal.SIGCONT)
    world.start_all()
    world.answer(CHAT, "«one»", 40)


@pytest.mark.parametrize("service", ["llm", "outbound", "ledger", "ingest"])
def test_a_frozen_redis_keeps_nobody_longer_than_ten_seconds(world, service):
    world.say(CHAT, "one [[deltas=100 delta_ms=100]]")
    until(lambda: world.shown(CHAT), "first words")
    os.kill(world.redis_process.pid, signal.SIGSTOP)
    began = time.monotonic()
    (program,) = world.of(service)
    world.stop(program)
    assert time.monotonic() - began < 10
    os.kill(world.redis_process.pid, signal.SIGCONT)
    world.start(service)
    world.answer(CHAT, "«one»", 40)
    world.at_rest()


def test_a_job_that_brings_workers_down_runs_alone(world):
    (llm,) = world.of("llm")
    world.stop(llm)
    world.say(CHAT, "one")
    for _ in range(2):
        doomed = world.start("llm", GPTTG_KILL_AT="ask")
        until(lambda: not doomed.alive(), "the crash")
        assert doomed.process.returncode == -signal.SIGKILL
        world.ended.append(world.programs.pop(doomed.name))
    last = world.start("llm")
    world.answer(CHAT, "«one»", 30)
    world.at_rest()
    assert "starting for one job" in last.text() and len(world.shown(CHAT)) == 1


def state(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


def test_a_worker_that_freezes_at_a_step_is_replaced(world):
    (llm,) = world.of("llm")
    world.stop(llm)
    frozen = world.start("llm", GPTTG_STOP_AT="ask")
    world.say(CHAT, "one")
    until(lambda: state(frozen.pid) == "T", "it to freeze")
    world.start("llm")
    world.answer(CHAT, "«one»", 30)
    frozen.signal(signal.SIGCONT)
    world.say(CHAT, "two")
    world.answer(CHAT, "«two»")
    world.at_rest()
    assert len(world.shown(CHAT)) == 2
