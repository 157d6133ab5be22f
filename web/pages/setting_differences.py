"""What the page of the workers says of settings that differ between hosts and must not."""

from collections.abc import Iterable

from shared.common_settings import common_values, differences
from shared.store import WorkerInfo
from web.services import services


def setting_differences(workers: Iterable[WorkerInfo]) -> list[str]:
    """Describe the settings in which workers and this web server differ."""
    reported = {worker.name: worker.settings for worker in workers}
    return list(differences(reported | {"the web server": common_values(services().settings)}))
