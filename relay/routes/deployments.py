"""Deployments: put, look at and remove what runs are started from by name."""

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Path as PathParam
from starlette.responses import Response

from runlog.errors import BadDeployment
from runlog.groups.deployments import (
    Deployment,
    DeploymentPrecondition,
    check_deployment_name,
    deployment_of,
    list_deployments,
    read_deployment,
    remove_deployment,
    write_deployment,
)
from runlog.groups.faults import refused
from runlog.groups.resolution import check_deployment, entry_of
from runlog.groups.statistics import RunStatistics, deployment_view, statistics_by_deployment

from ..dependencies import Json, Services, Shared, StrictRoute, in_thread
from ..http.deployment_models import DeploymentPage, DeploymentView, PutDeployment
from ..http.paths import own_path
from ..http.preconditions import ETAG, IfMatch, IfNoneMatch, etag_of, precondition, put_responses
from ..http.runs import summary_view

__all__ = ["router"]

router = APIRouter(route_class=StrictRoute, tags=["deployments"])

Name = Annotated[
    str,
    PathParam(
        description="1 to 80 of a-z, 0-9 and '-', not beginning with '-'",
        examples=["nightly-review"],
    ),
]


@router.get(
    "/deployments",
    operation_id="list_deployments",
    response_model=DeploymentPage,
    summary="List deployments",
)
async def list_all(services: Shared) -> Response:
    """By name, each with the statistics of its runs; and those whose file can't be used."""
    return Json(await in_thread(_list, services))


@router.get(
    "/deployments/{name}",
    operation_id="get_deployment",
    response_model=DeploymentView,
    summary="A deployment, with the statistics of its runs",
    responses={200: {"headers": ETAG}},
)
async def show(services: Shared, name: Name) -> Response:
    deployment = await in_thread(read_deployment, services.root, name)
    return Json(await in_thread(_view, services, deployment), headers=etag_of(deployment))


@router.put(
    "/deployments/{name}",
    operation_id="put_deployment",
    response_model=DeploymentView,
    summary="Make or replace a deployment",
    responses=put_responses("deployment", DeploymentView),
)
async def put(
    services: Shared,
    name: Name,
    asked: PutDeployment,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """What is not sent has its default again: a deployment is replaced as a whole.

    Runs that were started from it have what they need, and go on as they are.
    """
    condition = precondition("deployment", if_match, if_none_match)
    written, is_new = await in_thread(_put, services, name, asked, condition)
    headers = etag_of(written)
    if is_new:
        headers["location"] = _path(name)
    return Json(await in_thread(_view, services, written), 201 if is_new else 200, headers)


@router.delete(
    "/deployments/{name}",
    operation_id="remove_deployment",
    status_code=204,
    summary="Remove a deployment",
)
async def remove(services: Shared, name: Name, if_match: IfMatch = None) -> Response:
    """Its runs stay, and those that run go on."""
    await in_thread(
        remove_deployment, services.root, name, precondition("deployment", if_match, None)
    )
    return Response(status_code=204)


def _put(
    services: Services, name: str, asked: PutDeployment, condition: DeploymentPrecondition
) -> tuple[Deployment, bool]:
    check_deployment_name(name)
    try:
        sent = {field: getattr(asked, field) for field in asked.model_fields_set}
        deployment = deployment_of(name, sent)
    except BadDeployment as error:
        raise refused(error.pointer, str(error)) from None
    entries = services.catalog.entries()
    check_deployment(entry_of(entries, deployment.workflow, "/workflow"), deployment)
    return write_deployment(services.root, deployment, condition)


def _list(services: Services) -> dict[str, Any]:
    found, broken = list_deployments(services.root)
    statistics = _statistics(services, *(deployment.name for deployment in found))
    return {
        "deployments": [_shown(each, statistics[each.name]) for each in found],
        "broken": [{"name": name, "detail": str(error)} for name, error in broken.items()],
    }


def _view(services: Services, deployment: Deployment) -> dict[str, Any]:
    return _shown(deployment, _statistics(services, deployment.name)[deployment.name])


def _statistics(services: Services, *names: str) -> dict[str, RunStatistics]:
    return statistics_by_deployment(services.index, names)


def _shown(deployment: Deployment, statistics: RunStatistics) -> dict[str, Any]:
    view = deployment_view(deployment, statistics)
    if statistics.last_run is not None:
        view["statistics"]["last_run"] = summary_view(statistics.last_run)
    own = _path(deployment.name)
    runs = own_path(f"/api/v1/workflows?deployment={deployment.name}")
    return view | {"links": {"self": own, "runs": runs}}


def _path(name: str) -> str:
    return own_path(f"/api/v1/deployments/{name}")
