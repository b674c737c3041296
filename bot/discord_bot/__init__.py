"""Kura on Discord. The only home of discord.py; other packages import it lazily, when a token is set."""
