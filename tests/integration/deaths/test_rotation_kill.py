"""A process that rotates the master key is killed again and again: all stays readable."""

import random
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from tests.support.patience import PATIENCE_SECONDS
from tests.support.store.open import open_store
from weft.local.vault.keys import KEY_FILE_NAME
from weft.local.vault.rotation import rotate
from weft.local.vault.vault import Vault

pytestmark = pytest.mark.anyio

OWNERS = 60
ROTATIONS = 8
INTERRUPTIONS = 8
# With batches this small a rotation asks the store about 35 times; it is killed somewhere in it.
STEPS_MAX = 45
SEED = 20261122

ROTATE_FOR_EVER = """
import sys
from pathlib import Path
import anyio
from weft.local.from_settings import open_store
from weft.local.vault import rotation
from weft.local.vault.keys import KeyFile
from weft.local.vault.rotation import rotate
from weft.settings import Settings

rotation.REWRAP_BATCH = 4

class Loud:
    # Says each step, so that the test can kill in the middle of any.

    def __init__(self, store):
        self._store = store

    def __getattr__(self, name):
        print(name, flush=True)
        return getattr(self._store, name)

async def main():
    home = Path(sys.argv[1])
    async with open_store(Settings(home=home)) as store:
        print("ready", flush=True)
        sys.stdin.readline()
        keys = Loud(store.data_keys)
        while True:
            await rotate(KeyFile(home / "keys" / "master.key"), keys, home / "lock")

anyio.run(main)
"""


async def test_killed_rotations_leave_nothing_unreadable(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "weft.db")
    children: list[subprocess.Popen[str]] = []
    try:
        # This process runs through all of it, as a server would.
        running = Vault.open(tmp_path / "keys")
        texts = {
            f"owner-{number}": await running.seal(
                store.data_keys, "o", f"owner-{number}", {"number": number}, ("here",)
            )
            for number in range(OWNERS)
        }

        async def check(vault: Vault) -> None:
            for number, (owner, text) in enumerate(texts.items()):
                found = await vault.unseal(store.data_keys, "o", owner, text, ("here",))
                assert found == {"number": number}

        chance = random.Random(SEED)
        rotated: set[str | None] = set()
        interrupted = 0
        children.append(_start(tmp_path))
        with anyio.fail_after(2 * PATIENCE_SECONDS):
            while len(rotated) < ROTATIONS or interrupted < INTERRUPTIONS:
                children.append(_start(tmp_path))  # Starts while the one before it works.
                steps = chance.randint(1, STEPS_MAX)
                await anyio.to_thread.run_sync(_kill_after, children.pop(0), steps)
                interrupted += len((tmp_path / "keys" / KEY_FILE_NAME).read_text().split()) > 1
                rotated.add(await store.data_keys.master_kid())
                await check(running)
                await check(Vault.open(tmp_path / "keys"))
        source = Vault.open(tmp_path / "keys").source
        await rotate(source, store.data_keys, tmp_path / "lock")
        assert len(source.load()) == 1
        await check(running)
        left = sorted(path.name for path in (tmp_path / "keys").iterdir())
        assert left == [KEY_FILE_NAME], "no half-written key is left"
    finally:
        for child in children:
            child.kill()
            child.communicate()
        await store.close()


def _start(home: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", ROTATE_FOR_EVER, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _kill_after(child: "subprocess.Popen[str]", steps: int) -> None:
    with child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.stdin.write("go\n")
        child.stdin.flush()
        for _ in range(steps):
            assert child.stdout.readline(), "the rotation went on"
        child.kill()
