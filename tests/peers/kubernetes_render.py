"""Helm, without a cluster. A program for the Python that has Helm's SDK: cases as JSON on standard input, answers on standard output.

`{"chart": …, "cases": [{"values": …, "release": …, "namespace": …}]}`. Each answer has either `manifests`, by template, or
`error`; where a case says `lint`, `messages`. What the templates look up is there where a case has a kubeconfig in `server`.
"""

import json
import sys
from typing import Any

import helm_python as helm  # type: ignore[import-not-found]  # it is not installed where types are checked


def answer(chart: str, case: dict[str, Any]) -> dict[str, Any]:
    """What Helm makes of one case."""
    values, place = case.get("values", {}), {"namespace": case.get("namespace", "watch")}
    release = case.get("release", "connect-watcher")
    try:
        if case.get("lint"):
            return {"messages": helm.lint(chart, values)["messages"]}
        if "server" in case:
            with helm.Config(kubeconfig_content=case["server"], **place) as cluster, helm.Chart.load(chart) as loaded:
                return {"manifests": cluster.render(loaded, values, name=release, **place)}
        with helm.Chart.load(chart) as loaded:
            loaded.validate_schema(values)
            return {"manifests": loaded.render(values, name=release, **place)}
    except helm.HelmError as error:
        return {"error": str(error)}


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    json.dump([answer(asked["chart"], case) for case in asked["cases"]], sys.stdout)
