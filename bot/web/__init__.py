"""The HTTP front end. Everything it needs is handed to `bot.web.app.create_app`."""
