"""A simulated commercetools Connect API with its auth service, and inboxes for what a watcher sends.

Contract: it shares nothing with the client that is tested against it. Resources, bounds, error bodies and refusals are
written from the official API description, so that an agreement between the two says something. It needs aiohttp.web,
msgspec, pydantic and opentelemetry-proto, and of this program only the door to HTTP, through which it pushes logs.

Everything a client can meet is served over HTTP: tokens, Deployments with their logs, ConnectorStaged and Connectors as
the API has them, `/slack/hook/…`, `/slack/api/…` and `/inbox/…` for messages. Everything a tester can do stands under `/_sim/…`. In the
same process, `serve` yields a `Simulator` with the same abilities as methods.

Two ways of changing the world stay apart. Raw moves (scenario steps like `set`, the control API) set any field to any
value at once. Requests, a client's or a scenario's own (`redeploy`, `publish` …), obey the lifecycle and take scenario
time. Nothing runs in the background for that: planned moves wait until somebody looks, and the door lets time catch up
before every request, as an exporter of logs does before every batch. Time comes from one clock, chance from one seed, so a run can be repeated.

    door → api, hooks, control → simulation → player → moves → state, logbook, faults, auth, timeline → lifecycle, payload
                                     scenario ↗        steps ↗
                                      pushing → otlp
"""

from watcher.simulator.errors import ApiError, ScenarioError, SimulatorError
from watcher.simulator.inbox import Message
from watcher.simulator.scenario import Scenario, load_scenario, shipped_scenarios
from watcher.simulator.server import main_simulate, serve
from watcher.simulator.simulation import Simulator
from watcher.simulator.steps import Expectation

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
