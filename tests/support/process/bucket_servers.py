"""Runs moto and an emulator of Google's storage, in an environment that has both.

Reads objects as JSON from its first line of input, stores them in the bucket `notes` of each,
writes a line of JSON with the addresses and an access key, and ends with its input. moto verifies
the signatures of all requests that follow.
"""

# pyright: basic, reportMissingImports=false

import json
import os
import sys
import traceback
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

BUCKET = "notes"
REGION = "eu-west-1"


def serve_s3(objects: dict[str, str]) -> dict[str, str]:
    """Start moto; return its address and the key of a user who may only read."""
    import boto3
    from moto.server import ThreadedMotoServer

    server: Any = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"

    def connect(name: str) -> Any:
        secrets = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
        return boto3.client(name, endpoint_url=url, region_name=REGION, **secrets)

    iam, s3 = connect("iam"), connect("s3")
    iam.create_user(UserName="weft")
    key = iam.create_access_key(UserName="weft")["AccessKey"]
    actions = ["s3:ListBucket", "s3:GetObject"]
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="weft", PolicyName="read", PolicyDocument=policy)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    for name, text in objects.items():
        s3.put_object(Bucket=BUCKET, Key=name, Body=text.encode())
    post(f"{url}/moto-api/reset-auth", b"0")
    return {
        "s3": url,
        "access_key_id": key["AccessKeyId"],
        "secret_access_key": key["SecretAccessKey"],
    }


def serve_gcs(objects: dict[str, str]) -> dict[str, str]:
    """Start the emulator; return its address."""
    from gcp_storage_emulator.server import create_server

    server: Any = create_server("127.0.0.1", 0, in_memory=True, default_bucket=BUCKET)
    server.start()
    url = f"http://127.0.0.1:{server._api._httpd.server_address[1]}"
    for name, text in objects.items():
        if not text:
            continue  # The emulator drops the connection.
        query = f"uploadType=media&name={quote(name, safe='')}"
        post(f"{url}/upload/storage/v1/b/{BUCKET}/o?{query}", text.encode())
    return {"gcs": url}


def post(url: str, body: bytes) -> None:
    """Send a request."""
    headers = {"content-type": "text/plain"}
    urlopen(Request(url, body, headers, method="POST")).read()


def main() -> None:
    """Serve until the input ends."""
    objects: dict[str, str] = json.loads(sys.stdin.readline())
    sys.stdout.write(f"{json.dumps(serve_s3(objects) | serve_gcs(objects))}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    try:
        main()
    except Exception:
        traceback.print_exc()
    # The servers have threads that would go on.
    os._exit(0)
