"""Time controls as clients write them: right ones as objects and as notation, and wrong ones."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

CONTROLS: dict[str, tuple[dict[str, Any], str]] = {
    "sudden death": ({"type": "sudden_death", "main_time_ms": 300_000}, "300"),
    "fischer": ({"type": "fischer", "main_time_ms": 300_000, "increment_ms": 2_000}, "300+2"),
    "fischer with a cap": (
        {"type": "fischer", "main_time_ms": 300_000, "increment_ms": 2_500, "cap_ms": 600_000},
        "300+2.5 cap 600",
    ),
    "fischer from the first move": (
        {"type": "fischer", "main_time_ms": 300_000, "increment_ms": 2_000, "increment_before_first_turn": True},
        "300+2 first",
    ),
    "bronstein": ({"type": "bronstein", "main_time_ms": 300_000, "delay_ms": 5_000}, "300B5"),
    "delay": ({"type": "delay", "main_time_ms": 300_000, "delay_ms": 5_000}, "300+5d"),
    "time bank": ({"type": "time_bank", "main_time_ms": 60_000, "allowance_ms": 15_000}, "60 allowance 15"),
    "per turn": ({"type": "per_turn", "time_ms": 30_000}, "30 per turn"),
    "byo-yomi": (
        {"type": "byo_yomi", "main_time_ms": 600_000, "periods": 5, "period_ms": 30_000},
        "600 5x30 byo-yomi",
    ),
    "canadian": (
        {"type": "canadian", "main_time_ms": 600_000, "turns": 15, "period_ms": 300_000},
        "600 15/300 Canadian",
    ),
    "hourglass": ({"type": "hourglass", "main_time_ms": 180_000}, "*180"),
    "overtime": (
        {
            "type": "overtime",
            "main_time_ms": 1_500_000,
            "max_overtime_ms": 600_000,
            "points_per_period": 5,
            "penalty_period_ms": 30_000,
        },
        "1500 overtime 600 -5/30",
    ),
    "stages": (
        {
            "type": "stages",
            "stages": [
                {"time_ms": 5_400_000, "turns": 40, "control": {"type": "fischer", "increment_ms": 30_000}},
                {"time_ms": 1_800_000, "control": {"type": "fischer", "increment_ms": 30_000}},
            ],
        },
        "40/5400+30:1800+30",
    ),
}
FIRST_BANK_MS = {
    "fischer from the first move": 302_000,
    "time bank": 15_000,
    "per turn": 30_000,
    "byo-yomi": 600_000,
    "canadian": 600_000,
    "hourglass": 180_000,
    "overtime": 1_500_000,
    "stages": 5_400_000,
}


def bare(seats: int = 2, **changes: Any) -> dict[str, Any]:
    """A creation body whose participants have no time of their own."""
    return {
        "sync_mode": "per_participant",
        "participants": [{"participant_id": str(uuid4()), "participant_index": n} for n in range(seats)],
    } | changes


TEAMS = [str(uuid4()) for _ in range(2)]


def teams(*controls: Any, **changes: Any) -> dict[str, Any]:
    """A creation body of two teams of two, whose groups have these controls."""
    body = bare(4, sync_mode="per_group", **changes)
    for place, participant in enumerate(body["participants"]):
        participant["group_id"] = TEAMS[place % 2]
    body["groups"] = [
        {"group_id": team} | ({} if control is None else {"time_control": control})
        for team, control in zip(TEAMS, controls, strict=True)
    ]
    return body


BYO_YOMI = {"type": "byo_yomi", "periods": 5, "period_ms": 30_000}
WRONG: dict[str, tuple[Any, str, str]] = {
    "a number": (300, "time_control", "object, or a text"),
    "a list": (["300"], "time_control", "object, or a text"),
    "an empty object": ({}, "time_control.type", "required"),
    "an unknown type": ({"type": "chess"}, "time_control.type", '"chess" is not a valid choice'),
    "a type that is no text": ({"type": 5}, "time_control.type", "not a valid choice"),
    "a type that is null": ({"type": None}, "time_control.type", "not a valid choice"),
    "a missing field": ({"type": "fischer"}, "time_control.increment_ms", "required"),
    "an unknown field": (BYO_YOMI | {"colour": "red"}, "time_control.colour", "Unknown field"),
    "a field of another control": (BYO_YOMI | {"delay_ms": 5_000}, "time_control.delay_ms", "Unknown field"),
    "null": (BYO_YOMI | {"periods": None}, "time_control.periods", "may not be null"),
    "a text for a number": (BYO_YOMI | {"periods": "5"}, "time_control.periods", "integer"),
    "a truth for a number": (BYO_YOMI | {"periods": True}, "time_control.periods", "integer"),
    "a broken number": (BYO_YOMI | {"period_ms": 1.5}, "time_control.period_ms", "integer"),
    "too few": (BYO_YOMI | {"periods": 0}, "time_control.periods", "greater than or equal to 1"),
    "too many": (BYO_YOMI | {"periods": 1_001}, "time_control.periods", "less than or equal to 1000"),
    "too long": (BYO_YOMI | {"main_time_ms": 86_400_001}, "time_control.main_time_ms", "less than or equal to 864"),
    "too long a bonus": ({"type": "delay", "delay_ms": 3_600_001}, "time_control.delay_ms", "less than or equal to 36"),
    "no stages": ({"type": "stages", "stages": []}, "time_control.stages", "at least 1"),
    "too many stages": (
        {"type": "stages", "stages": [{"time_ms": 1_000, "turns": 1}] * 9},
        "time_control.stages",
        "no more than 8",
    ),
    "a stage that is none": ({"type": "stages", "stages": [5]}, "time_control.stages.0", "JSON object"),
    "a stage without time": ({"type": "stages", "stages": [{"turns": 1}]}, "time_control.stages.0.time_ms", "required"),
    "a wrong control of a stage": (
        {"type": "stages", "stages": [{"time_ms": 1_000, "control": {"type": "fischer"}}]},
        "time_control.stages.0.control.increment_ms",
        "required",
    ),
    "stages in stages": (
        {"type": "stages", "stages": [{"time_ms": 1_000, "control": {"type": "stages", "stages": []}}]},
        "time_control.stages.0.control.type",
        "not a valid choice",
    ),
    "a stage without its end": (
        {"type": "stages", "stages": [{"time_ms": 1_000}, {"time_ms": 1_000}]},
        "time_control.stages.0.turns",
        "Required",
    ),
    "phases within stages": (
        {"type": "stages", "stages": [{"time_ms": 1_000, "turns": 5, "control": BYO_YOMI}]},
        "time_control.stages.0.control",
        "Only the last stage",
    ),
    "an empty text": ("", "time_control", "Character 1"),
    "no notation": ("300+", "time_control", "Character 5: expected a number of seconds"),
    "too much": ("300+2 and more", "time_control", "Character 7"),
    "an increment too long": ("300+3601", "time_control", "Character 5: expected a number of seconds from 0.001 to"),
    "a wrong side": ("300=60+x", "time_control", "Character 8"),
    "no time control": ("-", "time_control", "leave time_control out"),
    "a long text": ("1" * 1_001, "time_control", "at most 1000 characters"),
}
