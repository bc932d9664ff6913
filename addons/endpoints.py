"""Endpoints: what the gateway answers by itself."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from mitmproxy import http

from addons.context import RequestContext, is_open
from addons.gatekeeper import KEYS_STATUS, MODELS
from addons.replies import local
from addons.services import Services
from shared.domain.accounts import Role
from shared.domain.catalog import Dialect
from shared.errors import StoreError
from shared.wire import errors as refusals
from shared.wire.model_list import model_list, model_object


class Endpoints:
    """What is answered here: `/health`, `/keys/status`, `/v1/models` and one of them, `HEAD`s."""

    def __init__(self, services: Services, draining: Callable[[], bool]) -> None:
        self._services = services
        self._draining = draining

    def request(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        """Answer local endpoints; `/health` and `/keys/status` have something to wait for.

        Raises:
            GatewayError: 403 for what is an admin's, 404 for a model that is not there, 400 for a
                page that is none.
        """
        if not is_open(flow):
            return None
        context = RequestContext.of(flow)
        path = context.endpoint
        if path in ("/", "/api/hello"):
            flow.response = local(context, b"")
        elif path == "/health":
            return self._answer_health(flow, context)
        elif path == KEYS_STATUS:
            return self._answer_keys_status(flow, context)
        elif path == MODELS:
            flow.response = local(
                context, orjson.dumps(self._models(flow.request, context.dialect))
            )
        elif path.startswith(MODELS + "/"):
            flow.response = local(context, orjson.dumps(self._model(context)))
        return None

    async def _answer_health(self, flow: http.HTTPFlow, context: RequestContext) -> None:
        flow.response = await self._health(context)

    async def _answer_keys_status(self, flow: http.HTTPFlow, context: RequestContext) -> None:
        if not _is_admin(context):
            raise refusals.admin_only()
        pools: dict[str, list[dict[str, Any]]] = {}
        source = self._services.pools
        if source is not None:
            with contextlib.suppress(
                StoreError
            ):  # what is in memory is what requests are served by
                await source.refresh()
            for row in source.status():
                pools.setdefault(row["pool"], []).append(row)
        flow.response = local(context, orjson.dumps({"pools": pools}))

    async def _health(self, context: RequestContext) -> http.Response:
        try:
            await self._services.gate.ping()
            database = "ok"
        except StoreError:
            database = "unavailable"
        journal = "failing" if self._services.ledger.failing else "ok"
        healthy = database == "ok" and journal == "ok"
        body: dict[str, object] = {"status": "ok" if healthy else "degraded"}
        if _is_admin(context):
            body["checks"] = {
                "database": database,
                "journal": journal,
                "draining": self._draining(),
            }
        serving = database == "ok" and not self._draining()
        return local(context, orjson.dumps(body), 200 if serving else 503)

    def _models(self, request: http.Request, dialect: Dialect) -> dict[str, object]:
        catalog = self._services.catalog
        listed = [model for model in catalog.models.values() if model.listed]
        served = [model for model in listed if catalog.resolve(model.id) is not None]
        return model_list(served, dialect, request.query)

    def _model(self, context: RequestContext) -> dict[str, object]:
        name = context.endpoint.removeprefix(MODELS + "/")
        target = self._services.catalog.resolve(name)
        if target is None:
            raise refusals.model_not_found(name)
        return model_object(target.model, context.dialect)


def _is_admin(context: RequestContext) -> bool:
    return context.principal is not None and context.principal.role is Role.ADMIN
