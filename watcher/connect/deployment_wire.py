"""Deployments on the wire: what is read of them."""

from collections.abc import Sequence

from msgspec import Struct

from watcher.connect.wire import (
    LINK,
    MAX_PARTS,
    SHORT,
    STATUS,
    Clean,
    Form,
    ReportWire,
    entries,
    identifier,
    number,
    text,
    word,
)
from watcher.core.snapshot import Application, Deployment


class BuildWire(Struct):
    """The attempt: its id tells one from the next."""

    id: str | None = None
    report: ReportWire | None = None


class DetailsWire(Struct):
    """The envelope around the build."""

    build: BuildWire | None = None


class ConnectorWire(Struct):
    """The copy of the Connector that a Deployment carries."""

    id: str | None = None
    key: str | None = None
    name: str | None = None
    version: int | None = None


class ApplicationWire(Struct, rename="camel"):
    """An application, without its configuration."""

    id: str | None = None
    application_name: str | None = None
    url: str | None = None
    topic: str | None = None
    schedule: str | None = None


class DeploymentWire(Struct, rename="camel"):
    """A Deployment, without what is configured."""

    id: str | None = None
    status: str | None = None
    key: str | None = None
    version: int | None = None
    type: str | None = None
    deployed_region: str | None = None
    connector: ConnectorWire | None = None
    details: DetailsWire | None = None
    applications: list[ApplicationWire] | None = None


def make_deployment(wire: DeploymentWire, project: str, clean: Clean) -> Deployment | None:
    """The Deployment, if it has an id and a status."""
    status, own = clean(word(wire.status, STATUS)), identifier(wire.id)
    if not status or not own:
        return None
    connector = wire.connector or ConnectorWire()
    build = (wire.details and wire.details.build) or BuildWire()
    return Deployment(
        id=own,
        project=project,
        status=status,
        key=clean(word(wire.key)),
        type=clean(word(wire.type)),
        version=number(wire.version),
        region=clean(word(wire.deployed_region)),
        connector_id=identifier(connector.id),
        connector_key=clean(word(connector.key)),
        connector_name=text(connector.name, SHORT, clean),
        connector_version=number(connector.version),
        build=word(build.id),
        entries=entries(build.report, clean),
        applications=_applications(wire.applications or (), clean),
    )


def _applications(listed: Sequence[ApplicationWire], clean: Clean) -> tuple[Application, ...]:
    return tuple(
        Application(
            id=word(each.id),
            name=text(each.application_name, SHORT, clean),
            url=text(each.url, LINK, clean),
            topic=text(each.topic, LINK, clean),
            schedule=clean(word(each.schedule)),
        )
        for each in sorted(listed, key=lambda each: each.application_name or "")[:MAX_PARTS]
    )


DEPLOYMENT = Form(DeploymentWire, make_deployment)
