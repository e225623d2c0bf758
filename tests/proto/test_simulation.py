"""A short siege with every run of the tests; simulate.py and mutants.py are the long ones."""
import os

import pytest

from engine import Server
from simulate import Simulation

SEEDS = int(os.environ.get("SIMULATION_SEEDS", 20))


@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_nothing_goes_wrong_under_siege(server, seed):
    assert Simulation(seed, server).play() == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_goes_wrong_when_updates_are_accepted_as_they_come(server, seed):
    assert Simulation(seed, server, unordered=True).play() == []


@pytest.mark.parametrize("seed", [6, 12])
def test_nothing_goes_wrong_when_redis_is_killed(seed):
    server = Server(durable=True)
    try:
        assert Simulation(seed, server, faults={"kill": .0008}).play() == []
    finally:
        server.stop()


def test_a_seed_is_played_the_same_way_each_time(server):
    played = []
    for _ in range(2):
        simulation = Simulation(3, server)
        simulation.play()
        played.append((simulation.tick, simulation.stats))
    assert played[0] == played[1]
