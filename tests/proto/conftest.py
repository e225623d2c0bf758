"""One Redis for all contract tests, emptied before each."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bench import Bench                      # noqa: E402
from engine import Server                    # noqa: E402


@pytest.fixture(scope="session")
def server():
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def bench(server):
    bench = Bench(server)
    yield bench
    bench.close()
