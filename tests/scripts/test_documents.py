"""The documents say what the programs do: every setting, every command, the same defaults everywhere."""
import os, re, subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD_DIR") or ROOT / "build").resolve()
SERVICES = ["ingest", "llm", "media", "ledger", "outbound"]
READMES = ["README.md", "README.ru.md"]
SECRETS = {"BOT_TOKEN", "OPENAI_API_KEY", "WEBHOOK_SECRET"}
SAFER = {"ACCESS": "ask"}       # the example lets nobody spend the owner's key, while without a word the bot is open
OWN_IN_CONTAINERS = {"METRICS_LISTEN", "DB_PATH", "PRICES_FILE", "REDIS_URL"}      # values that differ there on purpose


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def example():
    """.env.example: name -> value"""
    found = re.findall(r"^([A-Z][A-Z0-9_]*)=(.*)$", text(".env.example"), re.M)
    assert len(found) == len(dict(found)), "a name stands twice"
    return {name: value.strip('"') for name, value in found}


def readme_table(name):
    """The table of settings: name -> default"""
    return dict(re.findall(r"^\| `([A-Z][A-Z0-9_]*)` \| ([^|]*?) \|", text(name), re.M))


def compose():
    """docker-compose.yml: service -> {variable: value}; its anchors resolved."""
    blocks, current = {}, None
    for line in text("docker-compose.yml").splitlines():
        head = re.match(r"(?:x-\w+: &(\w+)|  (\w+):)\s*$", line)
        if head:
            current = blocks.setdefault(head[1] or head[2], {})
        merge = re.match(r"\s+<<: \[(.*)\]", line)
        if merge:
            for anchor in merge[1].split(","):
                current.update(blocks[anchor.strip(" *")])
        pair = re.match(r"\s+([A-Z][A-Z0-9_]*): (.*?)(?:\s+#.*)?$", line)
        if pair:
            current[pair[1]] = pair[2]
    return {service: blocks[service] for service in SERVICES}


def help_of(service):
    program = BUILD / service / f"gpttg-{service}"
    if not program.exists():
        pytest.skip(f"{service} is not built")
    done = subprocess.run([program, "--help"], capture_output=True, text=True, check=True)
    return set(re.findall(r"^  ([A-Z][A-Z0-9_]+)  ", done.stdout, re.M))


@pytest.mark.parametrize("service", SERVICES)
def test_every_option_of_a_program_is_documented(service):
    options = help_of(service)
    assert options, "its --help lists no setting"
    assert options <= set(example())
    for readme in READMES:
        assert options <= set(readme_table(readme)), readme


@pytest.mark.parametrize("service", SERVICES)
def test_compose_gives_a_service_what_it_reads_and_no_foreign_secret(service):
    options, given = help_of(service), set(compose()[service])
    assert options - given == set(), "read by the program, missing in docker-compose.yml"
    assert (given - options) & SECRETS == set()


def test_every_documented_setting_is_read_by_some_program():
    assert set(example()) == set().union(*(help_of(service) for service in SERVICES))


@pytest.mark.parametrize("readme", READMES)
def test_readme_and_example_know_the_same_settings_with_the_same_defaults(readme):
    table, values = readme_table(readme), example()
    assert set(table) == set(values)
    for name, default in table.items():
        shown = "" if default in ("required", "empty", "обязательна", "пусто") else default.strip("`")
        assert shown == values[name] or values[name] == SAFER.get(name), name


def test_compose_and_example_know_the_same_settings_with_the_same_defaults():
    values, seen = example(), set()
    for service, given in compose().items():
        for name, value in given.items():
            seen.add(name)
            default = re.fullmatch(r"\$\{%s:([-?])(.*)\}" % name, value)
            if name in OWN_IN_CONTAINERS:
                continue
            assert default, f"{service}: {name} cannot be set from .env"
            if default[1] == "-":
                assert default[2] == values[name] or values[name] == SAFER.get(name), f"{service}: {name}"
            else:
                assert values[name] == "", f"{service}: {name} is required"
    assert seen == set(values)


def test_every_setting_has_one_line_of_explanation():
    lines = text(".env.example").splitlines()
    for number, line in enumerate(lines):
        if re.match(r"[A-Z]", line):
            assert re.match(r"# [^-]", lines[number - 1]), line


def test_the_example_ships_no_secret():
    assert all(example()[name] == "" for name in SECRETS | {"ADMIN_ID"})


@pytest.mark.parametrize("readme", READMES)
def test_every_command_stands_in_the_readme(readme):
    page = subprocess.run([ROOT / "gpttg", "help"], capture_output=True, text=True, check=True).stdout
    commands = re.findall(r"^(\./gpttg \w+(?: full)?)", page, re.M)
    assert len(commands) >= 7
    for command in commands:
        assert f"| `{command}` |" in text(readme), command


def commands_of_the_bot():
    """The table of ingest: name -> does it already do something?"""
    rows = re.findall(r'^    \{ "([a-z ]+)", +"[^"]*", +(?:true|false), +IN_\w+, +(SOON|LEDGER|\{)', text("ingest/commands.c"), re.M)
    return {name: fate != "SOON" for names, fate in rows for name in names.split()}


@pytest.mark.parametrize("readme", READMES)
def test_what_one_can_say_to_the_bot_stands_in_the_readme(readme):
    said = commands_of_the_bot()
    assert len(said) >= 12 and any(said.values()), "the table of commands reads otherwise now"
    rows = " ".join(re.findall(r"^\| ((?:`/\w+` )+)\|", text(readme), re.M))
    assert set(re.findall(r"/(\w+)", rows)) == {name for name, works in said.items() if works}
    named = set(re.findall(r"`/([a-z]+)`", text(readme))) - {"healthz", "metrics", "setprivacy"}       # the last is @BotFather's
    assert named == set(said)


@pytest.mark.parametrize("readme", READMES)
def test_words_that_are_commands_stand_in_the_readme(readme):
    for words in re.findall(r'^    \{ "[a-z ]+", +"([^"]+)"', text("ingest/commands.c"), re.M):
        for word in words.split():
            assert f"`{word}`" in text(readme), word


@pytest.mark.parametrize("readme", READMES)
def test_links_lead_somewhere(readme):
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text(readme)):
        assert (ROOT / target).exists(), target


def test_both_readmes_have_the_same_parts():
    shape = [re.findall(r"^(#+) |^(```)", text(readme), re.M) for readme in READMES]
    assert shape[0] == shape[1]
    rows = [re.findall(r"^\| `([^`]*)`", text(readme), re.M) for readme in READMES]
    assert rows[0] == rows[1]


def test_no_path_of_a_machine_stands_anywhere():
    names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")
             if not re.match(r"\.git/|build|data/|\.env$|node_modules", str(path.relative_to(ROOT)))]
    own = re.compile(r"/(?:home|root|work|Users)/[A-Za-z]")
    for name in names:
        path = ROOT / name
        if path.is_file() and path.resolve() != Path(__file__).resolve() and b"\0" not in (data := path.read_bytes()):
            found = own.search(data.decode("utf-8", "replace"))
            assert not found, f"{name}: {found.group()}"


def test_python_and_shell_files_are_well_formed():
    for script in ("gpttg", ".ci/run"):
        assert os.access(ROOT / script, os.X_OK), script
    subprocess.run(["bash", "-n", ROOT / ".ci/run"], check=True)
