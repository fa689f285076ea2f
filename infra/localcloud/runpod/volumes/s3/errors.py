"""Errors of the S3 API, in S3's own codes and XML."""

import errno
import secrets

from aiohttp import web

from infra.localcloud.runpod.volumes.s3.xml import document
from infra.spec.errors import PilotlightError


class S3Error(PilotlightError):
    """`code` is S3's name for it, which clients look at."""

    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(message)
        self.code, self.status = code, status


def unsupported(what: str) -> S3Error:
    return S3Error("NotImplemented", 501, f"{what} is not supported by the S3 API of network volumes")


def bad_request(message: str) -> S3Error:
    return S3Error("InvalidArgument", 400, message)


def no_such_key() -> S3Error:
    return S3Error("NoSuchKey", 404, "The specified key does not exist.")


def no_such_bucket(volume_id: str) -> S3Error:
    return S3Error(
        "NoSuchBucket", 404, f"The specified bucket does not exist: there is no network volume {volume_id}"
    )


def no_such_upload() -> S3Error:
    return S3Error(
        "NoSuchUpload", 404, "The specified upload does not exist; it may have been completed or aborted."
    )


def too_large(size: int, limit: int, how: str) -> S3Error:
    return S3Error(
        "EntityTooLarge",
        400,
        f"The body has {size} bytes; the S3 API of network volumes takes {how} {limit} at once.",
    )


def of_the_system(error: OSError) -> S3Error:
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
        return no_such_key()
    if error.errno == errno.ENAMETOOLONG:
        return S3Error("KeyTooLongError", 400, "A part of the key is longer than a file name can be.")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return S3Error("InsufficientStorage", 507, "There is no space left.")
    return S3Error("InternalError", 500, f"The volume cannot be used: {error.strerror}")


def error_response(error: S3Error, path: str) -> web.Response:
    request_id = secrets.token_hex(8).upper()
    body = {"Code": error.code, "Message": error.what, "Resource": path, "RequestId": request_id}
    response = web.Response(
        body=document("Error", body, namespace=False),
        status=error.status,
        content_type="application/xml",
        headers={"x-amz-request-id": request_id},
    )
    # Whatever of the request's body is still on its way is not waited for.
    response.force_close()
    return response
