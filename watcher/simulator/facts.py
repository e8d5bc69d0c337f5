"""The words and bounds of the official description of the Connect API.

One is not in it: that `manage_project` does not include `manage_api_clients` stands in the description of API Clients.
"""

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

DeploymentType: TypeAlias = Literal["preview", "sandbox", "production"]
DEPLOYMENT_TYPES: tuple[str, ...] = get_args(DeploymentType)
IntegrationType: TypeAlias = Literal[
    "tax",
    "marketplace",
    "oms",
    "psp",
    "pim",
    "promotion",
    "search",
    "erp",
    "crm",
    "email",
    "analytics",
    "shipping",
    "giftcard",
    "other",
]
INTEGRATION_TYPES: tuple[str, ...] = get_args(IntegrationType)

REGIONS = ("europe-west1.gcp", "us-central1.gcp", "australia-southeast1.gcp", "us-east-2.aws", "eu-central-1.aws")
"""The regions of today. There have been others, so a value outside the list is no error in itself."""

DEFAULT_REGION = REGIONS[0]

LOG_TYPES = ("HTTP_REQUEST", "APPLICATION_TEXT", "APPLICATION_JSON")
LOG_SEVERITIES = ("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY")
LOG_DAYS = 30
"""How many days back the start of a log query may lie."""

DEFAULT_LIMIT = 20
MAX_LIMIT = 500
MAX_OFFSET = 10_000

KEY = re.compile(r"[A-Za-z0-9_-]{2,256}")
ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
PROJECT_IDENTIFIER = re.compile(r"[a-zA-Z0-9\-_.]+:[a-zA-Z0-9\-_]{2,36}")
"""`{region}:{projectKey}`, as `privateProjects` has it."""

SCOPES: Mapping[str, tuple[str, ...]] = {
    "view_connectors": ("manage_project", "manage_connectors", "view_connectors"),
    "manage_connectors": ("manage_project", "manage_connectors"),
    "view_connectors_deployments": (
        "manage_project",
        "manage_connectors_deployments",
        "view_connectors_deployments",
    ),
    "manage_connectors_deployments": ("manage_project", "manage_connectors_deployments"),
    "manage_api_clients": ("manage_api_clients",),
}
"""What a request needs, and the scopes (each followed by `:{projectKey}`) any one of which is enough.

The last is needed too where a Deployment is created whose Connector has an API Client generated; it is the one thing that
`manage_project` does not include.
"""


def is_aws(region: str) -> bool:
    """Whether a region is one of Amazon's, where some things differ."""
    return region.endswith(".aws")
