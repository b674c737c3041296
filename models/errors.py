"""What can go wrong with a model.

ModelError
├── ModelFileError      the file is missing, damaged or not the one its card names; llama.cpp never opened it
├── ModelConfigError    the settings ask for something no model here can do
│   └── WrongServer     this server of a pool cannot be asked as it is set up; another may be
├── PromptTooLong       the prompt does not fit the model's context window
├── EngineBusy          the queue in front of the model is full
├── EngineFailed        the model was running and stopped answering
└── DownloadError       a model could not be fetched from its hub or mirror
"""


class ModelError(Exception):
    """Any fault of a model; its message is one sentence for people, naming the thing and the next step."""


class ModelFileError(ModelError):
    """The model file cannot be used."""


class ModelConfigError(ModelError):
    """The settings name a model, template or style that does not exist here."""


class WrongServer(ModelConfigError):
    """A model server does not take the key, or has no such model."""


class PromptTooLong(ModelError):
    """Prompt tokens plus the tokens to generate exceed the context window."""


class EngineBusy(ModelError):
    """No place in the queue; try again after `retry_after_s` seconds."""

    def __init__(self, sentence: str, retry_after_s: float = 5.0) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s


class EngineFailed(ModelError):
    """The engine failed while it was answering."""


class DownloadError(ModelError):
    """The hub or mirror did not give the file; nothing half-done is left under its name."""
