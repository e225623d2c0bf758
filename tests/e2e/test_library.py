"""/library: documents that every question of their user may draw on."""
import pytest

from test_answers import bodies
from test_albums import file_of
from media_world import Sender, pdf, sample
from world import until

CHAT, GROUP = 5001, -1001234500


@pytest.fixture
def person(world):
    return Person(world)


class Person:
    def __init__(self, world):
        self.world = world
        self.uploads = Sender.uploads.__get__(self)

    def send(self, data, caption="/library", name="book.pdf", kind="document", **more):
        return self.world.control("message", {"chat": CHAT, "text": caption, "kind": kind, "file": file_of(self.world, data, name), **more})["message_id"]

    def kept(self):
        return self.world.redis.hgetall(self.world.key(f"library:{CHAT}"))

    def files(self):
        """At OpenAI."""
        return self.uploads()

    def searched(self):
        """The stores that the last question could look into."""
        tools = bodies(self.world)[-1].get("tools", [])
        return [store for tool in tools if tool["type"] == "file_search" for store in tool["vector_store_ids"]]

    def add(self, name="book.pdf", data=None, **more):
        self.send(data or pdf(name), name=name, **more)
        return self.world.answer(CHAT, f"Added to the library: {name}")


def test_a_document_is_added_and_questions_may_draw_on_it(person):
    person.add()
    kept = person.kept()
    store = kept.pop("store")
    ((file, about),) = kept.items()
    assert about.split(" ", 3)[1] == "assistants" and about.endswith(" book.pdf") and store.startswith("vs_")
    person.world.say(CHAT, "What does it say? [[lookup=1]]")
    shown = person.world.answer(CHAT, "«What does it say?»")
    assert person.searched() == [store] and shown.endswith("1. book.pdf")
    person.world.at_rest()
    assert person.world.redis.ttl(person.world.key(f"library:{CHAT}")) > 59 * 86400 and not person.world.redis.keys("gpttg:uploads:*")
    assert len(person.world.shown(CHAT)) == 2


def test_a_second_one_goes_into_the_same_store(person):
    person.add("one.pdf")
    store = person.kept()["store"]
    person.add("two.pdf")
    assert person.kept()["store"] == store and len(person.kept()) == 3


def test_in_answer_to_a_document_it_is_added_too(person):
    message = person.send(pdf(), "Look at this")
    person.world.answer(CHAT, "«Look at this»")
    person.world.say(CHAT, "/library", reply_to=message)
    person.world.answer(CHAT, "Added to the library")
    assert len(person.kept()) == 2


def test_the_list_and_its_buttons(person):
    person.world.say(CHAT, "/library")
    person.world.answer(CHAT, "The library is empty")
    for name in ("one.pdf", "two.pdf"):
        person.add(name)
    person.world.say(CHAT, "/library")
    shown = person.world.answer(CHAT, "Your library (2)")
    assert "1. two.pdf" in shown and "2. one.pdf" in shown
    assert person.world.buttons(CHAT) == ["🗑 1", "🗑 2", "🗑 all"]
    press = person.world.press(CHAT, "🗑 1")
    assert "two.pdf" in person.world.answered(press["callback_id"])
    until(lambda: any("Your library (1)" in t for t in person.world.shown(CHAT)), "the list to be shorter")
    until(lambda: len(person.files()) == 1, "the file to be deleted at OpenAI")
    press = person.world.press(CHAT, "🗑 all")
    assert "empty" in person.world.answered(press["callback_id"])
    until(lambda: not person.files() and person.world.control("counters")["counters"].get("openai.DELETE /v1/vector_stores/{id}"), "all to be deleted there")
    person.world.at_rest()
    assert person.kept() == {}


def test_a_group_knows_nothing_of_it(person):
    person.add()
    person.world.ask_in(GROUP, "and here?", user=CHAT)
    until(lambda: person.world.shown(GROUP), "an answer")
    person.world.rest(GROUP)
    assert person.searched() == []
    person.world.ask_in(GROUP, "/library", user=CHAT)
    person.world.at_rest()
    assert not any("book.pdf" in t for t in person.world.shown(GROUP))


@pytest.mark.parametrize("data, name, line", [(sample("photo.png"), "photo.png", "takes documents"), (b"PK\3\4" + bytes(50), "a.zip", "rchive"),
                                              (pdf() + b"[[unreadable]]\n%%EOF", "scan.pdf", "could not be read")])
def test_what_cannot_be_searched_is_said_and_nothing_stays(person, data, name, line):
    person.send(data, name=name)
    person.world.answer(CHAT, line)
    person.world.at_rest()
    until(lambda: not person.files(), "nothing to stay at OpenAI")
    assert person.kept() == {} and len(person.world.shown(CHAT)) == 1


@pytest.mark.settings(LIBRARY_FILES="1")
def test_a_full_library_says_so(person):
    person.add("one.pdf")
    person.send(pdf(), name="two.pdf")
    person.world.answer(CHAT, "library is full")
    assert len(person.kept()) == 2


@pytest.mark.settings(LIBRARY_FILES="0")
def test_where_there_is_none_the_command_does_not_exist(person):
    person.world.say(CHAT, "/library")
    person.world.answer(CHAT, "do not know")


def test_a_library_that_is_gone_at_openai_is_begun_anew(person):
    person.add("one.pdf")
    lost = person.kept()["store"]
    person.world.redis.hset(person.world.key(f"library:{CHAT}"), "store", "vs_nobody_knows")
    person.add("two.pdf")
    person.world.at_rest()
    kept = person.kept()
    assert kept.pop("store") not in (lost, "vs_nobody_knows") and [about.split(" ", 3)[3] for about in kept.values()] == ["two.pdf"]
    until(lambda: len(person.files()) == 1, "what was in it to be deleted")


@pytest.mark.parametrize("step", ["make_store", "judge_store", "attach", "judge_attach", "watch", "shelve", "commit", "committed"])
def test_media_is_killed_while_it_adds(person, step):
    """Nothing is there twice, and nothing that nobody knows of stays at OpenAI."""
    world = person.world
    world.stop(world.of("media")[0])
    victim = world.start("media", GPTTG_KILL_AT=step)
    person.send(pdf() + b"[[reading=1500]]\n%%EOF")
    until(lambda: not victim.alive(), f"media to die at {step}")
    world.kill(victim)
    world.start("media")
    world.answer(CHAT, "Added to the library: book.pdf", 40)
    world.at_rest()
    assert len(person.kept()) == 2 and len(world.shown(CHAT)) == 1
    until(lambda: len(person.files()) == 1, "one file to stay")


def test_stop_while_it_is_read_leaves_nothing(person):
    person.send(pdf() + b"[[reading=20000]]\n%%EOF")
    until(lambda: person.files(), "the upload")
    until(lambda: person.world.calls("GET /v1/vector_stores/{id}/files/{id}") or person.world.control("counters")["counters"].get("openai.POST /v1/vector_stores/{id}/files"), "the reading")
    person.world.say(CHAT, "/stop")
    person.world.answer(CHAT, "Stopped", 10)
    person.world.at_rest()
    until(lambda: not person.files(), "nothing to stay at OpenAI")
    assert person.kept() == {}
