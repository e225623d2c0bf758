import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from world import World  # noqa: E402


@pytest.fixture
def world(tmp_path, request):
    """A running bot. @pytest.mark.settings(NAME="value", …) and @pytest.mark.counts(llm=2, …) change it."""
    settings = request.node.get_closest_marker("settings")
    counts = request.node.get_closest_marker("counts")
    with World(tmp_path, settings.kwargs if settings else None) as made:
        made.start_all(**(counts.kwargs if counts else {}))
        yield made
        if hasattr(request.node, "failed_call"):
            made.announced.append(__import__("re").compile("."))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    made = item.funcargs.get("world") if hasattr(item, "funcargs") else None
    if report.when == "call" and report.failed and made is not None:
        item.failed_call = True
        for program in [*made.programs.values(), *made.ended]:
            lines = program.text().splitlines()[-40:]
            report.sections.append((f"log of {program.name}", "\n".join(lines)))


def pytest_configure(config):
    config.addinivalue_line("markers", "settings(**env): environment of the services")
    config.addinivalue_line("markers", "counts(**services): how many of each")
