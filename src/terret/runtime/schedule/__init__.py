"""The scheduler: one event loop drives thousands of agent processes, fairly, and stops so that nothing is lost."""

from __future__ import annotations

from terret.runtime.schedule._admission import Admission, Capacity, Pressure, host_pressure
from terret.runtime.schedule._effect import Interrupted
from terret.runtime.schedule._line import PLACES, FairLine, Share
from terret.runtime.schedule._scheduler import Body, Scheduler
from terret.runtime.schedule._seat import Seat
from terret.runtime.schedule._timers import Timers

__all__ = [
    "PLACES",
    "Admission",
    "Body",
    "Capacity",
    "FairLine",
    "Interrupted",
    "Pressure",
    "Scheduler",
    "Seat",
    "Share",
    "Timers",
    "host_pressure",
]
