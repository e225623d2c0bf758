"""Files that the model makes by running code come behind the answer, as documents."""
import pytest

from world import until

CHAT = 5001
pytestmark = pytest.mark.settings(CODE_INTERPRETER="auto", WEB_SEARCH="off")


def documents(world):
    return [m for m in world.bot_messages(CHAT) if m["kind"] == "document"]


def test_they_come_behind_the_answer(world):
    world.say(CHAT, "Draw [[compute=2]]")
    world.answer(CHAT, "«Draw»")
    until(lambda: len(documents(world)) == 2, "the files")
    world.at_rest()
    kinds = [m["kind"] for m in world.bot_messages(CHAT)]
    assert kinds == ["text", "document", "document"], world.bot_messages(CHAT)
    world.say(CHAT, "And now?")
    world.answer(CHAT, "«And now?»")
    assert world.responses()[1]["previous_response_id"] == world.responses()[0]["id"]


def test_one_that_cannot_be_had_is_named(world):
    world.fault("openai", "status", {"path": "/v1/containers/*"}, status=404, times=1)
    world.say(CHAT, "Draw [[compute=2]]")
    world.answer(CHAT, "Could not be had: chart-1.png")
    until(lambda: len(documents(world)) == 1, "the other one")
    world.at_rest()


def test_a_container_that_answers_late_is_waited_for(world):
    world.fault("openai", "status", {"path": "/v1/containers/*"}, status=503, times=2)
    world.say(CHAT, "Draw [[compute=1]]")
    until(lambda: len(documents(world)) == 1, "the file", 30)
    world.at_rest()
    assert not any("Could not" in t for t in world.shown(CHAT)) and world.control("faults")["faults"][0]["fired"] == 2


@pytest.mark.parametrize("step", ["fetch_made", "judge_made", "store_piece", "piece_stored", "give", "commit"])
def test_media_is_killed_while_it_fetches(world, step):
    world.stop(world.of("media")[0])
    victim = world.start("media", GPTTG_KILL_AT=step)
    world.say(CHAT, "Draw [[compute=2]]")
    until(lambda: not victim.alive(), f"media to die at {step}")
    world.kill(victim)
    world.start("media")
    world.answer(CHAT, "«Draw»", 40)
    until(lambda: len(documents(world)) == 2, "the files", 30)
    world.at_rest()
    assert len(documents(world)) == 2 and len(world.responses()) == 1 and len(world.rows()) == 1
