"""The Connectors that simulated Deployments run: invented ones, of the kinds the public catalogue lists."""

from dataclasses import dataclass
from enum import StrEnum


class AppType(StrEnum):
    """What kind of application a Connector declares; it decides what a Deployment of it is given."""

    SERVICE = "service"
    EVENT = "event"
    JOB = "job"
    ASSETS = "assets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One configuration key of a connect.yaml."""

    name: str
    description: str
    secured: bool = False
    required: bool = False
    default: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """One published Connector; `apps` are name and kind, in the order of its connect.yaml.

    `global_keys` configure all of its applications; those that every application has are `APPLICATION_KEYS`. With
    `scopes` its Deployments are given an API Client that has them.
    """

    key: str
    name: str
    description: str
    integration_type: str
    tag: str
    version: int
    apps: tuple[tuple[str, AppType], ...]
    certified: bool = True
    global_keys: tuple[Key, ...] = ()
    scopes: tuple[str, ...] = ()


APPLICATION_KEYS = (
    Key(name="LOG_LEVEL", description="Least severity that is logged.", default="info"),
    Key(name="API_KEY", description="Key of the API behind the application.", secured=True),
)

CONNECTORS: tuple[Connector, ...] = (
    Connector(
        key="tax-calculation",
        name="Tax Calculation",
        description="Calculates sales tax for Carts through an API Extension.",
        integration_type="tax",
        tag="v2.4.1",
        version=18,
        apps=(("tax-calculator", AppType.SERVICE),),
    ),
    Connector(
        key="order-export",
        name="Order Export to ERP",
        description="Sends placed Orders to the ERP and writes back their numbers.",
        integration_type="erp",
        tag="v1.12.0",
        version=41,
        apps=(("order-listener", AppType.EVENT), ("nightly-reconciliation", AppType.JOB)),
        certified=False,
        scopes=("manage_orders", "view_products"),
    ),
    Connector(
        key="product-search",
        name="Product Search Sync",
        description="Keeps the search index in step with published Products.",
        integration_type="search",
        tag="v3.0.2",
        version=27,
        apps=(("index-updater", AppType.EVENT), ("full-export", AppType.SERVICE)),
    ),
    Connector(
        key="payment-gateway",
        name="Payment Gateway",
        description="Processes payments and their notifications.",
        integration_type="psp",
        tag="v5.1.0",
        version=63,
        apps=(("enabler", AppType.ASSETS), ("processor", AppType.SERVICE)),
    ),
    Connector(
        key="loyalty-points",
        name="Loyalty Points",
        description="Grants and redeems points at checkout.",
        integration_type="promotion",
        tag="v0.9.7",
        version=9,
        apps=(("points-service", AppType.SERVICE),),
        certified=False,
    ),
    Connector(
        key="returns-label",
        name="Returns Label",
        description="Prints return labels for shipped Orders.",
        integration_type="shipping",
        tag="v1.3.3",
        version=12,
        apps=(("label-service", AppType.SERVICE),),
    ),
    Connector(
        key="gift-cards",
        name="Gift Cards",
        description="Balance check and redemption of gift cards.",
        integration_type="giftcard",
        tag="v1.0.0",
        version=5,
        apps=(("gift-card-service", AppType.SERVICE),),
    ),
    Connector(
        key="email-campaigns",
        name="Email Campaigns",
        description="Feeds Customers and Orders into the mailing platform.",
        integration_type="email",
        tag="v4.2.0",
        version=33,
        apps=(("profile-sync", AppType.EVENT), ("daily-segments", AppType.JOB)),
        global_keys=(
            Key(name="MAILING_ACCOUNT", description="Account of the mailing platform.", required=True),
            Key(name="MAILING_SENDER", description="Address that mails come from."),
            Key(name="MAILING_TOKEN", description="Token of the mailing platform.", secured=True),
        ),
    ),
)

SCHEDULES = {"nightly-reconciliation": "0 3 * * *", "daily-segments": "30 5 * * *"}
"""When the jobs run, in the words of cron: what `schedule` is of their connect.yaml."""

BY_KEY: dict[str, Connector] = {connector.key: connector for connector in CONNECTORS}
