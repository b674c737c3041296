"""What keeps a calibration from being made or kept.

BotError
└── CannotCalibrate     too few documents or questions, or the file cannot be written
"""

from __future__ import annotations

from bot.errors import BotError


class CannotCalibrate(BotError):
    """There is too little to calibrate on, or no place to keep what was found."""
