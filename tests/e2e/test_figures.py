"""The dashboard shows what the programs really tell Prometheus."""
import json
import re
import urllib.request

from world import ADMIN, ROOT, World, free_port, until

CHAT = 5001
PROGRAMS = ["ingest", "llm", "media", "ledger", "outbound"]


def page(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return answer.read().decode()
    except OSError:
        return ""


def shown_on_the_dashboard():
    board = json.loads((ROOT / "deploy/grafana/gpttg.json").read_text())
    expressions = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    assert len(expressions) > 30 and len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    return set(re.findall(r"gpttg_\w+", " ".join(expressions)))


def value(text, name):
    return sum(float(n) for n in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.M))


def test_every_figure_of_the_dashboard_is_told_by_some_program(tmp_path):
    with World(tmp_path) as world:
        ports = {name: free_port() for name in PROGRAMS}
        for name in PROGRAMS:
            world.start(name, METRICS_LISTEN=f"127.0.0.1:{ports[name]}")
        world.say(CHAT, "one")
        world.answer(CHAT, "«one»")
        world.at_rest()
        until(lambda: value(page(ports["ledger"]), "gpttg_ledger_calls_total") == 1, "the call to be counted")
        told = {name: page(port) for name, port in ports.items()}
        names = set(re.findall(r"^(gpttg_\w+)", "".join(told.values()), re.M))
        assert not shown_on_the_dashboard() - names
        (row,) = world.rows()
        assert value(told["ledger"], "gpttg_ledger_spent_nusd_total") == row["cost_nusd"] > 0
        until(lambda: value(page(ports["ledger"]), "gpttg_ledger_month_spent_nusd") == row["cost_nusd"], "the month's sum", 15)
        assert value(page(ports["ledger"]), "gpttg_ledger_month_held_nusd") == 0


def test_an_alert_is_counted(tmp_path):
    with World(tmp_path, {"OPENAI_MODEL": "local-llama"}) as world:
        port = free_port()
        for name in PROGRAMS:
            world.start(name, **({"METRICS_LISTEN": f"127.0.0.1:{port}"} if name == "outbound" else {}))
        world.say(ADMIN, "/start")
        world.say(CHAT, "one")
        world.answer(CHAT, "«one»")
        until(lambda: value(page(port), "gpttg_outbound_alerts_total") == 1, "the alert to be counted")
