"""The commands, buttons and events of the bot, by what they are about. Each only translates."""
