"""A simulated commercetools Connect API with its auth service, and inboxes for what a watcher sends.

Contract: it shares nothing with the client that is tested against it. Resources, bounds, error bodies and refusals are
written from the official API description, so that an agreement between the two says something. It needs aiohttp.web,
msgspec and pydantic, and nothing of this program.

Everything a client can meet is served over HTTP: tokens and Deployments as the API has them, `/slack/hook/…` and
`/inbox/…` for messages. Everything a tester can do stands under `/_sim/…`. In the same process, `serve` yields a
`Simulator` with the same abilities as methods. Time comes from one clock, chance from one seed.

    door → api, hooks, control → simulation → player → state, faults, auth, inbox, journal → payload, slack, errors
"""

from watcher.simulator.errors import ApiError, ScenarioError, SimulatorError
from watcher.simulator.inbox import Message
from watcher.simulator.scenario import Expectation, Scenario, load_scenario, shipped_scenarios
from watcher.simulator.server import main_simulate, serve
from watcher.simulator.simulation import Simulator

__all__ = [
    "ApiError",
    "Expectation",
    "Message",
    "Scenario",
    "ScenarioError",
    "Simulator",
    "SimulatorError",
    "load_scenario",
    "main_simulate",
    "serve",
    "shipped_scenarios",
]
