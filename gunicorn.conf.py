"""What gunicorn reads by itself in a checkout: the configuration in `web/gunicorn_conf.py`."""

from web.gunicorn_conf import *  # noqa: F403
