"""./gpttg itself: settings, supervision, stopping. The services here are small stand-ins, so that they can be made to
misbehave; Redis is real. The last tests run the demo with the real programs, as soon as they are built."""
import os, shutil, signal, subprocess, tempfile, time, uuid
from pathlib import Path

import pytest
import redis

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ["ledger", "outbound", "llm", "media", "ingest"]
COMPLETE = {"BOT_TOKEN": "1:t0psecret", "OPENAI_API_KEY": "sk-t0psecret", "ADMIN_ID": "1"}

# A service that does nothing: notes its pid, prints its start, ends on SIGTERM.
SERVICE = """#!/bin/sh
name=${0##*gpttg-}
if [ "${1:-}" = --check-config ]; then exit 0; fi
trap 'echo "$name ends" >&2; exit 0' TERM
echo $$ >>"$HOUSE/starts.$name"
echo "$name works" >&2
while :; do sleep 0.05; done
"""


def until(claim, what, seconds=15):
    """Waits for a condition; a test never waits for time itself."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = claim()
        if found:
            return found
        time.sleep(0.02)
    pytest.fail(f"waited {seconds} s for {what}")


def processes_with(mark):
    """Pids of everything that inherited this mark in its environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if mark.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                pass
    return found


def hears_ctrl_c():
    """Whoever runs us in the background has it ignored, and a shell cannot undo that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class House:
    """A folder with the script, the settings' list and stand-ins for everything that would have to be built."""

    def __init__(self, path):
        self.path, self.mark, self.started, self.was_killed = path, uuid.uuid4().hex, [], False
        path.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "gpttg", path)
        shutil.copy(ROOT / ".env.example", path)
        (path / "bin").mkdir()
        self.temporary = Path(tempfile.mkdtemp(prefix="house-"))      # short, for sockets; what is left in it tells
        self.program("bin/meson", "#!/bin/sh\n")
        self.program("bin/ninja", "#!/bin/sh\necho 'ninja: no work to do.'\n")
        self.program("bin/dpkg-query", "#!/bin/sh\nprintf installed\n")
        for service in SERVICES:
            self.program(f"build/{service}/gpttg-{service}", SERVICE)
        (path / "build/build.ninja").touch()

    def program(self, name, text):
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)

    def service(self, name, body):
        self.program(f"build/{name}/gpttg-{name}", '#!/bin/sh\nif [ "${1:-}" = --check-config ]; then exit 0; fi\n' + body)

    def environment(self, extra):
        clean = {k: v for k, v in os.environ.items() if k in ("HOME", "PATH", "TMPDIR", "LANG")}
        clean["PATH"] = f"{self.path}/bin:{clean['PATH']}"
        return {**clean, "HOUSE": str(self.path), "MARK": self.mark, "TMPDIR": str(self.temporary), **extra}

    def run(self, *args, env=None, **more):
        return subprocess.run([self.path / "gpttg", *args], env=self.environment(env or {}), stdin=subprocess.DEVNULL,
                              text=True, capture_output=True, timeout=60, **more)

    def up(self, *args, env=COMPLETE):
        """Starts `up` in the background, as CI would: no terminal, its output in a file."""
        self.out = self.path / "out"
        process = subprocess.Popen([self.path / "gpttg", "up", *args], env=self.environment(env), stdin=subprocess.DEVNULL,
                                   stdout=self.out.open("w"), stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=hears_ctrl_c)
        self.started.append(process)
        return process

    def output(self):
        return self.out.read_text()

    def sees(self, text, count=1, seconds=15):
        until(lambda: self.output().count(text) >= count, f"{count} × «{text}» in:\n{self.output()}", seconds)

    def all_work(self):
        for service in SERVICES:
            self.sees(f"{service} works")

    def pids(self, service):
        file = self.path / f"starts.{service}"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def redis(self, path=None):
        return redis.Redis(unix_socket_path=str(path or self.path / "data/redis/redis.sock"))

    def nobody_is_left(self):
        until(lambda: not processes_with(self.mark), "the last process to end")
        assert not list(self.temporary.iterdir()) or self.was_killed, "it cleans up behind itself"


@pytest.fixture
def house(tmp_path):
    h = House(tmp_path / "house")
    yield h
    for process in h.started:
        if process.poll() is None:
            process.kill()
            process.wait()
    for pid in processes_with(h.mark):
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(h.temporary)


def stop(process, signum=signal.SIGTERM):
    begun = time.monotonic()
    process.send_signal(signum)
    assert process.wait(timeout=15) == 0
    assert time.monotonic() - begun < 10


# ---- words ----------------------------------------------------------------------------------------------------------

def test_it_is_plain_sh():
    subprocess.run(["dash", "-n", ROOT / "gpttg"], check=True)
    subprocess.run(["shellcheck", ROOT / "gpttg", ROOT / ".ci/run"], check=True)


def test_help_and_unknown_words(house):
    assert "./gpttg demo" in house.run("help").stdout
    assert house.run().stdout == house.run("--help").stdout == house.run("help").stdout
    wrong = house.run("dance")
    assert wrong.returncode == 64 and "dance" in wrong.stderr
    for wish in ("llm=0", "llm=x", "llm", "llm=", "redis=2", "llm=2=3", "llm=200"):
        assert house.run("up", wish, env=COMPLETE).returncode == 64, wish


def test_nothing_is_said_of_packages_when_none_is_missing(house):
    done = house.run("install", "build", "run", "test")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_it_works_from_another_folder_and_through_a_link(house, tmp_path):
    (tmp_path / "link").symlink_to(house.path / "gpttg")
    done = subprocess.run([tmp_path / "link", "up"], env=house.environment({}), cwd="/", text=True, capture_output=True)
    assert done.returncode == 78 and "BOT_TOKEN" in done.stderr


# ---- settings -------------------------------------------------------------------------------------------------------

def test_missing_settings_are_named_one_line_each(house):
    done = house.run("up")
    assert done.returncode == 78 and done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    for line, name, where in zip(lines, ("BOT_TOKEN", "OPENAI_API_KEY", "ADMIN_ID"),
                                 ("@BotFather", "https://platform.openai.com/api-keys", "@userinfobot")):
        assert name in line and where in line


def test_an_untouched_env_example_is_incomplete_but_well_formed(house):
    shutil.copy(house.path / ".env.example", house.path / ".env")
    done = house.run("up")
    assert done.returncode == 78 and len(done.stderr.splitlines()) == 3


def test_only_what_is_missing_is_named(house):
    (house.path / ".env").write_text("BOT_TOKEN=1:x\nADMIN_ID=''\n")
    done = house.run("up", env={"OPENAI_API_KEY": "sk"})
    assert done.returncode == 78 and done.stderr.count("\n") == 1 and "ADMIN_ID" in done.stderr


def test_the_env_file_is_read_and_never_run(house):
    (house.path / ".env").write_text(
        "\ufeff# a comment\r\n"
        "BOT_TOKEN=1:abc   # a comment behind\r\n"
        "export OPENAI_API_KEY = 'sk $(touch ran) `touch ran` \\n'\n"
        "  ADMIN_ID=5,6\n"
        "\n"
        'SYSTEM_PROMPT="Ты — «бот».\\nСтрока два: \\"да\\" \\\\ \\$HOME # не комментарий"  # комментарий\n'
        "KEY_PREFIX=a#b:\n"
        "OPENAI_PROXY=\n"
        "LOG_LEVEL=debug\n"
        "LOG_LEVEL=warn\n"
        "UI_LANG=en\n"
        "PATH=/nowhere\n"
        "root=/nowhere\n"
        "TZ_NAME=$(touch ran)", newline="")
    house.service("llm", 'env -0 >"$HOUSE/env.llm"; exec sleep 1000\n')
    process = house.up(env={"UI_LANG": "ru", "LOG_FORMAT": "json"})
    until(lambda: (house.path / "env.llm").exists() and (house.path / "env.llm").read_text().endswith("\0"), "llm to start")
    got = dict(item.split("=", 1) for item in (house.path / "env.llm").read_text().split("\0") if item)
    assert got["BOT_TOKEN"] == "1:abc"
    assert got["OPENAI_API_KEY"] == "sk $(touch ran) `touch ran` \\n"
    assert got["ADMIN_ID"] == "5,6"
    assert got["SYSTEM_PROMPT"] == 'Ты — «бот».\nСтрока два: "да" \\ $HOME # не комментарий'
    assert got["KEY_PREFIX"] == "a#b:" and got["TZ_NAME"] == "$(touch ran)"
    assert "OPENAI_PROXY" not in got                    # empty: the default
    assert got["LOG_LEVEL"] == "warn"                   # the last line counts
    assert got["UI_LANG"] == "ru"                       # the environment wins
    assert got["LOG_FORMAT"] == "json"
    assert "PATH is not a setting" in house.output() and "root is not a setting" in house.output()
    assert not list(house.path.rglob("ran"))
    stop(process)


@pytest.mark.parametrize("line", ['SYSTEM_PROMPT="no end', "SYSTEM_PROMPT='no end", 'SYSTEM_PROMPT="no end\\"', "just words"])
def test_a_malformed_env_file_is_one_clear_line(house, line):
    (house.path / ".env").write_text("# first\n" + line + "\n")
    done = house.run("up", env=COMPLETE)
    assert done.returncode == 78 and done.stderr.count("\n") == 1 and ".env line 2" in done.stderr


def test_what_a_service_finds_wrong_is_said_once_and_nothing_starts(house):
    for name in ("llm", "outbound"):
        house.program(f"build/{name}/gpttg-{name}", f"#!/bin/sh\necho 'gpttg-{name}: TAKEOVER_MS is wrong' >&2; exit 78\n")
    done = house.run("up", env=COMPLETE)
    assert done.returncode == 78 and done.stderr == "gpttg: TAKEOVER_MS is wrong\n"
    assert not house.pids("ingest")


# ---- running --------------------------------------------------------------------------------------------------------

def test_up_starts_one_of_each_and_stops_on_sigterm(house):
    process = house.up()
    house.all_work()
    assert all(len(house.pids(s)) == 1 for s in SERVICES)
    stop(process)
    for service in SERVICES:
        assert f"{service:<10}| {service} ends\n" in house.output()
    house.nobody_is_left()


@pytest.mark.parametrize("more, warned", [({}, True), ({"ACCESS": "ask"}, False), ({"ACCESS": "open"}, True), ({"ALLOWED_USER_IDS": "7,8"}, False),
                                          ({"GLOBAL_MONTHLY_BUDGET_USD": "5"}, False)])
def test_up_warns_when_everybody_may_spend_without_a_budget(house, more, warned):
    process = house.up(env={**COMPLETE, **more})
    house.sees("started")
    stop(process)
    assert house.output().count("everybody may use this bot") == warned


def test_up_starts_as_many_as_one_says(house):
    process = house.up("llm=3", "outbound=2", env={**COMPLETE, "METRICS_LISTEN": "127.0.0.1:9100"})
    house.sees("llm works", 3)
    house.sees("outbound works", 2)
    house.sees("llm.3     | llm works")
    for port in range(9100, 9108):
        assert f"http://127.0.0.1:{port}/metrics" in house.output()
    stop(process)
    house.nobody_is_left()


def test_its_redis_keeps_what_it_is_told(house):
    process = house.up()
    house.all_work()
    store = house.redis()
    until(lambda: is_there(store), "Redis")
    wanted = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction", "port": "0", "save": ""}
    assert {name: store.config_get(name)[name] for name in wanted} == wanted
    assert int(store.config_get("maxmemory")["maxmemory"]) > 0
    store.set("kept", "yes")
    before = store.info("server")["run_id"]
    os.kill(store.info("server")["process_id"], signal.SIGKILL)
    house.sees("redis was ended by signal 9, started again in 1 s")
    until(lambda: is_there(house.redis()), "Redis to come back")
    assert house.redis().info("server")["run_id"] != before and house.redis().get("kept") == b"yes"
    stop(process)
    process = house.up()
    until(lambda: is_there(house.redis()), "Redis of the second run")
    assert house.redis().get("kept") == b"yes"
    stop(process)
    house.nobody_is_left()


def is_there(store):
    try:
        return store.ping()
    except redis.exceptions.RedisError:
        return False


def test_services_still_have_redis_when_they_are_told_to_stop(house):
    house.service("llm", """trap 'redis-cli -s "${REDIS_URL#unix://}" PING >"$HOUSE/last"; exit 0' TERM
echo llm works >&2
while :; do sleep 0.05; done
""")
    process = house.up()
    house.all_work()
    until(lambda: is_there(house.redis()), "Redis")
    os.killpg(process.pid, signal.SIGINT)              # what Ctrl-C does: the whole foreground group gets it
    assert process.wait(timeout=10) == 0
    assert (house.path / "last").read_text() == "PONG\n"
    house.nobody_is_left()


def test_a_killed_service_is_started_again_and_again_later(house):
    process = house.up()
    house.all_work()
    for nth, delay in enumerate((1, 2, 4), start=1):
        os.kill(house.pids("llm")[-1], signal.SIGKILL)
        house.sees(f"llm was ended by signal 9, started again in {delay} s")
        until(lambda: len(house.pids("llm")) == nth + 1, "the next llm")
    assert all(len(house.pids(s)) == 1 for s in SERVICES if s != "llm")
    stop(process)
    house.nobody_is_left()


def test_it_stops_at_once_while_it_waits_to_start_something_again(house):
    house.service("llm", "exit 3\n")
    process = house.up()
    house.sees("llm ended with code 3, started again in 8 s", seconds=30)
    stop(process)
    house.nobody_is_left()


def test_wrong_settings_are_not_tried_again(house):
    house.service("llm", "echo 'OPENAI_API_KEY: refused' >&2; exit 78\n")
    process = house.up()
    house.sees("it is not started again")
    house.sees("ingest works")
    stop(process)
    assert house.output().count("OPENAI_API_KEY: refused") == 1


def test_when_nothing_is_left_it_ends_by_itself(house):
    for service in SERVICES:
        house.service(service, "exit 78\n")
    process = house.up()
    assert process.wait(timeout=30) == 78
    house.nobody_is_left()


def test_who_does_not_listen_is_killed_in_time(house):
    house.service("llm", "trap '' TERM\necho llm works >&2\nwhile :; do sleep 0.05; done\n")
    process = house.up()
    house.all_work()
    stop(process)
    house.nobody_is_left()


def test_kill_9_of_the_script_leaves_nothing(house):
    process = house.up()
    house.all_work()
    process.kill()
    process.wait()
    house.was_killed = True
    house.nobody_is_left()
    stop_again = house.up()
    house.all_work()
    stop(stop_again)


def test_a_reader_that_goes_away_ends_it_cleanly(house):
    reader, writer = os.pipe()
    process = subprocess.Popen([house.path / "gpttg", "up"], env=house.environment(COMPLETE), stdin=subprocess.DEVNULL,
                               stdout=writer, stderr=subprocess.DEVNULL, start_new_session=True)
    house.started.append(process)
    os.close(writer)
    until(lambda: all(house.pids(s) for s in SERVICES), "all services")
    os.close(reader)
    os.kill(house.pids("llm")[0], signal.SIGKILL)       # somebody has something to say now
    stop(process)
    house.nobody_is_left()


def test_a_folder_is_used_once_at_a_time(house):
    process = house.up()
    house.all_work()
    second = house.run("up", env=COMPLETE)
    assert second.returncode == 75 and "already running" in second.stderr
    stop(process)


@pytest.mark.parametrize("name", ["long-" * 30, "with space and ünïcode"])
def test_any_folder_will_do(tmp_path, name):
    house = House(tmp_path / name)
    process = house.up()
    house.all_work()
    socket = house.output().split("redis-cli -s ")[1].split("\n")[0]
    assert len(socket) < 108
    until(lambda: is_there(house.redis(socket)), "Redis")
    assert (house.path / "data/redis/appendonlydir").is_dir()
    stop(process)
    house.nobody_is_left()
    shutil.rmtree(house.temporary)


def test_any_temporary_folder_will_do(house):
    (house.path / ("deep-" * 30)).mkdir()
    process = house.up(env={**COMPLETE, "TMPDIR": str(house.path / ("deep-" * 30))})
    house.all_work()
    until(lambda: is_there(house.redis(house.output().split("redis-cli -s ")[1].split("\n")[0])), "Redis")
    stop(process)
    house.nobody_is_left()


def test_a_redis_of_ones_own_is_used(house):
    house.service("llm", 'echo "url=$REDIS_URL" >&2; exec sleep 1000\n')
    process = house.up(env={**COMPLETE, "REDIS_URL": "redis://127.0.0.1:1/0"})
    house.sees("url=redis://127.0.0.1:1/0")
    house.sees("ingest works")
    assert "redis-cli" not in house.output() and not (house.path / "data/redis").exists()
    stop(process)
    house.nobody_is_left()


# A ledger that says what it was asked and where the file is.
LEDGER = """case "$1" in --backup|--restore) echo "$1 $2 db=${DB_PATH:-}"; exit ${LEDGER_CODE:-0} ;; esac
trap 'exit 0' TERM
while :; do sleep 0.05; done
"""


def test_backup_and_restore_are_handed_to_the_ledger(house, tmp_path):
    house.service("ledger", LEDGER)
    (house.path / ".env").write_text("DB_PATH=/somewhere/else.db\n")
    done = house.run("backup", "copy.db", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"--backup {tmp_path}/copy.db db=/somewhere/else.db\n"), "a name means what it means to the caller"
    done = house.run("backup")
    assert done.returncode == 0 and f"--backup {house.path}/data/backup/gpttg-20" in done.stdout, done
    done = house.run("restore", "/tmp/copy.db", env={"LEDGER_CODE": "66"})
    assert (done.returncode, done.stdout) == (66, "--restore /tmp/copy.db db=/somewhere/else.db\n")
    assert house.run("restore").returncode == 64 and house.run("backup", "a", "b").returncode == 64


def test_restore_is_refused_while_it_is_running(house):
    process = house.up()
    house.all_work()
    refused = house.run("restore", "/tmp/copy.db")
    assert refused.returncode == 75 and "stop it first" in refused.stderr
    stop(process)


def test_no_secret_is_shown(house):
    process = house.up()
    house.all_work()
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in processes_with(house.mark)]
    stop(process)
    assert not any(b"t0psecret" in command for command in commands)
    assert "t0psecret" not in house.output()


# ---- the demo -------------------------------------------------------------------------------------------------------

BUILD = Path(os.environ.get("BUILD_DIR") or ROOT / "build").resolve()

# A whole bot in one stand-in: an answer that begins as a status line and grows, so that the chat has something to show.
BOT = '''
import json, os, time, urllib.request
def call(method, **parameters):
    request = urllib.request.Request(f"{os.environ['TELEGRAM_API_URL']}/bot{os.environ['BOT_TOKEN']}/{method}",
                                     json.dumps(parameters).encode(), {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request, timeout=60))["result"]
offset = 0
while True:
    for update in call("getUpdates", offset=offset, timeout=1):
        offset = update["update_id"] + 1
        message = update["message"]
        chat = message["chat"]["id"]
        sent = call("sendMessage", chat_id=chat, text="thinking")["message_id"]
        answer = "you said: " + message["text"] + "\\n" + "word " * 30
        for end in range(20, len(answer), 20):
            call("editMessageText", chat_id=chat, message_id=sent, text=answer[:end])
            time.sleep(0.02)
        call("editMessageText", chat_id=chat, message_id=sent, text=answer)
        call("sendMessage", chat_id=chat, text="the end")
'''


@pytest.fixture
def demo_house(house):
    if not (BUILD / "sim/gpttg-sim").exists():
        pytest.skip("the simulator is not built")
    (house.path / "build/sim").mkdir()
    (house.path / "build/sim/gpttg-sim").symlink_to(BUILD / "sim/gpttg-sim")
    (house.path / "sim").symlink_to(ROOT / "sim")
    # it is as busy as a real one: until the whole answer is out, its conversation stands in `busy`
    bot = BOT.replace('sent = call', 'redis("ZADD", "gpttg:busy", "1", "1"); sent = call').replace(
        'text="the end")', 'text="the end"); redis("ZREM", "gpttg:busy", "1")')
    (house.path / "bot.py").write_text(
        "import subprocess\ndef redis(*words): subprocess.run(['redis-cli', '-s', __import__('os').environ['REDIS_URL'][7:], *words],"
        " stdout=subprocess.DEVNULL, check=True)\n" + bot)
    house.service("ingest", 'exec python3 "$HOUSE/bot.py"\n')
    return house


def test_demo_answers_piped_lines_in_turn_and_ends(demo_house):
    house = demo_house
    done = subprocess.run([house.path / "gpttg", "demo"], env=house.environment({}),
                          input="hello\n\nпривет 👋\nlast line without end", text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    chat = [line for line in done.stdout.splitlines() if line.startswith(("you:", "bot:"))]
    expected = []
    for line in ("hello", "привет 👋", "last line without end"):
        expected += [f"you: {line}", f"bot: you said: {line}", "bot: the end"]
    assert chat == expected
    assert "redis-cli -s" in done.stdout and done.stderr == ""
    house.nobody_is_left()


def test_demo_without_input_ends_at_once(demo_house):
    done = demo_house.run("demo")
    assert done.returncode == 0
    demo_house.nobody_is_left()


def test_demo_knows_nothing_of_the_real_settings(demo_house):
    house = demo_house
    house.service("llm", 'env >"$HOUSE/env.llm"; exec sleep 1000\n')
    (house.path / ".env").write_text("BOT_TOKEN=1:t0psecret\n")
    done = subprocess.run([house.path / "gpttg", "demo"], input="hello\n", text=True, capture_output=True, timeout=60,
                          env=house.environment({**COMPLETE, "REDIS_URL": "redis://127.0.0.1:1", "KEY_PREFIX": "mine:",
                                                 "OPENAI_PROXY": "http://127.0.0.1:1", "DB_PATH": "mine.db"}))
    assert done.returncode == 0
    seen = (house.path / "env.llm").read_text()
    assert "t0psecret" not in seen and "127.0.0.1:1\n" not in seen and "mine" not in seen
    assert not (house.path / "data").exists()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_demo_in_a_terminal_grows_answers_and_ends_on_a_signal(demo_house, signum):
    house = demo_house
    ours, theirs = os.openpty()
    process = subprocess.Popen([house.path / "gpttg", "demo"], env=house.environment({}), stdin=theirs, stdout=theirs,
                               stderr=theirs, start_new_session=True, preexec_fn=hears_ctrl_c)
    house.started.append(process)
    os.close(theirs)
    os.set_blocking(ours, False)
    screen = b""

    def shows(text):
        nonlocal screen
        try:
            screen += os.read(ours, 65536)
        except BlockingIOError:
            pass
        return text.encode() in screen

    until(lambda: shows("\033[1m> "), "the prompt")
    os.write(ours, "вопрос\n".encode())
    until(lambda: shows("you said: вопрос"), f"the answer, on the screen:\n{screen.decode()}")
    until(lambda: shows("the end"), "the second message")
    until(lambda: shows("") and screen.count(b"\033[1m> ") >= 2, "the next prompt")
    assert screen.count("you said: вопрос".encode()) == 1, "what had been shown was extended, not shown again"
    os.killpg(process.pid, signum)
    assert process.wait(timeout=10) == 0
    os.close(ours)
    house.nobody_is_left()


def test_the_real_demo_answers(tmp_path):
    """The programs themselves, as somebody would try them first."""
    if not all((BUILD / s / f"gpttg-{s}").exists() for s in SERVICES + ["sim"]):
        pytest.skip("not everything is built")
    done = subprocess.run([ROOT / "gpttg", "demo"], input="hello\nand again\n/img\na cat\n!tall\n!no such\n", text=True,
                          capture_output=True, timeout=120, env={**os.environ, "TMPDIR": str(tmp_path), "UI_LANG": "en"})
    assert done.returncode == 0 and done.stderr == "", done.stdout + done.stderr
    assert "«hello»" in done.stdout and "«and again»" in done.stdout
    assert done.stdout.endswith("[🔁 Again] [📐 Size] [📄 As a file]\nyou: !no such\n  there is no such button\n"), done.stdout
    assert not list(tmp_path.iterdir())
