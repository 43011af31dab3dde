"""One run in one storm: started, struck, resumed, until it is complete."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from tests.chaos.cost import Cost
from tests.chaos.runs import Place, kill_all, workers
from tests.chaos.schedule import Blow

PATIENCE_S = 600.0
# Ray may take minutes to start where all cores are busy
LOOK_S = 0.03
RESUMABLE = (0, 1, 3)
# how a driver may end whose storage was taken away
CALM_SESSIONS = 5
# as many may be needed after the last blow: one for each attempt at what had failed, and one more


class StruckRun:
    def __init__(self, place: Place) -> None:
        self._place = place
        self._process = place.play()
        self.cost = Cost(place)
        self.kills: Counter[str] = Counter()

    def weather(self, blows: Sequence[Blow]) -> None:
        """Returns when the run is complete. AssertionError when it does not get there."""
        for blow in blows:
            if self._reaches(blow):
                self._strike(blow)
        for _ in range(CALM_SESSIONS):
            if self._process.wait(PATIENCE_S) == 0:
                return
            self._go_on()
        raise AssertionError(f"the run was not complete after {CALM_SESSIONS} undisturbed sessions")

    # -- the moment -----------------------------------------------------------------------------------------------------

    def _reaches(self, blow: Blow) -> bool:
        """Wait for the blow's moment. False: the run is complete."""
        target = self.cost.sample() + blow.after
        deadline = time.monotonic() + PATIENCE_S
        while self.cost.sample() < target:
            assert time.monotonic() < deadline, f"no progress within {PATIENCE_S:g} s while waiting for: {blow}"
            if self._is_complete():
                return False
            time.sleep(LOOK_S)
        self._watch(blow.pause_s)
        return not self._is_complete()

    def _is_complete(self) -> bool:
        """Goes on with a run that ended for another reason."""
        code = self._process.poll()
        if code:
            self._go_on()
        return code == 0

    def _go_on(self) -> None:
        code = self._process.poll()
        assert code is None or code in RESUMABLE or code == -signal.SIGKILL, f"treeroll ended with {code}"
        self.cost.resumed()
        self._process = self._place.play()

    def _watch(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._process.poll() is None:
            self.cost.sample()
            time.sleep(LOOK_S)

    # -- the blow -------------------------------------------------------------------------------------------------------

    def _strike(self, blow: Blow) -> None:
        match blow.target:
            case "driver":
                self._kill_driver()
                self._go_on()
            case "worker":
                self._kill_worker(blow)
            case "server":
                self._kill_server()
                time.sleep(blow.away_s)
                self._revive_server()
            case "driver and server":
                self._kill_server()
                time.sleep(blow.away_s)
                self._kill_driver()
                self._revive_server()
                self._go_on()

    def _kill_driver(self) -> None:
        kill_all(self._process)
        self.kills["driver"] += 1
        self.cost.killed()

    def _kill_worker(self, blow: Blow) -> None:
        if found := workers(self._process):
            with suppress(ProcessLookupError):
                os.kill(found[blow.after % len(found)], signal.SIGKILL)
                self.kills["worker"] += 1
            self.cost.killed()

    def _kill_server(self) -> None:
        assert self._place.server is not None
        self.cost.outage_began()
        self._place.server.kill()
        self.kills["server"] += 1

    def _revive_server(self) -> None:
        assert self._place.server is not None
        self._place.server.revive()
        self.cost.outage_ended()
