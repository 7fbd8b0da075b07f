"""What the receptionist can do: ordinary functions, whose docstrings the model reads."""

from __future__ import annotations

from typing import Literal

Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


def opening_hours(day: Day) -> str:
    """When the restaurant is open.

    Args:
        day: A day of the week.
    """
    return "closed" if day == "monday" else "noon to eleven in the evening"


def book_table(people: int, day: Day, time: str) -> dict[str, str]:
    """Book a table.

    Args:
        people: How many will come.
        day: A day of the week.
        time: Hours and minutes, for example 19:00.
    """
    if people > 8:
        return {"error": "no table is so large; ask for a call back"}
    return {"booked": f"{people} people on {day} at {time}"}
