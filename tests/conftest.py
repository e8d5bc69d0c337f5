"""What every test shares: quiet logs, and a Hypothesis that does not time itself on a busy machine."""

import logging

import structlog
from hypothesis import HealthCheck, Phase, settings

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))

settings.register_profile("fast", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("unshrunk", settings.get_profile("fast"), phases=[Phase.explicit, Phase.generate])
settings.load_profile("fast")
