"""The view of the demo: three screens side by side in a terminal, plain lines elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from demo_game import Game
from demo_screen import Screen, spread_ms
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

_LOOK_EVERY_S = 0.02
_DRAW_EVERY_S = 0.1
_LINE_EVERY_S = 1.0
_WIDTH = 25  # three and their gaps in 80 columns


async def show(game: Game, console: Console) -> None:
    """Draw until cancelled, and store the largest difference between the screens."""
    if not console.is_terminal:
        await _watch(game, lambda: console.print(_line(game), highlight=False, soft_wrap=True), _LINE_EVERY_S)
        return
    with Live(_page(game), console=console, auto_refresh=False) as live:
        try:
            await _watch(game, lambda: live.update(_page(game), refresh=True), _DRAW_EVERY_S)
        finally:
            live.update(_page(game), refresh=True)


async def _watch(game: Game, draw: Callable[[], None], every_s: float) -> None:
    drawn_s = 0.0
    while True:
        game.worst_ms = max(game.worst_ms, spread_ms(game.screens) or 0.0)
        if time.monotonic() - drawn_s >= every_s:
            drawn_s = time.monotonic()
            draw()
        await asyncio.sleep(_LOOK_EVERY_S)


def _page(game: Game) -> RenderableType:
    spread = spread_ms(game.screens)
    now = "a frame is on its way" if spread is None else f"{spread:.1f} ms"
    return Group(
        Columns([_panel(game, screen) for screen in game.screens]),
        Text(f"Largest difference between the screens: {now}  (worst so far {game.worst_ms:.1f} ms)", style="bold"),
        *(Text(f"  {event}", style="dim") for event in game.events),
    )


def _panel(game: Game, screen: Screen) -> Panel:
    text = Text()
    for key, name in game.players.items():
        active = key == screen.state["active_participant_id"]
        clock = f"{'>' if active else ' '} {name:<8}{_clock(screen.left_ms(key)):>9}\n"
        text.append(clock, style="bold green" if active else "")
    text.append(f"version {screen.state['version']}, {screen.state['status']}\n")
    text.append(
        f"device wrong {screen.wrong_by_ms:+.0f} ms\nfound out    {-screen.live.offset_ms:+.0f} ms", style="dim"
    )
    return Panel(text, title=f"{screen.name}'s screen", width=_WIDTH)


def _line(game: Game) -> str:
    screens = (
        f"{screen.name}: " + " ".join(_clock(screen.left_ms(key)) for key in game.players) for screen in game.screens
    )
    return f"{' | '.join(screens)} | worst difference {game.worst_ms:.1f} ms"


def _clock(left_ms: float) -> str:
    minutes, seconds = divmod(left_ms / 1000, 60)
    return f"{int(minutes)}:{seconds:06.3f}"
