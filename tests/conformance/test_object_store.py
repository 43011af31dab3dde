"""Every object store against the one suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.objects import ObjectStore, open_store
from tests.conformance.object_store import ObjectStoreSuite
from tests.s3_server import S3Place


class TestLocalObjectStore(ObjectStoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        return open_store(str(tmp_path / "not" / "yet" / "made"))


@pytest.mark.s3
class TestS3ObjectStore(ObjectStoreSuite):
    @pytest.fixture
    def store(self, s3_place: S3Place) -> ObjectStore:
        return open_store(s3_place.root, endpoint_url=s3_place.endpoint_url)
