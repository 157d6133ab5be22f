"""What the app leaves out of Flask is not needed."""

import inspect

from flask import session

from tests.web.world import World


def test_no_handler_and_no_hook_is_a_coroutine(world: World) -> None:
    app = world.app
    hooks = [
        hook
        for group in (app.before_request_funcs, app.after_request_funcs)
        for some in group.values()
        for hook in some
    ]
    assert hooks
    assert not [found for found in [*hooks, *app.view_functions.values()] if inspect.iscoroutinefunction(found)]


def test_flask_s_own_session_is_always_empty_and_leaves_no_cookie(world: World) -> None:
    with world.app.test_request_context("/"):
        assert dict(session) == {}
    assert "Set-Cookie" not in world.get("/jobs").headers
