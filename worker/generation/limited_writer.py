"""Writes with the compiled kernel and cuts runs of one character that grow too long.

The kernel knows no limits. It writes some characters at once; if a run among them is too long, which is rare, the state
from before is restored, the characters up to there are written again, and another one takes the place of the last. The
same random numbers give the same text as a limit in the kernel would, and texts without such a run are unchanged.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from worker.generation.run_limits import Runs
from worker.nn.kernel.lanes import Lanes
from worker.nn.sampling import Sampler

#: Most characters between two looks; fewer once a run was cut, since another one is likely then.
_AT_ONCE = 64


class LimitedWriter:
    """Writes the texts of one decoder; `runs` None: without limit."""

    def __init__(self, runs: Runs | None) -> None:
        self._runs, self._at_once = runs, _AT_ONCE

    def keep(self, lanes: list[int]) -> None:
        """Continue with these lanes only, in this order."""
        if self._runs is not None:
            self._runs.keep(lanes)

    def write(self, lanes: Lanes, samplers: Sequence[Sampler], count: int, *, first: int = 0) -> NDArray[np.int32]:
        """Write `count` characters of some texts, (texts, count); `first`: the decoder's lane of the first one."""
        draws = np.stack([s.draw(count) for s in samplers]) if samplers[0].options.temperature else None
        if self._runs is None:
            return lanes.write(count, draws)
        parts: list[NDArray[np.int32]] = []
        done = 0
        while done < count:
            end = min(count, done + self._at_once)
            numbers = None if draws is None else np.ascontiguousarray(draws[:, done:end])
            parts.append(self._write_some(self._runs, lanes, samplers, end - done, numbers, first))
            done += parts[-1].shape[1]
        return np.concatenate(parts, axis=1)

    def _write_some(
        self,
        runs: Runs,
        lanes: Lanes,
        samplers: Sequence[Sampler],
        count: int,
        draws: NDArray[np.float64] | None,
        first: int,
    ) -> NDArray[np.int32]:
        """Write `count` characters, or up to the first of them that makes a run too long and is replaced."""
        saved = lanes.save()
        codes = lanes.write(count, draws)
        excess = runs.take(codes, first)
        if excess is None:
            self._at_once = min(_AT_ONCE, 2 * self._at_once)
            return codes
        self._at_once = max(1, self._at_once // 2)
        last = int(excess.any(axis=0).argmax())
        if last + 1 < count:
            lanes.restore(saved)
            draws = None if draws is None else np.ascontiguousarray(draws[:, : last + 1])
            codes = lanes.write(last + 1, draws)
        for lane in np.flatnonzero(excess[:, last]).tolist():
            draw = 0.0 if draws is None else float(draws[lane, last])
            codes[lane, last] = samplers[lane].choose_other(lanes.logits(lane), int(codes[lane, last]), draw)
            lanes.replace(lane, int(codes[lane, last]))
            runs.cut(first + lane, last)
        runs.take(codes, first)
        return codes
