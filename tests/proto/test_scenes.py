"""Every scene, in every way that a script must stand: twice, with wrong types under its keys, without memory."""
import re

import pytest

from engine import PREFIX, PROTO, RedisError
from scenes import scenes

ALL = sorted(scenes)
LISTING = re.compile(r'"((?:[^"\\]|\\.)*)"')


def play(bench, name):
    bench.wipe()
    return scenes[name][0](bench)


def settled_only(state):
    """Without the scores that are now()."""
    return {key: value for key, value in state.items() if key not in (PREFIX + "busy",)}


def keys_touched(bench, command):
    """What the script itself reads or writes, as MONITOR shows it."""
    watcher = bench.server.connect()
    watcher.call("MONITOR")
    bench.run(command)
    bench.redis.call("ECHO", "that was it")
    keys = set()
    while True:
        line = watcher.line().decode("utf-8", "surrogateescape")
        if "that was it" in line:
            break
        if " lua]" in line:
            keys |= {word for word in LISTING.findall(line)[1:] if word.startswith(PREFIX)}
    watcher.close()
    return sorted(keys)


def test_every_script_has_a_scene(bench):
    played = {play(bench, name)[0] for name in ALL}
    assert played == {path.stem for path in PROTO.glob("*.lua")} - {"lib"}


@pytest.mark.parametrize("name", ALL)
def test_a_lost_reply_is_asked_again(bench, name):
    """The second run finds everything done: nothing changes, and it is no error."""
    command = play(bench, name)
    bench.run(command)
    once = settled_only(bench.dump())
    bench.run(command)
    if scenes[name][1]["twice"] == "same":
        assert settled_only(bench.dump()) == once


@pytest.mark.parametrize("name", ALL)
def test_a_wrong_type_is_noticed_before_the_first_write(bench, name):
    """Whatever key has the wrong type: the script does its work without it, or refuses and has changed nothing."""
    for key in keys_touched(bench, play(bench, name)):
        if ":job:alert-" in key:
            continue             # named by the millisecond: nobody has it, unless the next one comes within the same
        command = play(bench, name)
        kind = bench.redis.call("TYPE", key)
        bench.redis.call("DEL", key)
        if kind == "string" or kind == "none" and ":text:" not in key:
            bench.redis.call("RPUSH", key, "not what it should be")
        else:
            bench.redis.call("SET", key, "not what it should be")
        before = bench.dump()
        try:
            bench.run(command)
        except RedisError as error:
            after = bench.dump()
            changed = sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k))
            assert not changed, f"{key} is no {kind}: {changed} were written, then {error}"


@pytest.mark.parametrize("name", ALL)
def test_memory_is_full(bench, name):
    command = play(bench, name)
    before = bench.dump()
    bench.redis.call("CONFIG", "SET", "maxmemory", 1)
    try:
        bench.run(command)
        refused = ""
    except RedisError as error:
        refused = str(error)
    bench.redis.call("CONFIG", "SET", "maxmemory", 0)
    if scenes[name][1]["full"] == "refused":
        assert refused.startswith("OOM"), refused
        assert bench.dump() == before
    else:
        assert refused == ""


@pytest.mark.parametrize("name", ALL)
def test_it_is_short(bench, name):
    """How many commands a script runs does not grow with what Redis holds, and is small."""
    command = play(bench, name)
    bench.redis.call("CONFIG", "RESETSTAT")
    bench.run(command)
    stats = bench.redis.call("INFO", "commandstats")
    commands = sum(int(count) for name, count in re.findall(r"cmdstat_(\S+?):calls=(\d+)", stats) if not name.startswith(("eval", "config")))
    assert commands <= 70, f"{commands} commands"
