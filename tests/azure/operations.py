# SPDX-License-Identifier: Apache-2.0
"""operations - what was begun and has not ended yet, and the URLs at which that is asked."""
import time
import uuid

import hsm
import network
from bodies import answer_with
from world import Answer, Operation, Refusal, Violation, group_id, lower


def new_operation(world, request, resource, verb):
    operation = Operation(str(uuid.uuid4()), lower(resource.id), verb, resource.until, resource.error,
                          status=204 if verb == "DELETE" else 200, grace=world.config["grace_404"],
                          version=request.version)
    world.operations[operation.id] = operation
    return operation


def begin_operation(world, request, resource, verb):
    """(Azure-AsyncOperation, Location)"""
    operation = new_operation(world, request, resource, verb)
    return tuple(network.operation_url(request, resource, operation, noun)
                 for noun in ("operations", "operationResults"))


def dns_headers(world, request, resource, verb):
    operation = new_operation(world, request, resource, verb)
    start = f"{request.base}{group_id(resource.id)}/providers/Microsoft.Network"
    return {name: f"{start}/{noun}/{operation.id}?api-version={request.version}"
            for name, noun in (("Azure-AsyncOperation", "privateDnsOperationStatuses"),
                               ("Location", "privateDnsOperationResults"))}


def find_operation(world, key):
    operation = world.operations.get(key)
    if not operation:
        raise Refusal(404, "OperationNotFound", "The operation was not found.", details=[])
    if operation.grace > 0:
        operation.grace -= 1
        raise Refusal(404, "OperationNotFound", "The operation is not known yet.", details=[])
    operation.polls += 1
    return operation


def check_verbatim(request, operation):
    if request.raw.partition("?")[2] != f"api-version={operation.version}":
        raise Violation("query", "the URL of the operation is not the one that was given")


def failure(operation, status):
    error = operation.error
    return Refusal(status, error["code"], error["message"], details=error.get("details", []))


def poll_status(world, request, _subscription, _place, key):
    """Azure-AsyncOperation: 200 whatever the state."""
    operation = find_operation(world, lower(key))
    check_verbatim(request, operation)
    if time.time() < operation.until:
        return Answer(200, {"status": "InProgress"}, {"Retry-After": "10"}, pretty=True)
    if operation.error:
        return Answer(200, {"status": operation.error.state, "error": operation.error}, pretty=True)
    return Answer(200, {"status": "Succeeded"}, pretty=True)


def poll_result(world, request, _subscription, _place, key):
    """Location: 202 until it has ended."""
    operation = find_operation(world, lower(key))
    check_verbatim(request, operation)
    if time.time() < operation.until:
        return Answer(202, None, {"Location": request.base + request.raw, "Retry-After": "10"})
    if operation.error:
        raise failure(operation, 400)
    resource = world.find(operation.resource)
    if operation.status == 200 and resource:
        return answer_with(world, resource, request)
    return Answer(operation.status)


def poll_hsm(world, request, _subscription, _place, key):
    operation = find_operation(world, f"hsm/{key}")
    check_verbatim(request, operation)
    if time.time() < operation.until:
        return Answer(202, None, {"Location": request.base + request.raw, "Retry-After": "5"})
    if operation.error:
        raise failure(operation, 400)
    resource = world.find(operation.resource)
    return answer_with(world, resource, request) if operation.verb == "PATCH" and resource else Answer(operation.status)


def poll_hsm_status(world, request, _subscription, _place, key):
    """Azure-AsyncOperation as the HSM provider's specification has it; that of a job holds its result."""
    job = world.operations.get(f"job/{lower(key)}")
    if not job or time.time() < job.until:
        return poll_status(world, request, _subscription, _place, f"job/{key}" if job else key)
    check_verbatim(request, job)
    properties = hsm.finished(world, world.find(job.resource), job)
    return Answer(200, {"status": properties["status"], "properties": properties,
                        **({"error": properties["error"]} if properties.get("error") else {})})


def hsm_url(request, resource, operation, noun):
    location, subscription = resource.location or "westus", resource.id.split("/")[2]
    return (f"{request.base}/subscriptions/{subscription}/providers/Microsoft.HardwareSecurityModules/locations/"
            f"{location}/{noun}/{operation.id}?api-version={operation.version}")


def specified(world, request, resource, verb):
    """The headers of a PUT or PATCH as the specification has them."""
    operation = new_operation(world, request, resource, verb)
    if verb == "PUT":
        return {"Azure-AsyncOperation": hsm_url(request, resource, operation, "operationStatuses"), "Retry-After": "5"}
    world.operations[f"hsm/{operation.id}"] = operation
    return {"Location": hsm_url(request, resource, operation, "operationResults"), "Retry-After": "5"}


def poll_group(world, request, _subscription, key):
    operation = find_operation(world, f"group/{lower(key)}")
    check_verbatim(request, operation)
    if time.time() < operation.until:
        return Answer(202, None, {"Location": request.base + request.raw, "Retry-After": "15"})
    if operation.error:
        raise failure(operation, 409)
    return Answer(200)
