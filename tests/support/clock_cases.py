"""Changes of the clock in four places: ``python -m tests.support.clock_cases`` prints the table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from musrec.drops.model import Schedule
from musrec.evaluate.report import Report

SUNDAY = 6


@dataclass(frozen=True)
class Case:
    """A Sunday hour at or near a change, and the instant it must mean."""

    zone: str
    week: str
    hour: int
    what: str
    utc: str

    @property
    def due(self) -> datetime:
        return Schedule(SUNDAY, self.hour, self.zone).at(self.week)


CASES = (
    Case("Europe/Berlin", "2026-W13", 2, "skipped: 02:00 to 03:00", "2026-03-29T01:00"),
    Case("Europe/Berlin", "2026-W13", 3, "first hour after", "2026-03-29T01:00"),
    Case("Europe/Berlin", "2026-W43", 2, "shown twice", "2026-10-25T00:00"),
    Case("Europe/Berlin", "2026-W43", 3, "first hour after", "2026-10-25T02:00"),
    Case("America/New_York", "2026-W10", 2, "skipped: 02:00 to 03:00", "2026-03-08T07:00"),
    Case("America/New_York", "2026-W10", 3, "first hour after", "2026-03-08T07:00"),
    Case("America/New_York", "2026-W44", 1, "shown twice", "2026-11-01T05:00"),
    Case("America/New_York", "2026-W44", 2, "first hour after", "2026-11-01T07:00"),
    Case("Australia/Lord_Howe", "2026-W40", 2, "skipped: 02:00 to 02:30", "2026-10-03T15:30"),
    Case("Australia/Lord_Howe", "2026-W40", 3, "first hour after", "2026-10-03T16:00"),
    Case("Australia/Lord_Howe", "2026-W14", 1, "last hour before", "2026-04-04T14:00"),
    Case("Australia/Lord_Howe", "2026-W14", 2, "01:30 to 02:00 shown twice", "2026-04-04T15:30"),
    Case("Asia/Kathmandu", "2026-W13", 2, "no change, 5:45 ahead", "2026-03-28T20:15"),
    Case("Asia/Kathmandu", "2026-W43", 2, "no change, 5:45 ahead", "2026-10-24T20:15"),
)


def table() -> str:
    """Return the cases as Markdown."""
    return Report(
        title="Changes of the clock",
        protocol="When a drop set to a Sunday's hour is due, without its own minute of the ten.",
        columns=("place", "week", "hour", "the clock there", "due in UTC", "clocks then show"),
        rows=tuple(
            (
                case.zone,
                case.week,
                f"{case.hour:02}:00",
                case.what,
                f"{case.due:%Y-%m-%d %H:%M}",
                f"{case.due.astimezone(ZoneInfo(case.zone)):%H:%M %Z}",
            )
            for case in CASES
        ),
    ).markdown()


if __name__ == "__main__":
    print(table())  # noqa: T201
